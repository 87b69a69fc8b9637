"""Rows of users' data."""

from libc.stdint cimport int64_t, uint64_t

from .core cimport fnn_rooms, fnn_source, fnn_team


cdef class Source:
    cdef fnn_source rows
    cdef readonly int64_t n_rows, n_features, mode
    cdef readonly bint binary
    cdef tuple held
    cdef void multiply_by(self, const void *factor) noexcept nogil


# What the items of a phase need to know.
cdef struct gather_task:
    const fnn_rooms *rooms
    const fnn_source *source
    const int64_t *order
    int64_t mode, row0, n_rows, words, row_bytes
    uint64_t key, step, chain0
    uint64_t *states
    char *values


cdef void gather(fnn_team *team, const fnn_rooms *rooms, Source x, const int64_t *order, int64_t row0, int64_t n_rows,
                 uint64_t key, uint64_t step, uint64_t chain0, uint64_t *states, char *values) noexcept nogil
