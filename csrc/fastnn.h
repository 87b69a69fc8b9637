/* The border: every struct and function that the loops floor (Cython) may see.
 *
 * Rooms are compiled per real and per instruction set; dispatch.c gathers the copies in tables of
 * `fnn_rooms`. Pointers to numbers are void here and get their type inside the room: which one is
 * fixed by the table they are called through, so the loops floor never branches on a dtype.
 *
 * A new room is one row of FNN_ROOMS; a new RBM unit is one row of FNN_UNITS and one file in units/.
 */
#ifndef FASTNN_H
#define FASTNN_H

#include <stdint.h>

#define FNN_TILE 64        /* units that one call of a room computes side by side */
#define FNN_MAX_ROWS 256   /* rows that one call of a room may be given */
#define FNN_SCRATCH 131072 /* bytes of scratch a room may use, per thread, 64-byte aligned */

/* Purposes of random numbers: the `stream` of a place in the counter space (philox.h). */
/* FNN_STREAM_DROPOUT is the first of one a layer. */
enum fnn_stream {
    FNN_STREAM_HIDDEN, FNN_STREAM_VISIBLE, FNN_STREAM_DATA, FNN_STREAM_START, FNN_STREAM_SPINS, FNN_STREAM_SWEEPS,
    FNN_STREAM_DROPOUT = 32
};

/* Binary rows times a fixed-point matrix. */
typedef struct {
    const uint64_t *bits; /* (n_rows, words), bits past n_inputs zero */
    int64_t words;
    const void *panels; /* fix (n_tiles, n_inputs, FNN_TILE) */
    int64_t n_inputs, n_outputs;
} fnn_product;

/* One layer given the other: where the fields of its units come from, and what to make of them.
 * Field of unit u in row r:  z = bias[u] + scale[u] (input_step * sum + offset[u])   from binary inputs,
 *                            z = bias[u] + field[r, u]                                from real ones. */
typedef struct {
    fnn_product input;
    const void *field;  /* real (n_rows, stride) or NULL: then `input` gives the sums */
    const void *scale;  /* real (n_tiles * FNN_TILE) */
    const void *offset; /* fix (n_tiles * FNN_TILE): what inputs add that is not in their bits */
    const void *bias;   /* real (n_tiles * FNN_TILE) */
    int64_t input_step; /* difference of an input's two values */
    int64_t n_units;
    /* What is wanted besides; NULL where it is not. Rows count from the first row of the arrays. */
    void *mean;          /* real (n_rows, stride): E[unit given inputs] */
    void *log_partition; /* double (n_rows, n_tiles): sum of ln(sum over states) of the tile's units */
    void *weighted;      /* fix panels (n_tiles, weighted_rows, FNN_TILE): round(mean * weight) */
    int64_t weighted_rows, weighted_row0;
    int64_t weigh_draws; /* weighted takes the drawn states for the means */
    double weight;
    uint64_t *states;         /* (n_rows, n_tiles): a draw, one bit per unit */
    const uint64_t *clamp;    /* (n_tiles): units whose state is held, or NULL */
    const uint64_t *clamp_to; /* (n_rows, n_tiles): the states they are held at */
    int64_t stride;           /* row length of field and mean */
    uint64_t key, step, chain0;
    int64_t stream;
    /* Rows at inverse temperatures of their own: fields beta z + (1 - beta) reference. NULL: z. */
    const double *betas;   /* (n_rows) */
    const void *reference; /* real (n_tiles * FNN_TILE), or NULL: zero */
    const double *from;    /* (n_rows), with rise, without reference */
    double *rise;          /* (n_rows, n_tiles): sums of ln(sum over states) at betas less those at from, or NULL;
                              of a group with its first unit's tile */
    /* Units whose states are numbers: a draw of them, and what clamped ones are held at. */
    void *values;           /* real (n_rows, stride) */
    const void *held_values; /* real (n_rows, stride) */
    /* Units of which exactly one in a group is up; see groups.c. NULL: there are none. */
    void *fields;          /* real (n_rows, stride): z of the model itself, read and overwritten there */
    const int64_t *groups; /* (n_groups, 2): first unit, and the one past the last */
    int64_t n_groups;
    const uint64_t *alone; /* (n_tiles): units in no group */
} fnn_layer;

/* Rows of a data matrix as the user gave it. kind: 0 uint8, 1 int8, 2 float32, 3 float64, CSR if indptr;
 * or 4: packed states of lower value `low`, stride in words. */
typedef struct {
    const void *data;
    int64_t kind, stride, n_features, low;
    const void *indptr, *indices;
    int64_t index_bytes;
    const void *factor; /* real (n_features): what values are multiplied by on their way; NULL: 1 */
} fnn_source;

/* How a gradient becomes a change: plain, with momentum (velocity), Adam (velocity and second). */
typedef struct {
    double rate, momentum, beta2, epsilon, scale1, scale2;
} fnn_rule;

/* The stochastic-gradient update of a weight matrix W (n_visible, n_hidden padded to tiles).
 * Gradient: product of transposed visible bits with the weighted hidden means, plus `dense` if given,
 * centred by the offsets; then weight decay, then the rule. */
typedef struct {
    fnn_product gradient; /* bits (n_visible, words): sample k is bit k; panels = weighted means */
    const void *dense;    /* real (n_visible, stride) or NULL */
    double unit;          /* value of one fixed-point step of the product */
    int64_t visible_step;
    double visible_low;
    void *weights, *velocity, *second; /* real (n_visible, stride); velocity, second may be NULL */
    int64_t stride, n_visible, n_hidden;
    const void *d_visible, *d_hidden; /* real: data mean less model mean; hidden one also as gradient */
    const void *mu, *lambda;          /* real: offsets of visible and hidden units (zeros if uncentred) */
    double l1, l2;
    const void *shrink; /* real (stride): weight decay of each hidden unit besides, or NULL */
    fnn_rule rule;
    const void *by_row, *by_col; /* real: reciprocal fixed-point steps of visible and hidden units */
    /* out: */
    void *forward, *backward;  /* fix panels (panels.h), or NULL: not wanted */
    void *row_abs, *row_shift; /* real (n_tiles, n_visible): sums over the tile of |w| and dW lambda */
    void *col_abs, *col_shift; /* real (n_chunks, stride): sums over the chunk of |w| and dW' mu */
    void *col_square;          /* real (n_chunks, stride): sums over the chunk of w^2, or NULL */
} fnn_update;

/* Scores of a network's output layer, and what they should have been. Which of labels and targets is
 * read, and what the parameters mean, the loss's room says. A row's loss and gradient are multiplied by
 * its weight, the gradient by `scale` as well. */
typedef struct {
    const void *scores; /* real (n_rows, stride) */
    void *grad;         /* real (n_rows, grad_stride): may be scores; NULL if not wanted */
    double *losses;     /* (n_rows), or NULL */
    const int64_t *labels;    /* (n_rows): class of each row; those equal to `ignore` count for nothing */
    const void *targets;      /* real (n_rows, targets_stride) */
    const void *class_weight; /* real (n_classes), or NULL */
    const void *row_weight;   /* real (n_rows), or NULL */
    int64_t stride, grad_stride, targets_stride, n_classes, ignore;
    double scale, smoothing, delta;
} fnn_loss;

/* One softmax or log-softmax a row. */
typedef struct {
    const void *logits; /* real (n_rows, n_classes) */
    void *out;          /* the same, or logits */
    int64_t n_classes, logarithm;
} fnn_softmax;

/* A dense layer between its matrix products. Dropout is keyed by (key, stream, step, row, unit). */
typedef struct {
    void *values;            /* real (n_rows, stride): forward, sums in, activations out; backward, errors */
    const void *activations; /* real (n_rows, stride): backward, what forward left */
    const void *bias;        /* real (stride) */
    int64_t stride, activation;
    double parameter, dropout;
    uint64_t key, step;
    int64_t stream;
} fnn_dense;

/* Parameters, the state of their optimiser, and the rule. second: Adam. */
typedef struct {
    void *weights, *velocity, *second; /* real (n_rows, stride) */
    int64_t stride, nesterov;
    double rate, momentum, beta2, epsilon, decay;
} fnn_descent;

/* Dense rows of a linear model of several scores; see scores.c. */
typedef struct {
    const void *x;       /* real (n_rows, stride) */
    const void *weights; /* real (n_scores, width), intercepts in column n_features */
    void *gradient;      /* the same */
    int64_t stride, n_features, n_scores, width;
} fnn_scores;

/* One linear predictor a row of a generalized linear model; see glm.c. */
typedef struct {
    void *scores; /* real (n): x'w in, slopes of the loss out */
    void *curve;  /* real (n_rows): second derivatives of all rows, or NULL */
    const void *targets, *weight, *offset; /* real (n_rows); the last two may be NULL */
    int64_t kind;
    double power, bias;
} fnn_glm;

typedef struct {
    double loss, slope;
} fnn_glm_sums;

/* What a Gram matrix is taken of; see design_rows in linear.c. */
typedef struct {
    const int64_t *columns; /* (n_columns), or NULL: all */
    const double *shift, *root; /* (n_columns), (n_rows) or NULL */
    const void *y; /* real (n_rows), if extra is 2 */
    double y_shift;
    int64_t n_columns, extra, stride;
} fnn_design;

/* Patterns that a Hopfield network remembers, bit = 1 for +1. */
typedef struct {
    const uint64_t *sites; /* (n_units, words): bit mu of row i is unit i of pattern mu */
    int64_t n_units, n_patterns, words;
    /* Dense associative memory: half the energy that a unit gains by siding with a pattern, and the
     * pattern's own energy, as tables of its overlap less the probe's greatest (relative) or of the
     * overlap itself: entry x + reach, for x <= -reach entry 0. NULL for the quadratic energy. */
    const double *slope, *level;
    int64_t reach, relative;
} fnn_memory;

/* Couplings of a network that is given by its matrix. */
typedef struct {
    const void *weights; /* real (n_units, n_units), zero diagonal */
    const void *bias;    /* real (n_units) */
    int64_t n_units;
} fnn_couplings;

/* Chains of a Boltzmann machine in groups of 64; see boltzmann.c. */
typedef struct {
    void *lanes; /* real (n_groups, n_units, FNN_TILE): states */
    double low, high, gain;
    uint64_t key, step;
} fnn_chains;

/* Up to 64 probes side by side, bit and lane k being probe k. On cache lines of its own. */
typedef struct __attribute__((aligned(64))) {
    uint64_t *states, *next; /* (n_units): next is used by synchronous updates alone */
    void *lanes; /* patterns: overlaps, fix (n_patterns + 1, width), their sum last;
                    couplings: the states as real (n_units, width) */
    double *energy; /* (width), couplings: see recall_units */
    int64_t width;  /* 16, 32 or 64 */
    uint64_t active, moved; /* probes that are to move, that did */
    int64_t synchronous;
} fnn_probes;

/* All states of a layer of an RBM; see enumerate.c. In steps of bits: fields of the other layer's units are
 * base + the weights of the bits that are set, the state's own exponent is constant + those of linear. */
typedef struct {
    int64_t n_units, n_others, stride; /* stride: n_others rounded up to TILE, base below all numbers there */
    const void *weights;               /* real (n_units, stride) */
    const void *base;                  /* real (stride) */
    const void *linear;                /* real (n_units) */
    double constant;
    int64_t block_bits;   /* Gray-coded bits of a block */
    int64_t units_a_turn; /* factors that a product takes before its exponent is taken out */
    const void *table, *greatest, *low_exponents; /* of enumerate_begin */
} fnn_enumeration;

/* Pairs of spins, each once: row i holds its partners j < i. For energies and moments; see states.c. */
typedef struct {
    int64_t n_spins, stride; /* stride: words of a block of states */
    const int64_t *indptr;
    const int32_t *indices;
    const double *weights, *constant;
    double factor;
    int64_t binary;
} fnn_pairs;

#define FNN_THRESHOLD_BITS 48
#define FNN_METROPOLIS_ROW 32
#define FNN_HEAT_BATH_ROW 128
#define FNN_MASK_WORDS (FNN_THRESHOLD_BITS * FNN_HEAT_BATH_ROW) /* of a table of anneal_bits_begin */
#define FNN_PLANES 16 /* bit planes of a sum, its sign included */
#define FNN_LEVELS 8  /* bits of a coupling */

/* 8 uncoupled spins that are updated together; see anneal/bits.c. Spare members repeat the first. */
typedef struct {
    int64_t slot;               /* its first neighbours; widths[l] of them enter at plane l */
    int32_t members[8];
    int32_t widths[FNN_LEVELS];
    int32_t n_planes, odd;
    uint8_t constant[FNN_PLANES]; /* bit l: the plane's bit of member l */
} fnn_group;

/* A walk of blocks of reads over the states of an Ising model; see anneal/lanes.c, anneal/bits.c. */
typedef struct {
    int64_t n_spins, stride;
    void *states;         /* (n_blocks, stride): one bit a read; word n_spins is zero */
    uint64_t *streams;    /* (n_blocks, n_parts, 32): see anneal/xoro.h */
    int64_t n_sites;      /* steps of a sweep */
    int64_t n_parts, random_order, heat_bath;
    int64_t n_sweeps, blocks_per_rung;
    const double *betas;  /* (n_rungs, n_sweeps) */
    /* Any couplings: rows of all partners, fields fixed-point in steps of scale[i], weights doubled. */
    const int64_t *indptr; /* (n_spins + 1) */
    const int32_t *indices;
    const void *weights, *constant; /* fix */
    const void *gains;              /* fix: the same couplings in steps of the partners' fields */
    const void *scale;              /* real: value of one step, by place in a sweep */
    const int32_t *sites;           /* (n_places): spins in the order of a sweep */
    /* Fields kept for each read: see anneal/fields.c. Spins lie in the order of the sites, the n_places that
     * move first; rows hold gains alone. */
    int64_t n_places, n_reads, kept_stride, kept_columns; /* n_reads: of a rung */
    void *fields, *downs;   /* fix (n_rungs * n_reads, kept_stride); lanes: fields NULL or fix (n_blocks, n_spins, 32) */
    const void *matrix;     /* fix (n_spins, kept_stride), or NULL: indptr, indices and weights then */
    const uint8_t *coupled; /* for each 16 places (lanes: 32), whether two of them are coupled */
    /* Least fields over the reads of a block, where few spins flip: see anneal/lanes.c. */
    void *margins;          /* real (n_blocks, margins_stride): places, and at least one more */
    int64_t margins_stride;
    const int32_t *places;  /* (n_spins): where in a sweep, n_places where it does not move */
    /* Small integers: groups in stages. */
    const fnn_group *groups;
    const int64_t *stages;      /* (n_sites + 1): where a stage's groups begin */
    const int32_t *slots;       /* (n_slots, 8): neighbours, n_spins where there is none */
    const uint8_t *signs;       /* (n_slots): bit l set where member l's coupling is negative */
    int64_t n_levels;
    const uint64_t *thresholds; /* (n_rungs, n_sweeps, row) */
} fnn_spins;

/* Rows of a multiclass hinge loss about their last duals; see margins.c. */
typedef struct {
    const void *scores, *dual; /* real (n_rows, stride) */
    void *next;                /* real (n_rows, stride): the duals that follow */
    const int64_t *labels;     /* (n_rows) */
    const void *weight;        /* real (n_rows): what a row's loss costs */
    const void *edge;          /* real (stride): 0 for classes, -inf past them */
    int64_t n_classes, stride, box; /* box: Weston and Watkins' loss, else Crammer and Singer's */
    double kappa, delta;
    double *values; /* (n_rows, 4): smoothed loss, loss, share of the margin, free classes */
} fnn_margins;

/* Rows of an interior point method for the same losses; see barrier.c. All real (n_rows, stride). */
typedef struct {
    const void *p, *t, *back;        /* duals; slacks of p >= 0 and, with a box, of p <= 1 */
    void *dp, *dt, *dback, *r, *rback; /* their changes; those wanted of the products */
    void *h;                         /* the duals' change that r decides; or slopes */
    const void *a;                   /* scores of the step */
    const void *live;                /* real (stride): 1 for classes, 0 past them */
    const void *weight;              /* real (n_rows): what a row's loss costs */
    const int64_t *labels;           /* (n_rows) */
    int64_t stride, box, mode;       /* mode: 0 predict, 1 correct, 2 centre */
    double bias, target, reach, low, high;
    double *values; /* (n_rows, 3): reciprocal of the longest step, sums of products and of changes' products */
} fnn_barrier;

/* A sparse matrix by rows (or, turned, by columns). */
typedef struct {
    const int64_t *indptr, *indices;
    const void *data;
} fnn_sparse;

#define FNN_UNITS(X) X(bernoulli) X(spin) X(potts) X(gaussian) X(poisson) X(relu)
#define FNN_LOSSES(X) \
    X(cross_entropy) X(binary_cross_entropy) X(squared_error) X(poisson) X(weston_watkins) X(crammer_singer)
#define FNN_ACTIVATIONS(X) X(identity) X(sigmoid) X(tanh) X(relu) X(leaky_relu) X(softplus) X(threshold)

#define FNN_GLMS(X) X(square) X(logistic) X(log_odds) X(inverse) X(power)

/* X(result, name, arguments) */
#define FNN_ROOMS(X)                                                                                      \
    X(void, map, (int64_t op, const void *x, void *y, int64_t n))                                         \
    X(void, philox_block, (uint64_t key, uint32_t *words))                                                \
    X(void, uniforms, (uint64_t key, uint64_t step, uint64_t chain, int64_t stream, int64_t tile, void *out)) \
    X(void, product_tile, (const fnn_product *p, int64_t row0, int64_t row1, int64_t tile, void *sums))   \
    X(void, gather_reals, (const fnn_source *s, int64_t row, void *out))                                  \
    X(void, gather_states, (const fnn_source *s, int64_t row, int64_t mode, uint64_t key, uint64_t step,  \
                            uint64_t chain, void *scratch, uint64_t *bits))                               \
    X(int64_t, survey_row, (const fnn_source *s, int64_t row, int64_t low, void *scratch, double *bounds, \
                            uint64_t *bits))                                                             \
    X(void, transpose_states, (const uint64_t *states, int64_t n_rows, int64_t words, int64_t tile,       \
                               uint64_t *out, int64_t out_words, int64_t word0, int64_t *counts))         \
    X(void, spread_states, (const uint64_t *states, int64_t n, int64_t kind, int64_t low, int64_t step,   \
                            void *out))                                                                   \
    X(void, group_rows, (const fnn_layer *l, int64_t row0, int64_t row1))                                 \
    X(void, scale_row, (const void *x, const void *factor, int64_t n, void *out))                         \
    X(void, spread_row, (const uint64_t *states, int64_t n, int64_t low, int64_t step, void *out))        \
    X(void, column_squares, (const void *x, int64_t n_rows, int64_t stride, int64_t tile, double *out))   \
    X(void, row_dots, (const void *x, const void *y, int64_t n_rows, int64_t stride, int64_t n,           \
                       double *out))                                                                      \
    X(void, column_sums, (const void *x, int64_t n_rows, int64_t stride, int64_t tile, double *out))      \
    X(double, dot_states, (const uint64_t *states, int64_t n_words, const void *x))                       \
    X(void, panel_sums, (const void *panels, int64_t n_rows, int64_t row0, int64_t row1, int64_t tile,    \
                         int64_t times, void *out))                                                       \
    X(void, panel_means, (const void *panels, int64_t n_rows, int64_t row0, int64_t row1, int64_t tile,   \
                          double unit, double *out))                                                      \
    X(int64_t, scales, (const void *sums, int64_t n_parts, int64_t stride, int64_t n, void *scale,        \
                        void *inverse))                                                                   \
    X(int64_t, scales_serve, (const void *sums, int64_t n_parts, int64_t stride, int64_t n,               \
                              const void *inverse))                                                       \
    X(void, quantise_block, (const void *w, int64_t stride, int64_t n_rows, int64_t n_cols,               \
                             int64_t row_tile, int64_t col_tile, const void *by_row,                      \
                             const void *by_col, void *forward, void *backward))                       \
    X(void, update_tile, (const fnn_update *u, int64_t row0, int64_t row1, int64_t tile, void *scratch))  \
    X(int64_t, norm_excess, (const void *squares, int64_t n_parts, int64_t stride, int64_t n, double most, \
                             void *shrink))                                                               \
    X(void, compare_means, (int64_t n, const double *data, const double *model, double slide,             \
                            void *difference, void *running))                                             \
    X(void, update_bias, (const fnn_rule *rule, int64_t n, const void *difference, const void *running,   \
                          double target, double pull, const void *shift, int64_t n_parts, int64_t stride, \
                          void *bias, void *velocity, void *second))                                      \
    X(int64_t, softmax_rows, (const fnn_softmax *s, int64_t row0, int64_t row1))                          \
    X(void, activate, (int64_t activation, int64_t derivative, double parameter, const void *x, void *y,  \
                       int64_t n))                                                                        \
    X(void, dense_forward, (const fnn_dense *d, int64_t row0, int64_t row1, int64_t col0, int64_t col1))  \
    X(void, dense_backward, (const fnn_dense *d, int64_t row0, int64_t row1, int64_t col0, int64_t col1)) \
    X(double, descend, (const fnn_descent *d, int64_t row0, int64_t row1, int64_t col0, int64_t col1,     \
                        const void *gradient, int64_t gradient_stride))                                   \
    X(void, matmul, (int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_inner,      \
                     const void *b, int64_t ldb, void *c, int64_t ldc))                                   \
    X(void, matmul_add, (int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_inner,  \
                         const void *b, int64_t ldb, void *c, int64_t ldc))                               \
    X(void, matmul_inputs, (int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, const void *b, \
                            int64_t ldb, void *c, int64_t ldc))                                           \
    X(void, transpose, (int64_t m, int64_t n, const void *a, int64_t lda, void *b, int64_t ldb))          \
    X(void, count_overlaps, (const uint64_t *patterns, int64_t n_patterns, const uint64_t *states,        \
                             int64_t words, int64_t n_units, int64_t lane, fnn_probes *p))                \
    X(void, recall_patterns, (const fnn_memory *memory, fnn_probes *p, const int64_t *order, int64_t first, \
                              int64_t last))                                                              \
    X(void, recall_tables, (const fnn_memory *memory, fnn_probes *p, const int64_t *order, int64_t first, \
                            int64_t last))                                                                \
    X(void, commit_patterns, (const fnn_memory *memory, fnn_probes *p, int64_t first, int64_t last))      \
    X(void, pattern_energies, (const fnn_memory *memory, const fnn_probes *p, double *sums, double *tops)) \
    X(void, load_couplings, (const fnn_couplings *c, fnn_probes *p))                                      \
    X(void, recall_couplings, (const fnn_couplings *c, fnn_probes *p, const int64_t *order, int64_t first, \
                               int64_t last))                                                             \
    X(void, gibbs_sweep, (const fnn_couplings *c, const fnn_chains *chains, int64_t group,                \
                          const int64_t *order, int64_t n_order))                                         \
    X(uint64_t, differing_probes, (const uint64_t *a, const uint64_t *b, int64_t n_units))                         \
    X(void, random_words, (uint64_t key, uint64_t step, uint64_t chain, int64_t stream, int64_t tile,     \
                           uint32_t *out))                                                                \
    X(double, enumerate_begin, (const fnn_enumeration *e, void *table, void *greatest, void *low_exponents)) \
    X(void, enumerate_block, (const fnn_enumeration *e, int64_t block, void *scratch, double *out))       \
    X(void, state_energies, (const fnn_pairs *p, const uint64_t *states, double *energies))               \
    X(void, state_moments, (const fnn_pairs *p, const uint64_t *states, uint64_t mask, int64_t *ups,      \
                            int64_t *equal))                                                              \
    X(void, anneal_lanes, (const fnn_spins *m, int64_t block, int64_t t0, int64_t t1))                    \
    X(void, anneal_fields, (const fnn_spins *m, int64_t read, int64_t t))                                 \
    X(void, anneal_fields_load, (const fnn_spins *m, int64_t read))                                       \
    X(void, anneal_fields_store, (const fnn_spins *m, int64_t read))                                      \
    X(void, anneal_bits, (const fnn_spins *m, int64_t block, int64_t t0, int64_t t1))                     \
    X(void, anneal_bits_begin, (const fnn_spins *m, int64_t block, int64_t sweep, void *table))           \
    X(void, anneal_bits_part, (const fnn_spins *m, int64_t block, int64_t part, int64_t t, const void *table)) \
    X(void, rule_rows, (const fnn_source *s, const int64_t *order, int64_t n, const int64_t *labels,      \
                        const void *weight, int64_t n_scores, double rate, double decay, double *W,       \
                        double *shrink, double *gap))                                                     \
    X(void, score_rows, (const fnn_source *s, int64_t row0, int64_t row1, const void *w, int64_t wide, void *z)) \
    X(void, add_rows, (const fnn_source *s, int64_t row0, int64_t row1, const void *r, int64_t wide, double *g)) \
    X(void, class_scores, (const fnn_scores *p, int64_t row0, int64_t n_rows, void *z))                   \
    X(void, class_steps, (const fnn_scores *p, int64_t row0, int64_t n_rows, const void *z))              \
    X(void, add_reals, (const void *x, int64_t n, double *sums))                                          \
    X(double, curve_rows, (const void *curve, double bias, int64_t n, void *z))                           \
    X(void, design_rows, (const fnn_source *s, int64_t row0, int64_t row1, const fnn_design *d, void *scratch, \
                          double *out))                                                                   \
    X(fnn_glm_sums, glm_rows, (const fnn_glm *g, int64_t row0, int64_t n))                                \
    X(void, softmax_curve, (const void *p, const void *weight, int64_t n, int64_t wide, void *z))         \
    X(int64_t, descend_coordinates, (int64_t n, const double *H, const double *l1, int64_t sweeps, double tol, \
                                     double *q, double *v))                                               \
    X(int64_t, all_finite, (const void *x, int64_t n)) \
    X(void, margin_rows, (const fnn_margins *m, int64_t row0, int64_t row1))                              \
    X(void, margin_weighted, (const fnn_margins *m, int64_t row0, int64_t row1, void *t))                 \
    X(void, margin_slopes, (const fnn_margins *m, int64_t row0, int64_t row1, void *t))                   \
    X(void, barrier_aim, (const fnn_barrier *b, int64_t row0, int64_t row1))                              \
    X(void, barrier_go, (const fnn_barrier *b, int64_t row0, int64_t row1))                               \
    X(void, barrier_slopes, (const fnn_barrier *b, int64_t row0, int64_t row1))                           \
    X(int64_t, barrier_block, (const fnn_barrier *b, const fnn_source *s, int64_t row0, int64_t row1, int64_t j, \
                               int64_t k, double least, void *scratch, double *out))                      \
    X(void, sparse_rows, (const fnn_sparse *x, const void *b, const void *first, int64_t stride,          \
                          int64_t row0, int64_t row1, void *out))

typedef void fnn_layer_tile(const fnn_layer *l, int64_t row0, int64_t row1, int64_t tile, void *scratch);

/* sum over units of ln(sum over states) at fields z + delta w: z, w real (n_tiles * FNN_TILE). */
typedef double fnn_shifted_log_partition(const void *z, const void *w, double delta, int64_t n_units);

/* Rows row0..row1; returns the first row without a loss (NaN, no finite score ...), or -1. */
typedef int64_t fnn_loss_rows(const fnn_loss *l, int64_t row0, int64_t row1);

/* ln of the base measure of a unit's states, summed over n units: x real. */
typedef double fnn_log_base(const void *x, int64_t n_units);

/* The states of a unit. Two values: low where its bit is 0, low + step where it is 1. Step 0: numbers
 * between least and most. */
typedef struct {
    const char *name;
    int64_t low, step;
    double least, most;
} fnn_unit_values;

#define FNN_UNIT_INDEX(unit) FNN_UNIT_##unit,
enum fnn_unit { FNN_UNITS(FNN_UNIT_INDEX) FNN_N_UNITS };
#define FNN_LOSS_INDEX(loss) FNN_LOSS_##loss,
enum fnn_loss_kind { FNN_LOSSES(FNN_LOSS_INDEX) FNN_N_LOSSES };
#define FNN_GLM_INDEX(glm) FNN_GLM_##glm,
enum fnn_glm_kind { FNN_GLMS(FNN_GLM_INDEX) FNN_N_GLMS };
#define FNN_ACTIVATION_INDEX(activation) FNN_ACTIVATION_##activation,
enum fnn_activation { FNN_ACTIVATIONS(FNN_ACTIVATION_INDEX) FNN_N_ACTIVATIONS };

#define FNN_ROOM_MEMBER(result, name, arguments) result(*name) arguments;
typedef struct {
    int64_t real_bytes;
    const char *isa;
    fnn_layer_tile *layer_tile[FNN_N_UNITS];
    fnn_shifted_log_partition *shifted_log_partition[FNN_N_UNITS];
    fnn_log_base *log_base[FNN_N_UNITS];
    const fnn_unit_values *unit_values[FNN_N_UNITS];
    fnn_loss_rows *loss_rows[FNN_N_LOSSES];
    FNN_ROOMS(FNN_ROOM_MEMBER)
} fnn_rooms;

/* The rooms for reals of that many bytes, of the named instruction set; NULL for `isa`: the best that
 * this machine runs. NULL if it is unknown, was not built or does not run here. */
const fnn_rooms *fnn_rooms_for(int64_t real_bytes, const char *isa);
/* Names of the instruction sets that were built, weakest first; NULL at the end of the list. */
const char *fnn_isa_name(int64_t k);
int fnn_isa_runs(int64_t k);

#endif
