"""One pool of threads: OpenMP's. BLAS runs single-threaded inside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

from fastnn._kernels.core import n_threads_for

__all__ = ["n_threads_for", "single_threaded_blas"]

_lock = threading.Lock()
_users = 0
_libraries: list | None = None
_before: list[int] = []


def _scipy_blas() -> list:
    """SciPy's own BLAS (its wheels carry one beside NumPy's), else every BLAS loaded.

    Enumerating libraries takes milliseconds, so it is done once: SciPy's BLAS is loaded with fastnn.
    """
    global _libraries
    if _libraries is None:
        found = ThreadpoolController().select(user_api="blas").lib_controllers
        _libraries = [lib for lib in found if "scipy" in lib.filepath] or list(found)
    return _libraries


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold SciPy's BLAS at one thread; overlapping holders restore it when the last one leaves.

    Two pools that take turns on the same cores spin into each other's turn, which costs an order of
    magnitude; so BLAS is called from fastnn's OpenMP threads, one call each.
    """
    global _users, _before
    with _lock:
        if _users == 0:
            _before = [lib.get_num_threads() for lib in _scipy_blas()]
            for lib in _scipy_blas():
                lib.set_num_threads(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for lib, n_threads in zip(_scipy_blas(), _before, strict=True):
                    lib.set_num_threads(n_threads)
