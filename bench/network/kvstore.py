"""The peer: CometBFT's own Go kvstore, which verifies nothing, on four validators."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from bench.network.load import broadcast, post
from bench.network.rising import Address, Network, Shipment
from synnergy.engines.cometbft.tether import tethered

VALIDATORS = 4
TRANSACTION_BYTES = 250
PER_REQUEST = 50
READY_SECONDS = 60

#: What of CometBFT's defaults is changed, as its environment variables.
SETTINGS = {
    "CMT_P2P_FLUSH_THROTTLE_TIMEOUT": "10ms",
    "CMT_P2P_SEND_RATE": "104857600",
    "CMT_P2P_RECV_RATE": "104857600",
    "CMT_P2P_MAX_PACKET_MSG_PAYLOAD_SIZE": "16384",
    "CMT_P2P_PEX": "false",
    "CMT_P2P_ADDR_BOOK_STRICT": "false",
    "CMT_P2P_ALLOW_DUPLICATE_IP": "true",
    "CMT_CONSENSUS_PEER_GOSSIP_SLEEP_DURATION": "10ms",
    "CMT_CONSENSUS_TIMEOUT_COMMIT": "200ms",
    "CMT_CONSENSUS_TIMEOUT_PROPOSE": "2s",
    "CMT_CONSENSUS_CREATE_EMPTY_BLOCKS": "false",
    "CMT_MEMPOOL_SIZE": "30000",
    "CMT_MEMPOOL_CACHE_SIZE": "200000",
    "CMT_MEMPOOL_RECHECK": "false",
    "CMT_TX_INDEX_INDEXER": "null",
    "CMT_RPC_MAX_REQUEST_BATCH_SIZE": "0",
    "CMT_RPC_MAX_BODY_BYTES": "16000000",
    "CMT_LOG_LEVEL": "error",
    "GOGC": "400",
}
BLOCK_BYTES = 4 * 1024 * 1024


@contextmanager
def running_kvstore(cometbft: Path, folder: Path) -> Generator[Network]:
    """Four validators of a new network, until the context ends."""
    prepare = [cometbft, "testnet", "--v", str(VALIDATORS), "--o", folder]
    subprocess.run(prepare, check=True, capture_output=True)
    homes = [folder / f"node{number}" for number in range(VALIDATORS)]
    for home in homes:
        genesis = home / "config" / "genesis.json"
        content = json.loads(genesis.read_text())
        content["consensus_params"]["block"]["max_bytes"] = str(BLOCK_BYTES)
        genesis.write_text(json.dumps(content))
    ports = free_ports(2 * VALIDATORS)
    p2p, rpc = ports[:VALIDATORS], ports[VALIDATORS:]
    peers = [f"{_node_id(cometbft, home)}@127.0.0.1:{p2p[n]}" for n, home in enumerate(homes)]
    with ExitStack() as stack:
        for number, home in enumerate(homes):
            others = ",".join(peer for n, peer in enumerate(peers) if n != number)
            environment = (
                os.environ
                | SETTINGS
                | {
                    "CMT_P2P_LADDR": f"tcp://127.0.0.1:{p2p[number]}",
                    "CMT_RPC_LADDR": f"tcp://127.0.0.1:{rpc[number]}",
                    "CMT_P2P_PERSISTENT_PEERS": others,
                }
            )
            command = [cometbft, "start", "--home", home, "--proxy_app=kvstore"]
            stack.enter_context(running(command, environment, home / "log"))
        lanes = [("127.0.0.1", port) for port in rpc]
        for address in lanes:
            wait_for_height(address, 1)
        yield Network("kvstore", lanes, lanes[0], lambda entry: (entry,))


def shipments(lanes: list[Address], count: int, seed: int) -> list[Shipment]:
    """About `count` random transactions, in requests of 50 to each lane in turn."""
    drawn = random.Random(seed)
    made: list[Shipment] = []
    for number in range(-(-count // PER_REQUEST)):
        lane = number % len(lanes)
        transactions = tuple(_transaction(drawn) for _ in range(PER_REQUEST))
        content = post(*lanes[lane], "/", "application/json", broadcast(transactions))
        made.append(Shipment(lane, content, transactions))
    return made


def _transaction(drawn: random.Random) -> bytes:
    key = drawn.randbytes(16).hex()
    value = drawn.randbytes(TRANSACTION_BYTES // 2).hex()
    return f"{key}={value}"[:TRANSACTION_BYTES].encode()


@contextmanager
def running(
    command: list[str | Path], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is told to end with the context, and is killed where it doesn't."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            tethered([str(part) for part in command], signal.SIGTERM),
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for this process, which ends them in order
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_height(rpc: Address, height: int) -> None:
    """Until the CometBFT at this address has made a block at `height`."""
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            answer = httpx.get(f"http://{rpc[0]}:{rpc[1]}/status", timeout=5).json()
            if int(answer["result"]["sync_info"]["latest_block_height"]) >= height:
                return
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        if time.monotonic() > until:
            raise TimeoutError(f"{rpc} has no block {height} after {READY_SECONDS} s")
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on now."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


def _node_id(cometbft: Path, home: Path) -> str:
    command = [cometbft, "show-node-id", "--home", home]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
