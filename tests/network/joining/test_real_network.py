"""NET-30..36 with real validators: blocks are forgotten, and a fifth joins all the same."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from synnergy.client.api import Node
from synnergy.client.genesis import NewLedger
from synnergy.client.home import Home
from synnergy.client.keystore import unlock
from synnergy.client.network import open_network
from synnergy.engines.cometbft.files import Layout, read_identity, save_settings
from synnergy.opcodes import ledger as money
from synnergy.vm.templates import template
from synnergy.wire.codec import encode
from synnergy.wire.transaction import (
    Attachment,
    Body,
    BodySignature,
    Envelope,
    signing_bytes,
)
from tests.network.joining.driver import running
from tests.network.membership.test_real_network import (
    Commands,
    app_hash,
    comet,
    health,
    peers,
    weights,
)
from tests.network.support import eventually, free_ports

SECRET = b"what a patient told the model, "
#: How long payloads are kept, in seconds.
KEPT = 20
#: CometBFT does not rest meanwhile, in seconds.
NEVER = 86_400


def carry(node: Node, home: Home) -> tuple[str, int]:
    """Send a transfer with a salted attachment: its commitment, and the height of its block."""
    keys = unlock(home.keystore, "operator", lambda *_: "")
    chain = node.chain()
    attachment = Attachment(secrets.token_bytes(32), SECRET * 4_000)
    body = Body(
        chain_id=chain.chain_id,
        sender=keys.address,
        nonce=node.account(keys.address).nonce,
        gas_limit=50_000_000,
        gas_price=1,
        expiry_height=chain.height + 100,
        code=template("LEDGER_TRANSFER"),
        data=encode(money.Transfer(keys.address, 1)),
        attachments=(attachment.reference,),
    )
    signature = BodySignature(keys.public_key, keys.sign(signing_bytes(body)))
    reply = node.post_transaction(encode(Envelope(body, (signature,), (attachment,))), 60)
    assert reply.status == "ok" and reply.height is not None
    return attachment.reference.commitment.hex(), reply.height


def holding(folder: Path) -> set[str]:
    """The files under a folder in which the secret can be read."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and SECRET in path.read_bytes()
    }


def light(url: str) -> dict[str, Any]:
    try:
        answer = httpx.get(f"{url}/v1/light", trust_env=False)
    except httpx.HTTPError:
        return {"earliest": 0, "latest": 0, "snapshots": []}
    return answer.json() if answer.status_code == 200 else {"earliest": 0, "snapshots": []}


def ask_light(url: str, method: str, **params: str) -> dict[str, Any]:
    request = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    return httpx.post(f"{url}/v1/light", json=request, trust_env=False).json()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("SYNNERGY_")]:
        if name != "SYNNERGY_COMETBFT":
            monkeypatch.delenv(name)
    yield


def test_a_fifth_joins_by_a_snapshot_what_others_have_forgotten(
    cometbft: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], undisturbed: None
) -> None:
    network, joining = Home(tmp_path / "net"), tmp_path / "joining"
    commands = Commands(network.root, capsys)
    members = open_network(network, 4, NewLedger("late", development=True)).members
    for member in members:
        settings = msgspec.structs.replace(member.settings, snapshot_interval=10)
        save_settings(Layout(member.home), settings)
    with ExitStack() as stack:
        logs = [tmp_path / f"{member.name}.log" for member in members]
        for member, log in zip(members[:3], logs, strict=False):
            stack.enter_context(running(NEVER, log, member.home, member.listen))
        fourth = stack.enter_context(ExitStack())
        again = (NEVER, logs[3], members[3].home, members[3].listen)
        fourth.enter_context(running(*again))
        urls = [member.api for member in members]
        eventually(lambda: all(health(url)["height"] > 0 for url in urls), "the first block")
        eventually(lambda: not health(urls[0])["catching_up"], "its taking part")
        node = stack.enter_context(Node(urls[0]))
        commands("regulator", "retention", "--days", KEPT / 86_400, "--from", "regulator")
        kept, _ = carry(node, network)
        _, height = carry(node, network)
        carried = time.monotonic()

        # Nobody but CometBFT's light client is served what it asks for, and nothing else is.
        assert "error" in ask_light(urls[0], "block", height=str(height))
        assert "error" in ask_light(urls[0], "commit", height="1 or 2")
        found = ask_light(urls[0], "commit", height=str(height))["result"]["signed_header"]
        assert found["header"]["height"] == str(height) and SECRET.decode() not in str(found)
        above = ask_light(urls[0], "validators", height="999999")["error"]["data"]
        assert "must be less than or equal to" in above

        # What is erased on request stays in CometBFT's blocks for its time, which is told.
        erased = commands("payload", "erase", kept, "--reason", "asked", "--from", "operator")
        assert erased["engine_copy"] == "until"
        assert 0 < erased["engine_copy_until"] - time.time() * 1000 < (KEPT + 1 + NEVER) * 1000

        # Snapshots of one height are the same everywhere.
        commands.make_blocks(6)
        eventually(lambda: all(10 in light(url)["snapshots"] for url in urls), "the first ones")
        first, *others = (files(member.home / "snapshots" / "10") for member in members)
        assert others == [first] * 3

        # After its time CometBFT serves the block no more, on any of them.
        assert holding(members[3].home / "cometbft")
        eventually(
            lambda: all(light(url)["earliest"] > height for url in urls), "pruning", within=180
        )
        assert time.monotonic() - carried > KEPT - 5
        for url in urls:
            gone = ask_light(url, "commit", height=str(height))["error"]["data"]
            assert "is not available, lowest height is" in gone
        eventually(
            lambda: all(not holding(member.home / "data") for member in members),
            "the overwriting of what the nodes kept themselves",
        )
        # And once it is started again nothing of it can be read in its files.
        fourth.close()
        stack.enter_context(running(*again))
        eventually(lambda: health(urls[3])["height"] > height, "its new start")
        assert holding(members[3].home) == set()

        # The fifth has the genesis file and their addresses, nothing more.
        ports = free_ports(3)
        api = f"http://127.0.0.1:{ports[2]}"
        addresses = [
            f"{read_identity(Layout(member.home)).node_id}@{member.settings.p2p}"
            for member in members
        ]
        made = commands(
            *("validator", "init", "--genesis", members[0].home / "genesis.json"),
            *("--peers", ",".join(addresses), "--state-sync", "--endpoint", api),
            *("--p2p", f"127.0.0.1:{ports[0]}", "--rpc", f"127.0.0.1:{ports[1]}"),
            home=joining,
        )
        commands(
            *("regulator", "register", made["request"], "--jurisdiction", "GB"),
            *("--role", "operator", "--from", "regulator"),
        )
        admit = ("regulator", "validator", "admit", made["statement"], "--from", "regulator")
        height = commands(*admit, "--power", 0)["height"]
        fifth = (NEVER, tmp_path / "joining.log", joining, f"127.0.0.1:{ports[2]}")
        with running(*fifth):
            eventually(lambda: health(api)["height"] >= height, "the admission on the fifth")
            eventually(lambda: not health(api)["catching_up"], "its end of catching up")
            assert light(api)["earliest"] > 1
            top = health(api)["height"]
            assert {app_hash(url, top) for url in (*urls, api)} == {app_hash(api, top)}
            power = ("regulator", "validator", "power", made["public_key"], 10)
            commands(*power, "--from", "regulator")
            commands.make_blocks(2)
            mine = next(
                one["address"]
                for one in commands("validator", "ls")["validators"]
                if one["public_key"] == made["public_key"]
            )
            eventually(lambda: weights(members[0].home).get(mine) == 10, "its weight")
            eventually(lambda: signed_by(members[0].home, commands, mine), "its signature")
        # Started again, it goes on where it was; nobody has to vouch for anything.
        top = commands.make_blocks(2)
        with running(*fifth):
            eventually(lambda: health(api)["height"] >= top, "what it missed")
            assert app_hash(api, top) == app_hash(urls[0], top)
            assert made["node_id"] in peers(members[0].home)


def signed_by(home: Path, commands: Commands, address: str) -> bool:
    """Whether a validator's vote is in the commit of a new block."""
    height = commands.make_blocks(1)
    with comet(home) as rpc:
        votes = rpc.commit(height)["signed_header"]["commit"]["signatures"]
    return any(
        vote["validator_address"] == address and vote["block_id_flag"] == 2 for vote in votes
    )
