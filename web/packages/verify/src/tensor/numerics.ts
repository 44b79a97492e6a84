// The order of operations of TENSOR-12 and TENSOR-21 in JavaScript's own arithmetic, which is IEEE
// 754 double. What takes more than additions and products is the kernels' work.

/** Added and taken away, it rounds to nearest even: 1.5 times 2^52. */
const ROUNDER = 6755399441055744;

/** The nearest integer, ties to even, of a number below 2^51; larger ones are whole anyway. */
export function roundEven(x: number): number {
  if (!(Math.abs(x) < 2 ** 51)) return Math.abs(x) < 2 ** 52 ? halfway(x) : x;
  const whole = x + ROUNDER - ROUNDER;
  return whole === 0 && (x < 0 || Object.is(x, -0)) ? -0 : whole;
}

/** `roundEven` where numbers are a half apart. */
function halfway(x: number): number {
  const floor = Math.floor(x);
  return x === floor ? x : floor % 2 === 0 ? floor : floor + 1;
}

/** The larger of two: NaN if either is, +0 above -0 (TENSOR-21). */
export function larger(a: number, b: number): number {
  return a > b ? a : a === 0 && b === 0 ? a + b : Number.isNaN(a) ? a : b;
}

/** The smaller of two: NaN if either is, -0 below +0 (TENSOR-21). */
export function smaller(a: number, b: number): number {
  return a < b ? a : a === 0 && b === 0 ? -(-a + -b) : Number.isNaN(a) ? a : b;
}

/** Rounds a result to an element type. */
export type Round = (x: number) => number;

const LANES = 16;

/** A sum, product or the like of `count` elements by TENSOR-12, each step rounded. */
export function fold(
  at: (index: number) => number,
  count: number,
  neutral: number,
  combine: (a: number, b: number) => number,
  round: Round,
): number {
  const lanes = new Float64Array(LANES).fill(neutral);
  for (let index = 0; index < count; index++) {
    const lane = index & (LANES - 1);
    lanes[lane] = round(combine(lanes[lane], at(index)));
  }
  for (let half = LANES >> 1; half > 0; half >>= 1)
    for (let lane = 0; lane < half; lane++)
      lanes[lane] = round(combine(lanes[lane], lanes[lane + half]));
  return lanes[0];
}

export const add = (a: number, b: number): number => a + b;
export const multiply = (a: number, b: number): number => a * b;
export const same: Round = (x) => x;
