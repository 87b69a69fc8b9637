"""Small integer couplings for the bit-sliced kernel: the unit of energy, groups of spins, thresholds."""

from __future__ import annotations

import numpy as np

from fastnn._kernels.anneal import GROUP, LIMITS, ROWS, stages_of
from fastnn._kernels.core import map_array
from fastnn._kernels.packing import packed

_BITS = LIMITS["threshold_bits"]
# Planes of a heat bath's sum: each doubles the thresholds that a random word is compared with.
_HEAT_BATH_PLANES = 6
# Groups of a run that goes on without looking up: fewer than are worth cutting in parts.
_RUN = 64
# Groups, in units of the fewest possible, above which units leave their stages.
_WASTE = 1.02


def integer_form(weights, bias):
    """(unit, couplings, biases) with integers that times the unit are the given ones, or None.

    The unit is the greatest common divisor, of numbers that are integers in steps of a power of two, or
    of the smallest number among them; equality is up to rounding of the last digits.
    """
    used = np.union1d(np.unique(abs(weights.data)), abs(bias))
    used = used[used > 0]
    if used.size == 0:
        return 1.0, np.zeros(weights.nnz, np.int64), np.zeros(bias.size, np.int64)
    _, exponent = np.frexp(used[0])
    for step in (np.ldexp(1.0, int(exponent) - 8), used[0]):
        ratio = used / step
        if ratio[-1] > 2**31:
            return None
        whole = np.rint(ratio)
        if (abs(ratio - whole) <= 4 * np.finfo(float).eps * ratio).all():
            divisor = np.gcd.reduce(whole.astype(np.int64))
            unit = step * divisor
            narrow = np.int32 if whole[-1] < 2**31 else np.int64
            couplings = np.rint(weights.data / unit).astype(narrow)
            return float(unit), couplings, np.rint(bias / unit).astype(np.int64)
    return None


def worthwhile(weights, integers) -> bool:
    """Whether bit planes beat fixed-point lanes: a coupling costs an addition for each bit of it."""
    if integers is None:
        return False
    size = abs(integers[1])
    if size.max(initial=0) >= 1 << LIMITS["levels"]:
        return False
    n_additions = sum(np.count_nonzero(size >> level & 1) for level in range(LIMITS["levels"]))
    return n_additions <= 6 * size.size


class BitGroups:
    """A model with integer couplings (in `unit`s) as the bit-sliced kernel takes it.

    Raises ValueError where it does not fit.
    """

    def __init__(self, weights, integers, *, order, heat_bath, held):
        if integers is None:
            raise ValueError("kernel 'bits' needs couplings and biases that are multiples of one number")
        self.unit, couplings, biases = integers
        self.heat_bath = heat_bath
        indptr, indices = weights.indptr.astype(np.int64), weights.indices.astype(np.int32, copy=False)
        self.n_levels = int(abs(couplings).max(initial=1)).bit_length()
        total = _row_sums(abs(couplings), indptr)
        reach = (total + abs(biases)).max(initial=0) // 2 + 2  # bound of |x|
        planes = int(reach).bit_length() + 1
        if self.n_levels > LIMITS["levels"] or planes > (
            _HEAT_BATH_PLANES if heat_bath else LIMITS["planes"]
        ):
            raise ValueError("kernel 'bits' needs smaller couplings: their sums have too many digits")
        self._arrange(indptr, indices, total, biases, held, order, planes)
        self._neighbours(indptr, indices, couplings, len(total))

    def _arrange(self, indptr, indices, total, biases, held, order, planes):
        """Stages of a sweep, and groups in them."""
        movers = np.flatnonzero(~held)
        stage = stages_of(indptr, indices, held, order != "sequential")[movers]
        least = (biases - total)[movers]  # h with every partner against it
        odd = least & 1
        constant = (least - odd) // 2 - (0 if self.heat_bath else 1 - odd)
        width = np.diff(indptr)[movers]
        spans = self._planes(constant, total[movers], odd, planes)
        by = np.lexsort((-width, odd, spans, stage))
        # A spin drawn at random moves alone: its seven neighbours in the group are itself, drawn anew, and
        # the last of the eight states stays.
        most = 1 if order == "random" else 8
        starts = _runs(np.stack([stage[by], spans[by], odd[by]]), most)
        self.stages = np.searchsorted(stage[by][starts], np.arange(stage.max(initial=-1) + 2))
        widest = np.diff(self.stages).max(initial=0)
        if most > 1 and widest <= _RUN and starts.size > _WASTE * -(-movers.size // most):
            by, starts = self._packed(indptr, indices, movers, stage, odd, width, most)
        self._group(movers[by], starts, odd[by], spans[by], constant[by], len(total))

    def _planes(self, constant, total, odd, most):
        """Planes of each spin's sum x, sign included: constant <= x <= constant + total + 1 - odd."""
        if self.heat_bath:
            return np.full(constant.size, most)
        bound = np.maximum(-constant - 1, constant + total + 1 - odd)
        _, bits = np.frexp(np.maximum(bound, 1).astype(np.float64))
        return bits + 1

    def _packed(self, indptr, indices, movers, stage, odd, width, most):
        """(order of movers, where groups start): units wait for their partners, not for their stage."""
        n = indptr.size - 1
        rank, kind, wide = np.full(n, -1), np.zeros(n, np.uint8), np.zeros(n, np.int64)
        rank[movers[np.argsort(stage, kind="stable")]] = np.arange(movers.size)
        kind[movers], wide[movers] = odd, width
        units, bounds = packed(indptr, indices, rank, kind, wide, most)
        at = np.empty(n, np.int64)
        at[movers] = np.arange(movers.size)
        self.stages = np.append(np.arange(0, bounds.size - 1, _RUN), bounds.size - 1)
        return at[units], bounds[:-1]

    def _group(self, spins, first, odd, spans, constant, n):
        """Groups of the spins from each of `first` to the next."""
        counts = np.diff(np.append(first, spins.size))
        group = np.repeat(np.arange(first.size), counts)
        lane = np.arange(spins.size) - np.repeat(first, counts)
        self.groups = np.zeros(first.size, GROUP)
        self.groups["members"] = spins[first][:, None]
        self.groups["members"][group, lane] = spins
        self.groups["odd"] = odd[first]
        if first.size:
            self.groups["n_planes"] = np.maximum.reduceat(spans, first)
        of_spin = np.zeros(n, np.int64)
        of_spin[spins] = constant
        values = of_spin[self.groups["members"]]  # (n_groups, 8)
        for plane in range(LIMITS["planes"]):
            self.groups["constant"][:, plane] = np.packbits(values >> plane & 1, axis=1, bitorder="little")[
                :, 0
            ]

    def _neighbours(self, indptr, indices, couplings, n):
        """Slots: for each plane, as many as the member with the most couplings of that bit has."""
        members, size = self.groups["members"], abs(couplings)
        row = np.repeat(np.arange(n, dtype=np.int32), np.diff(indptr))
        levels = []
        for level in range(self.n_levels):
            chosen = np.flatnonzero(size >> level & 1).astype(row.dtype if size.size < 2**31 else np.int64)
            counts = np.bincount(row[chosen], minlength=n)
            starts = np.cumsum(counts) - counts
            self.groups["widths"][:, level] = counts[members].max(axis=1, initial=0)
            levels.append((chosen, counts, starts))
        del row, size  # memory is what limits the greatest models
        widths = self.groups["widths"].astype(np.int64)
        first = (np.cumsum(widths) - widths.ravel()).reshape(widths.shape)
        self.groups["slot"] = first[:, 0]
        n_slots = int(widths.sum())
        self.slots = np.full((n_slots, 8), n, np.int32)
        negative = np.zeros((n_slots, 8), bool)
        for level, (chosen, counts, starts) in enumerate(levels):
            for lane in range(8):
                spin = members[:, lane]
                n_each = counts[spin]
                step = np.arange(n_each.sum()) - np.repeat(np.cumsum(n_each) - n_each, n_each)
                entry = chosen[np.repeat(starts[spin], n_each) + step]
                slot = np.repeat(first[:, level], n_each) + step
                self.slots[slot, lane] = indices[entry]
                negative[slot, lane] = couplings[entry] < 0
        self.signs = np.packbits(negative, axis=1, bitorder="little").ravel()

    def thresholds(self, betas) -> np.ndarray:
        """betas (...) -> (..., row) uint64: probabilities times 2^48; see csrc/anneal/bits.c."""
        if self.heat_bath:
            planes = int(self.groups["n_planes"].max(initial=1))
            at = np.arange(64) & (1 << planes) - 1
            x = np.where(at >> planes - 1, at - (1 << planes), at)
            field = np.concatenate([2 * x + 1, 2 * x]).astype(np.float64)
            with np.errstate(invalid="ignore"):
                rise = 2 * self.unit * betas[..., None] * field
            rise[np.isnan(rise)] = 0  # infinite beta, no field
            return _fixed(map_array(2, rise, np.empty_like(rise)))
        # ΔE / 2 of the eight low values of j for odd and even fields, then of each bit of j.
        cost = np.zeros(ROWS["metropolis"])
        cost[:8] = 2 * np.arange(8) + 1
        cost[8:16] = 2 * np.arange(8) + 2
        cost[16:] = 2.0 ** (np.arange(16) + 1)
        fall = -2 * self.unit * betas[..., None] * cost
        return _fixed(map_array(0, fall, np.empty_like(fall)))


def _runs(keys, most):
    """Where runs of equal columns start, cut to at most `most`."""
    n = keys.shape[1]
    new = np.ones(n, bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    start = np.flatnonzero(new)
    place = np.arange(n) - np.repeat(start, np.diff(np.append(start, n)))
    return np.flatnonzero(place % most == 0)


def _fixed(p):
    return np.minimum(np.floor(p * 2.0**_BITS + 0.5), 2.0**_BITS - 1).astype(np.uint64)


def _row_sums(values, indptr):
    return np.diff(np.concatenate([[0], np.cumsum(values, dtype=np.int64)])[indptr])
