/* Dense rows of a linear model of several scores: Z = X W' + intercepts, and its transpose, G += Z' [X 1].
 *
 * The lanes are features, so nothing is spent on scores that are not there, however few they are. Sums of
 * SIDE rows (of Z) or vectors (of G) by ACROSS scores stay in registers; intercepts, and Z's sums, are the
 * last column of W and G. A row's last vector reaches back over features of the one before, which count
 * as zero there; rows shorter than a vector are copied. The caller takes as few rows at a time as stay in
 * the first-level cache until G has been taken of them too; meanwhile those AHEAD are fetched, half of them by
 * either product: memory, slower than the products, then never waits.
 *
 * Sums run in real, in the order of the lanes: the same for any number of threads, not for every ISA.
 */
#include "fastnn.h"
#include "fold.h"

#define ACROSS_MOST 5                   /* scores of a block */
#define ACROSS (LANES < ACROSS_MOST ? LANES : ACROSS_MOST)
#define SIDE (FASTNN_VEC == 64 ? 4 : 2) /* rows or vectors of a block */
#define PART ((int)(2048 / sizeof(real))) /* features at a time, so that a block's rows of W stay near */
#define AHEAD 2                         /* times as many rows as are taken at a time */
#define LINE 64                         /* bytes that one fetch brings */

typedef struct {
    const real *x;
    int64_t stride, n_rows, n_features, n_scores, width;
    vfix last;         /* the lanes of a row's last vector that count */
    const char *ahead; /* what is to be fetched next */
} few_rows;

INLINE void fetch_ahead(few_rows *s) {
    __builtin_prefetch(s->ahead, 0, 2);
    s->ahead += LINE;
}

INLINE vreal last_of(const few_rows *s, const real *x) { return as_real(as_fix(load_real(x)) & s->last); }

/* side and across are constants wherever the following are inlined. */

INLINE void add_products(const few_rows *s, int side, int across, int last, const real *x, const real *w,
                         vreal sum[SIDE][ACROSS_MOST]) {
    vreal at[SIDE];
#pragma GCC unroll 8
    for (int r = 0; r < side; r++) at[r] = last ? last_of(s, x + r * s->stride) : load_real(x + r * s->stride);
#pragma GCC unroll 8
    for (int c = 0; c < across; c++)
#pragma GCC unroll 8
        for (int r = 0; r < side; r++) sum[r][c] = fma_real(at[r], load_real(w + c * s->width), sum[r][c]);
}

/* z, or what is to be added to it, of `side` rows by features from .. to - 1 of x and w. */
INLINE void score_block(few_rows *s, int side, int across, int64_t from, int64_t to, const real *x, const real *w,
                        vreal intercept, real *z) {
    vreal sum[SIDE][ACROSS_MOST];
    int64_t j = from;
    for (int r = 0; r < side; r++)
        for (int c = 0; c < across; c++) sum[r][c] = splat(0);
    for (; j + LANES <= to; j += LANES) {
        fetch_ahead(s);
        add_products(s, side, across, 0, x + j, w + j, sum);
    }
    if (j < to) add_products(s, side, across, 1, x + to - LANES, w + to - LANES, sum);
    for (int r = 0; r < side; r++, z += s->n_scores)
        store_some(z, across, fold_some(sum[r], across) + (from ? load_some(z, across, 0) : intercept));
}

INLINE void score_columns(few_rows *s, int across, int64_t intercepts_at, real *z, const real *w) {
    vreal intercept = splat(0);
    for (int c = 0; c < across; c++) intercept[c] = w[c * s->width + intercepts_at];
    for (int64_t from = 0; from < s->n_features; from += PART) {
        int64_t to = s->n_features - from < PART ? s->n_features : from + PART, r = 0;
        for (; r + SIDE <= s->n_rows; r += SIDE)
            score_block(s, SIDE, across, from, to, s->x + r * s->stride, w, intercept, z + r * s->n_scores);
        for (; r < s->n_rows; r++)
            score_block(s, 1, across, from, to, s->x + r * s->stride, w, intercept, z + r * s->n_scores);
    }
}

/* g += z' x of `side` vectors of features, or of the last one. */
INLINE void step_block(few_rows *s, int side, int across, int last, const real *x, const real *z, real *g) {
    vreal sum[SIDE][ACROSS_MOST];
    for (int v = 0; v < side; v++)
        for (int c = 0; c < across; c++) sum[v][c] = load_real(g + c * s->width + v * LANES);
    for (int64_t r = 0; r < s->n_rows; r++, x += s->stride, z += s->n_scores) {
        vreal at[SIDE];
        fetch_ahead(s);
        for (int v = 0; v < side; v++) at[v] = last ? last_of(s, x) : load_real(x + v * LANES);
#pragma GCC unroll 8
        for (int c = 0; c < across; c++)
#pragma GCC unroll 8
            for (int v = 0; v < side; v++) sum[v][c] = fma_real(splat(z[c]), at[v], sum[v][c]);
    }
    for (int v = 0; v < side; v++)
        for (int c = 0; c < across; c++) store_real(g + c * s->width + v * LANES, sum[v][c]);
}

INLINE void step_columns(few_rows *s, int across, int64_t intercepts_at, const real *z, real *g) {
    int64_t j = 0;
    vreal sum = splat(0);
    for (; j + SIDE * LANES <= s->n_features; j += SIDE * LANES) step_block(s, SIDE, across, 0, s->x + j, z, g + j);
    for (; j + LANES <= s->n_features; j += LANES) step_block(s, 1, across, 0, s->x + j, z, g + j);
    if (j < s->n_features) {
        j = s->n_features - LANES;
        step_block(s, 1, across, 1, s->x + j, z, g + j);
    }
    for (int64_t r = 0; r < s->n_rows; r++) sum += load_some(z + r * s->n_scores, across, 0);
    for (int c = 0; c < across; c++) g[c * s->width + intercepts_at] += sum[c];
}

/* Rows row0 .. row0 + n_rows, of which what lies beyond `part` halves of those ahead is fetched; short ones as
 * copies, padded with zeros. */
INLINE few_rows rows_at(const fnn_scores *p, int64_t row0, int64_t n_rows, int part, real copies[][LANES_MOST]) {
    const real *x = (const real *)p->x + row0 * p->stride;
    few_rows s = {x, p->stride, n_rows, p->n_features, p->n_scores, p->width, splat_fix(0),
                  (const char *)(x + n_rows * p->stride * (2 * AHEAD + part) / 2)};
    for (int64_t l = 0; l < p->n_features % LANES; l++) s.last[LANES - 1 - l] = -1;
    if (p->n_features >= LANES) return s;
    for (int64_t r = 0; r < n_rows; r++) store_real(copies[r], load_part(x + r * p->stride, p->n_features, 0));
    s.x = copies[0], s.stride = s.n_features = LANES;
    return s;
}

#define COLUMNS(columns, across, z, w) \
    columns(&s, across < ACROSS ? across : ACROSS, p->n_features, (z) + c, (w) + c * s.width)
#define BY_SCORES(columns, z, w)                                                                \
    for (int64_t c = 0; c < s.n_scores; c += ACROSS) switch (s.n_scores - c) {                  \
        case 1: COLUMNS(columns, 1, z, w); break;                                               \
        case 2: COLUMNS(columns, 2, z, w); break;                                               \
        case 3: COLUMNS(columns, 3, z, w); break;                                               \
        case 4: COLUMNS(columns, 4, z, w); break;                                               \
        default: COLUMNS(columns, ACROSS, z, w);                                                \
        }

/* z (n_rows, n_scores) of rows row0 .. row0 + n_rows, FNN_MAX_ROWS at most */
void FN(class_scores)(const fnn_scores *p, int64_t row0, int64_t n_rows, void *z) {
    real copies[FNN_MAX_ROWS][LANES_MOST];
    few_rows s = rows_at(p, row0, n_rows, 0, copies);
    BY_SCORES(score_columns, (real *)z, (const real *)p->weights)
}

/* p->gradient += the transpose of z times these rows and 1 */
void FN(class_steps)(const fnn_scores *p, int64_t row0, int64_t n_rows, const void *z) {
    real copies[FNN_MAX_ROWS][LANES_MOST];
    few_rows s = rows_at(p, row0, n_rows, 1, copies);
    BY_SCORES(step_columns, (const real *)z, (real *)p->gradient)
}
