"""Contrastive divergence: an epoch of minibatches, without the GIL.

An epoch is one call of a team (team.h); a minibatch, phase by phase:
  data      rows of X -> states (or values); E[h | v] weighted by 1 / n
  model     the chains, n_steps of h -> v -> h; E[h | v] of their end weighted by -1 / n_chains
  turn      both sets of visible states transposed, so that sample k is bit k; means of all units
  update    gradient tile = transposed bits x weighted means, applied where it is made; the new weights
            to fixed point, for both directions
With states throughout, every sum is one of integers and the fit is bitwise reproducible; values
between states (grey levels, mean fields) go through BLAS and add their part to `dense`, and so do units
whose states are numbers.
"""

import numpy as np

from libc.math cimport exp, log
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from .arrays cimport address, aligned, ceil_div, gemm, threads_worth
from .core cimport (
    FNN_MAX_ROWS,
    FNN_SCRATCH,
    FNN_TILE,
    fnn_layer,
    fnn_rooms,
    fnn_team,
    fnn_update,
    fnn_watch,
    team_call,
    team_run,
    watch_begin,
    watch_check,
    watch_interrupted,
)
from .source cimport Source, gather
from .weights cimport Weights, layer_side

# How far the means of units, which centre the gradient, move at each minibatch.
cdef double SLIDE = 0.01
# Columns of the dense gradient that one BLAS call computes.
cdef int64_t GEMM_COLUMNS = 256
# Rows that a thread spreads at a time.
cdef int64_t SPREAD_ROWS = 16


cdef struct phase:
    # One side of the gradient: n samples from row0 on, as states or as values, and their means.
    bint binary            # visible units are states; else values
    bint dense             # the gradient is a product of values; else of bits and weighted means
    int64_t n, row0
    double sign
    uint64_t *states       # (n, visible tiles)
    char *values           # real (n, visible width), if dense
    char *means            # real (n, hidden width), if dense
    double *visible_mean   # (visible width)
    double *hidden_mean    # (hidden width)


cdef struct bias_state:
    # What an update of one layer's biases keeps.
    void *velocity
    void *second
    void *difference
    void *running


cdef struct turn_task:
    # What the means of both sides and the dense gradient are made of.
    const fnn_rooms *rooms
    phase *sides[2]
    layer_side v, h
    void *panels
    int64_t panel_rows, turned_words
    uint64_t *turned
    double unit
    char *dense
    const char *weights    # for learned sigma; NULL: it is not learned
    double *squares        # (visible width): sums of v^2 over the data
    double *dots           # (strips of columns, visible): sum_j W_ij <v_i h_j>_data


cdef void means_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Means of one tile of units over one side; visible states are transposed on the way."""
    cdef turn_task *t = <turn_task *>context
    cdef phase *side = t.sides[item % 2]
    cdef int64_t tile = item // 2, u, unit0 = tile * FNN_TILE
    cdef int64_t[64] counts
    if tile >= t.v.n_tiles and not t.h.step:
        t.rooms.column_sums(side.means, side.n, t.h.width, tile - t.v.n_tiles, side.hidden_mean + unit0 - t.v.width)
        for u in range(FNN_TILE):
            side.hidden_mean[unit0 - t.v.width + u] /= side.n
    elif tile >= t.v.n_tiles:
        t.rooms.panel_means(t.panels, t.panel_rows, side.row0, side.row0 + side.n, tile - t.v.n_tiles,
                            side.sign * t.unit, side.hidden_mean)
    elif not side.dense:
        memset(counts, 0, 64 * sizeof(int64_t))
        t.rooms.transpose_states(side.states, side.n, t.v.n_tiles, tile, t.turned, t.turned_words,
                                 side.row0 // FNN_TILE, counts)
        for u in range(FNN_TILE):
            side.visible_mean[unit0 + u] = t.v.low + t.v.step * (<double>counts[u] / side.n)
    else:
        t.rooms.column_sums(side.values, side.n, t.v.width, tile, side.visible_mean + unit0)
        for u in range(FNN_TILE):
            side.visible_mean[unit0 + u] /= side.n
        if t.weights != NULL and side == t.sides[0]:
            t.rooms.column_squares(side.values, side.n, t.v.width, tile, t.squares + unit0)


cdef void spread_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """Rows of states to values, for both sides that need them."""
    cdef turn_task *t = <turn_task *>context
    cdef phase *side = t.sides[item % 2]
    cdef int64_t r, row0 = item // 2 * SPREAD_ROWS
    if side.binary and side.dense:
        for r in range(row0, min(row0 + SPREAD_ROWS, side.n)):
            t.rooms.spread_row(side.states + r * t.v.n_tiles, t.v.n_units, t.v.low, t.v.step,
                               side.values + r * t.v.width * t.rooms.real_bytes)


cdef void dense_item(void *context, int64_t item, int64_t worker) noexcept nogil:
    """A block of the part of the gradient that values make: data' means / n - model' means / n_chains."""
    cdef turn_task *t = <turn_task *>context
    cdef int64_t strips = ceil_div(t.h.width, GEMM_COLUMNS), size = t.rooms.real_bytes
    cdef int64_t i = item // strips * FNN_MAX_ROWS, j = item % strips * GEMM_COLUMNS
    cdef int64_t height = min(<int64_t>FNN_MAX_ROWS, t.v.n_units - i), width = min(GEMM_COLUMNS, t.h.width - j)
    cdef phase *side
    cdef double beta = 0.0
    cdef int k
    for k in range(2):
        side = t.sides[k]
        if side.dense:
            gemm(size, True, False, height, width, side.n, side.sign / side.n, side.values + i * size, t.v.width,
                 side.means + j * size, t.h.width, beta, t.dense + (i * t.h.width + j) * size, t.h.width)
            beta = 1.0
        if k == 0 and t.weights != NULL:
            t.rooms.row_dots(t.weights + (i * t.h.width + j) * size, t.dense + (i * t.h.width + j) * size, height,
                             t.h.width, width, t.dots + item % strips * t.v.n_units + i)


cdef inline double real_at(const void *x, int64_t i, int64_t real_bytes) noexcept nogil:
    return (<const float *>x)[i] if real_bytes == 4 else (<const double *>x)[i]


cdef inline void put_real(void *x, int64_t i, int64_t real_bytes, double value) noexcept nogil:
    if real_bytes == 4:
        (<float *>x)[i] = <float>value
    else:
        (<double *>x)[i] = value


cdef struct epoch_job:
    # What the leader of an epoch is told; objects are borrowed from the caller, who waits.
    void *trainer
    void *source
    const int64_t *order
    const double *rates
    int64_t n_rows, batch_size, bad
    fnn_watch watch


cdef void lead_epoch(fnn_team *team, void *context) noexcept nogil:
    cdef epoch_job *job = <epoch_job *>context
    job.bad = (<Trainer>job.trainer).run_epoch(team, job)


cdef class Trainer:
    """A fit under way: parameters in `weights`, chains, velocities, offsets, and where it stands.

    n_chains 0: contrastive divergence from the data; else that many persistent chains. state: "step",
    "n_updates", and of the arrays what an earlier trainer's state() gave, to go on as if it had not stopped.
    """

    cdef readonly Weights weights
    cdef readonly dict arrays
    cdef readonly int64_t n_updates
    cdef const fnn_rooms *rooms
    cdef layer_side v, h
    cdef uint64_t step
    cdef int64_t n_steps, n_chains, turned_words, panel_rows
    cdef list held
    cdef bint sample_visible, sample_last_hidden, adam
    cdef int n_threads
    cdef uint64_t key
    cdef double sparsity_target, sparsity_cost, unit
    cdef fnn_update rule, limit
    cdef double max_norm
    cdef void *shrink
    cdef phase data, model
    cdef bias_state visible, hidden, unmoved, scale
    cdef void *chains  # states or, where hidden units are numbers, values
    cdef void *log_sigma
    cdef const double *least_sigma
    cdef const double *most_sigma
    cdef uint64_t *turned
    cdef turn_task turning
    cdef void *panels
    cdef char *dense
    cdef char *field
    cdef char *scratch
    cdef char *rows_read

    def __init__(self, Weights weights, *, int64_t batch_size, int64_t n_chains, int64_t n_steps, bint sample_visible,
                 bint sample_last_hidden, optimizer, double momentum, double l1, double l2, max_norm, bint centering,
                 sparsity_target, double sparsity_cost, uint64_t key, int n_threads, bint binary_data, sigma_bounds, state):
        self.weights = weights
        self.rooms, self.v, self.h = weights.rooms, weights.visible, weights.hidden
        self.n_chains, self.n_steps = n_chains, n_steps
        self.sample_visible, self.sample_last_hidden = sample_visible, sample_last_hidden
        self.adam = optimizer == "adam"
        self.n_threads, self.key = n_threads, key
        self.sparsity_target = 0.0 if sparsity_target is None else sparsity_target
        self.sparsity_cost = 0.0 if sparsity_target is None else sparsity_cost
        self.unit = 2.0 ** -(29 if weights.rooms.real_bytes == 4 else 49)  # 2^-(FIX_BITS - 1)
        self.arrays, self.held = {}, []
        self.step, self.n_updates = state["step"], state["n_updates"]
        self.rule = weights.still
        self.rule.unit = self.unit
        self.rule.by_row, self.rule.by_col = self.v.inverse, self.h.inverse
        self.rule.forward, self.rule.backward = self.h.panels, self.v.panels
        self.rule.l1, self.rule.l2 = l1, l2
        self.rule.rule.momentum = momentum
        self.rule.rule.beta2, self.rule.rule.epsilon = 0.999, 1e-8
        self._allot_state(n_chains or batch_size, momentum != 0 or self.adam, state)
        self._allot_phases(batch_size, binary_data)
        if sigma_bounds is not None:
            self._allot_sigma(sigma_bounds, momentum != 0 or self.adam, state)
        self.rule.d_visible, self.rule.d_hidden = self.visible.difference, self.hidden.difference
        if centering:
            self.rule.mu, self.rule.lambda_ = self.visible.running, self.hidden.running
        else:
            self.rule.row_shift = self.rule.col_shift = NULL
        if max_norm is not None:
            self._allot_limit(max_norm)

    cdef void *_kept(self, name, shape, dtype, state) except? NULL:
        """An array that outlives the fit, with its earlier contents where they have the same shape."""
        self.arrays[name] = aligned(shape, dtype)
        if name in state and state[name].shape == self.arrays[name].shape:
            self.arrays[name][...] = state[name]
        return address(self.arrays[name])

    cdef void *_lent(self, shape, dtype) except? NULL:
        """An array that lasts as long as the trainer."""
        array = aligned(shape, dtype)
        self.held.append(array)
        return address(array)

    def _allot_state(self, n_rows, bint velocities, state):
        cdef Weights w = self.weights
        shapes = {"visible": (w.visible.width,), "hidden": (w.hidden.width,), "weights": (w.visible.n_units, w.hidden.width)}
        packed = w.hidden.step != 0
        self.chains = self._kept("chains", (n_rows, w.hidden.n_tiles if packed else w.hidden.width),
                                 np.uint64 if packed else w.dtype, state)
        self.visible.running = self._kept("visible_mean", shapes["visible"], w.dtype, state)
        self.hidden.running = self._kept("hidden_mean", shapes["hidden"], w.dtype, state)
        if velocities:
            self.visible.velocity = self._kept("visible_velocity", shapes["visible"], w.dtype, state)
            self.hidden.velocity = self._kept("hidden_velocity", shapes["hidden"], w.dtype, state)
            self.rule.velocity = self._kept("weights_velocity", shapes["weights"], w.dtype, state)
        if self.adam:
            self.visible.second = self._kept("visible_second", shapes["visible"], w.dtype, state)
            self.hidden.second = self._kept("hidden_second", shapes["hidden"], w.dtype, state)
            self.rule.second = self._kept("weights_second", shapes["weights"], w.dtype, state)

    def _allot_phases(self, int64_t batch_size, bint binary_data):
        cdef Weights w = self.weights
        cdef int64_t n_model = self.n_chains or batch_size, before = ceil_div(batch_size, FNN_TILE) * FNN_TILE
        self.data.binary, self.model.binary = binary_data, self.sample_visible and w.visible.step
        cdef bint values = not (self.data.binary and self.model.binary)
        # Bits say nothing of a lower value that is not zero: it enters on both sides or on none.
        cdef bint all_dense = w.hidden.step == 0 or (values and w.visible.low != 0)
        self.data.dense, self.model.dense = all_dense or not self.data.binary, all_dense or not self.model.binary
        self.data.sign, self.model.sign = 1.0, -1.0
        self.model.row0 = before
        self.panel_rows = before + ceil_div(n_model, FNN_TILE) * FNN_TILE
        self.turned_words = self.panel_rows // FNN_TILE
        self._allot_phase(&self.data, batch_size)
        self._allot_phase(&self.model, n_model)
        fix = np.int32 if w.rooms.real_bytes == 4 else np.int64
        self.panels = self._lent((w.hidden.n_tiles, self.panel_rows, FNN_TILE), fix)
        self.turned = <uint64_t *>self._lent((w.visible.width, self.turned_words), np.uint64)
        self.visible.difference = self._lent((w.visible.width,), w.dtype)
        self.hidden.difference = self._lent((w.hidden.width,), w.dtype)
        self.scratch = <char *>self._lent((self.n_threads, FNN_SCRATCH), np.uint8)
        self.rows_read = <char *>self._lent((self.n_threads, w.visible.width), w.dtype)
        if self.data.dense or self.model.dense or w.visible.n_groups or w.hidden.n_groups:
            wide = max(w.visible.width, w.hidden.width)
            self.field = <char *>self._lent((max(batch_size, n_model), wide), w.dtype)
        if self.data.dense or self.model.dense:
            self.dense = <char *>self._lent((w.visible.n_units, w.hidden.width), w.dtype)
            self.rule.dense = self.dense
        if self.data.dense and self.model.dense:
            self.turned_words, self.rule.visible_low = 0, 0.0

        self.turning.rooms, self.turning.v, self.turning.h = self.rooms, self.v, self.h
        self.turning.sides[0], self.turning.sides[1] = &self.data, &self.model
        self.turning.panels, self.turning.panel_rows = self.panels, self.panel_rows
        self.turning.turned, self.turning.turned_words = self.turned, self.turned_words
        self.turning.unit, self.turning.dense = self.unit, self.dense

    cdef _allot_limit(self, double max_norm):
        """An update that draws back the units whose weights have grown beyond the bound, and does nothing else."""
        cdef Weights w = self.weights
        self.max_norm = max_norm
        self.rule.col_square = self._lent((w.n_chunks, w.hidden.width), w.dtype)
        self.limit = self.rule
        self.shrink, self.limit.dense = self._lent((w.hidden.width,), w.dtype), NULL
        self.limit.shrink, self.limit.l1, self.limit.l2 = self.shrink, 0.0, 0.0
        self.limit.velocity = self.limit.second = NULL
        self.limit.d_visible, self.limit.d_hidden = w.still.d_visible, w.still.d_hidden
        self.limit.rule.rate = 1.0
        self.unmoved.difference = self.unmoved.running = <void *>w.still.d_visible

    cdef _allot_phase(self, phase *side, int64_t n_rows):
        cdef Weights w = self.weights
        side.visible_mean = <double *>self._lent((w.visible.width,), np.float64)
        side.hidden_mean = <double *>self._lent((w.hidden.width,), np.float64)
        if side.binary:
            side.states = <uint64_t *>self._lent((n_rows, w.visible.n_tiles), np.uint64)
        if side.dense:
            side.values = <char *>self._lent((n_rows, w.visible.width), w.dtype)
            side.means = <char *>self._lent((n_rows, w.hidden.width), w.dtype)

    def _allot_sigma(self, bounds, bint velocities, state):
        """What learning of the visible units' standard deviations takes, within bounds: float64 (n_visible,) each."""
        cdef Weights w = self.weights
        self.held += [np.ascontiguousarray(bound, np.float64) for bound in bounds]
        self.least_sigma = <const double *>address(self.held[len(self.held) - 2])
        self.most_sigma = <const double *>address(self.held[len(self.held) - 1])
        self.arrays["data_sigma"] = state["data_sigma"]
        self.arrays["log_sigma"] = np.log(w.sigma)
        self.log_sigma = address(self.arrays["log_sigma"])
        self.scale.difference = self._lent((w.visible.width,), w.dtype)
        self.scale.running = self._lent((w.visible.width,), w.dtype)
        if velocities:
            self.scale.velocity = self._kept("sigma_velocity", (w.visible.width,), w.dtype, state)
        if self.adam:
            self.scale.second = self._kept("sigma_second", (w.visible.width,), w.dtype, state)
        strips = ceil_div(w.hidden.width, GEMM_COLUMNS)
        self.turning.squares = <double *>self._lent((w.visible.width,), np.float64)
        self.turning.dots = <double *>self._lent((strips, w.visible.n_units), np.float64)
        self.turning.weights = <const char *>w.still.weights

    def state(self):
        """Everything that a later trainer needs to go on: arrays, and how far this one came."""
        return {**self.arrays, "step": self.step, "n_updates": self.n_updates}

    def start_offsets(self, visible_mean, hidden_mean):
        """Begin the running means, which centre the gradient, at these."""
        self.arrays["visible_mean"][:self.weights.visible.n_units] = visible_mean
        self.arrays["hidden_mean"][:self.weights.hidden.n_units] = hidden_mean

    def forget_units(self, units, double hidden_mean):
        """Hidden units begin anew: no velocity, no mean but this one."""
        for name, array in self.arrays.items():
            if name.startswith(("hidden_velocity", "hidden_second", "weights_velocity", "weights_second")):
                array[..., units] = 0
        self.arrays["hidden_mean"][units] = hidden_mean

    def epoch(self, Source x, order, rates, int64_t batch_size):
        """One pass over the rows of x, in this order (int64 array, or None: as they lie).

        rates: float64, the learning rate of each minibatch. order may hold a part of the rows.

        Returns how many units' weights left the range of fixed point: 0, or the pass stopped there.
        Ctrl-C raises between minibatches, with the parameters of the last one.
        """
        cdef int64_t work = self.panel_rows * self.v.width * self.h.width // 4
        cdef epoch_job job
        job.trainer, job.source, job.order = <void *>self, <void *>x, NULL
        job.n_rows, job.batch_size, job.bad, job.watch = x.n_rows, batch_size, 0, watch_begin()
        x.multiply_by(self.v.factor)
        if order is not None:
            job.order, job.n_rows = <const int64_t *>address(order), order.size
        job.rates = <const double *>address(rates)
        cdef int workers = threads_worth(work, self.n_threads)
        with nogil:
            team_call(workers, lead_epoch, &job)
        watch_check(&job.watch)
        return job.bad

    cdef int64_t run_epoch(self, fnn_team *team, epoch_job *job) noexcept nogil:
        cdef int64_t batch, row0, bad
        for batch in range(ceil_div(job.n_rows, job.batch_size)):
            row0 = batch * job.batch_size
            self.data_phase(team, <Source>job.source, job.order, row0, min(job.batch_size, job.n_rows - row0))
            if not self.model_phase(team, self.n_chains if self.n_chains else self.data.n, &job.watch):
                break
            self.rule.rule.rate = job.rates[batch]
            bad = self.descend(team)
            if bad:
                return bad
        # The fixed-point weights depend on nothing but the weights again, not on how they came about.
        return self.weights.prepare(team)

    cdef void hidden_statistics(self, fnn_team *team, phase *side, void *draw_into, bint weigh_draws) noexcept nogil:
        """Weighted means of the hidden units of one side; a draw of them where it is asked for."""
        cdef fnn_layer layer = self.weights.given_states(True, side.states)
        layer.weighted, layer.weighted_rows, layer.weighted_row0 = self.panels, self.panel_rows, side.row0
        layer.weight = side.sign / (self.unit * side.n)
        layer.weigh_draws = weigh_draws
        if self.h.step:
            layer.states = <uint64_t *>draw_into
        else:
            layer.values = draw_into
        layer.key, layer.step = self.key, self.step
        if side.dense:
            layer.mean = side.means
        if not side.binary:
            layer.field = self.field
        if self.h.n_groups:
            layer.fields = self.field
        self.weights.run(team, True, &layer, side.n, NULL if side.binary else side.values, self.scratch)

    cdef void data_phase(self, fnn_team *team, Source x, const int64_t *order, int64_t row0, int64_t n) noexcept nogil:
        self.data.n = n
        gather(team, self.rooms, x, order, row0, n, self.key, self.step, 0,
               self.data.states if self.data.binary else NULL, self.rows_read if self.data.binary else self.data.values)
        self.hidden_statistics(team, &self.data, NULL if self.n_chains else self.chains, False)
        self.step += 1

    cdef bint model_phase(self, fnn_team *team, int64_t n, fnn_watch *watch) noexcept nogil:
        """n_steps of Gibbs sampling from the hidden states of n chains; False if Ctrl-C came between."""
        cdef const char *chains = NULL  # hidden values, where the units have no packed states
        cdef fnn_layer up = self.weights.given_states(False, <const uint64_t *>self.chains if self.h.step else NULL)
        cdef int64_t s
        cdef bint last
        self.model.n = n
        if self.model.binary:
            up.states = self.model.states
        elif self.sample_visible:
            up.values = self.model.values
        else:
            up.mean = self.model.values
        if not self.h.step:
            up.field = self.field
            chains = <const char *>self.chains
        if self.v.n_groups:
            up.fields = self.field
        for s in range(self.n_steps):
            last = s == self.n_steps - 1
            up.key, up.step = self.key, self.step
            self.weights.run(team, False, &up, n, chains, self.scratch)
            self.hidden_statistics(team, &self.model, NULL if last and not self.n_chains and not self.sample_last_hidden
                                   else self.chains, self.sample_last_hidden)
            self.step += 1
            if watch_interrupted(watch):
                return False
        return True

    cdef int64_t descend(self, fnn_team *team) noexcept nogil:
        """The update of all parameters from both sides' statistics."""
        cdef fnn_update *u = &self.rule
        self.n_updates += 1
        if self.adam:
            u.rule.scale1 = 1.0 / (1.0 - u.rule.momentum ** self.n_updates)
            u.rule.scale2 = 1.0 / (1.0 - u.rule.beta2 ** self.n_updates)
        if (self.data.binary and self.data.dense) or (self.model.binary and self.model.dense):
            team_run(team, spread_item, &self.turning, 2 * ceil_div(max(self.data.n, self.model.n), SPREAD_ROWS))
        memset(self.turned, 0, self.v.width * self.turned_words * sizeof(uint64_t))
        team_run(team, means_item, &self.turning, 2 * (self.v.n_tiles + self.h.n_tiles))
        self.rooms.compare_means(self.v.width, self.data.visible_mean, self.model.visible_mean, SLIDE,
                              self.visible.difference, self.visible.running)
        self.rooms.compare_means(self.h.width, self.data.hidden_mean, self.model.hidden_mean, SLIDE,
                              self.hidden.difference, self.hidden.running)
        u.gradient.bits, u.gradient.words = self.turned, self.turned_words
        u.gradient.panels, u.gradient.n_inputs, u.gradient.n_outputs = self.panels, self.panel_rows, self.h.n_units
        if self.dense != NULL:
            team_run(team, dense_item, &self.turning, self.weights.n_chunks * ceil_div(self.h.width, GEMM_COLUMNS))
        if self.turning.weights != NULL:
            self.rescale()
        self.weights.update(team, u, self.scratch)
        self.update_biases(u, &self.visible, &self.hidden, self.sparsity_cost)
        if self.max_norm > 0 and self.rooms.norm_excess(u.col_square, self.weights.n_chunks, self.h.width, self.h.n_units,
                                                        self.max_norm, self.shrink):
            self.weights.update(team, &self.limit, NULL)
            if self.limit.row_shift:
                self.update_biases(&self.limit, &self.unmoved, &self.unmoved, 0.0)
        return self.weights.follow(team)

    cdef void update_biases(self, const fnn_update *u, bias_state *visible, bias_state *hidden, double pull) noexcept nogil:
        self.rooms.update_bias(&u.rule, self.v.n_units, visible.difference, visible.running, 0.0, 0.0,
                            u.row_shift, self.h.n_tiles if u.row_shift else 0, self.v.n_units,
                            self.v.bias, visible.velocity, visible.second)
        self.rooms.update_bias(&u.rule, self.h.n_units, hidden.difference, hidden.running, self.sparsity_target, pull,
                            u.col_shift, self.weights.n_chunks if u.col_shift else 0, self.h.width,
                            self.h.bias, hidden.velocity, hidden.second)

    cdef void rescale(self) noexcept nogil:
        """The update of sigma, before those of what its gradient is made of.

        With u = v / sigma, -dE/d ln sigma = u^2 - u z, z the visible field. Its mean over the model is 1
        whatever the parameters, and over the data <u^2> - a <u> - sum_j W_ij <u h_j>: no draw enters.
        """
        cdef int64_t i, k, strips = ceil_div(self.h.width, GEMM_COLUMNS), size = self.rooms.real_bytes
        cdef double g, value
        for i in range(self.v.n_units):
            g = self.turning.squares[i] / self.data.n - 1.0 - self.data.visible_mean[i] * real_at(self.v.bias, i, size)
            for k in range(strips):
                g -= self.turning.dots[k * self.v.n_units + i]
            put_real(self.scale.difference, i, size, g)
        self.rooms.update_bias(&self.rule.rule, self.v.n_units, self.scale.difference, self.scale.running, 0.0, 0.0,
                               NULL, 0, 0, self.log_sigma, self.scale.velocity, self.scale.second)
        for i in range(self.v.n_units):
            value = min(max(exp(real_at(self.log_sigma, i, size)), self.least_sigma[i]), self.most_sigma[i])
            put_real(self.log_sigma, i, size, log(value))
            put_real(self.v.sigma, i, size, value)
        self.weights.scaled()
