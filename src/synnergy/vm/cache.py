"""Verified programs kept ready, so that a template or a contract is verified once.

Purely an economy: what a transaction pays for verification doesn't depend on it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from synnergy.rejected import Rejected
from synnergy.vm.blocks import VerifiedProgram
from synnergy.vm.program import decode_program
from synnergy.vm.templates import template_opcode
from synnergy.vm.verifier import verify


class ProgramCache:
    """The last used programs under one gas table, at most `capacity` bytes of code in all.

    Quotes verify beside the block under way, so it may be asked from any thread.
    """

    def __init__(self, prices: Mapping[str, int], capacity: int = 1024 * 1024) -> None:
        self._prices = dict(prices)
        self._capacity = capacity
        self._programs: OrderedDict[bytes, VerifiedProgram] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def verified(self, code: bytes) -> VerifiedProgram | Rejected:
        """The program that `code` encodes, decoded and verified, or why it is refused."""
        with self._lock:
            known = self._programs.get(code)
            if known is not None:
                self._programs.move_to_end(code)
                return known
        program = decode_program(code)
        if isinstance(program, Rejected):
            return program
        verified = verify(program, self._prices)
        if isinstance(verified, Rejected):
            return verified
        verified = replace(verified, template=template_opcode(code))
        with self._lock:
            if code not in self._programs:  # another thread may have been faster
                self._programs[code] = verified
                self._size += len(code)
            while self._size > self._capacity:
                oldest, _ = self._programs.popitem(last=False)
                self._size -= len(oldest)
        return verified
