/* Sums over all states of one layer of an RBM, the other layer's units being summed in closed form.
 *
 *   Z = sum over s of e^(L(s)) prod_i (1 + e^(x_i(s))),  x_i(s) = base_i + sum of weights[j, i] over the bits j of s
 *
 * L is linear in the bits; both hold whatever the two values of the units are. No logarithm and few
 * exponentials: with y_i = greatest x_i that the TILE patterns of the lowest bits reach, given the others,
 *
 *   1 + e^x = e^max(y, 0) (e^(-max(y, 0)) + e^(x - y) e^min(y, 0)),
 *
 * where e^(x - y), for each unit and pattern, is a table made once: a factor costs one product, one sum and
 * one more product, in (0, 2]. The running product gives up its exponent every few units, before it can
 * leave the range of numbers. The high bits of a block of states go through a Gray code (F. Gray, US patent
 * 2632058, 1953), so that a step adds or takes one row of weights; a block begins with its fields summed afresh.
 *
 * Patterns lie side by side and units one after another: every sum has one order, so that the result is
 * bitwise the same for any lane width. Called for float64.
 */
#include "fastnn.h"
#include "vmath.h"

#define LOW_BITS 6 /* TILE patterns */
#define LN2 REAL_C(0.69314718055994530942)

INLINE int64_t n_low(const fnn_enumeration *e) { return e->n_units < LOW_BITS ? e->n_units : LOW_BITS; }

/* What the bits of s add to the field of unit i (of the exponent: stride 1, i = 0). */
INLINE real sum_bits(const real *rows, int64_t stride, int64_t i, uint64_t s) {
    real sum = 0;
    for (int64_t j = 0; s; s >>= 1, j++)
        if (s & 1) sum += rows[j * stride + i];
    return sum;
}

/* table (TILE / STRIP, n_others, STRIP); greatest (stride): how much the low bits add at most;
 * low_exponents (TILE). Returns the widest span of a unit's table, in nats. */
double FN(enumerate_begin)(const fnn_enumeration *e, void *table, void *greatest, void *low_exponents) {
    const real *weights = e->weights;
    real widest = 0, *most = greatest;
    for (int64_t i = 0; i < e->n_others; i++) {
        real least = 0, part[TILE] ALIGNED;
        most[i] = 0;
        for (uint64_t p = 0; p < TILE; p++) part[p] = sum_bits(weights, e->stride, i, p & (((uint64_t)1 << n_low(e)) - 1));
        for (int p = 0; p < TILE; p++) {
            most[i] = part[p] > most[i] ? part[p] : most[i];
            least = part[p] < least ? part[p] : least;
        }
        widest = most[i] - least > widest ? most[i] - least : widest;
        for (int p = 0; p < TILE; p += LANES)
            store_real((real *)table + (p / STRIP * e->n_others + i) * STRIP + p % STRIP,
                       vexp(load_real(part + p) - splat(most[i])));
    }
    for (uint64_t p = 0; p < TILE; p++)
        ((real *)low_exponents)[p] = sum_bits(e->linear, 1, 0, p & (((uint64_t)1 << n_low(e)) - 1));
    return (double)widest;
}

/* Where one setting of the high bits stands. */
typedef struct {
    real *upper, *rest; /* (stride): e^min(y, 0) and e^-max(y, 0) */
    real exponent;      /* L of the high bits + sum of max(y, 0) */
} setting;

/* From the fields y (stride). */
INLINE void set_factors(const fnn_enumeration *e, const real *y, setting *at) {
    real part[8] = {0};
    for (int64_t i = 0; i < e->stride; i += LANES) {
        vreal field = load_real(y + i), small = vexp(-abs_real(field));
        vfix positive = field > splat(0);
        store_real(at->upper + i, select_real(positive, splat(1), small));
        store_real(at->rest + i, select_real(positive, small, splat(1)));
    }
    for (int64_t i = 0; i < e->stride; i += 8)
        for (int k = 0; k < 8; k++) part[k] += y[i + k] > 0 ? y[i + k] : 0;
    at->exponent += ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

/* The exponent of a product that is a normal number, taken out of it. */
INLINE vfix take_exponent(vreal *product) {
    vufix bits = (vufix)*product;
    *product = (vreal)((bits & MANTISSA_MASK) | EXPONENT_OF_ONE);
    return (vfix)(bits >> REAL_MANTISSA) - splat_fix(REAL_BIAS);
}

/* ln of the product over units, for one strip of patterns and two settings. */
INLINE void multiply_units(const fnn_enumeration *e, const real *table, const setting at[2], real *logs[2]) {
    vreal product[2][STRIP / LANES];
    vfix exponent[2][STRIP / LANES];
    for (int h = 0; h < 2; h++)
        for (int k = 0; k < STRIP / LANES; k++) product[h][k] = splat(1), exponent[h][k] = splat_fix(0);
    for (int64_t i0 = 0; i0 < e->n_others; i0 += e->units_a_turn) {
        int64_t i1 = i0 + e->units_a_turn < e->n_others ? i0 + e->units_a_turn : e->n_others;
        for (int64_t i = i0; i < i1; i++)
#pragma GCC unroll 4
            for (int k = 0; k < STRIP / LANES; k++) {
                vreal low = load_real(table + i * STRIP + k * LANES);
#pragma GCC unroll 2
                for (int h = 0; h < 2; h++) product[h][k] *= low * splat(at[h].upper[i]) + splat(at[h].rest[i]);
            }
        for (int h = 0; h < 2; h++)
            for (int k = 0; k < STRIP / LANES; k++) exponent[h][k] += take_exponent(&product[h][k]);
    }
    for (int h = 0; h < 2; h++)
        for (int k = 0; k < STRIP / LANES; k++)
            store_real(logs[h] + k * LANES, vlog(product[h][k]) + to_real(exponent[h][k]) * splat(LN2));
}

/* A sum of e^x that does not overflow: total e^top. */
typedef struct {
    real top, total;
} large_sum;

INLINE void add_patterns(large_sum *sum, const real *x, int n) {
    real top = sum->top, each[TILE] ALIGNED;
    for (int p = 0; p < n; p++) top = x[p] > top ? x[p] : top;
    for (int p = 0; p < TILE; p += LANES) store_real(each + p, vexp(load_real(x + p) - splat(top)));
    sum->total *= vexp(splat(sum->top - top))[0];
    for (int p = 0; p < n; p++) sum->total += each[p];
    sum->top = top;
}

INLINE void add_setting(const fnn_enumeration *e, large_sum *sum, const setting *at, const real *logs) {
    real x[TILE] ALIGNED;
    for (int p = 0; p < TILE; p += LANES)
        store_real(x + p, (load_real(logs + p) + load_real((const real *)e->low_exponents + p)) + splat(at->exponent));
    add_patterns(sum, x, 1 << n_low(e));
}

/* States number block * 2^(block_bits + LOW_BITS) and on, 2^(block_bits + LOW_BITS) of them (or all, where a
 * layer has fewer): e^out[0] out[1]. scratch: real (5, stride). */
void FN(enumerate_block)(const fnn_enumeration *e, int64_t block, void *scratch, double out[2]) {
    const real *weights = (const real *)e->weights + LOW_BITS * e->stride, *linear = (const real *)e->linear + LOW_BITS;
    real *y = scratch, logs[2][TILE] ALIGNED;
    setting at[2] = {{y + e->stride, y + 2 * e->stride, 0}, {y + 3 * e->stride, y + 4 * e->stride, 0}};
    uint64_t n = (uint64_t)1 << e->block_bits, high = (uint64_t)block << e->block_bits;
    large_sum sum = {-REAL_INFINITY, 0};
    for (int64_t i = 0; i < e->stride; i++)
        y[i] = ((const real *)e->base)[i] + ((const real *)e->greatest)[i] + sum_bits(weights, e->stride, i, high);
    for (uint64_t t = 0; t < n; t += 2) {
        for (uint64_t h = 0; h < 2; h++) {
            if (t + h > 0 && t + h < n) {
                int64_t j = __builtin_ctzll(t + h);
                real sign = (t + h) >> (j + 1) & 1 ? -1 : 1; /* the Gray code of t + h has bit j, or has lost it */
                high ^= (uint64_t)1 << j;
                for (int64_t i = 0; i < e->stride; i++) y[i] += sign * weights[j * e->stride + i];
            }
            at[h].exponent = (real)e->constant + sum_bits(linear, 1, 0, high);
            set_factors(e, y, &at[h]);
        }
        for (int c = 0; c < TILE; c += STRIP) {
            real *of[2] = {logs[0] + c, logs[1] + c};
            multiply_units(e, (const real *)e->table + c * e->n_others, at, of);
        }
        for (uint64_t h = 0; h < 2 && t + h < n; h++) add_setting(e, &sum, &at[h], logs[h]);
    }
    out[0] = (double)sum.top;
    out[1] = (double)sum.total;
}
