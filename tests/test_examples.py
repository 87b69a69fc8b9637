"""Every example runs, tells what it found and draws the picture that examples/README.md promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
from matplotlib.image import imread

FOLDER = Path(__file__).parents[1] / "examples"
ROWS = re.findall(
    r"^\| `(\w+\.py)` \|.*\| (?:`(\w+\.png)`|prints a table) \|$",
    (FOLDER / "README.md").read_text(),
    re.MULTILINE,
)


def test_every_script_is_in_the_table():
    assert sorted(script for script, _ in ROWS) == sorted(path.name for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize(("script", "picture"), ROWS)
def test_example(script, picture, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(FOLDER / script), "--tiny"],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if not picture:
        assert len(done.stdout.splitlines()) > 2
        return
    assert f"{picture} written" in done.stdout
    pixels = imread(tmp_path / picture)[..., :3]
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 600
    inked = (pixels < 0.95).any(axis=2)
    # Something is drawn in each ninth of the picture: no panel was forgotten.
    height, width = (size // 3 for size in inked.shape)
    for i in range(3):
        for j in range(3):
            assert inked[i * height : (i + 1) * height, j * width : (j + 1) * width].any()
