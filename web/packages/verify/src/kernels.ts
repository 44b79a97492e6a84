// The ledger's own kernels, compiled to WebAssembly: the same file that a node runs.

import { Refused } from "./bytes.js";
import { Step } from "./steps.js";
import {
  type ElementType,
  type Tensor,
  allocate,
  bytesOf,
  bytesPerElement,
  elementsOf,
  isHeld,
} from "./tensor/types.js";

/** A build of the kernels: with fused multiply-adds in hardware, or the same bits without. */
export type BuildName = "relaxed" | "plain";

const ALIGNMENT = 64;
const PAGE = 1 << 16;
const MOST_BYTES = 2 ** 32;
/** What `synnergy_run` answers. */
const ANSWERS = [
  "done",
  "this machine's arithmetic is not what the rules ask for",
  "this machine's arithmetic changed while it computed",
  "the kernels do not know this program",
];
/** Stands for an operand that is left out. */
export const ABSENT = -1;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly __heap_base: WebAssembly.Global;
  synnergy_run(
    words: number,
    count: bigint,
    table: number,
    stride: bigint,
    threads: bigint,
  ): number;
}

export function aligned(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT;
}

/** An instance of the kernels with its memory. */
export class Kernels {
  private constructor(
    readonly name: BuildName,
    private readonly exports: Exports,
  ) {}

  /** Compile a module. Throws where this engine cannot, or where its arithmetic is unsound. */
  static async load(name: BuildName, module: BufferSource): Promise<Kernels> {
    const { instance } = await WebAssembly.instantiate(module, {});
    const kernels = new Kernels(name, instance.exports as unknown as Exports);
    kernels.run([], [], 0); // An empty program still tries rounding, subnormals and fusing.
    return kernels;
  }

  /** Where memory is free. */
  get bottom(): number {
    return aligned(Number(this.exports.__heap_base.value));
  }

  /** All memory, reaching up to `end`; views from before may be gone. Throws Refused. */
  reserve(end: number): Uint8Array {
    const { memory } = this.exports;
    const missing = end - memory.buffer.byteLength;
    if (missing > 0)
      try {
        if (end > MOST_BYTES) throw new RangeError();
        memory.grow(Math.ceil(missing / PAGE));
      } catch {
        throw new Refused("too_large", `${end} bytes are more than WebAssembly has here`);
      }
    return new Uint8Array(memory.buffer);
  }

  /** Run a program over segments at these addresses; words and their table go to `free`. */
  run(words: readonly bigint[], segments: readonly number[], free: number): void {
    const begin = aligned(Math.max(free, this.bottom));
    const table = aligned(begin + 8 * words.length);
    const { buffer } = this.reserve(table + 4 * (segments.length + 2));
    new BigInt64Array(buffer, begin, words.length).set(words);
    new Uint32Array(buffer, table, segments.length).set(segments);
    let status: number;
    try {
      status = this.exports.synnergy_run(begin, BigInt(words.length), table, 0n, 1n);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      throw new Refused("unsound", `the kernels broke off: ${error.message}`);
    }
    if (status !== 0) throw new Refused("unsound", ANSWERS[status] ?? `answer ${status}`);
  }
}

/** Bytes of the two builds; where the relaxed one is missing or cannot be run, plain is taken. */
export interface KernelBytes {
  readonly relaxed?: BufferSource;
  readonly plain: BufferSource;
}

/** The fastest build that this engine runs and whose fused multiply-adds are fused. */
export async function loadKernels({ relaxed, plain }: KernelBytes): Promise<Kernels> {
  if (relaxed && WebAssembly.validate(relaxed))
    try {
      return await Kernels.load("relaxed", relaxed);
    } catch (error) {
      if (!(error instanceof Refused) && !(error instanceof WebAssembly.CompileError)) throw error;
    }
  return Kernels.load("plain", plain);
}

/** An argument of a step: an integer, a place in memory, or nothing. */
export type Argument = number | bigint | Place | null;

/** Bytes of the workspace. */
export interface Place {
  readonly offset: number;
}

/** A tensor in the workspace. */
export interface Operand extends Place {
  readonly type: Exclude<ElementType, "string">;
  readonly shape: readonly number[];
}

/** The bits of a float64 as an argument. */
export function bits(value: number): bigint {
  return new BigInt64Array(Float64Array.of(value).buffer)[0];
}

/** The steps of one node: its tensors go in, the kernels run, its results come out. */
export class Job {
  private readonly words: bigint[] = [];
  private readonly given: { place: Operand; tensor: Tensor }[] = [];
  private workspace = 0;
  private scratch = 0;

  constructor(private readonly kernels: Kernels) {}

  private place(size: number): number {
    const offset = this.workspace;
    this.workspace = aligned(offset + Math.max(size, 1));
    return offset;
  }

  /** A tensor's contents in the workspace; null stays null. */
  input(tensor: Tensor): Operand {
    const place = this.result(tensor.type, tensor.shape);
    this.given.push({ place, tensor });
    return place;
  }

  /** Fresh memory for a tensor. Throws Refused for strings. */
  result(type: ElementType, shape: readonly number[]): Operand {
    if (!isHeld(type)) throw new Refused("unsupported", "the kernels hold no strings");
    return { offset: this.place(elementsOf(shape) * bytesPerElement(type)), type, shape };
  }

  /** Memory that only the job's own steps use. */
  temporary(size: number): Place {
    return { offset: this.place(size) };
  }

  /** The address of memory that one step has for itself. */
  threadScratch(size: number): bigint {
    this.scratch = Math.max(this.scratch, size);
    return 1n << 40n;
  }

  step(kernel: keyof typeof Step, ...args: Argument[]): void {
    this.words.push(BigInt(Step[kernel]) | (BigInt(args.length + 1) << 16n));
    for (const argument of args)
      if (argument === null) this.words.push(BigInt(ABSENT));
      else this.words.push(BigInt(typeof argument === "object" ? argument.offset : argument));
  }

  /** Run the steps and take the results out. Throws Refused. */
  run(...results: readonly Operand[]): Tensor[] {
    const workspace = this.kernels.bottom;
    const scratch = workspace + this.workspace;
    const free = aligned(scratch + this.scratch) + ALIGNMENT;
    const memory = this.kernels.reserve(free);
    for (const { place, tensor } of this.given)
      memory.set(bytesOf(tensor), workspace + place.offset);
    this.kernels.run(this.words, [workspace, scratch], free);
    const after = this.kernels.reserve(0);
    return results.map(({ type, shape, offset }) => {
      const tensor = { type, shape, data: allocate(type, elementsOf(shape)) };
      const target = bytesOf(tensor);
      target.set(after.subarray(workspace + offset, workspace + offset + target.length));
      return tensor;
    });
  }
}
