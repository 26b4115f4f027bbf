"""Who is in the made-up network, and who is outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

__all__ = ["ACCOUNT", "REGION", "Draw", "End", "Interface", "Network", "Outside"]

T = TypeVar("T")

ACCOUNT, REGION = "123456789010", "eu-central-1"

_VPCS = {"shop": 10, "ops": 20, "data": 30}  # 10.N.0.0/16
_ROLES = (
    # VPC, role, how many, host number of the first, reachable from outside, an instance
    ("shop", "balancer", 2, 10, True, False),
    ("shop", "nat", 1, 5, True, False),
    ("shop", "web", 6, 20, False, True),
    ("shop", "app", 8, 40, False, True),
    ("shop", "db", 2, 60, False, True),
    ("shop", "cache", 2, 70, False, True),
    ("shop", "mail", 1, 80, False, True),
    ("ops", "nat", 1, 5, True, False),
    ("ops", "bastion", 1, 10, True, True),
    ("ops", "monitor", 2, 20, False, True),
    ("ops", "runner", 5, 40, False, True),
    ("data", "nat", 1, 5, True, False),
    ("data", "warehouse", 2, 20, False, True),
    ("data", "worker", 6, 40, False, True),
)
_CLIENTS = (
    "81.2.69",
    "89.160.20",
    "2.125.160",
    "216.160.83",
    "67.43.156",
    "175.16.199",
    "192.0.2",
    "203.0.113",
)


class Draw:
    """Chance that is the same everywhere: of a Random, only `random()` stays as it is between versions."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed).random  # noqa: S311

    def below(self, limit: int) -> int:
        return int(self.random() * limit)

    def pick(self, values: Sequence[T]) -> T:
        return values[int(self.random() * len(values))]

    def early(self, values: Sequence[T]) -> T:
        """One of the values, the first ones more often."""
        return values[int(self.random() * self.random() * len(values))]

    def hex(self, digits: int) -> str:
        return "".join(self.pick("0123456789abcdef") for _ in range(digits))


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface, with the fields of its records that are always the same."""

    vpc: str
    eni: str
    ipv4: str
    ipv6: str
    where: str  # vpc-id, subnet-id, instance-id
    zone: str
    public: bool
    instance: bool
    second: int  # of the minute in which its records end
    span: int  # seconds from their start to their end


@dataclass(frozen=True, slots=True)
class Outside:
    """An address that is not ours, and the AWS service it belongs to."""

    ipv4: str
    ipv6: str = "-"
    service: str = "-"


End = Interface | Outside


class Network:
    """Three VPCs with forty interfaces, and the addresses they talk to."""

    scanner = Outside("198.51.100.23")
    taker = Outside("203.0.113.200")
    office = Outside("81.2.69.160")
    intruders = (Outside("203.0.113.77"), Outside("203.0.113.78"), Outside("198.51.100.140"))
    partners = tuple(Outside(f"198.51.100.{host}") for host in range(200, 212))
    buckets = tuple(Outside(f"52.219.{140 + host}.{9 + host}", service="S3") for host in range(6))

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.flow_logs = {vpc: f"fl-0{draw.hex(16)}" for vpc in _VPCS}
        self._vpc_ids = {vpc: f"vpc-0{draw.hex(16)}" for vpc in _VPCS}
        self._subnet_ids = {(vpc, zone): f"subnet-0{draw.hex(16)}" for vpc in _VPCS for zone in range(3)}
        self._roles = {
            (vpc, role): tuple(
                self._interface(vpc, host + at, at % 3, public, instance) for at in range(number)
            )
            for vpc, role, number, host, public, instance in _ROLES
        }
        self.all = tuple(interface for some in self._roles.values() for interface in some)
        self.public = tuple(interface for interface in self.all if interface.public)
        self.instances = tuple(interface for interface in self.all if interface.instance)
        self.clients = tuple(self._client() for _ in range(900))

    def role(self, vpc: str, role: str) -> tuple[Interface, ...]:
        return self._roles[vpc, role]

    def _interface(self, vpc: str, host: int, zone: int, public: bool, instance: bool) -> Interface:
        draw, net = self._draw, _VPCS[vpc]
        second = draw.below(60)
        instance_id = f"i-0{draw.hex(16)}" if instance else "-"
        return Interface(
            vpc=vpc,
            eni=f"eni-0{draw.hex(16)}",
            ipv4=f"10.{net}.{zone}.{host}",
            ipv6=f"2001:db8:{net}:{zone + 1}::{host:x}",
            where=f"{self._vpc_ids[vpc]} {self._subnet_ids[vpc, zone]} {instance_id}",
            zone=f"euc1-az{zone + 1}",
            public=public,
            instance=instance,
            second=second,
            span=50 + second % 10,
        )

    def _client(self) -> Outside:
        draw = self._draw
        groups = f"{0x1000 + draw.below(0xE000):x}:{1 + draw.below(255):x}::{1 + draw.below(0xFFFE):x}"
        return Outside(f"{draw.pick(_CLIENTS)}.{1 + draw.below(190)}", f"2001:db8:{groups}")
