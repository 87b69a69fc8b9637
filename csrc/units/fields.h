/* What the loops of all unit types begin with: fields, the place of a draw, names. */
#ifndef FASTNN_UNITS_FIELDS_H
#define FASTNN_UNITS_FIELDS_H

#include "../fastnn.h"
#include "../philox.h"
#include "../vec.h"
#include "tempered.h"

void FN(product_tile)(const fnn_product *p, int64_t row0, int64_t row1, int64_t tile, void *sums);

/* z of one row of the tile. */
INLINE void row_fields(const fnn_layer *l, fix *sums, int64_t n_rows, int64_t row0, int64_t row, int64_t u0,
                       real z[TILE]) {
    const real *bias = (const real *)l->bias + u0;
    if (l->field) {
        const real *field = (const real *)l->field + row * l->stride + u0;
        for (int u = 0; u < TILE; u += LANES) store_real(z + u, load_real(field + u) + load_real(bias + u));
        return;
    }
    const real *scale = (const real *)l->scale + u0;
    const fix *offset = (const fix *)l->offset + u0;
    for (int u = 0; u < TILE; u += LANES) {
        vufix sum = (vufix)load_fix(sums_at(sums, n_rows, row - row0, u));
        vfix total = (vfix)(sum * (ufix)l->input_step + (vufix)load_fix(offset + u));
        store_real(z + u, to_real(total) * load_real(scale + u) + load_real(bias + u));
    }
}

INLINE philox_place place_of(const fnn_layer *l, int64_t row) {
    return (philox_place){l->key, l->step, l->chain0 + (uint64_t)row, (uint32_t)l->stream};
}

#define UNIT_PASTE(unit, suffix) FN(unit##suffix)
#define UNIT_NAME(unit, suffix) UNIT_PASTE(unit, suffix)
#define QUOTE_PASTE(name) #name
#define QUOTE(name) QUOTE_PASTE(name)

#endif

/* Below: what a unit's own law is folded into; once for each file that includes this. */

/* Summed in double and in the order of the units, so that no lane width shows. free: the units that count. */
INLINE double row_log_partition(const real z[TILE], int64_t n_left, uint64_t free) {
    real each[TILE] ALIGNED;
    double sum = 0;
    for (int u = 0; u < TILE; u += LANES) store_real(each + u, unit_log_partition(load_real(z + u)));
    for (int u = 0; u < TILE && u < n_left; u++) sum += free >> u & 1 ? (double)each[u] : 0.0;
    return sum;
}

/* By how much a change of temperature raises the row's sum: of differences, or their digits would be lost. */
INLINE double row_rise(const real z[TILE], double from, double to, int64_t n_left, uint64_t free) {
    real each[TILE] ALIGNED;
    double sum = 0;
    for (int u = 0; u < TILE; u += LANES)
        store_real(each + u, unit_rise(load_real(z + u), splat((real)from), splat((real)to), splat((real)(to - from))));
    for (int u = 0; u < TILE && u < n_left; u++) sum += free >> u & 1 ? (double)each[u] : 0.0;
    return sum;
}

double UNIT_NAME(UNIT, _shifted_log_partition)(const void *z, const void *w, double delta, int64_t n_units) {
    double sum = 0;
    vreal by = splat((real)delta);
    for (int64_t u0 = 0; u0 < n_units; u0 += TILE) {
        real shifted[TILE] ALIGNED;
        for (int u = 0; u < TILE; u += LANES)
            store_real(shifted + u, load_real((const real *)z + u0 + u) + by * load_real((const real *)w + u0 + u));
        sum += row_log_partition(shifted, n_units - u0, ~(uint64_t)0);
    }
    return sum;
}
