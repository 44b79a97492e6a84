// What the package reads from strangers: signatures, canonical bytes, input files, models.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  Refused,
  decodeTensors,
  encodeTensors,
  isSigned,
  readInput,
  readModel,
  readReceipt,
  tensorOf,
} from "../dist/index.js";

const vectors = new URL("../../../../tests/vectors/", import.meta.url);
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));

test("signatures are decided as the ledger decides them", async () => {
  const cases = JSON.parse(readFileSync(new URL("ed25519.json", vectors), "utf-8"));
  assert.ok(cases.length > 100);
  for (const { name, public_key, message, zeros, signature, valid } of cases) {
    const text = zeros === null ? unhex(message) : new Uint8Array(zeros);
    assert.equal(await isSigned(unhex(public_key), text, unhex(signature)), valid, name);
  }
});

test("canonical bytes go both ways, and others are refused", () => {
  const tensors = new Map([
    ["b", tensorOf("float32", [2, 1], Float32Array.of(-0, NaN))],
    ["ä", tensorOf("string", [1], ["x"])],
    ["a", { ...tensorOf("float64", [1, 2], Float64Array.of(1, 2)), labels: [5n, -7n] }],
  ]);
  const encoded = encodeTensors(tensors);
  const decoded = decodeTensors(encoded);
  assert.deepEqual([...decoded.keys()], ["a", "b", "ä"]);
  assert.deepEqual(decoded.get("a").labels, [5n, -7n]);
  assert.deepEqual(encodeTensors(decoded), encoded);
  for (let at = 0; at < encoded.length; at++) {
    for (const other of [
      encoded.slice(0, at),
      new Uint8Array([...encoded.slice(0, at), 0xc1, ...encoded.slice(at)]),
    ])
      assert.throws(() => decodeTensors(other), Refused);
  }
});

const input = { name: "x", type: "float32", shape: ["n", 2] };

test("a row is the same from every kind of file", () => {
  const row = encodeTensors(
    new Map([["x", tensorOf("float32", [2, 2], Float32Array.of(0.1, 2, -3.5, NaN))]]),
  );
  const npy = new Uint8Array(10 + 70 + 32);
  npy.set([0x93, ...Buffer.from("NUMPY"), 1, 0, 70, 0]);
  npy.set(
    Buffer.from("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }".padEnd(69) + "\n"),
    10,
  );
  new Float64Array(npy.buffer, 80).set([0.1, 2, -3.5, NaN]);
  const text = (written) => new TextEncoder().encode(written);
  const files = [
    ["rows.csv", text("a,b\n0.1,2\r\n-3.5,\n")],
    ["rows.json", text('{"x": [[0.1, 2], [-3.5, null]]}')],
    ["bare.json", text('[[0.1, 2], [-3.5, "NaN"]]')],
    ["rows.npy", npy],
    ["rows.tensors", row],
  ];
  for (const [name, content] of files)
    assert.deepEqual(encodeTensors(readInput(name, content, [input])), row, name);
});

test("input files that are none are refused", () => {
  const text = (written) => new TextEncoder().encode(written);
  for (const [name, content] of [
    ["a.csv", text("a,b\n1\n")],
    ["a.csv", text("a,b\n1,x\n")],
    ["a.csv", text("a,b\n")],
    ["a.json", text("[[1, 2], [3]]")],
    ["a.json", text('{"y": [[1, 2]]}')],
    ["a.json", text('[["one", 2]]')],
    ["a.json", text("[[1, 2]")],
    ["a.npy", text("\x93NUMPY")],
    ["a.tensors", text("hello")],
  ])
    assert.throws(() => readInput(name, content, [input]), Refused, name);
});

test("hostile models end as a refusal", () => {
  const model = new Uint8Array(readFileSync(new URL("network.onnx", vectors)));
  assert.ok(readModel(model).nodes.length > 0);
  let state = 12345;
  const next = (most) => (state = (state * 1103515245 + 12345) % 2 ** 31) % most;
  let refused = 0;
  for (let round = 0; round < 1500; round++) {
    const copy = model.slice(0, round % 3 ? model.length : next(model.length));
    for (let edits = round % 4; edits > 0 && copy.length; edits--)
      copy[next(copy.length)] = next(256);
    try {
      readModel(copy);
    } catch (error) {
      assert.ok(error instanceof Refused, String(error.stack));
      refused++;
    }
  }
  assert.ok(refused > 300, `${refused}`);
  const bomb = new Uint8Array(200_000).fill(0x12);
  assert.throws(() => readModel(bomb), Refused);
  assert.throws(() => readReceipt(bomb), Refused);
});
