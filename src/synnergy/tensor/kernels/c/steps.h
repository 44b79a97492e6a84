/* Generated from ../steps.py; do not edit. */
#define STEPS(STEP) \
  STEP(1, CANONICALISE_F32) \
  STEP(16, RELU_F32) \
  STEP(48, FUNCTION) \
  STEP(64, PACK_B_F32) \
  STEP(65, MATMUL_F32) \
  STEP(66, TRANSPOSE_F32) \
  STEP(67, SCALE_F32)
