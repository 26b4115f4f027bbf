"""Makes a store of many flows over 30 days, through vpcflow's own pipeline, and keeps it.

python benchmarks/big_store.py                                   20 million, in benchmarks/data/store-20000000
python benchmarks/big_store.py --flows 200000 --until 2026-12-01 -o FOLDER

A network of 200 interfaces in four accounts and 6,000 remote addresses; one object an hour, so 720 files.
What a flow is follows from the MD5 of its number: with the same --until the same flows come out anywhere. The
records have the fields of version 5 and two of version 11.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import vpcflow
from vpcflow.sources.base import Item, Source

if TYPE_CHECKING:
    import duckdb

DATA = Path(__file__).parent / "data"
DAYS = 30

FIELDS = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    " log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id"
    " flow-direction traffic-path interface-type next-hop-interface-type"
)

# Of 100 flows 2 are silence, 12 are refused, 24 are between interfaces, 31 come in and 31 go out. Addresses
# are as Zipf has them. In the third hour of each day one address tries the ports of one interface.
FLOWS = """
WITH dice AS (
  SELECT i, CAST(md5_number_lower(i::VARCHAR) >> 1 AS BIGINT) AS a,
    CAST(md5_number_upper(i::VARCHAR) >> 1 AS BIGINT) AS b
  FROM range({first}, {last}) AS r(i)
), drawn AS (
  SELECT
    a % 100 AS kind,
    {scan} AND a % 50 = 4 AS scan,
    (a >> 8) % CASE WHEN scan THEN 4 ELSE 60 END AS minute,
    CASE WHEN scan THEN 7 ELSE CAST(floor(200 * pow(((a >> 16) % 65536) / 65536.0, 2)) AS INTEGER) END AS own,
    CAST((own + 1 + (a >> 32) % 199) % 200 AS INTEGER) AS other,
    CAST(floor(exp(((b >> 40) % 65536) / 65536.0 * ln(6000))) AS INTEGER) AS remote,
    ([443, 443, 443, 443, 80, 8443, 22, 53, 123, 25])[1 + b % 10] AS service,
    ([5432, 3306, 6379, 8080, 9200, 443, 2049, 9092])[1 + b % 8] AS backend,
    ([22, 23, 80, 443, 445, 1433, 3306, 3389, 5060, 6379, 8080])[1 + b % 11] AS scanned,
    1024 + (b >> 8) % 64000 AS high,
    1 + CAST(floor(exp(((a >> 48) % 4096) / 4096.0 * 7)) AS INTEGER) AS packets,
    40 + (b >> 24) % 1400 AS length,
    1 + i % 1500 AS tried
  FROM dice
), ends AS (
  SELECT *,
    'eni-0' || lpad(to_hex(own * 7919 + 65536), 16, '0') AS eni,
    '10.' || own % 8 || '.' || own % 24 || '.' || 4 + own AS inside,
    '10.' || other % 8 || '.' || other % 24 || '.' || 4 + other AS peer,
    CASE WHEN scan THEN '198.51.100.66'
         ELSE 11 + remote * 37 % 110 || '.' || remote % 251 || '.' || remote % 13 || '.' || 1 + remote % 254
    END AS outside,
    CASE WHEN scan OR kind BETWEEN 2 AND 13 THEN 'REJECT' ELSE 'ACCEPT' END AS action,
    scan OR kind < 14 OR kind BETWEEN 38 AND 68 OR (kind < 38 AND kind % 2 = 0) AS ingress,
    CASE WHEN scan THEN tried WHEN kind < 14 THEN scanned WHEN kind < 38 THEN backend ELSE service END
      AS port,
    {hour} + minute * 60 + own % 60 AS until
  FROM drawn
), sided AS (
  SELECT *,
    CASE WHEN NOT ingress THEN inside WHEN kind BETWEEN 14 AND 37 THEN peer ELSE outside END AS src,
    CASE WHEN ingress THEN inside WHEN kind < 38 THEN peer ELSE outside END AS dst,
    CASE WHEN port IN (53, 123, 5060) THEN 17 ELSE 6 END AS protocol,
    CASE WHEN action = 'REJECT' THEN 1 ELSE packets END AS count
  FROM ends
)
SELECT
  CASE WHEN kind < 2 AND NOT scan THEN concat_ws(' ', 5, 123456789010 + own % 4, eni, '- - - - - - -',
    until - 55, until, '-', CASE WHEN own % 40 = 0 THEN 'SKIPDATA' ELSE 'NODATA' END,
    'vpc-0' || lpad(to_hex(own % 8), 16, '0'), 'subnet-0' || lpad(to_hex(own % 24), 16, '0'), '- - - - -',
    'eu-central-1', 'euc1-az' || 1 + own % 3, '- - - -')
  ELSE concat_ws(' ', 5, 123456789010 + own % 4, eni, src, dst, high, port, protocol, count, count * length,
    until - 55, until, action, 'OK', 'vpc-0' || lpad(to_hex(own % 8), 16, '0'),
    'subnet-0' || lpad(to_hex(own % 24), 16, '0'), 'i-0' || lpad(to_hex(own * 104729 + 4096), 16, '0'),
    CASE WHEN protocol = 6 THEN 2 ELSE 0 END, 'IPv4', src, dst, 'eu-central-1', 'euc1-az' || 1 + own % 3,
    CASE WHEN ingress THEN 'ingress' ELSE 'egress' END,
    CASE WHEN ingress THEN '-' WHEN kind < 38 THEN '1' ELSE '8' END, '-',
    CASE WHEN NOT ingress AND kind >= 38 AND own % 4 > 0 THEN 'nat_gateway' ELSE '-' END)
  END AS line
FROM sided ORDER BY until
"""


class Hours(Source):
    """An object an hour: made when it is asked for, and taken away when it is stored."""

    def __init__(self, flows: int, until: datetime, folder: Path) -> None:
        import duckdb

        self._connection: duckdb.DuckDBPyConnection = duckdb.connect()
        self._begin = until - timedelta(days=DAYS)
        self._folder = folder
        # Days are busier than nights by three to one.
        weights = [2 - math.cos(hour % 24 / 24 * 2 * math.pi) for hour in range(DAYS * 24)]
        whole = sum(weights)
        self._edges = [round(flows * sum(weights[:hour]) / whole) for hour in range(DAYS * 24 + 1)]

    def items(self) -> Iterator[Item]:
        for number in range(DAYS * 24):
            hour = self._begin + timedelta(hours=number)
            path = self._folder / f"{hour:%Y-%m-%dT%H}.log"
            statement = FLOWS.format(
                first=self._edges[number],
                last=self._edges[number + 1],
                hour=int(hour.timestamp()),
                scan=str(hour.hour == 2).lower(),
            )
            lines = self._connection.execute(statement).fetchall()
            path.write_text("\n".join([FIELDS, *(line for (line,) in lines), ""]), encoding="ascii")
            key = f"AWSLogs/123456789010/vpcflowlogs/eu-central-1/{hour:%Y/%m/%d/%H}/flows.log"
            origin = vpcflow.Origin(input_type="aws-s3", bucket="flows", key=key)
            yield Item(key, key, path, path.stat().st_size, origin)

    def acknowledge(self, item: Item) -> None:
        Path(str(item.data)).unlink()


class Countries:
    """A country for each public address, so that questions about countries have something to count."""

    name = "countries"
    key = "address"
    fields: Mapping[str, str] = {
        "side.geo.country_iso_code": "keyword",
        "side.geo.country_name": "keyword",
    }
    _COUNTRIES = (
        ("US", "United States"),
        ("DE", "Germany"),
        ("IE", "Ireland"),
        ("FR", "France"),
        ("SG", "Singapore"),
        ("BR", "Brazil"),
        ("CN", "China"),
        ("JP", "Japan"),
    )

    def look_up(self, value: str) -> dict[str, object] | None:
        first, second, *_ = (int(part) for part in value.split("."))
        if first == 10:
            return None
        code, name = self._COUNTRIES[(first * second) % len(self._COUNTRIES)]
        return {"side.geo.country_iso_code": code, "side.geo.country_name": name}


def make(flows: int, until: datetime, store: Path) -> None:
    """Makes the store; it is there whole or not at all."""
    part = store.with_name(f".{store.name}-part")
    with tempfile.TemporaryDirectory(prefix="vpcflow-big-") as folder:
        threats = Path(folder) / "scanners.txt"
        threats.write_text("198.51.100.66\n", encoding="ascii")
        enrich = [Countries(), vpcflow.ThreatLists([threats])]
        source = Hours(flows, until, Path(folder))
        result = vpcflow.index([source], to=part, enrich=enrich)
    if not result.ok or result.documents != flows:
        raise SystemExit(f"{store}: {result}")
    part.rename(store)


def main() -> None:
    parser = argparse.ArgumentParser(description="A store of many flows, for the benchmarks.")
    parser.add_argument("--flows", type=int, default=20_000_000)
    parser.add_argument(
        "--until",
        type=lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
        help="the end of the last day; default: the next midnight in UTC, so that it has a last hour",
    )
    parser.add_argument("-o", "--output", type=Path, help="default: a folder in benchmarks/data, kept")
    arguments = parser.parse_args()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    store = arguments.output or DATA / f"store-{arguments.flows}"
    if store.exists():
        raise SystemExit(f"{store}: is there already")
    store.parent.mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    make(arguments.flows, arguments.until or midnight, store)
    size = sum(file.stat().st_size for file in store.rglob("*.parquet"))
    sys.stderr.write(
        f"{store}: {arguments.flows} flows, {size / arguments.flows:.1f} bytes each,"
        f" {time.perf_counter() - begun:.0f} s\n"
    )


if __name__ == "__main__":
    main()
