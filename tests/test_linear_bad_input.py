"""Bad input of the linear models is a named error before any work; odd input has the right result."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as theirs
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import fastnn
from fastnn.linear.families import Tweedie

RNG = np.random.default_rng(0)
N, D = 60, 4
X = RNG.normal(size=(N, D))
LABELS = (X[:, 0] + RNG.normal(size=N) > 0).astype(int)
COUNTS = RNG.poisson(np.exp(X[:, 1] / 2)).astype(float)
AMOUNTS = RNG.gamma(2, size=N)
MODELS = {
    "logistic": (fastnn.LogisticRegression, LABELS),
    "l1": (lambda **p: fastnn.LogisticRegression(solver="proximal-newton", l1_ratio=1, **p), LABELS),
    "sgd": (
        lambda **p: fastnn.LogisticRegression(solver="sgd", max_iter=5, tol=1, random_state=0, **p),
        LABELS,
    ),
    "poisson": (fastnn.PoissonRegressor, COUNTS),
    "gamma": (lambda **p: fastnn.GeneralizedLinearRegressor("gamma", **p), AMOUNTS),
    "multinomial": (lambda **p: fastnn.GeneralizedLinearRegressor("multinomial", **p), LABELS),
    "ridge": (fastnn.BayesianRidge, COUNTS),
    "bayes": (fastnn.BayesianLinearRegression, COUNTS),
}
EVERY = pytest.mark.parametrize(("make", "y"), MODELS.values(), ids=MODELS)


def spoiled(value, row=31, column=2):
    rows = X.copy()
    rows[row, column] = value
    return rows


BAD_ROWS = {
    "NaN": (spoiled(np.nan), "NaN"),
    "infinity": (spoiled(np.inf), "infinity"),
    "minus infinity": (spoiled(-np.inf), "infinity"),
    "one dimension": (X[:, 0], "2D array"),
    "three dimensions": (X[None], "dim 3"),
    "no rows": (X[:0], "minimum of 1 is required|0 sample"),
    "no columns": (X[:, :0], "0 feature"),
    "a row too many": (np.vstack([X, X[:1]]), "inconsistent numbers of samples"),
    "words": (np.full((N, D), "word"), "could not convert|dtype"),
    "complex": (X + 1j, "[Cc]omplex"),
}


@EVERY
@pytest.mark.parametrize(("rows", "words"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows(make, y, rows, words):
    with pytest.raises(ValueError, match=words):
        make().fit(rows, y)


@EVERY
@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_bad_targets(make, y, spoil):
    y = y.astype(float).copy()
    y[3] = spoil
    with pytest.raises(ValueError, match=r"NaN|infinity|Unknown label|too large"):
        make().fit(X, y)


@EVERY
@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.full(N, -1.0), "must not be negative"),
        (np.zeros(N), "zero"),
        (np.full(N, np.nan), "NaN"),
        (np.ones(N + 1), "shape"),
        (np.ones((N, 2)), "1D"),
    ],
    ids=("negative", "zeros", "NaN", "too many", "two columns"),
)
def test_bad_weights(make, y, weights, words):
    with pytest.raises(ValueError, match=words):
        make().fit(X, y, sample_weight=weights)


@EVERY
@pytest.mark.parametrize("n_threads", [0, -1, 2.0, "all"])
def test_bad_thread_counts(make, y, n_threads):
    with pytest.raises(ValueError, match="n_threads"):
        make(n_threads=n_threads).fit(X, y)


@EVERY
def test_a_failed_fit_keeps_the_last_one(make, y):
    model = make().fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(spoiled(np.nan)[:, :3], y)
    assert_allclose(model.predict(X), before)


@EVERY
def test_predicting_needs_a_fit_and_its_features(make, y):
    with pytest.raises(NotFittedError):
        make().predict(X)
    with pytest.raises(ValueError, match="expecting 4 features"):
        make().fit(X, y).predict(X[:, :2])


BAD_PARAMETERS = [
    (fastnn.LogisticRegression(C=0), "C"),
    (fastnn.LogisticRegression(C=-1.0), "C"),
    (fastnn.LogisticRegression(tol=-1), "tol"),
    (fastnn.LogisticRegression(solver="newton"), "solver"),
    (fastnn.LogisticRegression(l1_ratio=1.5), "l1_ratio"),
    (fastnn.LogisticRegression(solver="sgd", learning_rate_init=0), "learning_rate_init"),
    (fastnn.LogisticRegression(solver="sgd", fit_intercept=False), "fit_intercept=True"),
    (fastnn.LogisticRegression(dual=True), "dual=False"),
    (fastnn.LogisticRegression(class_weight="fair"), "class_weight"),
    (fastnn.PoissonRegressor(alpha=-1), "alpha"),
    (fastnn.PoissonRegressor(solver="lbfgsb"), "solver"),
    (fastnn.BayesianRidge(alpha_init=-1), "alpha_init"),
    (fastnn.BayesianRidge(tol=0), "tol"),
    (fastnn.BayesianLinearRegression(noise_variance=0), "noise_variance"),
    (fastnn.BayesianLinearRegression(weight_variance=-1), "weight_variance"),
    (fastnn.BayesianLinearRegression(lambda x: x[:5]), "phi gives 5 rows for 60"),
    (fastnn.BayesianLinearRegression(lambda x: x * np.nan), r"phi\(X\) contains NaN"),
    (fastnn.BayesianLinearRegression("square"), "phi"),
    (fastnn.GeneralizedLinearRegressor("cauchy"), "family"),
    (fastnn.GeneralizedLinearRegressor("poisson", link="logit"), "has the links log; got link='logit'"),
    (fastnn.GeneralizedLinearRegressor("tweedie", link="canonical"), "has the links log"),
    (fastnn.GeneralizedLinearRegressor("tweedie", power=0.5), "power 0.5"),
    (fastnn.GeneralizedLinearRegressor(solver="lbfgs", l1_ratio=0.5), "use 'proximal-newton'"),
    (fastnn.GeneralizedLinearRegressor("bernoulli", link="log", solver="lbfgs"), "negative x'w alone"),
    (fastnn.GeneralizedLinearRegressor("bernoulli", link="log", fit_intercept=False), "fit_intercept=True"),
]


@pytest.mark.parametrize(("model", "words"), BAD_PARAMETERS, ids=lambda value: str(value)[:60])
def test_bad_parameters(model, words):
    with pytest.raises(ValueError, match=words):
        model.fit(X, LABELS)


OUT_OF_RANGE = [
    ("poisson", COUNTS - 1),
    ("gamma", COUNTS),
    ("bernoulli", COUNTS + 0.5),
    ("tweedie", -AMOUNTS),
]


@pytest.mark.parametrize(("family", "y"), OUT_OF_RANGE, ids=lambda value: str(value)[:9])
def test_targets_out_of_the_familys_range(family, y):
    with pytest.raises(ValueError, match=f"out of the range of the family '{family}'"):
        fastnn.GeneralizedLinearRegressor(family).fit(X, y)


@pytest.mark.parametrize(
    "make", [fastnn.PoissonRegressor, lambda: fastnn.GeneralizedLinearRegressor("poisson")]
)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"exposure": np.zeros(N)}, "exposure must be positive"),
        ({"exposure": np.full(N, np.nan)}, "exposure contains NaN"),
        ({"exposure": np.ones(3)}, "must have shape"),
        ({"offset": np.full(N, np.inf)}, "offset contains infinity"),
        ({"offset": np.ones((N, 1))}, "must have shape"),
    ],
    ids=str,
)
def test_bad_offsets(make, given, words):
    with pytest.raises(ValueError, match=words):
        make().fit(X, COUNTS, **given)


def test_exposures_need_a_link_that_multiplies():
    with pytest.raises(ValueError, match="needs link='log'"):
        fastnn.GeneralizedLinearRegressor("normal").fit(X, AMOUNTS, exposure=AMOUNTS)
    with pytest.raises(ValueError, match="neither offset nor exposure"):
        fastnn.GeneralizedLinearRegressor("multinomial").fit(X, LABELS, offset=AMOUNTS)


def test_no_power_between_zero_and_one():
    with pytest.raises(ValueError, match="no distribution"):
        Tweedie(0.3)


def test_one_class_is_named():
    for model in (fastnn.LogisticRegression(), fastnn.GeneralizedLinearRegressor("multinomial")):
        with pytest.raises(ValueError, match="one class"):
            model.fit(X, np.ones(N, int))


def test_a_warm_start_on_other_classes_or_features_is_named():
    model = fastnn.LogisticRegression(warm_start=True).fit(X, LABELS)
    with pytest.raises(ValueError, match="Initialization coef is of shape"):
        model.fit(X, np.arange(N) % 3)
    glm = fastnn.GeneralizedLinearRegressor(warm_start=True).fit(X, AMOUNTS)
    with pytest.raises(ValueError, match="warm_start=False"):
        glm.fit(X[:, :2], AMOUNTS)


def test_labels_that_are_amounts_are_refused():
    with pytest.raises(ValueError, match="Unknown label type"):
        fastnn.LogisticRegression().fit(X, AMOUNTS)


def test_values_too_large_are_named():
    rows = np.full((N, 2), 1e200) * RNG.normal(size=(N, 2))
    for model in (fastnn.BayesianRidge(), fastnn.BayesianLinearRegression()):
        with pytest.raises(ValueError, match="too large to be squared"), np.errstate(over="ignore"):
            model.fit(rows, COUNTS)


# --- odd, but with a right result -----------------------------------------------------------------


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "proximal-newton"])
def test_separable_classes_are_held_by_the_penalty(solver):
    y = (X[:, 0] > 0).astype(int)
    model = fastnn.LogisticRegression(C=10.0, solver=solver, tol=1e-8).fit(X, y)
    other = theirs.LogisticRegression(C=10.0, tol=1e-8).fit(X, y)
    assert_allclose(model.coef_, other.coef_, rtol=1e-4, atol=1e-5)
    assert model.score(X, y) == 1


def test_separable_classes_without_penalty_end():
    y = (X[:, 0] > 0).astype(int)
    model = fastnn.LogisticRegression(C=np.inf, max_iter=50).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, y) == 1


@pytest.mark.parametrize("odd", ["constant column", "collinear columns", "more columns than rows"])
def test_odd_columns_have_scikit_learns_result(odd):
    rows = {
        "constant column": np.column_stack([X, np.full(N, 3.0)]),
        "collinear columns": np.column_stack([X, X[:, 0], -2 * X[:, 0]]),
        "more columns than rows": RNG.normal(size=(N, 2 * N)),
    }[odd]
    for solver in ("lbfgs", "newton-cg", "newton-cholesky", "proximal-newton"):
        other = theirs.LogisticRegression(tol=1e-9, max_iter=1000).fit(rows, LABELS)
        own = fastnn.LogisticRegression(solver=solver, tol=1e-9, max_iter=1000).fit(rows, LABELS)
        assert_allclose(own.coef_, other.coef_, atol=1e-6)
    for solver in ("lbfgs", "newton-cholesky"):
        pair = [
            M(solver=solver, tol=1e-9, alpha=0.1).fit(rows, COUNTS)
            for M in (fastnn.PoissonRegressor, theirs.PoissonRegressor)
        ]
        assert_allclose(pair[0].coef_, pair[1].coef_, atol=1e-6)
    y = rows[:, 0] + RNG.normal(size=N)
    pair = [M(tol=1e-9).fit(rows, y) for M in (fastnn.BayesianRidge, theirs.BayesianRidge)]
    assert_allclose(pair[0].coef_, pair[1].coef_, atol=1e-7)
    model = fastnn.BayesianLinearRegression(noise_variance=1.0, weight_variance=1.0).fit(rows, y)
    centred = rows - rows.mean(axis=0)
    ridge = np.linalg.solve(centred.T @ centred + np.eye(rows.shape[1]), centred.T @ (y - y.mean()))
    assert_allclose(model.coef_, ridge, atol=1e-9)


def test_rows_without_weight_might_as_well_be_absent():
    weights = RNG.integers(0, 2, N).astype(float)
    kept = weights > 0
    for make, y in MODELS.values():
        if make is MODELS["sgd"][0]:
            continue  # its order is drawn for all rows
        with_zeros, without = make().fit(X, y, weights), make().fit(X[kept], y[kept])
        assert_allclose(with_zeros.predict(X), without.predict(X), rtol=1e-3, atol=1e-3)


def test_data_far_from_zero():
    """Moments about a point near the mean: a shift of a billion costs no more digits than X itself lost."""
    y = X @ np.arange(D) + 0.1 * RNG.normal(size=N)
    near = fastnn.BayesianLinearRegression().fit(X, y)
    far = fastnn.BayesianLinearRegression().fit(X + 1e9, y + 1e9)
    assert_allclose(far.coef_, near.coef_, atol=1e-5)
    own = fastnn.BayesianRidge().fit(X + 1e6, y)
    assert_allclose(own.coef_, fastnn.BayesianRidge().fit(X, y).coef_, atol=1e-7)


def test_huge_offsets():
    offset = np.full(N, 500.0)
    counts = np.exp(offset) * AMOUNTS
    model = fastnn.GeneralizedLinearRegressor("gamma", alpha=0, tol=1e-8).fit(X, counts, offset=offset)
    plain = fastnn.GeneralizedLinearRegressor("gamma", alpha=0, tol=1e-8).fit(X, AMOUNTS)
    assert_allclose(model.coef_, plain.coef_, atol=1e-6)
    assert model.intercept_ == pytest.approx(plain.intercept_, abs=1e-6)


@pytest.mark.parametrize("kind", ["?", "b", "u1", "i8", "f2", "f4", ">f8", "O"])
def test_any_numbers_will_do(kind):
    rows = (RNG.random((N, D)) > 0.5).astype(kind)
    for make, y in MODELS.values():
        expected = make().fit(rows.astype(np.float64), y)
        assert_allclose(make().fit(rows, y).predict(rows), expected.predict(rows.astype(float)), atol=2e-3)


def test_sparse_rows_of_any_kind():
    rows = np.where(X > 0.5, X, 0)
    for name in ("logistic", "l1", "poisson", "gamma", "multinomial"):
        make, y = MODELS[name]
        expected = make().fit(rows, y).coef_
        for kind in (sp.csr_matrix, sp.csc_array, sp.coo_matrix):
            assert_allclose(make().fit(kind(rows), y).coef_, expected, atol=1e-7)
        wide = sp.csr_array(rows)
        wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
        assert_allclose(make().fit(wide, y).coef_, expected, atol=1e-7)
    for name in ("ridge", "bayes"):
        with pytest.raises(TypeError, match=r"[Ss]parse"):
            MODELS[name][0]().fit(sp.csr_array(rows), COUNTS)


def test_too_few_iterations_are_told():
    for model in (
        fastnn.LogisticRegression(max_iter=1),
        fastnn.LogisticRegression(solver="proximal-newton", l1_ratio=1, C=10, max_iter=1),
        fastnn.GeneralizedLinearRegressor("normal", solver="lbfgs", max_iter=1, tol=1e-9),
    ):
        with pytest.warns(ConvergenceWarning):
            model.fit(X, LABELS)
