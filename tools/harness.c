/* Runs a file of vectors on the kernels compiled into it, for processors that aren't at hand but
 * emulated: harness FILE [THREADS]. The form of the file: synnergy/tensor/kernels/vectors.py.
 * Exit status 0: all hold; 1: some don't, or there are none; 2: the file can't be read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/synnergy/tensor/kernels/c/kernels.c"

#undef memcpy
#undef memset
#undef memmove

enum { FILL = 0xa5, MOST_SEGMENTS = 64 };

static const unsigned char *cursor, *limit;

static void give_up(const char *why) {
  printf("the file can't be read: %s\n", why);
  exit(2);
}

static int64_t word(void) {
  int64_t value;
  if (limit - cursor < 8) give_up("it is cut short");
  memcpy(&value, cursor, 8);
  cursor += 8;
  return value;
}

static int64_t count(void) {
  int64_t value = word();
  if (value < 0 || value > 1LL << 40) give_up("a number is out of range");
  return value;
}

/* Bytes with their size before them, padded to words. */
static const unsigned char *content(int64_t *size) {
  const unsigned char *begin;
  *size = count();
  begin = cursor;
  int64_t padded = (*size + 7) / 8 * 8;
  if (limit - cursor < padded) give_up("it is cut short");
  cursor += padded;
  return begin;
}

static size_t aligned(int64_t size) { return (size_t)(size + 63) / 64 * 64; }

/* Whether two elements are both NaN; `size` tells float16, float32 and float64 apart. */
static int both_nan(const unsigned char *a, const unsigned char *b, int size) {
  static const uint64_t infinities[] = {[2] = 0x7c00, [4] = 0x7f800000, [8] = 0x7ff0000000000000};
  uint64_t first = 0, second = 0, sign = 1ULL << (8 * size - 1);
  memcpy(&first, a, (size_t)size);
  memcpy(&second, b, (size_t)size);
  return (first & ~sign) > infinities[size] && (second & ~sign) > infinities[size];
}

/* The first element that differs, or -1. */
static int64_t differing(int64_t type, const unsigned char *got, const unsigned char *wanted, int64_t bytes) {
  static const int sizes[] = {2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1};
  int size = sizes[type];
  for (int64_t i = 0; i < bytes; i += size)
    if (memcmp(got + i, wanted + i, (size_t)size) && !(type <= F64 && both_nan(got + i, wanted + i, size)))
      return i / size;
  return -1;
}

static uint8_t *allocated(size_t size) {
  uint8_t *memory = aligned_alloc(64, size + 64);
  if (!memory) give_up("out of memory");
  memset(memory, FILL, size + 64);
  return memory;
}

/* One vector; whether it holds. */
static int replay(int threads) {
  int64_t length, segments, held = 1;
  const unsigned char *name = content(&length);
  uint8_t *bases[MOST_SEGMENTS], *tables[MOST_SEGMENTS * MOST_SEGMENTS];
  segments = count();
  if (segments < 2 || segments > MOST_SEGMENTS) give_up("it has too many segments");
  size_t scratch = 0;
  for (int64_t i = 0; i < segments; i++) {
    size_t size = aligned(count());
    if (i == 1) scratch = size;
    bases[i] = allocated(i == 1 ? size * (size_t)threads : size);
  }
  for (int thread = 0; thread < threads; thread++)
    for (int64_t i = 0; i < segments; i++)
      tables[thread * segments + i] = bases[i] + (i == 1 ? (size_t)thread * scratch : 0);
  for (int64_t left = count(); left > 0; left--) {
    int64_t kind = word();
    if (kind == 2) {
      int64_t words = count(), *program = (int64_t *)allocated((size_t)words * 8);
      if (limit - cursor < words * 8) give_up("it is cut short");
      memcpy(program, cursor, (size_t)words * 8);
      cursor += words * 8;
      int status = synnergy_run(program, words, tables, segments, threads);
      if (status && held) printf("FAIL %.*s: the kernels answered %d\n", (int)length, name, status);
      held &= !status;
      free(program);
      continue;
    }
    int64_t segment = count(), offset = count(), type = kind == 3 ? count() : 0, size;
    const unsigned char *bytes = content(&size);
    if ((kind != 1 && kind != 3) || segment >= segments || type > BOOL) give_up("an operation is unknown");
    if (kind == 1) {
      memcpy(bases[segment] + offset, bytes, (size_t)size);
      continue;
    }
    int64_t place = differing(type, bases[segment] + offset, bytes, size);
    if (place >= 0 && held) printf("FAIL %.*s: number %lld differs\n", (int)length, name, (long long)place);
    held &= place < 0;
  }
  for (int64_t i = 0; i < segments; i++) free(bases[i]);
  return held != 0;
}

int main(int arguments, char **argument) {
  int threads = arguments > 2 ? atoi(argument[2]) : 1, passed = 0, failed = 0;
  FILE *file = arguments > 1 ? fopen(argument[1], "rb") : NULL;
  if (!file || threads < 1 || threads > MOST_SEGMENTS) give_up("harness FILE [THREADS]");
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  unsigned char *whole = malloc((size_t)size + 1);
  if (!whole || fread(whole, 1, (size_t)size, file) != (size_t)size) give_up("reading fails");
  cursor = whole;
  limit = whole + size;
  if (size < 16 || memcmp(whole, "SYNCASE1", 8)) give_up("it is no file of vectors");
  cursor += 8;
  for (int64_t left = count(); left > 0; left--)
    if (replay(threads)) passed++;
    else failed++;
  printf("CASES passed=%d failed=%d threads=%d lanes=%d\n", passed, failed, threads, (int)VL);
  return failed || !passed;
}
