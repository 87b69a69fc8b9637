"""The linear models as scikit-learn estimators: its checks, its numbers, its callbacks, its own solvers."""

import inspect
import logging
import os
import pickle
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as theirs
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils._test_common.instance_generator import (
    INIT_PARAMS,
    PER_ESTIMATOR_CHECK_PARAMS,
    PER_ESTIMATOR_XFAIL_CHECKS,
    _get_check_estimator_ids,
)
from sklearn.utils.estimator_checks import estimator_checks_generator

import fastnn

DROP_INS = ("LogisticRegression", "PoissonRegressor", "BayesianRidge")
OWN = [
    fastnn.GeneralizedLinearRegressor(),
    fastnn.GeneralizedLinearRegressor("normal", l1_ratio=0.5, alpha=0.01),
    fastnn.GeneralizedLinearRegressor("poisson", solver="lbfgs"),
    fastnn.GeneralizedLinearRegressor("gamma"),
    fastnn.BayesianLinearRegression(),
    fastnn.BayesianLinearRegression(PolynomialFeatures(2, include_bias=False), noise_variance=1.0),
    fastnn.LogisticRegression(solver="newton-cg"),
    fastnn.LogisticRegression(solver="newton-cholesky"),
    fastnn.LogisticRegression(solver="proximal-newton", l1_ratio=0.5),
]
THREADS = (1, 2, 3, 8)


def ours(name):
    return getattr(fastnn, name)


def checks(name):
    """scikit-learn's checks, with the parameters and exceptions that it grants its own estimator."""
    Theirs = getattr(theirs, name)
    granted = PER_ESTIMATOR_CHECK_PARAMS.get(Theirs, {})
    with mock.patch.dict(PER_ESTIMATOR_CHECK_PARAMS, {ours(name): granted}):
        model = ours(name)(**INIT_PARAMS.get(Theirs, {}))
        excused = PER_ESTIMATOR_XFAIL_CHECKS.get(Theirs)
        return list(estimator_checks_generator(model, expected_failed_checks=excused, mark="xfail"))


ALL_CHECKS = [c for name in DROP_INS for c in checks(name)]
ALL_CHECKS += [c for model in OWN for c in estimator_checks_generator(model)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "check"), ALL_CHECKS, ids=_get_check_estimator_ids)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", DROP_INS)
def test_parameters_begin_with_scikit_learns(name):
    own, other = (inspect.signature(c.__init__).parameters for c in (ours(name), getattr(theirs, name)))
    assert list(own)[: len(other)] == list(other)
    assert all(own[p].default == other[p].default and own[p].kind == other[p].kind for p in other)
    assert issubclass(ours(name), getattr(theirs, name))


# --- logistic regression --------------------------------------------------------------------------

RNG = np.random.default_rng(0)
N, D = 300, 12
X = RNG.normal(size=(N, D))
CLASSES = {
    K: np.array(list("abcdefghijklmnopqrstuvwxyz"))[
        (X @ RNG.normal(size=(D, K)) + RNG.gumbel(size=(N, K))).argmax(axis=1)
    ]
    for K in (2, 3, 20)
}
WEIGHTS = RNG.integers(0, 3, N).astype(float)
SMOOTH = ("lbfgs", "newton-cg", "newton-cholesky")
OPTIONS = {
    "plain": {},
    "strong": {"C": 0.01},
    "no intercept": {"fit_intercept": False},
    "no penalty": {"C": np.inf},
    "balanced": {"class_weight": "balanced"},
    "class weights": {"class_weight": {"a": 2.0, "b": 0.5}},
}


def fit_pair(name, y, rows=X, weights=None, **params):
    return [M(**params).fit(rows, y, sample_weight=weights) for M in (ours(name), getattr(theirs, name))]


@pytest.mark.parametrize("K", CLASSES)
@pytest.mark.parametrize("solver", SMOOTH)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_logistic_coefficients_are_scikit_learns(options, solver, K):
    if options.get("C") == np.inf and K == 20:
        pytest.skip("rare classes are separable: there is no optimum to agree on")
    # Below 1e-6 L-BFGS ends where the objective falls by less than 64 eps, at a step that rounding decides.
    params = {"solver": solver, "tol": 1e-6 if solver == "lbfgs" else 1e-9, "max_iter": 500, **options}
    for rows in (X, sp.csr_array(np.where(X > 0, X, 0))):
        for weights in (None, WEIGHTS):
            own, other = fit_pair("LogisticRegression", CLASSES[K], rows, weights, **params)
            assert_allclose(own.coef_, other.coef_, rtol=1e-6, atol=1e-7)
            assert_allclose(own.intercept_, other.intercept_, rtol=1e-6, atol=1e-7)
            assert_array_equal(own.classes_, other.classes_)
            assert own.coef_.shape == other.coef_.shape
            assert abs(int(own.n_iter_[0]) - int(other.n_iter_[0])) <= 1
    assert_allclose(own.predict_proba(rows), other.predict_proba(rows), rtol=1e-5, atol=1e-9)
    assert_array_equal(own.predict(rows), other.predict(rows))


@pytest.mark.parametrize("K", CLASSES)
@pytest.mark.parametrize("solver", SMOOTH)
def test_defaults_stop_where_scikit_learn_stops(solver, K):
    own, other = fit_pair("LogisticRegression", CLASSES[K], solver=solver)
    assert_array_equal(own.n_iter_, other.n_iter_)
    assert own.n_iter_.dtype == other.n_iter_.dtype
    assert_allclose(own.coef_, other.coef_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
def test_sparse_models_are_sagas(K, l1_ratio):
    y = CLASSES[K]
    own = fastnn.LogisticRegression(solver="proximal-newton", C=0.1, l1_ratio=l1_ratio, tol=1e-10).fit(X, y)
    other = theirs.LogisticRegression(
        solver="saga", C=0.1, l1_ratio=l1_ratio, tol=1e-11, max_iter=20_000, random_state=0
    ).fit(X, y)
    assert_allclose(own.coef_, other.coef_, atol=1e-6)
    assert_array_equal(own.coef_ == 0, other.coef_ == 0)
    assert (own.coef_ == 0).any()


@pytest.mark.parametrize(("params", "value"), [({"penalty": "l2"}, {}), ({"penalty": None}, {"C": np.inf})])
def test_the_deprecated_penalty_says_so_and_works(params, value):
    with pytest.warns(FutureWarning, match="'penalty' was deprecated"):
        own = fastnn.LogisticRegression(**params, tol=1e-8).fit(X, CLASSES[2])
    other = fastnn.LogisticRegression(**value, tol=1e-8).fit(X, CLASSES[2])
    assert_array_equal(own.coef_, other.coef_)


@pytest.mark.parametrize("name", ["LogisticRegression", "PoissonRegressor"])
def test_a_warm_start_goes_on(name):
    y = CLASSES[3] if name == "LogisticRegression" else RNG.poisson(np.exp(X[:, 0]))
    model = ours(name)(warm_start=True, tol=1e-8).fit(X, y)
    first = np.copy(model.coef_)
    assert np.ravel(model.fit(X, y).n_iter_)[0] <= 1
    assert_allclose(model.coef_, first, atol=1e-6)
    other = getattr(theirs, name)(warm_start=True, tol=1e-8, max_iter=3)
    own = clone(model).set_params(max_iter=3)
    with pytest.warns(ConvergenceWarning):
        pairs = [m.fit(X, y).fit(X, y).coef_ for m in (own, other)]
    assert_allclose(*pairs, rtol=1e-7, atol=1e-9)


def test_the_stochastic_rule_is_the_slides():
    """One pass over rows in the order drawn: w <- w + rate (y - h(x)) x, with the penalty's decay."""
    y, rate, C = (CLASSES[2] == "b").astype(int), 0.05, 2.0
    model = fastnn.LogisticRegression(solver="sgd", max_iter=1, learning_rate_init=rate, C=C, random_state=4)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.fit(X, y)
    order, w, b = np.arange(N), np.zeros(D), 0.0
    np.random.RandomState(4).shuffle(order)
    for i in order:
        gap = y[i] - 1 / (1 + np.exp(-(X[i] @ w + b)))
        w, b = (1 - rate / (C * N)) * w + rate * gap * X[i], b + rate * gap
    assert_allclose(model.coef_[0], w, rtol=1e-10)
    assert_allclose(model.intercept_[0], b, rtol=1e-10)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("rows", [X, sp.csr_array(X), X.astype(np.float32)], ids=("dense", "csr", "float32"))
def test_the_stochastic_rule_nears_the_optimum(K, rows):
    y = CLASSES[K]
    model = fastnn.LogisticRegression(
        solver="sgd", C=0.1, max_iter=400, tol=1e-9, learning_rate_init=2e-3, random_state=0
    ).fit(rows, y, WEIGHTS)
    best = fastnn.LogisticRegression(C=0.1, tol=1e-8).fit(X, y, WEIGHTS)
    assert_allclose(model.predict_proba(X), best.predict_proba(X), atol=0.02)


# --- regression -----------------------------------------------------------------------------------

MEAN = np.exp(0.3 * X[:, 0] - 0.2 * X[:, 1] + 0.4)
COUNTS = RNG.poisson(MEAN).astype(float)
AMOUNTS = RNG.gamma(2.0, MEAN / 2)
FAMILIES = {
    "poisson": ("poisson", {}, theirs.PoissonRegressor(), COUNTS),
    "gamma": ("gamma", {}, theirs.GammaRegressor(), AMOUNTS),
    "normal": ("normal", {}, theirs.TweedieRegressor(power=0), np.log(AMOUNTS)),
    "normal, log": ("normal", {"link": "log"}, theirs.TweedieRegressor(power=0, link="log"), AMOUNTS),
    "tweedie": ("tweedie", {"power": 1.5}, theirs.TweedieRegressor(power=1.5), COUNTS * AMOUNTS),
    "inverse Gaussian": ("tweedie", {"power": 3}, theirs.TweedieRegressor(power=3), AMOUNTS),
}


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cholesky"])
@pytest.mark.parametrize("case", FAMILIES.values(), ids=FAMILIES)
def test_generalized_models_are_scikit_learns(case, solver):
    family, more, other, y = case
    for alpha in (0.0, 0.1):
        for intercept in (True, False):
            common = {
                "alpha": alpha,
                "fit_intercept": intercept,
                "solver": solver,
                "tol": 1e-10,
                "max_iter": 500,
            }
            own = fastnn.GeneralizedLinearRegressor(family, **more, **common).fit(X, y, WEIGHTS)
            other = clone(other).set_params(**common).fit(X, y, WEIGHTS)
            assert_allclose(own.coef_, other.coef_, rtol=1e-5, atol=1e-7)
            assert own.intercept_ == pytest.approx(other.intercept_, rel=1e-6, abs=1e-7)
            assert_allclose(own.predict(X), other.predict(X), rtol=1e-6)
            assert own.score(X, y, WEIGHTS) == pytest.approx(other.score(X, y, WEIGHTS), rel=1e-7)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cholesky"])
@pytest.mark.parametrize("rows", [X, np.asfortranarray(X), sp.csr_array(X), sp.csc_array(X)], ids="CF12")
def test_poisson_is_scikit_learns(rows, solver):
    for weights in (None, WEIGHTS):
        own, other = fit_pair("PoissonRegressor", COUNTS, rows, weights, solver=solver, alpha=0.1, tol=1e-9)
        assert_allclose(own.coef_, other.coef_, rtol=1e-6, atol=1e-8)
        assert own.intercept_ == pytest.approx(other.intercept_, rel=1e-7)
        assert abs(own.n_iter_ - other.n_iter_) <= 1
    assert_allclose(own.predict(rows), other.predict(rows))


def test_the_elastic_net_is_scikit_learns():
    y = np.log(AMOUNTS)
    for l1_ratio in (1.0, 0.3):
        own = fastnn.GeneralizedLinearRegressor(alpha=0.05, l1_ratio=l1_ratio, tol=1e-10).fit(X, y)
        other = theirs.ElasticNet(alpha=0.05, l1_ratio=l1_ratio, tol=1e-14, max_iter=100_000).fit(X, y)
        assert_allclose(own.coef_, other.coef_, atol=1e-8)
        assert_array_equal(own.coef_ == 0, other.coef_ == 0)


def test_bernoulli_and_multinomial_are_logistic_regression():
    for K, family in ((2, "bernoulli"), (3, "multinomial")):
        y = CLASSES[K]
        other = fastnn.LogisticRegression(C=1 / (0.1 * N), tol=1e-9).fit(X, y)
        own = fastnn.GeneralizedLinearRegressor(family, alpha=0.1, tol=1e-9)
        own.fit(X, (y == "b").astype(float) if K == 2 else y)
        p = other.predict_proba(X)
        assert_allclose(own.predict(X), p[:, 1] if K == 2 else p, atol=1e-6)


def test_an_exposure_is_a_weighted_rate():
    """Poisson counts over exposures have the optimum of rates weighted by them."""
    exposure = RNG.uniform(0.5, 30, N)
    y = RNG.poisson(MEAN * exposure)
    other = theirs.PoissonRegressor(alpha=0, tol=1e-10).fit(X, y / exposure, sample_weight=exposure)
    for model in (
        fastnn.GeneralizedLinearRegressor("poisson", alpha=0, tol=1e-10),
        fastnn.PoissonRegressor(alpha=0, tol=1e-10),
    ):
        model.fit(X, y, exposure=exposure)
        assert_allclose(model.coef_, other.coef_, atol=1e-7)
        assert_allclose(model.predict(X, exposure=exposure), other.predict(X) * exposure, rtol=1e-6)
        assert_allclose(model.predict(X, offset=np.log(exposure)), model.predict(X, exposure=exposure))
        again = clone(model).fit(X, y, offset=np.log(exposure))
        assert_allclose(again.coef_, model.coef_, atol=1e-9)


@pytest.mark.parametrize("shape", [(120, 8), (30, 100), (50, 50), (40, 1)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_bayesian_ridge_is_scikit_learns(shape, weighted):
    rng = np.random.default_rng(3)
    for fit_intercept in (True, False):
        rows = rng.normal(size=shape) + 50 * fit_intercept
        y = rows @ rng.normal(size=shape[1]) + 3 * rng.normal(size=shape[0])
        weights = rng.random(shape[0]) if weighted else None
        own, other = fit_pair(
            "BayesianRidge", y, rows, weights, compute_score=True, fit_intercept=fit_intercept
        )
        for name in ("coef_", "intercept_", "sigma_", "X_offset_", "X_scale_"):
            assert_allclose(getattr(own, name), getattr(other, name), rtol=1e-7, atol=1e-9)
        assert own.n_iter_ == other.n_iter_
        assert_allclose([own.alpha_, own.lambda_], [other.alpha_, other.lambda_], rtol=1e-8)
        assert_allclose(own.scores_, other.scores_, rtol=1e-9)
        for a, b in zip(
            own.predict(rows, return_std=True), other.predict(rows, return_std=True), strict=True
        ):
            assert_allclose(a, b, rtol=1e-6)


# --- all ------------------------------------------------------------------------------------------

ANY = {
    "logistic": (fastnn.LogisticRegression(), CLASSES[2]),
    "softmax": (fastnn.LogisticRegression(), CLASSES[3]),
    "newton-cg": (fastnn.LogisticRegression(solver="newton-cg"), CLASSES[3]),
    "newton-cholesky": (fastnn.LogisticRegression(solver="newton-cholesky"), CLASSES[3]),
    "L1": (fastnn.LogisticRegression(solver="proximal-newton", l1_ratio=1, C=0.1), CLASSES[2]),
    "L1, three classes": (fastnn.LogisticRegression(solver="proximal-newton", l1_ratio=1, C=0.1), CLASSES[3]),
    "poisson": (fastnn.PoissonRegressor(), COUNTS),
    "gamma": (fastnn.GeneralizedLinearRegressor("gamma"), AMOUNTS),
    "ridge": (fastnn.BayesianRidge(), COUNTS),
    "bayes": (fastnn.BayesianLinearRegression(), COUNTS),
}
EVERY = pytest.mark.parametrize(("model", "y"), ANY.values(), ids=ANY)


@EVERY
def test_threads_do_not_show(model, y):
    """Enough rows that there are several parts, and that the threads are used."""
    rows, y = np.tile(X, (40, 4)), np.tile(y, 40)
    rows += 0.1 * np.random.default_rng(0).normal(size=rows.shape)
    for dtype in (np.float32, np.float64):
        fits = [clone(model).set_params(n_threads=n).fit(rows.astype(dtype), y) for n in THREADS]
        for other in fits[1:]:
            assert_array_equal(fits[0].coef_, other.coef_)
            assert_array_equal(fits[0].intercept_, other.intercept_)


@EVERY
def test_float32_stays_float32_and_is_close(model, y):
    single, double = (clone(model).set_params(tol=1e-5).fit(X.astype(t), y) for t in (np.float32, np.float64))
    assert single.coef_.dtype == np.float32
    assert double.coef_.dtype == np.float64
    assert_allclose(single.coef_, double.coef_, atol=2e-3)
    assert single.predict(X.astype(np.float32)).dtype in (y.dtype, np.float32)


@EVERY
def test_pickles_and_layouts_predict_the_same(model, y):
    fitted = clone(model).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
    swapped = X.astype(X.dtype.newbyteorder())
    locked = X.copy()
    locked.flags.writeable = False
    for rows in (np.asfortranarray(X), X[:, ::-1][:, ::-1], swapped, locked, X.tolist()):
        assert_allclose(clone(model).fit(rows, y).coef_, fitted.coef_, rtol=1e-9, atol=1e-12)


def test_what_is_not_served_goes_to_scikit_learn_with_one_line(caplog):
    caplog.set_level(logging.INFO, "fastnn")
    for solver in ("liblinear", "saga", "sag"):
        caplog.clear()
        params = {"solver": solver, "random_state": 0, "max_iter": 2000, "tol": 1e-3}
        own, other = fit_pair("LogisticRegression", CLASSES[2], **params)
        assert_array_equal(own.coef_, other.coef_)
        (record,) = caplog.records
        assert record.name == "fastnn"
        assert f"LogisticRegression: solver='{solver}' is not served by fastnn" in record.getMessage()
    caplog.clear()
    fit_pair("LogisticRegression", CLASSES[2])
    assert caplog.records == []


def test_rows_that_sums_of_squares_cannot_tell_go_to_scikit_learn_with_one_line(caplog):
    """A fit without residual, and two columns that are all but the same."""
    caplog.set_level(logging.INFO, "fastnn")
    twins = np.column_stack([X, X[:, 0] + 1e-6 * X[:, 1] ** 2])
    noisy = X @ np.arange(X.shape[1]) + X[:, 0] ** 2
    for rows, target, params in [
        (X, X @ np.arange(X.shape[1]) + 1e-4 * X[:, 0] ** 2, {}),
        (twins, noisy, {"lambda_init": 1e-30}),
    ]:
        caplog.clear()
        model = fastnn.BayesianRidge(**params).fit(rows, target)
        expected = theirs.BayesianRidge(**params).fit(rows, target)
        assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
        (record,) = caplog.records
        assert record.name == "fastnn"
        assert "sums of squares keep too few digits" in record.getMessage()
        assert "scikit-learn's own BayesianRidge does it" in record.getMessage()
    caplog.clear()
    fastnn.BayesianRidge().fit(X, noisy)
    assert caplog.records == []


def test_arrays_of_other_libraries_go_to_scikit_learn_for_that_reason():
    code = """
import logging, sys, numpy as np, sklearn, fastnn
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
X, y = np.arange(12.0).reshape(6, 2) % 5, np.array([0, 1, 0, 1, 1, 0])
with sklearn.config_context(array_api_dispatch=True):
    fastnn.LogisticRegression().fit(X, y)
    fastnn.PoissonRegressor().fit(X, y)
    try:
        fastnn.PoissonRegressor().fit(X, y, exposure=y + 1)
    except ValueError as error:
        print(error)
"""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    why = "array_api_dispatch=True (arrays of other libraries) is not served by fastnn"
    assert lines == [
        f"LogisticRegression: {why}; scikit-learn's own LogisticRegression does it",
        f"PoissonRegressor: {why}; scikit-learn's own PoissonRegressor does it",
        f"offset and exposure need fastnn's solvers, but {why}",
    ]


def test_callbacks_see_every_iteration_of_lbfgs(capsys):
    pytest.importorskip("rich")
    model = fastnn.LogisticRegression()
    model.set_callbacks(ProgressBar())
    model.fit(X, CLASSES[3])
    assert_array_equal(model.coef_, fastnn.LogisticRegression().fit(X, CLASSES[3]).coef_)
    assert "LogisticRegression" in capsys.readouterr().out


def test_no_solver_serves_l1_by_accident():
    for solver in SMOOTH:
        with pytest.raises(ValueError, match="solver='proximal-newton' serves every penalty"):
            fastnn.LogisticRegression(solver=solver, l1_ratio=0.5).fit(X, CLASSES[2])
