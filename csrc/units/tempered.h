/* Fields of a row at an inverse temperature of its own. */
#ifndef FASTNN_UNITS_TEMPERED_H
#define FASTNN_UNITS_TEMPERED_H

#include "../fastnn.h"
#include "../vec.h"

/* z to beta z + (1 - beta) reference, for the tile of units from u0 on. */
INLINE void temper_row(const fnn_layer *l, int64_t row, int64_t u0, real *z) {
    vreal beta = splat((real)l->betas[row]), rest = splat((real)(1 - l->betas[row]));
    for (int u = 0; u < TILE; u += LANES) {
        vreal other = l->reference ? rest * load_real((const real *)l->reference + u0 + u) : splat(0);
        store_real(z + u, beta * load_real(z + u) + other);
    }
}

#endif
