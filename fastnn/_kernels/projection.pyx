"""Cross-entropy of a linear layer's softmax without its logits: chunks of rows, all gradients.

A chunk's logits are one product, their gradient overwrites them, and two more products carry it to the
inputs and, added up over chunks, to the weights. Products go over blocks of the large matrices that are
copied, or turned, into the thread's scratch first: their rows lie pages apart. All bounds depend on shapes
alone.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from .core cimport (
    FNN_TILE,
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
from .arrays cimport address, aligned, ceil_div, padded, row_stride

from .softmax import ACTIVATIONS, LOSSES

# Columns of an item: of logits, and of inputs; rows of W, or of logits, in a block that is copied.
cdef int64_t CLASS_COLUMNS = 256
cdef int64_t INPUT_COLUMNS = 256
cdef int64_t BLOCK_ROWS = 384
# Inputs whose gradients by the weights are computed at a time.
cdef int64_t BLOCK_INPUTS = 126
# Rows of inputs copied at a time.
cdef int64_t ROWS = 16
# Bytes of logits that are held at a time.
CHUNK_BYTES = 48 << 20


cdef struct projection:
    const fnn_rooms *rooms
    const char *X
    const char *W
    char *dX
    char *dW
    char *db
    char *Z
    const char *ones
    char *inputs  # (chunk, inputs_stride): the chunk's rows of X
    char *scratch
    int64_t inputs_stride, scratch_bytes
    int64_t n, n_in, n_classes, stride, chunk, row0, rows, bytes
    bint first, has_bias
    fnn_dense bias
    fnn_loss loss
    int64_t (*loss_rows)(const fnn_loss *, int64_t, int64_t) noexcept nogil
    int64_t bad
    fnn_watch watch


cdef void copy_block(const char *of, int64_t of_stride, char *to, int64_t rows, int64_t columns,
                     int64_t width) noexcept nogil:
    """to (rows, CLASS_COLUMNS) = a block of rows that lie of_stride apart, zeros up to 16 columns."""
    cdef int64_t r, left = (padded(columns, 16) - columns) * width
    for r in range(rows):
        memcpy(to + r * CLASS_COLUMNS * width, of + r * of_stride * width, columns * width)
        if left:
            memset(to + (r * CLASS_COLUMNS + columns) * width, 0, left)


cdef void logits_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef projection *p = <projection *>context
    cdef int64_t col0 = item * CLASS_COLUMNS, col1 = min(col0 + CLASS_COLUMNS, p.n_classes), wide = p.bytes, k, some
    cdef int64_t block
    cdef char *W = p.scratch + worker * p.scratch_bytes
    for block in range(ceil_div(p.n_in, BLOCK_ROWS)):
        k = block * BLOCK_ROWS
        some = min(BLOCK_ROWS, p.n_in - k)
        copy_block(p.W + (k * p.n_classes + col0) * wide, p.n_classes, W, some, col1 - col0, wide)
        product = p.rooms.matmul_add if k else p.rooms.matmul
        product(p.rows, col1 - col0, some, p.inputs + k * wide, p.inputs_stride, 1, W, CLASS_COLUMNS,
                p.Z + col0 * wide, p.stride)
    if p.has_bias:
        p.rooms.dense_forward(&p.bias, 0, p.rows, col0, padded(col1, 16))


cdef void inputs_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef projection *p = <projection *>context
    cdef int64_t r
    for r in range(item * ROWS, min(item * ROWS + ROWS, p.rows)):
        memcpy(p.inputs + r * p.inputs_stride * p.bytes, p.X + (p.row0 + r) * p.n_in * p.bytes, p.n_in * p.bytes)


cdef void chunk_loss_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef projection *p = <projection *>context
    cdef int64_t each = max(1, ceil_div(p.chunk, 64))
    cdef int64_t bad = p.loss_rows(&p.loss, item * each, min(item * each + each, p.rows))
    if bad >= 0:
        p.bad = p.row0 + bad


cdef void back_to_inputs(projection *p, int64_t col0, int64_t col1, char *scratch) noexcept nogil:
    """Columns col0 .. col1 of the gradient by the chunk's inputs: dZ W'."""
    cdef int64_t wide = p.bytes, block, k, some, strip, col, columns, r
    cdef char *turned = scratch
    cdef char *out = scratch + BLOCK_ROWS * FNN_TILE * wide  # (rows, INPUT_COLUMNS)
    for block in range(ceil_div(p.n_classes, BLOCK_ROWS)):
        k = block * BLOCK_ROWS
        some = min(BLOCK_ROWS, p.n_classes - k)
        product = p.rooms.matmul_add if k else p.rooms.matmul
        for strip in range(ceil_div(col1 - col0, FNN_TILE)):
            col = col0 + strip * FNN_TILE
            columns = min(FNN_TILE, col1 - col)
            if columns % 16:
                memset(turned, 0, BLOCK_ROWS * FNN_TILE * wide)
            p.rooms.transpose(columns, some, p.W + (col * p.n_classes + k) * wide, p.n_classes, turned, FNN_TILE)
            product(p.rows, columns, some, p.Z + k * wide, p.stride, 1, turned, FNN_TILE,
                    out + (col - col0) * wide, INPUT_COLUMNS)
    for r in range(p.rows):
        memcpy(p.dX + ((p.row0 + r) * p.n_in + col0) * wide, out + r * INPUT_COLUMNS * wide, (col1 - col0) * wide)


cdef void back_to_weights(projection *p, int64_t col0, int64_t col1, char *scratch) noexcept nogil:
    """Columns col0 .. col1 of the gradient by the weights, X' dZ, and by the bias, added to what is there."""
    cdef int64_t wide = p.bytes, columns = col1 - col0, block, k, some, part, i, count, r
    cdef char *out = scratch + BLOCK_ROWS * CLASS_COLUMNS * wide  # (BLOCK_INPUTS, CLASS_COLUMNS)
    cdef char *place
    cdef bint add
    for block in range(ceil_div(p.rows, BLOCK_ROWS)):
        k = block * BLOCK_ROWS
        some = min(BLOCK_ROWS, p.rows - k)
        add = k > 0 or not p.first
        product = p.rooms.matmul_add if add else p.rooms.matmul
        copy_block(p.Z + (k * p.stride + col0) * wide, p.stride, scratch, some, columns, wide)
        for part in range(ceil_div(p.n_in, BLOCK_INPUTS)):
            i = part * BLOCK_INPUTS
            count = min(BLOCK_INPUTS, p.n_in - i)
            place = p.dW + (i * p.n_classes + col0) * wide
            if add:
                copy_block(place, p.n_classes, out, count, columns, wide)
            product(count, columns, some, p.inputs + (k * p.inputs_stride + i) * wide, 1, p.inputs_stride, scratch,
                    CLASS_COLUMNS, out, CLASS_COLUMNS)
            for r in range(count):
                memcpy(place + r * p.n_classes * wide, out + r * CLASS_COLUMNS * wide, columns * wide)
        if add:
            copy_block(p.db + col0 * wide, 0, out, 1, columns, wide)
        product(1, columns, some, p.ones, 0, 0, scratch, CLASS_COLUMNS, out, CLASS_COLUMNS)
        memcpy(p.db + col0 * wide, out, columns * wide)


cdef void gradient_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """First the tiles of dX, which are the longest, then those of dW and db."""
    cdef projection *p = <projection *>context
    cdef int64_t n_back = ceil_div(p.n_in, INPUT_COLUMNS), col0
    cdef char *scratch = p.scratch + worker * p.scratch_bytes
    if item < n_back:
        col0 = item * INPUT_COLUMNS
        back_to_inputs(p, col0, min(col0 + INPUT_COLUMNS, p.n_in), scratch)
    else:
        col0 = (item - n_back) * CLASS_COLUMNS
        back_to_weights(p, col0, min(col0 + CLASS_COLUMNS, p.n_classes), scratch)


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
        team_run(team, inputs_item, p, ceil_div(p.rows, ROWS))
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
    cdef int64_t rows = min(max(chunk, 1), X.shape[0]), blocks
    cdef int workers
    p.rooms = rooms_for(X.dtype)
    p.bytes, p.n, p.n_in, p.n_classes = p.rooms.real_bytes, X.shape[0], X.shape[1], W.shape[1]
    p.stride, p.chunk = ceil_div(p.n_classes, 16) * 16, rows
    Z, ones, bias = aligned((rows, p.stride), X.dtype), aligned((rows,), X.dtype), aligned((p.stride,), X.dtype)
    ones[...] = 1
    p.inputs_stride = row_stride(p.n_in, 16)
    blocks = BLOCK_ROWS * CLASS_COLUMNS + BLOCK_INPUTS * CLASS_COLUMNS
    p.scratch_bytes = max(blocks, BLOCK_ROWS * FNN_TILE + rows * INPUT_COLUMNS) * p.bytes
    workers = n_threads if p.n * p.n_in * p.n_classes >= (1 << 18) else 1
    inputs, scratch = aligned((rows, p.inputs_stride), X.dtype), aligned((workers, p.scratch_bytes), "u1", False)
    p.inputs, p.scratch = <char *>address(inputs), <char *>address(scratch)
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
    with nogil:
        team_call(workers, lead_projection, &p)
    watch_check(&p.watch)
    return float(losses.sum()), p.bad
