"""The feed: which items come, in which order, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpcflow import Origin
from vpcflow.feed import Feed
from vpcflow.sources.base import Item, Source
from vpcflow.sources.files import FileSource


class Queue(Source):
    """A source that waits for more until it is stopped."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.stopped = threading.Event()
        self.closed = False

    def items(self) -> Iterator[Item]:
        for name in self.names:
            yield Item(name, name, Path(name), None, Origin())
        self.stopped.wait(10)

    def acknowledge(self, item: Item) -> None:
        pass

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed = True


class Broken(Source):
    def items(self) -> Iterator[Item]:
        raise PermissionError("no right to look")

    def acknowledge(self, item: Item) -> None:
        pass


def taken(feed: Feed) -> list[str]:
    feed.start()
    names = []
    while (found := feed.take()) is not None:
        names.append(Path(found[1].name).name)
    feed.close(1)
    return names


def test_files_come_in_the_order_in_which_they_were_named(tmp_path):
    for name in ("a.log", "b.log", "c.log"):
        (tmp_path / name).touch()
    sources: list[Source] = [FileSource(tmp_path / name) for name in ("c.log", "a.log", "b.log")]
    assert taken(Feed(sources, 1)) == ["c.log", "a.log", "b.log"]


def test_a_file_that_is_named_twice_comes_once(tmp_path):
    (tmp_path / "a.log").touch()
    assert taken(Feed([FileSource(tmp_path), FileSource(tmp_path / "a.log")], 2)) == ["a.log"]


def test_a_source_that_waits_holds_nobody_up(tmp_path):
    (tmp_path / "a.log").touch()
    first, second = Queue("one"), Queue("two")
    feed = Feed([first, FileSource(tmp_path), second], 8)
    feed.start()
    found = {Path(feed.take()[1].name).name for _ in range(3)}  # type: ignore[index]
    assert found == {"one", "two", "a.log"}
    feed.stop()
    assert feed.take() is None
    feed.close(5)
    assert first.closed
    assert second.closed


def test_no_more_items_are_found_ahead_than_may_wait():
    source = Queue(*map(str, range(100)))
    feed = Feed([source], 2)
    feed.start()
    assert feed.take() is not None
    feed.stop()
    feed.close(5)
    assert feed.take() is None


def test_what_a_source_can_not_do_ends_the_feed():
    feed = Feed([Broken()], 1)
    feed.start()
    with pytest.raises(PermissionError, match="no right to look"):
        feed.take()
