// A real ledger's receipt, whose folder SYNNERGY_EVIDENCE names: it holds, and no bit of it, of the
// model, of the input or of the genesis can be another.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { decodeTensors, encodeTensors, readInput, readModel, verify } from "../dist/index.js";

const folder = process.env.SYNNERGY_EVIDENCE;
const skip = !folder;
const bytes = (name) => new Uint8Array(readFileSync(join(folder, name)));

const inputName = () => readdirSync(folder).find((one) => one.startsWith("input."));

async function whole() {
  const model = bytes("model.onnx");
  const name = inputName();
  const input = encodeTensors(await readInput(name, bytes(name), readModel(model).inputs));
  return { receipt: bytes("call.receipt"), model, input, genesis: bytes("genesis.json") };
}

function flipped(content, bit) {
  const copy = content.slice();
  copy[bit >> 3] ^= 1 << (bit & 7);
  return copy;
}

test("it holds, and every check is made", { skip }, async () => {
  const result = await verify(await whole());
  assert.deepEqual(
    result.checks.map(({ name, status }) => `${name} ${status}`),
    ["file", "root", "inclusion", "block", "model", "input", "reference", "output"].map(
      (name) => `${name} holds`,
    ),
    JSON.stringify(result.checks),
  );
  assert.ok(result.ok && result.verdict === "holds" && result.outputs.size > 0);
});

test("no flipped bit of the receipt is taken", { skip }, async () => {
  const evidence = await whole();
  const bits = evidence.receipt.length * 8;
  for (let bit = 3; bit < bits; bit += 37) {
    const result = await verify({ ...evidence, receipt: flipped(evidence.receipt, bit) });
    assert.equal(result.ok, false, `bit ${bit}`);
    assert.ok(
      !result.checks.some(({ code }) => code === "internal"),
      JSON.stringify(result.checks),
    );
  }
});

test("no flipped bit of what it is held against is taken", { skip }, async () => {
  const evidence = await whole();
  for (const part of ["model", "input", "genesis"])
    for (let bit = 5; bit < evidence[part].length * 8; bit += evidence[part].length) {
      const result = await verify({ ...evidence, [part]: flipped(evidence[part], bit) });
      const told = JSON.stringify(result.checks);
      // Spaces between the parts of a JSON text may be others.
      const same = part === "genesis" && result.ok;
      if (same)
        assert.deepEqual(
          JSON.parse(Buffer.from(flipped(evidence[part], bit)).toString()),
          JSON.parse(Buffer.from(evidence[part]).toString()),
        );
      else assert.equal(result.verdict, "fails", `bit ${bit} of ${part}: ${told}`);
      assert.ok(!told.includes('"internal"'), told);
    }
});

test("what is missing is said, and is not taken for good", { skip }, async () => {
  for (const part of ["model", "input", "genesis"]) {
    const { [part]: left, ...rest } = await whole();
    assert.ok(left);
    const result = await verify(rest);
    assert.equal(result.verdict, "incomplete");
    assert.equal(result.ok, false);
    const open = result.checks.filter(({ status }) => status === "not checked");
    assert.ok(open.length > 0, part);
  }
});

test("cut and stretched files are refused", { skip }, async () => {
  const evidence = await whole();
  const { receipt } = evidence;
  for (const other of [
    receipt.slice(0, 0),
    receipt.slice(0, -1),
    new Uint8Array([...receipt, 0]),
  ]) {
    const result = await verify({ ...evidence, receipt: other });
    assert.deepEqual(
      result.checks.map(({ code }) => code),
      ["malformed_receipt"],
    );
  }
});

/** A model of another input: y = Identity(another). */
function foreign() {
  const field = (number, ...content) => [
    (number << 3) | 2,
    content.flat().length,
    ...content.flat(),
  ];
  const text = (number, written) => field(number, ...Buffer.from(written));
  const float32 = [8, 1];
  const value = (name) => [text(1, name), field(2, field(1, float32))].flat();
  const node = [text(1, "another"), text(2, "y"), text(4, "Identity")].flat();
  const graph = [field(1, node), field(11, value("another")), field(12, value("y"))].flat();
  const opset17 = [16, 17];
  return Uint8Array.from([field(8, opset17), field(7, graph)].flat());
}

test("another model says nothing against the input", { skip }, async () => {
  const evidence = await whole();
  const name = inputName();
  const statuses = async (changed) =>
    Object.fromEntries(
      (await verify({ ...evidence, ...changed })).checks.map((check) => [
        check.name,
        check.status,
      ]),
    );
  // Read as the other model declares it, the same file is other bytes, or none.
  const read = new Map([["another", decodeTensors(evidence.input).values().next().value]]);
  const file = { name, content: bytes(name) };
  const text = new TextEncoder().encode("a text\n");
  for (const [model, input] of [
    [foreign(), read],
    [foreign(), file],
    [text, file],
    [undefined, file],
  ]) {
    const told = await statuses({ model, input });
    assert.deepEqual(
      [told.model, told.input, told.reference, told.output],
      [model ? "fails" : "not checked", "not checked", "holds", "not checked"],
    );
  }
  // Canonical bytes are what they are by themselves.
  assert.equal((await statuses({ model: foreign() })).input, "holds");
  const wrong = { name: "input.tensors", content: encodeTensors(read) };
  for (const input of [wrong, wrong.content])
    assert.equal((await statuses({ model: foreign(), input })).input, "fails");
  assert.equal((await statuses({ input: read })).input, "fails");
  assert.equal((await statuses({ input: file })).input, "holds");
});

test("the command names files of another kind", { skip }, () => {
  const text = join(mkdtempSync(join(tmpdir(), "verify-")), "notes.txt");
  writeFileSync(text, "a text\n");
  const given = Object.fromEntries(
    ["call.receipt", "model.onnx", inputName(), "genesis.json"].map((name) => [
      name.split(".").at(name === "call.receipt" ? 1 : 0),
      join(folder, name),
    ]),
  );
  const command = fileURLToPath(new URL("../bin/synnergy-verify.mjs", import.meta.url));
  const told = (changed) => {
    const { receipt, model, input, genesis } = { ...given, ...changed };
    const words = [command, receipt, model, "--input", input, "--genesis", genesis];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf-8" });
    assert.equal(stderr, "");
    return [status, stdout];
  };
  for (const [part, kind] of [
    ["receipt", "a receipt"],
    ["model", "an ONNX model"],
    ["genesis", "a genesis"],
  ]) {
    const [status, out] = told({ [part]: text });
    assert.equal(status, 1);
    assert.ok(out.includes(`✗ notes.txt isn't ${kind}: `), out);
  }
  const [status, out] = told({ input: text });
  assert.equal(status, 3);
  assert.match(out, /\? notes\.txt cannot be read as an input: the file is neither/);
});
