"""Annealing cases: models made here, so that nobody has to fetch a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.system import extra_bytes
from bench.table import Call, Job, WrongAnswer

if TYPE_CHECKING:
    import numpy as np

    from bench.digits import Digits


def _torus(dims: tuple[int, ...]) -> np.ndarray:
    import numpy as np

    at = np.arange(int(np.prod(dims))).reshape(dims)
    pairs = [np.stack([at.ravel(), np.roll(at, -1, d).ravel()], 1) for d in range(len(dims))]
    return np.concatenate(pairs)


def model(digits: Digits, *, kind: str, side: int, width: int) -> dict[str, Any]:
    """Edges (m, 2) and couplings (m,) of E = -sum w s s.

    cubic, cubic_gauss: side^3 torus, +-1 or Gaussian. torus: side x width, +-1. random:
    side units of mean degree width, all -1 (max-cut, as G-set's G22). sk: side units, all pairs, Gaussian of
    variance 1/side. The digits are not used.
    """
    import numpy as np

    rng = np.random.default_rng(1)
    if kind == "sk":
        edges = np.stack(np.triu_indices(side, 1), axis=1)
    elif kind == "random":
        chosen = rng.choice(side * (side - 1) // 2, side * width // 2, replace=False)
        edges = np.stack(np.triu_indices(side, 1), axis=1)[chosen]
    else:
        edges = _torus((side,) * 3 if kind.startswith("cubic") else (side, width))
    weights = rng.choice([-1.0, 1.0], len(edges))
    if kind == "random":
        weights = -np.ones(len(edges))
    if kind in ("sk", "cubic_gauss"):
        weights = rng.normal(size=len(edges)) / (np.sqrt(side) if kind == "sk" else 1)
    return {"edges": edges, "weights": weights, "note": f"{kind} model, made by bench/ising.py"}


def fastnn_anneal(job: Job) -> Call:
    import fastnn

    data, size = job.arrays(), job.size
    n = int(data["edges"].max()) + 1
    made = fastnn.IsingModel.from_edges(data["edges"], data["weights"], n=n)

    def call() -> Any:
        again = fastnn.IsingModel(made.weights)  # checks and conversion are part of the call
        found = fastnn.anneal(
            again, num_reads=size["n_reads"], num_sweeps=size["n_sweeps"], seed=0, n_threads=job.threads
        )
        return found.energies

    return call


def _through_dimod(job: Job, sampler: Any) -> Call:
    import dimod
    import numpy as np

    data, size = job.arrays(), job.size
    n = int(data["edges"].max()) + 1
    pairs = (data["edges"][:, 0], data["edges"][:, 1], -data["weights"])
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(np.zeros(n), pairs, 0.0, "SPIN")

    def call() -> Any:
        found = sampler.sample(bqm, num_reads=size["n_reads"], num_sweeps=size["n_sweeps"], seed=0)
        return found.record.energy

    return call


def dwave_anneal(job: Job) -> Call:
    from dwave.samplers import SimulatedAnnealingSampler

    return _through_dimod(job, SimulatedAnnealingSampler())


def fastnn_dimod(job: Job) -> Call:
    from fastnn.interop.dimod import SimulatedAnnealingSampler

    return _through_dimod(job, SimulatedAnnealingSampler())


def fastnn_anneal_bytes(job: Job) -> Call:
    """Peak memory of an annealing call over the model's."""
    import fastnn

    data, size = job.arrays(), job.size
    model = fastnn.IsingModel.from_edges(data["edges"], data["weights"])
    options = {"num_reads": size["n_reads"], "num_sweeps": size["n_sweeps"], "seed": 0}
    small = fastnn.IsingModel.from_edges([[0, 1]])
    fastnn.anneal(small, **options)  # threads' stacks and late imports belong to the library
    return lambda: extra_bytes(lambda: fastnn.anneal(model, **options))


def openjij_anneal(job: Job) -> Call:
    import numpy as np
    import openjij

    data, size = job.arrays(), job.size
    J = {(int(i), int(j)): -float(w) for (i, j), w in zip(data["edges"], data["weights"], strict=True)}
    sampler = openjij.SASampler()

    def call() -> Any:
        found = sampler.sample_ising({}, J, num_reads=size["n_reads"], num_sweeps=size["n_sweeps"], seed=0)
        return np.asarray(found.energies)

    return call


def check_energies(job: Job, energies: np.ndarray) -> None:
    """Annealing must have cooled: one standard deviation of a random state's energy below zero."""
    spread = float((job.arrays()["weights"] ** 2).sum()) ** 0.5
    if not energies.mean() < -spread:
        raise WrongAnswer(f"mean energy {energies.mean():g} is that of random states")
