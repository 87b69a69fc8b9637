"""Parties of the cases of unit types: a Gibbs step of each, against its two matrix products and its draws.

Every library is imported inside its own party, so that a process holds one library's threads only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.table import Call, Job, WrongAnswer

if TYPE_CHECKING:
    import numpy as np

    from bench.digits import Digits

_GROUP = 7


def small_weights(
    digits: Digits, *, n_visible: int, n_hidden: int, n_states: int, unit: str
) -> dict[str, Any]:
    """Weights of a size that keeps every pair normalisable, and states of the visible units."""
    import numpy as np

    rng = np.random.default_rng(0)
    W = rng.normal(0, 0.3 / np.sqrt(n_visible), (n_visible, n_hidden))
    draws = {
        "gaussian": lambda: rng.normal(size=(n_states, n_visible)),
        "poisson": lambda: rng.poisson(1.0, (n_states, n_visible)),
        "relu": lambda: abs(rng.normal(size=(n_states, n_visible))),
        "potts": lambda: np.eye(_GROUP)[rng.integers(_GROUP, size=(n_states, n_visible // _GROUP))].reshape(
            n_states, -1
        ),
    }
    return {"W": W.astype("float32"), "v": draws[unit]().astype("float32"), "note": f"{unit} visible units"}


def check_numbers(job: Job, states: Any) -> None:
    """Refuse states of another shape or that are not finite."""
    import numpy as np

    start = job.arrays()["v"]
    if np.shape(states) != start.shape or not np.isfinite(np.asarray(states, np.float32)).all():
        raise WrongAnswer(f"a Gibbs step must return finite states of shape {start.shape}")


def fastnn_unit_gibbs(job: Job) -> Call:
    """The call a user makes, validation and result array included."""
    from fastnn import RBM, Potts

    stored, unit = job.arrays(), job.size["unit"]
    visible = Potts(_GROUP) if unit == "potts" else unit
    model = RBM.from_parameters(stored["W"], visible=visible, n_threads=job.threads)
    v = stored["v"]
    return lambda: model.gibbs(v)


def numpy_unit_step(job: Job) -> Call:
    """Two products of NumPy's and one draw for every unit from its generator, nothing else.

    A rectified unit is charged a normal draw, a group of Potts units a uniform one; no biases, no means.
    """
    import numpy as np

    stored, unit, rng = job.arrays(), job.size["unit"], np.random.default_rng(0)
    W, v = stored["W"], stored["v"]

    def draw(field: np.ndarray) -> np.ndarray:
        if unit == "poisson":
            return rng.poisson(np.exp(field))
        if unit == "potts":
            return rng.random((len(field), field.shape[1] // _GROUP), dtype=np.float32), field
        return rng.standard_normal(field.shape, dtype=np.float32) + field

    def call() -> np.ndarray:
        hidden = (rng.random((len(v), W.shape[1]), dtype=np.float32) < v @ W).astype(np.float32)
        states = draw(hidden @ W.T)
        return states[1] if unit == "potts" else states

    return call
