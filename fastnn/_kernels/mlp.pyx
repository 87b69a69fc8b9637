"""Training of feed-forward networks: a minibatch is two or a few phases of one team, a fit one call an epoch."""

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from .core cimport (
    FNN_STREAM_DROPOUT,
    FNN_TILE,
    fnn_team,
    fnn_watch,
    rooms_for,
    team_call,
    watch_begin,
    watch_check,
    watch_interrupted,
)
from .arrays cimport address, aligned, ceil_div, padded, row_stride
from .passes cimport SLAB_ROWS, dense_layer, is_small, network, run_batch

from .softmax import ACTIVATIONS, LOSSES

# Multiply-adds of a tile of a product.
cdef int64_t TILE_WORK = 12_000_000
cdef int64_t SHARED_WORK = 1 << 18
cdef int64_t MOST_TILES = 16
# Parameters of a block, whose gradient stays in the second-level cache until its step; columns of a block.
# Rows come in sixes, as products take them.
cdef int64_t BLOCK_SIZE = 1 << 16
cdef int64_t BLOCK_COLUMNS = 256


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
    cdef int64_t batch, layer, r
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
        for layer in range(net.n_layers):
            net.layers[layer].weights.rate = net.layers[layer].biases.rate = rate
            net.layers[layer].weights.decay = j.alpha / weight
            net.layers[layer].dense.step = j.n_updates
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
        net.keep = batch > 0
        run_batch(team, net)
        for r in range(net.n):
            j.total += net.losses[r]
        if watch_interrupted(&j.watch):
            return


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
                 int n_threads):
        cdef network *net = &self.net
        cdef dense_layer *last = net.layers + len(sizes) - 2
        cdef int64_t layer
        cdef bint small = True
        self.held, self.data, self.sizes, self.state_arrays = [], [], list(sizes), {}
        self.weights, self.biases = [], []
        self.dtype, self.max_rows, self.n_threads = np.dtype(dtype), max_rows, n_threads
        net.rooms = rooms_for(dtype)
        net.bytes, net.n_layers = net.rooms.real_bytes, len(sizes) - 1
        net.loss_rows = net.rooms.loss_rows[LOSSES.index(loss)]
        net.input.stride = row_stride(sizes[0], FNN_TILE)
        net.input.values = self._lent((max_rows, net.input.stride), dtype)
        net.input.bias = self._lent((net.input.stride,), dtype)
        net.input.activation = ACTIVATIONS.index("identity")
        net.input.dropout, net.input.key, net.input.stream = dropout[0], key, FNN_STREAM_DROPOUT
        for layer in range(net.n_layers):
            self._lay_out(layer, sizes[layer], sizes[layer + 1], dropout[layer + 1] if layer + 1 < net.n_layers else 0.0)
            net.layers[layer].dense.activation = ACTIVATIONS.index(activation if layer + 1 < net.n_layers else "identity")
            net.layers[layer].dense.parameter, net.layers[layer].dense.key = parameter, key
            net.layers[layer].dense.stream = FNN_STREAM_DROPOUT + 1 + layer
            small &= is_small(sizes[layer], sizes[layer + 1])
        net.slab = SLAB_ROWS if small else 0
        self._cut_blocks()
        net.losses = <double *>self._lent((max_rows,), np.float64)
        net.batch_labels = <int64_t *>self._lent((max_rows,), np.int64)
        net.batch_targets = <char *>self._lent((max_rows, last.n_out), dtype)
        net.batch_weight = <char *>self._lent((max_rows,), dtype)
        ones = aligned((max_rows,), dtype)
        ones[...] = 1
        self.held.append(ones)
        net.ones = <const char *>address(ones)
        net.scratch_bytes = BLOCK_SIZE * net.bytes
        net.scratch = <char *>self._lent((n_threads, net.scratch_bytes), np.uint8)
        net.loss.scores, net.loss.grad, net.loss.losses = last.values, last.errors, net.losses
        net.loss.stride = net.loss.grad_stride = last.stride
        net.loss.n_classes = net.loss.targets_stride = net.n_targets = last.n_out
        net.loss.ignore, net.loss.delta = -1, 1.0

    cdef void *_lent(self, shape, dtype) except? NULL:
        array = aligned(shape, dtype)
        self.held.append(array)
        return address(array)

    cdef _lay_out(self, int64_t which, int64_t n_in, int64_t n_out, double dropout):
        cdef dense_layer *layer = self.net.layers + which
        cdef int64_t work = self.max_rows * n_in * n_out, tiles
        layer.n_in, layer.n_out, layer.stride = n_in, n_out, row_stride(n_out, 16)
        layer.stride_in = self.net.input.stride if which == 0 else (layer - 1).stride
        layer.packed = True
        weights, biases = aligned((n_in, layer.stride), self.dtype), aligned((1, layer.stride), self.dtype)
        self.held += [weights, biases]
        self.weights.append(weights[:, :n_out])
        self.biases.append(biases[0, :n_out])
        layer.weights.weights, layer.biases.weights = address(weights), address(biases)
        layer.weights.stride = layer.biases.stride = layer.stride
        layer.dense.bias, layer.dense.stride, layer.dense.dropout = address(biases), layer.stride, dropout
        layer.below = <const char *>self.net.input.values if which == 0 else (layer - 1).values
        layer.values = <char *>self._lent((self.max_rows, layer.stride), self.dtype)
        layer.dense.values = layer.values
        layer.errors = <char *>self._lent((self.max_rows, layer.stride), self.dtype)
        tiles = 1 if work < SHARED_WORK else max(2, min(work // TILE_WORK, MOST_TILES))
        layer.columns = padded(ceil_div(n_out, tiles), FNN_TILE)
        layer.back_columns = padded(ceil_div(n_in, tiles), FNN_TILE)
        layer.rows = self.max_rows
        if n_out <= FNN_TILE:  # too few columns to share: share the rows
            layer.rows = padded(ceil_div(self.max_rows, tiles), SLAB_ROWS)
            layer.back_columns = padded(n_in, FNN_TILE)

    cdef _cut_blocks(self):
        cdef dense_layer *layer
        cdef int64_t which, row0, col0, rows, columns, parts
        blocks = []
        for which in range(self.net.n_layers):
            layer = self.net.layers + which
            columns = min(padded(layer.n_out, 16), BLOCK_COLUMNS)
            parts = max(2, ceil_div(layer.n_in, BLOCK_SIZE // columns // 6 * 6))
            rows = padded(ceil_div(layer.n_in, parts), 6)
            for row0 in range(0, layer.n_in, rows):
                for col0 in range(0, layer.n_out, columns):
                    blocks.append((which, row0, min(row0 + rows, layer.n_in), col0, min(col0 + columns, layer.n_out)))
        held = np.array(blocks, dtype=np.int64)
        self.held.append(held)
        self.net.blocks, self.net.n_blocks = <const int64_t *>address(held), len(blocks)
        self.net.squares = <double *>self._lent((len(blocks),), np.float64)

    def start(self, str solver, double momentum, bint nesterov, double beta2, double epsilon, state):
        """Choose the rule of steps, "sgd" or "adam", and go on from the state of an earlier network."""
        cdef dense_layer *layer
        cdef int64_t which
        self.n_updates = state.get("n_updates", 0)
        names = ["velocity", "second"] if solver == "adam" else ["velocity"]
        for which in range(self.net.n_layers):
            layer = self.net.layers + which
            for name in names:
                for part, rows in (("weights", layer.n_in), ("biases", 1)):
                    array = aligned((rows, layer.stride), self.dtype)
                    before = state.get((part, name, which))
                    if before is not None and before.shape == array.shape:
                        array[...] = before
                    self.state_arrays[part, name, which] = array
            layer.weights.velocity = address(self.state_arrays["weights", "velocity", which])
            layer.biases.velocity = address(self.state_arrays["biases", "velocity", which])
            if solver == "adam":
                layer.weights.second = address(self.state_arrays["weights", "second", which])
                layer.biases.second = address(self.state_arrays["biases", "second", which])
            layer.weights.momentum = layer.biases.momentum = momentum
            layer.weights.beta2 = layer.biases.beta2 = beta2
            layer.weights.epsilon = layer.biases.epsilon = epsilon
            layer.weights.nesterov = layer.biases.nesterov = nesterov

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
        cdef dense_layer *layer
        cdef int64_t which
        self._bind(X, labels, targets, row_weight)
        found = []
        for which in range(self.net.n_layers):
            layer = self.net.layers + which
            arrays = aligned((layer.n_in, layer.stride), self.dtype), aligned((layer.stride,), self.dtype)
            layer.gradient, layer.bias_gradient = <char *>address(arrays[0]), <char *>address(arrays[1])
            found.append((arrays[0][:, :layer.n_out], arrays[1][:layer.n_out]))
        self.net.accumulate, self.net.loss.scale = True, 1 / weight
        job.net, job.n_rows, job.batch_size, job.total = &self.net, X.shape[0], self.max_rows, 0
        job.watch = watch_begin()
        cdef int workers = self._workers(min(X.shape[0], self.max_rows))
        with nogil:
            team_call(workers, lead_gradient, &job)
        watch_check(&job.watch)
        return job.total / weight, [g for g, _ in found], [b for _, b in found]
