"""How good annealed states are: best cuts, ground energies of Chimera lattices, and the time to them.

    python -m bench.quality --maxcut DIRECTORY --chimera DIRECTORY --seconds 60

--maxcut (or FASTNN_BENCH_MAXCUT): graph files in the format of G-set and rudy; best_known_cuts.json beside
them, {name: cut}, tells when to stop. --chimera (or FASTNN_BENCH_CHIMERA): folders of couplings "i j J",
as distributed with Rams et al., Phys. Rev. E 104 (2021), 025308, with their lists of ground energies. Without
either, small graphs are made whose greatest cut is known: even rings with chords, all of whose edges are cut.

On lattices annealed states are recombined: clusters held by strong couplings hardly turn over in a cold walk,
but stand one way in some reads and the other way in others. The column "annealed" tells what the walks found
by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import fastnn

_READS = 128
_FIRST_SWEEPS, _MOST_SWEEPS = 500, 64_000


class Problem(NamedTuple):
    """A model, the energy sought (None: unknown), the sign it is told with, whether states recombine."""

    name: str
    make: Callable[[], fastnn.IsingModel]
    sought: float | None
    sign: float
    recombine: bool = False


class Outcome(NamedTuple):
    """The best energy of all and of annealing alone, and the seconds from reading the file to the former."""

    best: float
    annealed: float
    seconds: float
    reads: int


def solve(problem: Problem, seconds: float, seed: int = 0, threads: int | None = None) -> Outcome:
    """Anneal, each time twice as slowly, until the sought energy is found or time is up."""
    began = time.perf_counter()
    model = problem.make()
    best, annealed, when, reads, sweeps = np.inf, np.inf, 0.0, 0, _FIRST_SWEEPS
    rough = problem.sought is None
    while (left := seconds - (time.perf_counter() - began)) > 0:
        found = fastnn.anneal(
            model, num_reads=_READS, num_sweeps=sweeps, beta_range=_range(model), time_limit=left,
            polish=True, seed=seed, n_threads=threads,
        )  # fmt: skip
        reads, seed, sweeps = reads + _READS, seed + 1, min(2 * sweeps, _MOST_SWEEPS)
        energy = found.best_energy
        annealed = min(annealed, energy)
        if problem.recombine:
            energy = model.energy(recombined(model, found.states, seed)).min()
        if energy < best - 1e-9:
            best, when = energy, time.perf_counter() - began
        if not rough and best <= problem.sought + 1e-6 * abs(problem.sought):
            break
    return Outcome(best, annealed, when, reads)


def recombined(model: fastnn.IsingModel, states: np.ndarray, seed: int = 0) -> np.ndarray:
    """Spins (n_states, n) that took from each other what lowers their energies, until nothing does.

    Where two states differ, connected spins make a cluster. No coupling joins two of these, so that their
    turns change the energy each by itself; a state takes all that lower its own. (Clusters: Houdayer, Eur.
    Phys. J. B 22 (2001), 479; Zhu, Ochoa, Katzgraber, Phys. Rev. Lett. 115 (2015), 077201.)
    """
    rng = np.random.default_rng(seed)
    pairs = model.rows.tocoo()
    first, second = pairs.row[pairs.row < pairs.col], pairs.col[pairs.row < pairs.col]
    while True:
        differs = states != states[rng.permutation(len(states))]
        state, pair = np.nonzero(differs[:, first] & differs[:, second])
        ends = state * model.n + first[pair], state * model.n + second[pair]
        joined = coo_array((np.ones(state.size, bool), ends), shape=(states.size, states.size))
        cluster = connected_components(joined, directed=False)[1]
        # Fields by all but the own cluster: differing neighbours belong to it.
        outside = model.bias + (model.rows @ np.where(differs, 0, states).T).T
        rises = np.bincount(cluster, (differs * states * outside).ravel())[cluster].reshape(states.shape)
        turned = differs & (rises < -1e-9)
        if not turned.any():
            return states
        states = np.where(turned, -states, states)


def _range(model: fastnn.IsingModel) -> tuple[float, float]:
    """Betas between which states form: in units of a spin's typical field, and of its typical coupling."""
    strengths = abs(model.rows.data)
    field = np.sqrt(model.rows.nnz / model.n * np.mean(strengths**2) + np.mean(model.bias**2))
    return 0.2 / field, 6 / float(np.sqrt(np.mean(strengths**2)))


def graphs(folder: Path) -> Iterator[Problem]:
    """Max-cut on every graph file of a folder; the greatest cut is minus the energy."""
    known = folder / "best_known_cuts.json"
    cuts = json.loads(known.read_text()) if known.exists() else {}
    for path in sorted(folder.glob("G*.txt"), key=lambda path: (len(path.stem), path.stem)):
        cut = cuts.get(path.stem)
        sought = None if cut is None else -float(cut)
        yield Problem(path.stem, lambda path=path: fastnn.IsingModel.from_file(path), sought, -1.0)


def lattices(folder: Path) -> Iterator[Problem]:
    """Every Chimera file whose ground energy is listed."""
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        energies = _ground_energies(folder, part)
        for path in sorted(part.glob("[0-9]*.txt")):
            if int(path.stem) in energies:
                name, sought = f"{part.name}/{path.stem}", energies[int(path.stem)]
                yield Problem(name, lambda path=path: _read_lattice(path), sought, 1.0, recombine=True)


def _ground_energies(folder: Path, part: Path) -> dict[int, float]:
    listed = part / "groundstates_otn2d.txt"
    if listed.exists():
        lines = [line.split(":") for line in listed.read_text().splitlines() if ":" in line]
        return {int(name.strip().removesuffix(".txt")): float(rest.split()[0]) for name, rest in lines}
    table = np.loadtxt(folder / f"results_{part.name}.txt", comments="#")
    return {int(row[0]): float(row[1]) for row in table}


def _read_lattice(path: Path) -> fastnn.IsingModel:
    """E = sum over i < j of J_ij s_i s_j + sum of J_ii s_i."""
    table = np.loadtxt(path, comments="#", ndmin=2)
    i, j = table[:, :2].astype(int).T - 1
    own, n = i == j, int(max(i.max(), j.max())) + 1
    bias = np.bincount(i[own], weights=-table[own, 2], minlength=n)
    pairs = np.stack([i, j], axis=1)[~own]
    return fastnn.IsingModel.from_edges(pairs, -table[~own, 2], bias, n=n)


def rings() -> Iterator[Problem]:
    """Even rings with chords between odd and even units: bipartite, so that every edge can be cut."""
    rng = np.random.default_rng(0)
    for n in (50, 200):
        ring = np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1)
        chords = np.stack([2 * rng.integers(n // 2, size=n), 2 * rng.integers(n // 2, size=n) + 1], axis=1)
        edges = np.unique(np.sort(np.concatenate([ring, chords]), axis=1), axis=0)

        def make(edges=edges, n=n):
            return fastnn.IsingModel.from_edges(edges, -0.5, n=n, offset=-0.5 * len(edges))

        yield Problem(f"ring of {n}", make, -float(len(edges)), -1.0)


def main(arguments: list[str] | None = None) -> int:
    """Print a table; 1 if some sought energy was not found."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__.splitlines()[0])
    parser.add_argument("--maxcut", type=Path, default=os.environ.get("FASTNN_BENCH_MAXCUT"))
    parser.add_argument("--chimera", type=Path, default=os.environ.get("FASTNN_BENCH_CHIMERA"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args(arguments)
    problems: list[Problem] = []
    if options.maxcut:
        problems += graphs(Path(options.maxcut))
    if options.chimera:
        problems += lattices(Path(options.chimera))
    print(
        "| problem | sought | annealed | found | seconds to it | reads |\n|---|---|---|---|---|---|",
        flush=True,
    )
    missed = 0
    for problem in problems or rings():
        out = solve(problem, options.seconds, threads=options.threads)
        reached = problem.sought is None or out.best <= problem.sought + 1e-6 * abs(problem.sought)
        missed += not reached
        energies = (problem.sought, out.annealed, out.best)
        told = ["" if energy is None else f"{problem.sign * energy:.7g}" for energy in energies]
        print("|", " | ".join([problem.name, *told, f"{out.seconds:.2f}", str(out.reads)]), "|", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
