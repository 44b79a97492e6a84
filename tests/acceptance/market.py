"""The way of a model through a ledger, as its people type it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.command_line import CommandLine
from tests.acceptance.input_files import write_input
from tests.acceptance.published import Model

PRICE = 1_000


@dataclass(frozen=True)
class Sale:
    """A model on sale at PRICE a call, its file and an input for it."""

    reference: str
    model: str
    file: Path
    input: Path


@dataclass(frozen=True)
class Bought:
    sale: Sale
    licence: str


def publish(ledger: CommandLine, folder: Path, name: str, model: Model, *more: str) -> Sale:
    """Write the files, and publish under `name`."""
    file = folder / f"{name}.onnx"
    file.write_bytes(model.content)
    given = write_input(folder / f"{name}-input", model.held_out, model.form)
    missing = ("--allow-missing",) if model.allow_missing else ()
    published = ledger.ask(
        *("model", "publish", file, "--name", name, "--from", "publisher", *missing, *more)
    )
    assert set(published) >= {"model", "digest", "gas_used"}
    return Sale(f"publisher/{name}@1", published["model"], file, given)


def approve(ledger: CommandLine, sale: Sale, regulator: str = "regulator") -> dict[str, Any]:
    return ledger.ask("model", "approve", sale.reference, "--from", regulator)


def offer(ledger: CommandLine, sale: Sale, *more: object, price: int = PRICE) -> dict[str, Any]:
    return ledger.ask(
        *("model", "offer", sale.reference, "--price-per-call", price),
        *("--from", "publisher", *more),
    )


def buy(ledger: CommandLine, sale: Sale, calls: int = 1, who: str = "consumer") -> Bought:
    bought = ledger.ask("model", "buy", sale.reference, "--calls", calls, "--from", who)
    assert set(bought) >= {"licence", "escrow", "expires"}
    return Bought(sale, bought["licence"])


def invocation(bought: Bought, who: str = "consumer", **changed: object) -> tuple[object, ...]:
    """The words of a call."""
    return (
        *("model", "invoke", bought.sale.reference, "--licence", bought.licence),
        *("--input", changed.get("given", bought.sale.input), "--from", who),
    )


def sell(ledger: CommandLine, folder: Path, name: str, model: Model, *more: str) -> Sale:
    """Publish, approve and offer."""
    sale = publish(ledger, folder, name, model, *more)
    approve(ledger, sale)
    offer(ledger, sale)
    return sale
