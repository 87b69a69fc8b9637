"""The loop over epochs that both RBM estimators share: training, callbacks, stopping."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastnn._kernels.source import Source
from fastnn._kernels.train import Trainer
from fastnn._kernels.weights import Weights
from fastnn._threads import single_threaded_blas
from fastnn.energy._monitors import why_useless
from fastnn.energy.units import why_not_normalisable
from fastnn.exceptions import DivergenceError

# A hidden unit is idle if its mean activity is this close to an end.
IDLE = 1e-3


def _shares(name: str, done: np.ndarray) -> np.ndarray:
    return {
        "constant": np.ones_like(done),
        "linear": 1 - done,
        "inverse": 1 / (1 + 99 * done),
        "exponential": 0.01**done,
    }[name]


SCHEDULES = ("constant", "linear", "inverse", "exponential")


def rates_of_fit(learning_rate: float, schedule, n_updates: int) -> np.ndarray:
    """The rate of every update of a fit; ValueError if a user's schedule does not give shares."""
    done = np.arange(n_updates) / max(n_updates, 1)
    if isinstance(schedule, str):
        return learning_rate * _shares(schedule, done)
    shares = np.array([schedule(float(d)) for d in done], np.float64)
    if not (np.isfinite(shares).all() and (shares >= 0).all()):
        raise ValueError("learning_rate_schedule must give finite numbers that are not negative")
    return learning_rate * shares


@dataclass
class Run:
    """A fit under way: what is trained on what, and how it goes."""

    model: object
    trainer: Trainer
    source: Source
    batch_size: int
    key: int
    n_threads: int
    rates: np.ndarray  # of every update
    base: np.ndarray
    rows: object = None  # on which every epoch is judged

    @property
    def weights(self) -> Weights:
        return self.trainer.weights

    def parameters(self) -> tuple[np.ndarray | None, ...]:
        weights = self.weights
        n_visible, n_hidden = weights.n_units(False), weights.n_units(True)
        arrays = weights.dense[:, :n_hidden], weights.visible_bias[:n_visible]
        sigma = None if weights.sigma is None else weights.sigma[:n_visible].copy()
        return *(a.copy() for a in (*arrays, weights.hidden_bias[:n_hidden])), sigma

    def epoch(self, number: int, shuffle: bool) -> None:
        """One pass over the data; the parameters are taken back if they leave the range of numbers."""
        before = self.parameters()
        means = {name: a.copy() for name, a in self.trainer.arrays.items() if name.endswith("_mean")}
        order = None
        if shuffle:
            # Keyed by how far the fit has come, so that one that goes on sees new orders.
            seed = [self.key, self.trainer.n_updates, 0]
            order = np.random.default_rng(seed).permutation(self.source.n_rows)
        n_batches = -(-self.source.n_rows // self.batch_size)
        rates = np.ascontiguousarray(self.rates[number * n_batches : (number + 1) * n_batches])
        reason = self._pass(order, rates) or why_useless(self.model, self.rows, self.n_threads)
        if reason:
            self.weights.load(*before, self.n_threads)
            self._forget_motion(means)
            raise DivergenceError(
                f"training diverged in epoch {number + 1}: {reason}. The model keeps the parameters from "
                "before that epoch; lower learning_rate or momentum."
            )

    def _pass(self, order, rates) -> str | None:
        """All updates of an epoch; why they went astray, or None."""
        region = self.model._region()
        if region is None:
            return self._update(order, rates)
        order = np.arange(self.source.n_rows) if order is None else order
        for k in range(rates.size):
            rows = order[k * self.batch_size : (k + 1) * self.batch_size]
            reason = self._update(rows, rates[k : k + 1]) or region.why_left(self._matrix())
            if reason:
                return reason
        return None

    def _update(self, order, rates) -> str | None:
        with single_threaded_blas():
            bad = self.trainer.epoch(self.source, order, rates, self.batch_size)
        biases = self.weights.visible_bias, self.weights.hidden_bias
        if bad or not all(np.isfinite(bias).all() for bias in biases):
            return "weights are no longer finite numbers"
        return None

    def _matrix(self) -> np.ndarray:
        return self.weights.dense[:, : self.weights.n_units(True)]

    def _forget_motion(self, means: dict[str, np.ndarray]) -> None:
        """Velocities that led out of the range of numbers would lead there again, as would running means."""
        for name, array in self.trainer.arrays.items():
            if name.endswith(("_velocity", "_second")) or (name == "chains" and array.dtype.kind == "f"):
                array[...] = 0
            elif name in means:
                array[...] = means[name]


class Region:
    """The weights of units that make a distribution only within a region; left by none of many small steps.

    units: of both layers. The largest singular value of W, which has to stay below 1, changes by no more than
    the length of W's change (Weyl): it is computed only where the way since it was last would reach the edge.
    """

    def __init__(self, units: tuple[str, str]):
        self.units = units
        self.known, self.room = np.zeros(()), -1.0

    def why_left(self, W: np.ndarray) -> str | None:
        """Why e^-E of these weights has no finite sum, or None."""
        if np.linalg.norm(W - self.known) < self.room:
            return None
        reason = why_not_normalisable(W, *self.units)
        if reason is None:
            self.known, self.room = W.copy(), (1 - np.linalg.norm(W, 2)) * (1 - 1e-5)
        return reason


def replace_idle(run: Run) -> int:
    """Begin anew the hidden units that are always in one state, which no row can change; how many.

    What a unit that is always on gives the visible units goes to their biases, so that nothing else changes.
    """
    weights = run.weights
    n_visible, n_hidden = weights.n_units(False), weights.n_units(True)
    low, step = weights.unit_range(True)
    if step == 0:  # units whose states are numbers have no state that no row can change
        return 0
    mean = run.trainer.arrays["hidden_mean"][:n_hidden].astype(np.float64)
    activity = (mean - low) / step
    idle = np.flatnonzero(np.minimum(activity, 1 - activity) < IDLE)
    if idle.size == 0:
        return 0
    W, a, b, sigma = run.parameters()
    a += (W[:, idle].astype(np.float64) @ np.where(activity[idle] > 0.5, low + step, low)).astype(a.dtype)
    W[:, idle] = np.random.default_rng([run.key, run.trainer.n_updates, 3]).normal(
        0, 0.01, (n_visible, idle.size)
    )
    b[idle] = 0
    weights.load(W, a, b, sigma, run.n_threads)
    run.trainer.forget_units(idle, low + step / 2)
    return int(idle.size)


class EarlyStopping:
    """Stops when a criterion on the validation rows has not improved for a while; keeps the best."""

    def __init__(self, criterion: Callable[[], float], patience: int, tol: float):
        self.criterion, self.patience, self.tol = criterion, patience, tol
        self.best, self.best_parameters, self.waited = -np.inf, None, 0

    def should_stop(self, run: Run) -> bool:
        score = self.criterion()
        if score > self.best + self.tol:
            self.best, self.best_parameters, self.waited = score, run.parameters(), 0
        else:
            self.waited += 1
        return self.waited >= self.patience

    def restore(self, run: Run) -> None:
        if self.best_parameters is not None:
            run.weights.load(*self.best_parameters, run.n_threads)


def run_epochs(
    run: Run, n_epochs: int, shuffle: bool, shown: dict, after_epoch: Callable[[int, float], bool]
) -> int:
    """Train; after_epoch(number, seconds) says whether to stop. Returns how many epochs were done.

    shown: X and y for callbacks.

    Whatever interrupts (Ctrl-C, divergence, a callback's error) leaves the parameters of the last whole
    minibatch or epoch in place.
    """
    model = run.model
    for number in range(n_epochs):
        began = time.perf_counter()
        step = model._callback_fit_ctx.subcontext(task_name="epoch")
        step.call_on_fit_task_begin(estimator=model, **shown)
        run.epoch(number, shuffle)
        stop = after_epoch(number, time.perf_counter() - began)
        stop |= step.call_on_fit_task_end(
            estimator=model, **shown, reconstruction_attributes=lambda: _snapshot(run)
        )
        if stop:
            return number + 1
    return n_epochs


def _snapshot(run: Run) -> dict[str, np.ndarray]:
    weights, a, b, sigma = run.parameters()
    found = {"components_": weights.T, "intercept_visible_": a, "intercept_hidden_": b}
    return found if sigma is None else {**found, "sigma_": sigma}
