// The runner against the reference: models, inputs and expected outputs lie in the folder that
// SYNNERGY_VECTORS names, made by tests/web/vectors.py.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import {
  Kernels,
  Refused,
  decodeTensors,
  encodeTensors,
  ownKernels,
  readModel,
  runModel,
} from "../dist/index.js";
import { allowRelaxed } from "../bin/relaxed.mjs";

const folder = process.env.SYNNERGY_VECTORS;
const least = Number(process.env.SYNNERGY_LEAST_NODE_TESTS ?? 0);
const names = folder
  ? readdirSync(folder)
      .filter((name) => name.endsWith(".onnx"))
      .map((name) => name.slice(0, -5))
  : [];
const bytes = (name) => new Uint8Array(readFileSync(join(folder, name)));

/** Where two encodings first differ, in words. */
function difference(expected, got) {
  const wanted = decodeTensors(expected);
  for (const [name, tensor] of got) {
    const other = wanted.get(name);
    if (!other || other.type !== tensor.type || `${other.shape}` !== `${tensor.shape}`)
      return `${name}: ${tensor.type}[${tensor.shape}], expected ${other?.type}[${other?.shape}]`;
    for (let at = 0; at < tensor.data.length; at++)
      if (!Object.is(other.data[at], tensor.data[at]))
        return `${name}[${at}]: ${tensor.data[at]}, expected ${other.data[at]}`;
  }
  return "labels";
}

function compare(name, kernels) {
  const outputs = runModel(
    readModel(bytes(`${name}.onnx`)),
    decodeTensors(bytes(`${name}.input`)),
    kernels,
  );
  const expected = bytes(`${name}.output`);
  if (!Buffer.from(encodeTensors(outputs)).equals(expected))
    assert.fail(`${name} on ${kernels.name}: ${difference(expected, outputs)}`);
}

const builds = await ownKernels();
allowRelaxed(builds.relaxed);
const loaded = [
  await Kernels.load("relaxed", builds.relaxed),
  await Kernels.load("plain", builds.plain),
];

for (const kernels of loaded) {
  test(`the reference's bits by ${kernels.name} kernels`, { skip: !folder }, async (suite) => {
    for (const name of names.filter((one) => one.startsWith("own-")))
      await suite.test(name, () => compare(name, kernels));
  });
}

test("ONNX's node tests: the reference's bits or a refusal", { skip: !folder }, () => {
  const refused = new Map();
  const wrong = [];
  let passed = 0;
  for (const name of names.filter((one) => one.startsWith("node-")))
    try {
      compare(name, loaded[0]);
      passed++;
    } catch (error) {
      if (error instanceof Refused) refused.set(name, `${error.code}: ${error.message}`);
      else wrong.push(`${name}: ${error.message}`);
    }
  if (process.env.SYNNERGY_SHOW_REFUSED) for (const entry of refused) console.log(...entry);
  console.log(`${passed} node tests have the reference's bits, ${refused.size} are refused`);
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    [...refused.values()].filter((reason) => !/^(unsupported|too_large)/.test(reason)),
    [],
  );
  assert.ok(passed >= least, `${passed} of at least ${least}`);
});
