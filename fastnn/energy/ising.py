"""Ising models and QUBOs: E(s) = -b.s - 1/2 s'Ws, validated once, with exact energies."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, issparse

from fastnn._saving import Savable
from fastnn.energy._enumerate import Enumeration, enumerate_states
from fastnn.energy._graphs import from_dict, from_pairs, read_rudy

_LOW = {"SPIN": -1, "BINARY": 0}
# Asymmetry of weights that rounding explains; anything above is an error of the caller's.
_ROUNDING = 1e-12


class IsingModel(Savable):
    """Two-valued units with pair couplings: E(s) = offset - b.s - 1/2 s'Ws.

    The state s minimises E where it agrees with its fields: positive couplings favour equal spins. A model
    does not change after it is made.

    Parameters
    ----------
    weights : array-like or sparse matrix of shape (n, n)
        Symmetric couplings w_ij with zero diagonal: each pair counts once, -w_ij s_i s_j.
    bias : array-like of shape (n,), default=None
        Zero if None.
    vartype : {"SPIN", "BINARY"}, default="SPIN"
        Values of a unit: -1 and +1, or 0 and 1.
    offset : float, default=0.0
        Added to every energy.
    labels : sequence of hashable, default=None
        Names of the units, kept for the caller.

    Attributes
    ----------
    weights : ndarray or csr_array of shape (n, n)
        float64.
    bias : ndarray of shape (n,)
        float64.

    Raises
    ------
    TypeError
        Weights or bias are not real numbers.
    ValueError
        A wrong shape, NaN or infinity, asymmetric weights, a nonzero diagonal, an unknown vartype.

    References
    ----------
    A. Lucas, "Ising formulations of many NP problems", Frontiers in Physics 2 (2014), 5.

    Examples
    --------
    >>> import fastnn
    >>> model = fastnn.IsingModel([[0, 1], [1, 0]], bias=[0.5, 0])
    >>> model.energy([[1, 1], [-1, -1], [1, -1]])
    array([-1.5, -0.5,  0.5])
    """

    def __init__(self, weights, bias=None, vartype="SPIN", *, offset=0.0, labels=None):
        if vartype not in _LOW:
            raise ValueError(f"vartype must be 'SPIN' or 'BINARY', got {vartype!r}")
        self.weights = _check_weights(weights)
        n = self.weights.shape[0]
        self.bias = np.zeros(n) if bias is None else _real_array("bias", bias, (n,))
        self.vartype = vartype
        self.offset = float(offset)
        if not np.isfinite(self.offset):
            raise ValueError(f"offset must be finite, got {offset!r}")
        self.labels = None if labels is None else tuple(labels)
        if labels is not None and len(self.labels) != n:
            raise ValueError(f"{n} units need {n} labels, got {len(self.labels)}")

    def __repr__(self):
        return f"IsingModel(n={self.n}, n_couplings={self.rows.nnz // 2}, vartype={self.vartype!r})"

    @property
    def n(self) -> int:
        """Number of units."""
        return self.bias.size

    @property
    def low(self) -> int:
        """The lower of a unit's two values: -1 or 0."""
        return _LOW[self.vartype]

    @cached_property
    def rows(self) -> csr_array:
        """The couplings as CSR, without zeros."""
        if issparse(self.weights):
            return self.weights
        return _as_csr(self.weights)

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "rows"}

    @classmethod
    def from_qubo(cls, Q, *, offset=0.0) -> IsingModel:
        """The binary model whose energy is x'Qx + offset.

        Parameters
        ----------
        Q : array-like or sparse matrix of shape (n, n), or dict of {(i, j): float}
            Upper triangular, lower triangular or symmetric: entries (i, j) and (j, i) add up.
        offset : float, default=0.0

        Returns
        -------
        IsingModel
            With vartype "BINARY".

        Examples
        --------
        >>> import fastnn
        >>> fastnn.IsingModel.from_qubo([[-1, 2], [0, -1]]).energy([[1, 0], [1, 1]])
        array([-1.,  0.])
        """
        if isinstance(Q, dict):
            Q = from_dict(Q)
        Q = Q.tocsr().astype(np.float64) if issparse(Q) else _real_array("Q", Q, None)
        if Q.ndim != 2 or Q.shape[0] != Q.shape[1]:
            raise ValueError(f"Q must be square, got shape {Q.shape}")
        both = -(Q + Q.T)
        diagonal = Q.diagonal()
        both = csr_array(both) if issparse(Q) else both
        if issparse(both):
            both.setdiag(0)
        else:
            np.fill_diagonal(both, 0)
        return cls(both, -diagonal, "BINARY", offset=offset)

    @classmethod
    def from_edges(cls, edges, weights=1.0, bias=None, *, n=None, vartype="SPIN", offset=0.0) -> IsingModel:
        """A sparse model from a list of pairs.

        Parameters
        ----------
        edges : array-like of int of shape (n_edges, 2)
            Pairs of different units, from 0; couplings of a repeated pair add up.
        weights : float or array-like of shape (n_edges,), default=1.0
            Their couplings: a pair adds -w s_i s_j to the energy.
        bias : array-like of shape (n,), default=None
        n : int, default=None
            Number of units; None: the length of bias, else one more than the greatest index.
        vartype : {"SPIN", "BINARY"}, default="SPIN"
        offset : float, default=0.0

        Returns
        -------
        IsingModel

        Examples
        --------
        >>> import fastnn
        >>> ring = fastnn.IsingModel.from_edges([[0, 1], [1, 2], [2, 0]], -1)
        >>> ring.energy([[1, 1, 1], [1, 1, -1]])
        array([ 3., -1.])
        """
        edges = np.asarray(edges)
        if edges.size == 0:
            edges = np.zeros((0, 2), np.int64)
        if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
            raise ValueError(f"edges must be ints (n_edges, 2), got {edges.dtype} {edges.shape}")
        if n is None:
            n = len(bias) if bias is not None else int(edges.max(initial=-1)) + 1
        if edges.size and not (edges.min() >= 0 and edges.max() < n):
            raise ValueError(f"edges must name units 0 .. {n - 1}, got {edges.min()} .. {edges.max()}")
        if (edges[:, 0] == edges[:, 1]).any():
            raise ValueError("an edge joins a unit with itself")
        weights = _real_array("weights", weights, None)
        weights = np.broadcast_to(weights, (len(edges),))
        return cls(from_pairs(edges, weights, n), bias, vartype, offset=offset)

    @classmethod
    def from_maxcut(cls, weights) -> IsingModel:
        """The spin model whose energy is minus the weight of the cut between up and down.

        Parameters
        ----------
        weights : array-like or sparse matrix of shape (n, n)
            Symmetric weights of the graph's edges, zero diagonal.

        Returns
        -------
        IsingModel

        Examples
        --------
        >>> import fastnn
        >>> triangle = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
        >>> fastnn.IsingModel.from_maxcut(triangle).energy([[1, 1, -1]])
        array([-2.])
        """
        checked = _check_weights(weights)
        return cls(-0.5 * checked, offset=-0.25 * float(checked.sum()))

    @classmethod
    def from_bqm(cls, bqm) -> IsingModel:
        """The model of a dimod binary quadratic model, its variables as `labels`.

        Parameters
        ----------
        bqm : dimod.BinaryQuadraticModel
            Or anything with its `vartype`, `variables` and `to_numpy_vectors`.

        Returns
        -------
        IsingModel
            Of the same vartype and energies.

        Examples
        --------
        >>> import dimod, fastnn
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): -1.0}, 0.0, "SPIN")
        >>> fastnn.IsingModel.from_bqm(bqm).energy([[-1, -1]])
        array([-2.])
        """
        labels = list(bqm.variables)
        linear, (row, col, quadratic), offset = bqm.to_numpy_vectors(variable_order=labels)
        edges = np.stack([row, col], axis=1).astype(np.int64)
        pairs = from_pairs(edges, -np.asarray(quadratic, np.float64), len(labels))
        bias = -np.asarray(linear, np.float64)
        return cls(pairs, bias, bqm.vartype.name, offset=offset, labels=labels)

    @classmethod
    def from_file(cls, path, *, problem="maxcut") -> IsingModel:
        """A graph in the format of G-set and rudy: a line "n m", then m lines "i j weight", i, j from 1.

        Parameters
        ----------
        path : str or path
            Lines that start with # are skipped; a missing weight is 1.
        problem : {"maxcut", "ising"}, default="maxcut"
            "maxcut": energy = minus the cut. "ising": energy = the sum of weight s_i s_j.

        Returns
        -------
        IsingModel

        Raises
        ------
        ValueError
            The file is not of this format.
        """
        if problem not in ("maxcut", "ising"):
            raise ValueError(f"problem must be 'maxcut' or 'ising', got {problem!r}")
        edges, weights, n = read_rudy(path)
        if problem == "ising":
            return cls.from_edges(edges, -weights, n=n)
        return cls.from_maxcut(from_pairs(edges, weights, n))

    def energy(self, S) -> np.ndarray:
        """Energies of states, in float64.

        Parameters
        ----------
        S : array-like of shape (n_states, n) or (n,)
            Values of the model's domain.

        Returns
        -------
        ndarray of shape (n_states,), or float for one state

        Raises
        ------
        ValueError
            A wrong shape, or values outside the domain.
        """
        S = self.check_states(S)
        rows = np.atleast_2d(S).astype(np.float64)
        fields = self.bias + 0.5 * (self.weights @ rows.T).T
        energies = self.offset - np.einsum("ri,ri->r", rows, fields)
        return energies if S.ndim == 2 else energies[0]

    def check_states(self, S, name="S") -> np.ndarray:
        """S as an int8 array of one or two dimensions; ValueError if it is not one of states.

        Parameters
        ----------
        S : array-like of shape (n_states, n) or (n,)
        name : str, default="S"
            What errors call it.

        Returns
        -------
        ndarray of int8
        """
        S = np.asarray(S)
        if S.ndim not in (1, 2) or S.shape[-1] != self.n:
            raise ValueError(f"{name} must have shape (n_states, {self.n}), got {S.shape}")
        if S.dtype.kind not in "biuf" or not np.isin(S, (self.low, 1)).all():
            raise ValueError(f"{name} must hold {self.low} and 1 ({self.vartype})")
        return S.astype(np.int8)

    def enumerate(self, beta=1.0) -> Enumeration:
        """Exact statistics over all 2^n states, for up to 25 units.

        Parameters
        ----------
        beta : float, default=1.0
            Inverse temperature, finite and not negative.

        Returns
        -------
        Enumeration
            Partition function, entropy, free energy, moments, ground states.

        Raises
        ------
        ValueError
            More than 25 units, or a beta that will not do.

        Examples
        --------
        >>> import fastnn
        >>> exact = fastnn.IsingModel([[0, 1], [1, 0]]).enumerate(beta=0.5)
        >>> round(exact.mean_energy, 6)
        -0.462117
        """
        return enumerate_states(self, beta)

    @cached_property
    def is_dense(self) -> bool:
        """Whether a quarter of all pairs or more are coupled, in a model of 64 units or more."""
        n_entries = self.rows.nnz if issparse(self.weights) else np.count_nonzero(self.weights)
        return self.n >= 64 and 4 * n_entries >= self.n * self.n

    def spin_form(self, dense=False) -> tuple[csr_array | np.ndarray, np.ndarray]:
        """The spin model of equal energies but for a constant.

        Parameters
        ----------
        dense : bool, default=False
            The weights as an array instead of CSR.

        Returns
        -------
        weights, bias : csr_array or ndarray of shape (n, n), and ndarray of shape (n,)
        """
        weights = self.rows
        if dense:
            weights = self.weights.toarray() if issparse(self.weights) else self.weights
        if self.vartype == "SPIN":
            return weights, self.bias
        quarter = 0.25 * weights
        return quarter, 0.5 * self.bias + np.asarray(quarter.sum(axis=1)).ravel()


def _real_array(name: str, value, shape) -> np.ndarray:
    value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got an array of dtype {value.dtype}")
    value = value.astype(np.float64)
    if shape is not None and value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} contains NaN or infinity")
    return value


def _as_csr(weights) -> csr_array:
    """CSR with sorted rows, without zeros, with 64-bit row starts and 32-bit columns."""
    rows = csr_array(weights)
    if rows is weights or not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    rows.eliminate_zeros()
    return rows


def _check_weights(weights):
    """Finite symmetric float64 weights with zero diagonal, CSR if they came sparse."""
    if issparse(weights):
        if weights.dtype.kind not in "fiub":
            raise TypeError(f"weights must hold real numbers, got dtype {weights.dtype}")
        weights = _as_csr(weights.astype(np.float64))
        if not np.isfinite(weights.data).all():
            raise ValueError("weights contain NaN or infinity")
    else:
        weights = _real_array("weights", weights, None)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights must be square, got shape {weights.shape}")
    if weights.shape[0] >= 2**31:
        raise ValueError("a model has less than 2^31 units")
    if weights.diagonal().any():
        raise ValueError("weights must have a zero diagonal: a unit's own term belongs in bias or offset")
    return _symmetric(weights)


def _symmetric(weights):
    """The weights; the mean of both halves where these differ by rounding; ValueError above that."""
    if not issparse(weights):
        other, given = weights.T, weights
        if np.array_equal(other, given):
            return weights
    else:
        other = weights.T.tocsr()
        same = np.array_equal(other.indices, weights.indices) and np.array_equal(other.indptr, weights.indptr)
        if same and np.array_equal(other.data, weights.data):
            return weights
    apart = abs(weights - other).max()
    if apart > _ROUNDING * abs(weights).max():
        raise ValueError(f"weights must be symmetric, but w_ij and w_ji differ by up to {apart:g}")
    half = 0.5 * (weights + other)
    return _as_csr(half) if issparse(weights) else half
