"""Samplers of Ising models against enumeration: every kernel, rule and order, both domains, with clamps."""

from itertools import product

import numpy as np
import pytest
from reference_ising import CRITICAL, Torus, kaufman, magnetisations, second_moment_by_rows, torus_edges
from scipy.special import logsumexp
from scipy.stats import chi2, chisquare

import fastnn

KERNELS = ("bits", "lanes", "fields")
RULES = ("metropolis", "heat_bath")
ORDERS = ("sequential", "random", "color")
N, BETA, READS = 8, 0.35, 64_000


def small_model(vartype, *, real=False, seed=0):
    """Eight units with couplings -2 .. 2 and biases, some pairs uncoupled."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-2, 3, size=(N, N)) if not real else rng.normal(size=(N, N))
    weights = np.triu(weights * (rng.random((N, N)) < 0.7), 1).astype(float)
    bias = rng.integers(-2, 3, size=N) if not real else rng.normal(size=N)
    return fastnn.IsingModel(0.5 * (weights + weights.T), 0.5 * bias, vartype)


def brute_force(model, beta):
    """Energies and probabilities of all states, by the formula alone; bit i of the index is unit i."""
    states = np.array(list(product((model.low, 1), repeat=model.n)))[:, ::-1]
    dense = model.weights.toarray() if hasattr(model.weights, "toarray") else model.weights
    energies = model.offset - states @ model.bias - 0.5 * np.einsum("ri,ij,rj->r", states, dense, states)
    log_p = -beta * energies
    return states, energies, np.exp(log_p - logsumexp(log_p))


def p_value(found, expected):
    """Chi-square, the rarest states pooled so that each cell expects at least ten."""
    order = np.argsort(expected)
    expected, found = expected[order], found[order]
    pooled = int(np.searchsorted(np.cumsum(expected), 10)) + 1
    cells = [np.concatenate([[x[:pooled].sum()], x[pooled:]]) for x in (found, expected)]
    return chisquare(*cells).pvalue


def counts(model, states):
    return np.bincount((states == 1) @ (1 << np.arange(model.n)), minlength=2**model.n)


# 48 independent p-values: one below 1e-4 / 2 happens by chance in one seed of 400.
@pytest.mark.parametrize("clamped", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_states_have_the_boltzmann_distribution(vartype, kernel, rule, order, clamped):
    model = small_model(vartype)
    _, _, p = brute_force(model, BETA)
    options = {}
    if clamped:
        rng = np.random.default_rng(5)
        clamp = np.isin(np.arange(N), (1, 4))
        start = np.where(rng.random((READS, N)) < 0.5, 1, model.low)
        start[:, clamp] = (1, model.low)
        p = np.where(np.arange(2**N) >> 1 & 1 & ~(np.arange(2**N) >> 4), p, 0)
        options = {"clamp": clamp, "initial_states": start}
    samples = fastnn.anneal(
        model, num_reads=READS, schedule=np.full(30, BETA), kernel=kernel, acceptance=rule,
        order=order, seed=11, **options,
    )  # fmt: skip
    assert samples.info["kernel"] == kernel
    found, p = counts(model, samples.states), p / p.sum()
    assert found[p == 0].sum() == 0
    assert p_value(found[p > 0], READS * p[p > 0]) > 1e-4 / 2


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_real_couplings_in_both_precisions(rule, scale):
    weights = small_model("SPIN", real=True, seed=3).weights / scale
    model = fastnn.IsingModel(weights, np.full(N, 0.1 / scale))
    if scale > 1:  # a strong pair beside weak ones needs the longer digits
        weights[0, 1] = weights[1, 0] = 1e3
        model = fastnn.IsingModel(weights, np.full(N, 0.1 / scale))
    beta = 0.4 * scale
    _, _, p = brute_force(model, beta)
    # gibbs_sample's start is random: the strong pair then never moves together, but agrees either way.
    samples = fastnn.gibbs_sample(
        model, beta=beta, num_reads=READS, num_sweeps=30, burn_in=0, acceptance=rule, seed=2
    )
    assert samples.info["precision"] == ("float32" if scale == 1 else "float64")
    if scale == 1:
        assert p_value(counts(model, samples.states), READS * p) > 1e-4
    else:
        agree = samples.states[:, 0] == samples.states[:, 1]
        assert agree.all()
        rest = counts(model, samples.states).reshape(-1, 4)[:, [0, 3]]
        for k in range(2):  # given the pair, the others have their conditional distribution
            q = p.reshape(-1, 4)[:, [0, 3]][:, k]
            assert p_value(rest[:, k], rest[:, k].sum() * q / q.sum()) > 1e-4


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_running_moments_are_the_exact_ones(kernel, vartype):
    model = small_model(vartype, seed=7)
    states, _, p = brute_force(model, BETA)
    found = fastnn.gibbs_sample(
        model, beta=BETA, num_reads=3000, num_sweeps=60, burn_in=30, moments=True, kernel=kernel, seed=1
    )
    assert found.n_states == 3000 * 60
    i, j = found.pairs.T
    # Sweeps of a chain are correlated: no better than its reads times a tenth of its sweeps.
    error = 1 / np.sqrt(3000 * 6)
    assert np.abs(found.mean - p @ states).max() < 4.5 * error
    assert np.abs(found.pair_mean - p @ (states[:, i] * states[:, j])).max() < 4.5 * error


def test_reads_and_lanes_are_independent():
    """Covariances of free spins between reads: 64 lanes of a block, and the same lane of two blocks."""
    for kernel in KERNELS:
        model = fastnn.IsingModel(np.zeros((4000, 4000)) if kernel == "lanes" else _ring(4000))
        s = fastnn.gibbs_sample(
            model, beta=0.0, num_reads=128, num_sweeps=5, burn_in=0, kernel=kernel, seed=3
        ).states.astype(float)
        covariance = s @ s.T / 4000
        off = covariance[np.triu_indices(128, 1)] * np.sqrt(4000)  # standard normal
        assert chi2.sf((off**2).sum(), off.size) > 1e-4
        assert chi2.cdf((off**2).sum(), off.size) > 1e-4
        assert np.abs(off).max() < 5.5


def _ring(n):
    k = np.arange(n)
    return fastnn.IsingModel.from_edges(np.stack([k, (k + 1) % n], 1)).weights


@pytest.mark.parametrize(("L", "M"), [(2, 2), (2, 7), (3, 2), (3, 3), (3, 5), (4, 4)])
def test_pfaffians_give_correlations_on_a_torus(L, M):
    """The reference of the 32 x 32 lattice below against the sum over states, above, at and below beta_c."""
    states = np.array(list(product((-1, 1), repeat=L * M)))
    i, j = torus_edges(L, M).T
    bonds = (states[:, i] * states[:, j]).sum(axis=1)
    for beta in (0.2, CRITICAL, 0.8):
        log_z = logsumexp(beta * bonds)
        p = np.exp(beta * bonds - log_z)
        torus = Torus(L, M, beta)
        np.testing.assert_allclose(torus.log_partition, log_z, rtol=1e-12)
        found = [torus.correlation(x, y) for x in range(L) for y in range(M)]
        np.testing.assert_allclose(found, p @ (states[:, :1] * states), rtol=1e-10)
        np.testing.assert_allclose(torus.second_moment(), p @ states.mean(axis=1) ** 2, rtol=1e-11)


def test_pfaffians_agree_with_transfer_matrices():
    for L, M, beta in [(8, 8, CRITICAL), (11, 7, 0.42), (6, 8, 0.46)]:
        np.testing.assert_allclose(
            Torus(L, M, beta).second_moment(), second_moment_by_rows(L, M, beta), rtol=1e-11
        )
    torus = Torus(6, 6, CRITICAL)
    m = 2 * np.arange(37) / 36 - 1
    np.testing.assert_allclose(torus.second_moment(), magnetisations(6, CRITICAL) @ m**2, rtol=1e-11)


@pytest.fixture(scope="module")
def critical_lattice():
    """Energy and <m^2> of the 32 x 32 torus at beta_c, exactly."""
    L, h = 32, 1e-5
    energy = -(kaufman(L, CRITICAL + h) - kaufman(L, CRITICAL - h)) / (2 * h)
    torus = Torus(L, L, CRITICAL)
    np.testing.assert_allclose(torus.log_partition, kaufman(L, CRITICAL), rtol=1e-12)
    np.testing.assert_allclose(-2 * L * L * torus.correlation(1, 0), energy, rtol=1e-8)
    second_moment = torus.second_moment()
    # times 32^(1/4): 1.09163. Lattices of 16, 64: 1.09083, 1.09186; they tend to a constant.
    np.testing.assert_allclose(second_moment, 0.458975036844, rtol=1e-10)
    return energy, second_moment


# The difference of <m^2> from equilibrium falls by a factor e in 150 sweeps of the heat bath and in 46 of
# Metropolis's rule, from all-up states as from random ones: burn-in is twenty times that. Of the fifteen
# means, one is out of three standard errors by chance in one seed of twenty.
@pytest.mark.parametrize(
    ("kernel", "rule", "reads"),
    [
        ("bits", "heat_bath", 256),
        ("bits", "metropolis", 256),
        ("lanes", "heat_bath", 128),
        ("lanes", "metropolis", 128),
        ("fields", "metropolis", 64),  # slow: its reads go one by one; a heat bath takes thrice the sweeps
    ],
)
def test_square_lattice_at_the_critical_point(kernel, rule, reads, critical_lattice):
    """Means of energy, m^2 and m on the 32 x 32 torus at beta_c within three standard errors of the exact."""
    energy, second_moment = critical_lattice
    start = np.random.default_rng(1).choice([-1, 1], size=(reads, 32 * 32))
    start[::4], start[1::4] = 1, -1
    burn_in, num_sweeps, thin = (3000, 7500, 100) if rule == "heat_bath" else (1000, 3500, 50)
    samples = fastnn.gibbs_sample(
        fastnn.IsingModel.from_edges(torus_edges(32, 32)), beta=CRITICAL, num_reads=reads,
        num_sweeps=num_sweeps, burn_in=burn_in, thin=thin, initial_states=start, acceptance=rule,
        kernel=kernel, seed=4,
    )  # fmt: skip
    assert samples.info["kernel"] == kernel
    m = samples.states.mean(axis=1, dtype=float)
    for found, exact, accuracy in [
        (samples.energies, energy, 0.002 * abs(energy)),
        (m**2, second_moment, 0.01 * second_moment),
        (m, 0.0, 0.1),
    ]:
        per_read = found.reshape(-1, reads).mean(axis=0)
        error = per_read.std(ddof=1) / np.sqrt(reads)
        assert error < accuracy
        assert abs(per_read.mean() - exact) < 3 * error


@pytest.mark.parametrize("kernel", KERNELS)
def test_magnetisation_at_the_critical_point(kernel):
    """E|m| and E m^2 of the 6 x 6 torus at beta_c, exact by its transfer matrix, within 3 standard errors."""
    L, beta, reads = 6, CRITICAL, 4096
    m = np.abs(2 * np.arange(L * L + 1) / (L * L) - 1)
    p = magnetisations(L, beta)
    model = fastnn.IsingModel.from_edges(torus_edges(L, L))
    found = fastnn.gibbs_sample(
        model, beta=beta, num_reads=reads, num_sweeps=500, burn_in=0, kernel=kernel, seed=8
    )
    s = np.abs(found.states.mean(axis=1, dtype=float))
    for power in (1, 2):
        error = (s**power).std(ddof=1) / np.sqrt(reads)
        assert abs((s**power).mean() - p @ m**power) < 3 * error


def test_parallel_tempering_gives_partition_functions():
    for kernel, vartype in product(KERNELS, ("SPIN", "BINARY")):
        model = small_model(vartype, seed=9)
        betas = np.array([0.0, 0.4, 0.8, 1.2])
        # ln Z at the largest beta is off by 0.0088 (one standard deviation) with a quarter of the sweeps.
        found = fastnn.parallel_tempering(model, betas, num_reads=200, num_sweeps=1600, kernel=kernel, seed=6)
        exact = [brute_force(model, beta) for beta in betas]
        log_z = [logsumexp(-beta * energies) for beta, (_, energies, _) in zip(betas, exact, strict=True)]
        np.testing.assert_allclose(found.log_partition, log_z, atol=0.02)
        assert ((found.swap_rates > 0.1) & (found.swap_rates <= 1)).all()
        for k, (_, _, p) in enumerate(exact):
            last = found.samples[k]
            np.testing.assert_allclose(last.energies, model.energy(last.states), atol=1e-9)
            assert p_value(counts(model, last.states), 200 * p) > 1e-4


def test_enumeration_is_the_sum_over_states():
    for vartype in ("SPIN", "BINARY"):
        model = small_model(vartype, real=True)
        model = fastnn.IsingModel(model.weights, model.bias, vartype, offset=1.5)
        states, energies, p = brute_force(model, 0.7)
        exact = model.enumerate(0.7)
        np.testing.assert_allclose(exact.log_partition, logsumexp(-0.7 * energies))
        np.testing.assert_allclose(exact.probabilities, p)
        np.testing.assert_allclose(exact.mean, p @ states, atol=1e-12)
        np.testing.assert_allclose(exact.second_moments, states.T @ (p[:, None] * states), atol=1e-12)
        np.testing.assert_allclose(exact.mean_energy, p @ energies)
        np.testing.assert_allclose(exact.energy_variance, p @ energies**2 - (p @ energies) ** 2)
        np.testing.assert_allclose(exact.entropy, -(p @ np.log(p)))
        np.testing.assert_allclose(exact.free_energy, -exact.log_partition / 0.7)
        assert exact.n_ground_states == 1
        np.testing.assert_array_equal(exact.ground_states[0], states[energies.argmin()])
        np.testing.assert_allclose(exact.ground_energy, energies.min())


def test_enumeration_across_blocks():
    """Eighteen units: more than a table's sixteen; a chain has a closed form."""
    k = np.arange(17)
    chain = fastnn.IsingModel.from_edges(np.stack([k, k + 1], 1), 0.8)
    exact = chain.enumerate(1.3)
    np.testing.assert_allclose(exact.log_partition, 18 * np.log(2) + 17 * np.log(np.cosh(0.8 * 1.3)))
    np.testing.assert_allclose(exact.second_moments[3, 10], np.tanh(0.8 * 1.3) ** 7)
    assert exact.n_ground_states == 2
