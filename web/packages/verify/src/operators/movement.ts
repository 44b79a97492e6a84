// Operators that move elements or give them another shape; none of them computes.

import {
  type Elements,
  type Tensor,
  allocate,
  axisOf,
  elementsOf,
  integersOf,
  stridesOf,
  tensorOf,
} from "../tensor/types.js";
import { expanded, broadcast } from "./elementwise.js";
import type { Operators, Site } from "./site.js";

const reshaped = (x: Tensor, shape: readonly number[]): Tensor => ({ ...x, shape });

const product = (sizes: readonly number[]): number =>
  sizes.reduce((total, size) => total * size, 1);

function reshape(site: Site): Tensor[] {
  const x = site.input(0);
  const wanted = integersOf(site.input(1));
  const zeros = site.integer("allowzero", 0) !== 0;
  const shape = wanted.map((size, at) => (size === 0 && !zeros ? (x.shape[at] ?? -2) : size));
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = product(shape.filter((_, at) => at !== open));
    shape[open] = rest ? x.data.length / rest : 0;
  }
  if (elementsOf(shape) !== x.data.length) throw site.refuse("a shape of another size");
  return [reshaped(x, shape)];
}

function flatten(site: Site): Tensor[] {
  const x = site.input(0);
  const axis = site.integer("axis", 1);
  const at = axis === x.shape.length ? axis : axisOf(axis, x.shape.length);
  return [reshaped(x, [product(x.shape.slice(0, at)), product(x.shape.slice(at))])];
}

function squeeze(site: Site): Tensor[] {
  const x = site.input(0);
  const axes = site.listed("axes", 1)?.map((axis) => axisOf(axis, x.shape.length));
  if (axes?.some((axis) => x.shape[axis] !== 1))
    throw site.refuse("an axis of another size than 1");
  const kept = x.shape.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1));
  return [reshaped(x, kept)];
}

function unsqueeze(site: Site): Tensor[] {
  const x = site.input(0);
  const listed = site.listed("axes", 1);
  if (!listed) throw site.refuse("axes are missing");
  const rank = x.shape.length + listed.length;
  const axes = new Set(listed.map((axis) => axisOf(axis, rank)));
  if (axes.size !== listed.length) throw site.refuse("an axis is named twice");
  const old = [...x.shape];
  return [
    reshaped(
      x,
      Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : old.shift()!)),
    ),
  ];
}

/** Elements at `start + Σ index · stride`, row-major over a shape. */
export function gathered(
  x: Tensor,
  shape: readonly number[],
  strides: readonly number[],
  start = 0,
): Tensor {
  const count = elementsOf(shape);
  const target = allocate(x.type, count);
  const rank = shape.length;
  const index = new Array<number>(rank).fill(0);
  let from = start;
  for (let to = 0; to < count; to++) {
    target[to] = x.data[from];
    for (let axis = rank - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return tensorOf(x.type, shape, target);
}

/** A tensor with its axes in another order. */
export function transposed(x: Tensor, order: readonly number[]): Tensor {
  const strides = stridesOf(x.shape);
  return gathered(
    x,
    order.map((axis) => x.shape[axis]),
    order.map((axis) => strides[axis]),
  );
}

function transpose(site: Site): Tensor[] {
  const x = site.input(0);
  const rank = x.shape.length;
  const order =
    site.integers("perm") ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const known = [...order].sort((a, b) => a - b).every((axis, at) => axis === at);
  if (order.length !== rank || !known) throw site.refuse("perm is no order of its axes");
  return [transposed(x, order)];
}

/** Puts elements into a row of them, from a place on. */
export function joined(target: Elements, source: Elements, at: number): void {
  if (Array.isArray(target))
    for (let i = 0; i < source.length; i++) target[at + i] = source[i] as string;
  else (target as Float32Array).set(source as Float32Array, at);
}

function part(source: Elements, begin: number, end: number): Elements {
  return Array.isArray(source) ? source.slice(begin, end) : source.subarray(begin, end);
}

function concat(site: Site): Tensor[] {
  const tensors = site.all();
  const [first] = tensors;
  const axis = axisOf(site.integer("axis", Number.NaN), first.shape.length);
  for (const { type, shape } of tensors)
    if (
      type !== first.type ||
      shape.length !== first.shape.length ||
      shape.some((size, at) => at !== axis && size !== first.shape[at])
    )
      throw site.refuse("inputs that do not fit together");
  const total = tensors.reduce((sum, { shape }) => sum + shape[axis], 0);
  const shape = first.shape.map((size, at) => (at === axis ? total : size));
  const target = allocate(first.type, elementsOf(shape));
  const outer = product(shape.slice(0, axis));
  let at = 0;
  for (let row = 0; row < outer; row++)
    for (const { data } of tensors) {
      const run = data.length / outer;
      joined(target, part(data, row * run, (row + 1) * run), at);
      at += run;
    }
  return [tensorOf(first.type, shape, target)];
}

/** `size` elements of an axis from `begin` on, `step` apart. */
function sliced(x: Tensor, axis: number, begin: number, size: number, step: number): Tensor {
  const strides = stridesOf(x.shape);
  const start = begin * strides[axis];
  const shape = x.shape.map((old, at) => (at === axis ? size : old));
  return gathered(
    x,
    shape,
    strides.map((stride, at) => (at === axis ? stride * step : stride)),
    start,
  );
}

function split(site: Site): Tensor[] {
  const x = site.input(0);
  const axis = axisOf(site.integer("axis", 0), x.shape.length);
  const count = site.node.outputs.length;
  const each = Math.ceil(x.shape[axis] / count);
  const even = Array.from({ length: count }, (_, at) =>
    Math.max(Math.min(each, x.shape[axis] - at * each), 0),
  );
  if (site.integer("num_outputs", count) !== count) throw site.refuse("another number of outputs");
  const sizes = site.listed("split", 1) ?? even;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (sizes.length !== count || total !== x.shape[axis] || sizes.some((size) => size < 0))
    throw site.refuse("parts that do not fit");
  let begin = 0;
  return sizes.map((size) => sliced(x, axis, (begin += size) - size, size, 1));
}

function slice(site: Site): Tensor[] {
  let x = site.input(0);
  const starts = site.listed("starts", 1);
  const ends = site.listed("ends", 2);
  if (!starts || !ends || starts.length !== ends.length)
    throw site.refuse("starts and ends differ");
  const axes = site.listed("axes", 3) ?? starts.map((_, at) => at);
  const given = site.optional(4);
  const steps = given ? integersOf(given) : starts.map(() => 1);
  const used = new Set<number>();
  starts.forEach((start, at) => {
    const axis = axisOf(axes[at], x.shape.length);
    const [size, step, end] = [x.shape[axis], steps[at], ends[at]];
    if (!step || used.has(axis)) throw site.refuse("a step of 0, or an axis named twice");
    used.add(axis);
    const clamp = (place: number) => {
      const counted = place < 0 ? place + size : place;
      return step > 0
        ? Math.min(Math.max(counted, 0), size)
        : Math.min(Math.max(counted, -1), size - 1);
    };
    const from = clamp(start);
    x = sliced(x, axis, from, Math.max(Math.ceil((clamp(end) - from) / step), 0), step);
  });
  return [x];
}

function gather(site: Site): Tensor[] {
  const [x, indices] = [site.input(0), site.input(1)];
  const axis = axisOf(site.integer("axis", 0), x.shape.length);
  const size = x.shape[axis];
  const inner = product(x.shape.slice(axis + 1));
  const outer = product(x.shape.slice(0, axis));
  const places = integersOf(indices).map((index) => {
    if (index < -size || index >= size) throw site.refuse(`index ${index} is outside ${size}`);
    return index < 0 ? index + size : index;
  });
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const target = allocate(x.type, elementsOf(shape));
  let at = 0;
  for (let row = 0; row < outer; row++)
    for (const index of places) {
      const begin = (row * size + index) * inner;
      joined(target, part(x.data, begin, begin + inner), at);
      at += inner;
    }
  return [tensorOf(x.type, shape, target)];
}

function expand(site: Site): Tensor[] {
  const x = site.input(0);
  const shape = broadcast(x.shape, integersOf(site.input(1)));
  return [tensorOf(x.type, shape, expanded(x, shape))];
}

function pad(site: Site): Tensor[] {
  const x = site.input(0);
  site.text("mode", "constant", ["constant"]);
  const pads = site.listed("pads", 1);
  const value =
    site.optional(2)?.data[0] ?? (site.opset < 11 ? site.number("value", 0) : undefined);
  if (
    site.optional(3) ||
    !pads ||
    pads.length !== 2 * x.shape.length ||
    pads.some((size) => size < 0)
  )
    throw site.refuse("only paddings of every axis are supported");
  const rank = x.shape.length;
  const shape = x.shape.map((size, axis) => size + pads[axis] + pads[axis + rank]);
  const target = allocate(x.type, elementsOf(shape));
  if (value !== undefined) (target as Float32Array).fill(value as number);
  const strides = stridesOf(shape);
  const start = strides.reduce((sum, stride, axis) => sum + stride * pads[axis], 0);
  const index = new Array<number>(rank).fill(0);
  let to = start;
  for (let from = 0; from < x.data.length; from++) {
    target[to] = x.data[from];
    for (let axis = rank - 1; axis >= 0; axis--) {
      to += strides[axis];
      if (++index[axis] < x.shape[axis]) break;
      to -= strides[axis] * x.shape[axis];
      index[axis] = 0;
    }
  }
  return [tensorOf(x.type, shape, target)];
}

function constant(site: Site): Tensor[] {
  const tensor = site.tensor("value");
  if (tensor) return [tensor];
  if (site.node.attributes.has("value_float"))
    return [tensorOf("float32", [], Float32Array.of(site.number("value_float", 0)))];
  if (site.node.attributes.has("value_int"))
    return [tensorOf("int64", [], BigInt64Array.of(BigInt(site.integer("value_int", 0))))];
  const floats = site.numbers("value_floats");
  if (floats) return [tensorOf("float32", [floats.length], Float32Array.from(floats))];
  const integers = site.bigIntegers("value_ints");
  if (integers) return [tensorOf("int64", [integers.length], BigInt64Array.from(integers))];
  throw site.refuse("a constant of a kind that is not supported");
}

function constantOfShape(site: Site): Tensor[] {
  const shape = integersOf(site.input(0));
  const value = site.tensor("value") ?? tensorOf("float32", [1]);
  const target = allocate(value.type, elementsOf(shape));
  (target as Float32Array).fill(value.data[0] as number);
  return [tensorOf(value.type, shape, target)];
}

function shape(site: Site): Tensor[] {
  const sizes = site.input(0).shape;
  const rank = sizes.length;
  const bound = (place: number) => Math.min(Math.max(place < 0 ? place + rank : place, 0), rank);
  const part = sizes.slice(bound(site.integer("start", 0)), bound(site.integer("end", rank)));
  return [tensorOf("int64", [part.length], BigInt64Array.from(part, BigInt))];
}

export const MOVEMENT: Operators = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  Expand: expand,
  Pad: pad,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Shape: shape,
};
