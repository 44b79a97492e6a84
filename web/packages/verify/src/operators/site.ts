// A node at work: its inputs, its attributes, the kernels. Whatever it gives that its operator here
// does not read is refused, never ignored.

import { Refused } from "../bytes.js";
import { Job, type Kernels } from "../kernels.js";
import type { Attribute, Model, Node } from "../onnx/model.js";
import { type Tensor, integersOf } from "../tensor/types.js";

/** Computes a node's outputs. Throws Refused for what it does not cover. */
export type Operator = (site: Site) => Tensor[];

/** Operators by name, those of ai.onnx.ml behind "ai.onnx.ml:". */
export type Operators = Readonly<Record<string, Operator>>;

export class Site {
  private readonly read = new Set<string>();
  private used = 0;

  constructor(
    readonly node: Node,
    private readonly inputs: readonly (Tensor | null)[],
    private readonly kernels: Kernels,
    private readonly inside: (body: Model, inputs: readonly Tensor[]) => Tensor[],
  ) {}

  /** A refusal that names the operator. */
  refuse(reason: string): Refused {
    return new Refused("unsupported", `${this.node.operator} (${this.node.name}): ${reason}`);
  }

  /** Steps of the kernels for this node. */
  job(): Job {
    return new Job(this.kernels);
  }

  get opset(): number {
    return this.node.opset;
  }

  /** How many inputs are written, left out ones included. */
  get count(): number {
    return this.inputs.length;
  }

  input(position: number): Tensor {
    const tensor = this.optional(position);
    if (!tensor) throw this.refuse(`input ${position} is missing`);
    return tensor;
  }

  optional(position: number): Tensor | null {
    this.used = Math.max(this.used, position + 1);
    return this.inputs[position] ?? null;
  }

  all(): Tensor[] {
    return this.inputs.map((_, position) => this.input(position));
  }

  /** Whether an output is asked for. */
  wants(position: number): boolean {
    return Boolean(this.node.outputs[position]);
  }

  private attribute(name: string): Attribute | undefined {
    this.read.add(name);
    return this.node.attributes.get(name);
  }

  /** Attributes that change no result. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.read.add(name);
  }

  integer(name: string, byDefault: number): number {
    const value = this.attribute(name) ?? BigInt(byDefault);
    if (typeof value !== "bigint" || value > 2n ** 53n || value < -(2n ** 53n))
      throw this.refuse(`attribute ${name} is no integer of ours`);
    return Number(value);
  }

  number(name: string, byDefault: number): number {
    const value = this.attribute(name) ?? byDefault;
    if (typeof value !== "number") throw this.refuse(`attribute ${name} is no number`);
    return value;
  }

  text<T extends string>(name: string, byDefault: T, choices: readonly T[]): T {
    const value = this.attribute(name) ?? byDefault;
    if (!choices.includes(value as T))
      throw this.refuse(`attribute ${name} is another than those we know`);
    return value as T;
  }

  /** Any text. */
  words(name: string, byDefault: string): string {
    const value = this.attribute(name) ?? byDefault;
    if (typeof value !== "string") throw this.refuse(`attribute ${name} is no text`);
    return value;
  }

  private items(name: string): readonly (number | bigint | string)[] | null {
    const value = this.attribute(name);
    if (value === undefined) return null;
    if (!Array.isArray(value)) throw this.refuse(`attribute ${name} is no list`);
    return value as readonly (number | bigint | string)[];
  }

  /** A list of integers; beyond 2^53 they are the nearest. */
  integers(name: string): number[] | null {
    return this.bigIntegers(name)?.map(Number) ?? null;
  }

  bigIntegers(name: string): bigint[] | null {
    const items = this.items(name);
    if (items && !items.every((item) => typeof item === "bigint"))
      throw this.refuse(`attribute ${name} is no list of integers`);
    return items as bigint[] | null;
  }

  numbers(name: string): number[] | null {
    const items = this.items(name);
    if (items && !items.every((item) => typeof item === "number"))
      throw this.refuse(`attribute ${name} is no list of numbers`);
    return items as number[] | null;
  }

  texts(name: string): string[] | null {
    const items = this.items(name);
    if (items && !items.every((item) => typeof item === "string"))
      throw this.refuse(`attribute ${name} is no list of texts`);
    return items as string[] | null;
  }

  tensor(name: string): Tensor | null {
    const value = this.attribute(name);
    if (value === undefined) return null;
    if (typeof value !== "object" || !("shape" in value))
      throw this.refuse(`attribute ${name} is no tensor`);
    return value;
  }

  /** A graph inside the node, with so many inputs and outputs, ready to run. */
  body(name: string, inputs: number, outputs: number): (given: readonly Tensor[]) => Tensor[] {
    const value = this.attribute(name);
    if (typeof value !== "object" || !("nodes" in value))
      throw this.refuse(`attribute ${name} is no graph`);
    if (value.inputs.length !== inputs || value.outputs.length !== outputs)
      throw this.refuse(`attribute ${name} is a graph with other inputs or outputs`);
    return (given) => this.inside(value, given);
  }

  /** Axes or sizes: the attribute of older operator versions, or the input of newer ones. */
  listed(name: string, position: number): number[] | null {
    const attribute = this.integers(name);
    const input = this.optional(position);
    if (attribute && input) throw this.refuse(`${name} is given twice`);
    return input ? integersOf(input) : attribute;
  }

  /** After the operator ran: nothing may be left over. */
  finish(outputs: readonly Tensor[]): void {
    for (const name of this.node.attributes.keys())
      if (!this.read.has(name)) throw this.refuse(`attribute ${name} is not supported`);
    if (this.inputs.slice(this.used).some((input) => input !== null))
      throw this.refuse("it has more inputs than are supported");
    this.node.outputs.forEach((name, at) => {
      if (name && !outputs[at]) throw this.refuse(`output ${at} is not supported`);
    });
  }
}
