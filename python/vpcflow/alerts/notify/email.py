"""Tells by e-mail: SMTP with TLS, one mail to one owner.

What is wrong with the way to the server (down, full, wrong password, certificate out of date) is a SinkError:
the mail waits until somebody has put it right. That the server refuses an address or a mail for good is a
ConfigError: it would do so again.
"""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from typing import TYPE_CHECKING

from vpcflow.alerts.notify.chart import bars
from vpcflow.alerts.notify.letter import write
from vpcflow.alerts.notify.page import page
from vpcflow.elastic.client import certificates, tls
from vpcflow.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vpcflow.alerts.notice import Notice
    from vpcflow.alerts.notify.config import Settings
    from vpcflow.connectors import Connector

__all__ = ["Email"]

_TIMEOUT = 30.0


class Email:
    """Mails through one server, a connection for each mail.

    TLS from the start (``secure``), else STARTTLS, which the server must offer unless it is on this machine
    or ``starttls`` is false. Certificates are checked, against the system's authorities or those of ``ca``.
    """

    def __init__(self, connector: Connector, settings: Settings) -> None:
        config = connector.config
        self.name = connector.name
        self._connector = connector
        self._settings = settings
        self._host: str = config["host"]
        self._port: int = config["port"]
        self._from: str = config["from"]
        self._secure: bool = config["secure"]
        local = self._host in ("localhost", "127.0.0.1", "::1")
        wanted = config.get("starttls")
        self._starttls: bool = not self._secure and (not local if wanted is None else wanted)
        if connector.secrets and not (self._secure or self._starttls or local):
            raise ConfigError(
                f"[alerts.channels.{self.name}]: without TLS anybody on the way to {self._host} could read "
                "the password; take out starttls = false, or unset user and password"
            )
        if not all(one.isascii() for one in connector.secrets.values()):
            raise ConfigError(f"channel {self.name}: user and password for SMTP must be ASCII; set others")
        ca = certificates(config["ca"]) if config.get("ca") else None
        self._tls = ssl.create_default_context(cafile=ca)

    def recipients(self, notice: Notice) -> list[str]:
        return self._connector.addresses(notice.owner)

    def send(self, notice: Notice, recipient: str) -> None:
        mail = self._mail(notice, recipient)
        where = f"{self._host}:{self._port}"
        try:
            server = self._connect()
            try:
                server.send_message(mail, parseaddr(self._from)[1], [recipient])
            finally:
                # What the server says after it has taken the mail changes nothing: it must not go out again.
                with suppress(OSError):
                    server.quit()
                server.close()
        except smtplib.SMTPRecipientsRefused as error:
            code, words = error.recipients[recipient]
            raise _refused(code, f"{where} refuses {recipient}: {_said(code, words)}") from error
        except smtplib.SMTPDataError as error:
            said = _said(error.smtp_code, error.smtp_error)
            raise _refused(error.smtp_code, f"{where} refuses the mail to {recipient}: {said}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise self._lacking(error, where, recipient) from error
        except OSError as error:  # smtplib's own errors are such, too
            raise SinkError(f"{where} {_why(error)}") from error

    def _connect(self) -> smtplib.SMTP:
        """A server that is ready to take mail."""
        server: smtplib.SMTP
        if self._secure:
            server = smtplib.SMTP_SSL(self._host, self._port, timeout=_TIMEOUT, context=self._tls)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT)
        try:
            if self._starttls:
                server.starttls(context=self._tls)
            if secrets := self._connector.secrets:
                server.login(secrets["user"], secrets["password"])
        except BaseException:
            server.close()
            raise
        return server

    def _lacking(self, error: Exception, where: str, recipient: str) -> ConfigError | SinkError:
        """What it means that the server has no such extension."""
        if "STARTTLS" in str(error):
            advice = "take another port, or starttls = false if the way to it is safe"
            return SinkError(f"{where} offers no STARTTLS; {advice}")
        if "AUTH" in str(error):
            return SinkError(f"{where} takes no login; take another port, or unset user and password")
        return ConfigError(f"{where} takes no addresses beyond ASCII, such as {recipient}")

    def _mail(self, notice: Notice, recipient: str) -> EmailMessage:
        letter = write(notice, self._settings)
        domain = parseaddr(self._from)[1].rpartition("@")[2]
        mail = EmailMessage()
        mail["Subject"] = letter.subject
        mail["From"] = self._from
        local, _, host = recipient.rpartition("@")
        mail["To"] = Address(username=local, domain=host)
        mail["Date"] = datetime.now(UTC)
        mail["Message-ID"] = f"<{notice.key}@{domain}>"  # a mail that is sent again is known as the same
        mail["Auto-Submitted"] = "auto-generated"  # so that nobody's holiday answers
        mail.set_content(letter.text)
        cid = f"{notice.key}.chart@{domain}" if letter.history else None
        mail.add_alternative(page(letter, f"cid:{cid}" if cid else None), subtype="html")
        if cid:
            chart = bars([value for _, value in notice.history])
            for part in _html_of(mail):
                part.add_related(chart, "image", "png", cid=f"<{cid}>", disposition="inline")
        return mail


def _html_of(mail: EmailMessage) -> Iterator[EmailMessage]:
    yield from (part for part in mail.iter_parts() if part.get_content_subtype() == "html")  # type: ignore[misc]


def _refused(code: int, what: str) -> ConfigError | SinkError:
    return ConfigError(what) if code >= 500 else SinkError(what)


def _why(error: OSError) -> str:
    """What went wrong on the way to the server, and what to do."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error)
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error):
            return "does not begin with TLS; take secure = false, or the port that does (465)"
        return f"fails at TLS: {tls(str(error), 'ca in the table of the channel')}"
    if isinstance(error, smtplib.SMTPServerDisconnected | TimeoutError):
        return "does not answer in time, or hung up; check port and secure, and that the server is well"
    if isinstance(error, smtplib.SMTPException):
        return f"can't take mail: {error}"
    return f"can't be reached ({error.strerror or error}); check host and port, and that the server runs"


def _answer(error: smtplib.SMTPResponseException) -> str:
    said = _said(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"refuses the login: {said}; check SMTP_USERNAME and SMTP_PASSWORD"
    if isinstance(error, smtplib.SMTPSenderRefused):
        return f"refuses mail from {error.sender}: {said}; it may want a login, or another from"
    return f"can't take mail now: {said}"


def _said(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())}"[:300]
