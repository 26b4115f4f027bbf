"""The dead-letter file: what could not be indexed, with the reason, one JSON object a line.

An unreadable line: ``path line offset field reason original`` (and ``original_base64`` where the line is no
UTF-8). A document that the target refused: ``path reason document``. An object that its source gave up:
``path reason``.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from vpcflow.errors import ParseError
    from vpcflow.sinks.base import Refusal

__all__ = ["DEFAULT_DEAD_LETTER", "DeadLetters"]

DEFAULT_DEAD_LETTER = "vpcflow-dead-letter.ndjson"


class DeadLetters:
    """Appends to the file; makes it with the first entry. Any thread may call."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.count = 0
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()

    def add_line(self, path: str, error: ParseError) -> None:
        entry = {
            "path": path,
            "line": error.line,
            "offset": error.offset,
            "field": error.field,
            "reason": error.reason,
            "original": error.raw.decode(errors="backslashreplace"),
        }
        if not _is_utf8(error.raw):
            entry["original_base64"] = base64.b64encode(error.raw).decode()
        self._append(entry)

    def add_item(self, path: str, reason: str) -> None:
        self._append({"path": path, "reason": reason})

    def add_refusal(self, path: str, refusal: Refusal) -> None:
        try:
            document = json.loads(refusal.document)
        except ValueError:
            document = refusal.document
        self._append({"path": path, "reason": refusal.reason, "document": document})

    def flush(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.flush()

    def close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            if self._file is None:
                self._file = self.path.open("ab")
            self._file.write(line)
            self.count += 1


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
