"""Receipts of a real network, whose validators change: the genesis alone proves each of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import httpx
import msgspec
import pytest

from synnergy.chain.commits import ARCHIVED, load_commit
from synnergy.chain.genesis import decode_genesis_file
from synnergy.client.api import Node
from synnergy.client.genesis import NewLedger
from synnergy.client.home import Home
from synnergy.client.network import Member, open_network
from synnergy.client.proofs import prove_balance
from synnergy.client.trust import trusted_root, verified_header
from synnergy.engines.cometbft.files import Layout, read_identity, save_settings
from synnergy.receipts.file import encode_receipt_file
from synnergy.receipts.light import LightProof, signers_of
from synnergy.receipts.verify import check_consistency, check_root, read_receipt
from synnergy.rejected import Rejected
from synnergy.state.store import Store
from tests.acceptance import market
from tests.acceptance.command_line import CommandLine, Done
from tests.acceptance.networks import mixture
from tests.cli.support import run
from tests.network.job.test_main_job import register
from tests.network.membership.test_real_network import process
from tests.network.support import eventually, free_ports
from tests.network.testnet.networks import health, run_network

PASSPHRASE = "a long enough sentence for testers"


@dataclass(frozen=True)
class HereAndNow(CommandLine):
    """Commands in this process, which take a tenth of the time."""

    capsys: pytest.CaptureFixture[str] | None = None

    def type(self, *words: object, **more: str) -> Done:
        assert self.capsys is not None
        settings = {"SYNNERGY_HOME": str(self.home), "SYNNERGY_NODE": self.node}
        with patch.dict(os.environ, {**settings, **self.environment, **more}):
            done = run(self.capsys, *words)
        return Done(tuple(map(str, words)), done.code, done.out, done.err)


@contextmanager
def fifth(cli: CommandLine, home: Path, members: Sequence[Member]) -> Iterator[str]:
    """A node that joins by a member's snapshot, without a vote: its API, once it is level."""
    ports = free_ports(3)
    api = f"http://127.0.0.1:{ports[2]}"
    peers = [
        f"{read_identity(Layout(member.home)).node_id}@{member.settings.p2p}" for member in members
    ]
    made = replace(cli, home=home).ask(
        *("validator", "init", "--genesis", cli.home / "genesis.json", "--state-sync"),
        *("--peers", ",".join(peers), "--endpoint", api),
        *("--p2p", f"127.0.0.1:{ports[0]}", "--rpc", f"127.0.0.1:{ports[1]}"),
    )
    register = ("regulator", "register", made["request"], "--jurisdiction", "GB")
    cli.ask(*register, "--role", "operator", "--from", "regulator")
    admit = ("regulator", "validator", "admit", made["statement"], "--power", 0)
    height = cli.ask(*admit, "--from", "regulator")["height"]
    words = ("--home", home, "start", "--listen", f"127.0.0.1:{ports[2]}")
    with process(home.parent / "fifth.log", *words):

        def level() -> bool:
            state = health(api)
            return state["height"] >= height and not state["catching_up"]

        eventually(level, "the fifth has caught up")
        yield api


def test_receipts_outlive_changes_of_the_validators(
    tmp_path: Path, cometbft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """RCPT-10, RCPT-11: a call before, between and after changes of voting power."""
    members = open_network(Home(tmp_path / "net"), 4, NewLedger("light", development=True)).members
    for member in members:
        settings = msgspec.structs.replace(member.settings, snapshot_interval=10)
        save_settings(Layout(member.home), settings)
    with run_network(tmp_path / "net", "--validators", 4) as network:
        passphrase = {"SYNNERGY_PASSPHRASE": PASSPHRASE}
        cli = HereAndNow(network.home, network.apis[0], passphrase, capsys)
        genesis = decode_genesis_file((network.home / "genesis.json").read_bytes())
        register(cli, "publisher", "publisher")
        register(cli, "consumer", "consumer")
        sale = market.sell(cli, tmp_path, "net", mixture())
        bought = market.buy(cli, sale, calls=4)
        receipts = [cli.ask(*market.invocation(bought))["receipt"]]
        for validator, power in ((genesis.validators[3], 25), (genesis.validators[0], 0)):
            words = ("regulator", "validator", "power", validator.public_key, power)
            cli.ask(*words, "--from", "regulator", "--force")
            receipts.append(cli.ask(*market.invocation(bought))["receipt"])
        files = [tmp_path / f"{number}.receipt" for number in range(3)]
        for number, (receipt, file) in enumerate(zip(receipts, files, strict=True)):
            # RCPT-11: exported at once, it waits for the header; any node will do.
            cli.at(network.apis[number]).ask("receipt", "export", receipt, "--out", file)
        for api in network.apis[:2]:
            with Node(api) as node:
                newest = verified_header(node, genesis)
                assert newest.height > 1
                operator = genesis.validators[0].operator
                proven = prove_balance(node, genesis, operator)
                assert proven.height >= newest.height - 1
        with fifth(cli, tmp_path / "fifth", members) as api:
            # It takes the changes from the others, and proves what follows; the rest is elsewhere.
            later = cli.ask(*market.invocation(bought))["receipt"]
            files.append(tmp_path / "3.receipt")
            eventually(lambda: httpx.get(f"{api}/v1/receipts/{later}").status_code == 200, "it")
            cli.at(api).ask("receipt", "export", later, "--out", files[3])
            with Node(api) as node:
                assert verified_header(node, genesis).height > 1
            lost = httpx.get(f"{api}/v1/commits/2").json()["error"]
            assert lost["code"] == "elsewhere"
            assert lost["details"]["endpoint"] in network.apis
            assert httpx.get(f"{api}/v1/receipts/{receipts[0]}").status_code == 404
            cli.at(api).ask("receipt", "export", receipts[0], "--out", tmp_path / "again.receipt")
        top = max(health(api)["height"] for api in network.apis)
        eventually(
            lambda: min(health(api)["height"] for api in network.apis) > top, "one more block"
        )
        assert network.stop() == 0

    trusted = trusted_root(genesis)
    proofs: list[LightProof] = []
    for file in (*files, tmp_path / "again.receipt"):
        content = file.read_bytes()
        read = read_receipt(content)
        assert not isinstance(read, Rejected) and isinstance(read[0].root, LightProof)
        assert check_root(read[0], read[1], trusted) is None
        proofs.append(read[0].root)
    powers = [signers_of(proof.last).power for proof in proofs]
    # A change acts two blocks later; the last call may be quicker than that.
    steps = [len(proof.steps) for proof in proofs]
    assert steps[:3] == sorted(steps[:3]) and steps[3:] == [2, steps[0]]
    assert powers[0] == 40 and powers[1] in (40, 55)

    # Every file verifies with nothing but the genesis file, and says who signed.
    alone = HereAndNow(tmp_path / "nobody", capsys=capsys)
    genesis_file = network.home / "genesis.json"
    for file in files:
        words = ("receipt", "verify", file, "--model", sale.file, "--input", sale.input)
        answer = alone.ask(*words, "--trusted", genesis_file)
        assert answer["verified"] is True and "validators" in answer["checks"][0]
        told = " ".join(alone.ask("receipt", "show", file)["sentences"])
        assert " validators, with " in told

    # Of a real file every flipped byte is caught too.
    content = files[-1].read_bytes()
    read = read_receipt(content)
    assert not isinstance(read, Rejected)
    for at in range(len(content)):
        flipped = content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]
        found = read_receipt(flipped)
        if not isinstance(found, Rejected) and found[0].opening == read[0].opening:
            changed = found[0], found[1]
            assert check_root(*changed, trusted) or check_consistency(*changed), at

    # All four archived the same headers, and each change.
    archives = []
    for validator in network.validators:
        store = Store.open(Path(validator["home"]) / "data", readonly=True)
        heights = [int.from_bytes(key, "big") for key, _ in store.scan("commits", b"", None)]
        commits = [load_commit(store.get, height) for height in heights]
        archived = store.get("meta", ARCHIVED)
        assert archived is not None and int.from_bytes(archived, "big") >= heights[-1]
        archives.append([one.signed.header for one in commits if one is not None])
        store.close()
    assert all(archive == archives[0] for archive in archives)
    changes = [head for head in archives[0] if head.validators != head.next_validators]
    assert len(changes) == 2
    assert encode_receipt_file(read[0]) == content
