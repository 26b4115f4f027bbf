"""Which way a record went, where the log doesn't say it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest

import vpcflow
from vpcflow import Direction

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FIELDS = "interface-id srcaddr dstaddr"
SCOPED = f"vpc-id {FIELDS}"


def ways(*records: str, fields: str = FIELDS, direction: Direction | None = None) -> list[str | None]:
    """The directions of records of a few fields."""
    batch = vpcflow.parse("\n".join(records).encode(), format=fields, direction=direction)
    return [document.get("network", {}).get("direction") for document in batch.to_ecs()]


def test_the_address_that_all_records_of_an_interface_share_is_its_own():
    assert ways("eni-1 10.0.0.5 192.0.2.7", "eni-1 192.0.2.7 10.0.0.5", "eni-1 198.51.100.9 10.0.0.5") == [
        "egress",
        "ingress",
        "ingress",
    ]


def test_two_candidates_are_no_direction():
    assert ways("eni-1 10.0.0.5 192.0.2.7", "eni-1 192.0.2.7 10.0.0.5") == [None, None]


def test_ipv4_and_ipv6_are_learned_apart():
    found = ways(
        "eni-1 10.0.0.5 192.0.2.7",
        "eni-1 2001:db8::5 2001:db8:1::1",
        "eni-1 2001:db8:2::1 2001:db8::5",
        "eni-1 192.0.2.7 10.0.0.5",
    )
    assert found == [None, "egress", "ingress", None]


def test_what_was_learned_is_kept_for_later_batches():
    direction = Direction()
    assert ways("eni-1 10.0.0.5 192.0.2.7", direction=direction) == [None]
    assert ways("eni-1 10.0.0.5 192.0.2.8", direction=direction) == ["egress"]
    assert ways("eni-1 192.0.2.7 10.0.0.5", direction=direction) == ["ingress"]


def test_who_only_talks_to_a_known_interface_is_settled():
    found = ways(
        "vpc-1 eni-a 10.0.0.1 10.0.0.2",  # a talks to b, b to c as well, c to d
        "vpc-1 eni-b 10.0.0.1 10.0.0.2",
        "vpc-1 eni-b 10.0.0.3 10.0.0.2",
        "vpc-1 eni-c 10.0.0.3 10.0.0.2",
        "vpc-1 eni-d 10.0.0.9 10.0.0.8",  # d and e only to each other
        "vpc-1 eni-e 10.0.0.9 10.0.0.8",
        fields=SCOPED,
    )
    assert found == ["egress", "ingress", "ingress", "egress", None, None]


def test_another_vpc_may_have_the_same_addresses():
    found = ways(
        "vpc-1 eni-a 10.0.0.1 10.0.0.2",
        "vpc-1 eni-a 10.0.0.1 10.0.0.3",
        "vpc-2 eni-b 10.0.0.1 10.0.0.2",
        fields=SCOPED,
    )
    assert found == ["egress", "egress", None]


def test_a_private_address_of_an_account_is_not_ruled_out_in_favour_of_the_internet():
    fields = f"account-id {FIELDS}"
    found = ways(
        "123456789010 eni-a 10.0.0.1 10.0.0.2",
        "123456789010 eni-a 10.0.0.1 10.0.0.3",
        "123456789010 eni-b 10.0.0.1 192.0.2.7",  # of a VPC with the same addresses
        "123456789010 eni-c 10.0.0.1 10.0.0.9",
        fields=fields,
    )
    assert found == ["egress", "egress", None, "ingress"]


def test_later_records_correct_what_elimination_said():
    direction = Direction()
    ways("vpc-1 eni-a 10.0.0.1 10.0.0.2", "vpc-1 eni-a 10.0.0.1 10.0.0.3", fields=SCOPED, direction=direction)
    assert ways("vpc-1 eni-b 10.0.0.1 10.0.0.2", fields=SCOPED, direction=direction) == ["ingress"]
    assert ways("vpc-1 eni-b 10.0.0.1 10.0.0.7", fields=SCOPED, direction=direction) == ["egress"]


def test_an_interface_without_an_address_of_its_own_has_none():
    assert ways(*(f"eni-1 10.0.{n}.1 192.0.2.{n}" for n in range(9))) == [None] * 9


def test_an_interface_with_several_ipv6_addresses_is_known_by_its_subnet():
    found = ways(
        "eni-1 2001:db8::5 2001:db8:1::1",
        "eni-1 2001:db8:2::1 2001:db8::6",
        "eni-1 2001:db8::7 2001:db8:3::1",
        "eni-1 2001:db8::7 2001:db8::8",  # both in the subnet
    )
    assert found == ["egress", "ingress", "egress", None]


@pytest.mark.parametrize(
    "record",
    [
        "eni-1 0.0.0.0 255.255.255.255",
        "eni-1 10.0.0.77 224.0.0.251",
        "eni-1 10.0.0.5 10.0.0.5",
        "eni-1 ::ffff:192.0.2.1 2001:db8::1",
        "eni-1 - -",
        "eni-1 10.0.0.5 -",
        "- 10.0.0.5 192.0.2.7",
    ],
)
def test_records_that_say_nothing_teach_nothing(record: str):
    assert ways(record, "eni-1 10.0.0.5 192.0.2.7", "eni-1 192.0.2.8 10.0.0.5", record)[::3] == [None, None]
    assert ways(record, "eni-1 10.0.0.5 192.0.2.7", "eni-1 192.0.2.8 10.0.0.5")[1:] == ["egress", "ingress"]


def test_a_group_is_written_to_by_the_interface():
    assert (
        ways("eni-1 10.0.0.5 192.0.2.7", "eni-1 192.0.2.8 10.0.0.5", "eni-1 10.0.0.5 224.0.0.1")[2]
        == "egress"
    )


def test_mapped_addresses_are_ipv4():
    assert ways("eni-1 ::ffff:10.0.0.5 ::ffff:192.0.2.7", "eni-1 192.0.2.8 10.0.0.5") == ["egress", "ingress"]


def test_what_is_logged_stays_and_teaches():
    logged = f"{FIELDS} flow-direction"
    direction = Direction()
    found = ways(
        "eni-1 10.0.0.5 192.0.2.7 ingress", "eni-1 10.0.0.5 192.0.2.7 -", fields=logged, direction=direction
    )
    assert found == ["ingress", "ingress"]
    assert ways("eni-1 192.0.2.7 10.0.0.9", direction=direction) == ["egress"]


def test_formats_without_interface_or_address_have_no_direction():
    assert ways("10.0.0.5 192.0.2.7", fields="srcaddr dstaddr") == [None]
    assert ways("eni-1 10.0.0.5", fields="interface-id srcaddr") == [None]


def test_addresses_that_are_known_before_settle_it_at_once():
    direction = Direction()
    direction.tell({"eni-1": ["10.0.0.5", "10.0.0.6", "2001:db8::5"]})
    found = ways(
        "eni-1 10.0.0.5 192.0.2.7",
        "eni-1 192.0.2.7 10.0.0.6",
        "eni-1 2001:db8:1::1 2001:db8::5",
        "eni-2 10.0.0.9 192.0.2.7",
        direction=direction,
    )
    assert found == ["egress", "ingress", "ingress", None]
    with pytest.raises(ValueError, match='"unknown" of eni-1 is no address'):
        direction.tell({"eni-1": ["unknown"]})


PERIMETER = [
    ("10.0.0.5 192.0.2.7", "outbound"),
    ("192.0.2.7 10.0.0.5", "inbound"),
    ("10.0.0.5 172.31.0.1", "internal"),
    ("192.0.2.7 198.51.100.1", "external"),
    ("::ffff:10.0.0.5 2001:db8::1", "outbound"),
    ("fd00::1 10.0.0.5", "internal"),
    ("0.0.0.0 10.0.0.5", None),
    ("- 10.0.0.5", None),
]


def test_the_perimeter_sees_which_ends_are_inside():
    direction = Direction(internal_networks=["private"])
    found = ways(*(record for record, _ in PERIMETER), fields="srcaddr dstaddr", direction=direction)
    assert found == [way for _, way in PERIMETER]


def test_the_perimeter_is_asked_even_where_a_direction_is_logged():
    direction = Direction(internal_networks=["10.0.0.0/8"])
    fields = "srcaddr dstaddr flow-direction"
    records = ["10.0.0.5 192.0.2.7 ingress", "- - -"]
    assert ways(*records, fields=fields, direction=direction) == ["outbound", None]


@pytest.mark.parametrize(
    "network", ["10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "fe80::1%eth0/64", "Private", ""]
)
def test_a_wrong_network_is_refused(network: str):
    with pytest.raises(ValueError, match="is no network"):
        Direction(internal_networks=["10.0.0.0/8", network])


MIXED = (
    "eni-1 10.0.0.5 192.0.2.7 -\n"
    "eni-1 10.0.0.5 192.0.2.8 egress\n"
    "eni-2 10.0.0.7 192.0.2.7 -\n"
    "eni-1 bad 192.0.2.7 -\n"
    "eni-1 192.0.2.7 10.0.0.5 -\n"
)  # fmt: skip


@pytest.mark.parametrize("logged", [True, False], ids=["logged", "not logged"])
@pytest.mark.parametrize("networks", [None, ["private"]], ids=["interface", "perimeter"])
def test_every_form_says_the_same(tmp_path: Path, *, logged: bool, networks: list[str] | None):
    fields = f"{FIELDS} flow-direction" if logged else FIELDS
    text = MIXED if logged else MIXED.replace(" -\n", "\n").replace(" egress\n", "\n")
    direction = Direction(internal_networks=networks)
    batch = vpcflow.parse(text.encode(), format=fields, direction=direction)
    inside, outside = ("egress", "ingress") if networks is None else ("outbound", "inbound")
    expected = [inside, inside, None if networks is None else inside, None, outside]
    documents = batch.to_ecs()
    assert [document.get("network", {}).get("direction") for document in documents] == expected
    lines = [json.loads(line) for line in batch.to_ndjson().splitlines()]
    assert [line.get("network", {}).get("direction") for line in lines] == expected
    assert pyarrow.table(batch)["network.direction"].to_pylist() == expected
    (tmp_path / "log").write_text(text)
    vpcflow.index(
        tmp_path / "log",
        to=tmp_path / "store",
        format=fields,
        direction=Direction(internal_networks=networks),
    )
    from vpcflow.query.store import connect

    with connect(tmp_path / "store") as connection:
        rows = connection.sql('SELECT "network.direction" FROM flows ORDER BY "log.offset"').fetchall()
    assert [row[0] for row in rows] == expected


def vpcflow_index(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "flow.log").write_text(
        "interface-id srcaddr dstaddr\neni-1 10.0.0.5 192.0.2.7\neni-1 192.0.2.8 10.0.0.5\n"
    )
    command = [sys.executable, "-m", "vpcflow", "index", "flow.log", "--to", "-", "-q", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["egress", "ingress"]),
        (("--direction", "perimeter"), ["outbound", "inbound"]),
        (
            ("--direction", "perimeter", "--internal-networks", "192.0.2.8/32,10.0.0.0/8"),
            ["outbound", "internal"],
        ),
        (("--config", "vpcflow.toml"), ["inbound", "outbound"]),
    ],
)
def test_the_command_finds_it(tmp_path: Path, options: tuple[str, ...], expected: list[str]):
    (tmp_path / "vpcflow.toml").write_text(
        '[enrich]\ndirection = "perimeter"\ninternal_networks = ["192.0.2.0/24"]\n'
    )
    done = vpcflow_index(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line)["network"]["direction"] for line in done.stdout.splitlines()]
    assert found == expected


def test_mistakes_are_refused_with_their_place(tmp_path: Path):
    done = vpcflow_index(tmp_path, "--direction", "perimeter", "--internal-networks", "10.0.0.5/8")
    assert done.returncode == 2
    assert "--internal-networks" in done.stderr
    assert "10.0.0.0/8 is the network that it is in" in " ".join(done.stderr.split())
    done = vpcflow_index(tmp_path, "--internal-networks", "private")
    assert (done.returncode, "add --direction perimeter" in done.stderr) == (2, True)
    (tmp_path / "vpcflow.toml").write_text('[enrich]\ninternal_networks = ["10.0.0.0/8", "10.0.0.0/40"]\n')
    done = vpcflow_index(tmp_path, "--config", "vpcflow.toml")
    assert done.returncode == 2
    assert done.stderr.startswith(
        'Error: vpcflow.toml: [enrich] internal_networks: "10.0.0.0/40" is no network'
    )


@pytest.fixture(scope="module")
def measured():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import direction
    finally:
        sys.path.remove(str(BENCHMARKS))
    return direction


@pytest.mark.parametrize("chunk_size", [16 << 10, 512 << 10])
def test_what_is_found_is_what_version_5_logs(measured, chunk_size: int):
    for name, records in measured.networks(30_000):
        for layout, fields in measured.LAYOUTS.items():
            found = measured.compare(records, fields, chunk_size=chunk_size)
            assert found.share_right >= 0.995, (name, layout, found)
            assert found.share_given >= 0.8, (name, layout, found)
