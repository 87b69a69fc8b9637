"""Memory for the loops, and matrix products on it."""

from libc.stdint cimport int64_t

cdef object aligned(shape, dtype, bint clear=*)
cdef void *address(object array) except? NULL
cdef int64_t ceil_div(int64_t a, int64_t b) noexcept nogil
cdef inline int64_t padded(int64_t n, int64_t multiple) noexcept nogil:
    return ceil_div(n, multiple) * multiple

cdef inline int64_t row_stride(int64_t n, int64_t multiple) noexcept nogil:
    """n rounded up, and not to where rows crowd into a part of the cache's sets."""
    cdef int64_t stride = padded(n, multiple)
    return stride + 16 if stride % 64 == 0 else stride

cdef int threads_worth(int64_t work, int n_threads) noexcept nogil
cdef void gemm(int64_t real_bytes, bint turn_a, bint turn_b, int64_t m, int64_t n, int64_t k, double alpha,
               const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc) noexcept nogil
