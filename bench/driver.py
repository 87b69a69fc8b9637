"""Runs cases: starts a process for each party, gives them turns, and sums the rounds up."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.table import Case
from bench.worker import prepare_numbers

# A pool that has just worked spins on for some milliseconds before it sleeps.
SETTLE_SECONDS = 0.02
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class WorkerDied(Exception):
    """A worker's process ended without an answer."""


class WorkerProcess:
    """The driver's end of a worker."""

    def __init__(self, threads: int) -> None:
        # The child imports from where this process does, so both meet the same fastnn; -P because
        # -m would put the working directory first.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        environment = {**os.environ, "PYTHONPATH": path}
        environment.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
        )

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"request": request, **arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerDied(f"the process ended with code {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the worker."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Run:
    """The conditions all cases of a run share."""

    workshop: Path
    rounds: int = 5
    threads: int = 2
    tiny: bool = False
    data: str | None = None
    turn_seconds: float = 0.3
    table: str = "bench.cases"
    tell: Callable[[str], None] = lambda message: None
    _inputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def inputs_for(self, case: Case, size: dict[str, Any]) -> dict[str, Any]:
        """Return the status, file and note of the case's arrays, made once a run."""
        if case.prepare is None:
            return {"status": "ok", "file": None, "note": ""}
        numbers = prepare_numbers(case, size)
        key = json.dumps([case.prepare.__qualname__, numbers], sort_keys=True)
        if key not in self._inputs:
            out = str(self.workshop / f"inputs{len(self._inputs)}.npz")
            self.tell(f"{case.name}: {case.prepare.__name__} {numbers}")
            with WorkerProcess(self.threads) as worker:
                reply = worker.ask(
                    "prepare", table=self.table, case=case.name, size=size, data=self.data, out=out
                )
            self._inputs[key] = {"file": out, "note": "", **reply}
        return self._inputs[key]


class Seated:
    """A party at the table: its process, its status and its figures so far."""

    def __init__(self, run: Run, case: Case, party: str) -> None:
        self.party = party
        self.size = case.size_of(party, run.tiny)
        self.threads = case.parties[party].threads or run.threads
        inputs = run.inputs_for(case, self.size)
        self.note: str = inputs["note"]
        self.status: str = inputs["status"]
        self.detail: str = inputs.get("detail", "")
        self.figures: list[float] = []
        self._seconds = 0.0 if run.tiny else run.turn_seconds
        self._fresh = case.fresh
        self._worker: WorkerProcess | None = None
        self._request = {
            "table": run.table,
            "case": case.name,
            "party": party,
            "size": self.size,
            "threads": self.threads,
            "inputs": inputs["file"],
        }

    def _ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        assert self._worker is not None
        try:
            reply = self._worker.ask(request, **arguments)
        except WorkerDied as death:
            reply = {"status": "failed", "detail": str(death)}
        self.status, self.detail = reply["status"], reply.get("detail", "")
        return reply

    def open(self) -> None:
        """Start the process and set the party up in it."""
        self._worker = WorkerProcess(self.threads)
        self._ask("set_up", **self._request)

    def turn(self) -> None:
        """Let the party work while all others sleep."""
        if self._fresh:
            self.close()
            self.open()
        if self.status != "ok":
            return
        time.sleep(SETTLE_SECONDS)
        reply = self._ask("turn", seconds=self._seconds)
        if self.status == "ok":
            self.figures.append(reply["figure"])

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def run_case(case: Case, run: Run) -> dict[str, Any]:
    """Seat all parties, let them take turns, and return the case's part of the report."""
    with ExitStack() as stack:
        seats = []
        for party in case.parties:
            seat = Seated(run, case, party)
            stack.callback(seat.close)
            if seat.status == "ok" and not case.fresh:
                seat.open()
            seats.append(seat)
        for number in range(run.rounds):
            run.tell(f"{case.name}: round {number + 1} of {run.rounds}")
            for seat in seats:
                if seat.status == "ok":
                    seat.turn()
    return summary(case, seats, run.tiny)


def spread(figures: list[float]) -> dict[str, float]:
    """Return the median and the range."""
    return {"median": statistics.median(figures), "min": min(figures), "max": max(figures)}


def summary(case: Case, seats: Iterable[Seated], tiny: bool) -> dict[str, Any]:
    """Put figures, ratios to the subject (round by round, then their median) and verdicts down."""
    seats = list(seats)
    subject = next(seat for seat in seats if seat.party == case.subject)
    parties: dict[str, Any] = {}
    for seat in seats:
        row: dict[str, Any] = {"status": seat.status, "size": seat.size, "threads": seat.threads}
        if seat.detail:
            row["detail"] = seat.detail
        if seat.status == "ok":
            row |= {"figures": seat.figures, **spread(seat.figures)}
            if subject.status == "ok" and min(subject.figures) > 0:
                rounds = zip(seat.figures, subject.figures, strict=True)
                row["ratio"] = spread([figure / base for figure, base in rounds])
        parties[seat.party] = row
    for target in case.targets:
        row = parties[target.party]
        goal = row["target"] = {
            "sense": target.sense,
            "limit": target.limit_for(row["size"]),
            "of": target.of,
        }
        ratio = row.get("ratio", {}).get("median")
        figure = ratio if target.of == "ratio" else row.get("median")
        # Targets are set for the full size; a tiny run only shows that everything works.
        if figure is not None and not tiny:
            goal["reached"] = target.reached(figure, row["size"])
    return {
        "what": case.what,
        "unit": case.unit,
        "subject": case.subject,
        "notes": sorted({seat.note for seat in seats if seat.note}),
        "parties": parties,
    }
