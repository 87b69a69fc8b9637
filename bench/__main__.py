"""``python -m bench``: run cases, or compare two runs."""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import report
from bench.digits import MNIST_VARIABLE, Digits
from bench.driver import Run, run_case
from bench.table import Case


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Time fastnn against its rivals, side by side."
    )
    parser.add_argument("--list", action="store_true", help="list the cases and leave")
    parser.add_argument("--cases", help="names or patterns such as anneal_*, comma-separated (default: all)")
    parser.add_argument("--rounds", type=_positive, default=5, help="turns of each party")
    parser.add_argument("--threads", type=_positive, default=2, help="threads of each party")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: does it run at all?")
    parser.add_argument("--data", help=f"MNIST: a directory or an idx file (default: ${MNIST_VARIABLE})")
    parser.add_argument("--json", metavar="OUT", help="store the report")
    parser.add_argument("--table", default="bench.cases", help="module that holds CASES")
    parser.add_argument("--compare", nargs=2, metavar=("OLD", "NEW"), help="compare two reports")
    return parser


def _chosen(parser: argparse.ArgumentParser, table: Mapping[str, Case], names: str) -> list[Case]:
    wanted = [name.strip() for name in names.split(",")]
    found = {name: fnmatch.filter(table, name) for name in wanted}
    unknown = [name for name in wanted if not found[name]]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)} (--list shows them)")
    return [table[name] for name in dict.fromkeys(case for name in wanted for case in found[name])]


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def run(options: argparse.Namespace, cases: Sequence[Case]) -> dict[str, Any]:
    """Run the cases and return the report."""
    digits = Digits(options.data)
    machine = report.machine()
    with tempfile.TemporaryDirectory(prefix="fastnn-bench-") as workshop:
        conditions = Run(
            workshop=Path(workshop),
            rounds=options.rounds,
            threads=options.threads,
            tiny=options.tiny,
            data=str(digits.path) if digits.path else None,
            table=options.table,
            tell=_tell,
        )
        results = {case.name: run_case(case, conditions) for case in cases}
    return {
        "format": report.FORMAT,
        "machine": machine,
        "run": {
            "command": "python -m bench " + shlex.join(options.arguments),
            "rounds": options.rounds,
            "threads": options.threads,
            "tiny": options.tiny,
            "data": digits.note,
        },
        "cases": results,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 1 after a party's failure or a slowdown."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)
    if options.compare:
        text, slower = report.compare(*map(report.load, options.compare))
        print(text)
        return int(bool(slower))
    table = importlib.import_module(options.table).CASES
    cases = _chosen(parser, table, options.cases or ",".join(table))
    if options.list:
        print("\n".join(f"{case.name}: {case.what}" for case in cases))
        return 0
    outcome = run(options, cases)
    if options.json:
        report.save(outcome, options.json)
    print(report.run_table(outcome))
    parties = (row for case in outcome["cases"].values() for row in case["parties"].values())
    return int(any(row["status"] == "failed" for row in parties))


if __name__ == "__main__":
    sys.exit(main())
