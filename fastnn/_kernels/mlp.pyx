"""Training of feed-forward networks: a minibatch is two or a few phases of one team, a fit one call an epoch.

A network whose layers are all small goes through forward pass, loss and backward pass in slabs of rows,
without meeting the other threads; others in tiles of one layer at a time, the epilogue of a tile right
after its product. Then each block of parameters gets its gradient, into the thread's scratch, and its
step while that is in the cache. All bounds depend on shapes alone, so the number of threads cannot show.
"""

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from .core cimport (
    FNN_STREAM_DROPOUT,
    FNN_TILE,
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
from .gibbs cimport address, aligned, ceil_div, gemm

from .softmax import ACTIVATIONS, LOSSES

# Weights of a layer up to which its products stay out of BLAS.
cdef int64_t SMALL_LAYER = 1 << 15
# Rows that go through a small network at a time, and through predict().
cdef int64_t SLAB_ROWS = 16
cdef int64_t PREDICT_ROWS = 512
# Multiply-adds of a tile of a product: fewer, and packing the factors shows.
cdef int64_t TILE_WORK = 12_000_000
cdef int64_t SHARED_WORK = 1 << 18
cdef int64_t MOST_TILES = 16
# Parameters of a block, which fits in a thread's scratch; columns of a block.
cdef int64_t BLOCK_SIZE = 1 << 15
cdef int64_t BLOCK_COLUMNS = 512


cdef inline int64_t padded(int64_t n, int64_t multiple) noexcept nogil:
    return ceil_div(n, multiple) * multiple


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
    cdef dense_layer *l = net.layers + which
    forward_from(net, l, l.below + row0 * l.stride_in * net.bytes, l.stride_in, row0, row1, col0, col1)


cdef void forward_from(network *net, dense_layer *l, const char *below, int64_t stride_in, int64_t row0, int64_t row1,
                       int64_t col0, int64_t col1) noexcept nogil:
    """The same from these rows of the layer below."""
    cdef int64_t r, width = net.bytes
    cdef char *values = l.values + (row0 * l.stride + col0) * width
    cdef const char *weights = <const char *>l.weights.weights + col0 * width
    if l.small:
        net.rooms.small_product(row1 - row0, col1 - col0, l.n_in, below, stride_in, 1, weights, l.stride,
                                values, l.stride)
    else:
        gemm(width, False, False, row1 - row0, col1 - col0, l.n_in, 1.0, below, stride_in, weights, l.stride,
             0.0, values, l.stride)
        if col1 % 16:
            for r in range(row1 - row0):
                memset(values + (r * l.stride + col1 - col0) * width, 0, (padded(col1, 16) - col1) * width)
    net.rooms.dense_forward(&l.dense, row0, row1, col0, padded(col1, 16))


cdef void backward(network *net, int64_t which, int64_t row0, int64_t row1, int64_t col0, int64_t col1,
                   char *scratch) noexcept nogil:
    """Columns col0 .. col1 of the errors of the layer below."""
    cdef dense_layer *l = net.layers + which
    cdef dense_layer *below = l - 1
    cdef int64_t width = net.bytes, wide = padded(col1 - col0, 16)
    cdef const char *errors = l.errors + row0 * l.stride * width
    cdef char *out = below.errors + (row0 * below.stride + col0) * width
    cdef const char *weights = <const char *>l.weights.weights + col0 * l.stride * width
    cdef fnn_dense dense = below.dense
    if l.small:
        memset(scratch, 0, l.n_out * wide * width)
        net.rooms.transpose(col1 - col0, l.n_out, weights, l.stride, scratch, wide)
        net.rooms.small_product(row1 - row0, col1 - col0, l.n_out, errors, l.stride, 1, scratch, wide,
                                out, below.stride)
    else:
        gemm(width, False, True, row1 - row0, col1 - col0, l.n_out, 1.0, errors, l.stride, weights, l.stride,
             0.0, out, below.stride)
    dense.values, dense.activations = below.errors, below.values
    net.rooms.dense_backward(&dense, row0, row1, col0, padded(col1, 16))


cdef void loss_of(network *net, int64_t row0, int64_t row1) noexcept nogil:
    if net.loss_rows(&net.loss, row0, row1) >= 0:
        net.bad = 1


# --- items of the phases ---

cdef void slab_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef network *net = <network *>context
    cdef int64_t l, row0 = item * net.slab, row1 = min(row0 + net.slab, net.n)
    gather_rows(net, row0, row1)
    for l in range(net.n_layers):
        forward(net, l, row0, row1, 0, net.layers[l].n_out)
    loss_of(net, row0, row1)
    for l in range(net.n_layers - 1, 0, -1):
        backward(net, l, row0, row1, 0, net.layers[l].n_in, net.scratch + worker * net.scratch_bytes)


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
    cdef dense_layer *l = net.layers + at[0]
    cdef int64_t rows = at[2] - at[1], wide = padded(at[4] - at[3], 16), width = net.bytes
    cdef const char *below = l.below + at[1] * width
    cdef const char *errors = l.errors + at[3] * width
    cdef char *g = net.scratch + worker * net.scratch_bytes
    if net.accumulate:
        gemm(width, True, False, rows, wide, net.n, 1.0, below, l.stride_in, errors, l.stride, net.keep,
             l.gradient + (at[1] * l.stride + at[3]) * width, l.stride)
        if at[1] == 0:
            gemm(width, False, False, 1, wide, net.n, 1.0, net.ones, net.n, errors, l.stride, net.keep,
                 l.bias_gradient + at[3] * width, l.stride)
        return
    if l.small:
        net.rooms.small_product(rows, wide, net.n, below, 1, l.stride_in, errors, l.stride, g, wide)
    else:
        gemm(width, True, False, rows, wide, net.n, 1.0, below, l.stride_in, errors, l.stride, 0.0, g, wide)
    net.squares[item] = net.rooms.descend(&l.weights, at[1], at[2], at[3], at[3] + wide, g, wide)
    if at[1] == 0:
        net.rooms.small_product(1, wide, net.n, net.ones, 0, 0, errors, l.stride, g, wide)
        net.rooms.descend(&l.biases, 0, 1, at[3], at[3] + wide, g, wide)


cdef void predict_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """The last layer's values of a slab of rows, computed in the thread's own region of the buffers."""
    cdef network *net = <network *>context
    cdef int64_t first = item * PREDICT_ROWS, n = min(PREDICT_ROWS, net.n - first), r, l
    cdef int64_t row0 = worker * PREDICT_ROWS, width = net.bytes, stride = net.input.stride * width
    cdef dense_layer *last = net.layers + net.n_layers - 1
    cdef const fnn_source *x = &net.source
    if x.indptr != NULL:
        for r in range(n):
            net.rooms.gather_reals(x, first + r, <char *>net.input.values + (row0 + r) * stride)
        forward(net, 0, row0, row0 + n, 0, net.layers[0].n_out)
    else:  # dense rows are read where they lie
        forward_from(net, net.layers, <const char *>x.data + first * x.stride * width, x.stride, row0, row0 + n, 0,
                     net.layers[0].n_out)
    for l in range(1, net.n_layers):
        forward(net, l, row0, row0 + n, 0, net.layers[l].n_out)
    for r in range(n):
        memcpy(net.out + (first + r) * last.n_out * width, last.values + (row0 + r) * last.stride * width,
               last.n_out * width)


# --- the leader's part ---

cdef void run_batch(fnn_team *team, network *net) noexcept nogil:
    """Forward, loss, backward, and the blocks of parameters, of rows row0 .. row0 + n."""
    cdef layer_task t
    cdef int64_t l, rows
    t.net = net
    if net.slab:
        team_run(team, slab_item, net, ceil_div(net.n, net.slab))
    else:
        team_run(team, gather_item, net, ceil_div(net.n, SLAB_ROWS))
        for l in range(net.n_layers):
            t.which, t.columns, t.n_columns = l, net.layers[l].columns, net.layers[l].n_out
            rows = ceil_div(net.n, net.layers[l].rows)
            team_run(team, forward_item, &t, rows * ceil_div(t.n_columns, t.columns))
        team_run(team, loss_item, net, ceil_div(net.n, SLAB_ROWS))
        for l in range(net.n_layers - 1, 0, -1):
            t.which, t.columns, t.n_columns = l, net.layers[l].back_columns, net.layers[l].n_in
            rows = ceil_div(net.n, net.layers[l].rows)
            team_run(team, backward_item, &t, rows * ceil_div(t.n_columns, t.columns))
    team_run(team, block_item, net, net.n_blocks)


cdef double batch_weight_of(network *net) noexcept nogil:
    """Sum of the weights of the rows of the batch."""
    cdef double sum = 0
    cdef int64_t r, at
    if net.row_weight == NULL:
        return <double>net.n
    for r in range(net.n):
        at = net.order[net.row0 + r] if net.order != NULL else net.row0 + r
        sum += (<const float *>net.row_weight)[at] if net.bytes == 4 else (<const double *>net.row_weight)[at]
    return sum


cdef struct epoch_job:
    network *net
    int64_t n_rows, batch_size, n_updates
    double rate, alpha, factor, total, momentum, beta2
    bint adam
    fnn_watch watch


cdef void lead_epoch(fnn_team *team, void *context) noexcept nogil:
    cdef epoch_job *j = <epoch_job *>context
    cdef network *net = j.net
    cdef int64_t batch, l, r
    cdef double weight, rate, loss
    for batch in range(ceil_div(j.n_rows, j.batch_size)):
        net.row0 = batch * j.batch_size
        net.n = min(j.batch_size, j.n_rows - net.row0)
        weight = batch_weight_of(net)
        if weight <= 0:  # a batch of no weight teaches nothing
            continue
        net.loss.scale = 1 / weight
        j.n_updates += 1
        rate = j.rate
        if j.adam:
            rate *= (1 - j.beta2 ** j.n_updates) ** 0.5 / (1 - j.momentum ** j.n_updates)
        net.input.step = j.n_updates
        for l in range(net.n_layers):
            net.layers[l].weights.rate = net.layers[l].biases.rate = rate
            net.layers[l].weights.decay = j.alpha / weight
            net.layers[l].dense.step = j.n_updates
        run_batch(team, net)
        loss = 0
        for r in range(net.n):
            loss += net.losses[r]
        loss *= j.factor
        for r in range(net.n_blocks):
            loss += 0.5 * j.alpha * net.squares[r]
        j.total += loss / weight * net.n
        if net.bad or watch_interrupted(&j.watch):
            return


cdef void lead_gradient(fnn_team *team, void *context) noexcept nogil:
    cdef epoch_job *j = <epoch_job *>context
    cdef network *net = j.net
    cdef int64_t batch, r
    for batch in range(ceil_div(j.n_rows, j.batch_size)):
        net.row0 = batch * j.batch_size
        net.n = min(j.batch_size, j.n_rows - net.row0)
        net.keep = 1.0 if batch else 0.0
        run_batch(team, net)
        for r in range(net.n):
            j.total += net.losses[r]
        if watch_interrupted(&j.watch):
            return


cdef void lead_predict(fnn_team *team, void *context) noexcept nogil:
    cdef network *net = <network *>context
    team_run(team, predict_item, net, ceil_div(net.n, PREDICT_ROWS))


cdef class Network:
    """Weights (n_in, n_out) and biases of each layer, their gradients and the state of an optimiser.

    sizes: units of each layer, inputs first. dropout: of the inputs and of each hidden layer.
    Arrays are wider than what they hold: `weights`, `biases` are views of the part that counts.
    """

    cdef network net
    cdef readonly list weights, biases
    cdef readonly object dtype
    cdef readonly int64_t n_updates
    cdef int64_t max_rows
    cdef int n_threads
    cdef list held, data, sizes
    cdef dict state_arrays

    def __cinit__(self, sizes, *args, **kwargs):
        self.net.layers = <dense_layer *>PyMem_Calloc(len(sizes) - 1, sizeof(dense_layer))
        if self.net.layers == NULL:
            raise MemoryError()

    def __dealloc__(self):
        PyMem_Free(self.net.layers)

    def __init__(self, sizes, dtype, activation, double parameter, loss, dropout, int64_t max_rows, uint64_t key,
                 int n_threads, bint training):
        cdef network *net = &self.net
        cdef dense_layer *last = net.layers + len(sizes) - 2
        cdef int64_t l, turned = 0
        self.held, self.data, self.sizes, self.state_arrays = [], [], list(sizes), {}
        self.weights, self.biases = [], []
        self.dtype, self.max_rows, self.n_threads = np.dtype(dtype), max_rows, n_threads
        net.rooms = rooms_for(dtype)
        net.bytes, net.n_layers = net.rooms.real_bytes, len(sizes) - 1
        net.loss_rows = net.rooms.loss_rows[LOSSES.index(loss)]
        net.input.stride = padded(sizes[0], FNN_TILE)
        net.input.values = self._lent((max_rows, net.input.stride), dtype)
        net.input.bias = self._lent((net.input.stride,), dtype)
        net.input.activation = ACTIVATIONS.index("identity")
        net.input.dropout, net.input.key, net.input.stream = dropout[0], key, FNN_STREAM_DROPOUT
        for l in range(net.n_layers):
            self._lay_out(l, sizes[l], sizes[l + 1], dropout[l + 1] if l + 1 < net.n_layers else 0.0, training)
            net.layers[l].dense.activation = ACTIVATIONS.index(activation if l + 1 < net.n_layers else "identity")
            net.layers[l].dense.parameter, net.layers[l].dense.key = parameter, key
            net.layers[l].dense.stream = FNN_STREAM_DROPOUT + 1 + l
            net.slab = SLAB_ROWS if net.layers[l].small and (l == 0 or net.slab) else 0
            if net.layers[l].small:
                turned = max(turned, sizes[l + 1] * padded(sizes[l], 16))
        self._cut_blocks()
        net.losses = <double *>self._lent((max_rows,), np.float64)
        net.batch_labels = <int64_t *>self._lent((max_rows,), np.int64)
        net.batch_targets = <char *>self._lent((max_rows, last.n_out), dtype)
        net.batch_weight = <char *>self._lent((max_rows,), dtype)
        ones = aligned((max_rows,), dtype)
        ones[...] = 1
        self.held.append(ones)
        net.ones = <const char *>address(ones)
        net.scratch_bytes = padded(max(BLOCK_SIZE, turned) * net.bytes, 64)
        net.scratch = <char *>self._lent((n_threads, net.scratch_bytes), np.uint8)
        net.loss.scores, net.loss.grad, net.loss.losses = last.values, last.errors, net.losses
        net.loss.stride = net.loss.grad_stride = last.stride
        net.loss.n_classes = net.loss.targets_stride = net.n_targets = last.n_out
        net.loss.ignore, net.loss.delta = -1, 1.0

    cdef void *_lent(self, shape, dtype) except? NULL:
        array = aligned(shape, dtype)
        self.held.append(array)
        return address(array)

    cdef _lay_out(self, int64_t which, int64_t n_in, int64_t n_out, double dropout, bint training):
        cdef dense_layer *l = self.net.layers + which
        cdef int64_t work = self.max_rows * n_in * n_out, tiles
        l.n_in, l.n_out, l.stride = n_in, n_out, padded(n_out, 16)
        l.stride_in = self.net.input.stride if which == 0 else (l - 1).stride
        l.small = n_in * n_out <= SMALL_LAYER
        weights, biases = aligned((n_in, l.stride), self.dtype), aligned((1, l.stride), self.dtype)
        self.held += [weights, biases]
        self.weights.append(weights[:, :n_out])
        self.biases.append(biases[0, :n_out])
        l.weights.weights, l.biases.weights = address(weights), address(biases)
        l.weights.stride = l.biases.stride = l.stride
        l.dense.bias, l.dense.stride, l.dense.dropout = address(biases), l.stride, dropout
        l.below = <const char *>self.net.input.values if which == 0 else (l - 1).values
        l.values = <char *>self._lent((self.max_rows, l.stride), self.dtype)
        l.dense.values = l.values
        if training:
            l.errors = <char *>self._lent((self.max_rows, l.stride), self.dtype)
        tiles = 1 if work < SHARED_WORK else max(2, min(work // TILE_WORK, MOST_TILES))
        l.columns = padded(ceil_div(n_out, tiles), FNN_TILE)
        l.back_columns = padded(ceil_div(n_in, tiles), FNN_TILE)
        l.rows = self.max_rows
        if n_out <= FNN_TILE:  # too few columns to share: share the rows
            l.rows = padded(ceil_div(self.max_rows, tiles), SLAB_ROWS)
            l.back_columns = padded(n_in, FNN_TILE)

    cdef _cut_blocks(self):
        cdef dense_layer *l
        cdef int64_t which, row0, col0, rows, columns
        blocks = []
        for which in range(self.net.n_layers):
            l = self.net.layers + which
            columns = min(l.stride, BLOCK_COLUMNS)
            rows = min(BLOCK_SIZE // columns, padded(ceil_div(l.n_in, 2), 8))
            for row0 in range(0, l.n_in, rows):
                for col0 in range(0, l.n_out, columns):
                    blocks.append((which, row0, min(row0 + rows, l.n_in), col0, min(col0 + columns, l.n_out)))
        held = np.array(blocks, dtype=np.int64)
        self.held.append(held)
        self.net.blocks, self.net.n_blocks = <const int64_t *>address(held), len(blocks)
        self.net.squares = <double *>self._lent((len(blocks),), np.float64)

    def start(self, str solver, double momentum, bint nesterov, double beta2, double epsilon, state):
        """Choose the rule of steps, "sgd" or "adam", and go on from the state of an earlier network."""
        cdef dense_layer *l
        cdef int64_t which
        self.n_updates = state.get("n_updates", 0)
        names = ["velocity", "second"] if solver == "adam" else ["velocity"]
        for which in range(self.net.n_layers):
            l = self.net.layers + which
            for name in names:
                for part, rows in (("weights", l.n_in), ("biases", 1)):
                    array = aligned((rows, l.stride), self.dtype)
                    before = state.get((part, name, which))
                    if before is not None and before.shape == array.shape:
                        array[...] = before
                    self.state_arrays[part, name, which] = array
            l.weights.velocity = address(self.state_arrays["weights", "velocity", which])
            l.biases.velocity = address(self.state_arrays["biases", "velocity", which])
            if solver == "adam":
                l.weights.second = address(self.state_arrays["weights", "second", which])
                l.biases.second = address(self.state_arrays["biases", "second", which])
            l.weights.momentum = l.biases.momentum = momentum
            l.weights.beta2 = l.biases.beta2 = beta2
            l.weights.epsilon = l.biases.epsilon = epsilon
            l.weights.nesterov = l.biases.nesterov = nesterov

    def state(self):
        """What a later network needs to go on."""
        return {**self.state_arrays, "n_updates": self.n_updates}

    cdef _bind(self, X, labels, targets, row_weight):
        """Point at the data: X dense (C order) or CSR, of this dtype; they are held until the next call."""
        cdef network *net = &self.net
        self.data = [X, labels, targets, row_weight]
        memset(&net.source, 0, sizeof(net.source))
        net.source.kind = 2 if net.bytes == 4 else 3
        net.source.n_features = X.shape[1]
        if hasattr(X, "indptr"):
            net.source.data, net.source.indptr = address(X.data), address(X.indptr)
            net.source.indices, net.source.index_bytes = address(X.indices), X.indices.itemsize
        else:
            net.source.data, net.source.stride = address(X), X.shape[1]
        net.labels = <const int64_t *>address(labels) if labels is not None else NULL
        net.targets = <const char *>address(targets) if targets is not None else NULL
        net.row_weight = <const char *>address(row_weight) if row_weight is not None else NULL
        net.loss.labels = net.batch_labels if labels is not None else NULL
        net.loss.targets = net.batch_targets if targets is not None else NULL
        net.loss.row_weight = net.batch_weight if row_weight is not None else NULL
        net.order, net.bad = NULL, 0

    cdef int _workers(self, int64_t n_rows):
        cdef int64_t work = 0
        for n_in, n_out in zip(self.sizes, self.sizes[1:], strict=False):
            work += n_rows * n_in * n_out
        return self.n_threads if work >= SHARED_WORK else 1

    def epoch(self, X, labels, targets, row_weight, order, int64_t batch_size, double rate, double alpha,
              double factor):
        """One pass over the rows in this order (int64, or None): a step of the parameters a batch.

        The reported loss of a batch is factor times the losses, averaged, plus alpha/2 sum w^2 over the
        batch's weight; returned is their mean over rows, and whether some loss was not a number, where
        the pass stops. Ctrl-C raises between batches.
        """
        cdef epoch_job job
        self._bind(X, labels, targets, row_weight)
        if order is not None:
            self.data.append(order)
            self.net.order = <const int64_t *>address(order)
        self.net.accumulate = False
        job.net, job.n_rows, job.batch_size = &self.net, X.shape[0], batch_size
        job.n_updates, job.rate, job.alpha, job.factor, job.total = self.n_updates, rate, alpha, factor, 0
        job.adam = self.net.layers[0].weights.second != NULL
        job.momentum, job.beta2 = self.net.layers[0].weights.momentum, self.net.layers[0].weights.beta2
        job.watch = watch_begin()
        cdef int workers = self._workers(batch_size)
        with nogil:
            team_call(workers, lead_epoch, &job)
        self.n_updates = job.n_updates
        watch_check(&job.watch)
        return job.total / job.n_rows, self.net.bad != 0

    def gradient(self, X, labels, targets, row_weight, double weight):
        """Sum of the losses over weight, and its gradient: arrays (n_in, n_out) and (n_out,) a layer."""
        cdef epoch_job job
        cdef dense_layer *l
        cdef int64_t which
        self._bind(X, labels, targets, row_weight)
        found = []
        for which in range(self.net.n_layers):
            l = self.net.layers + which
            arrays = aligned((l.n_in, l.stride), self.dtype), aligned((l.stride,), self.dtype)
            l.gradient, l.bias_gradient = <char *>address(arrays[0]), <char *>address(arrays[1])
            found.append((arrays[0][:, :l.n_out], arrays[1][:l.n_out]))
        self.net.accumulate, self.net.loss.scale = True, 1 / weight
        job.net, job.n_rows, job.batch_size, job.total = &self.net, X.shape[0], self.max_rows, 0
        job.watch = watch_begin()
        cdef int workers = self._workers(min(X.shape[0], self.max_rows))
        with nogil:
            team_call(workers, lead_gradient, &job)
        watch_check(&job.watch)
        return job.total / weight, [g for g, _ in found], [b for _, b in found]

    def predict(self, X, out):
        """Values of the last layer's units, before any output activation, into out (n, n_out)."""
        self._bind(X, None, None, None)
        self.net.out, self.net.n = <char *>address(out), X.shape[0]
        cdef int workers = min(self._workers(X.shape[0]), max(self.max_rows // PREDICT_ROWS, 1))
        with nogil:
            team_call(workers, lead_predict, &self.net)
        return out


def predict_rows(int n_threads):
    """Rows of buffer that predict() needs."""
    return n_threads * PREDICT_ROWS
