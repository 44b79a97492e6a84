"""Inputs, outputs and references: for their parties and the regulators, on a signed request."""

from __future__ import annotations

import re
import time
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from synnergy.api.answers import OCTETS, DigestText, TheNode, answers
from synnergy.api.errors import ApiError, not_found
from synnergy.chain.payloads import Erased, load_erased
from synnergy.chain.queries.ledger import find_payload, may_read_payload
from synnergy.chain.queries.moment import Moment
from synnergy.identity.keys import verify_signature
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.keys import is_key_of, wallet_of
from synnergy.wire.codec import Struct, encode

router = APIRouter(tags=["payloads"])

#: A signed request is good while its time is within this of the node's clock, in ms.
MAX_AGE = 5 * 60 * 1000

_KEY = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{1,16}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")


class PayloadFile(Struct, frozen=True):
    """What a commitment is of: sha256(salt ‖ content); artefact chunks have no salt."""

    salt: bytes
    content: bytes


def request_bytes(chain_id: str, commitment: bytes, milliseconds: int) -> bytes:
    """What a party signs to read a payload (API-7)."""
    prefix = b"synnergy/sign/payload/1\x00" + chain_id.encode() + b"\x00"
    return prefix + commitment + milliseconds.to_bytes(8, "big")


@router.get(
    "/v1/payloads/{commitment}",
    **answers(
        OCTETS,
        description="The canonical msgpack of {salt, content}",
        errors={
            401: "The request is not signed, or not validly, or not just now",
            403: "The signer is neither a party of the payload nor a regulator",
            404: "This node has no such payload; another may",
            410: "This node erased the payload; the message says in which transaction",
        },
    ),
)
def read_payload(
    commitment: DigestText,
    node: TheNode,
    x_synnergy_key: Annotated[str | None, Header(description="public key in hex")] = None,
    x_synnergy_time: Annotated[str | None, Header(description="now, in ms UTC")] = None,
    x_synnergy_signature: Annotated[
        str | None,
        Header(
            description='Ed25519 in hex over "synnergy/sign/payload/1" ‖ 00 ‖ chain id ‖ 00 ‖'
            " commitment ‖ time as 8 bytes big-endian"
        ),
    ] = None,
) -> Response:
    """An attachment or output by its commitment. Artefact chunks are anyone's, unsigned."""
    digest = bytes.fromhex(commitment)
    with node.moment() as moment:
        payload = find_payload(moment, digest)
        if payload is None:
            raise _gone(commitment, load_erased(moment.view.get, digest))
        if not may_read_payload(moment, payload, None):
            reader = _signer(
                moment,
                digest,
                x_synnergy_key,
                x_synnergy_time,
                x_synnergy_signature,
            )
            if not may_read_payload(moment, payload, reader):
                raise ApiError(
                    403,
                    Rejected(
                        "API-7",
                        "not_a_party",
                        f"{reader} is neither a party of this payload nor a regulator",
                    ),
                )
    return Response(encode(PayloadFile(payload.salt, payload.content)), media_type=OCTETS)


def _gone(commitment: str, why: Erased | None) -> ApiError:
    """The answer for a payload that isn't here: erased, and by what, or never known (ERASE-4)."""
    if why is None:
        return not_found(f"the payload {commitment}")
    reason = "its retention period was over"
    if why.transaction is not None:
        reason = f"{why.by} asked for it in transaction {why.transaction.hex()}"
    message = f"the payload {commitment} was erased at height {why.height}: {reason}"
    return ApiError(410, Rejected("ERASE-4", "erased", message))


def _signer(
    moment: Moment, commitment: bytes, key: str | None, at: str | None, signature: str | None
) -> str:
    """The wallet whose key signed this request just now; ApiError 401 where none's did (API-7)."""
    if key is None or at is None or signature is None:
        raise _unauthorised(
            "unsigned",
            "this payload is for its parties; sign the request with X-Synnergy-Key,"
            " X-Synnergy-Time and X-Synnergy-Signature",
        )
    if not (_KEY.fullmatch(key) and _TIME.fullmatch(at) and _SIGNATURE.fullmatch(signature)):
        raise _unauthorised("bad_signature", "a header of the signed request is malformed")
    milliseconds = int(at)
    if abs(time.time_ns() // 1_000_000 - milliseconds) > MAX_AGE:
        raise _unauthorised(
            "bad_time", "the signed time is more than 5 minutes from the node's clock"
        )
    public_key = bytes.fromhex(key)
    message = request_bytes(moment.header.chain_id, commitment, milliseconds)
    if not verify_signature(public_key, message, bytes.fromhex(signature)):
        raise _unauthorised("bad_signature", "the request's signature does not verify")
    address = wallet_of(moment.state, public_key)
    if not is_key_of(public_key, address, records.wallets.load(moment.state, address)):
        raise _unauthorised(
            "old_key", f"this key was rotated away; it signs no more for {address}"
        )
    return address


def _unauthorised(code: str, message: str) -> ApiError:
    return ApiError(401, Rejected("API-7", code, message), {"WWW-Authenticate": "Synnergy"})
