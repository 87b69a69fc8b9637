"""Gram matrices of the rows of a data matrix, and coordinate descent on them.

Runs of rows (parts) add up matrices of their own, the lower half strip by strip of columns; these are added
in the parts' order. How many there are depends on shapes alone.
"""

import numpy as np
from scipy.sparse import issparse

from libc.stdint cimport int64_t

from .core cimport (
    FNN_TILE,
    fnn_design,
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
from .arrays cimport address, aligned, ceil_div, row_stride, threads_worth
from .source cimport Source

cdef int64_t MOST_PARTS = 8
cdef int64_t PART_BYTES = 1 << 27  # of the parts' matrices, if there are more than two
cdef int64_t SLAB_VALUES = 1 << 16
cdef int64_t STRIP = 32  # columns of the matrix
cdef int64_t ROUND_WORK = 1 << 25  # multiply-adds of a part between two looks at Ctrl-C


cdef struct gram_task:
    const fnn_rooms *rooms
    const fnn_rooms *doubles
    fnn_source source
    fnn_design design
    int64_t n, size, stride, parts, rows_of_part, slab, chunk, round
    char *scratch
    int64_t scratch_bytes, row_bytes
    double *sums
    fnn_watch watch


cdef void gram_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef gram_task *t = <gram_task *>context
    cdef int64_t row = item * t.rows_of_part + t.round * t.chunk
    cdef int64_t end = min(min(row + t.chunk, (item + 1) * t.rows_of_part), t.n)
    cdef char *scratch = t.scratch + worker * t.scratch_bytes
    cdef double *design = <double *>(scratch + t.row_bytes)
    cdef double *sums = t.sums + item * t.size * t.stride
    cdef int64_t rows, strip, j, left
    while row < end:
        rows = min(t.slab, end - row)
        t.rooms.design_rows(&t.source, row, row + rows, &t.design, scratch, design)
        for strip in range(ceil_div(t.size, STRIP)):
            j = strip * STRIP
            left = t.size - j
            t.doubles.matmul_add(left, min(STRIP, left), rows, design + j, 1, t.stride, design + j, t.stride,
                                 sums + j * t.stride + j, t.stride)
        row += rows


cdef void sum_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Row `item` of all parts' lower triangles into the first's, and mirrored."""
    cdef gram_task *t = <gram_task *>context
    cdef int64_t part, k
    cdef double *row = t.sums + item * t.stride
    for part in range(1, t.parts):
        for k in range(item + 1):
            row[k] += row[part * t.size * t.stride + k]
    for k in range(item):
        t.sums[k * t.stride + item] = row[k]


cdef void lead_gram(fnn_team *team, void *context) noexcept nogil:
    cdef gram_task *t = <gram_task *>context
    for t.round in range(ceil_div(t.rows_of_part, t.chunk)):
        team_run(team, gram_item, t, t.parts)
        if watch_interrupted(&t.watch):
            return
    team_run(team, sum_item, t, t.size)


def gram(X, columns, root, shift, y, double y_shift, bint intercept, int n_threads):
    """D'D in float64, D = root * [X[:, columns] - shift, 1 if intercept, y - y_shift unless None].

    X: C-ordered array or canonical CSR of float32 or float64; columns: int64, None for all; root: float64
    (n,) or None for ones; shift: float64; y: X's dtype, needs intercept.
    """
    cdef gram_task t
    cdef int64_t n_columns = X.shape[1] if columns is None else columns.shape[0]
    t.rooms, t.doubles, t.n = rooms_for(X.dtype), rooms_for(np.float64), X.shape[0]
    source = Source(X, 0, False)
    t.source = (<Source>source).rows
    t.design.columns = <const int64_t *>address(columns) if columns is not None else NULL
    t.design.root = <const double *>address(root) if root is not None else NULL
    t.design.shift, t.design.y_shift = <const double *>address(shift), y_shift
    t.design.y = address(y) if y is not None else NULL
    t.design.n_columns, t.design.extra = n_columns, <int64_t>intercept + (y is not None)
    t.size = n_columns + t.design.extra
    t.stride = t.design.stride = row_stride(t.size, 16)
    t.slab = max(16, min(1024, SLAB_VALUES // max(t.size, 1)))
    t.parts = max(1, min(max(2, min(MOST_PARTS, PART_BYTES // (8 * t.size * t.stride + 1))), t.n // t.slab))
    t.rows_of_part = ceil_div(t.n, t.parts)
    t.parts = ceil_div(t.n, t.rows_of_part)
    t.chunk = max(1, ROUND_WORK // max(t.size * t.size, 1) // t.slab) * t.slab
    t.row_bytes = ceil_div(X.shape[1] if issparse(X) else 0, FNN_TILE) * FNN_TILE * 8
    t.scratch_bytes = t.row_bytes + t.slab * t.stride * 8
    cdef int workers = threads_worth(t.n * t.size * t.size // 2, n_threads)
    scratch = aligned((workers, t.scratch_bytes), np.uint8)
    sums = aligned((t.parts, t.size, t.stride), np.float64)
    t.scratch, t.sums, t.watch = <char *>address(scratch), <double *>address(sums), watch_begin()
    with nogil:
        team_call(workers, lead_gram, &t)
    watch_check(&t.watch)
    return sums[0, :, :t.size].copy()


def descend_coordinates(H, gradient, l1, w, double tol, int64_t sweeps):
    """Where 1/2 (v - w)' H (v - w) + gradient'(v - w) + l1'|v| is least, by coordinate descent; float64.

    H: symmetric, (n, n).
    """
    cdef const fnn_rooms *rooms = rooms_for(np.float64)
    q, v = gradient.copy(), w.copy()
    cdef int64_t n = q.shape[0]
    cdef const double *h = <const double *>address(H)
    cdef const double *penalty = <const double *>address(l1)
    cdef double *slope = <double *>address(q)
    cdef double *at = <double *>address(v)
    with nogil:
        rooms.descend_coordinates(n, h, penalty, sweeps, tol, slope, at)
    return v
