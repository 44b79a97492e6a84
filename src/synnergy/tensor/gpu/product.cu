// Matrix product on a GPU in the order of TENSOR-10: blocks of 256 terms, inside a block fused
// multiply-adds in order of k from +0, block sums added in order, the first one as it is or to a
// start value. Every result belongs to one thread, so how threads are laid out can't change a bit.
//
// A tile of 128 x 128 results belongs to 256 threads: 4 x 2 warps of 32 x 64, a thread's 8 x 8 as
// four squares of 4 x 4. Sixteen columns of A and rows of B at a time pass through shared memory,
// the next sixteen being fetched meanwhile.
//
// VECTOR: rows of A and B are multiples of four floats. SPLIT: block number z of k alone is summed,
// into partial sums that `add_blocks` adds; for results too few to occupy the whole GPU.

#define BLOCK 256
#define TILE 128
#define DEPTH 16
#define PITCH (TILE + 4)

__device__ __forceinline__ void fetch(float (&a)[8], float (&b)[8], const float *A, const float *B,
                                      int m, int n, long long lda, long long ldb, int row0, int col0, int k0,
                                      int kEnd) {
  const int thread = threadIdx.x;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    // A: four neighbours along k for each of 64 rows. B: four neighbours along n in each of 8 rows.
    const int row = row0 + half * 64 + thread / 4, k = k0 + thread % 4 * 4;
    const int kb = k0 + half * 8 + thread / 32, column = col0 + thread % 32 * 4;
#if VECTOR
    float4 fromA = make_float4(0, 0, 0, 0), fromB = make_float4(0, 0, 0, 0);
    if (row < m && k < kEnd) fromA = *(const float4 *)(A + row * lda + k);
    if (kb < kEnd && column < n) fromB = *(const float4 *)(B + kb * ldb + column);
    a[half * 4] = fromA.x, a[half * 4 + 1] = fromA.y, a[half * 4 + 2] = fromA.z, a[half * 4 + 3] = fromA.w;
    b[half * 4] = fromB.x, b[half * 4 + 1] = fromB.y, b[half * 4 + 2] = fromB.z, b[half * 4 + 3] = fromB.w;
#else
#pragma unroll
    for (int i = 0; i < 4; i++) {
      a[half * 4 + i] = row < m && k + i < kEnd ? A[row * lda + k + i] : 0.0f;
      b[half * 4 + i] = kb < kEnd && column + i < n ? B[kb * ldb + column + i] : 0.0f;
    }
#endif
  }
}

__device__ __forceinline__ void keep(float (*sharedA)[PITCH], float (*sharedB)[TILE], const float (&a)[8],
                                     const float (&b)[8]) {
  const int thread = threadIdx.x;
#pragma unroll
  for (int half = 0; half < 2; half++) {
#pragma unroll
    for (int i = 0; i < 4; i++) sharedA[thread % 4 * 4 + i][half * 64 + thread / 4] = a[half * 4 + i];
    *(float4 *)&sharedB[half * 8 + thread / 32][thread % 32 * 4] =
        make_float4(b[half * 4], b[half * 4 + 1], b[half * 4 + 2], b[half * 4 + 3]);
  }
}

__device__ __forceinline__ void multiply(float (&sum)[8][8], const float (*sharedA)[PITCH],
                                         const float (*sharedB)[TILE], int k, int row, int column) {
  float a[8], b[8];
  *(float4 *)&a[0] = *(const float4 *)&sharedA[k][row];
  *(float4 *)&a[4] = *(const float4 *)&sharedA[k][row + 16];
  *(float4 *)&b[0] = *(const float4 *)&sharedB[k][column];
  *(float4 *)&b[4] = *(const float4 *)&sharedB[k][column + 32];
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 8; j++) sum[i][j] = __fmaf_rn(a[i], b[j], sum[i][j]);
}

// C = sum, start + sum or C + sum: totals rest in memory between blocks, registers being scarce.
__device__ __forceinline__ void add(float *C, const float *start, const float (&sum)[8][8], int m, int n, int row,
                                    int column, long long startRow, long long startColumn, bool only, bool first) {
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int r = row + i / 4 * 16 + i % 4;
    if (r >= m) continue;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int c = column + half * 32;
      float *place = C + (long long)r * n + c;
#if VECTOR
      if (c >= n) continue;
      float4 before = make_float4(0, 0, 0, 0), after;
      if (!only && !first) before = *(const float4 *)place;
      if (!only && first) {
        const float *from = start + r * startRow;
        before = make_float4(from[c * startColumn], from[(c + 1) * startColumn], from[(c + 2) * startColumn],
                             from[(c + 3) * startColumn]);
      }
      after.x = only ? sum[i][half * 4] : __fadd_rn(before.x, sum[i][half * 4]);
      after.y = only ? sum[i][half * 4 + 1] : __fadd_rn(before.y, sum[i][half * 4 + 1]);
      after.z = only ? sum[i][half * 4 + 2] : __fadd_rn(before.z, sum[i][half * 4 + 2]);
      after.w = only ? sum[i][half * 4 + 3] : __fadd_rn(before.w, sum[i][half * 4 + 3]);
      *(float4 *)place = after;
#else
#pragma unroll
      for (int j = 0; j < 4; j++)
        if (c + j < n) {
          const float value = sum[i][half * 4 + j];
          place[j] = only    ? value
                     : first ? __fadd_rn(start[r * startRow + (c + j) * startColumn], value)
                             : __fadd_rn(place[j], value);
        }
#endif
    }
  }
}

extern "C" __global__ void __launch_bounds__(256, 2)
product(const float *A, const float *B, const float *start, float *C, int m, int n, int k, long long lda,
        long long ldb, long long startRow, long long startColumn) {
  __shared__ __align__(16) float sharedA[2][DEPTH][PITCH];
  __shared__ __align__(16) float sharedB[2][DEPTH][TILE];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int row = warp / 2 * 32 + lane / 8 * 4, column = warp % 2 * 64 + lane % 8 * 4;
  const int row0 = blockIdx.y * TILE, col0 = blockIdx.x * TILE;
#if SPLIT
  const int first = blockIdx.z * BLOCK, last = min(k, first + BLOCK);
  C += (long long)blockIdx.z * m * n;
#else
  const int first = 0, last = k;
#endif
  float sum[8][8] = {}, a[8], b[8];
  fetch(a, b, A, B, m, n, lda, ldb, row0, col0, first, last);
  keep(sharedA[0], sharedB[0], a, b);
  __syncthreads();
  int side = 0;
  for (int k0 = first; k0 < last; k0 += DEPTH) {
    const bool more = k0 + DEPTH < last;
    if (more) fetch(a, b, A, B, m, n, lda, ldb, row0, col0, k0 + DEPTH, last);
    if (k0 + DEPTH <= last) {
#pragma unroll
      for (int i = 0; i < DEPTH; i++) multiply(sum, sharedA[side], sharedB[side], i, row, column);
    } else { // a padded zero could turn -0 into +0
      for (int i = 0; i < last - k0; i++) multiply(sum, sharedA[side], sharedB[side], i, row, column);
    }
    if (more) keep(sharedA[side ^ 1], sharedB[side ^ 1], a, b);
    __syncthreads();
    side ^= 1;
    if ((k0 + DEPTH) % BLOCK == 0 || !more) {
      const int block = k0 / BLOCK;
      add(C, start, sum, m, n, row0 + row, col0 + column, startRow, startColumn, SPLIT || (block == 0 && !start),
          block == 0);
#pragma unroll
      for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) sum[i][j] = 0.0f;
    }
  }
}

// partial [block][m n] to C, in order of the blocks.
extern "C" __global__ void add_blocks(const float *partial, const float *start, float *C, int m, int n, int blocks,
                                      long long startRow, long long startColumn) {
  const long long size = (long long)m * n, i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= size) return;
  float total = partial[i];
  if (start) total = __fadd_rn(start[i / n * startRow + i % n * startColumn], total);
  for (int block = 1; block < blocks; block++) total = __fadd_rn(total, partial[block * size + i]);
  C[i] = total;
}
