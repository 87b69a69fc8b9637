"""Calls on arrays against their slow twins: values, gradients, layouts, limits, bad input."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import reference_losses as reference
from numpy.testing import assert_allclose, assert_array_equal

import fastnn.functional as F

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
CLASSES = (1, 2, 3, 10, 16, 17, 31, 32, 33, 64, 100, 1000, 5000)


def eps(dtype):
    return float(np.finfo(dtype).eps)


def logits(n, n_classes, dtype, size=3.0, seed=0):
    rng = np.random.default_rng([seed, n, n_classes])
    return (rng.normal(size=(n, n_classes)) * size).astype(dtype), rng.integers(0, n_classes, n)


# --- worked examples ------------------------------------------------------------------------------


def test_the_worked_examples():
    scores = np.array([[1.2, 5, 1.6]])
    assert_allclose(F.softmax(scores), [[0.0212, 0.9472, 0.0316]], atol=5e-5)
    assert round(F.cross_entropy(scores, [0]), 4) == 3.8542
    assert F.multiclass_hinge(scores, [0], delta=2) == pytest.approx(8.2)
    assert F.multiclass_hinge(scores, [0], delta=2, variant="crammer_singer") == pytest.approx(5.8)


# --- cross-entropy --------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("n_classes", [*CLASSES, 140_000])
@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
def test_labels(dtype, n_classes, size):
    z, y = logits(3 if n_classes > 5000 else 101, n_classes, dtype, size)
    loss, grad = F.cross_entropy(z, y, return_grad=True, reduction="none")
    expected, slope = reference.cross_entropy(z, np.arange(n_classes) == y[:, None])
    assert loss.dtype == grad.dtype == dtype
    assert_allclose(loss, expected, rtol=8 * eps(dtype), atol=8 * eps(dtype))
    assert_allclose(grad, slope, rtol=0, atol=8 * eps(dtype) + 1e-15 * size)
    in_place = z.copy()
    assert F.cross_entropy(in_place, y, grad_out=in_place, reduction="none")[1] is in_place
    assert_array_equal(in_place, grad)


@DTYPES
@pytest.mark.parametrize("n_classes", [2, 10, 33, 1000, 2048, 2049])
def test_labels_far_below_the_greatest_logit(dtype, n_classes):
    """Of 64 rows, so that quick paths that look at a sum and a label's share of it are taken or refused."""
    for top, below in ((65.0, -50.0), (40.0, -40.0), (30.0, 0.0), (80.0, 79.0), (-86.0, -88.0), (0.0, -87.5)):
        z = np.full((64, n_classes), below, dtype)
        z[:, 1] = top
        loss, grad = F.cross_entropy(z, np.zeros(64, int), return_grad=True, reduction="none")
        expected, slope = reference.cross_entropy(z, np.arange(n_classes) == np.zeros((64, 1)))
        assert_allclose(loss, expected, rtol=8 * eps(dtype))
        assert_allclose(grad, slope, atol=8 * eps(dtype))


@DTYPES
@pytest.mark.parametrize("n_classes", [2, 10, 33, 1000])
def test_every_option_at_once(dtype, n_classes):
    z, y = logits(150, n_classes, dtype)
    rng = np.random.default_rng(1)
    weight, rows = rng.random(n_classes), rng.integers(0, 3, len(y)) * 1.0
    counted = y != 1
    t = reference.one_hot(y, n_classes)
    expected, slope = reference.cross_entropy(z, t, weight.astype(dtype), 0.1)
    expected, slope = (x * (rows * counted).reshape(-1, *[1] * (x.ndim - 1)) for x in (expected, slope))
    total = (rows * weight[y])[counted].sum()
    options = {"weight": weight, "sample_weight": rows, "ignore_index": 1, "label_smoothing": 0.1}
    loss, grad = F.cross_entropy(z, y, return_grad=True, **options)
    assert loss == pytest.approx(expected.sum() / total, rel=20 * eps(dtype))
    assert_allclose(grad, slope / total, atol=20 * eps(dtype) / total)
    summed, gradient = F.cross_entropy(z, y, return_grad=True, reduction="sum", **options)
    assert summed == pytest.approx(expected.sum(), rel=20 * eps(dtype))
    assert_allclose(gradient, slope, atol=20 * eps(dtype))


@DTYPES
@pytest.mark.parametrize("total", [1.0, 2.5])
@pytest.mark.parametrize("n_classes", [3, 16, 50, 140_000])
def test_distributions_that_need_not_sum_to_one(dtype, total, n_classes):
    """The gradient is y sum(t) - t."""
    z, _ = logits(5, n_classes, dtype)
    t = np.random.default_rng(0).dirichlet(np.ones(n_classes), 5).astype(dtype) * dtype(total)
    loss, grad = F.cross_entropy(z, t, return_grad=True, reduction="none")
    expected, slope = reference.cross_entropy(z, t)
    assert_allclose(loss, expected, rtol=60 * eps(dtype))
    assert_allclose(grad, slope, atol=20 * eps(dtype))
    assert_allclose(grad.sum(axis=1), 0, atol=100 * eps(dtype))


def test_equal_to_torch_where_it_is_installed():
    torch = pytest.importorskip("torch")
    z, y = logits(64, 11, np.float32)
    weight = np.random.default_rng(0).random(11).astype(np.float32)
    leaf = torch.from_numpy(z).requires_grad_(True)
    theirs = torch.nn.functional.cross_entropy(
        leaf, torch.from_numpy(y), torch.from_numpy(weight), ignore_index=4, label_smoothing=0.2
    )
    theirs.backward()
    loss, grad = F.cross_entropy(z, y, weight=weight, ignore_index=4, label_smoothing=0.2, return_grad=True)
    assert loss == pytest.approx(theirs.item(), rel=1e-5)
    assert_allclose(grad, leaf.grad.numpy(), atol=1e-6)


@DTYPES
@pytest.mark.parametrize("n_classes", [3, 10, 40, 1000])
def test_masked_classes(dtype, n_classes):
    z, y = logits(40, n_classes, dtype)
    z[:, 0] = -np.inf
    y[y == 0] = 1
    loss, grad = F.cross_entropy(z, y, return_grad=True, reduction="none")
    expected, slope = reference.cross_entropy(z, reference.one_hot(y, n_classes))
    assert_allclose(loss, expected, rtol=20 * eps(dtype), atol=8 * eps(dtype))
    assert (grad[:, 0] == 0).all()
    assert_allclose(grad, slope, atol=8 * eps(dtype))
    t = reference.one_hot(y, n_classes).astype(dtype)
    assert_allclose(F.cross_entropy(z, t), expected.mean(), rtol=20 * eps(dtype))
    assert F.cross_entropy(z, np.zeros(40, int)) == np.inf


@DTYPES
@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_a_row_does_not_depend_on_its_neighbours_or_their_number(dtype, n_classes):
    z, y = logits(300, n_classes, dtype)
    far = z.copy()
    far[::7] += dtype(1e3)  # these rows leave the quick path, and take their block along
    loss, grad = F.cross_entropy(z, y, return_grad=True, reduction="none")
    moved, slope = F.cross_entropy(far, y, return_grad=True, reduction="none")
    rounding = 1e3 * eps(dtype)  # of the moved logits
    assert_allclose(moved, loss, rtol=0, atol=4 * rounding)
    assert_allclose(slope, grad, atol=4 * rounding)
    stay = np.arange(300) % 7 != 0
    assert_allclose(moved[stay], loss[stay], rtol=8 * eps(dtype), atol=8 * eps(dtype))


@DTYPES
def test_zero_rows_and_one_class(dtype):
    empty = np.empty((0, 5), dtype)
    loss, grad = F.cross_entropy(empty, np.empty(0, int), reduction="sum", return_grad=True)
    assert loss == 0
    assert grad.shape == (0, 5)
    assert F.softmax(empty).shape == (0, 5)
    assert F.cross_entropy(np.full((4, 1), 1e4, dtype), np.zeros(4, int)) == 0


def test_threads_do_not_show():
    from fastnn._kernels.softmax import loss_of_rows

    for n_classes in (10, 100):
        z, y = logits(4096, n_classes, np.float32)
        found = []
        for n_threads in (1, 2, 3, 8):
            grad, losses = np.empty_like(z), np.empty(len(z))
            total, _ = loss_of_rows(
                "cross_entropy", z, grad, y, None, None, None, -1, 1.0, 0.0, 0.0, losses, n_threads
            )
            found.append((total, grad.tobytes(), losses.tobytes()))
        assert len(set(found)) == 1


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_every_instruction_set(isa):
    """The tests of this page that meet every kernel, once more in a process of its own."""
    from fastnn._kernels import core

    if not core.isa()[1].get(isa, False):
        pytest.skip(f"{isa} was not built or does not run here")
    which = "labels and (3- or 10 or 33) or every_option or hinge or real_targets or activations_and_der"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", which]
    done = subprocess.run(command, env={**os.environ, "FASTNN_ISA": isa}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


# --- softmax, activations ---------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_softmax_along_any_axis_of_any_layout(dtype, axis):
    z = np.random.default_rng(0).normal(size=(4, 6, 10)).astype(dtype)
    for x in (z, np.asfortranarray(z), z[::-1, ::2], z[..., ::-3], z.astype(z.dtype.newbyteorder())):
        moved = np.moveaxis(x.astype(np.float64), axis, -1)
        expected = np.moveaxis(reference.softmax(moved), -1, axis)
        for out in (None, np.empty_like(x, dtype=dtype), np.empty((*x.shape, 2), dtype)[..., 0]):
            found = F.softmax(x, axis, out=out)
            assert out is None or found is out
            assert found.dtype == dtype
            assert_allclose(found, expected, rtol=8 * eps(dtype))
            assert_allclose(F.log_softmax(x, axis, out=out), np.log(expected), rtol=0, atol=20 * eps(dtype))


@DTYPES
@pytest.mark.parametrize("n_classes", [1, 7, 32, 33, 1000])
def test_softmax_in_place_and_at_large_logits(dtype, n_classes):
    z, _ = logits(20, n_classes, dtype, 1e4)
    expected = reference.softmax(z.astype(np.float64))
    assert_allclose(F.softmax(z, out=z), expected, atol=8 * eps(dtype))


@DTYPES
@pytest.mark.parametrize("n_classes", [3, 10, 32])
def test_softmax_of_short_rows_that_differ_in_size(dtype, n_classes):
    """Of 64 rows together: all moderate, one of them enormous, one masked in part, one without a softmax."""
    z, _ = logits(150, n_classes, dtype, 10)
    near = {"rtol": 100 * eps(dtype), "atol": eps(dtype) ** 2}  # z - top up to 80, rounded
    assert_allclose(F.softmax(z), reference.softmax(z.astype(np.float64)), **near)
    low = z.copy()
    low[50] = -20 - 75 * (np.arange(n_classes) > 0)  # e^-95 is no float32, but its share of e^-20 is
    shares = reference.softmax(low.astype(np.float64))
    assert_allclose(F.softmax(low), shares, rtol=100 * eps(dtype), atol=16 * np.finfo(dtype).tiny)
    z[70], z[100, 1:] = z[70] * 1e4, -np.inf
    assert_allclose(F.softmax(z), reference.softmax(z.astype(np.float64)), **near)
    z[101] = np.nan
    with pytest.raises(ValueError, match="row 101"):
        F.softmax(z)


@DTYPES
@pytest.mark.parametrize("steps", [(-50, 0, 50, 1e4), (1e4, 50, 0, -50), (-np.inf, 5, -np.inf, 30)])
def test_long_rows_whose_greatest_logit_comes_late_or_early(dtype, steps):
    """Such rows go chunk by chunk, each shifted by the greatest logit so far."""
    z, y = logits(4, 9001, dtype)
    for k, step in enumerate(steps):
        z[:, 2300 * k : 2300 * (k + 1)] += step
    y = z.argmax(axis=1)
    others = np.arange(9001) != y[:, None]
    loss, grad = F.cross_entropy(z, y, return_grad=True, reduction="none")
    expected, slope = reference.cross_entropy(z, np.arange(9001) == y[:, None])
    near = {"rtol": 150 * eps(dtype), "atol": eps(dtype) ** 2}  # z - top up to 120, rounded
    assert_allclose(loss, expected, rtol=16 * eps(dtype), atol=16 * eps(dtype))
    assert_allclose(grad[others], slope[others], **near)
    assert_allclose(grad, slope, rtol=0, atol=8 * eps(dtype))
    assert_allclose(F.softmax(z), reference.softmax(z.astype(np.float64)), **near)
    in_place = z.copy()
    assert_array_equal(F.softmax(in_place, out=in_place), F.softmax(z))
    z[2, 9000] = np.nan
    with pytest.raises(ValueError, match="row 2"):
        F.cross_entropy(z, y)
    with pytest.raises(ValueError, match="row 2"):
        F.softmax(z)


@DTYPES
@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_activations_and_derivatives(dtype, name):
    value, slope = reference.ACTIVATIONS[name]
    x = np.concatenate([np.linspace(-30, 30, 3001), [0.0, -0.0, 1e-30, -1e-30, 300.0, -300.0]]).astype(dtype)
    double = x.astype(np.float64)
    # The derivative of a product of two sigmoids: twice 2 ulp and a rounding.
    assert_allclose(getattr(F, name)(x), value(double), rtol=2 * eps(dtype), atol=1e-44)
    with np.errstate(under="ignore"):
        expected = slope(double)
    tiny = 4e-38 if dtype == np.float32 else 1e-290
    assert_allclose(getattr(F, f"{name}_derivative")(x), expected, rtol=6 * eps(dtype), atol=tiny)


@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_activations_take_any_layout_and_out(name):
    call = getattr(F, name)
    x = np.random.default_rng(0).normal(size=(5, 6, 7))
    expected = call(np.ascontiguousarray(x))
    for view, result in (
        (x.T, expected.T),
        (x[::2, :, ::-1], expected[::2, :, ::-1]),
        (x[0, 0, 0], expected[0, 0, 0]),
    ):
        assert_array_equal(call(view), result)
        out = np.empty((*view.shape, 2))[..., 0]
        assert call(view, out=out) is out
        assert_array_equal(out, result)
    assert_array_equal(call(x, out=x), expected)
    assert call(np.float16([1.0])).dtype == np.float32
    assert call([1, 2]).dtype == np.float64
    assert np.isnan(call(np.array([np.nan]))).all()


def test_tanh_is_two_sigmoids():
    x = np.linspace(-20, 20, 10001, dtype=np.float32)
    assert np.abs(F.tanh(x).astype(float) - (2 * F.sigmoid(2 * x).astype(float) - 1)).max() <= 2.0**-22


# --- other losses -----------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("n_outputs", [1, 3, 16, 50])
@pytest.mark.parametrize("name", ["binary_cross_entropy", "squared_error"])
def test_real_targets(dtype, n_outputs, name):
    z, _ = logits(60, n_outputs, dtype)
    rng = np.random.default_rng(0)
    t, rows = rng.random(z.shape).astype(dtype), rng.random(60).astype(dtype)
    expected, slope = getattr(reference, name)(z.astype(float), t.astype(float))
    call = getattr(F, name)
    loss, grad = call(z, t, return_grad=True)
    assert loss == pytest.approx(expected.mean(), rel=20 * eps(dtype))
    assert_allclose(grad, slope / 60, atol=4 * eps(dtype))
    assert_allclose(call(z, t, reduction="none"), expected, rtol=20 * eps(dtype))
    weighted = call(z, t, sample_weight=rows)
    assert weighted == pytest.approx(np.average(expected, weights=rows), rel=20 * eps(dtype))
    assert call(z[:, 0], t[:, 0]) == pytest.approx(call(z[:, :1], t[:, :1]))
    in_place = z.copy()
    call(in_place, t, grad_out=in_place)
    assert_array_equal(in_place, grad)


@DTYPES
@pytest.mark.parametrize("variant", ["weston_watkins", "crammer_singer"])
@pytest.mark.parametrize("n_classes", [2, 5, 17, 100])
def test_hinge(dtype, variant, n_classes):
    z, y = logits(80, n_classes, dtype)
    expected, slope = reference.multiclass_hinge(z.astype(float), y, 1.5, variant)
    loss, grad = F.multiclass_hinge(z, y, delta=1.5, variant=variant, return_grad=True, reduction="none")
    assert_allclose(loss, expected, rtol=40 * eps(dtype), atol=20 * eps(dtype))
    assert_array_equal(grad, slope)
    weight = np.arange(1.0, n_classes + 1)
    weighted = F.multiclass_hinge(z, y, delta=1.5, variant=variant, weight=weight)
    assert weighted == pytest.approx(np.average(expected, weights=weight[y]), rel=40 * eps(dtype))


@DTYPES
@pytest.mark.parametrize("chunk", [None, 1, 7, 48, 1000])
def test_linear_cross_entropy_is_cross_entropy_of_a_product(dtype, chunk):
    rng = np.random.default_rng(0)
    n = 40 if chunk in (1, 7) else 400
    X, W, b = (rng.normal(size=s).astype(dtype) for s in ((n, 410), (410, 1100), (1100,)))
    y = rng.integers(0, 1100, n)
    rows, weight = rng.random(n), rng.random(1100)
    options = {"sample_weight": rows, "weight": weight, "ignore_index": int(y[0]), "label_smoothing": 0.1}
    for kwargs in ({}, options, {"reduction": "sum"}):
        expected, slope = F.cross_entropy(X.astype(float) @ W + b, y, return_grad=True, **kwargs)
        loss, (dX, dW, db) = F.linear_cross_entropy(X, W, b, y, chunk=chunk, return_grad=True, **kwargs)
        assert loss == pytest.approx(expected, rel=50 * eps(dtype))
        for found, wanted in ((dX, slope @ W.T), (dW, X.T @ slope), (db, slope.sum(axis=0))):
            assert found.dtype == dtype
            assert_allclose(found, wanted, atol=300 * eps(dtype) * np.abs(wanted).max())
        assert F.linear_cross_entropy(X, W, b, y, chunk=chunk, **kwargs) == pytest.approx(loss, rel=1e-6)
    t = rng.dirichlet(np.ones(1100), n).astype(dtype) * dtype(2.5)
    for kwargs in ({"sample_weight": rows}, {"reduction": "none", "weight": weight}):
        expected, slope = F.cross_entropy(X.astype(float) @ W, t, return_grad=True, **kwargs)
        loss, (dX, dW, db) = F.linear_cross_entropy(X, W, None, t, chunk=chunk, return_grad=True, **kwargs)
        assert_allclose(loss, expected, rtol=50 * eps(dtype))
        for found, wanted in ((dX, slope @ W.T), (dW, X.T @ slope), (db, slope.sum(axis=0))):
            assert_allclose(found, wanted, atol=300 * eps(dtype) * np.abs(wanted).max())
    assert loss.dtype == dtype


# ruff: noqa: E501, RUF005
# --- bad input --------------------------------------------------------------------------------------

Z = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])
OK = [0, 2]
read_only = Z.copy()
read_only.flags.writeable = False
BAD = [
    ("no logits", lambda: F.cross_entropy(np.empty((2, 0)), OK), ValueError, "no columns"),
    ("one dimension", lambda: F.cross_entropy(Z[0], 1), ValueError, "two dimensions"),
    ("text", lambda: F.cross_entropy([["a", "b"]], [0]), TypeError, "real numbers"),
    ("complex", lambda: F.softmax(Z * 1j), TypeError, "real numbers"),
    ("sparse", lambda: F.softmax(__import__("scipy.sparse").sparse.csr_array(Z)), TypeError, "sparse"),
    ("masked", lambda: F.softmax(np.ma.masked_greater(Z, 2)), TypeError, "masked array"),
    ("label too large", lambda: F.cross_entropy(Z, [0, 3]), ValueError, r"targets\[1\] is 3, but the classes are 0 to 2"),
    ("label negative", lambda: F.cross_entropy(Z, [-1, 0]), ValueError, r"targets\[0\] is -1"),
    ("huge label", lambda: F.cross_entropy(Z, np.uint64([2**63, 0])), ValueError, "no class index"),
    ("float labels", lambda: F.cross_entropy(Z, [0.0, 1.0]), TypeError, "integers"),
    ("bool labels", lambda: F.cross_entropy(Z, [True, False]), TypeError, "integers"),
    ("too few labels", lambda: F.cross_entropy(Z, [0]), ValueError, "expected"),
    ("wrong distribution", lambda: F.cross_entropy(Z, Z[:, :2]), ValueError, "targets have shape"),
    ("negative target", lambda: F.cross_entropy(Z, -Z), ValueError, "row 0 has no loss"),
    ("NaN target", lambda: F.cross_entropy(Z, Z * np.nan), ValueError, "row 0 has no loss"),
    ("NaN", lambda: F.cross_entropy(Z * [[1.0], [np.nan]], OK), ValueError, "row 1 has no loss"),
    ("inf", lambda: F.cross_entropy(Z + [[0.0], [np.inf]], OK), ValueError, "row 1 has no loss"),
    ("all -inf", lambda: F.cross_entropy(Z - [[0.0], [np.inf]], OK), ValueError, "row 1 has no loss"),
    ("softmax of -inf", lambda: F.softmax(Z - [[np.inf], [0.0]]), ValueError, "row 0 .* no softmax"),
    ("softmax of NaN", lambda: F.log_softmax(Z * np.nan), ValueError, "no softmax"),
    ("axis", lambda: F.softmax(Z, 2), ValueError, "axis 2 is out of bounds"),
    ("scalar", lambda: F.softmax(3.0), ValueError, "at least one axis"),
    ("no classes", lambda: F.softmax(np.empty((3, 0))), ValueError, "no classes"),
    ("weight shape", lambda: F.cross_entropy(Z, OK, weight=[1.0, 2.0]), ValueError, "weight has shape"),
    ("weight sign", lambda: F.cross_entropy(Z, OK, weight=[1, 2, -1]), ValueError, "not negative"),
    ("row weight", lambda: F.cross_entropy(Z, OK, sample_weight=[1, np.nan]), ValueError, "sample_weight must hold"),
    ("no weight", lambda: F.cross_entropy(Z, OK, sample_weight=[0, 0]), ValueError, "nothing to take the mean of"),
    ("all ignored", lambda: F.cross_entropy(Z, [1, 1], ignore_index=1), ValueError, "nothing to take the mean"),
    ("mean of none", lambda: F.cross_entropy(Z[:0], []), (TypeError, ValueError), ""),
    ("ignore", lambda: F.cross_entropy(Z, Z, ignore_index=1), ValueError, "needs class indices"),
    ("smoothing", lambda: F.cross_entropy(Z, OK, label_smoothing=1.5), ValueError, "label_smoothing must lie"),
    ("reduction", lambda: F.cross_entropy(Z, OK, reduction="average"), ValueError, "reduction must be"),
    ("grad_out list", lambda: F.cross_entropy(Z, OK, grad_out=[1]), TypeError, "grad_out must be a NumPy array"),
    ("grad_out shape", lambda: F.cross_entropy(Z, OK, grad_out=Z[:1].copy()), ValueError, "grad_out has shape"),
    ("grad_out dtype", lambda: F.cross_entropy(Z, OK, grad_out=Z.astype("f")), TypeError, "grad_out has dtype"),
    ("grad_out locked", lambda: F.cross_entropy(Z, OK, grad_out=read_only), ValueError, "read-only"),
    ("grad_out is targets", lambda: F.cross_entropy(Z + 0, (t := Z + 2), grad_out=t), ValueError, "overlaps targets"),
    ("out shape", lambda: F.relu(Z, out=np.empty(3)), ValueError, "out has shape"),
    ("slope", lambda: F.leaky_relu(Z, 2.0), ValueError, "alpha must be at most 1"),
    ("slope NaN", lambda: F.leaky_relu(Z, np.nan), ValueError, "alpha must be at most 1"),
    ("Bernoulli target", lambda: F.binary_cross_entropy(Z, Z), ValueError, r"lie in \[0, 1\]"),
    ("Bernoulli shape", lambda: F.binary_cross_entropy(Z, Z[0]), ValueError, "targets have shape"),
    ("Bernoulli NaN", lambda: F.binary_cross_entropy(Z * np.nan, Z * 0), ValueError, "row 0 has no loss"),
    ("square NaN", lambda: F.squared_error(Z, Z * [[1], [np.nan]]), ValueError, "row 1 has no loss"),
    ("square shape", lambda: F.squared_error(np.zeros((2, 2, 2)), np.zeros((2, 2, 2))), ValueError, "must have shape"),
    ("hinge delta", lambda: F.multiclass_hinge(Z, OK, delta=0), ValueError, "delta must be"),
    ("hinge variant", lambda: F.multiclass_hinge(Z, OK, variant="x"), ValueError, "variant must be"),
    ("hinge NaN", lambda: F.multiclass_hinge(Z * np.nan, OK), ValueError, "row 0 has no loss"),
    ("hinge label", lambda: F.multiclass_hinge(Z, [0, 7]), ValueError, r"targets\[1\] is 7"),
    ("linear W", lambda: F.linear_cross_entropy(Z, Z, None, OK), ValueError, "expected"),
    ("linear b", lambda: F.linear_cross_entropy(Z, Z.T, [1.0], OK), ValueError, "b has shape"),
    ("linear chunk", lambda: F.linear_cross_entropy(Z, Z.T, None, [0, 1], chunk=0), ValueError, "chunk must be"),
    ("linear label", lambda: F.linear_cross_entropy(Z, Z.T, None, OK), ValueError, r"targets\[1\] is 2"),
    ("linear distribution", lambda: F.linear_cross_entropy(Z, Z.T, None, Z), ValueError, "targets have shape"),
    ("linear negative", lambda: F.linear_cross_entropy(Z, Z.T, None, -np.eye(2)), ValueError, "has no loss"),
    ("linear ignored", lambda: F.linear_cross_entropy(Z, Z.T, None, np.eye(2), ignore_index=1), ValueError, "ignore_index needs"),
    ("linear reduction", lambda: F.linear_cross_entropy(Z, Z.T, None, [0, 1], reduction="all"), ValueError, "reduction must"),
    ("linear NaN", lambda: F.linear_cross_entropy(Z * np.nan, Z.T, None, [0, 1]), ValueError, "has no loss"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_input(call, error, message):
    before = Z.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(error, match=message):
            call()
    assert_array_equal(Z, before)
