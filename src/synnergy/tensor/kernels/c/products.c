/* Matrix products of float64 and of integers, which wrap around. TENSOR-10 */
#include "gemm.h"

/* Rows of a tile, and bytes of its columns: two registers. */
enum { TALL = 4, WIDE = 8 * VL };

typedef struct {
  int64_t n, k, a_row, a_column, b_row, b_column, start_row, start_column;
  int scaled;
} MatmulShape;

#define TYPE double
#define NAMED(name) name##_f64
#include "product.h"
#define TYPE uint32_t
#define NAMED(name) name##_u32
#include "product.h"
#define TYPE uint64_t
#define NAMED(name) name##_u64
#include "product.h"


enum { BAND_ROWS = 64 };

/* c, a, b, start or ABSENT, element type (F64, I32, U32, I64, U64), m, n, k, row and column stride
 * of a, b and start, alpha and beta (bits of float64), scratch memory of BLOCK * WIDE bytes,
 * dimensions of the batch (<= 8), for each: size, strides of a and b.
 *
 * With alpha = 1 the sum starts from beta start, otherwise c = alpha (a b) + beta start. TENSOR-16
 * c is contiguous. */
void MATMUL(const Context *context, const int64_t *args) {
  int64_t type = args[4], m = args[5], n = args[6], dimensions = args[17], matrices = 1;
  double alpha = f64_of(args[14]), beta = f64_of(args[15]);
  const int64_t *batch = args + 18;
  MatmulShape shape = {n, args[7], args[8], args[9], args[10], args[11], args[12], args[13], alpha != 1.0};
  int64_t size = type == F64 || type == I64 || type == U64 ? 8 : 4, wide = WIDE / size;
  int64_t bands = (m + BAND_ROWS - 1) / BAND_ROWS, panels = (n + wide - 1) / wide;
  for (int64_t d = 0; d < dimensions; d++) matrices *= batch[3 * d];
  Range part = share(context, matrices * bands * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t index[MAX_DIMENSIONS], left = item % panels * wide, top = item / panels % bands * BAND_ROWS;
    int64_t matrix = item / (panels * bands), rows = least(BAND_ROWS, m - top), width = least(wide, n - left);
    int64_t a = top * shape.a_row, b = left * shape.b_column;
    int64_t start = top * shape.start_row + left * shape.start_column;
    place_in_batch(matrix, batch, 3, dimensions, index);
    for (int64_t d = 0; d < dimensions; d++) {
      a += index[d] * batch[3 * d + 1];
      b += index[d] * batch[3 * d + 2];
    }
    const uint8_t *first = at(context, args[1]), *second = at(context, args[2]), *third = at_optional(context, args[3]);
    uint8_t *c = (uint8_t *)at(context, args[0]) + ((matrix * m + top) * n + left) * size;
    void *panel = at(context, args[16]);
    first += a * size;
    second += b * size;
    if (third) third += start * size;
#define CALL(name, type, number)                                                                                  \
  product_##name((const type *)first, (const type *)second, (const type *)third, (type *)c, &shape, rows, width, \
                 number(alpha), number(beta), panel)
#define WRAPPED32(factor) ((uint32_t)(int64_t)(factor))
#define WRAPPED64(factor) ((uint64_t)(int64_t)(factor))
    if (type == F64) CALL(f64, double, );
    else if (size == 4) CALL(u32, uint32_t, WRAPPED32);
    else CALL(u64, uint64_t, WRAPPED64);
#undef CALL
#undef WRAPPED32
#undef WRAPPED64
  }
}
