// Runs a model on concrete inputs, node after node in the order of the file (TENSOR-42, 45).

import { Refused } from "../bytes.js";
import type { Kernels } from "../kernels.js";
import { CLASSIC } from "../operators/classic.js";
import { CONTROL } from "../operators/control.js";
import { ELEMENTWISE } from "../operators/elementwise.js";
import { ENCODERS } from "../operators/encoders.js";
import { MOVEMENT } from "../operators/movement.js";
import { NORMALIZATION } from "../operators/normalization.js";
import { PRODUCTS } from "../operators/products.js";
import { QUANTISED } from "../operators/quantised.js";
import { RECURRENT } from "../operators/recurrent.js";
import { REDUCTION } from "../operators/reduction.js";
import { SELECTION } from "../operators/selection.js";
import { type Operators, Site } from "../operators/site.js";
import { MACHINES } from "../operators/svm.js";
import { TREES } from "../operators/trees.js";
import { POOLING } from "../operators/windows.js";
import { type NamedTensors, canonicalise } from "../tensor/encoding.js";
import type { Tensor } from "../tensor/types.js";
import type { Input, Model, Node } from "./model.js";

const OPERATORS: Operators = {
  ...ELEMENTWISE,
  ...MOVEMENT,
  ...REDUCTION,
  ...PRODUCTS,
  ...POOLING,
  ...CLASSIC,
  ...TREES,
  ...ENCODERS,
  ...MACHINES,
  ...QUANTISED,
  ...CONTROL,
  ...RECURRENT,
  ...SELECTION,
  ...NORMALIZATION,
};

function key({ domain, operator }: Node): string {
  return domain ? `${domain}:${operator}` : operator;
}

/** Graphs inside a node. */
function subgraphs(node: Node): Model[] {
  return [...node.attributes.values()].filter(
    (value): value is Model => typeof value === "object" && "nodes" in value,
  );
}

/** Operators of a model that this runner has not got, each once. */
export function missingOperators(model: Model): string[] {
  const missing = model.nodes.flatMap((node) => [
    ...(Object.hasOwn(OPERATORS, key(node)) ? [] : [key(node)]),
    ...subgraphs(node).flatMap(missingOperators),
  ]);
  return [...new Set(missing)].sort();
}

/** The model's outputs. Throws Refused with the code `unsupported` for what it cannot run, and
 * `bad_input` for inputs that do not fit the model. */
export function runModel(
  model: Model,
  inputs: NamedTensors,
  kernels: Kernels,
  allowMissing = false,
): Map<string, Tensor> {
  const missing = missingOperators(model);
  if (missing.length)
    throw new Refused("unsupported", `operators not supported: ${missing.join(", ")}`);
  checkInputs(model, inputs, allowMissing);
  const outputs = runGraph(model, new Map(inputs), kernels);
  return new Map(model.outputs.map((name, at) => [name, canonicalise(outputs[at])]));
}

/** A graph's outputs in order; `given` are its inputs and, inside a node, what it sees outside. */
function runGraph(graph: Model, given: NamedTensors, kernels: Kernels): Tensor[] {
  const values = new Map<string, Tensor>([...graph.initializers, ...given]);
  const last = lastUses(graph);
  graph.nodes.forEach((node, at) => {
    const inside = (body: Model, inputs: readonly Tensor[]) => {
      const named = body.inputs.map(({ name }, place) => [name, inputs[place]] as const);
      return runGraph(body, new Map([...values, ...named]), kernels);
    };
    const inputs = node.inputs.map((name) => (name ? values.get(name)! : null));
    const site = new Site(node, inputs, kernels, inside);
    const results = OPERATORS[key(node)](site);
    site.finish(results);
    node.outputs.forEach((name, position) => {
      if (name) values.set(name, results[position]);
    });
    for (const name of [...node.inputs, ...node.outputs])
      if ((last.get(name) ?? at) <= at) values.delete(name);
  });
  return graph.outputs.map((name) => values.get(name)!);
}

/** The names that a graph's nodes and outputs ask for, those inside its nodes too. */
function asked(graph: Model): string[] {
  const inside = (node: Node) => [...node.inputs, ...subgraphs(node).flatMap(asked)];
  return [...graph.nodes.flatMap(inside), ...graph.outputs];
}

/** For each value the number of the node after which nobody needs it. */
function lastUses(graph: Model): Map<string, number> {
  const last = new Map<string, number>();
  graph.nodes.forEach((node, at) => {
    for (const name of [...node.inputs, ...subgraphs(node).flatMap(asked)]) last.set(name, at);
  });
  for (const name of graph.outputs) last.set(name, Infinity);
  return last;
}

function checkInputs(model: Model, given: NamedTensors, allowMissing: boolean): void {
  const bad = (name: string, what: string) =>
    new Refused("bad_input", `the input "${name}" ${what}`);
  const declared = new Set(model.inputs.map(({ name }) => name));
  for (const name of given.keys()) if (!declared.has(name)) throw bad(name, "is not the model's");
  const symbols = new Map<string, number>();
  for (const input of model.inputs) {
    const tensor = given.get(input.name);
    if (!tensor && !model.initializers.has(input.name)) throw bad(input.name, "is missing");
    if (!tensor) continue;
    const problem = shapeProblem(input, tensor, symbols) || valueProblem(tensor, allowMissing);
    if (problem) throw bad(input.name, problem);
  }
}

function shapeProblem(input: Input, tensor: Tensor, symbols: Map<string, number>): string {
  if (tensor.type !== input.type) return `is ${tensor.type}, not ${input.type}`;
  if (!input.shape) return "";
  if (tensor.shape.length !== input.shape.length) return "is of another rank";
  for (const [axis, wanted] of input.shape.entries()) {
    const size = tensor.shape[axis];
    if (typeof wanted === "number" && size !== wanted) return `has ${size} along axis ${axis}`;
    if (typeof wanted !== "number" && axis === 0 && size === 0) return "holds no rows";
    if (typeof wanted !== "string") continue;
    if ((symbols.get(wanted) ?? size) !== size) return `has another ${wanted} than the one before`;
    symbols.set(wanted, size);
  }
  return "";
}

function valueProblem({ type, data }: Tensor, allowMissing: boolean): string {
  if (type !== "float32" && type !== "float64") return "";
  const numbers = data as Float64Array;
  if (numbers.some((value) => Math.abs(value) === Infinity)) return "holds an infinite value";
  return !allowMissing && numbers.some(Number.isNaN) ? "holds a missing value (NaN)" : "";
}
