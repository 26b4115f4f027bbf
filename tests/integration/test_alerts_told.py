"""`vpcflow alerts run` with channels: from a flow log to the mail of its owner, through a real SMTP server."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from mail_server import MailServer
from unit.alerting import ATTACKER, ago, record, rules
from unit.flowlogs import HEADER, errors, vpcflow, write

CONFIG = """
[[owners]]
name = "Jane Roe"
email = "jane@example.com"
match = {{ cidrs = ["10.0.1.0/24"] }}

[alerts.channels.mail]
type = "email"
from = "vpcflow@example.com"
host = "localhost"
port = {port}
starttls = true
ca = "ca.pem"
to = ["net@example.com", "soc@example.com"]

[alerts.channels.here]
type = "stdout"
"""
LOGIN = {"SMTP_USERNAME": "mailer", "SMTP_PASSWORD": "s3cret-mail"}


@pytest.fixture
def server(tmp_path: Path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("localhost")
    return lambda port=0: MailServer("starttls", certificate, login=True, port=port)


@pytest.fixture
def watched(tmp_path: Path):
    """Runs alerts, over flows in which Jane's host and one that nobody owns were tried."""

    def run(port: int, code: int = 0):
        (tmp_path / "vpcflow.toml").write_text(CONFIG.format(port=port))
        if not (tmp_path / "flows").exists():
            lines = [record(ago(minutes=2), destination=host) for host in ("10.0.1.20", "10.0.2.20")] * 12
            write(tmp_path / "a.log", HEADER, *lines)
            vpcflow("index", "a.log", "--to", "flows", "--config", "vpcflow.toml", cwd=tmp_path)
            rules(tmp_path / "own")
        command = ("alerts", "run", "--from", "flows", "--rules", "own", "--config", "vpcflow.toml")
        return vpcflow(*command, cwd=tmp_path, code=code, **LOGIN)

    return run


def ssh(server: MailServer) -> list[str]:
    """Who was told of the rule SSH refused, and what the subject was."""
    return sorted(
        f"{mail['To']}: {mail['Subject']}" for mail in server.mails if "SSH refused" in mail["Subject"]
    )


EVERYBODY = [
    "jane@example.com: [low] SSH refused: 1 (Jane Roe)",
    "net@example.com: [low] SSH refused: 1 (no owner)",
    "soc@example.com: [low] SSH refused: 1 (no owner)",
]


def test_each_is_told_what_is_theirs_once(server, watched):
    with server() as running:
        done = watched(running.port)
        assert ssh(running) == EVERYBODY
        watched(running.port)
        assert ssh(running) == EVERYBODY
    assert all(running.encrypted)
    assert "[low] SSH refused: 1 (Jane Roe)" in done.stdout.decode()
    mail = next(mail for mail in running.mails if mail["To"] == "jane@example.com")
    parts = {part.get_content_type(): part for part in mail.walk()}
    assert ATTACKER in parts["text/plain"].get_content()
    assert "vpcflow report --from flows --dashboard threats --since" in parts["text/html"].get_content()
    assert parts["image/png"].get_content().startswith(b"\x89PNG")


def test_a_server_that_is_down_delays_mails_and_loses_none(server, watched):
    with server() as running:
        port = running.port
    down = watched(port, code=1)
    assert any(
        "localhost" in line and "can't be reached (Connection refused)" in line for line in errors(down)
    )
    assert "[low] SSH refused: 1 (Jane Roe)" in down.stdout.decode()  # the other channel is told all the same
    with server(port) as running:
        again = watched(port)
        assert ssh(running) == EVERYBODY
    assert "SSH refused" not in again.stdout.decode()


def test_one_of_two_recipients_is_refused(server, watched):
    with server() as running:
        running.answers["net@example.com"] = "550 5.1.1 no such mailbox"
        done = watched(running.port, code=1)
        assert ssh(running) == [EVERYBODY[0], EVERYBODY[2]]
        assert any("net@example.com is not told" in line and "550 5.1.1" in line for line in errors(done))
        watched(running.port)  # said once; nobody is told again
        assert ssh(running) == [EVERYBODY[0], EVERYBODY[2]]


def test_a_wrong_password_is_not_shown(server, watched, monkeypatch):
    monkeypatch.setitem(LOGIN, "SMTP_PASSWORD", "gu3ss")
    with server() as running:
        done = watched(running.port, code=1)
    assert any("refuses the login: 535" in line for line in errors(done))
    assert b"gu3ss" not in done.stdout + done.stderr
    assert running.mails == []
