"""Walks over the states of Ising models: blocks of reads side by side, sweep after sweep.

A word of states is one spin in all reads of a block. An item of work is a block of reads; its random words
come from a stream of its own, keyed by (seed, block), and move on with its updates alone, so neither the
number of threads nor where a walk is interrupted shows in the states.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from openmp cimport omp_get_wtime

from .core cimport (
    FNN_STREAM_SPINS,
    FNN_STREAM_SWEEPS,
    FNN_TILE,
    fnn_pairs,
    fnn_rooms,
    fnn_spins,
    fnn_team,
    fnn_watch,
    rooms_for,
    team_call,
    team_run,
    watch_begin,
    watch_check,
    watch_interrupted,
)
from .gibbs cimport address, aligned

# 64-bit words of a stream of random numbers (csrc/anneal/xoro.h).
cdef int64_t STREAM_WORDS = 32
# Seconds that a phase of a walk takes: short against the wait after Ctrl-C, long against a phase's cost.
cdef double PHASE_SECONDS = 0.01

cdef enum:
    LANES
    BITS
    ROWS

KERNELS = {"lanes": (LANES, np.dtype(np.uint32)), "bits": (BITS, np.dtype(np.uint64))}


cdef struct walk_task:
    const fnn_rooms *rooms
    const fnn_spins *spins
    int64_t kernel, t0, t1


cdef void walk_item(void *context, int64_t block, int64_t worker) noexcept nogil:
    cdef walk_task *w = <walk_task *>context
    w.rooms.anneal_lanes(w.spins, block, w.t0, w.t1)


cdef struct walk_job:
    walk_task task
    fnn_watch watch
    int64_t n_blocks, end, chunk
    double deadline


cdef void lead_walk(fnn_team *team, void *context) noexcept nogil:
    """Phases of `chunk` updates; chunks only bound the wait for Ctrl-C and the deadline."""
    cdef walk_job *job = <walk_job *>context
    cdef double before, now = omp_get_wtime()
    while job.task.t0 < job.end:
        job.task.t1 = min(job.end, job.task.t0 + job.chunk)
        before = now
        team_run(team, walk_item, &job.task, job.n_blocks)
        job.task.t0 = job.task.t1
        now = omp_get_wtime()
        if now - before < PHASE_SECONDS / 2:
            job.chunk *= 2
        elif now - before > 2 * PHASE_SECONDS:
            job.chunk = max(job.chunk // 2, 1)
        if watch_interrupted(&job.watch) or now > job.deadline:
            return


cdef class Walk:
    """States of n_blocks blocks of reads, and what moves them.

    kernel: a name in KERNELS. real: float32 or float64. rows: (indptr int64, indices int32, weights,
    constant, scale) as csrc/anneal/lanes.c wants them. sites: int32, the order of a sweep. states: words
    (n_blocks, n_spins), moved in place.
    """

    cdef const fnn_rooms *rooms
    cdef fnn_spins spins
    cdef int64_t kernel, n_blocks, chunk
    cdef list held
    cdef readonly object states

    def __init__(self, kernel, real, rows, sites, states, uint64_t key, *, bint random_order, bint heat_bath,
                 int64_t blocks_per_rung):
        self.rooms = rooms_for(real)
        self.kernel = KERNELS[kernel][0]
        self.states = states
        self.n_blocks = states.shape[0]
        self.chunk = 4096
        streams = self._streams(key)
        self.held = [*rows, sites, states, streams]
        indptr, indices, weights, constant, scale = rows
        self.spins.n_spins = states.shape[1]
        self.spins.indptr, self.spins.indices = <int64_t *>address(indptr), <int32_t *>address(indices)
        self.spins.weights, self.spins.constant = address(weights), address(constant)
        self.spins.scale = address(scale)
        self.spins.sites, self.spins.n_sites = <int32_t *>address(sites), sites.size
        self.spins.random_order, self.spins.heat_bath = random_order, heat_bath
        self.spins.states, self.spins.streams = address(states), <uint64_t *>address(streams)
        self.spins.blocks_per_rung = blocks_per_rung

    cdef _streams(self, uint64_t key):
        streams = aligned((max(self.n_blocks, 1), STREAM_WORDS), np.uint64)
        cdef uint64_t *at = <uint64_t *>address(streams)
        cdef int64_t block
        for block in range(self.n_blocks):
            self.rooms.random_words(key, 0, block, FNN_STREAM_SWEEPS, 0, <uint32_t *>(at + block * STREAM_WORDS))
        return streams

    def advance(self, betas, int64_t t0, int64_t t1, double seconds, int n_threads):
        """Updates t0 .. t1 - 1 of every block, sweep t // n_sites at betas[rung, sweep]; returns where it
        stopped: t1, or earlier once `seconds` have passed."""
        if self.spins.n_sites == 0 or self.n_blocks == 0:
            return t1
        cdef walk_job job
        job.task.rooms, job.task.spins, job.task.kernel = self.rooms, &self.spins, self.kernel
        job.task.t0, job.end, job.n_blocks, job.chunk = t0, t1, self.n_blocks, self.chunk
        self.spins.betas, self.spins.n_sweeps = <double *>address(betas), betas.shape[1]
        job.watch = watch_begin()
        job.deadline = omp_get_wtime() + seconds
        with nogil:
            team_call(n_threads, lead_walk, &job)
        self.chunk = job.chunk
        watch_check(&job.watch)
        return job.task.t0


def random_states(uint64_t key, int64_t n_blocks, int64_t n_spins, dtype):
    """Words of independent fair bits, (n_blocks, n_spins)."""
    cdef const fnn_rooms *rooms = rooms_for(np.float32)
    cdef int64_t block, tile, n_bytes = n_spins * np.dtype(dtype).itemsize
    cdef int64_t n_tiles = (n_bytes + 255) // 256
    words = np.empty((n_blocks, n_tiles * FNN_TILE), dtype=np.uint32)
    cdef uint32_t *at = <uint32_t *>address(words)
    with nogil:
        for block in range(n_blocks):
            for tile in range(n_tiles):
                rooms.random_words(key, 0, block, FNN_STREAM_SPINS, tile, at + (block * n_tiles + tile) * FNN_TILE)
    return np.ascontiguousarray(words.view(dtype)[:, :n_spins])


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
    t.rooms.state_energies(t.pairs, t.states + block * t.pairs.n_spins, t.energies + 64 * block)


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
        self.pairs.n_spins = constant.size
        self.pairs.indptr, self.pairs.indices = <int64_t *>address(indptr), <int32_t *>address(indices)
        self.pairs.weights, self.pairs.constant = <double *>address(weights), <double *>address(constant)
        self.pairs.factor, self.pairs.binary = 1.0 if binary else 2.0, binary

    def energies(self, states, int n_threads):
        """(n_blocks * 64,) energies of words (n_blocks, n) of 64 reads."""
        cdef pairs_job job
        out = np.zeros(64 * states.shape[0])
        job.task.rooms, job.task.pairs = self.rooms, &self.pairs
        job.task.states, job.task.energies = <uint64_t *>address(states), <double *>address(out)
        job.n_blocks = states.shape[0]
        with nogil:
            team_call(n_threads, lead_energies, &job)
        return out

    def ups(self, states):
        """(n_blocks * 64,) how many units are up in each read."""
        cdef int64_t block, i, r, n_blocks = states.shape[0], n = states.shape[1]
        cdef uint64_t *at = <uint64_t *>address(states)
        cdef uint64_t word
        out = np.zeros((n_blocks, 64), dtype=np.int64)
        cdef int64_t[:, ::1] counts = out
        with nogil:
            for block in range(n_blocks):
                for i in range(n):
                    word = at[block * n + i]
                    for r in range(64):
                        counts[block, r] += word >> r & 1
        return out.ravel()

    def add_moments(self, states, masks, ups, equal):
        """ups (n,) and equal (n_pairs,) += counts over the masked reads of words (n_blocks, n)."""
        cdef int64_t block, n_blocks = states.shape[0]
        cdef uint64_t *at = <uint64_t *>address(states)
        cdef uint64_t[::1] mask = masks
        cdef int64_t *up = <int64_t *>address(ups)
        cdef int64_t *same = <int64_t *>address(equal)
        with nogil:
            for block in range(n_blocks):
                self.rooms.state_moments(&self.pairs, at + block * self.pairs.n_spins, mask[block], up, same)


def swap_reads(x, y, uint64_t mask):
    """Exchange the masked reads between two rows of words."""
    cdef const fnn_rooms *rooms = rooms_for(np.float64)
    rooms.swap_states(<uint64_t *>address(x), <uint64_t *>address(y), mask, x.size)
