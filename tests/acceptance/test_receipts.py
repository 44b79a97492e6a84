"""A receipt holds without a node; a flipped bit, another input, model or ledger does not."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.acceptance import market, networks
from tests.acceptance.command_line import NOWHERE, CommandLine
from tests.acceptance.conftest import Ledger
from tests.acceptance.input_files import write_input

FLIPS = 6


@pytest.fixture(scope="module")
def receipt(
    bought: market.Bought, ledger: Ledger, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    file = tmp_path_factory.mktemp("receipts") / "call.receipt"
    words = (*market.invocation(bought), "--reference", "case 17")
    called = ledger.type.ask(*words)
    ledger.type.ask("receipt", "export", called["receipt"], "--out", file)
    return file


@pytest.fixture
def offline(cli: CommandLine) -> CommandLine:
    return cli.at(NOWHERE)


def verification(receipt: Path, sale: market.Sale) -> tuple[object, ...]:
    return ("receipt", "verify", receipt, "--model", sale.file, "--input", sale.input)


def test_it_holds_for_anyone_who_trusts_the_genesis(
    offline: CommandLine, receipt: Path, on_sale: market.Sale, tmp_path: Path
) -> None:
    offline.ask(*verification(receipt, on_sale))
    stranger = CommandLine(tmp_path / "nothing-here")
    genesis = offline.home / "genesis.json"
    stranger.ask(*verification(receipt, on_sale), "--trusted", genesis)
    assert stranger.fail(*verification(receipt, on_sale))["code"] == "untrusted_root"
    story = stranger.type("receipt", "show", receipt)
    assert story.code == 0 and "common" in story.output and len(story.output.split()) > 40
    assert stranger.ask("receipt", "show", receipt)


def test_every_flipped_bit_is_caught(
    offline: CommandLine, receipt: Path, on_sale: market.Sale, tmp_path: Path
) -> None:
    content = receipt.read_bytes()
    chance = random.Random(20)
    for _ in range(FLIPS):
        bit = chance.randrange(len(content) * 8)
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        forged = tmp_path / "forged.receipt"
        forged.write_bytes(flipped)
        error = offline.fail(*verification(forged, on_sale))
        assert error["code"] != "internal", (bit, error)


@pytest.mark.parametrize("cut", [0, -1])
def test_a_cut_receipt_is_no_receipt(
    offline: CommandLine, receipt: Path, on_sale: market.Sale, tmp_path: Path, cut: int
) -> None:
    part = tmp_path / "part.receipt"
    part.write_bytes(receipt.read_bytes()[:cut])
    assert offline.fail(*verification(part, on_sale))["code"] == "malformed_receipt"


def test_another_input_or_model_is_caught(
    offline: CommandLine, receipt: Path, on_sale: market.Sale, tmp_path: Path
) -> None:
    rows = np.load(write_input(tmp_path / "same", networks.mixture().held_out, "npy"))
    rows[0, 0] = np.nextafter(rows[0, 0], np.float32(9))
    np.save(tmp_path / "other.npy", rows)
    words = ("receipt", "verify", receipt, "--model", on_sale.file)
    assert offline.fail(*words, "--input", tmp_path / "other.npy")["code"] == "wrong_input"
    flipped = bytearray(on_sale.file.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (tmp_path / "other.onnx").write_bytes(flipped)
    words = ("receipt", "verify", receipt, "--model", tmp_path / "other.onnx")
    assert offline.fail(*words, "--input", on_sale.input)["code"] == "wrong_model"


def test_another_ledger_is_not_believed(
    offline: CommandLine, receipt: Path, on_sale: market.Sale, tmp_path: Path
) -> None:
    other = CommandLine(tmp_path / "other")
    genesis = other.ask("init", "--dev")["genesis"]
    own = offline.home / "genesis.json"
    assert offline.fail(*verification(receipt, on_sale), "--trusted", genesis)["code"]
    edited = tmp_path / "genesis.json"
    addresses = [
        {wallet["name"]: wallet["address"] for wallet in one.ask("wallet", "ls")["wallets"]}
        for one in (offline, other)
    ]
    mine, theirs = (one["regulator"] for one in addresses)
    assert mine in own.read_text()
    edited.write_text(own.read_text().replace(mine, theirs))
    assert offline.fail(*verification(receipt, on_sale), "--trusted", edited)["code"]


def test_without_its_opening_it_says_what_is_missing(
    offline: CommandLine, receipt: Path, on_sale: market.Sale, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.receipt"
    file = msgspec.msgpack.decode(receipt.read_bytes())
    assert file["opening"] is not None
    file["opening"] = None
    bare.write_bytes(msgspec.msgpack.encode(file))
    error = offline.fail(*verification(bare, on_sale))
    assert "opening" in error["code"] + error["message"], error
