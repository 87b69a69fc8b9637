"""Rows of every form that may come, and training that diverges: what a model makes of them."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from test_rbm_bad_input import BOTH, GREY, X, fitted

from fastnn import RBM, DivergenceError

# --- what works ----------------------------------------------------------------------------------


def unaligned(X):
    room = np.empty(X.nbytes + 1, np.uint8)[1:]
    out = room.view(X.dtype).reshape(X.shape)
    out[...] = X
    assert not out.flags.aligned
    return out


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def strided(X):
    wide = np.full((2 * X.shape[0], 3 * X.shape[1]), 9, X.dtype)
    wide[::2, ::3] = X
    return wide[::2, ::3]


def sparse_int64(X):
    S = sp.csr_array(X)
    S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    return S


def sparse_unsorted(X):
    S = sp.csr_array(X)
    for start, stop in zip(S.indptr[:-1], S.indptr[1:], strict=True):
        S.indices[start:stop] = S.indices[start:stop][::-1].copy()
        S.data[start:stop] = S.data[start:stop][::-1].copy()
    S.has_sorted_indices = False
    return S


def sparse_duplicates(X):
    rows, cols = X.nonzero()
    halves = np.concatenate([X[rows, cols] / 2] * 2)
    S = sp.coo_array((halves, (np.tile(rows, 2), np.tile(cols, 2))), X.shape)
    order = np.argsort(S.row, kind="stable")
    indptr = np.searchsorted(S.row[order], np.arange(X.shape[0] + 1))
    S = sp.csr_array((S.data[order], S.col[order], indptr), X.shape)
    assert not S.has_canonical_format
    return S


def sparse_zeros(X):
    S = sp.csr_array(np.ones_like(X))
    S.data[...] = X.ravel()
    return S


# Forms in which the same rows may come.
FORMS = {
    "list": lambda X: X.tolist(),
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "read-only": read_only,
    "strided": strided,
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "Fortran": np.asfortranarray,
    "unaligned": unaligned,
    "objects": lambda X: X.astype(object),
    "frame": pd.DataFrame,
    "memory map": lambda X: X.view(np.memmap),
    "csr": sp.csr_array,
    "csr matrix": sp.csr_matrix,
    "csc": sp.csc_array,
    "coo": sp.coo_array,
    "lil": sp.lil_array,
    "int64 indices": sparse_int64,
    "unsorted indices": sparse_unsorted,
    "duplicates": sparse_duplicates,
    "stored zeros": sparse_zeros,
}
CALLS = {
    "transform": lambda m, X: m.transform(X),
    "gibbs": lambda m, X: m.gibbs(X, 2, random_state=0),
    "free_energy": lambda m, X: m.free_energy(X),
    "reconstruct": lambda m, X: m.reconstruct(X),
    "score_samples": lambda m, X: m.score_samples(X),
}
UNTYPED = {"list", "objects"}


@BOTH
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [X, GREY], ids=["states", "grey"])
def test_every_form_of_rows_gives_the_same(Model, form, dtype, rows):
    native = Model._state_dtype  # what rows of no real dtype of their own become
    plain = np.ascontiguousarray(rows, native if form in UNTYPED else dtype)
    other = FORMS[form](rows.astype(dtype))
    one, two = fitted(Model, plain), fitted(Model, other)
    compare = assert_array_equal
    assert one.components_.dtype == two.components_.dtype == plain.dtype
    compare(one.components_, two.components_)
    for name, call in CALLS.items():
        ours, theirs = call(one, plain), call(one, other)
        assert ours.dtype == theirs.dtype
        compare(ours, theirs, err_msg=name)
    compare(one.partial_fit(plain).components_, two.partial_fit(other).components_)


@BOTH
@pytest.mark.parametrize(
    "dtype", [np.float16, np.longdouble, np.int8, np.uint8, np.int64, np.uint16, np.bool_]
)
def test_every_dtype_of_states_gives_the_same(Model, dtype):
    one, two = fitted(Model, X.astype(Model._state_dtype)), fitted(Model, X.astype(dtype))
    assert_array_equal(one.components_, two.components_, strict=True)
    for name, call in CALLS.items():
        assert_array_equal(call(one, X), call(one, X.astype(dtype)), err_msg=name)


@BOTH
@pytest.mark.parametrize("shape", [(1, 12), (1, 1), (40, 1), (3, 65)])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_few_rows_and_few_features_work(Model, shape, method):
    rows = np.random.default_rng(0).random(shape) < 0.5
    model = getattr(Model(3, n_iter=2, random_state=0), method)(rows)
    assert model.transform(rows).shape == (shape[0], 3)
    assert np.isfinite(model.components_).all()
    assert np.isfinite(model.free_energy(rows)).all()
    assert model.gibbs(rows, 2).shape == shape


@BOTH
def test_the_data_are_not_written_to(Model):
    for rows in (X.copy(), GREY.copy(), X.astype(bool)):
        before = rows.copy()
        model = fitted(Model, rows)
        for call in CALLS.values():
            call(model, rows)
        assert_array_equal(rows, before)
    sparse = sparse_duplicates(X)
    before = sparse.data.copy()
    fitted(Model, sparse)
    assert_array_equal(sparse.data, before)


# --- divergence ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [1e300, 1e37])
def test_divergence_is_an_error_that_keeps_the_last_good_weights(Model, dtype, rate):
    rows = X.astype(dtype)
    params = {"momentum": 0.9, "l2": 1e10} if Model is RBM else {}
    rate = rate if dtype == np.float32 or rate == 1e300 else 1e307
    model = fitted(Model, rows, **({"momentum": 0.9} if Model is RBM else {}))
    model.set_params(learning_rate=rate, **params)
    message = None
    for _ in range(20):
        good = model.components_.copy()
        try:
            model.partial_fit(rows)
        except DivergenceError as error:
            message = str(error)
            break
    assert re.search(r"diverged in epoch 1: .* lower learning_rate", message)
    assert_array_equal(model.components_, good)
    assert model.transform(rows).shape == (40, 5)
    assert model.gibbs(rows).shape == rows.shape
    model.set_params(learning_rate=0.01, **dict.fromkeys(params, 0))
    model.partial_fit(rows)
    assert np.isfinite(model.components_).all()
    model.fit(rows)
    assert_array_equal(model.components_, Model(**model.get_params()).fit(rows).components_)


def test_divergence_in_fit_names_the_epoch_and_keeps_what_was_before():
    class Keeper:
        """Keeps the weights of every epoch."""

        def setup(self, estimator, context):
            self.weights = []

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                self.weights.append(fitted_estimator.components_)

    seen = Keeper()
    rows = X.astype(np.float32)
    # Every update multiplies the weights by 1 - learning_rate * l2, from the sixth epoch on.
    model = RBM(
        5,
        learning_rate=1,
        learning_rate_schedule=lambda done: float(done >= 0.1),
        l2=1e5,
        batch_size=20,
        n_iter=50,
        random_state=0,
    )
    with pytest.raises(DivergenceError, match=r"diverged in epoch (\d+)") as caught:
        model.set_callbacks(seen).fit(rows)
    epoch = int(str(caught.value).split("epoch ")[1].split(":")[0])
    assert epoch == len(seen.weights) + 1 == model.n_iter_ + 1 > 1
    assert_array_equal(model.components_, seen.weights[-1])
    assert len(model.history_["epoch"]) == model.n_iter_


@pytest.mark.parametrize("rate", [1e3, 1e6])
@pytest.mark.parametrize("method", ["pcd", "cd"])
@pytest.mark.parametrize("visible", ["bernoulli", "spin", "gaussian", "relu", "poisson"])
def test_finite_weights_that_explain_nothing_are_divergence(visible, method, rate):
    rows = X.astype(np.float64) if visible != "spin" else 2.0 * X - 1
    params = {"visible": visible, "method": method, "batch_size": 10, "n_iter": 4, "random_state": 0}
    good = RBM(5, **params).fit(rows)
    before = good.components_.copy()
    good.set_params(warm_start=True, learning_rate=rate)
    with pytest.raises(
        DivergenceError, match=r"(no longer finite|that of ).* The model keeps.*lower learning"
    ):
        good.fit(rows)
    assert abs(good.components_).max() < 100
    if good.n_iter_ == 0:
        assert_array_equal(good.components_, before)
