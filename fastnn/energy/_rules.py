"""How the weights of Hopfield networks come from patterns."""

from __future__ import annotations

import numpy as np
from scipy.linalg import get_blas_funcs, pinvh

from fastnn._kernels.source import Source
from fastnn._threads import single_threaded_blas
from fastnn._validation import real_dtype


def check_spins(X: np.ndarray, name: str, n_threads: int) -> np.ndarray:
    """Rows of -1 and +1, or booleans, in a dtype that the loops read; ValueError for other values."""
    if X.dtype == np.bool_:
        return X
    if X.dtype == np.float16:
        X = X.astype(np.float32)
    if X.dtype.char in "bfd":
        least, most, are_states = Source(X, 0, False).survey(-1, real_dtype(X, np.float32), n_threads)
    else:
        least, most, are_states = X.min(), X.max(), not (np.abs(X) != 1).any()
    if are_states:
        return X if X.dtype.char in "bfd" else X.astype(np.int8)
    advice = ": give 2 * X - 1, or booleans" if (least, most) == (0, 1) else ""
    raise ValueError(f"states are -1 and +1, but {name} has other values in [{least:g}, {most:g}]{advice}")


def hebb(patterns: np.ndarray, scale: float) -> np.ndarray:
    """scale * sum_mu xi_i^mu xi_j^mu, zero diagonal."""
    weights = scale * (patterns.T @ patterns)
    np.fill_diagonal(weights, 0)
    return weights


def storkey(weights: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    """Learns the patterns one after another, on top of `weights` (symmetric, Fortran-ordered, overwritten).

    dw_ij = (xi_i xi_j - xi_i h_ji - h_ij xi_j) / N with h_ij = sum_{k != i, j} w_ik xi_k = h_i - w_ij xi_j,
    hence N dw = xi xi' - xi h' - h xi' + 2 w: a factor for w and a symmetric update of rank two.
    """
    symv, syr2 = get_blas_funcs(("symv", "syr2"), (weights,))
    n_units = len(weights)
    size = weights.dtype.type(1)
    with single_threaded_blas():
        for pattern in patterns.astype(weights.dtype):
            field = size * symv(1.0, weights, pattern)
            size *= 1 + 2 / n_units
            weights = syr2(1.0 / (n_units * size), pattern, pattern / 2 - field, a=weights, overwrite_a=True)
            np.fill_diagonal(weights, 0)
            if size > 1e3:
                weights *= size
                size = weights.dtype.type(1)
    upper = np.triu(weights, 1) * size
    return upper + upper.T


def pseudo_inverse(patterns: np.ndarray) -> np.ndarray:
    """The projection on the span of the patterns, its diagonal removed: Xi' (Xi Xi')^+ Xi."""
    (gemm,) = get_blas_funcs(("gemm",), (patterns,))
    with single_threaded_blas():
        inverse = pinvh(gemm(1.0, patterns, patterns, trans_b=True))
        weights = gemm(1.0, patterns, gemm(1.0, inverse, patterns), trans_a=True)
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0)
    return weights
