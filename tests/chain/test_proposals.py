"""prepare, process, finalise, commit: what becomes a block, and what it depends on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synnergy.chain import verified
from synnergy.chain.application import MAX_BLOCK_BYTES, Application, BadNode
from synnergy.chain.block import Proposal
from synnergy.chain.verified import Authenticator
from synnergy.identity.authenticate import Transaction, authenticate
from synnergy.opcodes import ledger as money
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.store import Store
from synnergy.wire.transaction import Attachment
from tests.chain.small_models import linear
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, Ledger, genesis, salted

GIVE = money.Transfer(CONSUMER.address, 5)


def transfers(ledger: Ledger, count: int, **header: object) -> list[bytes]:
    """Envelopes of one sender, to be put in a block in this order."""
    account = records.accounts.load(ledger.state, OPERATOR.address)
    assert account is not None
    return [
        ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, nonce=account.nonce + index, **header)
        for index in range(count)
    ]


def test_prepare_leaves_out_what_would_be_inadmissible(ledger: Ledger) -> None:
    """TX-10: no program runs for it, so what will be refused gets in."""
    one, two, three = transfers(ledger, 3)
    doomed = ledger.envelope(
        PUBLISHER, "LEDGER_TRANSFER", money.Transfer(CONSUMER.address, 10**15)
    )
    waiting = [two, b"nonsense", one, one, two, three, doomed]
    assert ledger.application.prepare(waiting) == (one, two, three, doomed)


def test_prepare_reserves_what_the_ones_before_may_cost(ledger: Ledger) -> None:
    """A sender with funds for one gas limit gets one transaction into a block, not two."""
    half = ledger.balance(CONSUMER.address) // 3 * 2
    price = half // 50_000_000
    raw = [
        ledger.envelope(CONSUMER, "LEDGER_TRANSFER", GIVE, nonce=nonce, gas_price=price)
        for nonce in (0, 1)
    ]
    assert ledger.application.prepare(raw) == (raw[0],)


def test_prepare_keeps_to_the_gas_of_a_block(ledger: Ledger) -> None:
    raw = transfers(ledger, 3, gas_limit=1_000_000_000)
    assert ledger.application.prepare(raw) == tuple(raw[:2])


def test_what_no_block_has_gas_for_holds_nothing_up(ledger: Ledger) -> None:
    """NET-20: an entry stays together, so the next one's turn comes."""
    heavy = transfers(ledger, 3, gas_limit=1_000_000_000)
    [light] = transfers(ledger, 1)
    entries = [tuple(heavy), (light,)]
    assert ledger.application.prepare_entries(entries) == ((light,),)


def test_prepare_keeps_to_the_bytes_of_a_block(ledger: Ledger) -> None:
    account = records.accounts.load(ledger.state, OPERATOR.address)
    assert account is not None
    attachment = (Attachment(b"", bytes(3 * 1024 * 1024)),)
    raw = [
        ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, attachment, nonce=nonce)
        for nonce in range(3)
    ]
    chosen = ledger.application.prepare(raw)
    assert chosen == tuple(raw[:2])
    assert sum(map(len, chosen)) <= MAX_BLOCK_BYTES
    refused = ledger.application.process(Proposal(1, ledger.time + 1, tuple(raw)))
    assert isinstance(refused, Rejected) and refused.rule == "CHAIN-6"


def test_what_prepare_chose_is_processed_and_executed(ledger: Ledger) -> None:
    raw = ledger.application.prepare(transfers(ledger, 5))
    assert ledger.application.process(Proposal(1, ledger.time, raw)) is None
    assert [result.status for result in ledger.block(*raw)] == ["ok"] * 5


@pytest.mark.parametrize("wrong", ["height", "time", "encoding", "signature", "chain", "gas"])
def test_process_refuses_what_is_wrong_on_its_face(ledger: Ledger, wrong: str) -> None:
    """CHAIN-6"""
    ledger.block()
    height, time, raw = 2, ledger.time + 1, transfers(ledger, 3, gas_limit=600_000_000)
    if wrong == "height":
        height = 3
    elif wrong == "time":
        time = ledger.time - 1
    elif wrong == "encoding":
        raw[1] += b"\x00"
    elif wrong == "signature":
        raw[1] = raw[1].replace(raw[1][-70:-60], bytes(10))
    elif wrong == "chain":
        raw[1] = transfers(ledger, 1, chain_id="other-" + "0" * 32)[0]
    else:
        raw += transfers(ledger, 1, gas_limit=600_000_000)
    refused = ledger.application.process(Proposal(height, time, tuple(raw)))
    assert isinstance(refused, Rejected)
    assert (refused.rule, refused.code) == ("CHAIN-6", "bad_proposal")


def test_a_nonce_out_of_order_is_a_matter_of_execution(ledger: Ledger) -> None:
    """CHAIN-6: it depends on state, so it is decided there, without effect (TX-6)."""
    one, two = transfers(ledger, 2)
    assert ledger.application.process(Proposal(1, ledger.time, (two, one))) is None
    assert [result.code for result in ledger.block(two, one)] == ["nonce_too_high", ""]


def test_the_app_hash_depends_on_neither_height_nor_time(tmp_path: Path) -> None:
    """CHAIN-3"""
    hashes: list[tuple[bytes, int]] = []
    for name, empty, advance in (("one", 0, 1), ("two", 7, 12_345)):
        ledger = Ledger(tmp_path / name)
        before = ledger.application.app_hash
        for _ in range(empty):
            ledger.block(advance=advance)
            assert ledger.application.app_hash == before
        ledger.block(*transfers(ledger, 2, expiry_height=50))
        hashes.append((ledger.application.app_hash, ledger.application.height))
        ledger.close()
    assert hashes[0][0] == hashes[1][0] and hashes[0][1] != hashes[1][1]


def test_finalising_changes_nothing_until_commit(ledger: Ledger) -> None:
    """CHAIN-5: a proposal may be finalised and dropped, and another one take its place."""
    application = ledger.application
    before = application.header
    raw = transfers(ledger, 2)
    first = application.finalise(Proposal(1, ledger.time + 5, (raw[0],)))
    assert application.header == before and ledger.balance(CONSUMER.address) == 10**12
    second = application.finalise(Proposal(1, ledger.time + 5, tuple(raw)))
    third = application.finalise(Proposal(1, ledger.time + 5, (raw[0],)))
    assert first == third != second
    application.commit()
    assert application.app_hash == first.header.app_hash
    with pytest.raises(RuntimeError):
        application.commit()


def test_a_reopened_store_goes_on_where_it_stopped(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    ledger.publish(linear())
    header = ledger.application.header
    ledger.close()
    again = Ledger(tmp_path / "data")
    assert again.application.header == header
    again.ok(OPERATOR, "LEDGER_TRANSFER", GIVE, (salted(b"note"),))
    again.close()


def test_a_store_of_another_chain_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path / "data").close()
    store = Store.open(tmp_path / "data")
    with pytest.raises(BadNode, match="the store is of chain"):
        Application(store, genesis(name="other"))
    store.close()


@pytest.mark.parametrize("versions", [{"protocol_version": 2}, {"gas_version": 2}])
def test_a_node_that_lacks_a_version_does_not_start(
    tmp_path: Path, versions: dict[str, int]
) -> None:
    """CHAIN-7"""
    store = Store.open(tmp_path / "data")
    with pytest.raises(BadNode, match="version 2"):
        Application(store, genesis(**versions))
    assert store.get("meta", b"chain_id") is None
    store.close()


def test_a_damaged_state_is_found_when_the_node_starts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    with ledger.store.write() as batch:
        batch.delete("nodes", batch.scan("nodes", b"", None)[0][0])
    ledger.close()
    store = Store.open(tmp_path / "data")
    with pytest.raises((BadNode, ValueError)):
        Application(store, genesis())
    store.close()


def test_what_is_remembered_of_transactions_is_bounded(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node's memory does not grow with what was once sent to it."""
    monkeypatch.setattr("synnergy.chain.verified.REMEMBERED_BYTES", 3_000)
    authenticate = ledger.application.authenticate
    raw = transfers(ledger, 20)
    for one in raw:
        assert not isinstance(authenticate(one), Rejected)
    assert authenticate.remembered_bytes <= 3_000
    assert authenticate.remembered_bytes == sum(map(len, authenticate.remembered))
    assert [result.status for result in ledger.block(*raw)] == ["ok"] * 20


def test_signatures_verified_ahead_are_the_same(tmp_path: Path) -> None:
    """What threads verify before a block is executed, a bad signature among it."""
    ledger = Ledger(tmp_path / "data")
    raw = transfers(ledger, 100)
    forged = raw[70][:-66] + bytes(64) + raw[70][-2:]
    with ThreadPoolExecutor(3) as pool:
        ahead = Authenticator(ledger.application.chain_id, pool)
        given = [*raw[:70], forged, *raw[71:], b"", raw[0]]
        ahead.ahead(given)
        assert set(ahead.remembered) == {*raw} - {raw[70]}
        alone = Authenticator(ledger.application.chain_id)
        alone.ahead(given)
        assert not alone.remembered
        assert [ahead(one) for one in given] == [alone(one) for one in given]
    ledger.close()


def test_a_proposal_of_rubbish_costs_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHAIN-6: its proposer may put millions of entries of a byte into one block."""
    looked_at: list[bytes] = []

    def counting(raw: bytes, chain_id: str) -> Transaction | Rejected:
        looked_at.append(raw)
        return authenticate(raw, chain_id)

    monkeypatch.setattr(verified, "authenticate", counting)
    store = Store.open(tmp_path / "data")
    with ThreadPoolExecutor(3) as pool:
        application = Application(store, genesis(), pool)
        rubbish = Proposal(1, application.header.time, (b"x",) * 1_000_000)
        assert application.process(rubbish) is not None
    assert len(looked_at) <= verified.AT_A_TIME + 1
    store.close()
