"""A namespace of a test's own, and flows in it."""

from __future__ import annotations

import pytest
from set_up import LOG

import vpcflow
from vpcflow.elastic import template


@pytest.fixture
def own(es, namespace):
    """A namespace whose templates are removed afterwards, where no data stream uses them."""
    yield namespace
    es.options(ignore_status=(400, 404)).indices.delete_index_template(name=f"{template.NAME}-{namespace}")
    for kind in ("settings", "custom"):
        name = f"vpcflow-{namespace}@{kind}"
        es.options(ignore_status=(400, 404)).cluster.delete_component_template(name=name)


@pytest.fixture
def index(elasticsearch_url, tmp_path):
    """Indexes a log with the user's own call."""

    def run(namespace, data=LOG, **options):
        (tmp_path / "flow.log").write_bytes(data)
        return vpcflow.index([tmp_path / "flow.log"], to=elasticsearch_url, namespace=namespace, **options)

    return run
