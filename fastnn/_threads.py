"""One pool of threads: OpenMP's. BLAS runs single-threaded inside it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from threadpoolctl import ThreadpoolController

from fastnn._kernels.core import n_threads_for

__all__ = ["n_threads_for", "single_threaded_blas"]

_lock = threading.Lock()
_users = 0
_libraries: list | None = None
_before: list[int] = []


def _scipy_blas() -> list:
    """SciPy's own BLAS (its wheels carry one beside NumPy's), else every BLAS loaded.

    NumPy's wheels name theirs libscipy_openblas too, so it is the folder that tells. A BLAS on
    OpenMP needs no limit: called from a parallel region it runs on one thread.

    Enumerating libraries takes milliseconds, so it is done once: SciPy's BLAS is loaded with fastnn.
    """
    global _libraries
    if _libraries is None:
        found = ThreadpoolController().select(user_api="blas").lib_controllers
        found = [lib for lib in found if getattr(lib, "threading_layer", "") != "openmp"]
        own = [lib for lib in found if {"scipy", "scipy.libs"} & set(Path(lib.filepath).parts)]
        _libraries = own or found
    return _libraries


def _limit(lib, n_threads: int) -> None:
    # threadpoolctl ignores every Python thread but the one that set a limit first; ours take turns.
    clear = getattr(lib, "clear_controlling_thread", lambda force: None)
    clear(force=True)
    lib.set_num_threads(n_threads)
    clear(force=True)


def _reset_in_child() -> None:
    # Another thread of the parent may have been holding the lock, or BLAS, when it forked.
    global _lock, _users
    _lock = threading.Lock()
    if _users:
        _users = 0
        for lib, n_threads in zip(_scipy_blas(), _before, strict=True):
            _limit(lib, n_threads)


os.register_at_fork(after_in_child=_reset_in_child)


@contextmanager
def single_threaded_blas(needed: bool = True) -> Iterator[None]:
    """Hold SciPy's BLAS at one thread; overlapping holders restore it when the last one leaves.

    needed: False for a call that will not use BLAS; such a call should not pay for the limit.

    Two pools that take turns on the same cores spin into each other's turn, which costs an order of
    magnitude; so BLAS is called from fastnn's OpenMP threads, one call each.
    """
    global _users, _before
    if not needed:
        yield
        return
    with _lock:
        if _users == 0:
            _before = [lib.get_num_threads() for lib in _scipy_blas()]
            for lib in _scipy_blas():
                _limit(lib, 1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for lib, n_threads in zip(_scipy_blas(), _before, strict=True):
                    _limit(lib, n_threads)
