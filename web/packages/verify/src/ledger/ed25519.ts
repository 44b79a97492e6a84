// Ed25519 verification (RFC 8032) as libsodium decides it (ID-1): libraries disagree on malformed
// keys and signatures, so none of the platform's is asked. Nothing here is secret.

import { concat, sha512 } from "../bytes.js";

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = modulo(-121665n * power(121666n, P - 2n));
const ROOT_OF_MINUS_1 = power(2n, (P - 1n) / 4n);

function modulo(a: bigint): bigint {
  const rest = a % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (base %= P; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % P;
    base = (base * base) % P;
  }
  return result;
}

/** A point in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
type Point = readonly [bigint, bigint, bigint, bigint];

const NEUTRAL: Point = [0n, 1n, 1n, 0n];
const BASE = decompress(bytesOf((4n * power(5n, P - 2n)) % P))!;

function add([x, y, z, t]: Point, [u, v, w, s]: Point): Point {
  const a = modulo((y - x) * (v - u));
  const b = ((y + x) * (v + u)) % P;
  const c = (2n * D * t * s) % P;
  const d = (2n * z * w) % P;
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [modulo(e * f), modulo(g * h), modulo(f * g), modulo(e * h)];
}

function multiply(point: Point, scalar: bigint): Point {
  let sum = NEUTRAL;
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = add(sum, point);
    point = add(point, point);
  }
  return sum;
}

function number(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function bytesOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 0xffn));
}

/** The point of 32 bytes; null where there is none, or the bytes are not its canonical ones. */
function decompress(bytes: Uint8Array): Point | null {
  const whole = number(bytes);
  const y = whole & (2n ** 255n - 1n);
  const sign = whole >> 255n;
  if (y >= P) return null;
  const u = modulo(y * y - 1n);
  const v = modulo(D * y * y + 1n);
  let x = (u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n)) % P;
  const square = (v * x * x) % P;
  if (square === modulo(-u)) x = (x * ROOT_OF_MINUS_1) % P;
  else if (square !== u) return null;
  if (x === 0n && sign) return null;
  if ((x & 1n) !== sign) x = modulo(-x);
  return [x, y, 1n, (x * y) % P];
}

/** Whether eight times the point is the neutral element. */
function isSmall(point: Point): boolean {
  const [x, y, z] = multiply(point, 8n);
  return x === 0n && y === z;
}

/** Whether `signature` by `publicKey` covers `message`. */
export async function isSigned(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const first = signature.subarray(0, 32);
  const scalar = number(signature.subarray(32));
  const [key, commitment] = [decompress(publicKey), decompress(first)];
  if (!key || !commitment || scalar >= ORDER || isSmall(key) || isSmall(commitment)) return false;
  const challenge = number(await sha512(concat(first, publicKey, message))) % ORDER;
  const [x, y, z] = multiply(BASE, scalar);
  const [u, v, w] = add(commitment, multiply(key, challenge));
  return modulo(x * w - u * z) === 0n && modulo(y * w - v * z) === 0n;
}
