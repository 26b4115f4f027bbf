"""Reading back: ES|QL in, columns and rows out, and no answer that is less than it seems."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import socketserver
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address, ip_network

import pytest

import vpcflow
from unit.flowlogs import text
from vpcflow import ConfigError
from vpcflow.elastic.reader import MAX_ROWS, MissingIndexError, Reader
from vpcflow.elastic.template import data_stream
from vpcflow.errors import QueryError, SinkError

pytestmark = pytest.mark.usefixtures("no_credentials")

ENI = "2 123456789010 eni-1235b8ca"
LINES = (
    f"{ENI} 10.0.1.5 10.0.0.2 39812 443 6 10 4000 1418530010 1418530070 ACCEPT OK",
    f"{ENI} 198.51.100.7 10.0.0.2 50000 22 6 1 40 1418530020 1418530070 REJECT OK",
    f"{ENI} 2001:db8::1 10.0.0.2 50000 22 6 2 80 1418530030 1418530070 REJECT OK",
    f"{ENI} - - - - - - - 1418530040 1418530070 - NODATA",
)


@pytest.fixture(scope="module")
def fill(elasticsearch_url, es, tmp_path_factory):
    """Indexes lines and returns the data stream that holds them."""

    def with_lines(*lines):
        path = tmp_path_factory.mktemp("logs") / "flow.log"
        path.write_bytes(text(*lines))
        namespace = f"t{uuid.uuid4().hex[:12]}"
        assert vpcflow.index(path, to=elasticsearch_url, format="v2", namespace=namespace).ok
        es.indices.refresh(index=data_stream(namespace))
        return data_stream(namespace)

    return with_lines


@pytest.fixture(scope="module")
def flows(fill):
    """The four lines above."""
    return fill(*LINES)


@pytest.fixture(scope="module")
def many(fill):
    """One record more than a server gives; the bytes number them."""
    return fill(
        *(f"{ENI} 10.0.1.5 10.0.0.2 1 443 6 1 {n} 1418530010 1418530070 ACCEPT OK" for n in range(10_001))
    )


@pytest.fixture
def reader(elasticsearch_url):
    with Reader(elasticsearch_url) as reader:
        yield reader


def test_columns_and_rows(reader, flows):
    table = reader.query(
        f"FROM {flows} | SORT event.start | KEEP event.start, source.ip, source.port, network.bytes, event.action"
    )
    assert table.columns == ["event.start", "source.ip", "source.port", "network.bytes", "event.action"]
    assert table.types == ["date", "ip", "long", "long", "keyword"]
    start = datetime(2014, 12, 14, 4, 6, 50, tzinfo=UTC)
    assert table.rows == [
        (start, "10.0.1.5", 39812, 4000, "ACCEPT"),
        (start + timedelta(seconds=10), "198.51.100.7", 50000, 40, "REJECT"),
        (start + timedelta(seconds=20), "2001:db8::1", 50000, 80, "REJECT"),
        (start + timedelta(seconds=30), None, None, None, None),
    ]
    assert table.warnings == []


def test_values_are_those_of_python(reader):
    table = reader.query(
        'ROW whole = 3, half = 7.0, yes = true, several = ["a", "b"], days = '
        'TO_DATETIME(["2026-11-24T00:00:00.250Z", "2026-11-25"]), '
        'exact = TO_DATE_NANOS("2026-11-24T00:00:00.123456789Z"), place = TO_GEOPOINT("POINT(1 2)"), none = NULL'
    )
    (row,) = table.rows
    day = datetime(2026, 11, 24, tzinfo=UTC)
    assert row == (
        3, 7.0, True, ["a", "b"],
        [day.replace(microsecond=250_000), day + timedelta(days=1)],
        day.replace(microsecond=123_456), "POINT (1.0 2.0)", None,
    )  # fmt: skip
    assert isinstance(row[0], int)
    assert isinstance(row[1], float)


@pytest.mark.parametrize(
    ("condition", "params", "found"),
    [
        ("source.ip == TO_IP(?)", [ip_address("198.51.100.7")], 1),
        ("CIDR_MATCH(source.ip, ?, ?)", [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")], 2),
        ("event.start >= TO_DATETIME(?)", [datetime(2014, 12, 14, 4, 7, tzinfo=UTC)], 3),
        # The same moment, said in another zone.
        ("event.start >= TO_DATETIME(?)", [datetime(2014, 12, 14, 5, 7, tzinfo=timezone(timedelta(hours=1)))], 3),
        ("event.action == ? AND network.bytes > ?", ["REJECT", 40], 1),
        ("event.action == ?", ['" OR true OR event.action == "'], 0),
        ("event.action == ?", ["?\\ \n | LIMIT 1 // */"], 0),
    ],
    ids=["address", "networks", "time", "zone", "several", "quotes", "signs"],
)  # fmt: skip
def test_parameters_are_values_and_nothing_else(reader, flows, condition, params, found):
    table = reader.query(f"FROM {flows} | WHERE {condition} | STATS n = COUNT(*)", params)
    assert table.rows == [(found,)]


def test_a_time_without_zone_is_nobodys(reader, flows):
    with pytest.raises(ValueError, match="has no time zone"):
        reader.query(f"FROM {flows} | WHERE event.start > ?", [datetime(2014, 12, 14)])


def test_a_group_of_many_and_an_empty_one(reader, many):
    assert reader.query(f"FROM {many} | STATS n = COUNT(*)").rows == [(10_001,)]
    table = reader.query(f"FROM {many} | WHERE network.bytes < 0 | KEEP source.ip")
    assert (table.columns, table.types, table.rows) == (["source.ip"], ["ip"], [])


def test_as_many_rows_as_can_be_had(reader, many):
    """Not a thousand, which is what the server gives when a query doesn't say."""
    table = reader.query(f"FROM {many} | WHERE network.bytes < {MAX_ROWS - 1} | KEEP network.bytes")
    assert sorted(table.rows) == [(n,) for n in range(MAX_ROWS - 1)]
    assert table.warnings == []


@pytest.mark.parametrize("end", ["", "| LIMIT 10000", "| LIMIT 50000", "// all of them"])
def test_an_answer_that_is_cut_is_an_error(reader, many, end):
    with pytest.raises(QueryError, match=r"cut at 10,000 rows, .*; group or filter, or .* a smaller LIMIT"):
        reader.query(f"FROM {many} | KEEP network.bytes {end}")


def test_a_server_that_gives_less_than_others(elasticsearch_url, es, many):
    """It says nothing of it, not even in a header."""
    setting = "esql.query.result_truncation_max_size"
    es.cluster.put_settings(persistent={setting: 500})
    try:
        with Reader(elasticsearch_url) as reader:
            assert len(reader.query(f"FROM {many} | LIMIT 499").rows) == 499
            with pytest.raises(QueryError, match="the answer is cut at 500 rows"):
                reader.query(f"FROM {many}")
    finally:
        es.cluster.put_settings(persistent={setting: None})


def test_the_first_ones(reader, many):
    assert len(reader.query(f"FROM {many} | SORT network.bytes DESC | LIMIT 3").rows) == 3
    table = reader.query(f"FROM {many} | SORT network.bytes DESC | KEEP network.bytes | LIMIT 2 // the top")
    assert table.rows == [(10_000,), (9_999,)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("FROM {flows} | KEEP source.ipp", r"can't run the query: line 1:\d+: Unknown column \[source.ipp\]"),
        ("FROM {flows} | WHERE a == 1 OR b == 1", r"query: line 1:\d+: Unknown column \[a\].* line 1:\d+: .*\[b\]"),
        ("FROM {flows}\n| STATS n = COUNT(* BY x", r"can't run the query: line 2:\d+: (mismatched|missing|no viable)"),
        ("FROM {flows}\n| STATS n = COUNT(*) BY", r"can't run the query: it ends too early \(.*UNQUOTED_IDENTIFIER.* expected\)$"),
        ("FROM {flows} | WHERE source.ip > 7", r"can't run the query: line 1:\d+: .*\[source.ip > 7\]"),
        ("FROM {flows} | WHERE event.action == ?", r"can't run the query: line 1:\d+: .*parameter"),
        ("", r"can't run the query: it ends too early \(.*'from'.* expected\)$"),
    ],
    ids=["column", "columns", "syntax", "end", "type", "parameter", "nothing"],
)  # fmt: skip
def test_a_query_that_is_wrong_is_told_where(reader, flows, query, said):
    with pytest.raises(QueryError, match=said) as caught:
        reader.query(query.replace("{flows}", flows))
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, MissingIndexError)


@pytest.mark.parametrize("pattern", ["logs-aws.vpcflow-nobody", "logs-aws.vpcflow-nobody*"])
def test_nothing_indexed_yet(reader, pattern):
    with pytest.raises(
        MissingIndexError, match=r"Unknown index \[logs-aws.vpcflow-nobody.*; index something first"
    ):
        reader.query(f"FROM {pattern} | STATS n = COUNT(*)")


def test_a_value_that_can_not_be_computed_is_said(reader):
    table = reader.query('ROW text = "ten" | EVAL number = TO_INTEGER(text)')
    assert table.rows == [("ten", None)]
    assert any("evaluation of [TO_INTEGER(text)] failed" in warning for warning in table.warnings)


class Relay(socketserver.ThreadingTCPServer):
    """Passes connections on to a server, or does to them what networks do."""

    daemon_threads = True

    def __init__(self, url):
        self.target = url.rpartition("//")[2].split(":")
        #: How many of the next requests lose their connection.
        self.cut = 0
        #: Whether requests are kept from the server.
        self.silent = threading.Event()
        self.done = threading.Event()
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Relayed(socketserver.BaseRequestHandler):
    def handle(self):
        host, port = self.server.target
        with socket.create_connection((host, int(port))) as there:
            back = threading.Thread(target=self._pass_back, args=(there,))
            back.start()
            with contextlib.suppress(OSError):
                while data := self.request.recv(65536):
                    if self.server.silent.is_set():
                        self.server.done.wait(30)
                        break
                    if self.server.cut:
                        self.server.cut -= 1
                        break
                    there.sendall(data)
            with contextlib.suppress(OSError):
                there.shutdown(socket.SHUT_RDWR)
            back.join()

    def _pass_back(self, there):
        with contextlib.suppress(OSError):
            while data := there.recv(65536):
                self.request.sendall(data)


@pytest.fixture
def relay(elasticsearch_url):
    if elasticsearch_url.startswith("https://"):
        pytest.skip("this server has TLS")
    with Relay(elasticsearch_url) as relay:
        thread = threading.Thread(target=relay.serve_forever, args=(0.05,))
        thread.start()
        yield relay
        relay.done.set()
        relay.shutdown()
        thread.join()


def test_a_lost_connection_is_made_again(relay, flows):
    with Reader(relay.url) as reader:
        relay.cut = 2
        assert reader.query(f"FROM {flows} | STATS n = COUNT(*)").rows == [(4,)]
        assert relay.cut == 0


def test_a_connection_that_is_lost_again_and_again(relay, flows):
    with Reader(relay.url) as reader:
        relay.cut = 1000
        with pytest.raises(SinkError, match=f"{relay.url} closed the connection without an answer"):
            reader.query(f"FROM {flows} | STATS n = COUNT(*)")


def test_a_server_that_does_not_answer(relay, flows):
    with Reader(relay.url, timeout=1) as reader:
        relay.silent.set()
        with pytest.raises(SinkError, match=f"{relay.url} does not answer in time"):
            reader.query(f"FROM {flows} | STATS n = COUNT(*)")


def test_a_part_of_the_data_that_can_not_be_read(reader, es, flows):
    """Its shard has no node to be on: what the others say would be too little."""
    name = f"lost-{uuid.uuid4().hex[:12]}"
    es.indices.create(
        index=name,
        settings={"index.routing.allocation.require._name": "nobody"},
        mappings={"properties": {"event": {"properties": {"action": {"type": "keyword"}}}}},
        wait_for_active_shards=0,
    )
    try:
        lost = rf"index \[{name}\] has no active shard copy"
        with pytest.raises(QueryError, match=rf"could read a part of the data only \({lost}\)"):
            reader.query(f"FROM {flows},{name} | STATS n = COUNT(*) BY event.action")
        with pytest.raises(SinkError, match=f"answered with status 503: {lost}"):
            reader.query(f"FROM {name}")
    finally:
        es.indices.delete(index=name)


def test_a_server_without_esql(own_elasticsearch, monkeypatch, tmp_path):
    """As before 8.11: here, one that has been robbed of the module."""
    kit = sys.modules["vpcflow_test_elasticsearch"]
    home = tmp_path / "home"
    shutil.copytree(kit.assemble(), home, copy_function=_link)
    for module in ("x-pack-esql", "x-pack-esql-core", "x-pack-kql"):
        shutil.rmtree(home / "modules" / module)
    monkeypatch.setattr(kit, "assemble", lambda: home)
    server = own_elasticsearch()
    with (
        Reader(server.url) as reader,
        pytest.raises(ConfigError, match=r"has no ES\|QL; vpcflow reads from Elasticsearch 8\.11 or newer"),
    ):
        reader.query("FROM logs-aws.vpcflow-*")


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
