"""An interior point method's passes over the rows of a multiclass support vector machine.

The curvature is one matrix (n_classes, n_features + 1) squared, of which every pair of classes owns a block,
minus a weighted Gram matrix of the rows between them. Pairs, and parts of their rows where there are few
pairs, are items; all is cut by shapes alone.
"""

import numpy as np
from scipy.sparse import issparse

from libc.stdint cimport int64_t
from libc.string cimport memset
from scipy.linalg.cython_blas cimport dsyrk

from .arrays cimport address, aligned, ceil_div, threads_worth
from .core cimport (
    FNN_TILE,
    fnn_barrier,
    fnn_rooms,
    fnn_source,
    fnn_team,
    fnn_watch,
    rooms_for,
    team_call,
    team_run,
    watch_begin,
    watch_check,
    watch_interrupted,
)
from .source cimport Source

# In the order of csrc/barrier.c.
MODES = ("predict", "correct", "centre")

cdef int64_t BLOCK_ROWS = 128
cdef int64_t SLAB_VALUES = 1 << 15
cdef int64_t MOST_ITEMS = 16  # where there are fewer pairs, rows are cut
cdef int64_t PART_ROWS = 512
cdef int64_t ROUND_WORK = 1 << 29  # multiply-adds between two looks at Ctrl-C


cdef struct barrier_task:
    const fnn_rooms *rooms
    fnn_source source
    fnn_barrier rows
    int64_t n, n_classes, size, pairs, parts, rows_of_part, slab, chunk, round
    double least
    char *scratch
    int64_t scratch_bytes, row_bytes
    double *sums  # (pairs, parts, size, size)
    double *out
    fnn_watch watch
    void (*rows_job)(const fnn_barrier *, int64_t, int64_t) noexcept nogil


cdef void rows_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef barrier_task *t = <barrier_task *>context
    t.rows_job(&t.rows, item * BLOCK_ROWS, min((item + 1) * BLOCK_ROWS, t.n))


cdef void lead_rows(fnn_team *team, void *context) noexcept nogil:
    cdef barrier_task *t = <barrier_task *>context
    team_run(team, rows_item, t, ceil_div(t.n, BLOCK_ROWS))


cdef int64_t pair_of(int64_t j, int64_t k) noexcept nogil:
    """Of classes j > k."""
    return j * (j - 1) // 2 + k


cdef void block_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef barrier_task *t = <barrier_task *>context
    cdef int64_t pair = item // t.parts, part = item % t.parts, j = 1
    cdef int64_t row = part * t.rows_of_part + t.round * t.chunk, filled = 0, room
    cdef int64_t end = min(min(row + t.chunk, (part + 1) * t.rows_of_part), t.n)
    cdef char *scratch = t.scratch + worker * t.scratch_bytes
    cdef double *design = <double *>(scratch + t.row_bytes)
    cdef double *sums = t.sums + item * t.size * t.size
    while pair_of(j + 1, 0) <= pair:
        j += 1
    if t.round == 0:
        memset(sums, 0, t.size * t.size * sizeof(double))
    while row < end:
        room = min(t.slab - filled, end - row)
        filled += t.rooms.barrier_block(&t.rows, &t.source, row, row + room, j, pair - pair_of(j, 0), t.least, scratch,
                                        design + filled * t.size)
        row += room
        if filled == t.slab or row >= end:
            add_products(t.size, filled, design, sums)
            filled = 0


cdef void add_products(int64_t size, int64_t rows, double *design, double *sums) noexcept nogil:
    cdef int n = <int>size, k = <int>rows
    cdef double one = 1
    cdef char upper = b"U", plain = b"N"
    if rows > 0:
        dsyrk(&upper, &plain, &n, &k, &one, design, &n, &one, sums, &n)


cdef void pair_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """The parts of a pair's block, in order, and the upper triangle from the lower."""
    cdef barrier_task *t = <barrier_task *>context
    cdef int64_t part, r, c, area = t.size * t.size
    cdef double *block = t.sums + item * t.parts * area
    for part in range(1, t.parts):
        for r in range(area):
            block[r] += block[part * area + r]
    for r in range(t.size):
        for c in range(r):
            block[c * t.size + r] = block[r * t.size + c]


cdef void class_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """A class's rows of the curvature, up to its diagonal."""
    cdef barrier_task *t = <barrier_task *>context
    cdef int64_t k, r, c, wide = t.n_classes * t.size, area = t.size * t.size * t.parts
    cdef double *out
    cdef const double *block
    for r in range(t.size):
        out = t.out + (item * t.size + r) * wide
        for c in range(t.size):
            out[item * t.size + c] = 1.0 if r == c else 0.0
        for k in range(t.n_classes):
            if k == item:
                continue
            block = t.sums + pair_of(max(k, item), min(k, item)) * area + r * t.size
            for c in range(t.size):
                out[item * t.size + c] += block[c]
            if k < item:
                for c in range(t.size):
                    out[k * t.size + c] = -block[c]


cdef void lead_blocks(fnn_team *team, void *context) noexcept nogil:
    cdef barrier_task *t = <barrier_task *>context
    t.rows_job = t.rooms.barrier_slopes
    team_run(team, rows_item, t, ceil_div(t.n, BLOCK_ROWS))
    for t.round in range(ceil_div(t.rows_of_part, t.chunk)):
        team_run(team, block_item, t, t.pairs * t.parts)
        if watch_interrupted(&t.watch):
            return
    team_run(team, pair_item, t, t.pairs)
    team_run(team, class_item, t, t.n_classes)


cdef class Barrier:
    """Duals p and slacks t, back of all rows, (n_rows, stride) of one real dtype, and how they move.

    X: C-ordered array or canonical CSR; labels int64; weight real. SciPy's BLAS must be single-threaded.
    """

    cdef barrier_task task
    cdef object source, held, shape, dtype
    cdef int n_threads

    def __init__(self, X, labels, weight, int64_t n_classes, int64_t stride, bint box, double bias, int n_threads):
        cdef barrier_task *t = &self.task
        self.dtype, self.n_threads, self.shape = weight.dtype, n_threads, (X.shape[0], stride)
        self.source = Source(X, 0, False)
        t.rooms, t.source = rooms_for(self.dtype), (<Source>self.source).rows
        t.n, t.size, t.n_classes = X.shape[0], X.shape[1] + 1, n_classes
        t.pairs = n_classes * (n_classes - 1) // 2
        t.parts = max(1, min(MOST_ITEMS // t.pairs, t.n // PART_ROWS))
        t.rows_of_part = ceil_div(t.n, t.parts)
        t.slab = max(16, SLAB_VALUES // t.size)
        t.chunk = max(1, ROUND_WORK // (t.pairs * t.parts * t.size * t.size) // t.slab) * t.slab
        t.row_bytes = ceil_div(X.shape[1] if issparse(X) else 0, FNN_TILE) * FNN_TILE * 8
        t.scratch_bytes = t.row_bytes + ceil_div(t.slab * t.size * 8, 64) * 64
        scratch = aligned((n_threads, t.scratch_bytes), np.uint8, False)
        sums = aligned((t.pairs, t.parts, t.size, t.size), np.float64, False)
        live, values = np.zeros(stride, self.dtype), np.empty((t.n, 3))
        live[:n_classes] = 1
        t.scratch, t.sums, t.rows.values = <char *>address(scratch), <double *>address(sums), <double *>address(values)
        t.rows.live, t.rows.weight, t.rows.labels = address(live), address(weight), <const int64_t *>address(labels)
        t.rows.stride, t.rows.box, t.rows.bias = stride, box, bias
        self.held = values, scratch, sums, live, weight, labels

    cdef void at(self, barrier_task *t, state, move):
        """state: p, t, back; move: dp, dt, dback, r, rback."""
        t.rows.p, t.rows.t, t.rows.back = address(state[0]), address(state[1]), address(state[2])
        if move is not None:
            t.rows.dp, t.rows.dt, t.rows.dback = address(move[0]), address(move[1]), address(move[2])
            t.rows.r, t.rows.rback = address(move[3]), address(move[4])

    cdef void run(self, barrier_task *t):
        cdef int n = threads_worth(t.n * t.rows.stride * 16, self.n_threads)
        with nogil:
            team_call(n, lead_rows, t)

    def aim(self, state, move, out, str mode, double target=0, double reach=0, double low=0, double high=0):
        """Wanted changes of the products into move, and their part of the duals' into out."""
        cdef barrier_task t = self.task
        self.at(&t, state, move)
        t.rows.mode, t.rows.target, t.rows.reach = MODES.index(mode), target, reach
        t.rows.low, t.rows.high, t.rows.h = low, high, address(out)
        t.rows_job = t.rooms.barrier_aim
        self.run(&t)

    def go(self, state, move, scores):
        """Changes into move, given the step's scores; the longest step, sums of products and of changes' products."""
        cdef barrier_task t = self.task
        self.at(&t, state, move)
        t.rows.a, t.rows_job = address(scores), t.rooms.barrier_go
        self.run(&t)
        values = self.held[0]
        most = values[:, 0].max()
        return 1 / most if most > 0 else np.inf, values[:, 1].sum(), values[:, 2].sum()

    def curvature(self, state, double least, out, scratch):
        """1 and the curvature into the lower triangle of out; rows whose share of a block is below least are left out."""
        cdef barrier_task t = self.task
        self.at(&t, state, None)
        t.rows.h, t.out, t.least, t.watch = address(scratch), <double *>address(out), least, watch_begin()
        cdef int n = threads_worth(t.n * t.size * t.size, self.n_threads)
        with nogil:
            team_call(n, lead_blocks, &t)
        watch_check(&t.watch)
