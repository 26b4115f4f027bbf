"""Where addresses are and whose they are: `--geo` and `vpcflow.Geo`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars
import pytest
from click.testing import CliRunner
from mmdb_writer import MMDBWriter
from netaddr import IPSet

import samples
import vpcflow
from vpcflow._core import Enrichment, Geo, Reader
from vpcflow.cli import main
from vpcflow.query.store import connect

STOCKHOLM = {
    "city": {"names": {"en": "Stockholm", "de": "Stockholm"}},
    "continent": {"code": "EU", "names": {"en": "Europe"}},
    "country": {"iso_code": "SE", "names": {"en": "Sweden"}},
    "location": {"latitude": 59.3327, "longitude": 18.0656},
    "subdivisions": [{"iso_code": "AB", "names": {"en": "Stockholm County"}}],
}
GEO = {
    "city_name": "Stockholm",
    "continent_name": "Europe",
    "country_iso_code": "SE",
    "country_name": "Sweden",
    "location": {"lat": 59.3327, "lon": 18.0656},
    "region_iso_code": "SE-AB",
    "region_name": "Stockholm County",
}
FLAT = {
    "country_code": "US",
    "city": "Mountain View",
    "state1": "California",
    "latitude": 37.422,
    "longitude": -122.085,
}
ASN = '89.160.0.0,89.160.255.255,29518,"Bredband2 ""AB"", Malmö"\n2a02::,2a02:ffff::,64500,Six\n'


def database(path: Path, records: dict[str, dict[str, object]], version: int = 4) -> Path:
    writer = MMDBWriter(
        version, "Test-City", description={"en": "made by a test"}, ipv4_compatible=version == 6
    )
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    part = path.with_suffix(".part")
    writer.to_db_file(str(part))
    return part.replace(path)


def record(source: str, destination: str) -> str:
    return samples.ACCEPTED.replace("172.31.16.139", source).replace("172.31.16.21", destination)


def batch(files: list[Path], *pairs: tuple[str, str]) -> vpcflow.Batch:
    data = samples.log(samples.V2, [record(*pair) for pair in pairs])
    return next(Reader(data)).parse(enrichment=Enrichment([Geo(files)]))


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return database(tmp_path / "city.mmdb", {"89.160.20.0/24": STOCKHOLM, "10.0.0.0/8": STOCKHOLM})


@pytest.fixture
def asn(tmp_path: Path) -> Path:
    path = tmp_path / "asn.csv"
    path.write_text(ASN, encoding="utf-8")
    return path


def test_both_ends_of_a_flow_get_place_and_network(city: Path, asn: Path) -> None:
    [document] = batch([city, asn], ("89.160.20.156", "2a02::1")).to_ecs()
    assert document["source"]["geo"] == GEO
    assert document["source"]["as"] == {"number": 29518, "organization": {"name": 'Bredband2 "AB", Malmö'}}
    assert document["destination"]["as"] == {"number": 64500, "organization": {"name": "Six"}}
    assert "geo" not in document["destination"]


def test_the_json_says_what_the_dictionaries_say_and_no_key_twice(city: Path, asn: Path) -> None:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    rows = batch([city, asn], ("89.160.20.156", "89.160.1.1"), ("10.0.0.1", "89.160.20.1"), ("-", "-"))
    lines = rows.to_ndjson().splitlines()
    assert [json.loads(line, object_pairs_hook=once) for line in lines] == rows.to_ecs()
    assert [json.dumps(json.loads(line)) for line in lines] == [json.dumps(row) for row in rows.to_ecs()]


def test_the_flat_layout_of_ip_location_db(tmp_path: Path) -> None:
    flat = database(tmp_path / "flat.mmdb", {"8.8.8.0/24": FLAT})
    [document] = batch([flat], ("8.8.8.8", "10.0.0.1")).to_ecs()
    assert document["source"]["geo"] == {
        "city_name": "Mountain View",
        "country_iso_code": "US",
        "location": {"lat": 37.422, "lon": -122.085},
        "region_name": "California",
    }


def test_a_file_for_each_family_and_one_of_countries_go_together(tmp_path: Path, city: Path) -> None:
    country = database(tmp_path / "country.mmdb", {"89.160.20.0/24": {"country": {"iso_code": "NO"}}})
    six = database(tmp_path / "six.mmdb", {"2a02:1::/32": FLAT}, version=6)
    [document] = batch([country, six, city], ("89.160.20.156", "2a02:1::9")).to_ecs()
    assert document["source"]["geo"] == GEO  # the file that says most goes first
    assert document["destination"]["geo"]["city_name"] == "Mountain View"


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.0.1", "203.0.113.5", "224.0.0.1", "0.0.0.0", "::1", "fe80::1"]
)
def test_special_addresses_are_never_looked_up(tmp_path: Path, address: str) -> None:
    everywhere = database(tmp_path / "all.mmdb", {"::/1": STOCKHOLM, "8000::/1": STOCKHOLM}, version=6)
    four = database(tmp_path / "four.mmdb", {"0.0.0.0/1": STOCKHOLM, "128.0.0.0/1": STOCKHOLM})
    [document] = batch([everywhere, four], (address, "8.8.8.8")).to_ecs()
    assert "geo" not in document["source"]
    assert document["destination"]["geo"] == GEO


def test_arrow_and_the_store_have_the_columns(tmp_path: Path, city: Path, asn: Path) -> None:
    frame = polars.DataFrame(batch([city, asn], ("89.160.20.156", "10.0.0.1")))
    assert frame["source.geo.country_iso_code"].to_list() == ["SE"]
    assert frame["source.geo.location.lat"].to_list() == [59.3327]
    assert frame["source.as.number"].to_list() == [29518]
    assert frame["destination.geo.city_name"].to_list() == [None]

    log = tmp_path / "flow.log"
    log.write_bytes(samples.log(samples.V2, [record("89.160.20.156", "10.0.0.1"), "bad"]))
    assert vpcflow.index(log, to=tmp_path / "store", enrich=[Geo([city, asn])]).documents == 2
    sql = 'SELECT "source.geo.country_iso_code", "source.as.number", "source.geo.location.lon" FROM flows WHERE "source.ip" IS NOT NULL'
    assert connect(tmp_path / "store").execute(sql).fetchall() == [("SE", 29518, 18.0656)]


def test_without_files_documents_and_columns_are_as_they_were() -> None:
    rows = vpcflow.parse(samples.log(samples.V2, [samples.ACCEPTED]))
    assert [name for name in polars.DataFrame(rows).columns if ".geo." in name or ".as." in name] == []
    assert "geo" not in rows.to_ecs()[0]["source"]


def test_a_replaced_file_is_picked_up_and_a_damaged_one_is_not(tmp_path: Path, city: Path) -> None:
    geo = Enrichment([Geo([city])])
    data = samples.log(samples.V2, [record("89.160.20.156", "10.0.0.1")])

    def found() -> str:
        name = next(Reader(data)).parse(enrichment=geo).to_ecs()[0]["source"]["geo"]["city_name"]
        assert isinstance(name, str)
        return name

    def later(seconds: int) -> None:
        os.utime(city, (city.stat().st_atime, city.stat().st_mtime + seconds))

    assert found() == "Stockholm"
    database(city, {"89.160.20.0/24": FLAT})
    later(10)
    assert found() == "Mountain View"
    city.write_bytes(city.read_bytes()[:200])
    later(20)
    assert (found(), found()) == ("Mountain View", "Mountain View")
    [note] = geo.notes
    assert str(city) in note


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("asn.csv", "1.0.0.0,1.0.0.255,1,A\n1.0.0.200,1.0.1.0,2,B\n", "line 2: overlaps the range of line 1"),
        ("asn.csv", "1.0.0.0,1.0.0.255,1,A\n1.0.0.0,1.0.0.1,2,B\n", "line 2: overlaps the range of line 1"),
        ("asn.csv", "1.0.0.0,1.0.0.255,1,A\nx,1.0.1.0,2,B\n", 'line 2: "x" is no address'),
        ("asn.csv", "1.0.0.9,1.0.0.1,1,A\n", "line 1: the range ends before it starts"),
        ("asn.csv", "1.0.0.0,::1,1,A\n", "line 1: a range is of IPv4 or of IPv6"),
        ("asn.csv", "1.0.0.0,1.0.0.1,many,A\n", 'line 1: "many" is no AS number'),
        ("asn.csv", "1.0.0.0,1.0.0.1\n", "line 1: is not start,end,number,name"),
        ("asn.csv", "", "has no ranges"),
        ("city.mmdb", "not a database", "is no mmdb"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_reason(tmp_path: Path, name: str, content: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(vpcflow.ConfigError) as caught:
        vpcflow.index("no-such.log", to=tmp_path / "store", enrich=[Geo([path])])
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_truncated_database_is_refused(city: Path) -> None:
    whole = city.read_bytes()
    for size in (len(whole) // 3, len(whole) - 20):
        city.write_bytes(whole[:size])
        with pytest.raises(vpcflow.ConfigError, match=city.name):
            Geo([city])
    city.write_bytes(whole[: len(whole) // 3] + whole[len(whole) // 2 :])
    with pytest.raises(vpcflow.ConfigError, match=city.name):
        Geo([city])


def test_the_command_takes_files(tmp_path: Path, city: Path, asn: Path) -> None:
    log = tmp_path / "flow.log"
    log.write_bytes(samples.log(samples.V2, [record("89.160.20.156", "10.0.0.1")]))
    out = tmp_path / "flows.ndjson"
    command = ["index", str(log), "--to", str(out), "-q", "--geo", str(city), "--geo", str(asn)]
    assert CliRunner().invoke(main, command).exit_code == 0
    assert json.loads(out.read_text())["source"]["geo"] == GEO
    missing = CliRunner().invoke(main, ["index", str(log), "--to", str(out), "--geo", "nowhere.mmdb"])
    assert missing.exit_code == 2
    assert "nowhere.mmdb: No such file or directory" in missing.output


def test_the_extra_is_found_by_itself_and_says_whose_data_it_is_and_how_old(tmp_path: Path) -> None:
    packages = Path(__file__).parents[1] / "integration" / "target"
    if not (packages / "geoacumen").is_dir():
        pytest.skip("python-geoacumen is not there; tests/prepare brings it")
    log = tmp_path / "flow.log"
    log.write_bytes(samples.log(samples.V2, [record("89.160.20.156", "10.0.0.1")]))
    command = [sys.executable, "-m", "vpcflow", "index", str(log), "--to", "-"]
    env = os.environ | {"PYTHONPATH": str(packages)}
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    document = json.loads(run.stdout)
    assert document["source"]["geo"] == {"country_iso_code": "SE"}
    assert "geo" not in document["destination"]
    assert "Geoacumen's (Kevin Chung, Apache 2.0), of 2024-06-23, " in run.stderr
    quiet = subprocess.run([*command, "-q"], env=env, capture_output=True, text=True, check=True)
    assert quiet.stderr == ""
    assert json.loads(quiet.stdout)["source"] == document["source"]
