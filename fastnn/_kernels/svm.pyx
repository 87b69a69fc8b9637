"""Scores, proximal steps, gradients and curvature of a multiclass support vector machine: which rows when.

Parameters and whatever has their shape are (n_features + 1, stride): the last row belongs to a constant
feature of value `bias`. Rows are cut by shapes alone; the parts of a gradient are added in their order.
"""

import numpy as np

from libc.stdint cimport int64_t

from .arrays cimport address, aligned, ceil_div, gemm, threads_worth
from .core cimport fnn_margins, fnn_rooms, fnn_sparse, fnn_team, rooms_for, team_call, team_run

# Rows whose products stay in the second-level cache.
cdef int64_t BLOCK_ROWS = 128
# Parts of a gradient, which are added up afterwards: enough for as many threads.
cdef int64_t MOST_PARTS = 32
cdef int64_t COLUMN_BLOCK = 64


def stride_for(int64_t n_classes):
    """Length of a row of scores."""
    return ceil_div(n_classes, 16) * 16


cdef struct task:
    const fnn_rooms *rooms
    fnn_margins margins
    fnn_sparse by_row, by_column
    bint sparse
    int64_t n_rows, n_features, stride, part_rows, n_parts
    double bias
    const char *x
    const char *weights   # (n_features + 1, stride), or NULL: T = weighted duals, not slopes
    const char *first     # (stride): bias times the last row of weights
    char *t               # sparse: (n_rows, stride), dense: (n_parts, BLOCK_ROWS, stride)
    char *ones            # (BLOCK_ROWS): bias
    char *parts           # (n_parts, n_features + 1, stride)
    char *out


cdef void fill_first(task *k, char *rows, int64_t n) noexcept nogil:
    """The constant feature's share of n rows of scores."""
    cdef int64_t r, i, size = k.rooms.real_bytes * k.stride
    for r in range(n):
        for i in range(size):
            rows[r * size + i] = k.first[i]


cdef void score_rows(task *k, int64_t row0, int64_t row1, char *out) noexcept nogil:
    """Rows of X W into out, which begins with the first of them."""
    cdef int64_t real = k.rooms.real_bytes
    if k.sparse:
        k.rooms.sparse_rows(&k.by_row, k.weights, k.first, k.stride, row0, row1, out - row0 * k.stride * real)
        return
    fill_first(k, out, row1 - row0)
    gemm(real, False, False, row1 - row0, k.stride, k.n_features, 1.0, k.x + row0 * k.n_features * real, k.n_features,
         k.weights, k.stride, 1.0, out, k.stride)


cdef void score_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef task *k = <task *>context
    cdef int64_t row0 = item * BLOCK_ROWS, row1 = min(row0 + BLOCK_ROWS, k.n_rows)
    score_rows(k, row0, row1, k.out + row0 * k.stride * k.rooms.real_bytes)


cdef void step_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef task *k = <task *>context
    cdef int64_t row0 = item * BLOCK_ROWS
    k.rooms.margin_rows(&k.margins, row0, min(row0 + BLOCK_ROWS, k.n_rows))


cdef void slope_rows(task *k, int64_t row0, int64_t row1, char *t) noexcept nogil:
    if k.weights == NULL:
        k.rooms.margin_weighted(&k.margins, row0, row1, t)
        return
    score_rows(k, row0, row1, t)
    k.rooms.margin_slopes(&k.margins, row0, row1, t)


cdef void dense_part(void *context, int64_t item, int64_t worker) noexcept nogil:
    """X'T of a part's rows."""
    cdef task *k = <task *>context
    cdef int64_t real = k.rooms.real_bytes, d = k.n_features, n, row0 = item * k.part_rows
    cdef int64_t end = min(row0 + k.part_rows, k.n_rows)
    cdef char *t = k.t + item * BLOCK_ROWS * k.stride * real
    cdef char *part = k.parts + item * (d + 1) * k.stride * real
    cdef double keep = 0.0
    while row0 < end:
        n = min(BLOCK_ROWS, end - row0)
        slope_rows(k, row0, row0 + n, t)
        gemm(real, True, False, d, k.stride, n, 1.0, k.x + row0 * d * real, d, t, k.stride, keep, part, k.stride)
        gemm(real, False, False, 1, k.stride, n, 1.0, k.ones, BLOCK_ROWS, t, k.stride, keep,
             part + d * k.stride * real, k.stride)
        keep = 1.0
        row0 += n


cdef void sum_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """A block of the gradient's rows: the parts in their order, by products with a row of ones."""
    cdef task *k = <task *>context
    cdef int64_t real = k.rooms.real_bytes, size = (k.n_features + 1) * k.stride
    cdef int64_t from_, to, i, p
    from_ = item * COLUMN_BLOCK * k.stride
    to = min(from_ + COLUMN_BLOCK * k.stride, size)
    cdef float *single = <float *>k.out
    cdef double *twofold = <double *>k.out
    for i in range(from_, to):
        if real == 4:
            single[i] = (<float *>k.parts)[i]
        else:
            twofold[i] = (<double *>k.parts)[i]
    for p in range(1, k.n_parts):
        if real == 4:
            for i in range(from_, to):
                single[i] += (<float *>k.parts)[p * size + i]
        else:
            for i in range(from_, to):
                twofold[i] += (<double *>k.parts)[p * size + i]


cdef void sparse_slope_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef task *k = <task *>context
    cdef int64_t row0 = item * BLOCK_ROWS
    slope_rows(k, row0, min(row0 + BLOCK_ROWS, k.n_rows), k.t + row0 * k.stride * k.rooms.real_bytes)


cdef void sparse_column_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef task *k = <task *>context
    cdef int64_t row0 = item * COLUMN_BLOCK, row1 = min(row0 + COLUMN_BLOCK, k.n_features), r, keep
    cdef int64_t real = k.rooms.real_bytes
    k.rooms.sparse_rows(&k.by_column, k.t, NULL, k.stride, row0, row1, k.out)
    if row1 == k.n_features:
        for keep in range(ceil_div(k.n_rows, BLOCK_ROWS)):
            r = keep * BLOCK_ROWS
            gemm(real, False, False, 1, k.stride, min(BLOCK_ROWS, k.n_rows - r), 1.0, k.ones, BLOCK_ROWS,
                 k.t + r * k.stride * real, k.stride, 0.0 if keep == 0 else 1.0,
                 k.out + k.n_features * k.stride * real, k.stride)


cdef void lead_scores(fnn_team *team, void *context) noexcept nogil:
    cdef task *k = <task *>context
    team_run(team, score_item, k, ceil_div(k.n_rows, BLOCK_ROWS))


cdef void lead_steps(fnn_team *team, void *context) noexcept nogil:
    cdef task *k = <task *>context
    team_run(team, step_item, k, ceil_div(k.n_rows, BLOCK_ROWS))


cdef void lead_gradient(fnn_team *team, void *context) noexcept nogil:
    cdef task *k = <task *>context
    if k.sparse:
        team_run(team, sparse_slope_item, k, ceil_div(k.n_rows, BLOCK_ROWS))
        team_run(team, sparse_column_item, k, ceil_div(k.n_features, COLUMN_BLOCK))
    else:
        team_run(team, dense_part, k, k.n_parts)
        team_run(team, sum_item, k, ceil_div(k.n_features + 1, COLUMN_BLOCK))


cdef class Rows:
    """Rows of data with their labels and costs.

    X: C-ordered array, or (by_row, by_column) as triples indptr, indices, data; labels int64; weight real.
    """

    cdef object kept, dtype
    cdef task task
    cdef int n_threads
    cdef readonly int64_t n_rows, n_features

    def __init__(self, X, shape, labels, weight, int64_t n_classes, bint box, double delta, double bias,
                 int n_threads):
        self.dtype = weight.dtype
        self.n_rows, self.n_features = shape
        self.n_threads = n_threads
        cdef task *k = &self.task
        cdef int64_t stride = stride_for(n_classes)
        edge = np.zeros(stride, self.dtype)
        edge[n_classes:] = -np.inf
        ones = np.full(BLOCK_ROWS, bias, self.dtype)
        k.rooms = rooms_for(self.dtype)
        k.n_rows, k.n_features, k.stride, k.bias = self.n_rows, self.n_features, stride, bias
        k.sparse = isinstance(X, tuple)
        k.part_rows = ceil_div(max(ceil_div(k.n_rows, MOST_PARTS), 2 * BLOCK_ROWS), BLOCK_ROWS) * BLOCK_ROWS
        k.n_parts = max(ceil_div(k.n_rows, k.part_rows), 1)
        if k.sparse:
            (indptr, indices, data), (t_indptr, t_indices, t_data) = X
            k.by_row.indptr, k.by_row.indices = <int64_t *>address(indptr), <int64_t *>address(indices)
            k.by_row.data = address(data)
            k.by_column.indptr, k.by_column.indices = <int64_t *>address(t_indptr), <int64_t *>address(t_indices)
            k.by_column.data = address(t_data)
            scratch = aligned((k.n_rows, stride), self.dtype, False), None
        else:
            k.x = <char *>address(X)
            scratch = (aligned((k.n_parts * BLOCK_ROWS, stride), self.dtype, False),
                       aligned((k.n_parts, k.n_features + 1, stride), self.dtype, False))
            k.parts = <char *>address(scratch[1])
        k.t, k.ones = <char *>address(scratch[0]), <char *>address(ones)
        k.margins.labels, k.margins.weight = <int64_t *>address(labels), address(weight)
        k.margins.edge = address(edge)
        k.margins.n_classes, k.margins.stride, k.margins.box, k.margins.delta = n_classes, stride, box, delta
        self.kept = X, labels, weight, edge, ones, scratch

    cdef int workers(self, int64_t work) noexcept:
        return threads_worth(work, self.n_threads)

    def scores(self, weights, out):
        """out = X weights."""
        cdef task k = self.task
        first = weights[len(weights) - 1] * self.dtype.type(k.bias)
        k.weights, k.first, k.out = <char *>address(weights), <char *>address(first), <char *>address(out)
        cdef int n = self.workers(k.n_rows * k.n_features * k.stride)
        with nogil:
            team_call(n, lead_scores, &k)
        return out

    def step(self, scores, dual, double kappa, out, values):
        """Next duals into out; smoothed loss, loss, share of the margin, free classes of each row into values (n, 4)."""
        cdef task k = self.task
        k.margins.scores, k.margins.dual, k.margins.next = address(scores), address(dual), address(out)
        k.margins.kappa, k.margins.values = kappa, <double *>address(values)
        cdef int n = self.workers(k.n_rows * k.stride * 16)
        with nogil:
            team_call(n, lead_steps, &k)

    def gradient(self, dual, weights, double kappa, out):
        """X' times the rows' weighted duals; or, given weights, times the slopes of X weights there."""
        cdef task k = self.task
        k.margins.next, k.margins.kappa = address(dual), kappa
        if weights is not None:
            first = weights[len(weights) - 1] * self.dtype.type(k.bias)
            k.weights, k.first = <char *>address(weights), <char *>address(first)
        k.out = <char *>address(out)
        cdef int n = self.workers(k.n_rows * k.n_features * k.stride)
        with nogil:
            team_call(n, lead_gradient, &k)
        return out
