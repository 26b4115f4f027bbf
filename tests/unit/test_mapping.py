"""The mapping, row by row, and the rules under it: from a record to its ECS document."""

from __future__ import annotations

import json
from typing import Any

import pytest

import samples
import vpcflow
from vpcflow import Format, Origin


def document(names: str, record: str, origin: Origin | None = None, **options: Any) -> dict[str, Any]:
    """The document of one record."""
    batch = vpcflow.parse(samples.log(names, [record]), origin=origin)
    (as_dict,) = batch.to_ecs(**options)
    assert as_dict == json.loads(batch.to_ndjson(**options))
    assert list(as_dict) == list(json.loads(batch.to_ndjson(**options)))
    return as_dict


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted paths of a document's values. An empty object would show as one."""
    if isinstance(value, dict) and value:
        return {
            p: v for key, inner in value.items() for p, v in flat(inner, f"{path}.{key}".lstrip(".")).items()
        }
    return {path: value}


def of(**fields: str) -> dict[str, Any]:
    """The flat document of a record that has just these fields, beside two addresses."""
    fields = {"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2"} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }
    return flat(document(" ".join(fields), " ".join(fields.values())))


def test_the_integrations_example_event_to_the_last_field() -> None:
    bucket, key = "elastic-package-aws-bucket-63461", "extra-samples.log"
    path = f"https://{bucket}.s3.us-east-1.amazonaws.com/{key}"
    record = "2 123456789010 eni-1235b8ca123456789 89.160.20.156 89.160.20.156 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
    origin = Origin(path=path, input_type="aws-s3", region="us-east-1", bucket=bucket, key=key)
    got = document(samples.V2, record, origin, namespace="ep", preserve_original=True)
    agent, ingested = got.pop("agent"), got["event"].pop("ingested")
    assert agent == {"type": "vpcflow", "version": vpcflow.__version__, "name": agent["name"]}
    assert len(ingested) == len("2014-12-14T04:07:50.000Z")
    assert got == {
        "@timestamp": "2014-12-14T04:07:50.000Z",
        "aws": {
            "s3": {"bucket": {"arn": f"arn:aws:s3:::{bucket}", "name": bucket}, "object": {"key": key}},
            "vpcflow": {
                "account_id": "123456789010",
                "action": "ACCEPT",
                "interface_id": "eni-1235b8ca123456789",
                "log_status": "OK",
                "version": "2",
            },
        },
        "cloud": {"account": {"id": "123456789010"}, "provider": "aws", "region": "us-east-1"},
        "data_stream": {"dataset": "aws.vpcflow", "namespace": "ep", "type": "logs"},
        # geo and as are the enrichers'
        "destination": {"address": "89.160.20.156", "ip": "89.160.20.156", "port": 22},
        "ecs": {"version": "8.11.0"},
        "event": {
            "action": "ACCEPT",
            "category": ["network"],
            "dataset": "aws.vpcflow",
            "end": "2014-12-14T04:07:50.000Z",
            "kind": "event",
            "module": "aws",
            "original": record,
            "outcome": "success",
            "start": "2014-12-14T04:06:50.000Z",
            "type": ["connection", "allowed"],
        },
        "input": {"type": "aws-s3"},
        "log": {"file": {"path": path}, "offset": len(samples.V2) + 1},
        "network": {
            "bytes": 4249,
            "community_id": "1:CEGBlG6oEeW2Y5LLdr9GONITz00=",
            "iana_number": "6",
            "packets": 20,
            "protocol": "ssh",  # the integration leaves it out
            "transport": "tcp",
            "type": "ipv4",
        },
        "related": {"ip": ["89.160.20.156"]},
        "source": {
            "address": "89.160.20.156",
            "bytes": 4249,
            "ip": "89.160.20.156",
            "packets": 20,
            "port": 20641,
        },
        "tags": ["preserve_original_event", "forwarded", "aws-vpcflow"],
    }


KEYWORDS = {
    **{
        name: f"aws.vpcflow.{name}"
        for name in [
            "interface_id",
            "log_status",
            "vpc_id",
            "subnet_id",
            "type",
            "resource_type",
            "tgw_id",
            "tgw_attachment_id",
            "tgw_src_vpc_account_id",
            "tgw_dst_vpc_account_id",
            "tgw_src_vpc_id",
            "tgw_dst_vpc_id",
            "tgw_src_subnet_id",
            "tgw_dst_subnet_id",
            "tgw_src_eni",
            "tgw_dst_eni",
            "tgw_src_az_id",
            "tgw_dst_az_id",
            "tgw_pair_attachment_id",
            "ecs_second_container_id",
            "ecs_task_definition_arn",
            "ecs_task_arn",
            "ecs_task_id",
            "resource_id",
            "instance_tag",
            "instance_tag_2",
            "interface_tag",
            "interface_tag_2",
            "asg_tag",
            "asg_tag_2",
            "interface_type",
            "next_hop_interface_id",
            "next_hop_subnet_id",
            "next_hop_az_id",
            "next_hop_vpc_id",
            "next_hop_interface_type",
        ]
    },
    "sublocation_type": "aws.vpcflow.sublocation.type",
    "sublocation_id": "aws.vpcflow.sublocation.id",
    "pkt_src_aws_service": "aws.vpcflow.pkt_src_service",
    "pkt_dst_aws_service": "aws.vpcflow.pkt_dst_service",
    "region": "cloud.region",
    "az_id": "cloud.availability_zone",
    "reject_reason": "event.reason",
    "flow_direction": "network.direction",
    "ecs_service_name": "service.name",
}


@pytest.mark.parametrize(("field", "path"), KEYWORDS.items(), ids=KEYWORDS)
def test_texts_go_to_their_one_place(field: str, path: str) -> None:
    without, with_it = of(), of(**{field: "x"})
    assert {p: v for p, v in with_it.items() if p not in without} == {path: "x"}
    # `-` is absent everywhere, and no empty object is left behind.
    assert set(of(**{field: "-"})) == set(without)


@pytest.mark.parametrize("field", ["version", "traffic_path", "encryption_status"])
def test_numbers_that_are_keywords(field: str) -> None:
    assert of(**{field: "3"})[f"aws.vpcflow.{field}"] == "3"


@pytest.mark.parametrize("reason", ["no_route", "blackhole", "mtu_exceeded", "ttl_expired"])
def test_lost_packets_are_numbers(reason: str) -> None:
    assert of(**{f"packets_lost_{reason}": "17"})[f"aws.vpcflow.packets_lost_{reason}"] == 17


def test_both_places_of_account_instance_and_action() -> None:
    got = of(account_id="012345678901", instance_id="i-01234567890123456", action="REJECT")
    assert got["cloud.account.id"] == got["aws.vpcflow.account_id"] == "012345678901"
    assert got["cloud.instance.id"] == got["aws.vpcflow.instance_id"] == "i-01234567890123456"
    assert got["event.action"] == got["aws.vpcflow.action"] == "REJECT"


def test_times() -> None:
    both = of(start="1418530010", end="1418530070")
    assert both["@timestamp"] == both["event.end"] == "2014-12-14T04:07:50.000Z"
    assert both["event.start"] == "2014-12-14T04:06:50.000Z"
    start = of(start="1418530010", end="-")
    assert start["@timestamp"] == start["event.start"] == "2014-12-14T04:06:50.000Z"
    assert "event.end" not in start


def test_without_times_the_carrier_gives_one() -> None:
    record = samples.GUIDE["NAT gateway"][1][0]
    got = document(samples.NAT, record, Origin(modified=1418530070.25))
    assert got["@timestamp"] == "2014-12-14T04:07:50.250Z"
    assert "start" not in got["event"]
    now = document(samples.NAT, record, Origin())
    assert now["@timestamp"] == now["event"]["ingested"]


@pytest.mark.parametrize(
    ("action", "outcome", "kinds"),
    [
        ("ACCEPT", "success", ["connection", "allowed"]),
        ("REJECT", "failure", ["connection", "denied"]),
        ("-", None, ["connection"]),
    ],
)
def test_action(action: str, outcome: str | None, kinds: list[str]) -> None:
    got = of(action=action)
    assert (got.get("event.outcome"), got["event.type"]) == (outcome, kinds)
    assert got.get("event.action") == (None if action == "-" else action)


@pytest.mark.parametrize(
    ("number", "keyword"),
    [(0, "hopopt"), (1, "icmp"), (2, "igmp"), (6, "tcp"), (8, "egp"), (17, "udp"), (41, "ipv6"), (47, "gre"), (50, "esp"),
     (58, "ipv6-icmp"), (89, "ospfigp"), (112, "vrrp"), (132, "sctp"), (61, None), (200, None)],
)  # fmt: skip
def test_protocols(number: int, keyword: str | None) -> None:
    got = of(protocol=str(number))
    assert got["network.iana_number"] == str(number)
    assert got.get("network.transport") == keyword


def test_ports_of_0_stay() -> None:
    got = of(srcport="0", dstport="0", protocol="1", bytes="0", packets="0")
    assert (got["source.port"], got["destination.port"], got["source.bytes"], got["network.packets"]) == (
        0,
        0,
        0,
        0,
    )


@pytest.mark.parametrize(
    ("address", "kind"), [("10.0.0.1", "ipv4"), ("2001:db8::1", "ipv6"), ("::ffff:10.0.0.1", "ipv6")]
)
def test_network_type(address: str, kind: str) -> None:
    got = of(srcaddr=address)
    assert (got["network.type"], got["source.ip"], got["source.address"]) == (kind, address, address)


def test_community_ids() -> None:
    def community_id(source: str, destination: str, protocol: int, ports: tuple[int, int]) -> str | None:
        names = "srcaddr dstaddr srcport dstport protocol"
        record = f"{source} {destination} {ports[0]} {ports[1]} {protocol}"
        found: str | None = flat(document(names, record)).get("network.community_id")
        return found

    # from the specification's own test vectors
    assert (
        community_id("128.232.110.120", "66.35.250.204", 6, (34855, 80)) == "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
    )
    assert (
        community_id("66.35.250.204", "128.232.110.120", 6, (80, 34855)) == "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
    )
    assert community_id("192.168.1.52", "8.8.8.8", 17, (54585, 53)) == "1:d/FP5EW3wiY1vCndhwleRRKHowQ="
    assert community_id("192.168.0.89", "192.168.0.1", 1, (0, 0)) == "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="
    assert community_id("192.168.170.56", "192.168.170.8", 132, (7, 80)) == community_id(
        "192.168.170.8", "192.168.170.56", 132, (80, 7)
    )
    assert community_id("10.0.0.1", "2001:db8::1", 6, (1, 2)) is None
    # TCP without its ports has none, ICMP needs none
    assert "network.community_id" not in of(protocol="6")
    assert "network.community_id" in of(protocol="1")


def test_related_ip_has_each_address_once_in_order() -> None:
    got = of(srcaddr="10.0.0.1", dstaddr="10.0.0.2", pkt_srcaddr="10.0.0.1", pkt_dstaddr="203.0.113.5")
    assert got["related.ip"] == ["10.0.0.1", "10.0.0.2", "203.0.113.5"]
    assert got["aws.vpcflow.pkt_srcaddr"] == "10.0.0.1"
    assert of(dstaddr="10.0.0.1")["related.ip"] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("flags", "names"),
    [("0", None), ("1", ["fin"]), ("2", ["syn"]), ("4", ["rst"]), ("19", ["fin", "syn", "ack"]), ("22", ["syn", "rst", "ack"]),
     ("63", ["fin", "syn", "rst", "psh", "ack", "urg"]), ("64", None), ("-", None)],
)  # fmt: skip
def test_tcp_flags(flags: str, names: list[str] | None) -> None:
    got = of(tcp_flags=flags)
    assert got.get("aws.vpcflow.tcp_flags_array") == names
    assert got.get("aws.vpcflow.tcp_flags") == (None if flags == "-" else flags)


def test_container_service() -> None:
    got = of(
        ecs_cluster_arn="arn:aws:ecs:eu-west-1:123456789010:cluster/c",
        ecs_cluster_name="c",
        ecs_container_instance_arn="arn:aws:ecs:eu-west-1:123456789010:container-instance/x",
        ecs_container_instance_id="x",
        ecs_container_id="abc-1",
    )
    assert got["orchestrator.cluster.id"] == "arn:aws:ecs:eu-west-1:123456789010:cluster/c"
    assert (got["orchestrator.cluster.name"], got["orchestrator.resource.id"]) == ("c", "x")
    assert got["orchestrator.resource.name"].endswith("container-instance/x")
    assert got["container.id"] == got["aws.vpcflow.ecs_container_id"] == "abc-1"
    assert got["orchestrator.type"] == "ecs"
    assert not [
        path for path in of(ecs_cluster_name="-", ecs_container_id="-") if path.startswith("orchestrator")
    ]


def test_tags_are_percent_decoded() -> None:
    got = of(
        instance_tag="platform%2Dengineering",
        asg_tag="caf%C3%A9%20%22x%22",
        interface_tag="100%",
        interface_tag_2="%ff",
    )
    assert got["aws.vpcflow.instance_tag"] == "platform-engineering"
    assert got["aws.vpcflow.asg_tag"] == 'café "x"'
    # what is no percent-encoding of UTF-8 stays as it is
    assert (got["aws.vpcflow.interface_tag"], got["aws.vpcflow.interface_tag_2"]) == ("100%", "%ff")


def test_the_carriers_region_fills_in() -> None:
    origin = Origin(region="eu-west-1")
    assert document(samples.V2, samples.ACCEPTED, origin)["cloud"]["region"] == "eu-west-1"
    assert document("srcaddr region", "10.0.0.1 -", origin)["cloud"]["region"] == "eu-west-1"
    assert document("srcaddr region", "10.0.0.1 us-east-1", origin)["cloud"]["region"] == "us-east-1"


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), (None, "aws")]
)
def test_bucket_arns_name_their_partition(region: str | None, partition: str) -> None:
    got = document(samples.V2, samples.ACCEPTED, Origin(bucket="b", key="k", region=region))
    assert got["aws"]["s3"]["bucket"]["arn"] == f"arn:{partition}:s3:::b"


def test_records_of_the_logs_own_health_have_no_network_fields() -> None:
    for record, status in zip(samples.GUIDE["no data and skipped"][1], ["NODATA", "SKIPDATA"], strict=True):
        got = document(samples.V2, record)
        assert got["aws"]["vpcflow"]["log_status"] == status
        assert not {"source", "destination", "network", "related"} & set(got)
        assert got["event"]["start"] == "2015-05-10T18:01:16.000Z"


def test_a_record_with_addresses_is_mapped_whatever_its_status() -> None:
    got = document(samples.V2, samples.ACCEPTED.replace(" OK", " SKIPDATA"))
    assert got["source"]["ip"] == "172.31.16.139"


def test_without_a_carrier_the_input_is_a_log() -> None:
    assert document(samples.V2, samples.ACCEPTED)["input"] == {"type": "log"}


def test_tags_and_namespace() -> None:
    got = document(samples.V2, samples.ACCEPTED, tags=["team-a", 'quo"te'], namespace="prod")
    assert got["tags"] == ["forwarded", "aws-vpcflow", "team-a", 'quo"te']
    assert got["data_stream"] == {"type": "logs", "dataset": "aws.vpcflow", "namespace": "prod"}
    assert "original" not in got["event"]


def test_key_order_is_that_of_the_documentation() -> None:
    names = " ".join(
        [
            *Format.full(11).names,
            *[n for n in Format.transit_gateway().names if n not in Format.full(11).names],
        ]
    )
    tokens = dict.fromkeys(samples.NUMBERS, "1") | {
        name: "10.0.0.1" for name in names.split() if name.endswith("addr")
    }
    got = document(
        names,
        " ".join(tokens.get(name, "x") for name in names.split()),
        Origin(path="/p", bucket="b", key="k"),
    )
    assert list(got) == [
        "@timestamp", "event", "source", "destination", "network", "related", "cloud", "aws", "orchestrator", "service",
        "container", "log", "agent", "data_stream", "ecs", "input", "tags",
    ]  # fmt: skip
    assert list(got["event"]) == [
        "start", "end", "action", "type", "reason", "kind", "category", "dataset", "module", "ingested",
    ]  # fmt: skip
