"""What a fit of an RBM is made of: first parameters, the trainer, monitors, and what is kept afterwards."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, issparse, vstack

from fastnn._kernels.gibbs import gibbs
from fastnn._kernels.layers import at_rest
from fastnn._kernels.train import Trainer
from fastnn._validation import real_dtype, visible_source
from fastnn.energy._fit import (
    EarlyStopping,
    Region,
    Run,
    rates_of_fit,
    replace_idle,
    run_epochs,
)
from fastnn.energy._monitors import (
    LIKELIHOODS,
    MONITOR_ROWS,
    MONITORS,
    TWO_VALUED,
    Monitors,
    blocks,
)
from fastnn.energy.units import (
    Gaussian,
    bias_of_mean,
    default_rate,
    group_ranges,
    pair_rule,
)

# Draws after the fit take another key than those during it.
SAMPLING = 0x9E3779B97F4A7C15
# Singular value of the first weights where weights have to stay below 1.
_START_NORM = 0.3
# batch_size="auto": this many rows where an epoch then has so many updates.
FULL_BATCH, UPDATES_AN_EPOCH = 100, 150


class Learning:
    """Parts of `fastnn.RBM.fit` and `partial_fit`, in the order in which they are needed; for RBMs alone."""

    def _check_monitors(self) -> None:
        known = (*MONITORS, *LIKELIHOODS)
        unknown = set(self.monitor) - set(known)
        if unknown:
            raise ValueError(f"unknown monitors {sorted(unknown)}; known are {known}")
        flips = self._units()[0] in TWO_VALUED
        wanted = "pseudo_likelihood" in self.monitor and tuple(self.monitor) != MONITORS
        if not flips and (wanted or self.early_stopping == "pseudo_likelihood"):
            raise ValueError(
                f"the pseudo-likelihood is of bernoulli and spin visible units, not of {self._units()[0]}"
            )

    def _region(self) -> Region | None:
        """Where weights have to stay, of units that make a distribution only there."""
        return Region(self._units()) if pair_rule(*self._units()) == "definite" else None

    def _check_range(self, X, n_threads: int) -> None:
        self._check_units(X.shape[1], learning=True)
        visible_source(
            X,
            self._units()[0],
            None,
            strict=self._strict,
            dtype=real_dtype(X, self._state_dtype),
            n_threads=n_threads,
            keep=False,
            groups=group_ranges(self.visible, X.shape[1], "visible"),
        )

    def _split(self, X, X_val, key: int):
        """Training and validation rows; some are set aside if early stopping has none."""
        if X_val is not None or not self.early_stopping:
            return X, X_val
        n_val = int(np.ceil(self.validation_fraction * X.shape[0]))
        if n_val >= X.shape[0]:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {X.shape[0]} rows leaves none to "
                "train on; give X_val, more rows, or early_stopping=False"
            )
        order = np.random.default_rng([key, 0, 1]).permutation(X.shape[0])
        return X[np.sort(order[n_val:])], X[np.sort(order[:n_val])]

    def _initial_parameters(self, X, mean, dtype, key: int):
        """W (n_features, n_components), a, b; mean: of the visible units, in units of sigma."""
        rng = np.random.default_rng([key, 0, 2])
        W = rng.normal(0, 0.01, (X.shape[1], self.n_components))
        if pair_rule(*self._units()) == "definite":
            W *= min(1, _START_NORM / np.linalg.norm(W, 2))
        a = np.zeros(X.shape[1])
        if self.init == "hinton":
            a = bias_of_mean(self._units()[0], mean, X.shape[0], self._visible_groups(X))
        return W.astype(dtype), a.astype(dtype), np.zeros(self.n_components, dtype)

    def _initial_sigma(self, X, mean) -> np.ndarray | None:
        """Standard deviations of the visible units: of the data's columns, or as they are given."""
        if self._units()[0] != "gaussian":
            return None
        if issparse(X):
            squares = np.zeros(X.shape[1])
            for block in blocks(X, False):
                squares += np.asarray(X[block].power(2, np.float64).sum(axis=0)).ravel()
        else:
            squares = np.einsum("ij,ij->j", X, X, dtype=np.float64, casting="unsafe")
        deviations = np.sqrt(np.maximum(squares / X.shape[0] - mean**2, 0))
        deviations[deviations < 1e-6 * np.abs(mean)] = 0  # a column of one value, but for rounding
        unit = Gaussian() if self.visible == "gaussian" else self.visible
        return unit.start(deviations)

    def _sigma_bounds(self, state, sigma) -> tuple[np.ndarray, np.ndarray] | None:
        """Least and greatest sigma of every visible unit while it is learned; None: it is not."""
        if getattr(self.visible, "sigma", None) != "learned":
            return None
        data = state.setdefault("data_sigma", sigma)
        return tuple(np.asarray(data, np.float64) * bound for bound in self.visible.bounds)

    def _check_same_layers(self) -> None:
        """A model that goes on keeps its layers: whoever changed them wants another model."""
        was = (self.components_.shape[0], *self._training_state["units"])
        now = (self.n_components, *self._layers())
        if was != now:
            names = ("n_components", "visible", "hidden")
            changed = ", ".join(
                f"{name} from {a!r} to {b!r}" for name, a, b in zip(names, was, now, strict=True) if a != b
            )
            raise ValueError(
                f"a fitted model goes on with the layers it has, but these were changed: {changed}. Set "
                "them back, or fit anew (clone the model, or warm_start=False)."
            )

    def _start(self, X, key: int, going_on: bool, batch_size: int, n_threads: int, n_epochs=0) -> Run:
        """Parameters, chains and source of a fit; a model that goes on trains in its own precision.

        n_epochs: over which the rate falls; 0: one update at the first rate.
        """
        state = self._training_state if going_on else {"step": 0, "n_updates": 0}
        mean = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel() / X.shape[0]
        dtype = self.components_.dtype if going_on else real_dtype(X, self._state_dtype)
        if going_on:
            self._check_fitted()
            self._check_same_layers()
            W, a, b = self.components_.T, self.intercept_visible_, self.intercept_hidden_
            sigma = self.sigma_ if self._units()[0] == "gaussian" else None
            self._check_normalisable(self.components_)
        else:
            sigma = self._initial_sigma(X, mean)
            W, a, b = self._initial_parameters(X, mean if sigma is None else mean / sigma, dtype, key)
        if sigma is not None:
            mean = mean / sigma
        weights = self._make_weights(W.T, a, b, n_threads, dtype=dtype, sigma=sigma)
        source = visible_source(
            X,
            self._units()[0],
            self.binarize,
            strict=self._strict,
            dtype=dtype,
            n_threads=n_threads,
            keep=False,
            groups=self._visible_groups(X),
        )
        persistent = self.method == "pcd"
        trainer = Trainer(
            weights,
            batch_size=batch_size,
            n_chains=(self.n_chains or self._chains()) if persistent else 0,
            n_steps=self.n_gibbs_steps,
            sample_visible=persistent if self.sample_visible is None else self.sample_visible,
            sample_last_hidden=self.sample_last_hidden,
            optimizer=self.optimizer,
            momentum=self.momentum,
            l1=self.l1,
            l2=self.l2,
            max_norm=self.max_norm,
            centering=self.centering,
            sparsity_target=self.sparsity_target,
            sparsity_cost=self.sparsity_cost,
            key=key,
            n_threads=n_threads,
            binary_data=source.binary,
            sigma_bounds=self._sigma_bounds(state, sigma),
            state=state,
        )
        if "visible_mean" not in state:
            resting = {"bernoulli": 0.5, "spin": 0.0}.get(self._units()[1])
            trainer.start_offsets(mean, at_rest(weights, True)[0] if resting is None else resting)
        n_updates = n_epochs * -(-X.shape[0] // batch_size)
        schedule = self.learning_rate_schedule if n_updates else "constant"
        rate = self.learning_rate or default_rate(*self._units())
        rates = rates_of_fit(rate, schedule, max(n_updates, 1))
        base = self._base(mean, X, trainer, n_epochs, sigma)
        return Run(self, trainer, source, batch_size, key, n_threads, rates, base)

    def _batch_of(self, n_rows: int) -> int:
        if self.batch_size != "auto":
            return min(self.batch_size, n_rows)
        return min(n_rows, max(FULL_BATCH // 10, min(FULL_BATCH, n_rows // UPDATES_AN_EPOCH)))

    def _chains(self) -> int:
        return FULL_BATCH if self.batch_size == "auto" else self.batch_size

    def _visible_groups(self, X) -> np.ndarray | None:
        return group_ranges(self.visible, X.shape[1], "visible")

    def _base(self, mean, X, trainer: Trainer, n_epochs: int, sigma) -> np.ndarray:
        """Biases of independent visible units with the data's means, as well as they are known by now; of
        Gaussian units in those of the data, as sigma may change."""
        n_rows = X.shape[0] if n_epochs else MONITOR_ROWS
        mean = mean if n_epochs else trainer.arrays["visible_mean"][: mean.size]
        biases = bias_of_mean(self._units()[0], mean.astype(np.float64), n_rows, self._visible_groups(X))
        return biases if sigma is None else biases * sigma

    def _run(self, run: Run, X, X_val, shown: dict) -> None:
        """Train with monitors and early stopping, whatever happens keeping the last good parameters.

        shown: X and y for callbacks.
        """
        self._adopt(run.weights, run.key ^ SAMPLING)
        rows = self._monitor_rows(X, run)
        run.rows = rows if self._judged and self._units()[0] != "potts" else None
        validation = None if X_val is None else self._monitor_rows(X_val, run)
        names = [m for m in self.monitor if m != "pseudo_likelihood" or self._units()[0] in TWO_VALUED]
        monitors = Monitors(names, rows, validation, run.n_threads)
        stopping = None
        if self.early_stopping:
            usual = "pseudo_likelihood" if self._units()[0] in TWO_VALUED else "free_energy_gap"
            name = usual if self.early_stopping is True else self.early_stopping
            sign = -1 if name == "free_energy_gap" else 1
            measure = getattr(monitors, name)
            held = validation if name == "pseudo_likelihood" else rows
            stopping = EarlyStopping(lambda: sign * measure(self, held), self.n_iter_no_change, self.tol)
        self.history_ = history = {"epoch": [], "time": []}

        def after_epoch(number: int, seconds: float) -> bool:
            last = number + 1 == self.n_iter
            replaced = {"replaced": 0 if last else replace_idle(run)} if self.replace_idle else {}
            found = {**replaced, **self._measured(X, monitors, run.n_threads)}
            for name, value in {"epoch": number + 1, "time": seconds, **found}.items():
                history.setdefault(name, []).append(value)
            self._report(number + 1, seconds, found)
            return stopping is not None and stopping.should_stop(run)

        done = 0
        try:
            done = run_epochs(run, self.n_iter, self._shuffle, shown, after_epoch)
        finally:
            done = done or len(history["epoch"])
            if stopping is not None:
                stopping.restore(run)
            self._finish(run, done)

    def _monitor_rows(self, X, run: Run):
        """At most MONITOR_ROWS rows, spread evenly; drawn once where fit draws them at every visit."""
        rows = X[np.linspace(0, X.shape[0] - 1, min(MONITOR_ROWS, X.shape[0])).astype(np.intp)]
        if self.binarize != "sample" or run.source.mode < 2:
            return rows
        dtype = np.int8 if self._units()[0] == "spin" else np.bool_
        drawn = []
        for block in blocks(rows, True):
            source = visible_source(
                rows[block], self._units()[0], "sample", strict=False, dtype=run.weights.dtype, n_threads=1
            )
            out = np.empty((source.n_rows, X.shape[1]), dtype)
            gibbs(run.weights, source, 0, run.key ^ SAMPLING, 0, block.start, None, out, 1)
            drawn.append(csr_array(out) if issparse(X) else out)
        return vstack(drawn, "csr") if issparse(X) else np.vstack(drawn)

    def _measured(self, X, monitors: Monitors, n_threads: int) -> dict[str, float]:
        return monitors.measure(self)

    def _report(self, epoch: int, seconds: float, found: dict[str, float]) -> None:
        if self.verbose:
            measured = "".join(f", {name} = {value:.4f}" for name, value in found.items())
            name = type(self).__name__
            print(f"[{name}] Epoch {epoch}{measured}, time = {seconds:.2f}s", flush=True)

    def _finish(self, run: Run, n_epochs: int) -> None:
        self._adopt(run.weights, run.key ^ SAMPLING)
        self._training_state = {**run.trainer.state(), "key": run.key, "units": self._layers()}
        self._training_state["base"] = run.base
        self.n_iter_ = n_epochs
