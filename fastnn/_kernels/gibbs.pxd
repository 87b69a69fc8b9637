"""An RBM's weights made ready for both directions, and the loops over one layer given the other."""

from libc.stdint cimport int64_t, uint64_t

from .core cimport fnn_layer, fnn_rooms, fnn_source, fnn_team, fnn_update, fnn_watch


cdef class Source:
    cdef fnn_source rows
    cdef readonly int64_t n_rows, n_features, mode
    cdef readonly bint binary
    cdef tuple held


cdef struct layer_side:
    # One layer of units: biases (real), steps of its fixed-point sums, the panels they are sums of.
    int64_t n_units, n_inputs, n_tiles, width  # width = n_tiles * FNN_TILE
    int64_t unit, low, step, stream
    void *bias
    void *scale
    void *inverse
    void *offset
    void *panels


# What the items of a phase need to know.
cdef struct gather_task:
    const fnn_rooms *rooms
    const fnn_source *source
    const int64_t *order
    int64_t mode, row0, n_rows, words, row_bytes
    uint64_t key, step, chain0
    uint64_t *states
    char *values


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


cdef struct gibbs_task:
    const fnn_rooms *rooms
    const layer_side *side
    fnn_layer first, down, up
    int64_t n_steps, row0, n_rows, out_kind, out_row_bytes
    uint64_t key, step, chain0
    bint clamped
    uint64_t *visible
    uint64_t *start
    char *values
    char *scratch
    char *out


# What a call's leader is told; objects are borrowed from the caller, who waits.
cdef struct measure_job:
    void *weights
    int64_t bad


cdef struct rows_job:
    void *weights
    void *source
    bint hidden
    int64_t row0, n
    const fnn_layer *layer
    uint64_t *states
    char *values
    char *scratch


cdef struct gibbs_job:
    void *weights
    void *source
    gibbs_task *task
    fnn_watch watch
    int64_t row0, n


cdef class Weights:
    cdef const fnn_rooms *rooms
    cdef layer_side visible, hidden
    cdef readonly object dtype, dense, visible_bias, hidden_bias
    cdef list held
    cdef int64_t n_chunks
    cdef fnn_update still
    cdef _measure(self, int n_threads)
    cdef layer_side _side(self, int64_t n_units, int64_t n_inputs, unit, int64_t stream, bias)
    cdef weights_task task_of(self, const fnn_update *u, char *scratch) noexcept nogil
    cdef void update(self, fnn_team *team, const fnn_update *u, char *scratch) noexcept nogil
    cdef int64_t prepare(self, fnn_team *team) noexcept nogil
    cdef fnn_layer given_states(self, bint hidden, const uint64_t *states) noexcept nogil
    cdef void run(self, fnn_team *team, bint hidden, const fnn_layer *layer, int64_t n_rows, const char *x,
                  char *scratch) noexcept nogil
    cdef double pseudo_log_likelihood(self, const char *values, const char *field) noexcept nogil
    cdef void walk(self, fnn_team *team, Source x, int64_t row0, int64_t n, gibbs_task *t,
                   fnn_watch *watch) noexcept nogil


cdef object aligned(shape, dtype)
cdef void *address(object array) except? NULL
cdef int64_t ceil_div(int64_t a, int64_t b) noexcept nogil
cdef int threads_worth(int64_t work, int n_threads) noexcept nogil
cdef void gather(fnn_team *team, const fnn_rooms *rooms, Source x, const int64_t *order, int64_t row0, int64_t n_rows,
                 uint64_t key, uint64_t step, uint64_t chain0, uint64_t *states, char *values) noexcept nogil
cdef void gemm(int64_t real_bytes, bint turn_a, bint turn_b, int64_t m, int64_t n, int64_t k, double alpha,
               const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc) noexcept nogil
