"""States that a sampler returns: one bit each, unpacked when they are looked at."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fastnn.energy._plans import kept_states
from fastnn.energy.diagnostics import autocorrelation, effective_sample_size, r_hat


class Samples:
    """States of a model with their energies, as returned by the samplers.

    Parameters
    ----------
    model : IsingModel
    words : ndarray of unsigned integers of shape (n_blocks, n + 1)
        Bit r of a word: the unit in read r of the block, set where it is up; the last word is spare.
    energies : ndarray of shape (n_samples,)
        float64, computed from the model.
    info : dict
        Kernel, schedule, timing.
    observables : dict of str to ndarray of shape (n_reads, n_draws), default=None
        What was recorded along the way.
    num_reads : int, default=None
        Where the samples are draws of several reads, one draw after the other: how many reads; the blocks of
        a draw are its own.

    Examples
    --------
    >>> import fastnn
    >>> ring = fastnn.IsingModel.from_edges([[0, 1], [1, 2], [2, 0]], -1)
    >>> samples = fastnn.anneal(ring, num_reads=4, num_sweeps=100, seed=0)
    >>> samples.states.shape, float(samples.best_energy)
    ((4, 3), -1.0)
    """

    def __init__(self, model, words, energies, info, observables=None, num_reads=None):
        self.model = model
        self.words = words
        self.energies = energies
        self.info = info
        self.num_reads = len(energies) if num_reads is None else num_reads
        self.observables = {} if observables is None else observables

    def __len__(self):
        return len(self.energies)

    def __repr__(self):
        best = f", best_energy={self.best_energy:g}" if len(self) else ""
        return f"Samples(n_samples={len(self)}, n={self.model.n}{best})"

    @cached_property
    def states(self) -> np.ndarray:
        """(n_samples, n) int8 in the model's domain."""
        n_draws = len(self) // self.num_reads if self.num_reads else 0
        draws = np.split(self.words, n_draws) if n_draws else []
        parts = [kept_states(words, self.num_reads, self.model.low) for words in draws]
        return np.concatenate([*parts, np.empty((0, self.model.n), np.int8)])

    @property
    def best(self) -> int:
        """Index of a sample of the lowest energy, the first of them."""
        return int(np.argmin(self.energies))

    @property
    def best_energy(self) -> float:
        """The lowest energy."""
        return float(self.energies[self.best])

    @property
    def best_state(self) -> np.ndarray:
        """(n,) int8: the state of `best`."""
        return self.states[self.best]

    def effective_sample_size(self, observable="energy") -> float:
        """Independent draws that the recorded ones are worth, by ArviZ over reads as chains.

        Parameters
        ----------
        observable : str, default="energy"
            A name in `observables`.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            Nothing of that name was recorded.
        ImportError
            ArviZ is not installed.
        """
        return effective_sample_size(self._recorded(observable))

    def r_hat(self, observable="energy") -> float:
        """Rank-normalised split R-hat of the recorded draws by ArviZ, reads as chains.

        Parameters
        ----------
        observable : str, default="energy"
            A name in `observables`.

        Returns
        -------
        float
            Near 1 if the reads agree.

        Raises
        ------
        ValueError
            Nothing of that name was recorded.
        ImportError
            ArviZ is not installed.
        """
        return r_hat(self._recorded(observable))

    def autocorrelation(self, observable="energy") -> np.ndarray:
        """Autocorrelation of a recorded observable by ArviZ, the mean over reads.

        Parameters
        ----------
        observable : str, default="energy"
            A name in `observables`.

        Returns
        -------
        ndarray of shape (n_draws,)
            By lag, from 1 at lag 0.

        Raises
        ------
        ValueError
            Nothing of that name was recorded.
        ImportError
            ArviZ is not installed.
        """
        return autocorrelation(self._recorded(observable))

    def _recorded(self, name):
        if name not in self.observables:
            raise ValueError(f"{name!r} was not recorded; observables: {sorted(self.observables)}")
        return self.observables[name]
