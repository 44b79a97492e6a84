"""What each route answers, against the records themselves."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest

from synnergy.api.app import assemble
from synnergy.chain.genesis import decode_genesis_file
from synnergy.identity.keys import verify_signature
from synnergy.opcodes.artefacts import CHUNK_BYTES
from synnergy.receipts.file import ReceiptFile, decode_receipt_file
from synnergy.receipts.header import Header, header_hash, header_signing_bytes
from synnergy.state import records
from synnergy.tensor.kernels.selection import chosen
from tests.api.schemas import problems
from tests.api.support import (
    CONSUMER,
    LICENCE_TEXT,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SIGNER,
    STRANGER,
    World,
    sha256,
)


def test_chain(world: World) -> None:
    chain = world.get("/v1/chain").json()
    assert chain["chain_id"] == world.ledger.application.chain_id
    assert chain["local_only"] is True
    assert chain["chunk_bytes"] == CHUNK_BYTES
    assert chain["governance"]["regulators"] == sorted(chain["governance"]["regulators"])
    assert chain["governance"]["threshold"] == 2
    assert chain["limits"]["transaction"] == 1_000_000_000
    assert chain["limits"]["envelope_bytes"] == 4 * 1024 * 1024


def test_every_answer_tells_the_height(world: World) -> None:  # API-14
    height = str(world.ledger.application.height)
    for path in ("/health", "/v1/chain", "/v1/receipts/" + "ab" * 32, "/nowhere"):
        assert world.client.get(path).headers["synnergy-height"] == height


def test_genesis_is_the_file(world: World) -> None:
    content = world.get("/v1/genesis").content
    assert decode_genesis_file(content) == world.ledger.application.genesis


def test_blocks_hold_everything_a_signature_covers(world: World) -> None:
    chain = world.get("/v1/chain").json()
    previous = None
    for height in range(chain["height"] + 1):
        block = world.get(f"/v1/blocks/{height}").json()
        header = Header(
            block["chain_id"],
            block["height"],
            block["time"],
            bytes.fromhex(block["previous"]),
            bytes.fromhex(block["app_hash"]),
            bytes.fromhex(block["transactions_root"]),
            bytes.fromhex(block["results_root"]),
        )
        assert header_hash(header).hex() == block["header_hash"]
        if previous is not None:
            assert block["previous"] == previous
            signature = bytes.fromhex(block["signature"])
            assert verify_signature(SIGNER.public_key, header_signing_bytes(header), signature)
        assert [result["transaction"] for result in block["results"]] == block["transactions"]
        previous = block["header_hash"]


def test_latest_block(world: World) -> None:
    latest = world.get("/v1/blocks/latest").json()
    assert latest == world.get(f"/v1/blocks/{latest['height']}").json()


@pytest.mark.parametrize("height", ["99999999", "9" * 16, "9" * 400])
def test_blocks_to_come_are_unknown(world: World, height: str) -> None:
    assert world.get(f"/v1/blocks/{height}").status_code == 404


def test_transaction_is_shown_decoded(world: World) -> None:
    found = world.get(f"/v1/transactions/{world.transfer.hex()}").json()
    assert found["status"] == "ok"
    assert found["transaction"] == world.transfer.hex()
    assert found["body"]["sender"] == OPERATOR.address
    assert found["body"]["verbs"] == [
        {"name": "LEDGER_TRANSFER", "arguments": {"to": CONSUMER.address, "amount": 5}}
    ]
    assert found["result"]["events"][0]["name"] == "ledger.transferred"
    block = world.get(f"/v1/blocks/{found['height']}").json()
    assert block["transactions"][found["index"]] == world.transfer.hex()


def test_bytes_of_a_decoded_verb_are_hex(world: World) -> None:
    found = world.get(f"/v1/transactions/{world.invocation.hex()}").json()
    assert found["body"]["verbs"][0]["arguments"] == {
        "model": world.model.hex(),
        "licence": world.licence.hex(),
        "input": 0,
        "reference": None,
    }
    assert found["result"]["receipts"] == [world.receipt.hex()]


def test_unknown_transaction(world: World) -> None:
    answer = world.get(f"/v1/transactions/{'0' * 64}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_account(world: World) -> None:
    account = world.get(f"/v1/accounts/{PUBLISHER.address}").json()
    record = records.accounts.load(world.ledger.state, PUBLISHER.address)
    assert record is not None
    assert (account["balance"], account["nonce"]) == (record.balance, record.nonce)
    assert account["registered"] is True
    assert account["wallet"]["roles"] == ["publisher"]
    assert account["denials"] is None


def test_account_that_nobody_knows(world: World) -> None:
    account = world.get(f"/v1/accounts/{STRANGER.address}").json()
    assert account == {
        "address": STRANGER.address,
        "balance": 0,
        "nonce": 0,
        "registered": False,
        "wallet": None,
        "denials": None,
        "flags": [],
        "limit": None,
    }


def test_account_of_no_address(world: World) -> None:
    wrong = STRANGER.address[:-1] + ("q" if STRANGER.address[-1] != "q" else "p")
    answer = world.get(f"/v1/accounts/{wrong}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_address"


def test_model(world: World) -> None:
    model = world.get(f"/v1/models/{world.model.hex()}").json()
    assert model["reference"] == f"{PUBLISHER.address}/scale@1"
    assert model["digest"] == sha256(world.content)
    assert model["status"] == "offered"
    assert model["approvals_required"] == 1
    assert [approval["regulator"] for approval in model["approvals"]] == [REGULATOR.address]
    assert model["offer"]["id"] == world.offer.hex()
    assert model["stats"]["licensees"] == 1
    assert model["stats"]["calls"] >= 1
    assert model["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["n", 2]}]
    assert model in world.get("/v1/models").json()["models"]


def test_models_of_a_publisher_and_pages(world: World) -> None:
    everything = [model["id"] for model in world.get("/v1/models").json()["models"]]
    assert everything == sorted(everything)
    own = world.get("/v1/models", publisher=PUBLISHER.address).json()["models"]
    assert [model["id"] for model in own] == [world.model.hex()]
    assert world.get("/v1/models", publisher=CONSUMER.address).json() == {"models": []}
    for query in ({}, {"publisher": PUBLISHER.address}):
        behind = world.get("/v1/models", after=world.model.hex(), **query).json()
        assert behind == {"models": []}
    assert world.get("/v1/models", limit=1).json()["models"] == own


def test_artefact_comes_back_byte_for_byte(world: World) -> None:
    answer = world.get(f"/v1/models/{world.model.hex()}/artefact")
    assert answer.content == world.content
    assert int(answer.headers["content-length"]) == len(world.content) > CHUNK_BYTES
    progress = world.get(f"/v1/artefacts/{sha256(world.content)}").json()
    assert progress == {
        "owner": PUBLISHER.address,
        "size": len(world.content),
        "chunks": 2,
        "received": 2,
        "published": True,
    }


def test_document(world: World) -> None:
    digest = hashlib.sha256(LICENCE_TEXT.encode()).hexdigest()
    assert world.get(f"/v1/documents/{digest}").json() == {"text": LICENCE_TEXT}


def test_contracts(world: World) -> None:
    found = world.get(f"/v1/contracts/{world.contract}").json()
    assert (found["address"], found["balance"], found["frozen"]) == (world.contract, 0, False)
    assert found["creator"] == found["deployer"] == OPERATOR.address
    program = world.get(f"/v1/contracts/{world.contract}/program")
    assert sha256(program.content) == found["program"] and len(program.content) == found["size"]
    for path in (f"/v1/contracts/{CONSUMER.address}", f"/v1/contracts/{CONSUMER.address}/program"):
        assert world.get(path).status_code == 404
    assert world.get("/v1/contracts/syn1x").status_code == 400


def test_licences(world: World) -> None:
    one = world.get(f"/v1/licences/{world.licence.hex()}").json()
    assert one["licensee"] == CONSUMER.address
    assert one["escrow"] == one["price_per_call"] * (one["calls"] - one["used"])
    assert world.get("/v1/licences").json() == {"licences": [one]}
    assert world.get("/v1/licences", licensee=CONSUMER.address).json() == {"licences": [one]}
    assert world.get("/v1/licences", model=world.model.hex()).json() == {"licences": [one]}
    for query in (
        {"licensee": PUBLISHER.address},
        {"model": "00" * 20},
        {"after": world.licence.hex()},
    ):
        assert world.get("/v1/licences", **query).json() == {"licences": []}


def test_receipt_file(world: World) -> None:
    content = world.get(f"/v1/receipts/{world.receipt.hex()}").content
    file = decode_receipt_file(content)
    assert isinstance(file, ReceiptFile)
    assert file.opening is None
    assert file.root.header.chain_id == world.ledger.application.chain_id


def test_policy(world: World) -> None:
    policy = world.get("/v1/policy").json()
    assert policy["version"] == 1
    assert policy["hash"] == hashlib.sha256(policy["text"].encode()).hexdigest()


@pytest.mark.parametrize(
    ("who", "action", "resource", "allowed", "determining"),
    [
        (CONSUMER, "invoke", "model", True, ["consumers-use-models"]),
        (CONSUMER, "buy", "model", True, ["consumers-use-models"]),
        (PUBLISHER, "invoke", "model", False, []),
        (STRANGER, "invoke", "model", False, ["unregistered-wallet"]),
        (OPERATOR, "transfer", CONSUMER.address, True, ["registered-wallets-pay"]),
        (REGULATOR, "register", STRANGER.address, True, ["regulators-supervise"]),
        (REGULATOR, "register", CONSUMER.address, True, ["regulators-supervise"]),
        (REGULATOR, "freeze", REGULATOR.address, False, ["regulators-are-not-frozen"]),
        (PUBLISHER, "upload", "ledger", True, ["publishers-publish"]),
        (PUBLISHER, "upload", CONSUMER.address, False, ["error"]),
    ],
)
def test_policy_check(
    world: World, who, action: str, resource: str, allowed: bool, determining: list[str]
) -> None:
    target = world.model.hex() if resource == "model" else resource
    verdict = world.get("/v1/policy/check", who=who.address, action=action, resource=target)
    assert verdict.status_code == 200, verdict.text
    assert verdict.json()["allowed"] is allowed
    assert verdict.json()["determining"] == determining
    assert verdict.json()["policy_version"] == 1


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"action": "conquer"}, 400, "unknown_action"),
        ({"who": "me"}, 400, "bad_address"),
        ({"resource": "thing"}, 400, "bad_resource"),
        ({"resource": "00" * 20}, 404, "unknown_model"),
    ],
)
def test_policy_check_of_nonsense(
    world: World, query: dict[str, str], status: int, code: str
) -> None:
    asked = {"who": CONSUMER.address, "action": "invoke", "resource": "ledger"} | query
    answer = world.get("/v1/policy/check", **asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_proposals(world: World) -> None:
    (proposal,) = world.get("/v1/proposals").json()["proposals"]
    assert proposal["opcode"] == "REGULATION_SET_POLICY"
    assert proposal["regulators"] == [REGULATOR.address]
    assert proposal["threshold"] == 2
    assert proposal["arguments"]["text"].endswith("// agreed on\n")


def test_gas_and_opcodes(world: World) -> None:
    prices = {row["name"]: row for row in world.get("/v1/gas").json()["prices"]}
    opcodes = {row["name"]: row for row in world.get("/v1/opcodes").json()["opcodes"]}
    assert opcodes.keys() <= prices.keys()
    assert all(row["gas"] == prices[name]["gas"] for name, row in opcodes.items())
    assert opcodes["MODEL_PUBLISH"]["code"] == "0x020003"
    assert opcodes["MODEL_PUBLISH"]["policy"] == "publish"
    assert opcodes["REGULATION_SET_POLICY"]["policy"] == "m-of-n"
    assert opcodes["CORE_NOP"]["policy"] is None


def test_health(world: World) -> None:
    answer = world.get("/health")
    assert answer.status_code == 200
    health = answer.json()
    assert health["engine"] == "solo"
    assert health["kernel"] == chosen().name
    assert health["catching_up"] is False
    assert health["chain_id"] == world.ledger.application.chain_id
    assert (health["policy_version"], health["protocol_version"]) == (1, 1)


def paths(world: World) -> list[str]:
    model, licence = world.model.hex(), world.licence.hex()
    waiting = world.get("/v1/proposals").json()["proposals"][0]
    return [
        "/v1/chain",
        "/v1/blocks/latest",
        f"/v1/transactions/{world.transfer.hex()}",
        f"/v1/transactions/{world.invocation.hex()}",
        f"/v1/accounts/{CONSUMER.address}",
        f"/v1/state/accounts/{CONSUMER.address}?prove=true",
        "/v1/models",
        f"/v1/models/{model}",
        f"/v1/artefacts/{sha256(world.content)}",
        f"/v1/documents/{hashlib.sha256(LICENCE_TEXT.encode()).hexdigest()}",
        "/v1/licences",
        f"/v1/licences/{licence}",
        f"/v1/contracts/{world.contract}",
        "/v1/policy",
        f"/v1/policy/check?who={CONSUMER.address}&action=invoke&resource={model}",
        "/v1/proposals",
        f"/v1/proposals/{waiting['id']}",
        f"/v1/flags?wallet={CONSUMER.address}",
        "/v1/oversight",
        "/v1/validators",
        "/v1/gas",
        "/v1/opcodes",
        "/health",
    ]


def test_every_answer_is_what_the_document_says(world: World) -> None:
    document = world.get("/openapi.json").json()
    shown = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if "application/json" in operation["responses"]["200"]["content"] and "get" in item
    }
    for path in paths(world):
        answer = world.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        route = matching(document["paths"], path)
        shown.discard(route)
        responses = document["paths"][route]["get"]["responses"]
        schema = responses["200"]["content"]["application/json"]["schema"]
        found = list(problems(answer.json(), schema, document["components"]["schemas"]))
        assert not found, (path, found)
    # A file without a schema of this API, and what only a network has.
    assert shown == {"/v1/genesis", "/v1/light"}


def matching(routes: dict[str, object], path: str) -> str:
    """The route of a path: the one with the most literal segments."""
    asked = path.split("?")[0].split("/")

    def fits(route: str) -> bool:
        parts = route.split("/")
        return len(parts) == len(asked) and all(
            part == given or part.startswith("{") for part, given in zip(parts, asked, strict=True)
        )

    return min((route for route in routes if fits(route)), key=lambda route: route.count("{"))


def test_document_describes_every_verb() -> None:
    from synnergy.vm import catalogue

    document = assemble().openapi()
    schemas = document["components"]["schemas"]
    verbs = {row["name"]: row for row in document["x-opcodes"]}
    assert verbs.keys() == {opcode.name for opcode in catalogue.domain()}
    for opcode in catalogue.domain():
        for role, kind in (("arguments", opcode.args), ("result", opcode.result)):
            name = verbs[opcode.name][role]["$ref"].rsplit("/", 1)[1]
            assert list(schemas[name]["properties"]) == list(kind.__struct_fields__)


def test_document_has_no_loose_ends() -> None:
    text = json.dumps(assemble().openapi())
    schemas = msgspec.json.decode(text)["components"]["schemas"]
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= schemas.keys()
    assert "HTTPValidationError" not in text


def test_a_chain_of_one_node_serves_no_light_client(world: World) -> None:  # NET-33
    for answer in (
        world.client.get("/v1/light"),
        world.client.post("/v1/light", json={"jsonrpc": "2.0", "id": 1, "method": "commit"}),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
