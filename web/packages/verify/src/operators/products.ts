// Matrix products and convolutions, which the kernels compute (TENSOR-10, 16, 17).

import type { Job, Operand, Place } from "../kernels.js";
import { type Tensor, elementsOf, tensorOf } from "../tensor/types.js";
import { broadcast, expanded } from "./elementwise.js";
import { transposed } from "./movement.js";
import type { Operators, Site } from "./site.js";
import { type Windows, windowsOf } from "./windows.js";

/** What the columns of a packed matrix are padded to at most: one vector of any build. */
const VECTOR = 16;

/** B by its distances between rows and columns; `batch` between matrices, 0 for one matrix. */
interface View {
  readonly place: Place;
  readonly rows: number;
  readonly columns: number;
  readonly batch: number;
}

/** B in panels, in the order the kernels read it. */
export function packed(job: Job, k: number, n: number, b: View, matrices: number): Place {
  const panels = job.temporary(4 * k * Math.ceil(n / VECTOR) * VECTOR * matrices);
  job.step("PACK_B_F32", panels, b.place, k, n, b.rows, b.columns, 1, matrices, b.batch);
  return panels;
}

/** C = start + A B for a batch of matrices. Rows of A are contiguous, `apart` lies between its
 * matrices; the start has no batch. */
export function product(
  job: Job,
  [m, n, k, batch]: readonly [number, number, number, number],
  a: Place,
  apart: number,
  b: View,
  start: Omit<View, "batch"> | null,
): Operand {
  const panels = packed(job, k, n, b, b.batch ? batch : 1);
  const c = job.result("float32", [batch, m, n]);
  const axis = [batch, apart, b.batch ? 1 : 0, m * n, 0];
  const from = [start?.rows ?? 0, start?.columns ?? 0];
  job.step(
    "MATMUL_F32",
    c,
    a,
    panels,
    start?.place ?? null,
    m,
    n,
    k,
    k,
    n,
    ...from,
    1,
    0,
    ...axis,
  );
  return c;
}

function narrow(site: Site, ...tensors: readonly (Tensor | null)[]): void {
  if (tensors.some((tensor) => tensor && tensor.type !== "float32"))
    throw site.refuse("only products of float32 are supported");
}

function gemm(site: Site): Tensor[] {
  const [first, b, c] = [site.input(0), site.input(1), site.optional(2)];
  narrow(site, first, b, c);
  const [alpha, beta] = [site.number("alpha", 1), site.number("beta", 1)];
  const [across, over] = [site.integer("transA", 0) !== 0, site.integer("transB", 0) !== 0];
  if (first.shape.length !== 2 || b.shape.length !== 2)
    throw site.refuse("inputs that are no matrices");
  const a = across ? transposed(first, [1, 0]) : first;
  const [m, k] = a.shape;
  const [n, depth] = over ? b.shape : [b.shape[1], b.shape[0]];
  if (k !== depth || !m || !n || !k) throw site.refuse("matrices that do not fit, or are empty");
  const added = c && beta !== 0 ? scaled(c, beta) : null;
  if (added && broadcast(added.shape, [m, n]).join() !== [m, n].join())
    throw site.refuse("a C that does not fit");
  const job = site.job();
  const place = (tensor: Tensor) => {
    const [rows, columns] = [1, 1, ...tensor.shape].slice(-2);
    return {
      place: job.input(tensor),
      rows: rows > 1 ? columns : 0,
      columns: columns > 1 ? 1 : 0,
    };
  };
  const start = added && alpha === 1 ? place(added) : null;
  const right = { place: job.input(b), rows: over ? 1 : n, columns: over ? k : 1, batch: 0 };
  const [y] = job.run(product(job, [m, n, k, 1], job.input(a), 0, right, start));
  const result = { ...scaled(y, alpha), shape: [m, n] };
  if (!added || start) return [result];
  const more = expanded(added, [m, n]) as Float32Array;
  return [{ ...result, data: (result.data as Float32Array).map((one, at) => one + more[at]) }];
}

/** Every element of a float32 tensor times a factor, which is rounded first. */
function scaled(x: Tensor, factor: number): Tensor {
  if (factor === 1) return x;
  const rounded = Math.fround(factor);
  return { ...x, data: (x.data as Float32Array).map((one) => one * rounded) };
}

function matmul(site: Site): Tensor[] {
  const [a, b] = [site.input(0), site.input(1)];
  narrow(site, a, b);
  if (!a.shape.length || !b.shape.length) throw site.refuse("a scalar");
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [m, k] = left.slice(-2);
  const [depth, n] = right.slice(-2);
  const outer = broadcast(left.slice(0, -2), right.slice(0, -2), [1]);
  const batch = elementsOf(outer);
  if (k !== depth || !m || !n || !k || !batch)
    throw site.refuse("matrices that do not fit, or are empty");
  const job = site.job();
  const placed = (x: Tensor, shape: readonly number[]): View => {
    const [rows, columns] = shape.slice(-2);
    const single = elementsOf(shape.slice(0, -2)) === 1;
    const whole = single ? x.data : expanded({ ...x, shape }, [...outer, rows, columns]);
    const place = job.input(tensorOf("float32", [whole.length], whole));
    return { place, rows: columns, columns: 1, batch: single ? 0 : rows * columns };
  };
  const { place, batch: apart } = placed(a, left);
  const [y] = job.run(product(job, [m, n, k, batch], place, apart, placed(b, right), null));
  const kept = broadcast(left.slice(0, -2), right.slice(0, -2));
  const shape = [...kept, ...(a.shape.length > 1 ? [m] : []), ...(b.shape.length > 1 ? [n] : [])];
  return [{ ...y, shape }];
}

/** A convolution as a product of the weights with patches, in the order channel, row, column. */
function conv(site: Site): Tensor[] {
  const [x, weights, bias] = [site.input(0), site.input(1), site.optional(2)];
  narrow(site, x, weights, bias);
  const groups = site.integer("group", 1);
  const [batch, channels] = x.shape;
  const [filters, depth, ...kernel] = weights.shape;
  const declared = site.integers("kernel_shape");
  if (declared && declared.join() !== kernel.join()) throw site.refuse("kernel_shape differs");
  if (
    !(groups > 0) ||
    depth * groups !== channels ||
    filters % groups ||
    (bias && bias.shape.join() !== String(filters))
  )
    throw site.refuse("weights that do not fit the input");
  const windows = windowsOf(site, x.shape.slice(2), kernel, false);
  const pixels = elementsOf(windows.output);
  const each = filters / groups;
  const taps = depth * elementsOf(kernel);
  const y = new Float32Array(batch * filters * pixels);
  if (!y.length || !taps) throw site.refuse("empty tensors");
  const plane = elementsOf(x.shape.slice(2));
  for (let image = 0; image < batch; image++)
    for (let group = 0; group < groups; group++) {
      const begin = (image * channels + group * depth) * plane;
      const part = (x.data as Float32Array).subarray(begin, begin + depth * plane);
      const job = site.job();
      const patches = job.input(patchesOf(part, x.shape.slice(2), depth, windows));
      const filter = (weights.data as Float32Array).subarray(
        group * each * taps,
        (group + 1) * each * taps,
      );
      const a = job.input(tensorOf("float32", [each, taps], filter));
      const b = { place: patches, rows: pixels, columns: 1, batch: 0 };
      const [c] = job.run(product(job, [each, pixels, taps, 1], a, 0, b, null));
      y.set(c.data as Float32Array, (image * filters + group * each) * pixels);
    }
  if (bias)
    for (let at = 0; at < y.length; at++)
      y[at] += bias.data[Math.floor(at / pixels) % filters] as number;
  return [tensorOf("float32", [batch, filters, ...windows.output], y)];
}

/** Rows: channel and kernel element; columns: windows. Padding is +0. */
function patchesOf(
  x: Float32Array,
  spatial: readonly number[],
  channels: number,
  windows: Windows,
): Tensor {
  const columns = elementsOf(windows.output);
  const taps = elementsOf(windows.kernel);
  const plane = elementsOf(spatial);
  const rows = channels * taps;
  const patches = tensorOf("float32", [rows, columns]);
  const target = patches.data as Float32Array;
  for (let tap = 0; tap < taps; tap++) {
    const sources = windows.sources(tap, spatial);
    for (let channel = 0; channel < channels; channel++) {
      const to = (channel * taps + tap) * columns;
      const from = channel * plane;
      for (let column = 0; column < columns; column++)
        if (sources[column] >= 0) target[to + column] = x[from + sources[column]];
    }
  }
  return patches;
}

export const PRODUCTS: Operators = { Gemm: gemm, MatMul: matmul, Conv: conv };
