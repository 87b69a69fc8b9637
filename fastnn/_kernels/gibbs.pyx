"""The Gibbs layer: who computes which tile of hidden given visible units, or the other way round.

States are packed, one bit a unit, in rows of 64-bit words. Work is cut in (block of rows) x (tile of
units): bounds depend on shapes alone, and a tile's result on nothing but its inputs, so the number of
threads cannot show. Binary inputs go through fixed-point products (csrc/product.c); real-valued ones
through single-threaded BLAS calls made inside the same parallel region: there is one pool of threads.
"""

import math

import numpy as np
from scipy.sparse import issparse

from cython.parallel cimport prange, threadid
from libc.math cimport exp, fabs, log1p
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport dgemm, sgemm

from .core cimport (
    FNN_MAX_ROWS,
    FNN_SCRATCH,
    FNN_STREAM_HIDDEN,
    FNN_STREAM_VISIBLE,
    FNN_TILE,
    fnn_layer,
    fnn_rooms,
    fnn_team,
    fnn_update,
    fnn_watch,
    rooms_for,
    team_call,
    team_run,
    watch_begin,
    watch_check,
    watch_interrupted,
)

# Fewer multiply-adds than this are not worth waking a second thread for (some 10 microseconds).
cdef int64_t WORTH_THREADS = 1 << 19
# Rows that a thread gathers or spreads at a time.
cdef int64_t GATHER_ROWS = 16
# Tiles that one BLAS call computes.
cdef int64_t STRIP_TILES = 4
# Rows whose pseudo-likelihood runs between two looks at Ctrl-C: a row costs n_visible passes over W.
cdef int64_t PSEUDO_ROWS = 32
cdef int64_t PSEUDO_WORK = 1 << 26
# Multiply-adds between two looks at Ctrl-C: below 0.1 s on any machine.
cdef int64_t BLOCK_WORK = <int64_t>1 << 32


cdef object aligned(shape, dtype):
    """np.zeros on a 64-byte boundary."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.zeros(n_bytes + 64, dtype=np.uint8)
    start = -<size_t>address(raw) % 64
    return raw[start:start + n_bytes].view(dtype).reshape(shape)


cdef void *address(object array) except? NULL:
    cdef size_t where = array.__array_interface__["data"][0]
    return <void *>where


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


cdef inline double real_at(const char *x, int64_t i, int64_t real_bytes) noexcept nogil:
    return (<const float *>x)[i] if real_bytes == 4 else (<const double *>x)[i]


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

    def take_draws(self, int64_t mode):
        """Make states of the values by drawing them, by this mode."""
        self.mode, self.binary = mode, True

    def survey(self, int64_t low, dtype, int n_threads):
        """(least value, greatest value, whether every value is `low` or 1); NaN bounds if a value is not finite."""
        cdef const fnn_rooms *rooms = rooms_for(dtype)
        cdef int64_t r, kind, nans = 0, others = 0, width = ceil_div(self.n_features, FNN_TILE) * FNN_TILE
        cdef int workers = threads_worth(2 * self.n_rows * self.n_features, n_threads)
        extremes = np.repeat([[np.inf, -np.inf]], n_threads, axis=0)
        cdef double[:, ::1] bounds = extremes
        scratch = aligned((n_threads, width), dtype)
        cdef char *scratch_at = <char *>address(scratch)
        width = width * rooms.real_bytes
        for r in prange(self.n_rows, schedule="static", num_threads=workers, nogil=True):
            kind = rooms.survey_row(&self.rows, r, low, scratch_at + threadid() * width, &bounds[threadid(), 0])
            nans += kind == 0
            others += kind != 2
        if nans:
            return np.nan, np.nan, False
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


cdef void layer_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """One block of rows x one tile of units, given states."""
    cdef layer_task *t = <layer_task *>context
    cdef int64_t row0 = item // t.side.n_tiles * FNN_MAX_ROWS
    t.rooms.layer_tile[t.side.unit](t.layer, row0, min(row0 + FNN_MAX_ROWS, t.n_rows), item % t.side.n_tiles,
                                    t.scratch + worker * <int64_t>FNN_SCRATCH)


cdef void strip_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """One block of rows x STRIP_TILES tiles, given values: a matrix product, then the units in cache."""
    cdef layer_task *t = <layer_task *>context
    cdef int64_t strips = ceil_div(t.side.n_tiles, STRIP_TILES), size = t.rooms.real_bytes
    cdef int64_t row0 = item // strips * FNN_MAX_ROWS, tile0 = item % strips * STRIP_TILES
    cdef int64_t row1 = min(row0 + FNN_MAX_ROWS, t.n_rows), unit0 = tile0 * FNN_TILE, tile
    gemm(size, False, not t.hidden, row1 - row0, min(t.side.n_units - unit0, STRIP_TILES * FNN_TILE), t.side.n_inputs,
         1.0, t.x + row0 * t.x_width * size, t.x_width,
         t.weights + unit0 * size * (1 if t.hidden else t.stride), t.stride, 0.0,
         <char *>t.layer.field + (row0 * t.layer.stride + unit0) * size, t.layer.stride)
    for tile in range(tile0, min(tile0 + STRIP_TILES, t.side.n_tiles)):
        t.rooms.layer_tile[t.side.unit](t.layer, row0, row1, tile, NULL)


cdef void spread_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """The last states of some chains, to the user's array."""
    cdef gibbs_task *t = <gibbs_task *>context
    cdef int64_t r
    for r in range(item * GATHER_ROWS, min((item + 1) * GATHER_ROWS, t.n_rows)):
        t.rooms.spread_states(t.visible + r * t.side.n_tiles, t.side.n_units, t.out_kind, t.side.low, t.side.step,
                              t.out + (t.row0 + r) * t.out_row_bytes)


cdef void update_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef weights_task *t = <weights_task *>context
    cdef int64_t row0 = item // t.h.n_tiles * FNN_MAX_ROWS
    t.rooms.update_tile(t.update, row0, min(row0 + FNN_MAX_ROWS, t.v.n_units), item % t.h.n_tiles,
                        t.scratch + worker * <int64_t>FNN_SCRATCH)


cdef void quantise_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef weights_task *t = <weights_task *>context
    t.rooms.quantise_block(t.update.weights, t.h.width, t.v.n_units, t.h.n_units, item // t.h.n_tiles,
                           item % t.h.n_tiles, t.v.inverse, t.h.inverse, t.h.panels, t.v.panels)


cdef void offset_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """What inputs of two non-zero values add whatever their bits: their lower value times the weights."""
    cdef weights_task *t = <weights_task *>context
    if item < t.h.n_tiles:
        t.rooms.panel_sums(t.h.panels, t.h.n_inputs, 0, t.h.n_inputs, item, t.v.low, t.h.offset)
    else:
        t.rooms.panel_sums(t.v.panels, t.v.n_inputs, 0, t.v.n_inputs, item - t.h.n_tiles, t.h.low, t.v.offset)


# Leaders of calls: what the first thread of a team does (team.h).

cdef void lead_measure(fnn_team *team, void *context) noexcept nogil:
    cdef measure_job *job = <measure_job *>context
    (<Weights>job.weights).update(team, &(<Weights>job.weights).still, NULL)
    job.bad = (<Weights>job.weights).prepare(team)


cdef void lead_rows(fnn_team *team, void *context) noexcept nogil:
    """Rows row0 .. row0 + n of a source through a layer, as states or (states NULL) as values; without a
    source, the states that the layer holds."""
    cdef rows_job *job = <rows_job *>context
    if job.source != NULL:
        gather(team, (<Weights>job.weights).rooms, <Source>job.source, NULL, job.row0, job.n, 0, 0, 0, job.states, job.values)
    (<Weights>job.weights).run(team, job.hidden, job.layer, job.n,
                               job.values if job.source != NULL and job.states == NULL else NULL, job.scratch)


cdef void lead_gibbs(fnn_team *team, void *context) noexcept nogil:
    cdef gibbs_job *job = <gibbs_job *>context
    (<Weights>job.weights).walk(team, <Source>job.source, job.row0, job.n, job.task, &job.watch)


cdef class Weights:
    """W and the biases of an RBM, and W in fixed point for both directions.

    weights: real (n_visible, n_hidden); visible_bias, hidden_bias real; units as in core.unit_values().
    """

    def __init__(self, weights, visible_bias, hidden_bias, visible_unit, hidden_unit, int n_threads):
        self.dtype = weights.dtype
        self.rooms = rooms_for(self.dtype)
        self.held = []
        n_visible, n_hidden = weights.shape
        self.visible_bias = aligned((ceil_div(n_visible, FNN_TILE) * FNN_TILE,), self.dtype)
        self.hidden_bias = aligned((ceil_div(n_hidden, FNN_TILE) * FNN_TILE,), self.dtype)
        self.visible = self._side(n_visible, n_hidden, visible_unit, FNN_STREAM_VISIBLE, self.visible_bias)
        self.hidden = self._side(n_hidden, n_visible, hidden_unit, FNN_STREAM_HIDDEN, self.hidden_bias)
        self.n_chunks = ceil_div(n_visible, FNN_MAX_ROWS)
        self.dense = aligned((n_visible, self.hidden.width), self.dtype)
        zeros = aligned((max(self.visible.width, self.hidden.width),), self.dtype)
        by_row = aligned((2, self.hidden.n_tiles, n_visible), self.dtype)
        by_col = aligned((2, self.n_chunks, self.hidden.width), self.dtype)
        self.held += [zeros, by_row, by_col]
        # An update that changes nothing: it measures the weights just as a training step does.
        memset(&self.still, 0, sizeof(fnn_update))
        self.still.visible_step, self.still.visible_low = self.visible.step, self.visible.low
        self.still.weights, self.still.stride = address(self.dense), self.hidden.width
        self.still.n_visible, self.still.n_hidden = n_visible, n_hidden
        self.still.d_visible = self.still.d_hidden = self.still.mu = self.still.lambda_ = address(zeros)
        self.still.row_abs, self.still.row_shift = address(by_row[0]), address(by_row[1])
        self.still.col_abs, self.still.col_shift = address(by_col[0]), address(by_col[1])
        self.load(weights, visible_bias, hidden_bias, n_threads)

    def n_units(self, bint hidden):
        return self.hidden.n_units if hidden else self.visible.n_units

    def unit_range(self, bint hidden):
        """(low, step) of the states of a layer's units."""
        return (self.hidden.low, self.hidden.step) if hidden else (self.visible.low, self.visible.step)

    def load(self, weights, visible_bias, hidden_bias, int n_threads):
        """Take these parameters in place of the present ones."""
        self.dense[...] = self.visible_bias[...] = self.hidden_bias[...] = 0
        self.dense[:, :self.hidden.n_units] = weights
        self.visible_bias[:self.visible.n_units] = visible_bias
        self.hidden_bias[:self.hidden.n_units] = hidden_bias
        self._measure(n_threads)

    cdef _measure(self, int n_threads):
        cdef measure_job job
        job.weights, job.bad = <void *>self, 0
        cdef int workers = threads_worth(8 * self.visible.n_units * self.hidden.width, n_threads)
        with nogil:
            team_call(workers, lead_measure, &job)
        if job.bad:
            raise OverflowError(f"the weights of {job.bad} units are not finite or too large to sum")

    cdef layer_side _side(self, int64_t n_units, int64_t n_inputs, unit, int64_t stream, bias):
        cdef layer_side side
        fix = np.int32 if self.dtype.itemsize == 4 else np.int64
        side.n_units, side.n_inputs, side.stream = n_units, n_inputs, stream
        side.n_tiles = ceil_div(n_units, FNN_TILE)
        side.width = side.n_tiles * FNN_TILE
        side.unit, side.low, side.step = unit
        steps = aligned((2, side.width), self.dtype)
        offset, panels = aligned((side.width,), fix), aligned((side.n_tiles, n_inputs, FNN_TILE), fix)
        self.held += [bias, steps, offset, panels]
        side.bias, side.offset, side.panels = address(bias), address(offset), address(panels)
        side.scale, side.inverse = address(steps[0]), address(steps[1])
        return side

    cdef weights_task task_of(self, const fnn_update *u, char *scratch) noexcept nogil:
        cdef weights_task t
        t.rooms, t.update, t.scratch = self.rooms, u, scratch
        t.v, t.h = self.visible, self.hidden
        return t

    cdef void update(self, fnn_team *team, const fnn_update *u, char *scratch) noexcept nogil:
        cdef weights_task t = self.task_of(u, scratch)
        team_run(team, update_item, &t, self.hidden.n_tiles * self.n_chunks)

    cdef int64_t prepare(self, fnn_team *team) noexcept nogil:
        """W to fixed point, from the sums that an update left; how many units are out of its range."""
        cdef layer_side v = self.visible, h = self.hidden
        cdef weights_task t = self.task_of(&self.still, NULL)
        cdef int64_t bad
        bad = self.rooms.scales(self.still.row_abs, h.n_tiles, v.n_units, v.n_units, v.scale, v.inverse)
        bad += self.rooms.scales(self.still.col_abs, self.n_chunks, h.width, h.n_units, h.scale, h.inverse)
        team_run(team, quantise_item, &t, v.n_tiles * h.n_tiles)
        if v.low or h.low:
            team_run(team, offset_item, &t, h.n_tiles + v.n_tiles)
        return bad

    cdef fnn_layer given_states(self, bint hidden, const uint64_t *states) noexcept nogil:
        """The hidden (else visible) layer given packed states of the other; callers add what they want."""
        cdef layer_side side = self.hidden if hidden else self.visible
        cdef layer_side other = self.visible if hidden else self.hidden
        cdef fnn_layer layer
        memset(&layer, 0, sizeof(fnn_layer))
        layer.input.bits, layer.input.words = states, other.n_tiles
        layer.input.panels, layer.input.n_inputs = side.panels, side.n_inputs
        layer.input_step = other.step
        layer.scale, layer.offset, layer.bias = side.scale, side.offset, side.bias
        layer.n_units, layer.stride, layer.stream = side.n_units, side.width, side.stream
        return layer

    cdef void run(self, fnn_team *team, bint hidden, const fnn_layer *layer, int64_t n_rows, const char *x,
                  char *scratch) noexcept nogil:
        """A layer of n_rows rows, given states (x NULL) or values x (n_rows, width of the other side), for
        which layer.field is room; scratch: FNN_SCRATCH bytes per worker."""
        cdef layer_side side = self.hidden if hidden else self.visible
        cdef int64_t blocks = ceil_div(n_rows, FNN_MAX_ROWS)
        cdef layer_task t
        t.rooms, t.side, t.layer, t.n_rows, t.scratch = self.rooms, &side, layer, n_rows, scratch
        t.hidden, t.weights, t.stride = hidden, <const char *>self.still.weights, self.hidden.width
        t.x, t.x_width = x, self.visible.width if hidden else self.hidden.width
        if x == NULL:
            team_run(team, layer_item, &t, blocks * side.n_tiles)
        else:
            team_run(team, strip_item, &t, blocks * ceil_div(side.n_tiles, STRIP_TILES))

    # What the API calls. X is a Source; outputs are new arrays.

    def mean(self, Source x, bint hidden, out, int n_threads):
        """out (n_rows, n_units) = E[unit given the other layer's values in x]."""
        self._each_block(x, hidden, out, None, n_threads)

    def log_partitions(self, Source x, out, int n_threads):
        """out (n_rows,) = sum over hidden units of ln(sum over states of e^(field state)), float64."""
        self._each_block(x, True, None, out, n_threads)

    def _each_block(self, Source x, bint hidden, mean, total, int n_threads):
        cdef layer_side side = self.hidden if hidden else self.visible
        cdef int64_t inner = (self.visible if hidden else self.hidden).width, row0, n
        cdef int64_t rows = max(min(x.n_rows, BLOCK_WORK // (inner * side.width), 8 * FNN_MAX_ROWS), FNN_MAX_ROWS)
        states = aligned((rows if x.binary else 1, inner // FNN_TILE), np.uint64)
        values = aligned((n_threads if x.binary else rows, inner), self.dtype)
        field = aligned((1 if x.binary else rows, side.width), self.dtype)
        means = aligned((rows if mean is not None else 1, side.width), self.dtype)
        logs = aligned((rows if total is not None else 1, side.n_tiles), np.float64)
        scratch = aligned((n_threads, FNN_SCRATCH), np.uint8)
        cdef uint64_t *states_at = <uint64_t *>address(states) if x.binary else NULL
        cdef char *values_at = <char *>address(values)
        cdef char *scratch_at = <char *>address(scratch)
        cdef fnn_layer layer = self.given_states(hidden, states_at)
        if mean is not None:
            layer.mean = address(means)
        if total is not None:
            layer.log_partition = address(logs)
        if not x.binary:
            layer.field = address(field)
        cdef int workers = threads_worth(min(rows, x.n_rows) * inner * side.width // 8, n_threads)
        cdef rows_job job = rows_job(<void *>self, <void *>x, hidden, 0, 0, &layer, states_at, values_at, scratch_at)
        cdef fnn_watch watch = watch_begin()
        for row0 in range(0, x.n_rows, rows):
            job.row0, job.n = row0, min(rows, x.n_rows - row0)
            n = job.n
            with nogil:
                team_call(workers, lead_rows, &job)
                watch_interrupted(&watch)
            watch_check(&watch)
            if mean is not None:
                mean[row0:row0 + n] = means[:n, :side.n_units]
            if total is not None:
                total[row0:row0 + n] = logs[:n].sum(axis=1)

    def bias_energies(self, Source x, out, int n_threads):
        """out (n_rows,) = visible biases . x, float64."""
        cdef layer_side v = self.visible
        cdef int64_t r, n, words = v.n_tiles, size = self.rooms.real_bytes, me
        cdef double all_low = self.visible_bias.sum(dtype=np.float64) * v.low
        cdef double[::1] result = out
        values = aligned((max(n_threads, FNN_MAX_ROWS), v.width), self.dtype)
        states = aligned((n_threads, words), np.uint64)
        cdef char *values_at = <char *>address(values)
        cdef uint64_t *states_at = <uint64_t *>address(states)
        if x.binary:
            for r in prange(x.n_rows, schedule="static", num_threads=threads_worth(2 * x.n_rows * v.n_units, n_threads), nogil=True):
                me = threadid()
                self.rooms.gather_states(&x.rows, r, x.mode, 0, 0, 0, values_at + me * v.width * size,
                                         states_at + me * words)
                result[r] = all_low + v.step * self.rooms.dot_states(states_at + me * words, words, v.bias)
            return
        cdef fnn_team alone
        alone.n_workers = 1
        for r in range(0, x.n_rows, FNN_MAX_ROWS):
            n = min(<int64_t>FNN_MAX_ROWS, x.n_rows - r)
            gather(&alone, self.rooms, x, NULL, r, n, 0, 0, 0, NULL, values_at)
            out[r:r + n] = np.einsum("ij,j->i", values[:n], self.visible_bias, dtype=np.float64)

    def log_partitions_of_states(self, states, bint hidden, out, int n_threads):
        """The sums of log_partitions given packed states (n, words): of the hidden units given visible
        states, or of the visible ones given hidden states."""
        cdef layer_side side = self.hidden if hidden else self.visible
        cdef int64_t n = states.shape[0]
        cdef fnn_layer layer = self.given_states(hidden, <const uint64_t *>address(states))
        logs, scratch = aligned((n, side.n_tiles), np.float64), aligned((n_threads, FNN_SCRATCH), np.uint8)
        cdef char *scratch_at = <char *>address(scratch)
        layer.log_partition = address(logs)
        cdef rows_job job = rows_job(<void *>self, NULL, hidden, 0, n, &layer, NULL, NULL, scratch_at)
        with nogil:
            team_call(n_threads, lead_rows, &job)
        np.sum(logs, axis=1, out=out)

    def pseudo_log_likelihoods(self, Source x, out, int n_threads):
        """out (n_rows,) = sum over visible units of ln P(v_i given the others), for rows of states."""
        cdef layer_side v = self.visible, h = self.hidden
        cdef int64_t row0, n, r, size = self.rooms.real_bytes
        cdef int64_t rows = max(<int64_t>n_threads, min(PSEUDO_ROWS, PSEUDO_WORK // (v.n_units * h.width)))
        values, field = aligned((rows, v.width), self.dtype), aligned((rows, h.width), self.dtype)
        cdef char *values_at = <char *>address(values)
        cdef char *field_at = <char *>address(field)
        cdef double[::1] result = out
        cdef fnn_watch watch = watch_begin()
        cdef fnn_team alone
        alone.n_workers = 1
        for row0 in range(0, x.n_rows, rows):
            n = min(rows, x.n_rows - row0)
            field[:n] = self.hidden_bias
            with nogil:
                gather(&alone, self.rooms, x, NULL, row0, n, 0, 0, 0, NULL, values_at)
                gemm(size, False, False, n, h.width, v.n_units, 1.0, values_at, v.width, self.still.weights, h.width,
                     1.0, field_at, h.width)
            for r in prange(n, schedule="dynamic", chunksize=1, num_threads=threads_worth(n * v.n_units * h.width, n_threads), nogil=True):
                result[row0 + r] = self.pseudo_log_likelihood(values_at + r * v.width * size,
                                                              field_at + r * h.width * size)
            watch_interrupted(&watch)
            watch_check(&watch)

    cdef double pseudo_log_likelihood(self, const char *values, const char *field) noexcept nogil:
        """One row: flipping unit i by delta raises -F by a_i delta + the change of the hidden units' sums."""
        cdef layer_side v = self.visible, h = self.hidden
        cdef int64_t i, size = self.rooms.real_bytes
        cdef double before, rise, total = 0, value, delta
        before = self.rooms.shifted_log_partition[h.unit](field, field, 0.0, h.n_units)
        for i in range(v.n_units):
            value = real_at(values, i, size)
            delta = 2 * v.low + v.step - 2 * value
            rise = real_at(<const char *>v.bias, i, size) * delta - before + self.rooms.shifted_log_partition[h.unit](
                field, <const char *>self.still.weights + i * h.width * size, delta, h.n_units)
            total -= log1p(exp(-fabs(rise))) + (rise if rise > 0 else 0)
        return total

    def gibbs(self, Source x, int64_t n_steps, uint64_t key, uint64_t step, uint64_t chain0, clamp, out,
              int n_threads):
        """n_steps of v -> h -> v from the rows of x; out (n_rows, n_visible) gets the last states.

        Row r is chain chain0 + r, step s of the call is step + s. clamp: packed (visible_tiles,) mask of
        the units held at their first state, or None. Values between states (x.binary false) set the
        fields of the first hidden draw as they are.
        """
        cdef layer_side v = self.visible, h = self.hidden
        cdef int64_t words = v.n_tiles, row0
        cdef int64_t rows = max(min(x.n_rows, BLOCK_WORK // (v.n_units * h.width)), FNN_MAX_ROWS)
        cdef int64_t kind = {"?": 0, "B": 0, "b": 1, "f": 2, "d": 3}[out.dtype.char]
        cdef int64_t row_bytes = out.strides[0]
        visible, hidden = aligned((rows, words), np.uint64), aligned((rows, h.n_tiles), np.uint64)
        start = aligned((rows if clamp is not None else 1, words), np.uint64)
        scratch = aligned((n_threads, FNN_SCRATCH), np.uint8)
        cdef uint64_t *visible_at = <uint64_t *>address(visible)
        cdef char *scratch_at = <char *>address(scratch)
        cdef char *out_at = <char *>address(out)
        cdef fnn_layer down = self.given_states(True, visible_at)
        cdef fnn_layer up = self.given_states(False, <uint64_t *>address(hidden))
        down.states, up.states = <uint64_t *>address(hidden), visible_at
        down.key = up.key = key
        if clamp is not None:
            up.clamp, up.clamp_to = <uint64_t *>address(clamp), <uint64_t *>address(start)
        values = aligned((n_threads if x.binary else max(rows, n_threads), v.width), self.dtype)
        field = aligned((1 if x.binary else rows, h.width), self.dtype)
        cdef gibbs_task t
        t.n_steps, t.key, t.step, t.chain0 = n_steps, key, step, chain0
        t.clamped = clamp is not None
        t.visible, t.start, t.values = visible_at, <uint64_t *>address(start), <char *>address(values)
        t.scratch, t.out, t.out_kind, t.out_row_bytes = scratch_at, out_at, kind, row_bytes
        t.down, t.up, t.first = down, up, down
        t.first.field = address(field)
        cdef int workers = threads_worth(rows * v.n_units * h.width // 8, n_threads)
        cdef gibbs_job job = gibbs_job(<void *>self, <void *>x, &t, watch_begin(), 0, 0)
        for row0 in range(0, x.n_rows, rows):
            job.row0, job.n = row0, min(rows, x.n_rows - row0)
            with nogil:
                team_call(workers, lead_gibbs, &job)
            watch_check(&job.watch)

    cdef void walk(self, fnn_team *team, Source x, int64_t row0, int64_t n, gibbs_task *t,
                   fnn_watch *watch) noexcept nogil:
        """A block of chains from its start to its last states."""
        cdef int64_t s
        t.first.chain0 = t.down.chain0 = t.up.chain0 = t.chain0 + row0
        gather(team, self.rooms, x, NULL, row0, n, t.key, t.step, t.chain0, t.visible, t.values)
        if t.clamped:
            memcpy(t.start, t.visible, n * self.visible.n_tiles * sizeof(uint64_t))
        for s in range(t.n_steps):
            t.first.step = t.down.step = t.up.step = t.step + s
            if s == 0 and not x.binary:
                gather(team, self.rooms, x, NULL, row0, n, 0, 0, 0, NULL, t.values)
                self.run(team, True, &t.first, n, t.values, NULL)
            else:
                self.run(team, True, &t.down, n, NULL, t.scratch)
            self.run(team, False, &t.up, n, NULL, t.scratch)
            if watch_interrupted(watch):
                return
        t.rooms, t.side, t.row0, t.n_rows = self.rooms, &self.visible, row0, n
        team_run(team, spread_item, t, ceil_div(n, GATHER_ROWS))
