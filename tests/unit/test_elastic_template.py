"""The index template and the names around it, as far as no server is needed."""

from __future__ import annotations

import pytest

import vpcflow
from vpcflow import ConfigError, _core
from vpcflow.elastic import template
from vpcflow.elastic.client import connect, credentials, public_url, reason
from vpcflow.formats import to_format

#: What users of Elastic's integration rely on.
PROMISED = {
    "@timestamp": "date",
    "aws.s3.bucket.arn": "keyword",
    "aws.s3.bucket.name": "keyword",
    "aws.s3.metadata": "flattened",
    "aws.s3.object.key": "keyword",
    "aws.vpcflow.account_id": "keyword",
    "aws.vpcflow.action": "keyword",
    "aws.vpcflow.instance_id": "keyword",
    "aws.vpcflow.interface_id": "keyword",
    "aws.vpcflow.log_status": "keyword",
    "aws.vpcflow.pkt_dst_service": "keyword",
    "aws.vpcflow.pkt_dstaddr": "ip",
    "aws.vpcflow.pkt_src_service": "keyword",
    "aws.vpcflow.pkt_srcaddr": "ip",
    "aws.vpcflow.sublocation.id": "keyword",
    "aws.vpcflow.sublocation.type": "keyword",
    "aws.vpcflow.subnet_id": "keyword",
    "aws.vpcflow.tcp_flags": "keyword",
    "aws.vpcflow.tcp_flags_array": "keyword",
    "aws.vpcflow.traffic_path": "keyword",
    "aws.vpcflow.type": "keyword",
    "aws.vpcflow.version": "keyword",
    "aws.vpcflow.vpc_id": "keyword",
    "cloud.image.id": "keyword",
    "data_stream.dataset": "constant_keyword",
    "data_stream.namespace": "constant_keyword",
    "data_stream.type": "constant_keyword",
    "event.module": "constant_keyword",
    "host.containerized": "boolean",
    "host.os.build": "keyword",
    "host.os.codename": "keyword",
    "input.type": "keyword",
    "log.offset": "long",
}

#: The rest of ECS that documents have.
WRITTEN = {
    "destination.as.number": "long",
    "destination.geo.location": "geo_point",
    "destination.ip": "ip",
    "destination.port": "long",
    "error.message": "match_only_text",
    "event.end": "date",
    "event.ingested": "date",
    "event.original": "keyword",
    "event.start": "date",
    "event.type": "keyword",
    "network.bytes": "long",
    "network.community_id": "keyword",
    "network.iana_number": "keyword",
    "network.packets": "long",
    "related.ip": "ip",
    "source.as.organization.name": "keyword",
    "source.bytes": "long",
    "source.geo.country_iso_code": "keyword",
    "source.ip": "ip",
    "source.packets": "long",
    "source.port": "long",
    "tags": "keyword",
}


#: What enrichment adds.
ENRICHED = {
    "aws.vpcflow.interface.name": "keyword",
    "aws.vpcflow.interface.type": "keyword",
    "aws.vpcflow.security_groups": "keyword",
    "cloud.instance.name": "keyword",
    "destination.cloud.instance.name": "keyword",
    "host.name": "keyword",
    "network.protocol": "keyword",
    "source.geo.location": "geo_point",
    "source.cloud.availability_zone": "keyword",
    "source.domain": "keyword",
    "source.interface.type": "keyword",
    "threat.feed.name": "keyword",
    "threat.indicator.first_seen": "date",
    "threat.indicator.ip": "ip",
    "threat.indicator.type": "keyword",
}


def leaves(properties, above=""):
    for name, mapping in properties.items():
        if "properties" in mapping:
            yield from leaves(mapping["properties"], f"{above}{name}.")
        else:
            yield f"{above}{name}", mapping


def mappings(server=None):
    """The mappings of all component templates, by the dotted names of their fields."""
    found = {}
    for part in template.parts(template.Options(), server or template.Server()):
        found |= dict(leaves(part.body.get("template", {}).get("mappings", {}).get("properties", {})))
    return found


def paths(document, above=""):
    """The dotted names of the fields of a document."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from paths(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


@pytest.mark.parametrize(("name", "kind"), sorted((PROMISED | WRITTEN | ENRICHED).items()))
def test_a_field_has_its_type(name, kind):
    assert template.fields()[name]["type"] == kind
    assert mappings()[name]["type"] == kind


def test_every_column_of_the_core_is_mapped():
    mapped = mappings()
    # Latitude and longitude are columns, but one field.
    points = tuple(f"{name}." for name, mapping in mapped.items() if mapping["type"] == "geo_point")
    columns = [(name, kind) for name, kind, _ in _core.columns() if not name.startswith(points)]
    assert len(points) == 2
    assert [name for name, kind in columns if mapped[name]["type"] != kind] == []


@pytest.mark.parametrize("layout", ["v5", "v11", "transit-gateway"])
def test_every_field_of_a_document_is_mapped(layout):
    # Every field has a value: a number for numbers, an address for addresses, text elsewhere.
    record_format = to_format(layout)
    addresses = {"srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr"}
    numbers = {name for _, name, kind, _ in _core.fields() if kind.startswith("INT")}
    line = " ".join(
        "10.0.0.1" if name in addresses else "6" if name in numbers else "text"
        for name in record_format.names
    )
    origin = vpcflow.Origin(path="s3://b/k", bucket="b", key="k", region="eu-west-1", input_type="aws-s3")
    batch = vpcflow.parse(f"{line}\nbad\n".encode(), format=record_format, origin=origin)
    good, bad = batch.to_ecs(preserve_original=True, tags=("mine",))
    assert good["event"]["kind"] == "event"
    assert bad["event"]["kind"] == "pipeline_error"
    written = {*paths(good), *paths(bad)}
    assert len(written) > 50
    assert written - mappings().keys() == set()


def test_only_fields_of_aws_and_labels_are_dynamic():
    def dynamic(properties, above=""):
        for name, mapping in properties.items():
            if "dynamic" in mapping:
                yield f"{above}{name}", mapping["dynamic"]
            yield from dynamic(mapping.get("properties", {}), f"{above}{name}.")

    found = {}
    for part in template.parts(template.Options(), template.Server()):
        if mapping := part.body.get("template", {}).get("mappings"):
            found |= dict(dynamic({"all": mapping}))
    assert found == {
        "all": False,
        "all.aws.vpcflow": True,
        "all.labels": True,
    }


def test_the_line_is_kept_and_not_indexed():
    assert template.fields()["event.original"] == {"type": "keyword", "index": False, "doc_values": False}


def test_stand_ins_take_the_place_of_types_that_a_server_lacks():
    before, after = mappings(), mappings(template.Server(stand_ins=template.STAND_INS))
    assert {mapping["type"] for mapping in after.values()}.isdisjoint(template.STAND_INS)
    changed = {name: mapping["type"] for name, mapping in after.items() if mapping != before[name]}
    assert changed == {
        "data_stream.dataset": "keyword",
        "data_stream.namespace": "keyword",
        "data_stream.type": "keyword",
        "error.message": "text",
        "event.module": "keyword",
    }


def test_options_that_are_none():
    for options, why in (
        ({"retention": "30"}, "retention '30' is no time"),
        ({"retention": "0d"}, "no time to keep flows"),
        ({"retention": "1y"}, "take one such as 30d or 12h, or forever"),
        ({"shards": 0}, "1 to 1024"),
        ({"namespace": "Prod"}, "not lower-case"),
    ):
        with pytest.raises(ConfigError, match=why):
            template.Options(**options)


@pytest.mark.parametrize(
    ("retention", "age"), [(None, "30d"), ("12h", "1h"), ("14d", "1d"), ("15d", "7d"), ("365d", "30d")]
)
def test_an_ilm_policy_rolls_over_as_data_stream_lifecycle_does(retention, age):
    options = template.Options("prod", retention=retention)
    policy, *components, index = template.parts(options, template.Server(lifecycle="ILM"))
    assert (policy.kind, policy.name) == ("ILM policy", "vpcflow-logs-prod")
    phases = policy.body["policy"]["phases"]
    assert phases["hot"]["actions"]["rollover"]["max_age"] == age
    assert phases.get("delete", {}).get("min_age") == retention
    (settings,) = (part.body["template"] for part in components if part.name == "vpcflow-prod@settings")
    assert settings["settings"]["index.lifecycle.name"] == policy.name
    assert "lifecycle" not in settings
    assert settings and index.body["index_patterns"] == ["logs-aws.vpcflow-prod"]


@pytest.mark.parametrize("namespace", ["default", "prod_eu", "a.b", "1", "é" * 50, "x" * 100])
def test_namespaces(namespace):
    assert template.data_stream(namespace) == f"logs-aws.vpcflow-{namespace}"


@pytest.mark.parametrize(
    ("namespace", "why"),
    [
        ("", "empty"),
        ("Prod", "not lower-case"),
        ("É", "not lower-case"),
        ("x" * 101, "101 bytes long"),
        ("é" * 51, "102 bytes long"),
        *((f"a{char}b", "not a name") for char in '\\/*?"<>| ,#:-\n\t\x00'),
    ],
)
def test_namespaces_that_elasticsearch_refuses(namespace, why):
    with pytest.raises(ConfigError, match=why) as said:
        template.data_stream(namespace)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://es.example.com", "https://es.example.com:443"),
        ("http://u:secret@localhost:9200/", "http://localhost:9200"),
        ("HTTPS://u:s%40cret@ES:9243/prefix/", "https://es:9243/prefix"),
        ("http://[::1]:9200", "http://[::1]:9200"),
    ],
)
def test_public_urls(url, public):
    assert public_url(url) == public


@pytest.mark.parametrize(
    "url",
    [
        "",
        "es:9200",
        "ftp://es",
        "https://",
        "https://es:99999",
        "https://u:secret@es:x",
        "https://u:se/cret@es",
        "https://es?a=b",
    ],
)
def test_urls_that_are_none(url):
    with pytest.raises(ConfigError, match="the URL of Elasticsearch is not one") as said:
        connect(url)
    assert "cret" not in str(said.value)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, (None, None, None)),
        ({"X_API_KEY": "abc=="}, ("abc==", None, None)),
        ({"X_API_KEY": "id:key"}, ("aWQ6a2V5", None, None)),
        ({"X_USERNAME": "u", "X_PASSWORD": "p w"}, (None, "u", "p w")),
        ({"X_API_KEY": "k==", "X_USERNAME": "u", "X_PASSWORD": "p w"}, ("k==", None, None)),
    ],
)
def test_credentials(environ, expected):
    found = credentials("X", environ)
    assert found == expected
    secrets = {value for name, value in environ.items() if name != "X_USERNAME"}
    assert not [secret for secret in secrets if secret in repr(found)]


def test_credentials_from_files(tmp_path):
    (tmp_path / "password").write_text("p w\n")
    environ = {"X_USERNAME": "u", "X_PASSWORD_FILE": str(tmp_path / "password")}
    assert credentials("X", environ) == (None, "u", "p w")
    with pytest.raises(ConfigError, match="X_PASSWORD and X_PASSWORD_FILE are both set"):
        credentials("X", environ | {"X_PASSWORD": "p"})
    with pytest.raises(ConfigError, match=r"X_API_KEY_FILE: .*missing: No such file"):
        credentials("X", {"X_API_KEY_FILE": str(tmp_path / "missing")})
    (tmp_path / "password").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        credentials("X", environ)


@pytest.mark.parametrize("half", ["USERNAME", "PASSWORD"])
def test_half_of_the_credentials(half):
    with pytest.raises(ConfigError, match=f"X_{half} is set without"):
        credentials("X", {f"X_{half}": "secret"})


def test_reasons_go_down_to_the_cause():
    item = {
        "status": 400,
        "error": {
            "type": "document_parsing_exception",
            "reason": "[1:9] failed to parse field [source.ip]",
            "caused_by": {
                "type": "illegal_argument_exception",
                "reason": "'x' is not\nan IP string literal.",
            },
        },
    }
    assert reason(item) == "[1:9] failed to parse field [source.ip]: 'x' is not an IP string literal."
    assert reason({"error": "plain words", "status": 405}) == "plain words"
    assert reason("<html>") == "<html>"
