// Runs WebAssembly modules read as JSON from standard input: [{module, input}] in hexadecimal.
// Writes [{status, output}] to standard output.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

class Revert extends Error {}

function run({ module, input, height, time }) {
  const bytes = Buffer.from(input, "hex");
  let output = Buffer.alloc(0);
  let memory;
  const range = (address, length) => {
    const end = BigInt.asUintN(64, address) + BigInt.asUintN(64, length);
    if (end > BigInt(memory.buffer.byteLength)) throw new WebAssembly.RuntimeError("bounds");
    return new Uint8Array(memory.buffer, Number(BigInt.asUintN(64, address)), Number(length));
  };
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
    SHA256: (address, length, destination) => {
      const target = range(destination, 32n);
      target.set(createHash("sha256").update(range(address, length)).digest());
    },
  };
  const compiled = new WebAssembly.Module(Buffer.from(module, "hex"));
  const instance = new WebAssembly.Instance(compiled, { host });
  memory = instance.exports.memory;
  try {
    instance.exports.main();
    return { status: "ok", output: output.toString("hex") };
  } catch (error) {
    if (error instanceof Revert) return { status: "reverted", output: output.toString("hex") };
    if (error instanceof WebAssembly.RuntimeError) return { status: "trap", output: "" };
    throw error;
  }
}

const jobs = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(jobs.map(run)));
