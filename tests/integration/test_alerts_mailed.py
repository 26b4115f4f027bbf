"""`vpcflow alerts run` with a real mail server: whom it tells, and what becomes of mails while it is down."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from mail_server import MailServer
from unit.alerting import ATTACKER, ago, fill, mail, owner, record, rules
from unit.flowlogs import command, environment, errors
from unit.flowlogs import vpcflow as run
from vpcflow.enrich.owners import OwnersByInterface
from vpcflow.owners import Match, Owner
from waiting import wait_for

LAB = Owner(name="lab", match=Match(interfaces=("eni-lab",)))


def alerts(folder: Path, port: int) -> tuple[str | Path, ...]:
    """A run over a store in which an address is refused often, at an interface of the lab and at another one."""
    if not (folder / "flows").exists():
        rules(folder / "own")
        when = ago(minutes=2)
        lines = [record(when, interface=name) for name in ("eni-lab", "eni-1") for _ in range(12)]
        fill(folder / "flows", *lines, enrich=[OwnersByInterface((LAB,))])
    everybody = mail(port, to=("net@example.com", "soc@example.com"))
    (folder / "vpcflow.toml").write_text(owner("lab", 'interfaces = ["eni-lab"]') + everybody)
    return ("alerts", "run", "--from", "flows", "--rules", "own", "--config", "vpcflow.toml")


def told(server: MailServer) -> list[tuple[str, str]]:
    """Subjects and recipients of mails about the rule `SSH`."""
    mails = ((one["Subject"], one["To"]) for one in server.mails)
    return sorted((subject, to) for subject, to in mails if "SSH refused" in subject)


EVERYBODY = [
    ("[low] SSH refused: 1 (lab)", "lab@example.com"),
    ("[low] SSH refused: 1 (no owner)", "net@example.com"),
    ("[low] SSH refused: 1 (no owner)", "soc@example.com"),
]


def test_each_owner_is_mailed_and_the_rest_goes_to_everybody_else(tmp_path: Path) -> None:
    with MailServer() as server:
        run(*alerts(tmp_path, server.port), cwd=tmp_path)
        assert told(server) == EVERYBODY
        assert ATTACKER in server.mails[0].as_string()
        run(*alerts(tmp_path, server.port), cwd=tmp_path)
        assert told(server) == EVERYBODY  # once


def test_a_mail_server_that_is_down_delays_mails_and_loses_none(tmp_path: Path) -> None:
    with MailServer() as server:
        port = server.port
    done = run(*alerts(tmp_path, port), cwd=tmp_path, code=1)
    assert [line for line in errors(done) if "tried again in the next round" in line]
    assert errors(done)[-1].endswith(" waiting")
    with MailServer() as server:
        run(*alerts(tmp_path, server.port), cwd=tmp_path)
        assert told(server) == EVERYBODY


def test_one_of_two_recipients_is_refused_for_good(tmp_path: Path) -> None:
    with MailServer() as server:
        server.answers["soc@example.com"] = "550 no such mailbox"
        done = run(*alerts(tmp_path, server.port), cwd=tmp_path, code=1)
        others = [one for one in EVERYBODY if one[1] != "soc@example.com"]
        assert told(server) == others
        assert [line for line in errors(done) if "soc@example.com is not told of SSH refused" in line]
        run(*alerts(tmp_path, server.port), cwd=tmp_path)  # nothing waits
        assert told(server) == others


def test_a_service_mails_when_the_server_is_back(tmp_path: Path) -> None:
    with MailServer() as server:
        port = server.port
    with (tmp_path / "errors").open("wb") as log:
        service = subprocess.Popen(
            command(*alerts(tmp_path, port), "--every", "0.5s"),
            cwd=tmp_path,
            stderr=log,
            stdout=log,
            env=environment(),
        )
        try:
            wait_for(lambda: "tried again in the next round" in (tmp_path / "errors").read_text())
            with MailServer(port=port) as server:
                wait_for(lambda: told(server) == EVERYBODY)
                service.send_signal(signal.SIGTERM)
                assert service.wait(30) == 0
        finally:
            service.kill()
    assert "Traceback" not in (tmp_path / "errors").read_text()
