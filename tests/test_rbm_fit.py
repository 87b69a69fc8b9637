"""What a fit of RBM and BernoulliRBM goes through: batches, going on, monitors, stopping, parameters."""

import inspect
import re

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from test_rbm_estimator import BOTH, PARAMETERS, Recorder, assert_same_model, bars, make, steady

from fastnn import RBM, BernoulliRBM

# --- partial_fit and warm start ------------------------------------------------------------------


@BOTH
def test_partial_fit_returns_self_and_keeps_float32(Model):
    X = bars(dtype=np.float32)
    model = make(Model)
    assert model.partial_fit(X[:10]) is model
    assert model.partial_fit(X[10:37]) is model
    for name in PARAMETERS:
        assert getattr(model, name).dtype == np.float32


@BOTH
def test_partial_fit_of_every_batch_is_an_epoch_of_fit(Model):
    X = bars()
    fitted, params = make(Model, n_iter=1), {}
    if Model is RBM:
        params = {"init": "normal", "centering": False, **steady(Model)}
        fitted.set_params(**params)._shuffle = False
    parts = make(Model, **params)
    for start in range(0, len(X), 10):
        parts.partial_fit(X[start : start + 10])
    fitted.fit(X)
    # Within an epoch the weights keep the fixed-point steps they began with, so that sums may be rounded
    # elsewhere than in calls that measure them afresh: one part in 2^48 of a unit's weights.
    for name in PARAMETERS:
        assert_allclose(getattr(parts, name), getattr(fitted, name), rtol=1e-9, atol=1e-12)


@BOTH
@pytest.mark.parametrize("n_rows", [1, 4, 10, 60])
def test_partial_fit_weighs_a_batch_of_any_size_by_its_own(Model, n_rows):
    """From zero biases, the first update moves them by rate x (data mean - 1/2) on average."""
    X = np.ones((n_rows, 40))
    params = {"init": "normal"} if Model is RBM else {}
    model = Model(2, batch_size=4000, learning_rate=0.1, random_state=0, **params).partial_fit(X)
    assert_allclose(model.intercept_visible_, 0.05, atol=0.005)


def test_fit_weighs_a_short_last_batch_by_its_own_size():
    rows = np.ones((11, 30))
    model = BernoulliRBM(2, batch_size=10, n_iter=1, random_state=0).fit(rows)
    twin = BernoulliRBM(2, batch_size=10, n_iter=1, random_state=0)
    twin.partial_fit(rows[:10]).partial_fit(rows[10:])
    assert_same_model(model, twin)


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("change", [{"n_components": 7}, {"hidden": "spin"}])
def test_a_model_that_goes_on_refuses_other_layers(how, change):
    model = make(RBM, warm_start=True).fit(bars())
    before = model.components_
    with pytest.raises(ValueError, match=next(iter(change))):
        getattr(model.set_params(**change), how)(bars())
    assert model.components_ is before


def test_the_warning_of_a_wrong_range_names_the_callers_line():
    with pytest.warns(UserWarning, match="values in \\[0, 1\\]") as caught:
        make(BernoulliRBM).fit(2 * bars())
    assert {w.filename for w in caught} == {__file__}


def test_warm_start_goes_on_where_fit_stopped():
    X = bars()
    params = {"momentum": 0.5, **steady(RBM)}
    straight = make(RBM, n_iter=4, **params).fit(X)
    halves = make(RBM, n_iter=2, warm_start=True, **params).fit(X)
    assert_same_model(halves, make(RBM, n_iter=2, **params).fit(X))
    assert_same_model(halves.fit(X), straight)
    assert halves.n_iter_ == 2
    cold = make(RBM, n_iter=2, **params).fit(X).fit(X)
    assert_same_model(cold, make(RBM, n_iter=2, **params).fit(X))


def test_training_goes_on_from_parameters():
    X = bars()
    W = np.random.default_rng(0).normal(0, 0.1, (16, 5))
    model = RBM.from_parameters(W, random_state=0, warm_start=True, n_iter=1, batch_size=10)
    near = model.fit(X).components_
    assert 0 < abs(near - W.T).max() < 0.2
    assert (model.partial_fit(X).components_ != near).any()


# --- early stopping, monitors, sparse, verbose ---------------------------------------------------


@pytest.mark.parametrize("criterion", [True, "pseudo_likelihood", "free_energy_gap"])
def test_early_stopping_stops_an_over_fitting_run_and_keeps_the_best(criterion):
    rng = np.random.default_rng(0)
    X, X_val = rng.random((24, 20)) < 0.5, rng.random((60, 20)) < 0.5  # nothing to learn but noise
    params = {"learning_rate": 0.5, "n_iter": 150, "batch_size": 12, "n_components": 30}
    seen = Recorder()
    model = make(RBM, **params, early_stopping=criterion, n_iter_no_change=6)
    model.set_callbacks(seen).fit(X, X_val=X_val)
    assert 6 < model.n_iter_ < 150
    assert len(model.history_["epoch"]) == model.n_iter_
    assert len(seen.models) == model.n_iter_
    kept = [np.array_equal(model.components_, epoch.components_) for epoch in seen.models]
    assert kept.index(True) == model.n_iter_ - 7  # six epochs without a better one followed
    if criterion == "free_energy_gap":
        gaps = model.history_["free_energy_gap"]
        assert np.argmin(gaps) == kept.index(True)
    free = make(RBM, **params).fit(X)
    assert model.score_samples(X_val).mean() > free.score_samples(X_val).mean()


def test_early_stopping_sets_rows_aside_by_itself():
    X = bars(100)
    model = make(RBM, early_stopping=True, validation_fraction=0.2, n_iter=2).fit(X)
    assert len(model.history_["free_energy_gap"]) == 2
    assert (model.components_ != make(RBM, n_iter=2).fit(X).components_).any()


def test_history_holds_what_the_monitors_say():
    X, X_val = bars(), bars(seed=1)
    model = make(RBM, n_iter=4).fit(X, X_val=X_val)
    history = model.history_
    names = {"epoch", "time", "reconstruction", "pseudo_likelihood", "free_energy_gap"}
    assert set(history) == names
    assert history["epoch"] == [1, 2, 3, 4]
    assert all(len(values) == 4 for values in history.values())
    assert min(history["time"]) > 0
    last = np.mean((X - model.reconstruct(X)) ** 2)
    assert history["reconstruction"][-1] == pytest.approx(last, rel=1e-12)
    gap = model.free_energy(X_val).mean() - model.free_energy(X).mean()
    assert history["free_energy_gap"][-1] == pytest.approx(gap, rel=1e-9)
    assert set(make(RBM).fit(X).history_) == names - {"free_energy_gap"}
    assert set(make(RBM, monitor=["reconstruction"]).fit(X).history_) == {
        "epoch",
        "time",
        "reconstruction",
    }
    assert_same_model(model, make(RBM, n_iter=4, monitor=()).fit(X))


@pytest.mark.parametrize("container", [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.bool_])
@BOTH
def test_sparse_data_give_bitwise_the_same_model(Model, container, dtype):
    X = bars(dtype=dtype)
    dense, sparse = make(Model).fit(X), make(Model).fit(container(X))
    assert_same_model(dense, sparse)
    assert_array_equal(dense.transform(X), sparse.transform(container(X)))
    assert_array_equal(dense.gibbs(X, random_state=0), sparse.gibbs(container(X), random_state=0))


def test_sparse_data_give_the_same_history_and_stop_at_the_same_epoch():
    X, X_val = bars(), bars(seed=1)
    params = {"early_stopping": True, "n_iter": 30}
    dense = make(RBM, **params).fit(X, X_val=X_val)
    sparse = make(RBM, **params).fit(sp.csr_array(X), X_val=sp.csr_array(X_val))
    assert_same_model(dense, sparse)
    for name in dense.history_.keys() - {"time"}:
        assert_allclose(dense.history_[name], sparse.history_[name], rtol=1e-12, err_msg=name)


def test_verbose_lines(capsys):
    X = bars()
    make(BernoulliRBM, verbose=1, n_iter=2).fit(X)
    lines = capsys.readouterr().out.splitlines()
    # scikit-learn's format, to the letter
    pattern = r"\[BernoulliRBM\] Iteration (\d), pseudo-likelihood = -\d+\.\d\d, time = \d+\.\d\ds"
    assert [re.fullmatch(pattern, line)[1] for line in lines] == ["1", "2"]
    make(RBM, verbose=True, n_iter=2, monitor=("reconstruction",)).fit(X)
    lines = capsys.readouterr().out.splitlines()
    pattern = r"\[RBM\] Epoch (\d), reconstruction = \d\.\d{4}, time = \d+\.\d\ds"
    assert [re.fullmatch(pattern, line)[1] for line in lines] == ["1", "2"]
    make(RBM).fit(X)
    make(BernoulliRBM).fit(X)
    assert capsys.readouterr().out == ""


# --- every parameter does something --------------------------------------------------------------

# Parameter: (a value that must change the weights or the history, what else is set in both fits).
CHANGES = {
    "n_components": (7, {}),
    "visible": ("spin", {}),
    "hidden": ("spin", {}),
    "method": ("cd", {}),
    "n_gibbs_steps": (2, {}),
    "learning_rate": (0.01, {}),
    "learning_rate_schedule": ("constant", {}),
    "batch_size": (9, {"n_chains": 10}),
    "n_iter": (4, {}),
    "n_chains": (11, {}),
    "optimizer": ("adam", {}),
    "momentum": (0.5, {}),
    "l1": (0.01, {}),
    "l2": (0.01, {}),
    "max_norm": (0.03, {}),
    "replace_idle": (True, {}),
    "sparsity_target": (0.1, {}),
    "sparsity_cost": (0.5, {"sparsity_target": 0.1}),
    "centering": (False, {}),
    "init": ("normal", {}),
    "binarize": ("threshold", {"grey": True}),
    "sample_visible": (False, {}),
    "sample_last_hidden": (True, {}),
    "early_stopping": (True, {}),
    "validation_fraction": (0.3, {"early_stopping": True}),
    "n_iter_no_change": (1, {"early_stopping": True, "n_iter": 30}),
    "tol": (1e6, {"early_stopping": True, "n_iter": 10}),
    "monitor": (("reconstruction",), {}),
    "random_state": (1, {}),
}
# Where BernoulliRBM, as scikit-learn's, begins at RBM's other value.
BERNOULLI_CHANGES = {"learning_rate_schedule": "linear", "centering": True, "init": "hinton"}
# Parameters that must change nothing in the model; tests elsewhere say what they do.
CHECKED_ELSEWHERE = {
    "verbose": test_verbose_lines,
    "warm_start": test_warm_start_goes_on_where_fit_stopped,
    "n_threads": "tests/test_concurrency.py::test_one_thread_is_no_thread_more",
}


def outcome(Model, grey=False, **params):
    X = bars()
    X = X * 0.6 + 0.1 if grey else X
    model = make(Model, **params).fit(X)
    history = {name: values for name, values in model.history_.items() if name != "time"}
    return [getattr(model, name).tolist() for name in PARAMETERS], history


def test_the_table_knows_every_parameter():
    names = set(inspect.signature(RBM).parameters)
    assert set(CHANGES) | set(CHECKED_ELSEWHERE) == names


@pytest.mark.parametrize(
    ("Model", "name"),
    [(Model, name) for Model in (RBM, BernoulliRBM) for name in CHANGES if name in Model().get_params()],
)
def test_every_parameter_changes_something(Model, name):
    value, rest = CHANGES[name]
    if Model is BernoulliRBM:
        value = BERNOULLI_CHANGES.get(name, value)
    default = inspect.signature(Model).parameters[name].default
    assert default != value
    before, after = outcome(Model, **rest), outcome(Model, **{**rest, name: value})
    assert before == outcome(Model, **rest)
    assert before != after


def test_both_classes_give_the_same_model_for_the_same_parameters():
    """But for the order of the rows, which RBM alone shuffles."""
    params = {"momentum": 0.5, "centering": True, "init": "hinton", "l2": 0.01, "method": "cd"}
    X = np.repeat(bars(n_rows=1), 40, axis=0)
    one = make(BernoulliRBM, **params).fit(X)
    two = make(RBM, learning_rate=0.1, learning_rate_schedule="constant", **params).fit(X)
    assert_same_model(one, two)


def test_binarize_sample_draws_afresh_at_every_visit():
    grey = np.full((40, 16), 0.5)
    fits = [make(RBM, binarize=how, n_iter=2).fit(grey) for how in (None, "threshold", "sample")]
    assert len({model.components_.tobytes() for model in fits}) == 3
