// Node before version 22 has relaxed SIMD behind a flag. It changes no bit, only the speed.
import { setFlagsFromString } from "node:v8";

/** Let this process compile the relaxed build, where it doesn't by itself. */
export function allowRelaxed(bytes) {
  if (!WebAssembly.validate(bytes)) setFlagsFromString("--experimental-wasm-relaxed-simd");
}
