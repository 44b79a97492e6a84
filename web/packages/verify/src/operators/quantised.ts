// Quantised numbers: SHAPE-100 to SHAPE-103. Sums of products of bytes stay below 2^53, so that
// JavaScript's numbers hold each of them exactly, in whatever order; then they wrap to int32.

import { larger, roundEven, smaller } from "../tensor/numerics.js";
import {
  type ElementType,
  type Numbers,
  type Tensor,
  allocate,
  axisOf,
  elementsOf,
  numbersOf,
  stridesOf,
  tensorOf,
  typeOfCode,
} from "../tensor/types.js";
import { broadcast, cast, expanded } from "./elementwise.js";
import type { Operators, Site } from "./site.js";
import { windowsOf } from "./windows.js";

const round = Math.fround;
const BOUNDS: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
};

/** Rounded, shifted and bounded; `x` is divided by the scale already. */
function quantised(x: number, zero: number, [low, high]: readonly [number, number]): number {
  const whole = (Number.isNaN(x) ? 0 : roundEven(x)) + zero;
  return whole < low ? low : whole > high ? high : whole;
}

function boundsOf(site: Site, type: ElementType): readonly [number, number] {
  if (!Object.hasOwn(BOUNDS, type)) throw site.refuse(`quantisation to ${type}`);
  return BOUNDS[type];
}

/** Which element of a scale belongs to an element of x: one for all, for an axis, or for blocks. */
function aligned(site: Site, x: Tensor, scale: Tensor): (at: number) => number {
  const block = site.integer("block_size", 0);
  const axis = site.integer("axis", 1);
  if (block) throw site.refuse("scales of blocks");
  if (scale.data.length === 1 && scale.shape.length < 2) return () => 0;
  const at = axisOf(axis, x.shape.length);
  if (scale.shape.join() !== String(x.shape[at])) throw site.refuse("a scale that does not fit");
  const [stride, size] = [stridesOf(x.shape)[at], x.shape[at]];
  return (place) => Math.floor(place / stride) % size;
}

function quantizeLinear(site: Site): Tensor[] {
  const [x, scale, zero] = [site.input(0), site.input(1), site.optional(2)];
  const code = site.integer("output_dtype", 0);
  site.ignore("saturate", "precision");
  const type = zero?.type ?? (code ? typeOfCode(code) : "uint8");
  const bounds = boundsOf(site, type);
  if (
    !["float32", "int32"].includes(x.type) ||
    scale.type !== "float32" ||
    (code && typeOfCode(code) !== type)
  )
    throw site.refuse("other than float32 to small integers");
  if (zero && zero.shape.join() !== scale.shape.join())
    throw site.refuse("a zero point that does not fit");
  const which = aligned(site, x, scale);
  const data = cast(x, "float32").data as Float32Array;
  const result = allocate(type, data.length) as Numbers;
  for (let at = 0; at < data.length; at++) {
    const quotient = round(data[at] / (scale.data[which(at)] as number));
    result[at] = quantised(quotient, zero ? (zero.data[which(at)] as number) : 0, bounds);
  }
  return [tensorOf(type, x.shape, result)];
}

function dequantizeLinear(site: Site): Tensor[] {
  const [x, scale, zero] = [site.input(0), site.input(1), site.optional(2)];
  const code = site.integer("output_dtype", 1);
  if (scale.type !== "float32" || (code !== 0 && code !== 1))
    throw site.refuse("other than float32");
  if (x.type !== "int32") boundsOf(site, x.type);
  if (zero && (zero.type !== x.type || zero.shape.join() !== scale.shape.join()))
    throw site.refuse("a zero point that does not fit");
  const which = aligned(site, x, scale);
  const data = numbersOf(x);
  const result = new Float32Array(data.length);
  for (let at = 0; at < data.length; at++) {
    const whole = data[at] - (zero ? (zero.data[which(at)] as number) : 0);
    result[at] = round(whole) * (scale.data[which(at)] as number);
  }
  return [tensorOf("float32", x.shape, result)];
}

/** The range, widened to hold 0, is divided by 255; an empty range has scale 1. */
function dynamicQuantizeLinear(site: Site): Tensor[] {
  const x = site.input(0);
  if (x.type !== "float32") throw site.refuse(`elements of type ${x.type}`);
  const data = x.data as Float32Array;
  const high = data.reduce(larger, data.length ? larger(data[0], 0) : 0);
  const low = data.reduce(smaller, data.length ? smaller(data[0], 0) : 0);
  const [top, bottom] = [larger(high, 0), smaller(low, 0)];
  const scale = top === bottom ? 1 : round(round(top - bottom) / 255);
  const zero = quantised(round(0 - round(bottom / scale)), 0, BOUNDS.uint8);
  const bytes = Uint8Array.from(data, (value) =>
    quantised(round(value / scale), zero, BOUNDS.uint8),
  );
  return [
    tensorOf("uint8", x.shape, bytes),
    tensorOf("float32", [], Float32Array.of(scale)),
    tensorOf("uint8", [], Uint8Array.of(zero)),
  ];
}

/** Bytes less their zero point: one for all, or one for each row (or column) of a matrix. */
function shifted(site: Site, x: Tensor, zero: Tensor | null, rows: boolean): Int32Array {
  if (x.type !== "int8" && x.type !== "uint8") throw site.refuse(`elements of type ${x.type}`);
  if (zero && zero.type !== x.type) throw site.refuse("a zero point of another type");
  const index = zero ? spread(site, zero, x.shape.slice(-2), rows) : null;
  return Int32Array.from(x.data as Uint8Array, (value, at) =>
    index ? value - (zero!.data[index(at)] as number) : value,
  );
}

/** Which element of a scale or zero point belongs to element `at` of matrices of this shape. */
function spread(
  site: Site,
  x: Tensor,
  [rows, columns]: readonly number[],
  byRow: boolean,
): (at: number) => number {
  if (x.data.length === 1) return () => 0;
  if (x.shape.join() !== String(byRow ? rows : columns))
    throw site.refuse("a scale that does not fit");
  return byRow ? (at) => Math.floor(at / columns) % rows : (at) => at % columns;
}

/** Exact products of matrices, wrapped to int32, with broadcast batches. */
function integerProduct(
  site: Site,
  a: Tensor,
  b: Tensor,
  zeros: readonly (Tensor | null)[],
): Tensor {
  if (a.shape.length < 2 || b.shape.length < 2) throw site.refuse("vectors in a product");
  const [m, k] = a.shape.slice(-2);
  const [depth, n] = b.shape.slice(-2);
  const outer = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2), []);
  if (k !== depth) throw site.refuse("matrices that do not fit");
  const [left, right] = [a, b].map((x, at) => {
    const data = shifted(site, x, zeros[at], at === 0);
    return expanded(tensorOf("int32", x.shape, data), [
      ...outer,
      ...x.shape.slice(-2),
    ]) as Int32Array;
  });
  const batch = elementsOf(outer);
  const result = new Int32Array(batch * m * n);
  const sums = new Float64Array(n);
  for (let row = 0; row < batch * m; row++) {
    sums.fill(0);
    const begin = Math.floor(row / m) * k * n;
    for (let i = 0; i < k; i++) {
      const factor = left[row * k + i];
      if (factor) for (let j = 0; j < n; j++) sums[j] += factor * right[begin + i * n + j];
    }
    result.set(sums, row * n);
  }
  return tensorOf("int32", [...outer, m, n], result);
}

function matmulInteger(site: Site): Tensor[] {
  return [
    integerProduct(site, site.input(0), site.input(1), [site.optional(2), site.optional(3)]),
  ];
}

function qlinearMatmul(site: Site): Tensor[] {
  const [a, aScale, aZero, b, bScale, bZero, yScale, yZero] = Array.from({ length: 8 }, (_, at) =>
    site.input(at),
  );
  const total = integerProduct(site, a, b, [aZero, bZero]);
  const shape = total.shape.slice(-2);
  const scales = [aScale, bScale, yScale];
  if (scales.some(({ type }) => type !== "float32")) throw site.refuse("scales of another type");
  const [left, right, down, zero] = [
    ...scales.map((scale, at) => spread(site, scale, shape, at !== 1)),
    spread(site, yZero, shape, true),
  ];
  const bounds = boundsOf(site, yZero.type);
  const result = allocate(yZero.type, total.data.length) as Numbers;
  for (let at = 0; at < result.length; at++) {
    const up = round((aScale.data[left(at)] as number) * (bScale.data[right(at)] as number));
    const factor = round(up / (yScale.data[down(at)] as number));
    const real = round(round(total.data[at] as number) * factor);
    result[at] = quantised(real, yZero.data[zero(at)] as number, bounds);
  }
  return [tensorOf(yZero.type, total.shape, result)];
}

/** Exact sums of a convolution as int32 (the bias too), padding being the zero point. */
function convolved(
  site: Site,
  x: Tensor,
  weights: Tensor,
  zeros: readonly (Tensor | null)[],
  bias: Tensor | null,
): Tensor {
  const groups = site.integer("group", 1);
  const [batch, channels, ...spatial] = x.shape;
  const [filters, depth, ...kernel] = weights.shape;
  const declared = site.integers("kernel_shape");
  if (
    !(groups > 0) ||
    depth * groups !== channels ||
    filters % groups ||
    (declared && declared.join() !== kernel.join())
  )
    throw site.refuse("weights that do not fit the input");
  if (zeros[0] && zeros[0].data.length !== 1) throw site.refuse("several zero points of x");
  if (bias && (bias.type !== "int32" || bias.shape.join() !== String(filters)))
    throw site.refuse("a bias that does not fit");
  const taps = elementsOf(kernel);
  const flat = { ...weights, shape: [filters, depth * taps] };
  const data = shifted(site, x, zeros[0], true);
  const kernels = shifted(site, flat, zeros[1], true);
  const windows = windowsOf(site, spatial, kernel, false);
  const [plane, pixels] = [elementsOf(spatial), elementsOf(windows.output)];
  const sources = Array.from({ length: taps }, (_, tap) => windows.sources(tap, spatial));
  const result = new Int32Array(batch * filters * pixels);
  const sums = new Float64Array(pixels);
  for (let image = 0; image < batch; image++)
    for (let filter = 0; filter < filters; filter++) {
      const group = Math.floor(filter / (filters / groups));
      sums.fill(bias ? (bias.data[filter] as number) : 0);
      for (let channel = 0; channel < depth; channel++) {
        const begin = (image * channels + group * depth + channel) * plane;
        for (let tap = 0; tap < taps; tap++) {
          const factor = kernels[(filter * depth + channel) * taps + tap];
          const from = sources[tap];
          if (factor)
            for (let at = 0; at < pixels; at++)
              if (from[at] >= 0) sums[at] += factor * data[begin + from[at]];
        }
      }
      result.set(sums, (image * filters + filter) * pixels);
    }
  return tensorOf("int32", [batch, filters, ...windows.output], result);
}

function convInteger(site: Site): Tensor[] {
  return [
    convolved(site, site.input(0), site.input(1), [site.optional(2), site.optional(3)], null),
  ];
}

function qlinearConv(site: Site): Tensor[] {
  const [x, xScale, xZero, weights, wScale, wZero, yScale, yZero] = Array.from(
    { length: 8 },
    (_, at) => site.input(at),
  );
  const total = convolved(site, x, weights, [xZero, wZero], site.optional(8));
  const bounds = boundsOf(site, yZero.type);
  const pixels = elementsOf(total.shape.slice(2));
  const filters = weights.shape[0];
  if (
    [xScale, yScale, yZero].some(({ data }) => data.length !== 1) ||
    ![1, filters].includes(wScale.data.length)
  )
    throw site.refuse("scales that do not fit");
  const factors = Array.from({ length: filters }, (_, filter) => {
    const scale = wScale.data[wScale.data.length === 1 ? 0 : filter] as number;
    return round(round((xScale.data[0] as number) * scale) / (yScale.data[0] as number));
  });
  const result = allocate(yZero.type, total.data.length) as Numbers;
  for (let at = 0; at < result.length; at++) {
    const real = round(
      round(total.data[at] as number) * factors[Math.floor(at / pixels) % filters],
    );
    result[at] = quantised(real, yZero.data[0] as number, bounds);
  }
  return [tensorOf(yZero.type, total.shape, result)];
}

export const QUANTISED: Operators = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  MatMulInteger: matmulInteger,
  QLinearMatMul: qlinearMatmul,
  ConvInteger: convInteger,
  QLinearConv: qlinearConv,
};
