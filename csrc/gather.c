/* Rows of a data matrix, as the user holds it, to bits or to reals.
 *
 * Sources: dense uint8 (also bool), int8, float32, float64 with unit column stride, CSR with 32- or 64-bit
 * indices (duplicates add up), or states packed already. To states:
 *   mode 0  bit = value > 0           (states as they are: 0/1 or -1/+1)
 *   mode 1  bit = value > 1/2         (threshold)
 *   mode 2  bit = uniform < value     (probabilities, drawn afresh at each visit)
 *   mode 3  bit = 2 uniform - 1 < value   (means of spins, likewise)
 */
#include "fastnn.h"
#include "philox.h"
#include "vec.h"

#define COPY_FROM(type)                                                    \
    do {                                                                   \
        const type *value = (const type *)s->data + row * s->stride;       \
        for (int64_t i = 0; i < s->n_features; i++) x[i] = (real)value[i]; \
    } while (0)

#define ADD_FROM(type)                                                                          \
    do {                                                                                        \
        const type *value = s->data;                                                            \
        for (int64_t k = begin; k < end; k++) x[index_at(s->indices, s->index_bytes, k)] += (real)value[k]; \
    } while (0)

INLINE int64_t index_at(const void *indices, int64_t bytes, int64_t k) {
    return bytes == 4 ? ((const int32_t *)indices)[k] : ((const int64_t *)indices)[k];
}

static void add_sparse(const fnn_source *s, int64_t row, real *x) {
    int64_t begin = index_at(s->indptr, s->index_bytes, row), end = index_at(s->indptr, s->index_bytes, row + 1);
    switch (s->kind) {
    case 0: ADD_FROM(uint8_t); break;
    case 1: ADD_FROM(int8_t); break;
    case 2: ADD_FROM(float); break;
    default: ADD_FROM(double);
    }
}

static void unpack(const fnn_source *s, int64_t row, real *x) {
    const uint64_t *words = (const uint64_t *)s->data + row * s->stride;
    for (int64_t i = 0; i < s->n_features; i++) x[i] = words[i / 64] >> (i % 64) & 1 ? (real)1 : (real)s->low;
}

INLINE void copy_row(const fnn_source *s, int64_t row, real *x) {
    switch (s->kind) {
    case 0: COPY_FROM(uint8_t); break;
    case 1: COPY_FROM(int8_t); break;
    case 2: COPY_FROM(float); break;
    case 3: COPY_FROM(double); break;
    default: unpack(s, row, x);
    }
}

/* out: real (n_tiles * TILE), zeros past the last feature */
void FN(gather_reals)(const fnn_source *s, int64_t row, void *out) {
    real *x = out;
    const real *factor = s->factor;
    int64_t n_padded = (s->n_features + TILE - 1) / TILE * TILE;
    for (int64_t i = s->indptr ? 0 : s->n_features; i < n_padded; i++) x[i] = 0;
    if (s->indptr) add_sparse(s, row, x);
    else copy_row(s, row, x);
    for (int64_t i = 0; factor && i < s->n_features; i++) x[i] *= factor[i];
}

static void pack_bytes(const fnn_source *s, int64_t row, uint64_t *bits) {
    const int8_t *x = (const int8_t *)s->data + row * s->stride;
    for (int64_t i = 0; i < s->n_features; i += 64) {
        int8_t last[64] ALIGNED = {0};
        const int8_t *at = x + i;
        if (s->n_features - i < 64) {
            for (int64_t k = 0; k < s->n_features - i; k++) last[k] = at[k];
            at = last;
        }
        bits[i / 64] = s->kind == 1 ? positive_bytes(at) : nonzero_bytes(at);
    }
}

INLINE uint64_t above(const real *x, const real *level) {
    uint64_t bits = 0;
    for (int u = 0; u < TILE; u += LANES) bits |= mask_bits(load_real(level + u) < load_real(x + u)) << u;
    return bits;
}

/* bits: (n_tiles); scratch: real (n_tiles * TILE) */
void FN(gather_states)(const fnn_source *s, int64_t row, int64_t mode, uint64_t key, uint64_t step,
                       uint64_t chain, void *scratch, uint64_t *bits) {
    philox_place at = {key, step, chain, FNN_STREAM_DATA};
    const real *x = scratch;
    int64_t n_tiles = (s->n_features + TILE - 1) / TILE;
    if (s->kind == 4) {
        for (int64_t t = 0; t < n_tiles; t++) bits[t] = ((const uint64_t *)s->data)[row * s->stride + t];
        return;
    }
    if (mode == 0 && s->kind < 2 && !s->indptr) {
        pack_bytes(s, row, bits);
        return;
    }
    FN(gather_reals)(s, row, scratch);
    for (int64_t t = 0; t < n_tiles; t++, x += TILE) {
        real level[TILE] ALIGNED;
        for (int u = 0; u < TILE; u++) level[u] = mode == 0 ? 0 : REAL_C(0.5);
        if (mode >= 2) uniform_tile(at, t, level);
        for (int u = 0; mode == 3 && u < TILE; u++) level[u] = 2 * level[u] - 1;
        bits[t] = above(x, level);
    }
    /* A spin of mean 0 may be up: units past the end must not. */
    if (s->n_features % TILE) bits[n_tiles - 1] &= ((uint64_t)1 << (s->n_features % TILE)) - 1;
}

/* Rare after the first rows: lanes are only taken apart where one of them is beyond the bounds. */
INLINE void widen(double bounds[2], vreal least, vreal most) {
    vreal low = splat((real)bounds[0]), high = splat((real)bounds[1]);
    if (!(mask_bits(least < low) | mask_bits(high < most))) return;
    for (int l = 0; l < LANES; l++) {
        bounds[0] = (double)least[l] < bounds[0] ? (double)least[l] : bounds[0];
        bounds[1] = (double)most[l] > bounds[1] ? (double)most[l] : bounds[1];
    }
}

/* Least and greatest value of one row, into bounds; returns 2 if every value is `low` or 1, else 1, or 0
 * where a value is NaN or infinite. Features that a sparse row does not store count as 0. bits (n_tiles) or
 * NULL: the row's states, if that is what its values are. */
int64_t FN(survey_row)(const fnn_source *s, int64_t row, int64_t low, void *scratch, double bounds[2],
                       uint64_t *bits) {
    real *x = scratch;
    vreal least = splat((real)bounds[0]), most = splat((real)bounds[1]);
    vreal away = splat(0), poison = splat(0);
    const real zeros[TILE] ALIGNED = {0};
    FN(gather_reals)(s, row, scratch);
    for (int64_t t = 0; bits && t * TILE < s->n_features; t++) bits[t] = above(x + t * TILE, zeros);
    for (int64_t i = s->n_features; i % TILE; i++) x[i] = x[0]; /* padding must not widen the range */
    for (int64_t i = 0; i < s->n_features; i += LANES) {
        vreal v = load_real(x + i);
        away = max_real(min_real(abs_real(v - splat((real)low)), abs_real(v - splat(1))), away);
        poison += v - v;
        least = min_real(v, least);
        most = max_real(v, most);
    }
    if (mask_bits(poison != splat(0))) return 0;
    widen(bounds, least, most);
    return mask_bits(splat(0) < away) ? 1 : 2;
}
