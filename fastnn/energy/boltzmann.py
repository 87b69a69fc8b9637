"""The Boltzmann machine."""

from __future__ import annotations

import time
from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions

from fastnn._validation import (
    MAX_THREADS,
    check_n_threads,
    check_parameter,
    features_kept_on_error,
    random_key,
)
from fastnn.energy._boltzmann_model import BoltzmannModel
from fastnn.energy._conversions import LOW, BoltzmannConversions
from fastnn.energy._phases import FREE_PHASES, FreePhase, clamped_states, moments
from fastnn.exceptions import DivergenceError

# "auto" sums over all states up to so many units: a few milliseconds an update.
_AUTO_UNITS = 12
_MAX_EXACT_UNITS = 20


class BoltzmannMachine(CallbackSupportMixin, BoltzmannConversions, BoltzmannModel):
    """Boltzmann machine: visible and hidden units, every pair of them coupled.

    P(s) = e^(-E(s)) / Z with E(s) = -b.s - s'Ws/2, W symmetric with zero diagonal, s = (v, h). Learning
    climbs the likelihood of the visible units [1]_: d ln P / d w_ij = <s_i s_j> with the visible units
    clamped to data, less <s_i s_j> of the machine running free.

    Without hidden units only pair statistics can be learned; hidden units make higher orders.

    Parameters
    ----------
    n_hidden : int, default=0
    units : {"bernoulli", "spin"}, default="bernoulli"
        States 0 and 1, or -1 and +1.
    method : {"auto", "exact", "pcd", "annealed", "tempered"}, default="auto"
        Both phases by sums over all states (up to 20 units), or by Gibbs sampling. The free phase is then
        that of chains that go on from update to update ("pcd" [2]_); of chains that begin at fair coins
        each time and are cooled ("annealed"); or of chains that go on at several temperatures and exchange
        states ("tempered" [3]_), which leave modes where the first get stuck. "auto": exact up to 12 units,
        else "pcd".
    n_gibbs_steps : int, default=5
        Sweeps of the chains of the free phase at each update.
    n_clamped_steps : int, default=10
        Sweeps of the hidden units from fair coins, for each row of a batch.
    clamped_beta : float in (0, 1], default=1.0
        Inverse temperature at which those sweeps begin; it rises linearly to 1.
    n_chains : int, default=128
        Chains of the free phase, at each temperature.
    hottest_beta : float in [0, 1), default=0.1
        Inverse temperature of the first sweep ("annealed", rising linearly to 1) or of the hottest chains
        ("tempered").
    n_temperatures : int, default=8
        Of "tempered": betas fall linearly from 1 to hottest_beta.
    learning_rate : float, default=0.05
    batch_size : int, default=100
    n_iter : int, default=100
        Epochs.
    momentum : float in [0, 1), default=0.0
    l2 : float, default=0.0
        Weight decay l2/2 sum over pairs of w^2.
    warm_start : bool, default=False
        Go on from the parameters and chains of the last fit.
    verbose : int, default=0
        1: a line per epoch.
    n_threads : int, default=None
        None: what OpenMP and threadpoolctl allow. Shows in nothing but time.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    weights_ : ndarray of shape (n_units, n_units)
        Visible units first.
    bias_ : ndarray of shape (n_units,)
    offset_ : float
        Added to every energy; zero unless the machine came from an Ising model with one.
    history_ : dict of str to list
        "epoch", "time" (seconds) and "gradient", the root mean square of the epoch's last gradient of W.
    n_iter_ : int
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    .. [1] Ackley, Hinton, Sejnowski, "A learning algorithm for Boltzmann machines", Cognitive Science 9
       (1985), 147-169.
    .. [2] Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood
       gradient", ICML 2008.
    .. [3] Desjardins, Courville, Bengio, Vincent, Delalleau, "Tempered Markov chain Monte Carlo for training
       of restricted Boltzmann machines", AISTATS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import BoltzmannMachine
    >>> exclusive_or = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    >>> machine = BoltzmannMachine(n_hidden=6, learning_rate=1.0, n_iter=300, random_state=0)
    >>> machine.fit(exclusive_or).score_samples([[1, 1, 0]]) > machine.score_samples([[1, 1, 1]])
    array([ True])
    """

    _parameter_constraints: dict = {
        "n_hidden": [Interval(Integral, 0, None, closed="left")],
        "units": [StrOptions(set(LOW))],
        "method": [StrOptions({"auto", "exact", *FREE_PHASES})],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "n_clamped_steps": [Interval(Integral, 1, None, closed="left")],
        "clamped_beta": [Interval(Real, 0, 1, closed="right")],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        "hottest_beta": [Interval(Real, 0, 1, closed="left")],
        "n_temperatures": [Interval(Integral, 2, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_hidden=0,
        *,
        units="bernoulli",
        method="auto",
        n_gibbs_steps=5,
        n_clamped_steps=10,
        clamped_beta=1.0,
        n_chains=128,
        hottest_beta=0.1,
        n_temperatures=8,
        learning_rate=0.05,
        batch_size=100,
        n_iter=100,
        momentum=0.0,
        l2=0.0,
        warm_start=False,
        verbose=0,
        n_threads=None,
        random_state=None,
    ):
        self.n_hidden = n_hidden
        self.units = units
        self.method = method
        self.n_gibbs_steps = n_gibbs_steps
        self.n_clamped_steps = n_clamped_steps
        self.clamped_beta = clamped_beta
        self.n_chains = n_chains
        self.hottest_beta = hottest_beta
        self.n_temperatures = n_temperatures
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.momentum = momentum
        self.l2 = l2
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_threads = n_threads
        self.random_state = random_state

    # --- from and to other models ----------------------------------------------------------------

    @classmethod
    def from_parameters(cls, W, b=None, n_hidden=0, **params):
        """A machine with these parameters, as if fitted.

        Parameters
        ----------
        W : array-like of shape (n_units, n_units)
            Symmetric, zero diagonal; visible units first. float32 is kept, else float64.
        b : array-like of shape (n_units,), default=None
            None: zero.
        n_hidden : int, default=0
            How many of the last units are hidden.
        **params
            Parameters of the constructor.

        Returns
        -------
        machine : BoltzmannMachine
        """
        machine = cls(n_hidden, **params)
        machine._validate_params()
        W = check_parameter("W", W)
        if W.ndim != 2 or W.shape[0] != W.shape[1] or len(W) <= n_hidden:
            raise ValueError(
                f"W must have shape (n_units, n_units) with more than {n_hidden} units, got {W.shape}"
            )
        if np.diagonal(W).any() or not np.array_equal(W, W.T):
            raise ValueError("W must be symmetric with a zero diagonal")
        b = np.zeros(len(W)) if b is None else check_parameter("b", b)
        if b.shape != W.shape[:1]:
            raise ValueError(f"b must have shape ({len(W)},), got {b.shape}")
        machine.n_features_in_ = len(W) - n_hidden
        machine._begin(W.copy(), b.astype(W.dtype))
        return machine

    # --- learning --------------------------------------------------------------------------------

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn for n_iter epochs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            States of the visible units; booleans stand for their two values. float32 makes float32
            parameters.
        y : ignored

        Returns
        -------
        self : BoltzmannMachine

        Raises
        ------
        DivergenceError
            Energies left the range of numbers; the parameters from before that update are kept.
        KeyboardInterrupt
            After Ctrl-C; the parameters of the last update are kept.
        """
        shown = {"X": X, "y": y}
        X = self._rows_to_learn(X, self.warm_start)
        context = self._init_callback_context(max_subtasks=self.n_iter)
        context.call_on_fit_task_begin(estimator=self, **shown)
        self.history_ = {"epoch": [], "time": [], "gradient": []}
        self.n_iter_ = 0
        for epoch in range(self.n_iter):
            began = time.perf_counter()
            step = context.subcontext(task_name="epoch")
            step.call_on_fit_task_begin(estimator=self, **shown)
            order = np.random.default_rng([self._key, self._step, 0]).permutation(len(X))
            for first in range(0, len(X), self.batch_size):
                size = self._update(X[order[first : first + self.batch_size]])
            self.n_iter_ = epoch + 1
            figures = epoch + 1, time.perf_counter() - began, size
            for record, figure in zip(self.history_.values(), figures, strict=True):
                record.append(figure)
            if self.verbose:
                print(f"[BoltzmannMachine] Epoch {epoch + 1}, gradient = {size:.2e}", flush=True)
            if step.call_on_fit_task_end(
                estimator=self, **shown, reconstruction_attributes=self._fitted_parameters
            ):
                break
        context.call_on_fit_task_end(estimator=self, **shown)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """One update, with the rows of X as a single batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in `fit`.
        y : ignored

        Returns
        -------
        self : BoltzmannMachine
        """
        self._update(self._rows_to_learn(X, True))
        return self

    def _rows_to_learn(self, X, goes_on: bool) -> np.ndarray:
        """Checked rows, and parameters to start from: those that are there if the machine goes on."""
        goes_on = goes_on and hasattr(self, "weights_")
        if goes_on and self._layers != (self.n_hidden, self.units):
            raise ValueError(
                f"a machine goes on with the layers it has, (n_hidden, units) = {self._layers}, but the "
                f"parameters now say {(self.n_hidden, self.units)}: set them back, or fit anew"
            )
        with features_kept_on_error(self):
            X = self._states(X, reset=not goes_on)
            self._is_exact(X.shape[1] + self.n_hidden)
            if not goes_on:
                self._initialise(X)
        return X

    def _fitted_parameters(self) -> dict[str, np.ndarray]:
        return {"weights_": self.weights_, "bias_": self.bias_}

    def _is_exact(self, n_units: int) -> bool:
        if self.method == "exact" and n_units > _MAX_EXACT_UNITS:
            raise ValueError(
                f"method='exact' sums over at most {_MAX_EXACT_UNITS} units, got {n_units}; use 'pcd'"
            )
        return self.method == "exact" or (self.method == "auto" and n_units <= _AUTO_UNITS)

    def _initialise(self, X) -> None:
        """Visible units as independent ones with the data's means, hidden ones coupled at random.

        Weak couplings would start near a saddle: what is of third order has no gradient at zero.
        """
        n, v = X.shape[1] + self.n_hidden, X.shape[1]
        key = random_key(self.random_state)
        W = np.random.default_rng([key, 0, 1]).normal(0, 1 / np.sqrt(n), (n, n))
        W[:v, :v] = 0
        W = np.triu(W, 1) + np.triu(W, 1).T
        inside = 1 / (len(X) + 2)
        b = np.zeros(n)
        mean = X.mean(axis=0, dtype=np.float64)
        if self.units == "spin":
            b[:v] = np.arctanh(np.clip(mean, -1 + 2 * inside, 1 - 2 * inside))
        else:
            p = np.clip(mean, inside, 1 - inside)
            b[:v] = np.log(p / (1 - p))
        self._begin(W.astype(X.dtype), b.astype(X.dtype), key)

    def _begin(self, W, b, key: int | None = None) -> None:
        self.weights_, self.bias_, self.offset_ = W, b, 0.0
        self._key = random_key(self.random_state) if key is None else key
        self._step, self._velocity, self._free = 0, None, None
        self._layers = self.n_hidden, self.units

    def _update(self, X) -> float:
        """One step up the likelihood; the root mean square of the gradient of W."""
        with np.errstate(over="ignore", invalid="ignore"):
            gradient_b, gradient_W = (data - model for data, model in zip(*self._phases(X), strict=True))
            np.fill_diagonal(gradient_W, 0)
            step_b = self.learning_rate * gradient_b
            step_W = self.learning_rate * (gradient_W - self.l2 * self.weights_)
            if self.momentum:
                before = (0.0, 0.0) if self._velocity is None else self._velocity
                step_b, step_W = step_b + self.momentum * before[0], step_W + self.momentum * before[1]
            W, b = (x.astype(self.weights_.dtype) for x in (self.weights_ + step_W, self.bias_ + step_b))
            highest = np.abs(W).sum() + np.abs(b).sum()  # no energy is further from zero
        if not np.isfinite(highest):
            self._velocity = None  # it would lead out again
            raise DivergenceError("energies left the range of numbers; lower learning_rate or momentum")
        self._velocity = (step_b, step_W)
        self.weights_, self.bias_ = W, b
        self._step += 1
        return float(np.sqrt((gradient_W**2).mean()))

    def _phases(self, X):
        """<s> and <s s'> with the visible units clamped to the rows of X, and of the machine running free."""
        machine, n_threads = self._machine(), check_n_threads(self.n_threads)
        if self._is_exact(len(self.bias_)):
            free = self.to_ising().enumerate()
            return machine.clamped_moments(X), (free.mean, free.second_moments)
        betas = np.linspace(1, self.clamped_beta, self.n_clamped_steps)[::-1]
        data = moments(clamped_states(machine, X, betas, self._key, self._step, n_threads))
        kind = "pcd" if self.method == "auto" else self.method
        phase = FreePhase(
            kind, self.n_chains, self.n_gibbs_steps, self.hottest_beta, self.n_temperatures, self._key
        )
        self._free = phase.advance(machine, self._free, self._step, n_threads)
        return data, moments(self._free[0])
