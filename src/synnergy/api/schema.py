"""JSON schemas of wire structs as this API writes them: bytes as hex (API-9).

msgspec's own schemas give bytes as base64; these are made from the same description of the types.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import inspect

Schema = dict[str, Any]


class Components:
    """Schemas of structs by name, collected as they are referred to."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._kinds: dict[str, type] = {}

    def reference(self, kind: type[msgspec.Struct]) -> Schema:
        """A `$ref` to a struct's schema. Raises ValueError where two structs share a name."""
        name = kind.__name__
        known = self._kinds.setdefault(name, kind)
        if known is not kind:
            raise ValueError(f"{kind.__module__} and {known.__module__} both name a {name}")
        if name not in self.schemas:
            self.schemas[name] = {}  # breaks cycles, though wire structs have none
            self.schemas[name] = self._struct(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def _struct(self, kind: type[msgspec.Struct]) -> Schema:
        described = inspect.type_info(kind)
        assert isinstance(described, inspect.StructType)
        properties = {field.name: self.of(field.type) for field in described.fields}
        schema: Schema = {"type": "object", "properties": properties}
        schema["required"] = [field.name for field in described.fields if _always_there(field)]
        if kind.__doc__:
            schema["description"] = " ".join(kind.__doc__.split())
        return schema

    def of(self, described: inspect.Type) -> Schema:
        """The schema of one type. Raises TypeError for what wire structs are not made of."""
        match described:
            case inspect.Metadata():
                extra = cast(
                    Schema | None,
                    described.extra_json_schema,  # pyright: ignore[reportUnknownMemberType]
                )
                return self.of(described.type) | (extra or {})
            case inspect.StructType():
                return self.reference(described.cls)
            case inspect.BytesType():
                return _bytes(described)
            case inspect.StrType():
                return {"type": "string"} | _given(
                    minLength=described.min_length,
                    maxLength=described.max_length,
                    pattern=described.pattern,
                )
            case inspect.IntType():
                return {"type": "integer"} | _given(minimum=described.ge, maximum=described.le)
            case inspect.BoolType():
                return {"type": "boolean"}
            case inspect.NoneType():
                return {"type": "null"}
            case inspect.AnyType():
                return {}
            case inspect.LiteralType():
                return {"enum": list(described.values)}
            case inspect.UnionType():
                return {"anyOf": [self.of(kind) for kind in described.types]}
            case inspect.VarTupleType() | inspect.ListType():
                return {"type": "array", "items": self.of(described.item_type)} | _given(
                    minItems=described.min_length, maxItems=described.max_length
                )
            case inspect.TupleType():
                items = [self.of(item) for item in described.item_types]
                return {
                    "type": "array",
                    "prefixItems": items,
                    "minItems": len(items),
                    "maxItems": len(items),
                }
            case inspect.DictType():
                return {
                    "type": "object",
                    "additionalProperties": self.of(described.value_type),
                }
            case _:
                raise TypeError(f"no schema is known for {type(described).__name__}")


def _bytes(described: inspect.BytesType) -> Schema:
    low, high = described.min_length, described.max_length
    if low is not None and low == high:
        return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * low}}}$"}
    lengths = _given(
        minLength=None if low is None else 2 * low, maxLength=None if high is None else 2 * high
    )
    return {"type": "string", "pattern": "^([0-9a-f]{2})*$"} | lengths


def _given(**limits: object) -> Schema:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _always_there(field: inspect.Field) -> bool:
    """Whether answers always have this field; msgspec shows one that may be unset like this."""
    undefaulted = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
    return field.required or not undefaulted
