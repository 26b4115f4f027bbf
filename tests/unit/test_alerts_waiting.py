"""`vpcflow alerts waiting`: messages of a channel or a rule that is gone are dropped, or told by another channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.alerting import ago, fill, mail, record, rules
from unit.flowlogs import errors, vpcflow
from vpcflow.alerts.state import State

HERE = '[alerts.channels.here]\ntype = "stdout"\n'
RUN = ("alerts", "run", "--from", "flows", "--rules", "own", "--config", "vpcflow.toml")
WAITING = ("alerts", "waiting", "--from", "flows", "--rules", "own")
RULE = "5f0e1f3a-32ef-4f5c-9c6c-1f2d0a0b0c02"
GONE = "mail: no channel has this name; messages wait for it: give the --config and --rules of the run before, or "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Mails of two rules to two recipients wait, and their channel has gone from the configuration."""
    rules(tmp_path / "own")
    fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
    # Nobody listens on port 9 of this machine.
    (tmp_path / "vpcflow.toml").write_text(mail(9, to=("net@example.com", "soc@example.com")))
    vpcflow(*RUN, cwd=tmp_path, code=1)
    (tmp_path / "vpcflow.toml").write_text(HERE)
    return tmp_path


def waits(folder: Path) -> list[tuple[str, str]]:
    with State(folder / "flows-alerts.db") as state:
        return [(one.channel, one.recipient) for one in state.outbox()]


def test_what_waits_is_said(folder: Path) -> None:
    done = vpcflow(*RUN, cwd=folder, code=1)
    assert f"Warning: {GONE}drop or move them with vpcflow alerts waiting" in errors(done)
    shown = vpcflow(*WAITING, cwd=folder).stdout.decode()
    (line,) = (line for line in shown.splitlines() if "net@example.com" in line and "SSH refused" in line)
    assert line.split()[:3] == ["1", "mail", "net@example.com"]
    assert "127.0.0.1:9 can't be reached" in shown
    listed = errors(vpcflow("alerts", "list", "--from", "flows", cwd=folder))
    assert listed == [
        f"4 messages of {folder}/flows-alerts.db not told yet: see vpcflow alerts waiting --state"
        f" {folder}/flows-alerts.db"
    ]
    with State(folder / "flows-alerts.db"):
        assert errors(vpcflow("alerts", "list", "--from", "flows", cwd=folder)) == []


def test_messages_are_dropped(folder: Path) -> None:
    done = vpcflow(*WAITING, "--channel", "mail", "--rule", "ssh", "--drop", cwd=folder)
    assert errors(done) == ["2 messages dropped"]
    assert len(waits(folder)) == 2
    vpcflow(*WAITING, "--channel", "mail", "--drop", cwd=folder)
    assert errors(vpcflow(*WAITING, cwd=folder)) == ["Nothing waits."]
    assert vpcflow(*RUN, cwd=folder).stdout == b""


def test_another_channel_tells_them_once(folder: Path) -> None:
    moved = vpcflow(
        *WAITING, "--channel", "mail", "--move-to", "here", "--config", "vpcflow.toml", cwd=folder
    )
    assert errors(moved) == ["4 messages moved: the next run tells 2 with here"]
    assert waits(folder) == [("here", "here")] * 2
    told = vpcflow(*RUN, cwd=folder).stdout.decode()
    assert told.count("[low] SSH refused: 1\n") == 1
    assert waits(folder) == []


def test_messages_of_a_rule_that_is_gone(folder: Path) -> None:
    (folder / "own" / "ssh.yml").unlink()
    assert f"{RULE} (is not there)" in vpcflow(*WAITING, cwd=folder).stdout.decode()
    move = (*WAITING, "--rule", RULE, "--move-to", "here", "--config", "vpcflow.toml")
    assert errors(vpcflow(*move, cwd=folder, code=2)) == [
        f"Error: rule {RULE} is not there, and without it its messages can't be written: give its --rules, or"
        " --drop them"
    ]
    assert len(waits(folder)) == 4
    assert errors(vpcflow(*WAITING, "--rule", RULE, "--drop", cwd=folder)) == ["2 messages dropped"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("--drop",), "say which messages with --channel or --rule"),
        (("--move-to", "here"), "say which messages with --channel or --rule"),
        (("--channel", "mail", "--drop", "--move-to", "here"), "--drop and --move-to: take one of them"),
        (("--channel", "mail", "--move-to", "here"), "--move-to and --config: the one needs the other"),
        (
            ("--channel", "mail", "--move-to", "hare", "--config", "vpcflow.toml"),
            "vpcflow.toml: no channel is called hare; there is here",
        ),
        (
            ("--channel", "slack", "--drop"),
            "none of the messages that wait is that one's; vpcflow alerts waiting shows all",
        ),
        (
            ("--state", "none.db"),
            "none.db: no run has remembered anything there; give its --from, or --state",
        ),
    ],
)
def test_wrong_usage(folder: Path, wrong: tuple[str, ...], why: str) -> None:
    assert errors(vpcflow(*WAITING, *wrong, cwd=folder, code=2))[-1] == f"Error: {why}"
    assert len(waits(folder)) == 4
    assert not (folder / "none.db").exists()


def test_a_run_that_goes_on_has_the_file(folder: Path) -> None:
    with State(folder / "flows-alerts.db"):
        done = vpcflow(*WAITING, cwd=folder, code=2)
    assert "another vpcflow alerts run has it; end that one" in errors(done)[-1]
