// Operators of ai.onnx.ml that look things up and fill things in (ML-12 to ML-19).

import { type ElementType, type Tensor, allocate, elementsOf, tensorOf } from "../tensor/types.js";
import { cast } from "./elementwise.js";
import type { Operators, Site } from "./site.js";

type Key = number | bigint | string;

const NUMBERS = ["float32", "float64", "int64", "int32"];

/** Columns, or one value for all of them. ML-12 */
function imputer(site: Site): Tensor[] {
  const x = site.input(0);
  const isReal = x.type === "float32" || x.type === "float64";
  const [floats, whole] = [
    site.numbers("imputed_value_floats"),
    site.bigIntegers("imputed_value_int64s"),
  ];
  const values = isReal ? floats : whole;
  if (!values?.length || (isReal ? whole : floats)?.length || x.type === "int32")
    throw site.refuse("imputed values of another type");
  const replaced = isReal
    ? site.number("replaced_value_float", 0)
    : BigInt(site.integer("replaced_value_int64", 0));
  const features = x.shape[x.shape.length - 1];
  if (values.length !== 1 && (values.length !== features || x.shape.length > 2))
    throw site.refuse("imputed values do not fit the features");
  const result = allocate(x.type, x.data.length);
  for (let at = 0; at < result.length; at++) {
    const value = x.data[at];
    const missing = Number.isNaN(replaced) ? Number.isNaN(value) : value === replaced;
    result[at] = missing ? values[at % values.length] : value;
  }
  return [tensorOf(x.type, x.shape, result)];
}

/** 1 above the threshold, else 0. ML-13 */
function binarizer(site: Site): Tensor[] {
  const x = site.input(0);
  if (!NUMBERS.includes(x.type)) throw site.refuse(`elements of type ${x.type}`);
  const threshold = site.number("threshold", 0);
  const result = allocate(x.type, x.data.length);
  const one = x.type === "int64" ? 1n : 1;
  for (let at = 0; at < result.length; at++) if (Number(x.data[at]) > threshold) result[at] = one;
  return [tensorOf(x.type, x.shape, result)];
}

/** Inputs beside each other, each with so many columns, cut off or filled with 0. ML-14 */
function vectorizer(site: Site): Tensor[] {
  const parts = site.all().map((x) => {
    if (!NUMBERS.includes(x.type) || !x.shape.length)
      throw site.refuse("an input that is no table");
    const narrow = cast(x, "float32").data as Float32Array;
    const rows = x.shape.length === 1 ? 1 : x.shape[0];
    return { narrow, rows, width: elementsOf(x.shape.length === 1 ? x.shape : x.shape.slice(1)) };
  });
  const widths = site.integers("inputdimensions") ?? [];
  const [{ rows }] = parts;
  if (
    widths.length !== parts.length ||
    parts.some((part) => part.rows !== rows) ||
    widths.some((one) => one < 0)
  )
    throw site.refuse("inputdimensions do not fit the inputs");
  const total = widths.reduce((sum, width) => sum + width, 0);
  const result = tensorOf("float32", [rows, total]);
  let begin = 0;
  parts.forEach(({ narrow, width }, part) => {
    const taken = Math.min(width, widths[part]);
    for (let row = 0; row < rows; row++) {
      const from = narrow.subarray(row * width, row * width + taken);
      (result.data as Float32Array).set(from, row * total + begin);
    }
    begin += widths[part];
  });
  return [result];
}

/** Looks every element up: +0 is -0, NaN has a value of its own where one is listed. */
function lookUp(
  site: Site,
  x: Tensor,
  [keys, values]: readonly [readonly Key[], readonly Key[]],
  type: ElementType,
  byDefault: Key,
  withNaN: boolean,
): Tensor[] {
  if (keys.length !== values.length) throw site.refuse("keys and values differ in number");
  const table = new Map<Key, Key>();
  // A map takes -0 for +0, but also one NaN for another.
  keys.forEach((key, at) => {
    if (!table.has(key) && !(Number.isNaN(key) && !withNaN)) table.set(key, values[at]);
  });
  const result = allocate(type, x.data.length);
  for (let at = 0; at < result.length; at++) result[at] = table.get(x.data[at]) ?? byDefault;
  return [tensorOf(type, x.shape, result)];
}

const ENCODED: readonly (readonly [string, ElementType, string, Key])[] = [
  ["int64s", "int64", "default_int64", -1n],
  ["floats", "float32", "default_float", -0],
  ["strings", "string", "default_string", "_Unused"],
];

/** ML-16, ML-17; tables that are tensors are not this runner's. */
function labelEncoder(site: Site): Tensor[] {
  const x = site.input(0);
  if (site.opset < 2) throw site.refuse("an opset before 2");
  const listed = (prefix: string) => {
    const found = ENCODED.flatMap(([suffix, type, name, value]) => {
      const read = { int64s: "bigIntegers", floats: "numbers", strings: "texts" } as const;
      const items = site[read[suffix as keyof typeof read]](`${prefix}_${suffix}`);
      return items?.length ? [{ type, name, value, items: items as readonly Key[] }] : [];
    });
    if (found.length !== 1) throw site.refuse(`${prefix} in another form`);
    return found[0];
  };
  const [keys, values] = [listed("keys"), listed("values")];
  if (keys.type !== x.type) throw site.refuse(`keys of type ${keys.type}`);
  const defaults: Readonly<Record<string, () => Key>> = {
    int64: () => BigInt(site.integer("default_int64", -1)),
    float32: () => site.number("default_float", -0),
    string: () => site.words("default_string", "_Unused"),
  };
  const unused = ENCODED.map(([, , name]) => name).filter((name) => name !== values.name);
  site.ignore(...unused);
  const tables = [keys.items, values.items] as const;
  return lookUp(site, x, tables, values.type, defaults[values.type](), site.opset >= 4);
}

/** ML-18 */
function categoryMapper(site: Site): Tensor[] {
  const x = site.input(0);
  const [names, numbers] = [
    site.texts("cats_strings") ?? [],
    site.bigIntegers("cats_int64s") ?? [],
  ];
  const [number, word] = [
    BigInt(site.integer("default_int64", -1)),
    site.words("default_string", "_Unused"),
  ];
  if (x.type === "string") return lookUp(site, x, [names, numbers], "int64", number, false);
  if (x.type !== "int64") throw site.refuse(`elements of type ${x.type}`);
  return lookUp(site, x, [numbers, names], "string", word, false);
}

/** A column for each category; numbers lose their fraction. ML-19 */
function oneHotEncoder(site: Site): Tensor[] {
  const x = site.input(0);
  const [integers, texts] = [
    site.bigIntegers("cats_int64s") ?? [],
    site.texts("cats_strings") ?? [],
  ];
  if (integers.length > 0 === texts.length > 0)
    throw site.refuse("categories of both types, or none");
  if ((x.type === "string") !== texts.length > 0) throw site.refuse("categories of another type");
  const categories: readonly Key[] = integers.length ? integers : texts;
  const columns = new Map(categories.map((category, at) => [category, at]));
  const zeros = site.integer("zeros", 1) !== 0;
  const width = categories.length;
  const result = new Float32Array(x.data.length * width);
  for (let at = 0; at < x.data.length; at++) {
    const value = x.data[at];
    const isWhole = typeof value !== "number" || (value >= -(2 ** 63) && value < 2 ** 63);
    const key = typeof value === "number" ? (isWhole ? BigInt(Math.trunc(value)) : null) : value;
    const column = key === null ? undefined : columns.get(key);
    if (column !== undefined) result[at * width + column] = 1;
    else if (!zeros) throw site.refuse("a value of no category");
  }
  return [tensorOf("float32", [...x.shape, width], result)];
}

export const ENCODERS: Operators = {
  "ai.onnx.ml:Imputer": imputer,
  "ai.onnx.ml:Binarizer": binarizer,
  "ai.onnx.ml:FeatureVectorizer": vectorizer,
  "ai.onnx.ml:LabelEncoder": labelEncoder,
  "ai.onnx.ml:CategoryMapper": categoryMapper,
  "ai.onnx.ml:OneHotEncoder": oneHotEncoder,
};
