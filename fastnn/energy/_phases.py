"""The two phases of learning in a Boltzmann machine: visible units clamped to data, and all running free."""

from __future__ import annotations

import numpy as np

from fastnn._kernels.boltzmann import Chains
from fastnn.energy._boltzmann import Machine

FREE_PHASES = ("pcd", "annealed", "tempered")
# Keys of coins, swaps, rungs and the clamped phase differ from that of the free phase.
_CLAMPED, _START, _SWAPS = 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7, 0x94D049BB133111EB
_RUNG, _WORD = 0xBF58476D1CE4E5B9, (1 << 64) - 1


def coins(shape, low: int, key: int, *at: int) -> np.ndarray:
    """States low and 1, as likely as each other."""
    return np.where(np.random.default_rng([key ^ _START, *at]).random(shape) < 0.5, low, 1)


def clamped_states(machine: Machine, X, betas, key: int, step: int, n_threads: int) -> np.ndarray:
    """All units given the visible ones: the hidden units after sweeps at these betas from fair coins."""
    if not machine.n_hidden:
        return X
    v, n = machine.n_visible, len(machine.bias)
    chains = Chains(len(X), n, machine.low, key ^ _CLAMPED, X.dtype)
    hidden = np.arange(v, n)
    chains.set_states(X, np.arange(v))
    chains.set_states(coins((len(X), n - v), machine.low, key, step), hidden)
    chains.sweep(machine.weights, machine.bias, hidden, betas, step * len(betas), n_threads)
    return chains.states()


class FreePhase:
    """Chains of the whole machine, (n_rungs, n_chains, n_units): those of the first rung are its draws.

    kind "pcd": one rung at beta = 1, which goes on from update to update; "annealed": from fair coins
    each time, beta rising from the hottest to 1; "tempered": rungs of falling beta go on side by side, and
    neighbours exchange states, so that what is stuck in a mode at beta = 1 leaves it by way of the hot ones
    (Salakhutdinov, "Learning in Markov random fields using tempered transitions", NIPS 2009; Desjardins et
    al., "Tempered Markov chain Monte Carlo for training of restricted Boltzmann machines", AISTATS 2010).
    """

    def __init__(self, kind: str, n_chains: int, n_sweeps: int, hottest: float, n_rungs: int, key: int):
        self.is_annealed, self.n_chains, self.key = kind == "annealed", n_chains, key
        self.rungs = np.linspace(1, hottest, n_rungs) if kind == "tempered" else np.ones(1)
        self.betas = np.linspace(1, hottest, n_sweeps)[::-1] if self.is_annealed else np.ones(n_sweeps)

    def advance(self, machine: Machine, states, step: int, n_threads: int) -> np.ndarray:
        """The states after update `step`, given those before; None or others' states: begun anew."""
        shape = len(self.rungs), self.n_chains, len(machine.bias)
        if states is None or states.shape != shape or self.is_annealed:
            states = coins(shape, machine.low, self.key, step, 1)
        moved = np.empty(shape, machine.weights.dtype)
        for r, beta in enumerate(self.rungs):
            moved[r] = self._sweeps(machine, states[r], beta, r, step, n_threads)
        return self._exchange(machine, moved, step)

    def _sweeps(self, machine: Machine, states, beta: float, rung: int, step: int, n_threads: int):
        n = len(machine.bias)
        chains = Chains(
            self.n_chains, n, machine.low, self.key ^ (rung * _RUNG & _WORD), machine.weights.dtype
        )
        chains.set_states(states, np.arange(n))
        n_done = step * len(self.betas)
        chains.sweep(machine.weights, machine.bias, np.arange(n), beta * self.betas, n_done, n_threads)
        return chains.states()

    def _exchange(self, machine: Machine, states, step: int) -> np.ndarray:
        """Neighbouring rungs exchange with probability min(1, e^((beta - beta')(E - E')))."""
        if len(states) == 1:
            return states
        energies = machine.energy(states.reshape(-1, states.shape[2])).reshape(states.shape[:2])
        uniforms = np.random.default_rng([self.key ^ _SWAPS, step]).random((len(states) - 1, self.n_chains))
        for first in (0, 1):
            for r in range(first, len(states) - 1, 2):
                gain = (self.rungs[r] - self.rungs[r + 1]) * (energies[r] - energies[r + 1])
                who = np.flatnonzero(uniforms[r] < np.exp(np.minimum(gain, 0)))
                for of in (states, energies):
                    of[r, who], of[r + 1, who] = of[r + 1, who], of[r, who]
        return states


def moments(S) -> tuple[np.ndarray, np.ndarray]:
    """Means of rows and of their products; sums of whole numbers, so in any order the same."""
    S = S.astype(np.float64)
    return S.mean(axis=0), S.T @ S / len(S)
