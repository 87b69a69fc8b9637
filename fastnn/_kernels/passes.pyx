"""Forward and backward passes of a network over a minibatch, and the steps of its parameters.

A network whose layers are all small goes through forward pass, loss and backward pass in slabs of rows,
without meeting the other threads; others in tiles of one layer at a time, the epilogue of a tile right
after its product. Then each block of parameters gets its gradient, into the thread's scratch, and its
step while that is in the cache. All bounds depend on shapes alone, so the number of threads cannot show.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from .core cimport FNN_TILE, fnn_dense, fnn_rooms, fnn_team, team_run
from .arrays cimport ceil_div, gemm, padded


cdef void gather_rows(network *net, int64_t row0, int64_t row1) noexcept nogil:
    """Rows of the batch: inputs, with dropout, and what goes with them."""
    cdef int64_t r, at, stride = net.input.stride * net.bytes, wide = net.n_targets * net.bytes
    for r in range(row0, row1):
        at = net.order[net.row0 + r] if net.order != NULL else net.row0 + r
        net.rooms.gather_reals(&net.source, at, <char *>net.input.values + r * stride)
        if net.labels != NULL:
            net.batch_labels[r] = net.labels[at]
        if net.targets != NULL:
            memcpy(net.batch_targets + r * wide, net.targets + at * wide, wide)
        if net.row_weight != NULL:
            memcpy(net.batch_weight + r * net.bytes, net.row_weight + at * net.bytes, net.bytes)
    if net.input.dropout > 0:
        net.rooms.dense_forward(&net.input, row0, row1, 0, padded(net.source.n_features, 16))


cdef void forward(network *net, int64_t which, int64_t row0, int64_t row1, int64_t col0, int64_t col1) noexcept nogil:
    """Columns col0 .. col1 of a layer's values."""
    cdef dense_layer *layer = net.layers + which
    forward_from(net.rooms, layer, layer.below + row0 * layer.stride_in * net.bytes, layer.stride_in, row0, row1, col0,
                 col1)


cdef void forward_from(const fnn_rooms *rooms, dense_layer *layer, const char *below, int64_t stride_in, int64_t row0,
                       int64_t row1, int64_t col0, int64_t col1) noexcept nogil:
    """The same from these rows of the layer below."""
    cdef int64_t r, width = rooms.real_bytes, step = layer.weights.stride
    cdef char *values = layer.values + (row0 * layer.stride + col0) * width
    cdef const char *weights = <const char *>layer.weights.weights + col0 * width
    if layer.packed:
        rooms.matmul_inputs(row1 - row0, col1 - col0, layer.n_in, below, stride_in, weights, step, values, layer.stride)
    else:
        gemm(width, False, False, row1 - row0, col1 - col0, layer.n_in, 1.0, below, stride_in, weights, step, 0.0,
             values, layer.stride)
        if col1 % 16:
            for r in range(row1 - row0):
                memset(values + (r * layer.stride + col1 - col0) * width, 0, (padded(col1, 16) - col1) * width)
    rooms.dense_forward(&layer.dense, row0, row1, col0, padded(col1, 16))


cdef void backward(network *net, int64_t which, int64_t row0, int64_t row1, int64_t col0, int64_t col1,
                   char *scratch) noexcept nogil:
    """Columns col0 .. col1 of the errors of the layer below."""
    cdef dense_layer *layer = net.layers + which
    cdef dense_layer *below = layer - 1
    cdef int64_t width = net.bytes, strip, col, wide, chunk, k, some
    cdef char *out = below.errors + row0 * below.stride * width
    cdef fnn_dense dense = below.dense
    for strip in range(ceil_div(col1 - col0, FNN_TILE)):
        col = col0 + strip * FNN_TILE
        wide = min(FNN_TILE, col1 - col)
        if wide % 16:
            memset(scratch, 0, min(TURNED_ROWS, layer.n_out) * FNN_TILE * width)
        for chunk in range(ceil_div(layer.n_out, TURNED_ROWS)):
            k = chunk * TURNED_ROWS
            some = min(TURNED_ROWS, layer.n_out - k)
            net.rooms.transpose(wide, some, <char *>layer.weights.weights + (col * layer.stride + k) * width,
                                layer.stride, scratch, FNN_TILE)
            product = net.rooms.matmul_add if k else net.rooms.matmul
            product(row1 - row0, wide, some, layer.errors + (row0 * layer.stride + k) * width, layer.stride, 1,
                    scratch, FNN_TILE, out + col * width, below.stride)
    dense.values, dense.activations = below.errors, below.values
    net.rooms.dense_backward(&dense, row0, row1, col0, padded(col1, 16))


cdef void loss_of(network *net, int64_t row0, int64_t row1) noexcept nogil:
    if net.loss_rows(&net.loss, row0, row1) >= 0:
        net.bad = 1


# --- items of the phases ---

cdef void slab_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef network *net = <network *>context
    cdef int64_t layer, row0 = item * net.slab, row1 = min(row0 + net.slab, net.n)
    gather_rows(net, row0, row1)
    for layer in range(net.n_layers):
        forward(net, layer, row0, row1, 0, net.layers[layer].n_out)
    loss_of(net, row0, row1)
    for layer in range(net.n_layers - 1, 0, -1):
        backward(net, layer, row0, row1, 0, net.layers[layer].n_in, net.scratch + worker * net.scratch_bytes)


cdef void gather_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef network *net = <network *>context
    gather_rows(net, item * SLAB_ROWS, min(item * SLAB_ROWS + SLAB_ROWS, net.n))


cdef void loss_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef network *net = <network *>context
    loss_of(net, item * SLAB_ROWS, min(item * SLAB_ROWS + SLAB_ROWS, net.n))


cdef struct layer_task:
    network *net
    int64_t which, columns, n_columns


cdef void forward_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef layer_task *t = <layer_task *>context
    cdef int64_t across = ceil_div(t.n_columns, t.columns), rows = t.net.layers[t.which].rows
    cdef int64_t row0 = item // across * rows, col0 = item % across * t.columns
    forward(t.net, t.which, row0, min(row0 + rows, t.net.n), col0, min(col0 + t.columns, t.n_columns))


cdef void backward_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef layer_task *t = <layer_task *>context
    cdef int64_t across = ceil_div(t.n_columns, t.columns), rows = t.net.layers[t.which].rows
    cdef int64_t row0 = item // across * rows, col0 = item % across * t.columns
    backward(t.net, t.which, row0, min(row0 + rows, t.net.n), col0, min(col0 + t.columns, t.n_columns),
             t.net.scratch + worker * t.net.scratch_bytes)


cdef void block_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """The gradient of one block of parameters, and their step."""
    cdef network *net = <network *>context
    cdef const int64_t *at = net.blocks + 5 * item
    cdef dense_layer *layer = net.layers + at[0]
    cdef int64_t rows = at[2] - at[1], wide = padded(at[4] - at[3], 16), width = net.bytes
    cdef const char *below = layer.below + at[1] * width
    cdef const char *errors = layer.errors + at[3] * width
    cdef char *g = net.scratch + worker * net.scratch_bytes
    if net.accumulate:
        product = net.rooms.matmul_add if net.keep else net.rooms.matmul
        product(rows, wide, net.n, below, 1, layer.stride_in, errors, layer.stride,
                layer.gradient + (at[1] * layer.stride + at[3]) * width, layer.stride)
        if at[1] == 0:
            product(1, wide, net.n, net.ones, 0, 0, errors, layer.stride, layer.bias_gradient + at[3] * width,
                    layer.stride)
        return
    net.rooms.matmul(rows, wide, net.n, below, 1, layer.stride_in, errors, layer.stride, g, wide)
    net.squares[item] = net.rooms.descend(&layer.weights, at[1], at[2], at[3], at[3] + wide, g, wide)
    if at[1] == 0:
        net.rooms.matmul(1, wide, net.n, net.ones, 0, 0, errors, layer.stride, g, wide)
        net.rooms.descend(&layer.biases, 0, 1, at[3], at[3] + wide, g, wide)


# --- the leader's part ---

cdef void run_batch(fnn_team *team, network *net) noexcept nogil:
    """Forward, loss, backward, and the blocks of parameters, of rows row0 .. row0 + n."""
    cdef layer_task t
    cdef int64_t layer, rows
    t.net = net
    if net.slab:
        team_run(team, slab_item, net, ceil_div(net.n, net.slab))
    else:
        team_run(team, gather_item, net, ceil_div(net.n, SLAB_ROWS))
        for layer in range(net.n_layers):
            t.which, t.columns, t.n_columns = layer, net.layers[layer].columns, net.layers[layer].n_out
            rows = ceil_div(net.n, net.layers[layer].rows)
            team_run(team, forward_item, &t, rows * ceil_div(t.n_columns, t.columns))
        team_run(team, loss_item, net, ceil_div(net.n, SLAB_ROWS))
        for layer in range(net.n_layers - 1, 0, -1):
            t.which, t.columns, t.n_columns = layer, net.layers[layer].back_columns, net.layers[layer].n_in
            rows = ceil_div(net.n, net.layers[layer].rows)
            team_run(team, backward_item, &t, rows * ceil_div(t.n_columns, t.columns))
    team_run(team, block_item, net, net.n_blocks)
