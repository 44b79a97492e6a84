/* Operations on each element one after another, while a part of the tensor is in the cache. */
#include "gemm.h"

/* Elements of a part at most; columns of it at most. */
enum { PART = 2048, PART_COLUMNS = 1024 };

/* result, x, rows, columns, operations, then AFTER_WORDS(0) of each: what they make of x. */
void CHAIN_F32(const Context *context, const int64_t *args) {
  int64_t rows = args[2], columns = args[3];
  int64_t wide = least(columns, PART_COLUMNS), high = most(1, PART / wide);
  int64_t across = (columns + wide - 1) / wide, bands = (rows + high - 1) / high;
  Range part = share(context, across * bands, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t top = item / across * high, height = least(high, rows - top);
    int64_t left = item % across * wide, width = least(wide, columns - left);
    const float *from = (const float *)at(context, args[1]) + top * columns + left;
    float *to = (float *)at(context, args[0]) + top * columns + left;
    for (int64_t i = 0; i < height; i++) memcpy(to + i * columns, from + i * columns, (size_t)width * sizeof(float));
    finish(context, args + 5, args[4], to, columns, height, width, top, left, NULL, 0);
  }
}
