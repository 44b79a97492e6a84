"""Payments and flags, in the fewest words."""

from __future__ import annotations

from synnergy.identity.keys import KeyPair
from synnergy.opcodes import ledger as money
from synnergy.opcodes import oversight
from synnergy.opcodes.flags import DEFAULT_OVERSIGHT
from synnergy.pipeline import TransactionResult
from synnergy.state import records
from tests.ledger.harness import OPERATOR, REGULATOR, Ledger, key

HOUR = 3_600_000
SHOP = key("shop")


def pay(
    ledger: Ledger, amounts: list[int], sender: KeyPair = OPERATOR, to: KeyPair = SHOP
) -> list[TransactionResult]:
    """Payments in one block, each of which must succeed."""
    account = records.accounts.load(ledger.state, sender.address)
    assert account is not None
    raw = [
        ledger.envelope(
            sender,
            "LEDGER_TRANSFER",
            money.Transfer(to.address, amount),
            nonce=account.nonce + index,
            gas_limit=100_000,
        )
        for index, amount in enumerate(amounts)
    ]
    results = ledger.block(*raw)
    assert [(result.status, result.message) for result in results] == [("ok", "")] * len(raw)
    return list(results)


def flags(ledger: Ledger, wallet: KeyPair = OPERATOR) -> dict[str, dict[str, int | str]]:
    """Figures of open flags by kind; the wallet's record must name the same kinds."""
    opened = records.flags.load(ledger.state, wallet.address)
    known = records.wallets.load(ledger.state, wallet.address)
    found = {flag.kind: flag.figures for flag in opened.flags} if opened else {}
    assert known is not None and known.flags == tuple(found)
    return found


def limit(ledger: Ledger, wallet: KeyPair, amount: int | None, period: int = HOUR) -> None:
    arguments = oversight.SetLimit(wallet.address, amount, period)
    ledger.ok(REGULATOR, "REGULATION_SET_LIMIT", arguments)


def configure(ledger: Ledger, **changes: int) -> None:
    """Other parameters of oversight than those a ledger begins with."""
    values = {
        name: getattr(DEFAULT_OVERSIGHT, name) for name in DEFAULT_OVERSIGHT.__struct_fields__
    }
    arguments = oversight.SetOversight(**(values | changes))
    ledger.ok(REGULATOR, "REGULATION_SET_OVERSIGHT", arguments)


def next_window(ledger: Ledger) -> None:
    """An empty block at the very beginning of the next hour."""
    ledger.block(advance=HOUR - ledger.time % HOUR)
