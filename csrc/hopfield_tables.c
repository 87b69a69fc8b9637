/* Dense associative memory: Hopfield recall with an energy steeper than the square of the overlaps.
 *
 *   E(s) = -sum_mu F(m_mu),  m_mu = sum_j xi_j^mu s_j,  and s_i takes the side of lower energy:
 *   E(s_i = -1) - E(s_i = +1) = sum_mu xi_i^mu D(m_mu - xi_i^mu s_i),  D(x) = F(x + 1) - F(x - 1)
 *
 * (Krotov, Hopfield, "Dense associative memory for pattern recognition", NIPS 2016, eq. 4; with
 * F = exp: Demircigil et al., J. Stat. Phys. 168 (2017), 288). Overlaps are integers, so D is a table. For
 * the exponential it is a table of m_mu less the probe's greatest overlap, which changes no sign and
 * never overflows.
 *
 * Shapes as in hopfield.c. Accumulator: double, over the patterns in their order for each probe alone.
 */
#include "hopfield.h"

void FN(flip_patterns)(const fnn_memory *memory, fnn_probes *p, int64_t i, uint64_t flips);

#define MOST_LANES 64

/* The greatest overlap of each probe, or 0 if tables are of the overlap itself. */
static void find_tops(const fnn_memory *memory, const fnn_probes *p, int64_t tops[MOST_LANES]) {
    const fix *row = p->lanes;
    for (int64_t l = 0; l < p->width; l++) tops[l] = memory->relative ? row[l] : 0;
    if (!memory->relative) return;
    for (int64_t mu = 1; mu < memory->n_patterns; mu++) {
        row += p->width;
        for (int64_t l = 0; l < p->width; l++) tops[l] = row[l] > tops[l] ? row[l] : tops[l];
    }
}

INLINE double entry(const double *table, int64_t reach, int64_t x) { return table[x < -reach ? 0 : x + reach]; }

static uint64_t flips_of(const fnn_memory *memory, const fnn_probes *p, int64_t i, const int64_t tops[MOST_LANES]) {
    const uint64_t *bits = memory->sites + i * memory->words;
    const fix *row = p->lanes;
    double gain[MOST_LANES] = {0};
    int64_t state[MOST_LANES];
    uint64_t flips = 0;
    for (int64_t l = 0; l < p->width; l++) state[l] = 2 * (int64_t)(p->states[i] >> l & 1) - 1;
    for (int64_t mu = 0; mu < memory->n_patterns; mu++, row += p->width) {
        int64_t side = 2 * (int64_t)(bits[mu / 64] >> (mu % 64) & 1) - 1;
        for (int64_t l = 0; l < p->width; l++)
            gain[l] += (double)side * entry(memory->slope, memory->reach, (int64_t)row[l] - side * state[l] - tops[l]);
    }
    for (int64_t l = 0; l < p->width; l++) flips |= (uint64_t)((double)state[l] * gain[l] < 0) << l;
    return flips;
}

/* Units order[first] .. order[last - 1] (first .. last - 1 if order is NULL), one after the other. */
void FN(recall_tables)(const fnn_memory *memory, fnn_probes *p, const int64_t *order, int64_t first,
                       int64_t last) {
    int64_t tops[MOST_LANES];
    find_tops(memory, p, tops);
    for (int64_t k = first; k < last; k++) {
        int64_t i = order ? order[k] : k;
        uint64_t flips = take_flips(p, i, flips_of(memory, p, i, tops));
        if (!flips) continue;
        FN(flip_patterns)(memory, p, i, flips);
        find_tops(memory, p, tops);
    }
}

/* sums[l] = sum over mu of level[m_mu - tops[l]]; tops[l] = the greatest overlap, or 0 (see above). Without
 * a table: the sum of m^2, exact below 2^53. */
void FN(pattern_energies)(const fnn_memory *memory, const fnn_probes *p, double *sums, double *tops) {
    int64_t top[MOST_LANES];
    const fix *row = p->lanes;
    find_tops(memory, p, top);
    for (int64_t l = 0; l < p->width; l++) {
        sums[l] = 0;
        tops[l] = (double)top[l];
    }
    for (int64_t mu = 0; mu < memory->n_patterns; mu++, row += p->width)
        for (int64_t l = 0; l < p->width; l++) {
            double m = (double)row[l];
            sums[l] += memory->level ? entry(memory->level, memory->reach, (int64_t)row[l] - top[l]) : m * m;
        }
}
