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

# Multiply-adds by one group between two looks at Ctrl-C: some 20 ms.
cdef int64_t STRETCH_WORK = 1 << 27


cdef struct sweep_job:
    const fnn_rooms *rooms
    const fnn_couplings *couplings
    fnn_chains *chains
    const double *gains
    const int64_t *order
    int64_t n_order, n_groups, n_sweeps, first, last, stretch
    uint64_t step
    fnn_watch watch


cdef void sweep_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Some sweeps of one group."""
    cdef sweep_job *job = <sweep_job *>context
    cdef fnn_chains mine = job.chains[0]
    cdef int64_t t
    for t in range(job.first, job.last):
        mine.step, mine.gain = job.step + <uint64_t>t, job.gains[t]
        job.rooms.gibbs_sweep(job.couplings, &mine, item, job.order, job.n_order)


cdef void lead_sweeps(fnn_team *team, void *context) noexcept nogil:
    cdef sweep_job *job = <sweep_job *>context
    while job.last < job.n_sweeps and not watch_interrupted(&job.watch):
        job.first, job.last = job.last, min(job.last + job.stretch, job.n_sweeps)
        team_run(team, sweep_item, job, job.n_groups)


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
        job.n_order, job.n_groups, job.n_sweeps = order.size, self.lanes.shape[0], gains.size
        job.first = job.last = 0
        job.step, job.watch = step, watch_begin()
        cdef int64_t work = job.n_order * self.n_units * FNN_TILE
        job.stretch = max(<int64_t>1, STRETCH_WORK // max(work, <int64_t>1))
        with nogil:
            team_call(threads_worth(work * job.n_groups * job.n_sweeps, n_threads), lead_sweeps, &job)
        watch_check(&job.watch)
