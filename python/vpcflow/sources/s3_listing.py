"""Finding a bucket's flow logs with few requests.

Below ``AWSLogs/`` the folders say whose logs they hold, so accounts, regions and services that nobody asked
for are left out without a look into them, and days come in the order of their names, so that listing can
begin with any one. Everything else in a bucket is listed from end to end.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from vpcflow.sources.keys import Folder, of_other_service, parse_folder, parse_key

__all__ = ["Area", "Found", "Listing"]

# Folders outside AWSLogs/ are looked into so far, since AWSLogs/ may be in one of them.
_DEPTH = 3
_MANY = 100
# Requests at a time, one for each folder.
_PARALLEL = 8
_ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}
# A folder of AWSLogs/ above the regions: account, or organisation and account, and what else may follow.
_ABOVE = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[0-9a-z]+/)?(?:(?:aws-account-id=)?(?P<account>\d{12})/(?P<service>[^/]+/)?)?$"
)
_FLOW_LOGS = {"vpcflowlogs/", "aws-service=vpcflowlogs/", "service=vpcflowlogs/"}


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a bucket that is listed in one go.

    Attributes:
        prefix: of its keys.
        folder: what AWS's form says about it, None where the names have none.
        flat: with what is in the folders below it.
    """

    prefix: str
    folder: Folder | None = None
    flat: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """An object as the listing has it. `modified` in Unix seconds."""

    key: str
    size: int
    modified: float
    archived: bool


_Listed = tuple[Area, Found | None]


class Listing:
    """Lists a part of a bucket.

    Args:
        page: asks for one page (``list_objects_v2``).
        accounts, regions: those wanted; empty: all.
        until: the Unix time up to which objects are wanted. Days after it are left out.
    """

    def __init__(
        self,
        page: Callable[..., Any],
        accounts: Collection[str] = (),
        regions: Collection[str] = (),
        until: float | None = None,
    ) -> None:
        self._page = page
        self._until = until
        self._accounts = frozenset(accounts)
        self._regions = frozenset(regions)
        self._chosen = bool(accounts or regions)

    def areas(self, prefix: str, depth: int = 0) -> Iterator[Area]:
        """The areas in which what begins with this prefix is to be found."""
        folder = parse_folder(prefix)
        if folder is not None:
            if self._wanted(folder.account, folder.region):
                yield Area(prefix, folder)
            return
        inside = _ABOVE.search(prefix[: prefix.rfind("/") + 1])
        if inside is None and depth >= _DEPTH:
            yield Area(prefix)
            return
        below, objects = self._level(prefix)
        if objects:
            yield Area(prefix, flat=False)
        for path in below:
            above = _ABOVE.search(path)
            if above is not None or parse_folder(path) is not None:
                if above is None or self._descend(above):
                    yield from self.areas(path, depth)
            elif inside is None and len(below) <= _MANY:
                yield from self.areas(path, depth + 1)
            else:
                yield Area(path)

    def objects(self, areas: Iterable[Area], start: Callable[[Area], float]) -> Iterator[_Listed]:
        """The objects of each area in the order of their keys; None at the end of an area.

        Args:
            areas: where to look.
            start: the Unix time from which on an area's objects are wanted. Days before are left out.
        """
        asked: deque[tuple[Area, dict[str, Any], Future[Any]]] = deque()
        for area in areas:
            request = _request(area, start(area))
            asked.append((area, request, self._ask(request)))
            if len(asked) > _PARALLEL:
                yield from self._read(*asked.popleft())
        while asked:
            yield from self._read(*asked.popleft())

    def _ask(self, request: dict[str, Any]) -> Future[Any]:
        """A page that is asked for meanwhile."""
        future: Future[Any] = Future()

        def answer() -> None:
            try:
                future.set_result(self._page(**request))
            except BaseException as error:
                future.set_exception(error)

        # A daemon, unlike a pool's: waiting for an answer must not keep a process alive that is to end.
        threading.Thread(target=answer, name="vpcflow-list", daemon=True).start()
        return future

    def _read(self, area: Area, request: dict[str, Any], first: Future[Any]) -> Iterator[_Listed]:
        end = None
        if area.folder is not None and self._until is not None:
            # The first day of which nothing is wanted: `until` itself isn't.
            last = datetime.fromtimestamp(self._until, UTC) - timedelta(microseconds=1)
            end = area.folder.day(last.date() + timedelta(days=1))
        page = first.result()
        while True:
            for entry in page.get("Contents", ()):
                if end is not None and entry["Key"] >= end:
                    yield area, None
                    return
                if self._chosen_key(area, entry["Key"]):
                    yield area, _found(entry)
            if not page.get("IsTruncated"):
                break
            page = self._page(**request, ContinuationToken=page["NextContinuationToken"])
        yield area, None

    def _level(self, prefix: str) -> tuple[list[str], bool]:
        """The folders right below a prefix, and whether there are objects beside them."""
        request: dict[str, Any] = {"Prefix": prefix, "Delimiter": "/"}
        folders: list[str] = []
        objects = False
        while True:
            page = self._page(**request)
            folders += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
            objects = objects or any(not entry["Key"].endswith("/") for entry in page.get("Contents", ()))
            if not page.get("IsTruncated"):
                return folders, objects
            request["ContinuationToken"] = page["NextContinuationToken"]

    def _descend(self, above: re.Match[str]) -> bool:
        """Whether flow logs that are wanted can be below a folder of AWSLogs/."""
        service, account = above["service"], above["account"]
        return (service is None or service in _FLOW_LOGS) and (account is None or self._wanted(account, None))

    def _wanted(self, account: str, region: str | None) -> bool:
        return (not self._accounts or account in self._accounts) and (
            not self._regions or region is None or region in self._regions
        )

    def _chosen_key(self, area: Area, key: str) -> bool:
        """Outside AWS's folders the name says whose log it is; where it doesn't, it isn't what was chosen."""
        if key.endswith("/"):  # consoles make empty objects as folders
            return False
        if area.folder is not None:
            return True
        if of_other_service(key):
            return False
        if not self._chosen:
            return True
        parts = parse_key(key)
        return parts is not None and self._wanted(parts.account, parts.region)


def _request(area: Area, start: float) -> dict[str, Any]:
    request: dict[str, Any] = {"Prefix": area.prefix}
    if not area.flat:
        request["Delimiter"] = "/"
    if area.folder is not None and start > 0:
        request["StartAfter"] = area.folder.day(datetime.fromtimestamp(start, UTC).date())
    return request


def _found(entry: dict[str, Any]) -> Found:
    restored = entry.get("RestoreStatus", {}).get("RestoreExpiryDate") is not None
    return Found(
        key=entry["Key"],
        size=entry["Size"],
        modified=entry["LastModified"].timestamp(),
        archived=entry.get("StorageClass") in _ARCHIVED and not restored,
    )
