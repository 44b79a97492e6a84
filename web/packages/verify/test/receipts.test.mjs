// A real ledger's receipt, whose folder SYNNERGY_EVIDENCE names: it holds, and no bit of it, of the
// model, of the input or of the genesis can be another.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { encodeTensors, readInput, readModel, verify } from "../dist/index.js";

const folder = process.env.SYNNERGY_EVIDENCE;
const skip = !folder;
const bytes = (name) => new Uint8Array(readFileSync(join(folder, name)));

function whole() {
  const model = bytes("model.onnx");
  const name = readdirSync(folder).find((one) => one.startsWith("input."));
  const input = encodeTensors(readInput(name, bytes(name), readModel(model).inputs));
  return { receipt: bytes("call.receipt"), model, input, genesis: bytes("genesis.json") };
}

function flipped(content, bit) {
  const copy = content.slice();
  copy[bit >> 3] ^= 1 << (bit & 7);
  return copy;
}

test("it holds, and every check is made", { skip }, async () => {
  const result = await verify(whole());
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
  const evidence = whole();
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
  const evidence = whole();
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
    const { [part]: left, ...rest } = whole();
    assert.ok(left);
    const result = await verify(rest);
    assert.equal(result.verdict, "incomplete");
    assert.equal(result.ok, false);
    const open = result.checks.filter(({ status }) => status === "not checked");
    assert.ok(open.length > 0, part);
  }
});

test("cut and stretched files are refused", { skip }, async () => {
  const evidence = whole();
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
