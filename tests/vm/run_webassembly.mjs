// Runs WebAssembly modules read as JSON from standard input: [{module, input, …}] in hexadecimal.
// Writes [{status, output, storage, events}] to standard output.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

class Revert extends Error {}

const BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

function isAddress(text) {
  if (!/^syn1[02-9ac-hj-np-z]{38}$/.test(text)) return false;
  let sum = 1;
  for (const value of [3, 3, 3, 0, 19, 25, 14, ...[...text.slice(4)].map((c) => BECH32.indexOf(c))]) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].forEach((mask, bit) => {
      if ((top >>> bit) & 1) sum ^= mask;
    });
  }
  return sum === 1;
}

function run({ module, input, height, time, addresses, balances }) {
  const storage = new Map();
  const events = [];
  const bytes = Buffer.from(input, "hex");
  let output = Buffer.alloc(0);
  let memory;
  const range = (address, length) => {
    const end = BigInt.asUintN(64, address) + BigInt.asUintN(64, length);
    if (end > BigInt(memory.buffer.byteLength)) throw new WebAssembly.RuntimeError("bounds");
    return new Uint8Array(memory.buffer, Number(BigInt.asUintN(64, address)), Number(length));
  };
  const storageKey = (address, length) => {
    const key = Buffer.from(range(address, length));
    if (key.length < 1 || key.length > 128) throw new WebAssembly.RuntimeError("key");
    return key.toString("hex");
  };
  const writeAddress = (whose, address) => range(address, 42n).set(Buffer.from(addresses[whose]));
  const host = {
    INPUT_SIZE: () => BigInt(bytes.length),
    INPUT_COPY: (destination, source, length) => {
      const target = range(destination, length);
      const from = BigInt.asUintN(64, source);
      if (from + BigInt.asUintN(64, length) > BigInt(bytes.length))
        throw new WebAssembly.RuntimeError("input");
      target.set(bytes.subarray(Number(from), Number(from) + Number(length)));
    },
    OUTPUT_SET: (address, length) => {
      output = Buffer.from(range(address, length));
    },
    REVERT: (address, length) => {
      output = Buffer.from(range(address, length));
      throw new Revert();
    },
    BLOCK_HEIGHT: () => BigInt(height),
    BLOCK_TIME: () => BigInt(time),
    STORAGE_READ: (keyAddress, keyLength, address, room) => {
      const target = range(address, room);
      const value = storage.get(storageKey(keyAddress, keyLength));
      if (value === undefined) return -1n;
      const bytes = Buffer.from(value, "hex");
      if (bytes.length > target.length) throw new WebAssembly.RuntimeError("room");
      target.set(bytes);
      return BigInt(bytes.length);
    },
    STORAGE_WRITE: (keyAddress, keyLength, address, length) => {
      const value = range(address, length);
      const key = storageKey(keyAddress, keyLength);
      if (value.length > 4096) throw new WebAssembly.RuntimeError("value");
      storage.delete(key);
      if (value.length) storage.set(key, Buffer.from(value).toString("hex"));
    },
    EVENT: (nameAddress, nameLength, address, length) => {
      const name = Buffer.from(range(nameAddress, nameLength)).toString("latin1");
      const data = range(address, length);
      if (!/^[a-z0-9._-]{1,64}$/.test(name) || data.length > 1024)
        throw new WebAssembly.RuntimeError("event");
      events.push([name, Buffer.from(data).toString("hex")]);
    },
    SELF: (address) => writeAddress("SELF", address),
    CALLER: (address) => writeAddress("CALLER", address),
    ORIGIN: (address) => writeAddress("ORIGIN", address),
    BALANCE: (address, length) => {
      const text = Buffer.from(range(address, length)).toString("latin1");
      if (!isAddress(text)) throw new WebAssembly.RuntimeError("address");
      return BigInt(balances[text] ?? 0);
    },
    SHA256: (address, length, destination) => {
      const target = range(destination, 32n);
      target.set(createHash("sha256").update(range(address, length)).digest());
    },
  };
  const compiled = new WebAssembly.Module(Buffer.from(module, "hex"));
  const instance = new WebAssembly.Instance(compiled, { host });
  memory = instance.exports.memory;
  const ended = (status) => ({
    status,
    output: status === "trap" ? "" : output.toString("hex"),
    storage: [...storage],
    events,
  });
  try {
    instance.exports.main();
    return ended("ok");
  } catch (error) {
    if (error instanceof Revert) return ended("reverted");
    if (error instanceof WebAssembly.RuntimeError) return ended("trap");
    throw error;
  }
}

const jobs = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(jobs.map(run)));
