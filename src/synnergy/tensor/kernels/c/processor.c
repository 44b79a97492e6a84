/* Which native builds this processor and its operating system can run. */
#include "kernels.h"

#if !defined(__wasm__)
enum { HAS_AVX2 = 1, HAS_AVX512 = 2 };

#if defined(__x86_64__)
static void cpuid(uint32_t leaf, uint32_t part, uint32_t answer[4]) {
  __asm__ volatile("cpuid"
                   : "=a"(answer[0]), "=b"(answer[1]), "=c"(answer[2]), "=d"(answer[3])
                   : "a"(leaf), "c"(part));
}

static int all_of(uint32_t word, uint32_t wanted) { return (word & wanted) == wanted; }

/* Registers that the operating system saves between threads. */
static uint32_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

/* x86-64-v3 as HAS_AVX2, x86-64-v4 with VNNI as HAS_AVX512; 0 where neither is to be had. */
EXPORT int64_t synnergy_processor(void) {
  enum { EBX = 1, ECX = 2 };
  uint32_t first[4], second[4], extended[4], leaves[4];
  const uint32_t sse3_to_f16c = 1u << 0 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 |
                                1u << 27 | 1u << 28 | 1u << 29;
  const uint32_t bmi_avx2 = 1u << 3 | 1u << 5 | 1u << 8, lahf_lzcnt = 1u << 0 | 1u << 5;
  const uint32_t avx512_f_dq_cd_bw_vl = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31, vnni = 1u << 11;
  cpuid(0, 0, leaves);
  if (leaves[0] < 7) return 0;
  cpuid(1, 0, first);
  cpuid(7, 0, second);
  cpuid(0x80000001u, 0, extended);
  if (!all_of(first[ECX], sse3_to_f16c) || !all_of(second[EBX], bmi_avx2) || !all_of(extended[ECX], lahf_lzcnt))
    return 0;
  uint32_t saved = saved_state();
  if (!all_of(saved, 0x6)) return 0;
  if (!all_of(second[EBX], avx512_f_dq_cd_bw_vl) || !all_of(second[ECX], vnni) || !all_of(saved, 0xe6))
    return HAS_AVX2;
  return HAS_AVX2 | HAS_AVX512;
}
#else
EXPORT int64_t synnergy_processor(void) { return 0; }
#endif
#endif
