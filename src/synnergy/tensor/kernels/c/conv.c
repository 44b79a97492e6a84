/* Convolutions of float32 over up to three axes, in the order of TENSOR-10 and TENSOR-17.
 *
 * Two ways with the same bits: CONV_LANES holds filters in the lanes of vectors and reads each
 * pixel's input where it lies (in a padded copy where windows reach into padding); CONV_ROWS
 * holds pixels in the lanes and copies patches into panels first. The first has little to copy,
 * the second wastes no lanes on few filters and has its results in their order.
 */
#include "conv.h"

/* packed, weights, groups, filters of a group, terms, packed floats of a group: panels of nearly
 * equal numbers of vectors; in each, for each term, its filters side by side. */
void CONV_PACK_F32(const Context *context, const int64_t *args) {
  int64_t groups = args[2], filters = args[3], terms = args[4];
  int64_t vectors = parts_of(filters, VL), panels = parts_of(vectors, NV);
  Range part = share(context, groups * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    Range range = part_of(vectors, panels, item % panels);
    int64_t left = range.begin * VL, width = (range.end - range.begin) * VL;
    float *packed = (float *)at(context, args[0]) + item / panels * args[5] + left * terms;
    const float *weights = (const float *)at(context, args[1]) + item / panels * filters * terms;
    for (int64_t k = 0; k < terms; k++)
      for (int64_t j = 0; j < width; j++)
        packed[k * width + j] = left + j < filters ? weights[(left + j) * terms + k] : 0.0f;
  }
}

/* Sums of one block for `rows` pixels and nv vectors of filters. A pixel's input of term k lies
 * at its place + terms[k]. */
INLINE void lanes_tile(int rows, int nv, const float *x, const int32_t *places, const int32_t *terms,
                       const float *weights, int64_t depth, float *sums, int first) {
  vf sum[MR][NV];
  const float *pixel[MR];
  EVERY(int i = 0; i < rows; i++) {
    pixel[i] = x + places[i];
    EVERY(int j = 0; j < nv; j++) sum[i][j] = (vf)0.0f;
  }
  for (int64_t k = 0; k < depth; k++) {
    vf row[NV];
    int64_t term = terms[k];
    EVERY(int j = 0; j < nv; j++) row[j] = load_vf(weights + (k * nv + j) * VL);
    EVERY(int i = 0; i < rows; i++) {
      vf value = (vf)pixel[i][term];
      EVERY(int j = 0; j < nv; j++) sum[i][j] = fma_vf(value, row[j], sum[i][j]);
    }
  }
  EVERY(int i = 0; i < rows; i++) EVERY(int j = 0; j < nv; j++) {
    float *place = sums + (i * nv + j) * VL;
    store_vf(place, first ? sum[i][j] : load_vf(place) + sum[i][j]);
  }
}

typedef void LanesTile(const float *, const int32_t *, const int32_t *, const float *, int64_t, float *, int);
#define LANES_TILE(rows, nv)                                                                                         \
  static void lanes_##rows##_##nv(const float *x, const int32_t *places, const int32_t *terms, const float *weights, \
                                  int64_t depth, float *sums, int first) {                                           \
    lanes_tile(rows, nv, x, places, terms, weights, depth, sums, first);                                             \
  }
#define LANES_NAMED(rows, nv) [nv - 1][rows - 1] = lanes_##rows##_##nv,
ROWS(LANES_TILE, 1)
ROWS(LANES_TILE, 2)
#if NV == 3
ROWS(LANES_TILE, 3)
#endif
static LanesTile *const LANES_TILES[NV][MR] = {
  ROWS(LANES_NAMED, 1)
  ROWS(LANES_NAMED, 2)
#if NV == 3
  ROWS(LANES_NAMED, 3)
#endif
};

/* Channels of a group with their padding, rows `top`.. of `height` for each depth: x's own
 * strides become those of this copy. */
static void copy_padded(const Geometry *g, const float *x, float *copy, int64_t top, const int64_t size[3]) {
  for (int64_t c = 0; c < g->channels; c++)
    for (int64_t d = 0; d < size[0]; d++)
      for (int64_t h = 0; h < size[1]; h++, copy += size[2]) {
        int64_t depth = d - g->before[0], row = h + top - g->before[1];
        if (depth < 0 || depth >= g->in[0] || row < 0 || row >= g->in[1]) {
          for (int64_t w = 0; w < size[2]; w++) copy[w] = 0.0f;
          continue;
        }
        const float *from = x + ((c * g->in[0] + depth) * g->in[1] + row) * g->in[2];
        int64_t left = g->before[2], right = least(size[2], left + g->in[2]);
        for (int64_t w = 0; w < left; w++) copy[w] = 0.0f;
        for (int64_t w = left; w < right; w++) copy[w] = from[w - left];
        for (int64_t w = most(right, left); w < size[2]; w++) copy[w] = 0.0f;
      }
}

/* VL filters from `filter` on, held by lane for each of `count` <= VL pixels, `stride` floats from
 * pixel to pixel: turned, finished, and written to y, the place of the first in the result. */
static void finish_square(const Finish *f, const float *sums, int64_t stride, float *y, int64_t count, int64_t image,
                          int64_t filter, int64_t filters, int64_t pixel, int64_t pixels) {
  vf square[VL];
  EVERY(int i = 0; i < VL; i++) square[i] = load_vf(sums + least(i, count - 1) * stride);
  if (f->simple && filters == VL && count == VL) {
    const float *factors = operand_of(&f->factor, image, filter, 0), *shifts = operand_of(&f->shift, image, filter, 0);
    vf factor = f->factor.filter ? load_vf(factors) : (vf)*factors;
    vf shift = f->shift.filter ? load_vf(shifts) : (vf)*shifts, low = (vf)f->low, high = (vf)f->high;
    EVERY(int i = 0; i < VL; i++) square[i] = square[i] * factor + shift;
    transpose_vf(square);
    if (f->residual.x)
      EVERY(int j = 0; j < VL; j++) square[j] += load_vf(operand_of(&f->residual, image, filter + j, pixel));
    EVERY(int j = 0; j < VL; j++)
      store_vf(y + j * pixels, operate(HIGH_BOUND, operate(LOW_BOUND, square[j], low), high));
    return;
  }
  transpose_vf(square);
  float turned[VL * VL];
  EVERY(int i = 0; i < VL; i++) store_vf(turned + i * VL, square[i]);
  for (int64_t j = 0; j < filters; j++) {
    vf v = load_vf(turned + j * VL);
    finish_row(f, 1, &v, y + j * pixels, count, image, filter + j, pixel);
  }
}

/* y, x, packed weights, rows of output in a band (of one image, or of several whole ones), packed
 * floats of a group, scratch memory, geometry's words, finish's words. */
void CONV_LANES_F32(const Context *context, const int64_t *args) {
  float *y = at(context, args[0]);
  const float *x = at(context, args[1]);
  Geometry g = geometry_of(args + 6);
  Finish f = finish_of(context, args + 6 + GEOMETRY_WORDS);
  int64_t rows = g.out[0] * g.out[1], images = most(1, args[3] / rows), band = least(args[3], rows);
  int64_t bands = parts_of(rows, band) * parts_of(g.images, images), vectors = parts_of(g.filters, VL);
  int64_t panels = parts_of(vectors, NV), whole = g.in[0] * g.in[1] * g.in[2];
  int64_t splits = least(panels, parts_of(2 * context->threads - 1, bands * g.groups));
  int64_t size[3], largest = images * band * g.out[2];
  for (int axis = 0; axis < 3; axis++) {
    int64_t count = axis == 1 && band < rows ? band : g.out[axis];
    size[axis] = g.padded ? (count - 1) * g.strides[axis] + (g.kernel[axis] - 1) * g.dilations[axis] + 1 : g.in[axis];
  }
  int64_t volume = size[0] * size[1] * size[2];
  float *sums = at(context, args[5]);
  int32_t *terms = (int32_t *)(sums + largest * NR), *places = terms + g.terms;
  float *copy = (float *)(places + largest);
  int32_t *term = terms;
  for (int64_t c = 0; c < g.channels; c++)
    for (int64_t d = 0; d < g.kernel[0]; d++)
      for (int64_t h = 0; h < g.kernel[1]; h++)
        for (int64_t w = 0; w < g.kernel[2]; w++)
          *term++ = (int32_t)(c * volume + (d * g.dilations[0] * size[1] + h * g.dilations[1]) * size[2] +
                              w * g.dilations[2]);
  Range part = share(context, bands * g.groups * splits, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t group = item / splits % g.groups, index = item / splits / g.groups;
    int64_t image = index / parts_of(rows, band) * images, top = index % parts_of(rows, band) * band;
    int64_t bottom = least(rows, top + band), count = least(images, g.images - image), pixels = 0;
    const float *input = x + (image * g.groups + group) * g.channels * whole;
    for (int64_t n = 0; n < count; n++) {
      int64_t base = n * g.channels * volume;
      if (g.padded) {
        copy_padded(&g, input + n * g.groups * g.channels * whole, copy + base,
                    band < rows ? top * g.strides[1] : 0, size);
      } else {
        base *= g.groups;
      }
      for (int64_t r = top; r < bottom; r++) {
        int64_t depth = r / g.out[1], row = r % g.out[1] - (g.padded && band < rows ? top : 0);
        int64_t place = base + (depth * g.strides[0] * size[1] + row * g.strides[1]) * size[2];
        for (int64_t w = 0; w < g.out[2]; w++) places[pixels++] = (int32_t)(place + w * g.strides[2]);
      }
    }
    if (g.padded) input = copy;
    int64_t strips = parts_of(pixels, MR), each = pixels / count;
    Range panel_part = part_of(panels, splits, item % splits);
    for (int64_t panel = panel_part.begin; panel < panel_part.end; panel++) {
      Range range = part_of(vectors, panels, panel);
      int64_t nv = range.end - range.begin, left = range.begin * VL;
      const float *weights = (const float *)at(context, args[2]) + group * args[4] + left * g.terms;
      for (int64_t begin = 0; begin < g.terms; begin += BLOCK)
        for (int64_t strip = 0; strip < strips; strip++) {
          Range pixel = part_of(pixels, strips, strip);
          LANES_TILES[nv - 1][pixel.end - pixel.begin - 1](input, places + pixel.begin, terms + begin,
                                                   weights + begin * nv * VL, least(BLOCK, g.terms - begin),
                                                   sums + pixel.begin * nv * VL, begin == 0);
        }
      for (int64_t n = 0; n < count; n++)
        for (int64_t j = 0; j < nv; j++) {
          int64_t lane = left + j * VL, filter = group * g.filters + lane, start = top * g.out[2];
          float *place = y + ((image + n) * g.groups * g.filters + filter) * g.pixels + start;
          for (int64_t next = 0; next < each; next += VL) {
            int64_t p = most(0, least(next, each - VL)); /* the last square may repeat pixels */
            finish_square(&f, sums + ((n * each + p) * nv + j) * VL, nv * VL, place + p, least(VL, each - p),
                          image + n, filter, least(VL, g.filters - lane), start + p, g.pixels);
          }
        }
    }
  }
}

/* Neighbouring pixels of a panel that lie in one row of output. */
typedef struct {
  const float *x; /* the first channel of this group in the image */
  int64_t depth, row, column, length, lane;
} Run;

/* Patches of terms begin..end for the runs of a panel: for each term NR pixels. */
static void copy_patches(const Geometry *g, const Run *runs, int64_t count, int64_t begin, int64_t end,
                         const float *limit, float *patches) {
  int64_t w = begin % g->kernel[2], h = begin / g->kernel[2] % g->kernel[1];
  int64_t d = begin / g->kernel[2] / g->kernel[1] % g->kernel[0];
  int64_t c = begin / g->kernel[2] / g->kernel[1] / g->kernel[0];
  for (int64_t k = begin; k < end; k++, patches += NR) {
    for (const Run *run = runs; run < runs + count; run++) {
      int64_t depth = run->depth + d * g->dilations[0], row = run->row + h * g->dilations[1];
      int64_t column = run->column + w * g->dilations[2];
      if (depth < 0 || depth >= g->in[0] || row < 0 || row >= g->in[1]) {
        fill_run(patches + run->lane, run->length, 0.0f);
        continue;
      }
      const float *source = run->x + ((c * g->in[0] + depth) * g->in[1] + row) * g->in[2] + column;
      copy_run(patches + run->lane, source, span_of(column, run->length, g->strides[2], g->in[2]), run->length,
               g->strides[2], 0.0f, limit);
    }
    if (++w < g->kernel[2]) continue;
    w = 0;
    if (++h < g->kernel[1]) continue;
    h = 0;
    if (++d < g->kernel[0]) continue;
    d = 0, c++;
  }
}

/* Where a tile's finished results go, and the simple operations on them: pointers for its first
 * filter and pixel, how far the next filter is, and how many pixels are wanted. */
typedef struct {
  float *y;
  const float *factor, *shift, *residual;
  int64_t factor_step, shift_step, residual_step, pixels, width;
  vf low, high;
} Target;

/* All terms of `rows` filters and nv vectors of pixels; b holds the patches, ldb apart. */
INLINE void rows_tile(int rows, int nv, const float *weights, int64_t terms, const float *b, int64_t ldb,
                      const Target *t) {
  vf sum[MR][NV];
  EVERY(int i = 0; i < rows; i++) EVERY(int j = 0; j < nv; j++) sum[i][j] = (vf)0.0f;
  for (int64_t k = 0; k < terms; k++, b += ldb) {
    vf row[NV];
    EVERY(int j = 0; j < nv; j++) row[j] = load_vf(b + j * VL);
    EVERY(int i = 0; i < rows; i++) {
      vf value = (vf)weights[i * terms + k];
      EVERY(int j = 0; j < nv; j++) sum[i][j] = fma_vf(value, row[j], sum[i][j]);
    }
  }
  EVERY(int i = 0; i < rows; i++) {
    vf factor = (vf)t->factor[i * t->factor_step], shift = (vf)t->shift[i * t->shift_step];
    EVERY(int j = 0; j < nv; j++) {
      int64_t place = i * t->pixels + j * VL, count = j < nv - 1 ? VL : t->width - j * VL;
      vf v = sum[i][j] * factor + shift;
      if (t->residual) v += read_lanes(t->residual + i * t->residual_step + j * VL, count);
      write_lanes(t->y + place, operate(HIGH_BOUND, operate(LOW_BOUND, v, t->low), t->high), count);
    }
  }
}

typedef void RowsTile(const float *, int64_t, const float *, int64_t, const Target *);
#define ROWS_TILE(rows, nv)                                                                                      \
  static void rows_##rows##_##nv(const float *weights, int64_t terms, const float *b, int64_t ldb, const Target *t) { \
    rows_tile(rows, nv, weights, terms, b, ldb, t);                                                              \
  }
#define ROWS_NAMED(rows, nv) [nv - 1][rows - 1] = rows_##rows##_##nv,
ROWS(ROWS_TILE, 1)
ROWS(ROWS_TILE, 2)
#if NV == 3
ROWS(ROWS_TILE, 3)
#endif
static RowsTile *const ROWS_TILES[NV][MR] = {
  ROWS(ROWS_NAMED, 1)
  ROWS(ROWS_NAMED, 2)
#if NV == 3
  ROWS(ROWS_NAMED, 3)
#endif
};

/* Finished sums of one filter for `width` pixels from number `left` of all images' on. */
static void finish_pixels(const Geometry *g, const Finish *f, const float *sums, float *y, int64_t left, int64_t width,
                          int64_t filter) {
  int64_t image = left / g->pixels, pixel = left % g->pixels;
  for (int64_t done = 0, count; done < width; done += count, image++, pixel = 0) {
    count = least(width - done, g->pixels - pixel);
    float *place = y + (image * g->groups * g->filters + filter) * g->pixels + pixel;
    for (int64_t i = 0; i < count; i += NR) {
      vf v[NV];
      EVERY(int j = 0; j < NV; j++) v[j] = load_vf(sums + done + i + j * VL);
      finish_row(f, NV, v, place + i, count - i, image, filter, pixel + i);
    }
  }
}

/* The runs of a panel that begins at pixel number `left` of all images. */
static int64_t runs_of(const Geometry *g, const float *x, int64_t left, int64_t width, Run *runs) {
  int64_t count = 0;
  for (int64_t lane = 0; lane < width; lane += runs[count++].length) {
    int64_t pixel = (left + lane) % g->pixels, image = (left + lane) / g->pixels, column = pixel % g->out[2];
    int64_t row = pixel / g->out[2];
    runs[count] = (Run){x + image * g->groups * g->channels * g->in[0] * g->in[1] * g->in[2],
                        row / g->out[1] * g->strides[0] - g->before[0],
                        row % g->out[1] * g->strides[1] - g->before[1],
                        column * g->strides[2] - g->before[2],
                        least(width - lane, g->out[2] - column),
                        lane};
  }
  return count;
}

#define FEW_FILTERS 32

/* The arguments of CONV_LANES_F32, but weights as they are, panels of pixels that are computed
 * together (1 where there's more than one block of terms) instead of a band, and no packed floats.
 * A filter's results for several panels are written in one go: their rows may lie far apart. */
void CONV_ROWS_F32(const Context *context, const int64_t *args) {
  float *y = at(context, args[0]);
  const float *x = at(context, args[1]);
  Geometry g = geometry_of(args + 6);
  Finish f = finish_of(context, args + 6 + GEOMETRY_WORDS);
  int64_t together = args[3], wide = together * NR, total = g.images * g.pixels, strips = parts_of(g.filters, MR);
  /* Panels stay within one image, unless images are smaller than a panel. */
  int64_t unit = g.pixels >= NR ? g.pixels : total, unit_bands = parts_of(unit, wide), bands = total / unit * unit_bands;
  int64_t splits = least(strips, parts_of(2 * context->threads - 1, bands * g.groups));
  int64_t whole = g.channels * g.in[0] * g.in[1] * g.in[2], single = g.terms <= BLOCK;
  const float *limit = x + g.images * g.groups * whole;
  float *sums = at(context, args[5]), *patches = sums + ((single ? MR : g.filters) + 1) * wide;
  int point = g.filters <= FEW_FILTERS && g.kernel[0] * g.kernel[1] * g.kernel[2] == 1 && g.in[2] == g.pixels &&
              g.out[2] == g.pixels && !g.padded;
  Run runs[NR];
  Range part = share(context, bands * g.groups * splits, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t group = item / splits % g.groups, index = item / splits / g.groups, end = (index / unit_bands + 1) * unit;
    int64_t left = end - unit + index % unit_bands * wide, width = least(wide, end - left);
    Range strip = part_of(strips, splits, item % splits);
    /* Within one image, tiles finish their results themselves, and where the windows are single
     * elements and few filters would make up for copies they read the input where it lies. */
    int64_t image = left / g.pixels, pixel = left % g.pixels;
    const float *input = x + (image * g.groups + group) * whole;
    int direct = single && f.simple && pixel + width <= g.pixels;
    int in_place = direct && point && input + (g.channels - 1) * g.pixels + pixel + parts_of(width, VL) * VL <= limit;
    for (int64_t begin = 0; begin < g.terms; begin += BLOCK) {
      int64_t depth = least(BLOCK, g.terms - begin), last = begin + depth == g.terms;
      for (int64_t panel = 0; panel < width && !in_place; panel += NR) {
        int64_t count = runs_of(&g, x + group * whole, left + panel, least(NR, width - panel), runs);
        copy_patches(&g, runs, count, begin, begin + depth, limit, patches + panel * depth);
      }
      for (int64_t s = strip.begin; s < strip.end; s++) {
        Range range = part_of(g.filters, strips, s);
        const float *weights = (const float *)at(context, args[2]) + (group * g.filters + range.begin) * g.terms;
        if (direct) {
          int64_t filter = group * g.filters + range.begin;
          for (int64_t panel = 0; panel < width; panel += NR) {
            int64_t at_pixel = pixel + panel, count = least(NR, width - panel);
            Target t = {.y = y + (image * g.groups * g.filters + filter) * g.pixels + at_pixel,
                        .factor = operand_of(&f.factor, image, filter, 0),
                        .shift = operand_of(&f.shift, image, filter, 0),
                        .residual = f.residual.x ? operand_of(&f.residual, image, filter, at_pixel) : NULL,
                        .factor_step = f.factor.filter,
                        .shift_step = f.shift.filter,
                        .residual_step = f.residual.filter,
                        .pixels = g.pixels,
                        .width = count,
                        .low = (vf)f.low,
                        .high = (vf)f.high};
            const float *b = in_place ? input + at_pixel : patches + panel * depth;
            ROWS_TILES[parts_of(count, VL) - 1][range.end - range.begin - 1](weights, g.terms, b,
                                                                          in_place ? g.pixels : NR, &t);
          }
          continue;
        }
        float *own = single ? sums : sums + range.begin * wide;
        for (int64_t panel = 0; panel < width; panel += NR)
          multiply_panel(weights + begin, g.terms, patches + panel * depth, NR, depth, own + panel, wide,
                         range.end - range.begin, (least(NR, width - panel) + VL - 1) / VL * VL, begin == 0);
        for (int64_t i = range.begin; i < range.end && last; i++)
          finish_pixels(&g, &f, own + (i - range.begin) * wide, y, left, width, group * g.filters + i);
      }
    }
  }
}
