"""One round of alerts: ask each rule, remember, tell."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vpcflow.alerts.evaluate import evaluate, fields, history, lacking, looks_back, newest
from vpcflow.alerts.notice import Notice, Row
from vpcflow.alerts.rules import LATE
from vpcflow.errors import ConfigError, QueryError, SinkError
from vpcflow.query.model import Period

if TYPE_CHECKING:
    from vpcflow.alerts.notify import Channel
    from vpcflow.alerts.rules import Rule
    from vpcflow.alerts.state import Change, State
    from vpcflow.owners import Owner
    from vpcflow.query.answer import Engine

__all__ = ["Round", "Watch"]

#: What the first run looks at, and the most that a run makes up for when none was before it.
_FIRST, _MOST = timedelta(hours=1), timedelta(days=1)
#: A channel that fails so often in a row is left alone until the next round.
_GIVE_UP = 3
_TOP = 5
_MISSED = (
    "messages wait for it: give the --config and --rules of the run before, or drop or move them with "
    "vpcflow alerts waiting"
)


@dataclass(slots=True)
class Round:
    """What came of a round: groups that fired, that are over; messages told, that wait; what went wrong."""

    fired: int = 0
    over: int = 0
    told: int = 0
    waiting: int = 0
    failed: int = 0


class Watch:
    """Evaluates rules and tells owners.

    Args:
        rules: what is watched for.
        owners: of the flows; empty counts all flows together.
        channels: who tells.
        state: what was said.
        say: hears in words what went wrong or is worth knowing.
        stop: ends telling early; what is left is told by the next round.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        owners: Sequence[Owner],
        channels: Sequence[Channel],
        state: State,
        *,
        say: Callable[[str], None],
        stop: threading.Event | None = None,
    ) -> None:
        self._rules = rules
        self._owners: Mapping[str, Owner] = {owner.name: owner for owner in reversed(owners)}
        self._channels = channels
        self._state = state
        self._say = say
        self._stop = stop or threading.Event()

    def evaluate(self, engine: Engine, now: datetime, *, keep: bool = True) -> tuple[Round, list[Notice]]:
        """Asks every rule, and puts what is to be told into the outbox, all of it or nothing.

        Args:
            engine: who is asked.
            now: until when.
            keep: without it nothing is remembered and nothing put into the outbox.

        Raises:
            SinkError: the engine can't be reached.
        """
        done = Round()
        old = self._old(engine, now, keep=keep)
        self._say_what_lacks(engine, now, old, keep=keep)
        found: dict[str, tuple[datetime, Mapping[str | None, list[Row]]]] = {}
        for rule in self._rules:
            since = self._since(rule, now)
            if rule.change == "gone" and old and old < now - timedelta(seconds=rule.timespan):
                found[rule.id] = since, {}
                continue
            try:
                rows = evaluate(rule, engine, now, since, by_owner=bool(self._owners))
            except (QueryError, ConfigError) as error:
                self._say(f"{rule.title}: could not be evaluated: {error}")
                done.failed += 1
            else:
                found[rule.id] = since, rows
        notices = []
        with self._state.together(keep=keep):
            for rule in self._rules:
                if rule.id in found:
                    notices += self._take(rule, *found[rule.id], engine, now=now, done=done)
        return done, notices

    def tell(self, done: Round) -> None:
        """Tells what is in the outbox; counts what was told and what waits for the next time."""
        rules = {rule.id: rule for rule in self._rules}
        channels = {channel.name: channel for channel in self._channels}
        failures: Counter[str] = Counter()
        errors: dict[str, None] = {}
        for waiting in self._state.outbox():
            channel, rule = channels.get(waiting.channel), rules.get(waiting.rule)
            if channel is None:
                errors[f"{waiting.channel}: no channel has this name; {_MISSED}"] = None
            elif rule is None:
                errors[f"rule {waiting.rule}: is not there; {_MISSED}"] = None
            elif failures[channel.name] < _GIVE_UP and not self._stop.is_set():
                try:
                    channel.send(waiting.notice(rule, self._owners), waiting.recipient)
                except SinkError as error:
                    self._state.failed(waiting, str(error))
                    failures[channel.name] += 1
                    errors[f"{channel.name}: {error}; tried again in the next round"] = None
                except ConfigError as error:
                    self._say(f"{channel.name}: {waiting.recipient} is not told of {rule.title}: {error}")
                    self._state.told(waiting)
                    done.failed += 1
                    continue
                else:
                    self._state.told(waiting)
                    failures[channel.name] = 0
                    done.told += 1
                    continue
            done.waiting += 1
        for what in errors:
            self._say(what)

    def show(self, notices: Sequence[Notice]) -> None:
        """Tells notices that were not kept, without an outbox."""
        for notice in notices:
            for channel in self._channels:
                for recipient in channel.recipients(notice):
                    channel.send(notice, recipient)

    def _since(self, rule: Rule, now: datetime) -> datetime:
        noted = self._state.fact("evaluated", rule.id)
        last = now - _FIRST if noted is None else max(datetime.fromisoformat(noted), now - _MOST)
        since = looks_back(rule, min(last, now))
        return min(since, now - timedelta(seconds=rule.timespan)) if rule.change == "new" else since

    def _old(self, engine: Engine, now: datetime, *, keep: bool) -> datetime | None:
        """When the last flow was, if that is long ago and none has come as long as we watch. Says so once.

        Such a store is done, not silent: of a demonstration, say, or of last month.
        """
        known = self._state.fact("said", "old")
        if known is None and any(self._state.fact("evaluated", rule.id) for rule in self._rules):
            return None
        last = newest(engine, Period(now - timedelta(days=1), now))
        if last is None:  # all files of a store are opened for it: once
            last = datetime.fromisoformat(known) if known else newest(engine)
        with self._state.together(keep=keep):
            if last is None or last >= now - _FIRST - timedelta(seconds=LATE):
                self._state.forget("said", "old")
                return None
            self._state.note("said", "old", last.isoformat())
            if known is None:
                self._say(
                    f"the newest flow is from {last:%Y-%m-%d %H:%M} UTC, and nothing newer has come, so "
                    "rules have nothing to count; vpcflow alerts backtest counts what was before"
                )
        return last

    def _say_what_lacks(self, engine: Engine, now: datetime, old: datetime | None, *, keep: bool) -> None:
        """Says once of each rule which of its fields no flow has. What was there once is not asked again."""
        wanted = {rule.title: fields(rule) for rule in self._rules}
        names = sorted({name for several in wanted.values() for name in several})
        unsure = [name for name in names if self._state.fact("field", name) is None]
        day = Period(now - timedelta(days=1), now)
        missing = lacking(engine, unsure, day)
        with self._state.together(keep=keep):
            if missing is None:
                if old is None and self._state.note("said", "empty"):
                    self._say("there is no flow of the last day, so rules have nothing to count")
                return
            self._state.forget("said", "empty")
            for name in set(unsure) - missing:
                self._state.note("field", name)
            for title, several in wanted.items():
                absent = ", ".join(name for name in several if name in missing)
                if absent and self._state.note("lacking", title, absent):
                    self._say(f"{title}: no flow of the last day has {absent}, which the rule asks for")

    def _take(
        self,
        rule: Rule,
        since: datetime,
        rows: Mapping[str | None, Sequence[Row]],
        engine: Engine,
        *,
        now: datetime,
        done: Round,
    ) -> list[Notice]:
        notices = []
        for change in self._state.take(rule, rows, now):
            notice = Notice(
                key=_key(rule, change, now),
                state=change.state,
                rule=rule,
                owner=self._owners.get(change.owner or ""),
                rows=change.rows[:_TOP],
                count=len(change.rows),
                start=since if rule.change is None else now - timedelta(seconds=rule.window),
                end=now,
                history=self._history(rule, change, engine, now),
            )
            notices.append(notice)
            self._queue(notice, change.owner)
            done.fired += len(change.rows) if change.state == "fired" else 0
            done.over += len(change.rows) if change.state == "over" else 0
        self._state.note("evaluated", rule.id, now.isoformat())
        return notices

    def _history(
        self, rule: Rule, change: Change, engine: Engine, now: datetime
    ) -> tuple[tuple[datetime, float], ...]:
        rows, owner = change.rows[:_TOP], change.owner
        try:
            return history(rule, engine, owner, rows, now, by_owner=bool(self._owners))
        except (QueryError, ConfigError) as error:  # the message goes without its chart
            self._say(f"{rule.title}: no history: {error}")
            return ()

    def _queue(self, notice: Notice, owner: str | None) -> None:
        for channel in self._channels:
            for recipient in channel.recipients(notice):
                self._state.queue(notice, owner, channel.name, recipient)


def _key(rule: Rule, change: Change, now: datetime) -> str:
    def text(row: Row) -> str:
        return f"{row.groups} {row.since.isoformat()}"

    parts = (rule.id, change.state, str(change.owner), *map(text, change.rows), now.isoformat())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
