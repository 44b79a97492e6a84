/* Element by element: each operation rounds to the element type, nothing is fused. */
#include "kernels.h"

static const uint32_t QUIET_NAN_F32 = 0x7fc00000;

/* address, count: every NaN becomes the one quiet NaN. TENSOR-4 */
void CANONICALISE_F32(const Context *context, const int64_t *args) {
  uint32_t *bits = at(context, args[0]);
  Range part = share(context, args[1], 1024);
  for (int64_t i = part.begin; i < part.end; i++)
    bits[i] = (bits[i] & 0x7fffffff) > 0x7f800000 ? QUIET_NAN_F32 : bits[i];
}

/* result, x, count: max(x, +0), NaN stays. TENSOR-21 */
void RELU_F32(const Context *context, const int64_t *args) {
  float *result = at(context, args[0]);
  const float *x = at(context, args[1]);
  Range part = share(context, args[2], 1024);
  for (int64_t i = part.begin; i < part.end; i++) result[i] = x[i] > 0.0f ? x[i] : x[i] != x[i] ? x[i] : 0.0f;
}
