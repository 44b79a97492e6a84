"""The state machine that an engine drives, and what it is made of."""

from synnergy.chain.application import Application

__all__ = ["Application"]
