"""The linear models' laws: slopes and curvatures, families, optimality, posteriors and their coverage."""

import numpy as np
import pytest
import reference_linear as slow
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from processes import ctrl_c
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.linear_model import BayesianRidge

import fastnn
from fastnn._kernels.gram import descend_coordinates, gram
from fastnn._kernels.linear import GLMS, RowLoss, descend_rows
from fastnn._threads import single_threaded_blas
from fastnn.linear._objective import Objective
from fastnn.linear._proximal import violations
from fastnn.linear.families import FAMILIES, Gamma, Link, Tweedie, check_family

RNG = np.random.default_rng(1)
N, D = 90, 5
X = RNG.normal(size=(N, D))
WEIGHTS = RNG.uniform(0, 2, N)
OFFSET = RNG.normal(size=N) / 4
KINDS = {kind: (kind, 1, 0.0) for kind in GLMS[:-1]}
KINDS |= {f"power {p:g}": ("power", 1, p) for p in (0, 1, 1.5, 2, 3)}
KINDS |= {f"softmax of {K}": ("softmax", K, 0.0) for K in (2, 3, 16, 17, 70)}
EVERY_KIND = pytest.mark.parametrize(("kind", "K", "power"), KINDS.values(), ids=KINDS)


def problem(kind, K, power, seed=0):
    """(targets, coefficients inside the loss's domain)"""
    rng = np.random.default_rng(seed)
    W = 0.2 * rng.normal(size=(D + 1, K))
    if kind == "softmax":
        return rng.integers(0, K, N), W
    if kind in ("inverse", "log_odds"):
        W[-1] = -3.0 - OFFSET.max()
    y = rng.integers(0, 2, N) if kind in ("logistic", "log_odds") else rng.gamma(2, size=N)
    return y.astype(float), W


@EVERY_KIND
@pytest.mark.parametrize("rows", [X, sp.csr_array(np.where(X > 0, X, 0))], ids=("dense", "csr"))
def test_slopes_are_those_of_the_loss(kind, K, power, rows):
    y, W = problem(kind, K, power)
    dense = rows.toarray() if sp.issparse(rows) else rows
    offset = OFFSET if kind != "softmax" else None
    loss = RowLoss(rows, kind, y, WEIGHTS, offset, K, power, 1)
    with single_threaded_blas():
        value, gradient = loss.loss_gradient(W)
        same, also = loss.linearize(W)
        V = RNG.normal(size=W.shape)
        along = loss.hessian_product(V)
        moved = [loss.loss_gradient(W + h * V)[1] for h in (-2e-5, -1e-5, 1e-5, 2e-5)]
    expected = slow.sum_of_losses(kind, dense, y, W, WEIGHTS, offset, power)
    assert value == pytest.approx(expected, rel=1e-12)
    assert loss.loss(W) == pytest.approx(expected, rel=1e-12)
    assert same == value
    assert_array_equal(also, gradient)
    slope = slow.numerical_gradient(
        lambda W: slow.sum_of_losses(kind, dense, y, W, WEIGHTS, offset, power), W, step=1e-3
    )
    scale = np.abs(slope).max()
    assert_allclose(gradient, slope, atol=1e-6 * scale)
    curve = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / 12e-5
    if kind == "log_odds" or (kind == "power" and power in (0, 3)):
        return  # expected curvature where the observed one is not positive
    assert_allclose(along, curve, atol=1e-6 * np.abs(curve).max())


@EVERY_KIND
def test_hessians_are_their_products(kind, K, power):
    if K > 20:
        pytest.skip("a large matrix for nothing new")
    y, W = problem(kind, K, power)
    with single_threaded_blas():
        objective = Objective(
            X, kind, y, WEIGHTS, n_scores=K, power=power, fit_intercept=True, l2=0.3, n_threads=1
        )
        product = objective.gradient_hessian_product(W.ravel())[1]
        H = objective.hessian()
        chosen = objective.hessian(np.array([0, 3]))
        assert_allclose(H, [product(e) for e in np.eye(len(H))], atol=1e-12)
    kept = [j * K + k for j in (0, 3, D) for k in range(K)]
    assert_allclose(chosen, H[np.ix_(kept, kept)], atol=1e-14)


def test_rows_without_weight_count_for_nothing():
    """Even rows whose loss is infinite."""
    y, W = problem("inverse", 1, 0.0)
    rows, weights = X.copy(), np.ones(N)
    rows[7], weights[7] = 1e3, 0
    found = RowLoss(rows, "inverse", y, weights, None, 1, 0.0, 1).loss_gradient(W)
    rest = np.arange(N) != 7
    expected = RowLoss(np.ascontiguousarray(rows[rest]), "inverse", y[rest], None, None, 1, 0.0, 1)
    assert found[0] == pytest.approx(expected.loss(W), rel=1e-12)
    assert_allclose(found[1], expected.loss_gradient(W)[1], atol=1e-11)


def test_gram_matrices_are_numpys():
    y, root, shift = RNG.normal(size=N), RNG.random(N), RNG.normal(size=D)
    for rows in (X, sp.csr_array(np.where(X > 0, X, 0)), X.astype(np.float32)):
        dense = (rows.toarray() if sp.issparse(rows) else rows).astype(float)
        target = y.astype(rows.dtype)
        for columns in (None, np.array([4, 1])):
            kept = dense if columns is None else dense[:, columns]
            by = shift if columns is None else shift[columns]
            design = np.column_stack([kept - by, np.ones(N), target - 0.5]) * root[:, None]
            with single_threaded_blas():
                found = gram(rows, columns, root, by, target, 0.5, True, 2)
                plain = gram(rows, columns, None, 0 * by, None, 0.0, False, 2)
            assert_allclose(found, design.T @ design, rtol=1e-6 if dense.dtype != rows.dtype else 1e-12)
            assert_allclose(plain, kept.T @ kept, rtol=1e-12)
            assert_array_equal(found, found.T)


def test_coordinate_descent_is_its_twin():
    H = X.T @ X / N
    gradient, l1, w = RNG.normal(size=D), np.array([0.1, 0.5, 0.0, 0.2, 3.0]), RNG.normal(size=D)
    found = descend_coordinates(H, gradient, l1, w, 0.0, 300)
    assert_allclose(found, slow.descend_coordinates(H, gradient, l1, w, 300), atol=1e-12)
    assert violations(found, gradient + H @ (found - w), l1).max() < 1e-12


@pytest.mark.parametrize("K", [1, 3])
def test_the_stochastic_rule_is_its_twin(K):
    labels, order = RNG.integers(0, max(K, 2), N), RNG.permutation(N)
    W = RNG.normal(size=(K, D + 1))
    expected = slow.stochastic_pass(X, order, labels, WEIGHTS, 0.1, 0.01, W)
    for rows in (X, sp.csr_array(X)):
        own = W.copy()
        descend_rows(rows, order, labels, WEIGHTS, 0.1, 0.01, own)
        assert_allclose(own, expected, rtol=1e-11, atol=1e-12)


# --- families -------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [-1, 0, 1, 1.3, 2, 2.5, 3])
def test_the_mean_of_a_tweedie_family_is_the_slope_of_its_partition(power):
    check_family(Tweedie(power))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_mean_of_a_family_is_the_slope_of_its_partition(family):
    check_family(family())


def test_a_false_mean_is_found():
    class Wrong(Gamma):
        def mean(self, eta):
            return 1 / np.asarray(eta)

    with pytest.raises(ValueError, match="but a' is"):
        check_family(Wrong())


@pytest.mark.parametrize("family", [f for name, f in FAMILIES.items() if name != "multinomial"])
def test_deviances_are_losses_less_the_best_loss(family):
    """2 (loss - loss of mean = y), through every link's kernel."""
    family = family()
    y = RNG.uniform(0.1, 0.9, 40)
    mean = RNG.uniform(0.1, 0.9, 40)
    for name, kernel in family.links.items():
        link = family.link(name)
        losses = [slow.glm_losses(kernel, link(m), y, family.power) for m in (mean, y)]
        assert_allclose(family.deviance(y, mean), 2 * (losses[0] - losses[1]), atol=1e-12)
        assert_allclose(link.inverse(link(mean)), mean)


def test_canonical_links_make_x_w_the_natural_parameter():
    for family in (f() for f in FAMILIES.values()):
        if family.name in ("tweedie", "multinomial"):
            continue
        for eta in family.etas:
            assert_allclose(Link(family.canonical)(family.mean(eta)), eta, atol=1e-12)


@pytest.mark.parametrize(("family", "link"), [("gamma", "inverse"), ("bernoulli", "log")])
def test_links_of_a_limited_domain_find_their_parameters(family, link):
    rng = np.random.default_rng(2)
    rows = rng.uniform(0, 1, (20_000, 2))
    z = -0.5 - rows @ [0.7, 0.2]
    y = rng.gamma(4, -1 / z / 4) if family == "gamma" else (rng.random(len(z)) < np.exp(z)).astype(float)
    model = fastnn.GeneralizedLinearRegressor(family, link=link, alpha=0, tol=1e-8).fit(rows, y)
    assert_allclose([*model.coef_, model.intercept_], [-0.7, -0.2, -0.5], atol=0.06)


def test_l1_solutions_keep_their_optimality_conditions():
    rng = np.random.default_rng(5)
    for K, n, d in ((1, 200, 40), (1, 40, 200), (4, 150, 20)):
        rows = rng.normal(size=(n, d))
        y = rng.integers(0, 2, n).astype(float) if K == 1 else rng.integers(0, K, n)
        for l1_ratio in (1.0, 0.5):
            C = 0.3
            model = fastnn.LogisticRegression(
                solver="proximal-newton", C=C, l1_ratio=l1_ratio, tol=1e-9, max_iter=200
            ).fit(rows, y)
            Z = rows @ model.coef_.T + model.intercept_
            P = 1 / (1 + np.exp(-Z)) if K == 1 else np.exp(Z - Z.max(1, keepdims=True))
            P = P if K == 1 else P / P.sum(1, keepdims=True)
            T = y[:, None] if K == 1 else np.eye(K)[y]
            slope = (C * (P - T).T @ rows + (1 - l1_ratio) * model.coef_) / (C * n)
            l1 = np.full(slope.shape, l1_ratio / (C * n))
            assert violations(model.coef_, slope, l1).max() < 2e-9
            assert np.abs((P - T).sum(0)).max() / n < 2e-9
            assert (model.coef_ == 0).any()


# --- posteriors -----------------------------------------------------------------------------------


def test_bayes_by_hand():
    """y = w x, x = 1, 2, 3, y = 1, 2, 3, s^2 = 1, t^2 = 1/2: A = 14 + 2, mean 14/16, at 4: 16/16 + 1."""
    model = fastnn.BayesianLinearRegression(noise_variance=1, weight_variance=0.5, fit_intercept=False)
    model.fit([[1], [2], [3]], [1, 2, 3])
    assert_allclose(model.coef_, 0.875)
    assert_allclose(model.posterior_covariance(), 1 / 16)
    mean, std = model.predict([[4], [0]], return_std=True)
    assert_allclose(mean, [3.5, 0])
    assert_allclose(std**2, [2, 1])
    assert_allclose(model.predict([[4], [2]], return_cov=True)[1], [[2, 0.5], [0.5, 1.25]])


@pytest.mark.parametrize("n", [60, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_evidence_is_the_density_of_y(n, fit_intercept):
    """With the intercept as one more weight of variance v, times (2 pi v)^1/2, as v grows."""
    rows, y = X[:n], RNG.normal(size=n)
    model = fastnn.BayesianLinearRegression(
        noise_variance=0.3, weight_variance=2.0, fit_intercept=fit_intercept
    )
    model.fit(rows, y)
    v = 1e6 if fit_intercept else 0.0
    density = multivariate_normal(np.zeros(n), 2 * rows @ rows.T + 0.3 * np.eye(n) + v).logpdf(y)
    density += 0.5 * np.log(2 * np.pi * v) if fit_intercept else 0
    assert model.evidence_ == pytest.approx(density, abs=1e-4)


def test_the_variances_chosen_have_the_greatest_evidence():
    y = X @ [1, 2, 3, 0, 0] + 0.5 * RNG.normal(size=N)
    model = fastnn.BayesianLinearRegression().fit(X, y)
    best = model.evidence_
    for noise in (0.97, 1, 1.03):
        for spread in (0.9, 1, 1.1):
            given = fastnn.BayesianLinearRegression(
                noise_variance=noise * model.noise_variance_, weight_variance=spread * model.weight_variance_
            ).fit(X, y)
            assert given.evidence_ <= best + 1e-12 * abs(best)


PRIORS = [{}, {"alpha_1": 3.0, "alpha_2": 20.0}, {"lambda_1": 2.0, "lambda_2": 7.0, "alpha_2": 1e-6}]


@pytest.mark.parametrize("priors", PRIORS)
def test_it_is_bayesian_ridge_with_more(priors):
    """Without an intercept to integrate out, precisions, posterior and scores are scikit-learn's."""
    y = X @ [1, 2, 3, 0, 0] + 0.5 * RNG.normal(size=N)
    zero = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    common = {**zero, **priors, "fit_intercept": False, "compute_score": True}
    expected = BayesianRidge(tol=1e-13, max_iter=1000, **common).fit(X, y)
    model = fastnn.BayesianLinearRegression(**common).fit(X, y)
    assert model.alpha_ == pytest.approx(expected.alpha_, rel=1e-6) == 1 / model.noise_variance_
    assert model.lambda_ == pytest.approx(expected.lambda_, rel=1e-6) == 1 / model.weight_variance_
    assert_allclose(model.coef_, expected.coef_, rtol=1e-6)
    assert_allclose(model.sigma_, expected.sigma_, rtol=1e-5, atol=1e-12)
    assert model.scores_.shape == (model.n_iter_ + 1,)
    assert model.scores_[-1] == pytest.approx(expected.scores_[-1], rel=1e-8)
    assert model.scores_.max() <= model.scores_[-1] + 1e-6
    found, theirs = (each.predict(X[:5], return_std=True) for each in (model, expected))
    assert_allclose(found, theirs, rtol=1e-5)
    if not priors:
        assert model.scores_[-1] == pytest.approx(model.evidence_, rel=1e-12)


def test_priors_pull_the_precisions_that_are_chosen():
    y = X @ [1, 2, 3, 0, 0] + 0.5 * RNG.normal(size=N)
    plain = fastnn.BayesianLinearRegression().fit(X, y)
    sure = fastnn.BayesianLinearRegression(alpha_1=1e6, alpha_2=1e6 / 9, lambda_1=1e6, lambda_2=1e6 / 5)
    sure.fit(X, y)
    assert sure.alpha_ == pytest.approx(9, rel=1e-2)
    assert sure.lambda_ == pytest.approx(5, rel=1e-2)
    given = clone(sure).set_params(noise_variance=0.3).fit(X, y)
    assert given.noise_variance_ == 0.3
    assert plain.scores_ is None


def test_where_the_steps_begin_and_what_they_say(capsys):
    y = X @ [1, 2, 3, 0, 0] + 0.5 * RNG.normal(size=N)
    plain = fastnn.BayesianLinearRegression().fit(X, y)
    near = {"alpha_init": plain.alpha_, "lambda_init": plain.lambda_}
    assert capsys.readouterr().out == ""
    begun = fastnn.BayesianLinearRegression(**near, verbose=1, compute_score=True).fit(X, y)
    assert begun.n_iter_ < plain.n_iter_
    assert_allclose(begun.coef_, plain.coef_, rtol=1e-7)
    assert begun.scores_[0] == pytest.approx(plain.evidence_, rel=1e-12)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == begun.n_iter_
    assert lines[-1].startswith(f"[BayesianLinearRegression] Step {begun.n_iter_}, noise variance ")
    assert f"log evidence {begun.evidence_:.8g}" in lines[-1]
    rows = X.copy()
    fastnn.BayesianLinearRegression(copy_X=False).fit(rows, y)
    assert_array_equal(rows, X)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("far", [0.0, 1e6])
def test_rows_may_come_in_parts(weights, far):
    rows, y = X + far, X @ np.arange(D) + RNG.normal(size=N) + far
    whole = fastnn.BayesianLinearRegression().fit(rows, y, weights)
    parts = fastnn.BayesianLinearRegression()
    for k in np.split(np.arange(N), (3, 4, 40)):
        parts.partial_fit(rows[k], y[k], None if weights is None else weights[k])
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-7, atol=1e-8)
    assert parts.evidence_ == pytest.approx(whole.evidence_, rel=1e-8)
    assert parts.n_samples_seen_ == N
    assert_allclose(
        parts.predict(rows, return_std=True)[1], whole.predict(rows, return_std=True)[1], rtol=1e-7
    )


def test_fewer_rows_than_columns_have_the_same_posterior():
    rows, y = RNG.normal(size=(20, 50)), RNG.normal(size=20)
    model = fastnn.BayesianLinearRegression(noise_variance=0.5, weight_variance=2.0).fit(rows, y)
    centred = rows - rows.mean(axis=0)
    A = centred.T @ centred / 0.5 + np.eye(50) / 2
    assert_allclose(model.posterior_covariance(), np.linalg.inv(A), atol=1e-10)
    assert_allclose(model.coef_, np.linalg.solve(A, centred.T @ (y - y.mean())) / 0.5, atol=1e-10)
    new = RNG.normal(size=(3, 50)) - rows.mean(axis=0)
    cov = new @ np.linalg.inv(A) @ new.T + 0.5 / 20 + 0.5 * np.eye(3)
    assert_allclose(model.predict(new + rows.mean(axis=0), return_cov=True)[1], cov, atol=1e-9)


def test_samples_have_the_posteriors_moments():
    for rows in (X, RNG.normal(size=(4, 6))):
        y = rows @ np.arange(rows.shape[1]) + RNG.normal(size=len(rows))
        model = fastnn.BayesianLinearRegression(noise_variance=1.0, weight_variance=1.0).fit(rows, y)
        coef, intercept = model.sample_posterior(100_000, random_state=0)
        some = rows[:3] + 1.0
        lines = coef @ some.T + intercept[:, None]
        mean, cov = model.predict(some, return_cov=True)
        cov -= model.noise_variance_ * np.eye(3)
        error = np.sqrt(np.diag(cov) / len(coef))
        assert np.all(np.abs(lines.mean(axis=0) - mean) < 5 * error)
        assert_allclose(np.cov(lines.T), cov, atol=5 * np.diag(cov).max() * np.sqrt(2 / len(coef)))


def test_ninety_per_cent_bands_cover_ninety_per_cent():
    """400 worlds drawn from the prior, 10 test points each: sd of the share is about 0.6 %."""
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(400):
        w = rng.normal(size=4) * 1.5
        rows, new = rng.normal(size=(40, 4)), rng.normal(size=(10, 4))
        y, target = (A @ w + 2 + 0.7 * rng.normal(size=len(A)) for A in (rows, new))
        model = fastnn.BayesianLinearRegression(noise_variance=0.49, weight_variance=2.25).fit(rows, y)
        mean, std = model.predict(new, return_std=True)
        hits.append(np.abs(target - mean) < 1.6449 * std)
    assert abs(np.mean(hits) - 0.9) < 0.015


def test_a_basis_is_a_function_or_a_transformer():
    from sklearn.preprocessing import PolynomialFeatures

    x = np.linspace(-1, 1, 50)[:, None]
    y = x[:, 0] ** 2
    fits = [
        fastnn.BayesianLinearRegression(phi).fit(x, y)
        for phi in (PolynomialFeatures(3, include_bias=False), lambda x: np.hstack([x, x**2, x**3]))
    ]
    assert_allclose(fits[0].coef_, fits[1].coef_)
    assert_allclose(fits[0].coef_, [0, 1, 0], atol=1e-3)
    assert_allclose(fits[1].predict([[0.5]]), 0.25, atol=1e-3)


# --- stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["lbfgs", "proximal-newton", "sgd"])
def test_ctrl_c_ends_a_fit_and_keeps_the_last_model(solver):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40_000, 200)) * np.geomspace(1, 1e-3, 200)
    y = (rows @ rng.normal(size=(200, 20))).argmax(axis=1)  # separable: the coefficients grow for long
    model = fastnn.LogisticRegression(max_iter=3, tol=10.0).fit(rows[:500], y[:500])
    before = model.coef_.copy()
    model.set_params(solver=solver, max_iter=100_000, tol=0.0, C=1e12)
    with pytest.raises(KeyboardInterrupt), ctrl_c(0.5):
        model.fit(rows, y)
    assert_array_equal(model.coef_, before)
    assert model.predict(rows[:3]).shape == (3,)
