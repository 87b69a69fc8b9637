"""Arrays that calls on arrays are given, made ready for the loops: quickly where they are ready already."""

from __future__ import annotations

import numpy as np

_REALS = "fd"


def is_ready(x, ndim: int) -> bool:
    """Whether the loops can read x as it is."""
    return (
        type(x) is np.ndarray
        and x.ndim == ndim
        and x.dtype.char in _REALS
        and x.flags.c_contiguous
        and x.flags.aligned
        and x.dtype.isnative
    )


def as_reals(x, name: str, *, dtype=None) -> np.ndarray:
    """x as an array of float32 or float64, C-ordered; float16 becomes float32, other numbers float64.

    TypeError: what are not real numbers, sparse matrices, masked arrays.
    """
    if hasattr(x, "tocsr"):
        raise TypeError(f"{name} is a sparse matrix; give a dense array: {name}.toarray()")
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill its gaps first: {name}.filled(...)")
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got an array of dtype {x.dtype}")
    if dtype is None:
        dtype = {2: np.float32, 4: np.float32}.get(x.itemsize if x.dtype.kind == "f" else 8, np.float64)
    return np.require(x, np.dtype(dtype), "CA")


def as_labels(y, name: str) -> np.ndarray:
    """Class indices as a C-ordered int64 vector."""
    if (
        type(y) is np.ndarray
        and y.dtype.char == "l"
        and y.ndim == 1
        and y.flags.c_contiguous
        and y.flags.aligned
    ):
        return y
    y = np.asarray(y)
    if y.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers (class indices) or an (n, C) array, got dtype {y.dtype}")
    if y.dtype.kind == "u" and y.size and y.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} holds {y.max()}, which is no class index")
    return np.require(y, np.int64, "CA")


def as_out(out, shape, dtype, name: str = "out") -> np.ndarray:
    """An array to write into, checked; TypeError or ValueError says what is wrong with it."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"{name} has shape {out.shape}, but the result has {shape}")
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"{name} has dtype {out.dtype}, but the result is {np.dtype(dtype)}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    return out


def is_plain(x) -> bool:
    """Whether the loops can write into x."""
    return type(x) is np.ndarray and x.flags.carray
