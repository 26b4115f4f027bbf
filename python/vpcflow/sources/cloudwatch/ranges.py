"""Items out of events."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vpcflow._core import Origin
from vpcflow.sources.base import Item
from vpcflow.sources.cloudwatch.position import Position, fingerprint

if TYPE_CHECKING:
    from vpcflow._core import Format
    from vpcflow.sources.cloudwatch.groups import LogGroup

__all__ = ["Range"]

# Bytes of text in an item: a stream that has more in a range makes several.
_PART = 4 << 20
# Bytes of text in a range: it ends early then, so that memory and what has to be read again are bounded.
_FULL = 32 << 20

_LINE_ENDS = re.compile(r"[\r\n]+")
# What CloudWatch Logs itself sends to try a way out; a subscription may lead into another group.
_CONTROL = re.compile(r'CWL CONTROL MESSAGE:|\{\s*"messageType"\s*:\s*"CONTROL_MESSAGE"')


@dataclass(slots=True)
class _Part:
    """The events of one stream that make the next item."""

    text: bytearray
    number: int = 0
    arrived: int = 0
    last: int = 0


class Range:
    """The events of a log group from its position up to a time: what is read, stored and checkpointed as one.

    The same events make the same items, however far the range goes: one that was interrupted is read again
    into the same identities.

    Args:
        group: the log group.
        position: how far it was read before.
        end: Unix milliseconds; only events before it are wanted.
        asked: when the scan began, by AWS's clock.
        layout: the format, where it is known.
        each: the records have no time of their own, so only events of one time make an item together.
    """

    def __init__(
        self, group: LogGroup, position: Position, end: int, asked: int, layout: Format | None, *, each: bool
    ) -> None:
        self.group = group
        self.full = False
        self._position = position
        self._end = end
        self._asked = asked
        self._layout = layout
        self._each = each
        self._parts: dict[tuple[str, int], _Part] = {}
        self._read: dict[int, int] = {}
        self._nbytes = 0
        self._last = -1

    @property
    def position(self) -> Position:
        """How far the group is read when every item is stored."""
        return self._position.after(self._end, self._asked, self._read)

    def items(self, events: Iterable[Mapping[str, Any]]) -> Iterator[Item]:
        """Takes events in the order of their time, until there are no more or it is full."""
        for event in events:
            if self._nbytes >= _FULL and event["timestamp"] > max(self._last, self._position.done):
                self._end = event["timestamp"]
                self.full = True
                break
            self._last = event["timestamp"]
            if not self._position.has(event) and (item := self._add(event)):
                yield item
        for key in list(self._parts):
            part = self._parts.pop(key)
            if part.text:
                yield self._item(key, part)

    def _add(self, event: Mapping[str, Any]) -> Item | None:
        if self._position.fresh(event, self._asked):
            self._read[fingerprint(event)] = event["ingestionTime"]
        line = _line(event["message"])
        if line is None:
            return None
        key = (event["logStreamName"], event["timestamp"] if self._each else 0)
        part = self._parts.setdefault(key, _Part(bytearray()))
        part.text += line
        part.arrived = max(part.arrived, event["ingestionTime"])
        part.last = event["timestamp"]
        self._nbytes += len(line)
        if len(part.text) < _PART:
            return None
        item = self._item(key, part)
        self._parts[key] = _Part(bytearray(), part.number + 1)
        return item

    def _item(self, key: tuple[str, int], part: _Part) -> Item:
        stream, time = key
        group = self.group
        path = f"{group.name}/{stream}"
        return Item(
            name=f"cloudwatch:{path}",
            identity=f"cloudwatch:{group.arn}:{stream}:{self._position.done}:{time}:{part.number}",
            data=io.BytesIO(part.text),
            size=len(part.text),
            origin=Origin(
                path=path,
                input_type="aws-cloudwatch",
                modified=part.last / 1000,
                region=group.region,
                log_group=group.name,
                log_stream=stream,
                ingestion_time=part.arrived / 1000,
            ),
            format=self._layout,
        )


def _line(message: str) -> bytes | None:
    """An event as a line; None for those that are no record."""
    if not message or message.isspace() or _CONTROL.match(message):
        return None
    if "\n" in message or "\r" in message:
        message = _LINE_ENDS.sub(" ", message.strip("\r\n"))
    return message.encode(errors="replace") + b"\n"
