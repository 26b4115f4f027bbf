"""The network that the benchmarks' flow logs describe, and its traffic.

The shape follows real logs. An interface reports once a minute: a block of records with one start and one
end, both directions of a flow among them, and the blocks of all interfaces lie mixed in the file of five
minutes. A flow between two interfaces is logged by both. Remote addresses are spread as Zipf has it. Only
`random()` is drawn from the generator, and only integers and exact divisions are made from it, so that no
version of Python and no library changes the outcome.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

SEED = "vpcflow benchmark 1"
INTERFACES = 400
REMOTES = 24_000
WINDOW = 20_000  # records in five minutes
FIRST_WINDOW = 1_761_004_800  # 2025-10-21 00:00 UTC
ACCOUNT, REGION = "123456789010", "eu-central-1"

# Of all records; what is left is traffic with remote addresses.
SHARE_SILENT, SHARE_REJECT, SHARE_INTERNAL = 0.02, 0.15, 0.22
SHARE_IPV6 = 0.106  # of what is not silent and not behind a NAT gateway: 10 % of all records

INTERVALS = (1,) * 15 + (2,) * 3 + (5,) * 2  # minutes that a connection lasts
PACKETS = (1, 1, 1, 2, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 14, 17, 20, 26, 34, 51, 90, 240, 1100)
PACKET_SIZES = (40, 40, 44, 52, 52, 60, 76, 90, 120, 180, 310, 520, 760, 1040, 1280, 1420)
SERVICES = (443, 443, 443, 443, 443, 80, 80, 8443, 22, 53, 123, 5671)
BACKENDS = (5432, 3306, 6379, 8080, 8080, 9200, 443, 2049, 9092)
SCANNED = (22, 23, 80, 443, 445, 1433, 2222, 3306, 3389, 5060, 5900, 6379, 8080, 8443, 8728, 9200, 11211)
UDP_PORTS = frozenset({53, 123, 5060, 11211})
AWS_SERVICES = ("S3", "S3", "AMAZON", "AMAZON", "EC2", "CLOUDFRONT", "DYNAMODB", "GLOBALACCELERATOR")
SPECIAL_RANGES = frozenset({100, 127, 169, 172, 192, 198, 203})  # first octets with private or reserved parts
IPV6_PREFIXES = ("2a00", "2a02", "2600", "2a03", "2607")


class Interface(NamedTuple):
    eni: str
    ipv4: str
    ipv6: str
    where: str  # vpc-id and subnet-id
    instance: str
    az: str
    vpc: int
    nat: bool
    second: int  # of the minute in which it reports
    span: int  # seconds between start and end


class Remote(NamedTuple):
    ipv4: str
    ipv6: str
    service: str


class Traffic:
    """Windows of five minutes, one after the other; each is a list of lines without their line ends."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.random = Random(SEED).random
        self.interfaces = [self._interface(number) for number in range(INTERFACES)]
        self.remotes = [self._remote() for _ in range(REMOTES)]
        # Zipf's law with exponent 1; the interfaces differ less than the remotes do.
        self._remote_ranks = list(accumulate(1.0 / (rank + 1) for rank in range(REMOTES)))
        self._interface_ranks = list(accumulate(1.0 / (rank + 40) for rank in range(INTERFACES)))
        # How often a flow of each kind has to begin, given how many records it makes.
        minutes = sum(INTERVALS) / len(INTERVALS)
        external = 1 - SHARE_SILENT - SHARE_REJECT - SHARE_INTERNAL
        shares = (SHARE_SILENT, SHARE_REJECT, SHARE_INTERNAL / minutes / 4, external / minutes / 2)
        self._kinds = [total / sum(shares) for total in accumulate(shares)]

    def window(self, number: int) -> list[str]:
        """The records that end in one window of five minutes, a few more than WINDOW of them."""
        self._start = FIRST_WINDOW + number * 300
        self._blocks: dict[tuple[int, int], list[str]] = {}
        self._count = 0
        kinds = (self._silent, self._rejected, self._internal, self._external)
        while self._count < WINDOW:
            which = bisect(self._interface_ranks, self.random() * self._interface_ranks[-1])
            kinds[min(bisect(self._kinds, self.random()), 3)](which)
        return [line for key in self._mixed(self._blocks) for line in self._mixed(self._blocks[key])]

    # Drawing.

    def _pick(self, values: Sequence[T]) -> T:
        return values[int(self.random() * len(values))]

    def _below(self, limit: int) -> int:
        return int(self.random() * limit)

    def _mixed(self, values: Iterable[T]) -> list[T]:
        return [value for _, value in sorted((self.random(), value) for value in values)]

    def _hex(self, digits: int) -> str:
        return "".join("0123456789abcdef"[self._below(16)] for _ in range(digits))

    def _ipv6(self, prefix: str) -> str:
        groups = [f"{1 + self._below(0xFFFF):x}" for _ in range(4)]
        return f"{prefix}:{':'.join(groups)}" if self.random() < 0.7 else f"{prefix}::{groups[0]}"

    def _interface(self, number: int) -> Interface:
        vpc, subnet = number % 8, number % 24
        nat, managed = number % 50 == 7, number % 8 == 3
        return Interface(
            eni=f"eni-0{self._hex(16)}",
            ipv4=f"10.{vpc}.{subnet * 8 + self._below(8)}.{4 + self._below(250)}",
            ipv6=self._ipv6(f"2a05:d014:{0x10 + vpc:x}:{1 + subnet:x}00"),
            where=f"vpc-{_identifier('vpc', vpc)} subnet-{_identifier('subnet', subnet)}",
            instance="-" if nat or managed else f"i-0{self._hex(16)}",
            az=f"euc1-az{1 + subnet % 3}",
            vpc=vpc,
            nat=nat,
            second=self._below(60),
            span=48 + self._below(12),
        )

    def _remote(self) -> Remote:
        service = self._pick(AWS_SERVICES) if self.random() < 0.12 else "-"
        first = self._pick((3, 18, 52, 54)) if service != "-" else 20 + self._below(200)
        first = 80 if first in SPECIAL_RANGES else first
        network = f"{self._pick(IPV6_PREFIXES)}:{1 + self._below(0xFFFE):x}"
        return Remote(
            ipv4=f"{first}.{self._below(256)}.{self._below(256)}.{1 + self._below(254)}",
            ipv6=self._ipv6(f"{network}:{1 + self._below(255):x}:{1 + self._below(15):x}"),
            service=service,
        )

    def _rank(self) -> int:
        return bisect(self._remote_ranks, self.random() * self._remote_ranks[-1])

    def _family(self, own: Interface, peer: Interface | Remote) -> tuple[str, str, str]:
        if not own.nat and self.random() < SHARE_IPV6:
            return "IPv6", own.ipv6, peer.ipv6
        return "IPv4", own.ipv4, peer.ipv4

    def _ports(self, services: Sequence[int], family: str = "IPv4") -> tuple[int, int, int]:
        """Client's port, server's port, protocol."""
        if self.random() < 0.02:
            return 0, 0, 58 if family == "IPv6" else 1
        port = self._pick(services)
        return 32768 + self._below(28232), port, 17 if port in UDP_PORTS else 6

    def _minutes(self, protocol: int) -> Iterator[tuple[int, int, int]]:
        """Minutes of the window in which a flow is seen, with the tcp flags of its client and its server."""
        lasts = self._pick(INTERVALS)
        first = self._below(6 - lasts)
        for minute in range(first, first + lasts):
            opened, closed = minute == first, minute == first + lasts - 1
            tcp = protocol == 6
            yield minute, tcp * (2 * opened + closed), tcp * (18 * opened + closed)

    # Writing.

    def _add(self, which: int, minute: int, flow: str, direction: str, **more: Any) -> None:
        """One record. `flow`: srcaddr to protocol as logged; `direction`: flow-direction and traffic-path."""
        interface = self.interfaces[which]
        action = more.get("action", "ACCEPT")
        packets = self._pick(PACKETS) if action == "ACCEPT" else 1 + self._below(3)
        nbytes = packets * self._pick(PACKET_SIZES) + (self._below(40) if packets > 1 else 0)
        end = self._start + minute * 60 + interface.second
        line = (
            f"{self.version} {ACCOUNT} {interface.eni} {flow} {packets} {nbytes} {end - interface.span} {end}"
            f" {action} OK"
        )
        if self.version == 5:
            source, destination, _ = flow.split(" ", 2)
            line += (
                f" {interface.where} {interface.instance} {more.get('flags', 0)} {more.get('family', 'IPv4')}"
                f" {more.get('packet') or f'{source} {destination}'} {REGION} {interface.az} - -"
                f" {more.get('services', '- -')} {direction}"
            )
        self._blocks.setdefault((which, minute), []).append(line)
        self._count += 1

    # Each kind of flow.

    def _silent(self, which: int) -> None:
        interface, minute = self.interfaces[which], self._below(5)
        end = self._start + minute * 60 + interface.second
        account = "unknown" if self.random() < 0.7 else ACCOUNT
        status = "NODATA" if self.random() < 0.9 else "SKIPDATA"
        times = f"{end - interface.span} {end}"
        line = f"{self.version} {account} {interface.eni} - - - - - - - {times} - {status}"
        if self.version == 5:
            line += f" {interface.where} {interface.instance} - - - - {REGION} {interface.az} - - - - - -"
        self._blocks.setdefault((which, minute), []).append(line)
        self._count += 1

    def _rejected(self, which: int) -> None:
        # The far end of the ranks: who scans is not who is talked to most.
        own, remote = self.interfaces[which], self.remotes[-1 - self._rank()]
        family, inside, outside = self._family(own, remote)
        port = self._pick(SCANNED) if self.random() < 0.7 else 1 + self._below(49151)
        protocol = 17 if port in UDP_PORTS else 6
        ports = f"{1024 + self._below(64000)} {port} {protocol}"
        more = {"action": "REJECT", "family": family, "flags": 2 if protocol == 6 else 0}
        minute, scanned = self._below(5), self.random() < 0.93
        if scanned:
            services = f"{remote.service} -"
            self._add(which, minute, f"{outside} {inside} {ports}", "ingress -", services=services, **more)
        else:
            services = f"- {remote.service}"
            self._add(which, minute, f"{inside} {outside} {ports}", "egress 8", services=services, **more)

    def _external(self, which: int) -> None:
        own, remote = self.interfaces[which], self.remotes[self._rank()]
        if own.nat:
            self._translated(which, own, remote)
            return
        family, inside, outside = self._family(own, remote)
        client, server, protocol = self._ports(SERVICES, family)
        served = self.random() < 0.55  # the remote is the client
        inner, outer = (server, client) if served else (client, server)
        arriving = f"{outside} {inside} {outer} {inner} {protocol}"
        leaving = f"{inside} {outside} {inner} {outer} {protocol}"
        path = "egress 7" if remote.service in {"S3", "DYNAMODB"} else "egress 8"
        origin, target = f"{remote.service} -", f"- {remote.service}"
        for minute, asked, answered in self._minutes(protocol):
            came, went = (asked, answered) if served else (answered, asked)
            self._add(which, minute, arriving, "ingress -", flags=came, family=family, services=origin)
            self._add(which, minute, leaving, path, flags=went, family=family, services=target)

    def _translated(self, which: int, own: Interface, remote: Remote) -> None:
        """A NAT gateway logs both of its sides; only the packet-level address tells who talks to whom."""
        private = self.interfaces[(which + 8 * (1 + self._below(5))) % INTERFACES].ipv4
        client, server, protocol = self._ports(SERVICES)
        outer = 0 if protocol == 1 else 1024 + self._below(64000)
        request = f"{private} {own.ipv4} {client} {server} {protocol}"
        forwarded = f"{own.ipv4} {remote.ipv4} {outer} {server} {protocol}"
        response = f"{remote.ipv4} {own.ipv4} {server} {outer} {protocol}"
        returned = f"{own.ipv4} {private} {server} {client} {protocol}"
        there, back = f"{private} {remote.ipv4}", f"{remote.ipv4} {private}"
        origin, target = f"{remote.service} -", f"- {remote.service}"
        for minute, asked, answered in self._minutes(protocol):
            self._add(which, minute, request, "ingress -", flags=asked, packet=there, services=target)
            self._add(which, minute, forwarded, "egress 8", flags=asked, services=target)
            self._add(which, minute, response, "ingress -", flags=answered, services=origin)
            self._add(which, minute, returned, "egress 1", flags=answered, packet=back, services=origin)

    def _internal(self, which: int) -> None:
        """Both interfaces log both directions."""
        abroad = self.random() < 0.15  # a peered VPC
        other = (which + 8 * (1 + self._below(INTERFACES // 8 - 1)) + abroad) % INTERFACES
        own, peer = self.interfaces[which], self.interfaces[other]
        leaving = "egress 1" if own.vpc == peer.vpc else "egress 4"
        family, asker, answerer = self._family(own, peer)
        client, server, protocol = self._ports(BACKENDS, family)
        request = f"{asker} {answerer} {client} {server} {protocol}"
        response = f"{answerer} {asker} {server} {client} {protocol}"
        for minute, asked, answered in self._minutes(protocol):
            self._add(which, minute, request, leaving, flags=asked, family=family)
            self._add(other, minute, request, "ingress -", flags=asked, family=family)
            self._add(other, minute, response, leaving, flags=answered, family=family)
            self._add(which, minute, response, "ingress -", flags=answered, family=family)


def _identifier(kind: str, number: int) -> str:
    """17 hexadecimal digits, as AWS makes them."""
    return f"0{int(Random(f'{SEED} {kind} {number}').random() * 16**13):013x}{number:03x}"
