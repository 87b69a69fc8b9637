"""Loss, gradient and curvature of a linear model's rows: X is passed once per evaluation.

Rows go through in tiles that stay in the cache: their scores are a product, the loss turns them into slopes
in place, and a second product carries the slopes to the gradient. Runs of rows (parts), as many as the
shapes say, add up gradients of their own; these are added in the parts' order, so that the number of
threads cannot show.
"""

import numpy as np
from scipy.sparse import issparse

from libc.math cimport NAN
from libc.stdint cimport int64_t
from libc.string cimport memset

from .core cimport (
    fnn_dense,
    fnn_glm,
    fnn_glm_sums,
    fnn_loss,
    fnn_rooms,
    fnn_scores,
    fnn_softmax,
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
from .arrays cimport address, aligned, ceil_div, padded, row_stride, threads_worth
from .source cimport Source

from .softmax import ACTIVATIONS, LOSSES

# In the order of FNN_GLMS; more than one score a row is softmax.
GLMS = ("square", "logistic", "log_odds", "inverse", "power")

cdef int64_t MOST_PARTS = 16
cdef int64_t PART_ROWS = 256  # at least, or it is not worth a gradient of its own
cdef int64_t SLAB_ROWS = 128  # whose gradient is summed in X's dtype
cdef int64_t TILE_BYTES = 1 << 18  # of rows
cdef int64_t LEAST_TILE = 16
cdef int64_t ROUND_WORK = 1 << 24  # multiply-adds of a part between two looks at Ctrl-C
cdef int64_t SUMS = 4096  # numbers of the gradients that are added up at a time

cdef enum:
    LOSS
    GRADIENT
    CURVE  # the gradient, and what PRODUCT needs
    PRODUCT  # of the second derivative with a vector


cdef struct rows_pass:
    const fnn_rooms *rooms
    fnn_source source
    int64_t n, n_features, n_scores, bytes, slab, tile, parts, rows_of_part, chunk, round, mode
    bint several  # scores of dense rows: `scores` serves them, else the source's rooms
    # One score a row, or sparse rows: W (n_features, wide), sums (n_features + 1, wide).
    int64_t wide
    const char *W
    const double *bias  # of one score a row
    fnn_dense intercepts  # of several
    fnn_scores scores
    char *curve
    fnn_loss loss
    fnn_glm glm
    int64_t (*loss_rows)(const fnn_loss *, int64_t, int64_t) noexcept nogil
    # Of each worker: scores of a tile, a slab's gradient, losses of a tile.
    char *scratch
    int64_t scratch_bytes, step_at, losses_at
    double *sums  # (parts, per_part)
    double *losses  # (parts)
    int64_t per_part
    fnn_watch watch


cdef double slopes(rows_pass *p, int64_t row0, int64_t rows, char *z, double *losses, double *intercept) noexcept nogil:
    """Scores become slopes; the sum of the losses, and into intercept[0] that of single slopes."""
    cdef fnn_glm glm = p.glm
    cdef fnn_loss loss = p.loss
    cdef fnn_softmax shares
    cdef fnn_glm_sums sums
    cdef double total = 0
    cdef int64_t r
    if p.wide == 1:
        if p.mode == PRODUCT:
            intercept[0] += p.rooms.curve_rows(p.curve + row0 * p.bytes, p.bias[0], rows, z)
            return 0
        glm.scores, glm.bias, glm.curve = z, p.bias[0], p.curve if p.mode == CURVE else NULL
        sums = p.rooms.glm_rows(&glm, row0, rows)
        intercept[0] += sums.slope
        return sums.loss
    if p.mode == PRODUCT:
        p.rooms.softmax_curve(p.curve + row0 * p.wide * p.bytes,
                              <const char *>loss.row_weight + row0 * p.bytes if loss.row_weight != NULL else NULL,
                              rows, p.wide, z)
        return 0
    if p.mode == CURVE:
        shares.logits, shares.out = z, p.curve + row0 * p.wide * p.bytes
        shares.n_classes, shares.logarithm = p.wide, False
        p.rooms.softmax_rows(&shares, 0, rows)
    loss.scores, loss.losses, loss.labels = z, losses, loss.labels + row0
    loss.grad = NULL if p.mode == LOSS else z
    if loss.row_weight != NULL:
        loss.row_weight = <const char *>loss.row_weight + row0 * p.bytes
    if p.loss_rows(&loss, 0, rows) >= 0:
        return NAN
    for r in range(rows):
        total += losses[r]
    return total


cdef void slab_of_several(rows_pass *p, int64_t row, int64_t end, char *z, double *loss, double *sums) noexcept nogil:
    """Tile by tile, their gradients summed in X's dtype."""
    cdef fnn_scores tiles = p.scores
    cdef int64_t rows
    tiles.gradient = z + p.step_at
    if p.mode != LOSS:
        memset(tiles.gradient, 0, p.per_part * p.bytes)
    while row < end:
        rows = min(p.tile, end - row)
        p.rooms.class_scores(&tiles, row, rows, z)
        loss[0] += slopes(p, row, rows, z, <double *>(z + p.losses_at), NULL)
        if p.mode != LOSS:
            p.rooms.class_steps(&tiles, row, rows, z)
        row += rows
    if p.mode != LOSS:
        p.rooms.add_reals(tiles.gradient, p.per_part, sums)


cdef void slab_of_rows(rows_pass *p, int64_t row, int64_t end, char *z, double *loss, double *sums) noexcept nogil:
    """Of one score, or sparse ones: the source's rooms add to the sums themselves."""
    cdef int64_t size = p.n_features * p.wide, rows = end - row, r
    cdef fnn_dense intercepts = p.intercepts
    p.rooms.score_rows(&p.source, row, end, p.W, p.wide, z)
    if p.wide > 1:
        intercepts.values = z
        p.rooms.dense_forward(&intercepts, 0, rows, 0, p.wide)
    loss[0] += slopes(p, row, rows, z, <double *>(z + p.losses_at), sums + size)
    if p.mode == LOSS:
        return
    p.rooms.add_rows(&p.source, row, end, z, p.wide, sums)
    if p.wide > 1:
        for r in range(rows):
            p.rooms.add_reals(z + r * p.wide * p.bytes, p.wide, sums + size)


cdef void part_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef rows_pass *p = <rows_pass *>context
    cdef int64_t row = item * p.rows_of_part + p.round * p.chunk, after
    cdef int64_t end = min(min(row + p.chunk, (item + 1) * p.rows_of_part), p.n)
    cdef char *z = p.scratch + worker * p.scratch_bytes
    cdef double *sums = p.sums + item * p.per_part
    if p.round == 0:
        memset(sums, 0, p.per_part * sizeof(double))
        p.losses[item] = 0
    while row < end:
        after = min(row + p.slab, end)
        if p.several:
            slab_of_several(p, row, after, z, p.losses + item, sums)
        else:
            slab_of_rows(p, row, after, z, p.losses + item, sums)
        row = after


cdef void sum_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Gradients of the parts into that of the first, in order."""
    cdef rows_pass *p = <rows_pass *>context
    cdef int64_t part, k, first = item * SUMS, last = min(item * SUMS + SUMS, p.per_part)
    cdef const double *other
    for part in range(1, p.parts):
        other = p.sums + part * p.per_part
        for k in range(first, last):
            p.sums[k] += other[k]


cdef void lead_pass(fnn_team *team, void *context) noexcept nogil:
    cdef rows_pass *p = <rows_pass *>context
    for p.round in range(ceil_div(p.rows_of_part, p.chunk)):
        team_run(team, part_item, p, p.parts)
        if watch_interrupted(&p.watch):
            return
    if p.mode != LOSS:
        team_run(team, sum_item, p, ceil_div(p.per_part, SUMS))


cdef class RowLoss:
    """Sum over rows of weight times loss, of a linear model W (n_features + 1, n_scores), intercepts last.

    X: C-ordered array or canonical CSR of float32 or float64. kind: "softmax" with labels y (int64), or one
    of GLMS with targets y in X's dtype; weights, offset: (n,) in X's dtype, or None. All results are float64.
    """

    cdef rows_pass p
    cdef object X, dtype, held, curved
    cdef int n_threads
    cdef readonly int64_t n_scores

    def __init__(self, X, str kind, y, weights, offset, int64_t n_scores, double power, int n_threads):
        cdef rows_pass *p = &self.p
        cdef int64_t work, values, width
        self.X, self.dtype, self.n_scores = Source(X, 0, False), X.dtype, n_scores
        p.rooms = rooms_for(X.dtype)
        p.source = (<Source>self.X).rows
        p.n, p.n_features = X.shape
        p.bytes, p.several = p.rooms.real_bytes, n_scores > 1 and not issparse(X)
        if p.several:
            p.wide, width = n_scores, row_stride(p.n_features + 1, 16)
            p.per_part, p.slab = n_scores * width, SLAB_ROWS
            # As many rows as scores: then either factor of a product takes as much of the cache.
            p.tile = max(LEAST_TILE, min(SLAB_ROWS, padded(n_scores, 16)))
            values = p.n * p.n_features
        else:
            p.wide, width = 1 if n_scores == 1 else padded(n_scores, 16), p.n_features
            p.per_part = (p.n_features + 1) * p.wide
            p.tile = p.slab = max(LEAST_TILE, min(SLAB_ROWS, TILE_BYTES // (p.n_features * p.bytes) // 16 * 16))
            values = X.nnz if issparse(X) else p.n * p.n_features
        work = 2 * values * p.wide
        # Adding up the parts should cost less than what they hold.
        p.parts = max(1, min(MOST_PARTS, p.n // PART_ROWS, work // p.per_part // 4))
        p.rows_of_part = ceil_div(p.n, p.parts)
        p.parts = ceil_div(p.n, p.rows_of_part)
        p.chunk = max(1, ROUND_WORK * p.n // max(1, values * p.wide) // p.slab) * p.slab
        self.n_threads = threads_worth(work, n_threads)
        p.step_at = padded(p.tile * p.wide * p.bytes, 64)
        p.losses_at = p.step_at + padded(p.per_part * p.bytes if p.several else 0, 64)
        p.scratch_bytes = p.losses_at + padded(p.tile * 8, 64)
        scratch = aligned((self.n_threads, p.scratch_bytes), np.uint8)
        sums, losses = aligned((p.parts, p.per_part), np.float64), np.zeros(p.parts)
        bias, bias_of_one = aligned((p.wide,), X.dtype), np.zeros(1)
        W = aligned((n_scores, width) if p.several else (p.n_features, p.wide), X.dtype)
        self.held = [scratch, sums, losses, bias, W, bias_of_one, y, weights, offset]
        p.scratch, p.sums, p.losses = <char *>address(scratch), <double *>address(sums), <double *>address(losses)
        p.W, p.bias = <const char *>address(W), <double *>address(bias_of_one)
        p.intercepts.bias, p.intercepts.stride = address(bias), p.wide
        p.intercepts.activation = ACTIVATIONS.index("identity")
        p.scores.x, p.scores.stride, p.scores.weights = p.source.data, p.source.stride, p.W
        p.scores.n_features, p.scores.n_scores, p.scores.width = p.n_features, n_scores, width
        self._take_loss(kind, y, weights, offset, power)

    cdef _take_loss(self, str kind, y, weights, offset, double power):
        cdef rows_pass *p = &self.p
        p.loss_rows = p.rooms.loss_rows[LOSSES.index("cross_entropy")]
        p.loss.row_weight = p.glm.weight = address(weights) if weights is not None else NULL
        p.loss.stride = p.loss.grad_stride = p.loss.n_classes = p.wide
        p.loss.ignore, p.loss.scale = -1, 1.0
        p.glm.offset = address(offset) if offset is not None else NULL
        p.glm.power = power
        if kind == "softmax":
            p.loss.labels = <const int64_t *>address(y)
        else:
            p.glm.kind, p.glm.targets = GLMS.index(kind), address(y)

    def _run(self, int64_t mode, V, double rest):
        """rest: intercept of the scores that are there to fill a vector."""
        cdef rows_pass *p = &self.p
        sums, losses, bias, W, single = self.held[1:6]
        if p.several:
            W[:, :p.n_features + 1] = V.T
        else:
            W[:, :self.n_scores] = V[:p.n_features]
            bias[...] = rest
            bias[:self.n_scores], single[0] = V[p.n_features], V[p.n_features, 0]
        if mode == CURVE and self.curved is None:
            self.curved = aligned((p.n, p.wide), self.dtype)
            p.curve = <char *>address(self.curved)
        p.mode, p.watch = mode, watch_begin()
        with nogil:
            team_call(self.n_threads, lead_pass, p)
        watch_check(&p.watch)
        return float(losses.sum()), self._gradient(sums[0]) if mode != LOSS else None

    def _gradient(self, sums):
        """Of the shape of W, not a view."""
        if self.p.several:
            return np.ascontiguousarray(sums.reshape(self.n_scores, -1)[:, :self.p.n_features + 1].T)
        return sums.reshape(self.p.n_features + 1, self.p.wide)[:, :self.n_scores].copy()

    def loss(self, W):
        """The sum of the losses; NaN or infinite where a row has none."""
        return self._run(LOSS, W, -np.inf)[0]

    def loss_gradient(self, W):
        """The sum of the losses and its gradient, of the shape of W."""
        return self._run(GRADIENT, W, -np.inf)

    def linearize(self, W):
        """The same; and curvature() and hessian_product() are about this W from now on."""
        return self._run(CURVE, W, -np.inf)

    def hessian_product(self, V):
        """The second derivative of the sum of the losses at linearize()'s W, times V."""
        return self._run(PRODUCT, V, 0.0)[1]

    def curvature(self):
        """At linearize()'s W: second derivatives of rows by their score (n, 1), or shares of classes (n, n_scores).

        The former include the weights, the latter do not.
        """
        return self.curved[:, :self.n_scores]


def descend_rows(X, order, labels, weights, double rate, double decay, W):
    """One pass of the stochastic rule over the rows in this order (int64); W (n_scores, n_features + 1), float64.

    The intercept comes last, changed in place like the rest.
    """
    cdef const fnn_rooms *rooms = rooms_for(X.dtype)
    cdef Source source = Source(X, 0, False)
    cdef int64_t n = order.shape[0], n_scores = W.shape[0], first, count
    cdef int64_t chunk = max(1, ROUND_WORK // (X.shape[1] * n_scores))
    cdef const int64_t *rows = <const int64_t *>address(order)
    cdef const int64_t *y = <const int64_t *>address(labels)
    cdef const void *weight = address(weights) if weights is not None else NULL
    gap = np.empty(n_scores)
    cdef double *scratch = <double *>address(gap)
    cdef double *w = <double *>address(W)
    cdef double shrink = 1
    cdef fnn_watch watch = watch_begin()
    for first in range(0, n, chunk):
        count = min(chunk, n - first)
        with nogil:
            rooms.rule_rows(&source.rows, rows + first, count, y, weight, n_scores, rate, decay, w, &shrink, scratch)
        watch_interrupted(&watch)
        watch_check(&watch)
    W[:, :-1] *= shrink
