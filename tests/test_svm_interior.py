"""The interior point method of the multiclass support vector machine: its equations, steps and answers."""

import time

import numpy as np
import pytest
import reference_svm as slow
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from processes import ctrl_c

from fastnn._kernels.barrier import Barrier
from fastnn._kernels.svm import stride_for
from fastnn._threads import single_threaded_blas
from fastnn.linear import MulticlassSVM

KINDS = ("weston_watkins", "crammer_singer")
EACH = pytest.mark.parametrize("kind", KINDS)
REALS = pytest.mark.parametrize("dtype", [np.float32, np.float64])


class Inside:
    """Random duals and slacks inside their bounds, and a Barrier about them."""

    def __init__(self, kind, k, dtype, n=300, d=7, form=np.asarray, n_threads=2):
        rng = np.random.default_rng(k)
        stride, box = stride_for(k), kind == KINDS[0]
        self.kind, self.k, self.bias, self.y = kind, k, 0.5, rng.integers(0, k, n)
        self.X = np.where(rng.random((n, d)) < 0.4, 0, rng.normal(size=(n, d))).astype(dtype)
        self.costs = (rng.random(n) + 0.5).astype(dtype)
        p, t, back = np.zeros((n, stride)), np.ones((n, stride)), np.ones((n, stride))
        p[:, :k] = rng.uniform(0.1, 0.9, (n, k)) if box else rng.dirichlet(np.full(k, 2.0), n)
        t[:, :k] = rng.uniform(0.1, 2, (n, k))
        if box:
            back[:, :k] = rng.uniform(0.1, 2, (n, k))
            p[np.arange(n), self.y], t[np.arange(n), self.y], back[np.arange(n), self.y] = 0, 1, 1
        self.live = np.arange(stride) < k
        self.others = self.live & (np.arange(stride) != self.y[:, None]) if box else self.live & (t > 0)
        self.state = tuple(x.astype(dtype) for x in (p, t, back))
        self.move = tuple(np.zeros((n, stride), dtype) for _ in range(5))
        self.h, self.a = np.empty((n, stride), dtype), np.zeros((n, stride), dtype)
        self.a[:, :k] = rng.normal(size=(n, k))
        self.barrier = Barrier(form(self.X), self.y, self.costs, k, stride, box, self.bias, n_threads)

    def matrices(self):
        rows = zip(*(x.astype(float)[:, : self.k] for x in self.state), self.y, strict=True)
        return [slow.barrier_matrix(*row, self.kind) for row in rows]


@REALS
@EACH
@pytest.mark.parametrize("k", [2, 3, 10, 16, 17])
def test_steps_solve_the_linearised_equations(k, kind, dtype):
    at = Inside(kind, k, dtype)
    p, t, back = (x.astype(float) for x in at.state)
    on, rounding = at.others, 100 * float(np.finfo(dtype).eps)
    for aim in (("predict",), ("correct", 0.3), ("centre", 0.3, 0.8, 0.1, 0.4)):
        before = [x.astype(float) for x in at.move]
        at.barrier.aim(at.state, at.move, at.h, *aim)
        longest, products, changes = at.barrier.go(at.state, at.move, at.a)
        dp, dt, dback, r, rback = (x.astype(float) for x in at.move)

        def wanted(x, y, dx, dy, r, aim=aim):
            if aim[0] == "centre":
                ahead = (x + 0.8 * dx) * (y + 0.8 * dy)
                return r + np.maximum(np.clip(ahead, 0.1, 0.4) - ahead, -0.4)
            return -x * y if aim[0] == "predict" else 0.3 - x * y - dx * dy

        near = {"rtol": 10 * rounding, "atol": rounding * max(np.abs(x).max() for x in (dp, dt, r))}
        assert_allclose(r, wanted(t, p, before[1], before[0], before[3]) * on, **near)
        assert_allclose((t * dp + p * dt)[on], r[on], **near)
        a = at.a.astype(float)
        own = a[np.arange(len(a)), at.y]
        h = [m @ x for m, x in zip(at.matrices(), a[:, :k], strict=True)]
        if kind == "crammer_singer":
            assert_allclose(dp.sum(axis=1), 0, **near)
            assert_allclose((dt + a)[:, :k], np.broadcast_to((dt + a)[:, :1], (len(a), k)), **near)
            assert_allclose(dp[:, :k], at.h[:, :k] + h, **near)
            expected = (t * p)[on].sum(), (dt * dp).sum()
        else:
            assert_allclose(rback, wanted(back, 1 - p, before[2], -before[0], before[4]) * on, **near)
            assert_allclose(((1 - p) * dback - back * dp)[on], rback[on], **near)
            assert_allclose((dback - dt)[on], (a - own[:, None])[on], **near)
            assert_allclose(dp[on], (at.h[:, :k] + h)[on[:, :k]], **near)
            assert_allclose(at.h.sum(axis=1), 0, **near)
            expected = (t * p + back * (1 - p))[on].sum(), ((dt - dback) * dp).sum()
        assert_allclose((products, changes), expected, rtol=10 * rounding, atol=near["atol"])
        moved = [t + longest * dt, p + longest * dp]
        if kind == "weston_watkins":
            moved += [back + longest * dback, 1 - p - longest * dp]
        assert min(m[on].min() for m in moved) == pytest.approx(0, abs=near["atol"])
        for x in at.move[:3]:
            assert (x[~on] == 0).all()


@REALS
@EACH
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(("k", "n"), [(2, 3000), (3, 1500), (10, 300)])
def test_the_curvature(k, n, form, kind, dtype):
    """The identity plus sum over rows of cost M (x) xx', for any number of threads."""
    at = Inside(kind, k, dtype, n=n, form=form)
    rows = np.hstack([at.X.astype(float), np.full((n, 1), at.bias)])
    expected = np.eye(k * 8)
    for x, m, cost in zip(rows, at.matrices(), at.costs, strict=True):
        expected += float(cost) * np.kron(m, np.outer(x, x))
    found = []
    for n_threads in (1, 2, 5):
        again = Inside(kind, k, dtype, n=n, form=form, n_threads=n_threads)
        out = np.full((k * 8, k * 8), np.nan)
        with single_threaded_blas():
            again.barrier.curvature(again.state, 0.0, out, again.h)
        found.append(np.tril(out))
    scale = np.abs(expected).max()
    assert_allclose(found[0], np.tril(expected), atol=scale * (1e-5 if dtype == np.float32 else 1e-12))
    for other in found[1:]:
        assert_array_equal(other, found[0])
    out = np.empty((k * 8, k * 8))
    with single_threaded_blas():
        at.barrier.curvature(at.state, 1e9, out, at.h)
    assert_array_equal(np.tril(out), np.eye(k * 8))


def hard(n=1500, d=30, k=5, noise=0.8):
    """Rows so long, of classes so mixed, that C = 1 is far from the penalty."""
    rng = np.random.default_rng(0)
    X = 3 * rng.normal(size=(n, d))
    scores = X @ rng.normal(size=(d, k))
    return X, (scores + 3 * noise * d**0.5 * rng.normal(size=scores.shape)).argmax(axis=1)


@EACH
@pytest.mark.parametrize(("tol", "most"), [(1e-4, 35), (1e-8, 45)])
def test_few_steps_lead_to_a_certified_optimum(kind, tol, most):
    X, y = hard()
    model = MulticlassSVM(kind, tol=tol).fit(X, y)
    assert model.n_iter_ <= most
    assert 0 <= model.dual_gap_ <= tol
    found = slow.objective(model.coef_, model.intercept_, X, y, np.ones(len(y)), 1.0, kind)
    assert model.objective_ == pytest.approx(found, rel=1e-10)
    assert_allclose(model.dual_coef_ @ X[model.support_], model.coef_, atol=1e-9)
    bounded = -model.dual_coef_.T * np.where(np.arange(5) == y[model.support_, None], -1, 1)
    assert bounded.min() >= -1e-12
    if kind == "crammer_singer":
        assert bounded.max() <= 1 + 1e-12
        # Rows beyond their margin are left out.
        assert len(model.support_) < len(y)
    elsewhere = MulticlassSVM(kind, tol=tol / 10).fit(X, y)
    assert model.objective_ * (1 - tol) <= elsewhere.objective_ <= model.objective_ * (1 + tol / 10)


def test_interruption_inside():
    X, y = hard(n=200_000, d=60, k=10)
    with pytest.raises(KeyboardInterrupt), ctrl_c(1.5) as pressed:
        MulticlassSVM("crammer_singer", tol=1e-12).fit(X, y)
    assert time.perf_counter() - pressed[0] < 1.0
