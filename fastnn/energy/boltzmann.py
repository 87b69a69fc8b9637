"""The Boltzmann machine."""

from __future__ import annotations

import time
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from fastnn._kernels.boltzmann import Chains
from fastnn._validation import (
    MAX_THREADS,
    check_n_threads,
    check_parameter,
    features_kept_on_error,
    random_key,
    real_dtype,
)
from fastnn.energy._boltzmann import Machine, annealed_log_partition
from fastnn.energy.ising import IsingModel
from fastnn.energy.partition import LogPartition
from fastnn.exceptions import DivergenceError

_LOW = {"bernoulli": 0, "spin": -1}
_VARTYPE = {"bernoulli": "BINARY", "spin": "SPIN"}
# Keys of the clamped phase, of shuffling and of sampling differ from that of the free phase.
_CLAMPED, _START, _SAMPLING = 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7, 0x9E3779B97F4A7C15
# "auto" sums over all states up to so many units: a few milliseconds an update.
_AUTO_UNITS = 12
_MAX_EXACT_UNITS = 20


class BoltzmannMachine(BaseEstimator):
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
    method : {"auto", "exact", "pcd"}, default="auto"
        Both phases by sums over all states (up to 20 units), or by Gibbs sampling with persistent chains
        in the free phase [2]_. "auto": exact up to 12 units.
    n_gibbs_steps : int, default=5
        Sweeps of the persistent chains at each update.
    n_clamped_steps : int, default=10
        Sweeps of the hidden units from fair coins, for each row of a batch.
    clamped_beta : float in (0, 1], default=1.0
        Inverse temperature at which those sweeps begin; it rises linearly to 1.
    n_chains : int, default=128
        Persistent chains.
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
        "units": [StrOptions(set(_LOW))],
        "method": [StrOptions({"auto", "exact", "pcd"})],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "n_clamped_steps": [Interval(Integral, 1, None, closed="left")],
        "clamped_beta": [Interval(Real, 0, 1, closed="right")],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
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

    @classmethod
    def from_ising(cls, model, n_hidden=0, **params):
        """The machine of an Ising model at beta = 1: the same energies.

        Parameters
        ----------
        model : IsingModel
        n_hidden : int, default=0
            How many of the last units are hidden.
        **params
            Parameters of the constructor, but for `units`, which the model says.

        Returns
        -------
        machine : BoltzmannMachine
        """
        if not isinstance(model, IsingModel):
            raise TypeError(f"model must be an IsingModel, got {type(model).__name__}")
        units = {v: k for k, v in _VARTYPE.items()}[model.vartype]
        machine = cls.from_parameters(model.rows.toarray(), model.bias, n_hidden, units=units, **params)
        machine.offset_ = model.offset
        return machine

    @classmethod
    def from_rbm(cls, rbm, **params):
        """The machine of a restricted one: the same energies, no couplings within a layer.

        Parameters
        ----------
        rbm : fitted RBM or BernoulliRBM
            With units of one kind in both layers.
        **params
            Parameters of the constructor, but for `n_hidden` and `units`.

        Returns
        -------
        machine : BoltzmannMachine
        """
        check_is_fitted(rbm)
        visible, hidden = (getattr(rbm, layer, "bernoulli") for layer in ("visible", "hidden"))
        if visible != hidden:
            raise ValueError(f"one machine has units of one kind, but the RBM has {visible} and {hidden}")
        C = np.asarray(rbm.components_)
        n_hidden, n_visible = C.shape
        W = np.zeros((n_visible + n_hidden,) * 2, C.dtype)
        W[n_visible:, :n_visible], W[:n_visible, n_visible:] = C, C.T
        b = np.concatenate([rbm.intercept_visible_, rbm.intercept_hidden_])
        return cls.from_parameters(W, b, n_hidden, units=visible, **params)

    def to_ising(self) -> IsingModel:
        """The Ising model of the same energies, visible units first.

        Returns
        -------
        model : IsingModel
            At beta = 1 it has the machine's distribution.
        """
        check_is_fitted(self)
        return IsingModel(self.weights_, self.bias_, _VARTYPE[self.units], offset=self.offset_)

    def to_rbm(self, **params):
        """The restricted machine of the same energies.

        Parameters
        ----------
        **params
            Parameters of RBM, but for the units.

        Returns
        -------
        rbm : RBM

        Raises
        ------
        ValueError
            Units of one layer are coupled, there are no hidden units, or energies have an offset.
        """
        from fastnn.energy.rbm import RBM

        check_is_fitted(self)
        v = self.n_features_in_
        W = self.weights_
        if W[:v, :v].any() or W[v:, v:].any() or not self.n_hidden or self.offset_:
            raise ValueError(
                "only a machine with hidden units, no couplings within a layer and no offset is restricted"
            )
        kinds = {"visible": self.units, "hidden": self.units}
        return RBM.from_parameters(W[:v, v:], self.bias_[:v], self.bias_[v:], **kinds, **params)

    # --- learning --------------------------------------------------------------------------------

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
            The parameters left the range of numbers; those from before that update are kept.
        KeyboardInterrupt
            After Ctrl-C; the parameters of the last update are kept.
        """
        going_on = self.warm_start and hasattr(self, "weights_")
        with features_kept_on_error(self):
            X = self._states(X, reset=not going_on)
            self._is_exact(X.shape[1] + self.n_hidden)
            if not going_on:
                self._initialise(X)
        self.history_ = {"epoch": [], "time": [], "gradient": []}
        self.n_iter_ = 0
        for epoch in range(self.n_iter):
            began = time.perf_counter()
            rng = np.random.default_rng([self._key, self._step, 0])
            order = rng.permutation(len(X))
            for first in range(0, len(X), self.batch_size):
                size = self._update(X[order[first : first + self.batch_size]])
            self.n_iter_ = epoch + 1
            for name, value in zip(
                self.history_, (epoch + 1, time.perf_counter() - began, size), strict=True
            ):
                self.history_[name].append(value)
            if self.verbose:
                print(f"[BoltzmannMachine] Epoch {epoch + 1}, gradient = {size:.2e}", flush=True)
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
        first = not hasattr(self, "weights_")
        with features_kept_on_error(self):
            X = self._states(X, reset=first)
            self._is_exact(X.shape[1] + self.n_hidden)
            if first:
                self._initialise(X)
        self._update(X)
        return self

    @property
    def _low(self) -> int:
        return _LOW[self.units]

    def _states(self, X, *, reset: bool, n_units: int | None = None, name: str = "X") -> np.ndarray:
        """Rows of states as real numbers; n_units: of hidden or all units instead of the visible ones."""
        if n_units is None:
            X = validate_data(self, X, reset=reset, dtype="numeric")
        else:
            X = check_array(X, dtype="numeric", input_name=name)
            if X.shape[1] != n_units:
                raise ValueError(f"{name} has {X.shape[1]} columns, but {n_units} units are meant")
        dtype = real_dtype(X, np.float64)
        if not reset:
            dtype = self.weights_.dtype
        if X.dtype == np.bool_:
            return np.where(X, 1, self._low).astype(dtype)
        if not np.isin(X, (self._low, 1)).all():
            raise ValueError(f"{self.units} units take the values {self._low} and 1, but {name} has others")
        return X.astype(dtype)

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

    def _machine(self) -> Machine:
        check_is_fitted(self)
        return Machine(self.weights_, self.bias_, self.n_features_in_, self._low)

    def _update(self, X) -> float:
        """One step up the likelihood; the root mean square of the gradient of W."""
        machine = self._machine()
        exact = self._is_exact(len(self.bias_))
        n_threads = check_n_threads(self.n_threads)
        data = machine.clamped_moments(X) if exact else _moments(self._clamped_states(X, n_threads))
        model = self._exact_moments() if exact else _moments(self._free_states(n_threads))
        gradient_b, gradient_W = (d - m for d, m in zip(data, model, strict=True))
        np.fill_diagonal(gradient_W, 0)
        step_b = self.learning_rate * gradient_b
        step_W = self.learning_rate * (gradient_W - self.l2 * self.weights_)
        if self.momentum:
            before = (0.0, 0.0) if self._velocity is None else self._velocity
            step_b, step_W = step_b + self.momentum * before[0], step_W + self.momentum * before[1]
        W, b = (x.astype(self.weights_.dtype) for x in (self.weights_ + step_W, self.bias_ + step_b))
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
            raise DivergenceError("parameters left the range of numbers; lower learning_rate or momentum")
        self._velocity = (step_b, step_W)
        self.weights_, self.bias_ = W, b
        self._step += 1
        return float(np.sqrt((gradient_W**2).mean()))

    def _exact_moments(self):
        """<s> and <s s'> of the machine running free."""
        found = self.to_ising().enumerate()
        return found.mean, found.second_moments

    def _clamped_states(self, X, n_threads: int) -> np.ndarray:
        """All units given the visible ones: hidden units after a few sweeps from fair coins."""
        v, n = self.n_features_in_, len(self.bias_)
        if v == n:
            return X
        chains = Chains(len(X), n, self._low, self._key ^ _CLAMPED, X.dtype)
        hidden = np.arange(v, n)
        rng = np.random.default_rng([self._key ^ _START, self._step])
        chains.set_states(X, np.arange(v))
        chains.set_states(np.where(rng.random((len(X), n - v)) < 0.5, self._low, 1), hidden)
        betas = np.linspace(1, self.clamped_beta, self.n_clamped_steps)[::-1]
        step = self._step * self.n_clamped_steps
        chains.sweep(self.weights_, self.bias_, hidden, betas, step, n_threads)
        return chains.states()

    def _free_states(self, n_threads: int) -> np.ndarray:
        """The persistent chains after a few sweeps of all units."""
        n = len(self.bias_)
        if self._free is None or self._free.shape != (self.n_chains, n):
            rng = np.random.default_rng([self._key ^ _START, self._step, 1])
            self._free = np.where(rng.random((self.n_chains, n)) < 0.5, self._low, 1)
        chains = Chains(self.n_chains, n, self._low, self._key, self.weights_.dtype)
        chains.set_states(self._free, np.arange(n))
        step = self._step * self.n_gibbs_steps
        chains.sweep(self.weights_, self.bias_, np.arange(n), np.ones(self.n_gibbs_steps), step, n_threads)
        self._free = chains.states()
        return self._free

    # --- draws -----------------------------------------------------------------------------------

    def sample(self, n_samples=1, n_steps=100, *, v_init=None, clamp=None, random_state=None):
        """Gibbs sampling, one chain a sample, with any units held fixed.

        Parameters
        ----------
        n_samples : int, default=1
        n_steps : int, default=100
            Sweeps over the units that are not held.
        v_init : array-like of shape (n_samples, n), (1, n) or (n,), default=None
            Where chains begin: n = n_features, or all units. None, and units not given: fair coins.
        clamp : array-like of bool of shape (n,), default=None
            Which of the units of v_init are held at their values there.
        random_state : int, RandomState instance or None, default=None
            None: the machine's own random_state.

        Returns
        -------
        S : ndarray of shape (n_samples, n)
            Visible units; all of them if v_init gave all.
        """
        check_is_fitted(self)
        for name, value, least in (("n_samples", n_samples, 1), ("n_steps", n_steps, 0)):
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} must be an int of at least {least}, got {value!r}")
        n, key = len(self.bias_), random_key(self.random_state if random_state is None else random_state)
        rng = np.random.default_rng([key ^ _START, 2])
        start = np.where(rng.random((n_samples, n)) < 0.5, self._low, 1).astype(self.weights_.dtype)
        given = self._given(v_init, n_samples)
        wide = self.n_features_in_ if given is None else given.shape[1]
        if given is not None:
            start[:, :wide] = given
        free = np.ones(n, np.bool_)
        if clamp is not None:
            clamp = np.asarray(clamp)
            if clamp.dtype != np.bool_ or given is None or clamp.shape != (wide,):
                raise ValueError("clamp must be booleans, one for each unit of v_init, which it needs")
            free[:wide] = ~clamp
        chains = Chains(n_samples, n, self._low, key ^ _SAMPLING, self.weights_.dtype)
        chains.set_states(start, np.arange(n))
        order = np.flatnonzero(free)
        if len(order) and n_steps:
            chains.sweep(
                np.ascontiguousarray(self.weights_),
                np.ascontiguousarray(self.bias_),
                order,
                np.ones(n_steps),
                0,
                check_n_threads(self.n_threads),
            )
        return np.ascontiguousarray(chains.states()[:, :wide])

    def _given(self, v_init, n_samples: int):
        if v_init is None:
            return None
        rows = np.atleast_2d(v_init)
        n = len(self.bias_) if rows.shape[1] == len(self.bias_) else self.n_features_in_
        rows = self._states(rows, reset=False, n_units=n, name="v_init")
        if len(rows) not in (1, n_samples):
            raise ValueError(f"v_init has {len(rows)} rows, but {n_samples} samples are wanted")
        return rows

    # --- measures --------------------------------------------------------------------------------

    def energy(self, V, H=None):
        """Energy of joint states.

        Parameters
        ----------
        V : array-like of shape (n_samples, n_features)
        H : array-like of shape (n_samples, n_hidden), default=None
            Needed if there are hidden units.

        Returns
        -------
        energies : ndarray of shape (n_samples,), float64
        """
        machine = self._machine()
        V = self._states(V, reset=False)
        if (H is None) != (self.n_hidden == 0):
            raise ValueError(f"the machine has {self.n_hidden} hidden units: H must say their states")
        if H is not None:
            H = self._states(H, reset=False, n_units=self.n_hidden, name="H")
            if len(H) != len(V):
                raise ValueError(f"V has {len(V)} rows and H has {len(H)}")
            V = np.concatenate([V, H], axis=1)
        return self.offset_ + machine.energy(V)

    def free_energy(self, X):
        """F(v) = -ln sum_h e^(-E(v, h)).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        F : ndarray of shape (n_samples,), float64

        Raises
        ------
        ValueError
            More than 20 hidden units that are coupled to each other.
        """
        return self.offset_ + self._machine().free_energy(self._states(X, reset=False))

    def score_samples(self, X):
        """Pseudo-log-likelihood, sum_i ln P(v_i given the other visible units), exact.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
        """
        return self._machine().pseudo_log_likelihood(self._states(X, reset=False))

    def log_partition(self, method="auto", *, n_chains=256, n_betas=1000):
        """ln Z.

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            Over all states, for up to 25 units, or annealed importance sampling. "auto": exact if it can be.
        n_chains, n_betas : int
            Of annealed importance sampling.

        Returns
        -------
        log_z : LogPartition
            With `value`, `lower` and `upper`: three standard errors where it was sampled.
        """
        if method not in ("auto", "exact", "ais"):
            raise ValueError(f"method must be 'auto', 'exact' or 'ais', got {method!r}")
        for name, value in (("n_chains", n_chains), ("n_betas", n_betas)):
            if not isinstance(value, Integral) or value < 2:
                raise ValueError(f"{name} must be an int of at least 2, got {value!r}")
        machine = self._machine()
        if method == "exact" or (method == "auto" and len(self.bias_) <= 25):
            value = self.to_ising().enumerate().log_partition
            return LogPartition(value, value, value, "exact")
        key = random_key(self.random_state) ^ _SAMPLING
        found = annealed_log_partition(machine, n_chains, n_betas, key, check_n_threads(self.n_threads))
        shifted = (x - self.offset_ for x in (found.value, found.lower, found.upper))
        return LogPartition(*shifted, "ais")

    def log_likelihood(self, X, **params):
        """ln P(v) of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        **params
            Of `log_partition`.

        Returns
        -------
        log_p : ndarray of shape (n_samples,), float64
        """
        return -self.free_energy(X) - float(self.log_partition(**params))


def _moments(S):
    """Means of rows and of their products."""
    S = S.astype(np.float64)
    return S.mean(axis=0), S.T @ S / len(S)
