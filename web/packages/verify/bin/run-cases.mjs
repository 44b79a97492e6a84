#!/usr/bin/env node
// Runs recorded programs of the kernels on this JavaScript engine and compares their results:
// run-cases.mjs FILE [--wasm FOLDER] [--build relaxed|plain]…
// Exit code 0: all equal; 1: differences; 2: the file or the kernels cannot be read.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { Kernels } from "../dist/index.js";
import { allowRelaxed } from "./relaxed.mjs";

const MAGIC = "SYNCASE1";
const FILLED = 0xa5;
const aligned = (size) => Math.ceil(size / 64) * 64 + 64;

/** Walks over the file; all numbers are 64 bits, everything is padded to them. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.place = 0;
  }
  number() {
    const value = this.view.getBigUint64(this.place, true);
    this.place += 8;
    if (value > 2n ** 40n) throw new RangeError(`a number of ${value} at ${this.place - 8}`);
    return Number(value);
  }
  raw(length) {
    const begin = this.place;
    if (begin + length > this.bytes.length) throw new RangeError(`the file ends at ${begin}`);
    this.place += Math.ceil(length / 8) * 8;
    return this.bytes.subarray(begin, begin + length);
  }
  content() {
    return this.raw(this.number());
  }
  list(item) {
    return Array.from({ length: this.number() }, item);
  }
}

function readCase(reader) {
  return {
    name: Buffer.from(reader.content()).toString("utf-8"),
    weights: reader.list(() => reader.number()),
    fills: reader.list(() => [reader.number(), reader.number(), reader.content()]),
    programs: reader.list(() => ({
      workspace: reader.number(),
      scratch: reader.number(),
      words: reader.content(),
      inputs: reader.list(() => [reader.number(), reader.content()]),
    })),
    outputs: reader.list(() => [reader.number(), reader.number()]),
    digest: Buffer.from(reader.raw(32)).toString("hex"),
  };
}

/** The digest of a case's outputs. */
function run(kernels, { weights, fills, programs, outputs }) {
  let top = kernels.bottom;
  const place = (size) => (top += aligned(size)) - aligned(size);
  const segments = [0, 0, ...weights.map(place)];
  const bottom = top;
  kernels.reserve(bottom).fill(0, kernels.bottom, bottom);
  for (const [segment, offset, content] of fills)
    kernels.reserve(0).set(content, segments[segment] + offset);
  for (const { workspace, scratch, words, inputs } of programs) {
    top = bottom;
    segments[0] = place(workspace);
    segments[1] = place(scratch);
    const memory = kernels.reserve(top).fill(FILLED, bottom, top);
    for (const [offset, content] of inputs) memory.set(content, segments[0] + offset);
    const copy = words.slice();
    kernels.run([...new BigInt64Array(copy.buffer, 0, copy.length / 8)], segments, top);
  }
  const hash = createHash("sha256");
  const memory = kernels.reserve(0);
  for (const [offset, length] of outputs)
    hash.update(memory.subarray(segments[0] + offset, segments[0] + offset + length));
  return hash.digest("hex");
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { wasm: { type: "string" }, build: { type: "string", multiple: true } },
  });
  const folder = values.wasm ?? fileURLToPath(new URL("../dist/kernels", import.meta.url));
  const reader = new Reader(new Uint8Array(readFileSync(positionals[0])));
  if (Buffer.from(reader.raw(8)).toString("latin1") !== MAGIC)
    throw new RangeError("no case file");
  const cases = reader.list(() => readCase(reader));
  let [passed, failed] = [0, 0];
  for (const build of values.build ?? ["relaxed", "plain"]) {
    const module = readFileSync(join(folder, `wasm-${build}.wasm`));
    if (build === "relaxed") allowRelaxed(module);
    const kernels = await Kernels.load(build, module);
    for (const one of cases) {
      let got;
      try {
        got = run(kernels, one);
      } catch (error) {
        got = String(error);
      }
      if (got === one.digest) passed++;
      else {
        failed++;
        console.log(`${build} ${one.name}: got ${got} expected ${one.digest}`);
      }
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed ? 1 : 0;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(`run-cases: ${error.message}`);
    process.exit(2);
  },
);
