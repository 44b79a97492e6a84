// Sums, extremes and what is made of them: softmax, normalisations (TENSOR-12, 18, 19, 22).

import { bits } from "../kernels.js";
import { FormCode, TypeCode } from "../steps.js";
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
import { real } from "./elementwise.js";
import type { Operator, Operators, Site } from "./site.js";

/** Rows that are gathered at a time where their elements don't lie side by side, and results. */
const GATHERED = 32;

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
interface Groups {
  readonly starts: readonly number[];
  readonly offsets: readonly number[];
}

function grouped(x: Tensor, axes: readonly number[]): Groups {
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

/** One result for each group. */
function reduce(x: Tensor, { starts, offsets }: Groups, how: Reduce): Numbers {
  const data = numbersOf(x);
  const result = allocate(x.type, starts.length) as Numbers;
  const round = roundOf(x);
  starts.forEach((start, place) => {
    result[place] = how((index) => data[start + offsets[index]], offsets.length, round);
  });
  return result;
}

function reduction(how: Reduce, whole: boolean): Operator {
  return (site) => {
    const x = whole ? site.input(0) : real(site, 0);
    const rank = x.shape.length;
    const keep = site.integer("keepdims", 1) !== 0;
    const listed = site.listed("axes", 1) ?? [];
    const nothing = site.integer("noop_with_empty_axes", 0) !== 0;
    if (!listed.length && nothing) return [x];
    const every = x.shape.map((_, axis) => axis);
    const axes = listed.length ? listed.map((axis) => axisOf(axis, rank)) : every;
    if (axes.some((axis) => x.shape[axis] === 0)) throw site.refuse("an empty axis");
    const kept = keep
      ? x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
      : x.shape.filter((_, axis) => !axes.includes(axis));
    return [tensorOf(x.type, kept, reduce(x, grouped(x, axes), how))];
  };
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

function softmaxAxes(site: Site, rank: number): number[] {
  if (site.opset >= 13) return [axisOf(site.integer("axis", -1), rank)];
  const axis = site.integer("axis", 1);
  const from = axis === rank ? rank : axisOf(axis, rank);
  return Array.from({ length: rank - from }, (_, at) => from + at);
}

/** Softmax and its kin along axes, by the kernels. */
function form(name: keyof typeof FormCode): Operator {
  return (site) => {
    const x = real(site, 0);
    const axes = softmaxAxes(site, x.shape.length);
    if (!x.data.length) return [x];
    const n = elementsOf(axes.map((axis) => x.shape[axis]));
    const inner = axes.length ? elementsOf(x.shape.slice(axes[axes.length - 1] + 1)) : 1;
    const job = site.job();
    const [source, result] = [job.input(x), job.result(x.type, x.shape)];
    const scratch = inner > 1 ? job.threadScratch(GATHERED * n * 8) : null;
    const outer = x.data.length / (n * inner);
    job.step(
      "FORM_AXIS",
      result,
      source,
      TypeCode[result.type],
      FormCode[name],
      outer,
      n,
      inner,
      scratch,
    );
    return job.run(result);
  };
}

/** 1 / sqrt(x + epsilon), each step rounded. */
function inverseRoot(x: number, epsilon: number, round: Round): number {
  return round(1 / round(Math.sqrt(round(x + round(epsilon)))));
}

/** Rows of the trailing axes normalised, centred or not. */
function layerNormalization(centred: boolean): Operator {
  return (site) => {
    const x = real(site, 0);
    const axis = axisOf(site.integer("axis", -1), x.shape.length);
    const epsilon = site.number("epsilon", 1e-5);
    if (site.integer("stash_type", 1) !== 1) throw site.refuse("another stash_type than float32");
    const inside = x.shape.slice(axis);
    const count = elementsOf(inside);
    const [scale, bias] = [site.input(1), centred ? site.optional(2) : null];
    if (!x.data.length) throw site.refuse("an empty input");
    for (const one of [scale, bias])
      if (one && (one.type !== x.type || one.shape.join() !== inside.join()))
        throw site.refuse("a scale or bias of another type or shape");
    const job = site.job();
    const [source, result] = [job.input(x), job.result(x.type, x.shape)];
    const factors = [job.input(scale), bias ? job.input(bias) : null];
    const rows = x.data.length / count;
    const rest = [TypeCode[result.type], centred ? 1 : 0, rows, count, bits(epsilon), 1, count];
    job.step("NORMALISE_ROWS", result, source, ...factors, null, null, ...rest);
    return job.run(result);
  };
}

function batchNormalization(site: Site): Tensor[] {
  const x = real(site, 0);
  const vectors = [1, 2, 3, 4].map((position) => site.input(position));
  site.ignore("momentum", "spatial");
  const epsilon = site.number("epsilon", Math.fround(1e-5));
  if (site.integer("training_mode", 0)) throw site.refuse("training mode");
  if (vectors.some(({ type, shape }) => type !== x.type || shape.join() !== String(x.shape[1])))
    throw site.refuse("parameters of another type or shape");
  const round = roundOf(x);
  const [scale, bias, mean, variance] = vectors.map(numbersOf);
  const factor = scale.map(
    (one, at) => one * inverseRoot(variance[at], epsilon, round),
  ) as Numbers;
  const shift = bias.map((one, at) => one - round(mean[at] * factor[at])) as Numbers;
  const data = numbersOf(x);
  const run = elementsOf(x.shape.slice(2));
  const result = allocate(x.type, data.length) as Numbers;
  for (let at = 0; at < data.length; at++) {
    const channel = Math.floor(at / run) % x.shape[1];
    result[at] = round(data[at] * factor[channel]) + shift[channel];
  }
  return [tensorOf(x.type, x.shape, result)];
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

export const REDUCTION: Operators = {
  ReduceSum: reduction(sum, false),
  ReduceMean: reduction(mean, false),
  ReduceProd: reduction((at, count, round) => fold(at, count, 1, multiply, round), false),
  ReduceMax: reduction(extreme(larger), true),
  ReduceMin: reduction(extreme(smaller), true),
  ArgMax: place((a, b) => a > b),
  ArgMin: place((a, b) => a < b),
  Softmax: form("SOFTMAX"),
  LogSoftmax: form("LOG_SOFTMAX"),
  Hardmax: form("HARDMAX"),
  LayerNormalization: layerNormalization(true),
  RMSNormalization: layerNormalization(false),
  BatchNormalization: batchNormalization,
  GlobalAveragePool: global(mean),
  GlobalMaxPool: global(extreme(larger)),
  Size: size,
  Range: range,
};
