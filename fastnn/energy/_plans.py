"""An Ising model made ready for a kernel: fixed-point rows, the order of a sweep, start states."""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dsymm
from scipy.sparse import issparse

from fastnn._kernels.anneal import KERNELS, LIMITS, Walk, random_states, stages_of
from fastnn._kernels.pairs import Pairs
from fastnn._threads import single_threaded_blas
from fastnn.energy._bits import BitGroups, integer_form, worthwhile

ORDERS = ("sequential", "random", "color")
ACCEPTANCES = ("metropolis", "heat_bath")
# Bits that sums of fixed-point numbers may take.
_SINGLE_BITS, _DOUBLE_BITS = 31, 50
# Where a last digit decides little: relative changes of couplings, and the share that may change by more.
_HARDLY, _NEARLY_ALL = 1 / 16, 1e-4
# Reads up to which keeping their fields beats 64 side by side.
_FEW_READS = 4
# States of which dense energies are computed at a time.
_STATES_TOGETHER = 1024


class Plan:
    """What does not change while a model is sampled: kernel, rows, order.

    kernel: a name or "auto". clamp: boolean mask of units that never move, or None. beta: the greatest
    finite inverse temperature, and error how far rounded couplings may move beta times an energy difference:
    they decide the precision. error None: any, if nearly all couplings hardly change, as for an annealer,
    whose last sweeps only descend.
    """

    def __init__(self, model, *, kernel, num_reads, order, acceptance, clamp, beta, error):
        self.model, self.order, self.heat_bath = model, order, acceptance == "heat_bath"
        self.held = np.zeros(model.n, bool) if clamp is None else clamp
        self.num_reads = num_reads
        self.real, self.kernel = np.dtype(np.float64), "fields"
        self.groups = None
        if kernel == "fields" or (kernel == "auto" and self._keeps_fields()):
            self._keep_fields(beta, error)
            return
        weights, bias = model.spin_form()
        if kernel != "lanes":
            self.groups = self._groups(kernel, weights, bias)
        self.kernel = "bits"
        if self.groups is None:
            self.kernel = "lanes"
            step, self.real = _steps(weights, bias, beta, error)
            self.sites = self._sites()
            scale = np.ones(self.sites.size + 32, self.real)
            scale[: self.sites.size] = step[self.sites]
            self.rows = *_fixed_rows(weights, bias, step, self.real), scale

    def _keeps_fields(self):
        """Whether fields that are kept do best: for few reads, and for dense couplings."""
        return self.num_reads <= _FEW_READS or self.model.is_dense

    def _keep_fields(self, beta, error):
        """Rows in the order of a sweep, units that never move behind it."""
        model, n = self.model, self.model.n
        weights, bias = model.spin_form(dense=model.is_dense)
        step, self.real = _steps(weights, bias, beta, error)
        movers = np.flatnonzero(~self.held) if model.is_dense else self._sites()
        self.n_places = movers.size
        self.sites = np.concatenate([movers, np.flatnonzero(self.held)]).astype(np.int32)
        columns = -(-n // LIMITS["tile"]) * LIMITS["tile"]
        stride = columns + 16  # rows of a power of two would crowd a few sets of the cache
        fix = np.int32 if self.real == np.float32 else np.int64
        place = np.argsort(self.sites)
        indptr = indices = increments = matrix = None
        coupled = np.ones(stride // 16, np.uint8)
        if model.is_dense:
            whole = np.rint(weights / step)
            total = whole.sum(axis=0)
            matrix = np.zeros((n, stride), fix)
            matrix[:, :n] = 2 * (
                whole if (np.diff(self.sites) > 0).all() else whole[np.ix_(self.sites, self.sites)]
            )
        else:
            rows = weights[self.sites]
            indptr, indices = rows.indptr.astype(np.int64), place[rows.indices].astype(np.int32)
            whole = np.rint(rows.data / step[rows.indices])
            total = np.bincount(rows.indices, weights=whole, minlength=n)
            increments = (2 * whole).astype(fix)
            group = np.repeat(np.arange(n) // 16, np.diff(indptr))
            coupled[:] = np.bincount(group[group == indices // 16], minlength=coupled.size) > 0
        constant, scale = np.zeros(stride, fix), np.ones(stride, self.real)
        constant[:n] = (np.rint(bias / step) - total)[self.sites]
        scale[:n] = step[self.sites]
        self.kept = indptr, indices, increments, matrix, constant, scale, self.sites, coupled

    def _groups(self, kernel, weights, bias):
        """What the bit-sliced kernel needs, if it is asked for or does best."""
        if kernel == "auto" and self.order == "random":
            return None
        integers = integer_form(weights, bias)
        if kernel == "auto" and not worthwhile(weights, integers):
            return None
        try:
            return BitGroups(weights, integers, order=self.order, heat_bath=self.heat_bath, held=self.held)
        except ValueError:
            if kernel == "bits":
                raise
            return None

    def _sites(self):
        """The units that move, in the order of a sweep."""
        rows, order = self.model.rows, np.arange(self.model.n)
        if self.order == "color":
            indptr, indices = rows.indptr.astype(np.int64), rows.indices.astype(np.int32)
            order = np.argsort(stages_of(indptr, indices, self.held, True), kind="stable")
        return order[~self.held[order]].astype(np.int32)

    @property
    def word(self) -> np.dtype:
        """The dtype of a word of states: one spin in as many reads as it has bits."""
        return KERNELS[self.kernel][1]

    def walk(self, states, key, num_reads, n_rungs=1, first_read=0) -> Walk:
        """What moves these states, n_rungs groups of blocks of reads each with its own betas.

        first_read: the number of the first of them, for their random numbers.
        """
        walk = Walk(
            self.kernel,
            self.real,
            states,
            random_order=self.order == "random",
            heat_bath=self.heat_bath,
            n_rungs=n_rungs,
            first_stream=first_read if self.kernel == "fields" else first_read // (8 * self.word.itemsize),
        )
        if self.kernel == "fields":
            return walk.with_fields(key, *self.kept, self.n_places, num_reads, n_rungs)
        if self.kernel == "lanes":
            return walk.with_rows(key, *self.rows, self.sites)
        g = self.groups
        return walk.with_groups(key, g.groups, g.stages, g.slots, g.signs, g.n_levels, g.thresholds)


def _steps(weights, bias, beta, allowed):
    """(step (n,), real): fields in steps of a power of two per spin, such that sums of |w| and |b| fit.

    float32 rooms if the couplings, rounded to such steps, move beta times an energy difference by no more
    than `allowed`; or if nearly all of them hardly change, where `allowed` is None.
    """
    sums = np.asarray(abs(weights).sum(axis=1)).ravel() + abs(bias)
    _, exponent = np.frexp(sums)
    single, double = (
        np.where(sums > 0, np.ldexp(1.0, exponent - bits + 1), 1.0) for bits in (_SINGLE_BITS, _DOUBLE_BITS)
    )
    if single.min(initial=1) <= np.finfo(np.float32).tiny or single.max(initial=1) >= 1e30 or beta >= 1e30:
        return double, np.dtype(np.float64)
    if issparse(weights):
        terms = np.diff(weights.indptr)
        parts = (bias, single), (weights.data, np.repeat(single, terms))
    else:
        terms = np.count_nonzero(weights, axis=1)
        parts = (bias, single), (weights, single[:, None])
    changes = [(abs(np.rint(x / step) * step - x), x) for x, step in parts]
    if allowed is None:
        n_changed = sum(np.count_nonzero(change > _HARDLY * abs(x)) for change, x in changes)
        fits = n_changed <= _NEARLY_ALL * (terms.sum() + terms.size)
    else:
        exact = not any(change.any() for change, _ in changes)
        fits = exact or float(((terms + 1) * single).max(initial=0)) * beta <= allowed
    return (single, np.dtype(np.float32)) if fits else (double, np.dtype(np.float64))


def _fixed_rows(weights, bias, step, real):
    """(indptr, indices, weights, gains, constant) as csrc/anneal/lanes.c wants them."""
    fix = np.int32 if real == np.float32 else np.int64
    fixed = np.rint(weights.data / np.repeat(step, np.diff(weights.indptr))).astype(fix)
    gains = np.rint(weights.data / step[weights.indices]).astype(fix)
    constant = np.rint(bias / step).astype(fix) - _row_sums(fixed, weights.indptr)
    indptr, indices = weights.indptr.astype(np.int64), weights.indices.astype(np.int32)
    return indptr, indices, 2 * fixed, 2 * gains, constant


def _row_sums(values, indptr):
    ends = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])[indptr]
    return np.diff(ends).astype(values.dtype)


def pairs_of(model) -> Pairs:
    """The model's pairs, each once, for energies (without the offset) in its own domain."""
    rows = model.rows
    row = np.repeat(np.arange(model.n, dtype=np.int32), np.diff(rows.indptr))
    below = rows.indices < row
    indices, weights = rows.indices[below].astype(np.int32), rows.data[below]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[below], minlength=model.n))])
    constant = model.bias.copy()
    if model.vartype == "SPIN":
        constant -= np.bincount(row[below], weights=weights, minlength=model.n)
    return Pairs(indptr.astype(np.int64), indices, weights, constant, model.vartype == "BINARY")


def state_energies(model, words, num_reads):
    """(num_reads,) energies of words (n_blocks, n + 1), by products with the couplings."""
    per_word, out = 8 * words.itemsize, np.empty(num_reads)
    n_words = -(-_STATES_TOGETHER // per_word)
    for first in range(0, num_reads, n_words * per_word):
        n = min(n_words * per_word, num_reads - first)
        at = first // per_word
        states = np.where(unpack_words(words[at : at - (-n // per_word)], n), 1.0, model.low)
        if model.is_dense:
            weights = model.weights.toarray() if issparse(model.weights) else model.weights
            with single_threaded_blas():
                fields = dsymm(1.0, weights.T, states.T)  # both as BLAS has them, columns first
        else:
            fields = model.rows @ states.T
        fields = model.bias[:, None] + 0.5 * fields
        out[first : first + n] = model.offset - np.einsum("ri,ir->r", states, fields)
    return out


def settle(model, words, held):
    """Flip, in each read of a block of words (1, n + 1), the unit that gains most, until none gains."""
    weights, bias = model.spin_form(dense=model.is_dense)
    rounding = 1e-12 * (np.asarray(abs(weights).sum(axis=1)).ravel() + abs(bias))
    moving, per_word = np.flatnonzero(~held), 8 * words.itemsize
    up = unpack_words(words, per_word)
    reads = np.arange(per_word if moving.size else 0)
    while reads.size:
        states = np.where(up[reads], 1.0, -1.0)
        gains = (states * (bias + (weights @ states.T).T) + rounding)[:, moving]
        best = gains.argmin(axis=1)
        falls = gains[np.arange(reads.size), best] < 0
        reads = reads[falls]
        up[reads, moving[best[falls]]] ^= True
    words[:] = pack_words(up, words.dtype)


def start_words(plan, num_reads, initial_states, key, first_read=0):
    """Words (n_blocks, n + 1): given states, or fair coins keyed by block."""
    per_word = 8 * plan.word.itemsize
    n_blocks = -(-num_reads // per_word)
    if initial_states is None:
        return random_states(key, first_read // per_word, n_blocks, plan.model.n, plan.word)
    return pack_words(initial_states == 1, plan.word)


def pack_words(up, word):
    """Boolean states (n_reads, n) as words (n_blocks, n + 1): read r is bit r of its block's words."""
    per_word, n = 8 * word.itemsize, up.shape[1]
    words = np.zeros((-(-len(up) // per_word), n + 1), word)
    for block, row in enumerate(words):
        packed = np.packbits(up[block * per_word : (block + 1) * per_word], axis=0, bitorder="little")
        row[:n].view(np.uint8).reshape(n, word.itemsize)[:, : len(packed)] = packed.T
    return words


def unpack_words(words, num_reads):
    """Boolean states (num_reads, n) of words (n_blocks, n + 1)."""
    n_blocks, n = words.shape[0], words.shape[1] - 1
    out = np.empty((num_reads, n), np.bool_)
    per_word = 8 * words.itemsize
    for block in range(n_blocks):
        rows = out[block * per_word : (block + 1) * per_word]
        bits = np.unpackbits(
            words[block, :n].view(np.uint8).reshape(n, words.itemsize), axis=1, bitorder="little"
        )
        rows[:] = bits.T[: len(rows)]
    return out


def kept_states(words, num_reads, low):
    """(num_reads, n) int8 states of words (n_blocks, n + 1)."""
    up = unpack_words(words[: -(-num_reads // (8 * words.itemsize))], num_reads).view(np.int8)
    return up if low == 0 else 2 * up - 1


def words_of_64(words):
    """The same states in words of 64 reads."""
    if words.itemsize == 8:
        return words
    (n_blocks, n), times = words.shape, 8 // words.itemsize
    wide = np.zeros((-(-n_blocks // times), n, times), words.dtype)
    for k in range(times):
        part = words[k::times]
        wide[: len(part), :, k] = part
    return wide.view(np.uint64)[:, :, 0]
