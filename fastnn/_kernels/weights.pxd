"""An RBM's weights made ready for both directions."""

from libc.stdint cimport int64_t, uint64_t

from .core cimport fnn_layer, fnn_rooms, fnn_team, fnn_update


cdef struct layer_side:
    # One layer of units: biases (real), steps of its fixed-point sums, the panels they are sums of.
    int64_t n_units, n_inputs, n_tiles, width  # width = n_tiles * FNN_TILE
    int64_t unit, low, step, stream  # step 0: the units' states are numbers
    void *bias
    void *sigma   # real (width): what a value in the loops is multiplied by for the user; NULL: 1
    void *factor  # real (width): 1 / sigma
    int64_t *groups  # (n_groups, 2)
    int64_t n_groups
    uint64_t *alone  # (n_tiles)
    void *scale
    void *inverse
    void *offset
    void *panels


# What the items of a phase need to know.
cdef struct layer_task:
    const fnn_rooms *rooms
    const layer_side *side
    const fnn_layer *layer
    bint hidden
    int64_t n_rows, stride, x_width
    const char *weights
    const char *x
    char *scratch


cdef struct weights_task:
    const fnn_rooms *rooms
    const fnn_update *update
    layer_side v, h
    char *scratch


cdef class Weights:
    cdef const fnn_rooms *rooms
    cdef layer_side visible, hidden
    cdef readonly object dtype, dense, visible_bias, hidden_bias, sigma
    cdef object factor
    cdef list held
    cdef int64_t n_chunks
    cdef fnn_update still
    cdef _measure(self, int n_threads)
    cdef layer_side _side(self, int64_t n_units, int64_t n_inputs, unit, int64_t stream, bias, groups)
    cdef void scaled(self) noexcept nogil
    cdef weights_task task_of(self, const fnn_update *u, char *scratch) noexcept nogil
    cdef void update(self, fnn_team *team, const fnn_update *u, char *scratch) noexcept nogil
    cdef int64_t prepare(self, fnn_team *team) noexcept nogil
    cdef int64_t follow(self, fnn_team *team) noexcept nogil
    cdef void sum_offsets(self, fnn_team *team) noexcept nogil
    cdef fnn_layer given_states(self, bint hidden, const uint64_t *states) noexcept nogil
    cdef void run(self, fnn_team *team, bint hidden, const fnn_layer *layer, int64_t n_rows, const char *x,
                  char *scratch) noexcept nogil
