"""Memory for the loops, and matrix products on it: what every loop needs besides the rooms."""

import math

import numpy as np

from cpython.buffer cimport PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t
from scipy.linalg.cython_blas cimport dgemm, sgemm

# Fewer multiply-adds than this are not worth waking a second thread for (some 10 microseconds).
cdef int64_t WORTH_THREADS = 1 << 19


cdef object aligned(shape, dtype, bint clear=True):
    """np.zeros (np.empty unless clear) on a 64-byte boundary."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    raw = (np.zeros if clear else np.empty)(n_bytes + 64, dtype=np.uint8)
    start = -<size_t>address(raw) % 64
    return raw[start:start + n_bytes].view(dtype).reshape(shape)


cdef void *address(object array) except? NULL:
    """Where an array's first element lies."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_STRIDED_RO)
    PyBuffer_Release(&view)
    return view.buf


cdef int64_t ceil_div(int64_t a, int64_t b) noexcept nogil:
    return (a + b - 1) // b


cdef int threads_worth(int64_t work, int n_threads) noexcept nogil:
    return n_threads if work >= WORTH_THREADS else 1


cdef void gemm(int64_t real_bytes, bint turn_a, bint turn_b, int64_t m, int64_t n, int64_t k, double alpha,
               const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc) noexcept nogil:
    """C = alpha A B + beta C, row-major: BLAS sees the transposes, with the factors exchanged."""
    cdef int cols = <int>n, rows = <int>m, inner = <int>k, la = <int>lda, lb = <int>ldb, lc = <int>ldc
    cdef char ta = b"T" if turn_a else b"N"
    cdef char tb = b"T" if turn_b else b"N"
    cdef float alpha_single = <float>alpha, beta_single = <float>beta
    if real_bytes == 4:
        sgemm(&tb, &ta, &cols, &rows, &inner, &alpha_single, <float *>b, &lb, <float *>a, &la, &beta_single,
              <float *>c, &lc)
    else:
        dgemm(&tb, &ta, &cols, &rows, &inner, &alpha, <double *>b, &lb, <double *>a, &la, &beta, <double *>c, &lc)
