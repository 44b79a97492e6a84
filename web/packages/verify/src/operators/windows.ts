// Where a kernel slides over spatial axes (TENSOR-23), and pooling over those windows (TENSOR-18).

import {
  type Numbers,
  type Tensor,
  allocate,
  elementsOf,
  numbersOf,
  tensorOf,
} from "../tensor/types.js";
import { real } from "./elementwise.js";
import { roundOf } from "./reduction.js";
import type { Operators, Site } from "./site.js";

/** A kernel's geometry, one number for each spatial axis. */
export class Windows {
  constructor(
    readonly kernel: readonly number[],
    private readonly strides: readonly number[],
    private readonly dilations: readonly number[],
    private readonly before: readonly number[],
    readonly after: readonly number[],
    readonly output: readonly number[],
  ) {}

  /** For each window, where its element number `tap` lies in a plane: -1 in the padding, -2 where
   * ceil_mode reaches beyond it. */
  sources(tap: number, spatial: readonly number[]): Int32Array {
    const rank = spatial.length;
    const offsets = new Array<number>(rank);
    for (let axis = rank - 1; axis >= 0; axis--) {
      offsets[axis] = (tap % this.kernel[axis]) * this.dilations[axis] - this.before[axis];
      tap = Math.floor(tap / this.kernel[axis]);
    }
    const count = elementsOf(this.output);
    const places = new Int32Array(count);
    for (let column = 0; column < count; column++) {
      let [rest, place, unit, outside] = [column, 0, 1, 0];
      for (let axis = rank - 1; axis >= 0; axis--) {
        const at = (rest % this.output[axis]) * this.strides[axis] + offsets[axis];
        rest = Math.floor(rest / this.output[axis]);
        if (at < 0 || at >= spatial[axis])
          outside = Math.min(outside, at >= spatial[axis] + this.after[axis] ? -2 : -1);
        place += at * unit;
        unit *= spatial[axis];
      }
      places[column] = outside || place;
    }
    return places;
  }
}

/** The windows that a node's attributes describe. Throws Refused. */
export function windowsOf(
  site: Site,
  spatial: readonly number[],
  kernel: readonly number[],
  ceil: boolean,
): Windows {
  const rank = spatial.length;
  if (rank < 1 || rank > 3 || kernel.length !== rank || kernel.some((size) => size < 1))
    throw site.refuse(`a kernel of shape [${kernel}] over ${rank} spatial axes`);
  const listed = (name: string, count: number, least: number): number[] => {
    const given = site.integers(name);
    const values = given?.length ? given : new Array<number>(count).fill(least);
    if (values.length !== count || values.some((value) => value < least || value > 2 ** 20))
      throw site.refuse(`attribute ${name} does not fit`);
    return values;
  };
  const strides = listed("strides", rank, 1);
  const dilations = listed("dilations", rank, 1);
  const pads = listed("pads", 2 * rank, 0);
  const auto = site.text("auto_pad", "NOTSET", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]);
  const reach = kernel.map((size, axis) => (size - 1) * dilations[axis] + 1);
  const none = spatial.map(() => 0);
  let [before, after] = auto === "NOTSET" ? [pads.slice(0, rank), pads.slice(rank)] : [none, none];
  if (auto.startsWith("SAME")) {
    const totals = spatial.map((size, axis) =>
      Math.max((Math.ceil(size / strides[axis]) - 1) * strides[axis] + reach[axis] - size, 0),
    );
    const less = totals.map((total) => Math.floor(total / 2));
    const more = totals.map((total) => Math.ceil(total / 2));
    [before, after] = auto === "SAME_UPPER" ? [less, more] : [more, less];
  }
  const up = ceil && !auto.startsWith("SAME");
  const output = spatial.map((size, axis) => {
    const room = size + before[axis] + after[axis] - reach[axis];
    if (room < 0) throw site.refuse("a kernel that is larger than its padded input");
    const stride = strides[axis];
    const count = (up ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
    return up && (count - 1) * stride >= size + before[axis] ? count - 1 : count;
  });
  elementsOf(output);
  return new Windows(kernel, strides, dilations, before, after, output);
}

function poolWindows(site: Site, x: Tensor): Windows {
  const kernel = site.integers("kernel_shape");
  if (!kernel) throw site.refuse("kernel_shape is missing");
  return windowsOf(site, x.shape.slice(2), kernel, site.integer("ceil_mode", 0) !== 0);
}

function maxPool(site: Site): Tensor[] {
  const x = real(site, 0);
  site.ignore("storage_order");
  const windows = poolWindows(site, x);
  const [data, spatial] = [numbersOf(x), x.shape.slice(2)];
  const [plane, pixels] = [elementsOf(spatial), elementsOf(windows.output)];
  const planes = x.shape[0] * x.shape[1];
  const best = (allocate(x.type, planes * pixels) as Numbers).fill(-Infinity);
  const met = new Uint8Array(planes * pixels);
  for (let tap = 0; tap < elementsOf(windows.kernel); tap++) {
    const sources = windows.sources(tap, spatial);
    for (let at = 0; at < best.length; at++) {
      const source = sources[at % pixels];
      if (source < 0) continue;
      const value = data[Math.floor(at / pixels) * plane + source];
      if (value > best[at] || (Number.isNaN(value) && !Number.isNaN(best[at])) || !met[at])
        best[at] = value;
      met[at] = 1;
    }
  }
  return [tensorOf(x.type, [...x.shape.slice(0, 2), ...windows.output], best)];
}

function averagePool(site: Site): Tensor[] {
  const x = real(site, 0);
  const padded = site.integer("count_include_pad", 0) !== 0;
  const windows = poolWindows(site, x);
  const [data, spatial] = [numbersOf(x), x.shape.slice(2)];
  const [plane, pixels] = [elementsOf(spatial), elementsOf(windows.output)];
  const total = allocate(x.type, x.shape[0] * x.shape[1] * pixels) as Numbers;
  const count = new Float64Array(pixels);
  for (let tap = 0; tap < elementsOf(windows.kernel); tap++) {
    const sources = windows.sources(tap, spatial);
    for (let at = 0; at < pixels; at++)
      if (sources[at] >= 0 || (padded && sources[at] === -1)) count[at] += 1;
    for (let at = 0; at < total.length; at++) {
      const source = sources[at % pixels];
      total[at] += source < 0 ? 0 : data[Math.floor(at / pixels) * plane + source];
    }
  }
  const round = roundOf(x);
  for (let at = 0; at < total.length; at++) total[at] = total[at] / round(count[at % pixels]);
  return [tensorOf(x.type, [...x.shape.slice(0, 2), ...windows.output], total)];
}

export const POOLING: Operators = { MaxPool: maxPool, AveragePool: averagePool };
