/* What calls of the relaxed WASM build stand for until they are replaced: apart from the rest, so
 * that the compiler sees nothing but a function. It rounds twice, which the canary would show. */
#include "kernels.h"

__attribute__((visibility("default"))) vf synnergy_fused(vf a, vf b, vf c) { return a * b + c; }
