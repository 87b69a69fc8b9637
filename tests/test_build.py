"""The build says what is missing, and leaves no room of csrc/ out."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastnn._kernels import core

pytest.importorskip("setuptools", reason="setup.py needs setuptools")
pytest.importorskip("Cython", reason="setup.py needs Cython")
ROOT = Path(__file__).parents[1]
PARTS = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "csrc", "fastnn")


@pytest.fixture
def source(tmp_path):
    """A copy of what a build reads."""
    ignore = shutil.ignore_patterns("*.so", "__pycache__")
    for name in PARTS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name, **({"ignore": ignore} if (ROOT / name).is_dir() else {}))
    return tmp_path


@pytest.fixture
def recipe(source, monkeypatch):
    """The module setup.py, in the copy."""
    monkeypatch.chdir(source)
    spec = importlib.util.spec_from_file_location("fastnn_setup", source / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiler(folder, body):
    """A program in the compiler's place."""
    path = folder / "fakecc"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def build(source, cc):
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    env = {**os.environ, "CC": str(cc)}
    return subprocess.run(command, cwd=source, env=env, capture_output=True, text=True, timeout=120)


def test_no_compiler_is_a_clear_message(source):
    done = build(source, "/nonexistent")
    assert done.returncode != 0
    assert "fastnn needs a C compiler and '/nonexistent' does not work here" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_openmp_is_a_clear_message(source):
    refuses = compiler(source, 'case "$*" in *-fopenmp*) exit 1;; esac\nexit 0')
    done = build(source, refuses)
    assert done.returncode != 0
    assert "fastnn needs OpenMP and" in done.stderr
    assert "does not compile with -fopenmp" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_room_is_compiled_for_every_real_and_instruction_set(source, recipe):
    log = source / "log"
    logs = compiler(source, f'echo "$@" >> {log}')
    objects = recipe.compile_rooms([str(logs)], recipe.FLAGS, source / "rooms")
    done = log.read_text().splitlines()
    assert len(objects) == len(set(objects)) == len(done)
    for room in sorted(source.glob("csrc/**/*.c")):
        name = str(room.relative_to(source))
        of_room = [line for line in done if f"-c {name} " in line]
        if room.name == "dispatch.c":
            (line,) = of_room
            assert all(f"-DFASTNN_HAVE_{isa.upper()}" in line for isa in recipe.ISAS
                       if isa != "baseline")  # fmt: skip
            continue
        variants = {
            (isa, bits)
            for line in of_room
            for isa in re.findall(r"-DFASTNN_ISA=(\w+)", line)
            for bits in re.findall(r"-DFASTNN_REAL=(\d+)", line)
        }
        assert variants == {(isa, bits) for isa in recipe.ISAS for bits in ("32", "64")}
        assert len(of_room) == len(variants)


def test_a_room_that_does_not_compile_stops_the_build(source, recipe):
    fails = compiler(source, 'case "$*" in *product.c*) exit 1;; esac')
    with pytest.raises(SystemExit, match=r"could not compile: .*product\.c"):
        recipe.compile_rooms([str(fails)], recipe.FLAGS, source / "rooms")


def test_no_flag_changes_what_numbers_mean(recipe):
    flags = {*recipe.FLAGS, *(flag for _, flags in recipe.ISAS.values() for flag in flags)}
    flags |= {f for loop in recipe.loops() for f in loop.extra_compile_args}
    assert "-ffp-contract=off" in recipe.FLAGS
    assert not {"-ffast-math", "-Ofast", "-march=native", "-funsafe-math-optimizations"} & flags


def test_every_loop_is_an_extension(recipe):
    loops = {path.stem for path in Path("fastnn/_kernels").glob("*.pyx")}
    assert {loop.name.rpartition(".")[2] for loop in recipe.loops()} == loops


def test_what_was_built_is_what_setup_lists(recipe):
    assert list(core.isa()[1]) == list(recipe.ISAS)


def test_every_unit_file_is_registered(recipe):
    files = {path.stem for path in Path("csrc/units").glob("*.c")}
    assert files == set(core.unit_values())
