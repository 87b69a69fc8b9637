"""How good annealed states are: best cuts, ground energies of Chimera lattices, and the time to them.

    python -m bench.quality --maxcut DIRECTORY --chimera DIRECTORY --seconds 60

--maxcut (or FASTNN_BENCH_MAXCUT): graph files in the format of G-set and rudy; best_known_cuts.json beside
them, {name: cut}, tells when to stop. --chimera (or FASTNN_BENCH_CHIMERA): folders of couplings "i j J",
as distributed with Rams et al., Phys. Rev. E 104 (2021), 025308, with their lists of ground energies. Without
either, small graphs are made whose greatest cut is known: even rings with chords, all of whose edges are cut.
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

import fastnn

_READS = 128
_FIRST_SWEEPS, _MOST_SWEEPS = 500, 64_000


class Problem(NamedTuple):
    """A model, the energy that is sought (None: unknown), and how its energy is told."""

    name: str
    make: Callable[[], fastnn.IsingModel]
    sought: float | None
    sign: float


class Outcome(NamedTuple):
    """The best energy, and the seconds from reading the file until it was found."""

    best: float
    seconds: float
    reads: int


def solve(problem: Problem, seconds: float, seed: int = 0, threads: int | None = None) -> Outcome:
    """Anneal, each time twice as slowly, until the sought energy is found or time is up."""
    began = time.perf_counter()
    model = problem.make()
    best, when, reads, sweeps = np.inf, 0.0, 0, _FIRST_SWEEPS
    rough = problem.sought is None
    while (left := seconds - (time.perf_counter() - began)) > 0:
        found = fastnn.anneal(
            model, num_reads=_READS, num_sweeps=sweeps, beta_range=_range(model), time_limit=left,
            polish=True, seed=seed, n_threads=threads,
        )  # fmt: skip
        reads, seed, sweeps = reads + _READS, seed + 1, min(2 * sweeps, _MOST_SWEEPS)
        if found.best_energy < best - 1e-9:
            best, when = found.best_energy, time.perf_counter() - began
        if not rough and best <= problem.sought + 1e-6 * abs(problem.sought):
            break
    return Outcome(best, when, reads)


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
                yield Problem(name, lambda path=path: _read_lattice(path), sought, 1.0)


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
    print("| problem | sought | found | seconds to it | reads |\n|---|---|---|---|---|", flush=True)
    missed = 0
    for problem in problems or rings():
        out = solve(problem, options.seconds, threads=options.threads)
        reached = problem.sought is None or out.best <= problem.sought + 1e-6 * abs(problem.sought)
        missed += not reached
        sought = "" if problem.sought is None else f"{problem.sign * problem.sought:g}"
        print(
            f"| {problem.name} | {sought} | {problem.sign * out.best:g} | {out.seconds:.2f} | {out.reads} |",
            flush=True,
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
