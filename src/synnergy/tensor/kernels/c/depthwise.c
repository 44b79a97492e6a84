/* Convolutions over rows and columns whose groups have one channel: each plane of output sees one
 * plane of input. Lanes are columns. */
#include "conv.h"

/* Write VL columns of a few rows of one filter's plane, y. */
INLINE void write_rows(const Geometry *g, const Finish *f, vf sum[PLANE_ROWS], float *y, int64_t image, int64_t filter,
                       int64_t row, int64_t bottom, int64_t column) {
  int64_t width = g->out[2], count = least(VL, width - column);
  int together = f->simple && !f->residual.x;
  if (together) finish_values(f, PLANE_ROWS, sum, 0, image, filter, 0);
  for (int64_t i = 0; i < least(PLANE_ROWS, bottom - row); i++) {
    int64_t pixel = (row + i) * width + column;
    if (!together) finish_values(f, 1, sum + i, count, image, filter, pixel);
    /* What a narrow row leaves beyond its end, the next row of the band overwrites. */
    if (bottom * width - pixel >= VL) store_vf(y + pixel, sum[i]);
    else write_lanes(y + pixel, sum[i], count);
  }
}

/* Rows top..bottom of one filter's plane, y, by any kernel, from copies of the input. */
static void depthwise_any(const Geometry *g, const Finish *f, const Plane *plane, const int32_t *places,
                          const float *copy, const float *weights, float *y, int64_t image, int64_t filter, int64_t top,
                          int64_t bottom) {
  int64_t step = g->strides[1] * plane->columns;
  for (int64_t row = top; row < bottom; row += PLANE_ROWS)
    for (int64_t next = 0; next < g->out[2]; next += VL) {
      int64_t column = most(0, least(next, g->out[2] - VL)); /* the last vector may repeat columns */
      const float *from = copy + (row - top) * step + column;
      vf sum[PLANE_ROWS];
      EVERY(int i = 0; i < PLANE_ROWS; i++) sum[i] = (vf)0.0f;
      for (int64_t k = 0; k < g->terms; k++)
        EVERY(int i = 0; i < PLANE_ROWS; i++)
          sum[i] = fma_vf(load_vf(from + places[k] + i * step), (vf)weights[k], sum[i]);
      write_rows(g, f, sum, y, image, filter, row, bottom, column);
    }
}

/* The kernels of 3 x 3 elements with strides of 1 or 2 read the input where it lies; lanes beyond
 * its left and right end are masked, and rows above and below it are a row of zeros. */
typedef struct {
  int64_t reach, slot; /* floats read from a row's begin on; floats of a row's copy */
  vi *masks;           /* for each vector of columns, for each column of the kernel */
  float *zeros, *copies;
  const float **rows; /* where the rows lie that a band reads */
} Three;

static Three three_of(const Geometry *g, int64_t band, void *scratch) {
  int64_t vectors = parts_of(g->out[2], VL), stride = g->strides[2], before = g->before[2];
  Three t = {.reach = stride * (most(g->out[2], VL) + 1) + VL, .masks = scratch};
  t.slot = t.reach + before;
  t.rows = (const float **)(t.masks + 3 * vectors);
  t.zeros = (float *)(t.rows + (band + PLANE_ROWS) * stride + 3) + before;
  t.copies = t.zeros + t.slot;
  for (int64_t i = -before; i < t.reach; i++) t.zeros[i] = 0.0f;
  for (int64_t v = 0; v < vectors; v++)
    for (int64_t s = 0; s < 3; s++)
      for (int64_t i = 0; i < VL; i++) {
        int64_t column = (most(0, least(v * VL, g->out[2] - VL)) + i) * stride + s - before;
        ((int32_t *)(t.masks + 3 * v + s))[i] = column >= 0 && column < g->in[2] ? -1 : 0;
      }
  return t;
}

/* The inputs of VL columns for the three columns of the kernel. */
INLINE void three_columns(int stride, const float *x, const vi masks[3], vf column[3]) {
  if (stride == 1) {
    EVERY(int s = 0; s < 3; s++) column[s] = load_vf(x + s);
  } else {
    vf a = load_vf(x), b = load_vf(x + VL);
    column[0] = EVEN_LANES(a, b), column[1] = ODD_LANES(a, b);
    a = load_vf(x + 2), b = load_vf(x + VL + 2);
    column[2] = EVEN_LANES(a, b);
  }
  EVERY(int s = 0; s < 3; s++) column[s] = (vf)((vi)column[s] & masks[s]);
}

/* Find the rows that output rows top.. read: those that whole vectors would read beyond the
 * tensor, which begins at `first` and ends at `limit`, are copied. */
static void find_rows(const Geometry *g, const Three *t, const float *plane, const float *first, const float *limit,
                      int64_t top, int64_t bottom) {
  float *copy = t->copies;
  int64_t stride = g->strides[1], row = top * stride - g->before[1];
  int64_t count = parts_of(bottom - top, PLANE_ROWS) * PLANE_ROWS * stride + 3 - stride;
  for (int64_t i = 0; i < count; i++, row++) {
    const float *from = plane + row * g->in[2];
    if (row < 0 || row >= g->in[1]) {
      from = t->zeros;
    } else if (from - g->before[2] < first || from + t->reach > limit) {
      for (int64_t j = 0; j < g->in[2]; j++) copy[j] = from[j];
      from = copy;
      copy += t->slot;
    }
    t->rows[i] = from;
  }
}

INLINE void depthwise_three(int stride, const Geometry *g, const Finish *f, const Three *t, const float *weights,
                            float *y, int64_t image, int64_t filter, int64_t top, int64_t bottom) {
  vf weight[9], factor = (vf)*operand_of(&f->factor, image, filter, 0);
  vf shift = (vf)*operand_of(&f->shift, image, filter, 0), low = (vf)f->low, high = (vf)f->high;
  int together = f->simple && !f->residual.x;
  int64_t width = g->out[2];
  EVERY(int k = 0; k < 9; k++) weight[k] = (vf)weights[k];
  for (int64_t v = 0; v * VL < width; v++) {
    int64_t column = most(0, least(v * VL, width - VL)); /* the last vector may repeat columns */
    int64_t left = column * stride - g->before[2];
    vi masks[3] = {t->masks[3 * v], t->masks[3 * v + 1], t->masks[3 * v + 2]};
    const float *const *rows = t->rows;
    for (int64_t row = top; row < bottom; row += PLANE_ROWS, rows += PLANE_ROWS * stride) {
      vf sum[PLANE_ROWS];
      EVERY(int i = 0; i < PLANE_ROWS; i++) sum[i] = (vf)0.0f;
      EVERY(int i = 0; i < (PLANE_ROWS - 1) * stride + 3; i++) {
        vf x[3];
        three_columns(stride, rows[i] + left, masks, x);
        EVERY(int o = 0; o < PLANE_ROWS; o++)
          if (i >= o * stride && i < o * stride + 3)
            EVERY(int s = 0; s < 3; s++) sum[o] = fma_vf(x[s], weight[(i - o * stride) * 3 + s], sum[o]);
      }
      int64_t after = bottom - row - PLANE_ROWS;
      if (together && after >= 0 && (width >= VL || after * width >= VL)) { /* as write_rows, in short */
        EVERY(int i = 0; i < PLANE_ROWS; i++) {
          vf value = operate(HIGH_BOUND, operate(LOW_BOUND, sum[i] * factor + shift, low), high);
          store_vf(y + (row + i) * width + column, value);
        }
      } else {
        write_rows(g, f, sum, y, image, filter, row, bottom, column);
      }
    }
  }
}

/* y, x, weights, rows of output in a band, unused, scratch memory, geometry's words (axes of depth
 * are 1, terms <= BLOCK), finish's words. */
void CONV_DEPTHWISE_F32(const Context *context, const int64_t *args) {
  Geometry g = geometry_of(args + 6);
  Finish f = finish_of(context, args + 6 + GEOMETRY_WORDS);
  int64_t whole = g.in[1] * g.in[2], stride = g.strides[1];
  const float *x = at(context, args[1]), *limit = x + g.images * g.groups * whole;
  float *y = at(context, args[0]);
  int three = g.kernel[1] == 3 && g.kernel[2] == 3 && g.dilations[1] == 1 && g.dilations[2] == 1 && stride <= 2 &&
              g.strides[2] == stride && g.before[2] <= 2;
  int32_t *places = at(context, args[5]);
  Plane plane = {.band = args[3], .bands = parts_of(g.out[1], args[3])};
  Three t;
  if (three) t = three_of(&g, plane.band, places);
  else plane = plane_of(&g, args[3], places);
  float *copy = (float *)(places + g.terms);
  Range part = share(context, g.images * g.groups * plane.bands, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t number = item / plane.bands, top = item % plane.bands * plane.band;
    int64_t bottom = least(g.out[1], top + plane.band), group = number % g.groups, image = number / g.groups;
    if (three) find_rows(&g, &t, x + number * whole, x, limit, top, bottom);
    else copy_plane(&g, &plane, x + number * whole, top, bottom, 0.0f, limit, copy);
    for (int64_t m = 0; m < g.filters; m++) {
      int64_t filter = group * g.filters + m;
      const float *weights = (const float *)at(context, args[2]) + filter * g.terms;
      float *to = y + (number * g.filters + m) * g.pixels;
      if (!three)
        depthwise_any(&g, &f, &plane, places, copy, weights, to, image, filter, top, bottom);
      else if (stride == 1)
        depthwise_three(1, &g, &f, &t, weights, to, image, filter, top, bottom);
      else
        depthwise_three(2, &g, &f, &t, weights, to, image, filter, top, bottom);
    }
  }
}
