"""A checker for the part of JSON Schema that the OpenAPI document uses."""

from __future__ import annotations

import re
from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
    "number": (int, float),
}
KNOWN = {
    *("$ref", "type", "properties", "required", "description", "enum", "anyOf", "pattern"),
    *("minLength", "maxLength", "minimum", "maximum", "items", "minItems", "maxItems"),
    *("prefixItems", "additionalProperties"),
}


def problems(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str = "$"):
    """Yield where `value` is not what `schema` says; unknown fields are problems too."""
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        yield from problems(value, schemas[name], schemas, at)
    if "anyOf" in schema and all(
        list(problems(value, option, schemas, at)) for option in schema["anyOf"]
    ):
        yield f"{at}: {value!r} is none of the alternatives"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not in {schema['enum']}"
    kind = schema.get("type")
    if kind is None:
        return
    if not isinstance(value, TYPES[kind]) or (kind == "integer" and isinstance(value, bool)):
        yield f"{at}: {value!r} is no {kind}"
    elif kind == "string":
        yield from _text(value, schema, at)
    elif kind == "integer":
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{at}: {value} is out of range"
    elif kind == "array":
        items = schema.get("prefixItems") or [schema["items"]] * len(value)
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{at}: {len(value)} items"
        for index, (item, inner) in enumerate(zip(value, items, strict=False)):
            yield from problems(item, inner, schemas, f"{at}[{index}]")
    elif kind == "object":
        yield from _object(value, schema, schemas, at)


def _text(value: str, schema: dict[str, Any], at: str):
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{at}: {len(value)} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} does not match {schema['pattern']}"


def _object(value: dict[str, Any], schema: dict[str, Any], schemas: dict[str, Any], at: str):
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}.{name} is missing"
    for name, item in value.items():
        inner = properties.get(name, schema.get("additionalProperties"))
        if inner is None:
            yield f"{at}.{name} is not in the schema"
        else:
            yield from problems(item, inner, schemas, f"{at}.{name}")
