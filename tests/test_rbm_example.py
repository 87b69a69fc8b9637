"""The example about likelihoods runs, and says what it should."""

import re
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "rbm_mnist_likelihood.py"


@pytest.mark.filterwarnings("ignore::fastnn.exceptions.LikelihoodWarning")
def test_the_likelihood_of_digits(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    options = ["--hidden", "40", "--epochs", "20", "--betas", "300"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *options])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    found = re.findall(r"^(\w+) +ln Z .* test ln P +(-[\d.]+)$", capsys.readouterr().out, flags=re.MULTILINE)
    assert [name for name, _ in found] == ["ais", "reverse_ais", "bridge"]
    assert all(-35 < float(value) < -15 for _, value in found)
    assert (tmp_path / "rbm_mnist_likelihood.png").stat().st_size > 5000
