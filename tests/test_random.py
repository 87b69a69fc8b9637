"""Random numbers: published vectors, the slow twin, ranges, and independence of the layout."""

import numpy as np
import pytest
from reference import philox_block, uniforms
from scipy import stats

from fastnn._kernels import core

# Random123 1.14, tests/kat_vectors, philox4x32 10: counter, key, result.
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(counter, key, expected):
    packed = key[0] | key[1] << 32
    assert core.philox(packed, counter) == expected
    assert philox_block(packed, counter) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (2**63 + 5, 2**40 + 7, 2**39 + 1, 3), (9, 1, 2, 1)])
def test_uniforms_equal_the_slow_twin(dtype, place):
    np.testing.assert_array_equal(core.uniforms(dtype, *place, 3), uniforms(dtype, *place, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniforms_lie_inside_and_are_uniform(dtype):
    u = np.concatenate([core.uniforms(dtype, 1, step, 0, 0, 64) for step in range(64)])
    assert u.min() > 0
    assert u.max() < 1
    # 262,144 draws; a right generator fails once in 10^4 seeds, and the seed is fixed.
    assert stats.kstest(u.astype(np.float64), "uniform").pvalue > 1e-4


def test_extreme_words_stay_inside():
    """The least and the greatest word of the generator map inside (0, 1) in both precisions."""
    assert (0 + 0.5) / 2**23 > 0
    top = np.float32((2**23 - 1) + 0.5) * np.float32(2.0**-23)
    assert top < 1
    assert (2**52 - 1) / 2**52 + 2.0**-53 < 1


@pytest.mark.parametrize("axis", ["key", "step", "chain", "stream", "unit"])
def test_neighbouring_places_are_uncorrelated(axis):
    def draw(shift):
        place = {"key": 3, "step": 5, "chain": 7, "stream": 0}
        if axis != "unit":
            place[axis] += shift
        u = core.uniforms(np.float64, *place.values(), 1025)
        return u[shift * (axis == "unit") :][: 64 * 1024]

    r = np.corrcoef(draw(0), draw(1))[0, 1]
    assert abs(r) < 4 / 256  # four standard errors of a correlation of 65,536 pairs
