// Bytes, hexadecimal, hashes. WebCrypto does the hashing, in browsers and in Node alike.

/** Something that is not what it says: a file, a proof, a model. The message is for people. */
export class Refused extends Error {
  /** `code` is a word for machines, as in the ledger's own refusals. */
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "Refused";
  }
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Bytes of lower-case hexadecimal. Throws Refused. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 || !/^[0-9a-f]*$/.test(text))
    throw new Refused("malformed", "text that should be hexadecimal is not");
  return Uint8Array.from({ length: text.length / 2 }, (_, at) =>
    Number.parseInt(text.slice(2 * at, 2 * at + 2), 16),
  );
}

const encoder = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

async function digest(name: "SHA-256" | "SHA-512", parts: readonly Uint8Array[]) {
  const { subtle } = globalThis.crypto ?? {};
  if (!subtle)
    throw new Refused("no_crypto", "WebCrypto is missing here; a page needs https or localhost");
  return new Uint8Array(await subtle.digest(name, concat(...parts) as Uint8Array<ArrayBuffer>));
}

/** SHA-256 of the parts one after another. */
export function sha256(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  return digest("SHA-256", parts);
}

/** SHA-512 of the parts one after another. */
export function sha512(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  return digest("SHA-512", parts);
}

/** A whole number below 2^64 as 8 bytes, the highest first. */
export function bigEndian64(number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}
