// Puts the ledger's kernels into the package: the same bytes that its nodes run.
import { copyFileSync, mkdirSync } from "node:fs";

const target = new URL("../dist/kernels/", import.meta.url);
const source = new URL("../../../../src/synnergy/tensor/kernels/", import.meta.url);
mkdirSync(target, { recursive: true });
for (const name of ["wasm-relaxed.wasm", "wasm-plain.wasm"])
  copyFileSync(new URL(name, source), new URL(name, target));
