"""The examples of information and of support vector machines run, tell their table and draw their picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
# What the table must say, besides being there.
TOLD = {
    "kl_directions": ["entropy of p", "D(p || q)", "D(q || p)"],
    "svm_margins": ["weston_watkins", "crammer_singer", "duality gap"],
    "kernel_xor": ["RBF                          True     1.000", "distance                    False"],
}


@pytest.mark.parametrize("name", TOLD)
def test_example(name, tmp_path):
    pytest.importorskip("matplotlib")
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py"],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert all(words in done.stdout for words in TOLD[name]), done.stdout
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000
