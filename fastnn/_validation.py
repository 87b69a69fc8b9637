"""What users hand in, checked and made ready for the loops before any work begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.validation import validate_data

from fastnn._kernels.core import n_threads_for, unit_domains, unit_values
from fastnn._kernels.source import Source

# OpenMP ends the process when the system refuses it a thread.
MAX_THREADS = 1024
# Read in place by the loops; anything else is converted once. The first is what others become.
_STATE_DTYPES = (np.uint8, np.int8, np.bool_)
# How values become states of units of 0 and 1, and of -1 and 1, by what binarize says: see Source.
_MODES = {0: {None: 0, "threshold": 1, "sample": 2}, -1: {None: 0, "threshold": 0, "sample": 3}}


def random_key(random_state) -> int:
    """A 64-bit key for the counter-based generator from scikit-learn's kind of random_state."""
    high, low = check_random_state(random_state).randint(0, 2**32, size=2, dtype=np.uint64)
    return int(high) << 32 | int(low)


def check_n_threads(n_threads: int | None) -> int:
    """The number of threads of a call; ValueError names what is wrong with it."""
    is_count = isinstance(n_threads, Integral) and 1 <= n_threads <= MAX_THREADS
    if n_threads is not None and not is_count:
        raise ValueError(f"n_threads must be None or an int in [1, {MAX_THREADS}], got {n_threads!r}")
    return n_threads_for(n_threads)


def check_parameter(name: str, value) -> np.ndarray:
    """A parameter as the loops take it: float32 is kept, other real numbers become float64.

    TypeError: not real numbers. ValueError: NaN or infinity.
    """
    value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got an array of dtype {value.dtype}")
    if value.dtype not in (np.float32, np.float64):
        value = value.astype(np.float64)
    if not np.isfinite(value).all():
        raise ValueError(f"{name} contains NaN or infinity")
    return value


@contextmanager
def features_kept_on_error(estimator) -> Iterator[None]:
    """Whatever is raised inside leaves the number and names of features as they were."""
    names = ("n_features_in_", "feature_names_in_")
    before = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    try:
        yield
    except BaseException:
        for name in names:
            if name in before:
                setattr(estimator, name, before[name])
            elif hasattr(estimator, name):
                delattr(estimator, name)
        raise


def real_dtype(X, state_dtype) -> np.dtype:
    """The dtype computed in: float32 and float64 stay, states take state_dtype."""
    return X.dtype if X.dtype.char in "fd" else np.dtype(state_dtype)


def check_rows(estimator, X, *, reset: bool, state_dtype):
    """A 2-D array or CSR matrix that the loops can read, with finite values.

    bool, uint8, int8, float32 and float64 in C order are not copied. ValueError or TypeError (scikit-
    learn's) says what else is wrong: shape, NaN, infinity, emptiness, number of features.
    """
    if not reset and is_readable(estimator, X):
        return X
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


def is_readable(estimator, X) -> bool:
    """Whether X needs no conversion and no check but of its values, which `visible_source` surveys.

    scikit-learn's checks take longer than a Gibbs step of a small batch.
    """
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.char in "?Bbfd"
        and X.dtype.isnative
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and X.flags.c_contiguous
        and X.flags.aligned
        and not hasattr(estimator, "feature_names_in_")
    )


def visible_source(
    X, unit: str, binarize: str | None, *, strict: bool, dtype, n_threads: int, keep: bool = True, groups=None
) -> Source:
    """Rows of X as states or values of the visible units.

    strict: values outside the unit's range raise ValueError; else the caller has warned. Rows that are
    states already, and rows to binarize, are taken as states; others as real values. keep: states found
    in the survey are kept, packed, and X is not read again. groups: of units of which one is 1 (Potts).
    """
    _, low, step = unit_values()[unit]
    if low == 0 and step and X.dtype == np.bool_:
        _check_groups(X, groups, strict, True, False)
        return Source(X, 0, True)
    source = Source(X, 0, False)
    # Sparse rows may be fewer bytes than a bit for each of their values.
    keep = keep and step != 0 and not (issparse(X) and 8 * stored_bytes(X) < X.shape[0] * X.shape[1])
    least, most, are_states = source.survey(low, dtype, n_threads, keep)
    if not (np.isfinite(least) and np.isfinite(most)):
        assert_all_finite(X, input_name="X")
    if not step:
        if strict and least < unit_domains()[unit][0]:
            raise ValueError(f"{unit} visible units take values >= 0, but X spans [{least:g}, {most:g}]")
        return source
    if strict and not (low <= least and most <= 1):
        image = low <= least and most <= 255
        advice = f"divide by {255 if most > 128 else most:g}" if image else "rescale it"
        advice += " or threshold it" if unit == "bernoulli" else ""
        raise ValueError(
            f"{unit} visible units take values in [{low}, 1], but X spans [{least:g}, {most:g}]; " + advice
        )
    _check_groups(X, groups, strict, are_states, binarize is not None)
    source.take_as(0 if are_states else _MODES[low][binarize], are_states or binarize is not None)
    return source


def stored_bytes(X) -> int:
    """What a CSR matrix takes."""
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes


def _one_each(X, groups) -> bool:
    """Whether dense rows of 0 and 1 have exactly one 1 in every group."""
    owner = np.full(X.shape[1], -1)
    for k, (first, last) in enumerate(groups):
        owner[first:last] = k
    owners = owner[np.flatnonzero(X != 0) % X.shape[1]]
    owners = owners[owners >= 0]
    every = X.shape[0] * len(groups)
    return owners.size == every and bool((owners.reshape(X.shape[0], -1) == np.arange(len(groups))).all())


def _check_groups(X, groups, strict: bool, are_states: bool, binarized: bool) -> None:
    """ValueError unless each row has one 1 in every group or, unless binarized, probabilities of sum 1.

    are_states: all values are 0 or 1. Rows that are right, the usual ones, are counted through in a fraction
    of the time of the sums that tell what is wrong.
    """
    if groups is None or not strict or (are_states and not issparse(X) and _one_each(X, groups)):
        return
    which = np.repeat(np.arange(len(groups)), np.diff(groups, axis=1).ravel())
    units = np.concatenate([np.arange(first, last) for first, last in groups])
    member = csr_array((np.ones(units.size), (units, which)), shape=(X.shape[1], len(groups)))
    sums = X.astype(np.float64) @ member if X.dtype == np.bool_ else X @ member
    sums = sums.toarray() if issparse(sums) else sums
    wrong = np.argwhere(abs(sums - 1) > 1e-4)
    if wrong.size:
        row, group = wrong[0]
        raise ValueError(
            f"potts units: exactly one of each group is 1, but in row {row} units {groups[group][0]} to "
            f"{groups[group][1] - 1} add up to {sums[row, group]:g}"
        )
    values = X[:, units] if binarized and not are_states else np.zeros(1)
    if ((values.data if issparse(values) else values) % 1).any():
        raise ValueError("binarize draws units one by one: potts units in groups must be 0 or 1 already")


def spans(X, dtype, n_threads: int) -> tuple[float, float]:
    """Least and greatest value of X; ValueError for NaN and infinity."""
    least, most, _ = Source(X, 0, False).survey(0, dtype, n_threads)
    if not (np.isfinite(least) and np.isfinite(most)):
        assert_all_finite(X, input_name="X")
    return least, most
