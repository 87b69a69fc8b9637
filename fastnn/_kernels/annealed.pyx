"""Annealed importance sampling of an RBM: chains that are led from one temperature to another.

At inverse temperature beta a state v has the unnormalised probability
  f_beta(v) = base(v) e^((1 - beta) reference.v + beta a.v) prod_j sum over states s of hidden unit j of base(s) e^(beta z_j s),
z = b + W'v: the model at beta = 1, independent visible units of biases `reference` at beta = 0; of Gaussian
units, whose base(s) is e^(-s^2/2), the width stays as it is. The joint law of both layers at beta is that at 0 to
the power of 1 - beta times that at 1 to the power of beta, so by Hoelder's inequality
ln Z(beta) <= (1 - beta) ln Z(0) + beta ln Z(1): what can be normalised at both ends can be in between.
Steps of v -> h -> v at beta leave f_beta as it is and are reversible (R. Salakhutdinov, I. Murray, "On the
quantitative analysis of deep belief networks", ICML 2008; Y. Burda, R. Grosse, R. Salakhutdinov, "Accurate and
conservative estimates of MRF log-likelihood using reverse annealing", AISTATS 2015).

States of visible units are packed, one bit a unit, or rows of reals, in units of sigma.
"""

import numpy as np

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

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
from .gibbs cimport drawn, layer_rows, room
from .source cimport Source, gather
from .weights cimport Weights, layer_side

# Chains whose weights one item brings up to date.
cdef int64_t WEIGH_ROWS = 16
# Multiply-adds between two looks at Ctrl-C: below 0.1 s on any machine.
cdef int64_t BLOCK_WORK = <int64_t>1 << 32


cdef struct annealed_task:
    const fnn_rooms *rooms
    const layer_side *v
    const layer_side *h
    layer_rows visible, hidden
    fnn_layer down, up
    const double *path      # (n_betas): one temperature after another
    const void *gain        # real (visible width): a - reference
    int64_t n_betas, n_rows, n_steps
    double gain_low         # what the lower values of all visible units add to gain.v
    double *betas           # (n_rows)
    double *before          # (n_rows)
    double *rise            # (n_rows, hidden tiles)
    double *works           # (n_rows)
    char *rows_read         # real (n_workers, visible width)
    char *scratch


cdef struct annealed_job:
    # What the leader of a call is told; objects are borrowed from the caller, who waits.
    void *weights
    void *source
    annealed_task *task
    const int64_t *order
    int64_t row0
    uint64_t step
    fnn_watch watch


cdef list allot(Weights weights, annealed_task *t, int64_t rows, reference, int n_threads, states=None):
    """Buffers for that many chains, which the caller holds, and the layers that work on them.

    states: of the visible units, those of start_states(); None: room for them."""
    cdef layer_side *v = &weights.visible
    cdef layer_side *h = &weights.hidden
    cdef list held = []
    reals = aligned((2, v.width), weights.dtype)
    reals[0, :v.n_units] = reference
    reals[1, :v.n_units] = weights.visible_bias[:v.n_units].astype(np.float64) - reference
    numbers, rise = aligned((2, rows), np.float64), aligned((rows, h.n_tiles), np.float64)
    rows_read = aligned((n_threads, v.width), weights.dtype)
    scratch = aligned((n_threads, FNN_SCRATCH), np.uint8, False)
    held += [reals, numbers, rise, rows_read, scratch]
    t.rooms, t.v, t.h, t.gain = weights.rooms, v, h, address(reals[1])
    t.gain_low = v.low * reals[1].sum(dtype=np.float64)
    t.betas, t.before, t.rise = <double *>address(numbers[0]), <double *>address(numbers[1]), <double *>address(rise)
    t.rows_read, t.scratch = <char *>address(rows_read), <char *>address(scratch)
    t.visible = room(weights, v[0], rows, not h.step, held, states)
    t.hidden = room(weights, h[0], rows, not v.step, held)
    t.down, t.up = drawn(weights, True, t.hidden, t.visible), drawn(weights, False, t.visible, t.hidden)
    t.down.betas, t.up.betas, t.up.reference = t.betas, t.betas, address(reals)
    return held


cdef void weigh_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """ln f at the present temperature less ln f at the last one, for some chains."""
    cdef annealed_task *t = <annealed_task *>context
    cdef int64_t r, k, words = t.v.n_tiles, row_bytes = t.v.width * t.rooms.real_bytes
    cdef double sum, dot
    for r in range(item * WEIGH_ROWS, min((item + 1) * WEIGH_ROWS, t.n_rows)):
        sum = 0
        for k in range(t.h.n_tiles):
            sum += t.rise[r * t.h.n_tiles + k]
        if t.v.step:
            dot = t.gain_low + t.v.step * t.rooms.dot_states(t.visible.states + r * words, words, t.gain)
        else:
            t.rooms.row_dots(t.visible.values + r * row_bytes, t.gain, 1, 0, t.v.n_units, &dot)
        t.works[r] += sum + (t.betas[r] - t.before[r]) * dot


cdef inline void draw_hidden(Weights weights, fnn_team *team, annealed_task *t) noexcept nogil:
    weights.run(team, True, &t.down, t.n_rows, t.visible.values, t.scratch)


cdef inline void draw_visible(Weights weights, fnn_team *team, annealed_task *t) noexcept nogil:
    weights.run(team, False, &t.up, t.n_rows, t.hidden.values, t.scratch)


cdef void begin(Weights weights, fnn_team *team, annealed_job *job) noexcept nogil:
    """Chains at their rows of the source; without one, anywhere."""
    cdef annealed_task *t = job.task
    if job.source != NULL:
        gather(team, weights.rooms, <Source>job.source, job.order, job.row0, t.n_rows, 0, 0, 0, t.visible.states,
               t.rows_read if t.v.step else t.visible.values)
    elif t.v.step:
        memset(t.visible.states, 0, t.n_rows * t.v.n_tiles * sizeof(uint64_t))
    else:
        memset(t.visible.values, 0, t.n_rows * t.v.width * t.rooms.real_bytes)


cdef void lead_path(Weights weights, fnn_team *team, annealed_job *job) noexcept nogil:
    cdef annealed_task *t = job.task
    cdef int64_t k, r
    begin(weights, team, job)
    for k in range(t.n_betas - 1):
        for r in range(t.n_rows):
            t.before[r], t.betas[r] = t.path[k], t.path[k + 1]
        t.down.step = t.up.step = k
        draw_hidden(weights, team, t)
        if t.path[k] != t.path[k + 1]:
            team_run(team, weigh_item, t, ceil_div(t.n_rows, WEIGH_ROWS))
        if k < t.n_betas - 2:
            draw_visible(weights, team, t)
        if watch_interrupted(&job.watch):
            return


cdef void lead_annealing(fnn_team *team, void *context) noexcept nogil:
    cdef annealed_job *job = <annealed_job *>context
    lead_path(<Weights>job.weights, team, job)


cdef void lead_walk(fnn_team *team, void *context) noexcept nogil:
    cdef annealed_job *job = <annealed_job *>context
    cdef annealed_task *t = job.task
    cdef int64_t s
    for s in range(t.n_steps):
        t.down.step = t.up.step = job.step + s
        draw_hidden(<Weights>job.weights, team, t)
        draw_visible(<Weights>job.weights, team, t)
        if watch_interrupted(&job.watch):
            return


cdef void lead_rises(fnn_team *team, void *context) noexcept nogil:
    cdef annealed_job *job = <annealed_job *>context
    cdef annealed_task *t = job.task
    draw_hidden(<Weights>job.weights, team, t)
    team_run(team, weigh_item, t, ceil_div(t.n_rows, WEIGH_ROWS))


cdef int workers_for(Weights weights, int64_t n_rows, int n_threads) noexcept nogil:
    return threads_worth(n_rows * weights.visible.n_units * weights.hidden.width // 8, n_threads)


def start_states(Weights weights, source, int64_t n_rows):
    """Rows of a Source as walk() and rises() take them: packed (n_rows, words), or reals (n_rows, width).

    source: None for units at zero (two-valued ones at their lower value)."""
    cdef layer_side *v = &weights.visible
    cdef fnn_team alone
    cdef Source x = source
    alone.n_workers = 1
    states = aligned((n_rows, v.n_tiles if v.step else v.width), np.uint64 if v.step else weights.dtype)
    row = aligned((v.width,), weights.dtype)
    if x is not None:
        x.multiply_by(v.factor)
        gather(&alone, weights.rooms, x, NULL, 0, n_rows, 0, 0, 0, <uint64_t *>address(states) if v.step else NULL,
               <char *>address(row if v.step else states))
    return states


def anneal(Weights weights, source, order, path, reference, uint64_t key, out, int n_threads):
    """out (n_chains,) = sum over steps k of ln f_path[k + 1](v) - ln f_path[k](v), v being where the chain then is.

    Chain c starts at row order[c] of a Source of states; source None: somewhere. path (n_betas,): after the change to
    path[k + 1] the chain makes one step of v -> h -> v there, but for the last. reference (n_visible,): real.
    """
    cdef Source x = source
    cdef int64_t n_chains = out.shape[0], row0
    cdef int64_t rows = max(min(n_chains, BLOCK_WORK // (weights.visible.n_units * weights.hidden.width)), FNN_MAX_ROWS)
    cdef annealed_task t
    cdef annealed_job job
    cdef int workers = workers_for(weights, min(rows, n_chains), n_threads)
    held = allot(weights, &t, rows, reference, n_threads)
    t.path, t.n_betas = <const double *>address(path), path.shape[0]
    t.down.key = t.up.key = key
    t.down.from_, t.down.rise = t.before, t.rise
    job.weights, job.source, job.task, job.watch = <void *>weights, NULL, &t, watch_begin()
    if x is not None:
        x.multiply_by(weights.visible.factor)
        job.source, job.order = <void *>x, <const int64_t *>address(order)
    out[...] = 0
    for row0 in range(0, n_chains, rows):
        job.row0, t.n_rows = row0, min(rows, n_chains - row0)
        t.works = <double *>address(out) + row0
        t.down.chain0 = t.up.chain0 = row0
        with nogil:
            team_call(workers, lead_annealing, &job)
        watch_check(&job.watch)
    del held


def walk(Weights weights, states, betas, reference, int64_t n_steps, uint64_t key, uint64_t step, clamp, int n_threads):
    """n_steps of v -> h -> v of states of start_states(), in place, row r at betas[r].

    Row r is chain r, step s of the call is step + s; clamp: packed mask of visible units that stay as they are, or
    None.
    """
    cdef annealed_task t
    cdef annealed_job job
    held = allot(weights, &t, states.shape[0], reference, n_threads, states)
    t.n_rows, t.n_steps = states.shape[0], n_steps
    t.down.betas = t.up.betas = <double *>address(betas)
    t.down.key = t.up.key = key
    if clamp is not None:
        start = states.copy()
        t.up.clamp = <uint64_t *>address(clamp)
        t.up.clamp_to, t.up.held_values = <uint64_t *>address(start), address(start)
    job.weights, job.task, job.step, job.watch = <void *>weights, &t, step, watch_begin()
    cdef int workers = workers_for(weights, t.n_rows, n_threads)
    with nogil:
        team_call(workers, lead_walk, &job)
    watch_check(&job.watch)
    del held


def rises(Weights weights, states, before, betas, reference, out, int n_threads):
    """out (n,) = ln f_betas[r](v) - ln f_before[r](v) of states v of start_states()."""
    cdef annealed_task t
    cdef annealed_job job
    held = allot(weights, &t, states.shape[0], reference, n_threads, states)
    out[...] = 0
    t.n_rows, t.works = states.shape[0], <double *>address(out)
    t.before, t.betas = <double *>address(before), <double *>address(betas)
    t.down.states, t.down.values = NULL, NULL
    t.down.betas, t.down.from_, t.down.rise = t.betas, t.before, t.rise
    job.weights, job.task = <void *>weights, &t
    cdef int workers = workers_for(weights, t.n_rows, n_threads)
    with nogil:
        team_call(workers, lead_rises, &job)
    del held
