"""A mapping as a careful Python programmer writes it: dict literals, orjson, caches for what repeats.

It writes the fields that vpcflow writes, but no community id (`ndjson`) unless the `communityid` package
makes it (`ndjson-communityid`). It knows two layouts and trusts them; a bad line is an exception.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import common  # noqa: F401  (puts benchmarks/ on the path)
import orjson
from harness import contend, counted

Document = dict[str, Any]

TRANSPORT = {"1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "58": "ipv6-icmp", "132": "sctp"}
OUTCOME = {"ACCEPT": "success", "REJECT": "failure"}
TYPE = {"ACCEPT": ["connection", "allowed"], "REJECT": ["connection", "denied"], "-": ["connection"]}
FLAGS = ((1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"))

AGENT = {"type": "vpcflow", "version": "1", "name": platform.node()}
CATEGORY = ["network"]
DATA_STREAM = {"type": "logs", "dataset": "aws.vpcflow", "namespace": "default"}
ECS = {"version": "8.11.0"}
INPUT = {"type": "log"}
TAGS = ["forwarded", "aws-vpcflow"]
INGESTED = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Times(dict[str, str]):
    """Unix seconds as text → ISO 8601."""

    def __missing__(self, seconds: str) -> str:
        moment = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self[seconds] = moment
        return moment


class Flags(dict[str, list[str]]):
    """tcp-flags as text → the names of the flags."""

    def __missing__(self, value: str) -> list[str]:
        bits = int(value)
        names = self[value] = [name for bit, name in FLAGS if bits & bit]
        return names


times, flag_names = Times(), Flags()


def v2(line: str, file: Document, offset: int) -> Document:
    """The document of a line of AWS's default format."""
    fields = line.split()
    account, interface, source, destination = fields[1:5]
    start, end, action, status = fields[10:14]
    event = {
        "kind": "event",
        "category": CATEGORY,
        "type": TYPE[action],
        "dataset": "aws.vpcflow",
        "module": "aws",
        "start": times[start],
        "end": times[end],
        "ingested": INGESTED,
    }
    flow = {"version": fields[0], "account_id": account, "interface_id": interface, "log_status": status}
    document = {
        "@timestamp": event["end"],
        "agent": AGENT,
        "aws": {"vpcflow": flow},
        "cloud": {"provider": "aws", "account": {"id": account}},
        "data_stream": DATA_STREAM,
        "ecs": ECS,
        "event": event,
        "input": INPUT,
        "log": {"file": file, "offset": offset},
        "tags": TAGS,
    }
    if action != "-":
        event["action"] = flow["action"] = action
        event["outcome"] = OUTCOME[action]
    if source == "-":
        return document
    protocol, packets, nbytes = fields[7], int(fields[8]), int(fields[9])
    network = {
        "bytes": nbytes,
        "packets": packets,
        "iana_number": protocol,
        "type": "ipv6" if ":" in source else "ipv4",
    }
    transport = TRANSPORT.get(protocol)
    if transport is not None:
        network["transport"] = transport
    document["network"] = network
    document["source"] = {
        "address": source,
        "ip": source,
        "port": int(fields[5]),
        "bytes": nbytes,
        "packets": packets,
    }
    document["destination"] = {"address": destination, "ip": destination, "port": int(fields[6])}
    document["related"] = {"ip": [source, destination] if source != destination else [source]}
    return document


def v5(line: str, file: Document, offset: int) -> Document:  # noqa: PLR0912  (a field, a branch)
    """The document of a line with every field of version 5."""
    document = v2(line, file, offset)
    (
        vpc, subnet, instance, flags, family, packet_source, packet_destination, region, zone, sublocation,
        sublocation_id, source_service, destination_service, direction, path,
    ) = line.split()[14:]  # fmt: skip
    flow, cloud = document["aws"]["vpcflow"], document["cloud"]
    if vpc != "-":
        flow["vpc_id"] = vpc
    if subnet != "-":
        flow["subnet_id"] = subnet
    if instance != "-":
        flow["instance_id"] = instance
        cloud["instance"] = {"id": instance}
    if region != "-":
        cloud["region"] = region
    if zone != "-":
        cloud["availability_zone"] = zone
    if sublocation != "-":
        flow["sublocation"] = {"type": sublocation, "id": sublocation_id}
    if family == "-":
        return document
    flow["type"] = family
    if flags != "-":
        flow["tcp_flags"] = flags
        if flags != "0":
            flow["tcp_flags_array"] = flag_names[flags]
    if source_service != "-":
        flow["pkt_src_service"] = source_service
    if destination_service != "-":
        flow["pkt_dst_service"] = destination_service
    if path != "-":
        flow["traffic_path"] = path
    if direction != "-":
        document["network"]["direction"] = direction
    flow["pkt_srcaddr"] = packet_source
    flow["pkt_dstaddr"] = packet_destination
    related = document["related"]["ip"]
    for address in (packet_source, packet_destination):
        if address not in related:
            related.append(address)
    return document


def community_ids() -> Callable[[Document], None]:
    """Adds the community id as the `communityid` package computes it."""
    import communityid

    calculate = communityid.CommunityID().calc
    tuples = {"1": communityid.FlowTuple.make_icmp, "58": communityid.FlowTuple.make_icmp6}

    def add(document: Document) -> None:
        network = document.get("network")
        if network is None:
            return
        protocol, source, destination = network["iana_number"], document["source"], document["destination"]
        if protocol in tuples:
            # The log has no type: an echo, as the integration has it.
            flow = tuples[protocol](source["ip"], destination["ip"], 8 if protocol == "1" else 128, 0)
        else:
            flow = communityid.FlowTuple(
                int(protocol), source["ip"], destination["ip"], source["port"], destination["port"]
            )
        network["community_id"] = calculate(flow)

    return add


def write(source: str, target: str, add: Callable[[Document], None] | None = None) -> int:
    """Documents of a file, a line each; returns how many."""
    dumps, newline = orjson.dumps, orjson.OPT_APPEND_NEWLINE
    file = {"path": source}
    with Path(source).open(encoding="ascii") as lines, Path(target).open("wb", buffering=1 << 20) as out:
        header = next(lines)
        mapping = v5 if "vpc-id" in header else v2
        offset, records = len(header), 0
        for line in lines:
            document = mapping(line, file, offset)
            if add is not None:
                add(document)
            out.write(dumps(document, option=newline))
            offset += len(line)
            records += 1
    return records


if __name__ == "__main__":
    contend(
        {
            "ndjson": (write, counted),
            "ndjson-communityid": (lambda source, target: write(source, target, community_ids()), counted),
        }
    )
