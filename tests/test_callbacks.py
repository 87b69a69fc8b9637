"""scikit-learn's callbacks on every estimator: what they see of a fit, and that they may end it."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.pipeline import make_pipeline

import fastnn
from fastnn import (
    BayesianLinearRegression,
    BayesianRidge,
    GeneralizedLinearRegressor,
    LinearSVC,
    LogisticRegression,
    PoissonRegressor,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 6))
THREE = (X @ rng.normal(size=(6, 3)) + 0.5 * rng.normal(size=(200, 3))).argmax(axis=1)
TARGETS = {
    "two classes": (THREE > 0).astype(int),
    "three classes": THREE,
    "counts": rng.poisson(np.exp(0.3 * X @ rng.normal(size=6))),
    "numbers": X @ rng.normal(size=6) + rng.normal(size=200),
}


class Recorder:
    """Notes the tasks that it is told of, and may end the fit."""

    def __init__(self, stop_at=None):
        self.stop_at, self.begun, self.ended, self.models, self.is_set_up = stop_at, [], [], [], 0

    def setup(self, estimator, context):
        self.is_set_up += 1

    def teardown(self, estimator, context):
        self.is_set_up -= 1

    def on_fit_task_begin(self, estimator, context, *, X, y):
        assert self.is_set_up == 1
        assert X is not None
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator=None):
        assert self.is_set_up == 1
        self.ended.append(context.task_name)
        if context.task_name != "fit":
            self.models.append(fitted_estimator)
        return context.task_name != "fit" and len(self.models) == self.stop_at


ITERATIVE = {
    **{
        f"LogisticRegression {solver}, {kind}": (LogisticRegression(solver=solver, **more), TARGETS[kind])
        for kind in ("two classes", "three classes")
        for solver, more in {
            "lbfgs": {"tol": 1e-6},
            "newton-cg": {"tol": 1e-6},
            "newton-cholesky": {"tol": 1e-6},
            "proximal-newton": {"l1_ratio": 0.5, "tol": 1e-6},
            "sgd": {"random_state": 0, "tol": 1e-3},
        }.items()
    },
    "PoissonRegressor lbfgs": (PoissonRegressor(tol=1e-6), TARGETS["counts"]),
    "PoissonRegressor newton": (PoissonRegressor(solver="newton-cholesky", tol=1e-6), TARGETS["counts"]),
    **{
        f"GeneralizedLinearRegressor {solver}": (
            GeneralizedLinearRegressor("poisson", solver=solver, alpha=0.1, l1_ratio=share, tol=1e-6),
            TARGETS["counts"],
        )
        for solver, share in {"lbfgs": 0, "newton-cholesky": 0, "proximal-newton": 0.5}.items()
    },
    "GeneralizedLinearRegressor multinomial": (GeneralizedLinearRegressor("multinomial"), THREE),
    "BayesianRidge": (BayesianRidge(tol=1e-9), TARGETS["numbers"]),
    "BayesianLinearRegression": (BayesianLinearRegression(), TARGETS["numbers"]),
    "LinearSVC": (LinearSVC(multi_class="crammer_singer"), THREE),
    "LinearSVC of two": (LinearSVC(multi_class="crammer_singer"), TARGETS["two classes"]),
}


def scores(model):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    return model.decision_function(X) if is_classifier(model) else model.predict(X)


@pytest.mark.parametrize("name", ITERATIVE)
def test_each_iteration_is_told_with_a_model_that_predicts(name):
    model, y = clone(ITERATIVE[name][0]), ITERATIVE[name][1]
    plain = clone(model).fit(X, y)
    seen = Recorder()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_callbacks(seen).fit(X, y)
    n_iter = int(np.max(model.n_iter_))
    assert seen.begun == ["fit", *["iteration"] * n_iter]
    assert seen.ended == ["iteration"] * n_iter + ["fit"]
    assert_array_equal(scores(model), scores(plain))
    assert_allclose(scores(seen.models[-1]), scores(model), atol=1e-5)
    assert seen.is_set_up == 0


@pytest.mark.parametrize("name", ITERATIVE)
def test_a_callback_ends_the_fit_where_it_stands(name):
    model, y = clone(ITERATIVE[name][0]), ITERATIVE[name][1]
    seen = Recorder(stop_at=2)
    with warnings.catch_warnings():
        if "SVC" in name:  # the gap that is left is worth a warning
            warnings.simplefilter("ignore")
        else:
            warnings.simplefilter("error")
        model.set_callbacks(seen).fit(X, y)
    assert int(np.max(model.n_iter_)) == 2
    assert seen.ended == ["iteration", "iteration", "fit"]
    assert_allclose(scores(seen.models[-1]), scores(model), rtol=1e-9, atol=1e-12)
    model.set_callbacks().fit(X, y)
    assert len(seen.ended) == 3


def test_fits_left_to_scikit_learn_begin_and_end():
    twins = np.column_stack([X, X[:, 0] + 1e-6 * X[:, 1] ** 2])
    for model, rows, y in [
        (LinearSVC(), X, THREE),
        (BayesianRidge(lambda_init=1e-30), twins, TARGETS["numbers"]),
    ]:
        seen = Recorder()
        model.set_callbacks(seen).fit(rows, y)
        assert seen.begun == seen.ended == ["fit"]
        assert seen.is_set_up == 0
        assert hasattr(model, "coef_")
    with pytest.warns(UserWarning, match="Callbacks are only supported"):
        LogisticRegression(solver="saga").set_callbacks(Recorder())


def test_the_classifier_hands_them_to_its_machine(capsys):
    pytest.importorskip("rich")
    plain = fastnn.RBMClassifier(fastnn.RBM(4, n_iter=3, random_state=0))
    model, seen = clone(plain), Recorder()
    model.set_callbacks(seen, ProgressBar()).fit(X > 0, THREE)
    assert seen.ended == ["machine", "fit"]
    assert "RBMClassifier - machine" in (out := capsys.readouterr().out)
    assert "RBM - fit" in out
    assert_array_equal(model.predict_proba(X > 0), plain.fit(X > 0, THREE).predict_proba(X > 0))
    assert not hasattr(model.rbm_, "_skl_callbacks")


ALL = {
    name: kind
    for name, kind in ((n, getattr(fastnn, n)) for n in fastnn.__all__)
    if isinstance(kind, type) and hasattr(kind, "fit")
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_estimator_shows_its_progress_alone_and_in_a_pipeline(name, capsys):
    pytest.importorskip("rich")
    model = ALL[name]()
    quick = {"n_iter": 2, "max_iter": 5, "n_components": 4, "hidden_layer_sizes": 4}
    model.set_params(**{key: value for key, value in quick.items() if key in model.get_params()})
    if name == "DBN":
        model.set_params(rbm=fastnn.RBM(n_iter=2))
    if name == "RBMClassifier":
        model.set_params(rbm=fastnn.RBM(4, n_iter=2))
    rows = np.where(X > 0, 1, -1) if name == "HopfieldNetwork" else X > 0
    y = THREE if is_classifier(model) else TARGETS["counts"] if is_regressor(model) else None
    clone(model).set_callbacks(ProgressBar()).fit(rows, y)
    assert name in capsys.readouterr().out
    pipeline = make_pipeline("passthrough", model).set_callbacks(ProgressBar())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*does not support callbacks.*")
        pipeline.fit(rows, y)
    assert name in capsys.readouterr().out


def test_scikit_learns_monitor_scores_each_iteration():
    monitor = ScoringMonitor(scoring="accuracy")
    model = LogisticRegression(solver="newton-cg").set_callbacks(monitor).fit(X, THREE)
    found = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "iteration"]
    assert len(found) == model.n_iter_[0]
    assert found[-1] == model.score(X, THREE) > 0.8
