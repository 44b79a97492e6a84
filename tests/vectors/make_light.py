"""Records commits of real CometBFT networks: `python -m tests.vectors.make_light`.

Each network runs CometBFT's own key-value application, whose transactions change its validators.
What is kept is what CometBFT's RPC answers, of every height: /commit and /validators.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from nacl.signing import SigningKey

FOLDER = Path(__file__).parent / "light"
COMETBFT = Path(sys.prefix) / "bin" / "cometbft"
#: Seconds within which a network must get where the recording wants it.
PATIENCE = 120


@dataclass
class Network:
    """Nodes of one network, by number; the first one is asked."""

    folder: Path
    rpc: list[int]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, number: int) -> None:
        home = self.folder / f"node{number}"
        with (home / "log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [COMETBFT, "start", "--home", home, "--proxy_app", "kvstore"],
                    stdout=log,
                    stderr=log,
                )
            )

    def ask(self, method: str, **arguments: str | int) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.rpc[0]}/{method}"
        answer = httpx.get(url, params=arguments, timeout=30).json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def height(self) -> int:
        try:
            return int(self.ask("status")["sync_info"]["latest_block_height"])
        except (httpx.HTTPError, KeyError, RuntimeError):
            return 0

    def reach(self, height: int) -> None:
        until(lambda: self.height() >= height)

    def send(self, transaction: str) -> None:
        encoded = base64.b64encode(transaction.encode()).decode()
        body = {"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_sync"}
        httpx.post(
            f"http://127.0.0.1:{self.rpc[0]}/", json=body | {"params": {"tx": encoded}}, timeout=30
        ).raise_for_status()

    def validate(self, key: str, power: int) -> None:
        """Give the validator of this public key (base64) another power."""
        self.send(f"val=ed25519!{key}!{power}")

    def keys(self) -> list[str]:
        return [
            json.loads((self.folder / f"node{number}/config/priv_validator_key.json").read_text())[
                "pub_key"
            ]["value"]
            for number in range(len(self.rpc))
        ]

    def record(self, name: str) -> None:
        """Keep all heights but the last, whose commit isn't yet what the next block has."""
        heights: list[dict[str, Any]] = []
        for height in range(1, self.height()):
            signed = self.ask("commit", height=height)["signed_header"]
            found = self.ask("validators", height=height, per_page=100)["validators"]
            heights.append({"signed_header": signed, "validators": found})
        genesis = json.loads((self.folder / "node0/config/genesis.json").read_text())
        kept = {"chain_id": genesis["chain_id"], "heights": heights}
        (FOLDER / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError("the network doesn't get there")
        time.sleep(0.05)


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def lay_out(folder: Path, validators: int) -> Network:
    subprocess.run(
        [COMETBFT, "testnet", "--v", str(validators), "--o", folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    ports = free_ports(2 * validators)
    p2p, rpc = ports[:validators], ports[validators:]
    for number in range(validators):
        path = folder / f"node{number}" / "config" / "config.toml"
        text = path.read_text()
        found = re.search(r'^persistent_peers = "(.*)"$', text, re.MULTILINE)
        assert found is not None
        peers = (
            f"{peer.split('@')[0]}@127.0.0.1:{p2p[index]}"
            for index, peer in enumerate(found[1].split(","))
            if index != number and peer
        )
        text = text.replace(found[0], f'persistent_peers = "{",".join(peers)}"')
        for old, new in (
            ('laddr = "tcp://127.0.0.1:26657"', f'laddr = "tcp://127.0.0.1:{rpc[number]}"'),
            ('laddr = "tcp://0.0.0.0:26656"', f'laddr = "tcp://127.0.0.1:{p2p[number]}"'),
            ("allow_duplicate_ip = false", "allow_duplicate_ip = true"),
            ("addr_book_strict = true", "addr_book_strict = false"),
            ('timeout_commit = "1s"', 'timeout_commit = "100ms"'),
            ('timeout_propose = "3s"', 'timeout_propose = "500ms"'),
            ('log_level = "info"', 'log_level = "error"'),
        ):
            text = text.replace(old, new)
        assert str(rpc[number]) in text and str(p2p[number]) in text
        path.write_text(text)
    return Network(folder, rpc)


def record(name: str, validators: int, running: int, script: Callable[[Network], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="light-") as folder:
        network = lay_out(Path(folder), validators)
        try:
            for number in range(running):
                network.start(number)
            network.reach(3)
            script(network)
            network.record(name)
        finally:
            for process in network.processes:
                process.kill()
                process.wait()
    print(f"recorded {name}")


def alone(network: Network) -> None:
    network.send("name=satoshi")
    network.reach(6)


def one_down(network: Network) -> None:
    """The absent validator's turns to propose pass, so that some commits are of later rounds."""
    network.send("name=satoshi")
    network.reach(10)


def changing(network: Network) -> None:
    """Four validators: one more joins and never votes, one is re-weighted, one leaves."""
    keys = network.keys()
    stranger = base64.b64encode(bytes(SigningKey(bytes(31) + b"\x05").verify_key)).decode()
    for key, power in ((stranger, 1), (keys[1], 3), (stranger, 0), (keys[3], 0)):
        network.validate(key, power)
        network.reach(network.height() + 4)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    record("one", 1, 1, alone)
    record("four", 4, 4, alone)
    record("seven-one-down", 7, 6, one_down)
    record("changing", 4, 4, changing)
