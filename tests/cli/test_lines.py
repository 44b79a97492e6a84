"""Lines whose reader may stop reading."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from synnergy.cli.lines import LAST_SECONDS, MOST_WAITING, Lines


def read_all(descriptor: int) -> bytes:
    content = b""
    while part := os.read(descriptor, 65_536):
        content += part
    os.close(descriptor)
    return content


def test_lines_arrive_in_order() -> None:
    reader, writer = os.pipe()
    lines = Lines(writer)
    for number in range(100):
        lines.write(f"{number}\n")
    lines.close()
    os.close(writer)
    assert read_all(reader).decode().split() == [str(number) for number in range(100)]


def test_a_reader_that_stops_reading_keeps_nobody_waiting() -> None:
    reader, writer = os.pipe()
    lines = Lines(writer)
    begun = time.monotonic()
    for number in range(10_000):
        lines.write(f"{number} ".ljust(1_023) + "\n")
    lines.close()
    assert time.monotonic() - begun < LAST_SECONDS + 10
    # What fitted is whole, from the first one on, once it is read after all.
    first = os.read(reader, 4_096).decode().splitlines()
    assert [line.split()[0] for line in first] == ["0", "1", "2", "3"]
    assert lines._waiting.qsize() <= MOST_WAITING  # pyright: ignore[reportPrivateUsage]
    os.close(reader)
    os.close(writer)


def test_a_reader_that_is_gone_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    lines = Lines(writer)
    for _ in range(2 * MOST_WAITING):
        lines.write("nobody hears this\n")
    lines.close()
    os.close(writer)


STUCK = """
import sys
from synnergy.cli.lines import Lines
lines = Lines(1)
for _ in range(1000):
    lines.write("x" * 1000)
lines.close()
sys.exit(0)
"""


def test_the_process_ends_all_the_same() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.wait(30) == 0
    _, errors = process.communicate()
    assert errors == b""
