"""What every kernel of the Ising models must do: dense and sparse form, options, memory, progress."""

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastnn

KERNELS = ("bits", "lanes", "fields")
EXAMPLE = Path(__file__).parent.parent / "examples" / "maxcut.py"


def couplings(n, seed=0, share=0.5):
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.integers(-3, 4, size=(n, n)) * (rng.random((n, n)) < share), 1).astype(float)
    return weights + weights.T


@pytest.mark.parametrize("order", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["metropolis", "heat_bath"])
@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_rows_of_a_matrix_walk_as_rows_of_pairs(vartype, rule, order):
    """150 units, in more than two blocks of places, some held: the same states either way."""
    weights, rng = couplings(150), np.random.default_rng(1)
    dense = fastnn.IsingModel(weights + 0.1 * (weights != 0), rng.normal(size=150), vartype)
    sparse = fastnn.IsingModel(csr_array(dense.weights), dense.bias, vartype)
    sparse.__dict__["is_dense"] = False  # the cached answer
    assert dense.is_dense
    start = np.where(rng.random((9, 150)) < 0.5, 1, dense.low)
    held = rng.random(150) < 0.1
    found = [
        fastnn.anneal(
            model, num_reads=9, num_sweeps=40, beta_range=(0.005, 0.3), kernel="fields", order=order,
            acceptance=rule, initial_states=start, clamp=held, seed=3,
        )
        for model in (dense, sparse)
    ]  # fmt: skip
    np.testing.assert_array_equal(found[0].states, found[1].states)
    np.testing.assert_allclose(found[0].energies, found[1].energies)
    np.testing.assert_array_equal(found[0].states[:, held], start[:, held])
    assert (found[0].states != start).mean() > 0.2


def test_fields_that_are_kept_do_not_show():
    """A cold walk of the lanes in one go follows its flips; sweep by sweep it sums anew."""
    rng = np.random.default_rng(2)
    edges = rng.integers(3000, size=(9000, 2))
    edges = edges[edges[:, 0] != edges[:, 1]]
    model = fastnn.IsingModel.from_edges(edges, rng.normal(size=len(edges)), n=3000)
    for order in ("color", "random"):
        options = {"num_reads": 40, "num_sweeps": 200, "kernel": "lanes", "order": order, "seed": 4}
        whole = fastnn.anneal(model, **options)
        parts = fastnn.anneal(model, observables=["energy"], **options)
        np.testing.assert_array_equal(whole.states, parts.states)


@pytest.mark.parametrize("order", ["sequential", "color"])
def test_groups_that_leave_their_stages_keep_the_order(order):
    """Without temperature every choice is certain: packed groups end where one spin at a time does."""
    rng = np.random.default_rng(7)
    edges = rng.integers(600, size=(5000, 2))
    edges = edges[edges[:, 0] != edges[:, 1]]
    model = fastnn.IsingModel.from_edges(edges, rng.choice([-1.0, 1.0], len(edges)), n=600)
    start, held = rng.choice([-1, 1], (70, 600)), rng.random(600) < 0.1
    options = {"num_reads": 70, "schedule": [np.inf] * 3, "initial_states": start, "order": order, "seed": 0}
    for clamp in (None, held):
        found = [fastnn.anneal(model, kernel=kernel, clamp=clamp, **options).states for kernel in KERNELS]
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])
        assert (found[0] != start).mean() > 0.2


def test_groups_are_filled_as_far_as_the_order_allows():
    """A chain moves one by one, uncoupled units eight at a time, coupled units in order."""
    from fastnn._kernels.packing import packed

    n, rng = 100, np.random.default_rng(3)
    kind = (np.arange(n) % 4 == 0).astype(np.uint8)
    widths, all_of_them = np.zeros(n, np.int64), np.arange(n)
    none, no_pairs = np.zeros(n + 1, np.int64), np.zeros(0, np.int32)
    units, starts = packed(none, no_pairs, all_of_them, kind, widths, 8)
    assert starts.size - 1 == -(-25 // 8) + -(-75 // 8)
    assert all(len(set(kind[units[a:b]])) == 1 for a, b in pairwise(starts))
    chain = fastnn.IsingModel.from_edges([[k, k + 1] for k in range(n - 1)]).rows
    parts = chain.indptr.astype(np.int64), chain.indices.astype(np.int32)
    units, starts = packed(*parts, all_of_them, np.zeros(n, np.uint8), widths, 8)
    np.testing.assert_array_equal(units, all_of_them)
    assert starts.size == n + 1
    rank = np.full(n, -1)
    rank[rng.permutation(n)[:90]] = np.arange(90)
    units, _ = packed(*parts, rank, kind, widths, 8)
    place = np.full(n, -1)
    place[units] = np.arange(90)
    assert sorted(units) == sorted(np.flatnonzero(rank >= 0))
    both = (rank[:-1] >= 0) & (rank[1:] >= 0)
    np.testing.assert_array_equal((rank[:-1] < rank[1:])[both], (place[:-1] < place[1:])[both])


@pytest.mark.parametrize("kernel", KERNELS)
def test_options_of_every_kernel(kernel):
    model = fastnn.IsingModel(couplings(40, share=0.2))
    rng = np.random.default_rng(5)
    start, held = rng.choice([-1, 1], (70, 40)), rng.random(40) < 0.3
    options = {"kernel": kernel, "num_reads": 70, "seed": 0, "initial_states": start, "clamp": held}
    found = fastnn.anneal(
        model, num_sweeps=6, observables=("energy", "magnetisation"), beta_range=(0.01, 0.2), **options
    )
    assert found.info["kernel"] == kernel
    np.testing.assert_array_equal(found.states[:, held], start[:, held])
    np.testing.assert_allclose(found.observables["energy"][:, -1], model.energy(found.states))
    np.testing.assert_allclose(found.observables["magnetisation"][:, -1], found.states.mean(axis=1))
    assert found.observables["energy"].shape == (70, 6)
    polished = fastnn.anneal(model, num_sweeps=6, polish=True, **options).states
    np.testing.assert_array_equal(polished[:, held], start[:, held])
    fields = polished @ model.rows.toarray()
    assert (polished * fields)[:, ~held].min() >= 0  # no unit that may move gains by it
    began = time.perf_counter()
    cut_short = fastnn.anneal(model, num_sweeps=10**6, time_limit=0.1, **options)
    assert time.perf_counter() - began < 2
    assert 0 < cut_short.info["sweeps_done"] < 10**6


@pytest.mark.parametrize("kernel", KERNELS)
def test_units_in_random_order_are_drawn_one_by_one(kernel):
    """One sweep at beta = 0 turns a unit over each time it is drawn: counts are those of n draws of n.

    A unit moves an even number of times with probability (1 + (1 - 2/n)^n) / 2.
    """
    n, reads = 200, 64 * 200
    model = fastnn.IsingModel.from_edges([[k, k + 1] for k in range(n - 1)])
    start = np.ones(n)
    s = fastnn.anneal(
        model, num_reads=reads, schedule=[0.0], kernel=kernel, order="random", initial_states=start, seed=6
    ).states
    back = (s == 1).mean(axis=1)
    blocks = back.reshape(-1, 64)[:, 0] if kernel == "bits" else back.reshape(-1, 32)[:, 0]  # shared sites
    expected = (1 + (1 - 2 / n) ** n) / 2
    assert abs(blocks.mean() - expected) < 3.3 * blocks.std(ddof=1) / np.sqrt(blocks.size)


MEMORY = """
import numpy as np, fastnn, resource
side = 100
at = np.arange(side**3, dtype=np.int32).reshape((side,) * 3)
edges = np.concatenate([np.stack([at.ravel(), np.roll(at, -1, d).ravel()], 1) for d in range(3)])
model = fastnn.IsingModel.from_edges(edges, np.random.default_rng(0).choice([-1.0, 1.0], len(edges)))
samples = fastnn.anneal(model, num_reads=512, schedule=[1.0], seed=0)
print(samples.words.nbytes, samples.info["kernel"], samples.energies.mean())
"""


def test_a_million_spins_in_512_reads_are_64_megabytes():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=300)
    n_bytes, kernel, energy = done.stdout.split()
    assert int(n_bytes) <= 64.1e6
    assert kernel == "bits"
    assert float(energy) < -1e6


def test_progress_is_told_to_scikit_learns_callbacks(capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    model = fastnn.IsingModel(couplings(40, share=0.2))
    calls = (
        (fastnn.anneal, {"num_sweeps": 50}),
        (fastnn.gibbs_sample, {"num_sweeps": 50}),
        (fastnn.parallel_tempering, {"betas": [0.1, 0.2], "num_sweeps": 50}),
    )
    for sampler, options in calls:
        plain = sampler(model, num_reads=3, seed=0, **options)
        shown = sampler(model, num_reads=3, seed=0, callback=ProgressBar(), **options)
        if sampler is not fastnn.parallel_tempering:
            np.testing.assert_array_equal(plain.states, shown.states)
        assert sampler.__name__ in capsys.readouterr().out
        with pytest.raises(TypeError, match="callback"):
            sampler(model, num_reads=3, callback=5, **options)


def test_tempering_is_stopped_by_a_callback():
    model = fastnn.IsingModel(couplings(40, share=0.2))
    found = fastnn.parallel_tempering(
        model, [0.1, 0.2], num_reads=3, burn_in=0, callback=lambda done, total: done >= 7, seed=0
    )
    assert found.energies.shape == (7, 2, 3)


def test_kernels_take_no_other_numbers():
    from fastnn._kernels.source import Source

    with pytest.raises(TypeError, match="int64"):
        Source(np.zeros((3, 3), np.uint8), 0, True).survey(0, np.int64, 1)


def test_the_example_of_max_cut(tmp_path):
    pytest.importorskip("matplotlib")
    command = [sys.executable, EXAMPLE, "--vertices", "30", "--reads", "4", "--sweeps", "20"]
    env = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "maxcut.png").stat().st_size > 10_000
    (tmp_path / "graph.txt").write_text("3 3\n1 2 1\n2 3 1\n1 3 1\n")
    done = subprocess.run(
        [*command, "--graph", "graph.txt"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert "best cut 2" in done.stdout


def test_bench_of_quality_finds_what_it_seeks():
    from bench import quality

    assert quality.main(["--seconds", "20"]) == 0


def test_bench_of_quality_recombines_states():
    """On a lattice of strong and weak couplings, random states hold the parts of a better one."""
    from bench.quality import recombined

    rng = np.random.default_rng(0)
    at = np.arange(20).reshape(4, 5)
    pairs = np.concatenate(
        [np.stack([at[1:].ravel(), at[:-1].ravel()], 1), np.stack([at[:, 1:].ravel(), at[:, :-1].ravel()], 1)]
    )
    strengths = rng.choice([-5, -1, 1, 5], len(pairs)) * rng.random(len(pairs))
    model = fastnn.IsingModel.from_edges(pairs, strengths, 0.1 * rng.normal(size=20), n=20)
    states = rng.choice([-1, 1], size=(64, 20))
    found = recombined(model, states)
    assert (model.energy(found) <= model.energy(states)).all()
    np.testing.assert_allclose(model.energy(found).min(), model.enumerate().ground_energy)


def test_bench_of_quality_reads_lattices(tmp_path, capsys):
    from bench import quality

    (tmp_path / "square").mkdir()
    (tmp_path / "square" / "007.txt").write_text("#\n1 1 0.5\n1 2 1\n2 3 1\n3 4 1\n1 4 -1\n")
    (tmp_path / "square" / "groundstates_otn2d.txt").write_text("007.txt : -2.500000 0 1 0 1\n")
    assert quality.main(["--chimera", str(tmp_path), "--seconds", "20"]) == 0
    assert "| square/007 | -2.5 | -2.5 | -2.5 |" in capsys.readouterr().out
