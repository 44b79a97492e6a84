"""Synnergy: a permissioned ledger for AI. Start reading at `pipeline.py`."""

__version__ = "0.1.0"
