"""What `vpcflow setup --remove` takes away. On servers of their own: others' data streams would keep the templates."""

from __future__ import annotations

from set_up import LOG, metadata, results, vpcflow_setup

import vpcflow
from vpcflow.elastic import setup
from vpcflow.elastic.client import connect
from vpcflow.elastic.template import data_stream


def names(es):
    """All templates of the server."""
    found = es.cluster.state(metric="metadata")["metadata"]
    return {
        *found.get("index_template", {}).get("index_template", {}),
        *found.get("component_template", {}).get("component_template", {}),
    }


def test_removal_takes_away_what_set_up_made_and_nothing_else(own_elasticsearch):
    server = own_elasticsearch()
    with connect(server.url) as es:
        es.cluster.put_component_template(name="vpcflow@custom", template={"settings": {}})
        es.indices.put_index_template(name="mine", index_patterns=["mine-*"], data_stream={})
        es.indices.put_index_template(name="vpcflow-logs-mine", index_patterns=["logs-mine-*"])
        before = metadata(es)
        vpcflow_setup(server.url)
        vpcflow_setup(server.url, "--namespace", "prod", "--retention", "30d")
        made = names(es) - {"vpcflow@custom", "mine", "vpcflow-logs-mine"}

        shown, _ = vpcflow_setup(server.url, "--remove", "--dry-run")
        assert set(results(shown).values()) == {"would be removed"}
        assert names(es) >= made

        lines, errors = vpcflow_setup(server.url, "--remove", "--namespace", "prod")
        assert results(lines) == {"vpcflow-logs-prod": "removed", "vpcflow-prod@settings": "removed"}
        lines, errors = vpcflow_setup(server.url, "--remove")
        assert set(results(lines)) == made - {"vpcflow-logs-prod", "vpcflow-prod@settings"}
        assert set(results(lines).values()) == {"removed"}
        assert "Note: component template vpcflow@custom is yours: it stays" in lines
        assert errors == []
        assert metadata(es) == before

        lines, errors = vpcflow_setup(server.url, "--remove")
        assert lines[-1] == "Nothing of vpcflow is there"
        assert errors == []


def test_templates_of_data_streams_stay_and_it_is_said_what_to_do(own_elasticsearch, tmp_path):
    server = own_elasticsearch()
    (tmp_path / "flow.log").write_bytes(LOG)
    with connect(server.url) as es:
        vpcflow_setup(server.url, "--namespace", "prod")
        vpcflow.index([tmp_path / "flow.log"], to=server.url, namespace="prod")
        es.indices.refresh(index=data_stream("prod"))
        flows = es.count(index=data_stream("prod"))["count"]
        setup.put_template(es)

        lines, errors = vpcflow_setup(server.url, "--remove", code=1)
        told = results(lines)
        assert told["vpcflow-logs-prod"] == "removed"  # the one for all holds for it, too
        assert told["vpcflow-logs"] == "refused"
        assert told["vpcflow@settings"] == "not tried"
        (error,) = errors
        assert "in use by a data streams [logs-aws.vpcflow-prod]" in error
        assert "delete those data streams, flows and all, or give them another template" in error
        said = "Note: data streams stay, with their flows: logs-aws.vpcflow-prod; unless another template"
        assert any(line.startswith(said) for line in lines)

        everybodys = {"index_patterns": ["logs-*-*"], "priority": 100, "data_stream": {}}
        es.indices.put_index_template(name="logs", **everybodys)
        lines, errors = vpcflow_setup(server.url, "--remove")
        assert set(results(lines).values()) == {"removed"}
        assert names(es) == {"logs"}
        assert es.count(index=data_stream("prod"))["count"] == flows
