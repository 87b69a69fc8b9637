"""An RBM's weights made ready for both directions, and the loops over one layer given the other."""

from libc.stdint cimport int64_t, uint64_t

from .core cimport fnn_layer, fnn_rooms, fnn_source, fnn_update


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


cdef class Weights:
    cdef const fnn_rooms *rooms
    cdef layer_side visible, hidden
    cdef readonly object dtype, dense, visible_bias, hidden_bias
    cdef list held
    cdef int64_t n_chunks
    cdef fnn_update still
    cdef _measure(self, int n_threads)
    cdef layer_side _side(self, int64_t n_units, int64_t n_inputs, unit, int64_t stream, bias)
    cdef int64_t prepare(self, int n_threads) noexcept nogil
    cdef void update(self, const fnn_update *u, char *scratch, int n_threads) noexcept nogil
    cdef double pseudo_log_likelihood(self, const char *values, const char *field) noexcept nogil
    cdef fnn_layer given_states(self, bint hidden, const uint64_t *states) noexcept nogil
    cdef void run(self, bint hidden, const fnn_layer *layer, int64_t n_rows, char *scratch, int n_threads) noexcept nogil
    cdef void run_on_reals(self, bint hidden, const fnn_layer *layer, const char *x, int64_t n_rows, int n_threads) noexcept nogil


cdef object aligned(shape, dtype)
cdef void *address(object array) except? NULL
cdef int64_t ceil_div(int64_t a, int64_t b) noexcept nogil
cdef int threads_worth(int64_t work, int n_threads) noexcept nogil
cdef void gather(const fnn_rooms *rooms, Source x, const int64_t *order, int64_t row0, int64_t n_rows, uint64_t key,
                 uint64_t step, uint64_t chain0, uint64_t *states, char *scratch, int64_t scratch_row, int n_threads) noexcept nogil
cdef void gather_real(const fnn_rooms *rooms, Source x, const int64_t *order, int64_t row0, int64_t n_rows,
                      char *out, int64_t row_bytes, int n_threads) noexcept nogil
cdef void gemm(int64_t real_bytes, bint turn_a, bint turn_b, int64_t m, int64_t n, int64_t k, double alpha,
               const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc) noexcept nogil
