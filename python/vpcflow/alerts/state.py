"""What was said of alerts and what is still to be told, in an SQLite file.

An alert and the notice that tells it are written in one transaction; the notice is taken out when it is told.
Whatever ends the process between, the notice is told by the next run: once, or twice, never not at all.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vpcflow.alerts.notice import Notice, Row
from vpcflow.alerts.rules import LATE
from vpcflow.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.owners import Owner

__all__ = ["Change", "State", "Waiting"]

# `since` is the last piece of time in which a group was seen, `told_since` the last one that was told of.
_TABLES = """
CREATE TABLE IF NOT EXISTS alert (
    rule TEXT, owner TEXT, groups TEXT, value REAL, since TEXT, told_since TEXT, told_at TEXT, active INTEGER,
    PRIMARY KEY (rule, owner, groups)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, rule TEXT, channel TEXT, recipient TEXT, notice TEXT, error TEXT);
CREATE TABLE IF NOT EXISTS fact (kind TEXT, name TEXT, value TEXT, PRIMARY KEY (kind, name)) WITHOUT ROWID;
"""
_TOP = 5


@dataclass(frozen=True, slots=True)
class Change:
    """What there is to tell one owner of one rule: all rows, the largest first."""

    state: Literal["fired", "over"]
    owner: str | None
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that one recipient has not been told yet; `error` says why, if it was tried."""

    number: int
    rule: str
    channel: str
    recipient: str
    error: str | None
    content: Mapping[str, Any]

    def notice(self, rule: Rule, owners: Mapping[str, Owner]) -> Notice:
        """The notice, for the rule of that id.

        Raises:
            ConfigError: the rule counts by other fields now.
        """
        told = self.content
        if any(len(groups) != len(rule.groups) for groups, _, _ in told["rows"]):
            named = "; ".join(" ".join(map(str, groups)) for groups, _, _ in told["rows"])
            raise ConfigError(f"the rule counts by other fields since it was seen at {told['end']}: {named}")
        rows = tuple(Row(tuple(groups), value, _moment(since)) for groups, value, since in told["rows"])
        history = tuple((_moment(at), number) for at, number in told["history"])
        start, end = _moment(told["start"]), _moment(told["end"])
        owner = owners.get(told["owner"])
        return Notice(told["key"], told["state"], rule, owner, rows, told["count"], start, end, history)


class State:
    """Remembers. One process at a time has the file.

    Args:
        path: the file, made if it isn't there.
        target: whose flows the alerts are of; None is whatever the file says.

    Raises:
        ConfigError: the file can't be made there, is something else, is of another target, or another
            process has it.
    """

    def __init__(self, path: Path, target: str | None = None) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None)
            try:
                # Held until the process ends, however it does: two runs would tell the same twice.
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._db.execute("BEGIN EXCLUSIVE")
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute("COMMIT")
                if target is not None:
                    self._check(target)
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            why = f"can't be used to remember alerts: {error}; give another file with --state"
            if "locked" in str(error):
                why = "another vpcflow alerts run has it; end that one, or give another file with --state"
            raise ConfigError(f"{path}: {why}") from error

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> State:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def together(self, *, keep: bool = True) -> Iterator[None]:
        """What is written inside is there as a whole afterwards, or not at all; never without `keep`."""
        self._run("BEGIN")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._run("ROLLBACK")
            raise
        self._run("COMMIT" if keep else "ROLLBACK")

    def fact(self, kind: str, name: str) -> str | None:
        """What was noted under that name."""
        found = self._run("SELECT value FROM fact WHERE kind = ? AND name = ?", (kind, name))
        return str(found[0][0]) if found else None

    def note(self, kind: str, name: str, value: str = "") -> bool:
        """Notes something; says whether it was not known so."""
        new = self.fact(kind, name) != value
        self._run("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", (kind, name, value))
        return new

    def forget(self, kind: str, name: str) -> None:
        self._run("DELETE FROM fact WHERE kind = ? AND name = ?", (kind, name))

    def take(self, rule: Rule, found: Mapping[str | None, Sequence[Row]], now: datetime) -> list[Change]:
        """Takes what a rule has found, and says what of it is to be told.

        A group is told when it is new, and again when it was seen in a later piece of time and the rule's
        throttle has passed. It is over when all records of its last piece of time have come, and when it was
        not found any more.

        Args:
            rule: the rule.
            found: by owner its groups with each piece of time in which they were seen.
            now: when.
        """
        known = self._known(rule)
        changes: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
        for key, pieces in _by_group(found).items():
            before = known.pop(key, None)
            last = max(pieces, key=lambda row: row.since)
            untold = [row for row in pieces if before is None or row.since > before.told_since]
            if untold and (before is None or now - before.told_at >= timedelta(seconds=rule.quiet)):
                changes["fired", key[0] or None].append(max(untold, key=lambda row: row.value))
                self._put(rule, key, _Known(last.value, last.since, last.since, now, active=True))
            elif before is not None:
                alert = replace(before, value=last.value, since=last.since)
                if _complete(rule, last, now):
                    known[key] = alert
                else:
                    self._put(rule, key, replace(alert, active=True))
        for key, gone in known.items():
            if gone.active and _has_end(rule, gone, now):
                row = Row(tuple(json.loads(key[1])), gone.value, gone.since)
                changes["over", key[0] or None].append(row)
            if now - gone.told_at < timedelta(seconds=rule.quiet):  # so that it isn't told again before
                self._put(rule, key, replace(gone, active=False))
            else:
                self._run("DELETE FROM alert WHERE rule = ? AND owner = ? AND groups = ?", (rule.id, *key))
        return [
            Change(state, owner, tuple(sorted(rows, key=lambda row: -row.value)))  # type: ignore[arg-type]
            for (state, owner), rows in changes.items()
        ]

    def queue(self, notice: Notice, owner: str | None, channel: str, recipient: str) -> None:
        """Puts a notice into the outbox, for one recipient of a channel."""
        content = {
            "key": notice.key,
            "state": notice.state,
            "owner": owner,
            "rows": [(row.groups, row.value, _text(row.since)) for row in notice.rows[:_TOP]],
            "count": notice.count,
            "start": _text(notice.start),
            "end": _text(notice.end),
            "history": [(_text(at), number) for at, number in notice.history],
        }
        self._run(
            "INSERT INTO outbox (rule, channel, recipient, notice) VALUES (?, ?, ?, ?)",
            (notice.rule.id, channel, recipient, json.dumps(content, default=str)),
        )

    def outbox(self) -> list[Waiting]:
        """What is to be told, the oldest first."""
        rows = self._run("SELECT id, rule, channel, recipient, error, notice FROM outbox ORDER BY id")
        return [
            Waiting(number, rule, channel, recipient, error, json.loads(notice))
            for number, rule, channel, recipient, error, notice in rows
        ]

    def told(self, waiting: Waiting) -> None:
        self._run("DELETE FROM outbox WHERE id = ?", (waiting.number,))

    def failed(self, waiting: Waiting, error: str) -> None:
        self._run("UPDATE outbox SET error = ? WHERE id = ?", (error, waiting.number))

    def _run(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise SinkError(f"{self._path}: alerts can't be remembered: {error}") from error

    def _put(self, rule: Rule, key: tuple[str, str], alert: _Known) -> None:
        moments = map(_text, (alert.since, alert.told_since, alert.told_at))
        self._run(
            "INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (rule.id, *key, alert.value, *moments, alert.active),
        )

    def _known(self, rule: Rule) -> dict[tuple[str, str], _Known]:
        rows = self._run(
            "SELECT owner, groups, value, since, told_since, told_at, active FROM alert WHERE rule = ?",
            (rule.id,),
        )
        # A rule that somebody edits can count by other fields: what it said of those is no alert any more.
        rows = [row for row in rows if len(json.loads(row[1])) == len(rule.groups)]
        return {
            (owner, groups): _Known(
                value, _moment(since), _moment(told_since), _moment(told_at), bool(active)
            )
            for owner, groups, value, since, told_since, told_at, active in rows
        }

    def _check(self, target: str) -> None:
        known = self.fact("state", "target")
        if known is None:
            self.note("state", "target", target)
        elif known != target:
            raise ConfigError(f"{self._path}: is about {known}; give another file with --state for {target}")


@dataclass(frozen=True, slots=True)
class _Known:
    value: float
    since: datetime
    told_since: datetime
    told_at: datetime
    active: bool


def _by_group(found: Mapping[str | None, Sequence[Row]]) -> dict[tuple[str, str], list[Row]]:
    """The pieces of time of each owner and group."""
    pieces: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for owner, rows in found.items():
        for row in rows:
            pieces[owner or "", json.dumps(row.groups, default=str)].append(row)
    return pieces


def _complete(rule: Rule, piece: Row, now: datetime) -> bool:
    """Whether all records of a piece of time have come by now."""
    return rule.change is None and piece.since <= now - timedelta(seconds=rule.timespan + LATE)


def _has_end(rule: Rule, gone: _Known, now: datetime) -> bool:
    """What is new grows old, and what is long gone is forgotten: of neither there is an end to tell."""
    if rule.change == "gone":
        return gone.since >= now - timedelta(seconds=rule.window)
    return rule.change is None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
