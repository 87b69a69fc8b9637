"""One call of a sampler: the plan, the walk, and what is looked at between its sweeps."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fastnn._validation import check_n_threads, random_key
from fastnn.energy._checks import check_choice, check_clamp, check_count
from fastnn.energy._plans import (
    ACCEPTANCES,
    ORDERS,
    Plan,
    pack_words,
    pairs_of,
    settle,
    start_words,
    state_energies,
    words_of_64,
)
from fastnn.energy.ising import IsingModel
from fastnn.energy.samples import Samples

KERNEL_NAMES = ("auto", "bits", "lanes", "fields")
OBSERVABLES = ("energy", "magnetisation")
# Reads up to which products of sparse matrices beat 64 reads at a time.
_FEW = 8
# Seconds between two looks at a callback or a time limit.
_PATIENCE = 0.1


def check_model(model) -> None:
    """TypeError unless it is an IsingModel."""
    if not isinstance(model, IsingModel):
        raise TypeError(f"model must be an IsingModel, got {type(model).__name__}")


class Run:
    """States of num_reads reads at each of n_rungs temperatures, and what moves them.

    first_read, plan: these are reads number first_read, a multiple of 64, and so on of a call whose plan
    is made.
    """

    def __init__(self, model, *, num_reads, beta, error, kernel, order, acceptance, initial_states, clamp,
                 seed, n_threads, observables=(), n_rungs=1, first_read=0, plan=None):  # fmt: skip
        self.num_reads, self.n_rungs = check_count("num_reads", num_reads, 1), n_rungs
        self.model = model
        check_choice("kernel", kernel, KERNEL_NAMES)
        check_choice("order", order, ORDERS)
        check_choice("acceptance", acceptance, ACCEPTANCES)
        if isinstance(observables, str):
            raise ValueError(f"observables must be a sequence of names, got {observables!r}")
        for name in observables:
            check_choice("observables", name, OBSERVABLES)
        self.clamp = check_clamp(model, clamp)
        if initial_states is not None:
            initial_states = model.check_states(initial_states, "initial_states")
            initial_states = np.broadcast_to(np.atleast_2d(initial_states), self._shape(initial_states))
        elif self.clamp is not None:
            raise ValueError("clamp needs initial_states: they say at which values units are held")
        self.n_threads = check_n_threads(n_threads)
        self.plan = plan or Plan(
            model, kernel=kernel, num_reads=self.num_reads * n_rungs, order=order, acceptance=acceptance,
            clamp=self.clamp, beta=beta, error=error,
        )  # fmt: skip
        self.key = random_key(seed)
        words = start_words(self.plan, self.num_reads, initial_states, self.key, first_read)
        self.words = np.concatenate([words] * n_rungs) if n_rungs > 1 else words
        self.walk = self.plan.walk(self.words, self.key, self.num_reads, n_rungs, first_read)
        self.observed = {name: [] for name in observables}

    @cached_property
    def pairs(self):
        """The model's pairs, for energies and moments of packed states."""
        return pairs_of(self.model)

    def _shape(self, states):
        if states.ndim == 2 and len(states) != self.num_reads:
            raise ValueError(f"initial_states has {len(states)} rows for num_reads={self.num_reads}")
        return self.num_reads, self.model.n

    def sweep(self, betas, look=None, observe=True) -> int:
        """All sweeps of betas (n_rungs, n_sweeps), or until look(sweeps done) is true; how many were done."""
        n_steps, n_sweeps = self.walk.n_steps, betas.shape[1]
        observe = bool(observe and self.observed)
        betas = np.ascontiguousarray(betas, dtype=np.float64)
        t, end = 0, n_steps * n_sweeps
        while t < end:
            goal = min(end, (t // n_steps + 1) * n_steps) if observe else end
            patience = np.inf if look is None else _PATIENCE
            t = self.walk.advance(betas, t, goal, patience, self.n_threads)
            if t % n_steps == 0 and observe:
                self.observe()
            if look is not None and look(t // n_steps):
                break
        if n_steps == 0:
            for _ in range(n_sweeps if observe else 0):
                self.observe()
            return n_sweeps
        return t // n_steps

    def descend(self) -> None:
        """Zero-temperature sweeps until no energy falls any more, then single flips as long as they lower it.

        The sweeps also take what costs nothing, which may leave a unit that gains by flipping.
        """
        cold, before = np.full((self.n_rungs, 8), np.inf), self.energies()
        while True:
            self.sweep(cold, observe=False)
            after = self.energies()
            if not (after < before).any():
                break
            before = after
        for block in range(len(self.words)):
            settle(self.model, self.words[block : block + 1], self.plan.held)

    def blocks(self) -> np.ndarray:
        """States in words of 64 reads (n_rungs, n_blocks, n + 1)."""
        per_rung = self.words.reshape(self.n_rungs, -1, self.words.shape[1])
        if self.words.itemsize == 8:
            return per_rung
        return np.stack([words_of_64(words) for words in per_rung])

    def energies(self) -> np.ndarray:
        """(num_reads,) energies of the states as they are; (n_rungs, num_reads) with several rungs."""
        if self.model.is_dense or self.num_reads <= _FEW:
            per_rung = self.words.reshape(self.n_rungs, -1, self.words.shape[1])
            found = np.stack([state_energies(self.model, words, self.num_reads) for words in per_rung])
        else:
            blocks = self.blocks()
            found = self.pairs.energies(blocks.reshape(-1, blocks.shape[2]), self.n_threads)
            found = found.reshape(self.n_rungs, -1)[:, : self.num_reads] + self.model.offset
        return found if self.n_rungs > 1 else found[0]

    def magnetisations(self) -> np.ndarray:
        """(num_reads,) mean over units of their values."""
        ups = self.pairs.ups(self.blocks()[0])[: self.num_reads]
        low, n = self.model.low, max(self.model.n, 1)
        return low + (1 - low) * ups / n

    def observe(self) -> None:
        """Append the observables of the states as they are."""
        for name, values in self.observed.items():
            values.append(self.energies() if name == "energy" else self.magnetisations())

    def swap(self, rung: int, chosen) -> None:
        """Exchange the states of the chosen reads (num_reads,) between rung and rung + 1."""
        low, high = self.words.reshape(self.n_rungs, -1, self.words.shape[1])[rung : rung + 2]
        mask = pack_words(chosen[:, None], self.words.dtype)[:, :1]
        apart = (low ^ high) & mask
        low ^= apart
        high ^= apart

    def info(self) -> dict:
        """What every sampler tells of itself."""
        return {
            "kernel": self.plan.kernel,
            "precision": self.plan.real.name,
            "n_threads": self.n_threads,
        }

    def samples(self, info) -> Samples:
        """The states as they are."""
        recorded = {name: np.array(values).T for name, values in self.observed.items() if values}
        return Samples(self.model, self.words, self.energies(), {**self.info(), **info}, recorded)
