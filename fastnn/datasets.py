"""Images to learn from: the digits that scikit-learn ships, and IDX files such as MNIST's."""

from __future__ import annotations

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Images", "digits", "read_idx", "read_images", "read_labelled"]

# Third byte of an IDX file -> element type, big-endian as stored (LeCun, Cortes, Burges: MNIST).
_IDX_DTYPES = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_GZIP_MAGIC = b"\x1f\x8b"


class Images(NamedTuple):
    """Grey images, one a row.

    Attributes
    ----------
    X : ndarray of shape (n_samples, height * width), float32
        Grey levels in [0, 1].
    image_shape : tuple of int, (height, width)
    name : str
        Where they come from.
    """

    X: np.ndarray
    image_shape: tuple[int, int]
    name: str


def digits() -> Images:
    """The 1,797 handwritten digits of 8 × 8 pixels in scikit-learn.

    Returns
    -------
    images : Images

    Examples
    --------
    >>> from fastnn import datasets
    >>> images = datasets.digits()
    >>> images.X.shape, images.image_shape
    ((1797, 64), (8, 8))
    """
    from sklearn.datasets import load_digits

    return Images((load_digits().data / 16).astype(np.float32), (8, 8), "scikit-learn's digits")


def read_images(path: str | os.PathLike) -> Images:
    """Images from an IDX file of unsigned bytes, or from a directory with the MNIST files.

    Parameters
    ----------
    path : str or os.PathLike
        A file, gzip-compressed or not; of a directory the training images are read, else any images.

    Returns
    -------
    images : Images

    Raises
    ------
    FileNotFoundError
        There is no such file or directory, or the directory holds no images.
    ValueError
        Not an IDX file, damaged, or not images.

    Examples
    --------
    Two images of 2 × 2 pixels, as a file stores them:

    >>> import os, tempfile
    >>> from fastnn import datasets
    >>> header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "two-idx3-ubyte")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(header + bytes([0, 0, 0, 255, 255, 0, 0, 0]))
    ...     datasets.read_images(path).X
    array([[0., 0., 0., 1.],
           [1., 0., 0., 0.]], dtype=float32)
    """
    file = _find_images(Path(path))
    pixels = read_idx(file)
    if pixels.ndim != 3:
        shape = " × ".join(map(str, pixels.shape))
        raise ValueError(f"{file}: images need 3 dimensions (n, height, width), found {shape}")
    if pixels.dtype != np.uint8:
        raise ValueError(f"{file}: images need unsigned bytes, found {pixels.dtype}")
    n, height, width = pixels.shape
    if pixels.size == 0:
        raise ValueError(f"{file}: no pixels: {n} images of {height} × {width}")
    X = pixels.reshape(n, height * width).astype(np.float32)
    X /= np.float32(255)
    return Images(X, (height, width), file.name)


def read_labelled(directory: str | os.PathLike) -> tuple[np.ndarray, ...]:
    """Images and labels from MNIST's four files, or those of a data set in the same format.

    Parameters
    ----------
    directory : str or os.PathLike
        Holds train*idx3-ubyte*, train*idx1-ubyte*, t10k*idx3-ubyte* and t10k*idx1-ubyte*.

    Returns
    -------
    X, X_test : ndarray of shape (n_samples, height * width), float32
        Grey levels in [0, 1].
    y, y_test : ndarray of shape (n_samples,), uint8

    Raises
    ------
    FileNotFoundError
        One of the files is missing.
    ValueError
        One of them is not an IDX file, or damaged.
    """
    directory = Path(directory)
    X, X_test = (read_images(_only(directory, f"{part}*idx3-ubyte*")).X for part in ("train", "t10k"))
    y, y_test = (read_idx(_only(directory, f"{part}*idx1-ubyte*")) for part in ("train", "t10k"))
    return X, X_test, y, y_test


def _only(directory: Path, pattern: str) -> Path:
    found = sorted(directory.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{directory}: no file named {pattern}")
    return found[0]


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """The array stored in an IDX file, gzip-compressed or not, in native byte order.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    values : ndarray of the shape and type in the file's header

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        Wrong magic number, damaged compression, or another length than the header announces.

    References
    ----------
    LeCun, Cortes, Burges, "The MNIST database of handwritten digits": file formats.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastnn import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels-idx1-ubyte")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     datasets.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    content = _read_bytes(Path(path))
    if len(content) < 4:
        raise ValueError(f"{path}: not an IDX file: {len(content)} bytes")
    zeros, code, n_dims = content[:2], content[2], content[3]
    if zeros != b"\0\0" or code not in _IDX_DTYPES or n_dims == 0:
        raise ValueError(f"{path}: not an IDX file: wrong magic number 0x{content[:4].hex()}")
    start = 4 + 4 * n_dims
    if len(content) < start:
        raise ValueError(f"{path}: truncated: the header needs {start} bytes, found {len(content)}")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", n_dims, offset=4))
    dtype = _IDX_DTYPES[code]
    expected = start + prod(shape) * dtype.itemsize
    if len(content) != expected:
        what = "truncated" if len(content) < expected else "too long"
        raise ValueError(f"{path}: {what}: {shape} needs {expected} bytes, found {len(content)}")
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _read_bytes(path: Path) -> bytes:
    """The file's content, decompressed if its first bytes say gzip, whatever its name says."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: damaged gzip file: {error}") from error


def _find_images(path: Path) -> Path:
    """The file itself, or the training images (else any images) of a directory."""
    if not path.is_dir():
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or directory")
        return path
    for pattern in ("train*idx3-ubyte", "train*idx3-ubyte.gz", "*idx3-ubyte", "*idx3-ubyte.gz"):
        found = sorted(path.glob(pattern))
        if found:
            return found[0]
    raise FileNotFoundError(f"{path}: no images here: no file named *idx3-ubyte or *idx3-ubyte.gz")
