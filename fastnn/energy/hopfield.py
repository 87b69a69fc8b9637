"""The Hopfield network."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.linalg import get_blas_funcs
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from fastnn._kernels.hopfield import Memory, Recall, pack_states, retrieve, spread
from fastnn._threads import single_threaded_blas
from fastnn._validation import MAX_THREADS, check_n_threads, random_key, real_dtype
from fastnn.energy import _recall
from fastnn.energy._patterns import PatternMemory
from fastnn.energy._recall import STATUS, Recalled


class HopfieldNetwork(PatternMemory):
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
            states, status, n_sweeps, energies = _recall.retrieve_to_rest(
                self._patterns, X, self.beta, self.max_sweeps, self.tol, n_threads
            )
            return Recalled(states, STATUS[status], n_sweeps, energies)
        synchronous = self.update == "sync"
        packed = pack_states(X)
        run = Recall(network, packed.copy(), synchronous, n_threads)
        trace = _recall.Trace(self, run, X) if self.is_symmetric_ else None
        status, n_sweeps = _recall.follow(
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
            return _recall.exponential_energy(logs, X, self.beta)
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
            found = _recall.retrieve_to_rest(self._patterns, X, self.beta, 1, self.tol, n_threads)
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
