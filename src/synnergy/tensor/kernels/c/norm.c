/* Softmax and its kin along one axis; normalisation of rows. TENSOR-19, TENSOR-22 */
#include "kernels.h"
#include "rows.h"

/* What becomes of a row. */
enum { SOFTMAX = 0, LOG_SOFTMAX, HARDMAX, LP1, LP2 };

#define REAL float
#define REALS f32_lanes
#define OF(name) name##_f32
#include "norm_of.h"
#undef REAL
#undef REALS
#undef OF

#define REAL double
#define REALS f64_lanes
#define OF(name) name##_f64
#include "norm_of.h"
#undef REAL
#undef REALS
#undef OF

/* result, x, element type (F32 or F64), form, outer, n, inner, scratch of each thread: 2 LANES n
 * elements where inner > 1. Elements of a row lie `inner` apart; n is 1 at least. The result may
 * not be x. */
void FORM_AXIS(const Context *context, const int64_t *args) {
  if (args[2] == F64) form_axis_f64(context, args);
  else form_axis_f32(context, args);
}

/* result, x, scale, bias or ABSENT, results for mean and for 1 / deviation or ABSENT, element type
 * (F32 or F64), whether x is centred, rows, n of each (1 at least), epsilon, span, period.
 *
 * ((x - mean) / deviation) scale + bias of each row. Element i of all takes factor number
 * i / span % period. */
void NORMALISE_ROWS(const Context *context, const int64_t *args) {
  if (args[6] == F64) normalise_f64(context, args);
  else normalise_f32(context, args);
}

/* result, x, element type (F32 or F64), batch, channels, elements of each, channels before and after that
 * count too, factor, bias (bits of float64): bias + factor (sum of squares). */
void LOCAL_SQUARES(const Context *context, const int64_t *args) {
  if (args[2] == F64) local_squares_f64(context, args);
  else local_squares_f32(context, args);
}
