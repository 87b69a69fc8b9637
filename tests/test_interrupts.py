"""Ctrl-C in every long call: KeyboardInterrupt within 0.2 s, and an object that works afterwards."""

import signal

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from processes import assert_quick_to_interrupt, random_model, rows
from sklearn.base import clone

from fastnn import DBN, RBM, BernoulliRBM, LogisticRegression

# Each would run for 20 seconds at least.
FITS = {
    "pcd": (RBM, {"n_components": 512, "n_iter": 2000}),
    "BernoulliRBM": (BernoulliRBM, {"n_components": 512, "n_iter": 2000}),
    "many Gibbs steps": (
        RBM,
        {"n_components": 512, "n_iter": 500, "method": "cd", "n_gibbs_steps": 50},
    ),
    "grey": (RBM, {"n_components": 512, "n_iter": 2000, "monitor": ()}),
    "gaussian": (RBM, {"n_components": 512, "n_iter": 2000, "visible": "gaussian"}),
    "poisson": (RBM, {"n_components": 512, "n_iter": 2000, "visible": "poisson"}),
}


def rows_for(name):
    X = rows(2000, 784)
    rng = np.random.default_rng(1)
    if name == "grey":
        return X.astype(np.float32) * 0.5
    if name == "gaussian":
        return rng.standard_normal(X.shape, dtype=np.float32)
    return rng.poisson(0.3, X.shape).astype(np.float32) if name == "poisson" else X


@pytest.mark.parametrize("name", FITS)
def test_ctrl_c_in_fit_leaves_a_model_that_works(name):
    Model, params = FITS[name]
    X = rows_for(name)
    model = Model(**params, random_state=0)
    assert_quick_to_interrupt(lambda: model.fit(X))
    assert 0 <= model.n_iter_ < params["n_iter"]
    assert np.isfinite(model.components_).all()
    assert abs(model.intercept_visible_).max() > 0
    means = model.transform(X[:10])
    assert ((means > 0) & (means < 1)).all()
    model.set_params(n_iter=1).fit(X[:100])
    assert_array_equal(model.components_, clone(model).fit(X[:100]).components_)


def test_ctrl_c_keeps_the_updates_made_so_far():
    X = rows(4000, 784)
    model = RBM(256, n_iter=10000, batch_size=10, random_state=0, warm_start=True)
    start = model.set_params(n_iter=0).fit(X).components_.copy()
    model.set_params(n_iter=10000)
    with pytest.raises(KeyboardInterrupt):
        raise_after(1, lambda: model.fit(X))  # updates are made by then
    assert (model.components_ != start).any()
    before = model.components_.copy()
    model.set_params(n_iter=1).fit(X)
    assert 0 < abs(model.components_ - before).max() < 1


def raise_after(seconds, call):
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def of_numbers():
    return RBM.from_parameters(np.full((784, 512), -0.01, np.float32), visible="poisson", hidden="relu")


CALLS = {
    "gibbs": lambda m: m.gibbs(rows(1000, 784), 10_000, random_state=0),
    "sample": lambda m: m.sample(100, 200_000, random_state=0),
    "clamped sample": lambda m: m.sample(
        100, 200_000, v_init=rows(1, 784)[0], clamp=np.arange(784) < 300, random_state=0
    ),
    "score_samples": lambda m: m.score_samples(rows(50_000, 784)),
    "log_partition": lambda m: random_model(784, 25).log_partition(),
    "AIS": lambda m: m.log_partition("ais", n_betas=1_000_000),
    "reverse AIS": lambda m: m.log_partition("reverse_ais", rows(200, 784), n_betas=1_000_000),
    "bridge": lambda m: m.log_partition("bridge", rows(200, 784), n_betas=1_000_000),
    "temper": lambda m: m.temper(100, 1_000_000),
    "annealing of numbers": lambda m: of_numbers().log_partition("ais", base="uniform", random_state=0),
    "tempering of numbers": lambda m: of_numbers().temper(50, 100_000, base="uniform", random_state=0),
}


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_in_calls_leaves_a_model_that_works(name):
    model = random_model(784, 512)
    X = rows(20, 784)
    draws, scores = model.gibbs(X, 2, random_state=1), model.score_samples(X)
    assert_quick_to_interrupt(lambda: CALLS[name](model))
    assert_array_equal(model.gibbs(X, 2, random_state=1), draws)
    assert_array_equal(model.score_samples(X), scores)


# --- models of other kinds -------------------------------------------------------------------------


def test_ctrl_c_in_a_deep_belief_network_leaves_it_as_it_was():
    X = rows(2000, 784)
    dbn = DBN((64, 32), rbm=RBM(n_iter=1), random_state=0).fit(X)
    before = dbn.transform(X[:10])
    dbn.set_params(rbm=RBM(n_iter=5000))
    assert_quick_to_interrupt(lambda: dbn.fit(X))
    assert np.isfinite(dbn.transform(X[:10])).all()
    dbn.set_params(rbm=RBM(n_iter=1)).fit(X)
    assert_array_equal(dbn.transform(X[:10]), before)


@pytest.mark.parametrize("solver", ["newton-cg", "newton-cholesky", "lbfgs", "proximal-newton", "sgd"])
def test_ctrl_c_in_logistic_regression_leaves_it_usable(solver):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30_000, 400))
    y = (X @ rng.standard_normal((400, 12))).argmax(axis=1)  # separable: the coefficients grow for long
    params = {"C": 1e6, "max_iter": 100_000, "tol": 1e-300, "solver": solver, "random_state": 0}
    model = LogisticRegression(**params)
    assert_quick_to_interrupt(lambda: model.fit(X, y))
    small = X[:500], y[:500] % 3
    model.set_params(C=1.0, max_iter=100, tol=1e-4).fit(*small)
    assert_array_equal(model.coef_, clone(model).fit(*small).coef_)
