"""What fastnn runs on: instruction set, threads, BLAS, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys

from threadpoolctl import threadpool_info

from fastnn._kernels import core
from fastnn._version import __version__

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl")


def show_config() -> str:
    """Describe the build and the machine as fastnn sees it.

    Returns
    -------
    config : str
        Several lines: versions, the instruction set in use and the others built, the number of
        threads a call takes by default, and each BLAS and OpenMP library loaded.

    Examples
    --------
    >>> import fastnn
    >>> print(fastnn.show_config())  # doctest: +ELLIPSIS
    fastnn ...
    """
    isa, built = core.isa()
    others = ", ".join(f"{name}{'' if runs else ' (not on this CPU)'}" for name, runs in built.items())
    override = os.environ.get("FASTNN_ISA")
    lines = [
        f"fastnn          {__version__}",
        f"python          {platform.python_version()} ({sys.platform}, {platform.machine()})",
        *(f"{name:<15} {importlib.metadata.version(name)}" for name in _LIBRARIES),
        f"instruction set {isa}" + (f" (FASTNN_ISA={override})" if override else ""),
        f"built           {others}",
        f"threads         {core.n_threads_for()}",
    ]
    for library in threadpool_info():
        kind = library["internal_api"] + " " + (library["version"] or "")
        lines.append(f"{library['user_api']:<15} {kind.strip()}, {library['num_threads']} threads")
    return "\n".join(lines)
