/* The tables of rooms, one per real and instruction set, and the choice among them.
 *
 * The only file that asks the CPU what it is. FASTNN_HAVE_AVX2, FASTNN_HAVE_AVX512 say what was built.
 */
#include "fastnn.h"

#include <string.h>

#define DECLARE(result, name, arguments) extern result FNN_NAME(name) arguments;
#define DECLARE_UNIT(unit)                                \
    extern fnn_layer_tile FNN_NAME(unit##_layer_tile);    \
    extern fnn_shifted_log_partition FNN_NAME(unit##_shifted_log_partition); \
    extern fnn_log_base FNN_NAME(unit##_log_base);        \
    extern const fnn_unit_values FNN_NAME(unit##_values);
#define DECLARE_LOSS(loss) extern fnn_loss_rows FNN_NAME(loss##_rows);
#define LIST(result, name, arguments) FNN_NAME(name),
#define LIST_UNIT(unit) FNN_NAME(unit##_layer_tile),
#define LIST_SHIFTED(unit) FNN_NAME(unit##_shifted_log_partition),
#define LIST_BASE(unit) FNN_NAME(unit##_log_base),
#define LIST_VALUES(unit) &FNN_NAME(unit##_values),
#define LIST_LOSS(loss) FNN_NAME(loss##_rows),

#define TABLE(bytes, isa)                                                \
    FNN_ROOMS(DECLARE)                                                   \
    FNN_UNITS(DECLARE_UNIT)                                              \
    FNN_LOSSES(DECLARE_LOSS)                                             \
    static const fnn_rooms FNN_NAME(rooms) = {                           \
        bytes, #isa, {FNN_UNITS(LIST_UNIT)}, {FNN_UNITS(LIST_SHIFTED)},    \
        {FNN_UNITS(LIST_BASE)}, {FNN_UNITS(LIST_VALUES)}, {FNN_LOSSES(LIST_LOSS)}, FNN_ROOMS(LIST)};

#define FNN_NAME(name) fnn_##name##_f32_baseline
TABLE(4, baseline)
#undef FNN_NAME
#define FNN_NAME(name) fnn_##name##_f64_baseline
TABLE(8, baseline)
#undef FNN_NAME

#ifdef FASTNN_HAVE_AVX2
#define FNN_NAME(name) fnn_##name##_f32_avx2
TABLE(4, avx2)
#undef FNN_NAME
#define FNN_NAME(name) fnn_##name##_f64_avx2
TABLE(8, avx2)
#undef FNN_NAME
static int runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
        && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}
#endif

#ifdef FASTNN_HAVE_AVX512
#define FNN_NAME(name) fnn_##name##_f32_avx512
TABLE(4, avx512)
#undef FNN_NAME
#define FNN_NAME(name) fnn_##name##_f64_avx512
TABLE(8, avx512)
#undef FNN_NAME
static int runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

static int runs_anywhere(void) { return 1; }

static const struct {
    const fnn_rooms *single, *twofold;
    int (*runs)(void);
} built[] = {
    {&fnn_rooms_f32_baseline, &fnn_rooms_f64_baseline, runs_anywhere},
#ifdef FASTNN_HAVE_AVX2
    {&fnn_rooms_f32_avx2, &fnn_rooms_f64_avx2, runs_avx2},
#endif
#ifdef FASTNN_HAVE_AVX512
    {&fnn_rooms_f32_avx512, &fnn_rooms_f64_avx512, runs_avx512},
#endif
};

#define N_BUILT ((int64_t)(sizeof built / sizeof built[0]))

const char *fnn_isa_name(int64_t k) { return k < N_BUILT ? built[k].single->isa : 0; }

int fnn_isa_runs(int64_t k) { return built[k].runs(); }

const fnn_rooms *fnn_rooms_for(int64_t real_bytes, const char *isa) {
    for (int64_t k = N_BUILT - 1; k >= 0; k--) {
        const fnn_rooms *rooms = real_bytes == 4 ? built[k].single : built[k].twofold;
        if ((!isa || !strcmp(isa, rooms->isa)) && built[k].runs()) return rooms;
    }
    return 0;
}
