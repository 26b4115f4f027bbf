"""What happens in the made-up day, minute by minute."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from vpcflow.demo.network import Draw, End, Network
from vpcflow.demo.traffic import Recorder

__all__ = ["Day", "Window"]

_MINUTES = 1440
_WINDOW = 5  # minutes a file

# Traffic by the hour, UTC.
_CURVE = (22, 18, 16, 15, 16, 22, 40, 66, 88, 97, 100, 96, 90, 94, 100, 98, 92, 86, 84, 82, 74, 58, 42, 30)
_SPREAD = (0.3, 0.5, 0.7, 0.9, 1.0, 1.1, 1.4, 2.0, 4.0, 9.0)
_NOISE = (23, 23, 23, 445, 445, 3389, 3389, 8080, 6379, 1433, 2375, 9200, 8728)
# What the events have of all lines; ordinary traffic has the rest.
_SCAN, _SSH, _REFUSED, _SILENT = 0.055, 0.05, 0.05, 0.02


class Window(NamedTuple):
    """The lines of one file, and what its name tells: flow log, time (HHMM), a digest by chance."""

    flow_log: str
    time: str
    digest: str
    lines: list[str]


class Day:
    """A day of about `lines` records. To be gone through once."""

    def __init__(self, day: date, lines: int, seed: int) -> None:
        self._network = Network(Draw(f"vpcflow demo {seed}"))  # stays the same from day to day
        self._draw = Draw(f"vpcflow demo {seed} {day}")
        start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        self._record = Recorder(self._network, self._draw, start)
        self._total = lines

    def windows(self) -> Iterator[Window]:
        flows = self._ordinary()
        weights = list(accumulate(weight for weight, _ in flows))
        curve = list(accumulate(_busy(minute) for minute in range(_MINUTES)))
        share = (1 - _SCAN - _SSH - _REFUSED - _SILENT) * self._total / curve[-1]
        ordinary = 0
        for minute in range(_MINUTES):
            self._events(minute)
            begun = self._record.count - ordinary
            while self._record.count - begun < curve[minute] * share:
                _, flow = flows[bisect(weights, self._draw.random() * weights[-1])]
                flow(minute)
            ordinary = self._record.count - begun
            if (minute + 1) % _WINDOW == 0:
                yield from self._cut(minute + 1 - _WINDOW)

    def _cut(self, minute: int) -> Iterator[Window]:
        for vpc, lines in self._record.lines.items():
            if lines:
                time = f"{minute // 60:02}{minute % 60:02}"
                yield Window(self._network.flow_logs[vpc], time, self._draw.hex(8), lines)
            self._record.lines[vpc] = []

    def _ordinary(self) -> list[tuple[float, Callable[[int], None]]]:
        """Kinds of flows, and how often each begins."""
        network, role, flow = self._network, self._network.role, self._flow
        web, app, db = role("shop", "web"), role("shop", "app"), role("shop", "db")
        balancer, cache, mail = role("shop", "balancer"), role("shop", "cache"), role("shop", "mail")
        bastion, monitor, runner = role("ops", "bastion"), role("ops", "monitor"), role("ops", "runner")
        warehouse, worker = role("data", "warehouse"), role("data", "worker")
        return [
            # who asks, whom, at which port, bytes there and back
            (18, partial(flow, network.clients, balancer, 443, (2_200, 48_000), ipv6=0.3)),
            (2, partial(flow, network.clients, balancer, 80, (500, 700), ipv6=0.3)),
            (12, partial(flow, balancer, web, 8080, (2_400, 50_000))),
            (10, partial(flow, web, app, 8443, (3_000, 20_000), ipv6=0.3)),
            (8, partial(flow, app[:6], db[:1], 5432, (4_000, 30_000), kept=True)),
            (5, partial(flow, app, cache, 6379, (1_500, 6_000), kept=True)),
            (1, partial(flow, db[1:], db[:1], 5432, (3_000, 400_000), kept=True)),
            (3, partial(flow, app, network.partners, 443, (3_000, 9_000))),
            (0.5, partial(flow, mail, network.partners, 587, (40_000, 3_000))),
            (4, partial(flow, monitor, network.instances, 9100, (900, 26_000))),
            (0.5, partial(flow, monitor, network.instances, 0, (84, 84), protocol=1)),
            (4, partial(flow, worker, network.buckets, 443, (60_000, 900_000))),
            (3, partial(flow, worker, warehouse, 5439, (90_000, 20_000), kept=True)),
            (1, partial(flow, worker, db[1:], 5432, (3_000, 600_000))),
            (1.5, partial(flow, runner, network.partners, 443, (9_000, 700_000))),
            (0.7, partial(flow, network.instances, network.partners, 123, (76, 76), protocol=17)),
            (0.4, partial(flow, (network.office,), bastion, 22, (6_000, 9_000))),
            (0.4, partial(flow, bastion, network.instances, 22, (6_000, 9_000))),
            (14, self._noise),
        ]

    def _flow(
        self,
        clients: Sequence[End],
        servers: Sequence[End],
        port: int,
        nbytes: tuple[int, int],
        minute: int,
        *,
        protocol: int = 6,
        kept: bool = False,
        ipv6: float = 0.0,
    ) -> None:
        client, server = self._draw.early(clients), self._draw.pick(servers)
        six = self._draw.random() < ipv6
        if client is server:
            return
        sizes = self._some(nbytes[0]), self._some(nbytes[1])
        self._record.flow(minute, client, server, port, sizes, protocol=protocol, kept=kept, ipv6=six)

    def _some(self, size: int) -> int:
        """About that many bytes, now and then far more."""
        return max(60, int(size * self._draw.pick(_SPREAD)) + self._draw.below(60))

    def _noise(self, minute: int) -> None:
        """What comes by at every public address at any time."""
        client, server = self._draw.pick(self._network.clients), self._draw.pick(self._network.public)
        self._record.refuse(minute, client, server, self._draw.pick(_NOISE), 1)

    def _events(self, minute: int) -> None:
        network, record, draw = self._network, self._record, self._draw
        for number in self._due(_SCAN, minute, 130, 175):
            target = network.public[number % len(network.public)]
            record.refuse(minute, network.scanner, target, 1 + number // len(network.public), 1)
        for _ in self._due(_SSH, minute, 1080, 1290):
            record.refuse(minute, draw.pick(network.intruders), network.role("ops", "bastion")[0], 22, 3)
        for number in self._due(_REFUSED / 2, minute, 845, 1000):  # both ends log it
            newest = network.role("shop", "app")[-1 - number % 2]
            record.refuse(minute, newest, network.role("shop", "db")[0], 5432, 4)
        for _ in self._due(_SILENT, minute, 0, _MINUTES):
            status = "NODATA" if draw.random() < 0.93 else "SKIPDATA"
            record.silent(minute, draw.pick(network.all), status)
        if 60 <= minute < 90:
            backup = self._some(150_000_000)
            record.flow(
                minute, network.role("shop", "db")[1], network.buckets[0], 443, (backup, backup // 90)
            )
        if 200 <= minute < 260:
            taken = 700_000_000 + draw.below(100_000_000)
            record.flow(minute, network.role("data", "worker")[3], network.taker, 443, (taken, taken // 90))

    def _due(self, share: float, minute: int, first: int, last: int) -> range:
        """An event has a share of all lines, evenly from first to last: those that fall into a minute."""
        if not first <= minute < last:
            return range(0)
        each = self._total * share / (last - first)
        return range(int(each * (minute - first)), int(each * (minute + 1 - first)))


def _busy(minute: int) -> float:
    now, then = _CURVE[minute // 60], _CURVE[(minute // 60 + 1) % 24]
    return now + (then - now) * (minute % 60) / 60
