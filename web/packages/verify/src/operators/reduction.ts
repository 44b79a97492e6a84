// Sums, extremes and where they are (TENSOR-12, TENSOR-18, SHAPE-50).

import { type Round, add, fold, larger, multiply, same, smaller } from "../tensor/numerics.js";
import {
  type Numbers,
  type Tensor,
  allocate,
  axisOf,
  elementsOf,
  integersOf,
  numbersOf,
  stridesOf,
  tensorOf,
} from "../tensor/types.js";
import { apply, real } from "./elementwise.js";
import type { Operator, Operators, Site } from "./site.js";

/** How results of a float type are rounded. */
export function roundOf(tensor: Tensor): Round {
  return tensor.type === "float32" ? Math.fround : same;
}

/** Places of all indices over some axes, in row-major order. */
function placesOf(shape: readonly number[], strides: readonly number[]): number[] {
  let places = [0];
  shape.forEach((size, axis) => {
    places = places.flatMap((place) =>
      Array.from({ length: size }, (_, index) => place + index * strides[axis]),
    );
  });
  return places;
}

/** The elements of a tensor by what is kept and what is reduced, both in row-major order. */
export interface Groups {
  readonly starts: readonly number[];
  readonly offsets: readonly number[];
}

export function grouped(x: Tensor, axes: readonly number[]): Groups {
  const strides = stridesOf(x.shape);
  const pick = (keep: boolean) => {
    const chosen = x.shape.map((_, axis) => axis).filter((axis) => axes.includes(axis) !== keep);
    return placesOf(
      chosen.map((axis) => x.shape[axis]),
      chosen.map((axis) => strides[axis]),
    );
  };
  return { starts: pick(true), offsets: pick(false) };
}

type Reduce = (at: (index: number) => number, count: number, round: Round) => number;

const sum: Reduce = (at, count, round) => fold(at, count, 0, add, round);

/** A mean: the sum divided by the count. */
export const mean: Reduce = (at, count, round) => round(sum(at, count, round) / round(count));

function extreme(choose: (a: number, b: number) => number): Reduce {
  return (at, count) => {
    let best = at(0);
    for (let index = 1; index < count; index++) best = choose(best, at(index));
    return best;
  };
}

const largest = extreme(larger);
const smallest = extreme(smaller);

/** One result for each group. */
export function reduce(x: Tensor, { starts, offsets }: Groups, how: Reduce): Numbers {
  const data = numbersOf(x);
  const result = allocate(x.type, starts.length) as Numbers;
  const round = roundOf(x);
  starts.forEach((start, place) => {
    result[place] = how((index) => data[start + offsets[index]], offsets.length, round);
  });
  return result;
}

/** What a reduction makes of its terms before, and of its results after. */
interface Around {
  readonly before?: (x: number, round: Round) => number;
  readonly after?: (site: Site, results: Tensor) => Tensor;
}

function reduction(how: Reduce, { before, after }: Around = {}): Operator {
  return (site) => {
    const whole = !before && !after && (how === largest || how === smallest);
    const x = whole ? site.input(0) : real(site, 0);
    const axes = reducedAxes(site, x);
    const round = roundOf(x);
    const terms = before
      ? { ...x, data: (x.data as Float32Array).map((value) => before(value, round)) }
      : x;
    const reduced = tensorOf(x.type, x.shape, reduce(terms, grouped(x, axes), how));
    const results = { ...reduced, shape: keptShape(site, x.shape, axes) };
    return [after ? after(site, results) : results];
  };
}

/** The axes that an attribute or input names; none of them is empty. */
function reducedAxes(site: Site, x: Tensor): number[] {
  const listed = site.listed("axes", 1) ?? [];
  const nothing = site.integer("noop_with_empty_axes", 0) !== 0;
  const every = x.shape.map((_, axis) => axis);
  const named = listed.map((axis) => axisOf(axis, x.shape.length));
  const axes = listed.length ? named : nothing ? [] : every;
  if (axes.some((axis) => x.shape[axis] === 0)) throw site.refuse("an empty axis");
  return axes;
}

function keptShape(site: Site, shape: readonly number[], axes: readonly number[]): number[] {
  return site.integer("keepdims", 1) !== 0
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
}

/** max + log(sum(exp(x - max))), max taken as 0 where it isn't finite. SHAPE-53 */
function logSumExp(site: Site): Tensor[] {
  const x = real(site, 0);
  const axes = reducedAxes(site, x);
  const groups = grouped(x, axes);
  const shifts = reduce(x, groups, largest).map((one) => (Number.isFinite(one) ? one : 0));
  const shifted = tensorOf(x.type, x.shape);
  groups.starts.forEach((start, place) => {
    for (const offset of groups.offsets)
      (shifted.data as Float32Array)[start + offset] =
        (x.data as Float32Array)[start + offset] - shifts[place];
  });
  const totals = reduce(apply(site, "EXP", shifted), groups, sum);
  const shape = keptShape(site, x.shape, axes);
  const logarithms = apply(site, "LOG", tensorOf(x.type, shape, totals)).data as Float32Array;
  return [
    tensorOf(
      x.type,
      shape,
      logarithms.map((one, at) => one + shifts[at]),
    ),
  ];
}

/** The place of the first (or last) largest or smallest element; NaN counts as most extreme. */
function place(better: (a: number, b: number) => boolean): Operator {
  return (site) => {
    const x = site.input(0);
    const axis = axisOf(site.integer("axis", 0), x.shape.length);
    const last = site.integer("select_last_index", 0) !== 0;
    const keep = site.integer("keepdims", 1) !== 0;
    const data = numbersOf(x);
    const { starts, offsets } = grouped(x, [axis]);
    if (!offsets.length) throw site.refuse("an empty axis");
    const result = starts.map((start) => {
      let best = 0;
      for (let index = 1; index < offsets.length; index++) {
        const [now, before] = [data[start + offsets[index]], data[start + offsets[best]]];
        const isMore = Number.isNaN(now) ? !Number.isNaN(before) : better(now, before);
        const isSame = Number.isNaN(now) ? Number.isNaN(before) : now === before;
        if (isMore || (last && isSame)) best = index;
      }
      return BigInt(best);
    });
    const shape = keep
      ? x.shape.map((size, at) => (at === axis ? 1 : size))
      : x.shape.filter((_, at) => at !== axis);
    return [tensorOf("int64", shape, BigInt64Array.from(result))];
  };
}

/** Over all spatial axes of [n, c, spatial…]. */
function global(how: Reduce): Operator {
  return (site) => {
    const x = real(site, 0);
    if (x.shape.length < 3) throw site.refuse("no spatial axes");
    const axes = x.shape.map((_, axis) => axis).slice(2);
    if (!elementsOf(x.shape.slice(2))) throw site.refuse("no spatial elements");
    const shape = x.shape.map((size, axis) => (axis < 2 ? size : 1));
    return [tensorOf(x.type, shape, reduce(x, grouped(x, axes), how))];
  };
}

/** Only of numbers that are known before: how many there are. */
function size(site: Site): Tensor[] {
  const x = site.input(0);
  return [tensorOf("int64", [], BigInt64Array.of(BigInt(x.data.length)))];
}

function range(site: Site): Tensor[] {
  const [start, limit, delta] = [0, 1, 2].map((at) => site.input(at));
  if (start.type !== "int64" || limit.type !== "int64" || delta.type !== "int64")
    throw site.refuse("only ranges of int64 are supported");
  const [from, to, step] = [start, limit, delta].map((one) => integersOf(one)[0]);
  const count = step ? Math.max(Math.ceil((to - from) / step), 0) : 0;
  elementsOf([count]);
  const values = Array.from({ length: count }, (_, at) => BigInt(from + at * step));
  return [tensorOf("int64", [count], BigInt64Array.from(values))];
}

const square = (x: number, round: Round): number => round(x * x);

export const REDUCTION: Operators = {
  ReduceSum: reduction(sum),
  ReduceMean: reduction(mean),
  ReduceProd: reduction((at, count, round) => fold(at, count, 1, multiply, round)),
  ReduceMax: reduction(largest),
  ReduceMin: reduction(smallest),
  ReduceL1: reduction(sum, { before: Math.abs }),
  ReduceSumSquare: reduction(sum, { before: square }),
  ReduceL2: reduction(sum, {
    before: square,
    after: (_, x) => ({ ...x, data: (x.data as Float32Array).map(Math.sqrt) }),
  }),
  ReduceLogSum: reduction(sum, { after: (site, x) => apply(site, "LOG", x) }),
  ReduceLogSumExp: logSumExp,
  ArgMax: place((a, b) => a > b),
  ArgMin: place((a, b) => a < b),
  GlobalAveragePool: global(mean),
  GlobalMaxPool: global(largest),
  Size: size,
  Range: range,
};
