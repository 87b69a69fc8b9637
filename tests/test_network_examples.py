"""The examples of networks run, at a size of seconds, and draw their pictures."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(script, folder, *arguments):
    pytest.importorskip("matplotlib")
    env = {**os.environ, "MPLBACKEND": "Agg", "OMP_WAIT_POLICY": "passive"}
    env["PYTHONPATH"] = os.pathsep.join([str(EXAMPLES.parent), env.get("PYTHONPATH", "")])
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / script).with_suffix(".png").stat().st_size > 10_000
    return done.stdout


def test_dropout_on_digits(tmp_path):
    shown = run("mlp_mnist.py", tmp_path, "--hidden", "100", "--epochs", "20")
    assert float(re.search(r"test error ([\d.]+) %", shown)[1]) < 10


def test_a_deep_belief_network_on_digits(tmp_path):
    sizes = ("--hidden", "64", "32", "--epochs", "15", "--tuning", "15", "--labels", "30", "--choices", "2")
    shown = run("dbn_digits.py", tmp_path, *sizes)
    assert float(re.search(r"all labels: test error ([\d.]+) %", shown)[1]) < 15
