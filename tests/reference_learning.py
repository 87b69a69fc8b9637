"""A slow twin of learning: whole updates of a small RBM, draws and all, in the centred parametrisation

    E(v, h) = -(v - mu).a - (h - lam).b - (v - mu)'W(h - lam)

in which the papers write them (Montavon, Müller, "Deep Boltzmann machines and the centering trick", 2012;
Melchior, Fischer, Wiskott, JMLR 17 (2016), algorithm 1). fastnn keeps the parameters of the plain energy and
shifts its biases instead; what comes out must be the same model.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from reference import VALUES, philox_block
from scipy.special import expit

STREAM_HIDDEN, STREAM_VISIBLE = 0, 1
SLIDE = 0.01
MEANS = {"bernoulli": expit, "spin": np.tanh, "gaussian": lambda z: z}
AT_REST = {"bernoulli": 0.5, "spin": 0.0}


@cache
def uniform(key: int, step: int, chain: int, stream: int, unit: int) -> float:
    """The float64 uniform of a two-valued unit's draw: 16 bits, then the 52 of `reference.uniforms`.

    Unit 64 t + 32 half + 8 w + l is that half of word w of block 8 t + l.
    """
    tile, place = divmod(unit, 64)
    half, (word, lane) = place // 32, divmod(place % 32, 8)
    high = philox_block(key, [8 * tile + lane, chain, step, stream])[word] >> 16 * half & 0xFFFF
    word, lane = divmod(place, 16)
    parts = [
        philox_block(key, [16 * tile + lane, chain, step, stream | bits])[word]
        for bits in (0x40, 0x40 | 0x80)
    ]
    fraction = ((parts[0] << 32 | parts[1]) >> 12) / 2**52 + 2.0**-53
    return (high + fraction) / 2**16


class Rule:
    """How a gradient moves one array of parameters: alone, with momentum, or by Adam."""

    def __init__(self, optimizer: str, momentum: float):
        self.adam, self.momentum = optimizer == "adam", momentum
        self.first, self.second, self.n = 0.0, 0.0, 0

    def change(self, gradient, rate: float):
        self.n += 1
        if not self.adam:
            self.first = self.momentum * self.first + rate * gradient
            return self.first
        self.first = self.momentum * self.first + (1 - self.momentum) * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        first, second = self.first / (1 - self.momentum**self.n), self.second / (1 - 0.999**self.n)
        return rate * first / (np.sqrt(second) + 1e-8)


class Learner:
    """An RBM of two-valued hidden units that learns one minibatch after another.

    W (n_visible, n_hidden), a, b: of the plain energy, as `plain` gives them back. key: of the random draws.
    mean: what the running mean of the visible units begins at.
    """

    def __init__(
        self, W, a, b, key: int, mean, *, visible="bernoulli", hidden="bernoulli", method="pcd",
        n_gibbs_steps=1, n_chains=10, learning_rate=0.1, optimizer="sgd", momentum=0.0, l1=0.0, l2=0.0,
        max_norm=None, sparsity_target=None, sparsity_cost=0.1, centering=True, sample_visible=None,
        sample_last_hidden=False,
    ):  # fmt: skip
        self.W, self.key, self.visible, self.hidden = W.copy(), key, visible, hidden
        self.persistent, self.n_steps = method == "pcd", n_gibbs_steps
        self.rate, self.l1, self.l2, self.max_norm = learning_rate, l1, l2, max_norm
        self.target, self.cost, self.centred = sparsity_target, sparsity_cost, centering
        self.draws_visible = self.persistent if sample_visible is None else sample_visible
        self.draws_last = sample_last_hidden
        self.rules = {name: Rule(optimizer, momentum) for name in "Wab"}
        self.mean_v, self.mean_h = np.array(mean), np.full(len(b), AT_REST[hidden])
        self.mu, self.lam = np.zeros(len(a)), np.zeros(len(b))
        self.a, self.b = a.copy(), b.copy()
        self.chains = np.full((n_chains, len(b)), VALUES[hidden][0]) if self.persistent else None
        self.step = 0

    def plain(self):
        """W, a, b of -a.v - b.h - v'Wh."""
        return self.W, self.a - self.W @ self.lam, self.b - self.W.T @ self.mu

    def energy(self, V, H):
        """Of the centred model, for pairs of rows."""
        V, H = V - self.mu, H - self.lam
        return -V @ self.a - H @ self.b - np.einsum("ni,ij,nj->n", V, self.W, H)

    def recentre(self, mu, lam):
        """The same model about other offsets."""
        _, a, b = self.plain()
        self.mu, self.lam, self.a, self.b = mu, lam, a + self.W @ lam, b + self.W.T @ mu

    def fields(self, X, hidden: bool):
        if hidden:
            return (X - self.mu) @ self.W + self.b
        return (X - self.lam) @ self.W.T + self.a

    def means(self, X, hidden: bool):
        """Of one layer given states or values of the other."""
        return MEANS[self.hidden if hidden else self.visible](self.fields(X, hidden))

    def draw(self, X, hidden: bool):
        unit, stream = (self.hidden, STREAM_HIDDEN) if hidden else (self.visible, STREAM_VISIBLE)
        low, high = VALUES[unit]
        p = expit((high - low) * self.fields(X, hidden))
        u = [[uniform(self.key, self.step, r, stream, j) for j in range(p.shape[1])] for r in range(len(p))]
        return np.where(np.array(u) < p, high, low)

    def model_phase(self, start):
        """Visible states (or means) and hidden means (or draws) at the end of chains from hidden states."""
        h = start
        for _ in range(self.n_steps):
            v = self.draw(h, False) if self.draws_visible else self.means(h, False)
            h = self.draw(v, True)
            self.step += 1
        if self.persistent:
            self.chains = h
        return v, h if self.draws_last else self.means(v, True)

    def partial_fit(self, X):
        X = np.asarray(X, np.float64)
        data_v, data_h = X, self.means(X, True)
        start = self.chains if self.persistent else self.draw(X, True)
        self.step += 1
        model_v, model_h = self.model_phase(start)
        self.mean_v = self.mean_v + SLIDE * (data_v.mean(axis=0) - self.mean_v)
        self.mean_h = self.mean_h + SLIDE * (data_h.mean(axis=0) - self.mean_h)
        if self.centred:
            self.recentre(self.mean_v, self.mean_h)
        self.descend(*self.gradient(data_v, data_h, model_v, model_h))
        return self

    def gradient(self, data_v, data_h, model_v, model_h):
        """Of W, a and b of the centred model, with the penalties."""
        G = (data_v - self.mu).T @ (data_h - self.lam) / len(data_v)
        G -= (model_v - self.mu).T @ (model_h - self.lam) / len(model_v)
        G -= self.l2 * self.W + self.l1 * np.sign(self.W)
        g_a = data_v.mean(axis=0) - model_v.mean(axis=0)
        g_b = data_h.mean(axis=0) - model_h.mean(axis=0)
        if self.target is not None:
            g_b -= self.cost * (self.mean_h - self.target)
        return G, g_a, g_b

    def descend(self, G, g_a, g_b):
        self.W = self.W + self.rules["W"].change(G, self.rate)
        self.a = self.a + self.rules["a"].change(g_a, self.rate)
        self.b = self.b + self.rules["b"].change(g_b, self.rate)
        if self.max_norm is not None:
            self.W = self.W * np.minimum(1, self.max_norm / np.linalg.norm(self.W, axis=0))
