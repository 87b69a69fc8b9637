/* A block of weights in fixed point, laid out for both directions: see fixed.c.
 *
 * forward  (column tile, n_rows, TILE) in steps of the column's unit, backward (row tile, n_cols, TILE) in
 * steps of the row's unit: a product adds rows of a panel, so one of the two is W transposed.
 */
#ifndef FASTNN_PANELS_H
#define FASTNN_PANELS_H

#include "vec.h"

#define SMALL ((int)(16 / sizeof(fix))) /* side of the squares that are turned in registers */
typedef fix small_row __attribute__((vector_size(16)));
typedef small_row small_row_mem __attribute__((aligned(4), may_alias));

#define MIX(a, b, ...) SHUFFLE(small_row, a, b, __VA_ARGS__)

INLINE void turn_small(const fix *in, fix *out) {
    const small_row_mem *row = (const small_row_mem *)in;
    const int64_t step = TILE / SMALL;
    small_row_mem *turned = (small_row_mem *)out;
#if FASTNN_REAL == 32
    small_row a = MIX(row[0], row[step], 0, 4, 1, 5), b = MIX(row[0], row[step], 2, 6, 3, 7);
    small_row c = MIX(row[2 * step], row[3 * step], 0, 4, 1, 5), d = MIX(row[2 * step], row[3 * step], 2, 6, 3, 7);
    turned[0] = MIX(a, c, 0, 1, 4, 5);
    turned[step] = MIX(a, c, 2, 3, 6, 7);
    turned[2 * step] = MIX(b, d, 0, 1, 4, 5);
    turned[3 * step] = MIX(b, d, 2, 3, 6, 7);
#else
    turned[0] = MIX(row[0], row[step], 0, 2);
    turned[step] = MIX(row[0], row[step], 1, 3);
#endif
}

/* Where W's rows row0 .. row0 + TILE and the columns of one tile lie in both panels. */
typedef struct {
    fix *ahead, *back;
    int64_t height, width; /* rows and columns within W */
    const real *by_row, *by_col;
} block_place;

INLINE block_place place_block(void *forward, void *backward, int64_t n_rows, int64_t n_cols, int64_t row0,
                               int64_t col_tile, const void *by_row, const void *by_col) {
    int64_t col0 = col_tile * TILE, height = n_rows - row0, width = n_cols - col0;
    return (block_place){(fix *)forward + (col_tile * n_rows + row0) * TILE,
                         (fix *)backward + (row0 / TILE * n_cols + col0) * TILE,
                         height < TILE ? height : TILE,
                         width < TILE ? width : TILE,
                         (const real *)by_row + row0,
                         (const real *)by_col + col0};
}

/* Lanes c .. of row i of the block: to the forward panel, and in steps of the row to a TILE x TILE buffer. */
INLINE void quantise_lanes(const block_place *at, int64_t i, int c, vreal w, fix (*buffer)[TILE]) {
    store_fix(at->ahead + i * TILE + c, nearest_fix(w * load_real(at->by_col + c)));
    store_fix(buffer[i] + c, nearest_fix(w * splat(at->by_row[i])));
}

/* The buffer, turned, to the backward panel; rows past the block's height must be zero. */
INLINE void turn_block(const block_place *at, const fix (*buffer)[TILE]) {
    fix last[SMALL * TILE] ALIGNED;
    for (int64_t j = 0; j < at->width; j += SMALL) {
        int64_t left = at->width - j;
        fix *out = left < SMALL ? last : at->back + j * TILE; /* columns past the end have no place */
        for (int i = 0; i < TILE; i += SMALL) turn_small(&buffer[i][j], out + i);
        for (int64_t k = 0; left < SMALL && k < left * TILE; k++) at->back[j * TILE + k] = last[k];
    }
}

#endif
