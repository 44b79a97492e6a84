// What a genesis file lets one trust beforehand: the chain's id, and who signs for it (CHAIN-1).

import { Refused, fromHex, hex, sha256, utf8 } from "../bytes.js";
import { type Value, encode } from "../msgpack.js";
import { trustedValidators } from "./light.js";

/** The chain that is believed; `signer` is a solo engine's key, `validators` the hash of the set
 * that a network begins with. Exactly one of the two is there. */
export interface TrustedRoot {
  readonly chainId: string;
  readonly signer: Uint8Array | null;
  readonly validators: Uint8Array | null;
}

type Kind = "text" | "count" | "truth" | readonly [Shape] | readonly ["text"];
type Shape = { readonly [name: string]: Kind };

const WALLET: Shape = {
  address: "text",
  public_key: "text",
  jurisdiction: "text",
  roles: ["text"],
  balance: "count",
};
const VALIDATOR: Shape = {
  public_key: "text",
  power: "count",
  operator: "text",
  node_id: "text",
  endpoint: "text",
};
/** In the order of the fields' encoding, which the chain's id commits to. */
const GENESIS: Shape = {
  format: "count",
  name: "text",
  time: "count",
  local_only: "truth",
  wallets: [WALLET],
  regulators: ["text"],
  threshold: "count",
  fee_account: "text",
  minimum_gas_price: "count",
  protocol_version: "count",
  gas_version: "count",
  policy: "text",
  signer: "text",
  validators: [VALIDATOR],
};

function bad(what: string): Refused {
  return new Refused("bad_genesis", what);
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw bad(`${what} is no object`);
  return value as Record<string, unknown>;
}

function read(value: unknown, kind: Kind, what: string): Value {
  if (kind === "text" && typeof value === "string") return value;
  if (kind === "truth" && typeof value === "boolean") return value;
  if (kind === "count" && Number.isSafeInteger(value) && (value as number) >= 0)
    return value as number;
  if (Array.isArray(kind) && Array.isArray(value)) {
    const item = (kind as readonly [Shape | "text"])[0];
    return value.map((one) =>
      typeof item === "string" ? read(one, item, what) : fields(one, item, what),
    );
  }
  throw bad(`${what} is of another type`);
}

/** An object's fields in the order of their encoding; exactly those. */
function fields(value: unknown, shape: Shape, what: string): Record<string, Value> {
  const given = record(value, what);
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(shape, name));
  if (unknown !== undefined) throw bad(`${what} has an unknown field`);
  return Object.fromEntries(
    Object.entries(shape).map(([name, kind]) => [
      name,
      // A chain of one node need not name its validators.
      read(name === "validators" && given[name] === undefined ? [] : given[name], kind, name),
    ]),
  );
}

/** The root of trust in a `genesis.json`, of one node or of a network. Throws Refused. */
export async function readGenesis(content: Uint8Array): Promise<TrustedRoot> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
  } catch {
    throw bad("it is not JSON");
  }
  const file = record(parsed, "it");
  const network = file.app_state !== undefined;
  const genesis = fields(network ? file.app_state : file.genesis, GENESIS, "genesis");
  const hash = hex(await sha256(utf8("synnergy/genesis/1\0"), encode(genesis)));
  const chainId = `${String(genesis.name)}-${hash.slice(0, 32)}`;
  if (file.chain_id !== chainId)
    throw new Refused(
      "bad_genesis",
      `it says it is of chain ${String(file.chain_id)}, its contents are of ${chainId}`,
    );
  const validators = genesis.validators as unknown as { public_key: string; power: number }[];
  if (network !== validators.length > 0)
    throw bad("it is of a network, or it names no validators");
  if (!network) {
    const signer = fromHex(genesis.signer as string);
    if (signer.length !== 32)
      throw new Refused("untrusted_root", `the genesis of ${chainId} names no signing key`);
    return { chainId, signer, validators: null };
  }
  const voting = validators
    .filter(({ power }) => power > 0)
    .map(({ public_key, power }) => ({ public_key: fromHex(public_key), power }));
  if (!voting.length)
    throw new Refused("untrusted_root", `the genesis of ${chainId} has no votes`);
  return { chainId, signer: null, validators: await trustedValidators(voting) };
}
