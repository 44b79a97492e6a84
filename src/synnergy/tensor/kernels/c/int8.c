/* Matrix products and convolutions of 8-bit integers. SHAPE-101, SHAPE-103 */
#include "int8.h"

/* packed, b, element type (I8, U8), matrices, stride from one to the next in b, columns, runs of a
 * column, positions of a run, channels of a position, stride of columns, runs, positions and
 * channels in b, bytes of a packed matrix. */
void INT8_PACK(const Context *context, const int64_t *args) {
  int64_t type = args[2], matrices = args[3], columns = args[5], runs = args[6], channels = args[8];
  int64_t terms = args[7] * channels, words = words_of(terms), panels = parts_of(columns, NR);
  int32_t middle = type == U8 ? 128 : 0;
  Range part = share(context, matrices * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t left = item % panels * NR, width = least(NR, columns - left), ldb = padded(width);
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
  int64_t apart = parts_of(k, 4) * 4, panels = parts_of(n, NR), bands = parts_of(m, 8 * MR), none = 0;
  const void *a_zeros = at_optional(context, args[3]), *zeros = at_optional(context, args[16]);
  const uint8_t *b_zeros = at_optional(context, args[6]);
  Range part = share(context, matrices * bands * panels, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t index[MAX_DIMENSIONS], left = item % panels * NR, width = least(NR, n - left), matrix = item / (panels * bands);
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
    Correction correction = {(const int32_t *)b + left, b_zeros ? b_zeros + left * args[8] : NULL, args[7], args[8], 1, k};
    dot_rows(&correction, lines, rows, &none, (const Packed *)((const int32_t *)b + sums_of(n)) + left * words_of(k) * PER_WORD,
             width, sums, args[4], a_zeros, top, args[5]);
    int64_t place = (matrix * m + top) * n + left;
    for (int64_t i = 0; i < rows; i++, place += n) {
      const int32_t *from = sums + i * NR;
      if (type == I32) {
        memcpy((int32_t *)y + place, from, (size_t)(4 * width));
      } else if (type == F32) {
        float *restrict to = (float *)y + place;
        for (int64_t j = 0; j < width; j++) to[j] = (float)from[j];
      } else {
        const float *factor = (const float *)at(context, args[13]) + (top + i) * args[14] + left * args[15];
        requantise_row((uint8_t *)y + place, from, width, factor, args[15], type, element_of(type, zeros, (top + i) * args[17]));
      }
    }
    if (type == F32)
      finish(context, after, args[20], (float *)y + top * n + left, n, rows, width, top, left, index, 0);
  }
}

/* formed, x, element type, zero point or ABSENT, scratch memory, size of each axis in windows'
 * reach, geometry's words: for each image and group depth, row, column, then channels side by
 * side, zero points all around. */
void INT8_FORM_WINDOWS(const Context *context, const int64_t *args) {
  Geometry g = geometry_of(args + 8);
  const int64_t *size = args + 5;
  int64_t type = args[2], line = size[2] * g.channels, plane = g.in[0] * g.in[1] * g.in[2];
  const void *zeros = at_optional(context, args[3]);
  uint8_t zero = zeros ? *(const uint8_t *)zeros : 0, *bytes = at(context, args[4]);
  Range part = share(context, g.images * g.groups * size[0] * size[1], 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t row = item % size[1] - g.before[1], depth = item / size[1] % size[0] - g.before[0];
    int64_t left = least(g.before[2], size[2]), count = most(0, least(size[2] - left, g.in[2]));
    if (row < 0 || row >= g.in[1] || depth < 0 || depth >= g.in[0]) left = size[2], count = 0;
    memset(bytes, zero, (size_t)(left * g.channels));
    const uint8_t *x = (const uint8_t *)at(context, args[1]) + item / (size[0] * size[1]) * g.channels * plane;
    if (count) transpose_bytes(x + (depth * g.in[1] + row) * g.in[2], plane, bytes + left * g.channels, g.channels, g.channels, count);
    int64_t done = (left + count) * g.channels;
    memset(bytes + done, zero, (size_t)(line - done));
    form_run((Formed *)at(context, args[0]) + item * line, bytes, line, type, zeros, 0);
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
  int64_t terms = positions * channels, panels = parts_of(g->filters, NR), bands = parts_of(g->pixels, 8 * MR);
  int64_t each = 4 * sums_of(g->filters) + 2 * runs * parts_of(terms, 4) * 4 * sums_of(g->filters);
  Range part = share(context, g->images * g->groups * panels * bands, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t top = item % bands * 8 * MR, rows = least(8 * MR, g->pixels - top), left = item / bands % panels * NR;
    int64_t plane = item / bands / panels, group = plane % g->groups, image = plane / g->groups;
    int64_t width = least(NR, g->filters - left), filter = group * g->filters + left;
    const int32_t *b = (const int32_t *)((const uint8_t *)at(context, args[2]) + group * each);
    const Formed *lines[8 * MR], *x = c.formed + plane * c.size[0] * c.size[1] * line;
    for (int64_t i = 0; i < rows; i++) {
      int64_t pixel = top + i, w = pixel % g->out[2], h = pixel / g->out[2] % g->out[1], d = pixel / g->out[2] / g->out[1];
      lines[i] = x + (d * g->strides[0] * c.size[1] + h * g->strides[1]) * line + w * g->strides[2] * channels;
    }
    Correction correction = {b + left, c.b_zeros ? (const uint8_t *)c.b_zeros + filter * c.b_step : NULL, c.b_type, c.b_step, runs, terms};
    dot_rows(&correction, lines, rows, offsets, (const Packed *)(b + sums_of(g->filters)) + left * runs * words_of(terms) * PER_WORD,
             width, sums, c.a_type, c.a_zeros, 0, 0);
    for (int64_t i = 0; i < rows && c.bias; i++)
      for (int64_t j = 0; j < width; j++) sums[i * NR + j] += c.bias[filter + j];
    int64_t place = (image * g->groups * g->filters + filter) * g->pixels + top;
    if (c.type == I32 || c.type == F32) {
      float *y = (float *)c.y + place;
      if (c.type == F32)
        for (int64_t i = 0; i < rows * NR; i++) ((float *)turned)[i] = (float)sums[i];
      copy_matrix((const float *)(c.type == F32 ? turned : sums), 1, NR, y, g->pixels, width, rows);
      if (c.type == F32) finish(context, c.after, c.follow, y, g->pixels, width, rows, filter, top, &image, 1);
    } else {
      for (int64_t i = 0; i < rows; i++)
        requantise_row((uint8_t *)turned + i * NR, sums + i * NR, width, c.factor + filter * c.factor_step, c.factor_step, c.type, c.zero);
      transpose_bytes((const uint8_t *)turned, NR, c.y + place, g->pixels, rows, width);
    }
  }
}

/* Pixels of a row that are summed at once. */
enum { ROW = 64 };

/* sums[i] += weight (x[i stride] - a zero point) */
static inline void add_tap(int32_t *restrict sums, const Formed *restrict x, int64_t count, int64_t stride, int32_t weight) {
  if (stride == 1 && count == ROW)
    for (int64_t i = 0; i < ROW; i++) sums[i] += weight * x[i];
  else if (stride == 1)
    for (int64_t i = 0; i < count; i++) sums[i] += weight * x[i];
  else if (stride == 2)
    for (int64_t i = 0; i < count; i++) sums[i] += weight * x[2 * i];
  else
    for (int64_t i = 0; i < count; i++) sums[i] += weight * x[i * stride];
}

/* INT8_CONV's arguments, with the weights as they are: where a group has few filters, pixels lie in
 * the lanes. */
void INT8_CONV_PLANES(const Context *context, const int64_t *args) {
  Int8Conv c = int8_conv_of(context, args);
  const Geometry *g = &c.g;
  int64_t channels = g->channels, line = c.size[2] * channels, lines = g->out[0] * g->out[1];
  Range part = share(context, g->images * g->groups * g->filters * lines, 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t row = item % lines, image = item / lines / (g->groups * g->filters);
    int64_t filter = item / lines % (g->groups * g->filters), group = filter / g->filters;
    const uint8_t *weights = (const uint8_t *)at(context, args[2]) + filter * g->terms;
    int32_t zero = c.b_zeros ? element_of(c.b_type, c.b_zeros, filter * c.b_step) : c.b_type == U8 ? 128 : 0;
    const Formed *x = c.formed + (image * g->groups + group) * c.size[0] * c.size[1] * line +
                      (row / g->out[1] * g->strides[0] * c.size[1] + row % g->out[1] * g->strides[1]) * line;
    for (int64_t left = 0; left < g->out[2]; left += ROW) {
      int64_t count = least(ROW, g->out[2] - left), k = 0;
      int32_t sums[ROW + VL] = {0}, total = 0;
      for (int64_t channel = 0; channel < channels; channel++)
        for (int64_t d = 0; d < g->kernel[0]; d++)
          for (int64_t h = 0; h < g->kernel[1]; h++)
            for (int64_t w = 0; w < g->kernel[2]; w++, k++) {
              int32_t weight = element_of(c.b_type, weights, k) - zero;
              total += weight;
              add_tap(sums, x + (d * g->dilations[0] * c.size[1] + h * g->dilations[1]) * line +
                              (w * g->dilations[2] + left * g->strides[2]) * channels + channel,
                      count, g->strides[2] * channels, weight);
            }
      int32_t start = (c.bias ? c.bias[filter] : 0) - zero_of(c.a_type, c.a_zeros, 0) * total;
      for (int64_t i = 0; i < count; i++) sums[i] += start;
      int64_t pixel = row * g->out[2] + left, place = (image * g->groups * g->filters + filter) * g->pixels + pixel;
      if (c.type == I32) {
        memcpy((int32_t *)c.y + place, sums, (size_t)(4 * count));
      } else if (c.type == F32) {
        float *restrict y = (float *)c.y + place;
        for (int64_t i = 0; i < count; i++) y[i] = (float)sums[i];
        finish(context, c.after, c.follow, y, g->pixels, 1, count, filter, pixel, &image, 1);
      } else {
        requantise_row(c.y + place, sums, count, c.factor + filter * c.factor_step, 0, c.type, c.zero);
      }
    }
  }
}
