"""AWS: sessions, messages, and the handler for Lambda, ``vpcflow.aws.handler``. Its extra is ``aws``."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    # Loaded when Lambda asks for it: sessions are used without it.
    if name == "handler":
        from vpcflow.aws.lambda_handler import handler

        return handler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
