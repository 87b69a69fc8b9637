"""Parties that measure something other than one call's time: memory, imports, NumPy's speed."""

from __future__ import annotations

import compileall
import importlib
import importlib.util
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

from bench.rbm import LEARNING_RATE
from bench.table import Call, Job, Size

if TYPE_CHECKING:
    import numpy as np

_MATMULS = 20
_SETTLE_SECONDS = 0.02


def import_seconds(job: Job) -> Call:
    """Time the import of a package over what its users have imported anyway.

    With bytecode, as installing writes it: a tree that is worked on may have none.
    """
    for name in ("numpy", "scipy.linalg.blas", "sklearn.base"):
        importlib.import_module(name)
    spec = importlib.util.find_spec(job.size["module"])
    for where in (spec and spec.submodule_search_locations) or ():
        compileall.compile_dir(where, quiet=2)

    def call() -> float:
        start = time.perf_counter()
        importlib.import_module(job.size["module"])
        return time.perf_counter() - start

    return call


def _status_bytes(field: str) -> int | None:
    """Read a memory field of this process where Linux tells it."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def peak_bytes() -> int:
    """Return the most memory this process ever had resident.

    VmHWM first: ru_maxrss survives exec, so a child of a big process starts with its parent's peak.
    """
    peak = _status_bytes("VmHWM")
    if peak is None:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak


def extra_bytes(work: Call) -> int:
    """Return how far the work raises this process above what it had resident before.

    Ballast fills the gap left by earlier temporaries, else they would hide the work's first pages.
    """
    import numpy as np

    resident = _status_bytes("VmRSS") or peak_bytes()
    ballast = np.ones(max(0, peak_bytes() - resident), dtype=np.uint8)
    before = peak_bytes()
    work()
    extra = max(0, peak_bytes() - before)
    del ballast
    return extra


def _fit_bytes(job: Job, estimator: type, **extra: Any) -> Call:
    rows = job.arrays()["X"].astype(job.size["dtype"])
    parameters = {
        "n_components": job.size["n_hidden"],
        "learning_rate": LEARNING_RATE,
        "batch_size": job.size["batch_size"],
        "n_iter": 1,
        "random_state": 0,
        **extra,
    }
    # A small fit first: threads' stacks and late imports belong to the library, not to the fit.
    estimator(**{**parameters, "n_components": 8}).fit(rows[:20])
    return lambda: extra_bytes(lambda: estimator(**parameters).fit(rows))


def fastnn_fit_bytes(job: Job) -> Call:
    """Peak memory of fastnn's fit over its data."""
    from fastnn import RBM

    return _fit_bytes(job, RBM, method="pcd")


def sklearn_fit_bytes(job: Job) -> Call:
    """Peak memory of scikit-learn's fit over its data."""
    from sklearn.neural_network import BernoulliRBM

    return _fit_bytes(job, BernoulliRBM)


def parameters_and_chains_bytes(size: Size) -> int:
    """Return the bytes of one set of weights, biases and chains in the precision of the fit."""
    n_visible, n_hidden, n_chains = size["n_visible"], size["n_hidden"], size["batch_size"]
    item = 8 if size["dtype"] == "float64" else 4
    return item * ((n_visible + n_chains) * (n_hidden + 1) + n_hidden + n_chains * n_visible)


def _matmul_seconds(left: np.ndarray, right: np.ndarray, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        left @ right
    return (time.perf_counter() - start) / repeats


def _factors(job: Job) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    rng = np.random.default_rng(0)
    n_rows, n_inner = job.size["n_matmul_rows"], job.size["n_matmul_inner"]
    shapes = ((n_rows, n_inner), (n_inner, n_inner))
    left, right = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return left, right


def numpy_alone(job: Job) -> Call:
    """NumPy's matmul in a process that never saw fastnn."""
    left, right = _factors(job)

    def call() -> float:
        time.sleep(_SETTLE_SECONDS)
        return _matmul_seconds(left, right, _MATMULS)

    return call


def _fastnn_work(job: Job) -> Call:
    """Return a call that keeps fastnn's threads busy: a binary layer, then one through BLAS."""
    from fastnn import RBM

    stored = job.arrays()
    model = RBM.from_parameters(stored["W"], stored["a"], stored["b"])
    states = stored["v"][: job.size["n_rows"]]
    grey = states * states.dtype.type(0.7)

    def work() -> None:
        model.gibbs(states)
        model.transform(grey)

    return work


def numpy_after_fastnn(job: Job) -> Call:
    """The same matmul once fastnn has worked and its threads have gone to sleep."""
    left, right = _factors(job)
    work = _fastnn_work(job)

    def call() -> float:
        work()
        time.sleep(_SETTLE_SECONDS)
        return _matmul_seconds(left, right, _MATMULS)

    return call


def numpy_between_fastnn(job: Job) -> Call:
    """The same matmul at once after a fastnn call: what a loop that mixes both pays."""
    left, right = _factors(job)
    work = _fastnn_work(job)

    def call() -> float:
        work()
        return _matmul_seconds(left, right, 1)

    return call
