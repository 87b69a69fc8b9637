"""Kernels: their matrices, whether these are positive semidefinite, and features that give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from fastnn._threads import single_threaded_blas

# What a pivot of the largest diagonal element must exceed to count, and what may remain unexplained.
_PIVOT = {"f": 1e-6, "d": 1e-11}
_TOLERANCE = {"f": 1e-4, "d": 1e-8}


def gram(kernel, X, Y=None, **params) -> np.ndarray:
    """The kernel's matrix between rows, in their dtype. ValueError: not finite, or of a wrong shape."""
    from sklearn.metrics.pairwise import pairwise_kernels

    Y = X if Y is None else Y
    shape = X.shape[0], Y.shape[0]
    if callable(kernel):
        K = np.asarray(kernel(X, Y))
    elif kernel == "precomputed":
        K = X
    else:
        K = pairwise_kernels(X, Y, metric=kernel, filter_params=True, **params)
    if K.shape != shape:
        raise ValueError(f"the kernel gave a matrix of shape {K.shape} for rows that make {shape}")
    if K.dtype.kind not in "fiub":
        raise ValueError(f"the kernel gave a matrix of dtype {K.dtype}, not of real numbers")
    dtype = X.dtype if X.dtype.char in "fd" else np.float64
    K = np.ascontiguousarray(K, dtype)
    if not np.isfinite(K).all():
        raise ValueError("the kernel gave NaN or infinity")
    return K


def factor(K: np.ndarray, tol: float | None = None) -> np.ndarray:
    """Features F (n, rank) of the dtype of K with K = F F', by Cholesky's method with pivoting.

    ValueError: K is not symmetric, or not positive semidefinite: some of it is left unexplained.
    Reference: Higham, "Analysis of the Cholesky decomposition of a semi-definite matrix" (1990).
    """
    from scipy.linalg.lapack import dpstrf

    tol = _TOLERANCE[K.dtype.char] if tol is None else tol
    A = K.astype(np.float64)
    most = np.abs(A).max(initial=0.0)
    if np.abs(A - A.T).max(initial=0.0) > tol * most:
        raise ValueError("the kernel's matrix is not symmetric")
    n = len(A)
    if most == 0:
        return np.zeros((n, 1), K.dtype)
    if A.diagonal().max() <= 0:
        raise ValueError("the kernel's matrix is not positive semidefinite: its diagonal is not positive")
    with single_threaded_blas():
        found, pivots, rank, _ = dpstrf(A, lower=1, tol=_PIVOT[K.dtype.char] * A.diagonal().max())
        F = np.zeros((n, rank))
        F[pivots - 1] = np.tril(found)[:, :rank]
    left = np.abs(A - F @ F.T).max()
    if left > tol * most:
        raise ValueError(
            "the kernel's matrix is not positive semidefinite: a product of features leaves "
            f"{left:g} of it unexplained, more than {tol:g} times its largest element {most:g}"
        )
    return np.ascontiguousarray(F, K.dtype)


def is_positive_semidefinite(kernel, X: ArrayLike, *, tol: float | None = None, **params) -> bool:
    """Whether a kernel's matrix over these rows is symmetric and positive semidefinite.

    A kernel is a scalar product in some space of features if and only if its matrix over any rows is; one
    set of rows can refute that, not prove it.

    Parameters
    ----------
    kernel : str, callable or "precomputed"
        A name that `sklearn.metrics.pairwise.pairwise_kernels` knows; a function of two arrays of rows that
        returns the matrix of their kernels; or "precomputed", and X is that matrix.
    X : array-like of shape (n_samples, n_features)
    tol : float, default=None
        What may be left of the matrix once it is written as a product F F', relative to its largest
        element. None: 1e-8, for float32 1e-4.
    **params : dict
        Of the kernel: gamma, degree, coef0.

    Returns
    -------
    is_positive_semidefinite : bool

    Raises
    ------
    ValueError
        X is not a 2-D array of finite numbers, tol is not positive, or the kernel did not give a finite
        matrix of the right shape.

    References
    ----------
    Schoelkopf, Smola, "Learning with Kernels" (2002), section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.linear import is_positive_semidefinite
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> is_positive_semidefinite("rbf", X, gamma=0.5)
    True
    >>> is_positive_semidefinite(lambda X, Y: -(X @ Y.T), X)
    False
    """
    if tol is not None and not tol > 0:
        raise ValueError(f"tol must be positive, got {tol!r}")
    X = check_array(X, accept_sparse="csr", dtype=(np.float64, np.float32), input_name="X")
    if isinstance(kernel, str) and kernel == "precomputed" and X.shape[0] != X.shape[1]:
        raise ValueError(f"a precomputed kernel's matrix is square, got shape {X.shape}")
    K = gram(kernel, X, **params)
    try:
        factor(K, tol)
    except ValueError:
        return False
    return True
