"""Alerts by e-mail, through a real SMTP server: what arrives, what is refused, and that nothing goes out in the clear."""

from __future__ import annotations

import io
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
import trustme
from PIL import Image

from mail_server import MailServer
from notices import JANE, SCAN, notice, tell
from vpcflow.alerts.notice import Row
from vpcflow.alerts.notify import channels
from vpcflow.errors import ConfigError, SinkError

LOGIN = {"SMTP_USERNAME": "mailer", "SMTP_PASSWORD": "s3cret-mail"}


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue_cert("localhost", "127.0.0.1")


@pytest.fixture
def ca(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def channel(tmp_path):
    """A channel to a port of this machine, as a vpcflow.toml sets it up."""

    def make(port, *lines, environ=None, rest=""):
        path = tmp_path / "vpcflow.toml"
        table = ["[alerts.channels.mail]", 'type = "email"', 'from = "VPC flow logs <vpcflow@example.com>"']
        if not any(line.startswith("host") for line in lines):
            table.append('host = "127.0.0.1"')
        table += [f"port = {port}", 'to = ["net@example.com", "soc@example.com"]', *lines]
        path.write_text("\n".join(table) + "\n" + rest)
        (made,) = channels(path, environ or {})
        return made

    return make


def parts(mail):
    return {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}


def test_a_mail_with_text_html_and_a_chart(channel):
    with MailServer() as server:
        tell(channel(server.port))
    mail = server.mail()
    assert mail["Subject"] == "[medium] Port scan of one host: 3 (Jane Roe)"
    assert mail["From"] == "VPC flow logs <vpcflow@example.com>"
    assert mail["To"] == "jane@example.com"
    assert server.envelopes == [("vpcflow@example.com", ["jane@example.com"])]
    assert abs(parsedate_to_datetime(mail["Date"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert set(parts(mail)) == {"text/plain", "text/html", "image/png"}
    text = parts(mail)["text/plain"].get_content()
    assert "203.0.113.9   10.0.1.20                            1,060  2026-11-23 10:30" in text
    page, picture = parts(mail)["text/html"].get_content(), parts(mail)["image/png"]
    assert f'src="cid:{picture["Content-ID"][1:-1]}"' in page
    with Image.open(io.BytesIO(picture.get_content())) as image:
        image.load()
        assert image.size == (1120, 180)


def test_mail_programs_find_the_html_beside_the_text_and_the_picture_below_it(channel):
    with MailServer() as server:
        tell(channel(server.port))
    text, related = server.mail().iter_parts()
    assert server.mail().get_content_type() == "multipart/alternative"
    assert text.get_content_type() == "text/plain"
    assert [part.get_content_type() for part in related.iter_parts()] == ["text/html", "image/png"]
    assert related.get_content_type() == "multipart/related"


def test_without_numbers_of_before_there_is_no_chart(channel):
    with MailServer() as server:
        tell(channel(server.port), notice(history=()))
    assert set(parts(server.mail())) == {"text/plain", "text/html"}
    assert "<img" not in parts(server.mail())["text/html"].get_content()


def test_a_mail_that_is_sent_again_is_known_as_the_same(channel):
    with MailServer() as server:
        for _ in range(2):
            tell(channel(server.port))
        tell(channel(server.port), notice(key="another"))
    first, again, other = (mail["Message-ID"] for mail in server.mails)
    assert first == again == "<9ca63ced-scan-1@example.com>"
    assert other != first


def test_what_nobody_owns_goes_to_the_addresses_of_the_table(channel):
    with MailServer() as server:
        tell(channel(server.port), notice(owner=None))
    assert [mail["To"] for mail in server.mails] == ["net@example.com", "soc@example.com"]


def test_an_owner_without_an_address_gets_no_mail_and_nobody_else_gets_it(channel):
    assert channel(25).recipients(notice(owner=replace(JANE, email=None))) == []


# TLS and login


def test_starttls_and_a_login(channel, certificate, ca):
    with MailServer("starttls", certificate, login=True) as server:
        tell(channel(server.port, "starttls = true", f'ca = "{ca}"', environ=LOGIN))
    assert server.encrypted == [True]


def test_tls_from_the_start(channel, certificate, ca):
    with MailServer("implicit", certificate, login=True) as server:
        tell(channel(server.port, "secure = true", f'ca = "{ca}"', environ=LOGIN))
    assert server.encrypted == [True]


def test_a_certificate_that_nobody_vouches_for(channel, certificate):
    with MailServer("starttls", certificate) as server, pytest.raises(SinkError) as error:
        tell(channel(server.port, "starttls = true"))
    assert f"127.0.0.1:{server.port} fails at TLS: its certificate is not trusted" in str(error.value)
    assert "(ca in the table of the channel)" in str(error.value)


def test_a_certificate_of_another_host(channel, authority, ca):
    server = MailServer("starttls", authority.issue_cert("mail.example.com"))
    with server, pytest.raises(SinkError, match=r"its certificate is another host's"):
        tell(channel(server.port, "starttls = true", f'ca = "{ca}"'))
    assert server.mails == []


def test_no_mail_goes_to_another_machine_without_starttls(channel, monkeypatch):
    """A server that leaves STARTTLS out of its answer (somebody on the way may do that) gets nothing."""
    monkeypatch.setattr(socket, "getaddrinfo", _here(socket.getaddrinfo))
    with MailServer() as server:
        with pytest.raises(SinkError, match=r"offers no STARTTLS; take another port, or starttls = false"):
            tell(channel(server.port, 'host = "mail.example.com"'))
        assert server.mails == []
        tell(channel(server.port, 'host = "mail.example.com"', "starttls = false"))
    assert server.encrypted == [False]


def _here(resolve):
    """Names lead to this machine."""
    return lambda host, *args, **kwargs: resolve("127.0.0.1", *args, **kwargs)


def test_a_password_is_not_sent_in_the_clear(channel):
    with pytest.raises(ConfigError, match=r"without TLS anybody on the way to mail.example.com could read"):
        channel(587, 'host = "mail.example.com"', "starttls = false", environ=LOGIN)


def test_tls_where_there_is_none(channel):
    with (
        MailServer() as server,
        pytest.raises(SinkError, match=r"does not begin with TLS; take secure = false"),
    ):
        tell(channel(server.port, "secure = true"))


def test_a_wrong_password_waits_until_somebody_puts_it_right(channel, certificate, ca):
    wrong = LOGIN | {"SMTP_PASSWORD": "gu3ss"}
    server = MailServer("starttls", certificate, login=True)
    with server, pytest.raises(SinkError, match=r"refuses the login: 535 .*; check SMTP_USERNAME") as error:
        tell(channel(server.port, "starttls = true", f'ca = "{ca}"', environ=wrong))
    assert "gu3ss" not in str(error.value)


def test_a_login_that_the_server_does_not_have(channel):
    with MailServer() as server, pytest.raises(SinkError, match=r"takes no login; take another port"):
        tell(channel(server.port, environ=LOGIN))


# Faults


def test_a_server_that_is_down_delays_a_mail_and_loses_none(channel):
    with MailServer() as server:
        pass
    made = channel(server.port)
    with pytest.raises(SinkError, match=rf"127.0.0.1:{server.port} can't be reached \(Connection refused\)"):
        tell(made)
    with MailServer(port=server.port) as server:
        tell(made)
    assert server.mail()["To"] == "jane@example.com"


def test_a_server_that_refuses_one_of_two_recipients(channel):
    """For good: it is not tried for ever. The other one has the mail, once."""
    with MailServer() as server:
        server.answers["net@example.com"] = "550 5.1.1 no such mailbox"
        made = channel(server.port)
        with pytest.raises(ConfigError, match=r"refuses net@example.com: 550 5.1.1 no such mailbox"):
            made.send(notice(owner=None), "net@example.com")
        made.send(notice(owner=None), "soc@example.com")
    assert server.envelopes == [("vpcflow@example.com", ["soc@example.com"])]


def test_a_recipient_that_is_refused_for_now(channel):
    with MailServer() as server:
        server.answers["jane@example.com"] = "451 4.7.1 greylisted, try later"
        with pytest.raises(SinkError, match=r"refuses jane@example.com: 451 4.7.1 greylisted"):
            tell(channel(server.port))


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ({"DATA": "452 no room"}, SinkError, "refuses the mail to jane@example.com: 452 no room"),
        (
            {"DATA": "554 looks like spam"},
            ConfigError,
            "refuses the mail to jane@example.com: 554 looks like",
        ),
        (
            {"MAIL": "550 who are you"},
            SinkError,
            "refuses mail from vpcflow@example.com: 550 who are you; it may",
        ),
        ({"MAIL": "421 going down"}, SinkError, "refuses mail from vpcflow@example.com: 421 going down"),
    ],
)
def test_what_else_a_server_may_say(channel, answer, kind, said):
    with MailServer() as server:
        server.answers |= answer
        with pytest.raises(kind, match=said):
            tell(channel(server.port))


def test_a_farewell_that_fails_does_not_send_the_mail_again(channel):
    with MailServer() as server:
        server.answers["QUIT"] = "500 what?"
        tell(channel(server.port))
    assert len(server.mails) == 1


def test_a_server_that_hangs_up(channel):
    def hang_up():
        listener.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(SinkError, match=r"does not answer in time, or hung up"):
            tell(channel(listener.getsockname()[1]))
        thread.join()


def test_a_server_that_says_nothing(channel, monkeypatch):
    monkeypatch.setattr("vpcflow.alerts.notify.email._TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made = channel(silent.getsockname()[1])
        with pytest.raises(SinkError, match=r"does not answer in time"):
            tell(made)


def test_an_address_beyond_ascii_at_a_server_that_takes_none(channel):
    with (
        MailServer() as server,
        pytest.raises(ConfigError, match=r"takes no addresses beyond ASCII, such as jürgen@"),
    ):
        tell(channel(server.port), notice(owner=replace(JANE, email="jürgen@example.com")))


# What is in a value


def test_a_line_break_in_a_name_makes_no_header(channel):
    evil = "Jane\r\nBcc: all@example.com\r\n\r\n<h1>"
    with MailServer() as server:
        tell(
            channel(server.port),
            notice(owner=replace(JANE, name=evil), rule=replace(SCAN.rule, title="Scan\nTo: b@example.com")),
        )
    assert server.mail()["Bcc"] is None
    assert server.mail().get_all("To") == ["jane@example.com"]
    assert server.mail()["Subject"] == "[medium] Scan To: b@example.com: 3 (Jane Bcc: all@example.com <h1>)"
    assert server.envelopes == [("vpcflow@example.com", ["jane@example.com"])]


def test_html_in_a_value_stays_text(channel):
    row = Row(('<script>alert("1")</script>', "<img src=x onerror=alert(1)>"), 50.0, SCAN.start)
    with MailServer() as server:
        tell(channel(server.port), notice(rows=(row,), count=1))
    page = parts(server.mail())["text/html"].get_content()
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" in page
