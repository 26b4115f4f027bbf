"""Flow logs in an S3 bucket: ``s3://bucket/prefix``."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from vpcflow.aws.errors import code, explain
from vpcflow.aws.objects import S3Object, object_item
from vpcflow.errors import ConfigError, DecodeError, SourceError
from vpcflow.sources.base import Item, Source
from vpcflow.sources.checkpoint import Checkpoint
from vpcflow.sources.keys import Folder, parse_folder, parse_key
from vpcflow.sources.marks import Marks
from vpcflow.sources.s3_listing import Area, Found, Listing

__all__ = ["S3Object", "S3Source", "parse_url"]

_log = logging.getLogger(__name__)
_URL = re.compile(r"s3://(?P<bucket>[^/]+)(?:/(?P<prefix>.*))?", re.IGNORECASE | re.DOTALL)
# An object's records end in the five minutes that begin with the time in its name.
_WINDOW = 300.0
# New accounts and regions are looked for less often than new objects in those that are known.
_RESCAN = 600.0
# Objects of which the download begins before it is their turn.
_STARTED = 16
# A run that leaves more objects unread than this has something wrong with it that somebody must look at.
_MOST_FAILED = 1000
# Seconds after which an object that failed is tried again; four times as long each time, up to an hour.
_RETRY, _LONGEST = 60.0, 3600.0


class S3Source(Source):
    """The objects of a bucket whose keys begin with a prefix.

    Args:
        bucket: its name.
        prefix: of the keys. It may end in the middle of a name, as everywhere in S3.
        client: boto3's S3 client; closed with the source.
        checkpoint: remembers what was read; closed with the source.
        follow: go on with objects that come later, until `stop`.
        interval: seconds between two looks for them.
        since, until: Unix seconds; objects whose records end from the first up to the second. The time of an
            object is that in its name, or the one at which it was stored where the name has none.
        accounts, regions: only objects of these, by their keys; empty: all.
        max_tries: how often a damaged object is read before it is given up.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        client: Any,
        checkpoint: Checkpoint,
        follow: bool = False,
        interval: float = 60.0,
        since: float | None = None,
        until: float | None = None,
        accounts: Collection[str] = (),
        regions: Collection[str] = (),
        max_tries: int = 3,
    ) -> None:
        self._bucket, self._prefix = bucket, prefix
        self.name = f"s3://{self._bucket}/{self._prefix}"
        self._client = client
        self._follow, self._interval = follow, interval
        self._since, self._until = since, until
        self._max_tries = max_tries
        self._listing = Listing(self._page, accounts, regions, until)
        self._checkpoint = checkpoint
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._marks: dict[str, Marks] = {}
        self._failed: dict[str, dict[str, Any]] = self._checkpoint.values("failed ")
        self._reading: dict[str, tuple[Item, Marks]] = {}
        self._archived = 0
        self._areas: list[Area] = []
        self._walked: float | None = None
        self._region: str | None = None

    def items(self) -> Iterator[Item]:
        while not self._stopped.is_set():
            try:
                yield from self._look()
            except SourceError as error:
                # A run that is to go on for months doesn't end for a network that is down for a while.
                if not self._follow:
                    raise
                _log.warning("%s; looking again in %.0f s", error, self._interval)
            if not self._follow:
                return
            self._stopped.wait(self._interval)

    @property
    def notes(self) -> list[str]:
        """What the user should know about the bucket."""
        if not self._archived:
            return []
        many = f"{self._archived:,} archived objects were left out; restore them to read them"
        one = "1 archived object was left out; restore it to read it"
        return [f"{self.name}: {one if self._archived == 1 else many}"]

    def acknowledge(self, item: Item) -> None:
        with self._lock, self._checkpoint.together():
            key, marks = self._done_with(item)
            if self._failed.pop(key, None) is not None:
                self._checkpoint.put(f"failed {key}", None)
            marks.end(key)

    def release(self, item: Item, error: Exception) -> bool:
        with self._lock, self._checkpoint.together():
            key, marks = self._done_with(item)
            tries = self._failed.get(key, {}).get("tries", 0) + 1
            # Nothing but damage is the object's own fault: rights, formats and networks can be put right.
            given_up = _gone(error) or (isinstance(error, DecodeError) and tries >= self._max_tries)
            if given_up:
                self._failed.pop(key, None)
                marks.end(key)
            else:
                marks.drop(key)
                self._failed[key] = {
                    "tries": tries,
                    "due": time.time() + min(_RETRY * 4 ** (tries - 1), _LONGEST),
                    "size": item.size,
                    "modified": item.origin.modified,
                    "error": str(error),
                }
            self._checkpoint.put(f"failed {key}", self._failed.get(key))
        return given_up

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        with self._lock:
            for item, _ in self._reading.values():
                if not isinstance(item.data, Path):
                    item.data.close()
            self._checkpoint.close()
        self._client.close()

    def _look(self) -> Iterator[Item]:
        """Once through the bucket."""
        self._archived = 0
        yield from self._again()
        for area, found in self._listing.objects(self._all_areas(), self._start):
            if self._stopped.is_set():
                return
            if found is not None:
                if (item := self._take(area.folder, found)) is not None:
                    yield item
            elif area.folder is not None:
                with self._lock:
                    self._marks_of(area.folder).finish()
        self._finish_loose()

    def _again(self) -> Iterator[Item]:
        """What failed before and is due: in a run that ends, everything that earlier runs left."""
        with self._lock:
            left = list(self._failed.items())
        for key, entry in left:
            if self._stopped.is_set():
                return
            if self._follow and entry["due"] > time.time():
                continue
            found = Found(key, entry["size"], entry["modified"], archived=False)
            with self._lock:
                if key in self._reading:
                    continue
                place = self._place(parse_folder(key), found)
                item = self._begin(place, found)
            yield item

    def _take(self, folder: Folder | None, found: Found) -> Item | None:
        """The item for an object, unless it isn't wanted, or was there before."""
        with self._lock:
            place = self._place(folder, found)
            if (self._since is not None and place.last < self._since) or (
                self._until is not None and place.first >= self._until
            ):
                return None
            if found.archived:
                self._archived += 1
                return None
            place.marks.see(place.at)
            if place.marks.knows(found.key, place.at) or found.key in self._failed:
                return None
            self._check_failed()
            return self._begin(place, found)

    def _place(self, folder: Folder | None, found: Found) -> _Place:
        time_of = folder.time(found.key) if folder else None
        if folder is not None and time_of is not None:
            at = time_of.timestamp()
            return _Place(self._marks_of(folder), at, at, at + _WINDOW - 1)
        # Names are copied with their objects, sometimes late: only when an object was stored tells new ones.
        parts = parse_key(found.key)
        if parts is not None and parts.time is not None:
            first = parts.time.timestamp()
            return _Place(self._marks_of(None), found.modified, first, first + _WINDOW - 1)
        return _Place(self._marks_of(None), found.modified, found.modified, found.modified)

    def _begin(self, place: _Place, found: Found) -> Item:
        item = object_item(
            self._client,
            self._bucket,
            found.key,
            size=found.size,
            modified=found.modified,
            region=self._region_of_bucket(),
        )
        place.marks.begin(found.key, place.at)
        self._reading[found.key] = item, place.marks
        if len(self._reading) <= _STARTED:
            cast("S3Object", item.data).start()
        return item

    def _done_with(self, item: Item) -> tuple[str, Marks]:
        key = str(item.origin.key)
        return key, self._reading.pop(key)[1]

    def _check_failed(self) -> None:
        if len(self._failed) > _MOST_FAILED:
            key, entry = next(reversed(self._failed.items()))
            raise SourceError(
                f"{self.name}: {len(self._failed):,} objects could not be read, which is too many to go on; "
                f"the last: {key}: {entry['error']}"
            )

    def _start(self, area: Area) -> float:
        with self._lock:
            return self._marks_of(area.folder).start if area.folder else 0.0

    def _marks_of(self, folder: Folder | None) -> Marks:
        """Each region's folder has its own; all that is in none of AWS's form has one together."""
        name = folder.prefix if folder else ""
        if name not in self._marks:
            # The window that it lies in; of what is in no window everything is looked at.
            since = (self._since or 0.0) // _WINDOW * _WINDOW if folder else 0.0
            self._marks[name] = Marks(self._checkpoint, name, since, ordered=folder is not None)
        return self._marks[name]

    def _finish_loose(self) -> None:
        with self._lock:
            loose = self._marks.get("")
            if loose is None:
                return
            if self._since is None and self._until is None:
                loose.finish()
            elif self._since is not None:
                # What was stored before that will be passed over anyway.
                loose.forget(self._since)

    def _all_areas(self) -> Iterator[Area]:
        if self._walked is not None and time.monotonic() < self._walked + _RESCAN:
            yield from self._areas
            return
        areas: list[Area] = []
        for area in self._listing.areas(self._prefix):
            areas.append(area)
            yield area
        self._areas, self._walked = areas, time.monotonic()

    def _page(self, **request: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._client.list_objects_v2(
                Bucket=self._bucket, OptionalObjectAttributes=["RestoreStatus"], **request
            )
        except (BotoCoreError, ClientError) as error:
            raise explain(error, self.name, arn=f"arn:aws:s3:::{self._bucket}") from error

    def _region_of_bucket(self) -> str | None:
        """Where the bucket is; the client's region if S3 doesn't say."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._region is None:
            self._region = self._client.meta.region_name or ""
            with suppress(BotoCoreError, ClientError):
                answer = self._client.head_bucket(Bucket=self._bucket)
                self._region = answer["ResponseMetadata"]["HTTPHeaders"].get(
                    "x-amz-bucket-region", self._region
                )
        return self._region or None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object stands: its time for the marks, and between which times its records end."""

    marks: Marks
    at: float
    first: float
    last: float


def parse_url(url: str) -> tuple[str, str]:
    """Bucket and prefix.

    Raises:
        ConfigError: it has no bucket.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigError(f"{url}: names no bucket; write s3://bucket/prefix")
    return found["bucket"], found["prefix"] or ""


def _gone(error: Exception) -> bool:
    """Whether there is nothing left to read another time."""
    cause = error.__cause__
    return isinstance(cause, Exception) and code(cause) in {"NoSuchKey", "404"}
