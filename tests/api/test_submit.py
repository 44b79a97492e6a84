"""Handing transactions over: outcomes, waiting, back-pressure (API-4, API-5)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient

from synnergy.api.app import create_app
from synnergy.api.node import Node
from synnergy.api.waiting import READERS
from synnergy.engines.waiting import Committed
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from tests.api.fakes import FakeEngine, Promise
from tests.api.support import CONSUMER, OCTETS, OPERATOR, STRANGER, World

ID = b"\x07" * 32


@contextmanager
def serving(world: World, answer: Promise | Rejected, **engine: object) -> Iterator[tuple]:
    fake = FakeEngine(answer, **engine)  # type: ignore[arg-type]
    with TestClient(create_app(Node(world.ledger.application, fake))) as client:
        yield client, fake


def committed() -> Committed:
    result = TransactionResult(ID, "ok", "", "", "", "", 21, 42, b"\x01", (), ())
    return Committed(9, 3, result)


def test_committed_within_the_wait(world: World) -> None:
    answer = world.post(world.transfer_of(11))
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == body["result"]["status"] == "ok"
    found = world.get(f"/v1/transactions/{body['transaction']}").json()
    assert {name: found[name] for name in body} == body


def test_a_refused_transaction_is_committed_too(world: World) -> None:
    answer = world.post(world.transfer_of(10**15, sender=CONSUMER))
    assert answer.status_code == 200
    assert answer.json()["status"] == "refused"
    assert answer.json()["result"]["rule"] == "LEDGER-2"
    assert answer.json()["result"]["fee"] > 0


@pytest.mark.parametrize(
    ("change", "code", "rule"),
    [
        ({"nonce": 0}, "replayed", "TX-7"),
        ({"nonce": 10**6}, "nonce_too_high", "TX-7"),
        ({"chain_id": "other-" + "0" * 32}, "wrong_chain", "TX-3"),
        ({"expiry_height": 0}, "expired", "TX-8"),
        ({"gas_price": 0}, "gas_price_too_low", "GAS-5"),
        ({"gas_limit": 5}, "gas_limit_too_low", "GAS-4"),
        ({"gas_limit": 10**12}, "gas_limit_too_high", "GAS-5"),
        ({"signer": CONSUMER}, "wrong_signatures", "TX-5"),
        ({"sender": STRANGER}, "unregistered", "TX-7"),
    ],
)
def test_inadmissible_transactions_are_refused(
    world: World, change: dict[str, object], code: str, rule: str
) -> None:
    before = world.get("/v1/chain").json()["height"]
    answer = world.post(world.transfer_of(1, **{"sender": OPERATOR} | change))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["rule"]) == (code, rule)
    assert error["message"]
    assert world.get("/v1/chain").json()["height"] == before


def test_a_replayed_transaction_is_refused(world: World) -> None:
    raw = world.transfer_of(12)
    assert world.post(raw).status_code == 200
    answer = world.post(raw)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "replayed")


def test_not_waited_for(world: World) -> None:
    with serving(world, Promise(ID), pending={ID}) as (client, _):
        answer = client.post("/v1/transactions", content=b"x", headers=OCTETS)
        assert answer.status_code == 202
        assert answer.json() == {"transaction": ID.hex(), "status": "pending"}
        found = client.get(f"/v1/transactions/{ID.hex()}")
        assert found.status_code == 200
        assert found.json()["status"] == "pending"
        assert found.json()["result"] is None


def test_not_committed_within_the_wait(world: World) -> None:
    with serving(world, Promise(ID)) as (client, _):
        answer = client.post("/v1/transactions?wait=0.05", content=b"x", headers=OCTETS)
        assert answer.status_code == 202


def test_committed_while_waiting(world: World) -> None:
    promise = Promise(ID)

    def commit() -> None:
        promise.committed = committed()
        promise.done.set()

    with serving(world, promise) as (client, _):
        timer = threading.Timer(0.1, commit)
        timer.start()
        answer = client.post("/v1/transactions?wait=20", content=b"x", headers=OCTETS)
        timer.join()
    assert answer.status_code == 200
    assert (answer.json()["height"], answer.json()["index"]) == (9, 3)
    assert answer.json()["result"]["output"] == "01"


def test_dropped_while_waiting(world: World) -> None:
    promise = Promise(ID, dropped=Rejected("TX-8", "expired", "too late"))
    promise.done.set()
    with serving(world, promise) as (client, _):
        answer = client.post("/v1/transactions?wait=5", content=b"x", headers=OCTETS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "expired")


def test_asked_for_after_it_was_dropped(world: World) -> None:
    """ENG-4"""
    with serving(world, Promise(ID), pending={ID}) as (client, engine):
        engine.pending.clear()
        engine.dropped[ID] = Rejected("TX-8", "expired", "too late")
        found = client.get(f"/v1/transactions/{ID.hex()}").json()
    assert (found["status"], found["height"], found["result"]) == ("dropped", None, None)
    assert found["why"] == {"rule": "TX-8", "code": "expired", "message": "too late"}


def test_dropped_because_the_engine_halted(world: World) -> None:
    promise = Promise(ID, dropped=Rejected("ENG-1", "halted", "no disk"))
    promise.done.set()
    with serving(world, promise) as (client, _):
        answer = client.post("/v1/transactions?wait=5", content=b"x", headers=OCTETS)
    assert (answer.status_code, answer.json()["error"]["rule"]) == (503, "ENG-1")


@pytest.mark.parametrize(("rule", "status"), [("ENG-2", 429), ("ENG-1", 503)])
def test_back_pressure(world: World, rule: str, status: int) -> None:
    with serving(world, Rejected(rule, "busy", "come back")) as (client, _):
        answer = client.post("/v1/transactions?wait=5", content=b"x", headers=OCTETS)
    assert answer.status_code == status
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"] == {"code": "busy", "message": "come back", "rule": rule}


def test_a_halted_node_says_so(world: World) -> None:
    with serving(world, Promise(ID), failure="no space left") as (client, _):
        answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["error"] == {
        "code": "halted",
        "message": "no space left",
        "rule": "ENG-1",
    }
    assert answer.json()["height"] == world.ledger.application.height


def test_waiting_holds_up_nobody(world: World) -> None:
    """API-4: more requests wait than there are threads for reading, and reads are answered."""
    promise = Promise(ID)
    with serving(world, promise) as (client, fake):
        waiting = 100
        assert waiting > READERS
        with ThreadPoolExecutor(waiting) as pool:
            answers = [
                pool.submit(client.post, "/v1/transactions?wait=30", content=b"x", headers=OCTETS)
                for _ in range(waiting)
            ]
            while len(fake.submitted) < waiting:
                assert client.get("/v1/chain").status_code == 200
            for path in ("/health", "/v1/gas", "/v1/models", "/metrics"):
                assert client.get(path).status_code == 200
            promise.committed = committed()
            promise.done.set()
            assert {answer.result().status_code for answer in answers} == {200}


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon", "1e999"])
def test_waits_of_a_wrong_form(world: World, wait: str) -> None:
    with serving(world, Promise(ID)) as (client, fake):
        answer = client.post(f"/v1/transactions?wait={wait}", content=b"x", headers=OCTETS)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "bad_parameter"
        assert not fake.submitted


def test_many_clients_at_once(world: World) -> None:
    """Each transaction of a sender is in a block once, in the order of their nonces."""
    account = world.get(f"/v1/accounts/{OPERATOR.address}").json()
    raws = [world.transfer_of(1, nonce=account["nonce"] + step) for step in range(20)]
    for raw in raws:
        assert world.post(raw, wait=0).status_code in (200, 202)
    last = world.transfer_of(1, nonce=account["nonce"] + len(raws))
    assert world.post(last, wait=20).json()["status"] == "ok"
    after = world.get(f"/v1/accounts/{OPERATOR.address}").json()
    assert after["nonce"] == account["nonce"] + len(raws) + 1
