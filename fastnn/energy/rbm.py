"""The restricted Boltzmann machine."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from fastnn._kernels.core import unit_values
from fastnn._kernels.gibbs import gibbs
from fastnn._kernels.layers import means_at_rest, pseudo_log_likelihoods
from fastnn._kernels.train import Trainer
from fastnn._threads import single_threaded_blas
from fastnn._validation import (
    MAX_THREADS,
    check_n_threads,
    check_parameter,
    check_rows,
    features_kept_on_error,
    random_key,
    real_dtype,
    visible_source,
)
from fastnn.energy._annealing import biases_of_means
from fastnn.energy._fit import (
    MONITOR_ROWS,
    MONITORS,
    SCHEDULES,
    TWO_VALUED,
    EarlyStopping,
    Monitors,
    Region,
    Run,
    rates_of_fit,
    replace_idle,
    run_epochs,
)
from fastnn.energy._model import RBMModel
from fastnn.energy.units import (
    Gaussian,
    Potts,
    bias_of_mean,
    check_pair,
    check_sigma,
    default_rate,
    group_ranges,
    pair_rule,
    unit_name,
)

# Draws after the fit take another key than those during it.
_SAMPLING = 0x9E3779B97F4A7C15
_UNITS = tuple(name for name in unit_values() if name != "potts")  # Potts units come with their groups
# Singular value of the first weights where weights have to stay below 1.
_START_NORM = 0.3
# A minibatch's means are fixed-point sums of this many rows at most, with ten bits to spare.
MAX_ROWS = 1 << 20
# batch_size="auto": this many rows where an epoch then has so many updates.
FULL_BATCH, UPDATES_AN_EPOCH = 100, 150


def _has_pseudo_likelihood(model) -> bool:
    unit = model._units()[0]
    if unit not in (*TWO_VALUED, "potts"):
        raise AttributeError(
            f"the pseudo-likelihood of {unit} units has no closed form here; use free_energy"
        )
    return True


class RBM(CallbackSupportMixin, RBMModel):
    """Restricted Boltzmann machine.

    E(v, h) = -a.v - b.h - v'Wh and what each unit's own law adds, trained by contrastive divergence or its
    persistent form [1]_, [2]_ with centred gradients [3]_.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    visible, hidden : {"bernoulli", "spin", "gaussian", "poisson", "relu"}, Gaussian or Potts, \
            default="bernoulli"
        Units of each layer: states 0 and 1; -1 and +1; real numbers; counts; numbers >= 0; or groups of
        which one is 1. `fastnn.energy.units` has their laws; ``Gaussian`` also says how wide the visible
        units are ("gaussian": as wide as the data's columns), ``Potts`` which units make a group.
    method : {"pcd", "cd"}, default="pcd"
        Where the chains of the model start: at their last states, or at the minibatch.
    n_gibbs_steps : int, default=1
        Steps of the chains at each update: the k of CD-k and PCD-k.
    learning_rate : float, default=None
        Of the first update. None: by the units, 0.05 where states are bounded, else less: 0.02 with
        rectified, 0.01 with Gaussian, 0.005 with Poisson units, 0.003 for Gaussian units and 0.0005 for
        others of them in both layers, whose weights must stay small.
    learning_rate_schedule : {"constant", "linear", "inverse", "exponential"} or callable, default="linear"
        How the rate goes on in `fit`, d being the part of its updates done: 1 - d, 1 / (1 + 99 d) or 0.01^d
        times learning_rate, or what the callable gives for d. A rate that falls lets persistent chains catch
        up with the model, and is worth more than any other setting. `partial_fit` takes learning_rate as it
        is.
    batch_size : int or "auto", default="auto"
        Rows per update; the last batch may be shorter and is weighted by its own size. "auto": 100, fewer
        (10 at least) where an epoch would have less than 150 updates.
    n_iter : int, default=20
        Epochs.
    n_chains : int, default=None
        Persistent chains (method="pcd"); None: as many as batch_size, 100 if that is "auto".
    optimizer : {"sgd", "adam"}, default="sgd"
    momentum : float in [0, 1), default=0.0
        Of the velocity (sgd) or of the first moment (adam, where 0.9 is usual).
    l1, l2 : float, default=0
        Weight decay l1 sum|W| + l2/2 sum W^2, on W only.
    max_norm : float, default=None
        Bound on the length of the vector of weights of each hidden unit; longer ones are drawn back to it
        after each update.
    replace_idle : bool, default=False
        After each epoch but the last, begin anew the hidden units whose mean activity is within 0.001 of
        always off or always on. How many, `history_["replaced"]` tells.
    sparsity_target : float in (0, 1), default=None
        Mean activity to which the hidden units are drawn.
    sparsity_cost : float, default=0.1
        How hard they are drawn.
    centering : bool, default=True
        Subtract running means of the units in the gradient: it then does not care whether 0 and 1 are
        exchanged in the data, and learns faster.
    init : {"hinton", "normal"}, default="hinton"
        W from N(0, 0.01^2). "hinton" sets the visible biases so that without hidden units the model has
        the data's means [4]_; "normal" leaves them zero.
    binarize : {None, "threshold", "sample"}, default=None
        Values between states: used as they are (None), cut at the middle, or taken as means and drawn
        afresh at every visit.
    sample_visible : bool, default=None
        Draw the visible units of the chains (True) or use their means. None: True for PCD, whose chains
        must be draws, False for CD, which learns faster with less noise and a bias.
    sample_last_hidden : bool, default=False
        Draw the hidden units that end the chains instead of using their means in the gradient.
    early_stopping : bool or {"pseudo_likelihood", "free_energy_gap"}, default=False
        Stop when this measure of the validation rows has not improved for n_iter_no_change epochs, and
        keep the best parameters. True: "pseudo_likelihood", or the gap where visible units are not
        bernoulli or spin.
    validation_fraction : float, default=0.1
        Rows set aside for early stopping where `fit` is not given X_val.
    n_iter_no_change : int, default=5
    tol : float, default=0.0
        What counts as an improvement.
    monitor : tuple of {"reconstruction", "pseudo_likelihood", "free_energy_gap"}
        Measured after each epoch into `history_`, on at most 512 training rows. The gap, mean free
        energy of validation less training rows, needs validation rows; the pseudo-likelihood, by default,
        is left out where visible units are not bernoulli or spin.
    warm_start : bool, default=False
        Go on from the parameters and chains of the last fit.
    verbose : int, default=0
        1: a line per epoch.
    n_threads : int, default=None
        None: what OpenMP and threadpoolctl allow.
    random_state : int, RandomState instance or None, default=None
        The same int gives the same model, bit for bit on binary data, for any number of threads and
        instruction set.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
    intercept_hidden_ : ndarray of shape (n_components,)
    intercept_visible_ : ndarray of shape (n_features,)
        Read-only: assign new arrays to change them.
    sigma_ : ndarray of shape (n_features,)
        Standard deviations of Gaussian visible units given the hidden ones.
    history_ : dict of str to list
        "epoch", "time" (seconds), and the monitors.
    n_iter_ : int
        Epochs done by the last fit.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    .. [1] Hinton, "Training products of experts by minimizing contrastive divergence", Neural
       Computation 14 (2002), 1771-1800.
    .. [2] Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood
       gradient", ICML 2008.
    .. [3] Melchior, Fischer, Wiskott, "How to center deep Boltzmann machines", JMLR 17 (2016), 1-61.
    .. [4] Hinton, "A practical guide to training restricted Boltzmann machines", UTML TR 2010-003.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastnn import RBM
    >>> X = load_digits().data > 7
    >>> rbm = RBM(n_components=32, n_iter=5, random_state=0).fit(X)
    >>> rbm.transform(X).shape
    (1797, 32)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "visible": [StrOptions(set(_UNITS)), Gaussian, Potts],
        "hidden": [StrOptions(set(_UNITS)), Potts],
        "method": [StrOptions({"pcd", "cd"})],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES)), callable],
        "batch_size": [Interval(Integral, 1, MAX_ROWS, closed="both"), StrOptions({"auto"})],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "n_chains": [Interval(Integral, 1, MAX_ROWS, closed="both"), None],
        "optimizer": [StrOptions({"sgd", "adam"})],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "max_norm": [Interval(Real, 0, None, closed="neither"), None],
        "replace_idle": ["boolean"],
        "sparsity_target": [Interval(Real, 0, 1, closed="neither"), None],
        "sparsity_cost": [Interval(Real, 0, None, closed="left")],
        "centering": ["boolean"],
        "init": [StrOptions({"hinton", "normal"})],
        "binarize": [StrOptions({"threshold", "sample"}), None],
        "sample_visible": ["boolean", None],
        "sample_last_hidden": ["boolean"],
        "early_stopping": ["boolean", StrOptions({"pseudo_likelihood", "free_energy_gap"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "monitor": [tuple, list],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
        "random_state": ["random_state"],
    }
    _shuffle = True
    _judged = True  # whether weights that explain nothing are divergence

    def __init__(
        self,
        n_components=256,
        *,
        visible="bernoulli",
        hidden="bernoulli",
        method="pcd",
        n_gibbs_steps=1,
        learning_rate=None,
        learning_rate_schedule="linear",
        batch_size="auto",
        n_iter=20,
        n_chains=None,
        optimizer="sgd",
        momentum=0.0,
        l1=0.0,
        l2=0.0,
        max_norm=None,
        replace_idle=False,
        sparsity_target=None,
        sparsity_cost=0.1,
        centering=True,
        init="hinton",
        binarize=None,
        sample_visible=None,
        sample_last_hidden=False,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=0.0,
        monitor=MONITORS,
        warm_start=False,
        verbose=0,
        n_threads=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.visible = visible
        self.hidden = hidden
        self.method = method
        self.n_gibbs_steps = n_gibbs_steps
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.n_chains = n_chains
        self.optimizer = optimizer
        self.momentum = momentum
        self.l1 = l1
        self.l2 = l2
        self.max_norm = max_norm
        self.replace_idle = replace_idle
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.centering = centering
        self.init = init
        self.binarize = binarize
        self.sample_visible = sample_visible
        self.sample_last_hidden = sample_last_hidden
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.monitor = monitor
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_threads = n_threads
        self.random_state = random_state

    @property
    def _binarize(self):
        return self.binarize

    def _unit_low(self) -> int:
        return unit_values()[self._units()[0]][1]

    def _layers(self) -> tuple:
        """What a model that goes on must not change: units, and groups of them."""
        return tuple(
            unit if isinstance(unit, Potts) else unit_name(unit) for unit in (self.visible, self.hidden)
        )

    def _check_units(self, n_features: int, learning: bool) -> None:
        """ValueError for units that do not go together or with the number of features."""
        check_pair(*self._units(), learning)
        for unit in (self.visible, self.hidden):
            if not isinstance(unit, str):
                unit.check()
        group_ranges(self.visible, n_features, "visible")
        group_ranges(self.hidden, self.n_components, "hidden")
        if self.binarize is not None and self._valued()[0]:
            raise ValueError(f"binarize={self.binarize!r} is for visible units of two values")

    @classmethod
    def from_parameters(cls, W, a=None, b=None, **params):
        """A model with these parameters, as if fitted.

        Parameters
        ----------
        W : array-like of shape (n_features, n_components)
            Weights; float32 is kept, anything else becomes float64.
        a, b : array-like of shape (n_features,) and (n_components,), default=None
            Biases of the visible and hidden units; None: zero.
        **params
            Parameters of the constructor, such as `hidden` or `random_state`. The standard deviations of
            Gaussian visible units are those of ``visible=Gaussian(sigma=...)``, else 1.

        Returns
        -------
        rbm : RBM

        Examples
        --------
        >>> from fastnn import RBM
        >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
        >>> round(float(rbm.log_partition()), 4)
        4.7776
        """
        W = check_parameter("W", W)
        if W.ndim != 2 or 0 in W.shape:
            raise ValueError(f"W must have shape (n_features, n_components), got {W.shape}")
        a = np.zeros(W.shape[0]) if a is None else check_parameter("a", a)
        b = np.zeros(W.shape[1]) if b is None else check_parameter("b", b)
        rbm = cls(W.shape[1], **params)
        rbm._validate_params()
        rbm._check_units(W.shape[0], learning=False)
        rbm._check_normalisable(W.T)
        key = random_key(rbm.random_state)
        sigma = None
        if rbm._units()[0] == "gaussian":
            given = getattr(rbm.visible, "sigma", "data")
            sigma = check_sigma(1.0 if isinstance(given, str) else given, W.shape[0])
        weights = rbm._make_weights(W.T, a, b, check_n_threads(rbm.n_threads), sigma=sigma)
        rbm.n_features_in_ = W.shape[0]
        rbm._training_state = {"key": key, "step": 0, "n_updates": 0, "units": rbm._layers()}
        rbm._adopt(weights, key ^ _SAMPLING)
        return rbm

    # --- learning --------------------------------------------------------------------------------

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_val=None):
        """Train for n_iter epochs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Values of the visible units; see `binarize` for those between states. C-ordered bool, uint8,
            int8, float32 and float64 arrays are read in place; float64 trains in float64, anything
            else in float32.
        y : ignored
        X_val : {array-like, sparse matrix} of shape (n_validation, n_features), default=None
            Rows for early stopping and the free-energy gap.

        Returns
        -------
        self : RBM

        Raises
        ------
        DivergenceError
            The weights left the range of numbers, or that in which the units make a distribution (looked for
            after every update); or the data are ten times worse explained than by no weights. Those from
            before that epoch are kept.
        KeyboardInterrupt
            After Ctrl-C; the parameters of the last update are kept.
        """
        n_threads = check_n_threads(self.n_threads)
        going_on = self.warm_start and hasattr(self, "components_")
        with features_kept_on_error(self):
            X = check_rows(self, X, reset=not going_on, state_dtype=self._state_dtype)
            self._check_range(X, n_threads)
            if X_val is not None:
                X_val = check_rows(self, X_val, reset=False, state_dtype=self._state_dtype)
                self._check_range(X_val, n_threads)
            self._check_monitors()
            key = self._training_state["key"] if going_on else random_key(self.random_state)
            X_train, X_val = self._split(X, X_val, key)
            context = self._init_callback_context(max_subtasks=self.n_iter)
            context.call_on_fit_task_begin(estimator=self, X=X, y=y)
            batch_size = self._batch_of(X_train.shape[0])
            run = self._start(X_train, key, going_on, batch_size, n_threads, self.n_iter)
        self._run(run, X_train, X_val, {"X": X, "y": y})
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """One update, with the rows of X as a single minibatch.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : RBM
        """
        n_threads = check_n_threads(self.n_threads)
        going_on = hasattr(self, "components_")
        with features_kept_on_error(self):
            X = check_rows(self, X, reset=not going_on, state_dtype=self._state_dtype)
            self._check_range(X, n_threads)
            if X.shape[0] > MAX_ROWS:
                raise ValueError(f"X has {X.shape[0]} rows, but a minibatch at most {MAX_ROWS}; use fit")
            key = self._training_state["key"] if going_on else random_key(self.random_state)
            run = self._start(X, key, going_on, X.shape[0], n_threads)
        try:
            run.epoch(0, shuffle=False)
        finally:
            self._finish(run, 1)
        return self

    @available_if(_has_pseudo_likelihood)
    def score_samples(self, X):
        """Log pseudo-likelihood of each row, sum_i ln P(v_i | the other visible units), exactly.

        Of models with bernoulli or spin visible units, and with Potts ones, of which a group counts as one.
        Units of numbers have no such method, for P(v_i | the others) is then an integral; use `free_energy`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            States of the visible units.

        Returns
        -------
        log_p : ndarray of shape (n_samples,), float64
            In nats. Costs n_features evaluations of the free energy a row.
        """
        self._check_fitted()
        n_threads = check_n_threads(self.n_threads)
        source = self._visible(self._rows(X), self._levels(), n_threads)
        if self._units()[0] == "potts" and not source.binary:
            raise ValueError("score_samples is of states: potts units are 0 or 1, but X has values between")
        out = np.empty(source.n_rows)
        weights = self._weights(n_threads)
        with single_threaded_blas():
            pseudo_log_likelihoods(weights, source, out, n_threads)
        return out

    # --- parts of fit ----------------------------------------------------------------------------

    def _check_monitors(self) -> None:
        unknown = set(self.monitor) - set(MONITORS)
        if unknown:
            raise ValueError(f"unknown monitors {sorted(unknown)}; known are {MONITORS}")
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
            a = bias_of_mean(self._units()[0], mean, X.shape[0])
        return W.astype(dtype), a.astype(dtype), np.zeros(self.n_components, dtype)

    def _initial_sigma(self, X, mean) -> np.ndarray | None:
        """Standard deviations of the visible units: of the data's columns, or as they are given."""
        if self._units()[0] != "gaussian":
            return None
        if issparse(X):
            squares = np.asarray(X.multiply(X).sum(axis=0, dtype=np.float64)).ravel()
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
            groups=group_ranges(self.visible, X.shape[1], "visible"),
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
            at_rest = {"bernoulli": 0.5, "spin": 0.0}.get(self._units()[1])
            trainer.start_offsets(mean, means_at_rest(weights, True) if at_rest is None else at_rest)
        n_updates = n_epochs * -(-X.shape[0] // batch_size)
        schedule = self.learning_rate_schedule if n_updates else "constant"
        rate = self.learning_rate or default_rate(*self._units())
        rates = rates_of_fit(rate, schedule, max(n_updates, 1))
        base = self._base(mean, X, trainer, n_epochs)
        return Run(self, trainer, source, batch_size, key, n_threads, rates, base)

    def _batch_of(self, n_rows: int) -> int:
        if self.batch_size != "auto":
            return min(self.batch_size, n_rows)
        return min(n_rows, max(FULL_BATCH // 10, min(FULL_BATCH, n_rows // UPDATES_AN_EPOCH)))

    def _chains(self) -> int:
        return FULL_BATCH if self.batch_size == "auto" else self.batch_size

    def _base(self, mean, X, trainer: Trainer, n_epochs: int) -> np.ndarray:
        """Biases of independent visible units with the data's means, as well as they are known by now."""
        n_rows = X.shape[0] if n_epochs else MONITOR_ROWS
        mean = mean if n_epochs else trainer.arrays["visible_mean"][: mean.size]
        if self._units()[0] not in TWO_VALUED:
            return bias_of_mean(self._units()[0], mean.astype(np.float64), n_rows)
        return biases_of_means(mean, n_rows, *unit_values()[self._units()[0]][1:])

    def _run(self, run: Run, X, X_val, shown: dict) -> None:
        """Train with monitors and early stopping, whatever happens keeping the last good parameters.

        shown: X and y for callbacks.
        """
        self._adopt(run.weights, run.key ^ _SAMPLING)
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
        source = visible_source(
            rows, self._units()[0], "sample", strict=False, dtype=run.weights.dtype, n_threads=1
        )
        out = np.empty(rows.shape, np.int8 if self._units()[0] == "spin" else np.bool_)
        gibbs(run.weights, source, 0, run.key ^ _SAMPLING, 0, 0, None, out, 1)
        return out

    def _measured(self, X, monitors: Monitors, n_threads: int) -> dict[str, float]:
        return monitors.measure(self)

    def _report(self, epoch: int, seconds: float, found: dict[str, float]) -> None:
        if self.verbose:
            measured = "".join(f", {name} = {value:.4f}" for name, value in found.items())
            name = type(self).__name__
            print(f"[{name}] Epoch {epoch}{measured}, time = {seconds:.2f}s", flush=True)

    def _finish(self, run: Run, n_epochs: int) -> None:
        self._adopt(run.weights, run.key ^ _SAMPLING)
        self._training_state = {**run.trainer.state(), "key": run.key, "units": self._layers()}
        self._training_state["base"] = run.base
        self.n_iter_ = n_epochs
