#!/usr/bin/env node
// Runs recorded programs of the kernels on this JavaScript engine and compares what they leave in
// memory: run-cases.mjs FILE [--wasm FOLDER] [--build relaxed|plain]…
// The file is written by synnergy.tensor.kernels.vectors, which says its form.
// Exit code 0: all hold; 1: some don't, or there are none; 2: the file or the kernels can't be read.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { Kernels, TypeCode } from "../dist/index.js";
import { allowRelaxed } from "./relaxed.mjs";

const MAGIC = "SYNCASE1";
const FILLED = 0xa5;
const NAMES = Object.fromEntries(Object.entries(TypeCode).map(([name, code]) => [code, name]));
const aligned = (size) => Math.ceil(size / 64) * 64;

/** Walks over the file: words of 64 bits, bytes padded to them. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.place = 0;
  }
  word() {
    this.place += 8;
    return this.view.getBigInt64(this.place - 8, true);
  }
  number() {
    const value = this.word();
    if (value < 0n || value > 2n ** 40n) throw new RangeError(`${value} at ${this.place - 8}`);
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
    const items = [];
    for (let left = this.number(); left > 0; left--) items.push(item());
    return items;
  }
}

function readOperation(reader) {
  const kind = reader.number();
  if (kind === 1)
    return { kind, segment: reader.number(), offset: reader.number(), content: reader.content() };
  if (kind === 2) return { kind, words: reader.list(() => reader.word()) };
  if (kind !== 3) throw new RangeError(`an operation is ${kind}`);
  const place = { segment: reader.number(), offset: reader.number() };
  return { kind, ...place, type: NAMES[reader.number()], content: reader.content() };
}

function readCase(reader) {
  return {
    name: Buffer.from(reader.content()).toString("utf-8"),
    sizes: reader.list(() => reader.number()),
    operations: reader.list(() => readOperation(reader)),
  };
}

/** The elements of bytes as numbers or bits, and which of them are NaN. */
function elements(type, bytes) {
  const { buffer } = bytes.slice();
  if (type === "float16") {
    const halves = [...new Uint16Array(buffer)];
    return halves.map((bits) => ((bits & 0x7fff) > 0x7c00 ? NaN : bits));
  }
  if (type === "float32") return new Float32Array(buffer);
  return type === "float64" ? new Float64Array(buffer) : new Uint8Array(buffer);
}

/** The first element that differs, NaN being any NaN; "" where none does. */
function difference(type, got, wanted) {
  if (Buffer.from(got).equals(wanted)) return "";
  const [mine, theirs] = [elements(type, got), elements(type, wanted)];
  for (let at = 0; at < mine.length; at++)
    if (!Object.is(mine[at], theirs[at]))
      return `${type} ${at} got ${mine[at]} expected ${theirs[at]}`;
  return "";
}

/** Why a case does not hold; "" where it does. */
function problem(kernels, { sizes, operations }) {
  let top = kernels.bottom;
  const segments = sizes.map((size) => (top += aligned(size)) - aligned(size));
  kernels.reserve(top + 64).fill(FILLED, kernels.bottom, top + 64);
  for (const { kind, segment, offset, content, words, type } of operations) {
    const place = segments[segment] + offset;
    if (kind === 2) kernels.run(words, segments, top + 64);
    else if (kind === 1) kernels.reserve(0).set(content, place);
    else {
      const got = kernels.reserve(0).subarray(place, place + content.length);
      const differs = difference(type, got, content);
      if (differs) return differs;
    }
  }
  return "";
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
  let isWhole = cases.length > 0;
  for (const build of values.build ?? ["relaxed", "plain"]) {
    const module = readFileSync(join(folder, `wasm-${build}.wasm`));
    if (build === "relaxed") allowRelaxed(module);
    const kernels = await Kernels.load(build, module);
    let failed = 0;
    for (const one of cases) {
      let why;
      try {
        why = problem(kernels, one);
      } catch (error) {
        why = error.message;
      }
      if (!why) continue;
      failed++;
      console.log(`FAIL ${one.name}: ${why}`);
    }
    console.log(`CASES passed=${cases.length - failed} failed=${failed} build=${build}`);
    isWhole &&= failed === 0;
  }
  return isWhole ? 0 : 1;
}

main().then(
  (code) => (process.exitCode = code),
  (error) => {
    console.error(`run-cases: ${error.message}`);
    process.exitCode = 2;
  },
);
