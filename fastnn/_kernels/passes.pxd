"""A feed-forward network of dense layers, laid out for the loops, and its passes."""

from libc.stdint cimport int64_t

from .core cimport fnn_dense, fnn_descent, fnn_loss, fnn_rooms, fnn_source, fnn_team


cdef struct dense_layer:
    # Values below have rows of stride_in reals, this layer's values, errors and weights of stride.
    int64_t n_in, n_out, stride_in, stride
    bint packed  # rows of weights are padded to 16 columns: its product stays out of BLAS
    int64_t rows, columns, back_columns  # of a tile
    fnn_dense dense
    fnn_descent weights, biases
    char *gradient
    char *bias_gradient
    const char *below
    char *values
    char *errors


cdef struct network:
    const fnn_rooms *rooms
    dense_layer *layers
    int64_t n_layers, bytes
    # The data, and the batch that is being worked on: rows row0 .. row0 + n of the order.
    fnn_source source
    const int64_t *order
    const int64_t *labels
    const char *targets
    const char *row_weight
    int64_t n_targets, row0, n
    fnn_dense input
    int64_t *batch_labels
    char *batch_targets
    char *batch_weight
    double *losses
    int64_t (*loss_rows)(const fnn_loss *, int64_t, int64_t) noexcept nogil
    fnn_loss loss
    int64_t bad
    # Blocks of parameters: layer, row0, row1, column0, column1 of each; the sums of their squares.
    const int64_t *blocks
    int64_t n_blocks
    double *squares
    bint accumulate
    bint keep  # add to the gradients that are there
    char *scratch
    int64_t scratch_bytes, slab
    const char *ones


cdef enum:
    TURNED_ROWS = 512  # of a layer's weights, turned, that a product takes at a time
    SLAB_ROWS = 16  # rows that go through a small network at a time
    SMALL_LAYER = 1 << 15  # weights up to which a layer stays in the second-level cache with its rows


cdef inline bint is_small(int64_t n_in, int64_t n_out) noexcept nogil:
    return n_in * n_out <= SMALL_LAYER


cdef void forward_from(const fnn_rooms *rooms, dense_layer *layer, const char *below, int64_t stride_in, int64_t row0,
                       int64_t row1, int64_t col0, int64_t col1) noexcept nogil
cdef void run_batch(fnn_team *team, network *net) noexcept nogil
