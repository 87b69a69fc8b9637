/* Random words and uniforms of a place in the counter space, for the tests and for start states. */
#include "fastnn.h"
#include "philox.h"

/* Philox4x32-10 of one block: words = counter (4) in, random words (4) out. */
void FN(philox_block)(uint64_t key, uint32_t *words) {
    vu32 out[4];
    vu32 c[4] = {(vu32){0} + words[0], (vu32){0} + words[1], (vu32){0} + words[2], (vu32){0} + words[3]};
    philox_words(key, c, out);
    for (int w = 0; w < 4; w++) words[w] = out[w][0];
}

/* The TILE uniforms of one tile of one row: out real (TILE). */
void FN(uniforms)(uint64_t key, uint64_t step, uint64_t chain, int64_t stream, int64_t tile, void *out) {
    philox_place at = {key, step, chain, (uint32_t)stream};
    uniform_tile(at, tile, out);
}
