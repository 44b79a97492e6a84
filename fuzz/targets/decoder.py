"""WIRE-1, WIRE-2: any bytes, read as every wire struct there is; a value has one encoding."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import msgspec

import synnergy
from fuzz import mutate
from fuzz.target import Target, plain
from fuzz.world import world
from synnergy.rejected import Rejected
from synnergy.wire.codec import MAX_BYTES, Struct, decode, decode_trusted, encode
from synnergy.wire.transaction import MAX_ENVELOPE_BYTES, Envelope, commit, transaction_id

_SKIPPED = ("synnergy.cli", "synnergy.demo", "synnergy.client", "synnergy.__main__")


def _kinds() -> list[type[Struct]]:
    for module in walk_packages(synnergy.__path__, "synnergy."):
        if not module.name.startswith(_SKIPPED):
            import_module(module.name)
    found: list[type[Struct]] = []
    waiting = [Struct]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            # A struct of HTTP answers is written as JSON and never read from msgpack.
            if kind.__module__.startswith("synnergy.") and ".api." not in kind.__module__:
                found.append(kind)
    return sorted(set(found), key=lambda kind: (kind.__module__, kind.__qualname__))


KINDS = _kinds()


def check(data: bytes) -> Iterator[str]:
    for kind in KINDS:
        value = decode(data, kind, MAX_ENVELOPE_BYTES)
        if isinstance(value, Rejected):
            assert value.rule in ("WIRE-1", "WIRE-2") and value.message, value
            if kind is Envelope:
                yield plain(value.message)
            continue
        assert encode(value) == data, kind
        assert decode_trusted(data, kind) == value
        # A value that was read can be read again after any change of one field: it is frozen.
        assert msgspec.structs.replace(value) == value
        yield kind.__qualname__
        if isinstance(value, Envelope):
            transaction_id(value.body)
            for attachment in value.attachments:
                assert attachment.reference.commitment == commit(
                    attachment.salt, attachment.content
                )
    assert isinstance(decode(data, Envelope, len(data) - 1), Rejected) or not data
    assert len(data) <= MAX_BYTES


def seeds() -> dict[str, bytes]:
    """An envelope of each verb used, its arguments, and records of state, one of each size."""
    made: dict[str, bytes] = {}
    for step in world().history:
        if step.verb:
            made[f"arguments-{step.verb}"] = step.arguments
    made |= {f"envelope-{index:02}": raw for index, raw in enumerate(world().envelopes)}
    for value in world().state.values():
        made.setdefault(f"record-{value[0]:02x}-{len(value) // 16:03}", value)
    made["receipt"] = world().receipt
    return {name: data for name, data in made.items() if len(data) <= TARGET.longest}


TARGET = Target(check, seeds, longest=4_096, mutate=mutate.message)
