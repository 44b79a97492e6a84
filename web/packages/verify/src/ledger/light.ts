// From the validators of a genesis to a header that they stand behind (RCPT-8, 9, 10): CometBFT's
// headers and votes, of whose protocol buffers only what these few messages need is written here.

import { Refused, bigEndian64, concat, equal, hex, sha256, utf8 } from "../bytes.js";
import { type Decoded, binary, list, struct, text, whole } from "../msgpack.js";
import { isSigned } from "./ed25519.js";
import { merkleRoot } from "./inclusion.js";

const MOST_VALIDATORS = 128;
/** The type of the votes that commit a block, in CometBFT's `SignedMsgType`. */
const PRECOMMIT = 2;

const count = whole();
const digest = binary(32, 32);
const maybeDigest = binary(0, 32);
const parts = whole(0, 2 ** 32 - 1);

const timestamp = struct({ seconds: count, nanos: whole(0, 999_999_999) });
type Timestamp = Decoded<typeof timestamp>;

const blockId = struct({ hash: maybeDigest, parts, parts_hash: maybeDigest });
type BlockId = Decoded<typeof blockId>;

const lightHeader = struct({
  block_version: count,
  app_version: count,
  chain_id: text(50),
  height: whole(1),
  time: timestamp,
  last_block: blockId,
  last_commit: maybeDigest,
  data: maybeDigest,
  validators: digest,
  next_validators: digest,
  consensus: digest,
  app_hash: maybeDigest,
  last_results: maybeDigest,
  evidence: maybeDigest,
  proposer: binary(20, 20),
});
/** The fields of a CometBFT header, in the order they are hashed in. */
export type LightHeader = Decoded<typeof lightHeader>;

const commitSignature = struct({
  validator: whole(0, MOST_VALIDATORS - 1),
  time: timestamp,
  signature: binary(64, 64),
});

const signedHeader = struct({
  header: lightHeader,
  round: whole(0, 2 ** 31 - 1),
  parts,
  parts_hash: digest,
  signatures: list(commitSignature, MOST_VALIDATORS),
});
type SignedHeader = Decoded<typeof signedHeader>;

const validatorPower = struct({ public_key: digest, power: whole(1) });
/** A validator's consensus key and its voting power. */
export type ValidatorPower = Decoded<typeof validatorPower>;

const committed = struct({
  signed: signedHeader,
  validators: list(validatorPower, MOST_VALIDATORS),
});
type Committed = Decoded<typeof committed>;

export const lightProof = struct({ steps: list(committed), last: committed }, "network");
/** A committed header, and those before it that changed the validators. */
export type LightProof = Decoded<typeof lightProof>;

/** What the signatures of a proof come to. */
export interface Signers {
  readonly signed: number;
  readonly validators: number;
  readonly signedPower: bigint;
  readonly power: bigint;
}

function varint(value: number | bigint): Uint8Array {
  const written: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) written.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...written, Number(rest));
}

/** A varint field; left out when 0. */
function integerField(field: number, value: number): Uint8Array {
  return value ? concat(varint(field << 3), varint(value)) : new Uint8Array();
}

/** An sfixed64 field; left out when 0. */
function fixedField(field: number, value: number): Uint8Array {
  return value ? concat(varint((field << 3) | 1), bigEndian64(value).reverse()) : new Uint8Array();
}

/** A message field, there even when empty. */
function messageField(field: number, content: Uint8Array): Uint8Array {
  return concat(varint((field << 3) | 2), varint(content.length), content);
}

/** A field of bytes; left out when empty. */
function bytesField(field: number, content: Uint8Array): Uint8Array {
  return content.length ? messageField(field, content) : content;
}

function timeBytes(time: Timestamp): Uint8Array {
  return concat(integerField(1, time.seconds), integerField(2, time.nanos));
}

function blockBytes(block: BlockId): Uint8Array {
  const place = concat(integerField(1, block.parts), bytesField(2, block.parts_hash));
  return concat(bytesField(1, block.hash), messageField(2, place));
}

/** The Merkle root over a header's fields: CometBFT's block hash. */
function headerHash(header: LightHeader): Promise<Uint8Array> {
  const wrapped = (content: Uint8Array) => bytesField(1, content);
  return merkleRoot([
    concat(integerField(1, header.block_version), integerField(2, header.app_version)),
    wrapped(utf8(header.chain_id)),
    integerField(1, header.height),
    timeBytes(header.time),
    blockBytes(header.last_block),
    ...[header.last_commit, header.data, header.validators].map(wrapped),
    ...[header.next_validators, header.consensus, header.app_hash].map(wrapped),
    ...[header.last_results, header.evidence, header.proposer].map(wrapped),
  ]);
}

/** The Merkle root over a set of validators, which must be in order. */
function validatorsHash(validators: readonly ValidatorPower[]): Promise<Uint8Array> {
  return merkleRoot(
    validators.map(({ public_key, power }) =>
      concat(bytesField(1, bytesField(1, public_key)), integerField(2, power)),
    ),
  );
}

/** The hash of the set that votes from the first height on, numbered as CometBFT does: by power,
 * highest first, then by address. */
export async function trustedValidators(genesis: readonly ValidatorPower[]): Promise<Uint8Array> {
  const addressed = await Promise.all(
    genesis.map(async (one) => ({ one, address: hex(await sha256(one.public_key)).slice(0, 40) })),
  );
  addressed.sort((a, b) => b.one.power - a.one.power || (a.address < b.address ? -1 : 1));
  return validatorsHash(addressed.map(({ one }) => one));
}

/** The header that the proof leads to from the trusted set. Throws Refused. */
export async function followLight(
  proof: LightProof,
  chainId: string,
  trusted: Uint8Array,
): Promise<LightHeader> {
  let height = 0;
  for (const step of proof.steps) {
    await checkCommit(step, chainId, trusted, height);
    const { header } = step.signed;
    if (equal(header.next_validators, header.validators))
      throw new Refused("bad_steps", `header ${header.height} changes no validators: no step`);
    trusted = header.next_validators;
    height = header.height;
  }
  await checkCommit(proof.last, chainId, trusted, height);
  return proof.last.signed.header;
}

async function checkCommit(
  { signed, validators }: Committed,
  chainId: string,
  trusted: Uint8Array,
  before: number,
): Promise<void> {
  const { header } = signed;
  if (header.chain_id !== chainId)
    throw new Refused(
      "untrusted_root",
      `header ${header.height} is of chain ${header.chain_id}, the trusted one is ${chainId}`,
    );
  if (!equal(header.validators, trusted) || !equal(await validatorsHash(validators), trusted))
    throw new Refused(
      "wrong_validators",
      `the validators of header ${header.height} are not those that the genesis, or the change` +
        " before it, names",
    );
  await checkSignatures(signed, validators);
  const { signedPower, power } = signersOf({ signed, validators });
  if (3n * signedPower <= 2n * power)
    throw new Refused(
      "too_little_power",
      `validators with ${signedPower} of ${power} votes signed header ${header.height}; more` +
        " than two thirds must",
    );
  if (header.height <= before)
    throw new Refused(
      "bad_steps",
      `header ${header.height} does not come behind the change of validators at ${before}`,
    );
}

/** Each vote is its validator's own, for this very block, and none is there twice. */
async function checkSignatures(
  signed: SignedHeader,
  validators: readonly ValidatorPower[],
): Promise<void> {
  const { header, round, parts, parts_hash } = signed;
  const block = { hash: await headerHash(header), parts, parts_hash };
  let previous = -1;
  for (const vote of signed.signatures) {
    if (vote.validator <= previous || vote.validator >= validators.length)
      throw new Refused("bad_commit", `header ${header.height} has signatures out of order`);
    const content = concat(
      integerField(1, PRECOMMIT),
      fixedField(2, header.height),
      fixedField(3, round),
      messageField(4, blockBytes(block)),
      messageField(5, timeBytes(vote.time)),
      bytesField(6, utf8(header.chain_id)),
    );
    const message = concat(varint(content.length), content);
    if (!(await isSigned(validators[vote.validator].public_key, message, vote.signature)))
      throw new Refused(
        "bad_commit",
        `the signature of validator ${vote.validator} is not over header ${header.height}`,
      );
    previous = vote.validator;
  }
}

/** Who signed, by number and power; nothing is verified but that there are such validators. */
export function signersOf({ signed, validators }: Committed): Signers {
  const voted = new Set(signed.signatures.map((vote) => vote.validator));
  const sum = (powers: readonly ValidatorPower[]) =>
    powers.reduce((total, { power }) => total + BigInt(power), 0n);
  const signing = validators.filter((_, number) => voted.has(number));
  return {
    signed: signing.length,
    validators: validators.length,
    signedPower: sum(signing),
    power: sum(validators),
  };
}
