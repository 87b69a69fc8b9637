"""L-BFGS in coordinates of like curvature: their laws, and fits of features of very different scales."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Theirs

import fastnn
from fastnn._threads import single_threaded_blas
from fastnn.linear._coordinates import FEWEST_ROWS, MOST_FEATURES, Coordinates, coordinates_of, pay
from fastnn.linear._objective import PLAIN_STEPS, Objective, run_lbfgs

N, D = 3000, 12
RNG = np.random.default_rng(5)
SCALES = np.logspace(-2, 2, D)
EVEN = RNG.normal(size=(N, D))
UNEVEN = EVEN * SCALES + 3 * SCALES
CLASSES = (EVEN @ RNG.normal(size=(D, 4)) + RNG.gumbel(size=(N, 4))).argmax(axis=1)
COUNTS = RNG.poisson(np.exp(EVEN @ RNG.normal(size=D) / 6)).astype(float)
WEIGHTS = RNG.uniform(0, 2, N)


def objective(K, l2=1e-4, n_threads=2, weights=None, fit_intercept=True, X=UNEVEN):
    labels = CLASSES if K > 1 else (CLASSES > 1).astype(float)
    kind = "softmax" if K > 1 else "logistic"
    return Objective(
        X, kind, labels, weights, n_scores=K, fit_intercept=fit_intercept, l2=l2, n_threads=n_threads
    )


def mean_gradient(model, X, y, weights, l2):
    """Of the mean loss and the penalty, by NumPy, where the model stands."""
    weights = np.ones(len(X)) if weights is None else weights
    if isinstance(model, fastnn.PoissonRegressor):
        gap = (np.exp(X @ model.coef_ + model.intercept_) - y)[:, None]
    else:
        shares = model.predict_proba(X)
        gap = shares - (y[:, None] == model.classes_)
        gap = gap[:, 1:] if len(model.classes_) == 2 else gap
    gap = gap * weights[:, None] / weights.sum()
    return np.vstack([X.T @ gap + l2 * np.atleast_2d(model.coef_).T, gap.sum(axis=0)])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=("even", "weighted"))
@pytest.mark.parametrize("K", [1, 4])
def test_curvature_is_one_in_every_direction(K, weights, fit_intercept):
    """Exactly for one score; for several where the shares of classes are those of no features."""
    with single_threaded_blas():
        of = objective(K, 0.0, weights=weights, fit_intercept=fit_intercept)
        start = np.random.default_rng(0).normal(size=of.size) / 1e3 if K == 1 else np.zeros(of.size)
        space = Coordinates(of, start)
        of.linearize(start)
        H = of.hessian()
    T = np.column_stack([space.outward(z) for z in np.eye(of.size)])
    along = np.linalg.eigvalsh(T.T @ H @ T)
    flat = 0 if K == 1 else of.size // K  # the same number added to every class's score changes nothing
    assert_allclose(along[flat:], 1, atol=1e-6)
    assert_allclose(along[:flat], 0, atol=1e-6)


@pytest.mark.parametrize("K", [1, 4])
def test_coordinates_there_and_back(K):
    rng = np.random.default_rng(1)
    with single_threaded_blas():
        of = objective(K)
        space = Coordinates(of, np.zeros(of.size))
        w, v = rng.normal(size=(2, of.size)) / 100
        assert_allclose(space.outward(space.inward(w)), w, rtol=1e-9, atol=1e-12)
        # The change along v is the same in either coordinates.
        gradient = of.loss_gradient(w)[1]
    assert space.gradient(gradient) @ space.inward(v) == pytest.approx(gradient @ v, rel=1e-9)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=("even", "weighted"))
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("K", [2, 4])
def test_features_of_different_scales_are_no_trouble(K, C, weights):
    y = CLASSES if K == 4 else (CLASSES > 1).astype(int)
    total = N if weights is None else weights.sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = fastnn.LogisticRegression(C=C, tol=1e-5).fit(UNEVEN, y, weights)
    assert PLAIN_STEPS < model.n_iter_[0] < 100
    assert abs(mean_gradient(model, UNEVEN, y, weights, 1 / (C * total))).max() < 1.001e-5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        plain = Theirs(C=C, tol=1e-5, max_iter=100).fit(UNEVEN, y, weights)
    assert abs(mean_gradient(plain, UNEVEN, y, weights, 1 / (C * total))).max() > 1e-4


def test_counts_with_features_of_different_scales():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = fastnn.PoissonRegressor(alpha=1e-3, tol=1e-6).fit(UNEVEN, COUNTS)
    assert PLAIN_STEPS < model.n_iter_ < 100
    assert abs(mean_gradient(model, UNEVEN, COUNTS, None, 1e-3)).max() < 2e-6


@pytest.mark.parametrize("K", [2, 4])
def test_columns_that_say_the_same_or_nothing(K):
    """Directions without curvature are left alone."""
    y = CLASSES if K == 4 else (CLASSES > 1).astype(int)
    X = np.column_stack([UNEVEN, UNEVEN[:, 3], UNEVEN[:, 1] + UNEVEN[:, 2], np.zeros(N), np.ones(N)])
    for C in (1.0, np.inf):
        model = fastnn.LogisticRegression(C=C, tol=1e-5, max_iter=200).fit(X, y)
        assert np.isfinite(model.coef_).all()
        assert abs(model.coef_[:, -2]).max() < 1e-15
        assert abs(mean_gradient(model, X, y, None, 1 / (C * N))).max() < 1.001e-5


def test_sparse_rows_and_single_precision_go_the_same_way():
    y = (CLASSES > 1).astype(int)
    X = np.where(EVEN > 0.5, UNEVEN, 0)
    dense = fastnn.LogisticRegression(tol=1e-6).fit(X, y)
    sparse = fastnn.LogisticRegression(tol=1e-6).fit(sp.csr_array(X), y)
    single = fastnn.LogisticRegression(tol=1e-4).fit(X.astype(np.float32), y)
    assert dense.n_iter_[0] > PLAIN_STEPS
    assert_allclose(sparse.decision_function(X), dense.decision_function(X), atol=1e-4)
    assert single.coef_.dtype == np.float32
    assert_allclose(single.decision_function(X.astype(np.float32)), dense.decision_function(X), atol=2e-2)


@pytest.mark.parametrize("K", [1, 4])
def test_threads_do_not_show(K):
    found = []
    for n_threads in (1, 2, 3):
        with single_threaded_blas():
            of = objective(K, n_threads=n_threads)
            found.append(run_lbfgs(of, np.zeros(of.size), max_iter=100, tol=1e-6, iprint=-1))
    assert found[0][1] > PLAIN_STEPS
    for coef, n_iter in found[1:]:
        assert_array_equal(coef, found[0][0])
        assert n_iter == found[0][1]


def test_callbacks_see_coefficients_of_every_step():
    seen = []
    with single_threaded_blas():
        of = objective(4)
        coef, n_iter = run_lbfgs(
            of, np.zeros(of.size), max_iter=100, tol=1e-6, iprint=-1, callback=lambda x: seen.append(x.copy())
        )
        losses = [of.loss(x) for x in seen]
    assert len(seen) == n_iter > PLAIN_STEPS
    assert_array_equal(seen[-1], coef)
    assert (np.diff(losses) <= 1e-12).all()


@pytest.mark.parametrize("max_iter", [PLAIN_STEPS, PLAIN_STEPS + 1, PLAIN_STEPS + 3])
def test_the_limit_of_steps_holds_across_both_halves(max_iter):
    with pytest.warns(ConvergenceWarning, match=f"after {max_iter} iteration"):
        model = fastnn.LogisticRegression(tol=1e-8, max_iter=max_iter).fit(UNEVEN, CLASSES)
    assert model.n_iter_[0] == max_iter


def test_few_rows_and_many_features_go_scikit_learns_way():
    assert pay(objective(1))
    few = objective(1, X=UNEVEN)
    few.X = UNEVEN[: FEWEST_ROWS - 1]
    assert not pay(few)
    few.X = sp.csr_array((10 * MOST_FEATURES, MOST_FEATURES + 1))
    assert not pay(few)
    rows, y = UNEVEN[:900], CLASSES[:900]
    with pytest.warns(ConvergenceWarning):
        own = fastnn.LogisticRegression(max_iter=40).fit(rows, y)
    with pytest.warns(ConvergenceWarning):
        other = Theirs(max_iter=40).fit(rows, y)
    assert own.n_iter_[0] == other.n_iter_[0] == 40
    assert_allclose(own.coef_, other.coef_, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("K", [1, 4])
def test_where_nothing_curves_or_numbers_end_there_are_no_coordinates(K):
    with single_threaded_blas():
        assert coordinates_of(objective(K), np.zeros(objective(K).size)) is not None
        saturated = np.full(objective(K).size, 1e4) * np.resize([1.0, 0, 0, 0][:K], objective(K).size)
        assert coordinates_of(objective(K, l2=0.0), saturated) is None
        of = objective(K, X=1e160 * EVEN)
        assert coordinates_of(of, np.zeros(of.size)) is None


def test_a_start_without_curvature_is_left_by_plain_steps():
    """Every row's share is 1 to the last digit there, and wrong for most of them."""
    with single_threaded_blas():
        of = objective(1, l2=0.0, X=np.ones((N, 1)))
        start = np.array([400.0, 400.0])
        assert coordinates_of(of, start) is None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            coef, _ = run_lbfgs(of, start, max_iter=200, tol=1e-8, iprint=-1)
    assert np.isfinite(coef).all()
    assert coef.sum() == pytest.approx(np.log(1 / np.mean(CLASSES <= 1) - 1), abs=1e-6)
