/* Softmax, log-softmax, and cross-entropy with its gradient: one row, or a few short ones, at a time.
 *
 *   p_j = e^(z_j - top) / S,   S = sum_k e^(z_k - top),   top = max_k z_k
 *   loss = Q ln S - sum_j q_j (z_j - top),   dloss/dz_j = Q p_j - q_j,   Q = sum_j q_j
 * (Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990), where
 * q_j = class_weight_j t_j, and t is the target: given, or 1 for the label; smoothed to
 * (1 - smoothing) t + smoothing / n_classes. q_j z_j counts as 0 where q_j is 0, so that classes may be
 * masked by z_j = -inf. A row without a finite largest logit, or with a NaN, has no softmax.
 *
 * The top is a running one (Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018): a chunk
 * of a row is shifted by the largest logit up to its end. A row that stays in the second-level cache keeps
 * its exponentials where the result will be, and each chunk's shift, so that memory is passed once; the next
 * chunk is fetched meanwhile. Longer rows take two passes over memory, exponentials afresh in the second.
 * Rows of a few classes, and rows with labels that are not too long, are tried in few.c first.
 *
 * Sums run in real, in the order of the lanes: the same for any number of threads, not for every ISA.
 */
#include "fastnn.h"
#include "few.h"
#include "softmax.h"

#define CHUNK 2048                                        /* logits that stay in the first-level cache */
#define CACHED ((int64_t)(512 * 1024 / sizeof(real)))     /* logits that stay in the second-level cache */
#define CHUNKS (CACHED / CHUNK)

typedef struct {
    real top, sum;
} row_sums;

static real row_top(const real *z, int64_t n) {
    vreal a = splat(-REAL_INFINITY), b = a;
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        a = max_real(load_real(z + i), a);
        b = max_real(load_real(z + i + LANES), b);
    }
    for (; i + LANES <= n; i += LANES) a = max_real(load_real(z + i), a);
    if (i < n) a = max_real(load_part(z + i, n - i, -REAL_INFINITY), a);
    return lanes_max(max_real(a, b));
}

/* Sum of e^(z - top), each into out where there is one. `next` is fetched meanwhile. */
INLINE real row_exp(const real *z, int64_t n, real top, real *out, const real *next) {
    vreal a = splat(0), b = a, shift = splat(top);
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        vreal e = exp_nonpositive(load_real(z + i) - shift), f = exp_nonpositive(load_real(z + i + LANES) - shift);
        if (next) __builtin_prefetch(next + i, 0, 3);
        if (next) __builtin_prefetch(next + i + LANES, 0, 3);
        if (out) store_real(out + i, e);
        if (out) store_real(out + i + LANES, f);
        a += e;
        b += f;
    }
    for (; i + LANES <= n; i += LANES) {
        vreal e = exp_nonpositive(load_real(z + i) - shift);
        if (out) store_real(out + i, e);
        a += e;
    }
    a += b;
    if (i == n) return lanes_sum(a);
    vreal e = exp_nonpositive(load_part(z + i, n - i, -REAL_INFINITY) - shift);
    if (out) store_part(out + i, n - i, e);
    return lanes_sum(a + e);
}

/* Sum of e^(z - top) over a row. Where it is kept (n <= CACHED, out given) out gets e^(z - shift), with a
 * shift for each chunk; NaN where the row has no softmax. */
static row_sums row_softmax(const real *z, int64_t n, real *out, real *shifts, const real *next) {
    row_sums row = {-REAL_INFINITY, 0};
    real *kept = n <= CACHED ? out : 0;
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t count = n - i < CHUNK ? n - i : CHUNK;
        real top = row_top(z + i, count);
        if (top > row.top) {
            row.sum *= real_exp(row.top - top);
            row.top = top;
        }
        if (kept) shifts[i / CHUNK] = row.top;
        const real *soon = i + CHUNK < n ? z + i + CHUNK : next;
        /* A chunk of -inf alone has no top, nor does a NaN: shifted by 0 the one adds 0, the other itself. */
        row.sum += row_exp(z + i, count, row.top > -REAL_INFINITY ? row.top : 0, kept ? kept + i : 0, soon);
    }
    return row;
}

/* What turns an exponential of the chunk with number i, kept or taken afresh, into one shifted by top. */
INLINE real shift_again(const real *shifts, int64_t i, int64_t n, real top) {
    return n > CACHED || shifts[i] == top ? 1 : real_exp(shifts[i] - top);
}

/* The exponentials that row_softmax kept, or afresh. */
INLINE vreal exp_again(const real *z, const real *out, int64_t i, int64_t count, int64_t n, real top) {
    const real *from = n > CACHED ? z : out;
    vreal x = load_some(from + i, count, 0);
    return n > CACHED ? exp_nonpositive(x - splat(top)) : x;
}

INLINE int is_proper(row_sums row) { return row.sum > 0 && row.sum < REAL_INFINITY; }

/* Softmax of one row, or its logarithm; 0 if it has none. */
static int softmax_row(const fnn_softmax *s, int64_t r) {
    int64_t n = s->n_classes;
    const real *z = (const real *)s->logits + r * n;
    real *out = (real *)s->out + r * n, shifts[CHUNKS];
    row_sums row = row_softmax(z, n, s->logarithm ? 0 : out, shifts, 0);
    vreal top = splat(row.top), log_sum = splat(real_log(row.sum));
    for (int64_t first = 0; first < n; first += CHUNK) {
        int64_t i = first, end = n - first < CHUNK ? n : first + CHUNK;
        vreal by = splat(s->logarithm ? 1 : shift_again(shifts, first / CHUNK, n, row.top) / row.sum);
        if (!s->logarithm && n <= CACHED)
            for (; i + LANES <= end; i += LANES) store_real(out + i, load_real(out + i) * by);
        for (; i < end; i += LANES) {
            int64_t count = end - i < LANES ? end - i : LANES;
            vreal y;
            if (s->logarithm) y = (load_some(z + i, count, 0) - top) - log_sum;
            else y = exp_again(z, out, i, count, n, row.top) * by;
            store_some(out + i, count, y);
        }
    }
    return is_proper(row);
}

int64_t FN(softmax_rows)(const fnn_softmax *s, int64_t row0, int64_t row1) {
    int64_t r = row0, bad = -1;
    while (r < row1) {
        int64_t together = row1 - r < FEW_ROWS ? (row1 - r) / FEW_TOGETHER * FEW_TOGETHER : FEW_ROWS;
        int few = s->n_classes <= FEW_CLASSES && !s->logarithm && together;
        if (few && FN(few_softmax)(s, r, together)) {
            r += together;
            continue;
        }
        for (int64_t end = few ? r + together : row1; r < end; r++)
            if (!softmax_row(s, r) && bad < 0) bad = r;
    }
    return bad;
}

/* ---- cross-entropy ---- */

/* q of one row: q_j = dense(j) + [j = label] peak. */
typedef struct {
    const real *targets, *class_weight; /* NULL where there are none */
    real spread, rest, peak;            /* smoothing / n_classes, 1 - smoothing */
    int64_t label, is_dense;
} row_target;

static row_target target_of(const fnn_loss *l, int64_t r) {
    row_target t = {0};
    t.class_weight = l->class_weight;
    t.spread = (real)(l->smoothing / (double)l->n_classes);
    t.rest = (real)(1 - l->smoothing);
    t.is_dense = l->targets || l->smoothing > 0;
    t.label = -1;
    if (l->targets) {
        t.targets = (const real *)l->targets + r * l->targets_stride;
    } else {
        t.label = l->labels[r];
        t.peak = t.rest * (t.class_weight ? t.class_weight[t.label] : 1);
    }
    return t;
}

INLINE vreal dense_at(const row_target *t, int64_t i, int64_t count) {
    vreal q = splat(t->spread);
    if (t->targets) q += splat(t->rest) * load_some(t->targets + i, count, 0);
    return t->class_weight ? q * load_some(t->class_weight + i, count, 0) : q;
}

/* Q and sum_j q_j (z_j - top); a NaN or negative target makes Q a NaN. */
static row_sums target_sums(const row_target *t, const real *z, int64_t n, real top) {
    vreal total = splat(0), inner = splat(0);
    for (int64_t i = 0; t->is_dense && i < n; i += LANES) {
        int64_t count = n - i < LANES ? n - i : LANES;
        vreal q = dense_at(t, i, count), d = load_some(z + i, count, top) - splat(top);
        if (count < LANES) q = load_part((real *)&q, count, 0);
        q = select_real(q >= splat(0), q, splat(REAL_INFINITY) - splat(REAL_INFINITY));
        total += q;
        inner += select_real(q == splat(0), splat(0), q * d);
    }
    row_sums sums = {lanes_sum(inner), lanes_sum(total)};
    if (t->peak != 0) sums.top += t->peak * (z[t->label] - top);
    sums.sum += t->peak;
    return sums;
}

/* One row of any length with any target; 0 if it has no loss. */
static int general_row(const fnn_loss *l, int64_t r, const real *next) {
    int64_t n = l->n_classes;
    const real *z = (const real *)l->scores + r * l->stride;
    real *grad = l->grad ? (real *)l->grad + r * l->grad_stride : 0;
    real weight = l->row_weight ? ((const real *)l->row_weight)[r] : 1;
    if (l->labels && l->labels[r] == l->ignore) {
        for (int64_t i = 0; grad && i < n; i++) grad[i] = 0;
        if (l->losses) l->losses[r] = 0;
        return 1;
    }
    row_target t = target_of(l, r);
    /* In place, the logits are gone after row_softmax: what targets need of them is taken first. */
    real top = t.is_dense && n <= CACHED ? row_top(z, n) : 0, at_label = t.label < 0 ? 0 : z[t.label];
    row_sums q = t.is_dense && n <= CACHED ? target_sums(&t, z, n, top) : (row_sums){0, t.peak};
    real shifts[CHUNKS];
    row_sums row = row_softmax(z, n, grad, shifts, next);
    if (t.is_dense && n > CACHED) q = target_sums(&t, z, n, row.top);
    if (!t.is_dense && t.peak != 0) q.top = t.peak * (at_label - row.top);
    if (!is_proper(row) || !(q.sum < REAL_INFINITY)) return 0;
    if (l->losses) l->losses[r] = weight == 0 ? 0 : (double)weight * (double)(q.sum * real_log(row.sum) - q.top);
    if (!grad) return 1;
    real scale = (real)l->scale * weight;
    for (int64_t first = 0; first < n; first += CHUNK) {
        int64_t i = first, end = n - first < CHUNK ? n : first + CHUNK;
        vreal by = splat(scale * q.sum / row.sum * shift_again(shifts, first / CHUNK, n, row.top));
        if (!t.is_dense && n <= CACHED)
            for (; i + LANES <= end; i += LANES) store_real(grad + i, load_real(grad + i) * by);
        for (; i < end; i += LANES) {
            int64_t count = end - i < LANES ? end - i : LANES;
            vreal g = exp_again(z, grad, i, count, n, row.top) * by;
            if (t.is_dense) g -= splat(scale) * dense_at(&t, i, count);
            store_some(grad + i, count, g);
        }
    }
    if (t.peak != 0) grad[t.label] -= scale * t.peak;
    return 1;
}

int64_t FN(cross_entropy_rows)(const fnn_loss *l, int64_t row0, int64_t row1) {
    int64_t n = l->n_classes, r = row0, bad = -1;
    int few = n <= FEW_CLASSES && l->labels && !l->class_weight && l->smoothing == 0 && l->stride == n
        && (!l->grad || l->grad_stride == n);
    int plain = l->labels && !l->class_weight && l->smoothing == 0 && n <= MODERATE_CLASSES;
    while (r < row1) {
        int64_t left = row1 - r, together = left < FEW_ROWS ? left / FEW_TOGETHER * FEW_TOGETHER : FEW_ROWS;
        if (few && together && FN(few_classes)(l, r, together)) {
            r += together;
            continue;
        }
        int64_t end = few && together ? r + together : row1;
        for (; r < end; r++) {
            const real *next = r + 1 < row1 && n >= CHUNK ? (const real *)l->scores + (r + 1) * l->stride : 0;
            if (plain && (r += FN(moderate_rows)(l, r, end)) == end) break;
            if (!general_row(l, r, next) && bad < 0) bad = r;
        }
    }
    return bad;
}
