"""Waiting for what happens beside a test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def wait_for(what: Callable[[], T], seconds: float = 60) -> T:
    """The first answer that is something; the test fails when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        if time.monotonic() > deadline:
            pytest.fail(f"it did not come in {seconds} seconds")
        time.sleep(0.02)
    return answer
