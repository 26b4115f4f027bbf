"""Enrichers of one's own: `vpcflow.Enricher`, and where what they say goes."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

import vpcflow
from vpcflow.cli import main
from vpcflow.enrich import installed
from vpcflow.query.store import connect

HEADER = b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n"
LINE = b"2 123456789010 %s %s %s 443 40000 6 10 840 1418530010 1418530070 ACCEPT OK\n"


def log(*flows: tuple[str, str, str]) -> bytes:
    return HEADER + b"".join(LINE % tuple(text.encode() for text in flow) for flow in flows)


class Own:
    """An enricher that keeps what it was asked."""

    def __init__(
        self,
        fields: Mapping[str, str],
        say: Callable[[Any], Mapping[str, object] | None],
        key: Literal["address", "interface"] = "address",
    ) -> None:
        self.key = key
        self.fields = fields
        self.say = say
        self.asked: list[Any] = []

    def look_up(self, value: Any) -> Mapping[str, object] | None:
        self.asked.append(value)
        return self.say(value)


def documents(data: bytes, *enrichers: Own) -> list[dict[str, Any]]:
    """What all encoders say alike."""
    (batch,) = vpcflow.read(data, enrich=enrichers)
    made = [json.loads(line) for line in batch.to_ndjson().splitlines()]
    assert made == batch.to_ecs()
    return made


def test_it_is_asked_once_about_each_address_of_a_run(tmp_path: Path) -> None:
    flows = [("eni-1", f"10.0.0.{n % 3}", "192.0.2.1") for n in range(20_000)]
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(log(*flows))
    sites = Own({"labels.site": "keyword"}, lambda address: {"labels.site": f"at {address}"})
    result = vpcflow.index(
        [tmp_path / "a.log", tmp_path / "b.log"], to=tmp_path / "o.json", enrich=[sites], workers=1
    )
    assert result.documents == 40_000
    assert sorted(sites.asked) == ["10.0.0.0", "10.0.0.1", "10.0.0.2", "192.0.2.1"]


def test_fields_of_a_side_are_of_either_end_and_all_others_of_the_record() -> None:
    names = {"10.0.0.1": "web", "10.0.0.2": "db"}
    own = Own(
        {"side.domain": "keyword", "labels.name": "keyword"},
        lambda address: (
            {"side.domain": names[address], "labels.name": names[address]} if address in names else None
        ),
    )
    both, second, none = documents(
        log(
            ("eni-1", "10.0.0.1", "10.0.0.2"),
            ("eni-1", "192.0.2.1", "10.0.0.2"),
            ("eni-1", "192.0.2.1", "192.0.2.2"),
        ),
        own,
    )
    assert (both["source"]["domain"], both["destination"]["domain"]) == ("web", "db")
    assert both["labels"] == {"name": "web"}, "the source goes first"
    assert second["destination"]["domain"] == "db" and second["labels"] == {"name": "db"}
    assert "domain" not in second["source"]
    assert "labels" not in none


def test_what_the_log_says_goes_first_and_then_what_was_said_first() -> None:
    first = Own({"labels.x": "keyword"}, lambda it: {"labels.x": it.interface_id}, "interface")
    second = Own(
        {"labels.x": "keyword", "labels.y": "keyword", "cloud.account.id": "keyword"},
        lambda _: {"labels.x": "second", "labels.y": "second", "cloud.account.id": "000000000000"},
    )
    (made,) = documents(log(("eni-1", "10.0.0.1", "10.0.0.2")), second, first)
    assert made["labels"] == {"x": "eni-1", "y": "second"}, "an interface's answer goes before an address's"
    assert made["cloud"]["account"] == {"id": "123456789010"}
    assert made["cloud"]["provider"] == "aws"


def test_an_interface_is_what_the_record_says_of_it() -> None:
    own = Own({"host.name": "keyword"}, lambda it: {"host.name": f"host of {it.interface_id}"}, "interface")
    made = documents(log(("eni-1", "10.0.0.1", "10.0.0.2"), ("-", "10.0.0.1", "10.0.0.2")), own)
    assert [document["host"]["name"] for document in made] == ["host of eni-1", "host of None"]
    assert own.asked[0] == vpcflow.Interface("123456789010", None, None, "eni-1", None)


def test_types_and_tags() -> None:
    fields = {
        "a.text": "keyword", "a.whole": "long", "a.part": "double", "a.truth": "boolean", "a.ip": "ip",
        "a.since": "date", "a.several": "keyword[]", "tags": "keyword[]",
    }  # fmt: skip
    said = {
        "a.text": 'Zoë "x"', "a.whole": -5, "a.part": 0.25, "a.truth": False, "a.ip": "192.0.2.1",
        "a.since": "2026-11-24T00:00:00Z", "a.several": ["b", "a"], "tags": ["threat"],
    }  # fmt: skip
    own = Own(fields, lambda address: said if address == "10.0.0.1" else {})
    made, without = documents(log(("eni-1", "10.0.0.1", "10.0.0.2"), ("eni-1", "10.0.0.3", "10.0.0.4")), own)
    assert made["a"] == {name[2:]: value for name, value in said.items() if name != "tags"}
    assert made["tags"] == ["forwarded", "aws-vpcflow", "threat"] and without["tags"] == [
        "forwarded",
        "aws-vpcflow",
    ]
    assert "a" not in without


def test_columns_of_arrow_and_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(log(("eni-1", "10.0.0.1", "10.0.0.2"), ("eni-1", "10.0.0.3", "10.0.0.4")))
    fields = {"labels.a": "keyword", "labels.n": "long", "labels.l": "keyword[]", "side.domain": "keyword"}
    said = {"labels.a": "x", "labels.n": 7, "labels.l": ["p", "q"], "side.domain": "d"}
    own = Own(fields, lambda address: said if address == "10.0.0.1" else None)
    (batch,) = vpcflow.read(path, enrich=[own])
    table = pa.table(batch)
    assert table["labels.a"].to_pylist() == ["x", None]
    assert table["labels.n"].to_pylist() == [7, None]
    assert table["labels.l"].to_pylist() == [["p", "q"], None]
    assert table["source.domain"].to_pylist() == ["d", None]
    vpcflow.index(path, to=tmp_path / "store", enrich=[own])
    with connect(tmp_path / "store") as flows:
        rows = flows.sql(
            'SELECT "labels.a", "labels.n", "labels.l", "source.domain" FROM flows ORDER BY "source.ip"'
        )
        assert rows.fetchall() == [("x", 7, ["p", "q"], "d"), (None, None, None, None)]


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        (lambda _: {"labels.b": "x"}, "the field labels.b is not among its fields"),
        (lambda _: {"labels.a": 3}, "labels.a is of type keyword, not <class 'int'>"),
        (lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda _: "text", "TypeError"),
    ],
)
def test_one_that_fails_costs_its_own_fields_and_one_note(
    tmp_path: Path, say: Callable[[Any], Mapping[str, object]], reason: str
) -> None:
    (tmp_path / "a.log").write_bytes(log(*(("eni-1", f"10.0.0.{n}", "192.0.2.1") for n in range(9))))
    bad, good = Own({"labels.a": "keyword"}, say), Own({"labels.g": "long"}, lambda _: {"labels.g": 1})
    result = vpcflow.index(tmp_path / "a.log", to=tmp_path / "o.json", enrich=[bad, good])
    assert result.ok and result.documents == 9
    (note,) = result.notes
    assert reason in note and "(and 9 more)" in note and note.startswith("the enricher Own failed for ")
    lines = [json.loads(line) for line in (tmp_path / "o.json").read_text().splitlines()]
    assert {json.dumps(line["labels"]) for line in lines} == {'{"g": 1}'}


def test_what_is_longer_than_a_document_can_take_is_left_out_and_said(tmp_path: Path) -> None:
    """Of the addresses that have it: what others know of them, and what is known of others, stays."""
    flows = [("eni-1", "10.0.0.1", "10.0.0.2"), ("eni-1", "192.0.2.1", "10.0.0.3")]
    (tmp_path / "a.log").write_bytes(log(*flows))
    long = {"10.0.0.1": "x" * (1 << 24), "10.0.0.3": "y" * (1 << 24), "10.0.0.2": "z" * (1 << 23)}
    names = Own({"side.domain": "keyword"}, lambda address: {"side.domain": long.get(address, "short")})
    zones = Own({"side.geo.region_name": "keyword"}, lambda _: {"side.geo.region_name": "here"})
    result = vpcflow.index(tmp_path / "a.log", to=tmp_path / "o.json", enrich=[names, zones], workers=2)
    assert result.notes == (
        "what an enricher said of 10.0.0.1 (and of 1 more) is longer than 16 MiB as JSON: those documents lack its"
        " fields",
    )
    first, second = (json.loads(line) for line in (tmp_path / "o.json").read_text().splitlines())
    assert "domain" not in first["source"] and first["source"]["geo"] == {"region_name": "here"}
    assert first["destination"]["domain"] == long["10.0.0.2"]
    assert second["source"]["domain"] == "short" and "domain" not in second["destination"]


def test_another_generation_is_asked_anew() -> None:
    class Counted(Own):
        generation = 1

    own = Counted({"labels.g": "long"}, lambda _: {"labels.g": own.generation})
    data = log(*(("eni-1", "10.0.0.1", "192.0.2.1") for _ in range(20_000)))
    batches = vpcflow.read(data, enrich=[own])
    assert next(batches).to_ecs()[0]["labels"] == {"g": 1}
    own.generation = 2
    assert next(batches).to_ecs()[0]["labels"] == {"g": 2}


def test_addresses_mapped_into_ipv6_are_asked_for_as_ipv4() -> None:
    own = Own({"side.domain": "keyword"}, lambda address: {"side.domain": address})
    (made,) = documents(log(("eni-1", "::ffff:192.0.2.7", "2001:DB8::1")), own)
    assert made["source"]["domain"] == "192.0.2.7" and made["destination"]["domain"] == "2001:db8::1"


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"key": "port"}, 'a key that is neither "address" nor "interface"'),
        ({"fields": {"labels.a": "text"}}, "says that labels.a is of type text; there are keyword, ip"),
        ({"fields": ["labels.a"]}, "has fields that are no mapping of names to types"),
        ({"fields": {"labels..a": "keyword"}}, "has no name such as labels.team"),
        ({"fields": {"source.ip.x": "keyword"}}, "the fields source.ip and source.ip.x can't both be"),
        ({"key": "interface", "fields": {"side.x": "keyword"}}, "is of a side, but an interface has none"),
        ({"look_up": None}, "has a look_up that can't be called"),
    ],
)
def test_one_that_can_not_be_used_is_refused_before_anything_is_read(
    attributes: dict[str, object], reason: str
) -> None:
    own = Own({"labels.a": "keyword"}, lambda _: None)
    for name, value in attributes.items():
        setattr(own, name, value)
    with pytest.raises(vpcflow.ConfigError) as caught:
        vpcflow.index("no-such.log", to="no-such-store", enrich=[own])
    assert reason in str(caught.value)


def test_threads_share_what_was_said(tmp_path: Path) -> None:
    for number in range(4):
        flows = [("eni-1", f"10.0.{n % 5}.{n % 7}", "192.0.2.1") for n in range(5_000)]
        (tmp_path / f"{number}.log").write_bytes(log(*flows))
    lock, threads = threading.Lock(), set()

    def say(address: str) -> Mapping[str, object]:
        with lock:
            threads.add(threading.get_ident())
        return {"labels.a": address}

    own = Own({"labels.a": "keyword"}, say)
    assert vpcflow.index(tmp_path, to=tmp_path / "o.json", enrich=[own], workers=4).documents == 20_000
    assert len(set(own.asked)) == 36 and len(own.asked) <= 4 * 36
    lines = [json.loads(line) for line in (tmp_path / "o.json").read_text().splitlines()]
    assert all(line["labels"]["a"] == line["source"]["ip"] for line in lines)


def test_enrichers_of_installed_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sites.py").write_text(
        "class Sites:\n"
        "    key = 'address'\n"
        "    fields = {'labels.site': 'keyword'}\n"
        "    def look_up(self, address):\n"
        "        return {'labels.site': 'lab'}\n"
        "def broken():\n"
        "    raise OSError('no such server')\n"
    )
    info = tmp_path / "sites-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sites\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[vpcflow.enrichers]\nsites = sites:Sites\nbroken = sites:broken\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "sites", None)
    monkeypatch.delitem(sys.modules, "sites")
    (tmp_path / "a.log").write_bytes(log(("eni-1", "10.0.0.1", "10.0.0.2")))
    command = ["index", str(tmp_path / "a.log"), "--to", str(tmp_path / "o.json"), "--enrich", "sites"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    assert json.loads((tmp_path / "o.json").read_text())["labels"] == {"site": "lab"}
    with pytest.raises(
        vpcflow.ConfigError, match="no installed package has an enricher nosuch; there are: broken, sites"
    ):
        installed(["nosuch"])
    with pytest.raises(
        vpcflow.ConfigError, match=r"the enricher broken \(sites:broken\): OSError: no such server"
    ):
        installed(["broken"])
