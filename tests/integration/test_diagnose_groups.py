"""`vpcflow diagnose` with security groups and network ACLs at hand: in files, and from EC2 (moto)."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from aws import Moto
from diagnosing import ACCOUNT, APP, DB, PARTNER, TARGETS, WEB, Target, flow, open_target

INVENTORY = f"""\
interface-id,private-ip,account-id,vpc-id,subnet-id,security-groups
eni-web,{WEB[1]},{ACCOUNT},vpc-1,subnet-web,sg-web
eni-app,{APP[1]},{ACCOUNT},vpc-1,subnet-app,sg-app
eni-db,{DB[1]},{ACCOUNT},vpc-1,subnet-db,sg-db
"""


def group(
    name: str, *permissions: dict[str, Any], egress: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    everywhere = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    return {
        "GroupId": name, "GroupName": name, "OwnerId": ACCOUNT, "VpcId": "vpc-1",
        "IpPermissions": list(permissions), "IpPermissionsEgress": everywhere if egress is None else egress,
    }  # fmt: skip


def allow(port: int, *cidrs: str, last: int | None = None, groups: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "IpProtocol": "tcp", "FromPort": port, "ToPort": last or port,
        "IpRanges": [{"CidrIp": it} for it in cidrs], "UserIdGroupPairs": [{"GroupId": it} for it in groups],
    }  # fmt: skip


def acl(
    *entries: tuple[int, bool, str, str], subnet: str = "subnet-web", name: str = "acl-web"
) -> dict[str, Any]:
    """Entries are number, egress, action, CIDR; all TCP."""
    every = [
        {"RuleNumber": number, "Egress": egress, "Protocol": "6", "RuleAction": action, "CidrBlock": cidr}
        for number, egress, action, cidr in entries
    ]
    last = [
        {
            "RuleNumber": 32767,
            "Egress": egress,
            "Protocol": "-1",
            "RuleAction": "deny",
            "CidrBlock": "0.0.0.0/0",
        }
        for egress in (False, True)
    ]
    return {
        "NetworkAclId": name, "OwnerId": ACCOUNT, "VpcId": "vpc-1", "Entries": every + last,
        "Associations": [{"SubnetId": subnet}],
    }  # fmt: skip


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return open_target(request, tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Target:
    return Target(tmp_path, str(tmp_path / "store"))


def at_hand(
    target: Target, groups: list[dict[str, Any]] | None = None, acls: list[dict[str, Any]] | None = None
) -> list[str]:
    """The options for groups, ACLs and the inventory."""
    options = ["--inventory", target.write("inventory.csv", INVENTORY)]
    if groups is not None:
        options += ["--security-groups", target.write("groups.json", {"SecurityGroups": groups})]
    if acls is not None:
        options += ["--network-acls", target.write("acls.json", {"NetworkAcls": acls})]
    return options


REFUSED = flow(DB[0], (APP[1], 40000), (DB[1], 5432), "REJECT", times=12)


def test_the_group_that_has_no_rule_and_the_peer_s_group_as_the_source(target: Target) -> None:
    target.index(REFUSED)
    options = at_hand(
        target, [group("sg-web"), group("sg-app"), group("sg-db", allow(5432, groups=("sg-web",)))]
    )
    [refusal] = target.found(*options)["refusals"]
    assert refusal["most_likely"] == "group"
    assert refusal["evidence"][0] == "sg-db has no rule that lets it through"
    assert refusal["rules"] == [
        {
            "security_group": "sg-db", "direction": "ingress", "protocol": "tcp", "from_port": 5432,
            "to_port": 5432, "peer": "sg-app",
        }
    ]  # fmt: skip
    lines = target.ask(*options, form="terraform")
    assert (
        lines
        == """\
# Proposed by vpcflow diagnose, for review: the smallest rules that would let refused flows through, and
# what flows say of the rules there are. That a flow was refused doesn't say that it should pass.

# 10.0.2.30 to 10.0.3.40, tcp 5432: refused 12 times from 2026-11-18 11:07 to 2026-11-18 11:18
resource "aws_vpc_security_group_ingress_rule" "sg_db_ingress_tcp_5432_from_sg_app" {
  security_group_id            = "sg-db"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = "sg-app"
  description                  = "10.0.2.30 to 10.0.3.40, tcp 5432: refused 12 times from 2026-11-18 11:07 to 2026-11-18 11:18"
}
"""
    )
    command = shlex.split(target.ask(*options, form="cli").splitlines()[-1])
    assert command[:5] == ["aws", "ec2", "authorize-security-group-ingress", "--group-id", "sg-db"]
    assert json.loads(command[6]) == [
        {
            "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432,
            "UserIdGroupPairs": [
                {
                    "GroupId": "sg-app",
                    "Description": "10.0.2.30 to 10.0.3.40, tcp 5432: refused 12 times from 2026-11-18 11:07 to "
                    "2026-11-18 11:18",
                }
            ],
        }
    ]  # fmt: skip


def test_the_network_acl_that_refuses_a_request(target: Target) -> None:
    target.index(flow(WEB[0], (PARTNER, 40000), (WEB[1], 443), "REJECT", times=12))
    web = group("sg-web", allow(443, "0.0.0.0/0"))
    entries = acl((90, False, "deny", "198.51.100.0/24"), (100, False, "allow", "0.0.0.0/0"))
    options = at_hand(target, [web], [entries])
    [refusal] = target.found(*options)["refusals"]
    assert refusal["most_likely"] == "acl"
    assert refusal["evidence"][:2] == ["sg-web lets it through", "entry 90 of acl-web refuses it"]
    [rule] = refusal["rules"]
    assert (rule["network_acl"], rule["rule_number"], rule["direction"]) == ("acl-web", 89, "ingress")
    command = target.ask(*options, form="cli").splitlines()[-1]
    assert command == (
        "aws ec2 create-network-acl-entry --network-acl-id acl-web --rule-number 89 --protocol 6 --rule-action allow "
        "--ingress --cidr-block 198.51.100.7/32 --port-range From=443,To=443"
    )


def test_both_refuse_it(store: Target) -> None:
    store.index(flow(WEB[0], (PARTNER, 40000), (WEB[1], 443), "REJECT", times=12))
    options = at_hand(store, [group("sg-web")], [acl((100, False, "allow", "10.0.0.0/8"))])
    [refusal] = store.found(*options)["refusals"]
    assert refusal["most_likely"] == "group and acl"
    assert [set(it) & {"security_group", "network_acl"} for it in refusal["rules"]] == [
        {"security_group"},
        {"network_acl"},
    ]


def test_a_network_acl_does_not_stand_within_a_subnet(store: Target) -> None:
    store.index(REFUSED)
    one_subnet = INVENTORY.replace("subnet-app", "subnet-db")
    options = ["--inventory", store.write("inventory.csv", one_subnet)]
    options += ["--network-acls", store.write("acls.json", {"NetworkAcls": [acl(subnet="subnet-db")]})]
    [refusal] = store.found(*options)["refusals"]
    assert refusal["most_likely"] == "group"
    assert refusal["evidence"][-1] == (
        "both are in one subnet, and network ACLs stand between subnets: a security group"
    )


def test_an_address_of_the_internet_that_a_rule_lets_in_is_no_scan(store: Target) -> None:
    store.index(flow(WEB[0], (PARTNER, 40000), (WEB[1], 22), "REJECT", times=3))
    web = group("sg-web", allow(22, "198.51.100.0/24"))
    [refusal] = store.found(*at_hand(store, [web], [acl((90, False, "deny", "0.0.0.0/0"))]))["refusals"]
    assert refusal["most_likely"] == "acl"
    assert refusal["evidence"][0] == "sg-web lets it through"


def test_the_network_acl_that_refuses_answers(target: Target) -> None:
    target.index(
        flow(WEB[0], (PARTNER, 50000), (WEB[1], 443), times=5),
        flow(WEB[0], (WEB[1], 443), (PARTNER, 50000), "REJECT", way="egress", flags=18, times=5),
    )
    options = at_hand(
        target, acls=[acl((100, False, "allow", "0.0.0.0/0"), (100, True, "allow", "10.0.0.0/8"))]
    )
    [refusal] = target.found(*options)["refusals"]
    assert refusal["most_likely"] == "acl"
    assert refusal["evidence"][-1] == "acl-web has no entry that lets it through"
    assert target.ask(*options, form="terraform").endswith("""\
resource "aws_network_acl_rule" "acl_web_egress_tcp_1024_65535_to_198_51_100_7_32" {
  network_acl_id = "acl-web"
  rule_number    = 110
  egress         = true
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "198.51.100.7/32"
  from_port      = 1024
  to_port        = 65535
}
""")


def test_what_a_rule_should_have_let_through(target: Target) -> None:
    target.index(REFUSED)
    options = at_hand(
        target,
        [group("sg-db", allow(5432, "10.0.2.0/24"))],
        [acl((100, False, "allow", "0.0.0.0/0"), subnet="subnet-db")],
    )
    [refusal] = target.found(*options)["refusals"]
    assert (refusal["most_likely"], refusal["rules"]) == ("allowed", [])
    assert refusal["evidence"][:3] == [
        "sg-db lets it through",
        "entry 100 of acl-web lets it through",
        "the rules at hand let it through: they were changed since, or the packets came too late",
    ]


def test_rules_that_no_flow_used(target: Target) -> None:
    target.index(
        flow(DB[0], (APP[1], 40000), (DB[1], 5432)),
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), minute=-40 * 1440 - 10),
    )
    db = group("sg-db", allow(5432, groups=("sg-app", "sg-web")), allow(22, "10.0.0.0/8"), egress=[])
    options = at_hand(target, [db, group("sg-elsewhere", allow(80, "0.0.0.0/0"))])
    found = target.found(*options, "--until", "2026-11-19", "--last", "60d", "--unused-after", "40d")
    assert [(it["from_port"], it["peer"], it["interfaces"]) for it in found["rules"]["unused"]] == [
        (5432, "sg-web", 1),
        (22, "10.0.0.0/8", 1),
    ]
    assert found["rules"]["too_wide"] == []
    assert found["notes"] == [
        "of 1 of 2 security groups nothing is said: no interface known to have them logged flows (sg-elsewhere)"
    ]
    commands = target.ask(*options, "--unused-after", "40d", form="cli").splitlines()
    assert commands[-2].startswith("# sg-db: ingress tcp 22 from 10.0.0.0/8: no flow used it since ")
    assert shlex.split(commands[-1]) == [
        "aws", "ec2", "revoke-security-group-ingress", "--group-id", "sg-db", "--ip-permissions",
        '[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]',
    ]  # fmt: skip


def test_no_rule_is_called_unused_when_the_flows_don_t_go_back_so_far(store: Target) -> None:
    store.index(flow(DB[0], (APP[1], 40000), (DB[1], 5432), times=60 * 24 * 3))
    found = store.found(*at_hand(store, [group("sg-db", allow(22, "10.0.0.0/8"))]))
    assert found["rules"]["unused"] == []
    assert found["notes"] == [
        "which rules are unused isn't said: flows go back 3 days, and a rule counts as unused after 30; "
        "--unused-after 2d asks for less"
    ]
    less = store.found(*at_hand(store, [group("sg-db", allow(22, "10.0.0.0/8"))]), "--unused-after", "2d")
    assert [it["from_port"] for it in less["rules"]["unused"] if it["direction"] == "ingress"] == [22]


def test_a_rule_far_wider_than_what_it_carries(target: Target) -> None:
    target.index(
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), times=3),
        flow(DB[0], (WEB[1], 40000), (DB[1], 5432), times=3),
        *(flow(WEB[0], (f"198.51.100.{n}", 40000), (WEB[1], 443)) for n in range(1, 40)),
    )
    groups = [
        group("sg-db", allow(0, "0.0.0.0/0", last=65535), egress=[]),
        group("sg-web", allow(443, "0.0.0.0/0"), egress=[]),
    ]
    options = at_hand(target, groups)
    [wide] = target.found(*options)["rules"]["too_wide"]
    assert (wide["security_group"], wide["peer"]) == ("sg-db", "0.0.0.0/0")
    assert wide["used"] == {"flows": 6, "hosts": 2, "services": ["tcp 5432"]}
    assert [(it["from_port"], it["to_port"], it["peer"]) for it in wide["instead"]] == [
        (5432, 5432, "10.0.1.10/32"),
        (5432, 5432, "10.0.2.30/32"),
    ]
    table = target.ask(*options, form="table")
    assert "Rules far wider than what they carry:" in table
    assert "2 addresses" in table
    commands = [line for line in target.ask(*options, form="cli").splitlines() if line.startswith("aws")]
    assert [shlex.split(it)[2] for it in commands] == [
        "authorize-security-group-ingress",
        "authorize-security-group-ingress",
        "revoke-security-group-ingress",
    ]
    assert "# Remove the resource of sg-db: ingress tcp from 0.0.0.0/0\n" in target.ask(
        *options, form="terraform"
    )


def test_groups_that_the_documents_name(target: Target) -> None:
    """With an inventory at indexing, none is needed here."""
    target.write("inventory.csv", INVENTORY)
    target.index(REFUSED, more=("--inventory", "inventory.csv"))
    groups = target.write("groups.json", {"SecurityGroups": [group("sg-db")]})
    [refusal] = target.found("--security-groups", groups)["refusals"]
    assert refusal["evidence"][0] == "sg-db has no rule that lets it through"
    assert (refusal["rules"][0]["security_group"], refusal["rules"][0]["peer"]) == ("sg-db", "10.0.2.30/32")


def test_groups_without_knowing_who_has_them(store: Target) -> None:
    store.index(REFUSED)
    groups = store.write("groups.json", {"SecurityGroups": [group("sg-db")]})
    found = store.found("--security-groups", groups)
    assert found["refusals"][0]["rules"][0]["security_group"] is None
    assert found["notes"][0] == (
        "which interface has which group isn't known: --inventory FILE tells it (vpcflow inventory pull)"
    )
    lines = store.ask("--security-groups", groups, form="cli").splitlines()
    assert "# which security group eni-db has isn't known: put its id in, or give --inventory" in lines
    assert all(line.startswith("#") for line in lines if line)


class TestBadFiles:
    def refused(self, store: Target, content: Any, option: str = "--security-groups") -> str:
        store.index(REFUSED)
        return store.refuses(option, store.write("groups.json", content))

    def test_one_that_is_not_there(self, store: Target) -> None:
        store.index(REFUSED)
        assert store.refuses("--security-groups", "none.json") == (
            "Error: none.json: No such file or directory; make it with: aws ec2 describe-security-groups > none.json"
        )

    def test_one_that_is_not_json(self, store: Target) -> None:
        assert self.refused(store, "{\n,") == (
            "Error: groups.json, line 2: is not JSON: Expecting property name enclosed in double quotes; make it with: "
            "aws ec2 describe-security-groups > groups.json"
        )

    def test_one_that_holds_something_else(self, store: Target) -> None:
        assert self.refused(store, {"NetworkAcls": []}) == (
            "Error: groups.json: is no output of aws ec2 describe-security-groups: it holds NetworkAcls; make it with: "
            "aws ec2 describe-security-groups > groups.json"
        )
        assert 'it has no "SecurityGroups"' in self.refused(store, [1, 2])

    @pytest.mark.parametrize(
        ("permission", "why"),
        [
            ({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}, '"10.0.0.0/33" is no CIDR'),
            ({"IpProtocol": "tcpp"}, 'protocol "tcpp" is none'),
            ({}, "IpProtocol is missing"),
            ({"IpProtocol": "tcp", "FromPort": 9, "ToPort": 1}, "ports 9 to 1 are no range"),
            ({"IpProtocol": "tcp", "IpRanges": ["10.0.0.0/8"]}, "string indices must be integers"),
        ],
    )
    def test_a_rule_that_means_nothing(self, store: Target, permission: dict[str, Any], why: str) -> None:
        line = self.refused(store, {"SecurityGroups": [group("sg-db", permission)]})
        assert line.startswith(f"Error: groups.json: sg-db: {why}")

    def test_one_of_another_account(self, store: Target) -> None:
        theirs = group("sg-db") | {"OwnerId": "999999999999"}
        assert self.refused(store, {"SecurityGroups": [theirs]}) == (
            "Error: the security groups and network ACLs are of account 999999999999, and the flows of 123456789012; "
            "describe those of the same account"
        )

    def test_network_acls_that_are_none(self, store: Target) -> None:
        assert "it holds SecurityGroups" in self.refused(store, {"SecurityGroups": []}, "--network-acls")


def test_groups_acls_and_inventory_from_ec2(aws: Moto, store: Target) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.3.0/24")["Subnet"]["SubnetId"]
    prefixes = ec2.create_managed_prefix_list(
        PrefixListName="offices", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": "198.51.100.0/24"}]
    )["PrefixList"]["PrefixListId"]
    db = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=db,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "PrefixListIds": [{"PrefixListId": prefixes}],
            }
        ],
    )
    own = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=DB[1], Groups=[db])[
        "NetworkInterface"
    ]["NetworkInterfaceId"]
    store.index(
        flow(own, (APP[1], 40000), (DB[1], 5432), "REJECT", times=12),
        flow(own, (PARTNER, 40000), (DB[1], 443), "REJECT", times=11),
    )
    first, second = store.found("--security-groups", "aws", "--network-acls", "aws")["refusals"]
    assert first["most_likely"] == "group"
    assert first["evidence"][0] == f"{db} has no rule that lets it through"
    assert "lets it through" in first["evidence"][1]
    assert first["rules"][0]["security_group"] == db
    assert second["most_likely"] == "allowed"


def test_ec2_that_refuses(aws: Moto, store: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    store.index(REFUSED)
    assert "no AWS credentials were found" in store.refuses("--security-groups", "aws")
