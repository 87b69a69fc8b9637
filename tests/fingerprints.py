"""What must not depend on threads or instruction set, as digests: run by test_isa and test_vmath.

``python fingerprints.py models`` (or another function's name) prints {name: {number of threads: digest}}
as JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial

import numpy as np

import fastnn
from fastnn._kernels import core

THREADS = (1, 2, 3, 8)
DENSITIES = (0.01, 0.2, 0.5, 0.95)
FUNCTIONS = ("exp", "log", "sigmoid", "softplus", "tanh")
# No multiple of 64 anywhere, a short last batch, and enough work that the threads share it.
N_SAMPLES, N_VISIBLE, N_HIDDEN = 710, 391, 250
COMMON = {"n_iter": 1, "random_state": 7}
RBMS = {
    "pcd": {"batch_size": 100},
    "pcd with 37 chains, 3 steps": {"batch_size": 600, "n_chains": 37, "n_gibbs_steps": 3},
    "cd": {"method": "cd", "sample_visible": True, "batch_size": 90, "n_gibbs_steps": 2},
    "cd, last hidden drawn": {"method": "cd", "sample_visible": True, "sample_last_hidden": True},
    "momentum, decay, no centering": {"momentum": 0.9, "l1": 1e-4, "l2": 1e-3, "centering": False},
    "adam": {"optimizer": "adam", "momentum": 0.9, "learning_rate": 0.001, "l2": 1e-3},
    "bounded weights": {
        "max_norm": 0.3,
        "replace_idle": True,
        "learning_rate_schedule": "inverse",
    },
    "sparse activity": {"sparsity_target": 0.1, "sparsity_cost": 0.5},
    "early stopping": {"early_stopping": True, "batch_size": 500},
    "spins": {"visible": "spin", "hidden": "spin", "learning_rate": 0.01},
    "spins below": {"visible": "spin", "learning_rate": 0.01},
    "spins above": {"hidden": "spin", "method": "cd", "sample_visible": True},
}


def binary(density: float, dtype=np.float32, n_samples: int = N_SAMPLES) -> np.ndarray:
    """Rows of 0 and 1 that repeat ten patterns with noise, so that there is something to learn."""
    rng = np.random.default_rng(int(1000 * density))
    patterns = rng.random((10, N_VISIBLE)) < density
    X = patterns[rng.integers(10, size=n_samples)]
    return (X ^ (rng.random(X.shape) < 0.05 * density)).astype(dtype)


def digest(*arrays: np.ndarray) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def fitted(model, X) -> str:
    """Weights, chains' fantasies and samples of a model after a fit and one more minibatch."""
    model.fit(X).partial_fit(X[:77])
    parameters = model.components_, model.intercept_visible_, model.intercept_hidden_
    v = model.gibbs(X, 2)
    return digest(*parameters, v, model.gibbs(v[:3], 1), model.sample(65, 3))


def models() -> dict[str, dict[int, str]]:
    cases = {}
    for dtype in (np.float32, np.float64):
        kind = np.dtype(dtype).name
        for density in DENSITIES:
            X = binary(density, dtype)
            cases[f"pcd, density {density:g}, {kind}"] = fastnn.RBM, {"batch_size": 130}, X
            params = {"batch_size": 64, "learning_rate": 0.05}
            cases[f"BernoulliRBM, density {density:g}, {kind}"] = fastnn.BernoulliRBM, params, X
        for name, params in RBMS.items():
            X = binary(0.2, dtype)
            X = 2 * X - 1 if params.get("visible") == "spin" else X
            cases[f"{name}, {kind}"] = fastnn.RBM, params, X
    X = np.random.default_rng(3).random((N_SAMPLES, N_VISIBLE), dtype=np.float32)
    cases["grey levels drawn afresh"] = fastnn.RBM, {"binarize": "sample"}, X
    found = {}
    for name, (estimator, params, X) in cases.items():
        if estimator is fastnn.RBM:
            params = {"monitor": (), "batch_size": 100, **params}
        new = partial(estimator, N_HIDDEN, **COMMON, **params)
        found[name] = {n: fitted(new(n_threads=n), X) for n in THREADS}
    return found


def likelihoods() -> dict[str, dict[int, str]]:
    """Exact sums, importance weights both ways, and tempered draws."""
    found = {}
    rng = np.random.default_rng(6)
    for dtype in (np.float32, np.float64):
        for visible in ("bernoulli", "spin"):
            W, a = rng.normal(0, 0.1, (300, 90)).astype(dtype), rng.normal(size=300).astype(dtype)
            X = np.where(rng.random((40, 300)) < 0.3, 1, int(visible == "bernoulli") - 1)
            runs = {n: fastnn.RBM.from_parameters(W, a, visible=visible, n_threads=n) for n in THREADS}
            few = fastnn.RBM.from_parameters(W[:, :13], a, visible=visible)
            options = {"n_betas": 20, "n_chains": 70, "base": "uniform", "random_state": 0}
            name = f"{visible}, {np.dtype(dtype).name}"
            sums = {n: float(few.set_params(n_threads=n).log_partition()) for n in THREADS}
            found[f"exact, {name}"] = {n: digest(np.array(z)) for n, z in sums.items()}
            bridges = {n: m.log_partition("bridge", X, **options) for n, m in runs.items()}
            values = {n: [z.value, z.error, *map(float, z.parts.values())] for n, z in bridges.items()}
            found[f"bridge, {name}"] = {n: digest(np.array(z)) for n, z in values.items()}
            drawn = {n: m.temper(30, 10, base="uniform", random_state=0) for n, m in runs.items()}
            found[f"tempering, {name}"] = {n: digest(t.samples, t.swap_rates) for n, t in drawn.items()}
        found.update(annealed_units(dtype))
    return found


def annealed_units(dtype) -> dict[str, dict[int, str]]:
    """Potts units at every temperature; the weights of one step of units that are numbers."""
    rng = np.random.default_rng(9)
    W, found = rng.normal(0, 0.1, (300, 90)).astype(dtype), {}
    options = {"n_chains": 70, "base": "uniform", "random_state": 0}
    for unit in ("gaussian", "poisson", "relu", fastnn.Potts((20, 1, 50, 19))):
        name = unit if isinstance(unit, str) else "potts"
        turned = {n: fastnn.RBM.from_parameters(W, hidden=unit, n_threads=n) for n in THREADS}
        works = {n: m.log_partition("ais", betas=[0, 1], **options).value for n, m in turned.items()}
        found[f"annealed {name}, {np.dtype(dtype).name}"] = {n: digest(np.array(z)) for n, z in works.items()}
    potts = fastnn.Potts((70, 1, 200, 29))
    runs = {n: fastnn.RBM.from_parameters(W, visible=potts, hidden=unit, n_threads=n) for n in THREADS}
    works = {n: np.array(m.log_partition("ais", n_betas=20, **options).value) for n, m in runs.items()}
    drawn = {n: m.temper(30, 10, base="uniform", random_state=0) for n, m in runs.items()}
    found[f"potts in both layers, {np.dtype(dtype).name}"] = {
        n: digest(works[n], t.samples, t.swap_rates) for n, t in drawn.items()
    }
    return found


def annealed() -> dict[str, dict[int, str]]:
    """States of every kernel, precision, rule and order: blocks of reads, parts of a block, several rungs."""
    rng = np.random.default_rng(8)
    edges = rng.integers(12_000, size=(20_000, 2))
    edges = edges[edges[:, 0] != edges[:, 1]]
    whole = rng.integers(-3, 4, len(edges))
    cases = {
        "bits": (whole, "bits", {}),
        "lanes": (rng.normal(size=len(edges)), "lanes", {}),
        "lanes of float64": (np.where(whole > 2, 1e7, rng.normal(size=len(edges))), "lanes", {}),
        "fields": (rng.normal(size=len(edges)), "fields", {"num_reads": 20}),
        "fields of float64": (
            np.where(whole > 2, 1e7, rng.normal(size=len(edges))),
            "fields",
            {"num_reads": 5},
        ),
        "one block in parts": (whole, "bits", {"num_reads": 10}),
    }
    found = {}
    for name, (weights, kernel, options) in cases.items():
        model = fastnn.IsingModel.from_edges(edges, weights, n=12_000)
        for order, rule in (("color", "metropolis"), ("sequential", "heat_bath"), ("random", "metropolis")):
            run = partial(
                fastnn.anneal, model, schedule=[0.1, 0.3, 1.0, np.inf], kernel=kernel, order=order,
                acceptance=rule, seed=1, **{"num_reads": 150, **options},
            )  # fmt: skip
            samples = {n: run(n_threads=n) for n in THREADS}
            found[f"{name}, {order}, {rule}"] = {n: digest(s.states, s.energies) for n, s in samples.items()}
    model = fastnn.IsingModel.from_edges(edges, whole, n=12_000)
    temper = partial(
        fastnn.parallel_tempering, model, [0.1, 0.2], num_reads=70, num_sweeps=5, burn_in=2, seed=1
    )
    runs = {n: temper(n_threads=n) for n in THREADS}
    found["tempering"] = {n: digest(r.energies, r.samples[1].states) for n, r in runs.items()}
    return found


def hopfield() -> dict[str, dict[int, str]]:
    """Where probes of Hopfield networks end, and the energies on the way."""
    rng = np.random.default_rng(5)
    patterns, X = rng.choice([-1, 1], (30, 301)), rng.choice([-1, 1], (150, 301))
    W = rng.normal(size=(301, 301))
    np.fill_diagonal(W, 0)
    memory = {"hebb": {}, "sync": {"update": "sync"}, "polynomial": {"energy": "polynomial", "degree": 5}}
    networks = {name: fastnn.HopfieldNetwork(**params).fit(patterns) for name, params in memory.items()}
    for dtype in (np.float32, np.float64):
        given = fastnn.HopfieldNetwork.from_weights(W.astype(dtype), max_sweeps=20)
        W = W + W.T
        networks[f"given, {np.dtype(dtype).name}"] = given
    found = {}
    for name, network in networks.items():
        recalls = {n: network.set_params(n_threads=n).recall(X) for n in THREADS}
        arrays = {
            n: [r.states, r.n_sweeps] + [r.energies] * (r.energies is not None) for n, r in recalls.items()
        }
        found[name] = {n: digest(*of_run) for n, of_run in arrays.items()}
    return found


def boltzmann() -> dict[str, dict[int, str]]:
    """Parameters and draws of Boltzmann machines."""
    X = binary(0.3, n_samples=200)[:, :37]
    found = {}
    for dtype in (np.float32, np.float64):
        for units in ("bernoulli", "spin"):
            rows = (2 * X - 1 if units == "spin" else X).astype(dtype)
            params = {"method": "pcd", "units": units, "n_iter": 1, "batch_size": 90, "random_state": 0}
            runs = {n: fastnn.BoltzmannMachine(11, n_threads=n, **params).fit(rows) for n in THREADS}
            name = f"{units}, {np.dtype(dtype).name}"
            found[name] = {n: digest(m.weights_, m.bias_, m.sample(70, 9)) for n, m in runs.items()}
    return found


def networks() -> dict[str, dict[int, str]]:
    """Activations of any numbers, and belief networks learned from binary rows."""
    import fastnn.functional as F

    found = {}
    for dtype in (np.float32, np.float64):
        kind, x = np.dtype(dtype).name, arguments(dtype, 5000)
        x = x[np.isfinite(x)]
        for name in ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "threshold"):
            values = [getattr(F, name + which)(x) for which in ("", "_derivative")]
            found[f"{name}, {kind}"] = {1: digest(*values)}
        X = binary(0.2, dtype, 300)
        machine = fastnn.RBM(n_iter=1, binarize="sample", monitor=())
        fits = {}
        for n in THREADS:
            dbn = fastnn.DBN((70, 40), machine.set_params(n_threads=n), random_state=7).fit(X)
            parts = [part for rbm in dbn.rbms_ for part in (rbm.components_, rbm.intercept_hidden_)]
            fits[n] = digest(*parts, dbn.transform(X), dbn.sample(9, 5, random_state=1))
        found[f"dbn, {kind}"] = fits
    return found


def units() -> dict[str, dict[int, str]]:
    """Draws, means and free energies of every type of unit, given two-valued units on the other side."""
    rng = np.random.default_rng(2)
    found = {}
    for dtype in (np.float32, np.float64):
        W, a = rng.normal(0, 0.2, (250, 70)).astype(dtype), np.linspace(-6, 4, 250, dtype=dtype)
        H = rng.integers(0, 2, (90, 70)).astype(np.uint8)
        for unit in ("gaussian", "poisson", "relu", fastnn.Potts((50, 1, 100, 99))):
            name = f"{unit if isinstance(unit, str) else 'potts'}, {np.dtype(dtype).name}"
            new = partial(fastnn.RBM.from_parameters, W, a, visible=unit, random_state=3)
            turned = partial(fastnn.RBM.from_parameters, W.T, None, a, hidden=unit, random_state=3)
            found[name] = {
                n: digest(
                    new(n_threads=n).sample(300, 0),
                    new(n_threads=n).inverse_transform(H),
                    turned(n_threads=n).free_energy(H),
                    turned(n_threads=n).transform(H),
                )
                for n in THREADS
            }
    return found


def arguments(dtype, n: int = 200_000) -> np.ndarray:
    """Arguments of every size: any bits, the range of exp, around zero, tiny ones."""
    rng = np.random.default_rng(0)
    word, tiny = (np.uint32, -149) if dtype == np.float32 else (np.uint64, -1074)
    any_bits = rng.integers(0, np.iinfo(word).max, n, dtype=word, endpoint=True).view(dtype)
    near = [rng.uniform(-750, 750, n), rng.uniform(-4, 4, n)]
    small = np.ldexp(rng.uniform(-1, 1, n), rng.integers(tiny, 4, n))
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 2.0**tiny, -(2.0**tiny)]
    others = np.concatenate([*near, small, special]).astype(dtype)
    return np.concatenate([any_bits, others])


def apply(function: str, x: np.ndarray) -> np.ndarray:
    return core.map_array(FUNCTIONS.index(function), x, np.empty_like(x))


def vmath() -> dict[str, dict[int, str]]:
    found = {}
    for dtype in (np.float32, np.float64):
        x = arguments(dtype)
        for function in FUNCTIONS:
            y = apply(function, x)
            y[np.isnan(y)] = np.nan  # one NaN for all: its sign and payload mean nothing
            found[f"{function}, {np.dtype(dtype).name}"] = {1: digest(y)}
    return found


if __name__ == "__main__":
    kinds = (models, likelihoods, annealed, hopfield, boltzmann, networks, units, vmath)
    makers = {f.__name__: f for f in kinds}
    print(json.dumps(makers[sys.argv[1]]()))
