/* The one translation unit: everything is inlined where it helps, and builds alike everywhere. */
#include "program.c"
#include "functions.c"
#include "gemm.c"
#include "elementwise.c"
#include "reduce.c"
#include "norm.c"
#include "conv.c"
