"""Files that people write: what is wrong in one is said with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpcflow.errors import ConfigError

__all__ = ["Place"]

#: What in a reason stands in the file as it is: names of fields, what is quoted; then any word.
_WORDS = (r"[\w@-]+(?:[.|_][\w-]+)+", r"'([^']+)'", r"[\w@-]{3,}")

#: How a word stands there: as a key or a value by itself; then within other words.
_FORMS = (r"""(?:^|[\[{{,:-])\s*["']?{}["']?\s*(?:[\]}},:|]|$)""", r"(?<![\w.]){}(?!\w)")


@dataclass(frozen=True, slots=True)
class Place:
    """A file of YAML, or a part of it.

    Attributes:
        path: of the file.
        text: all of it.
        node: of the part, as PyYAML composes it; None is all of the file.
        name: of the part, for messages.
    """

    path: Path
    text: str
    node: Any = None
    name: str = ""

    def documents(self) -> list[Place]:
        """The places of the documents of the file, without empty ones."""
        import yaml

        safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        nodes = yaml.compose_all(self.text, Loader=safe)
        mappings = (node for node in nodes if isinstance(node, yaml.MappingNode) and node.value)
        return [Place(self.path, self.text, node) for node in mappings]

    def within(self, key: str | int, name: str = "") -> Place:
        """The place of a key with its value, or of an entry of a list; this place where there is none."""
        for found, start, value in _parts(self.node):
            if found == key:
                return Place(self.path, self.text, _Span(start, value), name or self.name)
        return Place(self.path, self.text, self.node, name or self.name)

    def error(self, why: str, *words: str) -> ConfigError:
        """The error at the first line here that has one of the words, else a word of the reason.

        Without either it is where this place begins.
        """
        first, lines = self._lines()
        told = (
            f"{self.path}: {why}" if self.node is None else f"{self.path}, line {first}: {self._named(why)}"
        )
        for kind in (words, *(re.findall(pattern, why) for pattern in _WORDS)):
            for form in _FORMS:
                for word in kind:
                    found = re.compile(form.format(re.escape(word)))
                    for number, line in enumerate(lines, first):
                        if found.search(line):
                            return ConfigError(f"{self.path}, line {number}: {self._named(why)}")
        return ConfigError(told)

    def _named(self, why: str) -> str:
        return f"{self.name}: {why}" if self.name else why

    def _lines(self) -> tuple[int, list[str]]:
        """The number of the first line, and the lines."""
        lines = self.text.splitlines()
        if self.node is None:
            return 1, lines
        start, end = self.node.start_mark, self.node.end_mark
        last = end.line + 1 if end.line == start.line or end.column > start.column else end.line
        return start.line + 1, lines[start.line : last]


@dataclass(frozen=True, slots=True)
class _Span:
    """A value from where its key begins."""

    key: Any
    inner: Any

    @property
    def start_mark(self) -> Any:
        return self.key.start_mark

    @property
    def end_mark(self) -> Any:
        return self.inner.end_mark


def _parts(node: Any) -> Iterator[tuple[str | int, Any, Any]]:
    """Keys or numbers of a node, where each begins, and its value."""
    value = getattr(node.inner if isinstance(node, _Span) else node, "value", None)
    for number, part in enumerate(value if isinstance(value, list) else ()):
        if isinstance(part, tuple):
            yield part[0].value, *part
        else:
            yield number, part, part
