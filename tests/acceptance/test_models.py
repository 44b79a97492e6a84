"""Models that the ledger has never seen: sold, called, charged as quoted, verified offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance import market, networks, trained
from tests.acceptance.command_line import NOWHERE, CommandLine
from tests.acceptance.input_files import write_input
from tests.acceptance.outputs import assert_file_agrees, assert_lists_agree, expected

SOLD = trained.SOLD | networks.SOLD
RUN = trained.RUN | networks.RUN


def slug(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title.lower())


@pytest.mark.parametrize("title", SOLD)
def test_a_model_is_sold_called_and_verified(cli: CommandLine, tmp_path: Path, title: str) -> None:
    model = SOLD[title]()
    wanted = expected(model.content, model.held_out)
    sale = market.sell(cli, tmp_path, slug(title), model)
    bought = market.buy(cli, sale)
    terms = ("--licence", bought.licence, "--input", sale.input, "--from", "consumer")

    quote = cli.ask("model", "quote", sale.reference, *terms)
    assert quote["price"] == market.PRICE
    assert quote["total"] == quote["fee"] + quote["price"]

    out = tmp_path / "outputs.npz"
    called = cli.ask("model", "invoke", sale.reference, *terms, "--out", out)
    assert called["gas_used"] == quote["gas"]
    assert isinstance(called["height"], int)
    assert_lists_agree(called["outputs"], wanted)
    assert_file_agrees(out, wanted)

    receipt = tmp_path / "receipt"
    cli.ask("receipt", "export", called["receipt"], "--out", receipt)
    # Another form of the same input has the same digest.
    again = write_input(tmp_path / "again", model.held_out, "npz")
    checked = cli.at(NOWHERE).ask(
        "receipt", "verify", receipt, "--model", sale.file, "--input", again
    )
    assert_lists_agree(checked.get("outputs", called["outputs"]), wanted)


@pytest.mark.parametrize("title", RUN)
def test_a_model_runs_without_a_ledger(tmp_path: Path, title: str) -> None:
    model = RUN[title]()
    wanted = expected(model.content, model.held_out)
    file = tmp_path / "model.onnx"
    file.write_bytes(model.content)
    given = write_input(tmp_path / "input", model.held_out, model.form)
    alone = CommandLine(tmp_path / "no-home")
    missing = ("--allow-missing",) if model.allow_missing else ()

    out = tmp_path / "outputs.npz"
    ran = alone.ask("tensor", "run", file, "--input", given, "--out", out, *missing)
    assert_lists_agree(ran["outputs"], wanted)
    assert_file_agrees(out, wanted)
