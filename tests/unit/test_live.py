"""Input that comes slowly goes out while more is awaited."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib

import pytest

from flowlogs import ACCEPT, HEADER, REJECT, text
from vpcflow import _core


def test_a_pipe_that_trickles_is_not_held_back() -> None:
    command = [sys.executable, "-m", "vpcflow", "index", "-", "--to", "-", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        for sent, offset in (
            (text(HEADER, ACCEPT), len(HEADER) + 1),
            (text(ACCEPT), len(text(HEADER, ACCEPT))),
        ):
            run.stdin.write(sent)
            run.stdin.flush()
            # The pipe is still open: without a line now this would wait for ever.
            assert json.loads(run.stdout.readline())["log"]["offset"] == offset
        run.stdin.close()
        assert run.stdout.read() == b""
        assert run.wait() == 0


class Slow:
    """A stream that has nothing for now before each of its parts."""

    def __init__(self, parts: list[bytes]) -> None:
        self.parts = [answer for part in parts for answer in (None, part)]

    def read(self, size: int) -> bytes | None:
        return self.parts.pop(0) if self.parts else b""


@pytest.mark.parametrize("compressed", [False, True])
def test_whole_lines_go_when_there_is_nothing_for_now(compressed: bool) -> None:
    parts = [text(HEADER, ACCEPT), text(REJECT)[:30], text(REJECT)[30:] + text(ACCEPT)[:9], text(ACCEPT)[9:]]
    if compressed:
        packer = zlib.compressobj(wbits=31)
        parts = [packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts]
        parts.append(packer.flush())
    chunks = [chunk.parse() for chunk in _core.Reader(Slow(parts))]  # type: ignore[arg-type]
    assert [batch.lines for batch in chunks] == [1, 1, 1]
    assert [batch.errors for batch in chunks] == [[], [], []]


def test_a_layout_that_the_first_lines_leave_open_is_told_by_the_next() -> None:
    chunks = [batch.parse() for batch in _core.Reader(Slow([b"\n", text(ACCEPT), text(REJECT)]))]  # type: ignore[arg-type]
    assert sum(batch.lines for batch in chunks) == 2


def test_parts_become_one_gzip_member() -> None:
    parts = [text(HEADER, ACCEPT), b"", text(REJECT)]
    member = zlib.decompressobj(wbits=31)
    assert member.decompress(_core.gzip(parts)) == b"".join(parts)
    assert member.eof
    assert member.unused_data == b""
    assert gzip.decompress(_core.gzip([])) == b""
