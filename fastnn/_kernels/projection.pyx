"""Cross-entropy of a linear layer's softmax without its logits: chunks of rows, all gradients.

A chunk's logits are one product, their gradient overwrites them, and two more products carry it to the
inputs and, added up over chunks, to the weights. Tiles of products are single-threaded BLAS calls of the
one team; all bounds depend on shapes alone.
"""

from libc.stdint cimport int64_t

from .core cimport (
    fnn_dense,
    fnn_loss,
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
from .arrays cimport address, aligned, ceil_div, gemm

from .softmax import ACTIVATIONS, LOSSES

# Columns of a tile of logits, and of inputs; rows of a chunk come in multiples of ROWS.
cdef int64_t CLASS_COLUMNS = 1024
cdef int64_t INPUT_COLUMNS = 128
cdef int64_t ROWS = 16
# Bytes of logits that are held at a time.
CHUNK_BYTES = 32 << 20


cdef struct projection:
    const fnn_rooms *rooms
    const char *X
    const char *W
    char *dX
    char *dW
    char *db
    char *Z
    const char *ones
    int64_t n, n_in, n_classes, stride, chunk, row0, rows, bytes
    bint first, has_bias
    fnn_dense bias
    fnn_loss loss
    int64_t (*loss_rows)(const fnn_loss *, int64_t, int64_t) noexcept nogil
    int64_t bad
    fnn_watch watch


cdef void logits_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef projection *p = <projection *>context
    cdef int64_t col0 = item * CLASS_COLUMNS, col1 = min(col0 + CLASS_COLUMNS, p.n_classes)
    gemm(p.bytes, False, False, p.rows, col1 - col0, p.n_in, 1.0, p.X + p.row0 * p.n_in * p.bytes, p.n_in,
         p.W + col0 * p.bytes, p.n_classes, 0.0, p.Z + col0 * p.bytes, p.stride)
    if p.has_bias:
        p.rooms.dense_forward(&p.bias, 0, p.rows, col0, ceil_div(col1, 16) * 16)


cdef void chunk_loss_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef projection *p = <projection *>context
    cdef int64_t each = max(1, ceil_div(p.chunk, 64))
    cdef int64_t bad = p.loss_rows(&p.loss, item * each, min(item * each + each, p.rows))
    if bad >= 0:
        p.bad = p.row0 + bad


cdef void gradient_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """First the tiles of dX, which are the longest, then those of dW and db."""
    cdef projection *p = <projection *>context
    cdef int64_t col0 = item * INPUT_COLUMNS, wide = p.bytes, count
    cdef double keep = 0.0 if p.first else 1.0
    if col0 < p.n_in:
        gemm(wide, False, True, p.rows, min(INPUT_COLUMNS, p.n_in - col0), p.n_classes, 1.0, p.Z, p.stride,
             p.W + col0 * p.n_classes * wide, p.n_classes, 0.0, p.dX + (p.row0 * p.n_in + col0) * wide, p.n_in)
        return
    col0 = (item - ceil_div(p.n_in, INPUT_COLUMNS)) * CLASS_COLUMNS
    count = min(CLASS_COLUMNS, p.n_classes - col0)
    gemm(wide, True, False, p.n_in, count, p.rows, 1.0, p.X + p.row0 * p.n_in * wide, p.n_in, p.Z + col0 * wide,
         p.stride, keep, p.dW + col0 * wide, p.n_classes)
    gemm(wide, False, False, 1, count, p.rows, 1.0, p.ones, p.rows, p.Z + col0 * wide, p.stride, keep,
         p.db + col0 * wide, p.n_classes)


cdef void lead_projection(fnn_team *team, void *context) noexcept nogil:
    cdef projection *p = <projection *>context
    cdef int64_t c, tiles = ceil_div(p.n_classes, CLASS_COLUMNS)
    cdef fnn_loss whole = p.loss
    for c in range(ceil_div(p.n, p.chunk)):
        p.row0 = c * p.chunk
        p.rows, p.first = min(p.chunk, p.n - p.row0), c == 0
        p.loss.losses = whole.losses + p.row0
        if whole.labels != NULL:
            p.loss.labels = whole.labels + p.row0
        if whole.targets != NULL:
            p.loss.targets = <const char *>whole.targets + p.row0 * p.n_classes * p.bytes
        if whole.row_weight != NULL:
            p.loss.row_weight = <const char *>whole.row_weight + p.row0 * p.bytes
        team_run(team, logits_item, p, tiles)
        team_run(team, chunk_loss_item, p, ceil_div(p.rows, max(1, ceil_div(p.chunk, 64))))
        if p.bad >= 0 or watch_interrupted(&p.watch):
            return
        if p.dX != NULL:
            team_run(team, gradient_item, p, ceil_div(p.n_in, INPUT_COLUMNS) + tiles)


def linear_loss(X, W, b, labels, targets, class_weight, row_weight, int64_t ignore, double scale, double smoothing,
                int64_t chunk, losses, gradients, int n_threads):
    """Losses of the rows of X W + b into losses; gradients: (dX, dW, db) to write, or None.

    labels (n,) or targets (n, n_classes); the other is None, as b may be.

    Returns the sum of the losses and a row that has none, or -1.
    """
    cdef projection p
    cdef int64_t rows = min(max(chunk, 1), X.shape[0])
    p.rooms = rooms_for(X.dtype)
    p.bytes, p.n, p.n_in, p.n_classes = p.rooms.real_bytes, X.shape[0], X.shape[1], W.shape[1]
    p.stride, p.chunk = ceil_div(p.n_classes, 16) * 16, rows
    Z, ones, bias = aligned((rows, p.stride), X.dtype), aligned((rows,), X.dtype), aligned((p.stride,), X.dtype)
    ones[...] = 1
    p.has_bias = b is not None
    if p.has_bias:
        bias[:p.n_classes] = b
    p.X, p.W, p.Z, p.ones = <char *>address(X), <char *>address(W), <char *>address(Z), <char *>address(ones)
    p.bias.values, p.bias.bias, p.bias.stride = p.Z, address(bias), p.stride
    p.bias.activation, p.bias.dropout = ACTIVATIONS.index("identity"), 0.0
    p.dX = p.dW = p.db = NULL
    p.loss.grad = NULL
    if gradients is not None:
        p.dX, p.dW, p.db = (<char *>address(gradients[0]), <char *>address(gradients[1]), <char *>address(gradients[2]))
        p.loss.grad = p.Z
    p.loss_rows = p.rooms.loss_rows[LOSSES.index("cross_entropy")]
    p.loss.scores, p.loss.losses = p.Z, <double *>address(losses)
    p.loss.labels = <const int64_t *>address(labels) if labels is not None else NULL
    p.loss.targets = address(targets) if targets is not None else NULL
    p.loss.class_weight = address(class_weight) if class_weight is not None else NULL
    p.loss.row_weight = address(row_weight) if row_weight is not None else NULL
    p.loss.stride = p.loss.grad_stride = p.stride
    p.loss.targets_stride = p.n_classes
    p.loss.n_classes, p.loss.ignore, p.loss.scale, p.loss.smoothing = p.n_classes, ignore, scale, smoothing
    p.bad, p.watch = -1, watch_begin()
    cdef int workers = n_threads if p.n * p.n_in * p.n_classes >= (1 << 18) else 1
    with nogil:
        team_call(workers, lead_projection, &p)
    watch_check(&p.watch)
    return float(losses.sum()), p.bad
