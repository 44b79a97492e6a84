"""GAS-4, GAS-6: a quote depends on no integer of the header, and is then what is charged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from synnergy.identity.authenticate import Transaction, decode_transaction
from synnergy.opcodes import ledger as money
from synnergy.pipeline import intrinsic_gas
from tests.chain.market import buying, calling, input_attachment, licensed, program_of
from tests.chain.small_models import doubled, linear
from tests.chain.test_hostile_market import publication
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, Ledger, salted, tensors


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "data")
    yield opened
    opened.close()


def quoted(ledger: Ledger, raw: bytes) -> int:
    transaction = decode_transaction(raw, ledger.application.chain_id)
    assert isinstance(transaction, Transaction)
    return ledger.application.quote(transaction).gas_used


GIVE = money.Transfer(CONSUMER.address, 5)
HEADERS: list[dict[str, object]] = [
    {"nonce": 2**53 - 1},
    {"gas_limit": 10**9},
    {"gas_limit": 20_000},
    {"gas_price": 2**53 - 1},
    {"gas_price": 0},
    {"expiry_height": 2**53 - 1},
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_quote_depends_on_no_integer_of_the_header(
    ledger: Ledger, header: dict[str, object]
) -> None:
    usual = quoted(ledger, ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE))
    assert quoted(ledger, ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, **header)) == usual


def test_each_kind_of_transaction_is_charged_what_was_quoted(ledger: Ledger) -> None:
    model, licence = licensed(ledger, linear(), calls=9)
    rows = np.ones((50, 2), np.float32)
    twice, data = program_of(
        *(("INFERENCE_INVOKE", calling(model, licence)),) * 2, ("LEDGER_TRANSFER", GIVE)
    )
    several = (salted(tensors(X=rows)), salted(b"order 7", b"r" * 32))
    kinds = [
        ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE),
        ledger.envelope(PUBLISHER, "LEDGER_TRANSFER", GIVE, (salted(b"note" * 100),)),
        ledger.envelope(CONSUMER, "LICENCE_BUY", buying(ledger, model, 2)),
    ]
    kinds_in_turn = [
        lambda: ledger.envelope(
            CONSUMER, "INFERENCE_INVOKE", calling(model, licence), input_attachment()
        ),
        lambda: ledger.envelope(
            CONSUMER,
            "INFERENCE_INVOKE",
            type(calling(model, licence))(model, licence, 0, 1),
            several,
        ),
        lambda: ledger.envelope(CONSUMER, "", data, input_attachment(), code=twice),
    ]
    for raw in kinds:
        expected = quoted(ledger, raw)
        assert ledger.block(raw)[0].gas_used == expected
    for make in kinds_in_turn:
        raw = make()
        expected = quoted(ledger, raw)
        result = ledger.block(raw)[0]
        assert (result.status, result.gas_used) == ("ok", expected)


def test_publishing_is_charged_what_was_quoted(ledger: Ledger) -> None:
    digest = ledger.upload(doubled())
    raw = ledger.envelope(PUBLISHER, "MODEL_PUBLISH", publication(digest))
    expected = quoted(ledger, raw)
    assert ledger.block(raw)[0].gas_used == expected


def test_a_limit_of_exactly_the_intrinsic_gas_is_admissible(ledger: Ledger) -> None:
    """GAS-4: below it nothing happens, from it on the fee is due."""
    raw = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE)
    transaction = decode_transaction(raw, ledger.application.chain_id)
    assert isinstance(transaction, Transaction)
    around = ledger.application.surroundings(1, ledger.time, ledger.state, {})
    intrinsic = intrinsic_gas(transaction, around.schedule)
    low = ledger.send(OPERATOR, "LEDGER_TRANSFER", GIVE, gas_limit=intrinsic - 1)
    assert (low.status, low.code) == ("inadmissible", "gas_limit_too_low")
    enough = ledger.send(OPERATOR, "LEDGER_TRANSFER", GIVE, gas_limit=intrinsic)
    assert (enough.status, enough.code) == ("refused", "out_of_gas")
    assert enough.gas_used == intrinsic
