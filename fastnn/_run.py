"""``fastnn run``: a script or module with scikit-learn patched, otherwise as ``python`` would run it."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from fastnn.interop.sklearn import patched

USAGE = "usage: fastnn run [--show] SCRIPT [ARGS...]\n       fastnn run [--show] -m MODULE [ARGS...]"
HELP = f"""{USAGE}

Run a Python script, or a module, with fastnn's estimators in the place of scikit-learn's. Arguments,
exit code and exceptions are the script's own.

  --show  tell on stderr what was replaced
  -m      the module's name instead of a script's
"""
_USAGE_ERROR = 2


def run(command: Sequence[str]) -> int:
    """Run what follows ``fastnn run``; the script's SystemExit and exceptions pass through."""
    command, show = list(command), False
    if command[:1] == ["--show"]:
        command, show = command[1:], True
    if command[:1] in (["-h"], ["--help"]):
        print(HELP, end="")
        return 0
    as_module = command[:1] == ["-m"]
    command = command[as_module:]
    if not command or (command[0].startswith("-") and not as_module):
        wrong = f"unknown option {command[0]}" if command else "a script or -m MODULE is missing"
        return _refuse(f"{wrong}\n{USAGE}")
    if not as_module and not os.path.exists(command[0]):
        return _refuse(f"can't open file {command[0]!r}: no such file")
    with patched() as names:
        if show:
            print(f"fastnn run: {', '.join(names)} are fastnn's", file=sys.stderr, flush=True)
        _execute(command, as_module)
    return 0


def _refuse(message: str) -> int:
    print(f"fastnn run: error: {message}", file=sys.stderr)
    return _USAGE_ERROR


def _execute(command: list[str], as_module: bool) -> None:
    name = command[0]
    sys.argv = command
    if not sys.flags.safe_path:
        # In the place of the directory that this command itself was started from.
        sys.path[0] = os.getcwd() if as_module else os.path.dirname(os.path.realpath(name))
    if as_module:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(os.path.abspath(name), run_name="__main__")
