"""What a run that goes on for months shows of itself: a health file, and metrics for Prometheus."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from vpcflow.pipeline import Progress

__all__ = ["HealthFile", "Metrics"]

# Seconds between two writes of the health file.
_BEAT = 5.0


class HealthFile:
    """A JSON file that is written anew every few seconds while the run is well, and removed at its end.

    It has ``status``, ``time`` (UTC), ``lines``, ``documents``, ``failed`` and ``lag_seconds``. A watchdog
    looks at its age: one that is older than half a minute belongs to a run that hangs or is gone.

    Raises:
        ConfigError: it can't be written there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._next = 0.0
        try:
            self._write({"status": "starting", "time": _now()})
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror}; the health file can't be there") from error

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _BEAT
        content = {
            "status": "ok",
            "time": _now(),
            "lines": progress.lines,
            "documents": progress.documents,
            "failed": progress.failed,
            "lag_seconds": None if progress.lag is None else round(progress.lag, 1),
        }
        with suppress(OSError):  # it grows old, which is what it is for
            self._write(content)

    def close(self) -> None:
        with suppress(OSError):
            self._path.unlink()

    def _write(self, content: dict[str, Any]) -> None:
        part = self._path.with_name(f".{self._path.name}.part")
        part.write_text(json.dumps(content) + "\n", encoding="utf-8")
        part.replace(self._path)


class Metrics:
    """Serves the run's counts to Prometheus over HTTP.

    Args:
        address: ``host:port`` or ``:port``, to listen at.

    Raises:
        ConfigError: the address is none or taken, or `prometheus-client` isn't installed.
    """

    def __init__(self, address: str) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError as error:
            raise ConfigError(
                "metrics need the package prometheus-client: pip install 'vpcflow[metrics]'"
            ) from error
        host, _, port = address.rpartition(":")
        if not port.isdigit() or not 0 <= int(port) < 1 << 16:
            raise ConfigError(f"metrics={address}: must be host:port, such as 127.0.0.1:9464")
        self._progress: Progress | None = None
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(int(port), host or "127.0.0.1", registry)
        except OSError as error:
            raise ConfigError(f"metrics={address}: {error.strerror}; take another port") from error

    @property
    def port(self) -> int:
        """Where it listens; of interest where the address said 0."""
        return int(self._server.server_port)

    def __call__(self, progress: Progress) -> None:
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        progress = self._progress
        if progress is None:
            return
        counters: tuple[tuple[str, str, Callable[[Progress], float]], ...] = (
            ("records", "Flow log records read.", lambda it: it.lines),
            ("documents", "Documents that the target took.", lambda it: it.documents),
            ("failures", "Unreadable lines and refused documents.", lambda it: it.failed + it.refused),
            ("objects", "Files, objects and pages of events read.", lambda it: it.files),
            ("read_bytes", "Bytes read, as stored.", lambda it: it.nbytes),
        )
        for name, meaning, value in counters:
            yield CounterMetricFamily(f"vpcflow_{name}", meaning, value=value(progress))
        yield GaugeMetricFamily(
            "vpcflow_batches_in_flight", "Batches between source and target.", value=progress.in_flight
        )
        if progress.lag is not None:
            yield GaugeMetricFamily(
                "vpcflow_lag_seconds",
                "Age of the last object or event when its records were stored.",
                value=progress.lag,
            )

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
