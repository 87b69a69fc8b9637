"""The restricted Boltzmann machine."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from fastnn._kernels.core import unit_values
from fastnn._kernels.layers import pseudo_log_likelihoods
from fastnn._threads import single_threaded_blas
from fastnn._validation import (
    MAX_THREADS,
    check_n_threads,
    check_parameter,
    check_rows,
    features_kept_on_error,
    random_key,
)
from fastnn.energy._fit import SCHEDULES
from fastnn.energy._learning import SAMPLING, Learning
from fastnn.energy._model import RBMModel
from fastnn.energy._monitors import MONITORS, TWO_VALUED
from fastnn.energy.units import (
    Gaussian,
    Potts,
    check_pair,
    check_sigma,
    group_ranges,
    unit_name,
)

_UNITS = tuple(name for name in unit_values() if name != "potts")  # Potts units come with their groups
# A minibatch's means are fixed-point sums of this many rows at most, with ten bits to spare.
MAX_ROWS = 1 << 20


def _has_pseudo_likelihood(model) -> bool:
    unit = model._units()[0]
    if unit not in (*TWO_VALUED, "potts"):
        raise AttributeError(
            f"the pseudo-likelihood of {unit} units has no closed form here; use free_energy"
        )
    return True


class RBM(CallbackSupportMixin, Learning, RBMModel):
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
        others of them in both layers, whose weights must stay small. Gaussian units bear more where data
        are whitened (0.1 on patches of pictures), but diverge above 0.01 where a few directions hold most
        of the variance. Filters that are edges take sparse activity as well: see examples/rbm_patches.py.
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
    monitor : tuple of {"reconstruction", "pseudo_likelihood", "free_energy_gap", "log_likelihood", \
            "validation_log_likelihood"}
        Measured after each epoch into `history_`, on at most 512 training rows. The gap, mean free
        energy of validation less training rows, needs validation rows; the pseudo-likelihood, by default,
        is left out where visible units are not bernoulli or spin. The likelihoods, mean ln P(v) of training
        and of validation rows, are not among the defaults: they sum over all states of a layer of up to 25
        units at each epoch, or anneal a short while between larger layers.
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
       gradient", ICML 2008, 1064-1071.
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
        rbm._adopt(weights, key ^ SAMPLING)
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
            As in `fit`; at most 1,048,576 rows.
        y : ignored

        Returns
        -------
        self : RBM

        Raises
        ------
        ValueError
            What X or the parameters lack; another number of features than before.
        DivergenceError
            The weights left the range of numbers, or that in which the units make a distribution.
        KeyboardInterrupt
            After Ctrl-C.

        Examples
        --------
        Four units that are on or off together:

        >>> import numpy as np
        >>> from fastnn import RBM
        >>> X = np.repeat(np.random.default_rng(0).random((600, 1)) < 0.5, 4, axis=1)
        >>> rbm = RBM(4, learning_rate=0.3, random_state=0)
        >>> for k in range(300):
        ...     rbm = rbm.partial_fit(X[k % 20 * 30 :][:30])
        >>> rbm.reconstruct([[1, 1, 1, 1], [0, 0, 0, 0]]).round()
        array([[1., 1., 1., 1.],
               [0., 0., 0., 0.]], dtype=float32)
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
