"""What CometBFT's RPC says of a height, as `receipts.comet` has it.

`/commit` gives a `signed_header`, `/validators` a list of `validators`, both in CometBFT's JSON:
64-bit integers as strings, hashes in hex, keys and signatures in base64, times as RFC 3339 with up
to nine decimals.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from synnergy.identity.keys import verify_signature
from synnergy.receipts.comet import (
    BlockId,
    CommitSignature,
    Committed,
    LightHeader,
    SignedHeader,
    Timestamp,
    ValidatorPower,
    header_hash,
    validators_hash,
    vote_bytes,
)
from synnergy.wire.codec import encode_checked

#: CometBFT's `BlockIDFlag` of a vote for the block; others are absent, or for no block.
FLAG_COMMIT: Final = 2
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


class BadAnswer(Exception):
    """CometBFT's answer isn't what it should be; the message says what is wrong with it."""


def validator_set(validators: Any) -> tuple[ValidatorPower, ...]:
    """The validators of a height, in CometBFT's order. Raises BadAnswer."""
    with _reading("the validators"):
        found = tuple(
            ValidatorPower(_base64(one["pub_key"]["value"]), int(one["voting_power"]))
            for one in validators
        )
        for one in found:
            encode_checked(one)
        return found


def committed(signed_header: Any, validators: tuple[ValidatorPower, ...]) -> Committed:
    """A signed header and its set, with those signatures that count (RCPT-9).

    A vote for another block, or none, doesn't; nor does one that only CometBFT takes for valid:
    its library accepts some malformed keys and points that ours refuses (ID-1). Raises BadAnswer.
    """
    with _reading("the commit"):
        header = _header(signed_header["header"])
        commit = signed_header["commit"]
        block = _block_id(commit["block_id"])
        votes = tuple(
            CommitSignature(number, _time(vote["timestamp"]), _base64(vote["signature"]))
            for number, vote in enumerate(commit["signatures"])
            if vote["block_id_flag"] == FLAG_COMMIT
        )
        if (header_hash(header), str(header.height)) != (block.hash, commit["height"]):
            raise BadAnswer(f"the commit is not of header {header.height}")
        signed = SignedHeader(header, commit["round"], block.parts, block.parts_hash, votes)
        encode_checked(Committed(signed, validators))
    if header.validators != validators_hash(validators):
        raise BadAnswer(f"the validators are not those of header {header.height}")
    valid = tuple(
        vote
        for vote in votes
        if vote.validator < len(validators)
        and verify_signature(
            validators[vote.validator].public_key,
            vote_bytes(signed, block, vote.time),
            vote.signature,
        )
    )
    return Committed(msgspec.structs.replace(signed, signatures=valid), validators)


@contextmanager
def _reading(what: str) -> Generator[None]:
    """Whatever is wrong with the JSON inside is a BadAnswer."""
    try:
        yield
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        msgspec.MsgspecError,
    ) as error:
        raise BadAnswer(f"{what} cannot be read: {error!r}") from error


def _header(given: Any) -> LightHeader:
    return LightHeader(
        block_version=int(given["version"]["block"]),
        app_version=int(given["version"].get("app", 0)),
        chain_id=given["chain_id"],
        height=int(given["height"]),
        time=_time(given["time"]),
        last_block=_block_id(given["last_block_id"]),
        last_commit=bytes.fromhex(given["last_commit_hash"]),
        data=bytes.fromhex(given["data_hash"]),
        validators=bytes.fromhex(given["validators_hash"]),
        next_validators=bytes.fromhex(given["next_validators_hash"]),
        consensus=bytes.fromhex(given["consensus_hash"]),
        app_hash=bytes.fromhex(given["app_hash"]),
        last_results=bytes.fromhex(given["last_results_hash"]),
        evidence=bytes.fromhex(given["evidence_hash"]),
        proposer=bytes.fromhex(given["proposer_address"]),
    )


def _block_id(given: Any) -> BlockId:
    parts = given["parts"]
    return BlockId(bytes.fromhex(given["hash"]), parts["total"], bytes.fromhex(parts["hash"]))


def _time(text: str) -> Timestamp:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"not a time in UTC: {text!r}")
    moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Timestamp(since.days * 86_400 + since.seconds, int((found[2] or "").ljust(9, "0")))


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
