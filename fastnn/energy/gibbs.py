"""Gibbs sampling of Ising models at one temperature."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from fastnn.energy._checks import check_beta, check_count
from fastnn.energy._progress import told
from fastnn.energy._run import Run, check_model

# Error of beta times an energy difference that is allowed.
_ERROR = 1e-4


@dataclass(frozen=True)
class Moments:
    """Means over the states that a Gibbs sampler visited.

    Attributes
    ----------
    mean : ndarray of shape (n,)
        Mean of s_i.
    pair_mean : ndarray of shape (n_pairs,)
        Mean of s_i s_j of the coupled pairs.
    pairs : ndarray of shape (n_pairs, 2)
        Their units, the greater first.
    n_states : int
        States visited: reads times sweeps after burn-in.

    Examples
    --------
    >>> import fastnn
    >>> chain = fastnn.IsingModel.from_edges([[0, 1], [1, 2]])
    >>> found = fastnn.gibbs_sample(chain, moments=True, num_reads=4, num_sweeps=10, seed=0)
    >>> found.pairs.tolist(), found.n_states, found.mean.shape
    ([[1, 0], [2, 1]], 40, (3,))
    """

    mean: np.ndarray
    pair_mean: np.ndarray
    pairs: np.ndarray
    n_states: int


def gibbs_sample(
    model,
    *,
    beta=1.0,
    num_reads=64,
    num_sweeps=1000,
    burn_in=100,
    thin=None,
    moments=False,
    acceptance="heat_bath",
    order="color",
    initial_states=None,
    clamp=None,
    kernel="auto",
    seed=None,
    n_threads=None,
    callback=None,
    observables=(),
):
    """Samples of p(s) proportional to e^(-beta E(s)) at one temperature.

    Parameters
    ----------
    model : IsingModel
    beta : float, default=1.0
        Inverse temperature, finite and not negative.
    num_reads : int, default=64
        Independent chains.
    num_sweeps : int, default=1000
        Sweeps of a chain after burn_in.
    burn_in : int, default=100
        Sweeps before anything is kept.
    thin : int, default=None
        Keep the states after every `thin` sweeps. None: only the last ones.
    moments : bool, default=False
        Return means over all states after burn-in instead, without storing any.
    acceptance : {"heat_bath", "metropolis"}, default="heat_bath"
        Beware of Metropolis updates in a fixed order at small beta: nearly every flip is accepted.
    order : {"color", "sequential", "random"}, default="color"
        See `anneal`.
    initial_states : array-like of shape (num_reads, n) or (n,), default=None
        None: fair coins.
    clamp : array-like of bool of shape (n,), default=None
        Units held at their values in initial_states: samples are of the others given these.
    kernel : {"auto", "bits", "lanes", "fields"}, default="auto"
        See `anneal`.
    seed : int, RandomState or None, default=None
    n_threads : int, default=None
    callback : callable or scikit-learn callback, default=None
        callback(sweeps_done, sweeps), now and then; true ends the walks, and what was kept is returned. Or
        an object such as sklearn.callback.ProgressBar().
    observables : sequence of {"energy", "magnetisation"}, default=()
        Recorded after every sweep that follows burn-in, for each read.

    Returns
    -------
    Samples or Moments
        Samples hold draw after draw, each of num_reads states.

    Raises
    ------
    TypeError, ValueError
        A parameter that will not do; its name is in the message.

    References
    ----------
    S. Geman, D. Geman, "Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images",
    IEEE Trans. PAMI 6 (1984), 721-741.

    Examples
    --------
    >>> import fastnn
    >>> pair = fastnn.IsingModel([[0, 1], [1, 0]])
    >>> means = fastnn.gibbs_sample(pair, beta=0.5, moments=True, seed=0)
    >>> round(float(means.pair_mean[0]), 1)  # tanh(0.5) = 0.46
    0.5
    """
    check_model(model)
    began = time.perf_counter()
    beta = check_beta("beta", beta)
    num_sweeps, burn_in = check_count("num_sweeps", num_sweeps, 0), check_count("burn_in", burn_in, 0)
    if thin is not None:
        thin = check_count("thin", thin, 1)
        if moments:
            raise ValueError("thin keeps states and moments keeps none: give one of them")
    run = Run(
        model, num_reads=num_reads, beta=beta, error=_ERROR, kernel=kernel, order=order,
        acceptance=acceptance, initial_states=initial_states, clamp=clamp, seed=seed,
        n_threads=n_threads, observables=observables,
    )  # fmt: skip
    total = burn_in + num_sweeps
    step = 1 if moments else thin if thin is not None else max(num_sweeps, 1)
    kept, counts = [], _Counts(run) if moments else None

    def walk(tell):
        """(sweeps done, whether something stopped them)"""
        look = None if tell is None else lambda done: tell(done, total)
        done = run.sweep(np.full((1, burn_in), beta), look, observe=False)
        stopped = done < burn_in
        while not stopped and done + step <= total:
            offset = done
            inner = None if tell is None else lambda n, offset=offset: tell(offset + n, total)
            done += run.sweep(np.full((1, step), beta), inner)
            stopped = done < offset + step
            if not stopped and moments:
                counts.add()
            elif not stopped and thin is not None:
                kept.append((run.words.copy(), run.energies()))
        return done, stopped

    done, stopped = told(callback, "gibbs_sample", walk)
    if moments:
        return counts.moments()
    info = {"beta": beta, "burn_in": burn_in, "thin": thin, "sweeps_done": done, "interrupted": stopped}
    samples = run.samples(info)
    if thin is not None:
        samples.words = np.concatenate([run.words[:0], *(words for words, _ in kept)])
        samples.energies = np.concatenate([np.zeros(0), *(energies for _, energies in kept)])
        samples.num_reads = run.num_reads
    samples.info["seconds"] = time.perf_counter() - began
    return samples


class _Counts:
    """How often units were up and pairs agreed."""

    def __init__(self, run):
        self.run, self.n_states = run, 0
        self.rows, self.columns = run.pairs.coordinates()
        self.ups = np.zeros(run.model.n, np.int64)
        self.equal = np.zeros(self.rows.size, np.int64)
        n_blocks = -(-run.num_reads // 64)
        self.masks = np.full(n_blocks, 2**64 - 1, np.uint64)
        if run.num_reads % 64:
            self.masks[-1] = 2 ** (run.num_reads % 64) - 1

    def add(self):
        self.run.pairs.add_moments(self.run.blocks()[0], self.masks, self.ups, self.equal)
        self.n_states += self.run.num_reads

    def moments(self):
        n = max(self.n_states, 1)
        up, equal = self.ups / n, self.equal / n
        if self.run.model.low == -1:
            mean, pair_mean = 2 * up - 1, 2 * equal - 1
        else:  # P(both up) = (P(equal) - 1 + P(i up) + P(j up)) / 2
            mean, pair_mean = up, 0.5 * (equal - 1 + up[self.rows] + up[self.columns])
        return Moments(mean, pair_mean, np.stack([self.rows, self.columns], axis=1), self.n_states)
