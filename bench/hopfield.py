"""Hopfield networks: recall of noisy patterns, one unit after another until nothing moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.system import extra_bytes
from bench.table import Call, Job, WrongAnswer

if TYPE_CHECKING:
    import numpy as np

    from bench.digits import Digits

_NOISE = 0.1


def patterns(digits: Digits, *, n_units: int, n_patterns: int, n_probes: int) -> dict[str, Any]:
    """Random patterns, and some of them with a tenth of the bits wrong. The digits are not used."""
    import numpy as np

    rng = np.random.default_rng(0)
    found = 2 * rng.integers(0, 2, (n_patterns, n_units), dtype=np.int8) - 1
    probes = found[rng.integers(n_patterns, size=n_probes)]
    probes[rng.random(probes.shape) < _NOISE] *= -1
    return {"patterns": found, "probes": probes, "note": "random patterns, made by bench/hopfield.py"}


def fastnn_recall(job: Job) -> Call:
    """Learned before; the probes as a user has them, int8."""
    from fastnn import HopfieldNetwork

    data = job.arrays()
    network = HopfieldNetwork(n_threads=job.threads).fit(data["patterns"])
    return lambda: network.recall(data["probes"]).states


def _weights(job: Job) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    data = job.arrays()
    found = data["patterns"].astype(np.float32)
    W = found.T @ found
    np.fill_diagonal(W, 0)
    return W, data["probes"].astype(np.float32)


def numpy_recall(job: Job) -> Call:
    """The loop over probes and units of the textbooks, with a product of vectors inside."""
    import numpy as np

    W, probes = _weights(job)

    def call() -> Any:
        states = probes.copy()
        for s in states:
            moved = True
            while moved:
                moved = False
                for i in range(len(s)):
                    field = W[i] @ s
                    if field * s[i] < 0:
                        s[i] = -s[i]
                        moved = True
        return states.astype(np.int8)

    return call


def numpy_recall_together(job: Job) -> Call:
    """One unit of all probes at a time: the loop over probes is NumPy's."""
    import numpy as np

    W, probes = _weights(job)

    def call() -> Any:
        states, moved = probes.copy(), True
        while moved:
            moved = False
            for i in range(states.shape[1]):
                flips = (states @ W[i]) * states[:, i] < 0
                states[flips, i] *= -1
                moved = moved or bool(flips.any())
        return states.astype(np.int8)

    return call


def check_recalled(job: Job, states: np.ndarray) -> None:
    """Each probe must be nearer to some pattern than it was."""
    overlaps = states.astype("f4") @ job.arrays()["patterns"].T.astype("f4") / states.shape[1]
    if not (overlaps.max(axis=1) > 1 - _NOISE).all():
        raise WrongAnswer(f"a recalled state overlaps no pattern by more than {overlaps.max(axis=1).min():g}")


def fastnn_recall_bytes(job: Job) -> Call:
    """Peak memory of learning and recall, over the patterns and probes themselves."""
    from fastnn import HopfieldNetwork

    data = job.arrays()
    small = {name: array[:70, :640] for name, array in data.items()}

    def work(of: dict[str, Any]) -> None:
        HopfieldNetwork(n_threads=job.threads).fit(of["patterns"]).recall(of["probes"])

    work(small)  # threads' stacks and late imports belong to the library
    return lambda: extra_bytes(lambda: work(data))
