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
    r"^\| `(\w+\.py)` \|.*\| `(\w+\.png)` \|$",
    (FOLDER / "README.md").read_text(),
    re.MULTILINE,
)


def test_every_script_is_in_the_table():
    assert sorted(script for script, _ in ROWS) == sorted(path.name for path in FOLDER.glob("*.py"))


def run(script, folder, *options):
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(FOLDER / script), *options],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("names", [("images", "labels"), ("X", "y")])
def test_letters_are_read_by_either_name(names, tmp_path):
    """Pictures 10 high and 6 wide, as they are stored, or as rows of this shape."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 60)
    images = rng.random((4, 10, 6))[labels] > rng.random((240, 10, 6))
    stored = images.astype(np.uint8) if names[0] == "images" else images.reshape(240, 60).astype(np.uint8)
    np.savez(tmp_path / "letters.npz", **dict(zip(names, (stored, labels), strict=True)))
    options = ("--tiny", "--data", "letters.npz", "--shape", "10", "6")
    assert "rbm_letters.png written" in run("rbm_letters.py", tmp_path, *options)


def test_every_example_imports_what_users_may():
    private = re.compile(
        r"^\s*(?:from fastnn\S*\._|from fastnn\S* import .*\b_|import fastnn\S*\._)", re.MULTILINE
    )
    assert [path.name for path in FOLDER.glob("*.py") if private.search(path.read_text())] == []


@pytest.mark.parametrize(("script", "picture"), ROWS)
def test_example(script, picture, tmp_path):
    assert f"{picture} written" in run(script, tmp_path, "--tiny")
    pixels = imread(tmp_path / picture)[..., :3]
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 600
    inked = (pixels < 0.95).any(axis=2)
    # Something is drawn in each ninth of the picture: no panel was forgotten.
    height, width = (size // 3 for size in inked.shape)
    for i in range(3):
        for j in range(3):
            assert inked[i * height : (i + 1) * height, j * width : (j + 1) * width].any()


def test_claims_are_read_from_a_file(tmp_path):
    """Rates that are exact multiples of one another are found exactly."""
    lines = ["rownames,District,Group,Age,Holders,Claims"]
    for d in "1234":
        for g in ("<1l", "1-1.5l", "1.5-2l", ">2l"):
            for a in ("<25", "25-29", "30-35", ">35"):
                claims = 32 * (2 if d == "4" else 1) * (4 if g == ">2l" else 1) // (4 if a == ">35" else 1)
                lines.append(f"{len(lines)},{d},{g},{a},1000,{claims}")
    (tmp_path / "claims.csv").write_text("\n".join(lines) + "\n")
    found = run("insurance_claims.py", tmp_path, "--data", "claims.csv")
    rates = dict(re.findall(r"^(\S+ \S+) +(\d+\.\d\d)", found, re.MULTILINE))
    assert rates == {
        "District 2": "1.00", "District 3": "1.00", "District 4": "2.00",
        "Group 1-1.5l": "1.00", "Group 1.5-2l": "1.00", "Group >2l": "4.00",
        "Age 25-29": "1.00", "Age 30-35": "1.00", "Age >35": "0.25",
    }  # fmt: skip
    assert "truth" not in found
    assert "explained 100.0%" in found


def test_words_have_their_names(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 5, size=(40, 6))
    entries = [f"{i + 1} {k + 1} {counts[i, k]}" for i in range(40) for k in range(6)]
    (tmp_path / "docword.txt").write_text("\n".join(["40", "6", str(len(entries)), *entries]) + "\n")
    (tmp_path / "vocab.txt").write_text("ash\nbirch\ncedar\noak\npine\nyew\n")
    found = run(
        "rbm_words.py", tmp_path, "--tiny", "--hidden", "3", "--data", "docword.txt", "--words", "vocab.txt"
    )
    assert "40 documents, 6 words" in found
    assert len(re.findall(r"^unit \d: (?:\w+, ){5}\w+$", found, re.MULTILINE)) == 3
    assert set(re.findall(r"birch|yew", found)) == {"birch", "yew"}
