"""Every example runs, tells what it found and draws the picture that examples/README.md promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
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


def run(script, folder, *options):
    return subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(FOLDER / script), "--tiny", *options],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("names", [("images", "labels"), ("X", "y")])
def test_letters_are_read_by_either_name(names, tmp_path):
    """Pictures 10 high and 6 wide, as they are stored, or as rows of this shape."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 60)
    images = rng.random((4, 10, 6))[labels] > rng.random((240, 10, 6))
    stored = images.astype(np.uint8) if names[0] == "images" else images.reshape(240, 60).astype(np.uint8)
    np.savez(tmp_path / "letters.npz", **dict(zip(names, (stored, labels), strict=True)))
    done = run("rbm_letters.py", tmp_path, "--data", "letters.npz", "--shape", "10", "6")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rbm_letters.png written" in done.stdout


@pytest.mark.parametrize(("script", "picture"), ROWS)
def test_example(script, picture, tmp_path):
    done = run(script, tmp_path)
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
