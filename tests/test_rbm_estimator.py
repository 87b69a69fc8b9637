"""RBM and BernoulliRBM as scikit-learn estimators: its checks, tools, callbacks and numbers."""

import copy
import inspect
import pickle
from unittest import mock

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM as SklearnBernoulliRBM
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils._test_common.instance_generator import (
    INIT_PARAMS,
    PER_ESTIMATOR_CHECK_PARAMS,
    PER_ESTIMATOR_XFAIL_CHECKS,
    _get_check_estimator_ids,
)
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastnn import RBM, BernoulliRBM, RBMClassifier
from fastnn.energy import _model, classifier, rbm

BOTH = pytest.mark.parametrize("Model", [RBM, BernoulliRBM])
PARAMETERS = ("components_", "intercept_visible_", "intercept_hidden_")


def bars(n_rows=90, n_features=16, dtype=np.float64, seed=0):
    """Rows of 0 and 1 of which some are lit together, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    lit = rng.random((n_rows, n_features // 4)) < 0.4
    noise = rng.random((n_rows, n_features)) < 0.05
    return (np.repeat(lit, 4, axis=1) ^ noise).astype(dtype)


def make(Model, **params):
    defaults = {"n_components": 6, "n_iter": 3, "batch_size": 10, "n_threads": 1, "random_state": 0}
    return Model(**{**defaults, **params})


def steady(Model):
    """Parameters of fits whose first epochs do not depend on how many follow."""
    return {"learning_rate_schedule": "constant"} if Model is RBM else {}


def assert_same_model(one, two):
    for name in PARAMETERS:
        assert_array_equal(getattr(one, name), getattr(two, name), strict=True)


# --- scikit-learn's own checks -------------------------------------------------------------------


def checks(estimator, params, exceptions):
    """scikit-learn's checks of an estimator, with what scikit-learn grants its own BernoulliRBM."""
    with mock.patch.dict(PER_ESTIMATOR_CHECK_PARAMS, {type(estimator): params}):
        return list(estimator_checks_generator(estimator, expected_failed_checks=exceptions, mark="xfail"))


@pytest.mark.parametrize(
    ("estimator", "check"),
    checks(
        BernoulliRBM(**INIT_PARAMS[SklearnBernoulliRBM]),
        PER_ESTIMATOR_CHECK_PARAMS[SklearnBernoulliRBM],
        PER_ESTIMATOR_XFAIL_CHECKS[SklearnBernoulliRBM],
    ),
    ids=_get_check_estimator_ids,
)
@pytest.mark.filterwarnings("ignore:BernoulliRBM takes values")
def test_sklearn_checks_of_bernoulli_rbm(estimator, check):
    check(estimator)


def squashed(check_rows):
    """check_rows, then |x| / (1 + |x|), which lies in [0, 1) and keeps the zeros of sparse X."""

    def gate(*args, **kwargs):
        X = check_rows(*args, **kwargs)
        if X.dtype.kind != "f":
            return X
        X = X.copy()
        values = X.data if sp.issparse(X) else X
        finite = np.isfinite(values)  # the rest is for RBM to refuse
        values[finite] = abs(values[finite]) / (1 + abs(values[finite]))
        return X

    return gate


@pytest.mark.parametrize(
    ("estimator", "check"),
    checks(
        RBM(**INIT_PARAMS[SklearnBernoulliRBM]),
        PER_ESTIMATOR_CHECK_PARAMS[SklearnBernoulliRBM],
        {},
    ),
    ids=_get_check_estimator_ids,
)
def test_sklearn_checks_of_rbm_on_scaled_inputs(estimator, check, monkeypatch):
    """The checks' data lie outside [0, 1], which RBM refuses. So rows are scaled at the one gate
    that all of them pass, after RBM's own validation: what is checked is RBM, not a wrapper."""
    for module in (_model, rbm):
        monkeypatch.setattr(module, "check_rows", squashed(module.check_rows))
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    checks(
        RBM(visible="gaussian", **INIT_PARAMS[SklearnBernoulliRBM]),
        PER_ESTIMATOR_CHECK_PARAMS[SklearnBernoulliRBM],
        {},
    ),
    ids=_get_check_estimator_ids,
)
def test_sklearn_checks_of_rbm_of_real_numbers(estimator, check):
    """Gaussian units take the checks' data as they are."""
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    list(
        estimator_checks_generator(
            RBMClassifier(RBM(16, n_iter=40, method="cd", learning_rate=0.5, binarize="sample"))
        )
    ),
    ids=_get_check_estimator_ids,
)
def test_sklearn_checks_of_the_classifier_on_scaled_inputs(estimator, check, monkeypatch):
    """Likewise: rows are scaled where they have passed the classifier's own validation."""
    real = classifier.validate_data

    def gate(*args, **kwargs):
        found = real(*args, **kwargs)
        X, *y = found if isinstance(found, tuple) else (found,)
        if X.dtype.kind == "f" and not sp.issparse(X):
            X = expit(4 * X).astype(X.dtype)  # the sign tells the checks' classes apart
        elif sp.issparse(X):
            X = abs(X) / (1 + abs(X).max())
        return (X, *y) if y else X

    monkeypatch.setattr(classifier, "validate_data", gate)
    check(estimator)


def test_the_classifiers_own_seed_and_lines(capsys):
    X, y = bars() > 0, np.arange(len(bars())) % 2
    one, same, other = (
        RBMClassifier(RBM(4, n_iter=3), random_state=seed).fit(X, y).predict_proba(X) for seed in (0, 0, 1)
    )
    assert_array_equal(one, same)
    assert (one != other).any()
    machine = RBM(4, n_iter=3, random_state=5)
    assert_array_equal(
        RBMClassifier(machine).fit(X, y).predict_proba(X), RBMClassifier(machine).fit(X, y).predict_proba(X)
    )
    assert machine.verbose == 0
    assert capsys.readouterr().out == ""
    RBMClassifier(machine, verbose=1).fit(X, y)
    assert capsys.readouterr().out.count("\n") == 3
    RBMClassifier(clone(machine).set_params(verbose=1)).fit(X, y)
    assert capsys.readouterr().out.count("\n") == 3
    with pytest.raises(ValueError, match="'verbose' parameter of RBMClassifier"):
        RBMClassifier(verbose="loud").fit(X, y)


# --- signature -----------------------------------------------------------------------------------


def test_signature_is_that_of_sklearn_and_more_by_keyword():
    theirs = inspect.signature(SklearnBernoulliRBM).parameters
    ours = inspect.signature(BernoulliRBM).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        assert (ours[name].default, ours[name].kind) == (parameter.default, parameter.kind)
    more = list(ours)[len(theirs) :]
    assert set(more) == set(inspect.signature(RBM).parameters) - set(theirs) - {"visible", "hidden"}
    assert {ours[name].kind for name in more} == {inspect.Parameter.KEYWORD_ONLY}


def test_public_attributes_and_methods_of_sklearn_exist():
    X = bars()
    theirs = SklearnBernoulliRBM(4, n_iter=1, random_state=0).fit(X)
    ours = BernoulliRBM(4, n_iter=1, random_state=0).fit(X)
    for name in dir(theirs):
        if not name.startswith("_"):
            assert hasattr(ours, name), name
    for name in ("components_", "intercept_visible_", "intercept_hidden_", "h_samples_"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype), name
    assert set(np.unique(ours.h_samples_)) <= {0.0, 1.0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csr_matrix, sp.csc_array])
@pytest.mark.parametrize("grey", [False, True])
def test_transform_and_free_energy_equal_those_of_sklearn(dtype, container, grey):
    rng = np.random.default_rng(1)
    X = bars(50, 132, dtype)
    X = X * rng.random(X.shape).astype(dtype) if grey else X
    theirs = SklearnBernoulliRBM(70, n_iter=1, random_state=0).fit(X)
    ours = BernoulliRBM(70, n_iter=0, random_state=0).fit(X)
    for name, scale in zip(PARAMETERS, (0.3, 1, 1), strict=True):
        value = rng.normal(0, scale, getattr(theirs, name).shape).astype(dtype)
        setattr(theirs, name, value)
        setattr(ours, name, value)
    # States are summed in fixed point of 30 or 50 bits, relative to the sum of a unit's weights.
    tolerance = 5e-6 if dtype == np.float32 else 5e-13
    got = ours.transform(container(X))
    assert got.dtype == dtype
    assert_allclose(got, theirs.transform(container(X)), rtol=0, atol=tolerance)
    exact = theirs._free_energy(X.astype(np.float64))
    assert_allclose(ours.free_energy(container(X)), exact, rtol=tolerance)


def test_score_samples_is_the_stochastic_one_of_sklearn():
    X = bars(400)
    ours = BernoulliRBM(6, n_iter=5, random_state=0).fit(X)
    theirs = SklearnBernoulliRBM(6, n_iter=1, random_state=0).fit(X)
    for name in PARAMETERS:
        setattr(theirs, name, getattr(ours, name))
    for X_ in (X, sp.csr_array(X)):
        assert_allclose(ours.score_samples(X_), theirs.score_samples(X), rtol=1e-8)


def test_exact_score_is_the_mean_of_the_stochastic_one():
    X = bars(20)
    model = make(RBM).fit(X)
    stochastic = BernoulliRBM.from_parameters(
        model.components_.T, model.intercept_visible_, model.intercept_hidden_
    )
    drawn = [stochastic.set_params(random_state=s).score_samples(X) for s in range(300)]
    error = np.std(drawn, axis=0) / np.sqrt(len(drawn))
    assert (abs(np.mean(drawn, axis=0) - model.score_samples(X)) < 5 * error).all()


# --- scikit-learn's tools ------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clone_is_unfitted_and_fits_to_the_same(Model, dtype):
    X = bars(dtype=dtype)
    model = make(Model).fit(X)
    again = clone(model)
    assert not hasattr(again, "components_")
    assert again.get_params() == model.get_params()
    assert_same_model(again.fit(X), model)


def by_joblib(model, folder, **how):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib", **how)


COPIES = {
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "joblib": by_joblib,
    "joblib mapped": lambda model, folder: by_joblib(model, folder, mmap_mode="r"),
    "copy": lambda model, folder: copy.copy(model),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
}


@BOTH
@pytest.mark.parametrize("how", COPIES)
def test_copies_are_the_same_and_go_on_the_same(Model, how, tmp_path):
    X = bars(dtype=np.float32)
    model = make(Model).fit(X)
    model.gibbs(X)
    twin = COPIES[how](model, tmp_path)
    assert_same_model(model, twin)
    assert not twin.components_.flags.writeable
    assert_array_equal(model.transform(X), twin.transform(X))
    assert_array_equal(model.gibbs(X, 3), twin.gibbs(X, 3))  # the model's own stream goes along
    before = twin.components_.copy()
    assert_same_model(model.partial_fit(X), twin.partial_fit(X))
    assert (twin.components_ != before).any()


@BOTH
def test_grid_search_and_pipeline_with_logistic_regression(Model):
    X = bars(120)
    y = X[:, :4].sum(axis=1) > 2
    features = make(Model, n_components=8, learning_rate=0.3)
    pipeline = Pipeline([("rbm", features), ("logistic", LogisticRegression(C=100))])
    search = GridSearchCV(pipeline, {"rbm__n_iter": [0, 30]}, cv=3).fit(X, y)
    assert search.best_params_["rbm__n_iter"] == 30
    assert search.best_score_ > 0.9


@BOTH
def test_grid_search_by_the_models_own_score(Model):
    X = bars(120)

    def score(model, X, y=None):
        return model.score_samples(X).mean()

    search = GridSearchCV(make(Model), {"learning_rate": [1e-6, 0.1], "n_iter": [60]}, scoring=score)
    assert search.fit(X).best_params_["learning_rate"] == 0.1


@BOTH
def test_pandas_in_and_out(Model, recwarn):
    X = bars()
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(16)])
    plain, named = make(Model, verbose=0).fit(X), make(Model).fit(frame)
    assert_same_model(plain, named)
    assert_array_equal(named.feature_names_in_, frame.columns)
    names = named.get_feature_names_out()
    assert_array_equal(names, [f"{Model.__name__.lower()}{j}" for j in range(6)])
    H = named.set_output(transform="pandas").transform(frame)
    assert isinstance(H, pd.DataFrame)
    assert_array_equal(H.columns, names)
    assert_array_equal(H, plain.transform(X))
    for method in ("reconstruct", "free_energy", "score_samples"):
        assert_array_equal(getattr(named, method)(frame), getattr(plain, method)(X))
    assert_array_equal(named.gibbs(frame, random_state=0), plain.gibbs(X, random_state=0))
    start = {"v_init": frame, "random_state": 0}
    assert named.sample(len(frame), 2, **start).shape == X.shape
    named.partial_fit(frame)
    assert [str(w.message) for w in recwarn] == []
    with pytest.raises(ValueError, match="feature names should match"):
        named.transform(frame[frame.columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        named.transform(X)


@BOTH
def test_set_output_does_not_reach_into_fit(Model):
    X = bars()
    assert_same_model(make(Model).fit(X), make(Model).set_output(transform="pandas").fit(X))


def test_verbose_fit_of_a_data_frame_warns_of_nothing(recwarn, capsys):
    frame = pd.DataFrame(bars(), columns=[f"pixel{i}" for i in range(16)])
    make(BernoulliRBM, verbose=1).fit(frame)
    make(RBM, verbose=1, early_stopping=True).fit(frame)
    assert capsys.readouterr().out.count("\n") == 6
    assert [str(w.message) for w in recwarn] == []


# --- callbacks -----------------------------------------------------------------------------------


class Recorder:
    """A callback that notes what it is called with, and stops or fails when it is told to."""

    def __init__(self, stop_at=None, fail_at=None):
        self.stop_at, self.fail_at = stop_at, fail_at
        self.calls, self.models, self.rows = [], [], []

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
        self.rows.append((X, y))
        if self.fail_at == len(self.models):
            raise RuntimeError("the callback failed")
        return self.stop_at == len(self.models)


@BOTH
def test_callbacks_see_every_epoch_and_a_model_that_works(Model):
    X = bars()
    y = np.arange(len(X))
    seen = Recorder()
    model = make(Model, **steady(Model)).set_callbacks(seen).fit(X, y)
    assert seen.calls == ["setup", "epoch", "epoch", "epoch", "fit", "teardown"]
    for number, (snapshot, rows) in enumerate(zip(seen.models, seen.rows, strict=True), 1):
        expected = make(Model, n_iter=number, **steady(Model)).fit(X)
        assert_array_equal(snapshot.components_, expected.components_)
        assert_array_equal(rows[0], X)
        assert rows[1] is y
        assert snapshot.transform(X).shape == (len(X), 6)
    assert_same_model(model, make(Model, **steady(Model)).fit(X))


@BOTH
def test_a_callback_stops_training_by_returning_true(Model):
    X = bars()
    model = make(Model, n_iter=50, **steady(Model)).set_callbacks(Recorder(stop_at=2)).fit(X)
    assert model.n_iter_ == 2
    assert_same_model(model, make(Model, n_iter=2, **steady(Model)).fit(X))


@BOTH
def test_a_callbacks_error_leaves_the_model_usable(Model):
    X = bars()
    failing = Recorder(fail_at=2)
    model = make(Model, **steady(Model)).set_callbacks(failing)
    with pytest.raises(RuntimeError, match="the callback failed"):
        model.fit(X)
    assert failing.calls[-1] == "teardown"
    assert_same_model(model, make(Model, n_iter=2, **steady(Model)).fit(X))
    assert model.n_iter_ == 2
    model.transform(X)
    model.set_callbacks().fit(X)
    assert_same_model(model, make(Model, **steady(Model)).fit(X))


@BOTH
def test_scikit_learns_scoring_monitor(Model):
    X = bars()
    y = X[:, 0]

    def score(model, X, y):
        return {"energy": model.free_energy(X).mean(), "rows": len(y)}

    monitor = ScoringMonitor(scoring=score)
    params = {"early_stopping": True} if Model is RBM else {}
    make(Model, **params).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data
    scores = [entry["energy"] for entry in log if entry["task_name"] == "epoch"]
    assert len(scores) == 3
    assert len(set(scores)) == 3
    assert all(entry["rows"] == len(X) for entry in log if "rows" in entry)


@BOTH
def test_scikit_learns_progress_bar(Model, capsys):
    make(Model).set_callbacks(ProgressBar()).fit(bars())
    out = capsys.readouterr().out
    assert f"{Model.__name__} - fit" in out
    assert "100%" in out


def test_a_progress_bar_on_a_pipeline_reaches_the_rbm(capsys):
    X = bars()
    pipeline = make_pipeline(make(RBM), LogisticRegression())
    pipeline.set_callbacks(ProgressBar()).fit(X, X[:, 0])
    assert "RBM - fit" in capsys.readouterr().out
