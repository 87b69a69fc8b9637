"""One party's process: takes requests as lines of JSON on stdin, answers on stdout.

While another party has its turn this process sleeps in a read, so that its threads cannot spin
into the other's time.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from bench.digits import Digits
from bench.table import Call, Case, Job

_DISTRIBUTIONS = ("fastnn", "numpy", "scipy", "scikit-learn", "torch")


@dataclass
class Seat:
    """A party ready for its turns."""

    case: Case
    job: Job
    call: Call

    @classmethod
    def take(cls, case: Case, party: str, job: Job) -> Seat:
        """Set the party up; warm up and check its answer unless every turn is to be a first."""
        seat = cls(case, job, case.parties[party].set_up(job))
        if not case.fresh:
            result = seat.call()
            if case.check is not None:
                case.check(job, result)
        return seat

    def turn(self, seconds: float) -> float:
        """Repeat the call for about the given time, once at least; return the median figure."""
        figures: list[float] = []
        start = time.perf_counter()
        while True:
            before = time.perf_counter()
            result = self.call()
            after = time.perf_counter()
            figures.append(result if self.case.measure == "value" else after - before)
            if self.case.fresh or after - start >= seconds:
                break
        per = self.case.per(self.job.size) if self.case.per else 1
        return statistics.median(figures) / per


def load_case(table: str, name: str) -> Case:
    """Return a case from the module that holds the table."""
    return importlib.import_module(table).CASES[name]


def prepare_numbers(case: Case, size: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers that the case's ``prepare`` asks for by name."""
    if case.prepare is None:
        return {}
    return {name: size[name] for name in list(signature(case.prepare).parameters)[1:]}


def prepare(case: Case, size: Mapping[str, Any], data: str | None, out: Path) -> str:
    """Make the case's arrays, store them for all parties and return the note about them."""
    import numpy as np

    if case.prepare is None:
        raise ValueError(f"case {case.name!r} prepares nothing")
    arrays = case.prepare(Digits(data), **prepare_numbers(case, size))
    note = arrays.pop("note", "")
    np.savez(out, **arrays)
    return note


class Worker:
    """Answers requests: each public method is one."""

    def __init__(self) -> None:
        self._seat: Seat | None = None

    def prepare(
        self, table: str, case: str, size: dict[str, Any], data: str | None, out: str
    ) -> dict[str, Any]:
        """Make the inputs of a case."""
        return {"note": prepare(load_case(table, case), size, data, Path(out))}

    def set_up(
        self,
        table: str,
        case: str,
        party: str,
        size: dict[str, Any],
        threads: int,
        inputs: str | None,
    ) -> dict[str, Any]:
        """Seat a party."""
        job = Job(size, threads, Path(inputs) if inputs else None)
        self._seat = Seat.take(load_case(table, case), party, job)
        return {}

    def turn(self, seconds: float) -> dict[str, Any]:
        """Let the seated party have its turn."""
        if self._seat is None:
            raise RuntimeError("a turn before set_up")
        return {"figure": self._seat.turn(seconds)}

    def describe(self) -> dict[str, Any]:
        """Return versions of the libraries and what fastnn says of its kernels."""
        versions = {name: _version(name) for name in _DISTRIBUTIONS}
        return {"versions": versions, "kernels": _kernels()}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _kernels() -> str | None:
    """Return fastnn.show_config(), be it printed or returned; None where there is no fastnn."""
    try:
        from fastnn import show_config
    except ImportError:
        return None
    printed = io.StringIO()
    with redirect_stdout(printed):
        returned = show_config()
    return printed.getvalue().strip() or str(returned)


def answer(request: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> dict[str, Any]:
    """Carry a request out; a missing library and a failure are answers too."""
    try:
        return {"status": "ok", **request(**arguments)}
    except ImportError as error:
        return {"status": "not installed", "detail": str(error)}
    except Exception as error:  # one party's fault must not end the others' race
        traceback.print_exc()
        return {"status": "failed", "detail": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Serve until the other end closes."""
    # Whatever a library prints must not land among the answers.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        worker = Worker()
        for line in sys.stdin:
            arguments = json.loads(line)
            request = getattr(worker, arguments.pop("request"))
            print(json.dumps(answer(request, arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
