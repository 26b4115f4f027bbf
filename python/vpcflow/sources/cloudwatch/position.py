"""How far a log group is read.

Events have two times: their own (of a flow log record, its ``start``), and the one at which CloudWatch Logs
got them. It can be asked for events by the first alone, but they come in the order of the second: a flow log
record arrives up to a quarter of an hour after its ``start``. So a scan looks back over that time again, and
takes what CloudWatch Logs has got since the scan before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from vpcflow.errors import ConfigError

__all__ = ["SETTLE", "Position", "fingerprint", "first_position"]

#: Milliseconds after which an event of a flow log has arrived: aggregation takes up to ten minutes, delivery
#: "typically about 5 minutes". Source: VPC user guide, "Flow log basics".
SETTLE = 20 * 60_000

# Milliseconds within which an event that CloudWatch Logs got can also be found.
_VISIBLE = 30_000

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Position:
    """What of a log group is read. All times are Unix milliseconds.

    Attributes:
        start: events before it are not wanted.
        done: events before it are read, as far as they had arrived.
        arrived: those that CloudWatch Logs had got by then, at least.
        recent: fingerprints of events that it got later, but that are read as well, and when it got them.
    """

    start: int
    done: int
    arrived: int = -1
    recent: Mapping[int, int] = field(default_factory=dict)

    def not_before(self, start: int) -> Position:
        """The same, without the events before a time."""
        return replace(self, start=max(self.start, start), done=max(self.done, start))

    def look_back(self, settle: int) -> int:
        """From when on there may be events that weren't there before."""
        return max(self.start, self.done - settle)

    def has(self, event: Mapping[str, Any]) -> bool:
        """Whether an event was read already."""
        if event["timestamp"] >= self.done:
            return False
        return event["ingestionTime"] <= self.arrived or fingerprint(event) in self.recent

    def after(self, done: int, asked: int, events: Mapping[int, int]) -> Position:
        """The position when events were read up to `done`.

        Args:
            done: where the range that was read ends.
            asked: when the scan began, by AWS's clock.
            events: fingerprints and arrivals of what was read.
        """
        arrived = max(self.arrived, asked - _VISIBLE)
        recent = {print_: at for print_, at in {**self.recent, **events}.items() if at > arrived}
        return Position(self.start, done, arrived, recent)

    def fresh(self, event: Mapping[str, Any], asked: int) -> bool:
        """Whether an event arrived so late that it has to be remembered by itself."""
        arrived: int = event["ingestionTime"]
        return arrived > max(self.arrived, asked - _VISIBLE)

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint. Fingerprints stand together by arrival: events come in batches."""
        batches: dict[str, list[str]] = {}
        for print_, at in self.recent.items():
            batches.setdefault(str(at), []).append(f"{print_:016x}")
        recent = {at: "".join(prints) for at, prints in batches.items()}
        return {"start": self.start, "done": self.done, "arrived": self.arrived, "recent": recent}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Position:
        """What `as_json` made."""
        recent = {
            int(prints[n : n + 16], 16): int(at)
            for at, prints in saved["recent"].items()
            for n in range(0, len(prints), 16)
        }
        return cls(saved["start"], saved["done"], saved["arrived"], recent)


def fingerprint(event: Mapping[str, Any]) -> int:
    """64 bits of an event's id."""
    return int.from_bytes(hashlib.blake2b(event["eventId"].encode(), digest_size=8).digest())


def first_position(text: str, now: int) -> Position:
    """Where a group begins that was never read.

    Args:
        text: ``beginning``, ``end``, an ISO date or time (UTC by default), or how long ago: ``3d``.
        now: Unix milliseconds.

    Raises:
        ConfigError: it is none of these.
    """
    if text == "beginning":
        return Position(0, 0)
    if text == "end":
        return Position(0, now, arrived=now)
    if ago := _AGO.fullmatch(text.removesuffix("ago").strip()):
        start = now - int(float(ago[1]) * _SECONDS[ago[2]] * 1000)
        return Position(start, start)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"start_position={text}: must be beginning, end, a date or time (2026-11-24T12:00), or how long "
            "ago (3d, 12h, 30m)"
        ) from error
    start = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    return Position(start, start)
