/* Functions of one element by number, over float32 and float64. */
#include "trigonometry.h"

/* As programs number them. alpha and gamma are the attributes of those that have any. */
enum {
  F_EXP, F_LOG, F_SIGMOID, F_TANH, F_ERF, F_GELU, F_GELU_TANH, F_SOFTPLUS, F_SIN, F_COS, F_TAN, F_ASIN, F_ACOS, F_ATAN, F_SINH, F_COSH,
  F_ASINH, F_ACOSH, F_ATANH, F_MISH, F_SWISH, F_ELU, F_SELU, F_CELU, FUNCTIONS
};

typedef void Function(vd *x, double alpha, double gamma);
#define FUNCTION_OF(name, value)                                                       \
  static void name##_function(vd *place, double alpha, double gamma) {                 \
    vd x = *place;                                                                     \
    (void)alpha, (void)gamma;                                                          \
    *place = value;                                                                    \
  }
FUNCTION_OF(exp, exp_vd(x))
FUNCTION_OF(log, log_vd(x))
FUNCTION_OF(sigmoid, sigmoid_vd(x))
FUNCTION_OF(tanh, tanh_vd(x))
FUNCTION_OF(erf, erf_vd(x))
FUNCTION_OF(gelu, gelu_vd(x))
FUNCTION_OF(gelu_tanh, gelu_tanh_vd(x))
FUNCTION_OF(softplus, softplus_vd(x))
FUNCTION_OF(sin, sin_vd(x))
FUNCTION_OF(cos, cos_vd(x))
FUNCTION_OF(tan, tan_vd(x))
FUNCTION_OF(asin, asin_vd(x))
FUNCTION_OF(acos, acos_vd(x))
FUNCTION_OF(atan, atan_vd(x))
FUNCTION_OF(sinh, sinh_vd(x))
FUNCTION_OF(cosh, cosh_vd(x))
FUNCTION_OF(asinh, asinh_vd(x))
FUNCTION_OF(acosh, acosh_vd(x))
FUNCTION_OF(atanh, atanh_vd(x))
FUNCTION_OF(mish, x * tanh_vd(softplus_vd(x)))
FUNCTION_OF(swish, x * sigmoid_vd(alpha * x))
FUNCTION_OF(elu, x < 0.0 ? alpha * expm1_vd(x) : x)
FUNCTION_OF(selu, gamma * (x > 0.0 ? x : alpha * expm1_vd(x)))

/* max(0, x) + min(0, alpha (e ** (x / alpha) - 1)) */
static void celu_function(vd *place, double alpha, double gamma) {
  vd x = *place, bent = alpha * expm1_vd(x / alpha);
  (void)gamma;
  *place = (x < 0.0 ? (vd)0.0 : x) + (bent > 0.0 ? (vd)0.0 : bent);
}

static Function *const FUNCTION_TABLE[FUNCTIONS] = {
  [F_EXP] = exp_function, [F_LOG] = log_function, [F_SIGMOID] = sigmoid_function, [F_TANH] = tanh_function,
  [F_ERF] = erf_function, [F_GELU] = gelu_function, [F_GELU_TANH] = gelu_tanh_function, [F_SOFTPLUS] = softplus_function,
  [F_SIN] = sin_function, [F_COS] = cos_function, [F_TAN] = tan_function, [F_ASIN] = asin_function, [F_ACOS] = acos_function,
  [F_ATAN] = atan_function, [F_SINH] = sinh_function, [F_COSH] = cosh_function, [F_ASINH] = asinh_function,
  [F_ACOSH] = acosh_function, [F_ATANH] = atanh_function, [F_MISH] = mish_function, [F_SWISH] = swish_function,
  [F_ELU] = elu_function, [F_SELU] = selu_function, [F_CELU] = celu_function,
};

/* function, element type (F32, F64), result, x, count, alpha, gamma. */
void FUNCTION(const Context *context, const int64_t *args) {
  Function *function = FUNCTION_TABLE[args[0]];
  Range part = share(context, args[4], 64);
  double alpha = f64_of(args[5]), gamma = f64_of(args[6]);
  if (args[1] == F64) {
    double *to = at(context, args[2]);
    const double *from = at(context, args[3]);
    for (int64_t i = part.begin; i < part.end; i += VL) {
      size_t size = (size_t)least(VL, part.end - i) * sizeof(double);
      vd x = (vd)0.0;
      memcpy(&x, from + i, size);
      function(&x, alpha, gamma);
      memcpy(to + i, &x, size);
    }
    return;
  }
  float *to = (float *)at(context, args[2]) + part.begin;
  const float *from = (const float *)at(context, args[3]) + part.begin;
  int64_t n = part.end - part.begin;
  switch (args[0]) {
    case F_EXP: exp_f32(to, from, n); break;
    case F_SIGMOID: sigmoid_f32(to, from, n); break;
    case F_TANH: tanh_f32(to, from, n); break;
    case F_ERF: erf_f32(to, from, n); break;
    case F_GELU: gelu_f32(to, from, n); break;
    case F_GELU_TANH: gelu_tanh_f32(to, from, n); break;
    default:
      for (int64_t i = 0; i < n; i += VL) {
        size_t size = (size_t)least(VL, n - i) * sizeof(float);
        vf x = (vf)0.0f;
        memcpy(&x, from + i, size);
        vd wide = widened(x);
        function(&wide, alpha, gamma);
        x = narrowed(wide);
        memcpy(to + i, &x, size);
      }
  }
}
