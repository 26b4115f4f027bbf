"""Made-up attacks as flow logs: for each rule of ``kibana/rules`` one that it must see, and one that is nearly that.

Times are before `now`, within one piece of time that no threshold divides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

import samples
from vpcflow import Geo, ThreatLists

ATTACKER, PUBLIC = "203.0.113.9", "198.51.100.7"
HOST, OTHER = "10.0.1.20", "10.0.2.30"

#: What the two enrichers say that some rules need: addresses that are in Sweden and France, and one on a list.
SWEDEN, FRANCE, LISTED = "89.160.20.112", "5.39.0.1", "192.0.2.66"
COUNTRIES = {"89.160.20.0/24": ("SE", "Sweden"), "5.39.0.0/16": ("FR", "France")}
THREATS = f"# a list of one\n{LISTED}\n"

_TGW = f"{samples.V2} tgw-attachment-id packets-lost-no-route packets-lost-blackhole"

#: Lines of a log, without its header, as of a moment.
Lines = Callable[[datetime], list[str]]


@dataclass(frozen=True)
class Scenario:
    """One rule's attack.

    Attributes:
        attack: the rule must see it, and nothing else in it.
        miss: it must not see this.
        groups: what the rule says of the attack.
        header: layout of the lines.
    """

    attack: Lines
    miss: Lines
    groups: tuple[object, ...]
    header: str = samples.V2


def log(path: Path, header: str, lines: list[str]) -> Path:
    """Writes a log."""
    path.write_text("".join(f"{line}\n" for line in (header, *lines)))
    return path


def enrichers(folder: Path) -> list[Geo | ThreatLists]:
    """Where some addresses are, and a threat list: of files that are written into a folder."""
    writer = MMDBWriter(4, "Test-Country", description={"en": "made by a test"})
    for network, (code, name) in COUNTRIES.items():
        writer.insert_network(IPSet([network]), {"country": {"iso_code": code, "names": {"en": name}}})
    writer.to_db_file(str(folder / "country.mmdb"))
    (folder / "list.txt").write_text(THREATS)
    return [Geo([folder / "country.mmdb"]), ThreatLists([folder / "list.txt"])]


def quiet_hour(now: datetime) -> datetime:
    """Half past the hour before: no piece of time ends within the minutes after it."""
    return now.replace(minute=30, second=0, microsecond=0) - timedelta(hours=1 if now.minute >= 40 else 2)


def flow(end, source, destination, port, *, action="ACCEPT", size=400, from_port=40000, interface="eni-1"):
    """A record of version 2, of a minute that ends then."""
    stop = int(end.timestamp())
    return (
        f"2 123456789010 {interface} {source} {destination} {from_port} {port} 6 4 {size} {stop - 60} {stop} "
        f"{action} OK"
    )


def silence(end, status, interface="eni-1"):
    """A record without a flow."""
    stop = int(end.timestamp())
    return f"2 123456789010 {interface} - - - - - - - {stop - 60} {stop} - {status}"


def some(count, source, destination, port, **more) -> Lines:
    """The same flow so many times, seconds apart within one minute."""
    return lambda now: [
        flow(quiet_hour(now) + timedelta(seconds=n % 50), source, destination, port, **more)
        for n in range(count)
    ]


def both(*parts: Lines) -> Lines:
    """All of them in one log."""
    return lambda now: [line for part in parts for line in part(now)]


def ports(count, *, records, action="REJECT") -> Lines:
    """One address at so many ports of one host."""
    return lambda now: [
        flow(quiet_hour(now), ATTACKER, HOST, 1000 + n % count, action=action) for n in range(records)
    ]


def hosts(count, *, records) -> Lines:
    """One address at the same port of so many hosts."""
    return lambda now: [flow(quiet_hour(now), OTHER, f"10.0.9.{n % count}", 445) for n in range(records)]


def skipped(count, *interfaces) -> Lines:
    return lambda now: [
        silence(quiet_hour(now), "SKIPDATA", interface) for interface in interfaces for _ in range(count)
    ]


def dropped(count, lost) -> Lines:
    """Records of a transit gateway, with so many packets that fell into a black hole."""
    return lambda now: [f"{flow(quiet_hour(now), HOST, OTHER, 443)} tgw-1 0 {lost}" for _ in range(count)]


def ago(hours, destination=PUBLIC, **more) -> Lines:
    """A flow that ended so long before now."""
    return lambda now: [flow(now - timedelta(hours=hours), HOST, destination, 443, **more)]


#: By the name of the rule's file.
SCENARIOS = {
    "big-egress": Scenario(
        some(2, HOST, PUBLIC, 443, size=250_000_000),
        both(some(1, HOST, PUBLIC, 443, size=499_999_999), some(2, HOST, OTHER, 443, size=400_000_000)),
        (HOST, PUBLIC),
    ),
    "database-reached": Scenario(
        some(1, ATTACKER, HOST, 5432),
        both(
            some(1, OTHER, HOST, 5432),
            some(1, ATTACKER, HOST, 5432, action="REJECT"),
            some(1, PUBLIC, HOST, 27017, from_port=443),  # an answer to a client's port
        ),
        (ATTACKER, HOST, 5432),
    ),
    "internal-host-refused": Scenario(
        some(50, OTHER, HOST, 5432, action="REJECT"),
        both(
            some(49, OTHER, HOST, 5432, action="REJECT"),
            some(50, ATTACKER, HOST, 5432, action="REJECT"),
            some(50, OTHER, HOST, 5433),
        ),
        (OTHER, HOST, 5432),
    ),
    "new-country": Scenario(
        both(ago(0.1, SWEDEN), ago(0.2, FRANCE), ago(30, FRANCE)),
        both(*(ago(hours, country) for hours in (0.1, 30) for country in (SWEDEN, FRANCE))),
        ("Sweden",),
    ),
    "port-scan": Scenario(ports(50, records=60), ports(49, records=200), (ATTACKER, HOST)),
    "port-sweep": Scenario(hosts(100, records=120), hosts(99, records=200), (OTHER, 445)),
    "rejected-burst": Scenario(
        some(500, ATTACKER, HOST, 443, action="REJECT"),
        both(
            some(499, ATTACKER, HOST, 443, action="REJECT"),
            some(100, ATTACKER, HOST, 443, action="REJECT", interface="eni-2"),
            some(100, ATTACKER, HOST, 443),
        ),
        ("eni-1",),
    ),
    "silent-interface": Scenario(
        both(ago(3), ago(0.1, interface="eni-2")),
        both(ago(3), lambda now: [silence(now - timedelta(minutes=6), "NODATA")]),
        ("eni-1",),
    ),
    "skipped-records": Scenario(
        skipped(3, "eni-1"),
        both(skipped(2, "eni-1", "eni-2", "eni-3"), lambda now: [silence(quiet_hour(now), "NODATA")] * 9),
        ("eni-1",),
    ),
    "ssh-rdp-accepted": Scenario(
        some(1, ATTACKER, HOST, 3389),
        both(
            some(1, OTHER, HOST, 3389),
            some(1, ATTACKER, HOST, 22, action="REJECT"),
            some(1, PUBLIC, HOST, 3389, from_port=443),
        ),
        (ATTACKER, HOST, 3389),
    ),
    "ssh-rdp-refused": Scenario(
        some(10, ATTACKER, HOST, 22, action="REJECT"),
        both(some(9, ATTACKER, HOST, 22, action="REJECT"), some(20, OTHER, HOST, 22, action="REJECT")),
        (ATTACKER,),
    ),
    "threat-list-hit": Scenario(
        some(1, HOST, LISTED, 8443),
        both(some(1, HOST, PUBLIC, 8443), some(1, LISTED, HOST, 1, action="REJECT")),
        (HOST, LISTED),
    ),
    "transit-gateway-drops": Scenario(
        dropped(5, 2), both(dropped(4, 2), dropped(9, 0)), ("tgw-1",), header=_TGW
    ),
    "unapproved-dns": Scenario(
        some(5, HOST, PUBLIC, 53),
        both(some(4, HOST, PUBLIC, 53), some(9, HOST, "8.8.8.8", 53), some(9, HOST, "10.0.0.2", 53)),
        (HOST, PUBLIC),
    ),
}
