"""One layer given the other, and what likelihoods are made of: means, free-energy terms, pseudo-likelihood."""

import numpy as np

from cython.parallel cimport prange, threadid
from libc.math cimport exp, fabs, log, log1p
from libc.stdint cimport int64_t, uint64_t

from .arrays cimport address, aligned, gemm, threads_worth
from .core cimport (
    FNN_MAX_ROWS,
    FNN_SCRATCH,
    FNN_TILE,
    fnn_layer,
    fnn_team,
    fnn_watch,
    team_call,
    watch_begin,
    watch_check,
    watch_interrupted,
)
from .source cimport Source, gather
from .weights cimport Weights, layer_side

# Rows whose pseudo-likelihood runs between two looks at Ctrl-C: a row costs n_visible passes over W.
cdef int64_t PSEUDO_ROWS = 32
cdef int64_t PSEUDO_WORK = 1 << 26
# Multiply-adds between two looks at Ctrl-C: below 0.1 s on any machine.
cdef int64_t BLOCK_WORK = <int64_t>1 << 32
# Values that a cheap pass over the rows meets between two looks, and that are held at once; but of so many rows.
cdef int64_t BLOCK_VALUES = 1 << 22
cdef int64_t LEAST_ROWS = 32


cdef struct rows_job:
    # What the leader of a call is told; objects are borrowed from the caller, who waits.
    void *weights
    void *source
    bint hidden
    int64_t row0, n
    const fnn_layer *layer
    uint64_t *states
    char *values
    char *scratch


cdef inline double real_at(const char *x, int64_t i, int64_t real_bytes) noexcept nogil:
    return (<const float *>x)[i] if real_bytes == 4 else (<const double *>x)[i]


cdef inline void put_real(char *x, int64_t i, int64_t real_bytes, double value) noexcept nogil:
    if real_bytes == 4:
        (<float *>x)[i] = <float>value
    else:
        (<double *>x)[i] = value


cdef void lead_rows(fnn_team *team, void *context) noexcept nogil:
    """Rows row0 .. row0 + n of a source through a layer, as states or (states NULL) as values; without a
    source, the states that the layer holds."""
    cdef rows_job *job = <rows_job *>context
    if job.source != NULL:
        gather(team, (<Weights>job.weights).rooms, <Source>job.source, NULL, job.row0, job.n, 0, 0, 0, job.states, job.values)
    (<Weights>job.weights).run(team, job.hidden, job.layer, job.n,
                               job.values if job.source != NULL and job.states == NULL else NULL, job.scratch)


def mean(Weights weights, Source x, bint hidden, out, int n_threads):
    """out (n_rows, n_units) = E[unit given the other layer's values in x]."""
    _each_block(weights, x, hidden, out, None, n_threads)


def log_partitions(Weights weights, Source x, out, int n_threads):
    """out (n_rows,) = sum over hidden units of ln(sum over states of e^(field state)), float64."""
    _each_block(weights, x, True, None, out, n_threads)


def _each_block(Weights weights, Source x, bint hidden, mean, total, int n_threads):
    cdef layer_side side = weights.hidden if hidden else weights.visible
    cdef int64_t inner = (weights.visible if hidden else weights.hidden).width, row0, n
    cdef int64_t rows = min(x.n_rows, max(min(BLOCK_WORK // (inner * side.width), 8 * FNN_MAX_ROWS), FNN_MAX_ROWS))
    cdef int64_t wide = max(inner, side.width) if not x.binary else side.width if mean is not None else 1
    rows = min(rows, max(LEAST_ROWS, BLOCK_VALUES // wide))
    x.multiply_by(weights.visible.factor if hidden else NULL)
    states = aligned((rows if x.binary else 1, inner // FNN_TILE), np.uint64)
    values = aligned((n_threads if x.binary else rows, inner), weights.dtype)
    field = aligned((rows if side.n_groups or not x.binary else 1, side.width), weights.dtype)
    means = aligned((rows if mean is not None else 1, side.width), weights.dtype)
    logs = aligned((rows if total is not None else 1, side.n_tiles), np.float64)
    scratch = aligned((n_threads, FNN_SCRATCH), np.uint8, False)
    cdef uint64_t *states_at = <uint64_t *>address(states) if x.binary else NULL
    cdef char *values_at = <char *>address(values)
    cdef char *scratch_at = <char *>address(scratch)
    cdef fnn_layer layer = weights.given_states(hidden, states_at)
    if mean is not None:
        layer.mean = address(means)
    if total is not None:
        layer.log_partition = address(logs)
    if not x.binary:
        layer.field = address(field)
    if side.n_groups:
        layer.fields = address(field)
    cdef int workers = threads_worth(min(rows, x.n_rows) * inner * side.width // 8, n_threads)
    cdef rows_job job = rows_job(<void *>weights, <void *>x, hidden, 0, 0, &layer, states_at, values_at, scratch_at)
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
            if side.sigma != NULL:
                mean[row0:row0 + n] *= weights.sigma[:side.n_units]
        if total is not None:
            total[row0:row0 + n] = logs[:n].sum(axis=1)


def at_rest(Weights weights, bint hidden):
    """Of a layer's units given their biases alone: (n_units,) means, of visible units in units of sigma, and the
    sum of ln(sum over states)."""
    cdef layer_side side = weights.hidden if hidden else weights.visible
    cdef fnn_layer layer = weights.given_states(hidden, NULL)
    field, means = aligned((1, side.width), weights.dtype), aligned((1, side.width), weights.dtype)
    logs = aligned((side.n_tiles,), np.float64)
    cdef fnn_team alone
    alone.n_workers = 1
    layer.field = layer.fields = address(field)
    layer.mean, layer.log_partition = address(means), address(logs)
    weights.run(&alone, hidden, &layer, 1, NULL, NULL)
    return means[0, :side.n_units], float(logs.sum())


def log_base(Weights weights, bint hidden, x):
    """(n_rows,) ln of the base measure of a layer's states x, real (n_rows, n_units) in C order, visible ones
    in units of sigma, float64."""
    cdef layer_side side = weights.hidden if hidden else weights.visible
    cdef int64_t r
    cdef const char *x_at = <const char *>address(x)
    out = np.empty(x.shape[0])
    cdef double[::1] result = out
    for r in range(x.shape[0]):
        result[r] = weights.rooms.log_base[side.unit](x_at + r * side.n_units * weights.rooms.real_bytes, side.n_units)
    return out


def bias_energies(Weights weights, Source x, out, int n_threads):
    """out (n_rows,) = visible biases . x + ln of x's base measure, float64."""
    cdef layer_side v = weights.visible
    cdef int64_t row0, r, n, block = max(LEAST_ROWS, BLOCK_VALUES // v.width)
    cdef int64_t words = v.n_tiles, size = weights.rooms.real_bytes, me
    cdef double all_low = weights.visible_bias.sum(dtype=np.float64) * v.low
    cdef double[::1] result = out
    cdef int workers = threads_worth(2 * x.n_rows * v.n_units, n_threads)
    cdef fnn_watch watch = watch_begin()
    cdef fnn_team alone
    alone.n_workers = 1
    x.multiply_by(v.factor)
    values = aligned((n_threads if x.binary else min(block, x.n_rows), v.width), weights.dtype)
    states = aligned((n_threads, words), np.uint64)
    cdef char *values_at = <char *>address(values)
    cdef uint64_t *states_at = <uint64_t *>address(states)
    for row0 in range(0, x.n_rows, block):
        n = min(block, x.n_rows - row0)
        if x.binary:
            for r in prange(row0, row0 + n, schedule="static", num_threads=workers, nogil=True):
                me = threadid()
                weights.rooms.gather_states(&x.rows, r, x.mode, 0, 0, 0, values_at + me * v.width * size,
                                            states_at + me * words)
                result[r] = all_low + v.step * weights.rooms.dot_states(states_at + me * words, words, v.bias)
        else:
            gather(&alone, weights.rooms, x, NULL, row0, n, 0, 0, 0, NULL, values_at)
            out[row0:row0 + n] = np.einsum("ij,j->i", values[:n], weights.visible_bias, dtype=np.float64)
            for r in prange(n, schedule="static", num_threads=workers, nogil=True):
                result[row0 + r] += weights.rooms.log_base[v.unit](values_at + r * v.width * size, v.n_units)
        watch_interrupted(&watch)
        watch_check(&watch)


def log_partitions_of_states(Weights weights, states, bint hidden, out, int n_threads):
    """The sums of log_partitions given packed states (n, words): of the hidden units given visible
    states, or of the visible ones given hidden states."""
    cdef layer_side side = weights.hidden if hidden else weights.visible
    cdef int64_t n = states.shape[0]
    cdef fnn_layer layer = weights.given_states(hidden, <const uint64_t *>address(states))
    logs, scratch = aligned((n, side.n_tiles), np.float64), aligned((n_threads, FNN_SCRATCH), np.uint8, False)
    cdef char *scratch_at = <char *>address(scratch)
    layer.log_partition = address(logs)
    field = aligned((n if side.n_groups else 1, side.width), weights.dtype)
    if side.n_groups:
        layer.fields = address(field)
    cdef rows_job job = rows_job(<void *>weights, NULL, hidden, 0, n, &layer, NULL, NULL, scratch_at)
    with nogil:
        team_call(n_threads, lead_rows, &job)
    np.sum(logs, axis=1, out=out)


cdef double pseudo_log_likelihood(Weights weights, const char *values, const char *field) noexcept nogil:
    """One row's units in no group: flipping unit i by delta raises -F by a_i delta + the change of the hidden
    units' sums."""
    cdef layer_side v = weights.visible, h = weights.hidden
    cdef int64_t i, size = weights.rooms.real_bytes
    cdef double before, rise, total = 0, value, delta
    before = weights.rooms.shifted_log_partition[h.unit](field, field, 0.0, h.n_units)
    for i in range(v.n_units):
        if v.n_groups and not v.alone[i // FNN_TILE] >> (i % FNN_TILE) & 1:
            continue
        value = real_at(values, i, size)
        delta = 2 * v.low + v.step - 2 * value
        rise = real_at(<const char *>v.bias, i, size) * delta - before + weights.rooms.shifted_log_partition[h.unit](
            field, <const char *>weights.still.weights + i * h.width * size, delta, h.n_units)
        total -= log1p(exp(-fabs(rise))) + (rise if rise > 0 else 0)
    return total


cdef double group_log_likelihoods(Weights weights, const char *values, const char *field, char *rest) noexcept nogil:
    """One row's groups: ln P(the unit that is up given all other groups), a sum over the group's units of e^-F.

    rest: real (hidden width): room for the hidden fields without the group."""
    cdef layer_side v = weights.visible, h = weights.hidden
    cdef int64_t g, i, up, size = weights.rooms.real_bytes, row = h.width * size
    cdef const char *rows = <const char *>weights.still.weights
    cdef double total = 0, each, own, most, sum
    for g in range(v.n_groups):
        up = v.groups[2 * g]
        while real_at(values, up, size) == 0:
            up += 1
        for i in range(h.width):
            put_real(rest, i, size, real_at(field, i, size) - real_at(rows + up * row, i, size))
        own = most = sum = 0
        for i in range(v.groups[2 * g], v.groups[2 * g + 1]):
            each = real_at(<const char *>v.bias, i, size) + weights.rooms.shifted_log_partition[h.unit](
                rest, rows + i * row, 1.0, h.n_units)
            if i == v.groups[2 * g] or each > most:
                sum, most = sum * exp(most - each) if i > v.groups[2 * g] else 0.0, each
            sum += exp(each - most)
            if i == up:
                own = each
        total += own - most - log(sum)
    return total


def pseudo_log_likelihoods(Weights weights, Source x, out, int n_threads):
    """out (n_rows,) = sum over visible units, or groups of them, of ln P(v_i given the others), for rows of states."""
    cdef layer_side v = weights.visible, h = weights.hidden
    cdef int64_t row0, n, r, size = weights.rooms.real_bytes
    cdef int64_t rows = max(<int64_t>n_threads, min(PSEUDO_ROWS, PSEUDO_WORK // (v.n_units * h.width)))
    values, field = aligned((rows, v.width), weights.dtype), aligned((rows, h.width), weights.dtype)
    cdef char *values_at = <char *>address(values)
    rest = aligned((n_threads, h.width), weights.dtype)
    cdef char *field_at = <char *>address(field)
    cdef char *rest_at = <char *>address(rest)
    cdef double[::1] result = out
    cdef fnn_watch watch = watch_begin()
    cdef fnn_team alone
    alone.n_workers = 1
    x.multiply_by(v.factor)
    for row0 in range(0, x.n_rows, rows):
        n = min(rows, x.n_rows - row0)
        field[:n] = weights.hidden_bias
        with nogil:
            gather(&alone, weights.rooms, x, NULL, row0, n, 0, 0, 0, NULL, values_at)
            gemm(size, False, False, n, h.width, v.n_units, 1.0, values_at, v.width, weights.still.weights, h.width,
                 1.0, field_at, h.width)
        for r in prange(n, schedule="dynamic", chunksize=1, num_threads=threads_worth(n * v.n_units * h.width, n_threads), nogil=True):
            result[row0 + r] = pseudo_log_likelihood(
                weights, values_at + r * v.width * size, field_at + r * h.width * size)
            if v.n_groups:
                result[row0 + r] += group_log_likelihoods(
                    weights, values_at + r * v.width * size, field_at + r * h.width * size,
                    rest_at + threadid() * h.width * size)
        watch_interrupted(&watch)
        watch_check(&watch)
