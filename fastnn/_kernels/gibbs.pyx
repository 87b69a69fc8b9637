"""Sampling an RBM: steps of v -> h -> v for many chains at once.

States are packed, one bit a unit, in rows of 64-bit words. A draw is keyed by what is drawn, so neither
the number of threads nor a call's cut into blocks of chains can show.
"""

import numpy as np

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from .arrays cimport address, aligned, ceil_div, threads_worth
from .core cimport (
    FNN_MAX_ROWS,
    FNN_SCRATCH,
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
    for r in range(item * SPREAD_ROWS, min((item + 1) * SPREAD_ROWS, t.n_rows)):
        t.rooms.spread_states(t.visible + r * t.side.n_tiles, t.side.n_units, t.out_kind, t.side.low, t.side.step,
                              t.out + (t.row0 + r) * t.out_row_bytes)


cdef void walk(Weights weights, fnn_team *team, Source x, int64_t row0, int64_t n, gibbs_task *t,
               fnn_watch *watch) noexcept nogil:
    """A block of chains from its start to its last states."""
    cdef int64_t s
    t.first.chain0 = t.down.chain0 = t.up.chain0 = t.chain0 + row0
    gather(team, weights.rooms, x, NULL, row0, n, t.key, t.step, t.chain0, t.visible, t.values)
    if t.clamped:
        memcpy(t.start, t.visible, n * weights.visible.n_tiles * sizeof(uint64_t))
    for s in range(t.n_steps):
        t.first.step = t.down.step = t.up.step = t.step + s
        if s == 0 and not x.binary:
            gather(team, weights.rooms, x, NULL, row0, n, 0, 0, 0, NULL, t.values)
            weights.run(team, True, &t.first, n, t.values, NULL)
        else:
            weights.run(team, True, &t.down, n, NULL, t.scratch)
        weights.run(team, False, &t.up, n, NULL, t.scratch)
        if watch_interrupted(watch):
            return
    t.rooms, t.side, t.row0, t.n_rows = weights.rooms, &weights.visible, row0, n
    team_run(team, spread_item, t, ceil_div(n, SPREAD_ROWS))


cdef void lead_gibbs(fnn_team *team, void *context) noexcept nogil:
    cdef gibbs_job *job = <gibbs_job *>context
    walk(<Weights>job.weights, team, <Source>job.source, job.row0, job.n, job.task, &job.watch)


def gibbs(Weights weights, Source x, int64_t n_steps, uint64_t key, uint64_t step, uint64_t chain0, clamp, out,
          int n_threads):
    """n_steps of v -> h -> v from the rows of x; out (n_rows, n_visible) gets the last states.

    Row r is chain chain0 + r, step s of the call is step + s. clamp: packed (visible_tiles,) mask of
    the units held at their first state, or None. Values between states (x.binary false) set the
    fields of the first hidden draw as they are.
    """
    cdef layer_side v = weights.visible, h = weights.hidden
    cdef int64_t words = v.n_tiles, row0
    cdef int64_t rows = max(min(x.n_rows, BLOCK_WORK // (v.n_units * h.width)), FNN_MAX_ROWS)
    cdef int64_t kind = {"?": 0, "B": 0, "b": 1, "f": 2, "d": 3}[out.dtype.char]
    cdef int64_t row_bytes = out.strides[0]
    visible, hidden = aligned((rows, words), np.uint64), aligned((rows, h.n_tiles), np.uint64)
    start = aligned((rows if clamp is not None else 1, words), np.uint64)
    scratch = aligned((n_threads, FNN_SCRATCH), np.uint8, False)
    cdef uint64_t *visible_at = <uint64_t *>address(visible)
    cdef char *scratch_at = <char *>address(scratch)
    cdef char *out_at = <char *>address(out)
    cdef fnn_layer down = weights.given_states(True, visible_at)
    cdef fnn_layer up = weights.given_states(False, <uint64_t *>address(hidden))
    down.states, up.states = <uint64_t *>address(hidden), visible_at
    down.key = up.key = key
    if clamp is not None:
        up.clamp, up.clamp_to = <uint64_t *>address(clamp), <uint64_t *>address(start)
    values = aligned((n_threads if x.binary else max(rows, n_threads), v.width), weights.dtype)
    field = aligned((1 if x.binary else rows, h.width), weights.dtype)
    cdef gibbs_task t
    t.n_steps, t.key, t.step, t.chain0 = n_steps, key, step, chain0
    t.clamped = clamp is not None
    t.visible, t.start, t.values = visible_at, <uint64_t *>address(start), <char *>address(values)
    t.scratch, t.out, t.out_kind, t.out_row_bytes = scratch_at, out_at, kind, row_bytes
    t.down, t.up, t.first = down, up, down
    t.first.field = address(field)
    cdef int workers = threads_worth(rows * v.n_units * h.width // 8, n_threads)
    cdef gibbs_job job
    job.weights, job.source, job.task, job.watch = <void *>weights, <void *>x, &t, watch_begin()
    for row0 in range(0, x.n_rows, rows):
        job.row0, job.n = row0, min(rows, x.n_rows - row0)
        with nogil:
            team_call(workers, lead_gibbs, &job)
        watch_check(&job.watch)
