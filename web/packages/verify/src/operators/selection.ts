// Operators that choose, sort, repeat and count: SHAPE-31, 40, 63, 65.

import {
  type Tensor,
  allocate,
  axisOf,
  elementsOf,
  integersOf,
  numbersOf,
  stridesOf,
  tensorOf,
} from "../tensor/types.js";
import { gathered, transposed } from "./movement.js";
import type { Operator, Operators, Site } from "./site.js";

/** For each line along an axis, where it begins; and how far apart its elements are. */
export function linesOf(
  shape: readonly number[],
  axis: number,
): { starts: number[]; step: number } {
  const step = stridesOf(shape)[axis];
  const size = shape[axis];
  const starts: number[] = [];
  for (let outer = 0; outer < elementsOf(shape.slice(0, axis)); outer++)
    for (let inner = 0; inner < step; inner++) starts.push(outer * size * step + inner);
  return { starts, step };
}

/** The k largest or smallest of each line, the first of equal ones first; NaN is the largest. */
function topK(site: Site): Tensor[] {
  const x = site.input(0);
  const [k, ...others] = site.opset < 10 ? [site.integer("k", -1)] : integersOf(site.input(1));
  const axis = axisOf(site.integer("axis", -1), x.shape.length);
  const sign = site.integer("largest", 1) !== 0 ? -1 : 1;
  site.ignore("sorted");
  if (others.length || !(k >= 0 && k <= x.shape[axis])) throw site.refuse("a k that does not fit");
  const data = x.data as readonly (number | bigint)[] & Float32Array;
  if (x.type === "string" || x.type === "float16" || x.type === "bool")
    throw site.refuse(`elements of type ${x.type}`);
  const compare = (a: number | bigint, b: number | bigint): number => {
    if (Number.isNaN(a) || Number.isNaN(b))
      return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
    return a < b ? -1 : a > b ? 1 : 0;
  };
  const shape = x.shape.map((size, at) => (at === axis ? k : size));
  const { starts, step } = linesOf(x.shape, axis);
  const targets = linesOf(shape, axis);
  const values = allocate(x.type, elementsOf(shape));
  const places = new BigInt64Array(values.length);
  starts.forEach((start, line) => {
    const order = Array.from({ length: x.shape[axis] }, (_, at) => at);
    order.sort((a, b) => sign * compare(data[start + a * step], data[start + b * step]) || a - b);
    for (let at = 0; at < k; at++) {
      const to = targets.starts[line] + at * targets.step;
      values[to] = data[start + order[at] * step];
      places[to] = BigInt(order[at]);
    }
  });
  return [tensorOf(x.type, shape, values), tensorOf("int64", shape, places)];
}

/** Running sums, one addition after another. */
function cumSum(site: Site): Tensor[] {
  const x = site.input(0);
  const axis = axisOf(integersOf(site.input(1))[0], x.shape.length);
  const exclusive = site.integer("exclusive", 0) !== 0;
  const reverse = site.integer("reverse", 0) !== 0;
  const data = numbersOf(x);
  const result = allocate(x.type, data.length) as Float64Array;
  const { starts, step } = linesOf(x.shape, axis);
  const size = x.shape[axis];
  const round = allocate(x.type, 1) as Float64Array;
  for (const start of starts) {
    round[0] = 0;
    for (let at = 0; at < size; at++) {
      const place = start + (reverse ? size - 1 - at : at) * step;
      const before = round[0];
      round[0] = before + data[place];
      result[place] = exclusive ? before : round[0];
    }
  }
  return [tensorOf(x.type, x.shape, result)];
}

function gatherElements(site: Site): Tensor[] {
  const [x, indices] = [site.input(0), site.input(1)];
  const axis = axisOf(site.integer("axis", 0), x.shape.length);
  const outside = indices.shape.some((size, at) => at !== axis && size > x.shape[at]);
  if (indices.shape.length !== x.shape.length || outside) throw site.refuse("indices do not fit");
  const strides = stridesOf(x.shape);
  const own = stridesOf(indices.shape);
  const size = x.shape[axis];
  const result = allocate(x.type, indices.data.length);
  integersOf(indices).forEach((index, at) => {
    if (index < -size || index >= size) throw site.refuse(`index ${index} is outside ${size}`);
    let place = (index < 0 ? index + size : index) * strides[axis];
    own.forEach((stride, dimension) => {
      if (dimension !== axis)
        place += (Math.floor(at / stride) % indices.shape[dimension]) * strides[dimension];
    });
    result[at] = x.data[place];
  });
  return [tensorOf(x.type, indices.shape, result)];
}

/** Each axis repeated; through a view in which the repeats are axes of their own. */
function tile(site: Site): Tensor[] {
  const x = site.input(0);
  const repeats = integersOf(site.input(1));
  if (repeats.length !== x.shape.length || repeats.some((count) => count < 0))
    throw site.refuse("repeats do not fit");
  const strides = stridesOf(x.shape);
  const shape = x.shape.flatMap((size, axis) => [repeats[axis], size]);
  const whole = gathered(
    x,
    shape,
    strides.flatMap((stride) => [0, stride]),
  );
  return [{ ...whole, shape: x.shape.map((size, axis) => size * repeats[axis]) }];
}

/** Elements outside the triangle become 0. */
function trilu(site: Site): Tensor[] {
  const x = site.input(0);
  const offset = site.optional(1);
  const diagonal = offset ? integersOf(offset)[0] : 0;
  const upper = site.integer("upper", 1) !== 0;
  if (x.shape.length < 2 || x.type === "string") throw site.refuse("an input that is no matrix");
  const [rows, columns] = x.shape.slice(-2);
  const result = allocate(x.type, x.data.length);
  for (let at = 0; at < result.length; at++) {
    const distance = (at % columns) - (Math.floor(at / columns) % rows);
    if (upper ? distance >= diagonal : distance <= diagonal) result[at] = x.data[at];
  }
  return [tensorOf(x.type, x.shape, result)];
}

/** Blocks of channels to blocks of pixels (DCR or CRD), or back. */
function blocks(toSpace: boolean): Operator {
  return (site) => {
    const x = site.input(0);
    const size = site.integer("blocksize", 0);
    const mode = toSpace ? site.text("mode", "DCR", ["DCR", "CRD"]) : "DCR";
    const [n, channels, height, width] = x.shape;
    const inner = size * size;
    if (x.shape.length !== 4 || !(size > 0)) throw site.refuse("an input that is no image");
    if (toSpace) {
      if (channels % inner) throw site.refuse("channels do not divide into blocks");
      const deep = channels / inner;
      const parts =
        mode === "DCR"
          ? [n, size, size, deep, height, width]
          : [n, deep, size, size, height, width];
      const order = mode === "DCR" ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
      const moved = transposed({ ...x, shape: parts }, order);
      return [{ ...moved, shape: [n, deep, height * size, width * size] }];
    }
    if (height % size || width % size) throw site.refuse("pixels do not divide into blocks");
    const [rows, columns] = [height / size, width / size];
    const parts = [n, channels, rows, size, columns, size];
    const moved = transposed({ ...x, shape: parts }, [0, 3, 5, 1, 2, 4]);
    return [{ ...moved, shape: [n, channels * inner, rows, columns] }];
  };
}

export const SELECTION: Operators = {
  TopK: topK,
  CumSum: cumSum,
  GatherElements: gatherElements,
  Tile: tile,
  Trilu: trilu,
  DepthToSpace: blocks(true),
  SpaceToDepth: blocks(false),
};
