/* Walks a program: one call, one whole graph. */
#include "kernels.h"
#include "steps.h"

#define STEP(number, name) Kernel name;
STEPS(STEP)
#undef STEP

static Kernel *const KERNELS[] = {
#define STEP(number, name) [number] = name,
    STEPS(STEP)
#undef STEP
};
#define KERNEL_COUNT ((int64_t)(sizeof KERNELS / sizeof *KERNELS))

/* Whether this thread rounds to nearest even, keeps subnormals, and fuses where fma_vf says so.
 * Volatile operands, so that nothing is computed by the compiler. TENSOR-3 */
static int sound(void) {
  volatile float smallest = 0x1p-149f, normal = 0x1p-126f, half = 0.5f, one = 1.0f, tie = 0x1p-24f;
  volatile double tiny = 0x1p-1074, wide = 1.0 + 0x1p-24;
  if (smallest + smallest != 0x1p-148f || normal * half != 0x1p-127f || tiny + tiny != 0x1p-1073) return 0;
  if (one + tie != 1.0f || (one + 0x1p-23f) + tie != 1.0f + 0x1p-22f) return 0;
  if (-one - tie != -1.0f || (float)wide != 1.0f) return 0;
  volatile float a = 1.0f + 0x1p-12f, c = -1.0f; /* a a - 1 loses 2^-24 unless it is fused */
  vf fused = fma_vf((vf)a, (vf)a, (vf)c);
  for (int lane = 0; lane < VL; lane++)
    if (fused[lane] != 0x1p-11f + 0x1p-24f) return 0;
  return 1;
}

enum { DONE = 0, UNSOUND_BEFORE = 1, UNSOUND_AFTER = 2, BAD_PROGRAM = 3, BAD_INPUT = 4 };

static int walk(const Context *context, const int64_t *program, int64_t words, void (*wait)(void *), void *gate) {
  for (int64_t word = 0; word < words;) {
    int64_t kernel = program[word] & 0xffff, length = program[word] >> 16;
    if (kernel >= KERNEL_COUNT || !KERNELS[kernel] || length < 1 || length > words - word) return BAD_PROGRAM;
    KERNELS[kernel](context, program + word + 1);
    if (wait) wait(gate);
    word += length;
  }
  return *context->bad_input ? BAD_INPUT : DONE;
}

#if defined(__wasm__)
#define EXPORT __attribute__((visibility("default"), used))
#elif defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

static int run_one(const int64_t *program, int64_t words, uint8_t *const *segments) {
  int bad_input = 0;
  Context context = {segments, 0, 1, &bad_input};
  if (!sound()) return UNSOUND_BEFORE;
  int status = walk(&context, program, words, NULL, NULL);
  return status != DONE ? status : sound() ? DONE : UNSOUND_AFTER;
}

/* Of which sources this was compiled: tools/build_kernels.py says. */
#ifndef SYNNERGY_SOURCES
#define SYNNERGY_SOURCES 0
#endif
EXPORT int64_t synnergy_sources(void) { return SYNNERGY_SOURCES; }

EXPORT int64_t synnergy_lanes(void) { return VL; }

/* One graph. `segments` holds one table of segments for each thread, `stride` pointers apart: they
 * differ in the scratch memory alone. Answers DONE or why not. */
#if defined(__wasm__) || defined(_WIN32)
EXPORT int synnergy_run(const int64_t *program, int64_t words, uint8_t *const *segments, int64_t stride,
                        int64_t threads) {
  (void)stride, (void)threads; /* there is one thread here */
  return run_one(program, words, segments);
}

/* The same with its arguments in memory, as integers: a host may charge for each argument. */
EXPORT int synnergy_call(const int64_t *record) {
  return run_one((const int64_t *)(intptr_t)record[0], record[1], (uint8_t *const *)(intptr_t)record[2]);
}
#else
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

typedef struct {
  atomic_llong threads; /* 0 until it is known how many there are */
  atomic_llong arrived, generation;
} Gate;

static void relax(int *spins) {
  if (++*spins > 2000) sched_yield();
}

static void pass(void *opaque) {
  Gate *gate = opaque;
  long long mine = atomic_load_explicit(&gate->generation, memory_order_relaxed);
  long long threads = atomic_load_explicit(&gate->threads, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&gate->arrived, 1, memory_order_acq_rel) == threads - 1) {
    atomic_store_explicit(&gate->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&gate->generation, mine + 1, memory_order_release);
    return;
  }
  for (int spins = 0; atomic_load_explicit(&gate->generation, memory_order_acquire) == mine;) relax(&spins);
}

typedef struct {
  Context context;
  const int64_t *program;
  int64_t words;
  Gate *gate;
  int status, bad_input;
} Worker;

static void *work(void *opaque) {
  Worker *worker = opaque;
  int before = sound();
  for (int spins = 0; !(worker->context.threads = atomic_load_explicit(&worker->gate->threads, memory_order_acquire));)
    relax(&spins);
  worker->status = walk(&worker->context, worker->program, worker->words, pass, worker->gate);
  if (!before) worker->status = UNSOUND_BEFORE;
  else if (worker->status == DONE && !sound()) worker->status = UNSOUND_AFTER;
  return NULL;
}

enum { MAX_THREADS = 64 };

EXPORT int synnergy_run(const int64_t *program, int64_t words, uint8_t *const *segments, int64_t stride,
                        int64_t threads) {
  threads = least(threads, MAX_THREADS);
  if (threads <= 1) return run_one(program, words, segments);
  Gate gate = {0, 0, 0};
  Worker workers[MAX_THREADS];
  pthread_t ids[MAX_THREADS];
  for (int64_t i = 0; i < threads; i++)
    workers[i] = (Worker){{segments + i * stride, i, 0, &workers[i].bad_input}, program, words, &gate, DONE, 0};
  int64_t started = 1;
  while (started < threads && pthread_create(&ids[started], NULL, work, &workers[started]) == 0) started++;
  atomic_store_explicit(&gate.threads, started, memory_order_release);
  work(&workers[0]);
  int status = workers[0].status;
  for (int64_t i = 1; i < started; i++) {
    pthread_join(ids[i], NULL);
    if (status == DONE) status = workers[i].status;
  }
  return status;
}
#endif
