"""Same seed, same answer: for any number of threads, instruction set and split of the work."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fingerprints import COMMON, DENSITIES, N_HIDDEN, RBMS, THREADS, binary, digest
from scipy.sparse import csr_array

import fastnn
from fastnn._kernels import core

ISAS = ("baseline", "avx2", "avx512")
SCRIPT = Path(__file__).with_name("fingerprints.py")
CASES = [
    *(f"{name}, density {d:g}" for name in ("pcd", "BernoulliRBM") for d in DENSITIES),
    *RBMS,
]


def run_with(isa, *arguments):
    # Waiting threads sleep: spinning ones, on a machine with fewer cores, make this take minutes.
    env = {**os.environ, "FASTNN_ISA": isa, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)


def skip_unless_it_runs(isa):
    built = core.isa()[1]
    if not built.get(isa, False):
        pytest.skip(f"{isa} {'does not run on this CPU' if isa in built else 'was not built'}")


@cache
def fingerprints(isa, what="models"):
    """{case: {number of threads: digest}}, computed by a fresh process on this instruction set."""
    done = run_with(isa, SCRIPT, what)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("isa", ISAS)
def test_the_override_is_obeyed_and_shown(isa):
    skip_unless_it_runs(isa)
    done = run_with(isa, "-c", "import fastnn; print(fastnn.show_config())")
    assert done.returncode == 0, done.stderr
    assert f"instruction set {isa} (FASTNN_ISA={isa})" in done.stdout


def test_an_unknown_instruction_set_is_a_clear_error():
    done = run_with("sse9", "-c", "import fastnn")
    assert done.returncode == 1
    assert "ImportError: FASTNN_ISA='sse9' was not built; set it to one of: base" in done.stderr


def test_one_that_does_not_run_here_is_a_clear_error():
    absent = [name for name, runs in core.isa()[1].items() if not runs]
    if not absent:
        pytest.skip("every instruction set that was built runs on this CPU")
    done = run_with(absent[0], "-c", "import fastnn")
    assert done.returncode == 1
    assert f"FASTNN_ISA='{absent[0]}' does not run on this machine" in done.stderr


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("isa", ISAS)
def test_fits_and_draws_are_bitwise_the_same(isa, case, dtype):
    skip_unless_it_runs(isa)
    name = f"{case}, {dtype}"
    expected = fingerprints("baseline")[name]["1"]
    assert fingerprints(isa)[name] == {str(n): expected for n in THREADS}


@pytest.mark.parametrize("isa", ISAS)
def test_grey_levels_drawn_afresh_are_bitwise_the_same(isa):
    skip_unless_it_runs(isa)
    name = "grey levels drawn afresh"
    expected = fingerprints("baseline")[name]["1"]
    assert fingerprints(isa)[name] == {str(n): expected for n in THREADS}


@pytest.mark.parametrize("isa", ISAS)
def test_annealed_states_are_bitwise_the_same(isa):
    skip_unless_it_runs(isa)
    expected = {name: set(of.values()) for name, of in fingerprints("baseline", "annealed").items()}
    assert {len(digests) for digests in expected.values()} == {1}
    assert len(set.union(*expected.values())) == len(expected)
    assert {name: set(of.values()) for name, of in fingerprints(isa, "annealed").items()} == expected


@pytest.mark.parametrize("isa", ISAS)
def test_activations_and_belief_networks_are_bitwise_the_same(isa):
    skip_unless_it_runs(isa)
    expected = {name: set(of.values()) for name, of in fingerprints("baseline", "networks").items()}
    assert {len(digests) for digests in expected.values()} == {1}
    assert len(set.union(*expected.values())) == len(expected)
    assert {name: set(of.values()) for name, of in fingerprints(isa, "networks").items()} == expected


@pytest.mark.parametrize("isa", ISAS)
def test_likelihoods_are_bitwise_the_same(isa):
    skip_unless_it_runs(isa)
    expected = {name: set(of.values()) for name, of in fingerprints("baseline", "likelihoods").items()}
    assert {len(digests) for digests in expected.values()} == {1}
    assert len(set.union(*expected.values())) == len(expected) == 22
    assert {name: set(of.values()) for name, of in fingerprints(isa, "likelihoods").items()} == expected


@pytest.mark.parametrize("isa", ISAS)
def test_units_of_every_type_are_bitwise_the_same(isa):
    skip_unless_it_runs(isa)
    expected = {name: set(of.values()) for name, of in fingerprints("baseline", "units").items()}
    assert {len(digests) for digests in expected.values()} == {1}
    assert {name: set(of.values()) for name, of in fingerprints(isa, "units").items()} == expected


def test_the_digests_can_tell_models_apart():
    found = fingerprints("baseline")
    assert len({of_case["1"] for of_case in found.values()}) == len(found)
    assert len(found) == 2 * len(CASES) + 1


@pytest.fixture(scope="module", params=["float32", "float64"])
def model(request):
    X = binary(0.2, request.param)
    return fastnn.RBM(N_HIDDEN, monitor=(), **COMMON).fit(X), X


@pytest.mark.parametrize("size", [1, 63, 64, 257, 1000])
def test_any_batch_split_of_gibbs_gives_the_same_states(model, size):
    rbm, X = model
    X = X[:: 1 if size > 1 else 10]
    whole = rbm.gibbs(X, 2, random_state=3)
    parts = [
        rbm.gibbs(X[start : start + size], 2, random_state=3, first_chain=start)
        for start in range(0, len(X), size)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_chains_beyond_32_bits_have_streams_of_their_own(model):
    rbm, X = model
    draws = [rbm.gibbs(X, 1, random_state=3, first_chain=start) for start in (0, 2**32, 2**39)]
    assert len({digest(v) for v in draws}) == 3


@pytest.mark.parametrize("kind", ["?", "B", "b", "d"])
def test_the_dtype_that_holds_states_does_not_show(model, kind):
    rbm, X = model
    whole = rbm.gibbs(X, 1, random_state=3)
    np.testing.assert_array_equal(rbm.gibbs(X.astype(kind), 1, random_state=3), whole)


def test_a_fit_on_sparse_rows_equals_one_on_dense_rows():
    X = binary(0.2)
    dense, sparse = (fastnn.RBM(N_HIDDEN, monitor=(), **COMMON).fit(rows) for rows in (X, csr_array(X)))
    np.testing.assert_array_equal(dense.components_, sparse.components_)
