"""Making, reading, restoring and forging backups."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from synnergy.client import archive, backup
from synnergy.client.archive import Head, Manifest, Member
from synnergy.client.failures import ClientError
from synnergy.client.home import Home
from synnergy.state.store import DATABASES, Store

Content = list[tuple[str, bytes]]


def restored(content: bytes, place: Path) -> backup.Restored:
    file = place / "given.tar"
    file.write_bytes(content)
    return backup.restore(file, Home(place / "new"))


def refusal(content: bytes, place: Path) -> str:
    """Why a backup is not restored; nothing of it remains."""
    with pytest.raises(ClientError) as caught:
        restored(content, place)
    assert caught.value.code == "bad_backup", caught.value
    assert os.listdir(place) == ["given.tar"]
    return caught.value.message


def content_of(store: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    opened = Store.open(store, readonly=True)
    try:
        return {name: opened.scan(name, b"\x00", None) for name in DATABASES}
    finally:
        opened.close()


def files_of(home: Home) -> dict[str, bytes]:
    found = (path for path in home.root.rglob("*") if path.is_file())
    files = {path.relative_to(home.root).as_posix(): path.read_bytes() for path in found}
    return {name: content for name, content in files.items() if not name.startswith("data/")}


def read(path: Path) -> Content:
    with path.open("rb") as file:
        return list(archive.members(file))


def plain(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def forged(
    content: Content,
    *,
    header: Callable[[tarfile.TarInfo], bytes] | None = None,
    of: str = "",
    head: Head | None = None,
) -> bytes:
    """An archive whose digests are right, whatever is in it; `header` writes that of `of`."""
    parts: list[bytes] = []
    first = head or msgspec.json.decode(dict(content)["backup.json"], type=Head)
    listed = tuple(
        Member(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in content
    )
    manifest = archive.to_json(Manifest(first, listed))
    for name, data in [*content, ("manifest.json", manifest)]:
        member = plain(name, len(data))
        made = member.tobuf(tarfile.USTAR_FORMAT)
        if header is not None and name == of:
            made = header(member)
        parts += [made, data, bytes(-len(data) % 512)]
    return b"".join(parts) + bytes(1024)
