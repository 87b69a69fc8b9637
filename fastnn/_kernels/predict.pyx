"""The last layer's values of any number of rows: slabs of rows go through the whole network.

Weights and, where they have the network's dtype, rows are read where they lie. A slab's values stay in
two buffers of its thread, which take turns as a layer's input and output. The bounds of slabs depend on
shapes alone.
"""

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from .arrays cimport address, aligned, ceil_div, padded, row_stride
from .core cimport (
    FNN_TILE,
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
from .passes cimport dense_layer, forward_from

from .softmax import ACTIVATIONS

# Rows of a slab: few for few rows, so that threads may share them; no more than stay, with a strip of
# weights, in the second-level cache, or take a quarter of a second.
cdef int64_t FEWEST_ROWS = 24
cdef int64_t MOST_ROWS = 192
cdef int64_t BUFFER_BYTES = 448 << 10
cdef int64_t SLAB_WORK = <int64_t>1 << 31
# Rows from which a copy of the weights, with rows padded for our own product, costs less than BLAS does.
cdef int64_t WORTH_PACKING = 16
# Multiply-adds from which a second thread is worth waking.
cdef int64_t SHARED_WORK = 1 << 18
# Multiply-adds between two looks at Ctrl-C.
cdef int64_t PHASE_WORK = <int64_t>1 << 32


cdef struct prediction:
    const fnn_rooms *rooms
    dense_layer *layers
    int64_t n_layers, n_rows, slab, phase, first, bytes, widest, stride_in
    bint in_place, finite
    fnn_source source
    char *buffers  # (workers, 2, slab, widest)
    char *out
    fnn_watch watch


cdef const char *read_rows(prediction *p, int64_t first, int64_t n, char *buffer) noexcept nogil:
    """The slab's inputs, in place or gathered, and whether all of them are finite."""
    cdef int64_t r, stride = p.stride_in * p.bytes
    cdef char *x = buffer
    if p.in_place:
        x = <char *>p.source.data + first * stride
    else:
        for r in range(n):
            p.rooms.gather_reals(&p.source, first + r, x + r * stride)
    if not p.rooms.all_finite(x, n * p.stride_in):
        p.finite = False
    return x


cdef void predict_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef prediction *p = <prediction *>context
    cdef int64_t first = (p.first + item) * p.slab, n = min(p.slab, p.n_rows - first), which, r
    cdef char *buffer = p.buffers + worker * 2 * p.slab * p.widest * p.bytes
    cdef char *other = buffer + p.slab * p.widest * p.bytes
    cdef const char *x = read_rows(p, first, n, other)
    cdef int64_t stride = p.stride_in, wide
    cdef dense_layer layer
    for which in range(p.n_layers):
        layer = p.layers[which]
        layer.values = layer.dense.values = buffer
        forward_from(p.rooms, &layer, x, stride, 0, n, 0, layer.n_out)
        x, stride = buffer, layer.stride
        buffer, other = other, buffer
    wide = layer.n_out * p.bytes
    for r in range(n):
        memcpy(p.out + (first + r) * wide, x + r * stride * p.bytes, wide)


cdef void lead_predict(fnn_team *team, void *context) noexcept nogil:
    cdef prediction *p = <prediction *>context
    cdef int64_t n_slabs = ceil_div(p.n_rows, p.slab)
    while p.first < n_slabs and not watch_interrupted(&p.watch):
        team_run(team, predict_item, p, min(p.phase, n_slabs - p.first))
        p.first += p.phase


cdef fnn_source source_of(X):
    """Rows as users hold them: dense in C order or CSR, of bool, bytes, float32 or float64."""
    cdef fnn_source source
    data = X.data if hasattr(X, "indptr") else X
    memset(&source, 0, sizeof(source))
    source.kind = {"?": 0, "B": 0, "b": 1, "f": 2, "d": 3}[data.dtype.char]
    source.data, source.n_features, source.stride = address(data), X.shape[1], X.shape[1]
    if hasattr(X, "indptr"):
        source.indptr, source.indices = address(X.indptr), address(X.indices)
        source.index_bytes = X.indices.itemsize
    return source


cdef int64_t slab_rows(int64_t n_rows, int64_t row_bytes, int64_t row_work) except -1:
    cdef int64_t rows = min(max(padded(ceil_div(n_rows, 8), 6), FEWEST_ROWS), MOST_ROWS)
    rows = min(rows, max(BUFFER_BYTES // row_bytes // 6 * 6, FEWEST_ROWS))
    return max(1, min(rows, n_rows, SLAB_WORK // max(row_work, 1)))


cdef list lay_out(dense_layer *layer, coef, intercept, bint pack):
    """Point a layer at its parameters; returned are the arrays that must outlive it."""
    layer.n_in, layer.n_out = coef.shape[0], coef.shape[1]
    layer.stride, layer.packed = row_stride(layer.n_out, 16), pack
    bias, weights = aligned((layer.stride,), coef.dtype), coef
    bias[:layer.n_out] = intercept
    if pack:
        weights = aligned((layer.n_in, layer.stride), coef.dtype, False)
        weights[:, :layer.n_out] = coef
        weights[:, layer.n_out:] = 0
    layer.weights.weights, layer.weights.stride = address(weights), weights.shape[1]
    layer.dense.bias, layer.dense.stride = address(bias), layer.stride
    return [bias, weights]


def predict(X, coefs, intercepts, str activation, double parameter, int n_threads):
    """Values of the last layer's units, before any output activation: (n_rows, n_outputs).

    X: rows of the dtypes that `source_of` names; coefs, intercepts: C-ordered arrays of the network's
    dtype, which is the result's. Returned with whether all values of X, as that dtype, are finite.
    """
    cdef prediction p
    cdef int64_t which, work = 0
    cdef int workers
    dtype = coefs[0].dtype
    out = np.empty((X.shape[0], coefs[len(coefs) - 1].shape[1]), dtype)
    p.rooms, p.n_layers, p.n_rows, p.first = rooms_for(dtype), len(coefs), X.shape[0], 0
    p.bytes, p.source, p.out, p.finite = p.rooms.real_bytes, source_of(X), <char *>address(out), True
    p.in_place = p.source.indptr == NULL and X.dtype == dtype
    p.stride_in = p.source.n_features if p.in_place else row_stride(p.source.n_features, FNN_TILE)
    p.widest = 0 if p.in_place else p.stride_in
    p.layers = <dense_layer *>PyMem_Calloc(p.n_layers, sizeof(dense_layer))
    if p.layers == NULL:
        raise MemoryError()
    try:
        held = []
        for which in range(p.n_layers):
            last = which + 1 == p.n_layers
            held += lay_out(p.layers + which, coefs[which], intercepts[which], p.n_rows >= WORTH_PACKING)
            p.layers[which].dense.activation = ACTIVATIONS.index("identity" if last else activation)
            p.layers[which].dense.parameter = parameter
            p.widest = max(p.widest, p.layers[which].stride)
            work += p.layers[which].n_in * p.layers[which].n_out
        p.slab = slab_rows(p.n_rows, max(p.widest, p.stride_in) * p.bytes, work)
        p.phase = max(PHASE_WORK // max(p.slab * work, 1), 2)
        workers = min(n_threads, ceil_div(p.n_rows, p.slab)) if p.n_rows * work >= SHARED_WORK else 1
        buffers = aligned((workers, 2, p.slab, p.widest), dtype, False)
        p.buffers, p.watch = <char *>address(buffers), watch_begin()
        with nogil:
            team_call(workers, lead_predict, &p)
        watch_check(&p.watch)
    finally:
        PyMem_Free(p.layers)
    return out, bool(p.finite)
