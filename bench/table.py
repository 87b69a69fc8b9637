"""The words in which a case is written down; ``cases.py`` holds the cases themselves.

A *case* is one piece of work.  A *party* is one way of doing it: fastnn, a rival, or fastnn under
other conditions (fewer threads, another dtype).  One party is the case's *subject*; every ratio is
``party / subject``, so a rival's ratio says how many times longer it takes than the subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Size = Mapping[str, Any]


class WrongAnswer(Exception):
    """A party was fast because it did not do the work."""


@dataclass(frozen=True)
class Job:
    """What a party is told: the numbers of the case, its threads, and where the data lie."""

    size: Size
    threads: int
    inputs: Path | None = None

    def arrays(self) -> dict[str, Any]:
        """Return the arrays made by the case's ``prepare``, the same for every party."""
        import numpy as np

        if self.inputs is None:
            return {}
        with np.load(self.inputs) as stored:
            return {name: stored[name] for name in stored.files}


Call = Callable[[], Any]


@dataclass(frozen=True)
class Party:
    """One way of doing the work.

    ``set_up(job)`` imports the party's library (and no other), makes everything ready and returns
    the call that is measured.  ``size`` replaces and ``scale`` multiplies numbers of the case;
    ``threads`` overrides the run's.
    """

    set_up: Callable[[Job], Call]
    size: Size = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    threads: int | None = None


@dataclass(frozen=True)
class Target:
    """What a party's ratio (or its own value) must reach; a limit may depend on the size."""

    party: str
    limit: float | Callable[[Size], float]
    sense: Literal["at least", "at most"] = "at least"
    of: Literal["ratio", "value"] = "ratio"

    def limit_for(self, size: Size) -> float:
        """Return the limit as a number."""
        return float(self.limit(size) if callable(self.limit) else self.limit)

    def reached(self, figure: float, size: Size) -> bool:
        """Tell whether the figure keeps to the limit."""
        limit = self.limit_for(size)
        return figure >= limit if self.sense == "at least" else figure <= limit


@dataclass(frozen=True)
class Case:
    """One row of the table.

    ``measure="time"``: the harness times the call.  ``"value"``: the call returns the figure
    itself, in ``unit``.  ``per(size)`` divides the figure (steps, epochs, connections).  ``fresh``:
    a new process for every turn and no warm-up, for what happens only once in a process.
    ``prepare(digits, **numbers)`` runs once, in a process of its own; it takes by name the numbers
    of the case that it needs and returns arrays, plus a ``note`` on where they come from.
    ``check(job, result)`` sees the warm-up's result and raises WrongAnswer.
    """

    name: str
    what: str
    parties: Mapping[str, Party]
    size: Size
    tiny: Size
    subject: str = "fastnn"
    targets: tuple[Target, ...] = ()
    measure: Literal["time", "value"] = "time"
    unit: Literal["s", "B", "nat"] = "s"
    per: Callable[[Size], float] | None = None
    fresh: bool = False
    prepare: Callable[..., dict[str, Any]] | None = None
    check: Callable[[Job, Any], None] | None = None

    def size_of(self, party: str, tiny: bool) -> dict[str, Any]:
        """Return the numbers of the case as this party meets them."""
        size = {**self.size, **(self.tiny if tiny else {}), **self.parties[party].size}
        for name, factor in self.parties[party].scale.items():
            size[name] = max(1, round(size[name] * factor))
        return size


def table(cases: Iterable[Case]) -> dict[str, Case]:
    """Index cases by name, refusing slips that would otherwise surface in the middle of a run."""
    by_name: dict[str, Case] = {}
    for case in cases:
        if case.name in by_name:
            raise ValueError(f"two cases are called {case.name!r}")
        for party in (case.subject, *(target.party for target in case.targets)):
            if party not in case.parties:
                raise ValueError(f"case {case.name!r} has no party {party!r}")
        by_name[case.name] = case
    return by_name
