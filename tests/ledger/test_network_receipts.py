"""Receipts of a network: verified by its genesis alone, through changes of its validators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from synnergy.chain.commits import save_commit, save_steps
from synnergy.chain.export import export_receipt
from synnergy.client.failures import ClientError
from synnergy.client.receipt_story import sentences
from synnergy.client.trust import trusted_root
from synnergy.receipts.comet import Timestamp
from synnergy.receipts.file import Opening, ReceiptFile, decode_receipt_file, encode_receipt_file
from synnergy.receipts.light import LightProof
from synnergy.receipts.verify import TrustedRoot, Verified, read_receipt, verify_receipt
from synnergy.rejected import Rejected
from tests.ledger.harness import SIGNER, Ledger, genesis, tensors
from tests.ledger.test_main_job import bought, export, invoke
from tests.receipts.forging import Powers, commit, header, network

FIRST: Powers = {"a": 10, "b": 20}
SECOND: Powers = {"b": 20, "c": 15}
GENESIS = network({**FIRST, "d": 0})


FILE = tuple[ReceiptFile, Callable[..., Verified | Rejected]]


@pytest.fixture(scope="module")
def called(
    tmp_path_factory: pytest.TempPathFactory, logistic: tuple[bytes, np.ndarray]
) -> Iterator[FILE]:
    """The receipt file of a call, proved by a commit of the second set, and its verification."""
    content, rows = logistic
    ledger = Ledger(tmp_path_factory.mktemp("network") / "data", GENESIS)
    model, licence = bought(ledger, content)
    raw, attachment = invoke(ledger, model, licence, rows)
    receipt = ledger.block(raw)[0].receipts[0]
    last = ledger.application.header
    # RCPT-11: the header that signs the block's state comes with the next one.
    waiting = export_receipt(ledger.store, GENESIS, receipt)
    assert isinstance(waiting, Rejected) and waiting.code == "not_yet_signed"
    step = commit(header(last.height - 2, FIRST, SECOND, chain_id=last.chain_id), FIRST)
    head = header(
        last.height + 1,
        SECOND,
        chain_id=last.chain_id,
        app_hash=last.app_hash,
        time=Timestamp(last.time // 1000, last.time % 1000 * 1_000_000 + 1),
    )
    with ledger.store.write() as batch:
        save_commit(batch, commit(head, SECOND))
    lost = export_receipt(ledger.store, GENESIS, receipt)
    assert isinstance(lost, Rejected) and lost.code == "elsewhere"
    with ledger.store.write() as batch:
        save_steps(batch, (step,))
    file = decode_receipt_file(export(ledger, receipt, Opening(attachment.salt, None, None)))
    assert isinstance(file, ReceiptFile)
    assert file.root == LightProof((step,), commit(head, SECOND))
    trusted = trusted_root(GENESIS)
    ledger.close()

    def verify(
        file: ReceiptFile | bytes, trusted: TrustedRoot | None = trusted
    ) -> Verified | Rejected:
        whole = file if isinstance(file, bytes) else encode_receipt_file(file)
        return verify_receipt(whole, content, tensors(X=rows), trusted)

    yield file, verify


def refusal(answer: Verified | Rejected) -> str:
    assert isinstance(answer, Rejected)
    return answer.code


def last_of(file: ReceiptFile, **changes: object) -> ReceiptFile:
    """The file with another header behind it, which the second set signed as well."""
    assert isinstance(file.root, LightProof)
    head = msgspec.structs.replace(file.root.last.signed.header, **changes)
    root = LightProof(file.root.steps, commit(head, SECOND))
    return msgspec.structs.replace(file, root=root)


def test_the_genesis_is_all_that_it_takes(called) -> None:
    file, verify = called
    verified = verify(file)
    assert isinstance(verified, Verified), verified
    assert "2 of 2 validators of the trusted chain, with 35 of 35 votes" in verified.checks[0]
    assert verified.outputs is not None


def test_it_says_who_signed(called) -> None:
    file, _ = called
    read = read_receipt(encode_receipt_file(file))
    assert not isinstance(read, Rejected)
    told = " ".join(sentences(read[1], file))
    assert "signed by 2 of 2 validators, with 35 of 35 votes" in told
    assert "the validators changed once since the genesis" in told
    few = msgspec.structs.replace(
        file,
        root=LightProof((), commit(file.root.last.signed.header, SECOND, "b")),
    )
    told = " ".join(sentences(read[1], few))
    assert "signed by 1 of 2 validators, with 20 of 35 votes; they are those of the" in told


def test_each_part_of_the_proof_is_needed(called) -> None:
    file, verify = called
    root = file.root
    head = root.last.signed.header
    weak = commit(head, SECOND, "b")
    replace = msgspec.structs.replace
    for changed, code in (
        (replace(file, root=LightProof((), root.last)), "wrong_validators"),
        (
            replace(file, root=LightProof(root.steps, weak)),
            "too_little_power",
        ),
        (last_of(file, app_hash=bytes(32)), "not_included"),
        (last_of(file, height=head.height + 1), "wrong_block"),
        (last_of(file, height=head.height - 1), "wrong_block"),
        (last_of(file, time=Timestamp(head.time.seconds - 1, 0)), "wrong_block"),
        (last_of(file, chain_id="other"), "untrusted_root"),
    ):
        assert refusal(verify(changed)) == code


def test_neither_root_passes_for_the_other(called) -> None:
    """A network's genesis takes no single signature, a solo engine's no commit."""
    file, verify = called
    chain = trusted_root(GENESIS).chain_id
    assert refusal(verify(file, TrustedRoot(chain, SIGNER.public_key))) == "untrusted_root"
    assert refusal(verify(file, None)) == "untrusted_root"
    assert refusal(verify(file, trusted_root(genesis()))) == "untrusted_root"
    others = TrustedRoot(chain, None, bytes(32))
    assert refusal(verify(file, others)) == "wrong_validators"


def test_every_flipped_bit_of_a_networks_receipt_file_is_caught(called) -> None:
    """RCPT-5, RCPT-10"""
    file, verify = called
    content = encode_receipt_file(file)
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at % 8)
        assert isinstance(verify(bytes(flipped)), Rejected), f"byte {at}"


def test_a_genesis_that_names_nobody_is_no_root() -> None:
    with pytest.raises(ClientError) as failed:
        trusted_root(genesis(signer=""))
    assert failed.value.code == "untrusted_root"


def test_files_are_bounded(tmp_path: Path, called) -> None:
    """RCPT-5: no proof is read that is longer than any chain's."""
    file, verify = called
    step = file.root.steps[0]
    long = msgspec.structs.replace(file, root=LightProof((step,) * 6_000, file.root.last))
    assert len(encode_receipt_file(long)) > 4 * 1024 * 1024
    assert refusal(verify(long)) == "malformed_receipt"
