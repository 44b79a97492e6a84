// ONNX files to models: what the ledger's own loader accepts, less what this runner has no use for.

import { Refused } from "../bytes.js";
import {
  type ElementType,
  type Elements,
  type Tensor,
  allocate,
  bytesPerElement,
  elementsOf,
  fromBytes,
  typeOfCode,
} from "../tensor/types.js";
import { Budget, type Field, fieldsOf } from "./protobuf.js";

const MOST_BYTES = 256 << 20;
const MOST_FIELDS = 3_000_000;
const MOST_NODES = 20_000;
const LATEST_OPSETS: Readonly<Record<string, number>> = { "": 28, "ai.onnx.ml": 5 };
const FIRST_OPSET = 9;
/** Graphs inside one another, at most. */
const DEEPEST = 4;
/** Operators of ai.onnx that mean the same since before the first version, and since when. */
const UNCHANGED: Readonly<Record<string, number>> = {
  ...{ Add: 7, ArgMax: 1, Cast: 6, Concat: 4, Div: 7, Exp: 6, Gather: 1, Identity: 1, Mul: 7 },
  ...{ Reshape: 5, Sigmoid: 6, Sub: 7, Transpose: 1 },
};

export type Attribute =
  | Model
  | number
  | bigint
  | string
  | Uint8Array
  | Tensor
  | readonly number[]
  | readonly bigint[]
  | readonly string[];

/** One operator application; "" names an input or output that is left out. */
export interface Node {
  readonly name: string;
  readonly domain: string;
  readonly operator: string;
  readonly opset: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

/** A declared input; a dimension is a size, a symbol, or null where it is open. */
export interface Input {
  readonly name: string;
  /** null only in a subgraph, which need not say it. */
  readonly type: ElementType | null;
  readonly shape: readonly (number | string | null)[] | null;
}

/** A graph: the model's own, or one inside a node. */
export interface Model {
  readonly inputs: readonly Input[];
  readonly outputs: readonly string[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly nodes: readonly Node[];
}

function bad(reason: string): Refused {
  return new Refused("malformed_model", reason);
}

function unsupported(reason: string): Refused {
  return new Refused("unsupported", reason);
}

/** The model in an ONNX file. Throws Refused. */
export function readModel(content: Uint8Array): Model {
  if (content.length > MOST_BYTES) throw new Refused("too_large", "the model is too large");
  const budget = new Budget(MOST_FIELDS);
  const opsets = new Map<string, number>();
  let graph: Uint8Array | null = null;
  for (const field of fieldsOf(content, budget)) {
    if (field.number === 7) graph = once(graph, field);
    else if (field.number === 8) readOpset(field, opsets, budget);
    else if (field.number === 20) throw unsupported("the model has training information");
    else if (field.number === 25) throw unsupported("the model has local functions");
  }
  if (!graph) throw bad("the model has no graph");
  return new GraphReader(opsets, budget, null).read(graph);
}

function once(before: Uint8Array | null, field: Field): Uint8Array {
  if (before) throw bad(`field ${field.number} is given twice`);
  return field.bytes();
}

function readOpset(field: Field, opsets: Map<string, number>, budget: Budget): void {
  let [domain, version] = ["", 0];
  for (const part of fieldsOf(field.bytes(), budget)) {
    if (part.number === 1) domain = domainOf(part.text());
    else if (part.number === 2) version = part.small();
  }
  if ((opsets.get(domain) ?? version) !== version) throw bad(`two versions of ${domain}`);
  opsets.set(domain, version);
}

function domainOf(text: string): string {
  return text === "ai.onnx" ? "" : text;
}

class GraphReader {
  private readonly defined = new Set<string>();

  constructor(
    private readonly opsets: ReadonlyMap<string, number>,
    private readonly budget: Budget,
    private readonly outer: GraphReader | null,
  ) {
    let depth = 1;
    for (let around = outer; around; around = around.outer) depth++;
    if (depth > DEEPEST) throw new Refused("too_large", `graphs nest deeper than ${DEEPEST}`);
  }

  private knows(name: string): boolean {
    return this.defined.has(name) || (this.outer?.knows(name) ?? false);
  }

  private define(name: string): void {
    if (!name || this.knows(name)) throw bad(`the value "${name}" is defined twice`);
    this.defined.add(name);
  }

  read(graph: Uint8Array): Model {
    const initializers = new Map<string, Tensor>();
    const inputs: Input[] = [];
    const outputs: string[] = [];
    const nodes: Field[] = [];
    for (const field of fieldsOf(graph, this.budget)) {
      if (field.number === 1) nodes.push(field);
      else if (field.number === 5) {
        const [name, tensor] = readTensor(field.bytes(), this.budget);
        if (initializers.has(name)) throw bad(`the value "${name}" is defined twice`);
        initializers.set(name, tensor);
      } else if (field.number === 11) inputs.push(this.input(field.bytes()));
      else if (field.number === 12) outputs.push(this.valueName(field.bytes()));
      else if (field.number === 15) throw unsupported("the graph has sparse initializers");
    }
    if (nodes.length > MOST_NODES) throw new Refused("too_large", "the model has too many nodes");
    const declared = new Set(inputs.map(({ name }) => name));
    for (const { name } of inputs) this.define(name);
    for (const name of initializers.keys()) if (!declared.has(name)) this.define(name);
    const read = nodes.map((field, index) => this.node(field.bytes(), index));
    for (const name of outputs) if (!this.knows(name)) throw bad(`nothing computes "${name}"`);
    if (!outputs.length || new Set(outputs).size !== outputs.length)
      throw bad("the graph has no outputs, or names one twice");
    return { inputs, outputs, initializers, nodes: read };
  }

  private valueName(message: Uint8Array): string {
    let name = "";
    for (const field of fieldsOf(message, this.budget))
      if (field.number === 1) name = field.text();
    return name;
  }

  private input(message: Uint8Array): Input {
    let kind: Uint8Array | null = null;
    for (const field of fieldsOf(message, this.budget))
      if (field.number === 2) kind = once(kind, field);
    let tensor: Uint8Array | null = null;
    if (kind)
      for (const field of fieldsOf(kind, this.budget)) {
        if (field.number === 1) tensor = once(tensor, field);
        else if (field.number !== 6) throw unsupported("an input that is no tensor");
      }
    if (!tensor && this.outer && !kind)
      return { name: this.valueName(message), type: null, shape: null };
    if (!tensor) throw unsupported("an input that is no tensor");
    let type: ElementType | null = null;
    let shape: (number | string | null)[] | null = null;
    for (const field of fieldsOf(tensor, this.budget)) {
      if (field.number === 1) type = typeOfCode(field.small());
      else if (field.number === 2) {
        if (shape) throw bad("an input has two shapes");
        shape = [];
        for (const part of fieldsOf(field.bytes(), this.budget))
          if (part.number === 1) shape.push(this.dimension(part.bytes()));
      }
    }
    if (!type && !this.outer) throw bad("an input has no type");
    return { name: this.valueName(message), type, shape };
  }

  private dimension(message: Uint8Array): number | string | null {
    let size: number | string | null = null;
    for (const field of fieldsOf(message, this.budget)) {
      if (field.number === 1) size = field.small();
      else if (field.number === 2) size = field.text() || null;
    }
    if (typeof size === "number" && size < 0) throw bad("an input has a negative dimension");
    return size;
  }

  private node(message: Uint8Array, index: number): Node {
    const inputs: string[] = [];
    const outputs: string[] = [];
    const attributes = new Map<string, Attribute>();
    let [name, operator, domain] = ["", "", ""];
    for (const field of fieldsOf(message, this.budget)) {
      if (field.number === 1) inputs.push(field.text());
      else if (field.number === 2) outputs.push(field.text());
      else if (field.number === 3) name = field.text();
      else if (field.number === 4) operator = field.text();
      else if (field.number === 5) {
        const [key, value] = readAttribute(field.bytes(), this.budget, (graph) =>
          new GraphReader(this.opsets, this.budget, this).read(graph),
        );
        if (attributes.has(key)) throw bad(`${operator} gives attribute ${key} twice`);
        attributes.set(key, value);
      } else if (field.number === 7) domain = domainOf(field.text());
      else if (field.number === 8 && field.bytes().length)
        throw unsupported(`${operator} calls an overloaded function`);
    }
    for (const input of inputs)
      if (input && !this.knows(input)) throw bad(`${operator}: "${input}" is not defined`);
    for (const output of outputs) if (output) this.define(output);
    const opset = this.opsets.get(domain);
    if (opset === undefined || LATEST_OPSETS[domain] === undefined)
      throw unsupported(
        `${operator}: the model imports no opset of ${domain || "ai.onnx"} we know`,
      );
    const since = Object.hasOwn(UNCHANGED, operator) ? UNCHANGED[operator] : FIRST_OPSET;
    if (opset > LATEST_OPSETS[domain] || (!domain && opset < Math.min(since, FIRST_OPSET)))
      throw unsupported(`opset ${opset} of ${domain || "ai.onnx"} is not supported`);
    return { name: name || `#${index}`, domain, operator, opset, inputs, outputs, attributes };
  }
}

/** AttributeProto's codes of the kinds of attribute that we read. */
const KINDS = {
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
} as const;

function readAttribute(
  message: Uint8Array,
  budget: Budget,
  graphOf: (message: Uint8Array) => Model,
): [string, Attribute] {
  let [name, kind] = ["", 0];
  let single: Attribute | null = null;
  const floats: number[] = [];
  const integers: bigint[] = [];
  const texts: string[] = [];
  for (const field of fieldsOf(message, budget)) {
    if (field.number === 1) name = field.text();
    else if (field.number === 20) kind = field.small();
    else if (field.number === 21 && field.bytes().length)
      throw unsupported("an attribute refers to a function's");
    else if (field.number === 2) single = field.float();
    else if (field.number === 3) single = field.int64();
    else if (field.number === 4) single = field.text();
    else if (field.number === 5) single = readTensor(field.bytes(), budget)[1];
    else if (field.number === 7) for (const item of field.floats()) floats.push(item);
    else if (field.number === 8) for (const item of field.int64s()) integers.push(item);
    else if (field.number === 9) texts.push(field.text());
    else if (field.number === 6) single = graphOf(field.bytes());
  }
  // A scalar that equals proto3's default may be left out of the file.
  const values: Readonly<Record<number, Attribute | null>> = {
    [KINDS.FLOAT]: single ?? 0,
    [KINDS.INT]: single ?? 0n,
    [KINDS.STRING]: single ?? "",
    [KINDS.TENSOR]: single,
    [KINDS.GRAPH]: single,
    [KINDS.FLOATS]: floats,
    [KINDS.INTS]: integers,
    [KINDS.STRINGS]: texts,
  };
  const value = values[kind] ?? null;
  if (value === null) throw unsupported(`attribute ${name} is of a kind that is not supported`);
  return [name, value];
}

function readTensor(message: Uint8Array, budget: Budget): [string, Tensor] {
  const shape: number[] = [];
  let name = "";
  let type: ElementType | null = null;
  let raw: Uint8Array | null = null;
  const numbers: number[] = [];
  const integers: bigint[] = [];
  const texts: string[] = [];
  for (const field of fieldsOf(message, budget)) {
    if (field.number === 1) for (const size of field.int64s()) shape.push(Number(size));
    else if (field.number === 2) type = typeOfCode(field.small());
    else if (field.number === 3) throw unsupported("a tensor is a segment of a larger one");
    else if (field.number === 4) for (const item of field.floats()) numbers.push(item);
    else if (field.number === 10) for (const item of field.doubles()) numbers.push(item);
    else if ([5, 7, 11].includes(field.number))
      for (const item of field.int64s()) integers.push(item);
    else if (field.number === 6) texts.push(field.text());
    else if (field.number === 8) name = field.text();
    else if (field.number === 9) raw = once(raw, field);
    else if (field.number === 13 || (field.number === 14 && field.small()))
      throw unsupported("a tensor's data are outside the file");
  }
  if (!type) throw bad("a tensor has no type");
  const count = elementsOf(shape);
  const typed = numbers.length + integers.length + texts.length;
  if (raw) {
    if (type === "string" || typed || raw.length !== count * bytesPerElement(type))
      throw bad("a tensor's data do not fit its shape");
    const data = fromBytes(type, type === "bool" ? raw.map((byte) => (byte ? 1 : 0)) : raw);
    return [name, { type, shape, data }];
  }
  if (typed !== count) throw bad("a tensor's data do not fit its shape");
  return [name, { type, shape, data: typedData(type, numbers, integers, texts, count) }];
}

function typedData(
  type: ElementType,
  numbers: readonly number[],
  integers: readonly bigint[],
  texts: readonly string[],
  count: number,
): Elements {
  const real = type === "float32" || type === "float64";
  if ((real ? numbers : type === "string" ? texts : integers).length !== count)
    throw bad("a tensor's data are of another type");
  if (type === "string") return [...texts];
  const data = allocate(type, count);
  if (real) (data as Float64Array).set(numbers);
  else if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    integers.forEach((item, at) => (data[at] = item));
  else
    integers.forEach((item, at) => {
      const held = data as Int32Array;
      held[at] = type === "bool" ? Number(item !== 0n) : Number(item & 0xffffffffn);
      const wanted = type === "float16" ? item & 0xffffn : item;
      if (type !== "bool" && BigInt(held[at]) !== wanted) throw bad(`a value is outside ${type}`);
    });
  return data;
}
