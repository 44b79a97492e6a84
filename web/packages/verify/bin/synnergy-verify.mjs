#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";

import { ownKernels, verify } from "../dist/index.js";
import { allowRelaxed } from "./relaxed.mjs";

const USAGE = `usage: synnergy-verify RECEIPT MODEL.onnx [--input FILE] [--genesis genesis.json] [--json]

Checks a receipt without any node: who signed, that the ledger holds it, and that the model gives
the same bits again. An input is a .csv with a header, .npy, .npz, .json, or canonical bytes.

exit codes: 0 everything holds; 1 something does not; 2 wrong usage; 3 not everything was checked`;
const MARKS = { holds: "✓", fails: "✗", "not checked": "?", "nothing to check": "–" };
const CODES = { holds: 0, fails: 1, incomplete: 3 };
const VERDICTS = {
  holds: "the receipt holds",
  fails: "the receipt does NOT hold",
  incomplete: "nothing failed, but NOT everything was checked",
};

/** Text of others without what a terminal would obey. */
const plain = (text) => text.replace(/[\x00-\x1f\x7f-\x9f]/g, " ");

function usage(problem) {
  console.error(problem ? `synnergy-verify: ${plain(problem)}\n\n${USAGE}` : USAGE);
  return 2;
}

/** Tensors as nested lists; integers beyond 2^53 and numbers that JSON has not become texts. */
function lists(tensor) {
  const speak = (value) =>
    typeof value === "bigint" || !Number.isFinite(value) ? String(value) : value;
  const build = ([size, ...rest], begin, step) =>
    size === undefined
      ? speak(tensor.data[begin])
      : Array.from({ length: size }, (_, at) =>
          build(rest, begin + (at * step) / size, step / size),
        );
  return build(tensor.shape, 0, tensor.data.length);
}

function report(result, json) {
  if (json) {
    const outputs =
      result.outputs &&
      Object.fromEntries([...result.outputs].map(([name, one]) => [name, lists(one)]));
    const { ok, verdict, checks, kernels } = result;
    console.log(JSON.stringify({ ok, verdict, checks, kernels, outputs }));
    return;
  }
  console.log(`${VERDICTS[result.verdict]}:`);
  for (const { status, what } of result.checks) console.log(`  ${MARKS[status]} ${plain(what)}`);
  if (result.ok) console.log("This does not prove that the ledger's validators were honest.");
}

async function main() {
  let options;
  try {
    options = parseArgs({
      allowPositionals: true,
      options: {
        input: { type: "string" },
        genesis: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    return usage(error.message);
  }
  const { values, positionals } = options;
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (positionals.length !== 2) return usage("a receipt and a model are needed");
  const read = (path) => ({ name: basename(path), content: new Uint8Array(readFileSync(path)) });
  const evidence = {};
  try {
    [evidence.receipt, evidence.model] = positionals.map(read);
    for (const part of ["input", "genesis"])
      if (values[part] !== undefined) evidence[part] = read(values[part]);
  } catch (error) {
    if (!error.code) throw error;
    console.error(`synnergy-verify: ${plain(error.message)}`);
    return 2;
  }
  allowRelaxed((await ownKernels()).relaxed);
  const result = await verify(evidence);
  report(result, values.json);
  return CODES[result.verdict];
}

main().then((code) => (process.exitCode = code));
