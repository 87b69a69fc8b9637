"""All states of a layer of an RBM, block by block: see csrc/enumerate.c."""

import numpy as np

from libc.stdint cimport int64_t

from .arrays cimport address, aligned, ceil_div, threads_worth
from .core cimport (
    FNN_TILE,
    fnn_enumeration,
    fnn_rooms,
    fnn_team,
    fnn_watch,
    rooms_for,
    team_call,
    team_run,
    watch_begin,
    watch_check,
    watch_interrupted,
)

# Bits of the states that lie side by side.
cdef int64_t LOW_BITS = 6
cdef int64_t MOST_BLOCK_BITS = 6
# Factors in a block, and those between two looks at Ctrl-C: about 10 ms and 0.1 s on any machine.
cdef int64_t BLOCK_FACTORS = 1 << 22
cdef int64_t PHASE_FACTORS = 1 << 26
# A product of factors, each within e^-span and 2, must not leave the normal numbers; how wide a span may be.
cdef double EXPONENT_RANGE = 600.0


cdef struct enumerate_task:
    const fnn_rooms *rooms
    fnn_enumeration enumeration
    int64_t block0, n_blocks, phase, scratch_bytes
    char *scratch
    double *out
    fnn_watch watch


cdef void block_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    cdef enumerate_task *t = <enumerate_task *>context
    t.rooms.enumerate_block(&t.enumeration, t.block0 + item, t.scratch + worker * t.scratch_bytes,
                            t.out + 2 * (t.block0 + item))


cdef void lead_enumeration(fnn_team *team, void *context) noexcept nogil:
    cdef enumerate_task *t = <enumerate_task *>context
    while t.block0 < t.n_blocks and not watch_interrupted(&t.watch):
        team_run(team, block_item, t, min(t.phase, t.n_blocks - t.block0))
        t.block0 += t.phase


def sums_of_states(weights, base, linear, double constant, int n_threads):
    """(n_blocks, 2): block k of the states adds e^out[k, 0] out[k, 1]; None if the weights are too large.

    float64: weights (n_units, n_others), base (n_others,), linear (n_units,): see csrc/enumerate.c.
    """
    cdef enumerate_task t
    cdef fnn_enumeration *e = &t.enumeration
    cdef int64_t n_units = weights.shape[0], n_others = weights.shape[1], rows = max(n_units, LOW_BITS)
    cdef int64_t high = max(n_units - LOW_BITS, <int64_t>0)
    cdef double span
    e.n_units, e.n_others, e.stride = n_units, n_others, ceil_div(n_others, FNN_TILE) * FNN_TILE
    padded, fields = aligned((rows, e.stride), np.float64), aligned((e.stride,), np.float64)
    table, greatest = aligned((FNN_TILE, n_others), np.float64), aligned((e.stride,), np.float64)
    low_exponents = aligned((FNN_TILE,), np.float64)
    padded[:n_units, :n_others] = weights
    fields[...] = -1e300
    fields[:n_others] = base
    linear = np.ascontiguousarray(linear, np.float64)
    e.weights, e.base, e.linear, e.constant = address(padded), address(fields), address(linear), constant
    t.rooms = rooms_for(np.float64)
    span = t.rooms.enumerate_begin(e, address(table), address(greatest), address(low_exponents))
    if not span <= EXPONENT_RANGE:
        return None
    e.units_a_turn = min(<int64_t>(EXPONENT_RANGE / max(span, 1.0)), <int64_t>256)
    e.table, e.greatest, e.low_exponents = address(table), address(greatest), address(low_exponents)
    e.block_bits = min(high, MOST_BLOCK_BITS)
    while e.block_bits > 0 and (<int64_t>FNN_TILE << e.block_bits) * n_others > BLOCK_FACTORS:
        e.block_bits -= 1
    t.block0, t.n_blocks = 0, <int64_t>1 << (high - e.block_bits)
    t.phase = max(PHASE_FACTORS // ((<int64_t>FNN_TILE << e.block_bits) * n_others), <int64_t>n_threads)
    scratch, out = aligned((n_threads, 5, e.stride), np.float64), aligned((t.n_blocks, 2), np.float64)
    t.scratch, t.scratch_bytes = <char *>address(scratch), 5 * e.stride * sizeof(double)
    t.out, t.watch = <double *>address(out), watch_begin()
    cdef int workers = threads_worth((<int64_t>1 << n_units) * n_others, n_threads)
    with nogil:
        team_call(workers, lead_enumeration, &t)
    watch_check(&t.watch)
    return out
