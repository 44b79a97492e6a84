"""CometBFT's files as we write them, held against CometBFT itself."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.engines.cometbft.files import (
    MAX_SOCKET_PATH_BYTES,
    SETTINGS_FORMAT,
    BadFiles,
    Layout,
    NodeSettings,
    StateSync,
    create_keys,
    load_settings,
    port_of,
    read_identity,
    render_config,
    save_settings,
    socket_path,
    write_config,
    write_whole,
)

PEER = "ab" * 20 + "@127.0.0.1:26656"
SETTINGS = NodeSettings(SETTINGS_FORMAT, "one", "127.0.0.1:26656", "127.0.0.1:26657", (PEER,))


def ask(binary: Path, home: Path, *words: str) -> str:
    done = subprocess.run(
        [binary, *words, "--home", Layout(home).root], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_cometbft_reads_the_keys_as_we_do(tmp_path: Path, cometbft: Path) -> None:
    identity = create_keys(Layout(tmp_path))
    assert ask(cometbft, tmp_path, "show-node-id") == identity.node_id
    shown = json.loads(ask(cometbft, tmp_path, "show-validator"))
    assert msgspec.json.decode(f'"{shown["value"]}"', type=bytes).hex() == identity.public_key


def test_we_read_keys_that_cometbft_made(tmp_path: Path, cometbft: Path) -> None:
    ask(cometbft, tmp_path, "init")
    identity = read_identity(Layout(tmp_path))
    assert ask(cometbft, tmp_path, "show-node-id") == identity.node_id


def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    create_keys(layout)
    for path in (layout.node_key, layout.consensus_key, layout.consensus_state):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.root.stat().st_mode) == 0o700


@pytest.mark.parametrize("kept", ["node_key", "consensus_key", "consensus_state"])
def test_no_key_and_no_memory_of_it_is_replaced(tmp_path: Path, kept: str) -> None:
    layout = Layout(tmp_path)
    create_keys(layout)
    before = {
        name: getattr(layout, name).read_bytes()
        for name in ("node_key", "consensus_key", "consensus_state")
    }
    for name in before:
        if name != kept:
            getattr(layout, name).unlink()
    with pytest.raises(BadFiles, match="never replaced"):
        create_keys(layout)
    assert getattr(layout, kept).read_bytes() == before[kept]
    assert [name for name in before if getattr(layout, name).exists()] == [kept]


def damaged(path: Path, change: str) -> None:
    file: dict[str, Any] = json.loads(path.read_text())
    match change:
        case "another public key":
            file["pub_key"]["value"] = "A" * 43 + "="
        case "another address":
            file["address"] = "0" * 40
        case "a short key":
            file["priv_key"]["value"] = file["priv_key"]["value"][:40]
        case "halves of two keys":
            value = file["priv_key"]["value"]
            file["priv_key"]["value"] = "A" * 42 + value[42:]
        case "no base64":
            file["priv_key"]["value"] = "?" + file["priv_key"]["value"][1:]
        case "no key":
            del file["priv_key"]
    path.write_text(json.dumps(file))


@pytest.mark.parametrize(
    "change",
    [
        "another public key", "another address", "a short key", "halves of two keys",
        "no base64", "no key",
    ],
)  # fmt: skip
def test_a_damaged_key_is_refused_without_telling_it(tmp_path: Path, change: str) -> None:
    layout = Layout(tmp_path)
    create_keys(layout)
    secret = json.loads(layout.consensus_key.read_text())["priv_key"]["value"]
    damaged(layout.consensus_key, change)
    with pytest.raises(BadFiles) as refused:
        read_identity(layout)
    assert str(layout.consensus_key) in str(refused.value)
    assert secret[2:20] not in str(refused.value) and secret[-20:-2] not in str(refused.value)


def test_a_home_without_keys_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(BadFiles, match="synnergy validator init"):
        read_identity(Layout(tmp_path))


def test_a_key_that_is_missing_from_a_nodes_home_is_put_back(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    create_keys(layout)
    save_settings(layout, SETTINGS)
    layout.consensus_key.unlink()
    with pytest.raises(BadFiles, match="put that very key back") as refused:
        read_identity(layout)
    assert "validator init" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("h:1", 1), ("[::1]:65535", 65_535), ("h:65536", None), (f"{'ab' * 20}@h:70000", None),
        ("https://h", 0), ("http://h:99999/x", None), ("http://[::1]:7070", 7_070),
    ],
)  # fmt: skip
def test_ports(address: str, port: int | None) -> None:
    assert port_of(address) == port


# ---- config.toml ------------------------------------------------------------------------------


def flat(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = flat(value) if isinstance(value, dict) else None
        found |= {name: value} if inner is None else {f"{name}.{k}": v for k, v in inner.items()}
    return found


def test_every_setting_is_one_that_cometbft_has(tmp_path: Path, cometbft: Path) -> None:
    """A misspelt key would be ignored in silence; each is among those that it writes itself."""
    ask(cometbft, tmp_path, "init")
    known = flat(tomllib.loads(Layout(tmp_path).config.read_text()))
    for sync in (None, StateSync(("http://a:1/v1/light", "http://b/v1/light"), 5, "ab" * 32)):
        ours = flat(tomllib.loads(render_config(SETTINGS, Path("abci.sock"), sync)))
        assert {name for name in ours if name not in known} == set()
        kinds = {name: (type(ours[name]), type(known[name])) for name in ours}
        assert {name: both for name, both in kinds.items() if both[0] is not both[1]} == {}


def test_the_measured_settings() -> None:
    ours = flat(tomllib.loads(render_config(SETTINGS, Path("abci.sock"))))
    assert ours["proxy_app"] == "unix://abci.sock"
    assert ours["p2p.persistent_peers"] == PEER
    assert ours["filter_peers"] is True and ours["p2p.pex"] is False
    assert ours["mempool.size"] == 30_000 and ours["mempool.recheck"] is True
    assert ours["consensus.timeout_commit"] == "200ms"
    assert ours["consensus.create_empty_blocks_interval"] == "10s"
    assert ours["statesync.enable"] is False


@given(st.text(max_size=60).filter(lambda text: "\0" not in text))
def test_no_folders_name_breaks_out_of_its_line(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    read = tomllib.loads(render_config(SETTINGS, Path("/") / name))
    assert read["proxy_app"] == f"unix://{Path('/') / name}"
    assert flat(read).keys() == flat(tomllib.loads(render_config(SETTINGS, Path("a")))).keys()


def test_a_home_whose_name_is_no_text_is_refused() -> None:
    with pytest.raises(BadFiles, match="UTF-8"):
        write_config(Layout(Path("/\udce9")), SETTINGS, Path("/\udce9/abci.sock"))


# ---- validator.json ---------------------------------------------------------------------------


def test_settings_survive(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    settings = msgspec.structs.replace(
        SETTINGS,
        state_sync=True,
        members=("http://127.0.0.1:1", "https://node.example/api"),
        keep_blocks=5_000,
        external="node.example:26656",
    )
    save_settings(layout, settings)
    assert load_settings(layout) == settings


HOSTILE: dict[str, object] = {
    "moniker": 'one"\nproxy_app = "kvstore',
    "p2p": "127.0.0.1",
    "rpc": "127.0.0.1:26657\n",
    "peers": ["127.0.0.1:26656"],
    "external": "host:1,ab@host:2",
    "format": 2,
    "unknown": True,
    "members": ["http://a,http://b"],
    "snapshot_interval": 0,
}


@pytest.mark.parametrize("field", HOSTILE)
def test_malformed_settings_are_refused_by_name(tmp_path: Path, field: str) -> None:
    layout = Layout(tmp_path)
    content = json.loads(msgspec.json.encode(SETTINGS))
    content[field] = HOSTILE[field]
    layout.settings.write_text(json.dumps(content))
    with pytest.raises(BadFiles) as refused:
        load_settings(layout)
    assert field in str(refused.value) and str(layout.settings) in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"), [("p2p", "127.0.0.1:65536"), ("p2p", SETTINGS.rpc), ("rpc", "h:99999")]
)
def test_impossible_addresses_are_refused(tmp_path: Path, field: str, value: str) -> None:
    layout = Layout(tmp_path)
    impossible = msgspec.structs.replace(SETTINGS, **{field: value})
    with pytest.raises(BadFiles, match=r"port|both"):
        save_settings(layout, impossible)
    assert not layout.settings.exists()
    layout.settings.write_bytes(msgspec.json.encode(impossible))
    with pytest.raises(BadFiles, match=r"port|both"):
        load_settings(layout)


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadFiles, match="peers is not NODE_ID@HOST:PORT"):
        save_settings(Layout(tmp_path), msgspec.structs.replace(SETTINGS, peers=("nowhere",)))
    assert list(tmp_path.iterdir()) == []


# ---- the socket -------------------------------------------------------------------------------


def test_a_short_home_has_its_socket_inside() -> None:
    layout = Layout(Path("/a/home"))
    assert socket_path(layout) == layout.root / "abci.sock"


def test_a_long_home_has_its_socket_in_a_private_folder(tmp_path: Path) -> None:
    layout = Layout(Path("/") / ("long" * 40))
    path = socket_path(layout, tmp_path)
    assert path == socket_path(layout, tmp_path)
    assert path != socket_path(Layout(Path("/") / ("Long" * 40)), tmp_path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(os.fsencode(path)) - len(os.fsencode(tmp_path)) < MAX_SOCKET_PATH_BYTES


@pytest.mark.parametrize("taken_by", ["a link", "others may enter"])
def test_a_folder_that_others_reach_is_not_used(tmp_path: Path, taken_by: str) -> None:
    layout = Layout(Path("/") / ("long" * 40))
    folder = socket_path(layout, tmp_path).parent
    if taken_by == "a link":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.chmod(0o755)
    with pytest.raises(BadFiles, match="shorter home"):
        socket_path(layout, tmp_path)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFiles, match="cannot be written"):
        write_whole(tmp_path / "file" / "inside", b"")
