"""MLPClassifier and MLPRegressor as scikit-learn estimators: its checks, its numbers, its callbacks."""

import inspect
import pickle
from unittest import mock

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.neural_network as theirs
from numpy.testing import assert_allclose, assert_array_equal
from processes import ctrl_c
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils._test_common.instance_generator import (
    INIT_PARAMS,
    PER_ESTIMATOR_CHECK_PARAMS,
    PER_ESTIMATOR_XFAIL_CHECKS,
    _get_check_estimator_ids,
)
from sklearn.utils.estimator_checks import estimator_checks_generator

import fastnn

NAMES = ("MLPClassifier", "MLPRegressor")
BOTH = pytest.mark.parametrize("name", NAMES)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_digits(return_X_y=True)
X = X[:400] / 16
Y = Y[:400]
TARGETS = {
    "MLPClassifier": {"ten classes": Y, "two": Y > 4, "labels": np.stack([Y > 3, Y % 2], 1).astype(int)},
    "MLPRegressor": {"one output": Y / 5, "two": np.stack([Y / 5, Y**2 / 40], 1)},
}
PARAMS = {
    "adam": {},
    "small batches, last one short": {"batch_size": 32},
    "two layers": {"hidden_layer_sizes": (30, 20)},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "no Nesterov": {"solver": "sgd", "nesterovs_momentum": False},
    "no momentum": {"solver": "sgd", "momentum": 0.0},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.05},
    "tanh": {"activation": "tanh", "alpha": 0.1},
    "logistic": {"activation": "logistic"},
    "identity": {"activation": "identity", "shuffle": False},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2},
    "large layers": {"hidden_layer_sizes": (300, 150), "batch_size": 100},
}


def ours(name):
    return getattr(fastnn, name)


def pair(name, y, **params):
    params = {"max_iter": 6, "random_state": 3, **params}
    return (Model(**params).fit(X, y) for Model in (ours(name), getattr(theirs, name)))


def checks(name):
    """scikit-learn's checks, with the parameters and exceptions that it grants its own estimator."""
    Theirs = getattr(theirs, name)
    granted = PER_ESTIMATOR_CHECK_PARAMS.get(Theirs, {})
    with mock.patch.dict(PER_ESTIMATOR_CHECK_PARAMS, {ours(name): granted}):
        model = ours(name)(**INIT_PARAMS.get(Theirs, {}))
        excused = PER_ESTIMATOR_XFAIL_CHECKS.get(Theirs)
        return list(estimator_checks_generator(model, expected_failed_checks=excused, mark="xfail"))


@pytest.mark.parametrize(
    ("estimator", "check"), [c for name in NAMES for c in checks(name)], ids=_get_check_estimator_ids
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@BOTH
def test_signature_begins_with_scikit_learns(name):
    own, other = (inspect.signature(c.__init__).parameters for c in (ours(name), getattr(theirs, name)))
    assert list(own)[: len(other)] == list(other)
    assert all(own[p].default == other[p].default and own[p].kind == other[p].kind for p in other)


@BOTH
@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_the_fit_is_scikit_learns(name, params):
    for y in TARGETS[name].values():
        model, other = pair(name, y, **params)
        assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-9)
        for part in ("coefs_", "intercepts_"):
            for own, expected in zip(getattr(model, part), getattr(other, part), strict=True):
                assert_allclose(own, expected, rtol=1e-7, atol=1e-10)
        for each in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
            assert getattr(model, each) == getattr(other, each)
        assert_allclose(model.loss_, other.loss_, rtol=1e-9)
        if params.get("early_stopping"):
            assert_allclose(model.validation_scores_, other.validation_scores_, rtol=1e-9)
            assert model.best_validation_score_ == pytest.approx(other.best_validation_score_)
        assert_allclose(model.predict(X), other.predict(X), rtol=1e-7)
        if name == "MLPClassifier":
            assert_allclose(model.predict_proba(X), other.predict_proba(X), rtol=1e-6, atol=1e-12)
            assert_allclose(model.predict_log_proba(X), other.predict_log_proba(X), rtol=1e-6, atol=1e-9)


@BOTH
def test_lbfgs_finds_scikit_learns_optimum(name):
    for y in list(TARGETS[name].values())[:1]:
        model, other = pair(name, y, solver="lbfgs", max_iter=15, hidden_layer_sizes=(20,))
        assert model.loss_ == pytest.approx(other.loss_, rel=1e-3)
        assert model.n_iter_ == other.n_iter_


def test_poisson_regression_is_scikit_learns():
    for y in TARGETS["MLPRegressor"].values():
        model, other = pair("MLPRegressor", y, loss="poisson")
        assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-9)
        assert_allclose(model.predict(X), other.predict(X), rtol=1e-6)


@BOTH
def test_sample_weights_are_scikit_learns(name):
    weights = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    y = TARGETS[name]["two"]
    params = {"max_iter": 5, "random_state": 1}
    model = ours(name)(**params).fit(X, y, sample_weight=weights)
    other = getattr(theirs, name)(**params).fit(X, y, sample_weight=weights)
    assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-9)
    assert_allclose(model.coefs_[0], other.coefs_[0], atol=1e-10)


@BOTH
def test_partial_fit_is_scikit_learns(name):
    y = next(iter(TARGETS[name].values()))
    classes = {"classes": np.unique(y)} if name == "MLPClassifier" else {}
    found = []
    for Model in (ours(name), getattr(theirs, name)):
        model = Model(random_state=0, batch_size=50)
        for part in np.array_split(np.arange(len(X)), 3):
            model.partial_fit(X[part], y[part], **classes)
        found.append(model)
    assert_allclose(found[0].coefs_[0], found[1].coefs_[0], atol=1e-10)
    assert_allclose(found[0].loss_curve_, found[1].loss_curve_, rtol=1e-9)
    assert found[0].t_ == found[1].t_


@BOTH
def test_a_warm_start_is_scikit_learns(name):
    y = next(iter(TARGETS[name].values()))
    params = {"random_state": 0, "warm_start": True, "max_iter": 3}
    found = [Model(**params).fit(X, y).fit(X, y) for Model in (ours(name), getattr(theirs, name))]
    assert_allclose(found[0].loss_curve_, found[1].loss_curve_, rtol=1e-9)
    assert_allclose(found[0].coefs_[0], found[1].coefs_[0], atol=1e-10)


def test_several_labels_by_partial_fit_without_naming_the_classes():
    y = TARGETS["MLPClassifier"]["labels"]
    model = fastnn.MLPClassifier(random_state=0)
    other = theirs.MLPClassifier(random_state=0)
    for _ in range(4):
        model.partial_fit(X, y)
        other.partial_fit(X, y, classes=[0, 1])
    assert_allclose(model.predict_proba(X), other.predict_proba(X), rtol=1e-6)


@BOTH
@pytest.mark.parametrize("params", [{}, {"hidden_layer_sizes": (300, 150)}, {"dropout": 0.3}], ids=str)
def test_threads_do_not_show(name, params):
    y = next(iter(TARGETS[name].values()))
    for dtype in (np.float32, np.float64):
        rows = X.astype(dtype)
        params = {"max_iter": 2, "random_state": 0, **params}
        models = [ours(name)(n_threads=n, **params).fit(rows, y) for n in (1, 2, 3, 8)]
        for other in models[1:]:
            for a, b in zip(
                models[0].coefs_ + models[0].intercepts_, other.coefs_ + other.intercepts_, strict=True
            ):
                assert_array_equal(a, b)
            assert models[0].loss_curve_ == other.loss_curve_


@BOTH
def test_float32_stays_float32_and_is_close(name):
    y = next(iter(TARGETS[name].values()))
    params = {"max_iter": 5, "random_state": 0}
    single, double = (ours(name)(**params).fit(X.astype(t), y) for t in (np.float32, np.float64))
    assert {a.dtype for a in single.coefs_ + single.intercepts_} == {np.dtype(np.float32)}
    assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-5)
    assert_allclose(single.coefs_[0], double.coefs_[0], atol=1e-4)


@BOTH
def test_sparse_rows_give_the_dense_model(name):
    y = next(iter(TARGETS[name].values()))
    params = {"max_iter": 3, "random_state": 0}
    dense = ours(name)(**params).fit(X, y)
    for kind in (sp.csr_matrix, sp.csc_matrix, sp.csr_array):
        model = ours(name)(**params).fit(kind(X), y)
        assert_array_equal(model.coefs_[0], dense.coefs_[0])
        assert_array_equal(model.predict(kind(X)), dense.predict(X))


# --- beyond scikit-learn -------------------------------------------------------------------------


def test_class_weights_are_sample_weights():
    weight = {k: 1.0 + k for k in range(10)}
    params = {"max_iter": 4, "random_state": 0}
    one = fastnn.MLPClassifier(class_weight=weight, **params).fit(X, Y)
    other = fastnn.MLPClassifier(**params).fit(X, Y, sample_weight=1.0 + Y)
    assert_array_equal(one.coefs_[0], other.coefs_[0])
    balanced = fastnn.MLPClassifier(class_weight="balanced", max_iter=60, random_state=0)
    rare = np.flatnonzero((Y != 3) | (np.arange(len(Y)) < 60))
    recall = balanced.fit(X[rare], Y[rare] == 3).predict(X[Y == 3]).mean()
    plain = clone(balanced).set_params(class_weight=None).fit(X[rare], Y[rare] == 3).predict(X[Y == 3]).mean()
    assert recall > plain


@BOTH
def test_a_given_validation_set_is_followed(name):
    y = next(iter(TARGETS[name].values()))
    model = ours(name)(max_iter=8, random_state=0)
    model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    alone = ours(name)(max_iter=8, random_state=0).fit(X[:300], y[:300])
    assert_array_equal(model.coefs_[0], alone.coefs_[0])  # looking does not disturb
    assert len(model.validation_loss_curve_) == 8
    if name == "MLPClassifier":
        p = model.predict_proba(X[300:])[np.arange(100), y[300:]]
        assert model.validation_loss_curve_[-1] == pytest.approx(-np.log(p).mean())
    else:
        half = ((model.predict(X[300:]) - y[300:]) ** 2).mean() / 2
        assert model.validation_loss_curve_[-1] == pytest.approx(half)


@pytest.mark.parametrize("scoring", ["loss", "neg_log_loss", "balanced_accuracy", None])
def test_any_scorer_stops(scoring):
    model = fastnn.MLPClassifier(
        early_stopping=True, scoring=scoring, max_iter=300, n_iter_no_change=3, random_state=0, tol=1e-3
    )
    model.fit(X[:300], Y[:300], X_val=X[300:], y_val=Y[300:])
    assert model.n_iter_ < 300
    assert model.best_validation_score_ == max(model.validation_scores_)
    best = int(np.argmax(model.validation_scores_))
    again = fastnn.MLPClassifier(max_iter=best + 1, random_state=0).fit(X[:300], Y[:300])
    assert_array_equal(model.coefs_[0], again.coefs_[0])  # the best epoch's parameters are kept


@pytest.mark.parametrize("loss", ["bernoulli", "squared_error", "hinge", "crammer_singer"])
@pytest.mark.parametrize("kind", ["ten classes", "two"])
def test_other_losses_learn_the_digits(loss, kind):
    """A hundred hidden units can learn 400 digits by heart, whatever the loss."""
    y = TARGETS["MLPClassifier"][kind]
    model = fastnn.MLPClassifier(loss=loss, solver="lbfgs", max_iter=400, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.99
    has = loss == "bernoulli"
    assert hasattr(model, "predict_proba") == has
    if has:
        p = model.predict_proba(X)
        assert_allclose(p.sum(axis=1), 1)
        assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))


def test_dropout_silences_its_share_and_keeps_the_mean():
    """A linear net's expected output does not change; masks differ by step, row, unit and layer."""
    params = {"activation": "identity", "hidden_layer_sizes": (400,), "random_state": 0, "max_iter": 30}
    plain = fastnn.MLPRegressor(**params).fit(X, Y / 5)
    dropped = fastnn.MLPRegressor(dropout=0.5, **params).fit(X, Y / 5)
    inputs = fastnn.MLPRegressor(dropout=[0.2, 0.0], **params).fit(X, Y / 5)
    assert dropped.loss_ > plain.loss_
    assert inputs.loss_ > plain.loss_
    for model in (dropped, inputs):
        assert model.score(X, Y / 5) > 0.4


@BOTH
def test_pickle_clone_and_search(name):
    y = next(iter(TARGETS[name].values()))
    model = ours(name)(max_iter=3, random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    again.partial_fit(X, y)
    model.partial_fit(X, y)
    assert_array_equal(again.coefs_[0], model.coefs_[0])
    search = GridSearchCV(ours(name)(max_iter=3), {"alpha": [1e-4, 1e-2]}, cv=2).fit(X, y)
    assert search.best_params_["alpha"] in (1e-4, 1e-2)


@BOTH
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_rate_may_fall_linearly(name, solver):
    """Of two epochs the second goes half as far as at a constant rate."""
    y = next(iter(TARGETS[name].values()))
    params = {"max_iter": 2, "solver": solver, "momentum": 0.0, "random_state": 0, "batch_size": len(X)}
    linear, constant = (ours(name)(**params, learning_rate=rate).fit(X, y) for rate in ("linear", "constant"))
    first = ours(name)(**{**params, "max_iter": 1}).fit(X, y)
    for after, far, before in zip(linear.coefs_, constant.coefs_, first.coefs_, strict=True):
        assert np.abs(far - before).max() > 0
        assert_allclose(after - before, 0.5 * (far - before), rtol=1e-6, atol=1e-12)
    classes = {"classes": np.unique(y)} if name == "MLPClassifier" else {}
    with pytest.raises(ValueError, match="not in partial_fit"):
        ours(name)(learning_rate="linear").partial_fit(X, y, **classes)


@BOTH
@pytest.mark.parametrize("hidden", [(30,), (400, 300)], ids=str)
def test_predictions_from_rows_of_any_kind(name, hidden):
    """Many slabs of rows, by the formula; other dtypes and layouts of the same numbers give the same bits."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (5000, 64)).astype(np.int8)
    y = rows[:400, 0] + rows[:400, 1]
    for dtype in (np.float32, np.float64):
        model = ours(name)(hidden_layer_sizes=hidden, max_iter=1, random_state=0)
        model.fit(rows[:400].astype(dtype), y)
        call = model.predict_proba if name == "MLPClassifier" else model.predict
        found = call(rows.astype(dtype))
        assert found.dtype == dtype
        a = rows.astype(np.float64)
        for w, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
            a = np.maximum(a @ w + b, 0)
        z = a @ model.coefs_[-1] + model.intercepts_[-1]
        if name == "MLPClassifier":
            z = np.exp(z - z.max(axis=1, keepdims=True))
            z /= z.sum(axis=1, keepdims=True)
        assert_allclose(found.reshape(z.shape), z, atol=1e-4 if dtype == np.float32 else 1e-12)
        others = [
            *(rows.astype(kind) for kind in ("i1", "?", "u1", "f4", "f8", "i8", "f2", ">f4")),
            np.asfortranarray(rows.astype(dtype)), rows.astype(dtype)[:, ::-1][:, ::-1], rows.tolist(),
            pd.DataFrame(rows), sp.csr_array(rows.astype(dtype)),
        ]  # fmt: skip
        for other in others:
            assert_array_equal(call(other), found)
        for n_threads in (1, 3):
            assert_array_equal(getattr(model.set_params(n_threads=n_threads), call.__name__)(rows), found)


@BOTH
def test_what_is_not_finite_is_found_in_any_row(name):
    model = ours(name)(max_iter=1).fit(X.astype(np.float32), Y)
    rows = np.tile(X, (10, 1))
    for value, message in ((np.nan, "NaN"), (np.inf, "infinity"), (1e300, "too large for dtype..float32")):
        for row in (0, 2222, 3999):
            bad = rows.copy()
            bad[row, 7] = value
            with pytest.raises(ValueError, match=message):
                model.predict(bad)
            with pytest.raises(ValueError, match=message):
                model.predict(sp.csr_array(bad))
    with config_context(assume_finite=True):
        assert model.predict(np.where(rows == 0, np.inf, rows)).shape == (4000,)


def test_ctrl_c_ends_a_long_prediction():
    model = fastnn.MLPClassifier((1500, 1500), max_iter=1).fit(X[:50].astype(np.float32), Y[:50])
    with pytest.raises(KeyboardInterrupt), ctrl_c(0.3):
        model.predict_proba(np.zeros((200_000, 64), np.float32))
    assert model.predict_proba(X[:2]).shape == (2, 10)


# --- callbacks, Ctrl-C ---------------------------------------------------------------------------


class Recorder:
    def __init__(self, stop_at=None):
        self.stop_at, self.calls, self.models = stop_at, [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.calls.append(context.task_name)
        if context.task_name != "epoch":
            return False
        self.models.append(fitted_estimator)
        return self.stop_at == len(self.models)


@BOTH
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_see_every_epoch_and_may_stop(name, solver):
    y = next(iter(TARGETS[name].values()))
    seen = Recorder(stop_at=3)
    model = ours(name)(max_iter=9, random_state=0, solver=solver).set_callbacks(seen).fit(X, y)
    assert seen.calls == ["setup", "epoch", "epoch", "epoch", "fit", "teardown"]
    assert model.n_iter_ == 3
    same = ours(name)(max_iter=3, random_state=0, solver=solver).fit(X, y)
    assert_array_equal(model.coefs_[0], same.coefs_[0])


@BOTH
def test_scikit_learns_monitor_and_bar(name, capsys):
    y = next(iter(TARGETS[name].values()))
    scoring = "accuracy" if name == "MLPClassifier" else "r2"
    monitor = ScoringMonitor(scoring=scoring)
    ours(name)(max_iter=4, random_state=0).set_callbacks(monitor, ProgressBar()).fit(X, y)
    scores = [e[scoring] for e in monitor.get_logs().data if e["task_name"] == "epoch"]
    expected = [ours(name)(max_iter=n, random_state=0).fit(X, y).score(X, y) for n in range(1, 5)]
    assert_allclose(scores, expected)
    assert f"{name} - fit" in capsys.readouterr().out


@BOTH
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_warns_and_stops(name, solver):
    y = np.tile(next(iter(TARGETS[name].values())), 5)
    rows = np.tile(X, (5, 1))
    sizes = {"hidden_layer_sizes": (200, 100), "max_iter": 10_000, "max_fun": 10**6}
    model = ours(name)(tol=0, n_iter_no_change=10_000, solver=solver, **sizes)
    with pytest.warns(UserWarning, match="interrupted by user"), ctrl_c(0.5):
        model.fit(rows, y)
    assert 0 < model.n_iter_ < 10_000
    assert np.isfinite(model.predict(X)).all()


@BOTH
def test_running_out_of_epochs_warns(name):
    y = next(iter(TARGETS[name].values()))
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached") as caught:
        ours(name)(max_iter=2).fit(X, y)
    assert caught[0].filename == __file__
