"""Energies and moments of states of Ising models that lie one bit a read, from the pairs of the model."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint64_t

from .arrays cimport address
from .core cimport fnn_pairs, fnn_rooms, fnn_team, rooms_for, team_call, team_run

# Estimated nanoseconds of work below which a call stays on one thread.
cdef double WORTH_THREADS = 200e3


cdef struct pairs_task:
    const fnn_rooms *rooms
    const fnn_pairs *pairs
    const uint64_t *states
    const uint64_t *masks
    double *energies
    int64_t *ups
    int64_t *equal
    int64_t n_pairs


cdef void energy_item(void *context, int64_t block, int64_t worker) noexcept nogil:
    cdef pairs_task *t = <pairs_task *>context
    t.rooms.state_energies(t.pairs, t.states + block * t.pairs.stride, t.energies + 64 * block)


cdef struct pairs_job:
    pairs_task task
    int64_t n_blocks


cdef void lead_energies(fnn_team *team, void *context) noexcept nogil:
    cdef pairs_job *job = <pairs_job *>context
    team_run(team, energy_item, &job.task, job.n_blocks)


cdef class Pairs:
    """The pairs of a model, each once, for energies and moments in its own domain.

    indptr int64 (n + 1), indices int32, weights and constant float64: see fnn_pairs.
    """

    cdef const fnn_rooms *rooms
    cdef fnn_pairs pairs
    cdef list held

    def __init__(self, indptr, indices, weights, constant, bint binary):
        self.rooms = rooms_for(np.float64)
        self.held = [indptr, indices, weights, constant]
        self.pairs.n_spins, self.pairs.stride = constant.size, constant.size + 1
        self.pairs.indptr, self.pairs.indices = <int64_t *>address(indptr), <int32_t *>address(indices)
        self.pairs.weights, self.pairs.constant = <double *>address(weights), <double *>address(constant)
        self.pairs.factor, self.pairs.binary = 1.0 if binary else 2.0, binary

    def coordinates(self):
        """(rows, columns) of the pairs, int64."""
        indptr, indices = self.held[:2]
        return np.repeat(np.arange(self.pairs.n_spins), np.diff(indptr)), indices.astype(np.int64)

    def energies(self, states, int n_threads):
        """(n_blocks * 64,) energies of words (n_blocks, n + 1) of 64 reads."""
        cdef pairs_job job
        out = np.zeros(64 * states.shape[0])
        job.task.rooms, job.task.pairs = self.rooms, &self.pairs
        job.task.states, job.task.energies = <uint64_t *>address(states), <double *>address(out)
        job.n_blocks = states.shape[0]
        cdef double cost = 30.0 * job.n_blocks * (self.pairs.n_spins + self.held[1].size)
        cdef int workers = n_threads if cost > WORTH_THREADS else 1
        with nogil:
            team_call(workers, lead_energies, &job)
        return out

    def ups(self, states):
        """(n_blocks * 64,) how many units are up in each read."""
        cdef int64_t block, i, r, n_blocks = states.shape[0], n = self.pairs.n_spins
        cdef uint64_t *at = <uint64_t *>address(states)
        cdef uint64_t word
        out = np.zeros((n_blocks, 64), dtype=np.int64)
        cdef int64_t[:, ::1] counts = out
        with nogil:
            for block in range(n_blocks):
                for i in range(n):
                    word = at[block * self.pairs.stride + i]
                    for r in range(64):
                        counts[block, r] += word >> r & 1
        return out.ravel()

    def add_moments(self, states, masks, ups, equal):
        """ups (n,) and equal (n_pairs,) += counts over the masked reads of words (n_blocks, n + 1)."""
        cdef int64_t block, n_blocks = states.shape[0]
        cdef uint64_t *at = <uint64_t *>address(states)
        cdef uint64_t[::1] mask = masks
        cdef int64_t *up = <int64_t *>address(ups)
        cdef int64_t *same = <int64_t *>address(equal)
        with nogil:
            for block in range(n_blocks):
                self.rooms.state_moments(&self.pairs, at + block * self.pairs.stride, mask[block], up, same)
