// From a receipt to a state: Merkle paths (STATE-50), the accumulator (STATE-60), state proofs
// (STATE-40), and what they prove together (RCPT-4).

import { bigEndian64, equal, sha256 } from "../bytes.js";
import { encode } from "../msgpack.js";
import type { Accumulator, ReceiptProof, StateProof } from "./receipt.js";

const LEAF = Uint8Array.of(0);
const INNER = Uint8Array.of(1);
const COUNTED = Uint8Array.of(2);
const EMPTY = new Uint8Array(32);
const DEEPEST = 256;
const MOST_KEY_BYTES = 500;
const MOST_VALUE_BYTES = 16 << 20;

/** State's key of the accumulator of receipts: its table's letters and the empty text (STATE-21). */
export const RECEIPTS_KEY = Uint8Array.of(0x72, 0x72, 2, 0, 1);

export function hashInner(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(INNER, left, right);
}

/** The RFC 6962 root over the leaves in order. */
export async function merkleRoot(leaves: readonly Uint8Array[]): Promise<Uint8Array> {
  let level = await Promise.all(leaves.map((leaf) => sha256(LEAF, leaf)));
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let at = 0; at + 1 < level.length; at += 2)
      above.push(await hashInner(level[at], level[at + 1]));
    if (level.length % 2) above.push(level[level.length - 1]);
    level = above;
  }
  return level[0] ?? sha256();
}

/** The root that `path` leads to; null where no tree of `count` leaves has such a path. */
export async function foldPath(
  leaf: Uint8Array,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): Promise<Uint8Array | null> {
  if (index >= count) return null;
  let node = await sha256(LEAF, leaf);
  let used = 0;
  for (let last = count - 1; last > 0; last = Math.floor(last / 2)) {
    const right = index % 2 === 1;
    if (right || index < last) {
      const sibling = path[used++];
      if (!sibling) return null;
      node = right ? await hashInner(sibling, node) : await hashInner(node, sibling);
    }
    index = Math.floor(index / 2);
  }
  return used === path.length ? node : null;
}

/** A root that commits to its number of leaves (STATE-51). */
function bindCount(count: number, root: Uint8Array): Promise<Uint8Array> {
  return sha256(COUNTED, bigEndian64(count), root);
}

/** The accumulator with one more leaf; null where it is malformed. */
async function append(before: Accumulator, leaf: Uint8Array): Promise<Accumulator | null> {
  const count = BigInt(before.count);
  const ones = [...count.toString(2)].filter((digit) => digit === "1").length;
  if (before.peaks.length !== ones) return null;
  let node = await sha256(LEAF, leaf);
  const peaks = [...before.peaks];
  for (let rest = count; rest & 1n; rest >>= 1n) node = await hashInner(peaks.pop()!, node);
  return { count: before.count + 1, peaks: [...peaks, node] };
}

/** Whether a key has the proof's value in the state with this root. Absence is not asked here. */
export async function holdsInState(proof: StateProof, root: Uint8Array): Promise<boolean> {
  const { key, value, siblings, other } = proof;
  if (!key.length || key.length > MOST_KEY_BYTES || siblings.length > DEEPEST) return false;
  if (value === null || other !== null || value.length > MOST_VALUE_BYTES) return false;
  const path = await sha256(key);
  let node = await sha256(LEAF, path, await sha256(value));
  for (let depth = siblings.length - 1; depth >= 0; depth--) {
    let sibling = siblings[depth];
    if (!sibling.length) sibling = EMPTY;
    else if (sibling.length !== 32 || equal(sibling, EMPTY)) return false;
    const right = (path[depth >> 3] >> (7 - (depth & 7))) & 1;
    node = right ? await hashInner(sibling, node) : await hashInner(node, sibling);
  }
  return equal(node, root);
}

/** Why the receipt's bytes are not in the state with this hash; "" where they are (RCPT-4). */
export async function inclusionProblem(
  leaf: Uint8Array,
  proof: ReceiptProof,
  appHash: Uint8Array,
): Promise<string> {
  const found = await foldPath(leaf, proof.index, proof.count, proof.path);
  if (!found) return "the path to the block's receipts is malformed";
  const after = await append(proof.before, await bindCount(proof.count, found));
  if (!after) return "the accumulator in the proof is malformed";
  const { key, value } = proof.state;
  const wanted = encode({ count: after.count, peaks: after.peaks });
  if (!equal(key, RECEIPTS_KEY) || !value || !equal(value, wanted))
    return "the receipt is not in the block's accumulator";
  if (!(await holdsInState(proof.state, appHash)))
    return "the accumulator is not in the header's state";
  return "";
}
