"""What records don't say themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

__all__ = ["Enricher", "Interface"]


class Interface(NamedTuple):
    account_id: str | None
    vpc_id: str | None
    subnet_id: str | None
    interface_id: str | None
    instance_id: str | None


class Enricher(Protocol):
    @property
    def key(self) -> Literal["address", "interface"]: ...

    @property
    def fields(self) -> Mapping[str, str]: ...

    def look_up(self, value: Any, /) -> Mapping[str, object] | None: ...
