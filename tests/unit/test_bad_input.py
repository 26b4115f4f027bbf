"""Nothing crashes, nothing is lost, nothing is silent: lines and objects that are not what they should be."""

from __future__ import annotations

import gzip
import json
import pickle
import random
from pathlib import Path

import pytest

import samples
import vpcflow
from vpcflow import DecodeError, FormatError, ParseError

GOOD = samples.ACCEPTED
HEADER = len(samples.V2) + 1


def replaced(position: int, token: str) -> str:
    """The good record with another token."""
    tokens = GOOD.split()
    tokens[position] = token
    return " ".join(tokens)


BAD = {
    "too few fields": (GOOD.rsplit(" ", 1)[0], None, "has 13 fields, its format 14"),
    "too many fields": (GOOD + " x", None, "has 15 fields, its format 14"),
    "one word": ("garbage", None, "has 1 fields"),
    "a port out of range": (replaced(5, "65536"), "srcport", '"65536" is not a whole number from 0 to 65535'),
    "a protocol out of range": (replaced(7, "256"), "protocol", "from 0 to 255"),
    "a negative number": (replaced(8, "-1"), "packets", "not a whole number"),
    "a number too long": (replaced(9, "9223372036854775808"), "bytes", "not a whole number"),
    "a fraction": (replaced(9, "1.5"), "bytes", "not a whole number"),
    "a time past the year 9999": (replaced(11, "253402300800"), "end", "not a whole number"),
    "an address out of range": (
        replaced(3, "10.0.0.256"),
        "srcaddr",
        '"10.0.0.256" is not an IPv4 or IPv6 address',
    ),
    "an address with a scope": (replaced(4, "fe80::1%eth0"), "dstaddr", "not an IPv4 or IPv6 address"),
    "a name for an address": (replaced(4, "unknown"), "dstaddr", "not an IPv4 or IPv6 address"),
    "an octal address": (replaced(4, "010.0.0.1"), "dstaddr", "not an IPv4 or IPv6 address"),
    "JSON without a message": ('{"msg": "2"}', None, 'without a "message" text'),
    "broken JSON": ('{"message": "2', None, "not JSON"),
    "another header": (samples.NAT, None, None),
}
ERRORS = {name: case for name, case in BAD.items() if case[2]}


@pytest.mark.parametrize(("line", "field", "reason"), ERRORS.values(), ids=ERRORS)
def test_an_unreadable_line_keeps_its_text_and_says_what_is_wrong(
    line: str, field: str | None, reason: str
) -> None:
    data = samples.log(samples.V2, [GOOD, line, GOOD])
    batch = vpcflow.parse(data, origin=vpcflow.Origin(path="/logs/a", modified=1418530070))
    (error,) = batch.errors
    assert (error.line, error.offset, error.field, error.raw) == (
        3,
        HEADER + len(GOOD) + 1,
        field,
        line.encode(),
    )
    assert reason in error.reason
    before, document, after = batch.to_ecs()
    assert before["source"] == after["source"]
    assert before["event"]["kind"] == after["event"]["kind"] == "event"
    assert document["event"]["kind"] == "pipeline_error"
    assert document["event"]["original"] == line
    assert document["error"]["message"] == (f"{field}: {error.reason}" if field else error.reason)
    assert document["log"] == {"offset": error.offset, "file": {"path": "/logs/a"}}
    assert document["@timestamp"] == "2014-12-14T04:07:50.000Z"
    assert not {"source", "destination", "network", "related"} & set(document)
    assert [document, before, after] == [
        json.loads(text) for text in (batch.to_ndjson().splitlines()[i] for i in (1, 0, 2))
    ]


@pytest.mark.parametrize("lines", [["\f"], ["\f", GOOD]])
def test_a_line_of_other_white_space_is_told_whatever_else_is_read_with_it(lines: list[str]) -> None:
    reader = vpcflow.read("".join(f"{line}\n" for line in lines).encode(), format=samples.V2)
    (error,) = [error for batch in reader for error in batch.errors]
    assert error.raw == b"\f"


def test_errors_are_picklable_and_say_where() -> None:
    (error,) = vpcflow.parse(samples.log(samples.V2, [replaced(5, "x")])).errors
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.line, copy.offset, copy.field, copy.reason, copy.raw) == (
        error.line,
        error.offset,
        error.field,
        error.reason,
        error.raw,
    )
    assert str(copy) == f'line 2 (byte {HEADER}): srcport: "x" is not a whole number from 0 to 65535'
    assert isinstance(copy, ValueError)
    for other in (FormatError("x"), DecodeError("y"), vpcflow.SinkError("z"), vpcflow.ConfigError("c")):
        assert repr(pickle.loads(pickle.dumps(other))) == repr(other)


def test_skip_and_raise() -> None:
    data = samples.log(samples.V2, [GOOD, replaced(5, "x"), GOOD, "short", GOOD])
    skipped = vpcflow.parse(data, on_error="skip")
    assert (len(skipped), skipped.lines, [error.line for error in skipped.errors]) == (3, 5, [3, 5])
    assert [document["log"]["offset"] for document in skipped.to_ecs()] == [
        HEADER, HEADER + len(GOOD) + 1 + len(replaced(5, "x")) + 1, len(data) - len(GOOD) - 1,
    ]  # fmt: skip
    with pytest.raises(ParseError, match="line 3"):
        vpcflow.parse(data, on_error="raise")
    with pytest.raises(ValueError, match="on_error"):
        vpcflow.parse(data, on_error="ignore")  # type: ignore[arg-type]


def test_the_first_field_at_fault_is_named() -> None:
    tokens = GOOD.split()
    tokens[3], tokens[5], tokens[9] = "a", "b", "c"
    (error,) = vpcflow.parse(samples.log(samples.V2, [" ".join(tokens)])).errors
    assert error.field == "srcaddr"


def test_invalid_utf8_is_kept_byte_by_byte() -> None:
    line = GOOD.encode().replace(b"ACCEPT", b"ACC\xff\xfeEPT")
    batch = vpcflow.parse(samples.log(samples.V2, [GOOD]) + line + b"\n" + GOOD.encode())
    (error,) = batch.errors
    assert (error.raw, error.reason) == (line, "the line is not UTF-8")
    _, document, _ = (json.loads(text) for text in batch.to_ndjson().splitlines())
    assert document["event"]["original"] == GOOD.replace("ACCEPT", "ACC\\xff\\xfeEPT")


def test_text_that_json_must_escape() -> None:
    strange = 'a"b\\c\x01d\x7fé😀'
    batch = vpcflow.parse(samples.log(samples.V2, [replaced(2, strange)]))
    (document,) = batch.to_ecs()
    assert batch.errors == []
    assert document["aws"]["vpcflow"]["interface_id"] == strange
    assert json.loads(batch.to_ndjson()) == document


def test_a_line_of_10_mb() -> None:
    long = "x" * 10_000_000
    batch = vpcflow.parse(samples.log(samples.V2, [GOOD, long, GOOD]))
    assert [len(error.raw) for error in batch.errors] == [10_000_000]
    (document,) = [d for d in batch.to_ecs() if d["event"]["kind"] == "pipeline_error"]
    assert document["event"]["original"] == long
    assert sum(len(batch) for batch in vpcflow.read(samples.log(samples.V2, [GOOD, long, GOOD]))) == 3


def test_half_a_last_line() -> None:
    data = samples.log(samples.V2, [GOOD, GOOD])[:-20]
    batch = vpcflow.parse(data)
    assert (len(batch), [error.line for error in batch.errors]) == (2, [3])


def test_binary_rubbish() -> None:
    rubbish = random.Random(1).randbytes(100_000)
    with pytest.raises(FormatError, match="layout"):
        vpcflow.parse(b"\x00" + rubbish)
    batch = vpcflow.parse(b"\x00" + rubbish, format=samples.V2)
    assert len(batch) == len(batch.errors) == batch.to_ndjson().count(b"\n") > 100
    assert b"\n".join(error.raw for error in batch.errors)[:50] in b"\x00" + rubbish


class TestGzip:
    DATA = gzip.compress(samples.log(samples.V2, [GOOD, samples.REJECTED] * 5000))

    def test_cut_short_the_lines_before_are_read_and_the_last_is_no_record(self) -> None:
        documents = []
        with pytest.raises(DecodeError, match=r"gzip data are cut short after \d+ bytes of text"):
            for batch in vpcflow.read(self.DATA[: len(self.DATA) // 2]):
                documents += batch.to_ecs()
        assert len(documents) > 1000
        assert {d["event"]["kind"] for d in documents[:-1]} == {"event"}
        assert "cut short" in documents[-1]["error"]["message"]

    def test_damaged(self) -> None:
        data = bytearray(self.DATA)
        data[len(data) // 2] ^= 0xFF
        with pytest.raises(DecodeError, match=r"gzip data are (damaged|cut short)"):
            list(vpcflow.read(bytes(data)))

    def test_rubbish_behind_it(self) -> None:
        documents = 0
        with pytest.raises(DecodeError, match="gzip"):
            for batch in vpcflow.read(self.DATA + b"rubbish"):
                documents += len(batch)
        assert documents == 10_000

    def test_nothing_but_a_header(self) -> None:
        with pytest.raises(DecodeError, match="gzip"):
            list(vpcflow.read(self.DATA[:5]))


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(vpcflow.read(tmp_path / "nowhere"))
    with pytest.raises(IsADirectoryError):
        list(vpcflow.read(tmp_path))
    with pytest.raises(TypeError, match="bytes-like"):
        list(vpcflow.read(42))  # type: ignore[arg-type]


def test_a_file_object_that_fails() -> None:
    class Failing:
        reads = 0

        def read(self, size: int) -> bytes:
            self.reads += 1
            if self.reads > 1:
                raise ConnectionResetError("gone")
            return samples.log(samples.V2, [GOOD])

    with pytest.raises(ConnectionResetError, match="gone"):
        list(vpcflow.read(Failing()))  # type: ignore[arg-type]
