"""The dimod sampler beside the one that it stands in for."""

import inspect
import itertools
import time
import unittest

import numpy as np
import pytest

dimod = pytest.importorskip("dimod")
import dimod.testing  # noqa: E402, F811

from fastnn.interop.dimod import SimulatedAnnealingSampler  # noqa: E402

dwave = pytest.importorskip("dwave.samplers", reason="the sampler to compare with")
OURS, THEIRS = SimulatedAnnealingSampler(), dwave.SimulatedAnnealingSampler()
MORE = {"num_threads", "time_limit"}


def problem(vartype="SPIN", n=10, seed=0):
    rng = np.random.default_rng(seed)
    labels = [f"v{k}" for k in rng.permutation(n)]
    pairs = [pair for pair in itertools.combinations(labels, 2) if rng.random() < 0.5]
    return dimod.BinaryQuadraticModel(
        {label: float(rng.normal()) for label in labels},
        {pair: float(rng.normal()) for pair in pairs},
        1.25,
        vartype,
    )


@dimod.testing.load_sampler_bqm_tests(SimulatedAnnealingSampler)
@pytest.mark.filterwarnings("ignore:All bqm biases are zero")
class TestConformance(unittest.TestCase):
    """dimod's own checks over many kinds of models."""


def test_sampler_api():
    dimod.testing.assert_sampler_api(OURS)


def test_parameters_defaults_and_properties_are_theirs():
    ours, theirs = (inspect.signature(s.sample).parameters for s in (OURS, THEIRS))
    assert list(ours)[: len(theirs) - 1] == list(theirs)[:-1]
    assert {n: p.default for n, p in theirs.items()} == {n: ours[n].default for n in theirs}
    assert set(ours) - set(theirs) == MORE
    assert OURS.properties == THEIRS.properties
    assert {k: v for k, v in OURS.parameters.items() if k not in MORE} == THEIRS.parameters
    assert set(OURS.parameters) - set(THEIRS.parameters) == MORE


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"num_sweeps": 0},
        {"num_sweeps": 1},
        {"num_sweeps": 20, "num_sweeps_per_beta": 5, "beta_schedule_type": "linear"},
        {"beta_range": (0.1, 3.0)},
        {"beta_schedule_type": "custom", "beta_schedule": [0, 1, np.inf]},
        {"randomize_order": True},
        {"proposal_acceptance_criteria": "Gibbs"},
    ],
)
def test_sample_sets_have_their_form(params, vartype):
    bqm = problem(vartype)
    ours, theirs = (s.sample(bqm, num_reads=7, seed=3, **params) for s in (OURS, THEIRS))
    dimod.testing.assert_response_energies(ours, bqm)
    assert ours.record.sample.dtype == theirs.record.sample.dtype == np.int8
    assert ours.record.energy.dtype == np.float64
    assert (len(ours), ours.vartype) == (len(theirs), theirs.vartype)
    assert set(ours.variables) == set(theirs.variables)
    assert ours.info.keys() == theirs.info.keys()
    assert ours.info["timing"].keys() == theirs.info["timing"].keys()
    assert ours.info["beta_schedule_type"] == theirs.info["beta_schedule_type"]
    if theirs.info["beta_range"] is None:
        assert ours.info["beta_range"] is None
    else:
        np.testing.assert_allclose(ours.info["beta_range"], theirs.info["beta_range"], rtol=1e-12)


@pytest.mark.parametrize(
    "params",
    [
        {"num_reads": 0},
        {"num_reads": 1.5},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": 1.5},
        {"num_sweeps": -1},
        {"num_sweeps": 1.5},
        {"num_sweeps": 5, "num_sweeps_per_beta": 2},
        {"num_sweeps_per_beta": 0},
        {"num_sweeps_per_beta": 1.5},
        {"beta_range": [1]},
        {"beta_range": [-1, 2]},
        {"beta_range": [0, 2]},
        {"beta_schedule_type": "cubic"},
        {"beta_schedule_type": "custom"},
        {"beta_schedule": [1, 2]},
        {"beta_schedule_type": "custom", "beta_schedule": [1, -2]},
        {"beta_schedule_type": "custom", "beta_schedule": ["a"]},
        {"beta_schedule_type": "custom", "beta_schedule": []},
        {"beta_schedule_type": "custom", "beta_schedule": [1, 2], "num_sweeps": 3},
        {"beta_schedule_type": "custom", "beta_schedule": [1, 2], "beta_range": [1, 3]},
        {"interrupt_function": 5},
        {"proposal_acceptance_criteria": "glauber"},
        {"initial_states_generator": "some"},
        {"initial_states_generator": "none"},
        {"initial_states": {"x": 1}},
    ],
    ids=str,
)
def test_errors_are_theirs(params):
    bqm = problem()
    with pytest.raises((TypeError, ValueError)) as theirs:
        THEIRS.sample(bqm, **params)
    with pytest.raises(theirs.type):
        OURS.sample(bqm, **params)


def test_our_own_parameters_are_checked():
    for params, error in (({"num_threads": 0}, ValueError), ({"time_limit": -1}, ValueError)):
        with pytest.raises(error, match=next(iter(params)).replace("num", "n")):
            OURS.sample(problem(), **params)


def test_unknown_keywords_are_ignored_with_a_warning():
    with pytest.warns(dimod.exceptions.SamplerUnknownArgWarning, match="answer"):
        assert len(OURS.sample(problem(), answer=42, num_sweeps=3)) == 1


def test_ground_states_are_found():
    for vartype in ("SPIN", "BINARY"):
        bqm = problem(vartype, 14)
        best = dimod.ExactSolver().sample(bqm).first.energy
        assert OURS.sample(bqm, num_reads=50, seed=0).first.energy == pytest.approx(best)


def test_seeds_and_threads():
    bqm = problem(n=40)
    runs = [OURS.sample(bqm, num_reads=200, num_sweeps=50, seed=5, num_threads=n) for n in (1, 2, 3, 8)]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.record.sample, runs[0].record.sample)
    other = OURS.sample(bqm, num_reads=200, num_sweeps=50, seed=6)
    assert (other.record.sample != runs[0].record.sample).any()
    np.random.seed(1)  # noqa: NPY002 - what draws the seed where none is given
    first = OURS.sample(bqm, num_sweeps=5, num_reads=9)
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(
        OURS.sample(bqm, num_sweeps=5, num_reads=9).record.sample, first.record.sample
    )


def test_initial_states_keep_their_order_and_names():
    bqm = problem(n=6)
    states = [{v: (1 if (k >> j) & 1 else -1) for j, v in enumerate("abcdef")} for k in range(9)]
    bqm = bqm.relabel_variables(dict(zip(list(bqm.variables), "fbdaec", strict=True)), inplace=False)
    for s in (OURS, THEIRS):
        found = s.sample(bqm, initial_states=states, num_sweeps=0)
        assert [dict(row) for row in found.samples(sorted_by=None)] == states
    tiled = OURS.sample(
        bqm, initial_states=states[:2], num_reads=5, initial_states_generator="tile", num_sweeps=0
    )
    assert [dict(row) for row in tiled.samples(sorted_by=None)] == [*(2 * states[:2]), states[0]]
    binary = dict.fromkeys("abcdef", 0)
    found = OURS.sample(bqm, initial_states=binary, num_sweeps=0).record.sample
    np.testing.assert_array_equal(found, -np.ones((1, 6)))


@pytest.mark.parametrize(("sampler", "beta"), [(OURS, 20.0), (OURS, 1e6), (OURS, np.inf), (THEIRS, 1e6)])
def test_metropolis_always_accepts_equal_energies(sampler, beta):
    """A free spin turns in each sweep, however cold; at infinite beta theirs does not."""
    bqm = dimod.BinaryQuadraticModel({"a": 0.0, "b": 1.0}, {}, "SPIN")
    schedule = {"beta_schedule_type": "custom"}
    for n in (1, 2, 3):
        start = [{"a": 1, "b": -1}] * 5
        found = sampler.sample(bqm, initial_states=start, beta_schedule=[beta] * n, **schedule)
        assert [row["a"] for row in found.samples()] == [(-1) ** n] * 5
        assert [row["b"] for row in found.samples()] == [-1] * 5


@pytest.mark.parametrize("stop_at", [1, 3, 130])
def test_an_interrupt_returns_the_reads_so_far(stop_at):
    bqm = problem()
    for s in (OURS, THEIRS):
        calls = itertools.count(1)
        found = s.sample(bqm, num_reads=300, num_sweeps=10, seed=1,
                         interrupt_function=lambda calls=calls: next(calls) >= stop_at)  # fmt: skip
        assert len(found) == stop_at
    whole = OURS.sample(bqm, num_reads=300, num_sweeps=10, seed=1)
    never = OURS.sample(bqm, num_reads=300, num_sweeps=10, seed=1, interrupt_function=lambda: False)
    assert len(never) == 300
    np.testing.assert_array_equal(never.record.sample, whole.record.sample)


@pytest.mark.parametrize("kind", ["max-cut", "gauss", "dense"])
def test_mean_energies_are_theirs_at_the_same_schedule(kind):
    """Within 3 standard errors: one false alarm in 370, thrice."""
    rng = np.random.default_rng(0)
    n, share = (100, 1.0) if kind == "dense" else (300, 0.02)
    pairs = np.stack(np.triu_indices(n, 1), axis=1)
    pairs = pairs[rng.random(len(pairs)) < share]
    weights = np.ones(len(pairs)) if kind == "max-cut" else rng.normal(size=len(pairs))
    bqm = dimod.BQM.from_numpy_vectors(np.zeros(n), (*pairs.T, weights), 0.0, "SPIN")
    means, errors = [], []
    for s in (OURS, THEIRS):
        e = s.sample(bqm, num_reads=400, num_sweeps=60, beta_range=(0.05, 2.0), seed=2).record.energy
        means.append(e.mean())
        errors.append(e.std(ddof=1) / 20)
    assert abs(means[0] - means[1]) < 3 * np.hypot(*errors)


def test_an_error_of_the_interrupt_function_stops():
    def fails():
        raise RuntimeError

    assert [len(s.sample(problem(), num_reads=5, interrupt_function=fails)) for s in (OURS, THEIRS)] == [1, 1]


def test_an_interrupt_is_heard_while_reads_are_under_way():
    began = time.perf_counter()
    found = OURS.sample(
        problem(n=60),
        num_reads=64,
        num_sweeps=2_000_000,
        interrupt_function=lambda: time.perf_counter() - began > 0.3,
    )
    assert len(found) == 0
    assert time.perf_counter() - began < 1.5


def test_time_limit_ends_reads_as_they_are():
    began = time.perf_counter()
    found = OURS.sample(problem(n=60), num_reads=64, num_sweeps=2_000_000, time_limit=0.3)
    assert time.perf_counter() - began < 1.5
    assert len(found) == 64


@pytest.mark.parametrize("n", [0, 1])
def test_smallest_models(n):
    bqm = dimod.BinaryQuadraticModel({"a": -1.0} if n else {}, {}, 2.0, "BINARY")
    with pytest.warns(UserWarning, match="biases are zero") if n == 0 else pytest.MonkeyPatch.context():
        found = OURS.sample(bqm, num_reads=3, seed=0)
    assert (len(found), found.record.sample.shape) == (3, (3, n))
    np.testing.assert_array_equal(found.record.energy, [2.0 - n] * 3)
