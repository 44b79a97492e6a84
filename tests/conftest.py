"""What holds for every test: time decides nothing, here as on the ledger."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("synnergy", deadline=None)
settings.load_profile("synnergy")
