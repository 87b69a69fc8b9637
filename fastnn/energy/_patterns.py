"""What Hopfield networks remember: patterns, packed, and the weights made of them."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn._callbacks import fit_told
from fastnn._kernels.hopfield import Couplings, Memory, pack_states, spread
from fastnn._saving import Savable
from fastnn._validation import check_n_threads, check_parameter, features_kept_on_error, real_dtype
from fastnn.energy import _rules
from fastnn.energy._recall import tables

_SYMMETRY_SLACK = 100  # in units of the last place: what matrix products leave


class PatternMemory(Savable, CallbackSupportMixin, BaseEstimator):
    """Base of HopfieldNetwork: everything that changes or shows what it remembers."""

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
            # Callbacks see a fit without steps: whole patterns are taken in at once.
            with fit_told(self, 0, {"X": X, "y": y}):
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
            return np.ascontiguousarray(_rules.check_spins(X, name, check_n_threads(self.n_threads)))
        return np.ascontiguousarray(X, real_dtype(X, np.float64) if reset else self._patterns.dtype)

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
            self._weights = _rules.storkey(np.array(start, order="F"), self._unpacked(rows))
        else:
            self._weights = _rules.pseudo_inverse(self._unpacked(stored).astype(dtype))
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
            return _rules.hebb(self._unpacked(self._patterns).astype(self.bias_.dtype), self._hebb_scale)
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
                steep = tables(self._energy, *shape, self.degree, self.beta)
                network = Memory(self._patterns, self.n_features_in_, steep)
            self._network = (key, network)
        return self._network[1]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_patterns")

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "_network" in state:
            state["_network"] = (None, None)
        return state
