// Softmax and its kin, and normalisations (TENSOR-19, TENSOR-22).

import { bits } from "../kernels.js";
import { FormCode, TypeCode } from "../steps.js";
import type { Round } from "../tensor/numerics.js";
import {
  type Numbers,
  type Tensor,
  allocate,
  axisOf,
  elementsOf,
  numbersOf,
  tensorOf,
} from "../tensor/types.js";
import { real } from "./elementwise.js";
import { roundOf } from "./reduction.js";
import type { Operator, Operators, Site } from "./site.js";

/** Rows that are gathered at a time where their elements don't lie side by side, and results. */
const GATHERED = 32;

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
    const kept = x.shape.map((size, at) => (at < axis ? size : 1));
    // Where statistics are asked for, the type that they are computed in counts.
    const shown = [1, 2].filter((at) => site.wants(at));
    if (shown.length && x.type !== "float32") throw site.refuse("statistics of another type");
    const [mean, inverse] =
      centred && shown.length ? [0, 1].map(() => job.result(x.type, kept)) : [];
    const rest = [TypeCode[result.type], centred ? 1 : 0, rows, count, bits(epsilon), 1, count];
    job.step("NORMALISE_ROWS", result, source, ...factors, mean ?? null, inverse ?? null, ...rest);
    return mean && inverse ? job.run(result, mean, inverse) : job.run(result);
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

/** Instances, or groups of channels, normalised; a scale and bias for each channel. */
function groupNormalization(instance: boolean): Operator {
  return (site) => {
    const x = real(site, 0);
    const [n, channels, ...spatial] = x.shape;
    const groups = instance ? channels : site.integer("num_groups", 0);
    const epsilon = site.number("epsilon", 1e-5);
    site.integer("stash_type", 1);
    const [scale, bias] = [site.input(1), site.input(2)];
    const span = elementsOf(spatial);
    if (!x.data.length || !(groups > 0) || channels % groups || (!instance && site.opset < 21))
      throw site.refuse("channels that do not divide into groups, or an opset before 21");
    for (const one of [scale, bias])
      if (one.type !== x.type || one.shape.join() !== String(channels))
        throw site.refuse("a scale or bias of another type or shape");
    const job = site.job();
    const [source, result] = [job.input(x), job.result(x.type, x.shape)];
    const rows = n * groups;
    const rest = [
      TypeCode[result.type],
      1,
      rows,
      x.data.length / rows,
      bits(epsilon),
      span,
      channels,
    ];
    const factors = [job.input(scale), job.input(bias)];
    job.step("NORMALISE_ROWS", result, source, ...factors, null, null, ...rest);
    return job.run(result);
  };
}

export const NORMALIZATION: Operators = {
  Softmax: form("SOFTMAX"),
  LogSoftmax: form("LOG_SOFTMAX"),
  Hardmax: form("HARDMAX"),
  LayerNormalization: layerNormalization(true),
  RMSNormalization: layerNormalization(false),
  InstanceNormalization: groupNormalization(true),
  GroupNormalization: groupNormalization(false),
  BatchNormalization: batchNormalization,
};
