// Generated from the ledger's own declarations; do not edit.

/** Kernels; their arguments stand beside each in C. */
export const Step = {
  CANONICALISE: 1,
  ELEMENTWISE_BINARY: 2,
  ELEMENTWISE_UNARY: 3,
  WHERE: 4,
  CAST: 5,
  FUNCTION: 48,
  PACK_B_F32: 64,
  MATMUL_F32: 65,
  TRANSPOSE_F32: 66,
  SCALE_F32: 67,
  MATMUL: 68,
  CONV_PACK_F32: 96,
  CONV_LANES_F32: 97,
  CONV_ROWS_F32: 98,
  REDUCE: 176,
  FORM_AXIS: 208,
  NORMALISE_ROWS: 209,
  LOCAL_SQUARES: 210,
  TREES_NARROW: 288,
  TREES_WIDE: 289,
  TREES_F64: 290,
  FOREST_SCORES: 291,
  FOREST_CLASSES: 292,
  RECURRENT_F32: 320,
  SCORES_F32: 336,
  CHOOSE_F32: 337,
  ATTENTION_SHARES: 384,
  JOIN_CACHE: 385,
  ROTATE_F32: 386,
} as const;

/** Functions of one element, for the kernel FUNCTION. */
export const FunctionCode = {
  EXP: 0,
  LOG: 1,
  SIGMOID: 2,
  TANH: 3,
  ERF: 4,
  GELU: 5,
  GELU_TANH: 6,
  SOFTPLUS: 7,
  SIN: 8,
  COS: 9,
  TAN: 10,
  ASIN: 11,
  ACOS: 12,
  ATAN: 13,
  SINH: 14,
  COSH: 15,
  ASINH: 16,
  ACOSH: 17,
  ATANH: 18,
  MISH: 19,
  SWISH: 20,
  ELU: 21,
  SELU: 22,
  CELU: 23,
} as const;

/** What becomes of a row, for the kernel FORM_AXIS. */
export const FormCode = {
  SOFTMAX: 0,
  LOG_SOFTMAX: 1,
  HARDMAX: 2,
  LP1: 3,
  LP2: 4,
} as const;

/** Element types as kernels number them. */
export const TypeCode = {
  float16: 0,
  float32: 1,
  float64: 2,
  int8: 3,
  int16: 4,
  int32: 5,
  int64: 6,
  uint8: 7,
  uint16: 8,
  uint32: 9,
  uint64: 10,
  bool: 11,
} as const;
