// From raw scores to the scores that classifiers and regressors put out (ML-4 to ML-9), in float32.

import { add, fold } from "../tensor/numerics.js";
import { type Tensor, tensorOf } from "../tensor/types.js";
import { apply } from "./elementwise.js";
import type { Site } from "./site.js";

const LOWEST = -3.4028234663852886e38;
const NEARLY_ZERO = Math.fround(1e-7);
const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"] as const;

export type Transform = (typeof TRANSFORMS)[number];

/** The attribute of that name; PROBIT is not this runner's. */
export function postTransform(site: Site): Transform {
  return site.text<Transform>("post_transform", "NONE", TRANSFORMS);
}

/** e^x of float32 numbers by the kernels, each rounded once. */
function powersOf(site: Site, values: Float32Array): Float32Array {
  if (!values.length) return values;
  return apply(site, "EXP", tensorOf("float32", [values.length], values)).data as Float32Array;
}

/** 1 / (1 + e^-|x|), for negative x one minus that. ML-6 */
export function logistic(site: Site, values: Float32Array): Float32Array {
  const powers = powersOf(
    site,
    values.map((x) => -Math.abs(x)),
  );
  return values.map((x, at) => {
    const v = Math.fround(1 / Math.fround(1 + powers[at]));
    return x < 0 ? 1 - v : v;
  });
}

function largestOf(row: Float32Array): number {
  return row.reduce((best, score) => (score > best ? score : best), LOWEST);
}

/** A row's softmax; with `zero`, scores within 1e-7 of zero take no part. ML-8, ML-9 */
function softmax(site: Site, row: Float32Array, zero: boolean): Float32Array {
  const largest = largestOf(row);
  const counts = row.map((score) =>
    !zero || score > NEARLY_ZERO || score < -NEARLY_ZERO ? 1 : 0,
  );
  const powers = powersOf(
    site,
    row.map((score) => score - largest),
  );
  const at = (index: number): number => (counts[index] ? powers[index] : 0);
  const total = fold(at, row.length, 0, add, Math.fround);
  const rest = zero ? powersOf(site, Float32Array.of(-largest))[0] : 0;
  return row.map(
    (score, index) => (counts[index] ? powers[index] : Math.fround(score * rest)) / total,
  );
}

/** The post_transform over a row of two or more scores. ML-5 */
export function transformed(site: Site, row: Float32Array, name: Transform): Float32Array {
  if (name === "NONE") return row;
  return name === "LOGISTIC" ? logistic(site, row) : softmax(site, row, name === "SOFTMAX_ZERO");
}

/** One score s to 1 - s and s, through LOGISTIC where that is asked. ML-5 */
export function complement(site: Site, score: number, name: Transform): number[] {
  const final = name === "LOGISTIC" ? logistic(site, Float32Array.of(score))[0] : score;
  return [1 - final, final];
}

/** One score s to -s and s, through LOGISTIC where that is asked. ML-5 */
export function opposed(site: Site, score: number, name: Transform): Float32Array {
  const both = Float32Array.of(-score, score);
  return name === "LOGISTIC" ? logistic(site, both) : both;
}

/** Index of the first largest score; NaN never beats what came before. ML-4 */
export function firstLargest(row: Float32Array): number {
  let best = 0;
  for (let at = 1; at < row.length; at++) if (row[at] > row[best]) best = at;
  return best;
}

/** Class labels; exactly one of the two attributes lists them. ML-3 */
export class Labels {
  private readonly values: readonly (bigint | string)[];

  constructor(
    private readonly site: Site,
    integers: string,
    texts: string,
  ) {
    const [numbers, names] = [site.bigIntegers(integers) ?? [], site.texts(texts) ?? []];
    if (numbers.length > 0 === names.length > 0)
      throw site.refuse("labels of both types, or none");
    this.values = numbers.length ? numbers : names;
  }

  get count(): number {
    return this.values.length;
  }

  /** Labels of class indexes as a tensor. */
  pick(classes: readonly number[]): Tensor {
    const chosen = classes.map((index) => this.values[index]);
    if (typeof this.values[0] === "string")
      return tensorOf("string", [chosen.length], chosen as string[]);
    if (chosen.some((label) => label === undefined))
      throw this.site.refuse("a class without label");
    return tensorOf("int64", [chosen.length], BigInt64Array.from(chosen as bigint[]));
  }
}
