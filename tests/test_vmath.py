"""The contract of csrc/vmath.h: at most 2 ulp, right limits, the same on every machine."""

import json
from functools import cache

import numpy as np
import pytest
from fingerprints import FUNCTIONS, apply, arguments
from test_isa import ISAS, SCRIPT, run_with, skip_unless_it_runs

REFERENCE = {
    "exp": np.exp,
    "log": np.log,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "tanh": np.tanh,
}
INF, NAN = np.inf, np.nan
SPECIAL = {
    "exp": [(INF, INF), (-INF, 0.0), (0.0, 1.0), (-0.0, 1.0), (1e4, INF), (-1e4, 0.0)],
    "log": [(INF, INF), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (-1.0, NAN), (-INF, NAN)],
    "sigmoid": [(INF, 1.0), (-INF, 0.0), (0.0, 0.5), (-0.0, 0.5), (1e4, 1.0), (-1e4, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0), (1e4, 1e4), (-1e4, 0.0)],
    "tanh": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (1e4, 1.0), (-1e4, -1.0)],
}
MAX_ULPS = 2.0


def ulps(got, want):
    """|got - want| in units of got's spacing at want, which is wider; infinity counts as 2^emax."""
    info, wide = np.finfo(got.dtype), want.dtype.type
    top = np.ldexp(wide(1), info.maxexp)
    exponent = np.clip(np.frexp(want)[1] - 1, info.minexp, info.maxexp - 1)
    difference = np.abs(np.clip(got.astype(wide), -top, top) - np.clip(want, -top, top))
    off = np.ldexp(difference, info.nmant - exponent)
    same = (np.isnan(got) & np.isnan(want)) | (got == want)
    return np.where(same, 0, np.where(np.isnan(off), np.inf, off))


def worst(function, blocks, wide):
    """The greatest error over all blocks of arguments."""
    with np.errstate(all="ignore"):
        return max(ulps(apply(function, x), REFERENCE[function](x.astype(wide))).max() for x in blocks)


def float32_patterns(stride):
    """Every stride-th of the 2^32 float32 values, in blocks."""
    block = stride << 20
    for start in range(0, 2**32, block):
        bits = np.arange(start, min(2**32, start + block), stride, dtype=np.uint64)
        yield bits.astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_float32(function):
    assert worst(function, float32_patterns(1021), np.float64) <= MAX_ULPS


@pytest.mark.exhaustive
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_float32(function):
    assert worst(function, float32_patterns(1), np.float64) <= MAX_ULPS


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="needs a long double wider than float64")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_float64(function):
    assert worst(function, [arguments(np.float64)], np.longdouble) <= MAX_ULPS


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_limits(function, dtype):
    x, expected = np.array(SPECIAL[function], dtype=dtype).T.copy()
    found = apply(function, x)
    np.testing.assert_array_equal(found, expected)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(expected[number]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nan_stays_nan(function, dtype):
    payloads = np.array([np.nan, -np.nan], dtype=dtype)
    assert np.isnan(apply(function, payloads)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_place_and_length_do_not_show(function, dtype):
    x = arguments(dtype, 100)[100:]
    whole = apply(function, x)
    for start, stop in ((0, 1), (1, 2), (3, 20), (5, 70), (0, 133)):
        np.testing.assert_array_equal(apply(function, x[start:stop].copy()), whole[start:stop])


@cache
def fingerprints(isa):
    done = run_with(isa, SCRIPT, "vmath")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(isa):
    skip_unless_it_runs(isa)
    assert fingerprints(isa) == fingerprints("baseline")
