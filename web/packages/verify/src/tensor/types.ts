// Tensors as the runner holds them: contiguous, row-major, in JavaScript's typed arrays.

import { Refused } from "../bytes.js";

/** Element types by name; a float16 is held as its 16 bits, a bool as one byte. */
export type ElementType =
  | "float16"
  | "float32"
  | "float64"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "bool"
  | "string";

export type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;
export type BigNumbers = BigInt64Array | BigUint64Array;
export type Elements = Numbers | BigNumbers | string[];

/** A tensor; with `labels` it is a row of maps (ZipMap), one label for each column. */
export interface Tensor {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly data: Elements;
  readonly labels?: readonly (bigint | string)[];
}

const ARRAYS = {
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** TensorProto.DataType codes of the element types we have. */
export const TYPE_OF_CODE: Readonly<Record<number, ElementType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
};

/** Whether a name is that of an element type with a fixed size. */
export function isHeld(type: string): type is Exclude<ElementType, "string"> {
  return Object.hasOwn(ARRAYS, type);
}

const MOST_ELEMENTS = 2 ** 28;
const MOST_AXES = 32;

/** How many elements a shape has. Throws Refused beyond the limits on elements and rank. */
export function elementsOf(shape: readonly number[]): number {
  let bound = 1;
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0)
      throw new Refused("malformed", `shape [${shape.join(", ")}] has a bad dimension`);
    bound *= Math.max(size, 1);
    count *= size;
    if (bound > MOST_ELEMENTS)
      throw new Refused("too_large", "a tensor of more than 2^28 elements");
  }
  if (shape.length > MOST_AXES) throw new Refused("too_large", `a tensor of rank ${shape.length}`);
  return count;
}

export function bytesPerElement(type: ElementType): number {
  return type === "string" ? 0 : ARRAYS[type].BYTES_PER_ELEMENT;
}

/** A name for the code of an element type. Throws Refused. */
export function typeOfCode(code: number): ElementType {
  const type = TYPE_OF_CODE[code];
  if (!type) throw new Refused("unsupported", `element type number ${code} is not supported`);
  return type;
}

/** Fresh elements: zeros, or empty strings. */
export function allocate(type: ElementType, count: number): Elements {
  return type === "string" ? new Array<string>(count).fill("") : new ARRAYS[type](count);
}

/** The elements that little-endian bytes hold. */
export function fromBytes(type: Exclude<ElementType, "string">, bytes: Uint8Array): Elements {
  const copy = bytes.slice();
  return new ARRAYS[type](copy.buffer, 0, copy.length / ARRAYS[type].BYTES_PER_ELEMENT);
}

/** The bytes of a tensor's elements, where they lie. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const data = tensor.data as Numbers | BigNumbers;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function tensorOf(
  type: ElementType,
  shape: readonly number[],
  data: Elements = allocate(type, elementsOf(shape)),
): Tensor {
  return { type, shape, data };
}

/** Row-major distances between neighbours along each axis. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

/** The elements as numbers. Throws Refused for types that hold no small numbers. */
export function numbersOf(tensor: Tensor): Numbers {
  if (tensor.type === "string" || tensor.data instanceof BigInt64Array)
    throw new Refused("unsupported", `elements of type ${tensor.type} are not supported here`);
  if (tensor.type === "float16" || tensor.data instanceof BigUint64Array)
    throw new Refused("unsupported", `elements of type ${tensor.type} are not supported here`);
  return tensor.data as Numbers;
}

/** Elements of an index or shape tensor as numbers; beyond 2^53 they are the nearest. */
export function integersOf(tensor: Tensor): number[] {
  if (tensor.type !== "int64" && tensor.type !== "int32")
    throw new Refused("unsupported", `${tensor.type} where integers belong`);
  return Array.from(tensor.data as BigInt64Array | Int32Array, Number);
}

/** `axis` counted from the front. Throws Refused where there is none. */
export function axisOf(axis: number, rank: number): number {
  if (!(axis >= -rank && axis < rank))
    throw new Refused("malformed", `axis ${axis} is outside a tensor of rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}
