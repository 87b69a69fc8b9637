"""What a run leaves behind: a Markdown table for people, JSON for the next comparison."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.driver import WorkerProcess

FORMAT = 1
SLOWDOWN = 1.05
_HEADER = ("case", "party", "median", "min..max", "ratio", "target", "reached")
_PREFIXES = ((1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))


def figure_text(figure: float, unit: str) -> str:
    """Write a figure with three digits and a fitting unit."""
    if unit == "B":
        return f"{figure / 1e6:.3g} MB"
    if unit == "nat":
        return f"{figure:.4f} nat"
    figure = float(f"{figure:.3g}")
    fitting = (pair for pair in _PREFIXES if figure >= pair[0] or figure == 0)
    scale, prefix = next(fitting, _PREFIXES[-1])
    return f"{figure / scale:.3g} {prefix}{unit}"


def markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Write an aligned Markdown table."""
    columns = zip(header, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines = [header, tuple("-" * width for width in widths), *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def _row(name: str, party: str, row: dict[str, Any], unit: str) -> tuple[str, ...]:
    goal = row.get("target")
    target = ""
    if goal:
        limit = goal["limit"]
        text = f"{limit:g}" if goal["of"] == "ratio" else figure_text(limit, unit)
        target = ("≥ " if goal["sense"] == "at least" else "≤ ") + text
    reached = {True: "yes", False: "NO", None: "-" if goal else ""}[(goal or {}).get("reached")]
    if row["status"] != "ok":
        return name, party, f"{row['status']}: {row['detail']}", "", "", target, reached
    bounds = f"{figure_text(row['min'], unit)} .. {figure_text(row['max'], unit)}"
    ratio = f"{row['ratio']['median']:.2f}" if "ratio" in row else ""
    return name, party, figure_text(row["median"], unit), bounds, ratio, target, reached


def run_table(report: dict[str, Any]) -> str:
    """Write a report's cases as a Markdown table, with what was measured and on what below it."""
    rows, remarks = [], []
    for name, case in report["cases"].items():
        rows += [_row(name, party, row, case["unit"]) for party, row in case["parties"].items()]
        remarks.append(f"- {name}: {case['what']}; ratio = party / {case['subject']}")
        remarks += [f"  - {note}" for note in case["notes"]]
    return "\n\n".join([_conditions(report), markdown(_HEADER, rows), "\n".join(remarks)])


def _conditions(report: dict[str, Any]) -> str:
    """Say on what and how the figures were taken."""
    box, run = report["machine"], report["run"]
    versions = ", ".join(f"{name} {text}" for name, text in box["versions"].items() if text)
    lines = (
        f"{box['cpu']}, {box['cores']} cores; Python {box['python']}, {versions}",
        f"data: {run['data']}",
        f"load before the run: {box['load_before']:.1f} (others' work spoils ratios too)",
        f"{run['threads']} threads each, {run['rounds']} rounds of turns"
        + (", TINY sizes: no verdicts" if run["tiny"] else ""),
    )
    return "\n".join(f"- {line}" for line in lines)


def _git_commit() -> str | None:
    """Return the commit of the tree this file lies in, marked where the tree was changed since."""
    git = ("git", "describe", "--always", "--dirty", "--abbrev=40")
    here = Path(__file__).parent
    try:
        done = subprocess.run(git, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def machine() -> dict[str, Any]:
    """Describe what the figures depend on: processor, kernels, versions, commit."""
    with WorkerProcess(threads=1) as worker:
        software = worker.ask("describe")
    if software["status"] != "ok":
        raise RuntimeError(f"cannot describe the libraries: {software['detail']}")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "versions": software["versions"],
        "kernels": software["kernels"],
        "commit": _git_commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a report written by an earlier run."""
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    if report.get("format") != FORMAT:
        raise ValueError(f"{path} is not a report of format {FORMAT}")
    return report


def save(report: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a report."""
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    Path(path).write_text(text, encoding="utf-8")


def _judge(old: dict[str, Any], new: dict[str, Any]) -> tuple[float, str]:
    """Return new / old and a word on it; a change counts when the two ranges are apart."""
    ratio = new["median"] / old["median"] if old["median"] > 0 else math.nan
    if ratio > SLOWDOWN and new["min"] > old["max"]:
        return ratio, "SLOWER"
    if ratio < 1 / SLOWDOWN and new["max"] < old["min"]:
        return ratio, "faster"
    return ratio, ""


def _pairs(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield the rows of both reports side by side; None where a report lacks one."""
    for name in {**old["cases"], **new["cases"]}:
        both = [report["cases"].get(name, {}).get("parties", {}) for report in (old, new)]
        for party in {**both[0], **both[1]}:
            yield name, party, both[0].get(party), both[1].get(party)


def _ratio_text(row: dict[str, Any]) -> str:
    return f"{row['ratio']['median']:.2f}" if "ratio" in row else ""


def compare(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, list[str]]:
    """Set two reports side by side; return the text and the rows that became slower."""
    rows, slower = [], []
    units = {name: case["unit"] for name, case in {**old["cases"], **new["cases"]}.items()}
    for name, party, before, after in _pairs(old, new):
        states = [row["status"] if row else "absent" for row in (before, after)]
        if states != ["ok", "ok"]:
            rows.append((name, party, *states, "", "", ""))
            continue
        if (before["size"], before["threads"]) != (after["size"], after["threads"]):
            rows.append((name, party, "", "", "", "", "another size or thread count"))
            continue
        ratio, word = _judge(before, after)
        if word == "SLOWER":
            slower.append(f"{name} / {party}")
        medians = (figure_text(row["median"], units[name]) for row in (before, after))
        ratios = f"{_ratio_text(before)} -> {_ratio_text(after)}" if "ratio" in after else ""
        rows.append((name, party, *medians, f"{ratio:.2f}", ratios, word))
    header = ("case", "party", "old", "new", "new/old", "party/subject", "verdict")
    lines = [markdown(header, rows), ""]
    for part, field in (("machine", "cpu"), ("machine", "cores"), ("run", "data")):
        if old[part][field] != new[part][field]:
            lines.append(f"- not the same {field}: medians are not comparable, ratios may be")
    if slower:
        lines.append(
            f"- {len(slower)} slower by more than {SLOWDOWN - 1:.0%}, ranges apart: " + ", ".join(slower)
        )
    else:
        lines.append(f"- nothing slower by more than {SLOWDOWN - 1:.0%} beyond the noise")
    return "\n".join(lines), slower
