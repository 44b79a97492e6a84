/* Matrix products and convolutions of 8-bit integers. SHAPE-101, SHAPE-103 */
#include "int8.h"

/* packed, b, element type (I8, U8), matrices, stride from one to the next in b, columns, runs of a
 * column, positions of a run, channels of a position, stride of columns, runs, positions and
 * channels in b, bytes of a packed matrix. */
void INT8_PACK(const Context *context, const int64_t *args) {
  int64_t type = args[2], matrices = args[3], columns = args[5], runs = args[6], channels = args[8];
  int64_t terms = args[7] * channels, words = words_of(terms), panels = panels_of(columns);
  int32_t middle = type == U8 ? 128 : 0;
  Range part = share(context, matrices * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    Panel panel = panel_of(columns, item % panels);
    int64_t left = panel.left, width = panel.width, ldb = panel.padded;
    uint8_t *matrix = (uint8_t *)at(context, args[0]) + item / panels * args[13];
    const uint8_t *b = (const uint8_t *)at(context, args[1]) + item / panels * args[4] + left * args[9];
    int32_t *sums = (int32_t *)matrix + left;
    Packed *to = (Packed *)((int32_t *)matrix + sums_of(columns)) + left * runs * words * PER_WORD;
    memset(to, 0, (size_t)(4 * ldb * runs * words));
    for (int64_t j = 0; j < width; j++) sums[j] = 0;
    for (int64_t run = 0; run < runs; run++)
      for (int64_t k = 0; k < terms; k++) {
        const uint8_t *from = b + run * args[10] + k / channels * args[11] + k % channels * args[12];
        Packed *word = to + (run * words + k / PER_WORD) * ldb * PER_WORD;
        for (int64_t j = 0; j < width; j++) {
          int32_t value = element_of(type, from, j * args[9]) - middle;
          word[place_in_word(j, k % PER_WORD)] = (Packed)value;
          sums[j] += value;
        }
      }
  }
}

/* formed, a, element type, rows, terms of a row, zero point or ABSENT, its stride from row to row
 * (0 or 1), rows of a matrix: rows of `terms` in whole steps of four, what lies past them is any. */
void INT8_FORM_ROWS(const Context *context, const int64_t *args) {
  int64_t terms = args[4], apart = parts_of(terms, 4) * 4;
  const void *zeros = at_optional(context, args[5]);
  Range part = share(context, args[3], 1);
  for (int64_t row = part.begin; row < part.end; row++)
    form_run((Formed *)at(context, args[0]) + row * apart, (const uint8_t *)at(context, args[1]) + row * terms, terms,
             args[2], zeros, row % args[7] * args[6]);
}

/* Where INT8_MATMUL's arguments of the batch and of what follows stand. */
enum { INT8_FIXED = 21, INT8_STRIDES = 3 };

/* result, formed a, packed b, zero points of a or ABSENT, their element type and stride by row;
 * those of b or ABSENT where all are the middle (0 or 128), their type and stride by column; m, n,
 * k, the result's element type (I32, F32, I8, U8); for 8 bits: factor with its strides by row and
 * column, zero point of the result with its stride by row; bytes of a packed matrix, dimensions of
 * the batch, operations that follow (on F32 only, without a batch); for each dimension: size,
 * stride of a in matrices and of packed b in matrices; for each operation AFTER_WORDS. */
void INT8_MATMUL(const Context *context, const int64_t *args) {
  int64_t m = args[9], n = args[10], k = args[11], type = args[12], dimensions = args[19], matrices = 1;
  const int64_t *batch = args + INT8_FIXED, *after = batch + INT8_STRIDES * dimensions;
  for (int64_t d = 0; d < dimensions; d++) matrices *= batch[INT8_STRIDES * d];
  int64_t apart = parts_of(k, 4) * 4, panels = panels_of(n), bands = parts_of(m, 8 * MR), none = 0;
  const void *a_zeros = at_optional(context, args[3]), *zeros = at_optional(context, args[16]);
  const uint8_t *b_zeros = at_optional(context, args[6]);
  Range part = share(context, matrices * bands * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    Panel panel = panel_of(n, item % panels);
    int64_t index[MAX_DIMENSIONS], left = panel.left, width = panel.width, matrix = item / (panels * bands);
    int64_t top = item / panels % bands * 8 * MR, rows = least(8 * MR, m - top);
    const Formed *a = at(context, args[1]);
    const uint8_t *b = at(context, args[2]), *y = at(context, args[0]);
    place_in_batch(matrix, batch, INT8_STRIDES, dimensions, index);
    for (int64_t d = 0; d < dimensions; d++) {
      a += index[d] * batch[INT8_STRIDES * d + 1] * m * apart;
      b += index[d] * batch[INT8_STRIDES * d + 2] * args[18];
    }
    const Formed *lines[8 * MR];
    int32_t sums[8 * MR * NR];
    for (int64_t i = 0; i < rows; i++) lines[i] = a + (top + i) * apart;
    Correction correction = {
      .sums = (const int32_t *)b + left, .a_zeros = a_zeros, .a_type = args[4], .a_step = args[5],
      .b_zeros = b_zeros ? b_zeros + left * args[8] : NULL, .b_type = args[7], .b_step = args[8], .runs = 1, .terms = k,
    };
    dot_rows(&correction, lines, rows, &none, (const Packed *)((const int32_t *)b + sums_of(n)) + left * words_of(k) * PER_WORD,
             width, sums, top);
    int64_t place = (matrix * m + top) * n + left;
    float factors[NR];
    for (int64_t i = 0; i < rows; i++, place += n) {
      const int32_t *from = sums + i * NR;
      if (type == I32) {
        memcpy((int32_t *)y + place, from, (size_t)(4 * width));
      } else if (type == F32) {
        float *restrict to = (float *)y + place;
        for (int64_t j = 0; j < width; j++) to[j] = (float)from[j];
      } else {
        const float *factor = (const float *)at(context, args[13]) + (top + i) * args[14] + left * args[15];
        if (!i || args[14]) copy_factors(factors, factor, width, args[15]);
        requantise_row((uint8_t *)y + place, from, width, factors, type,
                       element_of(type, zeros, (top + i) * args[17]), 0);
      }
    }
    if (type == F32)
      finish(context, after, args[20], (float *)y + top * n + left, n, rows, width, top, left, index, 0);
  }
}

/* Columns of a row that are formed at once. */
enum { FORMED_COLUMNS = 1024 };

/* Where an item lies in rows of chunks of depths, and in which of what holds those. */
static int64_t split_item(int64_t item, int64_t depths, int64_t rows, int64_t chunks, int64_t place[3]) {
  place[2] = item % chunks, place[1] = item / chunks % rows, place[0] = item / chunks / rows % depths;
  return item / chunks / rows / depths;
}

/* formed, x, element type, zero point or ABSENT, scratch memory, size of each axis in windows'
 * reach, geometry's words: for each image and group depth, row, column, then channels side by
 * side, zero points all around. */
void INT8_FORM_WINDOWS(const Context *context, const int64_t *args) {
  Geometry g = geometry_of(args + 8);
  const int64_t *size = args + 5;
  int64_t type = args[2], channels = g.channels, plane = g.in[0] * g.in[1] * g.in[2];
  int64_t chunks = parts_of(size[2], FORMED_COLUMNS);
  const void *zeros = at_optional(context, args[3]);
  uint8_t zero = zeros ? *(const uint8_t *)zeros : 0;
  Range part = share(context, g.images * g.groups * size[0] * size[1] * chunks, 1);
  int64_t place[3], group = split_item(part.begin, size[0], size[1], chunks, place);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t row = place[1] - g.before[1], depth = place[0] - g.before[0];
    int64_t begin = place[2] * FORMED_COLUMNS, end = least(begin + FORMED_COLUMNS, size[2]);
    int64_t left = least(most(begin, g.before[2]), end), right = most(left, least(end, g.before[2] + g.in[2]));
    int64_t line = (group * size[0] + place[0]) * size[1] + place[1];
    Formed *to = (Formed *)at(context, args[0]) + (line * size[2] + begin) * channels;
    uint8_t *bytes = sizeof(Formed) == 1 ? (uint8_t *)to : at(context, args[4]);
    if (row < 0 || row >= g.in[1] || depth < 0 || depth >= g.in[0]) left = right = end;
    memset(bytes, zero, (size_t)((left - begin) * channels));
    if (left < right) {
      const uint8_t *x = (const uint8_t *)at(context, args[1]) + group * channels * plane +
                         (depth * g.in[1] + row) * g.in[2] + left - g.before[2];
      uint8_t *inner = bytes + (left - begin) * channels;
      if (channels == 1) memcpy(inner, x, (size_t)(right - left));
      else transpose_bytes(x, plane, inner, channels, channels, right - left, 0);
    }
    memset(bytes + (right - begin) * channels, zero, (size_t)((end - right) * channels));
    form_run(to, bytes, (end - begin) * channels, type, zeros, 0);
    if (++place[2] < chunks) continue;
    place[2] = 0;
    if (++place[1] < size[1]) continue;
    place[1] = 0;
    if (++place[0] < size[0]) continue;
    place[0] = 0, group++;
  }
}

/* The arguments that convolutions share. */
typedef struct {
  Geometry g;
  const Formed *formed;
  const void *a_zeros, *b_zeros;
  const int32_t *bias;
  const float *factor;
  const int64_t *size, *after;
  int64_t a_type, b_type, b_step, type, factor_step, follow;
  int32_t zero;
  uint8_t *y;
} Int8Conv;

enum { INT8_CONV_WORDS = 17 };

static Int8Conv int8_conv_of(const Context *context, const int64_t *args) {
  const int64_t *rest = args + INT8_CONV_WORDS + GEOMETRY_WORDS;
  const void *zero = at_optional(context, args[11]);
  return (Int8Conv){
    .g = geometry_of(args + INT8_CONV_WORDS), .y = at(context, args[0]), .formed = at(context, args[1]),
    .a_zeros = at_optional(context, args[3]), .a_type = args[4], .b_zeros = at_optional(context, args[5]),
    .b_type = args[6], .b_step = args[7], .bias = at_optional(context, args[8]), .type = args[9],
    .factor = at_optional(context, args[10]), .zero = zero ? element_of(args[9], zero, 0) : 0,
    .factor_step = args[12], .size = args + 14, .follow = rest[0], .after = rest + 1,
  };
}

/* y, formed x, packed weights, zero point of x or ABSENT, its element type; zero points of the
 * weights or ABSENT where all are the middle, their type and stride by filter; bias or ABSENT; the
 * result's element type; for 8 bits: factor, zero point of the result, the factor's stride by
 * filter; scratch memory, size of each axis in windows' reach, geometry's words, operations that
 * follow (on F32 only), for each AFTER_WORDS with filters as rows, pixels as columns and images as
 * the batch. The packed weights of a group begin with their size in bytes away from the last's. */
void INT8_CONV(const Context *context, const int64_t *args) {
  Int8Conv c = int8_conv_of(context, args);
  const Geometry *g = &c.g;
  int64_t *offsets = at(context, args[13]), channels = g->channels, line = c.size[2] * channels;
  int64_t whole = g->dilations[2] == 1 || g->kernel[2] == 1, positions = whole ? g->kernel[2] : 1, runs = 0;
  for (int64_t d = 0; d < g->kernel[0]; d++)
    for (int64_t h = 0; h < g->kernel[1]; h++)
      for (int64_t w = 0; w < g->kernel[2]; w += positions)
        offsets[runs++] = (d * g->dilations[0] * c.size[1] + h * g->dilations[1]) * line + w * g->dilations[2] * channels;
  int32_t *sums = (int32_t *)(offsets + runs), *turned = sums + 8 * MR * NR;
  int64_t terms = positions * channels, panels = panels_of(g->filters), bands = parts_of(g->pixels, 8 * MR);
  int64_t each = 4 * sums_of(g->filters) + 2 * runs * parts_of(terms, 4) * 4 * sums_of(g->filters);
  Range part = share(context, g->images * g->groups * panels * bands, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    Panel panel = panel_of(g->filters, item / bands % panels);
    int64_t top = item % bands * 8 * MR, rows = least(8 * MR, g->pixels - top), left = panel.left;
    int64_t plane = item / bands / panels, group = plane % g->groups, image = plane / g->groups;
    int64_t width = panel.width, filter = group * g->filters + left;
    const int32_t *b = (const int32_t *)((const uint8_t *)at(context, args[2]) + group * each);
    const Formed *lines[8 * MR], *x = c.formed + plane * c.size[0] * c.size[1] * line;
    for (int64_t i = 0; i < rows;) {
      int64_t w = (top + i) % g->out[2], row = (top + i) / g->out[2], h = row % g->out[1], d = row / g->out[1];
      const Formed *first = x + (d * g->strides[0] * c.size[1] + h * g->strides[1]) * line;
      for (int64_t end = least(rows, i + g->out[2] - w); i < end; i++, w++) lines[i] = first + w * g->strides[2] * channels;
    }
    Correction correction = {
      .sums = b + left, .bias = c.bias ? c.bias + filter : NULL, .a_zeros = c.a_zeros, .a_type = c.a_type,
      .b_zeros = c.b_zeros ? (const uint8_t *)c.b_zeros + filter * c.b_step : NULL, .b_type = c.b_type,
      .b_step = c.b_step, .runs = runs, .terms = terms,
    };
    dot_rows(&correction, lines, rows, offsets, (const Packed *)(b + sums_of(g->filters)) + left * runs * words_of(terms) * PER_WORD,
             width, sums, 0);
    int64_t place = (image * g->groups * g->filters + filter) * g->pixels + top;
    if (c.type == I32 || c.type == F32) {
      float *y = (float *)c.y + place;
      if (c.type == F32)
        for (int64_t i = 0; i < rows * NR; i++) ((float *)turned)[i] = (float)sums[i];
      copy_matrix((const float *)(c.type == F32 ? turned : sums), 1, NR, y, g->pixels, width, rows);
      if (c.type == F32) finish(context, c.after, c.follow, y, g->pixels, width, rows, filter, top, &image, 1);
    } else {
      float factors[NR];
      copy_factors(factors, c.factor + filter * c.factor_step, width, c.factor_step);
      for (int64_t i = 0; i < rows; i++)
        requantise_row((uint8_t *)turned + i * NR, sums + i * NR, width, factors, c.type, c.zero, 1);
      transpose_bytes((const uint8_t *)turned, NR, c.y + place, g->pixels, rows, width, 1);
    }
  }
}

#if VL == 16
#define PIXELS 4 /* vectors of pixels that are summed at once */
#else
#define PIXELS 6
#endif

/* VL elements, `stride` apart. */
INLINE vi formed_vi(const Formed *x, int64_t stride) {
  typedef Formed lanes __attribute__((ext_vector_type(VL)));
  if (stride == 1) {
    lanes v;
    memcpy(&v, x, sizeof v);
    return __builtin_convertvector(v, vi);
  }
  if (stride == 2 && sizeof(Formed) == 1) {
    vh pairs;
    memcpy(&pairs, x, sizeof pairs);
    return __builtin_convertvector(pairs & 0xff, vi);
  }
  vi v;
  if (stride == 2) {
    memcpy(&v, x, sizeof v);
    return v << 16 >> 16;
  }
  EVERY(int j = 0; j < VL; j++) v[j] = x[j * stride];
  return v;
}

/* sums = start + the products of `terms` weights with pixels `stride` apart, whose input of term k
 * lies at x + offsets[k]. */
INLINE void sum_pixels(int vectors, int64_t stride, int32_t *sums, const Formed *x, const int64_t *offsets,
                       const int32_t *weights, int64_t terms, int32_t start) {
  vi sum[PIXELS];
  EVERY(int j = 0; j < vectors; j++) sum[j] = (vi)start;
  for (int64_t k = 0; k < terms; k++) {
    const Formed *from = x + offsets[k];
    EVERY(int j = 0; j < vectors; j++) sum[j] += weights[k] * formed_vi(from + j * VL * stride, stride);
  }
  EVERY(int j = 0; j < vectors; j++) memcpy(sums + j * VL, &sum[j], sizeof(vi));
}

static void sum_row(int64_t vectors, int64_t stride, int32_t *sums, const Formed *x, const int64_t *offsets,
                    const int32_t *weights, int64_t terms, int32_t start) {
#define SUM(vectors, stride) sum_pixels(vectors, stride, sums, x, offsets, weights, terms, start)
#define CASE(vectors) \
  case vectors: stride == 1 ? SUM(vectors, 1) : stride == 2 ? SUM(vectors, 2) : SUM(vectors, stride); break;
  switch (vectors) {
    CASE(1) CASE(2) CASE(3) CASE(4)
#if PIXELS == 6
    CASE(5) CASE(6)
#endif
  }
#undef CASE
#undef SUM
}

/* INT8_CONV's arguments, with the weights as they are: where a group has few filters, pixels lie in
 * the lanes. What lies past a row's end is read in vectors of `stride` pixels. */
void INT8_CONV_PLANES(const Context *context, const int64_t *args) {
  Int8Conv c = int8_conv_of(context, args);
  const Geometry *g = &c.g;
  int64_t channels = g->channels, line = c.size[2] * channels, lines = g->out[0] * g->out[1], terms = 0;
  int64_t filters = g->groups * g->filters, planes = g->images * filters, stride = g->strides[2] * channels;
  int64_t bands = least(lines, parts_of(2 * context->threads - 1, planes)), vectors = parts_of(g->out[2], VL);
  int64_t *offsets = at(context, args[13]);
  for (int64_t channel = 0; channel < channels; channel++)
    for (int64_t d = 0; d < g->kernel[0]; d++)
      for (int64_t h = 0; h < g->kernel[1]; h++)
        for (int64_t w = 0; w < g->kernel[2]; w++)
          offsets[terms++] = (d * g->dilations[0] * c.size[1] + h * g->dilations[1]) * line +
                             w * g->dilations[2] * channels + channel;
  int32_t *weights = (int32_t *)(offsets + terms);
  Range part = share(context, planes * bands, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    Range rows = part_of(lines, bands, item % bands);
    int64_t plane = item / bands, image = plane / filters, filter = plane % filters, group = filter / g->filters;
    int32_t zero = c.b_zeros ? element_of(c.b_type, c.b_zeros, filter * c.b_step) : c.b_type == U8 ? 128 : 0;
    int32_t start = c.bias ? c.bias[filter] : 0, a_zero = zero_of(c.a_type, c.a_zeros, 0);
    for (int64_t k = 0; k < terms; k++) {
      weights[k] = element_of(c.b_type, at(context, args[2]), filter * terms + k) - zero;
      start -= a_zero * weights[k];
    }
    const Formed *x = c.formed + (image * g->groups + group) * c.size[0] * c.size[1] * line;
    float factors[PIXELS * VL];
    for (int64_t j = 0; j < PIXELS * VL; j++) factors[j] = c.factor ? c.factor[filter * c.factor_step] : 0.0f;
    int64_t depth = rows.begin / g->out[1], high = rows.begin % g->out[1];
    for (int64_t row = rows.begin; row < rows.end; row++, high++) {
      if (high == g->out[1]) depth++, high = 0;
      const Formed *from = x + (depth * g->strides[0] * c.size[1] + high * g->strides[1]) * line;
      for (int64_t vector = 0; vector < vectors; vector += PIXELS) {
        int64_t left = vector * VL, count = least(PIXELS * VL, g->out[2] - left);
        int32_t sums[PIXELS * VL];
        sum_row(least(PIXELS, vectors - vector), stride, sums, from + left * stride, offsets, weights, terms, start);
        int64_t pixel = row * g->out[2] + left, place = plane * g->pixels + pixel;
        if (c.type == I32) {
          memcpy((int32_t *)c.y + place, sums, (size_t)(4 * count));
        } else if (c.type == F32) {
          float *restrict y = (float *)c.y + place;
          for (int64_t i = 0; i < count; i++) y[i] = (float)sums[i];
          finish(context, c.after, c.follow, y, g->pixels, 1, count, filter, pixel, &image, 1);
        } else {
          requantise_row(c.y + place, sums, count, factors, c.type, c.zero, 0);
        }
      }
    }
  }
}
