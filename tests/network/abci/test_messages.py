"""Messages against bytes that were written down from CometBFT 0.38's field numbers by hand."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.abci.frames import MalformedMessage
from synnergy.engines.abci.messages import (
    FLUSH_REQUEST,
    FLUSH_RESPONSE,
    MalformedQuery,
    decode_request,
    encode_response,
)

TIME = Timestamp(seconds=5, nanos=6)
VALIDATOR = abci.Validator(address=b"ab", power=9)
UPDATE = abci.ValidatorUpdate(pub_key=abci.PublicKey(ed25519=b"key"), power=10)
MISBEHAVIOR = abci.Misbehavior(
    type=abci.DUPLICATE_VOTE, validator=VALIDATOR, height=3, time=TIME, total_voting_power=40
)
COMMIT = abci.CommitInfo(
    round=1,
    votes=[abci.VoteInfo(validator=VALIDATOR, block_id_flag=abci.BLOCK_ID_FLAG_COMMIT)],
)
EXTENDED = abci.ExtendedCommitInfo(
    round=1,
    votes=[
        abci.ExtendedVoteInfo(
            validator=VALIDATOR,
            vote_extension=b"v",
            extension_signature=b"s",
            block_id_flag=abci.BLOCK_ID_FLAG_NIL,
        )
    ],
)
PARAMS = abci.ConsensusParams(
    block=abci.BlockParams(max_bytes=300, max_gas=-1),
    evidence=abci.EvidenceParams(
        max_age_num_blocks=2, max_age_duration=Duration(seconds=7, nanos=8), max_bytes=4
    ),
    validator=abci.ValidatorParams(pub_key_types=["ed25519"]),
    version=abci.VersionParams(app=1),
    abci=abci.ABCIParams(vote_extensions_enable_height=0),
)

#: Fields as (tag, value), the way they are written below.
_TIME = "08051006"
_VALIDATOR = "0a0261621809"
_UPDATE = "0a050a036b6579100a"
_MISBEHAVIOR = "08011206" + _VALIDATOR + "18032204" + _TIME + "2828"
_COMMIT = "0801120a0a06" + _VALIDATOR + "1802"
_EXTENDED = "080112100a06" + _VALIDATOR + "1a01762201732803"
_PARAMS = (
    "0a0e" "08ac02" "10ffffffffffffffffff01"
    "120a" "0802" "1204" "0807" "1008" "1804"
    "1a09" "0a07" "65643235353139"
    "2202" "0801"
    "2a00"
)  # fmt: skip
_EVENT = "0a016512080a016b1201761801"

EVENT = abci.Event(type="e", attributes=[abci.EventAttribute(key="k", value="v", index=True)])
SNAPSHOT = abci.Snapshot(height=1, format=2, chunks=3, hash=b"h", metadata=b"m")
_SNAPSHOT = "0801100218032201682a016d"

REQUESTS: list[tuple[str, Message, str]] = [
    ("echo", abci.RequestEcho(message="hi"), "0a04" "0a02" "6869"),
    ("flush", abci.RequestFlush(), "1200"),
    (
        "info",
        abci.RequestInfo(version="1", block_version=11, p2p_version=8, abci_version="2"),
        "1a0a" "0a01" "31" "100b" "1808" "2201" "32",
    ),
    (
        "init_chain",
        abci.RequestInitChain(
            time=TIME, chain_id="c", consensus_params=PARAMS, validators=[UPDATE],
            app_state_bytes=b"{}", initial_height=1,
        ),
        "2a49" "0a04" + _TIME + "1201" "63" "1a2d" + _PARAMS + "2209" + _UPDATE
        + "2a02" "7b7d" "3001",
    ),
    (
        "query",
        abci.RequestQuery(data=b"d", path="/p", height=7, prove=True),
        "320b" "0a01" "64" "1202" "2f70" "1807" "2001",
    ),
    (
        "check_tx",
        abci.RequestCheckTx(tx=b"tx", type=abci.RECHECK),
        "4206" "0a02" "7478" "1001",
    ),
    ("commit", abci.RequestCommit(), "5a00"),
    ("list_snapshots", abci.RequestListSnapshots(), "6200"),
    (
        "offer_snapshot",
        abci.RequestOfferSnapshot(snapshot=SNAPSHOT, app_hash=b"a"),
        "6a11" "0a0c" + _SNAPSHOT + "1201" "61",
    ),
    (
        "load_snapshot_chunk",
        abci.RequestLoadSnapshotChunk(height=1, format=2, chunk=3),
        "7206" "0801" "1002" "1803",
    ),
    (
        "apply_snapshot_chunk",
        abci.RequestApplySnapshotChunk(index=1, chunk=b"c", sender="s"),
        "7a08" "0801" "1201" "63" "1a01" "73",
    ),
    (
        "prepare_proposal",
        abci.RequestPrepareProposal(
            max_tx_bytes=300, txs=[b"t", b"u"], local_last_commit=EXTENDED,
            misbehavior=[MISBEHAVIOR], height=2, time=TIME, next_validators_hash=b"n",
            proposer_address=b"p",
        ),
        "820143" "08ac02" "1201" "74" "1201" "75" "1a14" + _EXTENDED + "2214" + _MISBEHAVIOR
        + "2802" "3204" + _TIME + "3a01" "6e" "4201" "70",
    ),
    (
        "process_proposal",
        abci.RequestProcessProposal(
            txs=[b"t"], proposed_last_commit=COMMIT, misbehavior=[MISBEHAVIOR], hash=b"h",
            height=2, time=TIME, next_validators_hash=b"n", proposer_address=b"p",
        ),
        "8a013a" "0a01" "74" "120e" + _COMMIT + "1a14" + _MISBEHAVIOR + "2201" "68" "2802"
        "3204" + _TIME + "3a01" "6e" "4201" "70",
    ),
    (
        "extend_vote",
        abci.RequestExtendVote(
            hash=b"h", height=2, time=TIME, txs=[b"t"], proposed_last_commit=COMMIT,
            misbehavior=[MISBEHAVIOR], next_validators_hash=b"n", proposer_address=b"p",
        ),
        "92013a" "0a01" "68" "1002" "1a04" + _TIME + "2201" "74" "2a0e" + _COMMIT
        + "3214" + _MISBEHAVIOR + "3a01" "6e" "4201" "70",
    ),
    (
        "verify_vote_extension",
        abci.RequestVerifyVoteExtension(
            hash=b"h", validator_address=b"v", height=3, vote_extension=b"e"
        ),
        "9a010b" "0a01" "68" "1201" "76" "1803" "2201" "65",
    ),
    (
        "finalize_block",
        abci.RequestFinalizeBlock(
            txs=[b"t"], decided_last_commit=COMMIT, misbehavior=[MISBEHAVIOR], hash=b"h",
            height=2, time=TIME, next_validators_hash=b"n", proposer_address=b"p",
        ),
        "a2013a" "0a01" "74" "120e" + _COMMIT + "1a14" + _MISBEHAVIOR + "2201" "68" "2802"
        "3204" + _TIME + "3a01" "6e" "4201" "70",
    ),
]  # fmt: skip

_RESULT = "08011201641a016c220169280230033a0d" + _EVENT + "420163"
RESULT: dict[str, Any] = {
    "code": 1, "data": b"d", "log": "l", "info": "i", "gas_wanted": 2, "gas_used": 3,
    "events": [EVENT], "codespace": "c",
}  # fmt: skip

RESPONSES: list[tuple[str, Message, str]] = [
    ("exception", abci.ResponseException(error="no"), "0a04" "0a02" "6e6f"),
    ("echo", abci.ResponseEcho(message="hi"), "1204" "0a02" "6869"),
    ("flush", abci.ResponseFlush(), "1a00"),
    (
        "info",
        abci.ResponseInfo(
            data="d", version="v", app_version=1, last_block_height=2, last_block_app_hash=b"h"
        ),
        "220d" "0a01" "64" "1201" "76" "1801" "2002" "2a01" "68",
    ),
    (
        "init_chain",
        abci.ResponseInitChain(consensus_params=PARAMS, validators=[UPDATE], app_hash=b"h"),
        "323d" "0a2d" + _PARAMS + "1209" + _UPDATE + "1a01" "68",
    ),
    (
        "query",
        abci.ResponseQuery(
            code=1, log="l", info="i", index=2, key=b"k", value=b"v",
            proof_ops=abci.ProofOps(ops=[abci.ProofOp(type="t", key=b"k", data=b"d")]),
            height=3, codespace="c",
        ),
        "3a22" "0801" "1a01" "6c" "2201" "69" "2802" "3201" "6b" "3a01" "76"
        "420b" "0a09" "0a01" "74" "1201" "6b" "1a01" "64" "4803" "5201" "63",
    ),
    ("check_tx", abci.ResponseCheckTx(**RESULT), "4a21" + _RESULT),
    ("commit", abci.ResponseCommit(retain_height=5), "6202" "1805"),
    (
        "list_snapshots",
        abci.ResponseListSnapshots(snapshots=[SNAPSHOT]),
        "6a0e" "0a0c" + _SNAPSHOT,
    ),
    (
        "offer_snapshot",
        abci.ResponseOfferSnapshot(result=abci.ResponseOfferSnapshot.REJECT_SENDER),
        "7202" "0805",
    ),
    ("load_snapshot_chunk", abci.ResponseLoadSnapshotChunk(chunk=b"c"), "7a03" "0a01" "63"),
    (
        "apply_snapshot_chunk",
        abci.ResponseApplySnapshotChunk(
            result=abci.ResponseApplySnapshotChunk.REJECT_SNAPSHOT,
            refetch_chunks=[1, 300], reject_senders=["s"],
        ),
        "82010a" "0805" "1203" "01ac02" "1a01" "73",
    ),
    (
        "prepare_proposal",
        abci.ResponsePrepareProposal(txs=[b"t", b"u"]),
        "8a0106" "0a01" "74" "0a01" "75",
    ),
    (
        "process_proposal",
        abci.ResponseProcessProposal(status=abci.ResponseProcessProposal.REJECT),
        "920102" "0802",
    ),
    ("extend_vote", abci.ResponseExtendVote(vote_extension=b"v"), "9a0103" "0a01" "76"),
    (
        "verify_vote_extension",
        abci.ResponseVerifyVoteExtension(status=abci.ResponseVerifyVoteExtension.REJECT),
        "a20102" "0802",
    ),
    (
        "finalize_block",
        abci.ResponseFinalizeBlock(
            events=[EVENT], tx_results=[abci.ExecTxResult(**RESULT), abci.ExecTxResult()],
            validator_updates=[UPDATE], consensus_param_updates=PARAMS, app_hash=b"h",
        ),
        "aa0171" "0a0d" + _EVENT + "1221" + _RESULT + "1200" "1a09" + _UPDATE
        + "222d" + _PARAMS + "2a01" "68",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "message", "encoded"), REQUESTS, ids=[r[0] for r in REQUESTS])
def test_requests(name: str, message: Message, encoded: str) -> None:
    """ABCI-1"""
    request = abci.Request(**{name: message})
    assert request.SerializeToString().hex() == encoded
    assert decode_request(bytes.fromhex(encoded)) == (name, message)


@pytest.mark.parametrize(("name", "message", "encoded"), RESPONSES, ids=[r[0] for r in RESPONSES])
def test_responses(name: str, message: Message, encoded: str) -> None:
    """ABCI-1: the Response that is written here is the one that protobuf writes."""
    body = bytes.fromhex(encoded)
    assert encode_response(name, message) == bytes([len(body)]) + body
    assert abci.Response(**{name: message}).SerializeToString() == body


def test_every_message_has_its_bytes() -> None:
    for union, listed in ((abci.Request, REQUESTS), (abci.Response, RESPONSES)):
        fields = union.DESCRIPTOR.oneofs_by_name["value"].fields
        assert [field.name for field in fields] == [name for name, _, _ in listed]


def test_flushes_have_the_bytes_that_cometbft_sends() -> None:
    assert FLUSH_REQUEST.hex() == "1200"
    assert FLUSH_RESPONSE.hex() == "021a00"


@pytest.mark.parametrize(
    "encoded",
    [
        "",  # no request at all
        "2200",  # SetOption, which ABCI 2.0 has no more
        "3a00",  # BeginBlock, likewise
        "aa0100",  # of a later version
        "4205",  # ends within
        "42020a05",  # its field ends within
        "ffff",
        "0a040a02ff00",  # text that is no UTF-8
    ],
)
def test_what_is_no_request_is_refused(encoded: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        decode_request(bytes.fromhex(encoded))
    assert not isinstance(refused.value, MalformedQuery)


def test_a_query_that_is_no_text_is_its_askers_fault() -> None:
    with pytest.raises(MalformedQuery):
        decode_request(bytes.fromhex("32031201ff"))


def test_anothers_answer_is_refused() -> None:
    with pytest.raises(TypeError, match="commit was answered by ResponseInfo"):
        encode_response("commit", abci.ResponseInfo())
