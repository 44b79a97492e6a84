// Canonical msgpack (WIRE-1): every value has one encoding, and only that is read.

import { Refused, concat, utf8 } from "./bytes.js";

/** What `encode` writes; an object is a struct, its fields in the order they have there. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [name: string]: Value };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The canonical bytes of a value; integers are below 2^64. */
export function encode(value: Value): Uint8Array {
  const parts: Uint8Array[] = [];
  write(value, parts);
  return concat(...parts);
}

function write(value: Value, parts: Uint8Array[]): void {
  if (value === null) parts.push(Uint8Array.of(0xc0));
  else if (typeof value === "boolean") parts.push(Uint8Array.of(value ? 0xc3 : 0xc2));
  else if (typeof value === "number" || typeof value === "bigint")
    parts.push(integer(BigInt(value)));
  else if (typeof value === "string") {
    const bytes = utf8(value);
    parts.push(head(bytes.length, 0xa0, 32, [0xd9, 0xda, 0xdb]), bytes);
  } else if (value instanceof Uint8Array)
    parts.push(head(value.length, 0, 0, [0xc4, 0xc5, 0xc6]), value);
  else if (Array.isArray(value)) {
    parts.push(head(value.length, 0x90, 16, [0, 0xdc, 0xdd]));
    for (const item of value as readonly Value[]) write(item, parts);
  } else {
    const fields = Object.entries(value);
    parts.push(head(fields.length, 0x80, 16, [0, 0xde, 0xdf]));
    for (const [name, item] of fields) {
      write(name, parts);
      write(item, parts);
    }
  }
}

function tagged(tag: number, bytes: number, value: bigint): Uint8Array {
  const written = new Uint8Array(1 + bytes);
  written[0] = tag;
  for (let at = bytes; at > 0; at--, value >>= 8n) written[at] = Number(value & 0xffn);
  return written;
}

function integer(value: bigint): Uint8Array {
  if (value >= 0n) {
    if (value < 128n) return Uint8Array.of(Number(value));
    if (value < 1n << 8n) return tagged(0xcc, 1, value);
    if (value < 1n << 16n) return tagged(0xcd, 2, value);
    return value < 1n << 32n ? tagged(0xce, 4, value) : tagged(0xcf, 8, value);
  }
  if (value >= -32n) return Uint8Array.of(Number(value + 256n));
  if (value >= -128n) return tagged(0xd0, 1, value);
  if (value >= -32768n) return tagged(0xd1, 2, value);
  return value >= -(1n << 31n) ? tagged(0xd2, 4, value) : tagged(0xd3, 8, value);
}

/** A length: in the first byte below `short`, else behind the tag for 1, 2 or 4 bytes (0: none). */
function head(length: number, first: number, short: number, tags: readonly number[]): Uint8Array {
  if (length < short) return Uint8Array.of(first | length);
  if (length < 256 && tags[0]) return tagged(tags[0], 1, BigInt(length));
  return length < 65536 ? tagged(tags[1], 2, BigInt(length)) : tagged(tags[2], 4, BigInt(length));
}

/** Reads one value from the bytes at hand. */
export type Decode<T> = (reader: Reader) => T;

/** Walks over bytes from strangers; whatever is not there, or is written otherwise, is refused. */
export class Reader {
  private place = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private malformed(what: string): Refused {
    return new Refused("malformed", `at byte ${this.place}: ${what}`);
  }

  private take(count: number): number {
    const begin = this.place;
    if (count > this.bytes.length - begin) throw this.malformed("the bytes end too early");
    this.place += count;
    return begin;
  }

  end(): void {
    if (this.place !== this.bytes.length) throw this.malformed("more bytes follow");
  }

  private byte(): number {
    return this.bytes[this.take(1)];
  }

  /** Whether nil comes next; then it is read. */
  nil(): boolean {
    if (this.bytes[this.place] !== 0xc0) return false;
    this.place++;
    return true;
  }

  boolean(): boolean {
    const tag = this.byte();
    if (tag !== 0xc2 && tag !== 0xc3) throw this.malformed("no truth value");
    return tag === 0xc3;
  }

  integer(): bigint {
    const begin = this.place;
    const tag = this.byte();
    let value: bigint;
    if (tag < 0x80) return BigInt(tag);
    if (tag >= 0xe0) return BigInt(tag - 256);
    if (tag >= 0xcc && tag <= 0xcf) value = this.unsigned(1 << (tag - 0xcc));
    else if (tag >= 0xd0 && tag <= 0xd3) {
      const bytes = 1 << (tag - 0xd0);
      value = BigInt.asIntN(8 * bytes, this.unsigned(bytes));
    } else throw this.malformed("no integer");
    if (integer(value).length !== this.place - begin || (tag >= 0xd0 && value >= 0n))
      throw this.malformed("an integer that is not written shortest");
    return value;
  }

  private unsigned(bytes: number): bigint {
    let value = 0n;
    const begin = this.take(bytes);
    for (let at = begin; at < begin + bytes; at++) value = (value << 8n) | BigInt(this.bytes[at]);
    return value;
  }

  private length(first: number, short: number, tags: readonly number[], what: string): number {
    const tag = this.byte();
    if (short && tag >= first && tag < first + short) return tag - first;
    const width = tag ? tags.indexOf(tag) : -1;
    if (width < 0) throw this.malformed(`no ${what}`);
    const begin = this.take(1 << width);
    const length =
      width === 0
        ? this.bytes[begin]
        : width === 1
          ? this.view.getUint16(begin)
          : this.view.getUint32(begin);
    if (head(length, first, short, tags).length !== 1 + (1 << width))
      throw this.malformed("a length that is not written shortest");
    if (length > this.bytes.length - this.place) throw this.malformed("a length beyond the bytes");
    return length;
  }

  text(): string {
    const length = this.length(0xa0, 32, [0xd9, 0xda, 0xdb], "text");
    const begin = this.take(length);
    try {
      return decoder.decode(this.bytes.subarray(begin, begin + length));
    } catch {
      throw this.malformed("text that is not UTF-8");
    }
  }

  binary(): Uint8Array {
    const length = this.length(0, 0, [0xc4, 0xc5, 0xc6], "bytes");
    const begin = this.take(length);
    return this.bytes.slice(begin, begin + length);
  }

  array(): number {
    return this.length(0x90, 16, [0, 0xdc, 0xdd], "array");
  }

  map(): number {
    return this.length(0x80, 16, [0, 0xde, 0xdf], "struct");
  }

  /** The tag that says which struct comes, without reading it; "" where none is there. */
  peekTag(): string {
    const before = this.place;
    try {
      this.map();
      return this.text() === "type" ? this.text() : "";
    } finally {
      this.place = before;
    }
  }
}

/** All of `bytes` as one value. Throws Refused with `code`. */
export function decode<T>(bytes: Uint8Array, kind: Decode<T>, code: string, what: string): T {
  const reader = new Reader(bytes);
  try {
    const value = kind(reader);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof Refused) throw new Refused(code, `${what}: ${error.message}`);
    throw error;
  }
}

export type Decoded<D> = D extends Decode<infer T> ? T : never;

/** A struct: exactly these fields in this order, behind its tag if it has one. */
export function struct<F extends { readonly [name: string]: Decode<unknown> }>(
  fields: F,
  tag = "",
): Decode<{ readonly [K in keyof F]: Decoded<F[K]> }> {
  const names = Object.keys(fields);
  return (reader) => {
    const wrong = (what: string) => new Refused("malformed", `${what} in a struct of ${names}`);
    if (reader.map() !== names.length + (tag ? 1 : 0)) throw wrong("another number of fields");
    if (tag && (reader.text() !== "type" || reader.text() !== tag)) throw wrong("another tag");
    const value: Record<string, unknown> = {};
    for (const name of names) {
      if (reader.text() !== name) throw wrong(`no ${name} at its place`);
      value[name] = fields[name](reader);
    }
    return value as { readonly [K in keyof F]: Decoded<F[K]> };
  };
}

export function list<T>(item: Decode<T>, most = Number.MAX_SAFE_INTEGER): Decode<readonly T[]> {
  return (reader) => {
    const count = reader.array();
    if (count > most)
      throw new Refused("malformed", `${count} items where at most ${most} belong`);
    return Array.from({ length: count }, () => item(reader));
  };
}

export function optional<T>(item: Decode<T>): Decode<T | null> {
  return (reader) => (reader.nil() ? null : item(reader));
}

/** An integer in low..high. */
export function whole(low = 0, high = Number.MAX_SAFE_INTEGER): Decode<number> {
  return (reader) => {
    const value = reader.integer();
    if (value < BigInt(low) || value > BigInt(high))
      throw new Refused("malformed", `the integer ${value} is outside ${low}..${high}`);
    return Number(value);
  };
}

/** Bytes of a length in low..high. */
export function binary(low = 0, high = Number.MAX_SAFE_INTEGER): Decode<Uint8Array> {
  return (reader) => {
    const value = reader.binary();
    if (value.length < low || value.length > high)
      throw new Refused("malformed", `${value.length} bytes where ${low} to ${high} belong`);
    return value;
  };
}

/** Text of at most so many characters, of a form if one is given. */
export function text(most = Number.MAX_SAFE_INTEGER, form?: RegExp): Decode<string> {
  return (reader) => {
    const value = reader.text();
    if ([...value].length > most || (form && !form.test(value)))
      throw new Refused("malformed", "a text that is too long or of another form");
    return value;
  };
}

export const truth: Decode<boolean> = (reader) => reader.boolean();
