/* The number a room is compiled for, its fixed-point twin, and the mangling of names.
 *
 * Every room is one text, compiled once per real (FASTNN_REAL = 32, 64) and per instruction set
 * (FASTNN_ISA = baseline, avx2, avx512 with FASTNN_VEC = native vector bytes). FN(x) gives each
 * copy its own name: fnn_x_f32_avx2. All functions but those named by FN are static.
 *
 * `fix` is a signed integer as wide as `real`: sums of fixed-point numbers are exact in any order.
 * FIX_BITS says how many bits a sum may use so that it converts back to `real` in every lane width
 * without a 64-bit conversion instruction (see to_real in vec.h).
 */
#ifndef FASTNN_REAL_H
#define FASTNN_REAL_H

#include <stddef.h>
#include <stdint.h>

#if FASTNN_REAL == 32
typedef float real;
typedef int32_t fix;
typedef uint32_t ufix;
#define FIX_BITS 30
#define REAL_MANTISSA 23
#define REAL_BIAS 127
#define REAL_C(x) x##f
#elif FASTNN_REAL == 64
typedef double real;
typedef int64_t fix;
typedef uint64_t ufix;
#define FIX_BITS 50
#define REAL_MANTISSA 52
#define REAL_BIAS 1023
#define REAL_C(x) x
#else
#error "FASTNN_REAL must be 32 or 64: build through setup.py"
#endif

#define FN_PASTE(name, bits, isa) fnn_##name##_f##bits##_##isa
#define FN_EXPAND(name, bits, isa) FN_PASTE(name, bits, isa)
#define FN(name) FN_EXPAND(name, FASTNN_REAL, FASTNN_ISA)

#endif
