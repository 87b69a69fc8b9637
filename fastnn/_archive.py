"""Files that hold a tree of plain values with arrays in it: an .npz with a header, nothing executable.

A file is a zip archive, uncompressed, as NumPy's own: first ``fastnn.json``, then ``0.npy``, ``1.npy``, ...
Any zip tool or ``np.load`` reads it. The zip's CRC-32 guards every member; the header tells dtype and
shape of the arrays once more, so that an array cannot pass for another.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import numpy as np

from fastnn._version import __version__
from fastnn.exceptions import SavedFileError

# Raised whenever what an older fastnn would make of the file is wrong; every older version stays readable.
VERSION = 1
_HEADER = "fastnn.json"
# A zip archive opens with its first member: signature, 26 bytes of sizes and flags, the name.
_OPENING, _NAME_AT = b"PK\x03\x04", 30
# What zipfile, json and NumPy raise over bytes that are not what was written.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, KeyError, ValueError, TypeError, EOFError, OSError,
    NotImplementedError, RuntimeError, OverflowError, AttributeError, ImportError,
)  # fmt: skip


def write(path: str | os.PathLike, content: Any, arrays: list[np.ndarray]) -> None:
    """Write a tree of JSON values and its arrays; the file is whole at any moment, old or new."""
    table = [{"dtype": a.dtype.str, "shape": list(a.shape)} for a in arrays]
    header = {
        "format": "fastnn",
        "version": VERSION,
        "written_by": f"fastnn {__version__}",
        "arrays": table,
        "content": content,
    }
    with _replaced(path) as file, zipfile.ZipFile(file, "w") as archive:
        # ZipInfo without a date: the same model makes the same bytes.
        archive.writestr(zipfile.ZipInfo(_HEADER), json.dumps(header, allow_nan=False))
        for k, array in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(f"{k}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


@contextmanager
def _replaced(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` when all of it has reached the disk, or leaves no trace."""
    target = os.path.realpath(os.fsdecode(path))
    folder, name = os.path.split(target)
    new = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "wb") as file:
            if os.path.exists(target):
                os.fchmod(descriptor, os.stat(target).st_mode & 0o7777)
            yield file
            file.flush()
            os.fsync(descriptor)
        os.replace(new, target)
    except BaseException:
        os.unlink(new)
        raise
    directory = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(directory)  # the new name, too, must survive a loss of power
    finally:
        os.close(directory)


def read(path: str | os.PathLike) -> tuple[Any, list[np.ndarray]]:
    """What `write` was given; SavedFileError says what is wrong with the file."""
    with open(path, "rb") as file:
        opening = file.read(_NAME_AT + len(_HEADER))
        if not opening:
            raise SavedFileError(f"{os.fspath(path)!r} is empty")
        if not (opening.startswith(_OPENING) and opening[_NAME_AT:] == _HEADER.encode()):
            raise SavedFileError(f"{os.fspath(path)!r} was not written by fastnn's save")
        with damage_named(path):
            archive = zipfile.ZipFile(file)
            header = json.loads(archive.read(_HEADER))
            version = header["version"]
            if header["format"] != "fastnn" or type(version) is not int or version < 1:
                raise ValueError("not fastnn's header")
        if version > VERSION:
            raise SavedFileError(
                f"{os.fspath(path)!r} was written by {header.get('written_by', 'a newer fastnn')} in "
                f"version {version} of the format, but fastnn {__version__} reads up to version {VERSION}: "
                "update fastnn"
            )
        with damage_named(path):
            arrays = [_array(archive, k, told) for k, told in enumerate(header["arrays"])]
            return header["content"], arrays


@contextmanager
def damage_named(path: str | os.PathLike) -> Iterator[None]:
    """Whatever goes wrong inside is the file's fault."""
    try:
        yield
    except SavedFileError:
        raise
    except _DAMAGE as error:
        raise SavedFileError(
            f"{os.fspath(path)!r} is cut short or damaged ({type(error).__name__}: {error}); restore it from "
            "another copy"
        ) from error


def _array(archive: zipfile.ZipFile, k: int, told: dict) -> np.ndarray:
    dtype, shape = np.dtype(told["dtype"]), tuple(told["shape"])
    info = archive.getinfo(f"{k}.npy")
    n_bytes = dtype.itemsize * int(np.prod(shape, dtype=object))
    if info.compress_type != zipfile.ZIP_STORED or not n_bytes < info.file_size <= n_bytes + 2**16:
        raise ValueError(f"array {k} has {info.file_size} bytes, not the {n_bytes} of its shape")
    with archive.open(info) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1) or array.dtype != dtype or array.shape != shape:
            raise ValueError(f"array {k} is not the {dtype} {shape} that the header tells of")
    return array
