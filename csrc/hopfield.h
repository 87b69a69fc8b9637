/* What the rooms of Hopfield recall share: up to 64 probes in lanes, one word of bits per unit. */
#ifndef FASTNN_HOPFIELD_H
#define FASTNN_HOPFIELD_H

#include "fastnn.h"
#include "vec.h"

/* Takes the flips of unit i into the probes' states; what they change elsewhere is the room's matter.
 * Returns the flips that act at once: none under synchronous updates, which wait in `next`. */
INLINE uint64_t take_flips(fnn_probes *p, int64_t i, uint64_t flips) {
    flips &= p->active;
    p->moved |= flips;
    if (p->synchronous) {
        p->next[i] = p->states[i] ^ flips;
        return 0;
    }
    p->states[i] ^= flips;
    return flips;
}

#endif
