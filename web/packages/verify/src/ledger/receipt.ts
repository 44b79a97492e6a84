// The receipt file (RCPT-5) and the receipt inside it (RCPT-1).

import { Refused, sha256, utf8 } from "../bytes.js";
import {
  type Decode,
  type Decoded,
  binary,
  decode,
  list,
  optional,
  struct,
  text,
  truth,
  whole,
} from "../msgpack.js";
import { type LightProof, lightProof } from "./light.js";

const FILE_VERSION = 1;
const RECEIPT_VERSION = 1;
const MOST_FILE_BYTES = 4 << 20;
const MOST_RECEIPT_BYTES = 65_536;

const digest = binary(32, 32);
const count = whole();
const short = text(1000);
const address = text(42, /^syn1[023456789acdefghjklmnpqrstuvwxyz]{38}$/);

const approval = struct({
  regulator: address,
  height: count,
  until: count,
  evidence: optional(digest),
});

const calledModel = struct({
  id: binary(),
  name: short,
  version: short,
  digest,
  publisher: address,
  risk: short,
  jurisdictions: list(text(2, /^[A-Z]{2}$/)),
  allow_missing: truth,
  approvals: list(approval),
  licence_text: optional(digest),
  intended_use: optional(digest),
  limitations: optional(digest),
});

const policy = struct({
  version: count,
  hash: digest,
  allowed: truth,
  determining: list(short),
});

const outcome = struct({ status: text(7, /^(ok|refused)$/), rule: short, code: short });

const receipt = struct({
  receipt_version: whole(),
  id: digest,
  chain_id: text(),
  height: count,
  time: count,
  transaction: digest,
  index: count,
  caller: address,
  origin: address,
  model: optional(calledModel),
  licence: digest,
  price: count,
  fee: count,
  gas: count,
  gas_version: count,
  protocol_version: count,
  policy: optional(policy),
  reference: optional(digest),
  input: optional(digest),
  output: optional(digest),
  outcome,
});

/** One invocation, as the ledger recorded it. */
export type Receipt = Decoded<typeof receipt>;

const header = struct({
  chain_id: text(),
  height: count,
  time: count,
  previous: digest,
  app_hash: digest,
  transactions: digest,
  results: digest,
});

/** What a solo engine signs. */
export type Header = Decoded<typeof header>;

const signedBlock = struct({ header, signature: binary(64, 64) }, "solo");
export type SignedBlock = Decoded<typeof signedBlock>;

const accumulator = struct({ count, peaks: list(digest) });
export type Accumulator = Decoded<typeof accumulator>;

const stateProof = struct({
  key: binary(),
  value: optional(binary()),
  siblings: list(binary()),
  other: optional((reader) => {
    if (reader.array() !== 2) throw new Refused("malformed", "a pair is not a pair");
    return [reader.binary(), reader.binary()] as const;
  }),
});
export type StateProof = Decoded<typeof stateProof>;

const receiptProof = struct({
  index: count,
  count,
  path: list(digest),
  before: accumulator,
  state: stateProof,
});
export type ReceiptProof = Decoded<typeof receiptProof>;

const opening = struct({
  input_salt: digest,
  reference_salt: optional(digest),
  reference: optional(short),
});

/** Who signed the state that holds the receipt: a solo engine, or validators of a network. */
export type Root =
  | { readonly kind: "solo"; readonly block: SignedBlock }
  | { readonly kind: "network"; readonly proof: LightProof };

const root: Decode<Root> = (reader) => {
  const tag = reader.peekTag();
  if (tag === "solo") return { kind: "solo", block: signedBlock(reader) };
  if (tag === "network") return { kind: "network", proof: lightProof(reader) };
  throw new Refused("malformed", "the root is signed in a way that is new");
};

const receiptFile = struct({
  file_version: whole(),
  receipt: binary(0, MOST_RECEIPT_BYTES),
  proof: receiptProof,
  root,
  opening: optional(opening),
});

/** A receipt with its proof, and the opening of its commitments where the caller gave it along. */
export type ReceiptFile = Decoded<typeof receiptFile>;

/** The file and the receipt inside; nothing is verified but the encoding. Throws Refused. */
export function readReceipt(content: Uint8Array): { file: ReceiptFile; receipt: Receipt } {
  const code = "malformed_receipt";
  if (content.length > MOST_FILE_BYTES)
    throw new Refused(code, `a receipt file has at most ${MOST_FILE_BYTES} bytes`);
  const file = decode(content, receiptFile, code, "its encoding");
  if (file.file_version !== FILE_VERSION)
    throw new Refused(code, `receipt files of version ${file.file_version} are new`);
  const inside = decode(file.receipt, receipt, code, "the receipt inside");
  if (inside.receipt_version !== RECEIPT_VERSION)
    throw new Refused(code, `receipts of version ${inside.receipt_version} are new`);
  return { file, receipt: inside };
}

/** The id of the index-th call of a transaction (RCPT-3). */
export function receiptId(transaction: Uint8Array, index: number): Promise<Uint8Array> {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, index);
  return sha256(utf8("synnergy/receipt/1\0"), transaction, number);
}

/** The salt of an output's commitment, derived from the input's (RCPT-2). */
export function outputSalt(inputSalt: Uint8Array, id: Uint8Array): Promise<Uint8Array> {
  return sha256(utf8("synnergy/output-salt/1\0"), inputSalt, id);
}
