/* Hopfield recall from the remembered patterns themselves: the matrix of weights is never built.
 *
 *   h_i = sum_{j != i} w_ij s_j,  w_ij = c sum_mu xi_i^mu xi_j^mu
 *       = c (sum_mu xi_i^mu m_mu - P s_i),  m_mu = sum_j xi_j^mu s_j
 *
 * and s_i <- sign(h_i), a zero field keeping the state (Hopfield, PNAS 79 (1982), 2554). The overlaps m
 * are integers, kept up to date at each flip, so that every field is exact and no order of summation, lane
 * width or grouping of probes can show. With xi in {-1, +1}, sum xi m = 2 sum over mu with xi = 1 of m less
 * the sum of all m: one addition for each set bit, none for the others.
 *
 * Shapes: sites (n_units, words); overlaps fix (n_patterns + 1, width), the sum of all in the last row.
 * Accumulator: fix; the caller picks the reals so that n_units * n_patterns stays below 2^FIX_BITS.
 */
#include "hopfield.h"

#define STRIP_VECTORS 4

/* sum over the set bits of overlaps[mu, c ..], n_vectors of lanes at once. */
INLINE void add_set(const uint64_t *bits, int64_t words, const fix *overlaps, int64_t width, int n_vectors,
                    vfix sums[STRIP_VECTORS]) {
    for (int k = 0; k < n_vectors; k++) sums[k] = splat_fix(0);
    for (int64_t w = 0; w < words; w++, overlaps += 64 * width)
        for (uint64_t left = bits[w]; left; left &= left - 1) {
            const fix *row = overlaps + __builtin_ctzll(left) * width;
            for (int k = 0; k < n_vectors; k++) sums[k] += load_fix(row + k * LANES);
        }
}

/* Flips of unit i among n_vectors of lanes from c: with g = sum xi m, h = g - P s, a probe at +1 flips
 * where g < P, one at -1 where g > -P. */
INLINE uint64_t flips_of(const fnn_memory *memory, const fnn_probes *p, int64_t i, int64_t c, int n_vectors) {
    const fix *overlaps = (const fix *)p->lanes + c;
    const fix *total = overlaps + memory->n_patterns * p->width;
    vreal most = splat((real)memory->n_patterns);
    vfix sums[STRIP_VECTORS];
    uint64_t below = 0, above = 0;
    add_set(memory->sites + i * memory->words, memory->words, overlaps, p->width, n_vectors, sums);
    for (int k = 0; k < n_vectors; k++) {
        vreal g = to_real(sums[k] + sums[k] - load_fix(total + k * LANES));
        below |= mask_bits(g < most) << (k * LANES);
        above |= mask_bits(g > -most) << (k * LANES);
    }
    uint64_t up = p->states[i] >> c;
    return ((below & up) | (above & ~up)) << c;
}

/* overlaps[mu] += (state of mu at this unit) * change, and the sum of all with them. */
INLINE void move_overlaps(const fnn_memory *memory, const uint64_t *bits, int64_t width, int n_vectors,
                          const fix *change, fix *row) {
    vfix up[STRIP_VECTORS], down[STRIP_VECTORS];
    int64_t set = 0;
    for (int k = 0; k < n_vectors; k++) {
        up[k] = load_fix(change + k * LANES);
        down[k] = -up[k];
    }
    for (int64_t w = 0; w < memory->words; w++) {
        uint64_t word = bits[w];
        int64_t n = memory->n_patterns - 64 * w < 64 ? memory->n_patterns - 64 * w : 64;
        set += __builtin_popcountll(word);
        for (int64_t mu = 0; mu < n; mu++, word >>= 1, row += width) {
            vfix side = splat_fix(-(fix)(word & 1));
            for (int k = 0; k < n_vectors; k++)
                store_fix(row + k * LANES, load_fix(row + k * LANES) + ((up[k] & side) | (down[k] & ~side)));
        }
    }
    for (int k = 0; k < n_vectors; k++)
        store_fix(row + k * LANES,
                  load_fix(row + k * LANES) + up[k] * splat_fix((fix)(2 * set - memory->n_patterns)));
}

/* What flips of unit i, already in the states, change in the overlaps. */
void FN(flip_patterns)(const fnn_memory *memory, fnn_probes *p, int64_t i, uint64_t flips) {
    const uint64_t *bits = memory->sites + i * memory->words;
    fix change[64] = {0}, *overlaps = p->lanes;
    int64_t c = 0;
    for (uint64_t left = flips; left; left &= left - 1) {
        int lane = __builtin_ctzll(left);
        change[lane] = p->states[i] >> lane & 1 ? 2 : -2;
    }
    for (; c + STRIP_VECTORS * LANES <= p->width; c += STRIP_VECTORS * LANES)
        move_overlaps(memory, bits, p->width, STRIP_VECTORS, change + c, overlaps + c);
    for (; c < p->width; c += LANES) move_overlaps(memory, bits, p->width, 1, change + c, overlaps + c);
}

/* Units order[first] .. order[last - 1] (first .. last - 1 if order is NULL), one after the other. */
void FN(recall_patterns)(const fnn_memory *memory, fnn_probes *p, const int64_t *order, int64_t first,
                         int64_t last) {
    for (int64_t k = first; k < last; k++) {
        int64_t i = order ? order[k] : k, c = 0;
        uint64_t flips = 0;
        for (; c + STRIP_VECTORS * LANES <= p->width; c += STRIP_VECTORS * LANES)
            flips |= flips_of(memory, p, i, c, STRIP_VECTORS);
        for (; c < p->width; c += LANES) flips |= flips_of(memory, p, i, c, 1);
        flips = take_flips(p, i, flips);
        if (flips) FN(flip_patterns)(memory, p, i, flips);
    }
}

/* A synchronous update's flips of units first .. last - 1, at the end of its sweep. */
void FN(commit_patterns)(const fnn_memory *memory, fnn_probes *p, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
        uint64_t flips = p->states[i] ^ p->next[i];
        p->states[i] = p->next[i];
        if (flips) FN(flip_patterns)(memory, p, i, flips);
    }
}

/* Overlaps of one probe, states (words), with patterns (n_patterns, words), n_units bits in each:
 * m = n_units - 2 (number of units at which they differ), into its lane and the sum of all. */
void FN(count_overlaps)(const uint64_t *patterns, int64_t n_patterns, const uint64_t *states, int64_t words,
                        int64_t n_units, int64_t lane, fnn_probes *p) {
    fix *overlap = (fix *)p->lanes + lane, total = 0;
    for (int64_t mu = 0; mu < n_patterns; mu++, overlap += p->width, patterns += words) {
        int64_t differ = 0;
        for (int64_t w = 0; w < words; w++) differ += __builtin_popcountll(patterns[w] ^ states[w]);
        *overlap = (fix)(n_units - 2 * differ);
        total += *overlap;
    }
    *overlap = total;
}

/* Which probes differ between two sets of states. */
uint64_t FN(differing_probes)(const uint64_t *a, const uint64_t *b, int64_t n_units) {
    uint64_t differ = 0;
    for (int64_t i = 0; i < n_units; i++) differ |= a[i] ^ b[i];
    return differ;
}
