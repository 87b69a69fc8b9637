"""An RBM's weights made ready for both directions, and the phases that work on them.

Work is cut in (block of rows) x (tile of units): bounds depend on shapes alone, and a tile's result on
nothing but its inputs, so the number of threads cannot show. Binary inputs go through fixed-point
products (csrc/product.c); real-valued ones through single-threaded BLAS calls made inside the same
parallel region: there is one pool of threads.
"""

import numpy as np

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from .arrays cimport address, aligned, ceil_div, gemm, threads_worth
from .core cimport (
    FNN_MAX_ROWS,
    FNN_SCRATCH,
    FNN_STREAM_HIDDEN,
    FNN_STREAM_VISIBLE,
    FNN_TILE,
    fnn_layer,
    fnn_team,
    fnn_update,
    rooms_for,
    team_call,
    team_run,
)

# Tiles that one BLAS call computes.
cdef int64_t STRIP_TILES = 4
# Rows whose groups a thread draws at a time.
cdef int64_t GROUP_ROWS = 16


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


cdef void group_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef layer_task *t = <layer_task *>context
    t.rooms.group_rows(t.layer, item * GROUP_ROWS, min((item + 1) * GROUP_ROWS, t.n_rows))


cdef void update_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef weights_task *t = <weights_task *>context
    # Tile by tile, as the hidden layer's phase goes over the panels that are written here.
    cdef int64_t n_chunks = ceil_div(t.v.n_units, FNN_MAX_ROWS), row0 = item % n_chunks * FNN_MAX_ROWS
    t.rooms.update_tile(t.update, row0, min(row0 + FNN_MAX_ROWS, t.v.n_units), item // n_chunks,
                        t.scratch + worker * <int64_t>FNN_SCRATCH)


cdef void quantise_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef weights_task *t = <weights_task *>context
    t.rooms.quantise_block(t.update.weights, t.h.width, t.v.n_units, t.h.n_units, item % t.v.n_tiles,
                           item // t.v.n_tiles, t.v.inverse, t.h.inverse, t.h.panels, t.v.panels)


cdef void offset_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """What inputs of two non-zero values add whatever their bits: their lower value times the weights."""
    cdef weights_task *t = <weights_task *>context
    if item < t.h.n_tiles:
        t.rooms.panel_sums(t.h.panels, t.h.n_inputs, 0, t.h.n_inputs, item, t.v.low, t.h.offset)
    else:
        t.rooms.panel_sums(t.v.panels, t.v.n_inputs, 0, t.v.n_inputs, item - t.h.n_tiles, t.h.low, t.v.offset)


cdef struct measure_job:
    # What the leader of a measurement is told; the weights are borrowed from the caller, who waits.
    void *weights
    int64_t bad


cdef void lead_measure(fnn_team *team, void *context) noexcept nogil:
    cdef measure_job *job = <measure_job *>context
    (<Weights>job.weights).update(team, &(<Weights>job.weights).still, NULL)
    job.bad = (<Weights>job.weights).prepare(team)


cdef class Weights:
    """W and the biases of an RBM, and W in fixed point for both directions.

    weights: real (n_visible, n_hidden); visible_bias, hidden_bias real; units as in core.unit_values().
    sigma: standard deviations of visible units (n_visible,), or None. groups: int64 (n_groups, 2) of each
    layer, where its units are drawn in groups: first unit, and the one past the last.
    """

    def __init__(self, weights, visible_bias, hidden_bias, visible_unit, hidden_unit, int n_threads, *, sigma=None,
                 visible_groups=None, hidden_groups=None):
        self.dtype = weights.dtype
        self.rooms = rooms_for(self.dtype)
        self.held = []
        n_visible, n_hidden = weights.shape
        self.visible_bias = aligned((ceil_div(n_visible, FNN_TILE) * FNN_TILE,), self.dtype)
        self.hidden_bias = aligned((ceil_div(n_hidden, FNN_TILE) * FNN_TILE,), self.dtype)
        self.visible = self._side(n_visible, n_hidden, visible_unit, FNN_STREAM_VISIBLE, self.visible_bias,
                                  visible_groups)
        self.hidden = self._side(n_hidden, n_visible, hidden_unit, FNN_STREAM_HIDDEN, self.hidden_bias,
                                 hidden_groups)
        if sigma is not None:
            self.sigma, self.factor = (aligned((self.visible.width,), self.dtype) for _ in range(2))
            self.visible.sigma, self.visible.factor = address(self.sigma), address(self.factor)
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
        self.load(weights, visible_bias, hidden_bias, sigma, n_threads)

    def n_units(self, bint hidden):
        return self.hidden.n_units if hidden else self.visible.n_units

    def unit_range(self, bint hidden):
        """(low, step) of the states of a layer's units."""
        return (self.hidden.low, self.hidden.step) if hidden else (self.visible.low, self.visible.step)

    def load(self, weights, visible_bias, hidden_bias, sigma, int n_threads):
        """Take these parameters in place of the present ones."""
        if sigma is not None:
            self.sigma[...] = 1
            self.sigma[:self.visible.n_units] = sigma
            self.scaled()
        self.dense[...] = self.visible_bias[...] = self.hidden_bias[...] = 0
        self.dense[:, :self.hidden.n_units] = weights
        self.visible_bias[:self.visible.n_units] = visible_bias
        self.hidden_bias[:self.hidden.n_units] = hidden_bias
        self._measure(n_threads)

    cdef void scaled(self) noexcept nogil:
        """After a change of sigma."""
        cdef int64_t u
        for u in range(self.visible.width):
            if self.rooms.real_bytes == 4:
                (<float *>self.visible.factor)[u] = 1 / (<float *>self.visible.sigma)[u]
            else:
                (<double *>self.visible.factor)[u] = 1 / (<double *>self.visible.sigma)[u]

    cdef _measure(self, int n_threads):
        cdef measure_job job
        job.weights, job.bad = <void *>self, 0
        cdef int workers = threads_worth(8 * self.visible.n_units * self.hidden.width, n_threads)
        with nogil:
            team_call(workers, lead_measure, &job)
        if job.bad:
            raise OverflowError(f"the weights of {job.bad} units are not finite or too large to sum")

    cdef layer_side _side(self, int64_t n_units, int64_t n_inputs, unit, int64_t stream, bias, groups):
        cdef layer_side side
        memset(&side, 0, sizeof(layer_side))
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
        if groups is not None:
            alone = np.ones(side.width, dtype=np.bool_)
            for first, last in groups:
                alone[first:last] = False
            alone = np.packbits(alone, bitorder="little").view(np.uint64)
            self.held += [groups, alone]
            side.groups, side.n_groups, side.alone = <int64_t *>address(groups), len(groups), <uint64_t *>address(alone)
        return side

    cdef weights_task task_of(self, const fnn_update *u, char *scratch) noexcept nogil:
        cdef weights_task t
        t.rooms, t.update, t.scratch = self.rooms, u, scratch
        t.v, t.h = self.visible, self.hidden
        return t

    cdef void update(self, fnn_team *team, const fnn_update *u, char *scratch) noexcept nogil:
        cdef weights_task t = self.task_of(u, scratch)
        team_run(team, update_item, &t, self.hidden.n_tiles * self.n_chunks)

    cdef int64_t follow(self, fnn_team *team) noexcept nogil:
        """After an update that wrote W to fixed point in the present steps: see that they still serve."""
        if self.rooms.scales_serve(self.still.row_abs, self.hidden.n_tiles, self.visible.n_units,
                                   self.visible.n_units, self.visible.inverse) \
                and self.rooms.scales_serve(self.still.col_abs, self.n_chunks, self.hidden.width,
                                            self.hidden.n_units, self.hidden.inverse):
            self.sum_offsets(team)
            return 0
        return self.prepare(team)

    cdef int64_t prepare(self, fnn_team *team) noexcept nogil:
        """W to fixed point, from the sums that an update left; how many units are out of its range."""
        cdef layer_side v = self.visible, h = self.hidden
        cdef weights_task t = self.task_of(&self.still, NULL)
        cdef int64_t bad
        bad = self.rooms.scales(self.still.row_abs, h.n_tiles, v.n_units, v.n_units, v.scale, v.inverse)
        bad += self.rooms.scales(self.still.col_abs, self.n_chunks, h.width, h.n_units, h.scale, h.inverse)
        team_run(team, quantise_item, &t, v.n_tiles * h.n_tiles)
        self.sum_offsets(team)
        return bad

    cdef void sum_offsets(self, fnn_team *team) noexcept nogil:
        cdef weights_task t = self.task_of(&self.still, NULL)
        if self.visible.low or self.hidden.low:
            team_run(team, offset_item, &t, self.hidden.n_tiles + self.visible.n_tiles)

    cdef fnn_layer given_states(self, bint hidden, const uint64_t *states) noexcept nogil:
        """The hidden (else visible) layer given packed states of the other; callers add what they want."""
        cdef layer_side side = self.hidden if hidden else self.visible
        cdef layer_side other = self.visible if hidden else self.hidden
        cdef fnn_layer layer
        memset(&layer, 0, sizeof(fnn_layer))
        layer.input.bits, layer.input.words = states, other.n_tiles
        layer.input.panels, layer.input.n_inputs, layer.input.n_outputs = side.panels, side.n_inputs, side.n_units
        layer.input_step = other.step
        layer.scale, layer.offset, layer.bias = side.scale, side.offset, side.bias
        layer.n_units, layer.stride, layer.stream = side.n_units, side.width, side.stream
        layer.groups, layer.n_groups, layer.alone = side.groups, side.n_groups, side.alone
        return layer

    cdef void run(self, fnn_team *team, bint hidden, const fnn_layer *layer, int64_t n_rows, const char *x,
                  char *scratch) noexcept nogil:
        """A layer of n_rows rows, given states (x NULL) or values x (n_rows, width of the other side), for
        which layer.field is room; scratch: FNN_SCRATCH bytes per worker. Where its units are drawn in
        groups, layer.fields is room for their fields (which may be layer.field)."""
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
        if side.n_groups:
            team_run(team, group_item, &t, ceil_div(n_rows, GROUP_ROWS))
