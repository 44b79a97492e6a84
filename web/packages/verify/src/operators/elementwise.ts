// Element by element: each operation rounds to the element type, as storing into a typed array does.

import { Refused } from "../bytes.js";
import { bits } from "../kernels.js";
import { BinaryCode, FunctionCode, TypeCode } from "../steps.js";
import { larger, roundEven, smaller } from "../tensor/numerics.js";
import {
  type ElementType,
  type Elements,
  type Numbers,
  type Tensor,
  allocate,
  elementsOf,
  numbersOf,
  stridesOf,
  tensorOf,
  typeOfCode,
} from "../tensor/types.js";
import type { Operator, Operators, Site } from "./site.js";

/** The shape to which all broadcast, aligned at the right. Throws Refused. */
export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes)
    shape.forEach((size, position) => {
      const at = position + rank - shape.length;
      if (size !== 1 && result[at] !== 1 && result[at] !== size)
        throw new Refused("malformed", `shapes [${shapes.join("], [")}] do not fit`);
      if (size !== 1) result[at] = size;
    });
  elementsOf(result);
  return result;
}

/** The elements of a tensor as they stand in a shape it broadcasts to. */
export function expanded(tensor: Tensor, shape: readonly number[]): Elements {
  const count = elementsOf(shape);
  const source = tensor.data;
  if (source.length === count) return source;
  const target = allocate(tensor.type, count);
  const rank = shape.length;
  const own = stridesOf(tensor.shape);
  const strides = shape.map((_, axis) => {
    const mine = axis - (rank - tensor.shape.length);
    return mine < 0 || tensor.shape[mine] === 1 ? 0 : own[mine];
  });
  const index = new Array<number>(rank).fill(0);
  let from = 0;
  for (let to = 0; to < count; to++) {
    target[to] = source[from];
    for (let axis = rank - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return target;
}

export function sameType(site: Site, tensors: readonly Tensor[]): ElementType {
  const [first] = tensors;
  if (tensors.some(({ type }) => type !== first.type))
    throw site.refuse("inputs of several types");
  if (first.type === "float16") throw site.refuse("float16 is not supported");
  return first.type;
}

const REAL: readonly ElementType[] = ["float32", "float64"];

/** A tensor of float32 or float64. */
export function real(site: Site, position: number): Tensor {
  const tensor = site.input(position);
  if (!REAL.includes(tensor.type)) throw site.refuse(`elements of type ${tensor.type}`);
  return tensor;
}

type Two<T> = (a: T, b: T) => T;

/** Folds inputs that broadcast, two at a time. */
function arithmetic(few: Two<number>, many: Two<bigint> | null, wrap?: Two<number>): Operator {
  return (site) => {
    const tensors = site.all();
    const type = sameType(site, tensors);
    if (type === "bool" || type === "string") throw site.refuse(`elements of type ${type}`);
    const shape = broadcast(...tensors.map((tensor) => tensor.shape));
    const parts = tensors.map((tensor) => expanded(tensor, shape));
    let total = parts[0];
    for (const part of parts.slice(1)) {
      const next = allocate(type, elementsOf(shape));
      if (next instanceof BigInt64Array || next instanceof BigUint64Array) {
        if (!many) throw site.refuse(`elements of type ${type}`);
        for (let at = 0; at < next.length; at++)
          next[at] = many(total[at] as bigint, part[at] as bigint);
      } else {
        const combine = wrap && !REAL.includes(type) ? wrap : few;
        const [a, b, c] = [total as Numbers, part as Numbers, next as Numbers];
        for (let at = 0; at < c.length; at++) c[at] = combine(a[at], b[at]);
      }
      total = next;
    }
    return [tensorOf(type, shape, total)];
  };
}

function compare(
  test: (a: number | bigint | string, b: number | bigint | string) => boolean,
): Operator {
  return (site) => {
    const tensors = [site.input(0), site.input(1)];
    sameType(site, tensors);
    const shape = broadcast(tensors[0].shape, tensors[1].shape);
    const [a, b] = tensors.map((tensor) => expanded(tensor, shape));
    const result = new Uint8Array(elementsOf(shape));
    for (let at = 0; at < result.length; at++) result[at] = test(a[at], b[at]) ? 1 : 0;
    return [tensorOf("bool", shape, result)];
  };
}

/** Of bools. */
function logic(two: Two<number>): Operator {
  return (site) => {
    const tensors = [site.input(0), site.input(1)];
    if (sameType(site, tensors) !== "bool") throw site.refuse("inputs that are no bools");
    const shape = broadcast(tensors[0].shape, tensors[1].shape);
    const [a, b] = tensors.map((tensor) => expanded(tensor, shape) as Uint8Array);
    return [
      tensorOf(
        "bool",
        shape,
        a.map((value, at) => two(value, b[at])),
      ),
    ];
  };
}

/** A function of one float in JavaScript's own operations. */
const plain =
  (one: (x: number) => number): Operator =>
  (site) => {
    const x = real(site, 0);
    return [tensorOf(x.type, x.shape, (x.data as Float32Array).map(one))];
  };

/** A function of every element by the kernels. */
export function apply(
  site: Site,
  name: keyof typeof FunctionCode,
  x: Tensor,
  alpha = 0,
  gamma = 0,
): Tensor {
  const job = site.job();
  const source = job.input(x);
  const result = job.result(x.type, x.shape);
  const type = TypeCode[result.type];
  job.step(
    "FUNCTION",
    FunctionCode[name],
    type,
    result,
    source,
    x.data.length,
    bits(alpha),
    bits(gamma),
  );
  return job.run(result)[0];
}

/** An operator that is a function of the kernels, with what alpha and gamma are by default. */
function kernel(name: keyof typeof FunctionCode, alpha?: number, gamma?: number): Operator {
  return (site) => {
    const x = real(site, 0);
    const given = (attribute: string, byDefault?: number) =>
      byDefault === undefined ? 0 : site.number(attribute, byDefault);
    return [apply(site, name, x, given("alpha", alpha), given("gamma", gamma))];
  };
}

/** A function also of integers, which wrap around. */
function signed(one: (x: number) => number, big: (x: bigint) => bigint): Operator {
  return (site) => {
    const x = site.input(0);
    if (x.data instanceof BigInt64Array)
      return [
        tensorOf(
          x.type,
          x.shape,
          x.data.map((value) => big(value)),
        ),
      ];
    if (x.type === "bool") throw site.refuse("elements of type bool");
    return [tensorOf(x.type, x.shape, numbersOf(x).map(one) as Numbers)];
  };
}

function clip(site: Site): Tensor[] {
  const x = real(site, 0);
  const bound = (name: string, position: number, otherwise: number): number => {
    const input = site.optional(position);
    if (input && (input.type !== x.type || input.data.length !== 1))
      throw site.refuse("a bound of another type or shape");
    if (site.opset >= 11) return input ? Number(input.data[0]) : otherwise;
    return site.number(name, otherwise);
  };
  const low = bound("min", 1, -Infinity);
  const high = bound("max", 2, Infinity);
  const result = (x.data as Float32Array).map((value) => smaller(larger(value, low), high));
  return [tensorOf(x.type, x.shape, result)];
}

/** x ** y by the kernels, for a base of floats. */
function power(site: Site): Tensor[] {
  const x = real(site, 0);
  const y = site.input(1);
  if (y.type === "string" || y.type === "bool") throw site.refuse(`exponents of type ${y.type}`);
  // A float32 with exponents of its own type stays one; all else goes by way of float64.
  const type = x.type === y.type ? x.type : "float64";
  const shape = broadcast(x.shape, y.shape);
  const [base, exponent] = [x, y].map((one) => {
    const wide = cast(one, type);
    return tensorOf(type, shape, expanded(wide, shape));
  });
  if (!base.data.length) return [tensorOf(x.type, shape)];
  const job = site.job();
  const [a, b, result] = [job.input(base), job.input(exponent), job.result(type, shape)];
  const walk = [1, base.data.length, 1, 1];
  job.step("ELEMENTWISE_BINARY", BinaryCode.POWER, TypeCode[result.type], result, a, b, ...walk);
  return [cast(job.run(result)[0], x.type)];
}

/** The remainder with the sign of the dividend (fmod) or of the divisor. */
function remainder(site: Site): Tensor[] {
  const isC = site.integer("fmod", 0) !== 0;
  const few = (a: number, b: number): number => {
    const rest = a % b;
    if (isC || Number.isNaN(rest)) return rest;
    const negative = b < 0 || Object.is(b, -0);
    if (rest === 0) return negative ? -0 : 0;
    return rest < 0 !== negative ? rest + b : rest;
  };
  const whole = (a: number, b: number): number => (b === 0 ? 0 : few(a, b));
  const many = (a: bigint, b: bigint): bigint => {
    if (b === 0n) return 0n;
    const rest = a % b;
    return isC || rest === 0n || rest < 0n === b < 0n ? rest : rest + b;
  };
  return arithmetic(few, many, whole)(site);
}

/** Clips alpha x + beta to 0..1, each step rounded. */
function hardSigmoid(
  x: number,
  alpha: number,
  beta: number,
  round: (x: number) => number,
): number {
  return larger(0, smaller(1, round(round(alpha * x) + beta)));
}

function shaped(site: Site, one: (x: number, round: (x: number) => number) => number): Tensor[] {
  const x = real(site, 0);
  const round = x.type === "float32" ? Math.fround : Number;
  return [
    tensorOf(
      x.type,
      x.shape,
      (x.data as Float32Array).map((value) => one(value, round)),
    ),
  ];
}

function where(site: Site): Tensor[] {
  const [condition, a, b] = [site.input(0), site.input(1), site.input(2)];
  if (condition.type !== "bool" || a.type !== b.type) throw site.refuse("inputs of other types");
  const shape = broadcast(condition.shape, a.shape, b.shape);
  const [first, second] = [expanded(a, shape), expanded(b, shape)];
  const chosen = expanded(condition, shape);
  const result = allocate(a.type, elementsOf(shape));
  for (let at = 0; at < result.length; at++) result[at] = chosen[at] ? first[at] : second[at];
  return [tensorOf(a.type, shape, result)];
}

/** An int64 rounded once to float32, where its nearest float64 may be halfway. */
function narrowed(value: bigint): number {
  if (value >= -(2n ** 53n) && value <= 2n ** 53n) return Number(value);
  const high = value >> 11n;
  return Number(high << 11n === value ? high : high | 1n) * 2048;
}

const LEAST_64 = -(2n ** 63n);

function toInteger(x: number, type: ElementType): bigint | number {
  if (type === "int64" || type === "uint64" || type === "uint32") {
    if (type === "uint64" && x >= 2 ** 63 && x < 2 ** 64) return BigInt(Math.trunc(x));
    const fits = x >= -(2 ** 63) && x < 2 ** 63;
    const whole = fits ? BigInt(Math.trunc(x)) : LEAST_64;
    return type === "uint32" ? Number(BigInt.asUintN(32, whole)) : whole;
  }
  return x > -(2 ** 31) - 1 && x < 2 ** 31 ? Math.trunc(x) : -(2 ** 31);
}

/** A tensor as another element type (TENSOR-15). Throws Refused for strings and float16. */
export function cast(x: Tensor, type: ElementType): Tensor {
  if (x.type === type) return x;
  const strange = [x.type, type].find((one) => one === "string" || one === "float16");
  if (strange) throw new Refused("unsupported", `a cast of ${strange} is not supported`);
  const source = x.data as Numbers | BigInt64Array;
  const target = allocate(type, source.length);
  const isReal = REAL.includes(x.type);
  const isBig = target instanceof BigInt64Array || target instanceof BigUint64Array;
  for (let at = 0; at < source.length; at++) {
    const value = source[at];
    if (type === "bool") target[at] = value ? 1 : Number.isNaN(value) ? 1 : 0;
    else if (REAL.includes(type))
      target[at] =
        typeof value === "number" ? value : type === "float32" ? narrowed(value) : Number(value);
    else if (isReal) target[at] = toInteger(value as number, type);
    else if (isBig) target[at] = BigInt(value);
    else target[at] = typeof value === "number" ? value : Number(BigInt.asIntN(32, value));
  }
  return tensorOf(type, x.shape, target);
}

const truncated = (a: number, b: number): number => (b === 0 ? 0 : Math.trunc(a / b));

export const ELEMENTWISE: Operators = {
  Add: arithmetic(
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  Sub: arithmetic(
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  Mul: arithmetic(
    (a, b) => a * b,
    (a, b) => a * b,
    Math.imul,
  ),
  Div: arithmetic(
    (a, b) => a / b,
    (a, b) => (b === 0n ? 0n : a / b),
    truncated,
  ),
  Sum: arithmetic((a, b) => a + b, null),
  Min: arithmetic(smaller, (a, b) => (a < b ? a : b)),
  Max: arithmetic(larger, (a, b) => (a > b ? a : b)),
  Equal: compare((a, b) => a === b),
  Greater: compare((a, b) => a > b),
  GreaterOrEqual: compare((a, b) => a >= b),
  Less: compare((a, b) => a < b),
  LessOrEqual: compare((a, b) => a <= b),
  And: logic((a, b) => a & b),
  Or: logic((a, b) => a | b),
  Xor: logic((a, b) => a ^ b),
  Not: (site) => {
    const x = site.input(0);
    if (x.type !== "bool") throw site.refuse(`elements of type ${x.type}`);
    return [
      tensorOf(
        "bool",
        x.shape,
        (x.data as Uint8Array).map((value) => 1 - value),
      ),
    ];
  },
  Neg: signed(
    (x) => -x,
    (x) => -x,
  ),
  Abs: signed(Math.abs, (x) => (x < 0n ? -x : x)),
  Relu: signed(
    (x) => larger(x, 0),
    (x) => (x > 0n ? x : 0n),
  ),
  Sqrt: plain(Math.sqrt),
  Reciprocal: plain((x) => 1 / x),
  Floor: plain(Math.floor),
  Ceil: plain(Math.ceil),
  Round: plain(roundEven),
  Exp: kernel("EXP"),
  Log: kernel("LOG"),
  Sigmoid: kernel("SIGMOID"),
  Tanh: kernel("TANH"),
  Erf: kernel("ERF"),
  Softplus: kernel("SOFTPLUS"),
  Sin: kernel("SIN"),
  Cos: kernel("COS"),
  Tan: kernel("TAN"),
  Asin: kernel("ASIN"),
  Acos: kernel("ACOS"),
  Atan: kernel("ATAN"),
  Sinh: kernel("SINH"),
  Cosh: kernel("COSH"),
  Asinh: kernel("ASINH"),
  Acosh: kernel("ACOSH"),
  Atanh: kernel("ATANH"),
  Mish: kernel("MISH"),
  Swish: kernel("SWISH", 1),
  Elu: kernel("ELU", 1),
  Selu: kernel("SELU", 1.6732631921768188, 1.0507010221481323),
  Celu: kernel("CELU", 1),
  Gelu: (site) => {
    const isExact = site.text("approximate", "none", ["none", "tanh"]) === "none";
    return [apply(site, isExact ? "GELU" : "GELU_TANH", real(site, 0))];
  },
  LeakyRelu: (site) => {
    const narrow = site.optional(0)?.type === "float32" ? Math.fround : Number;
    const alpha = narrow(site.number("alpha", 0.01));
    return plain((x) => (x < 0 ? alpha * x : x))(site);
  },
  Clip: clip,
  Pow: power,
  Mod: remainder,
  Sign: signed(
    (x) => (x > 0 ? 1 : x < 0 ? -1 : x === 0 ? 0 : x),
    (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n),
  ),
  IsNaN: (site) => {
    const x = real(site, 0);
    const result = Uint8Array.from(x.data as Float32Array, (value) =>
      Number.isNaN(value) ? 1 : 0,
    );
    return [tensorOf("bool", x.shape, result)];
  },
  PRelu: (site) => {
    const [x, slope] = [real(site, 0), site.input(1)];
    if (
      sameType(site, [x, slope]) !== x.type ||
      broadcast(x.shape, slope.shape).join() !== x.shape.join()
    )
      throw site.refuse("a slope of another type or shape");
    const slopes = expanded(slope, x.shape) as Float32Array;
    const result = (x.data as Float32Array).map((value, at) =>
      value < 0 ? slopes[at] * value : value,
    );
    return [tensorOf(x.type, x.shape, result)];
  },
  HardSigmoid: (site) => {
    const [alpha, beta] = [site.number("alpha", 0.2), site.number("beta", 0.5)];
    return shaped(site, (x, round) => hardSigmoid(x, round(alpha), round(beta), round));
  },
  HardSwish: (site) => shaped(site, (x, round) => x * hardSigmoid(x, round(1 / 6), 0.5, round)),
  Softsign: (site) => shaped(site, (x, round) => x / round(1 + Math.abs(x))),
  ThresholdedRelu: (site) => {
    const alpha = site.number("alpha", 1);
    return shaped(site, (x, round) => (Number.isNaN(x) || x > round(alpha) ? x : 0));
  },
  CastLike: (site) => {
    site.ignore("saturate", "round_mode");
    return [cast(site.input(0), site.input(1).type)];
  },
  Where: where,
  Cast: (site) => {
    site.ignore("saturate", "round_mode");
    return [cast(site.input(0), typeOfCode(site.integer("to", 0)))];
  },
  Identity: (site) => [site.input(0)],
  Dropout: (site) => {
    site.ignore("seed", "ratio");
    site.optional(1);
    const training = site.optional(2);
    if (training && training.data[0]) throw site.refuse("training_mode is random");
    return [site.input(0)];
  },
};
