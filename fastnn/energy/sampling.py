"""Simulated annealing and Gibbs sampling of Ising models."""

from __future__ import annotations

import time

import numpy as np

from fastnn._validation import check_n_threads, random_key
from fastnn.energy._checks import check_choice, check_clamp, check_count, check_real
from fastnn.energy._plans import ACCEPTANCES, ORDERS, Plan, pairs_of, start_words, words_of_64
from fastnn.energy._schedules import schedule_betas
from fastnn.energy.ising import IsingModel
from fastnn.energy.samples import Samples

KERNEL_NAMES = ("auto", "bits", "lanes")
OBSERVABLES = ("energy", "magnetisation")
# Error of beta times an energy difference: of the coldest sweep of an annealing, and of a fixed beta.
_ANNEALING_ERROR, _SAMPLING_ERROR = 0.01, 1e-4
# Seconds between two looks at a callback or a time limit.
_PATIENCE = 0.1


class _Run:
    """One call of a sampler: the plan, the walk, and what is looked at between its sweeps."""

    def __init__(self, model, *, num_reads, beta, error, kernel, order, acceptance, initial_states, clamp,
                 seed, n_threads, observables=(), betas_per_read=1):  # fmt: skip
        if not isinstance(model, IsingModel):
            raise TypeError(f"model must be an IsingModel, got {type(model).__name__}")
        self.num_reads = check_count("num_reads", num_reads, 1)
        self.model = model
        check_choice("kernel", kernel, KERNEL_NAMES)
        check_choice("order", order, ORDERS)
        check_choice("acceptance", acceptance, ACCEPTANCES)
        for name in observables:
            check_choice("observables", name, OBSERVABLES)
        self.clamp = check_clamp(model, clamp)
        if initial_states is not None:
            initial_states = model.check_states(initial_states, "initial_states")
            initial_states = np.broadcast_to(np.atleast_2d(initial_states), self._shape(initial_states))
        elif self.clamp is not None:
            raise ValueError("clamp needs initial_states: they say at which values units are held")
        self.n_threads = check_n_threads(n_threads)
        self.plan = Plan(
            model, kernel=kernel, order=order, acceptance=acceptance, clamp=self.clamp, beta=beta, error=error
        )
        self.key = random_key(seed)
        words = start_words(self.plan, self.num_reads, initial_states, self.key)
        self.words = np.concatenate([words] * betas_per_read) if betas_per_read > 1 else words
        self.walk = self.plan.walk(self.words, self.key, betas_per_read)
        self.pairs = pairs_of(model)
        self.observed = {name: [] for name in observables}

    def _shape(self, states):
        if states.ndim == 2 and len(states) != self.num_reads:
            raise ValueError(f"initial_states has {len(states)} rows for num_reads={self.num_reads}")
        return self.num_reads, self.model.n

    def sweep(self, betas, look=None) -> int:
        """All sweeps of betas (n_rungs, n_sweeps), or until look(sweeps done) is true; how many were done."""
        n_sites, n_sweeps = self.walk.n_steps, betas.shape[1]
        betas = np.ascontiguousarray(betas, dtype=np.float64)
        if n_sites == 0:
            return n_sweeps
        t, end = 0, n_sites * n_sweeps
        while t < end:
            goal = min(end, (t // n_sites + 1) * n_sites) if self.observed else end
            patience = np.inf if look is None else _PATIENCE
            t = self.walk.advance(betas, t, goal, patience, self.n_threads)
            if t % n_sites == 0 and self.observed:
                self.observe()
            if look is not None and look(t // n_sites):
                break
        return t // n_sites

    def energies(self) -> np.ndarray:
        """(num_reads,) energies of the states as they are."""
        found = self.pairs.energies(words_of_64(self.words), self.n_threads)
        return found[: self.num_reads] + self.model.offset

    def observe(self) -> None:
        for name, values in self.observed.items():
            values.append(self.energies() if name == "energy" else self.magnetisations())

    def magnetisations(self) -> np.ndarray:
        """(num_reads,) mean over units of their values."""
        ups = self.pairs.ups(words_of_64(self.words))[: self.num_reads]
        low, n = self.model.low, max(self.model.n, 1)
        return low + (1 - low) * ups / n

    def samples(self, info) -> Samples:
        info = {
            "kernel": self.plan.kernel,
            "precision": np.dtype(self.plan.real).name,
            "n_threads": self.n_threads,
            **info,
        }
        recorded = {name: np.array(values).T for name, values in self.observed.items() if values}
        return Samples(self.model, self.words, self.energies(), info, recorded)


def anneal(
    model,
    *,
    num_reads=64,
    num_sweeps=None,
    schedule="geometric",
    beta_range=None,
    acceptance="metropolis",
    order="sequential",
    initial_states=None,
    clamp=None,
    time_limit=None,
    polish=False,
    kernel="auto",
    seed=None,
    n_threads=None,
    callback=None,
    observables=(),
) -> Samples:
    """Simulated annealing: independent reads from hot to cold.

    Parameters
    ----------
    model : IsingModel
    num_reads : int, default=64
        Independent walks. 64 (32 for the kernel "lanes") run side by side in one block.
    num_sweeps : int, default=None
        Sweeps of a read, each as many updates as there are units. None: 1000, or the length of a schedule
        that is given.
    schedule : {"geometric", "linear", "linear_temperature"} or array-like, default="geometric"
        How beta goes from the first to the last value: by a constant factor, in constant steps, or with its
        inverse in constant steps. An array holds betas, one per sweep, or fewer that divide num_sweeps and
        are held for equally many sweeps; infinity is zero temperature.
    beta_range : (float, float), default=None
        First and last beta of a named schedule. None: hot enough that each spin may flip with probability
        1/2 against all its couplings; cold enough that 0.01 spins flip against the least coupling in the
        last sweep.
    acceptance : {"metropolis", "heat_bath"}, default="metropolis"
    order : {"sequential", "random", "color"}, default="sequential"
        Units in their order, drawn with replacement (all reads of a block share the site, never the draw),
        or colour by colour of a greedy colouring, uncoupled units together.
    initial_states : array-like of shape (num_reads, n) or (n,), default=None
        None: fair coins.
    clamp : array-like of bool of shape (n,), default=None
        Units held at their values in initial_states.
    time_limit : float, default=None
        Seconds of sweeping after which the walks end as they are, at whatever beta.
    polish : bool, default=False
        Afterwards flip single units as long as that lowers the energy.
    kernel : {"auto", "bits", "lanes"}, default="auto"
        With one kernel pinned, read k does not depend on num_reads.
    seed : int, RandomState or None, default=None
    n_threads : int, default=None
        Shows in nothing but the time.
    callback : callable, default=None
        callback(sweeps_done, num_sweeps), about every 0.1 s; true ends the walks as they are.
    observables : sequence of {"energy", "magnetisation"}, default=()
        Recorded after every sweep, for each read.

    Returns
    -------
    Samples
        info: kernel, num_sweeps, sweeps_done, betas (first and last), seconds, interrupted.

    Raises
    ------
    TypeError, ValueError
        A parameter that will not do; its name is in the message.

    References
    ----------
    S. Kirkpatrick, C. Gelatt, M. Vecchi, "Optimization by simulated annealing", Science 220 (1983), 671.

    Examples
    --------
    >>> import fastnn
    >>> ring = fastnn.IsingModel.from_edges([[k, (k + 1) % 10] for k in range(10)])
    >>> samples = fastnn.anneal(ring, num_reads=8, acceptance="heat_bath", seed=0)
    >>> samples.best_energy
    -10.0
    """
    if not isinstance(model, IsingModel):
        raise TypeError(f"model must be an IsingModel, got {type(model).__name__}")
    began = time.perf_counter()
    betas = schedule_betas(model, schedule, beta_range, num_sweeps)
    limit = np.inf if time_limit is None else check_real("time_limit", time_limit)
    finite = betas[np.isfinite(betas)]
    run = _Run(
        model, num_reads=num_reads, beta=finite.max(initial=0.0), error=_ANNEALING_ERROR,
        kernel=kernel, order=order,
        acceptance=acceptance, initial_states=initial_states, clamp=clamp, seed=seed,
        n_threads=n_threads, observables=observables,
    )  # fmt: skip
    started = time.perf_counter()
    stopped = False

    def look(sweeps_done):
        nonlocal stopped
        stopped = callback is not None and bool(callback(sweeps_done, betas.size))
        return stopped or time.perf_counter() - started > limit

    watched = callback is not None or time_limit is not None
    done = run.sweep(betas[None], look if watched else None)
    if polish and not stopped:
        _descend(run)
    swept = time.perf_counter()
    samples = run.samples(
        {
            "num_sweeps": betas.size,
            "sweeps_done": done,
            "schedule": schedule if isinstance(schedule, str) else "custom",
            "beta_range": (float(betas[0]), float(betas[-1])) if betas.size else None,
            "interrupted": stopped,
        }
    )
    ended = time.perf_counter()
    seconds = {"preparing": started - began, "sweeping": swept - started, "finishing": ended - swept}
    samples.info["seconds"] = seconds
    return samples


def _descend(run) -> None:
    """Zero-temperature sweeps until no energy falls any more."""
    cold, before = np.full((1, 8), np.inf), run.energies()
    observed, run.observed = run.observed, {}
    while True:
        run.sweep(cold)
        after = run.energies()
        if not (after < before).any():
            break
        before = after
    run.observed = observed
