"""Deep belief networks: their laws on small ones, what fits around them, bad input."""

from itertools import pairwise, product
from unittest import mock

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from processes import ctrl_c
from scipy.special import expit
from scipy.stats import chisquare
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM as SklearnBernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.utils._test_common.instance_generator import (
    PER_ESTIMATOR_CHECK_PARAMS,
    PER_ESTIMATOR_XFAIL_CHECKS,
    _get_check_estimator_ids,
)
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastnn import DBN, RBM, BernoulliRBM, MLPClassifier, load

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
QUICK = RBM(n_iter=2, binarize="sample", monitor=(), n_threads=1)


def made(*weights, **params):
    """A network of given machines: each (W, a, b)."""
    dbn = DBN([W.shape[1] for W, _, _ in weights])
    dbn.rbms_ = [RBM.from_parameters(*parts, random_state=0, **params) for parts in weights]
    dbn.n_features_in_ = weights[0][0].shape[0]
    return dbn


def random_machines(sizes, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return [
        (scale * rng.normal(size=(n, m)), scale * rng.normal(size=n), scale * rng.normal(size=m))
        for n, m in pairwise(sizes)
    ]


def states(n, low=0):
    return np.array(list(product((low, 1), repeat=n)))


# --- laws ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["bernoulli", "spin"])
def test_samples_follow_the_generative_law(unit):
    """P(v) = sum P(v | h1) P(h1 | h2) P_top(h2) by enumeration; p-value of 20,000 independent chains."""
    machines = random_machines((4, 3, 3, 2), scale=0.7)
    low = 0 if unit == "bernoulli" else -1
    sigma = expit if unit == "bernoulli" else (lambda z: expit(2 * z))
    W, a, b = machines[-1]
    at = states(3, low)
    energies = at @ a + np.log(np.exp(low * (at @ W + b)) + np.exp(at @ W + b)).sum(axis=1)
    p = np.exp(energies) / np.exp(energies).sum()
    for W, a, _ in machines[-2::-1]:
        up = sigma(at @ W.T + a)  # (states above, units): P(unit = 1)
        at = states(W.shape[0], low)
        p = p @ np.where(at[None] == 1, up[:, None], 1 - up[:, None]).prod(axis=2)
    dbn = made(*machines, visible=unit, hidden=unit)
    v = dbn.sample(20_000, 60, random_state=1)
    assert v.dtype == (np.bool_ if unit == "bernoulli" else np.int8)
    counts = np.bincount((v > 0) @ (8, 4, 2, 1), minlength=16)
    assert chisquare(counts, p * counts.sum()).pvalue > 1e-3
    means = dbn.sample(20_000, 60, means=True, random_state=2)
    assert len(np.unique(means[:, 0])) == 8  # one for each state of the layer above
    assert_allclose(means.mean(axis=0), p @ at, atol=0.03)


def test_one_layer_is_its_machine():
    machine = random_machines((5, 4))
    dbn, rbm = made(*machine), RBM.from_parameters(*machine[0])
    assert_array_equal(dbn.transform(states(5)), rbm.transform(states(5)))
    assert_array_equal(dbn.inverse_transform(states(4)), rbm.inverse_transform(states(4)))
    assert dbn.sample(3, 2).shape == dbn.sample(3, 2, means=True).shape == (3, 5)


def test_layers_are_learned_on_the_means_below():
    dbn = DBN((20, 10), QUICK, random_state=3).fit(X)
    first, second = dbn.rbms_
    assert [r.n_components for r in dbn.rbms_] == [20, 10]
    again = clone(second).fit(clone(first).fit(X).transform(X))
    assert_array_equal(again.components_, second.components_)
    H = second.transform(first.transform(X))
    assert_array_equal(dbn.transform(X), H)
    assert dbn.transform(X).dtype == np.float32
    assert_array_equal(dbn.inverse_transform(H), first.inverse_transform(second.inverse_transform(H)))


def test_the_seed_decides_and_threads_do_not():
    fits = [DBN((20, 10), clone(QUICK).set_params(n_threads=n), random_state=3).fit(X) for n in (1, 3)]
    other = DBN((20, 10), QUICK, random_state=4).fit(X)
    assert_array_equal(fits[0].rbms_[1].components_, fits[1].rbms_[1].components_)
    assert (fits[0].rbms_[0].components_ != other.rbms_[0].components_).any()
    draws = [fits[0].sample(5, 3, random_state=seed) for seed in (0, 0, 1)]
    assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_sparse_rows_and_tables():
    pd = pytest.importorskip("pandas")
    binary = (X > 0.5).astype(np.float32)
    dense, sparse = (DBN((12, 8), QUICK, random_state=0).fit(rows) for rows in (binary, sp.csr_array(binary)))
    assert_array_equal(dense.transform(binary), sparse.transform(sp.csr_array(binary)))
    frame = pd.DataFrame(X, columns=[f"pixel {k}" for k in range(64)])
    named = DBN((12, 8), QUICK, random_state=0).fit(frame)
    assert list(named.feature_names_in_) == list(frame.columns)
    assert list(named.get_feature_names_out()) == [f"dbn{k}" for k in range(8)]
    assert_array_equal(named.transform(frame), DBN((12, 8), QUICK, random_state=0).fit(X).transform(X))


# --- into a classifier ----------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["bernoulli", "spin"])
def test_a_classifier_starts_from_the_layers(unit):
    rows = X if unit == "bernoulli" else 2 * X - 1
    machine = RBM(visible=unit, hidden=unit, n_iter=1, binarize="sample", learning_rate=0.01, monitor=())
    dbn = DBN((20, 10), machine, random_state=0).fit(rows)
    model = dbn.to_classifier(max_iter=1, learning_rate_init=1e-9, random_state=0)
    assert model.activation == {"bernoulli": "logistic", "spin": "tanh"}[unit]
    before = [W.copy() for W, _ in model.initial_layers]
    model = clone(model).fit(rows, Y)  # barely moves
    for rbm, W, b in zip(dbn.rbms_, model.coefs_, model.intercepts_, strict=False):
        assert_allclose(W, rbm.components_.T, atol=1e-6)
        assert_allclose(b, rbm.intercept_hidden_, atol=1e-6)
        assert W.dtype == np.float32
    z = dbn.transform(rows) @ model.coefs_[-1] + model.intercepts_[-1]
    assert_allclose(model.decision_function(rows), z, atol=1e-4)
    tuned = dbn.to_classifier(max_iter=3, random_state=0).fit(rows, Y)
    assert np.abs(tuned.coefs_[0] - before[0]).max() > 1e-3
    assert_array_equal(dbn.rbms_[0].components_.T, before[0])  # the network is left as it was
    first = dbn.to_classifier(random_state=0).partial_fit(rows, Y, classes=np.arange(10))
    assert np.abs(first.coefs_[0] - before[0]).max() < 0.1


def test_real_data_below_and_other_units_between():
    """The classifier takes over that Gaussian visible units act by v / sigma; equal machines share units."""
    rows = (X * np.linspace(0.5, 20, 64)).astype(np.float32)
    bottom = RBM(visible="gaussian", n_iter=3, monitor=())
    dbn = DBN((20, 10), [bottom, RBM(n_iter=3, binarize="sample", monitor=())], random_state=0).fit(rows)
    model = dbn.to_classifier(max_iter=1, learning_rate_init=1e-9, random_state=0).fit(rows, Y)
    z = dbn.transform(rows) @ model.coefs_[-1] + model.intercepts_[-1]
    assert_allclose(model.decision_function(rows), z, atol=1e-3)
    assert dbn.sample(3, 5).dtype == np.float32  # means of Gaussian units
    alike = DBN((20, 10), RBM(hidden="gaussian", n_iter=1, monitor=()), random_state=0).fit(X)
    assert alike.rbms_[1].visible == "gaussian"
    assert alike.to_classifier().activation == "identity"


def test_few_labels_need_the_others_pictures():
    """30 labels of 1,797: mean test accuracy over five choices of them, five points or more apart."""
    machine = RBM(n_iter=30, binarize="sample", batch_size=20, monitor=())
    dbn = DBN((128, 128, 64), machine, random_state=0).fit(X)
    learned = dbn.to_classifier(max_iter=200, learning_rate_init=3e-3, random_state=0, n_iter_no_change=200)
    random = clone(learned).set_params(initial_layers=None)
    scores = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(X))
        train, test = order[:30], order[30:]
        scores.append([m.fit(X[train], Y[train]).score(X[test], Y[test]) for m in (learned, random)])
    better = np.subtract(*np.transpose(scores))
    assert better.mean() > 0.05, scores


def test_saving(tmp_path):
    dbn = DBN((16, 8), QUICK, random_state=0).fit(X)
    dbn.save(tmp_path / "dbn.fastnn")
    again = load(tmp_path / "dbn.fastnn")
    assert_array_equal(again.transform(X), dbn.transform(X))
    assert_array_equal(again.sample(3, 4, random_state=0), dbn.sample(3, 4, random_state=0))
    model = dbn.to_classifier(max_iter=2, random_state=0)
    model.save(tmp_path / "model.fastnn")
    again = load(tmp_path / "model.fastnn")
    assert_array_equal(again.fit(X, Y).coefs_[0], model.fit(X, Y).coefs_[0])


def test_searches_and_pipelines():
    pipeline = make_pipeline(DBN((16, 8), QUICK, random_state=0), LogisticRegression(C=100))
    found = GridSearchCV(pipeline, {"dbn__hidden_layer_sizes": [(2,), (64,)]}, cv=2).fit(X[:300], Y[:300])
    narrow, wide = found.cv_results_["mean_test_score"]
    assert wide > narrow + 0.3
    dbn = DBN((16, 8), QUICK, random_state=0).fit(X)
    search = GridSearchCV(dbn.to_classifier(max_iter=2, random_state=0), {"alpha": [0.0, 1.0]}, cv=2)
    assert search.fit(X[:300], Y[:300]).best_estimator_.initial_layers is not None


# --- scikit-learn's protocols -----------------------------------------------------------------------------


def checks():
    estimator = DBN((4, 3), BernoulliRBM(n_iter=2))
    granted = PER_ESTIMATOR_CHECK_PARAMS.get(SklearnBernoulliRBM, {})
    granted = {name: {"rbm": BernoulliRBM(n_iter=2)} for name in granted}
    excused = PER_ESTIMATOR_XFAIL_CHECKS[SklearnBernoulliRBM]
    with mock.patch.dict(PER_ESTIMATOR_CHECK_PARAMS, {DBN: granted}):
        return list(estimator_checks_generator(estimator, expected_failed_checks=excused, mark="xfail"))


@pytest.mark.parametrize(("estimator", "check"), checks(), ids=_get_check_estimator_ids)
@pytest.mark.filterwarnings("ignore:BernoulliRBM takes values")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


class Recorder:
    def __init__(self, stop_after=None):
        self.stop_after, self.ends = stop_after, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.ends.append(context.task_name)
        return context.task_name == "layer" and self.ends.count("layer") == self.stop_after


def test_callbacks_see_every_layer_and_may_stop(capsys):
    seen = Recorder()
    dbn = DBN((8, 6, 4), QUICK, random_state=0).set_callbacks(seen).fit(X)
    assert seen.ends == ["layer", "layer", "layer", "fit"]
    stopped = DBN((8, 6, 4), QUICK, random_state=0).set_callbacks(Recorder(2)).fit(X)
    assert_array_equal(stopped.rbms_[1].components_, dbn.rbms_[1].components_)
    assert stopped.transform(X).shape == (len(X), 6)
    DBN((8, 6), QUICK).set_callbacks(ProgressBar()).fit(X)
    shown = capsys.readouterr().out
    assert "DBN - fit" in shown
    assert "DBN - layer | RBM - fit #1" in shown


def test_ctrl_c_keeps_the_finished_layers():
    endless = [clone(QUICK), RBM(n_iter=10**6, monitor=())]
    dbn = DBN((16, 8), endless, random_state=0)
    with pytest.raises(KeyboardInterrupt), ctrl_c(0.7):
        dbn.fit(X)
    assert len(dbn.rbms_) == 1
    assert_array_equal(dbn.transform(X), dbn.rbms_[0].transform(X))


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"hidden_layer_sizes": ()}, ValueError, "one or more ints"),
        ({"hidden_layer_sizes": (5, 0)}, ValueError, "at least 1"),
        ({"hidden_layer_sizes": 2.5}, ValueError, "hidden_layer_sizes"),
        ({"rbm": "rbm"}, ValueError, "rbm"),
        ({"rbm": [RBM()]}, ValueError, "1 machines, but hidden_layer_sizes 2 layers"),
        ({"rbm": [RBM(), LogisticRegression()]}, TypeError, "must hold RBMs"),
        ({"rbm": [RBM(hidden="spin"), RBM()]}, ValueError, "are to be the spin hidden units below"),
        ({"rbm": BernoulliRBM(n_iter=1), "random_state": "x"}, ValueError, "random_state"),
    ],
)
def test_bad_parameters(params, error, message):
    with pytest.raises(error, match=message):
        DBN(**{"hidden_layer_sizes": (5, 4), **params}).fit(X)


def test_bad_data_and_what_is_no_network():
    with pytest.raises(NotFittedError):
        DBN().transform(X)
    with pytest.raises(NotFittedError):
        DBN().to_classifier()
    dbn = DBN((5, 4), QUICK, random_state=0)
    with pytest.raises(ValueError, match="NaN"):
        dbn.fit(np.where(X > 0.9, np.nan, X))
    with pytest.raises(ValueError, match="divide by 16"):
        dbn.fit(16 * X)
    assert not hasattr(dbn, "rbms_")
    dbn.fit(X)
    with pytest.raises(ValueError, match="expecting 64 features"):
        dbn.transform(X[:, :5])
    with pytest.raises(ValueError, match="columns"):
        dbn.inverse_transform(X)
    with pytest.raises(ValueError, match="n_samples"):
        dbn.sample(0)
    mixed = DBN((5, 4), [clone(QUICK).set_params(hidden="spin"), RBM(n_iter=1, visible="spin")]).fit(X)
    with pytest.raises(ValueError, match="of one kind"):
        mixed.to_classifier()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([(np.zeros((64, 5)), np.zeros(4))], "shapes"),
        ([(np.zeros((64, 7)), np.zeros(7))], "shapes"),
        ([np.zeros((64, 5))], "must be a pair"),
        ([(np.zeros((64, 5)), np.zeros(5))] * 3, "3 layers"),
        ([(np.full((64, 5), np.nan), np.zeros(5))], "NaN"),
    ],
)
def test_bad_initial_layers(layers, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier((5,), initial_layers=layers).fit(X, Y)
