// RNN, GRU and LSTM, by a kernel that computes a whole sequence (SHAPE-90).

import { bits } from "../kernels.js";
import { type Tensor, tensorOf } from "../tensor/types.js";
import { packed, product } from "./products.js";
import type { Operator, Operators } from "./site.js";

/** Kind of cell as the kernel numbers it, gates, and the default activations. */
type Cell = readonly [number, number, readonly string[]];

/** As the kernel numbers them; only those without values of their own are supported. */
const ACTIVATIONS = ["relu", "tanh", "sigmoid", "softsign", "softplus"];
/** Rows of the batch that the kernel has at hand, states, and floats for each row beside them. */
const [ROWS, STATES, SLOTS] = [64, 5, 4 * 48];

function recurrent([kind, gates, defaults]: Cell): Operator {
  return (site) => {
    const [x, w, r] = [site.input(0), site.input(1), site.input(2)];
    const [b, lengths, h] = [site.optional(3), site.optional(4), site.optional(5)];
    const [c, peepholes] = kind === 2 ? [site.optional(6), site.optional(7)] : [null, null];
    const [times, batch, inputs] = x.shape;
    const [directions, rows, hidden] = r.shape;
    const names =
      site.texts("activations") ?? Array.from({ length: directions }, () => defaults).flat();
    const way = site.text("direction", "forward", ["forward", "reverse", "bidirectional"]);
    const clip = site.number("clip", Infinity);
    const option = kind ? site.integer(kind === 1 ? "linear_before_reset" : "input_forget", 0) : 0;
    site.integer("hidden_size", hidden);
    const floats = [x, w, r, b, h, c, peepholes].every((one) => !one || one.type === "float32");
    if (
      !floats ||
      site.integer("layout", 0) ||
      !x.data.length ||
      !hidden ||
      rows !== gates * hidden
    )
      throw site.refuse("other than sequences of float32 in layout 0");
    if (
      directions !== (way === "bidirectional" ? 2 : 1) ||
      names.length !== directions * defaults.length
    )
      throw site.refuse("directions or activations that do not fit");
    const fits = (one: Tensor | null, shape: readonly number[]) =>
      !one || one.shape.join() === shape.join();
    const states = [directions, batch, hidden];
    if (
      !fits(w, [directions, rows, inputs]) ||
      !fits(b, [directions, 2 * rows]) ||
      !fits(h, states) ||
      !fits(c, states) ||
      !fits(peepholes, [directions, 3 * hidden]) ||
      !fits(lengths, [batch])
    )
      throw site.refuse("weights or states that do not fit");
    if (
      lengths &&
      (lengths.type !== "int32" ||
        (lengths.data as Int32Array).some((one) => one < 0 || one > times))
    )
      throw site.refuse("lengths outside the sequence");
    const job = site.job();
    const [y, yh, yc] = [[times, directions, batch, hidden], states, states].map((shape) =>
      job.result("float32", shape),
    );
    const given = [lengths, h, c, peepholes].map((one) => one && job.input(one));
    const source = job.input(tensorOf("float32", [times * batch, inputs], x.data));
    const scratch = job.threadScratch(
      4 * ROWS * (STATES * Math.ceil(hidden / 16) * 16 + SLOTS + inputs),
    );
    const part = (tensor: Tensor, direction: number) => {
      const each = tensor.data.length / directions;
      return (tensor.data as Float32Array).subarray(direction * each, (direction + 1) * each);
    };
    const vector = (data: Float32Array) => job.input(tensorOf("float32", [data.length], data));
    const apart = (place: { offset: number } | null, elements: number) =>
      place && { offset: place.offset + 4 * elements };
    for (let direction = 0; direction < directions; direction++) {
      const bias = b ? part(b, direction) : new Float32Array(2 * rows);
      const linear = kind === 1 && option !== 0;
      const inner = bias.subarray(rows + 2 * hidden);
      const start = bias
        .slice(0, rows)
        .map((one, at) => (linear && at >= 2 * hidden ? one : one + bias[rows + at]));
      const view = { place: vector(part(w, direction)), rows: 1, columns: inputs, batch: 0 };
      const from = { place: vector(start), rows: 0, columns: 1 };
      const begin = product(job, [times * batch, rows, inputs, 1], source, 0, view, from);
      const recurring = {
        place: vector(part(r, direction)),
        rows: 1,
        columns: hidden,
        batch: hidden * hidden,
      };
      const chosen = names.slice(direction * defaults.length, (direction + 1) * defaults.length);
      const functions = [...chosen, chosen[0], chosen[0]].slice(0, 3).flatMap((name) => {
        const number = ACTIVATIONS.indexOf(name.toLowerCase());
        if (number < 0) throw site.refuse(`activation ${name}`);
        return [number, 0, 0];
      });
      const state = direction * batch * hidden;
      const [counts, first, second, holes] = given;
      job.step(
        "RECURRENT_F32",
        ...[
          kind,
          apart(y, state),
          apart(yh, state),
          kind === 2 ? apart(yc, state) : null,
          null,
          null,
          begin,
        ],
        ...[packed(job, hidden, hidden, recurring, gates), linear ? vector(inner) : null],
        ...[
          apart(holes, direction * 3 * hidden),
          apart(first, state),
          apart(second, state),
          counts,
        ],
        ...[times, batch, inputs, hidden, way === "reverse" || direction === 1 ? 1 : 0, option],
        ...[
          batch * inputs,
          inputs,
          batch * rows,
          rows,
          directions * batch * hidden,
          hidden,
          hidden,
        ],
        ...[bits(Math.fround(clip)), ...functions, scratch],
      );
    }
    const results = job.run(y, yh, yc);
    return kind === 2 ? results : results.slice(0, 2);
  };
}

export const RECURRENT: Operators = {
  RNN: recurrent([0, 1, ["Tanh"]]),
  GRU: recurrent([1, 3, ["Sigmoid", "Tanh"]]),
  LSTM: recurrent([2, 4, ["Sigmoid", "Tanh", "Tanh"]]),
};
