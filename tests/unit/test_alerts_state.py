"""What is told, what isn't told again, and when it is over: round by round over a store, with a clock of the test.

The channel is one that writes down what it is told, and can be out of order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from unit.alerting import ATTACKER, OTHER, SSH, fill, record, rules
from vpcflow.alerts.notice import Notice
from vpcflow.alerts.rules import load_several
from vpcflow.alerts.run import Round, Watch
from vpcflow.alerts.state import State
from vpcflow.enrich.owners import OwnersByInterface
from vpcflow.errors import ConfigError, SinkError
from vpcflow.owners import Match, Owner
from vpcflow.query.flows import open_flows

#: The begin of a piece of time of the rule `SSH`, ten minutes.
TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
QUIET = ("level: low", "level: low\nthrottle: 30m")


class Pad:
    """A channel that writes down; `down` names recipients who can't be told now, `dead` those who never can."""

    name = "pad"

    def __init__(self, *recipients: str) -> None:
        self.told: list[tuple[str, Notice]] = []
        self.down: set[str] = set()
        self.dead: set[str] = set()
        self._recipients = recipients

    def recipients(self, notice: Notice) -> list[str]:
        return list(self._recipients) or [notice.owner.name if notice.owner else "all"]

    def send(self, notice: Notice, recipient: str) -> None:
        if recipient in self.down:
            raise SinkError(f"{recipient} is not there")
        if recipient in self.dead:
            raise ConfigError(f"{recipient} is refused for good")
        self.told.append((recipient, notice))


class Bench:
    """A store, a rule and a state, and rounds at any time."""

    def __init__(self, folder: Path, *changes: tuple[str, str], owners: tuple[Owner, ...] = ()) -> None:
        self.folder = folder
        self.store = folder / "flows"
        self.rules = load_several([rules(folder / "own", *changes)])
        self.owners = owners
        self.pad = Pad()
        self.said: list[str] = []
        self._files = 0

    def seen(self, when: datetime, source: str = ATTACKER, count: int = 12, **options: object) -> None:
        self._files += 1
        fill(self.store, *[record(when, source)] * count, name=str(self._files), **options)

    def round(self, now: datetime, *, tell: bool = True) -> tuple[list[str], Round]:
        """What was told in it, and what came of it."""
        before = len(self.pad.told)
        with State(self.folder / "state.db", "flows") as state:
            watch = Watch(self.rules, self.owners, [self.pad], state, say=self.said.append)
            with open_flows(self.store) as engine:
                done, _ = watch.evaluate(engine, now)
            if tell:
                watch.tell(done)
        return [_short(*one) for one in self.pad.told[before:]], done


def _short(recipient: str, notice: Notice) -> str:
    groups = ", ".join(f"{row.groups[0]} {row.value:.0f}" for row in notice.rows)
    return f"{recipient}: {notice.state} {groups}"


def after(**time: float) -> datetime:
    return TEN + timedelta(**time)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path, QUIET)


def test_a_burst_is_told_and_then_that_it_is_over(bench: Bench) -> None:
    bench.seen(after(minutes=1))
    assert bench.round(after(minutes=2))[0] == [f"all: fired {ATTACKER} 12"]
    assert bench.round(after(minutes=3))[0] == []
    # Records of ten o'clock to ten past may come until 25 past.
    assert bench.round(after(minutes=24))[0] == []
    assert bench.round(after(minutes=26))[0] == [f"all: over {ATTACKER} 12"]
    assert bench.round(after(minutes=27))[0] == []


def test_what_goes_on_is_told_again_after_the_throttle(bench: Bench) -> None:
    told = []
    for minutes in range(2, 80, 5):
        bench.seen(after(minutes=minutes - 1))
        told += [(minutes, text) for text in bench.round(after(minutes=minutes))[0]]
    assert [(minutes, text.split()[1]) for minutes, text in told] == [
        (2, "fired"),
        (32, "fired"),
        (62, "fired"),
    ]


def test_what_comes_back_within_the_throttle_is_no_news(bench: Bench) -> None:
    bench.seen(after(minutes=1))
    bench.round(after(minutes=2))
    assert bench.round(after(minutes=26))[0] == [f"all: over {ATTACKER} 12"]
    bench.seen(after(minutes=27), count=15)
    assert bench.round(after(minutes=28))[0] == []
    assert bench.round(after(minutes=33))[0] == [f"all: fired {ATTACKER} 15"]


def test_another_group_is_told_at_once(bench: Bench) -> None:
    bench.seen(after(minutes=1))
    bench.round(after(minutes=2))
    bench.seen(after(minutes=2), OTHER, 11)
    assert bench.round(after(minutes=3))[0] == [f"all: fired {OTHER} 11"]


def test_what_comes_late_is_seen(bench: Bench) -> None:
    bench.seen(after(minutes=1), count=6)
    assert bench.round(after(minutes=20))[0] == []
    bench.seen(after(minutes=2), count=6)
    assert bench.round(after(minutes=21))[0] == [f"all: fired {ATTACKER} 12"]


def test_a_night_without_runs_is_made_up_for(bench: Bench) -> None:
    bench.seen(after(minutes=1), OTHER)
    bench.round(after(minutes=2))
    bench.seen(after(hours=3))
    assert bench.round(after(hours=9))[0] == [f"all: fired {ATTACKER} 12", f"all: over {OTHER} 12"]
    assert bench.round(after(hours=9, minutes=1))[0] == [f"all: over {ATTACKER} 12"]


def test_the_largest_five_are_named_and_all_are_counted(bench: Bench) -> None:
    for number in range(8):
        bench.seen(after(minutes=1), f"203.0.113.{number}", 10 + number)
    told, done = bench.round(after(minutes=2))
    assert told == [
        "all: fired " + ", ".join(f"203.0.113.{number} {10 + number}" for number in (7, 6, 5, 4, 3))
    ]
    (notice,) = (notice for _, notice in bench.pad.told)
    assert (notice.count, done.fired) == (8, 8)
    assert notice.key.isalnum()


def test_the_numbers_before_are_for_a_chart(bench: Bench) -> None:
    bench.seen(after(minutes=-29), count=4)
    bench.seen(after(minutes=-28), OTHER, count=50)
    bench.seen(after(minutes=1))
    bench.round(after(minutes=-20))
    bench.round(after(minutes=2))
    (history,) = (notice.history for _, notice in bench.pad.told if notice.rows[0].groups == (ATTACKER,))
    assert len(history) == 24
    assert history[-1] == (TEN, 12)
    assert [(at, number) for at, number in history if number] == [(after(minutes=-30), 4), (TEN, 12)]


LAB = Owner(name="lab", email="lab@example.com", match=Match(interfaces=("eni-lab",)))
SHOP = Owner(name="shop", match=Match(interfaces=("eni-shop",)))


def test_each_owners_flows_count_by_themselves(tmp_path: Path) -> None:
    """Twelve flows in all of the lab, the shop and nobody: seven each reach no threshold of ten, ten do."""
    bench = Bench(tmp_path, QUIET, owners=(LAB, SHOP))
    for interface, count in (("eni-lab", 10), ("eni-shop", 7), ("eni-1", 11)):
        lines = [record(after(minutes=1), interface=interface)] * count
        fill(bench.store, *lines, name=interface, enrich=[OwnersByInterface((LAB, SHOP))])
    told = bench.round(after(minutes=2))[0]
    assert sorted(told) == [f"all: fired {ATTACKER} 11", f"lab: fired {ATTACKER} 10"]
    assert {notice.owner for _, notice in bench.pad.told} == {None, LAB}
    assert [notice.history[-1][1] for _, notice in bench.pad.told] in ([10, 11], [11, 10])


def test_without_owners_all_flows_count_together(tmp_path: Path) -> None:
    bench = Bench(tmp_path, QUIET)
    for interface in ("eni-lab", "eni-shop"):
        lines = [record(after(minutes=1), interface=interface)] * 7
        fill(bench.store, *lines, name=interface, enrich=[OwnersByInterface((LAB, SHOP))])
    assert bench.round(after(minutes=2))[0] == [f"all: fired {ATTACKER} 14"]


def test_who_can_not_be_told_now_is_told_later_and_others_at_once(bench: Bench) -> None:
    bench.pad = Pad("ann", "bob")
    bench.pad.down = {"ann"}
    bench.seen(after(minutes=1))
    told, done = bench.round(after(minutes=2))
    assert told == [f"bob: fired {ATTACKER} 12"]
    assert (done.told, done.waiting) == (1, 1)
    assert bench.said == ["pad: ann is not there; tried again in the next round"]
    bench.pad.down = set()
    told, done = bench.round(after(minutes=3))
    assert told == [f"ann: fired {ATTACKER} 12"]
    assert (done.told, done.waiting) == (1, 0)
    first, second = (notice for _, notice in bench.pad.told)
    assert first == second


def test_who_can_never_be_told_is_given_up_and_said(bench: Bench) -> None:
    bench.pad = Pad("ann", "bob")
    bench.pad.dead = {"ann"}
    bench.seen(after(minutes=1))
    told, done = bench.round(after(minutes=2))
    assert told == [f"bob: fired {ATTACKER} 12"]
    assert (done.failed, done.waiting) == (1, 0)
    assert bench.said == ["pad: ann is not told of SSH refused: ann is refused for good"]


def test_a_rule_that_is_gone_keeps_its_notices(bench: Bench) -> None:
    bench.seen(after(minutes=1))
    bench.round(after(minutes=2), tell=False)
    kept, bench.rules = bench.rules, []
    told, done = bench.round(after(minutes=3))
    assert (told, done.waiting) == ([], 1)
    bench.rules = kept
    assert bench.round(after(minutes=4))[0] == [f"all: fired {ATTACKER} 12"]


def test_a_rule_that_counts_by_other_fields_now(bench: Bench) -> None:
    bench.seen(after(minutes=1))
    bench.round(after(minutes=2), tell=False)
    bench.rules = load_several([rules(bench.folder / "own", ("[source.ip]", "[source.ip, destination.ip]"))])
    told, done = bench.round(after(minutes=3))
    assert (told, done.failed) == ([f"all: fired {ATTACKER} 12"], 1)
    (said,) = bench.said
    assert said.startswith("pad: all is not told of SSH refused: the rule counts by other fields since")
    assert said.endswith(ATTACKER)


def test_a_field_that_the_flows_lack_is_said_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ("destination.port: 22", "destination.geo.country_name: Sweden"))
    bench.seen(after(minutes=1))
    assert bench.round(after(minutes=2))[1] == Round()
    bench.round(after(minutes=3))
    assert bench.said == [
        "SSH refused: no flow of the last day has destination.geo.country_name, which the rule asks for"
    ]


GONE = [
    ("timespan: 10m", "timespan: 30m"),
    ("group-by: [source.ip]", "group-by: [aws.vpcflow.interface_id]"),
    ("gte: 10", "gte: 1"),
    ("level: low", "level: low\nbaseline: {look-back: 1d, change: gone}"),
]


def test_what_is_gone_is_told_and_that_it_is_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *GONE)
    interface = "eni-1235b8ca123456789"
    bench.seen(after(minutes=0), count=3)
    assert bench.round(after(minutes=29))[0] == []
    assert bench.round(after(minutes=31))[0] == [f"all: fired {interface} 3"]
    assert bench.round(after(minutes=120))[0] == []  # once, however long it is gone
    bench.seen(after(minutes=121), count=1)
    assert bench.round(after(minutes=122))[0] == [f"all: over {interface} 3"]


def test_a_store_that_is_old_at_the_first_round_is_not_silent(tmp_path: Path) -> None:
    """A demonstration, last month's logs: one sentence, once, whatever the interfaces. Then new flows come."""
    bench = Bench(tmp_path, *GONE)
    bench.seen(after(hours=-8), count=3)
    assert [bench.round(after(hours=hours))[0] for hours in (0, 1, 2)] == [[], [], []]
    (said,) = bench.said
    assert said.startswith("the newest flow is from 2026-11-23 02:00 UTC, and nothing newer has come")
    lines = [record(after(hours=3), interface="eni-other")]
    fill(bench.store, *lines, name="other")
    interface = "eni-1235b8ca123456789"
    assert bench.round(after(hours=3, minutes=1))[0] == [f"all: fired {interface} 3"]
    # Everything falls silent while it is watched: that is told.
    assert bench.round(after(hours=4))[0] == ["all: fired eni-other 1"]
    assert bench.round(after(days=1, hours=4))[0] == []
    assert bench.said[1:] == ["there is no flow of the last day, so rules have nothing to count"]


def test_what_is_long_gone_is_forgotten_without_a_word(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *GONE)
    bench.seen(after(minutes=0), count=3)
    bench.round(after(minutes=31))
    assert bench.round(after(hours=25))[0] == []


def test_what_is_new_is_told_once_and_never_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *GONE[:3], (GONE[3][0], GONE[3][1].replace("gone", "new")))
    bench.seen(after(minutes=1), count=3)
    told = [text for minutes in (2, 20, 70, 200) for text in bench.round(after(minutes=minutes))[0]]
    assert told == ["all: fired eni-1235b8ca123456789 3"]


@pytest.mark.parametrize("strangers", [0, 150])  # so many are not looked for one by one
def test_what_was_there_within_the_time_to_look_back_is_not_new(tmp_path: Path, strangers: int) -> None:
    new = (GONE[3][0], "level: low\nbaseline: {look-back: 30d, change: new}")
    bench = Bench(tmp_path, GONE[0], GONE[2], new)
    for number, days in enumerate((0.1, 3, 20, 40), 1):
        bench.seen(after(days=-days), f"198.51.100.{number}", 1)
        bench.seen(after(minutes=1), f"198.51.100.{number}", 1)
    fill(bench.store, *[record(after(minutes=1), f"203.0.113.{number}") for number in range(strangers)])
    assert bench.round(after(minutes=2))[1].fired == 1 + strangers
    groups = {row.groups[0] for _, notice in bench.pad.told for row in notice.rows}
    assert not groups & {"198.51.100.1", "198.51.100.2", "198.51.100.3"}
    assert strangers or groups == {"198.51.100.4"}


def test_two_runs_do_not_share_a_state(bench: Bench) -> None:
    path = bench.folder / "state.db"
    with State(path, "flows"), pytest.raises(ConfigError, match="another vpcflow alerts run has it"):
        State(path, "flows")


def test_a_state_is_of_one_target(bench: Bench) -> None:
    path = bench.folder / "state.db"
    State(path, "flows").close()
    with pytest.raises(ConfigError, match="is about flows; give another file with --state for others"):
        State(path, "others")


def test_a_file_that_is_no_state(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text(SSH * 10)
    with pytest.raises(ConfigError, match="can't be used to remember alerts: file is not a database"):
        State(tmp_path / "state.db", "flows")
