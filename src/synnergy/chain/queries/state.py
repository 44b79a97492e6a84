"""Any record of state by table and key, with the proof that the app hash holds it."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from synnergy.chain.queries.moment import Moment
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.merkle import Tree
from synnergy.state.proofs import prove
from synnergy.state.tables import Key, Part, Table
from synnergy.wire.codec import Struct, decode_trusted, encode
from synnergy.wire.types import Digest, Height, ShortText

Component = Literal["text", "bytes", "integer"]

#: The key of a table that holds a single record.
SINGLE = "-"

#: Every table, and what its keys are made of; nothing for a table of a single record.
_KEYS: tuple[tuple[Table[Any], tuple[Component, ...]], ...] = (
    (records.accounts, ("text",)),
    (records.wallets, ("text",)),
    (records.keys, ("bytes",)),
    (records.denials, ("text",)),
    (records.oversight, ()),
    (records.activities, ("text",)),
    (records.flags, ("text",)),
    (records.cohorts, ("text", "integer")),
    (records.last_cohorts, ("text",)),
    (records.money, ()),
    (records.governance, ()),
    (records.retention, ()),
    (records.upgrade, ()),
    (records.policies, ("integer",)),
    (records.proposals, ("bytes",)),
    (records.artefacts, ("bytes",)),
    (records.documents, ("bytes",)),
    (records.models, ("bytes",)),
    (records.publications, ("text", "text", "text")),
    (records.approvals, ("bytes",)),
    (records.offers, ("bytes",)),
    (records.licences, ("bytes",)),
    (records.open_licences, ("bytes", "bytes")),
    (records.licensees, ("bytes", "text")),
    (records.stats, ("bytes",)),
    (records.deadlines, ("integer", "text", "bytes")),
    (records.closing, ("bytes",)),
    (records.contracts, ("text",)),
    (records.programs, ("bytes",)),
    (records.storage, ("text", "bytes")),
    (records.validators, ("bytes",)),
    (records.receipts_root, ()),
)
TABLES = {table.name: (table, components) for table, components in _KEYS}

_HEX = re.compile(r"([0-9a-f]{2})*")
_INTEGER = re.compile(r"[0-9]{1,20}")


class StateView(Struct, frozen=True):
    """A record (null where there is none) in the state after block `height`.

    `proof` is the canonical msgpack of the StateProof that `app_hash` holds this value under
    `raw_key`, or nothing; it is there where it was asked for.
    """

    table: ShortText
    key: str
    raw_key: bytes
    value: Any
    height: Height
    app_hash: Digest
    proof: bytes | UnsetType = UNSET


def state_view(moment: Moment, table: str, key: str, *, proven: bool) -> StateView | Rejected:
    """The record of `table` under the written `key`, all from one moment (API-6)."""
    known = TABLES.get(table)
    if known is None:
        return Rejected(
            "API-2", "unknown_table", f"no table is called {table}; there are {', '.join(TABLES)}"
        )
    kind, components = known
    parsed = parse_key(key, components)
    if isinstance(parsed, Rejected):
        return parsed
    try:
        raw_key = kind.raw_key(parsed)
    except (ValueError, UnicodeEncodeError) as error:
        return Rejected("STATE-21", "bad_key", str(error))
    stored = moment.state.get(raw_key)
    proof = UNSET
    if proven:
        tree = Tree(partial(moment.view.get, "nodes"))
        proof = encode(prove(tree, raw_key, stored))
    return StateView(
        table=table,
        key=key,
        raw_key=raw_key,
        value=None if stored is None else decode_trusted(stored, kind.kind),
        height=moment.header.height,
        app_hash=moment.header.app_hash,
        proof=proof,
    )


def parse_key(written: str, components: tuple[Component, ...]) -> Key | Rejected:
    """A key as a table takes it: components with `/` between them, bytes in hex."""
    if not components:
        if written == SINGLE:
            return records.SINGLE
        return Rejected(
            "API-2", "bad_key", f"this table has a single record; its key is `{SINGLE}`"
        )
    parts = written.split("/")
    if len(parts) != len(components):
        return Rejected(
            "API-2",
            "bad_key",
            f"a key of this table is {'/'.join(components)}; {len(parts)} components were given",
        )
    parsed: list[Part] = []
    for part, component in zip(parts, components, strict=True):
        if component == "text":
            parsed.append(part)
        elif component == "bytes" and _HEX.fullmatch(part):
            parsed.append(bytes.fromhex(part))
        elif component == "integer" and _INTEGER.fullmatch(part):
            parsed.append(int(part))
        else:
            how = "lower-case hex" if component == "bytes" else "a decimal number"
            return Rejected("API-2", "bad_key", f"{part!r} must be {how}")
    return tuple(parsed) if len(parsed) > 1 else parsed[0]
