"""What enrichment costs: vpcflow to ECS NDJSON on one core, with and without.

python benchmarks/enrichment.py [--lines 1000000] [--runs 5]     prints a table in Markdown

A full run of bench.py has the table, too.

Two logs of version 2, in which one end of nearly every flow is an address of the VPC, as it is in real ones.
In `20,000 addresses` the other end is one of so many public ones; in `scan` it is one that was not there
before, in every line.
Places come from an mmdb file of 114,000 networks and 20,000 cities, autonomous systems from a CSV file of
450,000 ranges. The contenders run in turns, in processes of their own, pinned to one core. What is given is
the median of the rounds' extra CPU time over the same log without enrichment. Loading files is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from statistics import median

import generate
import inputs
from report import Table

KINDS = ("none", "geo", "python", "threat")
#: Log, what is added, and the most that it may cost in percent.
ROWS = (
    ("addresses", "geo", 25),
    ("scan", "geo", 60),
    ("addresses", "python", 20),
    ("addresses", "threat", 10),
)
TITLES = {
    "geo": "city, ASN and direction",
    "python": "Python, 50 µs a call",
    "threat": "threat list of 1,000,000",
}
DISTINCT = 20_000
BLOCKS = [n for n in range(1, 224) if n not in {10, 100, 127, 169, 172, 192, 198, 203}]


def public(rng: random.Random) -> str:
    return str(IPv4Address(rng.choice(BLOCKS) << 24 | rng.getrandbits(24)))


def is_own(address: str) -> bool:
    """Whether it is one of the VPCs that the traffic is of, or absent."""
    return address == "-" or address.startswith("2a05:d014:") or ip_address(address).is_private


def log(kind: str, count: int) -> Path:
    """A log of so many records, made when it isn't there."""
    path = generate.DATA / f"enrich-{kind}-{count}.log"
    if not path.exists():
        rng = random.Random(7)
        some = [public(rng) for _ in range(DISTINCT)]
        known: dict[str, str] = {}
        part = path.with_suffix(".part")
        with inputs.cached(2, count).open(encoding="ascii") as lines, part.open("w", encoding="ascii") as out:
            out.write(next(lines))
            for line in lines:
                fields = line.split(" ")
                for at in (3, 4):
                    if is_own(fields[at]):
                        continue
                    fields[at] = known.setdefault(fields[at], some[len(known) % DISTINCT])
                    if kind == "scan":
                        fields[at] = public(rng)
                out.write(" ".join(fields))
        part.replace(path)
    return path


def networks(size: int) -> Iterator[int]:
    """The first addresses of public networks of so many."""
    for block in BLOCKS:
        yield from range(block << 24, (block + 1) << 24, size)


def city() -> Path:
    path = generate.DATA / "enrich-city.mmdb"
    if not path.exists():
        from mmdb_writer import MMDBWriter
        from netaddr import IPSet

        rng = random.Random(3)
        cities = [
            {
                "city": {"names": {"en": f"Town {n}"}},
                "continent": {"names": {"en": "Europe"}},
                "country": {"iso_code": "SE", "names": {"en": "Sweden"}},
                "location": {"latitude": n / 500, "longitude": n / 300},
                "subdivisions": [{"iso_code": f"R{n % 90}", "names": {"en": f"Region {n % 90}"}}],
            }
            for n in range(20_000)
        ]
        writer = MMDBWriter(4, "Bench-City", description={"en": "made up"})
        for first in networks(1 << 15):
            writer.insert_network(IPSet([f"{IPv4Address(first)}/17"]), rng.choice(cities))
        writer.to_db_file(str(path.with_suffix(".part")))
        path.with_suffix(".part").replace(path)
    return path


def asn() -> Path:
    path = generate.DATA / "enrich-asn.csv"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w", encoding="ascii") as out:
            for first in networks(1 << 13):
                number = first * 2654435761 % 30_000 + 1
                last = IPv4Address(first + (1 << 13) - 1)
                out.write(f"{IPv4Address(first)},{last},{number},Network {number}\n")
        part.replace(path)
    return path


def threat_list() -> Path:
    """A million networks and addresses. Of the log's addresses they have one in a few hundred."""
    path = generate.DATA / "enrich-threats.txt"
    if not path.exists():
        rng = random.Random(11)
        lengths = (32, 32, 32, 30, 28)
        listed: dict[str, None] = {}
        while len(listed) < 1_000_000:
            length = rng.choice(lengths)
            first = int(IPv4Address(public(rng))) >> 32 - length << 32 - length
            listed[f"{IPv4Address(first)}/{length}"] = None
        path.with_suffix(".part").write_text("\n".join(listed) + "\n", encoding="ascii")
        path.with_suffix(".part").replace(path)
    return path


def threats() -> list[object]:
    """The list, read; says on the error stream what that took."""
    from vpcflow._core import ThreatLists

    before, begun = memory("VmRSS"), time.perf_counter()
    lists = ThreatLists([threat_list()])
    took = time.perf_counter() - begun
    sys.stderr.write(
        f"threat list of 1,000,000: {took:.2f} s, {memory('VmHWM') - before:.0f} MB at most (under 100)\n"
    )
    return [lists]


def memory(what: str) -> float:
    """What the process holds (`VmRSS`), or held at most (`VmHWM`), in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


class Slow:
    """A look-up that takes 50 µs."""

    key = "address"
    fields = {"side.domain": "keyword"}  # noqa: RUF012

    def look_up(self, address: str) -> dict[str, object]:
        end = time.perf_counter() + 50e-6
        while time.perf_counter() < end:
            pass
        return {"side.domain": f"host-{address}.example.com"}


def work(kind: str, source: str) -> None:
    """One run, in a process of its own; prints records and CPU seconds."""
    from vpcflow._core import Direction, Enrichment, Geo, Reader

    make = {
        "none": list,
        "geo": lambda: [Geo([city(), asn()])],
        "python": lambda: [Slow()],
        "threat": threats,
    }
    enrichers = make[kind]()
    enrichment = Enrichment(enrichers) if enrichers else None
    direction = Direction() if kind == "geo" else None
    records = nbytes = 0
    chunks = iter(Reader(source))
    if kind == "python":
        # Asking is not what is measured: the budget is for after each address was asked about once.
        for chunk in Reader(source):
            chunk.parse(enrichment=enrichment)
    begun = time.process_time()
    for chunk in chunks:
        batch = chunk.parse(enrichment=enrichment, direction=direction)
        nbytes += len(batch.to_ndjson())
        records += len(batch)
    sys.stdout.write(json.dumps([records, time.process_time() - begun, nbytes]))


def measure(lines: int, runs: int, say: Callable[[str], object] = lambda _: None) -> Table:
    """The table of all rows."""
    generate.DATA.mkdir(exist_ok=True)
    city(), asn(), threat_list()
    core = max(os.sched_getaffinity(0))
    spent: dict[tuple[str, str], list[float]] = {}
    for run in range(runs):
        for name in ("addresses", "scan"):
            source = log(name, lines)
            for kind in KINDS:
                if kind != "none" and not any(row[:2] == (name, kind) for row in ROWS):
                    continue
                say(f"enrichment: {name}, {kind}, run {run + 1} of {runs}")
                command = ["taskset", "-c", str(core), sys.executable, __file__, "work", kind, str(source)]
                said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                records, cpu, _ = json.loads(said)
                assert records == lines, f"{name} {kind}: {records} records"
                spent.setdefault((name, kind), []).append(cpu)
    cells = []
    for name, kind, budget in ROWS:
        base = spent[name, "none"]
        extra = [100 * (cpu / none - 1) for cpu, none in zip(spent[name, kind], base, strict=True)]
        title = "scan" if name == "scan" else "20,000 addresses"
        verdict = "met" if median(extra) <= budget else "missed"
        rate = f"{lines / median(spent[name, kind]):,.0f}"
        spread = f"{min(extra):+.0f} to {max(extra):+.0f}"
        cells.append((title, TITLES[kind], rate, f"{median(extra):+.0f} %", spread, f"{budget} %: {verdict}"))
    return Table(
        "v2 text to ECS NDJSON with enrichment, one core",
        f"CPU time over the same log without. Medians of {runs} runs. Loading files is not counted; asking a "
        "Python enricher for the first time isn't, either.",
        ("log", "added", "lines/s", "extra time", "lowest to highest", "at most"),
        cells,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(measure(options.lines, options.runs).markdown())


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:])
    else:
        main()
