"""The linear models' examples run, print their tables and draw their pictures."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
TABLES = {
    "predictive_band": ("rows in the 90 % band", 3),
    "basis_functions": ("accuracy", 4),
    "penalty_paths": ("L1: pixels", 7),
    "insurance_claims": ("factor on the rate", 11),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_example_runs(name, tmp_path, monkeypatch, capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / f"{name}.py"))
    plt.close("all")
    head, n_lines = TABLES[name]
    printed = capsys.readouterr().out.splitlines()
    assert head in printed[0]
    assert len(printed) == n_lines
    picture = plt.imread(tmp_path / f"{name}.png")
    assert picture.shape[1] > 1000
    assert picture.std() > 0.05
