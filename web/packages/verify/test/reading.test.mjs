// What the package reads from strangers: signatures, canonical bytes, input files, models.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateRawSync, gzipSync } from "node:zlib";

import {
  Refused,
  decodeTensors,
  encodeTensors,
  isSigned,
  readInput,
  readModel,
  readReceipt,
  tensorOf,
  verify,
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

/** The .npy file of float64s. */
function npyOf(shape, values) {
  const header = `{'descr': '<f8', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(69);
  return new Uint8Array(
    Buffer.concat([
      Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, 70, 0]),
      Buffer.from(header + "\n"),
      Buffer.from(new Float64Array(values).buffer),
    ]),
  );
}

/** A checksum as gzip writes it. */
const crc = (content) => gzipSync(content).subarray(-8).readUInt32LE();

/** A ZIP archive; `method` 8 deflates, others leave the bytes as they are. */
function zipOf(files, { method = 0, flags = 0, size = null, checksum = crc } = {}) {
  const [parts, directory] = [[], []];
  let place = 0;
  for (const [name, content] of files) {
    const packed = method === 8 ? deflateRawSync(content) : content;
    const common = Buffer.alloc(26);
    [20, flags, method].forEach((value, at) => common.writeUInt16LE(value, 2 * at));
    common.writeUInt32LE(checksum(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(size ?? content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const behind = Buffer.alloc(14);
    behind.writeUInt32LE(place, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\0"), common, behind, Buffer.from(name));
    const local = [Buffer.from("PK\x03\x04"), common, Buffer.from(name), packed];
    parts.push(...local);
    place += Buffer.concat(local).length;
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(place, 16);
  return new Uint8Array(Buffer.concat([...parts, ...directory, end]));
}

test("a row is the same from every kind of file", async () => {
  const row = encodeTensors(
    new Map([["x", tensorOf("float32", [2, 2], Float32Array.of(0.1, 2, -3.5, NaN))]]),
  );
  const npy = npyOf("2, 2", [0.1, 2, -3.5, NaN]);
  const text = (written) => new TextEncoder().encode(written);
  const files = [
    ["rows.csv", text("a,b\n0.1,2\r\n-3.5,\n")],
    ["rows.json", text('{"x": [[0.1, 2], [-3.5, null]]}')],
    ["bare.json", text('[[0.1, 2], [-3.5, "NaN"]]')],
    ["rows.npy", npy],
    ["rows.npz", zipOf([["x.npy", npy]])],
    ["bare.npz", zipOf([["arr_0.npy", npy]])],
    ["packed.NPZ", zipOf([["x.npy", npy]], { method: 8 })],
    ["rows.tensors", row],
  ];
  for (const [name, content] of files)
    assert.deepEqual(encodeTensors(await readInput(name, content, [input])), row, name);
});

test("an .npz file holds several inputs by their names", async () => {
  const files = [
    ["y.npy", npyOf("1, 2", [3, 4])],
    ["x.npy", npyOf("1, 2", [1, 2])],
  ];
  for (const method of [0, 8]) {
    const inputs = [input, { ...input, name: "y" }];
    const read = await readInput("rows.npz", zipOf(files, { method }), inputs);
    assert.deepEqual([...read.get("x").data, ...read.get("y").data], [1, 2, 3, 4]);
  }
});

test("damaged .npz files are refused", async () => {
  const npy = npyOf("1, 2", [1, 2]);
  const named = [["x.npy", npy]];
  const refused = async (archive, message) =>
    assert.rejects(readInput("a.npz", archive, [input]), (error) => {
      assert.ok(error instanceof Refused, String(error.stack));
      assert.match(error.message, message);
      return true;
    });
  await refused(npy, /no ZIP archive/);
  await refused(zipOf([]), /no array/);
  await refused(zipOf([["x.txt", npy]]), /"x.txt", which is no array/);
  await refused(zipOf([["z.npy", npy]]), /no input "z"/);
  await refused(zipOf([...named, ...named]), /twice/);
  await refused(zipOf(named, { flags: 1 }), /encrypted/);
  await refused(zipOf(named, { method: 12 }), /method 12: not supported/);
  await refused(zipOf(named, { method: 8, checksum: () => 7 }), /damaged/);
  for (const size of [npy.length - 1, npy.length + 1])
    await refused(zipOf(named, { method: 8, size }), /damaged/);
  await refused(zipOf(named, { method: 8, size: 2 ** 31 }), /unpacks to more than/);
  for (const method of [0, 8]) {
    const whole = zipOf(named, { method });
    for (let at = 0; at < whole.length; at += 3) {
      await refused(whole.slice(0, at), /./);
      await refused(whole.slice(at + 1), /./);
    }
  }
});

test("files of another kind are named", async () => {
  const text = { name: "notes.txt", content: new TextEncoder().encode("hello\n") };
  const { checks } = await verify({ receipt: text });
  assert.match(checks[0].what, /^notes\.txt isn't a receipt: /);
  assert.equal(checks[0].code, "malformed_receipt");
  await assert.rejects(readInput(text.name, text.content, [input]), /neither \.csv/);
});

test("input files that are none are refused", async () => {
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
    await assert.rejects(readInput(name, content, [input]), Refused, name);
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
