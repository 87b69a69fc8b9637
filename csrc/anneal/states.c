/* What every annealing kernel shares: random words, energies and moments of states that lie one bit a read.
 *
 * A word holds one spin in 64 reads (or 32, see lanes.c): bit r is the spin's state in read r, up = 1.
 */
#include "../fastnn.h"
#include "../philox.h"
#include "../vec.h"

#define PER_VECTOR ((int)(FASTNN_VEC / 8))
#define EACH_VECTOR(v) for (int v = 0; v < 64 / PER_VECTOR; v++)

/* 64 random 32-bit words number `tile` of a place: start states and seeds of streams. */
void FN(random_words)(uint64_t key, uint64_t step, uint64_t chain, int64_t stream, int64_t tile, uint32_t *out) {
    philox_place at = {key, step, chain, (uint32_t)stream};
    philox_tile(at, tile, out);
}

/* E_r = - sum_i s_i (constant_i + factor sum over j in row i of J_ij [s_j up])   for spins (binary = 0),
 * the same with [s_i up] in place of s_i for binary units. A row holds each pair once (j < i), so that with
 * constant_i = b_i - sum_j J_ij, factor = 2 for spins and constant_i = b_i, factor = 1 for binary units this
 * is the model's energy; double, terms in the order of the rows. energies (64). */
void FN(state_energies)(const fnn_pairs *p, const uint64_t *states, double *energies) {
    vdouble sums[64 / PER_VECTOR] = {0};
    double down = p->binary ? 0.0 : -1.0;
    for (int64_t i = 0; i < p->n_spins; i++) {
        vdouble field[64 / PER_VECTOR];
        EACH_VECTOR(v) field[v] = p->constant[i] - (vdouble){0};
        for (int64_t k = p->indptr[i]; k < p->indptr[i + 1]; k++) {
            uint64_t word = states[p->indices[k]];
            double weight = p->factor * p->weights[k];
            EACH_VECTOR(v) field[v] = add_double_where(field[v], word >> v * PER_VECTOR, weight);
        }
        uint64_t word = states[i];
        EACH_VECTOR(v) {
            vdouble spin = add_double_where(down - (vdouble){0}, word >> v * PER_VECTOR, 1.0 - down);
            sums[v] -= spin * field[v];
        }
    }
    EACH_VECTOR(v)
        for (int l = 0; l < PER_VECTOR; l++) energies[v * PER_VECTOR + l] = sums[v][l];
}

/* ups[i] += reads of the mask with spin i up; equal[k] += reads in which pair k (i < j) agrees. */
void FN(state_moments)(const fnn_pairs *p, const uint64_t *states, uint64_t mask, int64_t *ups, int64_t *equal) {
    for (int64_t i = 0; i < p->n_spins; i++) {
        ups[i] += __builtin_popcountll(states[i] & mask);
        for (int64_t k = p->indptr[i]; k < p->indptr[i + 1]; k++)
            equal[k] += __builtin_popcountll(~(states[i] ^ states[p->indices[k]]) & mask);
    }
}
