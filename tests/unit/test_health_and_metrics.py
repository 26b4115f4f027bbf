"""What a long run shows of itself."""

from __future__ import annotations

import json
import socket
import urllib.request
from dataclasses import replace

import pytest

from vpcflow import ConfigError
from vpcflow.pipeline import Progress
from vpcflow.service import HealthFile, Metrics

PROGRESS = Progress(
    files=3, lines=1200, documents=1198, failed=2, refused=1, nbytes=5000, total=None, seconds=4.0,
    in_flight=2, lag=37.25,
)  # fmt: skip


class TestHealthFile:
    def test_it_says_how_far_the_run_is_and_goes_with_it(self, tmp_path):
        path = tmp_path / "health.json"
        health = HealthFile(path)
        assert json.loads(path.read_text())["status"] == "starting"
        health(PROGRESS)
        said = json.loads(path.read_text())
        assert said.pop("time").endswith("Z")
        assert said == {"status": "ok", "lines": 1200, "documents": 1198, "failed": 2, "lag_seconds": 37.2}
        health.close()
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(ConfigError, match=r"health\.json: No such file or directory"):
            HealthFile(tmp_path / "run" / "health.json")


class TestMetrics:
    @pytest.fixture
    def metrics(self):
        metrics = Metrics("127.0.0.1:0")
        yield metrics
        metrics.close()

    def scraped(self, metrics: Metrics) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.split() for line in lines if line[0] != "#")}

    def test_a_scrape(self, metrics):
        assert self.scraped(metrics) == {}
        metrics(PROGRESS)
        assert self.scraped(metrics) == {
            "vpcflow_records_total": 1200,
            "vpcflow_documents_total": 1198,
            "vpcflow_failures_total": 3,
            "vpcflow_objects_total": 3,
            "vpcflow_read_bytes_total": 5000,
            "vpcflow_batches_in_flight": 2,
            "vpcflow_lag_seconds": 37.25,
        }

    def test_no_lag_where_no_object_says_its_age(self, metrics):
        metrics(replace(PROGRESS, lag=None))
        assert "vpcflow_lag_seconds" not in self.scraped(metrics)

    @pytest.mark.parametrize("address", ["9464x", "", "host:", "127.0.0.1:70000"])
    def test_an_address_that_is_none(self, address):
        with pytest.raises(ConfigError, match="must be host:port"):
            Metrics(address)

    def test_a_port_that_is_taken(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(ConfigError, match="Address already in use; take another port"):
                Metrics(f"127.0.0.1:{port}")
