"""Laws of every unit and of every pair of units, from the list of those registered.

Statistical tests have fixed seeds. Were a seed drawn anew, a right sampler would fail a test of p > 1e-4
with that probability, one of five standard errors with 6e-7 a number; wrong ones are off by far more.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from fingerprints import THREADS, digest
from numpy.testing import assert_allclose, assert_array_equal
from reference_units import LAWS, ExactModel, log_partition, mean
from scipy import stats
from scipy.sparse import csr_array
from scipy.special import log_ndtr

from fastnn import RBM, DivergenceError, Gaussian, Potts, RBMClassifier
from fastnn._kernels.core import unit_domains, unit_values
from fastnn.energy import _fit
from fastnn.energy.units import UNITS, bias_of_mean, check_registry, default_rate, pair_rule

LEAST_P = 1e-4
FIELDS = np.concatenate([np.linspace(-9, 4.5, 40), [0.0, -0.5, 1e-3]])
EVERY = pytest.mark.parametrize("unit", LAWS)
BOTH_TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
PAIRS = [pair for pair in itertools.product(LAWS, repeat=2) if pair_rule(*pair) != "never"]
EVERY_PAIR = pytest.mark.parametrize(("visible", "hidden"), PAIRS, ids=["-".join(pair) for pair in PAIRS])


def test_every_unit_has_a_law_here():
    assert set(LAWS) | {"potts"} == set(unit_values())


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_that_lacks_something_is_named_at_import(name):
    """The registry is looked through whenever fastnn is imported, by this function."""
    check_registry(UNITS)
    with pytest.raises(RuntimeError, match=rf"differ: \['{name}'"):
        check_registry({other: unit for other, unit in UNITS.items() if other != name})
    with pytest.raises(RuntimeError, match=r"differ: \['cauchy'"):
        check_registry({**UNITS, "cauchy": UNITS[name]})
    assert 0 < default_rate(name, "bernoulli") <= 0.05
    if UNITS[name].pairs:
        with pytest.raises(RuntimeError, match=rf"when {name} units go with .*'{name}'"):
            check_registry({**UNITS, name: replace(UNITS[name], pairs=None)})


@EVERY
def test_biases_give_the_means_they_are_for(unit):
    """And means at the ends of the range, where they have no bias, are those of one row more or less."""
    wanted = np.array([0.02, 0.3, 0.7, 0.98])
    assert_allclose(mean(unit, bias_of_mean(unit, wanted, 1000)), wanted, rtol=1e-9)
    low, _ = unit_domains()[unit]
    if np.isfinite(low):
        a = bias_of_mean(unit, np.array([low]), 8)
        assert_allclose(mean(unit, a), low + (0.2 if unit == "spin" else 0.1), rtol=1e-8)


def alone(unit, z, dtype=np.float64):
    """Visible units of these fields, coupled to nothing."""
    z = np.asarray(z, dtype)
    return RBM.from_parameters(np.zeros((z.size, 1), dtype), z, visible=unit, random_state=0)


# --- one unit ------------------------------------------------------------------------------------


@EVERY
@BOTH_TYPES
def test_means_are_those_of_the_law(unit, dtype):
    z = FIELDS.astype(dtype)
    found = alone(unit, z, dtype).inverse_transform(np.zeros((1, 1), dtype))[0]
    assert found.dtype == dtype
    tolerance = 2e-6 if dtype == np.float32 else 1e-12
    assert_allclose(found, mean(unit, z.astype(np.float64)), rtol=tolerance, atol=1e-12)


def hidden_sum(unit, z, dtype=np.float64):
    """ln of the sum over the states of a hidden unit of field z."""
    z = np.atleast_1d(np.asarray(z, dtype))
    models = [
        RBM.from_parameters(np.zeros((1, 1), dtype), b=[field], hidden=unit, random_state=0) for field in z
    ]
    return np.array([-model.free_energy(np.zeros((1, 1), dtype))[0] for model in models])


@EVERY
@BOTH_TYPES
def test_sums_over_states_are_those_of_the_law(unit, dtype):
    z = FIELDS.astype(dtype)
    tolerance = 3e-6 if dtype == np.float32 else 1e-12
    expected = log_partition(unit, z.astype(np.float64))
    assert_allclose(hidden_sum(unit, z, dtype), expected, rtol=tolerance, atol=tolerance)


@EVERY
def test_the_derivative_of_the_sum_is_the_mean(unit):
    step = 1e-4
    slope = (hidden_sum(unit, FIELDS + step) - hidden_sum(unit, FIELDS - step)) / (2 * step)
    found = alone(unit, FIELDS).inverse_transform(np.zeros((1, 1)))[0]
    assert_allclose(slope, found, rtol=1e-6, atol=1e-8)  # the next term is of order step^2


def p_of_draws(unit, z, draws):
    """How likely draws of one unit are: Kolmogorov-Smirnov for numbers, chi-squared for the rest."""
    if unit == "gaussian":
        return stats.kstest(draws - z, "norm").pvalue
    if unit == "relu":
        assert (draws >= 0).all()
        return stats.kstest(np.exp(log_ndtr(z - draws) - log_ndtr(z)), "uniform").pvalue
    s, log_weight = LAWS[unit]
    shares = np.exp(z * s + log_weight - log_partition(unit, np.float64(z)))
    seen = np.array([(draws == value).sum() for value in s])
    assert seen.sum() == draws.size  # nothing else than states
    rare = shares * draws.size < 10
    seen, shares = np.append(seen[~rare], seen[rare].sum()), np.append(shares[~rare], shares[rare].sum())
    if shares[-1] * draws.size < 1e-3:
        assert seen[-1] == 0
        seen, shares = seen[:-1], shares[:-1]
    return stats.chisquare(seen, shares * draws.size / shares.sum()).pvalue


@EVERY
@BOTH_TYPES
def test_draws_have_the_law(unit, dtype, record_property):
    """Fields on both sides of every change of method: Poisson rates 10, rectified fields 0."""
    z = np.array([-8, -2.5, -0.4, 0.0, 0.3, 1.5, 2.29, 2.32, 3.2, 4.7]).astype(dtype)
    v = alone(unit, z, dtype).sample(40_000, 1, random_state=1)
    found = [p_of_draws(unit, float(field), v[:, k].astype(np.float64)) for k, field in enumerate(z)]
    record_property("p", min(found))
    assert min(found) > LEAST_P


def test_large_rates_are_drawn_as_they_should():
    z = np.log(np.array([300.0, 1e4, 1e6]))
    for dtype in (np.float32, np.float64):
        v = alone("poisson", z, dtype).sample(40_000, 1, random_state=2).astype(np.float64)
        assert (v == np.round(v)).all()
        rate = np.exp(z.astype(dtype).astype(np.float64))
        share = np.random.default_rng(3).random(v.shape)  # spreads each count over its step of the law
        below = stats.poisson.cdf(v - 1, rate) + share * stats.poisson.pmf(v, rate)
        assert min(stats.kstest(below[:, k], "uniform").pvalue for k in range(3)) > LEAST_P


@BOTH_TYPES
def test_rectified_means_far_below_zero_do_not_cancel(dtype):
    """E[s] = 1/x - 2/x^3 + 10/x^5 - ... for z = -x."""
    z = -np.array([30.0, 300.0, 3e4])
    found = alone("relu", z, dtype).inverse_transform(np.zeros((1, 1), dtype))[0]
    assert_allclose(found, -1 / z + 2 / z**3 - 10 / z**5, rtol=2e-6)


@EVERY
def test_draws_of_neighbours_are_uncorrelated(unit):
    v = alone(unit, np.full(130, 0.3)).sample(5_000, 1, random_state=3).astype(np.float64)
    correlation = np.corrcoef(v.T)
    np.fill_diagonal(correlation, 0)
    assert abs(correlation).max() < 5.5 / np.sqrt(len(v))  # 8,385 pairs


# --- pairs ---------------------------------------------------------------------------------------


def weights(visible, hidden, seed=0, n_visible=2, n_hidden=3):
    """Parameters of a small model of these units that can be normalised."""
    rng = np.random.default_rng(seed)
    W = rng.normal(0, 0.5, (n_visible, n_hidden))
    a, b = rng.normal(0, 0.3, n_visible), rng.normal(0, 0.3, n_hidden)
    rule = pair_rule(visible, hidden)
    if rule == "definite":
        W *= 0.6 / np.linalg.norm(W, 2)
    elif rule == "negative":
        W = -abs(W)
    return W, a, b


def make(visible, hidden, dtype=np.float64, **params):
    W, a, b = (x.astype(dtype) for x in weights(visible, hidden))
    rbm = RBM.from_parameters(W, a, b, visible=visible, hidden=hidden, random_state=0, **params)
    return rbm, ExactModel(W, a, b, visible, hidden)


def assert_moments(v, exact, p):
    """Means and second moments of draws from p over exact.V, within 5 standard errors."""
    for f in (lambda V: V, lambda V: V[:, :1] * V):
        values, target = f(v), p @ f(exact.V)
        scale = np.sqrt(np.maximum(p @ f(exact.V) ** 2 - target**2, 1e-12))
        assert (abs(values.mean(axis=0) - target) < 5 * scale / np.sqrt(len(v))).all()


@EVERY_PAIR
def test_samples_have_the_models_moments(visible, hidden):
    rbm, exact = make(visible, hidden, np.float32)
    v = rbm.sample(6_000, 25, random_state=1).astype(np.float64)
    assert_moments(v, exact, exact.p)


@EVERY_PAIR
def test_clamped_samples_have_the_conditional_moments(visible, hidden):
    rbm, exact = make(visible, hidden)
    held = exact.V[np.argmin(abs(exact.V[:, 0] - 1) + abs(exact.V[:, 1] - 1))]
    v = rbm.sample(6_000, 25, v_init=held, clamp=np.array([True, False]), random_state=2).astype(np.float64)
    assert_allclose(v[:, 0], held[0], rtol=1e-15)
    p = np.where(exact.V[:, 0] == held[0], exact.p, 0)
    assert_moments(v, exact, p / p.sum())


@EVERY_PAIR
def test_energies_integrate_to_free_energies_and_those_to_z(visible, hidden):
    rbm, exact = make(visible, hidden)
    seen = np.flatnonzero(abs(exact.V).max(axis=1) <= 3)[::7]  # the nodes serve fields of such states
    expected = -exact.V @ exact.a - exact.hidden_sums(exact.V)
    base = exact.log_weight if visible == "poisson" else -0.5 * (exact.V**2).sum(axis=1)
    expected -= base if visible in ("poisson", "gaussian", "relu") else 0
    assert_allclose(rbm.free_energy(exact.V[seen]), expected[seen], rtol=1e-9, atol=1e-8)
    H = np.tile(exact.V[:1] * 0 + 1, (1, 2))[:, :3]
    V = exact.V[[0, -1]]
    pairs = rbm.energy(V, np.repeat(H, 2, axis=0))
    direct = -V @ exact.a - H.sum(axis=0) @ exact.b - np.einsum("ni,ij,j->n", V, exact.W, H[0])
    direct -= np.array([base[0], base[-1]]) if visible in ("poisson", "gaussian", "relu") else 0
    direct += 3 * 0.5 if hidden in ("gaussian", "relu") else 0
    assert_allclose(pairs, direct, rtol=1e-12)
    if {visible, hidden} & {"bernoulli", "spin"} or visible == hidden == "gaussian":
        assert float(rbm.log_partition()) == pytest.approx(exact.log_z, abs=1e-8)
    else:
        with pytest.raises(ValueError, match="needs a layer of bernoulli or spin"):
            rbm.log_partition("exact")


@EVERY_PAIR
def test_learning_follows_the_gradient_of_the_likelihood(visible, hidden):
    """One update at rate 1 from chains that have forgotten their start, within 5 standard errors."""
    if pair_rule(visible, hidden) == "negative":
        pytest.skip("fit refuses these units")
    rows = {"spin": [[-1, 1], [1, 1]], "poisson": [[0, 2], [1, 1]]}.get(visible, [[0, 1], [1, 1]])
    n = 6_000
    X = np.repeat(np.array(rows, np.float64), n // 2, axis=0)
    params = {"learning_rate": 1.0, "centering": False, "method": "cd", "n_gibbs_steps": 25}
    rbm, exact = make(visible, hidden, sample_visible=True, **params)
    rbm.partial_fit(X)
    data, model = exact.moments(np.array(rows, float), np.full(2, 0.5)), exact.moments(exact.V, exact.p)
    second = exact.hidden_means(exact.V) ** 2
    scales = (
        np.sqrt(exact.p @ exact.V**2)[:, None] * np.sqrt(exact.p @ second) * 3,
        np.sqrt(exact.p @ exact.V**2),
        np.sqrt(exact.p @ second),
    )
    found = rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_
    for now, before, d, m, scale in zip(found, (exact.W, exact.a, exact.b), data, model, scales, strict=True):
        assert (abs(now - before - (d - m)) < 5 * scale / np.sqrt(n)).all()


def learnable(visible, hidden):
    return pair_rule(visible, hidden) in ("always", "definite")


def rows_for(visible, n_rows=300, n_features=70, dtype=np.float32):
    """Rows in the domain of a unit in which columns go together."""
    rng = np.random.default_rng(5)
    common = rng.normal(size=(n_rows, 4)) @ rng.normal(size=(4, n_features)) / 4
    z = common + 0.7 * rng.normal(size=(n_rows, n_features))
    of = {
        "bernoulli": z > 0,
        "spin": np.where(z > 0, 1, -1),
        "poisson": rng.poisson(np.exp(z.clip(-2, 2))),
        "relu": np.maximum(z, 0),
        "gaussian": z,
    }
    return of[visible].astype(dtype)


@EVERY_PAIR
@BOTH_TYPES
def test_any_number_of_threads_gives_the_same_bits(visible, hidden, dtype):
    found = set()
    for n_threads in THREADS:
        if learnable(visible, hidden):
            params = {"n_iter": 1, "batch_size": 64, "monitor": (), "random_state": 1}
            rbm = RBM(130, visible=visible, hidden=hidden, n_threads=n_threads, **params)
            rbm.fit(rows_for(visible, dtype=dtype))
        else:
            W, a, b = (x.astype(dtype) for x in weights(visible, hidden, 0, 70, 130))
            rbm = RBM.from_parameters(
                W, a, b, visible=visible, hidden=hidden, n_threads=n_threads, random_state=1
            )
        v = rbm.gibbs(rows_for(visible, dtype=dtype), 2)
        parameters = rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_
        found.add(digest(*parameters, v, rbm.sample(300, 3), rbm.transform(v)))
    assert len(found) == 1


@EVERY_PAIR
def test_fit_learns(visible, hidden):
    """The default settings bring the reconstruction error down, and every method works."""
    if not learnable(visible, hidden):
        with pytest.raises(ValueError, match="only while no weight is positive"):
            RBM(4, visible=visible, hidden=hidden).fit(rows_for(visible))
        return
    X = rows_for(visible)
    rbm = RBM(20, visible=visible, hidden=hidden, n_iter=100, batch_size=20, random_state=0).fit(X)
    error = rbm.history_["reconstruction"]
    if "relu" in (visible, hidden) and pair_rule(visible, hidden) == "definite":
        assert error[-1] < 1.01 * error[0]  # weights have to stay so small that little is learned
    else:
        assert error[-1] < 0.97 * error[0]
    assert np.isfinite(rbm.free_energy(X)).all()
    assert rbm.reconstruct(X).shape == rbm.gibbs(X).shape == X.shape
    assert rbm.transform(X).dtype == np.float32


# --- standard deviations of Gaussian units -------------------------------------------------------


def test_sigma_scales_values_in_and_out():
    """Everything in units of sigma is the model of unit width; densities change by sum ln sigma."""
    W, a, b = weights("gaussian", "bernoulli")
    sigma = np.array([0.5, 3.0])
    of = {"random_state": 0}
    plain = RBM.from_parameters(W, a, b, visible="gaussian", **of)
    wide = RBM.from_parameters(W, a, b, visible=Gaussian(sigma=sigma), **of)
    X = np.random.default_rng(0).normal(size=(5, 2))
    H = plain.transform(X)
    assert_allclose(wide.transform(X * sigma), H, rtol=1e-14)
    assert_allclose(wide.inverse_transform(H), plain.inverse_transform(H) * sigma, rtol=1e-14)
    assert_allclose(wide.gibbs(X * sigma, 2), plain.gibbs(X, 2) * sigma, rtol=1e-12)
    assert_allclose(wide.sample(4, 3, random_state=1), plain.sample(4, 3, random_state=1) * sigma)
    assert_allclose(wide.energy(X * sigma, H[:, :3]), plain.energy(X, H[:, :3]) + np.log(sigma).sum())
    assert_allclose(wide.log_likelihood(X * sigma), plain.log_likelihood(X) - np.log(sigma).sum())


def test_learned_sigma_follows_the_gradient_of_the_likelihood():
    """No draw enters it, so it is the derivative of the exact log-likelihood to rounding."""
    W, a, b = weights("gaussian", "bernoulli")
    sigma, X = np.array([0.8, 1.6]), np.random.default_rng(1).normal(0.3, 1.2, (40, 2))

    def likelihood(log_sigma):
        unit = Gaussian(sigma=np.exp(log_sigma))
        return RBM.from_parameters(W, a, b, visible=unit, random_state=0).log_likelihood(X).mean()

    step, slope = 1e-5, np.empty(2)
    for i in range(2):
        d = step * np.eye(2)[i]
        slope[i] = (likelihood(np.log(sigma) + d) - likelihood(np.log(sigma) - d)) / (2 * step)
    model = RBM.from_parameters(W, a, b, visible="gaussian", random_state=0, learning_rate=1e-3)
    model.sigma_ = sigma
    model.set_params(visible=Gaussian(sigma="learned", bounds=(0.01, 100)))
    model.partial_fit(X)
    assert_allclose(np.log(model.sigma_ / sigma) / 1e-3, slope, rtol=1e-7)


def test_learned_sigma_keeps_to_its_bounds():
    X = np.repeat(rows_for("gaussian", 20), 5, axis=0)
    unit = Gaussian(sigma="learned", bounds=(0.7, 1))
    rbm = RBM(60, visible=unit, n_iter=150, learning_rate=0.05, random_state=0, monitor=()).fit(X)
    assert (rbm.sigma_ >= 0.7 * X.std(axis=0) * (1 - 1e-6)).all()
    assert (rbm.sigma_ < 0.71 * X.std(axis=0)).any()


def test_scales_of_the_data_do_not_matter():
    """The default sigma is that of the columns, so that data need not be standardised."""
    X = rows_for("gaussian", dtype=np.float64)
    scales = np.exp2(np.arange(-10, 60, dtype=np.float64))  # powers of two: no rounding
    one, other = (RBM(9, visible="gaussian", n_iter=2, random_state=0).fit(Z) for Z in (X, X * scales))
    assert_allclose(other.components_, one.components_, rtol=1e-6)
    assert_allclose(other.sigma_, one.sigma_ * scales, rtol=1e-12)


# --- refusals ------------------------------------------------------------------------------------

Z = np.random.default_rng(6).normal(size=(30, 6))
ONE_HOT = np.eye(3)[np.random.default_rng(7).integers(3, size=(30, 2))].reshape(30, 6)
BIG = np.full((6, 4), 0.4)
NAMES = np.array(["a", "b"] * 15)


def fit(X, **params):
    return lambda: RBM(4, n_iter=1, **params).fit(X)


def given(W, **params):
    return lambda: RBM.from_parameters(W, **params)


REFUSED = [
    ("counts below zero", fit(Z, visible="poisson"), "poisson visible units take values >= 0"),
    ("rectified below zero", fit(Z, visible="relu"), "relu visible units take values >= 0"),
    ("sparse below zero", fit(csr_array(Z), visible="poisson"), "take values >= 0"),
    ("gaussian and poisson", fit(Z, visible="gaussian", hidden="poisson"), "no distribution"),
    ("poisson and gaussian", given(BIG, visible="poisson", hidden="gaussian"), "no distribution"),
    ("poisson twice", fit(abs(Z), visible="poisson", hidden="poisson"), "only while no weight"),
    ("poisson twice, given", given(BIG, visible="poisson", hidden="poisson"), "a weight is positive"),
    ("gaussian twice", given(BIG, visible="gaussian", hidden="gaussian"), "singular value of 1.96"),
    ("gaussian and relu", given(BIG, visible="gaussian", hidden="relu"), "not positive definite"),
    ("relu twice", given(BIG, visible="relu", hidden="relu"), "not positive definite"),
    ("binarize", fit(Z, visible="gaussian", binarize="sample"), "binarize='sample' is for"),
    ("monitor", fit(Z, visible="gaussian", monitor=("pseudo_likelihood",)), "pseudo-likelihood"),
    ("stopping", fit(Z, visible="gaussian", early_stopping="pseudo_likelihood"), "pseudo-likelihood"),
    ("sigma word", fit(Z, visible=Gaussian(sigma="unit")), "sigma must be"),
    ("sigma zero", fit(Z, visible=Gaussian(sigma=0.0)), "positive and finite"),
    ("sigma NaN", fit(Z, visible=Gaussian(sigma=np.nan)), "positive and finite"),
    ("sigma length", fit(Z, visible=Gaussian(sigma=[1.0, 2.0])), "2 values, but there are 6"),
    ("sigma flag", fit(Z, visible=Gaussian(sigma=True)), "sigma must be"),
    ("bounds", fit(Z, visible=Gaussian(bounds=(2, 3))), "bounds must be"),
    ("bounds form", fit(Z, visible=Gaussian(bounds=0.1)), "bounds must be"),
    ("hidden sigma", fit(Z, hidden=Gaussian()), "'hidden' parameter"),
    ("potts without groups", fit(ONE_HOT, visible="potts"), "'visible' parameter"),
    ("groups of one", fit(ONE_HOT, visible=Potts(1)), "Bernoulli units"),
    ("groups below one", fit(ONE_HOT, visible=Potts([3, 0, 3])), "positive sizes"),
    ("groups of fractions", fit(ONE_HOT, visible=Potts([1.5, 4.5])), "positive sizes"),
    ("groups that do not divide", fit(ONE_HOT, visible=Potts(4)), "groups of 4 do not fill"),
    ("groups that do not fill", fit(ONE_HOT, visible=Potts([3, 2])), "6 units, but its groups 5"),
    ("hidden groups", fit(ONE_HOT, hidden=Potts(3)), "hidden layer has 4 units"),
    ("two of a group", fit(np.ones((3, 6)), visible=Potts(3)), "add up to 3"),
    ("none of a group", fit(np.zeros((3, 6), bool), visible=Potts(3)), "add up to 0"),
    ("sparse none", fit(csr_array((3, 6)), visible=Potts(3)), "add up to 0"),
    ("drawn groups", fit(np.full((3, 6), 1 / 3), visible=Potts(3), binarize="sample"), "0 or 1 already"),
    (
        "a classifier of numbers",
        lambda: RBMClassifier(RBM(visible="gaussian")).fit(Z, Z[:, 0] > 0),
        "bernoulli",
    ),
    ("a classifier of one class", lambda: RBMClassifier().fit(ONE_HOT, np.zeros(30)), "one class"),
]


@pytest.mark.parametrize(("call", "message"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_makes_no_sense_is_refused_with_the_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_models_of_numbers_have_no_pseudo_likelihood():
    """As scikit-learn does it: a method that a configuration lacks is not there, and its cause says why."""
    model = RBM.from_parameters(0.1 * BIG, visible="gaussian")
    assert not hasattr(model, "score_samples")
    with pytest.raises(AttributeError, match="score_samples") as caught:
        model.score_samples(Z)
    assert "gaussian units has no closed form here; use free_energy" in str(caught.value.__cause__)
    assert hasattr(model.set_params(visible="bernoulli"), "score_samples")


def test_assigned_parameters_are_checked_too():
    rbm = RBM.from_parameters(0.1 * BIG, visible="gaussian", hidden="gaussian")
    rbm.components_ = BIG.T
    with pytest.raises(ValueError, match="not positive definite"):
        rbm.transform(Z)
    rbm = RBM.from_parameters(0.1 * BIG, visible="gaussian")
    rbm.sigma_ = -np.ones(6)
    with pytest.raises(ValueError, match="sigma must be positive"):
        rbm.transform(Z)


@pytest.mark.parametrize("hidden", ["gaussian", "relu"])
def test_learning_that_leaves_the_region_is_undone(hidden):
    X = np.repeat(np.random.default_rng(8).normal(size=(200, 1)), 8, axis=1)
    rbm = RBM(5, visible="gaussian", hidden=hidden, learning_rate=0.3, n_iter=400, random_state=0)
    with pytest.raises(DivergenceError, match=r"not positive definite|no longer finite.*lower learning_rate"):
        rbm.fit(X)
    assert np.linalg.norm(rbm.components_, 2) < 1 or hidden == "relu"
    assert np.isfinite(rbm.free_energy(X)).all()
    for array in (rbm._training_state["visible_mean"], rbm._training_state["hidden_mean"]):
        assert abs(array).max() < 1  # those of the epoch that went astray would drive the biases away at once
    rbm.set_params(learning_rate=0.01).partial_fit(X)


def test_no_update_leaves_the_region_unseen(monkeypatch):
    """One update goes out of it, the next draws all weights back, so that the epoch ends inside."""
    X = np.repeat(np.random.default_rng(8).normal(size=(100, 1)), 8, axis=1)
    rates = {3: 0.03, 4: 0.001}  # times l2 = 1000: W is multiplied by -29, then by nothing
    params = {"visible": "gaussian", "hidden": "gaussian", "method": "cd", "l2": 1000.0, "learning_rate": 1.0}
    rbm = RBM(5, batch_size=10, n_iter=1, random_state=0, **params)
    rbm.set_params(learning_rate_schedule=lambda done: rates.get(round(10 * done), 0.0))
    with pytest.raises(DivergenceError, match=r"epoch 1: .* not positive definite"):
        rbm.fit(X)
    assert np.linalg.norm(rbm.components_, 2) < 1
    monkeypatch.setattr(RBM, "_region", lambda _: None)
    assert np.linalg.norm(rbm.fit(X).components_, 2) < 0.01


def test_the_region_is_looked_at_before_its_edge_can_be_reached(monkeypatch):
    asked = []
    known = _fit.why_not_normalisable
    monkeypatch.setattr(_fit, "why_not_normalisable", lambda *args: asked.append(1) or known(*args))
    rng, region = np.random.default_rng(0), _fit.Region(("gaussian", "gaussian"))
    W = rng.normal(size=(9, 4))
    W *= 0.5 / np.linalg.norm(W, 2)
    inside = []
    for _ in range(300):
        W = W + rng.normal(0, 4e-3, W.shape)
        inside.append(region.why_left(W) is None)
        assert inside[-1] == (np.linalg.norm(W, 2) < 1)
    assert len(asked) < 100
    assert region.why_left(3 * W) is not None
    assert region.why_left(np.full_like(W, np.nan)) is not None


def test_sparse_counts_are_never_made_dense(monkeypatch):
    X = csr_array(rows_for("poisson"))
    for name in ("toarray", "todense"):
        monkeypatch.setattr(csr_array, name, lambda *_: pytest.fail("the matrix was written out"))
    params = {"visible": "poisson", "n_iter": 2, "monitor": (), "random_state": 0}
    sparse, dense = (RBM(30, **params).fit(rows) for rows in (X, rows_for("poisson")))
    assert_array_equal(sparse.components_, dense.components_)
    assert_array_equal(sparse.free_energy(X), dense.free_energy(rows_for("poisson")))


def test_values_of_spins_give_the_gradient_of_their_means():
    """Mean-field CD of spin units: the lower value, -1, counts once."""
    rng = np.random.default_rng(9)
    W, a, b = rng.normal(0, 0.5, (4, 3)), rng.normal(0, 0.5, 4), rng.normal(0, 0.5, 3)
    X = rng.uniform(-1, 1, (1, 4))
    params = {"learning_rate": 1.0, "centering": False, "method": "cd", "visible": "spin", "hidden": "spin"}
    rbm = RBM.from_parameters(W, a, b, random_state=0, **params).partial_fit(np.repeat(X, 20_000, axis=0))
    H = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    m = np.tanh(X[0] @ W + b)
    p = np.prod((1 + H * m) / 2, axis=1)
    up = np.tanh(H @ W.T + a)
    expected = np.outer(X[0], m) - up.T @ (p[:, None] * np.tanh(up @ W + b))
    assert_allclose(rbm.components_.T - W, expected, atol=5 / np.sqrt(20_000))
