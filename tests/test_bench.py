"""The benchmark suite: every party of every case runs, turns are taken, reports are right."""

from __future__ import annotations

import copy
import gzip
import json
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from bench import report
from bench.__main__ import main
from bench.cases import CASES
from bench.digits import Digits, read_idx
from bench.driver import Run, run_case
from bench.system import extra_bytes
from bench.table import Case, Job, Party, Target, WrongAnswer, table
from bench.worker import Seat, load_case, prepare, prepare_numbers

PARTIES = [(name, party) for name, case in CASES.items() for party in case.parties]

FAKES = """
import os, time
from bench.table import Case, Party, Target, WrongAnswer, table

def sleeper(job):
    def call():
        with open(job.size["log"], "a") as log:
            print(job.size["tag"], time.monotonic(), file=log)
        time.sleep(job.size["seconds"])
        with open(job.size["log"], "a") as log:
            print(job.size["tag"], time.monotonic(), file=log)
    return call

def chatterbox(job):
    print("not an answer")
    return lambda: print("nor is this")

def absent(job):
    import a_rival_nobody_has

def broken(job):
    raise RuntimeError("out of order")

def mortal(job):
    return lambda: os._exit(3)

def threads(job):
    return lambda: float(os.environ["OMP_NUM_THREADS"])

def pid(job):
    return lambda: float(os.getpid())

def numbers(digits, *, n_rows):
    return {"X": digits.rows(n_rows), "note": digits.note}

def sum_of_inputs(job):
    return lambda: float(len(job.arrays()["X"]))

def no_answer_is_right(job, result):
    raise WrongAnswer("a hundred and one")

def value(name, **parties):
    return Case(name, name, parties, {"n_rows": 7}, {}, next(iter(parties)), measure="value")

CASES = table((
    Case("sleep", "sleeping",
         {"one": Party(sleeper, {"tag": "one", "seconds": 0.05}),
          "two": Party(sleeper, {"tag": "two", "seconds": 0.10})},
         {"log": os.environ["BENCH_TEST_LOG"]}, {}, "one", (Target("two", 1.8),)),
    Case("troubles", "parties that cannot run",
         {"good": Party(chatterbox), "absent": Party(absent), "broken": Party(broken),
          "mortal": Party(mortal)},
         {}, {}, "good", (Target("absent", 2),)),
    Case("wrong", "a wrong answer", {"wrong": Party(threads)}, {}, {}, "wrong", measure="value",
         check=no_answer_is_right),
    value("threads", all=Party(threads), single=Party(threads, threads=1)),
    Case("fresh", "a process a turn", {"pid": Party(pid)}, {}, {}, "pid", measure="value",
         fresh=True),
    Case("inputs", "prepared arrays",
         {"a": Party(sum_of_inputs), "b": Party(sum_of_inputs, {"n_rows": 9})},
         {"n_rows": 7}, {}, "a", measure="value", per=lambda size: size["n_rows"],
         prepare=numbers),
))
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return a function that prepares a party's arrays once for all tests."""
    folder = tmp_path_factory.mktemp("bench")
    made: dict[str, Path] = {}

    def inputs_for(case, size):
        if case.prepare is None:
            return None
        key = json.dumps([case.prepare.__name__, prepare_numbers(case, size)], sort_keys=True)
        if key not in made:
            made[key] = folder / f"{len(made)}.npz"
            prepare(case, size, None, made[key])
        return made[key]

    return inputs_for


def take_seat(name, party, inputs):
    """Set a party up here, tiny; skip only where a rival is not installed."""
    case = CASES[name]
    size = case.size_of(party, tiny=True)
    try:
        return Seat.take(case, party, Job(size, threads=1, inputs=inputs(case, size)))
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "fastnn":
            raise
        pytest.skip(f"not installed: {error}")


@pytest.mark.parametrize(("name", "party"), PARTIES)
def test_every_party_runs(name, party, inputs, benchmark):
    seat = take_seat(name, party, inputs)
    figure = benchmark.pedantic(seat.turn, args=(0.0,), rounds=2, iterations=1)
    assert np.isfinite(figure)
    assert figure >= 0


def test_table_refuses_slips():
    party = Party(lambda job: None)
    good = Case("a", "", {"fastnn": party}, {}, {})
    with pytest.raises(ValueError, match="two cases are called 'a'"):
        table((good, good))
    with pytest.raises(ValueError, match="no party 'fastnn'"):
        table((Case("a", "", {"other": party}, {}, {}),))
    with pytest.raises(ValueError, match="no party 'rival'"):
        table((Case("a", "", {"fastnn": party}, {}, {}, targets=(Target("rival", 2),)),))


def test_size_of_party_replaces_then_scales():
    party = Party(lambda job: None, {"dtype": "bool"}, {"rows": 0.25})
    case = Case("a", "", {"p": party}, {"rows": 100, "dtype": "float32"}, {"rows": 8}, "p")
    assert case.size_of("p", tiny=False) == {"rows": 25, "dtype": "bool"}
    assert case.size_of("p", tiny=True) == {"rows": 2, "dtype": "bool"}


def test_table_loads_no_library():
    """Else every party's process would hold them all."""
    code = """
        import sys, bench.cases, bench.worker
        heavy = {"numpy", "scipy", "sklearn", "torch", "fastnn"} & set(sys.modules)
        sys.exit(f"loaded {heavy}" if heavy else 0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("name", ["gibbs_step", "pcd_epoch"])
@pytest.mark.parametrize("party", ["torch", "sklearn"])
def test_rival_loads_its_own_library_only(name, party, inputs):
    pytest.importorskip(party)
    case = CASES[name]
    size = case.size_of(party, tiny=True)
    code = f"""
        import sys, pathlib, bench.worker as worker
        from bench.table import Job
        case = worker.load_case("bench.cases", {name!r})
        path = pathlib.Path({str(inputs(case, size))!r})
        worker.Seat.take(case, {party!r}, Job({size!r}, 1, path)).turn(0)
        others = {{"sklearn", "torch", "fastnn"}} - {{{party!r}}}
        sys.exit(f"loaded {{others & set(sys.modules)}}" if others & set(sys.modules) else 0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_gibbs_check_refuses_wrong_answers(inputs):
    case = CASES["gibbs_step"]
    size = case.size_of("sklearn", tiny=True)
    job = Job(size, 1, inputs(case, size))
    states = job.arrays()["v"][: size["n_rows"]]
    case.check(job, states)
    for wrong in (states[:-1], states * 0.5, np.ones_like(states)):
        with pytest.raises(WrongAnswer):
            case.check(job, wrong)


def test_extra_bytes_sees_a_temporary():
    n_bytes = 64 * 2**20
    extra = extra_bytes(lambda: np.ones(n_bytes, np.uint8).sum())
    assert extra == pytest.approx(n_bytes, rel=0.1)
    assert extra_bytes(lambda: None) < n_bytes / 10


def idx_bytes(pictures, magic=0x803):
    return struct.pack(">4i", magic, *pictures.shape) + pictures.tobytes()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read(tmp_path, suffix):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(idx_bytes(pictures)) if suffix else idx_bytes(pictures))
    digits = Digits(tmp_path)
    assert digits.note == f"MNIST ({path.name})"
    expected = pictures.reshape(5, 784).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(digits.rows(3, binary=False), expected[:3])
    np.testing.assert_array_equal(digits.rows(7)[5:], expected[:2] > 0.5)


def test_damaged_idx_files_are_refused(tmp_path):
    pictures = np.zeros((5, 2, 2), np.uint8)
    (tmp_path / "labels").write_bytes(idx_bytes(pictures, magic=0x801))
    (tmp_path / "short").write_bytes(idx_bytes(pictures)[:-1])
    with pytest.raises(ValueError, match="not an idx file of pictures"):
        read_idx(tmp_path / "labels", 5)
    with pytest.raises(ValueError, match="shorter than its header says"):
        read_idx(tmp_path / "short", 5)
    with pytest.raises(FileNotFoundError, match="no train-images idx file"):
        Digits(tmp_path)


@pytest.mark.parametrize("n_visible", [64, 784, 1568])
def test_stand_in_digits(n_visible, monkeypatch):
    monkeypatch.delenv("FASTNN_BENCH_MNIST", raising=False)
    rows = Digits().rows(4000, n_visible)
    assert rows.shape == (4000, n_visible)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert set(np.unique(rows)) == {0, 1}
    assert 0.1 < rows.mean() < 0.2
    assert "stand-in" in Digits().note


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Return a function that runs one case of the fake table with real processes."""
    (tmp_path / "fake_cases.py").write_text(FAKES, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("BENCH_TEST_LOG", str(tmp_path / "log"))
    monkeypatch.delitem(sys.modules, "fake_cases", raising=False)

    def run(name, rounds=2):
        conditions = Run(tmp_path, rounds=rounds, turn_seconds=0, table="fake_cases")
        return run_case(load_case("fake_cases", name), conditions)

    yield run
    sys.modules.pop("fake_cases", None)


def test_parties_take_turns(fakes, tmp_path):
    result = fakes("sleep", rounds=3)
    one, two = result["parties"]["one"], result["parties"]["two"]
    assert one["ratio"]["median"] == 1
    assert two["ratio"]["median"] == pytest.approx(2, rel=0.15)
    assert two["target"] == {"sense": "at least", "limit": 1.8, "of": "ratio", "reached": True}
    assert len(one["figures"]) == 3
    assert one["min"] <= one["median"] <= one["max"]
    # Two lines a call; a warm-up call each, then the turns; none begins before the last ended.
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [tag for tag, _ in lines[::2]] == ["one", "two"] * 4
    assert [tag for tag, _ in lines[1::2]] == ["one", "two"] * 4
    times = [float(moment) for _, moment in lines]
    assert times == sorted(times)
    pauses = [start - end for end, start in zip(times[5:-1:2], times[6::2], strict=True)]
    assert min(pauses) >= 0.02


def test_a_party_in_trouble_is_reported_and_stops_nobody(fakes):
    parties = fakes("troubles")["parties"]
    assert parties["good"]["status"] == "ok"
    assert len(parties["good"]["figures"]) == 2
    assert parties["absent"]["status"] == "not installed"
    assert "a_rival_nobody_has" in parties["absent"]["detail"]
    assert "reached" not in parties["absent"]["target"]
    assert parties["broken"]["detail"] == "RuntimeError: out of order"
    assert parties["mortal"]["status"] == "failed"
    assert parties["mortal"]["detail"] == "the process ended with code 3"


def test_wrong_answers_fail(fakes):
    assert fakes("wrong")["parties"]["wrong"]["detail"] == "WrongAnswer: a hundred and one"


def test_threads_reach_the_environment(fakes):
    parties = fakes("threads", rounds=1)["parties"]
    assert [row["figures"] for row in parties.values()] == [[2], [1]]


def test_fresh_cases_get_a_process_every_turn(fakes):
    assert len(set(fakes("fresh", rounds=3)["parties"]["pid"]["figures"])) == 3


def test_inputs_are_prepared_by_size_and_divided_by_per(fakes):
    result = fakes("inputs", rounds=1)
    assert [row["figures"] for row in result["parties"].values()] == [[1], [1]]
    assert [row["size"]["n_rows"] for row in result["parties"].values()] == [7, 9]
    assert len(result["notes"]) == 1


def test_command_line_writes_table_and_json(fakes, tmp_path, capsys):
    out = tmp_path / "out.json"
    arguments = ["--table", "fake_cases", "--rounds", "2", "--json", str(out)]
    assert main([*arguments, "--cases", "sleep"]) == 0
    printed = capsys.readouterr().out
    assert "| ≥ 1.8 " in printed
    assert "| yes " in printed
    stored = report.load(out)
    assert stored["machine"]["cpu"]
    assert stored["machine"]["versions"]["numpy"] == np.__version__
    assert stored["run"]["command"].startswith("python -m bench --table fake_cases --rounds 2")
    assert stored["run"]["rounds"] == 2
    assert stored["cases"]["sleep"]["parties"]["two"]["target"]["reached"] is True
    assert main([*arguments, "--cases", "troubles"]) == 1
    printed = capsys.readouterr().out
    assert "not installed: No module named 'a_rival_nobody_has'" in printed
    assert "failed: RuntimeError: out of order" in printed


def test_command_line_lists_and_refuses(capsys):
    assert main(["--list"]) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [*CASES]
    with pytest.raises(SystemExit):
        main(["--cases", "gibbs_stop"])
    assert "no such case: gibbs_stop" in capsys.readouterr().err


def row_of(*figures, **extra):
    ordered = sorted(figures)
    spread = {"median": ordered[len(figures) // 2], "min": ordered[0], "max": ordered[-1]}
    return {"status": "ok", "size": {"n": 1}, "threads": 2, "figures": [*figures]} | spread | extra


@pytest.fixture
def old_report():
    """Return a report of one case."""
    parties = {
        "fastnn": row_of(1.0, 1.02, 1.04, ratio={"median": 1.0}),
        "torch": row_of(4.0, 4.1, 4.2, ratio={"median": 4.0}),
        "sklearn": {"status": "not installed", "size": {"n": 1}, "threads": 2, "detail": "no"},
    }
    case = {"what": "w", "unit": "s", "subject": "fastnn", "notes": [], "parties": parties}
    conditions = {"machine": {"cpu": "c", "cores": 2}, "run": {"data": "d"}}
    return {"format": report.FORMAT, **conditions, "cases": {"step": case}}


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ((1.0, 1.02, 1.04), ""),
        ((1.05, 1.06, 1.07), ""),  # ranges apart, yet only 4 %
        ((1.03, 1.2, 1.3), ""),  # 18 %, yet within the noise
        ((1.05, 1.1, 1.2), "SLOWER"),
        ((0.5, 0.5, 0.6), "faster"),
    ],
)
def test_compare_judges_beyond_the_noise(old_report, figures, verdict):
    new = copy.deepcopy(old_report)
    new["cases"]["step"]["parties"]["fastnn"] = row_of(*figures, ratio={"median": 1.0})
    text, slower = report.compare(old_report, new)
    line = next(line for line in text.splitlines() if "| fastnn" in line)
    assert line.split("|")[-2].strip() == verdict
    assert f" {figures[1] / 1.02:.2f} " in line
    assert slower == (["step / fastnn"] if verdict == "SLOWER" else [])


def test_compare_names_what_it_cannot_compare(old_report):
    new = copy.deepcopy(old_report)
    new["machine"]["cpu"] = "another"
    new["cases"]["step"]["parties"]["torch"]["size"] = {"n": 2}
    new["cases"]["fresh"] = copy.deepcopy(old_report["cases"]["step"])
    text, slower = report.compare(old_report, new)
    assert not slower
    for words in ("another size or thread count", "not installed", "absent", "not the same cpu"):
        assert words in text
    assert "not the same data" not in text


def test_compare_command_exits_1_on_a_slowdown(old_report, tmp_path, capsys):
    new = copy.deepcopy(old_report)
    new["cases"]["step"]["parties"]["fastnn"] = row_of(2.0, 2.0, 2.0, ratio={"median": 1.0})
    paths = [str(tmp_path / name) for name in ("old.json", "new.json")]
    for path, content in zip(paths, (old_report, new), strict=True):
        report.save(content, path)
    assert main(["--compare", *paths]) == 1
    assert "step / fastnn" in capsys.readouterr().out
    assert main(["--compare", paths[0], paths[0]]) == 0
    (tmp_path / "other.json").write_text('{"format": 0}', encoding="utf-8")
    with pytest.raises(ValueError, match="not a report of format"):
        report.load(tmp_path / "other.json")


def test_figures_are_written_with_fitting_units():
    seconds = {0.0: "0 s", 2.5: "2.5 s", 0.9996: "1 s", 3.456e-4: "346 µs", 4.2e-12: "4.2 ps"}
    assert [report.figure_text(figure, "s") for figure in seconds] == [*seconds.values()]
    assert report.figure_text(7.84e6, "B") == "7.84 MB"


def test_the_readme_names_every_file():
    folder = Path(report.__file__).parent
    told = (folder / "README.md").read_text(encoding="utf-8").partition("| file | its job |")[2]
    files = {path.name for path in folder.glob("*.py") if not path.name.startswith("__")}
    assert {name for name in files if f"`{name}`" not in told} == set()
