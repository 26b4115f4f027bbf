"""`network.protocol`: the service of a flow, by its ports; the same in every form."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest
from click.testing import CliRunner

import samples
import vpcflow
from vpcflow.cli import main
from vpcflow.query.store import connect

#: Protocol number, source port, destination port.
SERVICES = [
    ("6", "49152", "443", "https"),
    ("6", "443", "49152", "https"),
    ("6", "20641", "22", "ssh"),
    ("17", "53", "61000", "dns"),
    ("6", "3389", "50000", "rdp"),
    ("6", "514", "50000", "shell"),
    ("17", "514", "50000", "syslog"),
    # Both have a name: the lower port, in both directions.
    ("6", "3306", "443", "https"),
    ("6", "443", "3306", "https"),
    # Nothing to tell it by.
    ("6", "40000", "50000", None),
    ("1", "0", "0", None),
    ("47", "22", "22", None),
]


def log(*rows: tuple[str, str, str]) -> bytes:
    return samples.log("protocol srcport dstport srcaddr dstaddr end log-status", [
        f"{protocol} {source} {destination} 10.0.0.1 10.0.0.2 1418530070 OK" for protocol, source, destination in rows
    ])  # fmt: skip


def test_the_same_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(log(*[row[:3] for row in SERVICES]))
    expected = [service for *_, service in SERVICES]
    batch = vpcflow.parse(path.read_bytes())
    assert [document["network"].get("protocol") for document in batch.to_ecs()] == expected
    lines = batch.to_ndjson().splitlines()
    assert [json.loads(line)["network"].get("protocol") for line in lines] == expected
    assert polars.DataFrame(batch)["network.protocol"].to_list() == expected
    vpcflow.index(path, to=tmp_path / "store")
    rows = connect(tmp_path / "store").execute('SELECT "network.protocol" FROM flows ORDER BY "log.offset"')
    assert [row[0] for row in rows.fetchall()] == expected


@pytest.mark.parametrize("names", ["srcport dstport", "protocol dstport", "protocol srcport"])
def test_a_format_that_lacks_what_it_takes_has_no_service(names: str) -> None:
    values = {"srcport": "50000", "dstport": "443", "protocol": "6"}
    record = " ".join(values[name] for name in names.split())
    [document] = vpcflow.parse(
        samples.log(f"{names} srcaddr end", [f"{record} 10.0.0.1 1418530070"])
    ).to_ecs()
    assert "protocol" not in document["network"]


def test_records_without_traffic_have_no_service() -> None:
    batch = vpcflow.parse(log(("-", "-", "-"), ("6", "-", "443"), ("6", "443", "-"), ("-", "443", "443")))
    services = [document.get("network", {}).get("protocol") for document in batch.to_ecs()]
    assert services == [None, "https", "https", None]


def explained(*fields: tuple[str, str]) -> str:
    names, values = zip(*fields, strict=True)
    layout = " ".join(f"${{{name}}}" for name in names)
    done = CliRunner().invoke(main, ["explain", "--format", layout, " ".join(values)], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    return done.output.partition("\n{")[0]


def test_explain_names_the_service_of_each_port() -> None:
    table = explained(("srcport", "22"), ("dstport", "50000"), ("protocol", "6"))
    assert "ssh" in table
    assert "ssh" not in explained(("srcport", "22"), ("dstport", "50000"), ("protocol", "1"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("0", "no SYN, FIN or RST in the interval"),
        ("2", "SYN (SYN: this side asked for the connection)"),
        ("18", "SYN ACK (SYN ACK: this side answered"),
        ("3", "FIN SYN (SYN: this side asked for the connection; FIN: this side closed it"),
        ("4", "RST (RST: this side refused or broke it off)"),
    ],
)
def test_explain_spells_flags_out(flags: str, words: str) -> None:
    assert words in " ".join(explained(("srcaddr", "10.0.0.1"), ("tcp-flags", flags)).split())


def test_explain_spells_all_traffic_paths_out() -> None:
    words = [
        "resource in the same VPC", "internet gateway or a gateway VPC endpoint", "virtual private gateway",
        "peering within the region", "peering with another region", "local gateway",
        "gateway VPC endpoint (Nitro", "internet gateway (Nitro",
    ]  # fmt: skip
    for path, said in enumerate(words, start=1):
        assert said in explained(("srcaddr", "10.0.0.1"), ("traffic-path", str(path)))
