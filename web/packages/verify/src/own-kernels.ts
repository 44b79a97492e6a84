// The kernels that come with the package, beside this file: read from disk in Node, fetched in a
// page.

import { Refused } from "./bytes.js";
import type { KernelBytes } from "./kernels.js";

const NAMES = { relaxed: "wasm-relaxed.wasm", plain: "wasm-plain.wasm" } as const;

async function read(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(`./kernels/${name}`, import.meta.url);
  if (url.protocol === "file:") {
    // Named by a variable, so that bundlers for browsers leave it alone.
    const module = "node:fs/promises";
    const files = (await import(module)) as {
      readFile(path: URL): Promise<Uint8Array<ArrayBuffer>>;
    };
    return files.readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok)
    throw new Refused("no_kernels", `${name} cannot be fetched: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

let known: Promise<KernelBytes> | null = null;

/** Both builds, read once. Throws where the package is not whole. */
export function ownKernels(): Promise<KernelBytes> {
  known ??= Promise.all([read(NAMES.relaxed), read(NAMES.plain)]).then(([relaxed, plain]) => ({
    relaxed,
    plain,
  }));
  return known;
}
