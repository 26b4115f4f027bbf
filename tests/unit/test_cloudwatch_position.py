"""How far a log group is read: each event once, in whatever order they arrive."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from vpcflow.sources.cloudwatch.position import SETTLE, Position, fingerprint, first_position

MINUTE = 60_000
NOW = 1_764_000_000_000


def event(number: int, timestamp: int, arrived: int) -> dict:
    return {"eventId": str(number), "timestamp": timestamp, "ingestionTime": arrived}


class Group:
    """A log group as FilterLogEvents shows it: by the events' own times, once they can be found."""

    def __init__(self, events: list[tuple[dict, int]]) -> None:
        self.events = events

    def find(self, start: int, end: int, now: int) -> list[dict]:
        return [
            it
            for it, seen in self.events
            if start <= it["timestamp"] < end and it["ingestionTime"] + seen <= now
        ]


def scan(group: Group, position: Position, now: int, latency: int, steps: int) -> tuple[list[str], Position]:
    """Reads up to now, in several ranges, as long histories are."""
    found = []
    last = now - latency + 1
    settle = max(0, SETTLE - latency)
    for step in range(1, steps + 1):
        end = position.done + (last - position.done) * step // steps
        if end <= position.done:
            continue
        start = position.look_back(settle) if step == 1 else position.done
        fresh = [it for it in group.find(start, end, now) if not position.has(it)]
        found += [it["eventId"] for it in fresh]
        read = {fingerprint(it): it["ingestionTime"] for it in fresh if position.fresh(it, now)}
        position = position.after(end, now, read)
    return found, position


@given(
    events=st.lists(
        st.tuples(
            st.integers(0, 90 * MINUTE),  # when it happened
            st.integers(0, SETTLE - 31_000),  # how much later it arrived
            st.integers(0, 29_000),  # how much later it could be found
        ),
        max_size=30,
    ),
    pauses=st.lists(st.integers(1, 40 * MINUTE), min_size=1, max_size=12),
    latency=st.sampled_from([0, 5 * MINUTE, SETTLE, 30 * MINUTE]),
    steps=st.integers(1, 3),
)
def test_each_event_is_read_once(events, pauses, latency, steps):
    group = Group([(event(n, NOW + at, NOW + at + late), seen) for n, (at, late, seen) in enumerate(events)])
    position, now, found = first_position("beginning", NOW), NOW, []
    for pause in [*pauses, 3 * 60 * MINUTE]:
        now += pause
        read, position = scan(group, position, now, latency, steps)
        found += read
        # Every run begins with what the checkpoint holds.
        position = Position.from_json(json.loads(json.dumps(position.as_json())))
    assert sorted(found, key=int) == [str(n) for n in range(len(events))]


def test_only_what_arrived_lately_is_remembered_by_itself():
    position = Position(0, 0)
    events = {n: NOW - n * 1000 for n in range(120)}
    assert len(position.after(NOW, NOW, events).recent) == 30


def test_from_the_end_means_what_arrives_from_now_on_however_old():
    position = first_position("end", NOW)
    assert position.has(event(1, NOW - MINUTE, NOW))
    assert not position.has(event(2, NOW - MINUTE, NOW + 1))
    assert position.look_back(SETTLE) == NOW - SETTLE


def test_from_a_time_on_nothing_older_is_wanted():
    for text in ("2025-11-24T16:00Z", "2025-11-24T16:00", "2025-11-24 17:00+01:00", "0m", "0s ago"):
        assert first_position(text, NOW).look_back(SETTLE) == NOW, text
    assert first_position("1.5h", NOW).done == NOW - 90 * MINUTE
    assert first_position("2025-11-24", NOW).done == NOW - 16 * 60 * MINUTE
