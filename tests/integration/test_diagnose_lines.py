"""What `vpcflow diagnose` proposes is given to who it is for: resources to Terraform, commands to EC2's API."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from vpcflow.diagnose import Diagnosis
from vpcflow.diagnose.lines import as_cli, as_terraform
from vpcflow.diagnose.model import AclEntry, Direction, Flow, GroupRule, Proposal, Refusal, Span, Verdict
from vpcflow.diagnose.usage import TooWide, Unused, Usage
from vpcflow.query.model import Period

TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
#: Whatever a log says is in a comment and a description: quotes, templates of Terraform, signs EC2 doesn't take.
WHY = 'refused "twice" ${file("/etc/passwd")} %{if true} \\ $(rm -rf /) é\nand a line'
DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")
#: Every kind of protocol: all, ICMP, TCP, UDP, GRE, which has no ports, and ICMP of IPv6.
PROTOCOLS: tuple[tuple[int | None, tuple[int, int] | None], ...] = (
    (None, None), (1, None), (6, (5432, 5432)), (6, (1024, 65535)), (17, (53, 53)), (47, None), (58, None),
)  # fmt: skip
NETWORKS = (ip_network("10.0.2.30/32"), ip_network("2001:db8::/64"))

#: Arguments of hashicorp/aws 5 and 6, from its documentation: which type, and whether one must be there.
GROUP_RULE = {
    "security_group_id": (str, True), "ip_protocol": (str, True), "from_port": (int, False), "to_port": (int, False),
    "cidr_ipv4": (str, False), "cidr_ipv6": (str, False), "prefix_list_id": (str, False),
    "referenced_security_group_id": (str, False), "description": (str, False),
}  # fmt: skip
ACL_RULE = {
    "network_acl_id": (str, True), "rule_number": (int, True), "protocol": (str, True), "rule_action": (str, True),
    "egress": (bool, False), "cidr_block": (str, False), "ipv6_cidr_block": (str, False), "from_port": (int, False),
    "to_port": (int, False), "icmp_type": (int, False), "icmp_code": (int, False),
}  # fmt: skip
PEERS = {"cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"}


def diagnosis(group: str, other: str, prefixes: str, acl: str) -> Diagnosis:
    """With a proposal of every kind, and rules to take away."""
    peers = (*NETWORKS, other, prefixes)
    rules = [
        GroupRule(group, direction, protocol, ports, peer)
        for direction, (protocol, ports), peer in product(DIRECTIONS, PROTOCOLS, peers)
    ]
    entries = [
        AclEntry(100 + number, direction, protocol, ports, network, allow=True)
        for number, (direction, (protocol, ports), network) in enumerate(
            product(DIRECTIONS, PROTOCOLS, NETWORKS)
        )
    ]
    nowhere = GroupRule(None, "ingress", 6, (22, 22), NETWORKS[0])
    span = Span(12, NOW, NOW + timedelta(minutes=3))
    refusal = Refusal(Flow("eni-1", "10.0.2.30", "10.0.3.40", 6, 5432), span, "ingress")
    proposals = [Proposal(one, None, "eni-1", WHY) for one in (*rules, nowhere)]
    proposals += [Proposal(entry, acl, "eni-1", WHY) for entry in entries]
    wide = TooWide(
        rules[0],
        6,
        2,
        ((6, 5432),),
        (GroupRule(group, "ingress", 6, (5432, 5432), ip_network("10.9.9.9/32")),),
    )
    usage = Usage(NOW, [Unused(one, 1) for one in rules[1:]], [wide], [])
    verdict = Verdict(refusal, "group", (), tuple(proposals))
    return Diagnosis(Period(NOW, NOW + timedelta(days=1)), 12, 12, [verdict], [], [], [], 1, False, usage)


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, dict[str, Any]]]:
    """The resources as Terraform itself reads them: kind and values of each.

    Without the provider, which is a download of its own: each resource becomes an output of the same values.
    """
    if TERRAFORM is None:
        pytest.skip("neither terraform nor tofu is here to read what is written for it")
    text = as_terraform(diagnosis("sg-0db", "sg-0app", "pl-0a1b", "acl-0web"), 1000)
    heads = re.findall(r'^resource "(\w+)" "(\w+)" \{$', text, re.MULTILINE)
    folder = tmp_path_factory.mktemp("terraform")
    outputs = re.sub(
        r'^resource "\w+" ("\w+") \{$(.*?)^\}$', r"output \1 {\nvalue = {\2}\n}", text, flags=re.M | re.S
    )
    (folder / "main.tf").write_text(outputs)
    terraform(folder, "apply", "-auto-approve")
    found = json.loads(terraform(folder, "output", "-json"))
    assert len(found) == len(heads)
    return [(kind, found[name]["value"]) for kind, name in heads]


def terraform(folder: Path, *args: str, text: str | None = None) -> str:
    done = subprocess.run(
        [str(TERRAFORM), *args],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull},
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(TERRAFORM is None, reason="neither terraform nor tofu is here")
def test_terraform_finds_nothing_to_format(tmp_path: Path) -> None:
    text = as_terraform(diagnosis("sg-0db", "sg-0app", "pl-0a1b", "acl-0web"), 1000)
    assert terraform(tmp_path, "fmt", "-check", "-diff", "-", text=text) == ""


def test_resources_have_the_arguments_of_the_provider(resources: list[tuple[str, dict[str, Any]]]) -> None:
    assert len(resources) == 2 * 7 * 4 + 2 * 7 * 2 + 1
    for kind, values in resources:
        known = ACL_RULE if kind == "aws_network_acl_rule" else GROUP_RULE
        assert values.keys() <= known.keys(), kind
        assert {name for name, (_, needed) in known.items() if needed} <= values.keys()
        for name, value in values.items():
            assert type(value) is known[name][0], (kind, name, value)
    assert {kind for kind, _ in resources} == {
        "aws_vpc_security_group_ingress_rule",
        "aws_vpc_security_group_egress_rule",
        "aws_network_acl_rule",
    }


def test_resources_keep_what_the_provider_says_of_them_together(
    resources: list[tuple[str, dict[str, Any]]],
) -> None:
    for kind, values in resources:
        has_ports = {"from_port", "to_port"} <= values.keys()
        if kind == "aws_network_acl_rule":
            assert len({"cidr_block", "ipv6_cidr_block"} & values.keys()) == 1
            # It knows the numbers, and by name ipv6-icmp, not icmpv6.
            assert re.fullmatch(r"-1|\d+|tcp|udp|icmp", values["protocol"])
            assert has_ports == (values["protocol"] in {"tcp", "udp"})
            icmp = values["protocol"] in {"icmp", "1", "58"}
            assert (values.get("icmp_type"), values.get("icmp_code")) == ((-1, -1) if icmp else (None, None))
        else:
            assert len(PEERS & values.keys()) == 1
            assert has_ports == (values["ip_protocol"] in {"tcp", "udp", "icmp", "icmpv6"})


def test_what_a_log_says_is_text_to_terraform(resources: list[tuple[str, dict[str, Any]]]) -> None:
    said = {values["description"] for kind, values in resources if "security_group" in kind}
    assert "refused  twice  ${file( /etc/passwd )}  {if true}   $(rm -rf /)   and a line" in said


def test_ec2_takes_the_commands(aws: Any) -> None:
    """The names of the arguments are those of EC2's API, and its server has the rules afterwards."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group, other = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        for name in ("db", "app")
    )
    every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=every)
    prefixes = ec2.create_managed_prefix_list(PrefixListName="p", MaxEntries=1, AddressFamily="IPv4")[
        "PrefixList"
    ]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    found = diagnosis(group, other, prefixes["PrefixListId"], acl)
    lines = [line for line in as_cli(found, 1000).splitlines() if line and not line.startswith("#")]
    added, removed = ([line for line in lines if ("revoke" in line) == taken] for taken in (False, True))
    requests = [request_of(ec2, line) for line in added]
    for method, request in requests:
        # moto trips over numbers of protocols in rules of groups.
        if "47" not in {one["IpProtocol"] for one in request.get("IpPermissions", ())}:
            getattr(ec2, method)(**request)
    # moto finds a rule to remove only with its description, which EC2 doesn't ask for: the model has to do.
    assert {request_of(ec2, line)[0] for line in removed} == {
        "revoke_security_group_ingress",
        "revoke_security_group_egress",
    }
    assert (len(added), len(removed)) == (2 * 7 * 4 + 1 + 2 * 7 * 2, 2 * 7 * 4)
    assert len(rules_of(ec2, group)) == 2 * 6 * 4 + 1
    [network_acl] = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    ours = [entry for entry in network_acl["Entries"] if 100 <= entry["RuleNumber"] < 200]
    assert {(entry["Egress"], entry["RuleAction"]) for entry in ours} == {(True, "allow"), (False, "allow")}
    assert len(ours) == 2 * 7 * 2
    assert all(("PortRange" in entry) == (entry["Protocol"] in {"6", "17"}) for entry in ours)


def rules_of(ec2: Any, group: str) -> list[dict[str, Any]]:
    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )
    return [rule for page in pages for rule in page["SecurityGroupRules"]]


def request_of(ec2: Any, line: str) -> tuple[str, dict[str, Any]]:
    """What the AWS CLI makes of a command: a method and its arguments, which are held against EC2's model."""
    from botocore import xform_name
    from botocore.validate import validate_parameters

    _, service, operation, *words = shlex.split(line)
    assert service == "ec2"
    method = operation.replace("-", "_")
    model = ec2.meta.service_model.operation_model(ec2.meta.method_to_api_mapping[method])
    members = {
        f"--{xform_name(name, '-')}": (name, shape) for name, shape in model.input_shape.members.items()
    }
    request: dict[str, Any] = {}
    while words:
        option = words.pop(0)
        if option in {"--ingress", "--egress"}:
            request["Egress"] = option == "--egress"
            continue
        name, shape = members[option]
        request[name] = _value(words.pop(0), shape)
    validate_parameters(request, model.input_shape)
    return method, request


def _value(word: str, shape: Any) -> Any:
    """Structures are JSON, or the CLI's short form: ``From=443,To=443``."""
    if shape.type_name == "structure":
        pairs = dict(part.split("=") for part in word.split(","))
        return {key: _value(value, shape.members[key]) for key, value in pairs.items()}
    if shape.type_name == "list":
        return json.loads(word)
    return int(word) if shape.type_name == "integer" else word
