"""Partition functions and tempered draws of RBMs against enumeration.

Tests of estimates have fixed seeds and exact references; a right estimate would fail each with probability
below 1e-4 were its seed drawn anew.
"""

import numpy as np
import pytest
from reference import ExactRBM, unit_log_partition
from scipy import stats
from scipy.special import logsumexp
from test_rbm_laws import LEAST_P, PAIRS, chi_squared_p, index_of, make

from fastnn import RBM, BernoulliRBM
from fastnn._kernels.annealed import rises, start_states
from fastnn.energy._annealing import bennett
from fastnn.energy._replicas import Replicas
from fastnn.exceptions import LikelihoodWarning


def model_draws(exact, n, seed=0):
    p = exact.probabilities()
    return exact.V[np.random.default_rng(seed).choice(len(p), n, p=p)]


def log_f(exact, V, beta, reference):
    """ln f_beta(v): the unnormalised law on the way from independent units to the model."""
    reference, fields = np.float64(reference), beta * (V @ exact.W + exact.b)
    return V @ ((1 - beta) * reference + beta * exact.a) + unit_log_partition(exact.hidden, fields).sum(
        axis=1
    )


# --- exact -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (9, 6), (7, 9), (13, 14), (130, 13)])
@pytest.mark.parametrize("size", [0.1, 1.0, 15.0, 300.0])
def test_exact_sum_is_the_sum_over_states(visible, hidden, shape, size):
    """The last size leaves the range of products of numbers and goes by logarithms."""
    rng = np.random.default_rng(0)
    W, a, b = rng.normal(0, size, shape), rng.normal(size=shape[0]), rng.normal(size=shape[1])
    rbm = RBM.from_parameters(W, a, b, visible=visible, hidden=hidden)
    few_visible = shape[0] <= shape[1]
    exact = ExactRBM(W, a, b, visible, hidden) if few_visible else ExactRBM(W.T, b, a, hidden, visible)
    wanted = exact.log_partition()
    found = rbm.log_partition()
    assert found.value == pytest.approx(wanted, rel=1e-12, abs=1e-10)
    assert (found.lower, found.upper, found.error, found.method) == (found.value, found.value, 0.0, "exact")


@pytest.mark.parametrize("n_hidden", [12, 17])
def test_exact_sum_does_not_know_the_threads(n_hidden):
    rng = np.random.default_rng(1)
    parameters = rng.normal(size=(300, n_hidden)), rng.normal(size=300), rng.normal(size=n_hidden)
    found = {float(RBM.from_parameters(*parameters, n_threads=n).log_partition()) for n in (1, 2, 3, 8)}
    assert len(found) == 1


def test_rounding_does_not_grow_with_the_states():
    """Units without weights: ln Z is a sum of a few terms, whatever number of states is summed."""
    a = np.random.default_rng(2).normal(size=40)
    rbm = RBM.from_parameters(np.zeros((40, 18)), a, np.zeros(18))
    assert float(rbm.log_partition()) == pytest.approx(np.logaddexp(0, a).sum() + 18 * np.log(2), rel=1e-15)


# --- changes of temperature ------------------------------------------------------------------------


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
@pytest.mark.parametrize(("dtype", "tol"), [(np.float32, 2e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("change", [(0.3, 0.3001), (0.3001, 0.3), (0.0, 1.0), (1.0, 0.0), (0.9, 0.2)])
def test_a_change_of_temperature(visible, hidden, dtype, tol, change):
    """Relative to the change itself, however small, up to the rounding of the reference."""
    before, after = change
    rbm, exact = make(8, 70, visible, hidden, seed=1, dtype=dtype)
    reference = np.linspace(-1, 1, 8).astype(dtype)
    weights = rbm._weights(1)
    states = start_states(weights, rbm._start_states(exact.V.astype(np.int8), 1), len(exact.V))
    out = np.empty(len(states))
    betas = (np.full(len(states), beta) for beta in (before, after))
    rises(weights, states, *betas, reference, out, 1)
    wanted = log_f(exact, exact.V, after, reference) - log_f(exact, exact.V, before, reference)
    np.testing.assert_allclose(out, wanted, rtol=0, atol=tol * abs(after - before) * 200 + 2e-13)


# --- estimates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_of_the_weights_is_the_partition_function(visible, hidden, dtype):
    """In few and rough steps, where weights differ much: unbiased whatever the schedule."""
    rbm, exact = make(6, 5, visible, hidden, seed=2, dtype=dtype, size=0.5)
    log_z, options = exact.log_partition(), {"betas": [0, 0.2, 0.5, 1], "base": "uniform"}
    ais = [rbm.log_partition("ais", **options, n_chains=500, random_state=k).value for k in range(40)]
    assert stats.ttest_1samp(np.exp(np.array(ais) - log_z), 1).pvalue > LEAST_P
    X = model_draws(exact, 500)
    back = [
        rbm.log_partition("reverse_ais", X[k : k + 1], **options, n_chains=100, random_state=k)
        for k in range(300)
    ]
    # From a draw of the model, the mean of 1 / Z is 1 / Z.
    assert stats.ttest_1samp(np.exp([log_z - z.value for z in back]), 1).pvalue > LEAST_P


@pytest.mark.parametrize("base", ["uniform", "data", np.linspace(-1, 1, 7)])
def test_any_base_gives_the_same_partition_function(base):
    rbm, exact = make(7, 5, seed=3)
    X = model_draws(exact, 300)
    found = rbm.log_partition("bridge", X, n_chains=300, n_betas=300, base=base, random_state=0)
    assert abs(found.value - exact.log_partition()) < 4 * found.error < 0.05


def test_the_base_rate_is_a_better_start_than_fair_coins():
    rng = np.random.default_rng(4)
    X = rng.random((500, 60)) < rng.choice([0.02, 0.1, 0.95], 60)
    rbm = RBM(8, n_iter=5, random_state=0).fit(X)
    found = {b: rbm.log_partition("ais", base=b, n_betas=50, random_state=0) for b in ("data", "uniform")}
    assert found["data"].error < found["uniform"].error / 4
    assert found["data"].value == pytest.approx(float(rbm.log_partition()), abs=4 * found["data"].error)


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_error_bars_tell_the_error(visible, hidden):
    """Deviations in units of the stated errors have mean square 1."""
    rbm, exact = make(7, 6, visible, hidden, seed=5, size=0.4)
    X, log_z = model_draws(exact, 400), exact.log_partition()
    options = {"n_chains": 400, "n_betas": 20, "base": "uniform"}
    found = [rbm.log_partition("bridge", X, random_state=k, **options) for k in range(60)]
    for estimates in (found, [z.parts["ais"] for z in found]):
        square = sum(((z.value - log_z) / z.error) ** 2 for z in estimates)
        assert LEAST_P < stats.chi2.cdf(square, 60) < 1 - LEAST_P
        assert all(z.lower < z.value < z.upper for z in estimates)
        assert all(z.upper - z.value == pytest.approx(3 * z.error, rel=0.3) for z in estimates)
    assert sum(z.error for z in found) < sum(z.parts["ais"].error for z in found)


def test_bennett_of_gaussian_work():
    """Work from N(m, s^2) forwards and N(m + s^2, s^2) backwards belongs to ln Z1/Z0 = m + s^2 / 2."""
    rng, n = np.random.default_rng(6), 20_000
    forward, backward = rng.normal(3.0, 2.0, n), rng.normal(7.0, 2.0, 2 * n)
    value, error = bennett(forward, backward)
    assert abs(value - 5.0) < 4 * error < 0.1


def test_estimates_of_a_model_of_real_size():
    """784 visible, 20 hidden units: both ways bracket the exact value, the bridge meets it."""
    rng = np.random.default_rng(7)
    W = rng.normal(0, 0.12, (784, 20)).astype(np.float32)
    a, b = (rng.normal(-1.5, 1, 784).astype(np.float32), rng.normal(0, 0.5, 20).astype(np.float32))
    rbm = RBM.from_parameters(W, a, b, random_state=0)
    X = rbm.temper(200, 100, random_state=0).samples
    log_z = float(rbm.log_partition())
    found = rbm.log_partition("bridge", X, n_chains=100, n_betas=2000, random_state=1)
    ais, back = found.parts["ais"], found.parts["reverse_ais"]
    assert abs(found.value - log_z) < 4 * found.error
    assert abs(ais.value - log_z) < 4 * ais.error
    assert back.value > log_z - 3 * back.error
    np.testing.assert_allclose(rbm.log_likelihood(X, found), -rbm.free_energy(X) - found.value)
    np.testing.assert_allclose(rbm.log_likelihood(X), -rbm.free_energy(X) - log_z)


def two_valleys():
    """All units on or all off, nothing between: no short path joins them."""
    n = 30
    return RBM.from_parameters(np.full((n, n), 1.0), np.full(n, -n / 2), np.full(n, -n / 2), random_state=0)


def test_disagreement_is_a_warning():
    rbm = two_valleys()
    X = np.ones((50, 30))
    with pytest.warns(LikelihoodWarning, match=r"ln Z = .* nats apart: .* n_betas"):
        rbm.log_likelihood(X, n_betas=3, n_chains=50, base=np.full(30, -3.0), random_state=0)


def test_agreement_is_silent(recwarn):
    rbm, exact = make(12, 30, seed=8, size=0.2)
    rbm.log_likelihood(exact.V, method="bridge", n_betas=300, n_chains=50, random_state=0)
    assert not recwarn.list


def test_auto_takes_what_there_is():
    wide = RBM.from_parameters(np.random.default_rng(9).normal(0, 0.05, (40, 30)))
    options = {"n_betas": 20, "n_chains": 20, "random_state": 0}
    assert wide.log_partition(**options).method == "ais"
    assert wide.log_partition(X=np.eye(40), **options).method == "bridge"
    assert make(4, 30)[0].log_partition(X=np.eye(4)).method == "exact"


@pytest.mark.parametrize("n_chains", [30, 257])
@pytest.mark.parametrize("n_rows", [7, 100])
def test_chains_per_row(n_chains, n_rows):
    """As many rows as chains, or all of them and several chains a row."""
    rbm, exact = make(10, 40, seed=10, size=0.2)
    found = rbm.log_partition(
        "reverse_ais", model_draws(exact, n_rows), n_betas=200, n_chains=n_chains, random_state=0
    )
    assert abs(found.value - exact_by_rows(exact)) < 5 * found.error + 0.02


def exact_by_rows(exact):
    return logsumexp(-exact.free_energy(exact.V))


def test_same_seed_same_estimate():
    rbm, _ = make(80, 70, seed=11, size=0.1)
    X = rbm.sample(20, 10, random_state=0)
    options = {"n_betas": 30, "n_chains": 300}
    found = [
        rbm.set_params(n_threads=n).log_partition("bridge", X, random_state=0, **options) for n in (1, 3)
    ]
    assert all(z == found[0] for z in found)
    drawn = [rbm.log_partition("ais", **options) for _ in range(2)]
    assert drawn[0].value != drawn[1].value


@pytest.mark.parametrize("Model", [RBM, BernoulliRBM])
def test_partial_fit_knows_the_base_as_well(Model):
    X = (np.random.default_rng(12).random((200, 30)) < 0.1).astype(float)
    model = Model(4, random_state=0)
    for part in np.split(X, 4):
        model.partial_fit(part)
    found = model.log_partition("ais", n_betas=100, random_state=0)
    assert found.value == pytest.approx(float(model.log_partition()), abs=4 * found.error + 1e-3)


# --- tempered draws ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_tempered_draws_have_the_models_law(visible, hidden):
    rbm, exact = make(6, 5, visible, hidden, seed=13)
    found = rbm.temper(5_000, 100, betas=4, random_state=1)
    assert found.samples.dtype == (np.bool_ if visible == "bernoulli" else np.int8)
    assert chi_squared_p(index_of(found.samples, visible), exact.probabilities()) > LEAST_P


def test_exchanges_alone_keep_the_joint_law():
    """From the exact law of every rung, exchanges leave the joint law as it is."""
    rbm, exact = make(4, 3, seed=14, size=1.5)
    betas, reference, n = np.array([0.0, 0.4, 1.0]), np.linspace(-0.5, 0.5, 4), 40_000
    laws = [np.exp(log_f(exact, exact.V, beta, reference)) for beta in betas]
    laws = [p / p.sum() for p in laws]
    rng = np.random.default_rng(15)
    drawn = np.stack([rng.choice(16, n, p=p) for p in laws], axis=1)
    weights = rbm._weights(1)
    words = start_states(weights, rbm._start_states(exact.V.astype(np.int8), 1), len(exact.V))
    states = np.ascontiguousarray(words[drawn.ravel()])
    replicas = Replicas(weights, states, betas, reference, 3, None, 1)
    for parity in (0, 1, 0):
        replicas.exchange(parity)
    held = np.take_along_axis(drawn, replicas.replica, axis=1)
    joint = laws[0][:, None, None] * laws[1][:, None] * laws[2]
    assert chi_squared_p(np.ravel_multi_index(held.T, (16, 16, 16)), joint.ravel()) > LEAST_P
    p, q = laws[0], laws[1]
    accepted = np.minimum(1, p[:, None] * q / (p * q[:, None])) * p * q[:, None]
    rate = replicas.swap_rates()[0]
    assert rate == pytest.approx(accepted.sum(), abs=4 * np.sqrt(0.25 / (2 * n)) + 0.01)
    assert (replicas.accepted > 0).all()
    assert (np.sort(replicas.rung, axis=1) == np.arange(3)).all()


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_clamped_tempering_has_the_conditional_law(visible, hidden):
    rbm, exact = make(6, 4, visible, hidden, seed=16)
    clamp, held = np.array([True, False, False, True, False, True]), exact.V[37]
    v = rbm.temper(5_000, 40, betas=3, v_init=held, clamp=clamp, random_state=5).samples
    assert (v[:, clamp] == held[clamp].astype(v.dtype)).all()
    agrees = (exact.V[:, clamp] == held[clamp]).all(axis=1)
    p = np.where(agrees, exact.probabilities(), 0)
    assert chi_squared_p(index_of(v, visible), p / p.sum()) > LEAST_P


def test_tempering_crosses_where_gibbs_does_not():
    """Half of the model's mass is on, half off; plain chains stay where they start."""
    rbm = two_valleys()
    start, betas = np.zeros(30), [0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.22, 0.3, 0.5, 1]
    stuck = rbm.sample(100, 800, v_init=start, random_state=0).mean(axis=1) > 0.5
    found = rbm.temper(100, 800, betas=betas, v_init=start, base="uniform", random_state=0)
    crossed = found.samples.mean(axis=1) > 0.5
    assert stuck.sum() == 0
    assert stats.binomtest(int(crossed.sum()), 100).pvalue > LEAST_P
    assert found.round_trips > 1
    assert (found.swap_rates > 0.1).all()


def test_tempering_does_not_know_the_threads():
    rbm, _ = make(80, 70, seed=17, size=0.1)
    options = {"betas": 5, "swap_interval": 3, "random_state": 0}
    found = [rbm.set_params(n_threads=n).temper(50, 20, **options) for n in (1, 3)]
    assert all((f.samples == found[0].samples).all() for f in found)
    assert all((f.swap_rates == found[0].swap_rates).all() for f in found)


def test_an_image_is_completed_by_what_it_shows():
    """Two prototypes; half of one is shown: the chains fill in the other half of the same."""
    rng = np.random.default_rng(18)
    prototypes = np.array([[0] * 10 + [1] * 10, [1] * 10 + [0] * 10])
    X = prototypes[rng.integers(2, size=400)] ^ (rng.random((400, 20)) < 0.02)
    rbm = RBM(6, n_iter=60, batch_size=20, learning_rate=0.2, random_state=0).fit(X)
    shown = np.arange(20) % 2 == 0
    for prototype in prototypes:
        damaged = np.where(shown, prototype, 1 - prototype)
        v = rbm.sample(200, 50, v_init=damaged, clamp=shown, random_state=0)
        assert np.mean(v == prototype) > 0.95
    noisy = prototypes[rng.integers(2, size=100)]
    damaged = noisy ^ (rng.random(noisy.shape) < 0.1)
    assert np.mean((rbm.reconstruct(damaged) > 0.5) == noisy) > np.mean(damaged == noisy) + 0.05


# --- bad input -----------------------------------------------------------------------------------------

WIDE = RBM.from_parameters(np.zeros((40, 30)), random_state=0)
ROWS = np.zeros((5, 40))
BAD = {
    "method": (lambda: WIDE.log_partition("magic"), ValueError, "method must be one of"),
    "exact": (lambda: WIDE.log_partition("exact"), ValueError, "at most 25 .* 40 bernoulli and 30 .*'ais'"),
    "reverse without X": (lambda: WIDE.log_partition("reverse_ais"), ValueError, "needs X"),
    "bridge without X": (lambda: WIDE.log_partition("bridge"), ValueError, "needs X"),
    "grey X": (lambda: WIDE.log_partition("bridge", ROWS + 0.5), ValueError, "values between"),
    "columns": (lambda: WIDE.log_partition("bridge", ROWS[:, :3]), ValueError, "3 features"),
    "n_chains": (lambda: WIDE.log_partition("ais", n_chains=1), ValueError, "n_chains must"),
    "n_chains bool": (lambda: WIDE.log_partition("ais", n_chains=True), ValueError, "n_chains must"),
    "n_betas": (lambda: WIDE.log_partition("ais", n_betas=0), ValueError, "n_betas must"),
    "n_betas real": (lambda: WIDE.log_partition("ais", n_betas=5.0), ValueError, "n_betas must"),
    "betas fall": (lambda: WIDE.log_partition("ais", betas=[0, 0.5, 0.5, 1]), ValueError, "rises from 0"),
    "betas end": (lambda: WIDE.log_partition("ais", betas=[0, 0.5]), ValueError, "rises from 0 to 1"),
    "betas NaN": (lambda: WIDE.log_partition("ais", betas=[0, np.nan, 1]), ValueError, "betas contains NaN"),
    "base": (lambda: WIDE.log_partition("ais", base="magic"), ValueError, "base must be"),
    "base shape": (lambda: WIDE.log_partition("ais", base=[1.0]), ValueError, r"shape \(40,\)"),
    "seed": (lambda: WIDE.log_partition("ais", random_state="x"), ValueError, "seed"),
    "log_z and more": (lambda: WIDE.log_likelihood(ROWS, 3.0, n_betas=3), TypeError, "n_betas"),
    "temper n_samples": (lambda: WIDE.temper(0), ValueError, "n_samples"),
    "temper n_steps": (lambda: WIDE.temper(1, -1), ValueError, "n_steps"),
    "temper betas": (lambda: WIDE.temper(betas=1), ValueError, "betas must be at least 2"),
    "temper ladder": (lambda: WIDE.temper(betas=[0, 2.0]), ValueError, "rises to 1"),
    "temper interval": (lambda: WIDE.temper(swap_interval=0), ValueError, "swap_interval"),
    "temper rows": (lambda: WIDE.temper(3, v_init=ROWS), ValueError, "5 rows, but n_samples=3"),
    "temper clamp": (lambda: WIDE.temper(clamp=np.ones(40, bool)), ValueError, "clamp needs v_init"),
    "temper grey": (lambda: WIDE.temper(5, v_init=ROWS + 0.5), ValueError, "values between"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


# --- by the epoch ----------------------------------------------------------------------------------

CURVES = ("log_likelihood", "validation_log_likelihood")


@pytest.mark.parametrize(("visible", "hidden"), [*PAIRS, ("gaussian", "bernoulli"), ("gaussian", "gaussian")])
def test_likelihoods_by_the_epoch_are_those_of_the_model(visible, hidden):
    """Exact where a layer is small; and looking does not change what is looked at."""
    rng = np.random.default_rng(8)
    X = rng.random((120, 30)) < np.linspace(0.1, 0.9, 30)
    X = {"spin": 2.0 * X - 1, "gaussian": rng.normal(size=X.shape)}.get(visible, X)
    params = {"visible": visible, "hidden": hidden, "n_iter": 3, "random_state": 0, "warm_start": True}
    seen, unseen = (RBM(6, monitor=names, **params).fit(X[:80], X_val=X[80:]) for names in (CURVES, ()))
    np.testing.assert_array_equal(seen.components_, unseen.components_)
    np.testing.assert_array_equal(seen.sample(3, 5), unseen.sample(3, 5))
    for name, rows in zip(CURVES, (X[:80], X[80:]), strict=True):
        assert len(seen.history_[name]) == 3
        assert seen.history_[name][-1] == pytest.approx(seen.log_likelihood(rows).mean(), rel=1e-9)
    assert "validation_log_likelihood" not in RBM(6, monitor=CURVES, **params).fit(X).history_


def test_likelihoods_by_the_epoch_of_larger_layers_are_annealed():
    """Within a nat of long annealing from both sides: layers of 40 and 30 units mix well here."""
    rng = np.random.default_rng(9)
    prototypes = rng.random((5, 40)) < 0.4
    X = prototypes[rng.integers(5, size=300)] ^ (rng.random((300, 40)) < 0.05)
    model = RBM(30, n_iter=40, learning_rate=0.2, monitor=CURVES, random_state=0).fit(X[:200], X_val=X[200:])
    log_z = model.log_partition("bridge", X[:200], random_state=1)
    for name, rows in zip(CURVES, (X[:200], X[200:]), strict=True):
        curve = model.history_[name]
        assert curve[-1] == pytest.approx(model.log_likelihood(rows, log_z).mean(), abs=1)
        assert curve[-1] > curve[0] + 3


def test_likelihoods_by_the_epoch_of_numbers_are_annealed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 30)) / 2 + rng.normal(size=(300, 30))
    model = RBM(26, visible="gaussian", n_iter=30, monitor=CURVES, random_state=0).fit(X[:200], X_val=X[200:])
    log_z = model.log_partition("bridge", X[:200], random_state=1)
    for name, rows in zip(CURVES, (X[:200], X[200:]), strict=True):
        assert model.history_[name][-1] == pytest.approx(model.log_likelihood(rows, log_z).mean(), abs=0.5)
