"""How often the direction is found, and how often it is right, where the log doesn't say it.

python benchmarks/direction.py [--lines 200000]

Version 5 records say it. They are read once more without it, as version 2 and with all fields but that one,
and the two are compared. Two networks: the one of the other benchmarks, and one of 200 interfaces in three
VPCs, two of them with the same addresses, in which many talk to one address only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from random import Random

from generate import HEADER_V2, HEADER_V5, lines

import vpcflow

_FIELDS = HEADER_V5.split()
_DIRECTION = _FIELDS.index("flow-direction")
#: What is left of a record.
LAYOUTS = {
    "version 2": len(HEADER_V2.split()),
    "all but the direction": _DIRECTION,
}


@dataclass(frozen=True, slots=True)
class Found:
    """Of the records that have addresses: how many, with a direction, with the right one."""

    records: int
    given: int
    right: int

    @property
    def share_given(self) -> float:
        return self.given / self.records

    @property
    def share_right(self) -> float:
        return self.right / self.given


def compare(records: Iterable[str], fields: int, *, chunk_size: int = 512 << 10) -> Found:
    """Reads version 5 records with their first fields only."""
    full = [line.split(" ") for line in records]
    text = "\n".join([" ".join(_FIELDS[:fields]), *(" ".join(record[:fields]) for record in full)])
    direction = vpcflow.Direction()
    reader = vpcflow._core.Reader(text.encode(), chunk_size=chunk_size)
    ways: list[str | None] = []
    for chunk in reader:
        documents = chunk.parse(direction=direction).to_ecs()
        ways += [document.get("network", {}).get("direction") for document in documents]
    pairs = [
        (way, record[_DIRECTION]) for way, record in zip(ways, full, strict=True) if record[_DIRECTION] != "-"
    ]
    given = [(way, logged) for way, logged in pairs if way is not None]
    return Found(len(pairs), len(given), sum(way == logged for way, logged in given))


class Quiet:
    """Records of a network in which most interfaces have few peers.

    Each VPC has a load balancer that clients and targets talk to, a NAT gateway, pairs that only talk to each
    other, chains in which each talks to the next, interfaces with one peer in the Internet, and two that have
    several IPv6 addresses. `one` and `two` have the same addresses.
    """

    def __init__(self, seed: str = "vpcflow direction") -> None:
        self._random = Random(seed)
        self._flows: list[tuple[tuple[str, str, str], str, str]] = []
        for vpc, net in (("one", "10.0"), ("two", "10.0"), ("three", "10.3")):
            self._vpc(vpc, net)

    def records(self) -> Iterator[str]:
        """Without end, in blocks of an interface and a minute, the interfaces in turns."""
        minute = 0
        while True:
            minute += 1
            blocks: dict[str, list[str]] = {}
            for here, own, peer in self._flows:
                if self._random.random() < 0.4:
                    block = blocks.setdefault(here[0], [])
                    block.append(self._record(here, own, peer, "egress 1", minute))
                    block.append(self._record(here, peer, own, "ingress -", minute))
            order = list(blocks)
            self._random.shuffle(order)
            for name in order:
                yield from blocks[name]

    def _record(self, here: tuple[str, str, str], source: str, target: str, way: str, minute: int) -> str:
        eni, vpc, instance = here
        end = 1_761_004_800 + 60 * minute
        kind = "IPv6" if ":" in source else "IPv4"
        return (
            f"5 123456789010 {eni} {source} {target} 443 {32768 + self._random.randrange(28232)} 6 8 900"
            f" {end - 60} {end} ACCEPT OK {vpc} subnet-{vpc[4:]} {instance} 3 {kind} {source} {target}"
            f" eu-central-1 euc1-az1 - - - - {way}"
        )

    def _interface(self, vpc: str) -> tuple[str, str, str]:
        return f"eni-0{self._random.getrandbits(64):016x}", f"vpc-0{vpc:0>16}", "-"

    def _between(self, a: tuple[tuple[str, str, str], str], b: tuple[tuple[str, str, str], str]) -> None:
        """A flow that both log."""
        self._flows += [(a[0], a[1], b[1]), (b[0], b[1], a[1])]

    def _outside(self) -> str:
        number = self._random.randrange
        return f"{20 + number(60)}.{number(256)}.{number(256)}.{1 + number(254)}"

    def _vpc(self, vpc: str, net: str) -> None:
        hosts = iter(self._random.sample(range(4, 4000), 200))

        def new() -> tuple[tuple[str, str, str], str]:
            host = next(hosts)
            return self._interface(vpc), f"{net}.{host // 250}.{4 + host % 250}"

        balancer, nat = new(), new()
        targets = [new() for _ in range(6)]
        for target in targets:
            self._between(balancer, target)
        for _ in range(40):
            self._flows.append((*balancer, self._outside()))
        for _ in range(10):
            # The gateway logs itself as one end of both of its sides.
            client = new()
            self._between(client, nat)
            self._flows.append((*nat, self._outside()))
        for _ in range(8):
            self._between(new(), new())
        for _ in range(3):
            chain = [new() for _ in range(4)]
            for a, b in pairwise(chain):
                self._between(a, b)
        for _ in range(8):
            self._flows.append((*new(), self._outside()))
        for _ in range(8):
            host = new()
            for _ in range(5):
                self._flows.append((*host, self._outside()))
        self._ipv6(vpc, net)

    def _ipv6(self, vpc: str, net: str) -> None:
        number = self._random.getrandbits
        subnet = f"2a05:d014:{int(net[3:]):x}{number(8):02x}:{number(16):x}"
        for several in (1, 1, 1, 3, 3):
            here = self._interface(vpc)
            for _ in range(several):
                own = f"{subnet}::{1 + number(15):x}"
                for _ in range(4):
                    self._flows.append(
                        (here, own, f"2600:{1 + number(15):x}:{number(15):x}::{1 + number(15):x}")
                    )


def networks(count: int) -> Iterator[tuple[str, list[str]]]:
    yield "busy: 400 interfaces", list(islice(lines(5), 1, count + 1))
    yield "quiet: 200 interfaces", list(islice(Quiet().records(), count))


def main() -> None:
    parser = argparse.ArgumentParser(description="How often the direction is found, and right.")
    parser.add_argument("--lines", type=int, default=200_000, help="records of each network")
    count = parser.parse_args().lines
    sys.stdout.write(f"{'network':24}{'fields':24}{'records':>10}{'with one':>10}{'right':>10}\n")
    for name, records in networks(count):
        for layout, fields in LAYOUTS.items():
            found = compare(records, fields)
            sys.stdout.write(
                f"{name:24}{layout:24}{found.records:>10,}{found.share_given:>10.2%}{found.share_right:>10.3%}\n"
            )


if __name__ == "__main__":
    main()
