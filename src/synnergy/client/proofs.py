"""Checking what a node says of the state against those who sign for the chain (CLIENT-12)."""

from __future__ import annotations

from dataclasses import dataclass

from synnergy.chain.first_state import apply_genesis
from synnergy.chain.genesis import Genesis, chain_id_of
from synnergy.client import replies
from synnergy.client.api import Node
from synnergy.client.failures import ClientError
from synnergy.client.trust import verified_header
from synnergy.identity.keys import verify_signature
from synnergy.receipts.header import Header, header_signing_bytes
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.state.merkle import Tree
from synnergy.state.proofs import StateProof, verify_state
from synnergy.wire.codec import MAX_BYTES, decode, encode


@dataclass(frozen=True, slots=True)
class ProvenBalance:
    """A balance that the signed state of a block holds; 0 where the account is proved absent."""

    balance: int
    nonce: int
    height: int
    app_hash: str


def prove_balance(node: Node, genesis: Genesis, address: str) -> ProvenBalance:
    """The balance of `address`, with proof and signature checked; nothing else is believed."""
    reply = node.state("accounts", address)
    root = signed_root(node, genesis, reply.height)
    proof = check_proof(reply, root)
    if proof.key != records.accounts.raw_key(address):
        raise _untrue("the proof is of another key")
    account = records.Account(0, 0)
    if proof.value is not None:
        account = decode(proof.value, records.Account, MAX_BYTES)
        if isinstance(account, Rejected):
            raise _untrue("the proved value is not an account")
    return ProvenBalance(account.balance, account.nonce, reply.height, root.hex())


def signed_root(node: Node, genesis: Genesis, height: int) -> bytes:
    """The app hash after a block, signed by the chain's key or, in the next header, by more than
    two thirds of a network's voting power."""
    if genesis.validators and height:
        return verified_header(node, genesis, height + 1).app_hash
    return check_header(node.block(height), genesis)


def check_header(block: replies.Block, genesis: Genesis) -> bytes:
    """The app hash of a block whose header the chain's key signed.

    Nobody signs the state that a chain begins with: it follows from the genesis.
    """
    if block.height == 0:
        return genesis_root(genesis)
    try:
        header = Header(
            chain_id=chain_id_of(genesis),
            height=block.height,
            time=block.time,
            previous=bytes.fromhex(block.previous),
            app_hash=bytes.fromhex(block.app_hash),
            transactions=bytes.fromhex(block.transactions_root),
            results=bytes.fromhex(block.results_root),
        )
        signature = bytes.fromhex(block.signature)
    except ValueError:
        raise _untrue("the block's header is malformed") from None
    message = header_signing_bytes(header)
    if not verify_signature(bytes.fromhex(genesis.signer), message, signature):
        raise _untrue(f"the header of block {block.height} is not signed by the chain's key")
    return header.app_hash


def genesis_root(genesis: Genesis) -> bytes:
    """The app hash of the first state."""
    journal = Journal(lambda _key: None, lambda _start, _stop, _limit: [])
    apply_genesis(genesis, journal)
    return Tree(lambda _path: None).update(journal.changes())


def check_proof(reply: replies.StateReply, root: bytes) -> StateProof:
    """The state proof in a reply, verified against an app hash."""
    try:
        content = bytes.fromhex(reply.proof or "")
    except ValueError:
        content = b""
    proof = decode(content, StateProof, MAX_BYTES)
    if isinstance(proof, Rejected) or encode(proof) != content or not verify_state(proof, root):
        raise _untrue("the proof does not lead to the signed state")
    return proof


def _untrue(why: str) -> ClientError:
    return ClientError("unproven", f"the node's answer is not proved: {why}", rule="STATE-40")
