"""The command ``fastnn`` as a shell sees it, and the reading of IDX files."""

import gzip
import os
import re
import struct
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from fastnn.__main__ import main
from fastnn.datasets import digits, read_idx, read_images, read_labelled

PICTURES = ("filters.png", "reconstructions.png", "samples.png")


def idx_bytes(values, code=0x08):
    """`values` in the IDX format."""
    values = np.asarray(values)
    header = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def images(n=120, height=6, width=5):
    """Two kinds of bars, so that there is something to learn."""
    X = np.zeros((n, height, width), dtype=np.uint8)
    X[::2, :, 1] = 255
    X[1::2, 4] = 200
    return X


def run_fastnn(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "fastnn", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    out = tmp_path_factory.mktemp("demo") / "new" / "pictures"
    return run_fastnn("demo", "--epochs", 2, "--out", out, "--threads", 1), out


class TestDemo:
    def test_succeeds_silently_on_stderr(self, demo):
        result, _ = demo
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr

    def test_pictures_decode_to_something(self, demo):
        from matplotlib.image import imread

        _, out = demo
        assert sorted(path.name for path in out.iterdir()) == sorted(PICTURES)
        for name in PICTURES:
            picture = imread(out / name)
            assert min(picture.shape[:2]) > 300
            assert len(np.unique(picture[..., 0])) > 20

    def test_reports_each_epoch_with_monitors(self, demo):
        lines = [line for line in demo[0].stdout.splitlines() if re.search(r"(?i)epoch\s+\d", line)]
        assert len(lines) == 2
        for line in lines:
            for monitor in ("reconstruction", "pseudo.likelihood", "free.energy.gap"):
                assert re.search(rf"(?i){monitor}\D*\d", line), line

    def test_reports_the_race(self, demo):
        text = demo[0].stdout
        rows = dict(re.findall(r"^  (scikit-learn|fastnn) +([\d.]+) s +-[\d.]+$", text, re.M))
        ratio = re.search(r"^  ratio +([\d.]+)", text, re.M)
        expected = float(rows["scikit-learn"]) / float(rows["fastnn"])
        # Times are printed to the millisecond: the ratio of what is printed is only that exact.
        assert float(ratio[1]) == pytest.approx(expected, rel=0.05 + 0.001 / float(rows["fastnn"]), abs=0.1)

    def test_says_where_the_pictures_are(self, demo):
        result, out = demo
        for name in PICTURES:
            assert str(out / name) in result.stdout

    def test_learns_from_an_idx_file_without_rival(self, tmp_path):
        pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
        file = tmp_path / "images.gz"
        file.write_bytes(gzip.compress(idx_bytes(images())))
        options = ("--epochs", 1, "--n-components", 4, "--no-rival", "--out", tmp_path / "out")
        result = run_fastnn("demo", "--data", file, *options)
        assert result.returncode == 0, result.stderr
        assert "images.gz, 6 × 5 pixels; 96 images to learn from, 24 held out" in result.stdout
        assert "scikit-learn" not in result.stdout
        assert all((tmp_path / "out" / name).stat().st_size > 0 for name in PICTURES)


class TestErrors:
    @pytest.fixture(autouse=True)
    def _needs_matplotlib(self):
        pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")

    @pytest.fixture
    def refused(self, capsys):
        """Run the command here; it must exit with 2, print nothing, and say `message`."""

        def check(message, *arguments):
            try:
                code = main([str(argument) for argument in arguments])
            except SystemExit as leaving:
                code = leaving.code
            printed = capsys.readouterr()
            assert (code, printed.out) == (2, "")
            assert message in printed.err.splitlines()[-1]

        return check

    def test_shell_sees_one_line_and_exit_code_2(self, tmp_path):
        result = run_fastnn("demo", "--data", tmp_path / "nowhere", "--out", tmp_path / "out")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == (f"fastnn demo: error: {tmp_path / 'nowhere'}: no such file or directory\n")
        assert not (tmp_path / "out").exists()

    def test_not_images(self, tmp_path, refused):
        (tmp_path / "labels").write_bytes(idx_bytes(np.zeros(5, np.uint8)))
        refused("images need 3 dimensions", "demo", "--data", tmp_path / "labels")

    def test_too_few_images(self, tmp_path, refused):
        (tmp_path / "few").write_bytes(idx_bytes(images(7)))
        refused("7 images are too few", "demo", "--data", tmp_path / "few")

    def test_out_is_a_file(self, tmp_path, refused):
        (tmp_path / "file").write_text("")
        refused("cannot make this directory", "demo", "--out", tmp_path / "file")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["demo", "--epochs", "0"], "--epochs: must be at least 1, got 0"),
            (["demo", "--threads", "two"], "--threads: 'two' is not a whole number"),
            (["demo", "--seed", "-1"], "--seed: must be at least 0, got -1"),
            (["demo", "--seed", str(2**32)], "--seed: must be at most 4294967295"),
            (["demo", "--colour"], "unrecognized arguments: --colour"),
            ([], "the following arguments are required: COMMAND"),
        ],
    )
    def test_bad_arguments(self, arguments, message, refused):
        refused(message, *arguments)

    def test_missing_matplotlib(self, tmp_path):
        (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')")
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        result = run_fastnn("demo", PYTHONPATH=path)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.endswith('install it with: pip install "fastnn[plot]"\n')
        assert len(result.stderr.splitlines()) == 1


def test_version():
    assert run_fastnn("--version").stdout.split() == ["fastnn", fastnn.__version__]


def test_config_prints_the_configuration_once():
    result = run_fastnn("config")
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.split()) > 3
    assert "None" not in result.stdout.splitlines()


class TestIdx:
    @pytest.mark.parametrize(
        ("code", "dtype"),
        [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")],
    )
    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_round_trip(self, tmp_path, code, dtype, pack):
        values = np.arange(24).reshape(2, 3, 4).astype(dtype)
        (tmp_path / "x").write_bytes(pack(idx_bytes(values, code)))
        read = read_idx(tmp_path / "x")
        assert read.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(read, values)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "not an IDX file: 0 bytes"),
            (b"PNG, not IDX", "wrong magic number 0x504e472c"),
            (b"\0\0\x07\x01" + bytes(8), "wrong magic number 0x00000701"),
            (b"\0\0\x08\x00", "wrong magic number 0x00000800"),
            (b"\0\0\x08\x03\0\0", "truncated: the header needs 16 bytes, found 6"),
            (idx_bytes(images())[:-1], "truncated: .* needs 3616 bytes, found 3615"),
            (idx_bytes(images()) + b"\0", "too long: .* needs 3616 bytes, found 3617"),
            (b"\0\0\x08\x03" + b"\xff" * 12, "truncated"),
            (gzip.compress(idx_bytes(images()))[:-9], "damaged gzip file"),
            (b"\x1f\x8b nonsense", "damaged gzip file"),
        ],
    )
    def test_damaged_files(self, tmp_path, content, message):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_idx(tmp_path / "x")

    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no such file"):
            read_idx(tmp_path / "x")

    def test_images_are_scaled_rows(self, tmp_path):
        (tmp_path / "x").write_bytes(idx_bytes(images()))
        X, image_shape, name = read_images(tmp_path / "x")
        assert (X.dtype, image_shape, name) == (np.float32, (6, 5), "x")
        np.testing.assert_allclose(X * 255, images().reshape(120, 30), rtol=1e-6)

    def test_directory_prefers_training_images(self, tmp_path):
        (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(images(30)))
        assert len(read_images(tmp_path).X) == 30
        training = gzip.compress(idx_bytes(images(60)))
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(training)
        assert len(read_images(tmp_path).X) == 60

    def test_labelled_files_of_a_directory(self, tmp_path):
        for part, n in (("train", 60), ("t10k", 30)):
            (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images(n)))
            labels = gzip.compress(idx_bytes(np.arange(n, dtype=np.uint8)))
            (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(labels)
        X, X_test, y, y_test = read_labelled(tmp_path)
        assert (X.shape, X_test.shape, X.dtype) == ((60, 30), (30, 30), np.float32)
        np.testing.assert_array_equal(y, np.arange(60))
        np.testing.assert_array_equal(y_test, np.arange(30))

    def test_labels_missing(self, tmp_path):
        for part in ("train", "t10k"):
            (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images()))
        with pytest.raises(FileNotFoundError, match=r"no file named train\*idx1-ubyte\*"):
            read_labelled(tmp_path)

    def test_directory_without_images(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no images here"):
            read_images(tmp_path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (idx_bytes(np.zeros(9, np.uint8)), r"3 dimensions \(n, height, width\), found 9"),
            (idx_bytes(images().astype("f4"), 0x0D), "unsigned bytes, found float32"),
            (idx_bytes(images(0)), "no pixels: 0 images of 6 × 5"),
        ],
    )
    def test_not_images(self, tmp_path, content, message):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_images(tmp_path / "x")


def test_digits_lie_in_the_unit_interval():
    X, image_shape, _ = digits()
    assert (X.shape, X.dtype, image_shape) == ((1797, 64), np.float32, (8, 8))
    assert (X.min(), X.max()) == (0.0, 1.0)
