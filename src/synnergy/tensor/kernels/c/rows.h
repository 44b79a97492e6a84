/* What is done with one contiguous row of float32 or float64. */
#ifndef SYNNERGY_ROWS_H
#define SYNNERGY_ROWS_H

#include "functions.h"

#define LANES 16

typedef float f32_lanes __attribute__((ext_vector_type(LANES)));
typedef double f64_lanes __attribute__((ext_vector_type(LANES)));

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
