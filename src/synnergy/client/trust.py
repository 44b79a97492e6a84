"""What a genesis lets one trust beforehand, and headers that are believed because of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from synnergy.chain.genesis import Genesis, chain_id_of, first_validators
from synnergy.client.failures import ClientError, refused
from synnergy.receipts.comet import LightHeader
from synnergy.receipts.file import MAX_FILE_BYTES
from synnergy.receipts.light import LightProof, check_light
from synnergy.receipts.verify import TrustedRoot
from synnergy.rejected import Rejected
from synnergy.wire.codec import decode

if TYPE_CHECKING:
    from synnergy.client.api import Node

T = TypeVar("T")

#: Seconds that the header after a block is waited for: where nothing happens on a network, its
#: blocks are 10 seconds apart.
HEADER_SECONDS: Final = 60.0
HEADER_PAUSE: Final = 0.5


def trusted_root(genesis: Genesis) -> TrustedRoot:
    """The chain of a genesis, and who signs for it: validators, or a solo engine's key (RCPT-6).

    Raises ClientError where it names neither.
    """
    chain_id, validators = chain_id_of(genesis), first_validators(genesis)
    if validators is not None:
        return TrustedRoot(chain_id, None, validators)
    if not genesis.signer:
        raise ClientError(
            "untrusted_root",
            f"the genesis of {chain_id} names neither a signing key nor validators",
            rule="RCPT-6",
        )
    return TrustedRoot(chain_id, bytes.fromhex(genesis.signer))


def verified_header(node: Node, genesis: Genesis, height: int | None = None) -> LightHeader:
    """CometBFT's header of a height (None: the newest), believed for the genesis alone (RCPT-10).

    `node` may be anyone's. ClientError where it has no such header, or its proof does not hold.
    """
    root = trusted_root(genesis)
    if root.validators is None:
        raise ClientError(
            "no_validators", f"{root.chain_id} is a chain of one node: no validators sign it"
        )
    content = when_signed(lambda: node.commit("latest" if height is None else height))
    proof = decode(content, LightProof, MAX_FILE_BYTES)
    header = (
        proof
        if isinstance(proof, Rejected)
        else check_light(proof, root.chain_id, root.validators)
    )
    if isinstance(header, Rejected):
        raise refused(header)
    if height is not None and header.height != height:
        raise ClientError(
            "wrong_header",
            f"the node proves header {header.height} where {height} was asked for",
            rule="RCPT-10",
        )
    return header


def when_signed(ask: Callable[[], T]) -> T:
    """What `ask` gives once the header that proves it is there; it always follows (RCPT-11)."""
    end = time.monotonic() + HEADER_SECONDS
    while True:
        try:
            return ask()
        except ClientError as failed:
            if failed.code != "not_yet_signed" or time.monotonic() > end:
                raise
        time.sleep(HEADER_PAUSE)
