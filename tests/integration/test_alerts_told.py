"""`vpcflow alerts run` with two channels, one of them mail with STARTTLS and a login."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from mail_server import MailServer
from unit.alerting import ATTACKER, ago, mail, owner, record, rules
from unit.flowlogs import HEADER, errors, vpcflow, write

HERE = '[alerts.channels.here]\ntype = "stdout"\n'


@pytest.fixture
def server(tmp_path: Path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with MailServer("starttls", authority.issue_cert("localhost"), login=True) as running:
        yield running


@pytest.fixture
def watched(server: MailServer, tmp_path: Path):
    """Runs alerts, over flows in which Jane's host was tried, and another one."""
    jane = owner("Jane Roe", 'cidrs = ["10.0.1.0/24"]', "jane@example.com")
    to_server = mail(server.port, "starttls = true", 'ca = "ca.pem"', host="localhost")
    (tmp_path / "vpcflow.toml").write_text(jane + to_server + HERE)
    lines = [record(ago(minutes=2), destination=host) for host in ("10.0.1.20", "10.0.2.20")] * 12
    write(tmp_path / "a.log", HEADER, *lines)
    vpcflow("index", "a.log", "--to", "flows", "--config", "vpcflow.toml", cwd=tmp_path)
    run = ("alerts", "run", "--from", "flows", "--rules", rules(tmp_path / "own"), "--config", "vpcflow.toml")
    return lambda code=0, **login: vpcflow(*run, cwd=tmp_path, code=code, **login)


def test_from_a_flow_log_to_the_mail_of_its_owner(server, watched):
    done = watched(SMTP_USERNAME="mailer", SMTP_PASSWORD="s3cret-mail")
    assert all(server.encrypted)
    (sent,) = (one for one in server.mails if one["Subject"] == "[low] SSH refused: 1 (Jane Roe)")
    assert sent["To"] == "jane@example.com"
    parts = {part.get_content_type(): part for part in sent.walk()}
    assert ATTACKER in parts["text/plain"].get_content()
    assert "vpcflow report --from flows --dashboard threats --since" in parts["text/html"].get_content()
    assert parts["image/png"].get_content().startswith(b"\x89PNG")
    assert "[low] SSH refused: 1 (Jane Roe)" in done.stdout.decode()


def test_a_wrong_password_stops_the_mails_alone_and_is_not_shown(server, watched):
    done = watched(SMTP_USERNAME="mailer", SMTP_PASSWORD="gu3ss", code=1)
    assert any("mail: localhost:" in line and "refuses the login: 535" in line for line in errors(done))
    assert b"gu3ss" not in done.stdout + done.stderr
    assert server.mails == []
    assert "[low] SSH refused: 1 (Jane Roe)" in done.stdout.decode()
    watched(SMTP_USERNAME="mailer", SMTP_PASSWORD="s3cret-mail")
    assert "jane@example.com" in {one["To"] for one in server.mails}
