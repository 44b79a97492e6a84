/* Matrix products in the order of TENSOR-10.
 *
 * B is packed into panels of NR columns: for each block of 256 rows, for each panel, `depth` rows
 * of NR values. A tile of MR x NR results is held in registers while one block of k runs.
 */
#include "kernels.h"

enum { BLOCK = 256 };
#if VL == 16
#define MR 8
#define NV 3
#elif VL == 8
#define MR 6
#define NV 2
#else
#define MR 4
#define NV 3
#endif
#define NR (NV * VL)

/* packed, b, k, n, row stride, column stride, batch, b's batch stride, packed batch stride. */
void PACK_B_F32(const Context *context, const int64_t *args) {
  int64_t k = args[2], n = args[3], rows = args[4], columns = args[5];
  int64_t panels = (n + NR - 1) / NR;
  Range part = share(context, panels * args[6], 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t batch = item / panels, panel = item % panels;
    float *packed = (float *)at(context, args[0]) + batch * args[8];
    const float *b = (const float *)at(context, args[1]) + batch * args[7];
    for (int64_t begin = 0; begin < k; begin += BLOCK) {
      int64_t depth = least(BLOCK, k - begin);
      float *out = packed + begin * panels * NR + panel * depth * NR;
      for (int64_t i = 0; i < depth; i++)
        for (int64_t j = 0; j < NR; j++) {
          int64_t column = panel * NR + j;
          out[i * NR + j] = column < n ? b[(begin + i) * rows + column * columns] : 0.0f;
        }
    }
  }
}

#define UNROLL _Pragma("clang loop unroll(full)")

static inline __attribute__((always_inline)) void tile(int rows, const float *a, int64_t lda, int64_t cda,
                                                       const float *packed, int64_t depth, float *c, int64_t ldc,
                                                       int64_t width, int first) {
  vf sum[MR][NV];
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < NV; j++) sum[i][j] = (vf)0.0f;
  for (int64_t k = 0; k < depth; k++) {
    vf row[NV];
    UNROLL for (int j = 0; j < NV; j++) row[j] = load_vf(packed + k * NR + j * VL);
    UNROLL for (int i = 0; i < rows; i++) {
      vf value = (vf)a[i * lda + k * cda];
      UNROLL for (int j = 0; j < NV; j++) sum[i][j] = fma_vf(value, row[j], sum[i][j]);
    }
  }
  if (width >= NR) {
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < NV; j++) {
      float *place = c + i * ldc + j * VL;
      store_vf(place, first ? sum[i][j] : load_vf(place) + sum[i][j]);
    }
    return;
  }
  float edge[NR];
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int j = 0; j < NV; j++) store_vf(edge + j * VL, sum[i][j]);
    for (int64_t j = 0; j < width; j++) c[i * ldc + j] = first ? edge[j] : c[i * ldc + j] + edge[j];
  }
}

typedef void Tile(const float *, int64_t, int64_t, const float *, int64_t, float *, int64_t, int64_t, int);
#define TILE(rows)                                                                                              \
  static void tile_##rows(const float *a, int64_t lda, int64_t cda, const float *packed, int64_t depth, float *c, \
                          int64_t ldc, int64_t width, int first) {                                              \
    tile(rows, a, lda, cda, packed, depth, c, ldc, width, first);                                               \
  }
TILE(1) TILE(2) TILE(3) TILE(4)
#if MR > 4
TILE(5) TILE(6)
#endif
#if MR > 6
TILE(7) TILE(8)
#endif
static Tile *const TILES[] = {NULL, tile_1, tile_2, tile_3, tile_4,
#if MR > 4
                              tile_5, tile_6,
#endif
#if MR > 6
                              tile_7, tile_8,
#endif
};

/* c, a, packed b, start or ABSENT, m, n, k, a's row and column stride, start's row and column
 * stride, batch, batch strides of a, packed b, c and start. c is contiguous. */
void MATMUL_F32(const Context *context, const int64_t *args) {
  int64_t m = args[4], n = args[5], k = args[6], lda = args[7], cda = args[8];
  int64_t panels = (n + NR - 1) / NR, strips = (m + MR - 1) / MR;
  int64_t groups = 8; /* strips that share a panel while it's in the cache */
  int64_t bands = (strips + groups - 1) / groups;
  Range part = share(context, args[11] * bands * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t batch = item / (bands * panels), band = item / panels % bands, panel = item % panels;
    const float *a = (const float *)at(context, args[1]) + batch * args[12];
    const float *packed = (const float *)at(context, args[2]) + batch * args[13];
    float *c = (float *)at(context, args[0]) + batch * args[14];
    const float *start = at_optional(context, args[3]);
    int64_t top = band * groups * MR, bottom = least(m, top + groups * MR), left = panel * NR;
    int64_t width = least(NR, n - left);
    if (start || !k)
      for (int64_t i = top; i < bottom; i++)
        for (int64_t j = left; j < left + width; j++)
          c[i * n + j] = start ? start[batch * args[15] + i * args[9] + j * args[10]] : 0.0f;
    for (int64_t begin = 0; begin < k; begin += BLOCK) {
      int64_t depth = least(BLOCK, k - begin);
      const float *b = packed + begin * panels * NR + panel * depth * NR;
      for (int64_t i = top; i < bottom; i += MR)
        TILES[least(MR, bottom - i)](a + i * lda + begin * cda, lda, cda, b, depth, c + i * n + left, n, width,
                                     !start && begin == 0);
    }
  }
}
