// Operators of ai.onnx.ml but trees: preprocessing and linear models (ML-10 to ML-23).

import { larger, add, fold } from "../tensor/numerics.js";
import { type Tensor, allocate, elementsOf, tensorOf } from "../tensor/types.js";
import { cast } from "./elementwise.js";
import { product } from "./products.js";
import { Labels, complement, firstLargest, postTransform, transformed } from "./scores.js";
import type { Operators, Site } from "./site.js";

const NUMBERS = ["float32", "float64", "int64", "int32"];
const LOWEST = -3.4028234663852886e38;

/** A tensor of numbers. */
function numeric(site: Site, position = 0): Tensor {
  const x = site.input(position);
  if (!NUMBERS.includes(x.type)) throw site.refuse(`elements of type ${x.type}`);
  return x;
}

/** An input as rows × features; one of rank 1 is a single row. ML-2 */
export function matrix(site: Site): Tensor {
  const x = numeric(site);
  if (x.shape.length !== 1 && x.shape.length !== 2)
    throw site.refuse("an input that is no matrix");
  return x.shape.length === 1 ? { ...x, shape: [1, x.shape[0]] } : x;
}

function scaler(site: Site): Tensor[] {
  const x = numeric(site);
  const [scale, offset] = [site.numbers("scale") ?? [], site.numbers("offset") ?? []];
  const features = x.shape[x.shape.length - 1];
  if (!scale.length || scale.length !== offset.length || ![1, features].includes(scale.length))
    throw site.refuse("scale and offset do not fit");
  const wide = x.type === "float64" ? x : cast(x, "float32");
  const data = wide.data as Float32Array;
  const round = x.type === "float64" ? Number : Math.fround;
  const result = new Float32Array(data.length);
  for (let at = 0; at < data.length; at++) {
    const feature = at % scale.length;
    result[at] = round(data[at] - offset[feature]) * scale[feature];
  }
  return [tensorOf("float32", x.shape, result)];
}

function normalizer(site: Site): Tensor[] {
  const x = matrix(site);
  const norm = site.text("norm", "MAX", ["MAX", "L1", "L2"]);
  const narrow = cast(x, "float32").data as Float32Array;
  const wide = (x.type === "float32" ? narrow : cast(x, "float64").data) as Float64Array;
  const width = x.shape[1];
  const result = new Float32Array(narrow.length);
  for (let start = 0; start < narrow.length; start += width) {
    const row = narrow.subarray(start, start + width);
    const part = (at: number) => {
      const value = wide[start + at];
      return Math.fround(norm === "L1" ? Math.abs(value) : value * value);
    };
    const known = (best: number, value: number) =>
      larger(best, Number.isNaN(value) ? LOWEST : value);
    const divisor =
      norm === "MAX" ? row.reduce(known, LOWEST) : fold(part, width, 0, add, Math.fround);
    row.forEach((value, at) => {
      const root = Math.sqrt(Math.fround(part(at) / divisor));
      const scaled = norm === "L2" ? (wide[start + at] < 0 ? -root : root) : value / divisor;
      result[start + at] = divisor !== 0 ? scaled : value;
    });
  }
  return [tensorOf("float32", site.input(0).shape, result)];
}

function extractor(site: Site): Tensor[] {
  const [x, indices] = [site.input(0), site.input(1)];
  const features = x.shape[x.shape.length - 1];
  if (indices.type !== "int64" || !indices.data.length || !x.shape.length)
    throw site.refuse("indices that are none");
  const chosen = Array.from(indices.data as BigInt64Array, Number);
  if (chosen.some((index) => index < 0 || index >= features))
    throw site.refuse("an index is outside");
  const rows = elementsOf(x.shape.slice(0, -1));
  const shape = [...(x.shape.length === 1 ? [1] : x.shape.slice(0, -1)), chosen.length];
  const target = allocate(x.type, rows * chosen.length);
  for (let row = 0; row < rows; row++)
    chosen.forEach(
      (index, at) => (target[row * chosen.length + at] = x.data[row * features + index]),
    );
  return [tensorOf(x.type, shape, target)];
}

/** Rows × targets by the kernels: the dot product started from the intercept. ML-22 */
function linear(site: Site, targets: number, intercepts: readonly number[]): Float32Array[] {
  const x = cast(matrix(site), "float32");
  const coefficients = site.numbers("coefficients") ?? [];
  const [rows, features] = x.shape;
  if (!features || coefficients.length !== targets * features)
    throw site.refuse("coefficients do not fit the features");
  if (!rows) return [];
  const job = site.job();
  const weights = tensorOf("float32", [coefficients.length], Float32Array.from(coefficients));
  const start = intercepts.length
    ? job.input(tensorOf("float32", [targets], Float32Array.from(intercepts)))
    : null;
  const b = { place: job.input(weights), rows: 1, columns: features, batch: 0 };
  const from = start ? { place: start, rows: 0, columns: 1 } : null;
  const [y] = job.run(product(job, [rows, targets, features, 1], job.input(x), 0, b, from));
  return rowsOf(y.data as Float32Array, rows, targets);
}

export function rowsOf(data: Float32Array, rows: number, width: number): Float32Array[] {
  return Array.from({ length: rows }, (_, row) => data.slice(row * width, (row + 1) * width));
}

/** Rows of scores as one tensor. */
export function stacked(
  rows: readonly (readonly number[] | Float32Array)[],
  width: number,
): Tensor {
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, at) => data.set(row, at * width));
  return tensorOf("float32", [rows.length, width], data);
}

function linearClassifier(site: Site): Tensor[] {
  const classes = new Labels(site, "classlabels_ints", "classlabels_strings");
  const intercepts = site.numbers("intercepts") ?? [];
  site.integer("multi_class", 0);
  const targets = intercepts.length || classes.count;
  const transform = postTransform(site);
  if (targets !== classes.count && !(targets === 1 && classes.count === 2))
    throw site.refuse("intercepts do not fit the classes");
  const rows = linear(site, targets, intercepts);
  if (targets === 1 && classes.count !== 2) throw site.refuse("a classifier of a single class");
  if (targets === 1)
    return [
      classes.pick(rows.map(([score]) => (score > 0 ? 1 : 0))),
      stacked(
        rows.map(([score]) => complement(site, score, transform)),
        2,
      ),
    ];
  const final = rows.map((row) => transformed(site, row, transform));
  return [classes.pick(rows.map(firstLargest)), stacked(final, classes.count)];
}

function linearRegressor(site: Site): Tensor[] {
  const targets = site.integer("targets", 1);
  const intercepts = site.numbers("intercepts") ?? [];
  const transform = postTransform(site);
  if (!(targets > 0) || ![0, targets].includes(intercepts.length))
    throw site.refuse("intercepts do not fit the targets");
  const rows = linear(site, targets, intercepts);
  return [
    stacked(targets > 1 ? rows.map((row) => transformed(site, row, transform)) : rows, targets),
  ];
}

/** A row of numbers as a map from labels. ML-28 */
function zipMap(site: Site): Tensor[] {
  const x = matrix(site);
  const [integers, texts] = [
    site.bigIntegers("classlabels_int64s"),
    site.texts("classlabels_strings"),
  ];
  const labels = integers?.length ? integers : texts;
  if (!labels || (integers?.length && texts?.length) || labels.length !== x.shape[1])
    throw site.refuse("labels do not fit the columns");
  if (x.type !== "float32") throw site.refuse("other than float32");
  return [{ ...x, labels }];
}

export const CLASSIC: Operators = {
  "ai.onnx.ml:Scaler": scaler,
  "ai.onnx.ml:Normalizer": normalizer,
  "ai.onnx.ml:ArrayFeatureExtractor": extractor,
  "ai.onnx.ml:LinearClassifier": linearClassifier,
  "ai.onnx.ml:LinearRegressor": linearRegressor,
  "ai.onnx.ml:ZipMap": zipMap,
};
