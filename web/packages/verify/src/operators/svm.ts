// Support vector machines (ML-24 to ML-28), and class probabilities from pairwise ones: libsvm's
// iteration in float32 (Wu, Lin and Weng 2004, second method).

import { type Tensor, tensorOf } from "../tensor/types.js";
import { matrix, rowsOf, stacked } from "./classic.js";
import { apply, cast } from "./elementwise.js";
import { product } from "./products.js";
import {
  Labels,
  complement,
  firstLargest,
  logistic,
  opposed,
  postTransform,
  transformed,
} from "./scores.js";
import type { Operators, Site } from "./site.js";

const round = Math.fround;
const SMALLEST = round(1e-7);
const LARGEST = round(1 - SMALLEST);
/** Iterations after which probabilities that have not converged are taken as they are. */
const MOST_ROUNDS = 100;

/** x V^T + start by the kernels: rows × vectors. */
function compared(
  site: Site,
  x: Tensor,
  vectors: Float32Array,
  start: number[] | null,
): Float32Array {
  const [rows, features] = x.shape;
  const count = vectors.length / features;
  if (!rows || !count) return new Float32Array(0);
  const job = site.job();
  const b = {
    place: job.input(tensorOf("float32", [vectors.length], vectors)),
    rows: 1,
    columns: features,
    batch: 0,
  };
  const from = start && job.input(tensorOf("float32", [1], Float32Array.from(start)));
  const begin = from && { place: from, rows: 0, columns: 0 };
  const [y] = job.run(product(job, [rows, count, features, 1], job.input(x), 0, b, begin));
  return y.data as Float32Array;
}

/** The function that compares rows with support vectors, by its name and numbers. */
class Kernel {
  private readonly name: "LINEAR" | "POLY" | "RBF" | "SIGMOID";
  private readonly gamma: number;
  private readonly offset: number;
  private readonly degree: number;

  constructor(
    private readonly site: Site,
    readonly vectors: Float32Array,
    count: number,
    features: number,
  ) {
    this.name = site.text("kernel_type", "LINEAR", ["LINEAR", "POLY", "RBF", "SIGMOID"]);
    const given = site.numbers("kernel_params") ?? [];
    if (![0, 3].includes(given.length)) throw site.refuse("kernel_params are not three");
    [this.gamma, this.offset, this.degree] = given.length ? given : [0, 0, 0];
    if (!features || !vectors.length || vectors.length !== count * features)
      throw site.refuse("vectors that do not fit the input");
  }

  /** Rows × vectors of kernel values. ML-24 */
  compare(x: Tensor): Float32Array {
    if (this.name === "RBF") {
      const powers = this.squaredDistances(x).map((square) => -this.gamma * square);
      return this.applied("EXP", powers);
    }
    const dots = compared(this.site, x, this.vectors, null);
    if (this.name === "LINEAR") return dots;
    const scaled = dots.map((dot) => this.gamma * dot);
    const affine = this.offset === 0 ? scaled : scaled.map((one) => one + this.offset);
    if (this.name === "SIGMOID") return this.applied("TANH", affine);
    if (this.degree !== 2 && this.degree !== 3)
      throw this.site.refuse("another degree than 2 or 3");
    const squares = affine.map((one) => one * one);
    return this.degree === 2 ? squares : squares.map((square, at) => square * affine[at]);
  }

  private applied(name: "EXP" | "TANH", values: Float32Array): Float32Array {
    return apply(this.site, name, tensorOf("float32", [values.length], values))
      .data as Float32Array;
  }

  private squaredDistances(x: Tensor): Float32Array {
    const [rows, features] = x.shape;
    const count = this.vectors.length / features;
    const data = x.data as Float32Array;
    const result = new Float32Array(rows * count);
    for (let at = 0; at < result.length; at++) {
      const [row, vector] = [Math.floor(at / count) * features, (at % count) * features];
      for (let feature = 0; feature < features; feature++) {
        const difference = round(data[row + feature] - this.vectors[vector + feature]);
        result[at] += round(difference * difference);
      }
    }
    return result;
  }
}

/** What decides between each pair of classes. */
interface Pairs {
  readonly classes: number;
  readonly starts: readonly number[];
  readonly coefficients: readonly number[];
  readonly rho: readonly number[];
}

/** Decision values of a row's pairs, and votes for classes, from its kernel values. ML-25 */
function decided(
  pairs: Pairs,
  values: Float32Array,
): { decisions: Float32Array; votes: number[] } {
  const { classes, starts, coefficients, rho } = pairs;
  const vectors = values.length;
  const decisions = new Float32Array(rho.length);
  const votes = new Array<number>(classes).fill(0);
  let pair = 0;
  for (let i = 0; i < classes; i++)
    for (let j = i + 1; j < classes; j++) {
      let total = 0;
      for (const [row, part] of [
        [j - 1, i],
        [i, j],
      ])
        for (let at = starts[part]; at < starts[part + 1]; at++)
          total += round(coefficients[row * vectors + at] * values[at]);
      total += rho[pair];
      decisions[pair++] = total;
      votes[total > 0 ? i : j] += 1;
    }
  return { decisions, votes };
}

/** Rows × classes probabilities P(i | i or j), flat. ML-27 */
function pairwise(
  site: Site,
  decisions: Float32Array,
  a: readonly number[],
  b: readonly number[],
  classes: number,
): Float32Array {
  const scores = decisions.map((decision, pair) => round(decision * a[pair]) + b[pair]);
  const likely = logistic(site, scores);
  const result = new Float32Array(classes * classes);
  let pair = 0;
  for (let i = 0; i < classes; i++)
    for (let j = i + 1; j < classes; j++) {
      let first = round(1 - likely[pair++]);
      if (first < SMALLEST) first = SMALLEST;
      if (first > LARGEST) first = LARGEST;
      result[i * classes + j] = first;
      result[j * classes + i] = 1 - first;
    }
  return result;
}

/** A row's class probabilities from its pairwise ones. */
function coupled(pairs: Float32Array, classes: number): Float32Array {
  const q = new Float32Array(classes * classes);
  const p = new Float32Array(classes).fill(round(1 / classes));
  for (let i = 0; i < classes; i++) {
    for (let j = 0; j < classes; j++)
      q[i * classes + j] = -round(pairs[j * classes + i] * pairs[i * classes + j]);
    let total = 0;
    for (let j = 0; j < classes; j++)
      if (j !== i) total = round(total + round(pairs[j * classes + i] ** 2));
    q[i * classes + i] = total;
  }
  const close = round(round(0.005) / classes);
  for (let turn = 0; turn < MOST_ROUNDS; turn++) {
    const gradient = new Float32Array(classes);
    for (let j = 0; j < classes; j++)
      for (let i = 0; i < classes; i++) gradient[i] += round(q[i * classes + j] * p[j]);
    let total = 0;
    for (let i = 0; i < classes; i++) total = round(total + round(p[i] * gradient[i]));
    const error = gradient.reduce((most, one) => {
      const distance = Math.abs(round(one - total));
      return distance > most ? distance : most;
    }, 0);
    if (error < close) break;
    for (let i = 0; i < classes; i++) {
      const diagonal = q[i * classes + i];
      const change = round(round(-gradient[i] + total) / diagonal);
      const scale = round(1 + change);
      p[i] += change;
      const more = round(change * round(round(change * diagonal) + round(2 * gradient[i])));
      total = round(round(round(total + more) / scale) / scale);
      for (let j = 0; j < classes; j++) {
        gradient[j] = round(gradient[j] + round(change * q[i * classes + j])) / scale;
        p[j] /= scale;
      }
    }
  }
  return p;
}

function svmClassifier(site: Site): Tensor[] {
  const x = cast(matrix(site), "float32");
  const classes = new Labels(site, "classlabels_ints", "classlabels_strings");
  const { count } = classes;
  const perClass = site.integers("vectors_per_class") ?? [];
  const coefficients = site.numbers("coefficients") ?? [];
  const rho = site.numbers("rho") ?? [];
  const [a, b] = [site.numbers("prob_a") ?? [], site.numbers("prob_b") ?? []];
  const support = site.numbers("support_vectors") ?? [];
  const transform = postTransform(site);
  const pairs = (count * (count - 1)) / 2;
  const [rows, features] = x.shape;
  if (count < 2 || perClass.some((one) => one < 0)) throw site.refuse("classes that do not fit");
  const vectors = perClass.reduce((sum, one) => sum + one, 0);
  if (!vectors) {
    const weights = new Kernel(site, Float32Array.from(coefficients), count, features).vectors;
    if (!rho.length) throw site.refuse("rho is missing");
    const raw = rowsOf(compared(site, x, weights, [rho[0]]), rows, count);
    const least = coefficients.every((one) => one >= 0);
    const chosen = raw.map((row) => {
      const best = firstLargest(row);
      if (count > 2) return best;
      return (least ? row[best] >= 0.5 : row[best] > 0) ? 1 : best;
    });
    return [
      classes.pick(chosen),
      stacked(
        raw.map((row) => transformed(site, row, transform)),
        count,
      ),
    ];
  }
  if (
    perClass.length !== count ||
    coefficients.length !== (count - 1) * vectors ||
    rho.length !== pairs ||
    ![0, pairs].includes(a.length) ||
    a.length !== b.length
  )
    throw site.refuse("coefficients, rho or probabilities do not fit");
  const kernel = new Kernel(site, Float32Array.from(support), vectors, features);
  const starts = perClass.reduce((all, one) => [...all, all[all.length - 1] + one], [0]);
  const values = rowsOf(kernel.compare(x), rows, vectors);
  const made = values.map((row) => decided({ classes: count, starts, coefficients, rho }, row));
  const chosen = made.map(({ votes }) => votes.indexOf(Math.max(...votes)));
  const scores = made.map(({ decisions }) => {
    if (a.length)
      return transformed(site, coupled(pairwise(site, decisions, a, b, count), count), transform);
    if (count > 2) return transformed(site, decisions, transform);
    const [one] = decisions;
    return transform === "NONE" ? opposed(site, one, transform) : complement(site, one, transform);
  });
  return [classes.pick(chosen), stacked(scores, a.length || count === 2 ? count : pairs)];
}

function svmRegressor(site: Site): Tensor[] {
  const x = cast(matrix(site), "float32");
  const count = site.integer("n_supports", 0);
  const coefficients = Float32Array.from(site.numbers("coefficients") ?? []);
  const rho = site.numbers("rho") ?? [];
  const support = Float32Array.from(site.numbers("support_vectors") ?? []);
  const oneClass = site.integer("one_class", 0) !== 0;
  if (postTransform(site) !== "NONE" || rho.length !== 1)
    throw site.refuse("a post transform, or no rho");
  const [rows, features] = x.shape;
  let values = x;
  if (count > 0) {
    if (coefficients.length !== count) throw site.refuse("coefficients do not fit the vectors");
    const kernel = new Kernel(site, support, count, features);
    values = tensorOf("float32", [rows, count], kernel.compare(x));
  } else new Kernel(site, coefficients, 1, features);
  const result = compared(site, values, coefficients, rho);
  const final = oneClass ? result.map((one) => (one > 0 ? 1 : -1)) : result;
  return [tensorOf("float32", [rows, 1], final)];
}

export const MACHINES: Operators = {
  "ai.onnx.ml:SVMClassifier": svmClassifier,
  "ai.onnx.ml:SVMRegressor": svmRegressor,
};
