"""What an RBM may hold in memory beside its data: of sparse rows no dense copy, of dense rows none at all."""

import os
import sys
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from processes import run_script
from scipy.sparse import csr_array, csr_matrix, random_array, vstack

from fastnn import RBM, BernoulliRBM, Gaussian
from fastnn.energy._monitors import stochastic_pseudo_likelihood

N_ROWS, N_FEATURES, N_STORED = 520, 60_000, 20


def sparse_rows(values=None, container=csr_array):
    """Rows with 20 values that are not zero; a float for each of the others would take 125 MB."""
    rng = np.random.default_rng(0)
    columns = rng.integers(N_FEATURES // N_STORED, size=(N_ROWS, N_STORED))
    columns += np.arange(N_STORED) * (N_FEATURES // N_STORED)
    data = (
        np.ones(columns.size, np.float32) if values is None else values(rng, columns.size).astype(np.float32)
    )
    where = columns.ravel(), np.arange(0, columns.size + 1, N_STORED)
    return container((data, *where), shape=(N_ROWS, N_FEATURES))


def traced_bytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


PARAMS = {"n_iter": 1, "batch_size": 100, "n_chains": 2, "random_state": 0, "monitor": ()}
COUNTS = {"visible": "poisson", "values": lambda rng, n: 1 + rng.poisson(1.0, n)}
NUMBERS = {"visible": Gaussian(sigma=1.0), "values": lambda rng, n: rng.normal(size=n)}
# What is asked for beyond a fit without monitors: values of X, parameters.
EXTRAS = {
    "default monitors": {"monitor": ("reconstruction", "pseudo_likelihood", "free_energy_gap")},
    "counts": {**COUNTS, "monitor": ("reconstruction", "free_energy_gap")},
    "numbers": {**NUMBERS, "monitor": ("reconstruction", "free_energy_gap")},
    "drawn levels": {
        "values": lambda rng, n: rng.random(n), "binarize": "sample",
        "monitor": ("reconstruction", "pseudo_likelihood", "free_energy_gap"),
    },
    "early stopping": {"early_stopping": True},
}  # fmt: skip


@pytest.mark.parametrize("name", EXTRAS)
def test_nothing_writes_sparse_rows_out(name):
    """A block of 2^18 values, or of 2^22 below, is what a look at the rows may take, a few times over."""
    params = {**PARAMS, **EXTRAS[name]}
    X = sparse_rows(params.pop("values", None))
    plain = {key: params[key] for key in ("visible", "binarize") if key in params} | PARAMS
    alone = traced_bytes(lambda: RBM(4, **plain).fit(X, X_val=X[:100]))
    found = traced_bytes(lambda: RBM(4, **params).fit(X, X_val=X[:100]))
    print(name, alone / 1e6, found / 1e6)
    assert found - alone < 40e6


def test_calls_do_not_write_sparse_rows_out():
    """Not even a bit for every value, which would be 31 MB here and 20 times the sparse rows."""
    W = np.random.default_rng(0).normal(0, 0.01, (N_FEATURES, 4)).astype(np.float32)
    model = RBM.from_parameters(W, np.full(N_FEATURES, -6.0), random_state=0)
    X = vstack([sparse_rows()] * 8, "csr")
    model.transform(X[:1])
    for call in (model.transform, model.free_energy):
        assert traced_bytes(lambda call=call: call(X)) < 12e6


def test_one_row_is_one_row():
    """A row takes no room for more of them: here that would be 120 MB."""
    W = np.random.default_rng(0).normal(0, 0.01, (N_FEATURES, 4)).astype(np.float32)
    model = RBM.from_parameters(W, random_state=0)
    X = sparse_rows()[:1]
    model.transform(X)
    assert traced_bytes(lambda: model.reconstruct(X)) < 5e6


def test_lines_of_verbose_copy_no_rows():
    """scikit-learn's pseudo-likelihood, which looks at all rows at each epoch, takes them block by block."""
    X = random_array((20_000, 1000), density=0.1, format="csr", dtype=np.float32, rng=0)
    X.data[:] = 1
    params = {"batch_size": 1000, "n_iter": 1, "random_state": 0}
    alone, found = (traced_bytes(lambda n=n: BernoulliRBM(4, verbose=n, **params).fit(X)) for n in (0, 1))
    assert found - alone < 25e6  # lists of Python's numbers took 300


@pytest.mark.parametrize("container", [csr_array, csr_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.bool_])
@pytest.mark.parametrize("visible", ["bernoulli", "spin"])
def test_flipping_a_unit_of_sparse_rows_is_flipping_it_of_dense_ones(container, dtype, visible):
    rng = np.random.default_rng(1)
    X = (rng.random((700, 30)) < 0.2).astype(dtype)
    if visible == "spin":
        X = np.where(X > 0, 1, -1).astype(np.int8 if np.dtype(dtype).kind in "bu" else dtype)
    W = rng.normal(size=(30, 5))
    model = RBM.from_parameters(W, rng.normal(size=30), visible=visible, random_state=0)
    dense, sparse = (stochastic_pseudo_likelihood(model, rows, 3, 2) for rows in (X, container(X)))
    assert_allclose(sparse, dense, rtol=1e-12)
    which = np.random.RandomState(3).randint(0, 30, 700)
    flipped = X.astype(np.float64)
    flipped[np.arange(700), which] = (1 if visible == "bernoulli" else 0) - flipped[np.arange(700), which]
    rise = model.free_energy(flipped) - model.free_energy(X)
    assert_allclose(dense, -30 * np.logaddexp(0, -rise), rtol=1e-9)


@pytest.mark.parametrize("binarize", [None, "sample"])
@pytest.mark.parametrize("visible", ["bernoulli", "poisson", "gaussian"])
def test_blocks_of_rows_do_not_show(monkeypatch, visible, binarize):
    """Monitors that look at three rows at a time, dense or sparse, say what they say of all at once."""
    if binarize and visible != "bernoulli":
        pytest.skip("only levels between two states are drawn")
    rng = np.random.default_rng(2)
    X = rng.random((90, 40)) * (rng.random((90, 40)) < 0.3)
    X = np.round(5 * X) if visible == "poisson" else X if binarize or visible == "gaussian" else X > 0
    params = {"n_iter": 3, "random_state": 0, "visible": visible, "binarize": binarize, "learning_rate": 0.01}

    def fitted(rows):
        return RBM(5, **params).fit(rows, X_val=rows[::2])

    whole = fitted(X)
    monkeypatch.setattr("fastnn.energy._monitors.BLOCK", 120)
    for rows in (X, csr_array(X)):
        model = fitted(rows)
        assert_allclose(model.components_, whole.components_, rtol=1e-9)
        for name in whole.history_.keys() - {"time"}:
            assert_allclose(model.history_[name], whole.history_[name], rtol=1e-6, err_msg=name)


# --- dense rows ------------------------------------------------------------------------------------

N_BYTES = 64 * 2**20
# Rows as they come, and how many bytes fit may take for them: none, or one conversion.
FORMS = {
    "bool": ("bool", "C", 0.0),
    "uint8": ("uint8", "C", 0.0),
    "int8": ("int8", "C", 0.0),
    "float32": ("float32", "C", 0.0),
    "float64": ("float64", "C", 0.0),
    "Fortran": ("float32", "F", 1.0),
    "int64": ("int64", "C", 0.5),  # to float32
}
SCRIPT = """
    import numpy as np
    from bench.system import extra_bytes
    from fastnn import RBM
    rng = np.random.default_rng(0)
    X = np.empty(({n_rows}, 256), "{dtype}", order="{order}")
    for first in range(0, {n_rows}, 4096):  # nothing of X's size is held beside X
        X[first : first + 4096] = rng.random((len(X[first : first + 4096]), 256)) < 0.3
    X_val = X[:500]
    params = dict(n_iter=1, batch_size=2000, random_state=0, n_threads=2, {params})
    RBM(8, **params).fit(X[:4000], X_val=X_val)  # threads' stacks and late imports are not the fit's
    print(extra_bytes(lambda: RBM(16, **params).fit(X, X_val=X_val)))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells what memory is held")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("params", ["", "visible='gaussian'"], ids=["states", "numbers"])
def test_extra_bytes_of_a_fit_are_parameters_and_chains(form, params):
    """In a process of its own, whose peak is looked at: X takes 64 MB, a second one would show."""
    dtype, order, conversions = FORMS[form]
    n_rows = N_BYTES // 256 // np.dtype(dtype).itemsize
    fields = {"n_rows": n_rows, "dtype": dtype, "order": order, "params": params}
    extra = int(run_script(SCRIPT.format(**fields), PYTHONPATH=os.pathsep.join(sys.path))[-1])
    assert extra < (conversions + 0.35) * N_BYTES
    assert extra > 0.9 * conversions * N_BYTES  # the measure sees a conversion where there is one
