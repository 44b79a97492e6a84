"""The two Cedar texts that ship with the ledger: the schema, and the policy set of a new one."""

from __future__ import annotations

from importlib.resources import files

_HERE = files("synnergy.policy")

SCHEMA = (_HERE / "schema.cedarschema").read_text(encoding="utf-8")
DEFAULT_SET = (_HERE / "policies" / "default.cedar").read_text(encoding="utf-8")
