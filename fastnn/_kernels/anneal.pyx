"""Walks over the states of Ising models: blocks of reads side by side, sweep after sweep.

A word of states is one spin in all reads of a block. An item of work is a block of reads; its random words
come from a stream of its own, keyed by (seed, block), and move on with its updates alone, so neither the
number of threads nor where a walk is interrupted shows in the states.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from openmp cimport omp_get_wtime

from .core cimport (
    FNN_HEAT_BATH_ROW,
    FNN_LEVELS,
    FNN_MASK_WORDS,
    FNN_METROPOLIS_ROW,
    FNN_PLANES,
    FNN_STREAM_SPINS,
    FNN_STREAM_SWEEPS,
    FNN_THRESHOLD_BITS,
    FNN_TILE,
    fnn_group,
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
from .arrays cimport address, aligned, ceil_div

# 64-bit words of a stream of random numbers (csrc/anneal/xoro.h).
cdef int64_t STREAM_WORDS = 32
# Seconds that a phase of a walk takes: short against the wait after Ctrl-C, long against a phase's cost.
cdef double PHASE_SECONDS = 0.01
cdef int64_t MOST_STEPS = 1 << 30

# Fewest groups of a stage that a part of it is worth: some 6 microseconds, against a phase's 0.3 and lines of
# the states that go from core to core.
cdef int64_t PART_GROUPS = 64
cdef int64_t MAX_PARTS = 8
# Estimated nanoseconds of work below which a call stays on one thread: waking another takes some 10 microseconds,
# milliseconds on a busy machine.
cdef double WORTH_THREADS = 200e3
# Sweeps whose thresholds are made ready at a time.
cdef int64_t THRESHOLD_SWEEPS = 256

# Spins up to which the fields of a block of reads fit the second-level cache.
cdef int64_t KEPT_SPINS = 8192
cdef int64_t LANES_READS = 32
# Reads that share a pass over the matrix of couplings, while a part of it is in cache.
cdef int64_t READS_TOGETHER = 32

cdef enum:
    LANES
    BITS
    FIELDS

# Name: (index, dtype of a word of states).
KERNELS = {
    "lanes": (LANES, np.dtype(np.uint32)),
    "bits": (BITS, np.dtype(np.uint64)),
    "fields": (FIELDS, np.dtype(np.uint8)),
}

# struct fnn_group of csrc/fastnn.h.
GROUP = np.dtype(
    [
        ("slot", np.int64),
        ("members", np.int32, 8),
        ("widths", np.int32, FNN_LEVELS),
        ("n_planes", np.int32),
        ("odd", np.int32),
        ("constant", np.uint8, FNN_PLANES),
    ],
    align=True,
)
LIMITS = {"tile": FNN_TILE, "planes": FNN_PLANES, "levels": FNN_LEVELS, "threshold_bits": FNN_THRESHOLD_BITS}
ROWS = {"metropolis": FNN_METROPOLIS_ROW, "heat_bath": FNN_HEAT_BATH_ROW}


cdef struct walk_task:
    const fnn_rooms *rooms
    const fnn_spins *spins
    int64_t kernel, t0, t1
    int64_t n_reads, together
    bint storing
    uint64_t *masks


cdef void block_item(void *context, int64_t block, int64_t worker) noexcept nogil:
    """Steps t0 .. t1 - 1 of one block."""
    cdef walk_task *w = <walk_task *>context
    if w.kernel == BITS:
        w.rooms.anneal_bits(w.spins, block, w.t0, w.t1)
    else:
        w.rooms.anneal_lanes(w.spins, block, w.t0, w.t1)


cdef void part_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Step t0 of one part of one block."""
    cdef walk_task *w = <walk_task *>context
    w.rooms.anneal_bits_part(w.spins, item // w.spins.n_parts, item % w.spins.n_parts, w.t0, w.masks)


cdef void reads_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Steps t0 .. t1 - 1 of a run of reads, step by step."""
    cdef walk_task *w = <walk_task *>context
    cdef int64_t t, read, first = item * w.together, last = min(first + w.together, w.n_reads)
    for t in range(w.t0, w.t1):
        for read in range(first, last):
            w.rooms.anneal_fields(w.spins, read, t)


cdef void carry_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Between the words of a block of 8 reads and the spins that are kept for each of them."""
    cdef walk_task *w = <walk_task *>context
    cdef int64_t per_rung = w.spins.blocks_per_rung, first = item % per_rung * 8, r
    for r in range(first, min(first + 8, w.spins.n_reads)):
        if w.storing:
            w.rooms.anneal_fields_store(w.spins, item // per_rung * w.spins.n_reads + r)
        else:
            w.rooms.anneal_fields_load(w.spins, item // per_rung * w.spins.n_reads + r)


cdef struct walk_job:
    walk_task task
    fnn_watch watch
    int64_t n_blocks, end, chunk
    double deadline


cdef void carry(fnn_team *team, walk_job *job, bint storing) noexcept nogil:
    job.task.storing = storing
    if job.task.kernel == FIELDS:
        team_run(team, carry_item, &job.task, job.n_blocks)


cdef void walk_by_parts(fnn_team *team, walk_job *job, int64_t stop) noexcept nogil:
    """Steps up to `stop`, the parts of each step side by side; all blocks share their betas."""
    cdef walk_task *w = &job.task
    cdef int64_t made = -1
    while w.t0 < stop:
        if w.t0 // w.spins.n_sites != made:
            made = w.t0 // w.spins.n_sites
            w.rooms.anneal_bits_begin(w.spins, 0, made, w.masks)
        team_run(team, part_item, w, job.n_blocks * w.spins.n_parts)
        w.t0 += 1


cdef void lead_walk(fnn_team *team, void *context) noexcept nogil:
    """Phases of `chunk` steps of all blocks, or of one step of all parts where blocks are fewer than threads.

    Neither shows: parts have streams of their own whoever moves them.
    """
    cdef walk_job *job = <walk_job *>context
    cdef const fnn_spins *spins = job.task.spins
    cdef bint by_parts = (job.n_blocks < team.n_workers and spins.n_parts > 1
                          and spins.blocks_per_rung == job.n_blocks)
    cdef double before, now
    carry(team, job, False)
    now = omp_get_wtime()
    while job.task.t0 < job.end:
        job.task.t1 = min(job.end, job.task.t0 + job.chunk)
        before = now
        if by_parts:
            walk_by_parts(team, job, job.task.t1)
        elif job.task.kernel == FIELDS:
            team_run(team, reads_item, &job.task, ceil_div(job.task.n_reads, job.task.together))
            job.task.t0 = job.task.t1
        else:
            team_run(team, block_item, &job.task, job.n_blocks)
            job.task.t0 = job.task.t1
        now = omp_get_wtime()
        if now - before < PHASE_SECONDS / 2 and job.chunk < MOST_STEPS:
            job.chunk *= 2
        elif now - before > 2 * PHASE_SECONDS:
            job.chunk = max(job.chunk // 2, 1)
        if watch_interrupted(&job.watch) or now > job.deadline:
            break
    carry(team, job, True)


cdef class Walk:
    """States of n_blocks blocks of reads, and what moves them.

    states: words (n_blocks, n_spins + 1), moved in place, the last one zero. What else depends on the
    kernel: `with_rows` or `with_groups` gives it.
    """

    cdef const fnn_rooms *rooms
    cdef fnn_spins spins
    cdef int64_t kernel, n_blocks, first_stream, chunk
    cdef double step_cost  # nanoseconds of a block's step, roughly
    cdef list held
    cdef readonly object states
    cdef object thresholds, masks

    def __init__(self, kernel, real, states, *, bint random_order, bint heat_bath, int64_t n_rungs,
                 int64_t first_stream):
        self.rooms = rooms_for(real)
        self.kernel = KERNELS[kernel][0]
        self.states = states
        self.n_blocks, self.first_stream = states.shape[0], first_stream
        self.chunk = 1
        self.held = [states]
        self.spins.n_spins, self.spins.stride = states.shape[1] - 1, states.shape[1]
        self.spins.states = address(states)
        self.spins.random_order, self.spins.heat_bath = random_order, heat_bath
        self.spins.n_parts, self.spins.blocks_per_rung = 1, max(self.n_blocks // n_rungs, 1)

    @property
    def n_steps(self):
        """Steps of a sweep."""
        return self.spins.n_sites

    def with_rows(self, uint64_t key, indptr, indices, weights, gains, constant, scale, sites):
        """Rows as csrc/anneal/lanes.c wants them; sites: int32, the order of a sweep; scale by place, and 32
        more."""
        cdef int64_t n_places = sites.size
        places = np.full(self.spins.n_spins, n_places, np.int32)
        places[sites] = np.arange(n_places, dtype=np.int32)
        self.spins.margins_stride = (n_places // LANES_READS + 1) * LANES_READS
        margins = aligned((self.n_blocks, self.spins.margins_stride), scale.dtype)
        coupled = coupled_places(indptr, indices, places, n_places)
        self.held += [indptr, indices, weights, gains, constant, scale, sites, places, margins, coupled]
        self.spins.coupled = <uint8_t *>address(coupled)
        self.spins.places, self.spins.margins = <int32_t *>address(places), address(margins)
        if self.spins.n_spins <= KEPT_SPINS:
            fields = aligned((self.n_blocks, self.spins.n_spins, LANES_READS), weights.dtype)
            self.held.append(fields)
            self.spins.fields = address(fields)
        self.spins.gains = address(gains)
        self.spins.indptr, self.spins.indices = <int64_t *>address(indptr), <int32_t *>address(indices)
        self.spins.weights, self.spins.constant = address(weights), address(constant)
        self.spins.scale = address(scale)
        self.spins.sites, self.spins.n_places = <int32_t *>address(sites), n_places
        self.spins.n_sites, self.step_cost = n_places, 25 + 3.0 * indices.size / max(n_places, 1)
        if not self.spins.random_order:
            self.spins.n_sites = ceil_div(n_places, LANES_READS)
            self.step_cost *= LANES_READS
        self._seed(key, self.n_blocks)
        return self

    def with_fields(self, uint64_t key, indptr, indices, gains, matrix, constant, scale, sites, coupled,
                    int64_t n_places, int64_t n_reads, int64_t n_rungs):
        """Fields kept for each read: see csrc/anneal/fields.c; matrix or the three before it are None."""
        cdef int64_t stride = constant.size
        self.held += [indptr, indices, gains, matrix, scale, sites, coupled]
        fields, downs = (aligned((n_rungs * n_reads, stride), constant.dtype) for _ in range(2))
        fields[:] = constant
        downs[:] = np.iinfo(constant.dtype).min  # all spins down, as `constant` has it
        self.held += [fields, downs]
        self.spins.fields, self.spins.downs = address(fields), address(downs)
        self.spins.kept_stride = stride
        self.spins.kept_columns = ceil_div(self.spins.n_spins, FNN_TILE) * FNN_TILE
        if matrix is None:
            self.spins.indptr, self.spins.indices = <int64_t *>address(indptr), <int32_t *>address(indices)
            self.spins.gains = address(gains)
        else:
            self.spins.matrix = address(matrix)
        self.spins.scale, self.spins.sites = address(scale), <int32_t *>address(sites)
        self.spins.coupled = <uint8_t *>address(coupled)
        self.spins.n_places, self.spins.n_reads = n_places, n_reads
        self.spins.n_sites = ceil_div(n_places, FNN_TILE)
        self.step_cost = 400.0 * n_rungs * n_reads / max(self.n_blocks, 1)
        self._seed(key, n_rungs * n_reads)
        return self

    def with_groups(self, uint64_t key, groups, stages, slots, signs, int64_t n_levels, thresholds):
        """Groups as csrc/anneal/bits.c wants them; thresholds: betas -> (..., row) uint64."""
        self.held += [groups, stages, slots, signs]
        self.spins.groups, self.spins.stages = <fnn_group *>address(groups), <int64_t *>address(stages)
        self.spins.slots, self.spins.signs = <int32_t *>address(slots), <uint8_t *>address(signs)
        self.spins.n_levels = n_levels
        self.thresholds = thresholds
        self.masks = aligned((FNN_MASK_WORDS,), np.uint64)
        if self.spins.random_order:
            self.spins.n_sites = groups.size
        else:
            self.spins.n_sites = stages.size - 1
            widest = int(np.diff(stages).max(initial=0))
            while self.spins.n_parts < MAX_PARTS and widest >= 2 * self.spins.n_parts * PART_GROUPS:
                self.spins.n_parts *= 2
        self.step_cost = (50.0 * groups.size + 3.0 * signs.size) / max(self.spins.n_sites, 1)
        self._seed(key, self.n_blocks)
        return self

    cdef _seed(self, uint64_t key, int64_t n_streams):
        streams = aligned((max(n_streams, 1), self.spins.n_parts, STREAM_WORDS), np.uint64)
        cdef uint32_t *at = <uint32_t *>address(streams)
        cdef int64_t block, part
        for block in range(n_streams):
            for part in range(self.spins.n_parts):
                self.rooms.random_words(key, part, self.first_stream + block, FNN_STREAM_SWEEPS, 0, at)
                at += 2 * STREAM_WORDS
        self.held.append(streams)
        self.spins.streams = <uint64_t *>address(streams)

    def advance(self, betas, int64_t t0, int64_t t1, double seconds, int n_threads):
        """Steps t0 .. t1 - 1 of every block, sweep t // n_steps at betas[rung, sweep]; returns where it
        stopped: t1, or earlier once `seconds` have passed."""
        cdef int64_t first, last, stop
        cdef double deadline = omp_get_wtime() + seconds
        if self.spins.n_sites == 0 or self.n_blocks == 0:
            return t1
        while t0 < t1:
            first = t0 // self.spins.n_sites
            last = min(first + THRESHOLD_SWEEPS, (t1 - 1) // self.spins.n_sites + 1)
            stop = min(t1, last * self.spins.n_sites)
            t0 = self._advance(np.ascontiguousarray(betas[:, first:last]), first * self.spins.n_sites, t0, stop,
                               deadline, n_threads)
            if t0 < stop or omp_get_wtime() > deadline:
                break
        return t0

    cdef int64_t _advance(self, betas, int64_t origin, int64_t t0, int64_t t1, double deadline, int n_threads) except -1:
        cdef walk_job job
        job.task.rooms, job.task.spins, job.task.kernel = self.rooms, &self.spins, self.kernel
        job.task.t0, job.end, job.n_blocks, job.chunk = t0 - origin, t1 - origin, self.n_blocks, self.chunk
        self.spins.betas, self.spins.n_sweeps = <double *>address(betas), betas.shape[1]
        if self.kernel == BITS:
            table = self.thresholds(betas)
            self.spins.thresholds = <uint64_t *>address(table)
            job.task.masks = <uint64_t *>address(self.masks)
        job.watch = watch_begin()
        job.deadline = deadline
        cdef int workers = n_threads if self.step_cost * (t1 - t0) * self.n_blocks > WORTH_THREADS else 1
        if self.kernel == FIELDS:
            job.task.n_reads = self.n_blocks // self.spins.blocks_per_rung * self.spins.n_reads
            job.task.together = min(READS_TOGETHER, ceil_div(job.task.n_reads, workers))
            workers = min(workers, ceil_div(job.task.n_reads, job.task.together))
        with nogil:
            team_call(workers, lead_walk, &job)
        self.chunk = job.chunk
        watch_check(&job.watch)
        return job.task.t0 + origin


def stages_of(indptr, indices, held, bint color):
    """(n,) int64: the stage of a sweep at which each unit moves; no two coupled units share one.

    color: of a greedy colouring. Else such that moving stage after stage is moving in the units' order: one
    stage after the last of its partners that come earlier. held: bool, units that never move and count as
    uncoupled.
    """
    cdef int64_t i, k, j, n = held.size
    cdef const int64_t[::1] starts = indptr
    cdef const int32_t[::1] partners = indices
    cdef const unsigned char[::1] still = held.view(np.uint8)
    out, marks = np.zeros(n, dtype=np.int64), np.full(n + 1, -1, dtype=np.int64)
    cdef int64_t[::1] stage = out
    cdef int64_t[::1] taken = marks  # by which unit's partner the colour is taken
    with nogil:
        for i in range(n):
            if still[i]:
                continue
            for k in range(starts[i], starts[i + 1]):
                j = partners[k]
                if j >= i or still[j]:
                    continue
                if color:
                    taken[stage[j]] = i
                else:
                    stage[i] = max(stage[i], stage[j] + 1)
            while color and taken[stage[i]] == i:
                stage[i] += 1
    return out


cdef coupled_places(indptr, indices, places, int64_t n_places):
    """uint8: for each 32 places of a sweep, whether two of them are coupled."""
    cdef const int64_t[::1] starts = indptr
    cdef const int32_t[::1] partners = indices, at = places
    cdef int64_t i, k
    out = np.zeros(n_places // LANES_READS + 1, np.uint8)
    cdef uint8_t[::1] coupled = out
    with nogil:
        for i in range(at.shape[0]):
            for k in range(starts[i], starts[i + 1]):
                if at[i] // LANES_READS == at[partners[k]] // LANES_READS:
                    coupled[at[i] // LANES_READS] = 1
    return out


def random_states(uint64_t key, int64_t first, int64_t n_blocks, int64_t n_spins, dtype):
    """Words of independent fair bits of blocks number first, ..., (n_blocks, n_spins + 1), the last one zero."""
    cdef const fnn_rooms *rooms = rooms_for(np.float32)
    cdef int64_t block, tile, n_bytes = n_spins * np.dtype(dtype).itemsize
    cdef int64_t n_tiles = (n_bytes + 255) // 256
    words = np.empty(n_tiles * FNN_TILE, dtype=np.uint32)
    cdef uint32_t *at = <uint32_t *>address(words)
    out = np.zeros((n_blocks, n_spins + 1), dtype=dtype)
    for block in range(n_blocks):
        with nogil:
            for tile in range(n_tiles):
                rooms.random_words(key, 0, first + block, FNN_STREAM_SPINS, tile, at + tile * FNN_TILE)
        out[block, :n_spins] = words.view(dtype)[:n_spins]
    return out
