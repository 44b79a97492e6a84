// Checking a receipt offline, in the ledger's own order (RCPT-6), and saying plainly what was
// checked and what was not. What is not known is never taken for good.

import { Refused, equal, hex, sha256, utf8 } from "./bytes.js";
import { type Kernels, loadKernels } from "./kernels.js";
import { ownKernels } from "./own-kernels.js";
import { isReadByModel, readInput } from "./inputs.js";
import { encode } from "./msgpack.js";
import { isSigned } from "./ledger/ed25519.js";
import { type TrustedRoot, readGenesis } from "./ledger/genesis.js";
import { inclusionProblem } from "./ledger/inclusion.js";
import { followLight, signersOf } from "./ledger/light.js";
import {
  type Receipt,
  type ReceiptFile,
  outputSalt,
  readReceipt,
  receiptId,
} from "./ledger/receipt.js";
import { readModel } from "./onnx/model.js";
import { runModel } from "./onnx/run.js";
import { type NamedTensors, decodeTensors, encodeTensors } from "./tensor/encoding.js";

/** What is looked at, in this order. */
export type CheckName =
  | "file"
  | "root"
  | "inclusion"
  | "block"
  | "model"
  | "input"
  | "reference"
  | "output";

/** One thing that was looked at. `code` is a word for machines where it did not hold. */
export interface Check {
  readonly name: CheckName;
  readonly status: "holds" | "fails" | "not checked" | "nothing to check";
  readonly what: string;
  readonly code?: string;
}

/** `ok` only where everything was checked and held; `verdict` tells failed from incomplete. */
export interface Verification {
  readonly ok: boolean;
  readonly verdict: "holds" | "fails" | "incomplete";
  readonly checks: readonly Check[];
  readonly receipt: Receipt | null;
  /** What the model computed here, where it did and its commitment is the receipt's. */
  readonly outputs: NamedTensors | null;
  /** The build of the kernels that computed. */
  readonly kernels: string | null;
}

/** A file with its name, which messages then tell. */
export interface NamedFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** What `verify` is given; files as their bytes, or with their names. */
export interface Evidence {
  readonly receipt: Uint8Array | NamedFile;
  readonly model?: Uint8Array | NamedFile;
  /** The input's canonical bytes (TENSOR-50), its tensors by name, or a file that `readInput`
   * reads as the model declares. */
  readonly input?: Uint8Array | NamedTensors | NamedFile;
  /** The `genesis.json` that is trusted beforehand. */
  readonly genesis?: Uint8Array | NamedFile;
  /** Kernels to compute with; else the package's own. */
  readonly kernels?: Kernels;
}

/** Checks a receipt. Never throws for what the files hold: that becomes a check that fails. */
export async function verify(evidence: Evidence): Promise<Verification> {
  const verifier = new Verifier(evidence);
  await verifier.run();
  return verifier.result();
}

function named(file: Uint8Array | NamedFile, name: string): NamedFile {
  return file instanceof Uint8Array ? { name, content: file } : file;
}

/** What `read` makes of a file; where it is refused as malformed, the refusal names the file. */
async function readAs<T>(
  { name, content }: NamedFile,
  kind: string,
  read: (content: Uint8Array) => Promise<T> | T,
): Promise<T> {
  try {
    return await read(content);
  } catch (error) {
    if (!(error instanceof Refused) || !/^(malformed|bad_genesis)/.test(error.code)) throw error;
    throw new Refused(error.code, `${name} isn't ${kind}: ${error.message}`);
  }
}

class Verifier {
  private readonly checks: Check[] = [];
  private receipt: Receipt | null = null;
  private outputs: NamedTensors | null = null;
  private kernels: string | null = null;

  constructor(private readonly evidence: Evidence) {}

  result(): Verification {
    const has = (status: Check["status"]) => this.checks.some((check) => check.status === status);
    const verdict = has("fails") ? "fails" : has("not checked") ? "incomplete" : "holds";
    return {
      ok: verdict === "holds",
      verdict,
      checks: this.checks,
      receipt: this.receipt,
      outputs: this.outputs,
      kernels: this.kernels,
    };
  }

  private note(name: CheckName, status: Check["status"], what: string, code?: string): void {
    this.checks.push({ name, status, what, ...(code === undefined ? {} : { code }) });
  }

  /** Runs one check; what it throws is that it fails. */
  private async attempt<T>(name: CheckName, check: () => Promise<T> | T): Promise<T | null> {
    try {
      return await check();
    } catch (error) {
      if (error instanceof Refused) this.note(name, "fails", error.message, error.code);
      else this.note(name, "fails", `the check broke off: ${String(error)}`, "internal");
      return null;
    }
  }

  async run(): Promise<void> {
    const read = await this.attempt("file", () =>
      readAs(named(this.evidence.receipt, "the file"), "a receipt", readReceipt),
    );
    if (!read) return;
    const { file, receipt } = read;
    this.receipt = receipt;
    this.note("file", "holds", `the file holds receipt ${hex(receipt.id)}`);
    const appHash = await this.checkRoot(file, receipt);
    await this.checkInclusion(file, appHash);
    await this.attempt("block", () => this.checkBlock(file, receipt));
    const model = await this.attempt("model", () => this.checkModel(receipt));
    const input = await this.attempt("input", () => this.checkInput(file, receipt, model));
    await this.attempt("reference", () => this.checkReference(file, receipt));
    await this.attempt("output", () => this.checkOutput(file, receipt, model, input));
  }

  private async checkRoot(file: ReceiptFile, receipt: Receipt): Promise<Uint8Array | null> {
    const { genesis } = this.evidence;
    if (!genesis) {
      this.note(
        "root",
        "not checked",
        "no genesis to trust was given, so nobody knows who signed",
      );
      return null;
    }
    return this.attempt("root", async () => {
      const trusted = await readAs(named(genesis, "the file"), "a genesis", readGenesis);
      if (receipt.chain_id !== trusted.chainId)
        throw new Refused(
          "untrusted_root",
          `the receipt is of chain ${receipt.chain_id}, the trusted one is ${trusted.chainId}`,
        );
      return this.signedState(file, trusted);
    });
  }

  /** The state's hash that the trusted chain's key, or its validators, signed. */
  private async signedState(file: ReceiptFile, trusted: TrustedRoot): Promise<Uint8Array> {
    if (file.root.kind === "network") {
      if (!trusted.validators)
        throw new Refused("untrusted_root", "validators signed this, the genesis names none");
      const { proof } = file.root;
      const header = await followLight(proof, trusted.chainId, trusted.validators);
      const { signed, validators, signedPower, power } = signersOf(proof.last);
      this.note(
        "root",
        "holds",
        `the header after its block is signed by ${signed} of ${validators} validators of the` +
          ` trusted chain, with ${signedPower} of ${power} votes; changes of the validators, each` +
          ` signed by those before: ${proof.steps.length}`,
      );
      return header.app_hash;
    }
    const { header, signature } = file.root.block;
    if (!trusted.signer)
      throw new Refused(
        "untrusted_root",
        "a single node signed this, in the genesis validators do",
      );
    if (header.chain_id !== trusted.chainId)
      throw new Refused("untrusted_root", `the header is of chain ${header.chain_id}`);
    const hash = await sha256(utf8("synnergy/header/1\0"), encode({ ...header }));
    const message = new Uint8Array([...utf8("synnergy/sign/header/1\0"), ...hash]);
    if (!(await isSigned(trusted.signer, message, signature)))
      throw new Refused(
        "bad_header_signature",
        "the header is not signed by the trusted chain's key",
      );
    this.note("root", "holds", "the header is signed by the trusted chain");
    return header.app_hash;
  }

  private async checkInclusion(file: ReceiptFile, appHash: Uint8Array | null): Promise<void> {
    // Without a trusted root the proof still shows that the file agrees with itself.
    const { root } = file;
    const claimed =
      root.kind === "solo" ? root.block.header.app_hash : root.proof.last.signed.header.app_hash;
    await this.attempt("inclusion", async () => {
      const problem = await inclusionProblem(file.receipt, file.proof, appHash ?? claimed);
      if (problem) throw new Refused("not_included", problem);
      if (appHash) this.note("inclusion", "holds", "the ledger's state holds the receipt");
      else
        this.note(
          "inclusion",
          "not checked",
          "the state that the file names holds the receipt, but nobody trusted vouches for it",
        );
    });
  }

  /** Receipt and header speak of the same block, and the id is the transaction's. */
  private async checkBlock(file: ReceiptFile, receipt: Receipt): Promise<void> {
    const { root } = file;
    let same: boolean;
    if (root.kind === "solo") {
      const { header } = root.block;
      same = receipt.height === header.height && receipt.time === header.time;
    } else {
      const { header } = root.proof.last.signed;
      const time = header.time.seconds * 1000 + Math.floor(header.time.nanos / 1_000_000);
      same = receipt.height + 1 === header.height && receipt.time <= time;
    }
    if (!same) throw new Refused("wrong_block", "the receipt's height or time is not its block's");
    if (!equal(receipt.id, await receiptId(receipt.transaction, receipt.index)))
      throw new Refused("wrong_id", "the receipt's id is not of its transaction");
    this.note("block", "holds", `it is of block ${receipt.height}, and its id of its transaction`);
  }

  private async checkModel(receipt: Receipt): Promise<Uint8Array | null> {
    const { model } = this.evidence;
    if (!receipt.model) {
      if (receipt.outcome.status !== "refused")
        throw new Refused("wrong_model", "the receipt names no model");
      this.note("model", "nothing to check", "the refused call named no model that there is");
      return null;
    }
    if (!model) {
      this.note("model", "not checked", "no model file was given");
      return null;
    }
    const file = named(model, "the model file");
    const digest = await sha256(file.content);
    if (!equal(digest, receipt.model.digest)) {
      // Another kind of file is told of as that, what this runner has no use for by its digest.
      await readAs(file, "an ONNX model", readModel).catch((error: unknown) => {
        if (error instanceof Refused && error.code.startsWith("malformed")) throw error;
      });
      throw new Refused(
        "wrong_model",
        `the digest of ${file.name} is ${hex(digest)}, the receipt's model is ${hex(receipt.model.digest)}`,
      );
    }
    this.note("model", "holds", "the model file is the one called");
    return file.content;
  }

  /** The input's canonical bytes, where they are the ones committed to. */
  private async checkInput(
    file: ReceiptFile,
    receipt: Receipt,
    model: Uint8Array | null,
  ): Promise<Uint8Array | null> {
    if (!receipt.input) {
      if (receipt.outcome.status !== "refused")
        throw new Refused("wrong_input", "the receipt commits to no input");
      this.note("input", "nothing to check", "the refused call had no input that was there");
      return null;
    }
    const { input } = this.evidence;
    if (!file.opening) {
      const what = "the file has no opening (the input's salt), which the caller's home keeps";
      this.note("input", "not checked", what, "missing_opening");
      return null;
    }
    if (!input) {
      this.note("input", "not checked", "no input was given", "missing_input");
      return null;
    }
    // Whatever is read as a model declares it is only as sure as the model.
    const isByModel =
      !(input instanceof Uint8Array) && (!("content" in input) || isReadByModel(input.name));
    const isUnsure = isByModel && !model;
    const read = await this.inputBytes(input);
    if (read instanceof Uint8Array) {
      if (equal(await sha256(file.opening.input_salt, read), receipt.input)) {
        this.note("input", "holds", "the input is the one committed to");
        return read;
      }
      if (!isUnsure)
        throw new Refused("wrong_input", "the input is not the one the receipt commits to");
    }
    if (isUnsure) {
      const what =
        "the input is read as the model declares it, and the model called is not at hand";
      this.note("input", "not checked", what, "missing_model");
    } else if (read instanceof Refused) this.note("input", "not checked", read.message, read.code);
    return null;
  }

  /** The input's canonical bytes, or why there are none. */
  private async inputBytes(input: NonNullable<Evidence["input"]>): Promise<Uint8Array | Refused> {
    if (input instanceof Uint8Array) return input;
    if (!("content" in input)) return encodeTensors(input);
    const { name, content } = input;
    const { model } = this.evidence;
    try {
      // Another model may read it the same; where not, that says nothing.
      const inputs =
        model && isReadByModel(name) ? readModel(named(model, "").content).inputs : [];
      return encodeTensors(await readInput(name, content, inputs));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return new Refused(error.code, `${name} cannot be read as an input: ${error.message}`);
    }
  }

  private async checkReference({ opening }: ReceiptFile, receipt: Receipt): Promise<void> {
    if (!opening || (opening.reference === null && opening.reference_salt === null)) {
      const what = "the file opens no reference of the caller's";
      this.note(
        "reference",
        receipt.reference && !opening ? "not checked" : "nothing to check",
        what,
      );
      return;
    }
    const { reference_salt: salt, reference } = opening;
    const text = utf8(reference ?? "");
    if (!salt || !receipt.reference || !equal(await sha256(salt, text), receipt.reference))
      throw new Refused("wrong_reference", "the reference is not the one committed to");
    this.note("reference", "holds", "the caller's reference is the one committed to");
  }

  /** Runs the model again and compares the output's commitment. */
  private async checkOutput(
    file: ReceiptFile,
    receipt: Receipt,
    model: Uint8Array | null,
    input: Uint8Array | null,
  ): Promise<void> {
    if (receipt.outcome.status === "refused") {
      this.note("output", "nothing to check", `the call was refused: ${receipt.outcome.code}`);
      return;
    }
    if (!model || !input || !receipt.model || !file.opening) {
      const what = "without the model called and its input nothing can be computed again";
      this.note("output", "not checked", what);
      return;
    }
    let outputs: NamedTensors;
    try {
      const kernels = this.evidence.kernels ?? (await loadKernels(await ownKernels()));
      this.kernels = kernels.name;
      const tensors = decodeTensors(input);
      outputs = runModel(readModel(model), tensors, kernels, receipt.model.allow_missing);
    } catch (error) {
      // What this runner cannot compute says nothing against the receipt, nor for it.
      const code = error instanceof Refused ? error.code : "";
      const cannot = ["unsupported", "too_large", "unsound"].includes(code);
      // A RangeError is what an engine throws that has no more memory to give.
      if (!cannot && !(error instanceof RangeError)) throw error;
      const what = `the model cannot be run here: ${(error as Error).message}`;
      this.note("output", "not checked", what, code || "too_large");
      return;
    }
    const salt = await outputSalt(file.opening.input_salt, receipt.id);
    const commitment = await sha256(salt, encodeTensors(outputs));
    if (!receipt.output || !equal(commitment, receipt.output))
      throw new Refused("wrong_output", "running the model again gives another output");
    this.outputs = outputs;
    this.note("output", "holds", "running the model again gives the same bits");
  }
}
