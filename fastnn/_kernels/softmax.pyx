"""Softmax, losses and activations over arrays: which rows, on which thread.

Rows are independent, so they are handed out in blocks whose bounds depend on the shape alone. Arrays
come checked: C-ordered, aligned, of one real dtype; labels are int64.
"""

import numpy as np

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint64_t

from .core cimport (
    fnn_loss,
    fnn_rooms,
    fnn_softmax,
    fnn_team,
    rooms_for,
    team_call,
    team_run,
)
from .arrays cimport ceil_div

# Logits of a block: enough for a microsecond or more, few enough to share the rest of a call evenly.
cdef int64_t BLOCK_LOGITS = 1 << 12
# Blocks of a call, where that leaves enough for each: of consecutive rows one is fetched beside the other.
cdef int64_t BLOCKS = 128
# Logits from which a second thread is worth waking.
cdef int64_t WORTH_THREADS = 1 << 13
# Rows of a block are a multiple of this, because short rows are computed so many at a time.
cdef int64_t ROWS_TOGETHER = 64
# Columns of a block of a product.
cdef int64_t PRODUCT_COLUMNS = 1024
cdef int64_t PRODUCT_INNER_COLUMNS = 128

LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error", "poisson", "weston_watkins", "crammer_singer")
ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "threshold")


cdef struct rows_task:
    const fnn_rooms *rooms
    int64_t (*loss_rows)(const fnn_loss *, int64_t, int64_t) noexcept nogil
    fnn_loss loss
    fnn_softmax softmax
    int64_t n_rows, block
    int64_t *bad  # of each block: its first row without a result, or -1


cdef void loss_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef rows_task *t = <rows_task *>context
    cdef int64_t row0 = item * t.block
    t.bad[item] = t.loss_rows(&t.loss, row0, min(row0 + t.block, t.n_rows))


cdef void softmax_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef rows_task *t = <rows_task *>context
    cdef int64_t row0 = item * t.block
    t.bad[item] = t.rooms.softmax_rows(&t.softmax, row0, min(row0 + t.block, t.n_rows))


cdef void lead_losses(fnn_team *team, void *context) noexcept nogil:
    cdef rows_task *t = <rows_task *>context
    team_run(team, loss_item, t, ceil_div(t.n_rows, t.block))


cdef void lead_softmax(fnn_team *team, void *context) noexcept nogil:
    cdef rows_task *t = <rows_task *>context
    team_run(team, softmax_item, t, ceil_div(t.n_rows, t.block))


cdef void *data_of(object array) except? NULL:
    """Where a contiguous array's data begin, faster than its attributes tell; NULL for None."""
    cdef Py_buffer view
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    cdef void *where = view.buf
    PyBuffer_Release(&view)
    return where


cdef int64_t rows_in_block(int64_t n_rows, int64_t n_columns) noexcept nogil:
    cdef int64_t rows = max(BLOCK_LOGITS // max(n_columns, 1), n_rows // BLOCKS)
    return max(1, rows if rows < ROWS_TOGETHER else rows // ROWS_TOGETHER * ROWS_TOGETHER)


cdef double sum_in_order(const double *x, int64_t n) noexcept nogil:
    cdef double a = 0, b = 0, c = 0, d = 0
    cdef int64_t i = 0
    while i + 4 <= n:
        a += x[i]
        b += x[i + 1]
        c += x[i + 2]
        d += x[i + 3]
        i += 4
    while i < n:
        a += x[i]
        i += 1
    return (a + b) + (c + d)


def survey_labels(labels, int64_t n_classes, int64_t ignore):
    """First label that is neither a class nor `ignore`, or -1; how many are not `ignore`."""
    cdef const int64_t *y = <const int64_t *>data_of(labels)
    cdef int64_t i, n = labels.shape[0], wrong = 0, ignored = 0
    with nogil:
        for i in range(n):
            ignored += y[i] == ignore
            wrong += (<uint64_t>y[i] >= <uint64_t>n_classes) & (y[i] != ignore)
        if wrong:
            for i in range(n):
                if <uint64_t>y[i] >= <uint64_t>n_classes and y[i] != ignore:
                    break
    return (i if wrong else -1), n - ignored


cdef int64_t first_bad(const int64_t *bad, int64_t n) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        if bad[i] >= 0:
            return bad[i]
    return -1


def loss_of_rows(str kind, scores, grad, labels, targets, class_weight, row_weight, int64_t ignore, double scale,
                 double smoothing, double delta, losses, int n_threads):
    """Loss of each row into losses (float64) and, unless grad is None, scale times its gradient into grad.

    scores, grad, targets: (n, C); labels: (n,); class_weight: (C,); row_weight: (n,). Returns the sum of
    the losses and the first row that has none, or -1: then grad may be written in part.
    """
    cdef rows_task t
    cdef int64_t n_columns = scores.shape[1]
    t.rooms = rooms_for(scores.dtype)
    t.loss_rows = t.rooms.loss_rows[LOSSES.index(kind)]
    t.n_rows, t.block = scores.shape[0], rows_in_block(scores.shape[0], n_columns)
    bad = np.empty(max(ceil_div(t.n_rows, t.block), 1), np.int64)
    t.bad = <int64_t *>data_of(bad)
    t.loss.scores, t.loss.grad = data_of(scores), data_of(grad)
    t.loss.labels, t.loss.targets = <const int64_t *>data_of(labels), data_of(targets)
    t.loss.class_weight, t.loss.row_weight = data_of(class_weight), data_of(row_weight)
    t.loss.losses = <double *>data_of(losses)
    t.loss.stride = t.loss.grad_stride = t.loss.targets_stride = t.loss.n_classes = n_columns
    t.loss.ignore, t.loss.scale, t.loss.smoothing, t.loss.delta = ignore, scale, smoothing, delta
    cdef int workers = n_threads if t.n_rows * n_columns >= WORTH_THREADS else 1
    cdef double total
    cdef int64_t first
    with nogil:
        team_call(workers, lead_losses, &t)
        total = sum_in_order(t.loss.losses, t.n_rows)
        first = first_bad(t.bad, ceil_div(t.n_rows, t.block))
    return total, first


def softmax_of_rows(logits, out, bint logarithm, int n_threads):
    """Softmax or log-softmax of each row of logits (n, C) into out; the first row that has none, or -1."""
    cdef rows_task t
    t.rooms = rooms_for(logits.dtype)
    t.softmax.n_classes, t.softmax.logarithm = logits.shape[1], logarithm
    t.n_rows, t.block = logits.shape[0], rows_in_block(logits.shape[0], logits.shape[1])
    bad = np.empty(max(ceil_div(t.n_rows, t.block), 1), np.int64)
    t.bad = <int64_t *>data_of(bad)
    t.softmax.logits, t.softmax.out = data_of(logits), data_of(out)
    cdef int workers = n_threads if logits.size >= WORTH_THREADS else 1
    cdef int64_t first
    with nogil:
        team_call(workers, lead_softmax, &t)
        first = first_bad(t.bad, ceil_div(t.n_rows, t.block))
    return first


cdef struct activate_task:
    const fnn_rooms *rooms
    int64_t activation, derivative, n
    double parameter
    const char *x
    char *y


cdef void activate_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef activate_task *t = <activate_task *>context
    cdef int64_t at = item * BLOCK_LOGITS, skip = at * t.rooms.real_bytes
    t.rooms.activate(t.activation, t.derivative, t.parameter, t.x + skip, t.y + skip, min(BLOCK_LOGITS, t.n - at))


cdef void lead_activate(fnn_team *team, void *context) noexcept nogil:
    cdef activate_task *t = <activate_task *>context
    team_run(team, activate_item, t, ceil_div(t.n, BLOCK_LOGITS))


def activate(str kind, bint derivative, double parameter, x, out, int n_threads):
    """out = the activation of x, or its derivative there; arrays of equal size and dtype."""
    cdef activate_task t
    t.rooms = rooms_for(x.dtype)
    t.activation, t.derivative, t.parameter, t.n = ACTIVATIONS.index(kind), derivative, parameter, x.size
    t.x, t.y = <const char *>data_of(x), <char *>data_of(out)
    cdef int workers = n_threads if t.n >= WORTH_THREADS else 1
    with nogil:
        team_call(workers, lead_activate, &t)
    return out
