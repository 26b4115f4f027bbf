"""Which message waits for which objects: a message is done when all of its objects are."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Deliveries", "Delivery"]


@dataclass(eq=False, slots=True)
class Delivery:
    """A message, or a record of an event, that tells of objects.

    Attributes:
        id: what its carrier calls it.
        receipt: what its carrier wants to see when it is deleted or held.
        receives: how often it came so far, this time included.
        waiting: how many of its objects are still to be read.
        failed: one of its objects could not be read.
    """

    id: str
    receipt: str = ""
    receives: int = 1
    waiting: int = 0
    failed: bool = False


class Deliveries:
    """The messages in hand. Any thread may call.

    Notices come more than once, sometimes at the same time: an object that is being read for one message is
    not read again for another, but both wait for it.
    """

    def __init__(self) -> None:
        self._by_object: dict[str, list[Delivery]] = {}
        self._held: set[Delivery] = set()
        self._lock = threading.Lock()

    def hold(self, deliveries: Iterable[Delivery]) -> None:
        """Takes messages in hand whose objects come later, with `add`."""
        with self._lock:
            self._held.update(deliveries)

    def add(self, delivery: Delivery, objects: Iterable[str]) -> list[str]:
        """Takes a message in hand with its objects. Which of them nobody reads yet.

        Args:
            delivery: the message.
            objects: their identities, at least one.
        """
        names = list(dict.fromkeys(objects))
        delivery.waiting = len(names)
        with self._lock:
            fresh = [name for name in names if name not in self._by_object]
            for name in names:
                self._by_object.setdefault(name, []).append(delivery)
            self._held.add(delivery)
        return fresh

    def settle(self, name: str, *, failed: bool = False) -> tuple[list[Delivery], list[Delivery]]:
        """An object is stored or has failed: the messages that waited for it, and those that are done now."""
        with self._lock:
            waited = self._by_object.pop(name, [])
            for delivery in waited:
                delivery.waiting -= 1
                delivery.failed |= failed
            done = [delivery for delivery in waited if not delivery.waiting]
            self._held.difference_update(done)
        return waited, done

    def let_go(self, delivery: Delivery) -> None:
        """Forgets a message that has no objects."""
        with self._lock:
            self._held.discard(delivery)

    def held(self) -> list[Delivery]:
        """The messages that are not done."""
        with self._lock:
            return list(self._held)

    def drop(self) -> list[Delivery]:
        """Forgets everything; what was in hand."""
        with self._lock:
            held, self._held, self._by_object = list(self._held), set(), {}
        return held
