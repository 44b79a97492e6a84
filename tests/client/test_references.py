from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from synnergy.client import verbs
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.keystore import create_wallet
from synnergy.client.references import check_digest, resolve_model
from synnergy.opcodes.models import model_id
from synnergy.vm.catalogue import domain

ROOT = Path(__file__).parents[2]


def test_a_model_is_named_by_id_or_reference(keystore: Path) -> None:  # CLIENT-9
    address = create_wallet(keystore, "acme", None).address
    wanted = model_id(address, "iris", "1.0")
    assert resolve_model(keystore, wanted.hex()) == wanted
    assert resolve_model(keystore, "acme/iris@1.0") == wanted
    assert resolve_model(keystore, f"{address}/iris@1.0") == wanted


def test_there_is_no_implicit_latest(keystore: Path) -> None:
    create_wallet(keystore, "acme", None)
    for text in ("acme/iris", "acme/iris@"):
        with pytest.raises(WrongUse) as missing:
            resolve_model(keystore, text)
        assert missing.value.code == "version_missing" and "acme/iris@1" in missing.value.message


@pytest.mark.parametrize("text", ["", "iris@1", "abc", "acme/@1", "acme/I@1", "acme/a b@1", "/@"])
def test_what_names_no_model(keystore: Path, text: str) -> None:
    create_wallet(keystore, "acme", None)
    with pytest.raises(WrongUse):
        resolve_model(keystore, text)


def test_a_publisher_nobody_knows(keystore: Path) -> None:
    with pytest.raises(ClientError) as unknown:
        resolve_model(keystore, "acme/iris@1")
    assert unknown.value.code == "unknown_wallet"


def test_ids() -> None:
    assert check_digest("AB" * 32, "an id") == b"\xab" * 32
    with pytest.raises(WrongUse):
        check_digest("ab", "an id")


def test_every_verb_has_a_function() -> None:
    for opcode in domain():
        assert callable(getattr(verbs, opcode.name.lower()))


def test_the_generated_verbs_are_current() -> None:
    tool = ROOT / "tools" / "generate_sdk.py"
    done = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
