"""CHAIN-7, CHAIN-15, REG-13: a chain that changes its protocol version on the way.

Version 2 is made up here: another gas table, in which transfers and tensor work cost more.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from synnergy.chain.application import Application, BadNode
from synnergy.chain.block import Proposal
from synnergy.chain.replay import replay
from synnergy.chain.versions import VERSIONS, Version
from synnergy.engines.solo import SoloEngine
from synnergy.gas import schedule
from synnergy.gas.schedule import load_schedule
from synnergy.opcodes import governance
from synnergy.opcodes import ledger as money
from synnergy.opcodes.governance import UPGRADE_NOTICE
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.store import Store
from tests.chain.market import call, licensed
from tests.chain.small_models import doubled, linear
from tests.governance.support import reason
from tests.ledger.harness import CONSUMER, OPERATOR, REGULATOR, SIGNER, Ledger, genesis

SET = "REGULATION_SET_PROTOCOL"
GIVE = money.Transfer(CONSUMER.address, 5)
TABLE = Path(schedule.__file__).with_name("v1.toml").read_text("utf-8")
TENSOR_WORK = 10_000_000
EXPENSIVE = {
    "LEDGER_TRANSFER": 1_000,
    "transaction": 7,
    "macs": TENSOR_WORK,
    "elements": TENSOR_WORK,
}


def dearer(text: str) -> str:
    """Table 1 as version 2, with some rows dearer by the factor or amount given above."""

    def raised(match: re.Match[str]) -> str:
        name, gas = match[1], int(match[2])
        if name == "transaction" and gas > 10_000_000:  # the limit, not the price
            return match[0]
        return f"{name} = {{ gas = {gas + EXPENSIVE.get(name, 0)},"

    table = re.sub(r"^(\w+) = \{ gas = (\d+),", raised, text, flags=re.MULTILINE)
    return table.replace("version = 1\n", "version = 2\n", 1)


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This release knows versions 1 and 2."""
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "v1.toml").write_text(TABLE, "utf-8")
    (tables / "v2.toml").write_text(dearer(TABLE), "utf-8")
    monkeypatch.setattr(schedule, "resources", SimpleNamespace(files=lambda _: tables))
    load_schedule.cache_clear()
    monkeypatch.setitem(VERSIONS, 2, Version(2, gas=2))
    yield
    load_schedule.cache_clear()


def forget_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be an older release from here on."""
    monkeypatch.delitem(VERSIONS, 2)


def upgrade(ledger: Ledger) -> int:
    """Agree on version 2 as soon as may be, and come to the block before it; its height."""
    height = ledger.application.height + 1 + UPGRADE_NOTICE
    ledger.ok(REGULATOR, SET, governance.SetProtocol(2, height))
    while ledger.application.height < height - 1:
        ledger.block()
    return height


def test_prices_change_with_the_block(ledger: Ledger, two: None) -> None:
    model, licence = licensed(ledger, linear(), calls=5)
    before = ledger.send(OPERATOR, "LEDGER_TRANSFER", GIVE)
    called = ledger.block(call(ledger, model, licence))[0]
    height = upgrade(ledger)
    assert ledger.application.governance().protocol_version == 1
    raw = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE)
    transaction = ledger.application.authenticate(raw)
    assert not isinstance(transaction, Rejected)
    quoted = ledger.application.quote(transaction)
    assert ledger.application.prepare([raw]) == (raw,)
    after = ledger.block(raw)[0]
    assert after.gas_used == quoted.gas_used == before.gas_used + 1_007
    assert ledger.application.height == height
    in_force = ledger.application.governance()
    assert (in_force.protocol_version, in_force.gas_version) == (2, 2)
    assert records.upgrade.load(ledger.state, records.SINGLE) is None
    # The licence keeps its table for tensor work; what is not the licence's is dearer.
    again = ledger.block(call(ledger, model, licence))[0]
    assert again.gas_used == called.gas_used + 7
    fresh = licensed(ledger, doubled(), calls=5, name="fresh")
    dear = ledger.block(call(ledger, *fresh))[0]
    assert dear.gas_used > again.gas_used + TENSOR_WORK // 1_000


def test_limits_are_those_of_the_coming_block(ledger: Ledger, two: None) -> None:
    """A gas limit that pays for the carriage under table 1 alone is not enough for block H."""
    upgrade(ledger)
    raw = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE)
    transaction = ledger.application.authenticate(raw)
    assert not isinstance(transaction, Rejected)
    body = transaction.body
    least = load_schedule(1).intrinsic_gas(len(body.data), len(body.code), [])
    raw = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, gas_limit=least)
    refused = ledger.application.check(raw, ledger.application.journal())
    assert isinstance(refused, Rejected) and refused.code == "gas_limit_too_low"


def test_a_replay_crosses_the_boundary(
    tmp_path: Path, two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "chain")
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", GIVE)
    height = upgrade(ledger)
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", GIVE)
    ledger.block()
    ledger.close()
    result = replay(tmp_path / "chain", genesis())
    assert result.problem is None and result.height == height + 1
    forget_two(monkeypatch)
    with pytest.raises(BadNode, match=f"block {height} is under protocol version 2"):
        replay(tmp_path / "chain", genesis())


def test_a_node_that_lacks_the_version_halts_and_goes_on_once_it_knows(
    tmp_path: Path, two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = VERSIONS[2]
    ledger = Ledger(tmp_path / "chain")
    forget_two(monkeypatch)
    # Whether this node knows the version plays no part in agreeing on it.
    height = upgrade(ledger)
    app_hash = ledger.application.app_hash
    raw = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE)
    says = f"block {height} is under protocol version 2, and this release knows 1; install"
    with pytest.raises(BadNode, match=says):
        ledger.application.finalise(Proposal(height, ledger.time + 1, (raw,)))
    with pytest.raises(BadNode, match=says):
        ledger.application.prepare([raw])
    assert (ledger.application.height, ledger.application.app_hash) == (height - 1, app_hash)
    ledger.close()
    store = Store.open(tmp_path / "chain")
    with pytest.raises(BadNode, match=says):
        Application(store, genesis())
    store.close()
    monkeypatch.setitem(VERSIONS, 2, known)
    upgraded = Ledger(tmp_path / "chain")
    assert upgraded.block(raw)[0].status == "ok"
    assert upgraded.application.governance().protocol_version == 2
    upgraded.close()


def test_the_engine_halts_before_the_block(tmp_path: Path) -> None:
    """It acknowledges the last block it can make, and then takes nothing more."""
    ledger = Ledger(tmp_path / "chain")
    height = upgrade_but_one(ledger)
    engine = SoloEngine(ledger.application, SIGNER)
    raw = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE)
    engine.start()
    submitted = engine.submit(raw)
    assert not isinstance(submitted, Rejected)
    committed = submitted.wait(60)
    assert committed is not None and committed.height == height - 1
    engine._thread.join(60)
    assert engine.failure is not None and f"block {height} is under" in engine.failure
    late = engine.submit(ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE))
    assert isinstance(late, Rejected) and late.code == "halted"
    engine.stop()
    ledger.close()


def upgrade_but_one(ledger: Ledger) -> int:
    """As `upgrade`, to two blocks before it."""
    height = ledger.application.height + 1 + UPGRADE_NOTICE
    ledger.ok(REGULATOR, SET, governance.SetProtocol(2, height))
    while ledger.application.height < height - 2:
        ledger.block()
    return height


def test_the_engine_warns_when_an_upgrade_is_agreed_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(tmp_path / "chain")
    engine = SoloEngine(ledger.application, SIGNER)
    engine.start()
    raw = ledger.envelope(REGULATOR, SET, governance.SetProtocol(9, 1_000))
    with caplog.at_level(logging.WARNING):
        submitted = engine.submit(raw)
        assert not isinstance(submitted, Rejected) and submitted.wait(60) is not None
        engine.stop()
    warned = [record.reason for record in caplog.records if record.message == "upgrade"]
    assert len(warned) == 1 and "from block 1000 on" in warned[0]
    ledger.close()


@pytest.mark.parametrize(
    ("version", "height", "code"),
    [
        (2, 0, "too_soon"),
        (2, 1, "too_soon"),
        (2, UPGRADE_NOTICE, "too_soon"),
        (1, 1_000, "old_version"),
        (0, 1_000, "old_version"),
        (1, 0, "no_upgrade"),
    ],
)
def test_what_cannot_be_agreed_on(ledger: Ledger, version: int, height: int, code: str) -> None:
    """The past, too little notice, an older version, taking back what is not there."""
    refused = ledger.send(REGULATOR, SET, governance.SetProtocol(version, height))
    assert reason(refused) == ("refused", "REG-13", code)


def test_a_second_upgrade_takes_the_place_of_the_first(ledger: Ledger) -> None:
    ledger.ok(REGULATOR, SET, governance.SetProtocol(2, 500))
    ledger.ok(REGULATOR, SET, governance.SetProtocol(3, 400))
    assert records.upgrade.load(ledger.state, records.SINGLE) == records.Upgrade(3, 400)
    ledger.ok(REGULATOR, SET, governance.SetProtocol(1, 0))
    assert records.upgrade.load(ledger.state, records.SINGLE) is None
    assert ledger.send(REGULATOR, SET, governance.SetProtocol(1, 0)).code == "no_upgrade"


def test_an_upgrade_outlives_a_restart(tmp_path: Path, two: None) -> None:
    ledger = Ledger(tmp_path / "chain")
    ledger.ok(REGULATOR, SET, governance.SetProtocol(2, 1 + UPGRADE_NOTICE))
    ledger.close()
    again = Ledger(tmp_path / "chain")
    while again.application.height < UPGRADE_NOTICE:
        again.block()
    assert again.application.governance().protocol_version == 1
    again.block()
    assert again.application.governance().protocol_version == 2
    again.close()
