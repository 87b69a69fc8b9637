"""What users hand in, checked and made ready for the loops before any work begins."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from fastnn._kernels.core import n_threads_for, unit_values
from fastnn._kernels.gibbs import Source

# Read in place by the loops; anything else is converted once. The first is what others become.
_STATE_DTYPES = (np.uint8, np.int8, np.bool_)
# How a visible unit's values become states: see Source. Keys: unit, binarize.
_MODES = {
    ("bernoulli", None): 0,
    ("bernoulli", "threshold"): 1,
    ("bernoulli", "sample"): 2,
    ("spin", None): 0,
    ("spin", "threshold"): 0,
    ("spin", "sample"): 3,
}


def random_key(random_state) -> int:
    """A 64-bit key for the counter-based generator from scikit-learn's kind of random_state."""
    high, low = check_random_state(random_state).randint(0, 2**32, size=2, dtype=np.uint64)
    return int(high) << 32 | int(low)


def check_n_threads(n_threads: int | None) -> int:
    """The number of threads of a call; ValueError names what is wrong with it."""
    if n_threads is not None and (not isinstance(n_threads, Integral) or n_threads < 1):
        raise ValueError(f"n_threads must be None or an int of at least 1, got {n_threads!r}")
    return n_threads_for(n_threads)


def real_dtype(X, state_dtype) -> np.dtype:
    """The dtype computed in: float32 and float64 stay, states take state_dtype."""
    return X.dtype if X.dtype.char in "fd" else np.dtype(state_dtype)


def check_rows(estimator, X, *, reset: bool, state_dtype):
    """A 2-D array or CSR matrix that the loops can read, with finite values.

    bool, uint8, int8, float32 and float64 in C order are not copied. ValueError or TypeError (scikit-
    learn's) says what else is wrong: shape, NaN, infinity, emptiness, number of features.
    """
    if getattr(X, "dtype", None) is not None and getattr(X.dtype, "isnative", True) is False:
        X = X.astype(X.dtype.newbyteorder("="))
    other = np.float64 if np.dtype(state_dtype) == np.float64 else np.float32
    real = (other, np.float32 if other is np.float64 else np.float64)
    X = validate_data(
        estimator, X, reset=reset, accept_sparse="csr", dtype=[*real, *_STATE_DTYPES], order="C"
    )
    if issparse(X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        return X
    return X if X.flags.aligned and X.flags.c_contiguous else np.array(X, order="C")


def visible_source(X, unit: str, binarize: str | None, *, strict: bool, dtype, n_threads: int) -> Source:
    """Rows of X as states or values of the visible units.

    strict: values outside the unit's range raise ValueError; else the caller has warned. Rows that are
    states already, and rows to binarize, are taken as states; others as real values.
    """
    low = unit_values()[unit][1]
    least, most, are_states = Source(X, 0, False).survey(low, dtype, n_threads)
    if strict and not (low <= least and most <= 1):
        advice = "; divide by 255" if least >= 0 and 1 < most <= 255 else "; rescale it"
        raise ValueError(
            f"{unit} visible units take values in [{low}, 1], but X spans [{least:g}, {most:g}]{advice}"
            + (" or binarize it" if unit == "bernoulli" else "")
        )
    mode = 0 if are_states else _MODES[unit, binarize]
    return Source(X, mode, are_states or binarize is not None)


def spans(X, dtype, n_threads: int) -> tuple[float, float]:
    """Least and greatest value of X."""
    least, most, _ = Source(X, 0, False).survey(0, dtype, n_threads)
    return least, most
