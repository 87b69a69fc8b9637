"""Sampling an RBM: steps of v -> h -> v for many chains at once.

States of two values are packed, one bit a unit, in rows of 64-bit words; others are rows of reals. A draw
is keyed by what is drawn, so neither the number of threads nor a call's cut into blocks of chains can show.
"""

import numpy as np

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from .arrays cimport address, aligned, ceil_div, threads_worth
from .core cimport (
    FNN_MAX_ROWS,
    FNN_SCRATCH,
    FNN_STREAM_START,
    fnn_layer,
    fnn_rooms,
    fnn_team,
    fnn_watch,
    team_call,
    team_run,
    watch_begin,
    watch_check,
    watch_interrupted,
)
from .source cimport Source, gather
from .weights cimport Weights, layer_side

# Rows that a thread spreads at a time.
cdef int64_t SPREAD_ROWS = 16
# Multiply-adds between two looks at Ctrl-C: below 0.1 s on any machine.
cdef int64_t BLOCK_WORK = <int64_t>1 << 32


cdef struct gibbs_task:
    layer_side side
    layer_rows v, h, start
    fnn_layer first, down, up
    int64_t n_steps, row0, n_rows, out_kind, out_row_bytes
    uint64_t key, step, chain0
    bint clamped
    const fnn_rooms *rooms
    char *rows_read
    char *scratch
    char *out


cdef struct gibbs_job:
    # What the leader of a call is told; objects are borrowed from the caller, who waits.
    void *weights
    void *source
    gibbs_task *task
    fnn_watch watch
    int64_t row0, n


cdef void spread_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """The last states of some chains, to the user's array."""
    cdef gibbs_task *t = <gibbs_task *>context
    cdef int64_t r
    cdef char *out
    for r in range(item * SPREAD_ROWS, min((item + 1) * SPREAD_ROWS, t.n_rows)):
        out = t.out + (t.row0 + r) * t.out_row_bytes
        if t.side.step:
            t.rooms.spread_states(t.v.states + r * t.side.n_tiles, t.side.n_units, t.out_kind, t.side.low, t.side.step, out)
        else:
            t.rooms.scale_row(t.v.values + r * t.side.width * t.rooms.real_bytes, t.side.sigma, t.side.n_units, out)


cdef void begin(Weights weights, fnn_team *team, void *source, int64_t row0, int64_t n, gibbs_task *t) noexcept nogil:
    """The first visible states: rows of the source; without one, drawn from the biases alone."""
    cdef fnn_layer alone
    if source != NULL:
        gather(team, weights.rooms, <Source>source, NULL, row0, n, t.key, t.step, t.chain0, t.v.states,
               t.rows_read if t.side.step else t.v.values)
        return
    alone = t.up
    memset(t.v.field, 0, n * t.side.width * weights.rooms.real_bytes)
    alone.clamp, alone.field, alone.stream, alone.step = NULL, t.v.field, FNN_STREAM_START, t.step
    weights.run(team, False, &alone, n, NULL, t.scratch)


cdef void walk(Weights weights, fnn_team *team, void *source, int64_t row0, int64_t n, gibbs_task *t,
               fnn_watch *watch) noexcept nogil:
    """A block of chains from its start to its last states."""
    cdef int64_t s
    cdef bint between = source != NULL and t.side.step and not (<Source>source).binary
    t.first.chain0 = t.down.chain0 = t.up.chain0 = t.chain0 + row0
    begin(weights, team, source, row0, n, t)
    if t.clamped and t.side.step:
        memcpy(t.start.states, t.v.states, n * t.side.n_tiles * sizeof(uint64_t))
    elif t.clamped:
        memcpy(t.start.values, t.v.values, n * t.side.width * weights.rooms.real_bytes)
    for s in range(t.n_steps):
        t.first.step = t.down.step = t.up.step = t.step + s
        if s == 0 and between:
            gather(team, weights.rooms, <Source>source, NULL, row0, n, 0, 0, 0, NULL, t.rows_read)
            weights.run(team, True, &t.first, n, t.rows_read, NULL)
        else:
            weights.run(team, True, &t.down, n, t.v.values, t.scratch)
        weights.run(team, False, &t.up, n, t.h.values, t.scratch)
        if watch_interrupted(watch):
            return
    t.row0, t.n_rows = row0, n
    team_run(team, spread_item, t, ceil_div(n, SPREAD_ROWS))


cdef void lead_gibbs(fnn_team *team, void *context) noexcept nogil:
    cdef gibbs_job *job = <gibbs_job *>context
    walk(<Weights>job.weights, team, job.source, job.row0, job.n, job.task, &job.watch)


cdef layer_rows room(Weights weights, layer_side side, int64_t rows, bint field, list held, states=None):
    """Memory for a block of chains; held keeps it alive. states: the chains' own, where the caller has them."""
    cdef layer_rows found
    memset(&found, 0, sizeof(layer_rows))
    packed = side.step != 0
    own = states
    if own is None:
        own = aligned((rows, side.n_tiles if packed else side.width), np.uint64 if packed else weights.dtype)
    beside = aligned((rows if field or side.n_groups else 1, side.width), weights.dtype)
    held.extend((own, beside))
    if packed:
        found.states = <uint64_t *>address(own)
    else:
        found.values = <char *>address(own)
    found.field = <char *>address(beside)
    return found


cdef fnn_layer drawn(Weights weights, bint hidden, layer_rows own, layer_rows other):
    """A layer drawn given the other's rows."""
    cdef fnn_layer layer = weights.given_states(hidden, other.states)
    layer.states, layer.values = own.states, own.values
    if layer.n_groups:
        layer.fields = own.field
    if other.values != NULL:
        layer.field = own.field
    return layer


def gibbs(Weights weights, source, int64_t n_steps, uint64_t key, uint64_t step, uint64_t chain0, clamp, out,
          int n_threads):
    """n_steps of v -> h -> v from the rows of a source; out (n_rows, n_visible) gets the last states.

    source: a Source, or None: chains begin at draws from the visible biases. Row r is chain chain0 + r, step
    s of the call is step + s. clamp: packed (visible_tiles,) mask of the units held at their first state, or
    None. Values between states (of two-valued units) set the fields of the first hidden draw as they are.
    """
    cdef layer_side v = weights.visible, h = weights.hidden
    cdef Source x = source
    cdef int64_t n_rows = out.shape[0], row0
    cdef int64_t rows = max(min(n_rows, BLOCK_WORK // (v.n_units * h.width)), FNN_MAX_ROWS)
    cdef bint between = x is not None and v.step and not x.binary
    cdef list held = [x, clamp]
    cdef gibbs_task t
    if x is not None:
        x.multiply_by(v.factor)
    t.side, t.rooms = v, weights.rooms
    t.v, t.h = room(weights, v, rows, x is None or not h.step, held), room(weights, h, rows, between or not v.step, held)
    t.start = room(weights, v, rows if clamp is not None else 1, False, held)
    t.down, t.up = drawn(weights, True, t.h, t.v), drawn(weights, False, t.v, t.h)
    t.down.key = t.up.key = key
    t.clamped = clamp is not None
    if t.clamped:
        t.up.clamp, t.up.clamp_to, t.up.held_values = <uint64_t *>address(clamp), t.start.states, t.start.values
    t.first = t.down
    t.first.field = t.h.field
    t.n_steps, t.key, t.step, t.chain0 = n_steps, key, step, chain0
    rows_read = aligned((max(rows, n_threads) if between else n_threads, v.width), weights.dtype)
    scratch = aligned((n_threads, FNN_SCRATCH), np.uint8, False)
    t.rows_read, t.scratch, t.out = <char *>address(rows_read), <char *>address(scratch), <char *>address(out)
    t.out_kind, t.out_row_bytes = {"?": 0, "B": 0, "b": 1, "f": 2, "d": 3}[out.dtype.char], out.strides[0]
    cdef int workers = threads_worth(rows * v.n_units * h.width // 8, n_threads)
    cdef gibbs_job job
    job.weights, job.source, job.task, job.watch = <void *>weights, <void *>x if x is not None else NULL, &t, watch_begin()
    for row0 in range(0, n_rows, rows):
        job.row0, job.n = row0, min(rows, n_rows - row0)
        with nogil:
            team_call(workers, lead_gibbs, &job)
        watch_check(&job.watch)
