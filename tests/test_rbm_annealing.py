"""Annealing and tempering of every pair of units against sums over nodes, closed forms and exact sums.

Statistical tests have fixed seeds: a right estimate would be off by the four standard errors allowed with
probability 6e-5, a mean of draws by five with 6e-7, were a seed drawn anew.
"""

import numpy as np
import pytest
from fingerprints import THREADS, digest
from numpy.testing import assert_allclose, assert_array_equal
from reference_units import LAWS, ExactModel
from test_units import assert_moments, rows_for, weights

from fastnn import RBM, Gaussian, Potts, RBMClassifier
from fastnn._kernels.annealed import rises, start_states
from fastnn.energy._annealing import base_biases, log_partition_at_rest
from fastnn.energy._replicas import Replicas
from fastnn.energy.units import pair_rule, unit_name

LAYERS = [(v, h) for v in (*LAWS, Potts((3, 1))) for h in (*LAWS, Potts((2, 1)))]
LAYERS = [pair for pair in LAYERS if pair_rule(*map(unit_name, pair)) != "never"]
EVERY_PAIR = pytest.mark.parametrize(
    ("visible", "hidden"), LAYERS, ids=["-".join(map(unit_name, pair)) for pair in LAYERS]
)
BETAS = np.array([0.0, 0.4, 1.0])


def make(visible, hidden, dtype=np.float64, seed=0):
    """A small model, its twin, and biases at beta = 0 that are not its own."""
    sizes = (2 if isinstance(visible, str) else 4), 3
    W, a, b = (x.astype(dtype) for x in weights(unit_name(visible), unit_name(hidden), seed, *sizes))
    rbm = RBM.from_parameters(W, a, b, visible=visible, hidden=hidden, random_state=0)
    return rbm, ExactModel(W, a, b, visible, hidden), np.linspace(-0.4, 0.3, sizes[0]).astype(dtype)


def nodes_as_data(exact, index):
    V = exact.V[index]
    return V.astype(np.int8) if exact.visible in ("spin",) else V


def replicas_at(rbm, V, betas, reference, key=3):
    """Ladders whose replicas stand at these rows, ladder by ladder."""
    kernel = rbm._weights(1)
    states = start_states(kernel, rbm._start_states(V, 1), len(V))
    return Replicas(kernel, states, betas, reference, key, None, 1)


def per_rung(rbm, replicas):
    """Visible states at each beta, (n_betas, n_ladders, n_visible)."""
    states = rbm._states_of(replicas.states).astype(np.float64)
    states = states.reshape(*replicas.rung.shape, -1)
    return np.take_along_axis(states, replicas.replica[:, :, None], axis=1).transpose(1, 0, 2)


# --- one change of temperature -------------------------------------------------------------------


@EVERY_PAIR
@pytest.mark.parametrize(("dtype", "tol"), [(np.float32, 3e-6), (np.float64, 2e-12)])
@pytest.mark.parametrize("change", [(0.3, 0.3001), (0.3001, 0.3), (0.0, 1.0), (1.0, 0.0), (0.9, 0.2)])
def test_a_change_of_temperature(visible, hidden, dtype, tol, change):
    """Relative to the change itself, however small."""
    rbm, exact, reference = make(visible, hidden, dtype)
    index = np.flatnonzero(abs(exact.V).max(axis=1) <= 3)[::7]  # the nodes serve fields of such states
    V = nodes_as_data(exact, index).astype(dtype)
    kernel = rbm._weights(1)
    states = start_states(kernel, rbm._start_states(V, 1), len(V))
    out = np.empty(len(V))
    rises(kernel, states, *(np.full(len(V), beta) for beta in change), reference, out, 1)
    wanted = (exact.log_f(change[1], reference) - exact.log_f(change[0], reference))[index]
    assert_allclose(out, wanted, rtol=0, atol=tol * abs(change[1] - change[0]) * 40 + 2e-13)


@pytest.mark.parametrize("unit", [*LAWS, Potts((3, 1, 2))])
def test_units_at_rest(unit):
    """ln Z of units that are coupled to nothing: where annealing starts."""
    fields = np.linspace(-1, 1, 6)[: 2 if isinstance(unit, str) else 6]
    exact = ExactModel(np.zeros((len(fields), 1)), fields, [0.0], unit, "bernoulli")
    groups = None if isinstance(unit, str) else unit.ranges(6, "visible")
    found = log_partition_at_rest(unit_name(unit), groups, fields)
    assert found == pytest.approx(exact.log_z - np.log(2), abs=1e-9)


# --- estimates -------------------------------------------------------------------------------------


@EVERY_PAIR
def test_both_ways_meet_the_exact_value(visible, hidden):
    rbm, exact, reference = make(visible, hidden)
    X = exact.V[np.random.default_rng(1).choice(len(exact.p), 400, p=exact.p)]
    found = rbm.log_partition("bridge", X, n_chains=400, n_betas=60, base=reference, random_state=2)
    ais, back = found.parts["ais"], found.parts["reverse_ais"]
    assert abs(found.value - exact.log_z) < 4 * found.error < 0.1
    assert abs(ais.value - exact.log_z) < 4 * ais.error < 0.2
    assert abs(back.value - exact.log_z) < 4 * back.error + 0.02


@EVERY_PAIR
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_of_the_weights_is_the_partition_function(visible, hidden, dtype):
    """In few and rough steps, where weights differ much: right on average whatever the schedule."""
    rbm, exact, reference = make(visible, hidden, dtype, seed=1)
    betas = [0, 0.2, 0.5, 0.8, 1]
    found = rbm.log_partition("ais", n_chains=8_000, betas=betas, base=reference, random_state=1)
    assert abs(np.exp(found.value - exact.log_z) - 1) < 4 * found.error < 0.1


def fitted(visible, **params):
    X = rows_for(unit_name(visible), 400, 40, np.float64)
    return RBM(14, visible=visible, n_iter=8, random_state=0, **params).fit(X), X


@pytest.mark.parametrize(
    "visible",
    ["bernoulli", "spin", "gaussian", Gaussian(sigma="learned"), Gaussian(sigma=0.7), "poisson", "relu"],
    ids=str,
)
def test_learned_models_against_the_exact_sum(visible):
    rbm, X = fitted(visible)
    log_z = float(rbm.log_partition("exact"))
    found = rbm.log_partition("bridge", X, n_chains=150, n_betas=250, random_state=0)
    ais, back = found.parts["ais"], found.parts["reverse_ais"]
    assert abs(found.value - log_z) < 4 * found.error < 0.4
    assert ais.value - 4 * ais.error < log_z < back.value + 4 * back.error
    assert_allclose(rbm.log_likelihood(X, found), -rbm.free_energy(X) - found.value)


@pytest.mark.parametrize("hidden", ["gaussian", "relu", "poisson", Potts(4)], ids=str)
def test_hidden_units_of_every_kind_against_the_exact_sum(hidden):
    rng = np.random.default_rng(4)
    W = rng.normal(0, 0.15, (14, 40))
    rbm = RBM.from_parameters(W, rng.normal(0, 0.5, 14), hidden=hidden, random_state=0)
    found = rbm.log_partition("ais", n_chains=200, n_betas=150, random_state=0)
    assert abs(found.value - float(rbm.log_partition())) < 4 * found.error < 0.4


def test_labels_beside_pixels():
    """The machine in RBMClassifier: a group of softmax units after bernoulli ones."""
    X, y = rows_for("bernoulli", 300, 30) > 0, np.arange(300) % 5
    rbm = RBMClassifier(RBM(12, n_iter=10, random_state=0)).fit(X, y).rbm_
    found = rbm.log_partition("ais", n_chains=200, n_betas=300, random_state=0)
    assert abs(found.value - float(rbm.log_partition())) < 4 * found.error < 0.2
    rows = np.hstack([X, np.eye(5)[y]])
    p = base_rates(base_biases(rbm, "data", None), rbm)
    assert_allclose(p, rows.mean(axis=0), atol=0.01)
    drawn = rbm.temper(500, 20, random_state=0).samples
    assert drawn.dtype == np.bool_
    assert (drawn[:, -5:].sum(axis=1) == 1).all()


def base_rates(biases, rbm):
    still = RBM.from_parameters(np.zeros((biases.size, 1)), biases, visible=rbm.visible)
    return still.inverse_transform(np.zeros((1, 1)))[0]


def test_between_gaussian_units_the_determinant_is_met():
    rng = np.random.default_rng(5)
    W = rng.normal(size=(60, 30))
    W *= 0.8 / np.linalg.norm(W, 2)
    rbm = RBM.from_parameters(
        W, rng.normal(size=60), rng.normal(size=30), visible="gaussian", hidden="gaussian"
    )
    found = rbm.log_partition("ais", n_chains=200, n_betas=1000, random_state=0)
    assert abs(found.value - float(rbm.log_partition())) < 4 * found.error < 0.4


def test_sigma_does_not_change_the_sum():
    """ln Z is of e^-F, a density over v: wider units have a lower one over a wider range."""
    W, a, b = weights("gaussian", "bernoulli", 0, 30, 40)
    found, X = [], np.random.default_rng(0).normal(size=(20, 30))
    for sigma in (1.0, 2.0**-4):
        rbm = RBM.from_parameters(W / 8, a, b, visible=Gaussian(sigma=sigma), random_state=0)
        found.append(
            rbm.log_partition("bridge", X * sigma, n_chains=20, n_betas=30, base="uniform", random_state=0)
        )
        drawn = rbm.temper(5, 3, base="uniform", random_state=0)
        found.append(drawn.samples / sigma)
    assert found[0] == found[2]
    assert_array_equal(found[1], found[3])


@pytest.mark.parametrize("visible", ["gaussian", Gaussian(sigma="learned"), "poisson", "relu"], ids=str)
def test_the_base_has_the_means_of_the_data(visible):
    """Also where sigma has changed since they were met; X serves a model that has met none."""
    rbm, X = fitted(visible)
    sigma = getattr(rbm, "sigma_", np.ones(40))
    assert_allclose(base_rates(base_biases(rbm, "data", None), rbm) * sigma, X.mean(axis=0), atol=1e-6)
    unfitted = RBM.from_parameters(rbm.components_.T, visible=rbm.visible, random_state=0)
    if "sigma_" in rbm.__dict__:
        unfitted.sigma_ = sigma
    assert_allclose(base_rates(base_biases(unfitted, "data", X), rbm) * sigma, X.mean(axis=0), atol=1e-6)
    assert np.isfinite(base_biases(unfitted, "data", None)).all()


def test_auto_serves_every_pair():
    """What has no exact sum is annealed; log_likelihood leads chains back from its rows."""
    X = rows_for("relu", 50, 30)
    options = {"n_chains": 20, "n_betas": 30, "base": "uniform", "random_state": 0}
    wide = RBM.from_parameters(np.zeros((30, 26)), visible="relu", random_state=0)
    assert wide.log_partition(**options).method == "ais"
    assert_allclose(
        wide.log_likelihood(X, **options), (-(X**2) / 2).sum(axis=1) - 30 * np.log(np.pi / 2) / 2, atol=1e-3
    )
    few = RBM.from_parameters(np.full((30, 3), 0.01), visible="relu", hidden="relu", random_state=0)
    assert few.log_partition(X=X, **options).method == "bridge"
    assert RBM.from_parameters(np.zeros((30, 9)), visible="relu").log_partition().method == "exact"


# --- tempered draws ----------------------------------------------------------------------------------


@EVERY_PAIR
def test_every_replica_has_the_law_of_its_temperature(visible, hidden):
    rbm, exact, reference = make(visible, hidden, np.float32)
    V = np.repeat(nodes_as_data(exact, np.argmin(abs(exact.V).sum(axis=1)))[None], 9_000, axis=0)
    replicas = replicas_at(rbm, V, BETAS, reference)
    replicas.run(25, 1)
    for beta, v in zip(BETAS, per_rung(rbm, replicas), strict=True):
        assert_moments(v, exact, exact.law(beta, reference))
    assert (replicas.accepted > 0).all()


@EVERY_PAIR
def test_exchanges_alone_keep_the_law_of_every_rung(visible, hidden):
    """From the exact law of every rung: any acceptance that is not in detailed balance moves it."""
    rbm, exact, reference = make(visible, hidden, seed=2)
    rng, n = np.random.default_rng(6), 20_000
    drawn = np.stack([rng.choice(len(exact.p), n, p=exact.law(beta, reference)) for beta in BETAS], axis=1)
    replicas = replicas_at(rbm, nodes_as_data(exact, drawn.ravel()), BETAS, reference)
    for parity in (0, 1, 0):
        replicas.exchange(parity)
    for beta, v in zip(BETAS, per_rung(rbm, replicas), strict=True):
        assert_moments(v, exact, exact.law(beta, reference))
    log_f = [exact.log_f(beta, reference)[drawn] for beta in BETAS[1:]]
    ratio = log_f[0][:, 2] + log_f[1][:, 1] - log_f[0][:, 1] - log_f[1][:, 2]  # before any exchange
    rate = replicas.swap_rates()[1]
    assert rate == pytest.approx(np.minimum(1, np.exp(ratio)).mean(), abs=5 * np.sqrt(0.5 / n))


@EVERY_PAIR
def test_clamped_tempering_has_the_conditional_moments(visible, hidden):
    rbm, exact, reference = make(visible, hidden)
    held = exact.V[np.argmin(abs(exact.V - 1).sum(axis=1))] if isinstance(visible, str) else exact.V[3]
    clamp = np.arange(len(held)) == (0 if isinstance(visible, str) else 3)
    v = rbm.temper(3_000, 25, betas=3, base=reference, v_init=held, clamp=clamp, random_state=7).samples
    v = v.astype(np.float64)
    assert_allclose(v[:, clamp], np.broadcast_to(held[clamp], (3_000, 1)), rtol=1e-15)
    p = np.where((exact.V[:, clamp] == held[clamp]).all(axis=1), exact.p, 0)
    assert_moments(v, exact, p / p.sum())


# --- what must not show ---------------------------------------------------------------------------


@EVERY_PAIR
@pytest.mark.filterwarnings("ignore::fastnn.exceptions.LikelihoodWarning")
def test_any_number_of_threads_gives_the_same_bits(visible, hidden):
    layers = [unit if isinstance(unit, str) else Potts(10) for unit in (visible, hidden)]
    W, a, b = (np.float32(0.1) * x.astype(np.float32) for x in weights(*map(unit_name, layers), 0, 90, 130))
    X = rows_for(layers[0], 60, 90) if isinstance(visible, str) else np.tile(np.eye(10), (6, 9))
    options = {"n_chains": 300, "n_betas": 3, "base": "uniform", "random_state": 0}
    found = set()
    for n in THREADS:
        rbm = RBM.from_parameters(W, a, b, visible=layers[0], hidden=layers[1], n_threads=n, random_state=0)
        z = rbm.log_partition("bridge", X, **options)
        drawn = rbm.temper(60, 3, betas=5, base="uniform", v_init=X, random_state=0)
        values = np.array([z.value, z.error, *map(float, z.parts.values())])
        assert np.isfinite(values[:1]).all()
        found.add(digest(values, drawn.samples, drawn.swap_rates))
    assert len(found) == 1


# --- what is refused ---------------------------------------------------------------------------------

WIDE = {
    unit: RBM.from_parameters(np.zeros((30, 26)), visible=unit) for unit in ("gaussian", "poisson", "relu")
}
OPTIONS = {"n_chains": 5, "n_betas": 3, "random_state": 0}


@pytest.mark.parametrize("unit", WIDE)
def test_the_advice_for_a_wide_layer_can_be_followed(unit):
    message = (
        rf"at most 25 bernoulli or spin units, .* 30 {unit} and 26 bernoulli units; use 'ais' or 'bridge'"
    )
    with pytest.raises(ValueError, match=message):
        WIDE[unit].log_partition("exact")
    base = log_partition_at_rest(unit, None, np.zeros(30)) + 26 * np.log(2)
    for method in ("ais", "bridge"):
        X = None if method == "ais" else np.ones((4, 30))
        found = WIDE[unit].log_partition(method, X, base="uniform", **OPTIONS)
        assert float(found) == pytest.approx(base, abs=1e-12)


def test_the_advice_for_layers_without_two_valued_units_can_be_followed():
    rbm = RBM.from_parameters(np.zeros((3, 2)), visible="relu", hidden="gaussian")
    with pytest.raises(ValueError, match=r"needs a layer of bernoulli or spin units.*use 'ais' or 'bridge'"):
        rbm.log_partition("exact")
    wanted = 3 * np.log(np.pi / 2) / 2 + np.log(2 * np.pi)
    assert float(rbm.log_partition("ais", base="uniform", **OPTIONS)) == pytest.approx(wanted, abs=1e-12)


BAD = {
    "negative counts": lambda: WIDE["poisson"].log_partition("bridge", -np.ones((3, 30))),
    "negative start": lambda: WIDE["relu"].temper(1, v_init=-np.ones(30)),
    "weights that grew": lambda: grown().log_partition("ais"),
    "tempering them": lambda: grown().temper(),
}


def grown():
    rbm = RBM.from_parameters(np.eye(2) * 0.5, visible="gaussian", hidden="relu")
    rbm.components_ = 2 * rbm.components_
    return rbm


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    message = "take values >= 0, but X spans" if "negative" in name else "not positive definite: .* 1 >= 1"
    with pytest.raises(ValueError, match=message):
        BAD[name]()


def test_rates_beyond_numbers_are_named():
    rbm = RBM.from_parameters(np.full((30, 26), 10, np.float32), hidden="poisson", random_state=0)
    with pytest.raises(OverflowError, match="leave the range of float32: the weights are too large or want"):
        rbm.log_partition("ais", base="uniform", **OPTIONS)


def test_means_of_the_weights_are_taken_by_logarithms():
    """Weights of hundreds of nats: counts of large rates, a base far from the model."""
    rbm = RBM.from_parameters(np.zeros((3, 30)), np.full(3, 6.0), visible="poisson", random_state=0)
    found = rbm.log_partition("ais", base="uniform", n_chains=50, n_betas=2000, random_state=0)
    assert abs(found.value - (3 * np.exp(6.0) + 30 * np.log(2))) < 4 * found.error
