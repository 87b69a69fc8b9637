"""The border of the C floor, and what every loop needs of it."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "fastnn.h" nogil:
    enum:
        FNN_TILE
        FNN_MAX_ROWS
        FNN_SCRATCH
        FNN_N_UNITS
        FNN_N_LOSSES
        FNN_STREAM_HIDDEN
        FNN_STREAM_VISIBLE
        FNN_STREAM_DATA
        FNN_STREAM_START
        FNN_STREAM_DROPOUT
        FNN_STREAM_SPINS
        FNN_THRESHOLD_BITS
        FNN_METROPOLIS_ROW
        FNN_HEAT_BATH_ROW
        FNN_MASK_WORDS
        FNN_PLANES
        FNN_LEVELS
        FNN_STREAM_SWEEPS

    ctypedef struct fnn_product:
        const uint64_t *bits
        int64_t words
        const void *panels
        int64_t n_inputs, n_outputs

    ctypedef struct fnn_layer:
        fnn_product input
        const void *field
        const void *scale
        const void *offset
        const void *bias
        int64_t input_step
        int64_t n_units
        void *mean
        void *log_partition
        void *weighted
        int64_t weighted_rows, weighted_row0, weigh_draws
        double weight
        uint64_t *states
        const uint64_t *clamp
        const uint64_t *clamp_to
        int64_t stride
        uint64_t key, step, chain0
        int64_t stream
        const double *betas
        const void *reference
        const double *from_ "from"
        double *rise
        void *values
        const void *held_values
        void *fields
        const int64_t *groups
        int64_t n_groups
        const uint64_t *alone

    ctypedef struct fnn_enumeration:
        int64_t n_units, n_others, stride
        const void *weights
        const void *base
        const void *linear
        double constant
        int64_t block_bits, units_a_turn
        const void *table
        const void *greatest
        const void *low_exponents

    ctypedef struct fnn_source:
        const void *data
        int64_t kind, stride, n_features, low
        const void *indptr
        const void *indices
        int64_t index_bytes
        const void *factor

    ctypedef struct fnn_rule:
        double rate, momentum, beta2, epsilon, scale1, scale2

    ctypedef struct fnn_update:
        fnn_product gradient
        const void *dense
        double unit
        int64_t visible_step
        double visible_low
        void *weights
        void *velocity
        void *second
        int64_t stride, n_visible, n_hidden
        const void *d_visible
        const void *d_hidden
        const void *mu
        const void *lambda_ "lambda"
        double l1, l2
        const void *shrink
        fnn_rule rule
        const void *by_row
        const void *by_col
        void *forward
        void *backward
        void *row_abs
        void *row_shift
        void *col_abs
        void *col_shift
        void *col_square

    ctypedef struct fnn_loss:
        const void *scores
        void *grad
        double *losses
        const int64_t *labels
        const void *targets
        const void *class_weight
        const void *row_weight
        int64_t stride, grad_stride, targets_stride, n_classes, ignore
        double scale, smoothing, delta

    ctypedef struct fnn_softmax:
        const void *logits
        void *out
        int64_t n_classes, logarithm

    ctypedef struct fnn_dense:
        void *values
        const void *activations
        const void *bias
        int64_t stride, activation
        double parameter, dropout
        uint64_t key, step
        int64_t stream

    ctypedef struct fnn_descent:
        void *weights
        void *velocity
        void *second
        int64_t stride, nesterov
        double rate, momentum, beta2, epsilon, decay

    ctypedef int64_t (*fnn_loss_rows)(const fnn_loss *, int64_t, int64_t) noexcept nogil
    ctypedef struct fnn_glm:
        void *scores
        void *curve
        const void *targets
        const void *weight
        const void *offset
        int64_t kind
        double power, bias

    ctypedef struct fnn_scores:
        const void *x
        const void *weights
        void *gradient
        int64_t stride, n_features, n_scores, width

    ctypedef struct fnn_glm_sums:
        double loss, slope

    ctypedef struct fnn_design:
        const int64_t *columns
        const double *shift
        const double *root
        const void *y
        double y_shift
        int64_t n_columns, extra, stride

    ctypedef struct fnn_memory:
        const uint64_t *sites
        int64_t n_units, n_patterns, words
        const double *slope
        const double *level
        int64_t reach, relative

    ctypedef struct fnn_couplings:
        const void *weights
        const void *bias
        int64_t n_units

    ctypedef struct fnn_chains:
        void *lanes
        double low, high, gain
        uint64_t key, step

    ctypedef struct fnn_probes:
        uint64_t *states
        uint64_t *next
        void *lanes
        double *energy
        int64_t width
        uint64_t active, moved
        int64_t synchronous

    ctypedef struct fnn_pairs:
        int64_t n_spins, stride
        const int64_t *indptr
        const int32_t *indices
        const double *weights
        const double *constant
        double factor
        int64_t binary

    ctypedef struct fnn_group:
        int64_t slot

    ctypedef struct fnn_spins:
        int64_t n_spins, stride
        void *states
        uint64_t *streams
        int64_t n_sites, n_parts, random_order, heat_bath, n_sweeps, blocks_per_rung
        const double *betas
        const int64_t *indptr
        const int32_t *indices
        const void *weights
        const void *constant
        const void *gains
        const void *scale
        const int32_t *sites
        int64_t n_places, n_reads, kept_stride, kept_columns
        void *fields
        void *downs
        const void *matrix
        const uint8_t *coupled
        void *margins
        int64_t margins_stride
        const int32_t *places
        const fnn_group *groups
        const int64_t *stages
        const int32_t *slots
        const uint8_t *signs
        int64_t n_levels
        const uint64_t *thresholds

    ctypedef struct fnn_margins:
        const void *scores
        const void *dual
        void *next
        const int64_t *labels
        const void *weight
        const void *edge
        int64_t n_classes, stride, box
        double kappa, delta
        double *values

    ctypedef struct fnn_barrier:
        const void *p
        const void *t
        const void *back
        void *dp
        void *dt
        void *dback
        void *r
        void *rback
        void *h
        const void *a
        const void *live
        const void *weight
        const int64_t *labels
        int64_t stride, box, mode
        double bias, target, reach, low, high
        double *values

    ctypedef struct fnn_sparse:
        const int64_t *indptr
        const int64_t *indices
        const void *data

    ctypedef struct fnn_unit_values:
        const char *name
        int64_t low, step
        double least, most

    ctypedef void (*fnn_layer_tile)(const fnn_layer *, int64_t, int64_t, int64_t, void *) noexcept nogil

    ctypedef double (*fnn_shifted_log_partition)(const void *, const void *, double, int64_t) noexcept nogil

    ctypedef double (*fnn_log_base)(const void *, int64_t) noexcept nogil

    ctypedef struct fnn_rooms:
        int64_t real_bytes
        const char *isa
        fnn_layer_tile *layer_tile
        fnn_shifted_log_partition *shifted_log_partition
        fnn_log_base *log_base
        const fnn_unit_values **unit_values
        fnn_loss_rows *loss_rows
        void (*map)(int64_t, const void *, void *, int64_t) noexcept nogil
        void (*philox_block)(uint64_t, uint32_t *) noexcept nogil
        void (*uniforms)(uint64_t, uint64_t, uint64_t, int64_t, int64_t, void *) noexcept nogil
        void (*product_tile)(const fnn_product *, int64_t, int64_t, int64_t, void *) noexcept nogil
        void (*gather_reals)(const fnn_source *, int64_t, void *) noexcept nogil
        void (*gather_states)(const fnn_source *, int64_t, int64_t, uint64_t, uint64_t, uint64_t,
                              void *, uint64_t *) noexcept nogil
        int64_t (*survey_row)(const fnn_source *, int64_t, int64_t, void *, double *, uint64_t *) noexcept nogil
        void (*transpose_states)(const uint64_t *, int64_t, int64_t, int64_t, uint64_t *, int64_t,
                                 int64_t, int64_t *) noexcept nogil
        void (*spread_states)(const uint64_t *, int64_t, int64_t, int64_t, int64_t, void *) noexcept nogil
        void (*group_rows)(const fnn_layer *, int64_t, int64_t) noexcept nogil
        void (*scale_row)(const void *, const void *, int64_t, void *) noexcept nogil
        void (*spread_row)(const uint64_t *, int64_t, int64_t, int64_t, void *) noexcept nogil
        void (*column_squares)(const void *, int64_t, int64_t, int64_t, double *) noexcept nogil
        void (*row_dots)(const void *, const void *, int64_t, int64_t, int64_t, double *) noexcept nogil
        void (*column_sums)(const void *, int64_t, int64_t, int64_t, double *) noexcept nogil
        double (*dot_states)(const uint64_t *, int64_t, const void *) noexcept nogil
        void (*panel_sums)(const void *, int64_t, int64_t, int64_t, int64_t, int64_t, void *) noexcept nogil
        void (*panel_means)(const void *, int64_t, int64_t, int64_t, int64_t, double, double *) noexcept nogil
        int64_t (*scales)(const void *, int64_t, int64_t, int64_t, void *, void *) noexcept nogil
        int64_t (*scales_serve)(const void *, int64_t, int64_t, int64_t, const void *) noexcept nogil
        void (*quantise_block)(const void *, int64_t, int64_t, int64_t, int64_t, int64_t, const void *,
                               const void *, void *, void *) noexcept nogil
        void (*update_tile)(const fnn_update *, int64_t, int64_t, int64_t, void *) noexcept nogil
        int64_t (*norm_excess)(const void *, int64_t, int64_t, int64_t, double, void *) noexcept nogil
        void (*compare_means)(int64_t, const double *, const double *, double, void *, void *) noexcept nogil
        void (*update_bias)(const fnn_rule *, int64_t, const void *, const void *, double, double, const void *,
                            int64_t, int64_t, void *, void *, void *) noexcept nogil
        int64_t (*softmax_rows)(const fnn_softmax *, int64_t, int64_t) noexcept nogil
        void (*activate)(int64_t, int64_t, double, const void *, void *, int64_t) noexcept nogil
        void (*dense_forward)(const fnn_dense *, int64_t, int64_t, int64_t, int64_t) noexcept nogil
        void (*dense_backward)(const fnn_dense *, int64_t, int64_t, int64_t, int64_t) noexcept nogil
        double (*descend)(const fnn_descent *, int64_t, int64_t, int64_t, int64_t, const void *,
                          int64_t) noexcept nogil
        int64_t (*all_finite)(const void *, int64_t) noexcept nogil
        void (*matmul)(int64_t, int64_t, int64_t, const void *, int64_t, int64_t, const void *, int64_t,
                       void *, int64_t) noexcept nogil
        void (*matmul_add)(int64_t, int64_t, int64_t, const void *, int64_t, int64_t, const void *, int64_t,
                           void *, int64_t) noexcept nogil
        void (*matmul_inputs)(int64_t, int64_t, int64_t, const void *, int64_t, const void *, int64_t, void *,
                              int64_t) noexcept nogil
        void (*transpose)(int64_t, int64_t, const void *, int64_t, void *, int64_t) noexcept nogil
        void (*count_overlaps)(const uint64_t *, int64_t, const uint64_t *, int64_t, int64_t, int64_t,
                               fnn_probes *) noexcept nogil
        void (*recall_patterns)(const fnn_memory *, fnn_probes *, const int64_t *, int64_t, int64_t) noexcept nogil
        void (*recall_tables)(const fnn_memory *, fnn_probes *, const int64_t *, int64_t, int64_t) noexcept nogil
        void (*commit_patterns)(const fnn_memory *, fnn_probes *, int64_t, int64_t) noexcept nogil
        void (*pattern_energies)(const fnn_memory *, const fnn_probes *, double *, double *) noexcept nogil
        void (*load_couplings)(const fnn_couplings *, fnn_probes *) noexcept nogil
        void (*recall_couplings)(const fnn_couplings *, fnn_probes *, const int64_t *, int64_t, int64_t) noexcept nogil
        void (*gibbs_sweep)(const fnn_couplings *, const fnn_chains *, int64_t, const int64_t *, int64_t) noexcept nogil
        uint64_t (*differing_probes)(const uint64_t *, const uint64_t *, int64_t) noexcept nogil
        void (*random_words)(uint64_t, uint64_t, uint64_t, int64_t, int64_t, uint32_t *) noexcept nogil
        double (*enumerate_begin)(const fnn_enumeration *, void *, void *, void *) noexcept nogil
        void (*enumerate_block)(const fnn_enumeration *, int64_t, void *, double *) noexcept nogil
        void (*state_energies)(const fnn_pairs *, const uint64_t *, double *) noexcept nogil
        void (*state_moments)(const fnn_pairs *, const uint64_t *, uint64_t, int64_t *, int64_t *) noexcept nogil
        void (*anneal_lanes)(const fnn_spins *, int64_t, int64_t, int64_t) noexcept nogil
        void (*anneal_fields)(const fnn_spins *, int64_t, int64_t) noexcept nogil
        void (*anneal_fields_load)(const fnn_spins *, int64_t) noexcept nogil
        void (*anneal_fields_store)(const fnn_spins *, int64_t) noexcept nogil
        void (*anneal_bits)(const fnn_spins *, int64_t, int64_t, int64_t) noexcept nogil
        void (*anneal_bits_begin)(const fnn_spins *, int64_t, int64_t, void *) noexcept nogil
        void (*anneal_bits_part)(const fnn_spins *, int64_t, int64_t, int64_t, const void *) noexcept nogil
        void (*rule_rows)(const fnn_source *, const int64_t *, int64_t, const int64_t *, const void *, int64_t, double,
                          double, double *, double *, double *) noexcept nogil
        void (*score_rows)(const fnn_source *, int64_t, int64_t, const void *, int64_t, void *) noexcept nogil
        void (*add_rows)(const fnn_source *, int64_t, int64_t, const void *, int64_t, double *) noexcept nogil
        void (*class_scores)(const fnn_scores *, int64_t, int64_t, void *) noexcept nogil
        void (*class_steps)(const fnn_scores *, int64_t, int64_t, const void *) noexcept nogil
        void (*add_reals)(const void *, int64_t, double *) noexcept nogil
        double (*curve_rows)(const void *, double, int64_t, void *) noexcept nogil
        void (*design_rows)(const fnn_source *, int64_t, int64_t, const fnn_design *, void *, double *) noexcept nogil
        fnn_glm_sums (*glm_rows)(const fnn_glm *, int64_t, int64_t) noexcept nogil
        void (*softmax_curve)(const void *, const void *, int64_t, int64_t, void *) noexcept nogil
        int64_t (*descend_coordinates)(int64_t, const double *, const double *, int64_t, double, double *,
                                       double *) noexcept nogil
        void (*margin_rows)(const fnn_margins *, int64_t, int64_t) noexcept nogil
        void (*margin_weighted)(const fnn_margins *, int64_t, int64_t, void *) noexcept nogil
        void (*margin_slopes)(const fnn_margins *, int64_t, int64_t, void *) noexcept nogil
        void (*barrier_aim)(const fnn_barrier *, int64_t, int64_t) noexcept nogil
        void (*barrier_go)(const fnn_barrier *, int64_t, int64_t) noexcept nogil
        void (*barrier_slopes)(const fnn_barrier *, int64_t, int64_t) noexcept nogil
        int64_t (*barrier_block)(const fnn_barrier *, const fnn_source *, int64_t, int64_t, int64_t, int64_t, double,
                                 void *, double *) noexcept nogil
        void (*sparse_rows)(const fnn_sparse *, const void *, const void *, int64_t, int64_t, int64_t,
                            void *) noexcept nogil

cdef const fnn_rooms *rooms_for(object dtype) except NULL


cdef extern from "team.h" nogil:
    ctypedef void (*team_job)(void *context, int64_t item, int64_t worker) noexcept nogil

    ctypedef struct fnn_team:
        int64_t n_workers

    ctypedef void (*team_lead)(fnn_team *team, void *context) noexcept nogil

    void team_run(fnn_team *team, team_job job, void *context, int64_t n_items)
    void team_call(int64_t n_workers, team_lead lead, void *context)


cdef struct fnn_watch:
    # Looks for Ctrl-C on behalf of a call without the GIL.
    double last
    bint stop

cdef fnn_watch watch_begin() noexcept nogil
cdef bint watch_interrupted(fnn_watch *watch) noexcept nogil
cdef int watch_check(fnn_watch *watch) except -1
