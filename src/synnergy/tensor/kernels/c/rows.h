/* What is done with one contiguous row of float32 or float64. */
#ifndef SYNNERGY_ROWS_H
#define SYNNERGY_ROWS_H

#include "functions.h"

#define LANES 16

typedef float f32_lanes __attribute__((ext_vector_type(LANES)));
typedef double f64_lanes __attribute__((ext_vector_type(LANES)));
typedef int32_t i32_lanes __attribute__((ext_vector_type(LANES)));
typedef _Bool lane_mask __attribute__((ext_vector_type(LANES)));

static inline lane_mask first_lanes(int64_t n) {
  const i32_lanes lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return __builtin_convertvector(lane < (int32_t)n, lane_mask);
}

#define REAL float
#define VECTOR vf
#define REALS f32_lanes
#define OF(name) name##_f32
#define POWERS exp_vf
#include "rows_of.h"
#undef REAL
#undef VECTOR
#undef REALS
#undef OF
#undef POWERS

#define REAL double
#define VECTOR vd
#define REALS f64_lanes
#define OF(name) name##_f64
#define POWERS exp_vd
#include "rows_of.h"
#undef REAL
#undef VECTOR
#undef REALS
#undef OF
#undef POWERS

#endif
