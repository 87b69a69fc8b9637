"""The RBM against exact enumeration: draws, means, energies, expected gradients, likelihoods.

Statistical tests have fixed seeds. A chi-squared test of a right sampler would fail with probability
1e-4 were its seed drawn anew; with the seeds here they pass, and a wrong sampler gives p below 1e-10.
"""

import numpy as np
import pytest
from reference import VALUES, ExactRBM, unit_mean
from scipy import stats

from fastnn import RBM
from fastnn._kernels.source import unpack_states

PAIRS = [(v, h) for v in VALUES for h in VALUES]
LEAST_P = 1e-4


def make(n_visible, n_hidden, visible="bernoulli", hidden="bernoulli", seed=0, dtype=np.float64, size=0.7):
    rng = np.random.default_rng(seed)
    W = rng.normal(0, size, (n_visible, n_hidden)).astype(dtype)
    a, b = rng.normal(0, size, n_visible).astype(dtype), rng.normal(0, size, n_hidden).astype(dtype)
    rbm = RBM.from_parameters(W, a, b, visible=visible, hidden=hidden, random_state=seed)
    return rbm, ExactRBM(W, a, b, visible, hidden)


def index_of(v, unit):
    """Row number of each state in reference.states."""
    low, high = VALUES[unit]
    bits = ((np.asarray(v, dtype=np.float64) - low) / (high - low)).astype(int)
    return bits @ (1 << np.arange(bits.shape[1])[::-1])


def chi_squared_p(draws, p):
    """Cells expected fewer than ten times are pooled."""
    expected = p * draws.size
    seen = np.bincount(draws, minlength=p.size)
    small = expected < 10
    seen = np.append(seen[~small], seen[small].sum())
    expected = np.append(expected[~small], expected[small].sum())
    keep = expected > 0
    return stats.chisquare(seen[keep], expected[keep]).pvalue


def steps_to_forget(exact):
    """Steps that leave a millionth of the slowest mode of the start: far less than 100 000 draws can see."""
    slowest = np.sort(np.abs(np.linalg.eigvals(exact.transition())))[-2]
    return int(np.ceil(np.log(1e-6) / np.log(slowest)))


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gibbs_samples_the_distribution(visible, hidden, dtype, record_property):
    rbm, exact = make(6, 5, visible, hidden, dtype=dtype)
    v = rbm.sample(100_000, steps_to_forget(exact), random_state=1)
    p = chi_squared_p(index_of(v, visible), exact.probabilities())
    record_property("p", p)
    assert p > LEAST_P


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_one_step_has_the_transition_probabilities(visible, hidden):
    rbm, exact = make(5, 4, visible, hidden, seed=2)
    start = 19
    v = rbm.gibbs(np.repeat(exact.V[[start]], 100_000, axis=0), random_state=3)
    assert chi_squared_p(index_of(v, visible), exact.transition()[start]) > LEAST_P


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_clamped_sampling_has_the_conditional_distribution(visible, hidden):
    rbm, exact = make(6, 4, visible, hidden, seed=4)
    clamp = np.array([True, False, False, True, False, True])
    held = exact.V[37]
    v = rbm.sample(50_000, 200, v_init=held, clamp=clamp, random_state=5)
    assert (v[:, clamp] == held[clamp]).all()
    agrees = (exact.V[:, clamp] == held[clamp]).all(axis=1)
    p = np.where(agrees, exact.probabilities(), 0)
    assert chi_squared_p(index_of(v, visible), p / p.sum()) > LEAST_P


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
@pytest.mark.parametrize(("dtype", "tol"), [(np.float32, 2e-6), (np.float64, 1e-14)])
def test_means_and_energies(visible, hidden, dtype, tol):
    rbm, exact = make(9, 7, visible, hidden, seed=6, dtype=dtype)
    V, H = exact.V.astype(dtype), exact.H.astype(dtype)
    scale = 1 if visible == hidden == "bernoulli" else 2
    np.testing.assert_allclose(
        rbm.transform(V), unit_mean(hidden, exact.V @ exact.W + exact.b), atol=tol * scale
    )
    np.testing.assert_allclose(
        rbm.inverse_transform(H), unit_mean(visible, exact.H @ exact.W.T + exact.a), atol=tol * scale
    )
    np.testing.assert_allclose(rbm.free_energy(V), exact.free_energy(exact.V), rtol=20 * tol, atol=20 * tol)
    pairs = exact.V[:128], exact.H
    np.testing.assert_allclose(rbm.energy(*pairs), exact.energy(*pairs), rtol=1e-6 if tol > 1e-9 else 1e-12)
    assert float(rbm.log_partition()) == pytest.approx(exact.log_partition(), rel=1e-12)
    np.testing.assert_allclose(
        rbm.score_samples(V), exact.pseudo_log_likelihood(exact.V), rtol=50 * tol, atol=50 * tol
    )
    assert np.exp(rbm.log_likelihood(V)).sum() == pytest.approx(1, abs=100 * tol)


def test_log_partition_takes_the_smaller_layer():
    rbm, exact = make(3, 9, seed=7)
    wide, _ = make(40, 5, seed=7)
    assert float(rbm.log_partition()) == pytest.approx(exact.log_partition(), rel=1e-12)
    h = np.array([[float(k >> j & 1) for j in range(5)] for k in range(32)])
    W, a, b = wide.components_.T, wide.intercept_visible_, wide.intercept_hidden_
    exponents = h @ b + np.logaddexp(0, h @ W.T + a).sum(axis=1)
    assert float(wide.log_partition()) == pytest.approx(np.logaddexp.reduce(exponents), rel=1e-12)


# --- gradients -----------------------------------------------------------------------------------


def step_of(exact, X, *, n_chains, **params):
    """The mean change of the parameters by one update at rate 1, from many parallel chains."""
    units = {"visible": exact.visible, "hidden": exact.hidden}
    params = {"learning_rate": 1.0, "centering": False, "random_state": 8, **units, **params}
    model = RBM.from_parameters(exact.W, exact.a, exact.b, **params)
    model.partial_fit(np.repeat(X, n_chains // len(X), axis=0))
    return (
        model.components_.T - exact.W,
        model.intercept_visible_ - exact.a,
        model.intercept_hidden_ - exact.b,
    )


def expected_step(exact, X, k):
    """E of the CD-k step with sampled visibles: chains start at the data and make k Gibbs steps."""
    p0 = np.bincount(index_of(X, exact.visible), minlength=len(exact.V)) / len(X)
    pk = p0 @ np.linalg.matrix_power(exact.transition(), k)
    return [d - m for d, m in zip(exact.moments(p0), exact.moments(pk), strict=True)]


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
@pytest.mark.parametrize("k", [1, 2, 10])
def test_cd_gradient_is_the_expected_one(visible, hidden, k):
    _, exact = make(5, 3, visible, hidden, seed=9)
    X = exact.V[[1, 6, 11, 30]]
    n = 200_000
    found = step_of(exact, X, n_chains=n, method="cd", n_gibbs_steps=k, sample_visible=True)
    for value, wanted in zip(found, expected_step(exact, X, k), strict=True):
        np.testing.assert_allclose(value, wanted, atol=5 * 2 / np.sqrt(n))  # five standard errors


def exact_gradient(exact, X, centering):
    """The gradient of the mean log-likelihood, or what centring at the data makes of it."""
    p0 = np.bincount(index_of(X, exact.visible), minlength=len(exact.V)) / len(X)
    data, model = exact.moments(p0), exact.moments(exact.probabilities())
    G, g_a, g_b = (d - m for d, m in zip(data, model, strict=True))
    if not centering:
        return G, g_a, g_b
    # Where the offsets stand at the first update: at the data's mean, and a hundredth of the way from 1/2.
    mu, lam = data[1], 0.99 * 0.5 + 0.01 * data[2]
    G = G - np.outer(mu, g_b) - np.outer(g_a, lam)
    return G, g_a - G @ lam, g_b - G.T @ mu


@pytest.mark.parametrize("centering", [True, False])
def test_cd_steps_approach_the_gradient_of_the_likelihood(centering):
    """fastnn's mean step over many chains, with strong weights: CD-1 and CD-3 are off by more than 10 and 3
    times what chance allows, CD-10 by no more than that: 5 standard errors of each number, of which one in
    2 million is beyond them were the seed drawn anew."""
    _, exact = make(5, 3, seed=12, size=2.0)
    X, n = exact.V[[1, 6, 11, 30]], 60_000
    wanted = exact_gradient(exact, X, centering)
    scale = 2.5 if centering else 1  # sums of rows of the gradient enter where it is centred
    chance = 5 * scale * 0.5 / np.sqrt(n)
    errors = {}
    for k in (1, 3, 10):
        params = {"method": "cd", "n_gibbs_steps": k, "sample_visible": True, "centering": centering}
        found = step_of(exact, X, n_chains=n, **params)
        errors[k] = max(np.abs(value - g).max() for value, g in zip(found, wanted, strict=True))
    assert errors[1] > 10 * chance / scale
    assert 3 * chance / scale < errors[3] < errors[1] / 3
    assert errors[10] < chance


def test_the_expected_cd_step_approaches_the_gradient():
    """What no number of chains can show: the bias falls to rounding. The step expected is the one that
    `test_cd_gradient_is_the_expected_one` finds."""
    _, exact = make(5, 3, seed=10)
    X = exact.V[[1, 6, 11, 30]]
    wanted, errors = exact_gradient(exact, X, False), []
    for k in (1, 3, 10, 30):
        steps = expected_step(exact, X, k)
        errors.append(max(np.abs(s - g).max() for s, g in zip(steps, wanted, strict=True)))
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert errors[3] < 1e-9


def test_pcd_chains_sample_the_model():
    """At a vanishing rate the chains' mean states are the model's, within 5 standard errors; then one update
    at rate 1 tells <v h'>, <v> and <h> of the same chains a step later."""
    _, exact = make(6, 4, seed=11)
    n, X = 20_000, exact.V[[0]]
    params = {"learning_rate": 1e-12, "n_chains": n, "monitor": (), "centering": False}
    params = {
        **params,
        "n_iter": steps_to_forget(exact),
        "batch_size": 1,
        "random_state": 12,
        "warm_start": True,
    }
    model = RBM.from_parameters(exact.W, exact.a, exact.b, **params).fit(X)
    chains = unpack_states(model._training_state["chains"], 4)
    wanted = exact.moments(exact.probabilities())
    chance = 5 * 0.5 / np.sqrt(n)
    np.testing.assert_allclose(chains.mean(axis=0), wanted[2], atol=chance)
    np.testing.assert_allclose(model.components_.T, exact.W, atol=1e-8)
    model.set_params(learning_rate=1.0).partial_fit(X)
    h = unit_mean(exact.hidden, X @ exact.W + exact.b)[0]
    data = np.outer(X[0], h), X[0], h
    now = model.components_.T, model.intercept_visible_, model.intercept_hidden_
    before = exact.W, exact.a, exact.b
    for found, start, d, m in zip(now, before, data, wanted, strict=True):
        np.testing.assert_allclose(d - (found - start), m, atol=chance)
        assert abs(d - m).max() > 5 * chance


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("sample_visible", [True, False])
def test_values_and_states_give_the_same_gradient(binary, sample_visible):
    """The BLAS path and the fixed-point path: bits read as values give the same data term."""
    _, exact = make(5, 3, seed=13)
    X = exact.V[[1, 6, 11, 30]]
    if not binary:
        X = 0.25 + X / 2
    n = 100_000
    found = step_of(exact, X, n_chains=n, method="cd", n_gibbs_steps=1, sample_visible=sample_visible)
    wanted = mean_field_step(exact, X, sample_visible)
    for value, target in zip(found, wanted, strict=True):
        np.testing.assert_allclose(value, target, atol=5 / np.sqrt(n))


def mean_field_step(exact, X, sample_visible):
    """CD-1 by enumeration over hidden states; visibles drawn, or their means."""
    means = unit_mean(exact.hidden, X @ exact.W + exact.b)
    data = X.T @ means / len(X), X.mean(axis=0), means.mean(axis=0)
    p_h = np.exp(np.log(means) @ exact.H.T + np.log1p(-means) @ (1 - exact.H).T).mean(axis=0)
    up = unit_mean(exact.visible, exact.H @ exact.W.T + exact.a)
    if sample_visible:
        conditional = exact._conditional(exact.H @ exact.W.T + exact.a, exact.V, exact.visible)
        model = exact.moments(p_h @ conditional)
    else:
        down = unit_mean(exact.hidden, up @ exact.W + exact.b)
        model = up.T @ (p_h[:, None] * down), p_h @ up, p_h @ down
    return [d - m for d, m in zip(data, model, strict=True)]


@pytest.mark.parametrize("n_visible", [3, 63, 64, 65, 130])
def test_chains_start_inside_the_layer(n_visible):
    """Spins of mean 0 are up half the time; those past the last unit would reach beyond the weights."""
    W = np.full((n_visible, 2), 1e-6)
    rbm = RBM.from_parameters(W, visible="spin", random_state=14)
    v = rbm.sample(2_000, 1)
    assert set(np.unique(v)) == {-1, 1}
    assert abs(v.mean()) < 5 / np.sqrt(v.size)
    start = rbm.sample(500, 0, random_state=15)
    np.testing.assert_array_equal(
        rbm.gibbs(start, 1, random_state=16), rbm.gibbs(start.astype(np.float64), 1, random_state=16)
    )
