"""Parallel tempering of Ising models, and the free energies that it gives."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from fastnn.energy._checks import check_count
from fastnn.energy._progress import told
from fastnn.energy._run import Run, check_model
from fastnn.energy._schedules import check_betas
from fastnn.energy.samples import Samples

_ERROR = 1e-4  # of beta times an energy difference


@dataclass(frozen=True)
class Tempering:
    """What parallel tempering returns.

    Attributes
    ----------
    samples : list of Samples
        The last states at each beta.
    betas : ndarray of shape (n_betas,)
    swap_rates : ndarray of shape (n_betas - 1,)
        Accepted share of the exchanges tried between neighbours, after burn-in.
    energies : ndarray of shape (n_draws, n_betas, num_reads)
        After every swap_interval sweeps, burn-in left out.
    log_partition : ndarray of shape (n_betas,)
        ln Z at each beta: differences by Bennett's acceptance ratio. Exact up to sampling where betas[0] = 0,
        Z there being 2^(number of free units); else relative to the first.
    info : dict
        The kernel's name, the number of sweeps and the like.

    Examples
    --------
    >>> import fastnn
    >>> pair = fastnn.IsingModel([[0, 1], [1, 0]])
    >>> found = fastnn.parallel_tempering(pair, [0.0, 1.0], num_reads=8, num_sweeps=50, seed=0)
    >>> found.samples[-1].states.shape, found.energies.shape, round(float(found.log_partition[0]), 4)
    ((8, 2), (50, 2, 8), 1.3863)
    """

    samples: list[Samples]
    betas: np.ndarray
    swap_rates: np.ndarray
    energies: np.ndarray
    log_partition: np.ndarray
    info: dict


def parallel_tempering(
    model,
    betas,
    *,
    num_reads=64,
    num_sweeps=1000,
    burn_in=100,
    swap_interval=1,
    acceptance="heat_bath",
    order="color",
    initial_states=None,
    clamp=None,
    kernel="auto",
    seed=None,
    n_threads=None,
    callback=None,
) -> Tempering:
    """Chains at several temperatures that exchange their states: replica exchange Monte Carlo.

    Parameters
    ----------
    model : IsingModel
    betas : array-like of shape (n_betas,)
        Inverse temperatures, finite and rising.
    num_reads : int, default=64
        Independent ladders.
    num_sweeps : int, default=1000
        Sweeps of each chain after burn_in, a multiple of swap_interval.
    burn_in : int, default=100
        Sweeps before that, with exchanges as well; rounded up to a multiple of swap_interval.
    swap_interval : int, default=1
        Sweeps between exchanges, which take even and odd pairs of neighbours in turn.
    acceptance : {"heat_bath", "metropolis"}, default="heat_bath"
    order : {"color", "sequential", "random"}, default="color"
        See `anneal`.
    initial_states : array-like of shape (num_reads, n) or (n,), default=None
        None: fair coins.
    clamp : array-like of bool of shape (n,), default=None
        Units held at their values in initial_states.
    kernel : {"auto", "bits", "lanes", "fields"}, default="auto"
        See `anneal`.
    seed : int, RandomState or None, default=None
    n_threads : int, default=None
    callback : callable or scikit-learn callback, default=None
        callback(sweeps_done, sweeps) after each exchange; true ends the walks, and what was drawn is
        returned. Or an object such as sklearn.callback.ProgressBar().

    Returns
    -------
    Tempering

    Raises
    ------
    TypeError, ValueError
        A parameter that will not do; its name is in the message.

    References
    ----------
    K. Hukushima, K. Nemoto, J. Phys. Soc. Japan 65 (1996), 1604-1608. C. Bennett, J. Comput. Phys. 22 (1976),
    245-268.

    Examples
    --------
    >>> import fastnn
    >>> pair = fastnn.IsingModel([[0, 1], [1, 0]])
    >>> found = fastnn.parallel_tempering(pair, [0.0, 0.5, 1.0], seed=0)
    >>> round(float(found.log_partition[2]), 1)  # ln(4 cosh 1) = 1.82
    1.8
    """
    check_model(model)
    began = time.perf_counter()
    betas = check_betas("betas", betas)
    if betas.size == 0 or not np.isfinite(betas).all() or (np.diff(betas) <= 0).any():
        raise ValueError(f"betas must be finite and rising, got {betas}")
    num_sweeps, burn_in = check_count("num_sweeps", num_sweeps, 0), check_count("burn_in", burn_in, 0)
    swap_interval = check_count("swap_interval", swap_interval, 1)
    if num_sweeps % swap_interval:
        raise ValueError(f"num_sweeps={num_sweeps} is no multiple of swap_interval={swap_interval}")
    run = Run(
        model, num_reads=num_reads, beta=betas[-1], error=_ERROR, kernel=kernel, order=order,
        acceptance=acceptance, initial_states=initial_states, clamp=clamp, seed=seed,
        n_threads=n_threads, n_rungs=betas.size,
    )  # fmt: skip
    rng = np.random.Generator(np.random.Philox(run.key))
    hold = np.repeat(betas[:, None], swap_interval, axis=1)
    n_before, n_draws = -(-burn_in // swap_interval), num_sweeps // swap_interval
    accepted, tried = np.zeros(betas.size - 1), np.zeros(betas.size - 1)
    drawn = np.zeros((n_draws, betas.size, run.num_reads))
    total = (n_before + n_draws) * swap_interval

    def walk(tell):
        """How many times sweeps and exchanges were done."""
        for step in range(n_before + n_draws):
            run.sweep(hold)
            energies = run.energies().reshape(betas.size, -1)
            if step >= n_before:
                drawn[step - n_before] = energies
            pairs = range(step % 2, betas.size - 1, 2)
            chosen = _exchange(run, rng, betas, energies, pairs)
            if step >= n_before:
                accepted[list(pairs)] += chosen
                tried[list(pairs)] += run.num_reads
            if tell is not None and tell((step + 1) * swap_interval, total):
                return step + 1
        return n_before + n_draws

    done = told(callback, "parallel_tempering", walk)
    drawn = drawn[: max(done - n_before, 0)]
    rates = np.divide(accepted, tried, out=np.full(accepted.size, np.nan), where=tried > 0)
    n_free = model.n - (0 if run.clamp is None else int(run.clamp.sum()))
    steps = [
        _bennett(low, high, drawn[:, k], drawn[:, k + 1]) for k, (low, high) in enumerate(pairwise(betas))
    ]
    start = n_free * np.log(2) if betas[0] == 0 else 0.0
    info = {**run.info(), "seconds": time.perf_counter() - began}
    return Tempering(
        samples=_per_rung(run, info),
        betas=betas,
        swap_rates=rates,
        energies=drawn,
        log_partition=start + np.concatenate([[0.0], np.cumsum(steps)]),
        info=info,
    )


def _exchange(run, rng, betas, energies, pairs) -> list[int]:
    """Exchanges neighbours with probability min(1, e^((b' - b)(E' - E))); how many, for each pair."""
    counts = []
    for low in pairs:
        gain = (betas[low + 1] - betas[low]) * (energies[low + 1] - energies[low])
        chosen = np.log(1 - rng.random(run.num_reads)) < gain
        run.swap(low, chosen)
        counts.append(int(chosen.sum()))
    return counts


def _bennett(low, high, at_low, at_high) -> float:
    """ln Z(high) - ln Z(low) from energies drawn at both: the root of Bennett's equation."""
    if at_low.size == 0:
        return np.nan
    work, back = (high - low) * at_low.ravel(), (high - low) * at_high.ravel()

    def excess(c):
        return expit(c - work).mean() - expit(back - c).mean()

    # At c, forward and backward acceptances balance where c = -(ln Z(high) - ln Z(low)).
    ends = min(work.min(), back.min()) - 50.0, max(work.max(), back.max()) + 50.0
    return -brentq(excess, *ends, xtol=1e-12)


def _per_rung(run, info) -> list[Samples]:
    energies = run.energies().reshape(run.n_rungs, -1)
    words = run.words.reshape(run.n_rungs, -1, run.words.shape[1])
    return [Samples(run.model, w, e, info) for w, e in zip(words, energies, strict=True)]
