"""Information: worked figures, identities under random draws, limits, estimates, refusals."""

from math import log, log2

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import functional
from fastnn import information as info

BASES = pytest.mark.parametrize("base", [2, "e", 10, np.e, 3, 0.5])
P, Q = np.array([0.5, 0.25, 0.25, 0.0]), np.array([0.25, 0.25, 0.25, 0.25])


def draws(seed, shape=(50, 7), zeros=0.2):
    """Random distributions along the last axis, some outcomes impossible."""
    rng = np.random.default_rng(seed)
    p = rng.gamma(0.5, size=shape) * (rng.random(shape) > zeros) + 1e-300
    return p / p.sum(axis=-1, keepdims=True)


def unit(base):
    return 1.0 if base == "e" else log(base)


def test_figures_by_hand():
    assert_array_equal(info.information_content([1, 0.5, 0.125, 0]), [0, 1, 3, np.inf])
    assert info.entropy(P) == 1.5
    assert info.cross_entropy(P, Q) == 2
    assert info.kl_divergence(P, Q) == 0.5
    assert info.kl_divergence(Q, P) == np.inf
    # a channel that errs one time in four: 1 - H(1/4)
    flip = 0.25 * log2(4) + 0.75 * log2(4 / 3)
    assert info.mutual_information([[3 / 8, 1 / 8], [1 / 8, 3 / 8]]) == pytest.approx(1 - flip, rel=1e-12)


@BASES
def test_identities(base):
    p, q = draws(1), draws(2, zeros=0)
    h, cross, kl = (
        info.entropy(p, base=base),
        info.cross_entropy(p, q, base=base),
        info.kl_divergence(p, q, base=base),
    )
    sign = 1 if unit(base) > 0 else -1
    assert_allclose(cross, h + kl, rtol=1e-12)
    assert (sign * kl >= 0).all()
    assert (np.abs(kl - info.kl_divergence(q, p, base=base)) > 1e-3).mean() > 0.9
    assert (sign * h <= sign * log(7) / unit(base) + 1e-12).all()
    assert_array_equal(info.kl_divergence(p, p, base=base), 0)
    assert_allclose(h * unit(base), info.entropy(p, base="e"), rtol=1e-12)
    assert_allclose(info.information_content(q, base=base), -np.log(q) / unit(base), rtol=1e-12)


def test_scipy_agrees():
    p, q = draws(3), draws(4, zeros=0)
    assert_allclose(info.entropy(p), scipy.stats.entropy(p, axis=-1, base=2), rtol=1e-12)
    assert_allclose(info.kl_divergence(p, q, base="e"), scipy.stats.entropy(p, q, axis=-1), rtol=1e-12)


@BASES
def test_mutual_information_identities(base):
    joint = draws(5, (20, 3 * 4)).reshape(20, 3, 4)
    found = info.mutual_information(joint, base=base)
    x, y = joint.sum(axis=2), joint.sum(axis=1)
    by_entropies = (
        info.entropy(x, base=base) + info.entropy(y, base=base) - info.entropy(joint, base=base, axis=(1, 2))
    )
    assert_allclose(found, by_entropies, atol=1e-12)
    conditional = np.divide(joint, y[:, None], out=np.zeros_like(joint), where=y[:, None] > 0)
    given = (info.entropy(np.where(y[:, None] > 0, conditional, 1 / 3), base=base, axis=1) * y).sum(axis=1)
    assert_allclose(found, info.entropy(x, base=base) - given, atol=1e-12)
    assert_allclose(found, info.mutual_information(joint.swapaxes(1, 2), base=base), rtol=1e-12)
    independent = x[:, :, None] * y[:, None]
    assert_allclose(info.mutual_information(independent, base=base), 0, atol=1e-15)
    moved = info.mutual_information(joint.transpose(1, 0, 2), base=base, axis=(0, 2))
    assert_allclose(moved, found, rtol=1e-12)


def test_the_loss_of_a_softmax_layer_is_the_same_quantity():
    z = np.random.default_rng(0).normal(size=(5, 4))
    targets = draws(6, (5, 4))
    loss = functional.cross_entropy(z, targets, reduction="none")
    assert_allclose(info.cross_entropy(targets, functional.softmax(z), base="e"), loss, rtol=1e-12)


def test_zeros_are_limits():
    tiny = np.array([1e-300, 1 - 1e-300])
    assert_allclose(info.entropy([0.0, 1.0]), info.entropy(tiny), atol=1e-12)
    assert info.kl_divergence([0.0, 1.0], [0.0, 1.0]) == 0
    assert info.cross_entropy([0.0, 1.0], [0.0, 1.0]) == 0
    assert info.cross_entropy([1.0, 0.0], [0.0, 1.0]) == np.inf
    assert info.mutual_information([[1.0, 0.0], [0.0, 0.0]]) == 0
    assert not np.signbit(info.information_content(1.0))


def test_axes_and_broadcasting():
    p, q = draws(7, (6, 5, 4)), draws(8, (4,), zeros=0)
    assert_allclose(info.entropy(np.moveaxis(p, -1, 0), axis=0), info.entropy(p), rtol=1e-12)
    table = p[0] / 5
    assert_allclose(info.entropy(table, axis=None), info.entropy(table.ravel()), rtol=1e-12)
    assert_allclose(info.entropy(table, axis=(1, 0)), info.entropy(table.ravel()), rtol=1e-12)
    assert info.kl_divergence(p, q).shape == (6, 5)
    assert_allclose(info.kl_divergence(p, q)[2, 3], info.kl_divergence(p[2, 3], q), rtol=1e-12)
    assert np.isscalar(info.entropy(P))
    assert info.entropy(np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    p, q = draws(9).astype(dtype), draws(10, zeros=0).astype(dtype)
    joint = (p[:3] / 3).astype(dtype)
    found = [info.entropy(p), info.cross_entropy(p, q), info.kl_divergence(p, q), info.information_content(q)]
    assert {f.dtype for f in found} == {np.dtype(dtype)}
    assert info.mutual_information(joint).dtype == dtype
    assert_allclose(found[2], info.kl_divergence(draws(9), draws(10, zeros=0)), rtol=1e-4, atol=1e-5)


def test_other_layouts_and_numbers():
    p = draws(11)
    assert_array_equal(info.entropy(np.asfortranarray(p)), info.entropy(p))
    assert_array_equal(info.entropy(p.astype(">f8")), info.entropy(p))
    assert info.entropy([1, 0]) == 0
    assert info.entropy(np.array([0.5, 0.5], np.float16)).dtype == np.float32
    assert info.kl_divergence(np.float32([0.5, 0.5]), [0.25, 0.75]).dtype == np.float64


def test_tables_of_samples():
    rng = np.random.default_rng(0)
    joint = draws(12, (12,), zeros=0).reshape(3, 4)
    cells = rng.choice(12, 200_000, p=joint.ravel())
    x, y = np.array(["a", "b", "c"])[cells // 4], cells % 4
    table = info.joint_table(x, y)
    # five standard deviations of a frequency
    assert (np.abs(table - joint) < 5 * np.sqrt(joint / 200_000)).all()
    pointwise = np.log2(joint / (joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)))
    deviation = np.sqrt(((pointwise - info.mutual_information(joint)) ** 2 * joint).sum() / 200_000)
    expected = pytest.approx(info.mutual_information(joint), abs=5 * deviation)
    assert info.mutual_information(table) == expected
    assert_allclose(info.joint_table(y), table.sum(axis=0), rtol=1e-12)
    assert info.joint_table(x, y, y).shape == (3, 4, 4)
    weight = rng.integers(0, 3, 200)
    weighted = info.joint_table(x[:200], y[:200], sample_weight=weight)
    repeated = np.repeat(np.arange(200), weight)
    positive = info.joint_table(x[repeated], y[repeated])
    assert_allclose(weighted[weighted > 0], positive[positive > 0], rtol=1e-12)


def test_binned_samples():
    """A Gaussian pair's mutual information is -log2(1 - rho^2) / 2; bins lose a little."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=100_000)
    b = 0.8 * a + 0.6 * rng.normal(size=100_000)
    found = info.mutual_information(info.joint_table(a, b, bins=30))
    assert -0.5 * log2(1 - 0.8**2) * 0.93 < found < -0.5 * log2(1 - 0.8**2) * 1.02


P2 = [0.5, 0.5]
BAD = {
    "not summing to 1": (lambda: info.entropy([0.5, 0.4]), ValueError, r"p sums to 0\.9 along axis -1"),
    "rounded thirds": (lambda: info.entropy([0.33, 0.33, 0.33]), ValueError, "within 1e-06; divide"),
    "float32 off": (lambda: info.entropy(np.float32([0.5, 0.49])), ValueError, "within 0.0001"),
    "q off": (lambda: info.kl_divergence(P2, [0.5, 0.6]), ValueError, "q sums to 1.1"),
    "negative": (lambda: info.entropy([1.5, -0.5]), ValueError, "p contains the negative probability -0.5"),
    "above 1": (lambda: info.information_content([2.0]), ValueError, "p contains 2, which is more"),
    "NaN": (lambda: info.entropy([np.nan, 1.0]), ValueError, "p contains NaN"),
    "infinity": (lambda: info.entropy([np.inf, 1.0]), ValueError, "p contains inf"),
    "complex": (lambda: info.entropy([1j, 1]), TypeError, "real numbers"),
    "text": (lambda: info.entropy(["1"]), TypeError, "real numbers"),
    "sparse": (lambda: info.entropy(sp.csr_array([[1.0]])), TypeError, "p is a sparse matrix"),
    "masked": (lambda: info.entropy(np.ma.masked_array([1.0])), TypeError, "p is a masked array"),
    "scalar": (lambda: info.entropy(1.0), ValueError, "single number"),
    "empty": (lambda: info.entropy([]), ValueError, "no outcomes"),
    "axis": (lambda: info.entropy(P2, axis=1), ValueError, "axis"),
    "axis twice": (lambda: info.mutual_information([P2], axis=(0, 0)), ValueError, "repeated axis"),
    "one axis": (lambda: info.mutual_information([P2], axis=1), ValueError, "axis must name"),
    "vector as joint": (lambda: info.mutual_information(P2), ValueError, "axis"),
    "outcomes": (lambda: info.kl_divergence(P2, [1.0]), ValueError, r"same outcomes.*\(2,\) and \(1,\)"),
    "beside": (lambda: info.kl_divergence([P2] * 3, [P2] * 2), ValueError, "do not fit together"),
    "table turned": (
        lambda: info.kl_divergence(np.full((2, 3), 1 / 6), np.full((3, 2), 1 / 6), axis=None),
        ValueError,
        "same outcomes",
    ),
    "base 1": (lambda: info.entropy(P2, base=1), ValueError, "base must be"),
    "base 0": (lambda: info.entropy(P2, base=0), ValueError, "base must be"),
    "base NaN": (lambda: info.entropy(P2, base=np.nan), ValueError, "base must be"),
    "base infinite": (lambda: info.entropy(P2, base=np.inf), ValueError, "base must be"),
    "base text": (lambda: info.entropy(P2, base="bits"), ValueError, "base must be"),
    "no samples": (lambda: info.joint_table(), ValueError, "at least one"),
    "empty samples": (lambda: info.joint_table([], []), ValueError, "empty"),
    "lengths": (lambda: info.joint_table([1], [1, 2]), ValueError, "one length"),
    "2-D samples": (lambda: info.joint_table([[1]]), ValueError, "vectors"),
    "NaN samples": (lambda: info.joint_table([np.nan]), ValueError, "NaN"),
    "bins": (lambda: info.joint_table([1.0], bins=0), ValueError, "bins must be"),
    "bins of text": (lambda: info.joint_table(["a"], bins=2), TypeError, "real numbers"),
    "bins of infinity": (lambda: info.joint_table([np.inf], bins=2), ValueError, "infinity"),
    "weights' shape": (lambda: info.joint_table([1], sample_weight=[1, 2]), ValueError, r"shape \(1,\)"),
    "negative weight": (lambda: info.joint_table([1, 2], sample_weight=[2, -1]), ValueError, "not negative"),
    "no weight": (lambda: info.joint_table([1], sample_weight=[0]), ValueError, "all zero"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
