// Input files to tensors: CSV with a header, .npy, .npz, JSON, or canonical bytes (CLIENT-13). What is
// read otherwise than the caller's client read it does not fit the commitment, so that nothing can
// be taken for another input.

import { Refused } from "./bytes.js";
import type { Input } from "./onnx/model.js";
import { cast } from "./operators/elementwise.js";
import { type NamedTensors, decodeTensors } from "./tensor/encoding.js";
import {
  type ElementType,
  type Tensor,
  allocate,
  elementsOf,
  fromBytes,
  isHeld,
  tensorOf,
} from "./tensor/types.js";
import { unzip } from "./zip.js";

function bad(what: string): Refused {
  return new Refused("bad_input_file", what);
}

function endingOf(name: string): string | null {
  return /\.(csv|json|npy|npz)$/i.exec(name)?.[1].toLowerCase() ?? null;
}

/** Whether a file of this name is read as a model declares its inputs; else it is canonical bytes. */
export function isReadByModel(name: string): boolean {
  return endingOf(name) !== null;
}

/** The tensors of an input file, by its name's ending; a file of any other ending must be canonical
 * bytes. Throws Refused. */
export async function readInput(
  name: string,
  content: Uint8Array,
  inputs: readonly Input[],
): Promise<NamedTensors> {
  const ending = endingOf(name);
  if (ending === null) return fromCanonical(content);
  if (ending === "json") return fromJson(content, inputs);
  if (ending === "npz") return fromNpz(content, inputs);
  if (inputs.length !== 1) throw bad(`a .${ending} file is read for a model with one input`);
  const [input] = inputs;
  const tensor = ending === "npy" ? fromNpy(content) : fromCsv(content, input);
  return new Map([[input.name, fitted(tensor, input)]]);
}

function fromCanonical(content: Uint8Array): NamedTensors {
  try {
    return decodeTensors(content);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw bad("the file is neither .csv, .npy, .npz, .json nor an input's canonical bytes");
  }
}

/** As the declared element type, with the axis that a lone row or a bare column lacks. */
function fitted(tensor: Tensor, { name, type, shape }: Input): Tensor {
  const isReal = type === "float32" || type === "float64";
  if (!isReal && (tensor.type === "float32" || tensor.type === "float64"))
    throw bad(`"${name}" wants ${type}, the file holds ${tensor.type}`);
  if (!type) throw bad(`"${name}" has no element type`);
  const whole = cast(tensor, type);
  if (!shape || tensor.shape.length !== shape.length - 1) return whole;
  const isColumn = tensor.shape.length === 1 && shape[1] === 1;
  return { ...whole, shape: isColumn ? [tensor.shape[0], 1] : [1, ...tensor.shape] };
}

function textOf(content: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    throw bad("the file is not UTF-8 text");
  }
}

const NPY_TYPES: Readonly<Record<string, ElementType>> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  b1: "bool",
};

/** The array of an .npy file, row-major and little-endian. */
function fromNpy(content: Uint8Array): Tensor {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const magic = String.fromCharCode(...content.subarray(0, 6));
  if (magic !== "\x93NUMPY" || content.length < 12) throw bad("the file is no .npy");
  const wide = content[6] > 1;
  const begin = wide ? 12 : 10;
  const end = begin + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = String.fromCharCode(...content.subarray(begin, Math.min(end, begin + 4096)));
  const description = /'descr': *'[<|]([a-z]\d)'/.exec(header)?.[1] ?? "";
  const sizes = /'shape': *\(([\d, ]*)\)/.exec(header)?.[1];
  const type = NPY_TYPES[description];
  if (!type || !isHeld(type) || sizes === undefined || !/'fortran_order': *False/.test(header))
    throw bad("an .npy file of plain numbers in row-major order is needed");
  const shape = sizes
    .split(",")
    .filter((size) => size.trim())
    .map(Number);
  const count = elementsOf(shape);
  const data = content.subarray(end);
  const each = allocate(type, 1) as Uint8Array;
  if (data.length !== count * each.BYTES_PER_ELEMENT) throw bad("the .npy file is cut off");
  return tensorOf(type, shape, fromBytes(type, data));
}

/** Arrays by the inputs' names; an only array needs no name where there is an only input. */
async function fromNpz(content: Uint8Array, inputs: readonly Input[]): Promise<NamedTensors> {
  const files = [...(await unzip(content))];
  if (!files.length) throw bad("the .npz file holds no array");
  const [first, ...others] = inputs;
  const isBare = first && !others.length && files.length === 1 && files[0][0] === "arr_0.npy";
  return new Map(
    files.map(([file, array]) => {
      if (!file.endsWith(".npy")) throw bad(`the .npz file holds "${file}", which is no array`);
      const name = file.slice(0, -".npy".length);
      const input = inputs.find((one) => one.name === name) ?? (isBare ? first : undefined);
      if (!input) throw bad(`the model has no input "${name}"`);
      return [input.name, fitted(fromNpy(array), input)];
    }),
  );
}

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/** A table of numbers under a header; empty fields are missing. */
function fromCsv(content: Uint8Array, { type, shape }: Input): Tensor {
  const lines = textOf(content)
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .filter((line) => line);
  const [header, ...rows] = lines.map((line) => line.split(","));
  if (!header || !rows.length || lines.some((line) => line.includes('"')))
    throw bad("a CSV of a header and rows of plain numbers is needed");
  const fields = rows.flatMap((row) => {
    if (row.length !== header.length) throw bad("a row is not as long as the header");
    return row.map((field) => field.trim());
  });
  const sizes = shape?.slice(1).every((size) => typeof size === "number") ? shape.slice(1) : null;
  const whole = [rows.length, ...((sizes as number[] | null) ?? [header.length])];
  const isReal = type === "float32" || type === "float64";
  const data = allocate(isReal ? "float64" : "int64", elementsOf(whole));
  if (data.length !== fields.length) throw bad("the columns do not fit the model");
  fields.forEach((field, at) => {
    const isWhole = /^[+-]?\d+$/.test(field);
    if (!(isReal ? !field || NUMBER.test(field) : isWhole))
      throw bad(`"${field}" is not a number`);
    data[at] = isReal ? (field ? Number(field) : NaN) : BigInt(field.replace("+", ""));
  });
  return tensorOf(isReal ? "float64" : "int64", whole, data);
}

/** {input: nested lists}, or bare nested lists for a lone input. */
function fromJson(content: Uint8Array, inputs: readonly Input[]): NamedTensors {
  let document: unknown;
  try {
    document = JSON.parse(textOf(content));
  } catch (error) {
    throw error instanceof Refused ? error : bad("the file is not JSON");
  }
  const [first, ...others] = inputs;
  const isBare = Array.isArray(document) && first && !others.length;
  const named = isBare ? { [first.name]: document } : document;
  if (typeof named !== "object" || named === null || Array.isArray(named))
    throw bad("JSON of {input: lists} is needed");
  return new Map(
    Object.entries(named).map(([name, value]) => {
      const input = inputs.find((one) => one.name === name);
      if (!input) throw bad(`the model has no input "${name}"`);
      return [name, fitted(nested(value, input), input)];
    }),
  );
}

const SPOKEN: Readonly<Record<string, number>> = { NaN, Infinity, "-Infinity": -Infinity };

function nested(value: unknown, { type }: Input): Tensor {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  const items = (shape.length ? (value as unknown[]).flat(shape.length) : [value]) as unknown[];
  const count = elementsOf(shape);
  const isReal = type === "float32" || type === "float64";
  if (items.length !== count) throw bad("lists of different lengths");
  if (type === "string" && items.every((item) => typeof item === "string"))
    return tensorOf("string", shape, items as string[]);
  if (type === "bool" && items.every((item) => typeof item === "boolean"))
    return tensorOf("bool", shape, Uint8Array.from(items, Number));
  const numbers = items.map((item) => {
    if (isReal && item === null) return NaN;
    const number = isReal && typeof item === "string" ? SPOKEN[item] : item;
    const isFine = isReal ? typeof number === "number" : Number.isSafeInteger(number);
    if (!isFine) throw bad(`${JSON.stringify(item)} where ${type} belongs`);
    return number as number;
  });
  if (isReal) return tensorOf("float64", shape, Float64Array.from(numbers));
  return tensorOf("int64", shape, BigInt64Array.from(numbers, BigInt));
}
