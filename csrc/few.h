/* What few.c takes at a time, and on what condition. */
#ifndef FASTNN_FEW_H
#define FASTNN_FEW_H

#include "fastnn.h"
#include "real.h"

#define FEW_CLASSES 32  /* at most */
#define FEW_TOGETHER 16 /* rows: they come in multiples */
#define FEW_ROWS 64     /* at most */
#define MODERATE_CLASSES 2048 /* at most */

int FN(few_classes)(const fnn_loss *l, int64_t r0, int64_t n_rows);
int FN(few_softmax)(const fnn_softmax *s, int64_t r0, int64_t n_rows);
int64_t FN(moderate_rows)(const fnn_loss *l, int64_t r0, int64_t r1);

#endif
