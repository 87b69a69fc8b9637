"""Simulated annealing of Ising models."""

from __future__ import annotations

import time

import numpy as np

from fastnn.energy._checks import check_real
from fastnn.energy._progress import told
from fastnn.energy._run import Run, check_model
from fastnn.energy._schedules import schedule_betas
from fastnn.energy.samples import Samples


def anneal(
    model,
    *,
    num_reads=64,
    num_sweeps=None,
    schedule="geometric",
    beta_range=None,
    acceptance="metropolis",
    order="color",
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
        Independent walks.
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
    order : {"color", "sequential", "random"}, default="color"
        Units colour by colour of a greedy colouring, uncoupled units together, which is fastest; in their own
        order; or drawn with replacement. All reads of a block share the site, never the draw; the kernel
        "bits" draws groups of up to 8 uncoupled units.
    initial_states : array-like of shape (num_reads, n) or (n,), default=None
        None: fair coins.
    clamp : array-like of bool of shape (n,), default=None
        Units held at their values in initial_states.
    time_limit : float, default=None
        Seconds of sweeping after which the walks end as they are, at whatever beta.
    polish : bool, default=False
        Afterwards flip single units as long as that lowers the energy.
    kernel : {"auto", "bits", "lanes", "fields"}, default="auto"
        "bits": 64 reads bit by bit, for couplings and biases that are small multiples of one number.
        "lanes": 32 reads side by side, any couplings. "fields": one read at a time, with fields that follow
        its flips, for few reads and for dense couplings. With one kernel pinned, read k does not depend on
        num_reads.
    seed : int, RandomState or None, default=None
    n_threads : int, default=None
        Shows in nothing but the time.
    callback : callable or scikit-learn callback, default=None
        callback(sweeps_done, num_sweeps), about every 0.1 s; true ends the walks as they are. Or an object
        such as sklearn.callback.ProgressBar(), which estimators take in set_callbacks.
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
    check_model(model)
    began = time.perf_counter()
    betas = schedule_betas(model, schedule, beta_range, num_sweeps)
    limit = np.inf if time_limit is None else check_real("time_limit", time_limit)
    finite = betas[np.isfinite(betas)]
    run = Run(
        model, num_reads=num_reads, beta=finite.max(initial=0.0), error=None,
        kernel=kernel, order=order,
        acceptance=acceptance, initial_states=initial_states, clamp=clamp, seed=seed,
        n_threads=n_threads, observables=observables,
    )  # fmt: skip
    started = time.perf_counter()
    stopped = False

    def walk(tell):
        def look(sweeps_done):
            nonlocal stopped
            stopped = tell is not None and tell(sweeps_done, betas.size)
            return stopped or time.perf_counter() - started > limit

        return run.sweep(betas[None], None if tell is None and time_limit is None else look)

    done = told(callback, "anneal", walk)
    if polish and not stopped:
        run.descend()
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
