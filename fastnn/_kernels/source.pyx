"""Rows of users' data, read in place: surveyed once, then gathered as states or as reals."""

import numpy as np
from scipy.sparse import issparse

from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t, uint64_t

from .arrays cimport address, aligned, ceil_div, threads_worth
from .core cimport (
    FNN_TILE,
    fnn_rooms,
    fnn_team,
    fnn_watch,
    rooms_for,
    team_run,
    watch_begin,
    watch_check,
    watch_interrupted,
)

# Rows that a thread gathers at a time.
cdef int64_t GATHER_ROWS = 16
# Values surveyed between two looks at Ctrl-C.
cdef int64_t BLOCK_VALUES = 1 << 24


def pack_mask(mask):
    """A boolean vector as the words of a row of states."""
    words = np.zeros(ceil_div(mask.size, FNN_TILE), dtype=np.uint64)
    packed = np.packbits(mask, bitorder="little")
    words.view(np.uint8)[:packed.size] = packed
    return words


def unpack_states(states, int64_t n_units):
    """Packed rows (n, words) to a boolean array (n, n_units)."""
    return np.unpackbits(states.view(np.uint8), axis=1, count=n_units, bitorder="little").view(np.bool_)


cdef class Source:
    """Rows of a validated data matrix, read in place.

    X: C-ordered array of bool, uint8, int8, float32 or float64, or CSR with such data. mode says how
    states are made of values: 0 value > 0, 1 value > 1/2, 2 and 3 a fresh draw at each visit from the
    mean of a 0/1 or a -1/+1 unit; binary that states are wanted (else the values go through BLAS).
    """

    def __init__(self, X, int64_t mode, bint binary):
        data = X.data if issparse(X) else X
        self.n_rows, self.n_features = X.shape
        self.mode = mode
        self.binary = binary
        self.rows.kind = {"?": 0, "B": 0, "b": 1, "f": 2, "d": 3}[data.dtype.char]
        self.rows.n_features = self.n_features
        self.rows.data = address(data)
        self.held = (data,)
        if issparse(X):
            self.held = (data, X.indptr, X.indices)
            self.rows.indptr = address(X.indptr)
            self.rows.indices = address(X.indices)
            self.rows.index_bytes = X.indices.itemsize
        else:
            self.rows.stride = X.strides[0] // X.itemsize

    def take_as(self, int64_t mode, bint binary):
        """Make states of the values by this mode; or, unless binary, take them as they are."""
        self.mode, self.binary = mode, binary

    cdef void multiply_by(self, const void *factor) noexcept nogil:
        """Let gathered reals be multiplied by these, one a feature (NULL: 1), held by the caller."""
        self.rows.factor = factor

    def survey(self, int64_t low, dtype, int n_threads, bint keep=False):
        """(least value, greatest value, whether every value is `low` or 1); NaN bounds if a value is not finite.

        keep: if the rows turn out to be states, hold them packed from now on: an eighth of a byte each.
        """
        cdef const fnn_rooms *rooms = rooms_for(dtype)
        cdef int64_t row0, row1, block = max(<int64_t>1, BLOCK_VALUES // self.n_features)
        cdef fnn_watch watch = watch_begin()
        cdef int64_t r, kind, nans = 0, others = 0, width = ceil_div(self.n_features, FNN_TILE) * FNN_TILE
        cdef int workers = threads_worth(2 * self.n_rows * self.n_features, n_threads)
        extremes = np.repeat([[np.inf, -np.inf]], n_threads, axis=0)
        cdef double[:, ::1] bounds = extremes
        cdef int64_t words = width // FNN_TILE
        states = np.empty((self.n_rows if keep else 0, words), dtype=np.uint64)
        cdef uint64_t *states_at = <uint64_t *>address(states) if keep else NULL
        scratch = aligned((n_threads, width), dtype)
        cdef char *scratch_at = <char *>address(scratch)
        width = width * rooms.real_bytes
        for row0 in range(0, self.n_rows, block):
            row1 = min(row0 + block, self.n_rows)
            for r in prange(row0, row1, schedule="static", num_threads=workers, nogil=True):
                kind = rooms.survey_row(&self.rows, r, low, scratch_at + threadid() * width, &bounds[threadid(), 0],
                                        states_at + r * words if states_at != NULL else NULL)
                nans += kind == 0
                others += kind != 2
            watch_interrupted(&watch)
            watch_check(&watch)
        if nans:
            return np.nan, np.nan, False
        if keep and not others:
            self.held = (states,)
            self.rows.data, self.rows.kind, self.rows.stride, self.rows.low = address(states), 4, words, low
            self.rows.indptr = NULL
        return extremes[:, 0].min(), extremes[:, 1].max(), others == 0


cdef void gather_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef gather_task *t = <gather_task *>context
    cdef int64_t r, row
    for r in range(item * GATHER_ROWS, min((item + 1) * GATHER_ROWS, t.n_rows)):
        row = t.row0 + r if t.order == NULL else t.order[t.row0 + r]
        if t.states == NULL:
            t.rooms.gather_reals(t.source, row, t.values + r * t.row_bytes)
        else:
            t.rooms.gather_states(t.source, row, t.mode, t.key, t.step, t.chain0 + <uint64_t>row,
                                  t.values + worker * t.row_bytes, t.states + r * t.words)


cdef void gather(fnn_team *team, const fnn_rooms *rooms, Source x, const int64_t *order, int64_t row0, int64_t n_rows,
                 uint64_t key, uint64_t step, uint64_t chain0, uint64_t *states, char *values) noexcept nogil:
    """Row r of the result is data row order[row0 + r] (row0 + r if order is NULL).

    As states, with a row of reals per worker at `values`; or, where states is NULL, as reals (n_rows, width).
    """
    cdef gather_task t
    t.rooms, t.source, t.mode, t.order = rooms, &x.rows, x.mode, order
    t.row0, t.n_rows, t.key, t.step, t.chain0 = row0, n_rows, key, step, chain0
    t.states, t.values = states, values
    t.words = ceil_div(x.n_features, FNN_TILE)
    t.row_bytes = t.words * FNN_TILE * rooms.real_bytes
    team_run(team, gather_item, &t, ceil_div(n_rows, GATHER_ROWS))
