"""NET-41: what CometBFT's lines mean, and what other members add, whatever they answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from synnergy.engines.cometbft import divergence as module
from synnergy.engines.cometbft.divergence import Divergence, compare, is_failure, read_failure
from synnergy.engines.cometbft.process import parse_line
from synnergy.opcodes import ledger as money
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import Header
from synnergy.wire.codec import decode_trusted
from tests.ledger.harness import CONSUMER, OPERATOR, Ledger
from tests.network.membership.support import genesis_node, network

OWN, AGREED = "a" * 64, "b" * 64
WRONG = f"wrong Block.Header.AppHash.  Expected {OWN.upper()}, got {AGREED.upper()}"


def line(message: str, error: str) -> bytes:
    fields = {"level": "error", "module": "consensus", "_msg": message, "err": error}
    return json.dumps(fields).encode()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Two blocks, in the second a transfer, and a refused one."""
    opened = Ledger(tmp_path / "data", network())
    opened.block()
    transfer = money.Transfer(CONSUMER.address, 5)
    too_much = money.Transfer(CONSUMER.address, 2**53 - 1)
    opened.block(
        opened.envelope(OPERATOR, "LEDGER_TRANSFER", transfer),
        opened.envelope(OPERATOR, "LEDGER_TRANSFER", too_much, nonce=1),
    )
    yield opened
    opened.close()


@pytest.mark.parametrize("message", ["CONSENSUS FAILURE!!!", "Error in validation"])
def test_a_wrong_hash(ledger: Ledger, message: str) -> None:
    heard = parse_line(line(message, WRONG))
    assert is_failure(heard)
    assert read_failure(ledger.application, heard) == Divergence("state", 2, OWN, AGREED)


def test_wrong_results(ledger: Ledger) -> None:
    heard = parse_line(line("CONSENSUS FAILURE!!!", WRONG.replace("AppHash", "LastResultsHash")))
    assert read_failure(ledger.application, heard) == Divergence("results", 2, OWN, AGREED)


def test_a_panic_without_a_log_line(ledger: Ledger) -> None:
    heard = parse_line(b"panic: CONSENSUS FAILURE: +2/3 committed an invalid block: odd\n")
    assert is_failure(heard)
    told = read_failure(ledger.application, heard)
    assert isinstance(told, str) and "after block 2" in told and "odd" in told


def test_a_full_disk(ledger: Ledger) -> None:
    said = "write data/write-file-atomic-1: no space left on device"
    told = read_failure(ledger.application, parse_line(line("CONSENSUS FAILURE!!!", said)))
    assert isinstance(told, str) and "make room" in told and said in told


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("Error in validation", "invalid commit -- wrong set size: 4 vs 3"),
        ("prevote step: consensus deems this block invalid; prevoting nil", WRONG),
        ("Stopping peer for error", f"reactor validation error: {WRONG}"),
    ],
)
def test_what_others_may_cause_is_no_failure(message: str, error: str) -> None:
    assert not is_failure(parse_line(line(message, error)))


# ---- members --------------------------------------------------------------------------------

Answers = Callable[[str], bytes | None]


@contextmanager
def member(answers: Answers) -> Iterator[str]:
    """A node's API whose answer to a path is what `answers` says, 404 for None."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = answers(self.path.partition("?")[0])
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def as_served(ledger: Ledger) -> dict[str, Any]:
    """The second block, as this node's own API would serve it."""
    header: Header = ledger.application.header
    return {
        "app_hash": header.app_hash.hex(),
        "transactions_root": header.transactions.hex(),
        "results_root": header.results.hex(),
        "results": [
            {"transaction": one.transaction.hex(), "status": one.status, "code": one.code}
            for one in own_results(ledger)
        ],
    }


def own_results(ledger: Ledger) -> list[TransactionResult]:
    found = ledger.store.scan("results", b"", None)
    return [decode_trusted(value, TransactionResult) for _, value in found]


def told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, answers: Answers) -> str:
    """What is said of the second block where one member, of several, answers so."""
    own = as_served(ledger)
    divergence = Divergence("state", 2, own["app_hash"], AGREED)
    with (
        member(lambda _: None) as silent,
        member(lambda path: json.dumps(own).encode() if "blocks" in path else None) as alike,
        member(answers) as other,
    ):
        addresses = ("http://127.0.0.1:9", silent, alike, other)
        monkeypatch.setattr(module, "endpoints", lambda _: addresses)
        return compare(ledger.application, divergence).replace(other, "OTHER")


def answering(ledger: Ledger, **changes: object) -> Answers:
    """The block with these changes, and of each transaction the same as here."""
    block = as_served(ledger) | {"app_hash": AGREED} | changes
    by_id = {one.transaction.hex(): one for one in own_results(ledger)}

    def answers(path: str) -> bytes | None:
        if path == "/v1/blocks/2":
            return json.dumps(block).encode()
        one = by_id.get(path.rpartition("/")[2])
        if one is None:
            return None
        result = {"gas_used": one.gas_used, "fee": one.fee, "output": one.output.hex()}
        return json.dumps({"result": result | {"where": one.where}}).encode()

    return answers


def test_the_same_results(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told(ledger, monkeypatch, answering(ledger))
    assert said.startswith("OTHER has that block as agreed: its 2 transactions have the same")


def test_other_transactions(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told(ledger, monkeypatch, answering(ledger, transactions_root="c" * 64))
    assert said.endswith("it holds other transactions there")


def test_another_status(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    results = as_served(ledger)["results"]
    results[1] |= {"status": "ok", "code": ""}
    said = told(ledger, monkeypatch, answering(ledger, results_root="c" * 64, results=results))
    assert (
        f"transaction 1 ({results[1]['transaction']}): status 'refused' here, 'ok' there" in said
    )


def test_another_fee(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    same = answering(ledger, results_root="c" * 64)

    def answers(path: str) -> bytes | None:
        content = same(path)
        if content is None or "transactions" not in path:
            return content
        found = msgspec.json.decode(content)
        found["result"]["fee"] += 1
        return msgspec.json.encode(found)

    said = told(ledger, monkeypatch, answers)
    assert "first of transaction 0" in said and ": fee '" in said


def test_results_that_differ_in_nothing_that_is_served(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = told(ledger, monkeypatch, answering(ledger, results_root="c" * 64))
    assert said.endswith("in events or receipts")


HUGE = json.dumps({"app_hash": AGREED, "rest": "x" * 1_000_000}).encode()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff" * 100, b'{"app_hash": 1}', b'{"app_hash": "' + b"b" * 64 + b'"}', HUGE],
    ids=["empty", "list", "bytes", "number", "partial", "huge"],
)
def test_what_cannot_be_used(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(module, "MAX_REPLY_BYTES", 100_000)
    assert told(ledger, monkeypatch, lambda _: content) == ""


def test_a_members_words_are_cut(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    results = as_served(ledger)["results"]
    results[0] |= {"status": "\x1b[31m" + "long" * 10_000}
    said = told(ledger, monkeypatch, answering(ledger, results_root="c" * 64, results=results))
    assert len(said) < 500 and "\x1b" not in said


def test_more_results_than_there_are(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    results = as_served(ledger)["results"]
    more = [*results, *results]
    said = told(ledger, monkeypatch, answering(ledger, results_root="c" * 64, results=more))
    assert "there are only 2 here" in said


def test_members_that_take_their_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """All together they are given COMPARE_SECONDS, and one answer more."""
    monkeypatch.setattr(module, "COMPARE_SECONDS", 0.5)

    def slow(_: str) -> bytes | None:
        time.sleep(0.4)
        return None

    with member(slow) as address:
        monkeypatch.setattr(module, "endpoints", lambda _: (address,) * 50)
        begun = time.monotonic()
        assert compare(ledger.application, Divergence("state", 2, OWN, AGREED)) == ""
        assert time.monotonic() - begun < 10


def test_nobody_to_ask(tmp_path: Path) -> None:
    nodes = (genesis_node("a", OPERATOR, 10),)
    silent = tuple(msgspec.structs.replace(node, endpoint="") for node in nodes)
    ledger = Ledger(tmp_path / "alone", network(validators=silent))
    assert compare(ledger.application, Divergence("state", 0, OWN, AGREED)) == ""
    ledger.close()
