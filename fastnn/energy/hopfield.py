"""The Hopfield network."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.linalg import get_blas_funcs
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn._kernels.hopfield import Couplings, Memory, Recall, pack_states, retrieve, spread
from fastnn._threads import single_threaded_blas
from fastnn._validation import (
    MAX_THREADS,
    check_n_threads,
    check_parameter,
    features_kept_on_error,
    random_key,
    real_dtype,
)
from fastnn.energy import _hopfield
from fastnn.energy._hopfield import STATUS, Recalled

_SYMMETRY_SLACK = 100  # in units of the last place: what matrix products leave


class HopfieldNetwork(BaseEstimator):
    """Associative memory: probes run downhill in energy to a remembered pattern.

    Units are spins, s in {-1, +1}. With the quadratic energy E(s) = -b.s - s'Ws/2 (W symmetric, zero
    diagonal) a unit takes the sign of its field h_i = b_i + sum_j w_ij s_j, a zero field keeping the
    state [1]_: one unit at a time E never rises and every probe comes to rest; all at once a probe may
    end in a cycle of two states, and with asymmetric weights it may never rest: :meth:`recall` says so.

    At most 0.138 N patterns of N random bits are recalled, with a few errors [2]_; *most* of them without
    error up to N / (2 ln N), *all* of them up to N / (4 ln N) [3]_. Steeper energies hold many more.

    Parameters
    ----------
    rule : {"hebb", "storkey", "pseudo_inverse"}, default="hebb"
        How weights come from patterns xi (quadratic energy). Hebb: w_ij = c sum_mu xi_i xi_j; weights
        are never built, recall works with the packed patterns, exactly. Storkey [4]_: incremental and
        local, holds more. Pseudo-inverse: the projection on the patterns, its diagonal removed.
    energy : {"quadratic", "polynomial", "exponential"}, default="quadratic"
        With m_mu = xi^mu.s the overlaps: polynomial, E = -(N/n) sum_mu (m_mu / N)^n, n = `degree` [5]_
        (n = 2: Hebb's energy but for a constant); exponential, E = -(1/beta) ln sum_mu exp(beta m_mu)
        + s.s/2, with update="async" on spins [6]_, with "sync" on real vectors, whose update is
        s <- sum_mu softmax(beta m)_mu xi^mu [7]_.
    update : {"async", "sync"}, default="async"
        One unit after another, or all at once.
    order : {"sequential", "random"}, default="sequential"
        Of asynchronous updates; random: a new permutation in each sweep.
    max_sweeps : int, default=100
        A sweep visits every unit once.
    degree : int, default=3
        Of the polynomial energy; at least 2.
    beta : float, default=1.0
        Of the exponential energy.
    scale : {"units", "patterns"}, default="units"
        Hebb's c: 1/N, as usual in physics, or one over the number of patterns (their mean). Scales W and
        the energy, and changes nothing else.
    tol : float, default=1e-6
        Softmax retrieval rests when no component moves by more than this times the largest component
        of the patterns.
    n_threads : int, default=None
        None: what OpenMP and threadpoolctl allow. Shows in nothing but time.
    random_state : int, RandomState instance or None, default=None
        For order="random".

    Attributes
    ----------
    patterns_ : ndarray of shape (n_patterns, n_features)
        What was learned; int8 for spins. Unpacked at each access.
    weights_ : ndarray of shape (n_features, n_features)
        Quadratic energy only; for rule="hebb" built at each access.
    bias_ : ndarray of shape (n_features,)
        Zero unless given to `from_weights`.
    is_symmetric_ : bool
        Whether there is an energy.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    .. [1] Hopfield, "Neural networks and physical systems with emergent collective computational
       abilities", PNAS 79 (1982), 2554-2558.
    .. [2] Amit, Gutfreund, Sompolinsky, "Storing infinite numbers of patterns in a spin-glass model of
       neural networks", Physical Review Letters 55 (1985), 1530-1533.
    .. [3] McEliece, Posner, Rodemich, Venkatesh, "The capacity of the Hopfield associative memory", IEEE
       Transactions on Information Theory 33 (1987), 461-482.
    .. [4] Storkey, "Increasing the capacity of a Hopfield network without sacrificing functionality",
       ICANN 1997.
    .. [5] Krotov, Hopfield, "Dense associative memory for pattern recognition", NIPS 2016.
    .. [6] Demircigil, Heusel, Löwe, Upgang, Vermet, "On a model of associative memory with huge storage
       capacity", Journal of Statistical Physics 168 (2017), 288-299.
    .. [7] Ramsauer et al., "Hopfield networks is all you need", ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import HopfieldNetwork
    >>> rng = np.random.default_rng(0)
    >>> patterns = rng.choice([-1, 1], (20, 400))
    >>> network = HopfieldNetwork().fit(patterns)
    >>> noisy = patterns * rng.choice([-1, 1], patterns.shape, p=[0.2, 0.8])
    >>> bool((network.predict(noisy) == patterns).all())
    True
    """

    _parameter_constraints: dict = {
        "rule": [StrOptions({"hebb", "storkey", "pseudo_inverse"})],
        "energy": [StrOptions({"quadratic", "polynomial", "exponential"})],
        "update": [StrOptions({"async", "sync"})],
        "order": [StrOptions({"sequential", "random"})],
        "max_sweeps": [Interval(Integral, 1, None, closed="left")],
        "degree": [Interval(Integral, 2, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="neither")],
        "scale": [StrOptions({"units", "patterns"})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        rule="hebb",
        energy="quadratic",
        update="async",
        order="sequential",
        max_sweeps=100,
        *,
        degree=3,
        beta=1.0,
        scale="units",
        tol=1e-6,
        n_threads=None,
        random_state=None,
    ):
        self.rule = rule
        self._energy = energy  # `energy` is a method: see get_params
        self.update = update
        self.order = order
        self.max_sweeps = max_sweeps
        self.degree = degree
        self.beta = beta
        self.scale = scale
        self.tol = tol
        self.n_threads = n_threads
        self.random_state = random_state

    def get_params(self, deep=True):
        """Parameters by name; the one called energy shares its name with a method.

        Parameters
        ----------
        deep : bool, default=True
            As in scikit-learn.

        Returns
        -------
        params : dict
        """
        names = [name for name in self._get_param_names() if name != "energy"]
        return {**{name: getattr(self, name) for name in names}, "energy": self._energy}

    def set_params(self, **params):
        """Set parameters by name.

        Parameters
        ----------
        **params
            New values.

        Returns
        -------
        self : HopfieldNetwork
        """
        unknown = set(params) - set(self._get_param_names())
        if unknown:
            raise ValueError(f"HopfieldNetwork has no parameters {sorted(unknown)}")
        for name, value in params.items():
            setattr(self, "_energy" if name == "energy" else name, value)
        return self

    # --- learning --------------------------------------------------------------------------------

    @classmethod
    def from_weights(cls, W, b=None, **params):
        """A network with these weights, symmetric or not.

        Parameters
        ----------
        W : array-like of shape (n_features, n_features)
            Zero diagonal; w_ij runs from unit j to unit i, which matters where W is not symmetric. What
            rounding leaves of asymmetry is averaged away. float32 is kept, anything else becomes float64.
        b : array-like of shape (n_features,), default=None
            Biases; None: zero.
        **params
            Parameters of the constructor, such as `update`.

        Returns
        -------
        network : HopfieldNetwork

        Examples
        --------
        >>> from fastnn import HopfieldNetwork
        >>> one_way = HopfieldNetwork.from_weights([[0, 1], [-1, 0]], update="sync")
        >>> one_way.is_symmetric_, one_way.recall([[1, 1]]).status.tolist()
        (False, ['limit'])
        """
        network = cls(**params)
        network._validate_params()
        network._check_combination()
        if network._energy != "quadratic":
            raise ValueError(f"weights make a quadratic energy, but energy={network._energy!r}")
        W = check_parameter("W", W)
        if W.ndim != 2 or W.shape[0] != W.shape[1] or W.shape[0] == 0:
            raise ValueError(f"W must have shape (n_features, n_features), got {W.shape}")
        if np.diagonal(W).any():
            raise ValueError("W must have a zero diagonal: no unit acts on itself")
        b = np.zeros(len(W)) if b is None else check_parameter("b", b)
        if b.shape != W.shape[:1]:
            raise ValueError(f"b must have shape ({len(W)},), got {b.shape}")
        slack = _SYMMETRY_SLACK * np.finfo(W.dtype).eps * np.abs(W).max()
        network.is_symmetric_ = bool(np.abs(W - W.T).max() <= slack)
        network._weights = (W + W.T) / 2 if network.is_symmetric_ else W.copy()
        network.bias_ = b.astype(W.dtype)
        network.n_features_in_ = len(W)
        network._patterns = None
        network._network = (None, None)
        return network

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Remember these patterns, and no others.

        Parameters
        ----------
        X : array-like of shape (n_patterns, n_features)
            Rows of -1 and +1, or booleans (true = +1); real vectors for softmax retrieval. float32
            patterns make float32 weights.
        y : ignored

        Returns
        -------
        self : HopfieldNetwork
        """
        self._check_combination()
        with features_kept_on_error(self):
            X = self._rows(X, "X", reset=True)
            self._learn(X, None)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Remember these patterns as well.

        Parameters
        ----------
        X : array-like of shape (n_patterns, n_features)
            As in `fit`.
        y : ignored

        Returns
        -------
        self : HopfieldNetwork
        """
        if not hasattr(self, "_patterns"):
            return self.fit(X)
        self._check_combination()
        self._check_learned()
        self._learn(self._rows(X, "X", reset=False), self._patterns)
        return self

    def forget(self, X):
        """Forget these patterns: the network becomes what it were without them.

        Hebb's weights lose their share; Storkey's and the pseudo-inverse are learned anew from the rest.

        Parameters
        ----------
        X : array-like of shape (n_patterns, n_features)
            Rows that were learned; of one learned twice, one copy goes for each row.

        Returns
        -------
        self : HopfieldNetwork

        Raises
        ------
        ValueError
            A row is not among the patterns, or none would remain.
        """
        check_is_fitted(self)
        self._check_learned()
        rows = self._stored(self._rows(X, "X", reset=False))
        known: dict[bytes, list[int]] = {}
        for k, row in enumerate(self._patterns):
            known.setdefault(row.tobytes(), []).append(k)
        gone = []
        for k, row in enumerate(rows):
            copies = known.get(row.tobytes())
            if not copies:
                raise ValueError(f"row {k} of X is not among the patterns")
            gone.append(copies.pop())
        if len(gone) == len(self._patterns):
            raise ValueError("no pattern would remain; make a new network instead")
        rest = np.delete(self._patterns, gone, axis=0)
        self._learn(rest if self._is_real else self._unpacked(rest), None, self.bias_.dtype)
        return self

    def _check_combination(self) -> None:
        """Parameters that do not go together."""
        if self._energy != "quadratic" and self.rule != "hebb":
            raise ValueError(f"rule={self.rule!r} makes weights, which energy={self._energy!r} has not")
        if self.scale == "patterns" and (self._energy != "quadratic" or self.rule != "hebb"):
            raise ValueError("scale='patterns' is for rule='hebb' with energy='quadratic'")

    def _check_learned(self) -> None:
        if self._patterns is None:
            raise ValueError("this network was made from weights: it has no patterns to add to or forget")

    @property
    def _is_real(self) -> bool:
        """Whether states are real vectors."""
        return self._energy == "exponential" and self.update == "sync"

    def _rows(self, X, name: str, *, reset: bool = False):
        """Checked rows: spins as the loops read them, or real vectors."""
        X = validate_data(self, X, reset=reset, dtype="numeric", order="C")
        if X.dtype.isnative is False:
            X = X.astype(X.dtype.newbyteorder("="))
        if not self._is_real:
            return np.ascontiguousarray(_hopfield.check_spins(X, name, check_n_threads(self.n_threads)))
        kept = X.dtype == np.float32 if reset else self._patterns.dtype == np.float32
        return np.ascontiguousarray(X, dtype=np.float32 if kept else np.float64)

    def _stored(self, X) -> np.ndarray:
        return X if self._is_real else pack_states(X)

    def _unpacked(self, packed) -> np.ndarray:
        out = np.empty((len(packed), self.n_features_in_), np.int8)
        spread(np.ascontiguousarray(packed), self.n_features_in_, out)
        return out

    def _learn(self, X, before, dtype=None) -> None:
        """Remember the rows of X on top of the patterns `before` (as stored), or alone.

        dtype: of the weights; None: that of X where it is real.
        """
        rows = self._stored(X)
        stored = rows if before is None else np.concatenate([before, rows])
        if before is not None and self._weights is not None:
            dtype = self._weights.dtype
        dtype = dtype or real_dtype(X, np.float64)
        if not self._makes_weights:
            self._weights = None
        elif self.rule == "storkey":
            start = np.zeros((X.shape[1],) * 2, dtype) if before is None else self._weights
            self._weights = _hopfield.storkey(np.array(start, order="F"), self._unpacked(rows))
        else:
            self._weights = _hopfield.pseudo_inverse(self._unpacked(stored).astype(dtype))
        self._patterns = stored
        self.bias_ = np.zeros(X.shape[1], dtype)
        self.is_symmetric_ = True
        self._network = (None, None)

    # --- what was learned ------------------------------------------------------------------------

    @property
    def _makes_weights(self) -> bool:
        return self._energy == "quadratic" and self.rule != "hebb"

    @property
    def patterns_(self) -> np.ndarray:
        """What was learned, (n_patterns, n_features)."""
        self._check_learned()
        return self._patterns.copy() if self._is_real else self._unpacked(self._patterns)

    @property
    def _hebb_scale(self) -> float:
        return 1 / (self.n_features_in_ if self.scale == "units" else len(self._patterns))

    @property
    def weights_(self) -> np.ndarray:
        """The weights, (n_features, n_features)."""
        if self._energy != "quadratic":
            raise AttributeError(f"a network with energy={self._energy!r} has no weights")
        if self._weights is None:
            return _hopfield.hebb(self._unpacked(self._patterns).astype(self.bias_.dtype), self._hebb_scale)
        return self._weights.copy()

    def _ready(self) -> Memory | Couplings:
        """What the loops recall from, made once for the present parameters."""
        check_is_fitted(self)
        self._check_combination()
        learned_reals = self._patterns is not None and self._patterns.dtype != np.uint64
        if learned_reals != self._is_real or (self._makes_weights and self._weights is None):
            raise ValueError("parameters changed since the patterns were learned: fit again")
        key = (self._energy, self.degree, self.beta)
        if self._network[0] != key:
            network = None
            if self._weights is not None:
                network = Couplings(np.ascontiguousarray(self._weights), np.ascontiguousarray(self.bias_))
            elif not self._is_real:
                shape = self.n_features_in_, len(self._patterns)
                tables = _hopfield.tables(self._energy, *shape, self.degree, self.beta)
                network = Memory(self._patterns, self.n_features_in_, tables)
            self._network = (key, network)
        return self._network[1]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_patterns")

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "_network" in state:
            state["_network"] = (None, None)
        return state

    # --- recall ----------------------------------------------------------------------------------

    def predict(self, X):
        """Where each row of X comes to rest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Probes: rows of -1 and +1, or booleans; real vectors for softmax retrieval.

        Returns
        -------
        states : ndarray of shape (n_samples, n_features)
            Of the dtype of X: bool, int8 (for any integers), float32 or float64.

        Warns
        -----
        ConvergenceWarning
            Some probes did not come to rest: :meth:`recall` says which.
        """
        found = self.recall(X)
        cycling, limited = (int((found.status == name).sum()) for name in ("2-cycle", "limit"))
        if cycling or limited:
            warnings.warn(
                f"of {len(found.states)} probes {cycling} ended in a cycle of two states and {limited} "
                f"were still moving after max_sweeps={self.max_sweeps}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return found.states

    def recall(self, X):
        """The whole course of each row of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Probes, as in `predict`.

        Returns
        -------
        recalled : Recalled
            With attributes `states`, `status` ("converged", "2-cycle" or "limit"), `converged`, `n_sweeps`
            and `energies`.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C.

        Examples
        --------
        >>> from fastnn import HopfieldNetwork
        >>> network = HopfieldNetwork(update="sync").fit([[1, 1, 1, 1]])
        >>> network.recall([[1, -1, 1, 1], [-1, 1, 1, -1]]).status.tolist()
        ['converged', '2-cycle']
        """
        network, n_threads = self._ready(), check_n_threads(self.n_threads)
        self._validate_params()
        X = self._rows(X, "X")
        if self._is_real:
            states, status, n_sweeps, energies = _hopfield.retrieve_to_rest(
                self._patterns, X, self.beta, self.max_sweeps, self.tol, n_threads
            )
            return Recalled(states, STATUS[status], n_sweeps, energies)
        synchronous = self.update == "sync"
        packed = pack_states(X)
        run = Recall(network, packed.copy(), synchronous, n_threads)
        trace = _hopfield.Trace(self, run, X) if self.is_symmetric_ else None
        status, n_sweeps = _hopfield.follow(
            run,
            packed,
            self.max_sweeps,
            self._orders(),
            synchronous or self.order == "sequential",
            trace.after_sweep if trace else lambda run, who, moving: None,
        )
        states = np.empty(X.shape, X.dtype)
        spread(packed, self.n_features_in_, states)
        energies = trace.energies(states, n_sweeps) if trace else None
        return Recalled(states, STATUS[status], n_sweeps, energies)

    def _orders(self):
        """The order of units in sweep t; the same for all probes."""
        if self.update == "sync" or self.order == "sequential":
            return lambda t: None
        key = random_key(self.random_state)
        return lambda t: np.random.default_rng([key, t]).permutation(self.n_features_in_)

    # --- measures --------------------------------------------------------------------------------

    def energy(self, X):
        """Energy of each row of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        energies : ndarray of shape (n_samples,), float64

        Raises
        ------
        ValueError
            The weights are asymmetric: then there is no energy.
        """
        self._ready()
        if not self.is_symmetric_:
            raise ValueError("asymmetric weights have no energy")
        return self._energies(self._rows(X, "X"))

    def _energies(self, X) -> np.ndarray:
        n_threads = check_n_threads(self.n_threads)
        if self._is_real:
            with single_threaded_blas():
                logs = retrieve(self._patterns, X, self.beta, None, n_threads)
            return _hopfield.exponential_energy(logs, X, self.beta)
        if self._weights is None:
            return self._memory_energies(Recall(self._ready(), pack_states(X), False, n_threads))
        spins = (2 * X.astype(np.int8) - 1 if X.dtype == np.bool_ else X).astype(self._weights.dtype)
        (gemm,) = get_blas_funcs(("gemm",), (self._weights,))
        with single_threaded_blas():
            fields = gemm(1.0, self._weights, spins.T).T
        return -np.einsum("ij,ij->i", spins, fields / 2 + self.bias_, dtype=np.float64)

    def _memory_energies(self, run: Recall) -> np.ndarray:
        """Energies of the present states of probes that recall from patterns."""
        sums, tops = run.energy_parts()
        n_units, n_patterns = self.n_features_in_, len(self._patterns)
        if self._energy == "quadratic":
            return -self._hebb_scale / 2 * (sums - n_units * n_patterns)
        if self._energy == "polynomial":
            return -n_units / self.degree * sums
        return n_units / 2 - tops - np.log(sums) / self.beta

    def is_stable(self, X):
        """Whether each row of X is a fixed point.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        stable : ndarray of bool, shape (n_samples,)
        """
        network, n_threads = self._ready(), check_n_threads(self.n_threads)
        X = self._rows(X, "X")
        if self._is_real:
            found = _hopfield.retrieve_to_rest(self._patterns, X, self.beta, 1, self.tol, n_threads)
            return found[1] == 1
        moved, _ = Recall(network, pack_states(X), True, n_threads).sweep(None)
        return ~moved

    def overlap(self, X, patterns=None):
        """Overlaps of rows and patterns, (1/N) sum_i x_i xi_i: 1 for equal ones, -1 for opposites.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        patterns : array-like of shape (n_patterns, n_features), default=None
            None: those that were learned.

        Returns
        -------
        overlaps : ndarray of shape (n_samples, n_patterns)
            float32 for float32 X, else float64.
        """
        self._ready()
        X = self._rows(X, "X")
        if patterns is None:
            self._check_learned()
            stored = self._patterns
        else:
            stored = self._stored(self._rows(patterns, "patterns"))
        dtype = real_dtype(X, np.float64)
        if self._is_real:
            return (X @ stored.T.astype(X.dtype) / X.shape[1]).astype(dtype)
        run = Recall(Memory(stored, X.shape[1], None), pack_states(X), False, check_n_threads(self.n_threads))
        return (run.overlaps() / X.shape[1]).astype(dtype)
