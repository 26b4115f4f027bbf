"""A real SMTP server for the tests, with TLS, STARTTLS and logins, that keeps what it takes."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP, AuthResult

if TYPE_CHECKING:
    from email.message import EmailMessage

    import trustme

LOGIN = (b"mailer", b"s3cret-mail")


class MailServer:
    """Listens at a port of localhost while it is entered.

    Args:
        tls: ``starttls`` demands it, ``implicit`` begins with TLS; else there is none.
        certificate: of the server.
        login: whether mail is only taken after the login of `LOGIN`.
        port: where; any that is free by default.

    Attributes:
        mails: what it took, parsed, oldest first.
        envelopes: sender and recipients of each.
        encrypted: whether each came through TLS.
        answers: what it says to MAIL, QUIT, the end of DATA, or to RCPT of an address, instead of 250.
    """

    def __init__(
        self,
        tls: str | None = None,
        certificate: trustme.LeafCert | None = None,
        *,
        login: bool = False,
        port: int = 0,
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.encrypted: list[bool] = []
        self.answers: dict[str, str] = {}
        self.port = port
        self._implicit = tls == "implicit"
        self._context = None
        if certificate is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            certificate.configure_cert(self._context)
        self._options = {}
        if tls == "starttls":
            self._options = {"tls_context": self._context, "require_starttls": True}
        self._wants_login = login
        if login:
            # It does not see TLS that is there from the start.
            self._options |= {"authenticator": self._login, "auth_require_tls": not self._implicit}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> MailServer:
        self._thread.start()
        context = self._context if self._implicit else None
        listening = self._loop.create_server(self._session, "127.0.0.1", self.port, ssl=context)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def mail(self) -> EmailMessage:
        """The one mail that it took."""
        (mail,) = self.mails
        return mail

    def _session(self) -> SMTP:
        return SMTP(self, hostname="mail.example.com", loop=self._loop, **self._options)

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _login(self, server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == LOGIN, handled=False)

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self._wants_login and not session.authenticated:
            return "530 5.7.0 log in first"
        if "MAIL" not in self.answers:
            envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get(address, "250 OK")

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        self.encrypted.append(session.ssl is not None or self._implicit)
        return "250 taken"

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802
        return self.answers.get("QUIT", "221 Bye")
