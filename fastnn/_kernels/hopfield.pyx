"""Recall from a Hopfield memory: which group of probes visits which units when.

Probes lie side by side, up to 64 in a group, one word of bits per unit. A sweep is cut into stretches
of units; groups are the items of a phase. A probe's course depends on nothing but itself and the
order of units, so neither the grouping nor the number of threads can show.
"""

import numpy as np

from libc.math cimport log
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from .core cimport (
    FNN_TILE,
    fnn_couplings,
    fnn_memory,
    fnn_probes,
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
from .arrays cimport address, aligned, ceil_div, gemm, threads_worth

# Additions by all groups between two looks at Ctrl-C: some 50 ms of one thread on a slow machine.
cdef int64_t STRETCH_WORK = 1 << 27
# Fixed-point sums of overlaps stay exact in 32 bits below this, doubled on the way.
cdef int64_t SINGLE_LIMIT = 1 << 29
cdef int64_t DOUBLE_LIMIT = <int64_t>1 << 49
# Rows of a block of real-valued retrieval: a matrix product's worth, whatever the number of threads.
cdef int64_t BLOCK_ROWS = 64


def pack_states(X):
    """Rows of states, positive = 1, as words: (n, ceil(n_units / 64)) uint64."""
    n, n_units = X.shape
    words = np.zeros((n, ceil_div(n_units, FNN_TILE)), dtype=np.uint64)
    packed = np.packbits(X if X.dtype == np.bool_ else X > 0, axis=1, bitorder="little")
    words.view(np.uint8)[:, :packed.shape[1]] = packed
    return words


def turn_bits(rows, int64_t n_columns):
    """Packed rows (n, ceil(n_columns / 64)) to packed columns (n_columns, ceil(n / 64))."""
    cdef const fnn_rooms *rooms = rooms_for(np.float32)
    cdef int64_t n = rows.shape[0], words = rows.shape[1], tile
    out, counts = np.zeros((words * FNN_TILE, ceil_div(n, FNN_TILE)), np.uint64), np.zeros(FNN_TILE, np.int64)
    cdef int64_t out_words = out.shape[1]
    for tile in range(words):
        rooms.transpose_states(<uint64_t *>address(rows), n, words, tile, <uint64_t *>address(out), out_words, 0,
                               <int64_t *>address(counts))
    return out[:n_columns]


def spread(words, int64_t n_units, out):
    """Packed rows to an array (n, n_units) of -1 and +1, or of booleans."""
    cdef const fnn_rooms *rooms = rooms_for(np.float32)
    cdef int64_t kind = {"?": 0, "b": 1, "f": 2, "d": 3}[out.dtype.char], low = 0 if kind == 0 else -1
    cdef int64_t r, n_words = words.shape[1], row_bytes = out.strides[0]
    cdef uint64_t *states = <uint64_t *>address(words)
    cdef char *rows = <char *>address(out)
    for r in range(words.shape[0]):
        rooms.spread_states(states + r * n_words, n_units, kind, low, 1 - low, rows + r * row_bytes)


cdef class Memory:
    """Patterns to recall from. patterns: packed (n_patterns, words).

    tables: None for the quadratic energy, else (slope, level, reach, relative) as in fnn_memory.
    """

    cdef fnn_memory memory
    cdef const fnn_rooms *rooms
    cdef readonly object patterns
    cdef tuple held

    def __init__(self, patterns, int64_t n_units, tables):
        n_patterns = patterns.shape[0]
        if n_units * n_patterns >= DOUBLE_LIMIT:
            raise OverflowError(f"{n_patterns} patterns of {n_units} units are too many to sum exactly")
        self.rooms = rooms_for(np.float32 if n_units * n_patterns < SINGLE_LIMIT and n_patterns < 1 << 24 else np.float64)
        sites = turn_bits(patterns, n_units)
        self.patterns, self.held = patterns, (sites, tables)
        self.memory.n_units, self.memory.n_patterns = n_units, n_patterns
        self.memory.sites, self.memory.words = <uint64_t *>address(sites), sites.shape[1]
        if tables is not None:
            slope, level, reach, relative = tables
            self.memory.slope, self.memory.level = <double *>address(slope), <double *>address(level)
            self.memory.reach, self.memory.relative = reach, relative

    @property
    def n_units(self):
        return self.memory.n_units


cdef class Couplings:
    """Weights (n_units, n_units) and bias (n_units,) of one real dtype, C-ordered."""

    cdef fnn_couplings couplings
    cdef const fnn_rooms *rooms
    cdef tuple held

    def __init__(self, weights, bias):
        self.rooms = rooms_for(weights.dtype)
        self.held = (weights, bias)
        self.couplings.weights, self.couplings.bias = address(weights), address(bias)
        self.couplings.n_units = weights.shape[0]

    @property
    def n_units(self):
        return self.couplings.n_units


cdef struct recall_job:
    const fnn_rooms *rooms
    const fnn_memory *memory
    const fnn_couplings *couplings
    const uint64_t *patterns
    const uint64_t *probes
    const int64_t *order
    fnn_probes *groups
    uint64_t *before
    double *sums
    double *tops
    int64_t n_groups, n_probes, width, words, n_units, group0, first, last, stretch, loaded_at_once
    fnn_watch watch


cdef void load_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """One group: what its lanes hold, from its probes' states."""
    cdef recall_job *job = <recall_job *>context
    cdef int64_t number = job.group0 + item, probe
    cdef fnn_probes *group = &job.groups[number]
    if job.memory == NULL:
        job.rooms.load_couplings(job.couplings, group)
        return
    for probe in range(number * job.width, min((number + 1) * job.width, job.n_probes)):
        job.rooms.count_overlaps(job.patterns, job.memory.n_patterns, job.probes + probe * job.words, job.words,
                                 job.n_units, probe - number * job.width, group)


cdef void visit_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef recall_job *job = <recall_job *>context
    cdef fnn_probes *group = &job.groups[item]
    if group.active == 0:
        return
    if job.memory == NULL:
        job.rooms.recall_couplings(job.couplings, group, job.order, job.first, job.last)
    elif job.memory.slope == NULL:
        job.rooms.recall_patterns(job.memory, group, job.order, job.first, job.last)
    else:
        job.rooms.recall_tables(job.memory, group, job.order, job.first, job.last)


cdef void commit_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """The end of a synchronous sweep."""
    cdef recall_job *job = <recall_job *>context
    cdef fnn_probes *group = &job.groups[item]
    if group.active == 0:
        return
    if job.memory != NULL:
        job.rooms.commit_patterns(job.memory, group, job.first, job.last)
        return
    memcpy(group.states, group.next, job.n_units * sizeof(uint64_t))
    job.rooms.load_couplings(job.couplings, group)


cdef void energy_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef recall_job *job = <recall_job *>context
    job.rooms.pattern_energies(job.memory, &job.groups[item], job.sums + item * job.width,
                               job.tops + item * job.width)


cdef void lead_load(fnn_team *team, void *context) noexcept nogil:
    cdef recall_job *job = <recall_job *>context
    job.group0 = 0
    while job.group0 < job.n_groups and not watch_interrupted(&job.watch):
        team_run(team, load_item, job, min(job.loaded_at_once, job.n_groups - job.group0))
        job.group0 += job.loaded_at_once


cdef void lead_energy(fnn_team *team, void *context) noexcept nogil:
    team_run(team, energy_item, context, (<recall_job *>context).n_groups)


cdef void lead_sweep(fnn_team *team, void *context) noexcept nogil:
    cdef recall_job *job = <recall_job *>context
    job.last = 0
    while job.last < job.n_units and not watch_interrupted(&job.watch):
        job.first, job.last = job.last, min(job.last + job.stretch, job.n_units)
        team_run(team, visit_item, job, job.n_groups)
    if not job.groups[0].synchronous or job.watch.stop:
        return
    if job.memory == NULL:
        team_run(team, commit_item, job, job.n_groups)
        return
    job.last = 0
    while job.last < job.n_units and not watch_interrupted(&job.watch):
        job.first, job.last = job.last, min(job.last + job.stretch, job.n_units)
        team_run(team, commit_item, job, job.n_groups)


cdef class Recall:
    """Probes on their way: network is a Memory or Couplings, probes packed rows (n, words).

    After each sweep: moved (n,) tells who flipped, returned (n,) who is back where it was two sweeps ago.
    """

    cdef recall_job job
    cdef object network, probes, states, before, lanes, energies, tops
    cdef list held
    cdef int n_threads
    cdef int64_t sweeps

    def __init__(self, network, probes, bint synchronous, int n_threads):
        cdef Memory memory
        cdef Couplings couplings
        cdef int64_t n = probes.shape[0], rows
        self.network, self.probes, self.n_threads, self.sweeps = network, np.ascontiguousarray(probes), n_threads, 0
        self.job.n_units, self.job.n_probes, self.job.words = network.n_units, n, probes.shape[1]
        self.job.probes = <uint64_t *>address(self.probes)
        if isinstance(network, Memory):
            memory = network
            self.job.rooms, self.job.memory = memory.rooms, &memory.memory
            self.job.patterns = <uint64_t *>address(memory.patterns)
            rows = memory.memory.n_patterns + 1
        else:
            couplings = network
            self.job.rooms, self.job.couplings = couplings.rooms, &couplings.couplings
            rows = couplings.couplings.n_units
        # Wide groups share each weight among more probes, narrow ones keep more threads busy.
        self.job.width = 64 if n > 32 * n_threads else 32 if n > 16 * n_threads else 16
        self.job.n_groups = ceil_div(n, self.job.width)
        self.job.stretch = max(<int64_t>1, STRETCH_WORK // max(<int64_t>1, rows * self.job.width * self.job.n_groups))
        # A word of bits is counted about as fast as a sum is added to.
        self.job.loaded_at_once = max(<int64_t>n_threads, STRETCH_WORK // max(<int64_t>1, rows * self.job.width * self.job.words))
        self._allot(rows, synchronous)
        self.job.watch = watch_begin()
        with nogil:
            team_call(threads_worth(n * rows * self.job.words, n_threads), lead_load, &self.job)
        watch_check(&self.job.watch)

    def _allot(self, rows, bint synchronous):
        """Room for every group, and the probes' bits turned into them."""
        cdef int64_t n_groups = self.job.n_groups, width = self.job.width, group, n_units = self.job.n_units
        cdef fnn_probes *one
        shape = n_groups, n_units
        lane = np.dtype(f"f{self.job.rooms.real_bytes}")
        self.states, self.before = aligned(shape, np.uint64), aligned((2, *shape), np.uint64)
        next_states = aligned(shape if synchronous else (1, 1), np.uint64)
        self.lanes, self.energies = aligned((n_groups, rows, width), lane), aligned((n_groups, width), np.float64)
        self.tops, records = aligned((n_groups, width), np.float64), aligned((n_groups * sizeof(fnn_probes),), np.uint8)
        self.held = [next_states, records]
        self.job.groups = <fnn_probes *>address(records)
        self.job.sums, self.job.tops = <double *>address(self.energies), <double *>address(self.tops)
        for group in range(n_groups):
            mine = self.probes[group * width:(group + 1) * width]
            self.states[group] = turn_bits(mine, n_units)[:, 0]
            one = &self.job.groups[group]
            one.states = <uint64_t *>address(self.states[group])
            one.next = <uint64_t *>address(next_states[group if synchronous else 0])
            one.lanes, one.energy = address(self.lanes[group]), &self.job.sums[group * width]
            one.width, one.synchronous = width, synchronous
            one.active = (<uint64_t>1 << (mine.shape[0] - 1) << 1) - 1

    def _each(self, words):
        """A word per group to a boolean per probe."""
        bits = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        return bits[:, :self.job.width].ravel()[:self.job.n_probes].view(np.bool_)

    def stop(self, done):
        """These probes (boolean, one per probe) move no more."""
        cdef int64_t group
        lanes = np.zeros((self.job.n_groups, FNN_TILE), dtype=np.bool_)
        whole = np.zeros(self.job.n_groups * self.job.width, dtype=np.bool_)
        whole[:done.size] = done
        lanes[:, :self.job.width] = whole.reshape(self.job.n_groups, -1)
        words = np.packbits(lanes, axis=1, bitorder="little").view(np.uint64).ravel()
        for group in range(self.job.n_groups):
            self.job.groups[group].active &= ~<uint64_t>words[group]

    def sweep(self, order):
        """Every unit once, in this order (int64 array, or None). Returns (moved, returned)."""
        cdef int64_t group, n_units = self.job.n_units, size = self.job.n_groups * n_units * sizeof(uint64_t)
        cdef uint64_t *now = <uint64_t *>address(self.before[self.sweeps % 2])
        cdef uint64_t *earlier = <uint64_t *>address(self.before[(self.sweeps + 1) % 2])
        cdef fnn_probes *one
        moved, returned = np.zeros((2, self.job.n_groups), np.uint64)
        self.energies[...] = 0
        self.job.order = NULL if order is None else <int64_t *>address(order)
        self.job.watch = watch_begin()
        memcpy(now, self.job.groups[0].states, size)
        for group in range(self.job.n_groups):
            self.job.groups[group].moved = 0
        with nogil:
            team_call(threads_worth(64 * self.job.n_probes * n_units, self.n_threads), lead_sweep, &self.job)
        watch_check(&self.job.watch)
        for group in range(self.job.n_groups):
            one = &self.job.groups[group]
            moved[group] = one.moved
            if self.sweeps:
                returned[group] = one.moved & ~self.job.rooms.differing_probes(one.states, earlier + group * n_units, n_units)
        self.sweeps += 1
        return self._each(moved), self._each(returned)

    def energy_parts(self):
        """Per probe: of a Memory, what pattern_energies() says of the present states, (sums, tops); of
        Couplings, what the last sweep gathered, and zeros."""
        if self.job.memory != NULL:
            with nogil:
                team_call(self.n_threads, lead_energy, &self.job)
        return self.energies.ravel()[:self.job.n_probes].copy(), self.tops.ravel()[:self.job.n_probes].copy()

    def overlaps(self):
        """Of a Memory: sum_i of pattern times state, integers (n, n_patterns)."""
        lanes = self.lanes.view(f"i{self.job.rooms.real_bytes}")[:, :-1]
        return lanes.swapaxes(1, 2).reshape(-1, lanes.shape[1])[:self.job.n_probes]

    def packed(self):
        """The probes' present states, packed rows (n, words)."""
        return self._rows(self.states)

    def _rows(self, states):
        """Groups' words (n_groups, n_units) to packed rows (n, words)."""
        cdef int64_t group
        rows = np.empty((self.job.n_groups, self.job.width, self.job.words), np.uint64)
        for group in range(self.job.n_groups):
            rows[group] = turn_bits(np.ascontiguousarray(states[group]).reshape(-1, 1), self.job.width)
        return rows.reshape(-1, self.job.words)[:self.job.n_probes]

    def only(self, keep):
        """These probes (indices) side by side in a new Recall that goes on from here."""
        cdef Recall new = Recall(self.network, self.packed()[keep], self.job.groups[0].synchronous, self.n_threads)
        cdef int64_t group, width = new.job.width
        new.sweeps = self.sweeps
        earlier = self._rows(self.before[(self.sweeps + 1) % 2])[keep]
        for group in range(new.job.n_groups):
            new.before[(self.sweeps + 1) % 2, group] = turn_bits(earlier[group * width:(group + 1) * width],
                                                                 self.job.n_units)[:, 0]
        return new


cdef struct retrieval_job:
    const fnn_rooms *rooms
    const char *patterns
    const char *x
    char *out
    char *scores
    double *log_sums
    int64_t n_rows, n_units, n_patterns
    double beta


ctypedef fused real:
    float
    double


cdef double softmax_row(const fnn_rooms *rooms, real *row, int64_t n) noexcept nogil:
    """Scores to their softmax; returns ln of the sum of e^score."""
    cdef int64_t mu
    cdef double top = row[0], total = 0
    for mu in range(1, n):
        top = max(top, <double>row[mu])
    for mu in range(n):
        row[mu] = <real>(row[mu] - top)
    rooms.map(0, row, row, n)
    for mu in range(n):
        total += row[mu]
    for mu in range(n):
        row[mu] = <real>(row[mu] / total)
    return top + log(total)


cdef void retrieve_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef retrieval_job *job = <retrieval_job *>context
    cdef int64_t row0 = item * BLOCK_ROWS, n = min(BLOCK_ROWS, job.n_rows - row0), r, size = job.rooms.real_bytes
    cdef char *scores = job.scores + worker * BLOCK_ROWS * job.n_patterns * size
    gemm(size, False, True, n, job.n_patterns, job.n_units, job.beta, job.x + row0 * job.n_units * size, job.n_units,
         job.patterns, job.n_units, 0.0, scores, job.n_patterns)
    for r in range(n):
        if size == 4:
            job.log_sums[row0 + r] = softmax_row(job.rooms, <float *>scores + r * job.n_patterns, job.n_patterns)
        else:
            job.log_sums[row0 + r] = softmax_row(job.rooms, <double *>scores + r * job.n_patterns, job.n_patterns)
    if job.out != NULL:
        gemm(size, False, False, n, job.n_units, job.n_patterns, 1.0, scores, job.n_patterns, job.patterns, job.n_units,
             0.0, job.out + row0 * job.n_units * size, job.n_units)


cdef void lead_retrieval(fnn_team *team, void *context) noexcept nogil:
    team_run(team, retrieve_item, context, ceil_div((<retrieval_job *>context).n_rows, BLOCK_ROWS))


def retrieve(patterns, X, double beta, out, int n_threads):
    """out = softmax(beta X patterns') patterns; returns ln sum_mu exp(beta x . pattern_mu), float64 (n,).

    C-ordered arrays of one real dtype; out None: only the logarithms. Call with BLAS on one thread.
    """
    cdef retrieval_job job
    log_sums = np.empty(X.shape[0])
    scores = aligned((n_threads, BLOCK_ROWS, patterns.shape[0]), X.dtype)
    job.rooms, job.beta = rooms_for(X.dtype), beta
    job.patterns, job.x = <char *>address(patterns), <char *>address(X)
    job.out = NULL if out is None else <char *>address(out)
    job.scores, job.log_sums = <char *>address(scores), <double *>address(log_sums)
    job.n_rows, job.n_units, job.n_patterns = X.shape[0], X.shape[1], patterns.shape[0]
    with nogil:
        team_call(threads_worth(2 * job.n_rows * job.n_units * job.n_patterns, n_threads), lead_retrieval, &job)
    return log_sums
