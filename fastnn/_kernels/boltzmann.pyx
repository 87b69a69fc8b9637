"""Gibbs sampling of Boltzmann machines: groups of 64 chains are the items of a call."""

import numpy as np

from libc.stdint cimport int64_t, uint64_t

from .core cimport (
    FNN_TILE,
    fnn_chains,
    fnn_couplings,
    fnn_rooms,
    fnn_team,
    fnn_watch,
    rooms_for,
    team_call,
    team_run,
    watch_begin,
    watch_check,
    watch_interrupted,
)
from .arrays cimport address, aligned, ceil_div, threads_worth

# Multiply-adds between two looks at Ctrl-C: some 80 ms of one thread.
cdef int64_t STRETCH_WORK = 1 << 29
# Groups side by side; the next ones begin when these have made all their sweeps.
cdef int64_t BLOCK_GROUPS = 64


cdef struct sweep_job:
    const fnn_rooms *rooms
    const fnn_couplings *couplings
    fnn_chains *chains
    const double *gains
    const int64_t *order
    int64_t n_order, n_groups, n_updates, group0, first, last
    int64_t work  # of one update of a group
    uint64_t step
    fnn_watch watch


cdef void sweep_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Updates first .. last - 1 of one group; a sweep is n_order of them."""
    cdef sweep_job *job = <sweep_job *>context
    cdef fnn_chains mine = job.chains[0]
    cdef int64_t at = job.first, sweep, unit, n
    while at < job.last:
        sweep, unit = at // job.n_order, at % job.n_order
        n = min(job.n_order - unit, job.last - at)
        mine.step, mine.gain = job.step + <uint64_t>sweep, job.gains[sweep]
        job.rooms.gibbs_sweep(job.couplings, &mine, job.group0 + item, job.order + unit, n)
        at += n


cdef void lead_sweeps(fnn_team *team, void *context) noexcept nogil:
    cdef sweep_job *job = <sweep_job *>context
    cdef int64_t n, stretch
    while job.group0 < job.n_groups:
        n = min(BLOCK_GROUPS, job.n_groups - job.group0)
        stretch = max(<int64_t>1, STRETCH_WORK // (job.work * n))
        job.first = 0
        while job.first < job.n_updates:
            if watch_interrupted(&job.watch):
                return
            job.last = min(job.first + stretch, job.n_updates)
            team_run(team, sweep_item, job, n)
            job.first = job.last
        job.group0 += n


cdef class Chains:
    """n_chains chains of a machine of n_units with states low and high, in one real dtype."""

    cdef fnn_chains chains
    cdef const fnn_rooms *rooms
    cdef object lanes
    cdef readonly int64_t n_chains, n_units

    def __init__(self, int64_t n_chains, int64_t n_units, int64_t low, uint64_t key, dtype):
        self.rooms = rooms_for(dtype)
        self.n_chains, self.n_units = n_chains, n_units
        self.lanes = aligned((ceil_div(n_chains, FNN_TILE), n_units, FNN_TILE), dtype)
        self.chains.lanes, self.chains.low, self.chains.high = address(self.lanes), low, 1
        self.chains.key = key

    def states(self):
        """(n_chains, n_units), a copy."""
        return self.lanes.swapaxes(1, 2).reshape(-1, self.n_units)[:self.n_chains]

    def set_states(self, states, units):
        """States (n_chains, number of units) of these units."""
        padded = np.zeros((self.lanes.shape[0] * FNN_TILE, states.shape[1]), self.lanes.dtype)
        padded[:self.n_chains] = states
        self.lanes[:, units] = padded.reshape(-1, FNN_TILE, states.shape[1]).swapaxes(1, 2)

    def sweep(self, weights, bias, order, betas, uint64_t step, int n_threads):
        """len(betas) sweeps over the units in `order` (int64); sweep t is step `step` + t of the streams.

        weights (n_units, n_units) and bias: C-ordered, of the chains' dtype.
        """
        cdef fnn_couplings couplings
        cdef sweep_job job
        couplings.weights, couplings.bias, couplings.n_units = address(weights), address(bias), self.n_units
        gains = np.asarray(betas, np.float64) * (self.chains.high - self.chains.low)
        job.rooms, job.couplings, job.chains = self.rooms, &couplings, &self.chains
        job.gains, job.order = <double *>address(gains), <int64_t *>address(order)
        job.n_order, job.n_groups, job.n_updates = order.size, self.lanes.shape[0], gains.size * order.size
        job.group0, job.work = 0, self.n_units * FNN_TILE
        job.step, job.watch = step, watch_begin()
        with nogil:
            team_call(threads_worth(job.work * job.n_updates * job.n_groups, n_threads), lead_sweeps, &job)
        watch_check(&job.watch)
