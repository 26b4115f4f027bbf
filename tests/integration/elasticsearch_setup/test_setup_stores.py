"""What `vpcflow setup` stores, changes and leaves on a real server."""

from __future__ import annotations

from set_up import metadata, results, simulated, vpcflow_setup

from vpcflow.elastic import setup, template
from vpcflow.elastic.template import data_stream


def test_a_second_run_changes_nothing(elasticsearch_url, es, own):
    args = ("--namespace", own, "--retention", "30d", "--shards", "2")
    first, _ = vpcflow_setup(elasticsearch_url, *args)
    assert results(first)[f"vpcflow-{own}@settings"] == "created"
    assert results(first)[f"vpcflow-logs-{own}"] == "created"
    assert "Note: flows are deleted when they are older than 30d, by data stream lifecycle" in first
    before = metadata(es)
    second, errors = vpcflow_setup(elasticsearch_url, *args)
    assert results(second) == {
        "vpcflow-ecs@mappings": "left as it is",
        "vpcflow-aws@mappings": "left as it is",
        f"vpcflow-{own}@settings": "left as it is",
        f"vpcflow-logs-{own}": "left as it is",
    }
    assert errors == []
    assert metadata(es) == before


def test_a_dry_run_changes_nothing(elasticsearch_url, es, own):
    before = metadata(es)
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--dry-run")
    assert results(lines)[f"vpcflow-logs-{own}"] == "would be created"
    assert lines[-1] == "Nothing was changed: run it without --dry-run for that"
    assert metadata(es) == before
    vpcflow_setup(elasticsearch_url, "--namespace", own)
    before = metadata(es)
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "3", "--dry-run")
    assert results(lines)[f"vpcflow-{own}@settings"] == "would be changed"
    assert "  setting index.number_of_shards: added, 3" in lines
    assert metadata(es) == before


def test_a_namespace_has_its_own_storage_and_the_others_do_not(elasticsearch_url, es, own):
    vpcflow_setup(elasticsearch_url, "--namespace", own, "--retention", "12h", "--shards", "3")
    settings, mappings, lifecycle = simulated(es, own)
    assert settings["number_of_shards"] == "3"
    assert lifecycle["data_retention"] == "12h"
    assert mappings["properties"]["source"]["properties"]["ip"]["type"] == "ip"
    setup.put_template(es)
    other, _, lifecycle = simulated(es, f"{own}x")
    assert other.get("number_of_shards", "1") == "1"
    assert "data_retention" not in lifecycle


def test_what_was_chosen_stays_chosen(elasticsearch_url, es, own, index):
    vpcflow_setup(elasticsearch_url, "--namespace", own, "--retention", "30d", "--index-mode", "standard")
    vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "2")
    assert index(own).ok
    settings, _, lifecycle = simulated(es, own)
    assert (settings["number_of_shards"], lifecycle["data_retention"]) == ("2", "30d")
    assert "mode" not in settings
    (backing,) = es.indices.get_settings(index=data_stream(own)).body.values()
    assert backing["settings"]["index"]["number_of_shards"] == "2"
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--retention", "forever")
    assert "  retention: 30d → for ever" in lines
    assert "data_retention" not in simulated(es, own)[2]


def test_what_users_put_into_custom_wins_and_is_never_touched(elasticsearch_url, es, own):
    name = f"vpcflow-{own}@custom"
    custom = {
        "settings": {"index.refresh_interval": "42s", "index.number_of_shards": 4},
        "mappings": {"properties": {"mine": {"type": "keyword"}}},
    }
    es.cluster.put_component_template(name=name, template=custom)
    before = es.cluster.get_component_template(name=name)["component_templates"]
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "2")
    assert name not in results(lines)
    assert es.cluster.get_component_template(name=name)["component_templates"] == before
    settings, mappings, _ = simulated(es, own)
    assert (settings["refresh_interval"], settings["number_of_shards"]) == ("42s", "4")
    assert mappings["properties"]["mine"] == {"type": "keyword"}


def test_an_upgrade_says_what_changes(elasticsearch_url, es, own):
    vpcflow_setup(elasticsearch_url, "--namespace", own)
    name = f"vpcflow-{own}@settings"
    es.cluster.put_component_template(
        name=name,
        template={"settings": {"index.codec": "default", "index.refresh_interval": "7s"}},
        version=template.VERSION - 1,
        meta={"managed_by": "vpcflow"},
    )
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own)
    assert results(lines)[name] == "changed"
    at = lines.index(f"{name}:")
    differences = [line.strip() for line in lines[at + 1 :] if line.startswith("  ")]
    assert "setting index.codec: default → best_compression" in differences
    assert "setting index.refresh_interval: removed, was 7s" in differences
    assert "setting index.mode: added, logsdb" in differences
    assert f"version: {template.VERSION - 1} → {template.VERSION}" in differences
    assert results(vpcflow_setup(elasticsearch_url, "--namespace", own)[0])[name] == "left as it is"


def test_a_newer_template_is_left_alone(elasticsearch_url, es, own):
    pattern = [data_stream(own)]
    name = f"{template.NAME}-{own}"
    es.indices.put_index_template(
        name=name,
        index_patterns=pattern,
        priority=template.NAMESPACE_PRIORITY,
        data_stream={},
        version=template.VERSION + 1,
        meta={"managed_by": "vpcflow"},
    )
    before = metadata(es)
    lines, errors = vpcflow_setup(elasticsearch_url, "--namespace", own)
    assert set(results(lines).values()) == {"left: a newer vpcflow wrote it"}
    assert errors == []
    _, errors = vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "2", code=1)
    assert errors == ["Error: what was asked for was not done; use the newer vpcflow"]
    assert metadata(es) == before


def test_somebody_elses_template_is_not_overwritten(elasticsearch_url, es, own):
    name = f"{template.NAME}-{own}"
    es.indices.put_index_template(name=name, index_patterns=[data_stream(own)], priority=300, data_stream={})
    before = metadata(es)
    lines, errors = vpcflow_setup(elasticsearch_url, "--namespace", own, code=2)
    assert lines == []
    assert errors == [f"Error: index template {name} of the server is not vpcflow's; rename or delete it"]
    assert metadata(es) == before
    assert setup.put_template(es, own) == [f"the index template {name} is not vpcflow's: it is left as it is"]


def test_what_the_server_refuses_is_said_and_the_rest_is_not_tried(elasticsearch_url, es, own):
    # The user's own component contradicts ours: only the whole shows it.
    es.cluster.put_component_template(
        name=f"vpcflow-{own}@custom",
        template={"mappings": {"properties": {"@timestamp": {"type": "keyword"}}}},
    )
    lines, errors = vpcflow_setup(elasticsearch_url, "--namespace", own, code=1)
    assert results(lines)[f"vpcflow-logs-{own}"] == "refused"
    (error,) = errors
    assert error.startswith(f"Error: index template vpcflow-logs-{own}: ")
    assert "timestamp field [@timestamp] is of type [keyword]" in error


def test_data_streams_that_exist_get_it_with_their_next_rollover(elasticsearch_url, es, own, index):
    vpcflow_setup(elasticsearch_url, "--namespace", own)
    assert index(own).ok
    stream = data_stream(own)
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "2", "--retention", "7d")
    assert (
        f"Note: {stream} exists: it changes with its next rollover; POST /{stream}/_rollover does that at once"
        in lines
    )
    lifecycle = f'PUT /_data_stream/{stream}/_lifecycle {{"data_retention": "7d"}}'
    assert f"Note: {stream} keeps its retention; {lifecycle} changes it" in lines
    new = es.indices.rollover(alias=stream)["new_index"]
    settings = es.indices.get_settings(index=new)[new]["settings"]["index"]
    assert settings["number_of_shards"] == "2"
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own)
    assert not [line for line in lines if "rollover;" in line], "nothing changed: nothing to roll over"
