// Protocol buffers from strangers: every length is checked, nothing is read twice or guessed.

import { Refused } from "../bytes.js";

/** How a field's value is written. */
export type Wire = "varint" | "fixed64" | "bytes" | "fixed32";

const WIRES: Readonly<Record<number, Wire>> = {
  0: "varint",
  1: "fixed64",
  2: "bytes",
  5: "fixed32",
};
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One field as it was met; only the value of its own wire type may be asked for. */
export class Field {
  constructor(
    readonly number: number,
    readonly wire: Wire,
    private readonly content: Uint8Array,
    private readonly value: bigint,
  ) {}

  private expect(wire: Wire): void {
    if (this.wire !== wire)
      throw new Refused("malformed_model", `field ${this.number} is written as ${this.wire}`);
  }

  bytes(): Uint8Array {
    this.expect("bytes");
    return this.content;
  }

  text(): string {
    try {
      return decoder.decode(this.bytes());
    } catch {
      throw new Refused("malformed_model", "the model holds text that is not UTF-8");
    }
  }

  int64(): bigint {
    this.expect("varint");
    return BigInt.asIntN(64, this.value);
  }

  /** A small integer, such as a code or a version. */
  small(): number {
    const value = this.int64();
    if (value < -(2n ** 31n) || value >= 2n ** 31n)
      throw new Refused("malformed_model", `field ${this.number} holds ${value}`);
    return Number(value);
  }

  float(): number {
    this.expect("fixed32");
    return viewOf(this.content).getFloat32(0, true);
  }

  /** Integers of a repeated field, written together or one by one. */
  int64s(): bigint[] {
    if (this.wire === "varint") return [this.int64()];
    const walker = new Walker(this.bytes());
    const values: bigint[] = [];
    while (!walker.done) values.push(BigInt.asIntN(64, walker.varint()));
    return values;
  }

  floats(): number[] {
    return this.wire === "fixed32" ? [this.float()] : this.reals(4);
  }

  doubles(): number[] {
    if (this.wire !== "fixed64") return this.reals(8);
    return [viewOf(this.content).getFloat64(0, true)];
  }

  private reals(size: 4 | 8): number[] {
    const content = this.bytes();
    if (content.length % size) throw new Refused("malformed_model", "half a number at the end");
    const view = viewOf(content);
    return Array.from({ length: content.length / size }, (_, at) =>
      size === 4 ? view.getFloat32(4 * at, true) : view.getFloat64(8 * at, true),
    );
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

class Walker {
  private place = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.place === this.bytes.length;
  }

  take(count: number): Uint8Array {
    const begin = this.place;
    if (count > this.bytes.length - begin)
      throw new Refused("malformed_model", "a field reaches beyond its message");
    this.place += count;
    return this.bytes.subarray(begin, this.place);
  }

  varint(): bigint {
    let value = 0n;
    let low = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.take(1)[0];
      if (shift < 28) low |= (byte & 127) << shift;
      else {
        if (shift === 28) value = BigInt(low);
        value |= BigInt(byte & 127) << BigInt(shift);
      }
      if (byte < 128) return shift < 28 ? BigInt(low) : value & (2n ** 64n - 1n);
    }
    throw new Refused("malformed_model", "a number that does not end");
  }
}

/** Counts what one file holds, so that a small file cannot ask for much memory. */
export class Budget {
  constructor(private left: number) {}

  spend(): void {
    if (this.left-- <= 0) throw new Refused("too_large", "the model has too many fields");
  }
}

const NOTHING = new Uint8Array();

/** The fields of a message in order. Throws Refused. */
export function* fieldsOf(message: Uint8Array, budget: Budget): Generator<Field> {
  const walker = new Walker(message);
  while (!walker.done) {
    budget.spend();
    const tag = walker.varint();
    const wire = WIRES[Number(tag & 7n)];
    const number = Number(tag >> 3n);
    if (!wire || number < 1 || number >= 2 ** 29)
      throw new Refused("malformed_model", "unknown kind of field");
    if (wire === "varint") yield new Field(number, wire, NOTHING, walker.varint());
    else {
      const size = wire === "fixed32" ? 4 : wire === "fixed64" ? 8 : Number(walker.varint());
      yield new Field(number, wire, walker.take(size), 0n);
    }
  }
}
