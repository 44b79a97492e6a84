// Canonical bytes of named tensors, which commitments to inputs and outputs cover (TENSOR-50).

import { Refused, equal, utf8 } from "../bytes.js";
import { type Value, decode, encode, list, optional, text, whole } from "../msgpack.js";
import {
  type ElementType,
  type Tensor,
  bytesOf,
  bytesPerElement,
  elementsOf,
  fromBytes,
  isHeld,
} from "./types.js";

const VERSION = 1;
const MOST_TENSORS = 1024;

/** Tensors by name. */
export type NamedTensors = ReadonlyMap<string, Tensor>;

/** `tensor` with every NaN replaced by the one positive quiet NaN without payload (TENSOR-4). */
export function canonicalise(tensor: Tensor): Tensor {
  const { type, data } = tensor;
  if (data instanceof Float32Array || data instanceof Float64Array) {
    if (!data.some(Number.isNaN)) return tensor;
    const copy = data.slice();
    const words = new Uint32Array(copy.buffer);
    for (let at = 0; at < copy.length; at++)
      if (Number.isNaN(copy[at])) {
        if (type === "float32") words[at] = 0x7fc00000;
        else words.set([0, 0x7ff80000], 2 * at);
      }
    return { ...tensor, data: copy };
  }
  if (type !== "float16") return tensor;
  const bits = (data as Uint16Array).map((half) => ((half & 0x7fff) > 0x7c00 ? 0x7e00 : half));
  return { ...tensor, data: bits };
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++)
    if (a[at] !== b[at]) return a[at] - b[at];
  return a.length - b.length;
}

/** Canonical bytes of named tensors, in whatever order they are given. */
export function encodeTensors(tensors: NamedTensors): Uint8Array {
  const named = [...tensors].map(([name, tensor]) => ({ name, key: utf8(name), tensor }));
  named.sort((a, b) => compareBytes(a.key, b.key));
  return encode([VERSION, named.map(({ name, tensor }) => packed(name, tensor))]);
}

function packed(name: string, tensor: Tensor): Value {
  const { type, shape, labels } = tensor;
  const integers = labels?.length && typeof labels[0] === "bigint" ? labels : null;
  const words = labels && !integers ? labels : null;
  const texts = type === "string" ? (tensor.data as string[]) : [];
  const raw = type === "string" ? new Uint8Array() : bytesOf(canonicalise(tensor));
  return [name, type, shape, raw, texts, integers, words];
}

const LABELS = list((reader) => reader.integer());

/** The named tensors of canonical bytes. Throws Refused for anything else. */
export function decodeTensors(bytes: Uint8Array): Map<string, Tensor> {
  const one = (reader: Parameters<typeof LABELS>[0]): readonly [string, Tensor] => {
    if (reader.array() !== 7) throw new Refused("malformed", "a tensor of other parts");
    const name = reader.text();
    const type = reader.text();
    const shape = list(whole(), 32)(reader);
    const raw = reader.binary();
    const strings = list(text())(reader);
    const integers = optional(LABELS)(reader);
    const words = optional(list(text()))(reader);
    const labels: readonly (bigint | string)[] | null = integers ?? words;
    const tensor = unpacked(type, shape, raw, strings);
    if (integers && words) throw new Refused("malformed", "labels of two types");
    if (!labels) return [name, tensor];
    if (shape.length !== 2 || shape[1] !== labels.length || new Set(labels).size !== labels.length)
      throw new Refused("malformed", "labels that do not fit");
    return [name, { ...tensor, labels }];
  };
  const pairs = decode(
    bytes,
    (reader) => {
      if (reader.array() !== 2 || reader.integer() !== BigInt(VERSION))
        throw new Refused("malformed", "another version");
      return list(one, MOST_TENSORS)(reader);
    },
    "malformed_tensors",
    "not an encoding of tensors",
  );
  const tensors = new Map(pairs);
  if (tensors.size !== pairs.length || !equal(encodeTensors(tensors), bytes))
    throw new Refused("malformed_tensors", "not the canonical encoding of its tensors");
  return tensors;
}

function unpacked(
  type: string,
  shape: readonly number[],
  raw: Uint8Array,
  strings: readonly string[],
): Tensor {
  const kind = type as ElementType;
  const count = elementsOf(shape);
  if (kind === "string") {
    if (strings.length !== count) throw new Refused("malformed", "strings do not fit the shape");
    return { type: kind, shape, data: [...strings] };
  }
  if (!isHeld(kind) || strings.length || raw.length !== count * bytesPerElement(kind))
    throw new Refused("malformed", "elements do not fit type and shape");
  if (kind === "bool" && raw.some((byte) => byte > 1)) throw new Refused("malformed", "no bools");
  return { type: kind, shape, data: fromBytes(kind, raw) };
}
