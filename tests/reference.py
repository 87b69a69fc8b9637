"""Slow NumPy twins of the kernels, in float64 and by the formulas, under the kernels' names."""

from __future__ import annotations

from functools import cached_property
from itertools import product as cartesian

import numpy as np
from scipy.special import expit, log_expit, logsumexp

VALUES = {"bernoulli": (0.0, 1.0), "spin": (-1.0, 1.0)}


def philox_block(key: int, counter: list[int]) -> list[int]:
    """Philox4x32-10 (Salmon et al. 2011, section 3.3)."""
    c, k = list(counter), [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [
            (p1 >> 32) ^ c[1] ^ k[0],
            p1 & 0xFFFFFFFF,
            (p0 >> 32) ^ c[3] ^ k[1],
            p0 & 0xFFFFFFFF,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def uniforms(dtype, key: int, step: int, chain: int, stream: int, n_tiles: int) -> np.ndarray:
    """Uniforms of units 0 .. 64 n_tiles - 1: unit 64 t + 16 w + l is word w of block 16 t + l."""
    out = np.empty(64 * n_tiles, dtype)
    for unit in range(out.size):
        tile, word, lane = unit // 64, unit % 64 // 16, unit % 16
        high = (step >> 32 & 0xFFFF) << 16 | (chain >> 32 & 0xFF) << 8
        counter = [16 * tile + lane, chain & 0xFFFFFFFF, step & 0xFFFFFFFF, high | stream]
        r = philox_block(key, counter)[word]
        if dtype == np.float32:
            out[unit] = ((r >> 9) + 0.5) / 2**23
        else:
            counter[3] |= 0x80
            low = philox_block(key, counter)[word]
            out[unit] = ((r << 32 | low) >> 12) / 2**52 + 2.0**-53
    return out


def unit_mean(unit: str, z):
    """E[unit given its field z]."""
    return expit(z) if unit == "bernoulli" else np.tanh(z)


def unit_log_partition(unit: str, z):
    """ln of the sum over the unit's states of e^(z s)."""
    low, high = VALUES[unit]
    return np.logaddexp(low * z, high * z)


def states(unit: str, n: int) -> np.ndarray:
    """All 2^n states of n units, (2^n, n)."""
    return np.array(list(cartesian(VALUES[unit], repeat=n)))


class ExactRBM:
    """An RBM small enough to enumerate. W (n_visible, n_hidden), a, b; units by name."""

    def __init__(self, W, a, b, visible="bernoulli", hidden="bernoulli"):
        self.W, self.a, self.b = (np.asarray(x, dtype=np.float64) for x in (W, a, b))
        self.visible, self.hidden = visible, hidden

    @cached_property
    def V(self) -> np.ndarray:
        return states(self.visible, len(self.a))

    @cached_property
    def H(self) -> np.ndarray:
        return states(self.hidden, len(self.b))

    def energy(self, V, H):
        return -V @ self.a - H @ self.b - np.einsum("ni,ij,nj->n", V, self.W, H)

    def free_energy(self, V):
        return -V @ self.a - unit_log_partition(self.hidden, V @ self.W + self.b).sum(axis=1)

    def log_partition(self) -> float:
        return logsumexp(-self.free_energy(self.V))

    def probabilities(self) -> np.ndarray:
        """P(v) of every state in V."""
        return np.exp(-self.free_energy(self.V) - self.log_partition())

    def transition(self) -> np.ndarray:
        """P(v' given v) of one Gibbs step v -> h -> v', (2^n, 2^n)."""
        down = self._conditional(self.V @ self.W + self.b, self.H, self.hidden)
        return down @ self._conditional(self.H @ self.W.T + self.a, self.V, self.visible)

    @staticmethod
    def _conditional(fields, states_, unit):
        """P(state given field): rows of fields x rows of states."""
        scores = fields @ states_.T
        return np.exp(scores - unit_log_partition(unit, fields).sum(axis=1, keepdims=True))

    def moments(self, p):
        """<v h'>, <v>, <h> where v has distribution p over V and h follows given v."""
        means = unit_mean(self.hidden, self.V @ self.W + self.b)
        return self.V.T @ (p[:, None] * means), p @ self.V, p @ means

    def pseudo_log_likelihood(self, V):
        """sum_i ln P(v_i given the others)."""
        low, high = VALUES[self.visible]
        total = np.zeros(len(V))
        before = self.free_energy(V)
        for i in range(V.shape[1]):
            flipped = V.copy()
            flipped[:, i] = low + high - flipped[:, i]
            total += log_expit(self.free_energy(flipped) - before)
        return total
