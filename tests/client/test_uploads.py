"""Uploads: in order, several at once, resumed, and never twice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import numpy as np
import pytest

from synnergy.client import nodes, uploads, verbs
from synnergy.client.downloads import download
from synnergy.client.failures import ClientError
from synnergy.client.models import read_model
from synnergy.client.references import resolve_model
from synnergy.client.uploads import CHUNK_BYTES, upload
from tests.client.conftest import Ledger
from tests.client.test_models import model_with, numpy_helper, save


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "PAUSES", (0.0, 0.0, 0.0))


def content(seed: int, chunks: int = 3) -> bytes:
    return bytes([seed]) * (CHUNK_BYTES * (chunks - 1) + 1_000)


def uploads_carried(ledger: Ledger) -> int:
    return ledger.transport.carried.count(("POST", "/v1/transactions"))


def received(ledger: Ledger, data: bytes) -> int:
    known = ledger.node.artefact(hashlib.sha256(data).hexdigest())
    return known.received if known else 0


def test_an_upload_reports_progress_and_is_not_repeated(ledger: Ledger) -> None:  # CLIENT-10
    seen: list[tuple[int, int]] = []
    data = content(1)
    done = upload(ledger.sender("publisher"), data, lambda now, total: seen.append((now, total)))
    assert done.digest == hashlib.sha256(data).digest() and done.gas_used > 0
    assert seen[0] == (0, len(data)) and seen[-1] == (len(data), len(data))
    assert seen == sorted(seen)
    assert uploads_carried(ledger) == 4  # the commitment and three chunks
    again = upload(ledger.sender("publisher"), data)
    assert again.gas_used == 0 and uploads_carried(ledger) == 4


def test_an_interrupted_upload_resumes_where_it_ended(ledger: Ledger) -> None:
    data, posted = content(2, chunks=6), {"count": 0}

    def cut(request: httpx.Request, forward) -> httpx.Response:
        if request.method == "POST" and request.url.path == "/v1/transactions":
            posted["count"] += 1
            if posted["count"] == 4:
                raise KeyboardInterrupt
        return forward(request)

    ledger.transport.fault = cut
    with pytest.raises(KeyboardInterrupt):
        upload(ledger.sender("publisher"), data)
    ledger.transport.fault = None
    while received(ledger, data) < 2:  # what was under way lands all the same
        pass
    ledger.transport.carried.clear()
    upload(ledger.sender("publisher"), data)
    assert uploads_carried(ledger) == 4
    known = ledger.node.artefact(hashlib.sha256(data).hexdigest())
    assert known is not None and known.received == known.chunks == 6


def test_another_transaction_in_between_does_not_end_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "WINDOW", 2)
    publisher, disturbed = ledger.sender("publisher"), {"yet": False}
    data = content(3, chunks=6)

    def disturb(done: int, total: int) -> None:
        if done > CHUNK_BYTES and not disturbed["yet"]:
            disturbed["yet"] = True
            nonce = ledger.node.account(publisher.address).nonce
            call = verbs.ledger_transfer(to=publisher.address, amount=1)
            quoted = publisher.quote(call)
            body = publisher.body(call, nonce + 1, quoted.gas)
            publisher.post(body, (), wait=0)

    upload(publisher, data, disturb)
    known = ledger.node.artefact(hashlib.sha256(data).hexdigest())
    assert disturbed["yet"] and known is not None and known.received == 6


def test_a_digest_that_somebody_else_claimed(ledger: Ledger) -> None:
    data = content(4)
    upload(ledger.sender("publisher"), data)
    with pytest.raises(ClientError) as taken:
        upload(ledger.sender("operator"), data)
    assert taken.value.code in ("digest_taken", "policy_denied")


def test_an_empty_file_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ClientError):
        upload(ledger.sender("publisher"), b"")


@pytest.fixture
def published(ledger: Ledger, tmp_path: Path) -> bytes:
    weights = np.random.default_rng(7).normal(size=(3, 2)).astype(np.float32)
    path = save(tmp_path / "m.onnx", model_with([numpy_helper.from_array(weights, "w")]))
    identifier = resolve_model(ledger.home.keystore, "publisher/small@1")
    try:
        ledger.node.model(identifier.hex())
    except ClientError:
        publisher = ledger.sender("publisher")
        publisher.send(
            verbs.model_publish(
                digest=upload(publisher, read_model(path)).digest,
                name="small",
                version="1",
                risk="minimal",
                jurisdictions=(),
                licence_text=None,
                intended_use=None,
                limitations=None,
                allow_missing=False,
            )
        )
    return identifier


def test_a_model_is_fetched_and_checked(ledger: Ledger, published: bytes, tmp_path: Path) -> None:
    model = ledger.node.model(published.hex())
    target = tmp_path / "pulled.onnx"
    download(ledger.node, model, target)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == model.digest


def test_a_node_that_gives_another_file_is_caught(
    ledger: Ledger, published: bytes, tmp_path: Path
) -> None:
    model = ledger.node.model(published.hex())
    target = tmp_path / "pulled.onnx"
    for forged in (b"x" * model.size, b"x" * (model.size + 1), b""):
        ledger.transport.fault = lambda request, _forward, forged=forged: httpx.Response(
            200, content=forged
        )
        with pytest.raises(ClientError) as caught:
            download(ledger.node, model, target)
        assert caught.value.code == "wrong_digest"
        assert not target.exists() and [*tmp_path.glob(".pulled*")] == []
