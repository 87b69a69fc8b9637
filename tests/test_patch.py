"""fastnn in the place of scikit-learn's estimators: what is swapped, when, for how long, for whom."""

import logging
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.neural_network
import sklearn.svm
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits

import fastnn
from fastnn.interop import sklearn as door

TABLE = {name: sys.modules[where] for name, (where, _) in door._TABLE.items()}
ORIGINALS = {name: getattr(module, name) for name, module in TABLE.items()}
NAMES = sorted(door._replacements())
EACH = pytest.mark.parametrize("name", NAMES)
X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]


def current():
    return {name: getattr(module, name) for name, module in TABLE.items()}


def swapped():
    return sorted(name for name, value in current().items() if value is not ORIGINALS[name])


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    assert swapped() == []
    yield
    while fastnn.unpatch_sklearn():
        pass
    assert swapped() == []
    assert current() == ORIGINALS


def test_the_table():
    assert {"BernoulliRBM", "LinearSVC", "MLPClassifier", "MLPRegressor"} <= set(NAMES)
    with fastnn.patched(NAMES) as names:
        assert names == NAMES
        assert all(getattr(TABLE[name], name).__module__.startswith("fastnn.") for name in names)


def test_patching_and_unpatching():
    assert "LinearSVC" in NAMES
    assert fastnn.patch_sklearn() == NAMES == swapped()
    assert fastnn.unpatch_sklearn() == NAMES
    assert fastnn.unpatch_sklearn() == []


def test_calls_and_blocks_nest():
    fastnn.patch_sklearn("BernoulliRBM")
    fastnn.patch_sklearn(["BernoulliRBM", "LinearSVC"])
    assert swapped() == ["BernoulliRBM", "LinearSVC"]
    with fastnn.patched("MLPClassifier"):
        with fastnn.patched():
            assert swapped() == NAMES
        assert swapped() == ["BernoulliRBM", "LinearSVC", "MLPClassifier"]
        fastnn.unpatch_sklearn()
        assert swapped() == ["BernoulliRBM", "MLPClassifier"]
        fastnn.patch_sklearn("LinearSVC")
    assert swapped() == ["BernoulliRBM", "LinearSVC"]
    assert fastnn.unpatch_sklearn() == ["LinearSVC"]
    assert fastnn.unpatch_sklearn() == ["BernoulliRBM"]


def test_blocks_that_end_in_another_order():
    first, second = fastnn.patched("BernoulliRBM"), fastnn.patched(["BernoulliRBM", "LinearSVC"])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert swapped() == ["BernoulliRBM", "LinearSVC"]
    second.__exit__(None, None, None)


def test_an_exception_ends_the_block():
    with pytest.raises(KeyError), fastnn.patched():
        raise KeyError


@pytest.mark.parametrize("names", ["SVC", ["LinearSVC", "SVC"], [3]])
def test_unknown_names(names):
    with pytest.raises(ValueError, match=r"no drop-in for .*; it has .*BernoulliRBM"):
        fastnn.patch_sklearn(names)
    with pytest.raises(ValueError, match="no drop-in"), fastnn.patched(names):
        pass


def test_a_failure_leaves_nothing_patched(monkeypatch):
    """Whichever of the swaps fails."""
    modules = {}

    class Stubborn:
        def __init__(self, module):
            vars(self).update(vars(module))

        def __setattr__(self, name, value):
            if name == "MLPRegressor" and value is not ORIGINALS[name]:
                raise MemoryError
            vars(self)[name] = value

    real = door.import_module
    monkeypatch.setattr(
        door,
        "import_module",
        lambda name: (
            modules.setdefault(name, Stubborn(real(name))) if name.startswith("sklearn") else real(name)
        ),
    )
    with pytest.raises(MemoryError):
        fastnn.patch_sklearn()
    for name, (where, _) in door._TABLE.items():
        if where in modules:
            assert getattr(modules[where], name) is ORIGINALS[name]
    assert fastnn.unpatch_sklearn() == []


def test_a_failed_import_leaves_nothing_patched(monkeypatch):
    monkeypatch.setitem(door._TABLE, "LinearSVC", ("sklearn.svm", "fastnn.nowhere"))
    with pytest.raises(ModuleNotFoundError):
        fastnn.patch_sklearn()
    assert swapped() == []


def test_an_estimator_that_fastnn_lacks_is_not_in_the_table(monkeypatch):
    monkeypatch.setitem(door._TABLE, "Ridge", ("sklearn.linear_model", "fastnn.linear"))
    with fastnn.patched() as names:
        assert "Ridge" not in names
        assert sklearn.linear_model.Ridge.__module__.startswith("sklearn.")


def test_many_threads():
    def work():
        for _ in range(50):
            with fastnn.patched(NAMES):
                assert swapped() == NAMES

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@EACH
def test_models_survive_the_door(name, tmp_path):
    """Cloned, pickled while patched and loaded without, and the other way round."""
    before = ORIGINALS[name]()
    with fastnn.patched():
        model = getattr(TABLE[name], name)()
        assert type(clone(model)) is type(model)
        assert isinstance(model, getattr(TABLE[name], name))
        kept, theirs = pickle.dumps(model), pickle.dumps(before)
        assert type(pickle.loads(theirs)) is ORIGINALS[name]
    assert type(pickle.loads(kept)) is type(model)
    assert type(pickle.loads(theirs)) is ORIGINALS[name]
    done = subprocess.run(
        [sys.executable, "-c", "import sys, pickle; print(type(pickle.loads(sys.stdin.buffer.read())))"],
        input=kept,
        capture_output=True,
        timeout=120,
    )
    assert f"{type(model).__module__}.{name}" in done.stdout.decode()


@EACH
def test_signatures_are_scikit_learns(name):
    import inspect

    with fastnn.patched(NAMES):
        own = inspect.signature(getattr(TABLE[name], name).__init__).parameters
    other = inspect.signature(ORIGINALS[name].__init__).parameters
    assert list(own)[: len(other)] == list(other)
    assert all(own[p].default == other[p].default and own[p].kind == other[p].kind for p in other)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_what_is_not_served_is_scikit_learns_and_said(as_sparse, dtype, caplog):
    """One against the rest, LinearSVC's default, to the last bit and on one line of the log."""
    rows = csr_array(X.astype(dtype)) if as_sparse else X.astype(dtype)
    weight = np.random.default_rng(0).random(len(Y))
    with fastnn.patched(), caplog.at_level(logging.INFO, logger="fastnn"):
        model = sklearn.svm.LinearSVC(random_state=0, C=0.1).fit(rows, Y, weight)
        said = [record.getMessage() for record in caplog.records]
        assert said == [
            "LinearSVC: multi_class='ovr' is not served by fastnn; scikit-learn's own LinearSVC does it"
        ]
        assert isinstance(model, ORIGINALS["LinearSVC"])
    expected = ORIGINALS["LinearSVC"](random_state=0, C=0.1).fit(rows, Y, weight)
    assert set(vars(model)) == set(vars(expected))
    for name in ("coef_", "intercept_", "classes_", "n_iter_"):
        assert_array_equal(getattr(model, name), getattr(expected, name), strict=True)


def test_the_crammer_singer_machine_of_a_patched_program_has_the_same_optimum(caplog):
    with fastnn.patched(), caplog.at_level(logging.INFO, logger="fastnn"):
        model = sklearn.svm.LinearSVC(multi_class="crammer_singer", C=0.1, tol=1e-8).fit(X, Y)
    assert not caplog.records
    theirs = ORIGINALS["LinearSVC"](multi_class="crammer_singer", C=0.1, tol=1e-8, max_iter=100_000)
    expected = theirs.fit(X, Y)
    assert_allclose(model.coef_, expected.coef_, atol=1e-4)
    assert_allclose(model.intercept_, expected.intercept_, atol=1e-4)
    assert_array_equal(model.predict(X), expected.predict(X))


# --- fastnn run -----------------------------------------------------------------------------------

SCRIPTS = {
    "rbm": """
        from sklearn.datasets import load_digits
        from sklearn.linear_model import LogisticRegression
        from sklearn.neural_network import BernoulliRBM
        from sklearn.pipeline import make_pipeline
        X, y = load_digits(return_X_y=True)
        model = make_pipeline(BernoulliRBM(64, learning_rate=0.06, n_iter=15, random_state=0),
                              LogisticRegression(C=100, max_iter=2000))
        found = model.fit(X[:1200] / 16, y[:1200]).predict(X[1200:] / 16)
        step = model[0]
    """,
    "mlp": """
        from sklearn.datasets import load_digits
        from sklearn.neural_network import MLPClassifier
        X, y = load_digits(return_X_y=True)
        step = MLPClassifier((60,), batch_size=16, max_iter=30, random_state=0)
        found = step.fit(X[:1200] / 16, y[:1200]).predict(X[1200:] / 16)
    """,
    "logistic": """
        from sklearn.datasets import make_classification
        from sklearn.linear_model import LogisticRegression
        X, y = make_classification(20_000, 50, n_informative=20, n_classes=5, random_state=0)
        step = LogisticRegression(max_iter=500)
        found = step.fit(X, y).predict(X[:1000])
    """,
}
# Share of predictions that agree: the same numbers for two, another random stream for the first.
AGREEMENT = {"rbm": 0.85, "mlp": 1.0, "logistic": 1.0}
TIMED = """
import time, warnings
warnings.simplefilter("ignore")
import sklearn.linear_model, sklearn.neural_network, sklearn.svm
began = time.process_time()
{script}
print(type(step).__module__.partition(".")[0], time.process_time() - began, *found)
"""


def run(*command, code=0, **more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=300, env=environment, **more
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize("name", SCRIPTS)
def test_users_scripts_predict_the_same_and_sooner(name, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(TIMED.format(script=textwrap.dedent(SCRIPTS[name])))
    results = {}
    for command in ([path], ["-m", "fastnn", "run", path]):
        module, seconds, *labels = run(*map(str, command)).stdout.split()
        results[module] = float(seconds), np.array(labels, int)
    assert set(results) == {"sklearn", "fastnn"}
    assert (results["sklearn"][1] == results["fastnn"][1]).mean() >= AGREEMENT[name]
    ratio = results["sklearn"][0] / results["fastnn"][0]
    print(f"{name}: {ratio:.1f} times sooner")
    # Seconds of this process's CPU, on one thread.
    assert ratio > 1.2


ECHO = """
import sys, os, __main__
assert __name__ == "__main__" and __main__.__file__ == os.path.abspath(__file__)
import neighbour
from sklearn.linear_model import LogisticRegression
print(LogisticRegression.__module__, os.path.basename(sys.argv[0]), *sys.argv[1:])
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "neighbour.py").write_text("")
    (tmp_path / "echo.py").write_text(ECHO)
    return tmp_path


def test_arguments_and_the_module_main(folder):
    told = run("-m", "fastnn", "run", str(folder / "echo.py"), "-m", "--show", "x y", cwd="/")
    assert told.stdout.strip() == "fastnn.linear.logistic echo.py -m --show x y"
    assert told.stderr == ""
    told = run("-m", "fastnn", "run", "--show", "-m", "echo", "--help", cwd=folder)
    assert told.stdout.strip() == "fastnn.linear.logistic echo.py --help"
    assert "BernoulliRBM" in told.stderr


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("raise SystemExit", 0, ""),
        ("raise SystemExit(7)", 7, ""),
        ("import sys; sys.exit('that is all')", 1, "that is all"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("nonsense here", 1, "SyntaxError"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
    ],
)
def test_how_the_script_ends(script, code, said, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(script)
    assert said in run("-m", "fastnn", "run", str(path), code=code).stderr


def test_objects_of_main_can_be_pickled(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))\n")
    assert "__main__.A" in run("-m", "fastnn", "run", str(path)).stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([], "is missing"),
        (["-m"], "is missing"),
        (["--fast", "x.py"], "unknown option --fast"),
        (["absent.py"], "can't open file 'absent.py'"),
    ],
)
def test_wrong_commands(command, said):
    told = run("-m", "fastnn", "run", *command, code=2)
    assert said in told.stderr
    assert told.stdout == ""


def test_help():
    assert "usage: fastnn run" in run("-m", "fastnn", "run", "--help").stdout
    assert "run a script with scikit-learn patched" in run("-m", "fastnn", "--help").stdout


def test_interruption_reaches_the_script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(
        "import time\nprint('ready', flush=True)\n"
        "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('mine')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "fastnn", "run", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0].strip() == "mine"
    assert process.returncode == 0
