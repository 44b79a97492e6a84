"""Records with proofs: what is shown, what is proved, and one moment for both (API-6)."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synnergy.chain.queries.state import TABLES
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.proofs import StateProof, verify_state
from synnergy.state.tables import Table
from synnergy.wire.codec import decode, encode
from tests.api.support import CONSUMER, PUBLISHER, STRANGER, World, sha256


def proof_of(answer: dict[str, str]) -> StateProof:
    proof = decode(bytes.fromhex(answer["proof"]), StateProof, 100_000)
    assert not isinstance(proof, Rejected)
    assert proof.key.hex() == answer["raw_key"]
    return proof


def written(parts: object) -> str:
    components = parts if isinstance(parts, tuple) else (parts,)
    return "/".join(part.hex() if isinstance(part, bytes) else str(part) for part in components)


def test_every_table_can_be_asked() -> None:
    tables = {table.name: table for table in vars(records).values() if isinstance(table, Table)}
    assert {name: table for name, (table, _) in TABLES.items()} == tables


def test_every_record_is_proved(world: World) -> None:
    asked = 0
    for name, (table, components) in TABLES.items():
        for key, record in table.scan(world.ledger.state)[:5]:
            path = "-" if not components else written(key)
            answer = world.get(f"/v1/state/{name}/{path}", prove="true")
            assert answer.status_code == 200, answer.text
            proof = proof_of(answer.json())
            assert verify_state(proof, bytes.fromhex(answer.json()["app_hash"]))
            latest = table.load(world.ledger.state, key)
            assert proof.value in (encode(record), encode(latest))
            assert answer.json()["value"] is not None
            asked += 1
    assert asked >= 15


def test_absence_is_proved(world: World) -> None:
    for path in (f"accounts/{STRANGER.address}", f"models/{'ab' * 20}", "policies/77"):
        answer = world.get(f"/v1/state/{path}", prove="1").json()
        assert answer["value"] is None
        proof = proof_of(answer)
        assert proof.value is None
        assert verify_state(proof, bytes.fromhex(answer["app_hash"]))


def test_composite_keys(world: World) -> None:
    for path in (
        f"publications/{PUBLISHER.address}/scale/1",
        f"licensees/{world.model.hex()}/{CONSUMER.address}",
        f"open_licences/{world.model.hex()}/{world.licence.hex()}",
    ):
        assert world.get(f"/v1/state/{path}").json()["value"] == {}


def test_proof_is_there_only_where_asked_for(world: World) -> None:
    answer = world.get("/v1/state/money/-").json()
    assert "proof" not in answer
    assert answer["value"]["supply"] == 9 * 10**15


def test_a_foreign_root_is_not_proved(world: World) -> None:
    answer = world.get("/v1/state/governance/-", prove="true").json()
    assert not verify_state(proof_of(answer), bytes.fromhex(sha256(b"another")))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("treasure/x", 404, "unknown_table"),
        ("money/x", 400, "bad_key"),
        ("accounts/a/b", 400, "bad_key"),
        ("models/xyz", 400, "bad_key"),
        ("models/ABCD", 400, "bad_key"),
        ("models/abc", 400, "bad_key"),
        ("policies/one", 400, "bad_key"),
        ("policies/-1", 400, "bad_key"),
        ("policies/٣", 400, "bad_key"),
        (f"policies/{2**64}", 400, "bad_key"),
        ("publications/a/b", 400, "bad_key"),
        ("accounts/" + "a" * 600, 400, "bad_key"),
        ("deadlines/1/licence/zz", 400, "bad_key"),
    ],
)
def test_keys_of_a_wrong_form(world: World, path: str, status: int, code: str) -> None:
    answer = world.get(f"/v1/state/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    table=st.sampled_from(sorted(TABLES)) | st.text(max_size=10),
    parts=st.lists(
        st.text(max_size=20) | st.binary(max_size=20).map(bytes.hex) | st.integers().map(str),
        max_size=4,
    ),
)
def test_any_key_is_answered(world: World, table: str, parts: list[str]) -> None:
    path = "/".join(part.encode("utf-8", "surrogatepass").hex() for part in parts)
    for key in (path, "/".join(parts)):
        answer = world.client.get(f"/v1/state/{quoted(table)}/{quoted(key)}?prove=true")
        assert answer.status_code in (200, 400, 404, 422), answer.text
        if answer.status_code == 200:
            proof = proof_of(answer.json())
            assert verify_state(proof, bytes.fromhex(answer.json()["app_hash"]))


def quoted(text: str) -> str:
    """Percent-encoded, whatever it is: slashes stay."""
    kept = b"/abcdefghijklmnopqrstuvwxyz0123456789-_"
    return "".join(
        chr(byte) if byte in kept else f"%{byte:02x}"
        for byte in text.encode("utf-8", "surrogatepass")
    )


def test_answers_agree_while_blocks_are_made(world: World) -> None:
    """API-6: value, height, app hash and proof are of one moment, whatever happens meanwhile."""
    done = threading.Event()
    failures: list[str] = []

    def read() -> None:
        while not done.is_set():
            answer = world.get(f"/v1/state/accounts/{CONSUMER.address}", prove="true").json()
            if not verify_state(proof_of(answer), bytes.fromhex(answer["app_hash"])):
                failures.append("the proof is not of this app hash")
            block = world.get(f"/v1/blocks/{answer['height']}").json()
            if block["app_hash"] != answer["app_hash"]:
                failures.append("the app hash is not of this height")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for amount in range(1, 31):
            assert world.post(world.transfer_of(amount)).status_code == 200
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not failures
