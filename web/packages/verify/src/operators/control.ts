// Graphs inside nodes: If, and Scan along first axes (SHAPE-80 to SHAPE-83).

import { type Tensor, allocate, elementsOf, tensorOf } from "../tensor/types.js";
import { joined } from "./movement.js";
import type { Operators, Site } from "./site.js";

function choose(site: Site): Tensor[] {
  const condition = site.input(0);
  if (condition.type !== "bool" || condition.data.length !== 1)
    throw site.refuse("a condition that is not one bool");
  const count = site.node.outputs.length;
  const [then, otherwise] = ["then_branch", "else_branch"].map((name) =>
    site.body(name, 0, count),
  );
  return condition.data[0] ? then([]) : otherwise([]);
}

/** The body once for each place along the scanned inputs' first axes; states pass from one to the
 * next, other outputs are stacked. */
function scan(site: Site): Tensor[] {
  const given = site.all();
  const scanned = site.integer("num_scan_inputs", 0);
  const states = given.length - scanned;
  const stacks = site.node.outputs.length - states;
  for (const list of ["input_axes", "input_directions", "output_axes", "output_directions"])
    if (site.integers(`scan_${list}`)?.some((one) => one !== 0))
      throw site.refuse("other axes or directions than the first");
  if (!(scanned > 0) || states < 0 || stacks < 0) throw site.refuse("inputs that do not fit");
  const inputs = given.slice(states);
  const length = inputs[0].shape[0];
  if (!length || inputs.some(({ shape }) => shape[0] !== length))
    throw site.refuse("sequences that are empty or differ in length");
  const body = site.body("body", given.length, site.node.outputs.length);
  const parts: Tensor[][] = Array.from({ length: stacks }, () => []);
  let now = given.slice(0, states);
  for (let at = 0; at < length; at++) {
    const results = body([...now, ...inputs.map((input) => partOf(input, at))]);
    now = results.slice(0, states);
    parts.forEach((part, stack) => part.push(results[states + stack]));
  }
  return [...now, ...parts.map((part) => stackOf(site, part))];
}

/** What lies at a place of the first axis. */
function partOf(x: Tensor, at: number): Tensor {
  const shape = x.shape.slice(1);
  const count = elementsOf(shape);
  return tensorOf(x.type, shape, x.data.slice(at * count, (at + 1) * count) as Tensor["data"]);
}

function stackOf(site: Site, parts: readonly Tensor[]): Tensor {
  const [{ type, shape }] = parts;
  if (parts.some((part) => part.type !== type || part.shape.join() !== shape.join()))
    throw site.refuse("results of several shapes");
  const data = allocate(type, elementsOf([parts.length, ...shape]));
  parts.forEach((part, at) => joined(data, part.data, at * part.data.length));
  return tensorOf(type, [parts.length, ...shape], data);
}

export const CONTROL: Operators = { If: choose, Scan: scan };
