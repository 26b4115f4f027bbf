"""A network in a filter has the addresses in a store that it has by Python's own reckoning."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import duckdb
import pytest

from vpcflow.query.answer import answer
from vpcflow.query.flows import open_flows
from vpcflow.query.model import Query

ADDRESSES = [
    *(
        "10.0.0.1",
        "100.0.0.1",
        "100.63.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "100.128.0.0",
        "172.15.0.1",
    ),
    *("172.16.0.1", "172.31.255.255", "172.32.0.1", "192.168.0.1", "223.0.0.1", "224.0.0.251", "239.255.0.1"),
    *("::1", "fc::1", "fd::", "fbff::1", "fc00::1", "fdff:1::", "fe00::1", "fe7f::1", "fe80::1", "febf::1"),
    *(
        "fec0::1",
        "ff00::",
        "ff02::1",
        "1fff::1",
        "2000::1",
        "2001:db8::1",
        "2001:db9::1",
        "3fff::1",
        "4000::1",
    ),
]
NETWORKS = [
    *(
        "10.0.0.0/8",
        "172.16.0.0/12",
        "100.64.0.0/10",
        "224.0.0.0/4",
        "100.64.0.0/11",
        "fc00::/7",
        "fe80::/10",
    ),
    *("ff00::/8", "2000::/3", "2001::/16", "2001:db8::/32", "fc::/16", "::/8", "::/0"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("networks") / "store" / "date=2026-11-23"
    folder.mkdir(parents=True)
    duckdb.connect().execute(
        f"""COPY (SELECT TIMESTAMPTZ '2026-11-23' AS "@timestamp", unnest({ADDRESSES}) AS "source.ip")
            TO '{folder}/a.parquet' (FORMAT parquet)"""
    )
    return folder.parent


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network(store, network):
    query = Query.parse(
        {
            "filter": {"source.ip|cidr": network},
            "group_by": ["source.ip"],
            "metrics": [{"count": "flows"}],
            "limit": 100,
        }
    )
    with open_flows(store) as engine:
        found = {row[0] for row in answer(query, engine).rows}
    one = ip_network(network)
    expected = {text for text in ADDRESSES if ip_address(text) in one}
    if network in ("::/0", "::/8"):  # IPv4 is ::ffff:0:0/96, as in Elasticsearch
        expected |= {text for text in ADDRESSES if "." in text}
    assert found == expected
