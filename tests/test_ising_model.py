"""Ising models and what the samplers take: constructors, refusals, edge cases, threads, Ctrl-C."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

import fastnn

KERNELS = ("bits", "lanes", "fields")


def random_model(n=40, seed=0, vartype="SPIN", degree=4):
    rng = np.random.default_rng(seed)
    edges = rng.integers(n, size=(n * degree // 2, 2))
    edges = edges[edges[:, 0] != edges[:, 1]]
    return fastnn.IsingModel.from_edges(edges, rng.choice([-1.0, 1.0], len(edges)), n=n, vartype=vartype)


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_energies_of_samples_are_the_models(vartype):
    rng = np.random.default_rng(1)
    for kernel in KERNELS:
        model = random_model(vartype=vartype)
        model = fastnn.IsingModel(model.weights, rng.integers(-2, 3, 40), vartype, offset=0.25)
        s = fastnn.anneal(model, num_reads=100, num_sweeps=20, kernel=kernel, seed=0)
        x = s.states.astype(float)
        by_hand = 0.25 - x @ model.bias - 0.5 * np.einsum("ri,ri->r", x @ model.rows.toarray(), x)
        np.testing.assert_allclose(s.energies, by_hand, atol=1e-9)
        np.testing.assert_allclose(model.energy(s.states), by_hand, atol=1e-9)
        assert set(np.unique(s.states)) == {model.low, 1}
        assert s.best_energy == s.energies.min() == model.energy(s.best_state)


def test_constructors_agree():
    Q = np.array([[1.0, -3.0, 0.5], [0.0, 2.0, 1.0], [0.0, 0.0, -1.0]])
    x = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    by_hand = np.einsum("ri,ij,rj->r", x, Q, x) + 2
    as_dict = {(i, j): Q[i, j] for i in range(3) for j in range(3) if Q[i, j]}
    for given in (Q, Q.T, (Q + Q.T) / 2, csr_array(Q), coo_array(Q), as_dict):
        np.testing.assert_allclose(fastnn.IsingModel.from_qubo(given, offset=2).energy(x), by_hand)
    W = np.array([[0, 2, 1], [2, 0, -1], [1, -1, 0]])
    cut = [sum(W[i, j] for i in range(3) for j in range(i) if s[i] != s[j]) for s in 2 * x - 1]
    for given in (W, csr_array(W), W.astype(np.float32)):
        np.testing.assert_allclose(fastnn.IsingModel.from_maxcut(given).energy(2 * x - 1), np.negative(cut))


def test_graph_files(tmp_path):
    path = tmp_path / "graph.txt"
    path.write_text("# a triangle\n3 3\n1 2 1\n2 3 -2\n1 3 4\n")
    model = fastnn.IsingModel.from_file(path)
    np.testing.assert_allclose(model.energy([[1, -1, -1], [1, 1, 1]]), [-5, 0])
    ising = fastnn.IsingModel.from_file(path, problem="ising")
    np.testing.assert_allclose(ising.energy([[1, -1, -1], [1, 1, 1]]), [-1 - 2 - 4, 3])
    for bad in ("", "3\n", "3 2\n1 2 1\n", "2 1\n1 x 1\n", "2 1\n1.5 2 1\n"):
        path.write_text(bad)
        with pytest.raises(ValueError, match="not a graph file"):
            fastnn.IsingModel.from_file(path)


def test_dimod_models():
    dimod = pytest.importorskip("dimod")
    for vartype in ("SPIN", "BINARY"):
        linear, quadratic = {"a": 1.0, "b": -0.5, "c": 0.0}, {("a", "b"): 2.0, ("c", "a"): -1.5}
        bqm = dimod.BinaryQuadraticModel(linear, quadratic, 0.75, vartype)
        model = fastnn.IsingModel.from_bqm(bqm)
        s = fastnn.anneal(model, num_reads=5, num_sweeps=0, seed=0).states
        np.testing.assert_allclose(model.energy(s), bqm.energies((s, model.labels)))


@pytest.mark.parametrize(
    ("weights", "options", "error", "match"),
    [
        ([[0, 1], [2, 0]], {}, ValueError, "symmetric"),
        (csr_array([[0.0, 1], [2, 0]]), {}, ValueError, "symmetric"),
        ([[1, 0], [0, 0]], {}, ValueError, "zero diagonal"),
        ([[0, np.nan], [np.nan, 0]], {}, ValueError, "NaN"),
        (csr_array([[0, np.inf], [np.inf, 0]]), {}, ValueError, "infinity"),
        ([[0, 1, 1], [1, 0, 1]], {}, ValueError, "square"),
        ([0, 1], {}, ValueError, "square"),
        ([[0, 1j], [1j, 0]], {}, TypeError, "real"),
        ([["a"]], {}, TypeError, "real"),
        ([[0]], {"vartype": "POTTS"}, ValueError, "vartype"),
        ([[0]], {"bias": [1, 2]}, ValueError, "bias"),
        ([[0]], {"bias": [np.inf]}, ValueError, "bias"),
        ([[0]], {"offset": np.nan}, ValueError, "offset"),
        ([[0]], {"labels": "ab"}, ValueError, "labels"),
    ],
)
def test_models_that_are_refused(weights, options, error, match):
    with pytest.raises(error, match=match):
        fastnn.IsingModel(weights, **options)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"num_reads": 0}, ValueError), ({"num_reads": 1.5}, TypeError), ({"num_reads": True}, TypeError),
        ({"num_sweeps": -1}, ValueError), ({"schedule": "cubic"}, ValueError),
        ({"schedule": [1.0, -1.0]}, ValueError), ({"schedule": [np.nan]}, ValueError),
        ({"schedule": [1.0, 2.0], "num_sweeps": 3}, ValueError),
        ({"schedule": [1.0], "beta_range": (1, 2)}, ValueError),
        ({"beta_range": (0, 1)}, ValueError), ({"beta_range": (1, 2, 3)}, ValueError),
        ({"beta_range": (1, np.inf)}, ValueError), ({"acceptance": "glauber"}, ValueError),
        ({"order": "diagonal"}, ValueError), ({"kernel": "gpu"}, ValueError),
        ({"initial_states": [[1, 0, 1]]}, ValueError), ({"initial_states": np.ones((2, 3))}, ValueError),
        ({"initial_states": np.ones(4)}, ValueError), ({"clamp": [True, False, False]}, ValueError),
        ({"clamp": [1, 0, 0], "initial_states": np.ones(3)}, ValueError),
        ({"time_limit": -1}, ValueError), ({"time_limit": "1"}, TypeError),
        ({"observables": "energy"}, ValueError), ({"observables": ["heat"]}, ValueError),
        ({"n_threads": 0}, ValueError),
    ],
)  # fmt: skip
def test_parameters_that_are_refused_by_name(options, error):
    model = fastnn.IsingModel(np.zeros((3, 3)), [1, 2, 3])
    with pytest.raises(error, match=next(iter(options))):
        fastnn.anneal(model, **options)
    with pytest.raises(TypeError, match="IsingModel"):
        fastnn.anneal(np.zeros((3, 3)))


def test_a_kernel_that_does_not_fit_says_why():
    model = fastnn.IsingModel([[0, 0.3], [0.3, 0]], [0.1234567, 0])
    with pytest.raises(ValueError, match="multiples of one number"):
        fastnn.anneal(model, kernel="bits")
    assert fastnn.anneal(model, num_sweeps=1).info["kernel"] == "lanes"


@pytest.mark.parametrize("kernel", KERNELS)
def test_edge_cases(kernel):
    empty = fastnn.IsingModel(np.zeros((0, 0)))
    assert fastnn.anneal(empty, num_reads=3, kernel=kernel).states.shape == (3, 0)
    one = fastnn.IsingModel([[0]], [-2.0])
    assert (fastnn.anneal(one, num_reads=70, kernel=kernel, polish=True).energies == -2).all()
    flat = fastnn.anneal(fastnn.IsingModel(np.zeros((5, 5))), num_reads=8, kernel=kernel, polish=True)
    assert (flat.energies == 0).all()
    still = fastnn.anneal(random_model(), num_reads=4, num_sweeps=0, kernel=kernel, seed=0)
    assert still.info["sweeps_done"] == 0
    start = still.states
    hot = fastnn.anneal(random_model(), num_reads=4, schedule=[0.0, 0.0], kernel=kernel, initial_states=start)
    np.testing.assert_array_equal(hot.states, start)  # at beta = 0 Metropolis flips all, twice
    held = np.ones(40, bool)
    frozen = fastnn.anneal(random_model(), num_reads=4, kernel=kernel, initial_states=start, clamp=held)
    np.testing.assert_array_equal(frozen.states, start)


@pytest.mark.parametrize("rule", ["metropolis", "heat_bath"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_zero_temperature_only_descends(kernel, rule):
    model = random_model(300, seed=5)
    hot = fastnn.anneal(model, num_reads=64, num_sweeps=0, seed=1)
    options = {"initial_states": hot.states, "kernel": kernel, "acceptance": rule, "seed": 2}
    cold = fastnn.anneal(model, num_reads=64, schedule=[np.inf] * 20, **options)
    assert (cold.energies <= hot.energies).all()
    assert cold.energies.mean() < hot.energies.mean() - 10
    polished = fastnn.anneal(model, num_reads=64, num_sweeps=0, polish=True, **options)
    flips = model.energy(polished.states[0]) - [
        model.energy(np.where(np.arange(300) == i, -1, 1) * polished.states[0]) for i in range(300)
    ]
    assert flips.max() <= 0  # no single flip lowers the energy


def test_hubs_and_disconnected_parts():
    """A star of 500 leaves, a pair, a free unit with a bias: the ground state is known."""
    edges = [[0, k] for k in range(1, 501)] + [[501, 502]]
    bias = np.zeros(504)
    bias[0], bias[503] = 1, -1
    for kernel in KERNELS:
        model = fastnn.IsingModel.from_edges(edges, [1.0] * 500 + [-1.0], bias)
        found = fastnn.anneal(model, num_reads=64, num_sweeps=300, kernel=kernel, seed=0)
        assert found.best_energy == -(500 + 1 + 1 + 1)


def test_couplings_of_very_different_size():
    """Two strong bonds that cancel leave the middle unit to a bond 1e9 times weaker."""
    edges, weights = [[0, 1], [1, 2], [1, 3]], [1e6, -1e6, 1e-3]
    model = fastnn.IsingModel.from_edges(edges, weights)
    start = [[1, -1, 1, 1], [1, 1, 1, -1]]
    clamp = [True, False, True, True]
    found = fastnn.anneal(
        model, num_reads=2, schedule=[1e6] * 3, initial_states=start, clamp=np.array(clamp), seed=0
    )
    np.testing.assert_array_equal(found.states[:, 1], [1, -1])
    assert found.info["precision"] == "float64"


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_read_does_not_depend_on_how_many_there_are(kernel):
    model = random_model(60, seed=3)
    many = fastnn.anneal(model, num_reads=200, num_sweeps=30, kernel=kernel, seed=9).states
    for n in (1, 31, 65, 130):
        few = fastnn.anneal(model, num_reads=n, num_sweeps=30, kernel=kernel, seed=9).states
        np.testing.assert_array_equal(few, many[:n])


def test_schedules():
    model = fastnn.IsingModel([[0, 2.0], [2.0, 0]], [0.5, 0])

    def betas(**options):
        seen = fastnn.anneal(model, num_reads=1, **options)
        return seen.info["beta_range"], seen.info["num_sweeps"]

    # ln 2 / (2 * 2.5); one unit has the least term 0.5: ln(1 / 0.01) / (2 * 0.5).
    hot, cold = np.log(2) / 5, np.log(100)
    np.testing.assert_allclose(betas()[0], (hot, cold))
    assert betas()[1] == 1000
    for name in ("geometric", "linear", "linear_temperature"):
        np.testing.assert_allclose(betas(schedule=name, beta_range=(0.5, 4), num_sweeps=7)[0], (0.5, 4))
    assert betas(schedule=[1.0, 2.0], num_sweeps=10) == ((1.0, 2.0), 10)
    assert betas(schedule=[1.0, np.inf]) == ((1.0, np.inf), 2)


def test_observables_are_those_of_the_states():
    model = random_model(30, vartype="BINARY")
    s = fastnn.anneal(model, num_reads=70, num_sweeps=5, seed=0, observables=("energy", "magnetisation"))
    assert s.observables["energy"].shape == (70, 5)
    np.testing.assert_allclose(s.observables["energy"][:, -1], s.energies)
    np.testing.assert_allclose(s.observables["magnetisation"][:, -1], s.states.mean(axis=1))
    plain = fastnn.anneal(model, num_reads=70, num_sweeps=5, seed=0)
    np.testing.assert_array_equal(plain.states, s.states)


def test_draws_of_a_gibbs_sampler():
    model = random_model(30)
    s = fastnn.gibbs_sample(model, num_reads=70, num_sweeps=20, thin=5, burn_in=3, seed=0)
    assert s.states.shape == (280, 30)
    np.testing.assert_allclose(s.energies, model.energy(s.states))
    last = fastnn.gibbs_sample(model, num_reads=70, num_sweeps=20, burn_in=3, seed=0)
    np.testing.assert_array_equal(s.states[-70:], last.states)
    with pytest.raises(ValueError, match="thin"):
        fastnn.gibbs_sample(model, thin=2, moments=True)
    with pytest.raises(ValueError, match="beta"):
        fastnn.gibbs_sample(model, beta=np.inf)


def test_callback_and_time_limit_end_a_walk():
    model = random_model(2000, seed=1)
    seen = []

    def stop(done, total):
        seen.append((done, total))
        return len(seen) == 2

    s = fastnn.anneal(model, num_sweeps=10**7, callback=stop, seed=0)
    assert len(seen) == 2
    assert s.info["interrupted"]
    assert s.info["sweeps_done"] == seen[-1][0] < 10**7
    began = time.perf_counter()
    s = fastnn.anneal(model, num_sweeps=10**7, time_limit=0.2, seed=0)
    assert time.perf_counter() - began < 2
    assert not s.info["interrupted"]
    assert 0 < s.info["sweeps_done"] < 10**7


CTRL_C = """
import time, numpy as np, fastnn
model = fastnn.IsingModel.from_edges(np.random.default_rng(0).permuted(
    np.tile(np.arange({n}), (10, 1)), axis=1).reshape(-1, 2), 1.0 if {bits} else np.sqrt(2))
print("ready", flush=True)
try:
    fastnn.anneal(model, num_reads=2048, num_sweeps=10**6)
except KeyboardInterrupt:
    print("stopped", time.time(), flush=True)
"""


@pytest.mark.parametrize(("n", "bits"), [(200, True), (200, False), (200_000, True), (200_000, False)])
def test_control_c_returns_at_once(n, bits):
    code, waits = CTRL_C.format(n=n, bits=bits), []
    while len(waits) < 3 and min(waits, default=1) >= 0.2:  # a busy machine may need another try
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout.readline().strip() == "ready"
            time.sleep(2.5)
            sent = time.time()
            child.send_signal(signal.SIGINT)
            word, when = child.stdout.readline().split()
        assert word == "stopped"
        waits.append(float(when) - sent)
    assert min(waits) < 0.2
