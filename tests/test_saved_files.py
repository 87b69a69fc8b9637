"""Saved files: all or nothing on writing, and nothing but what was written on reading."""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from sklearn.callback import ProgressBar
from test_saving import assert_same, example

import fastnn
from fastnn import RBM, HopfieldNetwork, MLPClassifier, SavedFileError

# --- files that are none -------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """A small model, its file."""
    model = RBM.from_parameters([[1.0], [2.0]], random_state=0)
    model.save(tmp_path / "small.fastnn")
    return model, tmp_path / "small.fastnn"


def test_a_file_cut_short_anywhere_is_refused(small, tmp_path):
    _, path = small
    whole, cut = path.read_bytes(), tmp_path / "cut.fastnn"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(SavedFileError, match=r"is empty|cut short|not written by"):
            fastnn.load(cut)


def test_no_changed_byte_changes_the_model(small, tmp_path):
    """Either the change is found, or it is where nothing is kept, such as a date."""
    model, path = small
    whole, bent = path.read_bytes(), tmp_path / "bent.fastnn"
    found = 0
    for at in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8  # every bit in turn, 3 and 8 having no divisor in common
        bent.write_bytes(changed)
        try:
            again = fastnn.load(bent)
        except SavedFileError:
            found += 1
        else:
            assert_same(again, model)
    assert found > 0.8 * len(whole) / 3


FOREIGN = {
    "text": (lambda path: path.write_text("PK is how a zip begins"), "not written by"),
    "nothing": (lambda path: path.write_bytes(b""), "is empty"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(RBM())), "not written by"),
    "arrays": (lambda path: np.savez(path.open("wb"), a=np.ones(3)), "not written by"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_refused(name, tmp_path):
    write, message = FOREIGN[name]
    write(tmp_path / "foreign")
    with pytest.raises(SavedFileError, match=message):
        fastnn.load(tmp_path / "foreign")


def rewritten(path, change):
    """The file with another header."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["fastnn.json"])
    change(header)
    members["fastnn.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def newer(header):
    header.update(version=99, written_by="fastnn 7.0")


def evil(header):
    header["content"]["class"] = "os.system"


def unknown_kind(header):
    header["content"]["state"]["l1"] = {"$": "pickle", "value": "cos\nsystem\n"}


def other_dtype(header):
    header["arrays"][0]["dtype"] = "<i8"


def other_shape(header):
    header["arrays"][0]["shape"] = [10**12]


def lost_array(header):
    header["arrays"].append(header["arrays"][0])


HEADERS = [
    (newer, r"by fastnn 7.0 in version 99 .* reads up to version 1: update fastnn"),
    (evil, "'os.system', a class that this fastnn has not"),
    (unknown_kind, "damaged"),
    (other_dtype, "not the int64"),
    (other_shape, "not the 8000000000000 of its shape"),
    (lost_array, "There is no item named"),
    (dict.clear, "damaged"),
]


@pytest.mark.parametrize(("change", "message"), HEADERS, ids=[change.__name__ for change, _ in HEADERS])
def test_headers_that_tell_something_else_are_refused(change, message, small):
    rewritten(small[1], change)
    with pytest.raises(SavedFileError, match=message):
        fastnn.load(small[1])


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastnn.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        RBM().save(tmp_path / "no folder" / "file")
    with pytest.raises(IsADirectoryError):
        RBM().save(tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- what cannot be saved ------------------------------------------------------------------------


class Own(RBM):
    pass


REFUSED = [
    (lambda: MLPClassifier(scoring=lambda *_: 0), "MLPClassifier cannot be saved: scoring is the function"),
    (lambda: RBM(random_state=np.random.default_rng(0)), "random_state is a numpy.random"),
    (lambda: RBM(monitor=["a", ProgressBar]), r"monitor\[1\] is "),
    (lambda: HopfieldNetwork(beta=Own()), "beta is an estimator of class test_saved_files.Own"),
    (lambda: RBM(l1=np.ma.ones(3)), "l1 is a numpy.ma.MaskedArray"),
    (Own, "fastnn's public classes, and Own is none of them"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_is_no_data_is_refused_by_name(make, message, tmp_path):
    (tmp_path / "file").write_text("before")
    with pytest.raises(TypeError, match=message):
        make().save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


# --- all or nothing ------------------------------------------------------------------------------


def test_a_process_killed_in_the_middle_leaves_the_old_file(tmp_path):
    """A real SIGKILL, when half of the arrays are written."""
    path = tmp_path / "model.fastnn"
    before = RBM.from_parameters(np.ones((30, 20)), random_state=0)
    before.save(path)
    script = f"""
    import time
    import numpy as np
    import fastnn
    whole = np.lib.format.write_array
    written = []
    def slow(member, array, **options):
        if len(written) == 2:
            member.write(b"half")
            print("in the middle", flush=True)
            time.sleep(60)
        written.append(whole(member, array, **options))
    np.lib.format.write_array = slow
    fastnn.RBM.from_parameters(np.zeros((300, 200))).save({str(path)!r})
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "in the middle\n"
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    assert_same(fastnn.load(path), before)
    assert len(list(tmp_path.iterdir())) == 2  # what the dead process had written
    before.set_params(n_iter=7).save(path)
    assert fastnn.load(path).n_iter == 7


def test_an_error_in_the_middle_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.fastnn"
    model = example("RBM")
    model.save(path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="No space left"):
        example("BoltzmannMachine").save(path)
    monkeypatch.undo()
    assert_same(fastnn.load(path), model)
    assert [p.name for p in tmp_path.iterdir()] == ["model.fastnn"]


def test_modes_and_links_are_kept(tmp_path):
    real, link = tmp_path / "real.fastnn", tmp_path / "link.fastnn"
    RBM().save(real)
    mask = os.umask(0)
    os.umask(mask)
    assert real.stat().st_mode & 0o777 == 0o666 & ~mask
    real.chmod(0o640)
    link.symlink_to(real)
    RBM(7).save(str(link))
    assert link.is_symlink()
    assert fastnn.load(real).n_components == 7
    assert real.stat().st_mode & 0o777 == 0o640
