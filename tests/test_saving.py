"""Models saved and loaded: nothing changes, nothing is lost, and no other file passes for one."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.callback import ProgressBar
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import fastnn
from fastnn import (
    RBM,
    BayesianLinearRegression,
    BoltzmannMachine,
    HopfieldNetwork,
    IsingModel,
    MLPClassifier,
    MLPRegressor,
)
from fastnn._saving import Savable

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
OLD = Path(__file__).parent / "saved"  # files of earlier versions of the format
RNG = np.random.default_rng(0)
X = (RNG.random((60, 12)) < 0.4).astype(np.float64)
NAMES = np.array(["ant", "bee", "cow"])[RNG.integers(3, size=60)]
RING = np.ones((3, 3)) - np.eye(3)
# Public classes that are no models: results, which belong to the caller, and errors.
NO_MODELS = {"Samples", "DivergenceError", "LikelihoodWarning", "SavedFileError"}
QUICK = {"n_iter": 2, "max_iter": 5, "random_state": 0, "n_components": 4, "hidden_layer_sizes": (5,)}
# Those that need data of another kind than rows of 0 and 1, classes or real targets.
EXAMPLES = {
    "HopfieldNetwork": lambda: HopfieldNetwork("storkey").fit(2 * X - 1),
    "IsingModel": lambda: IsingModel(sparse.csr_array(RING), labels=["a", ("b", 2), 3]),
    "Gaussian": lambda: fastnn.Gaussian(sigma=np.array([0.5, 2.0])),
    "Potts": lambda: fastnn.Potts((3, 1, 4)),
}


def models():
    """Every public class that is a model."""
    public = {name: getattr(fastnn, name) for name in fastnn.__all__}
    return {name: kind for name, kind in public.items() if isinstance(kind, type) and name not in NO_MODELS}


def example(name):
    """A fitted model of the class."""
    if name in EXAMPLES:
        return EXAMPLES[name]()
    model = models()[name]()
    model.set_params(**{k: v for k, v in QUICK.items() if k in model.get_params()})
    targets = NAMES if is_classifier(model) else X @ np.arange(12) if is_regressor(model) else None
    return model.fit(X, targets)


def assert_same(found, expected, where=""):
    """Equal to the last bit and of the same types, all the way down."""
    assert type(found) is type(expected), where
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype, where
        assert found.flags.writeable == expected.flags.writeable, where
        assert_array_equal(found, expected, err_msg=where, strict=True)
    elif sparse.issparse(expected):
        assert_same(found.data, expected.data, where)
        assert (found != expected).nnz == 0, where
    elif isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where}[{key!r}]")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for k, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_same(a, b, f"{where}[{k}]")
    elif isinstance(expected, np.random.RandomState):
        assert_same(found.get_state(), expected.get_state(), where)
    elif isinstance(expected, BaseEstimator) or type(expected).__module__.startswith("fastnn."):
        assert_same(state_of(found), state_of(expected), where)
    else:
        assert found == expected or (found != found and expected != expected), where


def state_of(model):
    callbacks = ("_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx")
    return {name: value for name, value in (model.__getstate__() or {}).items() if name not in callbacks}


def saved(model, folder):
    path = folder / "model.fastnn"
    model.save(path)
    return fastnn.load(path)


# --- nothing changes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", models())
def test_every_public_model_can_be_saved(name, tmp_path):
    model = example(name)
    assert isinstance(model, Savable), f"{name} must inherit from fastnn._saving.Savable"
    again = saved(model, tmp_path)
    assert_same(again, model)
    for method in ("predict", "transform", "score_samples"):
        if hasattr(model, method):
            rows = 2 * X - 1 if name == "HopfieldNetwork" else X
            assert_same(getattr(again, method)(rows), getattr(model, method)(rows))


@pytest.mark.parametrize("name", [name for name, kind in models().items() if issubclass(kind, BaseEstimator)])
def test_unfitted_models_can_be_saved(name, tmp_path):
    model = models()[name]()
    again = saved(model, tmp_path)
    assert again.get_params() == model.get_params()
    assert_same(again, model)


def test_values_of_all_kinds(tmp_path):
    """Parameters are not checked before `fit`: any may hold anything."""
    kinds = {
        "special": [float("nan"), float("inf"), -0.0, 5e-324, 0.1, 2**70, True, None, "é\ud800\0"],
        "keys": {0: "a", (1, "b"): [2], None: {}, 0.5: ()},
        "numpy": [np.float32(0.1), np.int64(-3), np.bool_(True), np.str_("ab"), np.complex64(1j)],
        "dtype": [np.dtype(np.float32), np.dtype(">i8")],
        "empty": [np.empty((0, 3)), np.array(3.5), [], (), {}],
        "order": [np.arange(6.0).reshape(2, 3).T, np.arange(12.0).reshape(3, 4)[:, ::2]],
        "foreign": [
            np.arange(3, dtype=">u2"),
            np.array(["a", "bcd"]),
            np.array([b"x"]),
            np.ones(2, np.float16),
        ],
        "objects": np.array([["a", None], [1, 2.5]], dtype=object),
        "sparse": [sparse.csr_array(np.eye(3, dtype=np.float32)), sparse.csc_matrix(np.eye(2))],
        "random": np.random.RandomState(5),
        "model": HopfieldNetwork(beta=3.0),
    }
    again = saved(RBM(random_state=kinds), tmp_path).random_state
    assert_same(again, kinds)
    assert again["order"][0].flags.f_contiguous
    assert np.signbit(again["special"][2])


def test_labels_names_and_weights_of_classes(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"pixel {k}" for k in range(12)])
    weights = {"ant": 2.0, "bee": 1.0, "cow": 0.5}
    model = MLPClassifier(4, max_iter=3, class_weight=weights, random_state=0)
    model.fit(frame, NAMES.astype(object))
    again = saved(model, tmp_path)
    assert_same(again, model)
    assert again.feature_names_in_.dtype == object
    assert_array_equal(again.predict(frame), model.predict(frame))


def test_sparse_and_dense_ising_models(tmp_path):
    dense = IsingModel(RING, [1, 2, 3], "BINARY", offset=0.5)
    for model in (dense, example("IsingModel")):
        assert model.rows.nnz  # made on demand, not saved
        again = saved(model, tmp_path)
        assert_same(again, model)
        assert_array_equal(again.energy(np.ones((1, 3))), model.energy(np.ones((1, 3))))


def test_estimators_of_scikit_learn_as_parameters(tmp_path):
    basis = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False))
    model = BayesianLinearRegression(phi=basis).fit(X[:, :3], X[:, 5])
    again = saved(model, tmp_path)
    assert_same(again, model)
    assert_same(again.predict(X[:, :3], return_std=True), model.predict(X[:, :3], return_std=True))


def test_callbacks_are_left_behind(tmp_path, capsys):
    model = RBM(3, n_iter=1, random_state=0)
    pytest.importorskip("rich")
    model.set_callbacks(ProgressBar()).fit(X)
    assert not hasattr(saved(model, tmp_path), "_skl_callbacks")


def test_the_same_model_makes_the_same_bytes(tmp_path):
    model = example("HopfieldNetwork")
    model.save(tmp_path / "a")
    model.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_tools_read_the_file(tmp_path):
    model = example("RBM")
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert any(
            file[name].shape == (4, 12) and (file[name] == model.components_).all()
            for name in file.files
            if name != "fastnn.json"
        )
        assert json.loads(file["fastnn.json"])["content"]["class"] == "RBM"


# --- going on ------------------------------------------------------------------------------------

GOING_ON = {
    "RBM, momentum": (RBM(5, n_iter=2, momentum=0.9, learning_rate=0.1), X, None, "components_"),
    "RBM, adam": (RBM(5, n_iter=2, optimizer="adam", momentum=0.9, l2=1e-3), X, None, "components_"),
    "RBM, cd": (RBM(5, n_iter=2, method="cd"), X, None, "components_"),
    "RBM, grey": (RBM(5, n_iter=2, binarize="sample"), X * 0.7, None, "components_"),
    "Boltzmann, exact": (BoltzmannMachine(2, n_iter=2, momentum=0.5), X[:, :6], None, "weights_"),
    "Boltzmann, pcd": (BoltzmannMachine(2, n_iter=2, method="pcd", momentum=0.5), X, None, "weights_"),
    "Boltzmann, tempered": (BoltzmannMachine(2, n_iter=2, method="tempered"), X, None, "weights_"),
    "MLP, adam": (MLPClassifier(7, max_iter=3), X, NAMES, "coefs_"),
    "MLP, momentum": (MLPRegressor(hidden_layer_sizes=7, max_iter=3, solver="sgd"), X, X[:, 0], "coefs_"),
    "MLP, falling rate": (
        MLPClassifier(7, max_iter=3, solver="sgd", learning_rate="invscaling"), X, NAMES, "coefs_",
    ),
    "MLP, dropout": (MLPClassifier(7, max_iter=3, dropout=0.3), X, NAMES, "coefs_"),
}  # fmt: skip


@pytest.mark.parametrize("how", ["warm start", "partial_fit"])
@pytest.mark.parametrize("name", GOING_ON)
def test_a_loaded_model_goes_on_as_if_it_had_not_stopped(name, how, tmp_path):
    """Bitwise: chains, velocities, moments, counters and orders are all in the file."""
    model, rows, targets, parameters = GOING_ON[name]
    model = model.set_params(random_state=3, warm_start=True)

    def train(model):
        if how == "warm start":
            return model.fit(rows, targets)
        classes = {"classes": np.unique(NAMES)} if isinstance(model, MLPClassifier) else {}
        for part in (slice(0, 37), slice(37, 60)):
            model.partial_fit(rows[part], None if targets is None else targets[part], **classes)
        return model

    first = train(pickle.loads(pickle.dumps(model)))
    again = saved(first, tmp_path)
    stood = pickle.loads(pickle.dumps(getattr(first, parameters)))
    train(first)
    train(again)
    assert_same(getattr(again, parameters), getattr(first, parameters))
    assert not np.array_equal(np.ravel(stood[0]), np.ravel(getattr(first, parameters)[0]))
    for method in ("sample", "gibbs"):
        if hasattr(first, method) and isinstance(first, RBM):
            arguments = (3, 5) if method == "sample" else (rows[:4] > 0.5, 2)
            assert_same(getattr(again, method)(*arguments), getattr(first, method)(*arguments))


def test_a_generator_goes_on_where_it_was(tmp_path):
    model = RBM(3, n_iter=1, random_state=np.random.RandomState(7)).fit(X)
    again = saved(model, tmp_path)
    assert_same(again.fit(X).components_, model.fit(X).components_)


# --- old files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(OLD.glob("*.fastnn")), ids=lambda path: path.stem)
def test_files_of_older_versions_stay_readable(path):
    """Made once by the fastnn of that version, beside what the model then answered."""
    model = fastnn.load(path)
    told = json.loads(path.with_suffix(".json").read_text())
    found = getattr(model, told["method"])(np.array(told["rows"]))
    np.testing.assert_allclose(found, told["answers"], rtol=1e-6)
    if hasattr(model, "partial_fit"):
        model.partial_fit(np.array(told["rows"]), told["targets"])


def test_there_is_a_file_of_every_version():
    assert {path.stem.split("_")[0] for path in OLD.glob("*.fastnn")} == {"v1"}


def test_parameters_that_came_later_have_their_defaults(tmp_path):
    model = RBM(3, n_iter=1, random_state=0).fit(X)
    del model.sparsity_cost
    assert saved(model, tmp_path).sparsity_cost == 0.1
    network = HopfieldNetwork().fit(2 * X - 1)
    del network.tol
    again = saved(network, tmp_path)
    assert again.tol == 1e-6
    assert callable(again.energy)
