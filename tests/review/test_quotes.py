"""A quote is an answer, whatever the program (GAS-6)."""

from __future__ import annotations

import hashlib

from synnergy.chain.queries.moment import open_moment
from synnergy.chain.queries.quotes import QuoteView, quote_view
from synnergy.identity.authenticate import Transaction, decode_transaction
from synnergy.opcodes import artefacts, models, plans
from synnergy.wire.transaction import Attachment
from tests.chain.market import program_of
from tests.chain.small_models import doubled
from tests.ledger.harness import PUBLISHER, Ledger


def test_upload_and_publication_in_one_program_are_quoted(ledger: Ledger) -> None:
    content = doubled()
    digest = hashlib.sha256(content).digest()
    code, data = program_of(
        ("MODEL_COMMIT", artefacts.Commit(digest, len(content), (digest,))),
        ("MODEL_UPLOAD", artefacts.Upload(digest, 0, 0)),
        (
            "MODEL_PUBLISH",
            models.Publish(digest, "model", "1", "limited", (), None, None, None, False),
        ),
    )
    raw = ledger.envelope(PUBLISHER, "", data, (Attachment(b"", content),), code=code)
    plans._plans.clear()
    with ledger.store.snapshot() as view:
        moment = open_moment(view, ledger.application.header)
        shown = quote_view(moment, ledger.application, raw)
    assert isinstance(shown, QuoteView) and shown.status == "ok", shown
    plans._plans.clear()
    transaction = decode_transaction(raw, ledger.application.chain_id)
    assert isinstance(transaction, Transaction)
    quoted = ledger.application.quote(transaction)
    plans._plans.clear()
    result = ledger.block(raw)[0]
    assert result.status == "ok", result.message
    assert shown.gas == quoted.gas_used == result.gas_used
