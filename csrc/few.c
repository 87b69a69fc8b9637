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
#define LANES_MOST (FASTNN_VEC / sizeof(real)) /* LANES, for the sizes of arrays */

/* Sums over rows of e and the label's share of each. Returns whether no row comes near the end of the
 * range, where digits are lost. */
static int few_sums(const fnn_loss *l, int64_t r0, int64_t n_rows, const real *e, real *sum, real *share) {
    int64_t n = l->n_classes;
    int64_t whole = (n - 1) / LANES * LANES;
    fix kept[LANES_MOST];
    for (int64_t k = 0; k < LANES; k++) kept[k] = k < n - whole ? -1 : 0;
    vfix tail = load_fix(kept);
    for (int64_t first = 0; first < n_rows; first += LANES) {
        vreal part[LANES_MOST];
        for (int k = 0; k < LANES; k++) {
            const real *row = e + (first + k) * n;
            part[k] = as_real(as_fix(load_real(row + whole)) & tail);
            for (int64_t c = 0; c < whole; c += LANES) part[k] += load_real(row + c);
        }
        store_real(sum + first, fold_lanes(part));
    }
    for (int64_t r = 0; r < n_rows; r++)
        share[r] = l->labels[r0 + r] == l->ignore ? 0 : e[r * n + l->labels[r0 + r]];
    vreal most = splat(0), least = splat(1), smallest = splat(1); /* a NaN gets lost in all three ... */
    vreal doubt = splat(0);                                       /* ... but makes S - S a NaN */
    for (int64_t r = 0; r < n_rows; r += LANES) {
        most = max_real(load_real(sum + r), most);
        least = min_real(load_real(sum + r), least);
        smallest = min_real(load_real(share + r), smallest);
        doubt += load_real(sum + r) - load_real(sum + r);
    }
    return lanes_sum(doubt) == 0 && lanes_max(most) < MOST_SUM && -lanes_max(-least) > LEAST_SUM
        && -lanes_max(-smallest) > LEAST_SHARE;
}

/* grad = e by[row]; a row's last vector runs into the next row, which is written afterwards. */
static void few_gradients(const fnn_loss *l, int64_t r0, int64_t n_rows, const real *e, const real *by,
                          const real *step) {
    int64_t n = l->n_classes, all = n * n_rows, r = 0;
    real *grad = (real *)l->grad + r0 * n;
    for (; r < n_rows && r * n + (n + LANES - 1) / LANES * LANES <= all; r++)
        for (int64_t c = 0; c < n; c += LANES)
            store_real(grad + r * n + c, load_real(e + r * n + c) * splat(by[r]));
    for (; r < n_rows; r++)
        for (int64_t c = 0; c < n; c++) grad[r * n + c] = e[r * n + c] * by[r];
    for (r = 0; r < n_rows; r++) grad[r * n + l->labels[r0 + r]] -= step[r];
}

/* A multiple of FEW_TOGETHER rows, at most FEW_ROWS; 0, with nothing written, where some need more care. */
int FN(few_classes)(const fnn_loss *l, int64_t r0, int64_t n_rows) {
    int64_t all = l->n_classes * n_rows;
    const real *z = (const real *)l->scores + r0 * l->n_classes;
    real e[FEW_ROWS * FEW_CLASSES + 64], share[FEW_ROWS], sum[FEW_ROWS], by[FEW_ROWS];
    for (int64_t i = 0; i < all; i += LANES) store_real(e + i, exp_moderate(load_real(z + i)));
    if (!few_sums(l, r0, n_rows, e, sum, share)) return 0;
    for (int64_t r = 0; r < n_rows; r += LANES) {
        vreal weight = l->row_weight ? load_real((const real *)l->row_weight + r0 + r) : splat(1);
        vreal loss = vlog(load_real(sum + r) / load_real(share + r)) * weight;
        vreal step = weight * splat((real)l->scale);
        store_real(share + r, step);
        store_real(by + r, step / load_real(sum + r));
        store_real(sum + r, loss);
    }
    for (int64_t r = 0; l->losses && r < n_rows; r++) l->losses[r0 + r] = (double)sum[r];
    if (l->grad) few_gradients(l, r0, n_rows, e, by, share);
    return 1;
}

/* One row of up to MODERATE_CLASSES; its exponentials stay in the first-level cache until S is known, while
 * the gradient's place is fetched. 0, with nothing written, where the row needs more care. */
int FN(moderate_row)(const fnn_loss *l, int64_t r) {
    int64_t n = l->n_classes, y = l->labels[r], i = 0;
    const real *z = (const real *)l->scores + r * l->stride;
    real *grad = l->grad ? (real *)l->grad + r * l->grad_stride : 0, e[MODERATE_CLASSES] ALIGNED;
    vreal sum[4] = {splat(0), splat(0), splat(0), splat(0)};
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int k = 0; k < 4; k++) {
            vreal x = exp_moderate(load_real(z + i + k * LANES));
            if (grad) __builtin_prefetch(grad + i + k * LANES, 1, 3);
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
    real weight = l->row_weight ? ((const real *)l->row_weight)[r] : 1;
    if (l->losses) l->losses[r] = weight == 0 ? 0 : (double)weight * (double)real_log(total / e[y]);
    if (!grad) return 1;
    real step = (real)l->scale * weight;
    vreal by = splat(step / total);
    for (i = 0; i + LANES <= n; i += LANES) store_real(grad + i, load_real(e + i) * by);
    if (i < n) store_part(grad + i, n - i, load_real(e + i) * by);
    grad[y] -= step;
    return 1;
}
