/* Cross-entropy with labels of logits of moderate size; no class weights, no smoothing.
 *
 * The exponentials are taken without a shift: where a row's sum S and label's share e^z_y do not come near
 * the end of the range, p_j = e^z_j / S and loss = ln(S / e^z_y) lose nothing, and no pass is spent on the
 * greatest logit. Rows of few classes, which must be contiguous, go side by side, so that no vector is
 * spent on a row that fills a part of it; longer ones go one by one. These are bound by the exponentials: 16
 * vector operations for LANES logits, 8 cycles where two ports take them.
 */
#include "fastnn.h"
#include "few.h"
#include "fold.h"
#include "softmax.h"

/* A sum over a share must be a number as well. */
#define MOST_SUM REAL_C(0x1p60)
#define LEAST_SUM REAL_C(0x1p-40)
#define LEAST_SHARE REAL_C(0x1p-60)
#define LEAST_SUM_OF_SHARES REAL_C(0x1p-4)

/* e^z of contiguous rows, and the sum of each. Returns whether no sum is less than lowest or comes near the end
 * of the range, where digits are lost. */
static int few_sums(const real *z, int64_t n, int64_t n_rows, real lowest, real *e, real *sum) {
    int64_t whole = (n - 1) / LANES * LANES;
    fix kept[LANES_MOST];
    for (int64_t i = 0; i < n * n_rows; i += LANES) store_real(e + i, exp_moderate(load_real(z + i)));
    for (int64_t k = 0; k < LANES; k++) kept[k] = k < n - whole ? -1 : 0;
    vfix tail = load_fix(kept);
    vreal most = splat(0), least = splat(1); /* a NaN gets lost in both ... */
    vreal doubt = splat(0);                  /* ... but makes S - S a NaN */
    for (int64_t first = 0; first < n_rows; first += LANES) {
        vreal part[LANES_MOST];
        for (int k = 0; k < LANES; k++) {
            const real *row = e + (first + k) * n;
            part[k] = as_real(as_fix(load_real(row + whole)) & tail);
            for (int64_t c = 0; c < whole; c += LANES) part[k] += load_real(row + c);
        }
        vreal sums = fold_lanes(part);
        store_real(sum + first, sums);
        most = max_real(sums, most);
        least = min_real(sums, least);
        doubt += sums - sums;
    }
    return lanes_sum(doubt) == 0 && lanes_max(most) < MOST_SUM && lanes_min(least) > lowest;
}

/* Of each row the label's share of e; returns whether none of them is next to nothing. */
static int few_shares(const fnn_loss *l, int64_t r0, int64_t n_rows, const real *e, real *share) {
    vreal least = splat(1);
    for (int64_t r = 0; r < n_rows; r++)
        share[r] = l->labels[r0 + r] == l->ignore ? 0 : e[r * l->n_classes + l->labels[r0 + r]];
    for (int64_t r = 0; r < n_rows; r += LANES) least = min_real(load_real(share + r), least);
    return lanes_min(least) > LEAST_SHARE;
}

/* out = e by[row]; a row's last vector runs into the next row, which is written afterwards. */
static void few_scaled(const real *e, int64_t n, int64_t n_rows, const real *by, real *out) {
    int64_t all = n * n_rows, r = 0;
    for (; r < n_rows && r * n + (n + LANES - 1) / LANES * LANES <= all; r++)
        for (int64_t c = 0; c < n; c += LANES)
            store_real(out + r * n + c, load_real(e + r * n + c) * splat(by[r]));
    for (; r < n_rows; r++)
        for (int64_t c = 0; c < n; c++) out[r * n + c] = e[r * n + c] * by[r];
}

/* A multiple of FEW_TOGETHER rows, at most FEW_ROWS; 0, with nothing written, where some need more care. */
int FN(few_classes)(const fnn_loss *l, int64_t r0, int64_t n_rows) {
    int64_t n = l->n_classes;
    real e[FEW_ROWS * FEW_CLASSES + 64], share[FEW_ROWS], sum[FEW_ROWS], by[FEW_ROWS] = {0};
    if (!few_sums((const real *)l->scores + r0 * n, n, n_rows, LEAST_SUM, e, sum)) return 0;
    if (!few_shares(l, r0, n_rows, e, share)) return 0;
    for (int64_t r = 0; r < n_rows; r += LANES) {
        vreal weight = l->row_weight ? load_real((const real *)l->row_weight + r0 + r) : splat(1);
        vreal loss = vlog(load_real(sum + r) / load_real(share + r)) * weight;
        vreal step = weight * splat((real)l->scale);
        store_real(share + r, step);
        store_real(by + r, step / load_real(sum + r));
        store_real(sum + r, loss);
    }
    for (int64_t r = 0; l->losses && r < n_rows; r++) l->losses[r0 + r] = (double)sum[r];
    if (!l->grad) return 1;
    real *grad = (real *)l->grad + r0 * n;
    few_scaled(e, n, n_rows, by, grad);
    for (int64_t r = 0; r < n_rows; r++) grad[r * n + l->labels[r0 + r]] -= share[r];
    return 1;
}

/* Softmax of as many rows. Where sums are not small, no share that is a number gets lost as an e^z too small. */
int FN(few_softmax)(const fnn_softmax *s, int64_t r0, int64_t n_rows) {
    int64_t n = s->n_classes;
    real e[FEW_ROWS * FEW_CLASSES + 64], sum[FEW_ROWS];
    if (!few_sums((const real *)s->logits + r0 * n, n, n_rows, LEAST_SUM_OF_SHARES, e, sum)) return 0;
    for (int64_t r = 0; r < n_rows; r += LANES) store_real(sum + r, splat(1) / load_real(sum + r));
    few_scaled(e, n, n_rows, sum, (real *)s->out + r0 * n);
    return 1;
}

/* e^z of one row of up to MODERATE_CLASSES, kept in the first-level cache until their sum is known; then
 * the gradient. Meanwhile the next row and the gradient's place are fetched. The sum, and e^z_y in share; 0,
 * with nothing written, where the row needs more care. apart: the gradient has a place of its own. */
INLINE real moderate_row(const fnn_loss *l, int64_t r, real *share, int apart) {
    int64_t n = l->n_classes, y = l->labels[r], i = 0;
    const real *z = (const real *)l->scores + r * l->stride, *next = z + l->stride;
    real *grad = l->grad ? (real *)l->grad + r * l->grad_stride : 0, e[MODERATE_CLASSES] ALIGNED;
    vreal sum[4] = {splat(0), splat(0), splat(0), splat(0)};
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int k = 0; k < 4; k++) {
            vreal x = exp_moderate(load_real(z + i + k * LANES));
            __builtin_prefetch(next + i + k * LANES, 0, 3);
            if (apart) __builtin_prefetch(grad + i + k * LANES, 1, 3);
            store_real(e + i + k * LANES, x);
            sum[k] += x;
        }
    for (; i < n; i += LANES) {
        vreal x = exp_moderate(load_some(z + i, n - i < LANES ? n - i : LANES, -REAL_INFINITY));
        store_real(e + i, x);
        sum[0] += x;
    }
    real total = lanes_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    if (!(total < MOST_SUM && total > LEAST_SUM && e[y] > LEAST_SHARE)) return 0;
    *share = e[y];
    if (!grad) return total;
    real step = (real)l->scale * (l->row_weight ? ((const real *)l->row_weight)[r] : 1);
    vreal by = splat(step / total);
    for (i = 0; i + LANES <= n; i += LANES) store_real(grad + i, load_real(e + i) * by);
    if (i < n) store_part(grad + i, n - i, load_real(e + i) * by);
    grad[y] -= step;
    return total;
}

/* Rows of up to MODERATE_CLASSES, from r0 up to one that is ignored or needs more care; how many. */
int64_t FN(moderate_rows)(const fnn_loss *l, int64_t r0, int64_t r1) {
    int64_t r = r0, done = LANES;
    int apart = l->grad && l->grad != l->scores;
    for (; r < r1 && done == LANES; r += done) {
        real sum[LANES_MOST] ALIGNED, share[LANES_MOST] ALIGNED;
        store_real(sum, splat(1));
        store_real(share, splat(1));
        for (done = 0; done < LANES && r + done < r1 && l->labels[r + done] != l->ignore; done++) {
            int64_t row = r + done;
            real total = apart ? moderate_row(l, row, share + done, 1) : moderate_row(l, row, share + done, 0);
            if (total == 0) break;
            sum[done] = total;
        }
        if (!l->losses) continue;
        store_real(sum, vlog(load_real(sum) / load_real(share)));
        const real *weight = l->row_weight ? (const real *)l->row_weight + r : 0;
        for (int64_t k = 0; k < done; k++) l->losses[r + k] = (double)(weight ? weight[k] : 1) * (double)sum[k];
    }
    return r - r0;
}
