"""An Ising model made ready for a kernel: fixed-point rows, the order of a sweep, start states."""

from __future__ import annotations

import numpy as np

from fastnn._kernels.anneal import KERNELS, Pairs, Walk, random_states, stages_of
from fastnn.energy._bits import BitGroups, integer_form, worthwhile

ORDERS = ("sequential", "random", "color")
ACCEPTANCES = ("metropolis", "heat_bath")
# Bits that sums of fixed-point numbers may take.
_SINGLE_BITS, _DOUBLE_BITS = 30, 50


class Plan:
    """What does not change while a model is sampled: kernel, rows, order.

    kernel: a name or "auto". clamp: boolean mask of units that never move, or None. beta: the greatest
    finite inverse temperature, and error how far rounded couplings may move beta times an energy difference:
    they decide the precision.
    """

    def __init__(self, model, *, kernel, order, acceptance, clamp, beta, error):
        self.model, self.order, self.heat_bath = model, order, acceptance == "heat_bath"
        self.held = np.zeros(model.n, bool) if clamp is None else clamp
        weights, bias = model.spin_form()
        self.groups, self.kernel = self._groups(kernel, weights, bias), "bits"
        self.real = np.dtype(np.float64)
        if self.groups is None:
            self.kernel = "lanes"
            self.real, self.rows = _fixed_rows(weights, bias, beta, error)
            self.sites = self._sites()

    def _groups(self, kernel, weights, bias):
        """What the bit-sliced kernel needs, if it is asked for or does best."""
        if kernel == "lanes":
            return None
        integers = integer_form(weights, bias)
        if kernel == "auto" and not worthwhile(weights, integers):
            return None
        color = self.order != "sequential"
        try:
            return BitGroups(weights, integers, color=color, heat_bath=self.heat_bath, held=self.held)
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

    def walk(self, states, key, n_rungs=1) -> Walk:
        """What moves these states, n_rungs groups of blocks of reads each with its own betas."""
        walk = Walk(
            self.kernel,
            self.real,
            states,
            random_order=self.order == "random",
            heat_bath=self.heat_bath,
            n_rungs=n_rungs,
        )
        if self.kernel == "lanes":
            return walk.with_rows(key, *self.rows, self.sites)
        g = self.groups
        return walk.with_groups(key, g.groups, g.stages, g.slots, g.signs, g.n_levels, g.thresholds)


def _fixed_rows(weights, bias, beta, allowed):
    """(real, (indptr, indices, weights, constant, scale)): fields in steps of a power of two per spin.

    Sums of |w| and |b| fit the bits of a sum. float32 rooms unless the couplings, rounded to such steps,
    would move beta times an energy difference by more than `allowed`.
    """
    sums = np.asarray(abs(weights).sum(axis=1)).ravel() + abs(bias)
    terms = np.diff(weights.indptr) + 1
    for real, bits in ((np.float32, _SINGLE_BITS), (np.float64, _DOUBLE_BITS)):
        _, exponent = np.frexp(sums)
        step = np.where(sums > 0, np.ldexp(1.0, exponent - bits + 1), 1.0)
        fixed = np.rint(weights.data / np.repeat(step, terms - 1))
        fixed_bias = np.rint(bias / step)
        exact = (fixed * np.repeat(step, terms - 1) == weights.data).all() and (
            fixed_bias * step == bias
        ).all()
        error = 0.0 if exact else float((terms * step).max(initial=0)) * beta
        in_range = step.min(initial=1) > np.finfo(real).tiny and step.max(initial=1) < 1e30
        if (error <= allowed and in_range) or real is np.float64:
            break
    fixed = fixed.astype(np.int32 if real is np.float32 else np.int64)
    constant = fixed_bias.astype(fixed.dtype) - _row_sums(fixed, weights.indptr)
    indptr, indices = weights.indptr.astype(np.int64), weights.indices.astype(np.int32)
    return np.dtype(real), (indptr, indices, 2 * fixed, constant, step.astype(real))


def _row_sums(values, indptr):
    ends = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])[indptr]
    return np.diff(ends).astype(values.dtype)


def pairs_of(model) -> Pairs:
    """The model's pairs, each once, for energies (without the offset) in its own domain."""
    rows = model.rows
    row = np.repeat(np.arange(model.n), np.diff(rows.indptr))
    below = rows.indices < row
    indices, weights = rows.indices[below].astype(np.int32), rows.data[below]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[below], minlength=model.n))])
    constant = model.bias.copy()
    if model.vartype == "SPIN":
        constant -= np.bincount(row[below], weights=weights, minlength=model.n)
    return Pairs(indptr.astype(np.int64), indices, weights, constant, model.vartype == "BINARY")


def start_words(plan, num_reads, initial_states, key):
    """Words (n_blocks, n + 1): given states, or fair coins keyed by block."""
    per_word = 8 * plan.word.itemsize
    n_blocks = -(-num_reads // per_word)
    if initial_states is None:
        return random_states(key, n_blocks, plan.model.n, plan.word)
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


def words_of_64(words):
    """The same states in words of 64 reads."""
    if words.itemsize == 8:
        return words
    n_blocks, n = words.shape
    wide = np.zeros((-(-n_blocks // 2), n, 2), words.dtype)
    wide[:, :, 0] = words[::2]
    wide[: n_blocks // 2, :, 1] = words[1::2]
    return wide.view(np.uint64)[:, :, 0]
