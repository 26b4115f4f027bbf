"""What an inventory says of the interface that logged a record, and of the two ends of the flow."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow import ConfigError
from vpcflow.elastic.fields import fields
from vpcflow.enrich import Interface
from vpcflow.enrich.inventory import InventoryAddresses, InventoryFiles, InventoryInterfaces, label
from vpcflow.inventory import NetworkInterface
from vpcflow.inventory.kinds import kind, owner

CSV = """\
interface-id,private-ip,account-id,availability-zone,vpc-id,vpc-name,subnet-id,subnet-name,instance-id,name,instance-type,image-id,interface-type,description,requester-id,security-groups,tag:Cost Center,tag:aws:x
eni-0a,10.0.0.4,123456789012,euw1-az1,vpc-0a,prod,subnet-0a,front,i-0a,web-1,t3.micro,ami-1,interface,Primary,,sg-1 sg-2,4711,y
eni-0b,10.0.0.5,123456789012,euw1-az2,vpc-0a,prod,subnet-0b,,,,,,interface,ELB app/shop/50dc6c495c0c9188,amazon-elb,sg-1,,
"""
NOTHING = Interface(None, None, None, None, None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.csv"
    path.write_text(CSV)
    return path


def interface(**known: str) -> Interface:
    return NOTHING._replace(**known)


class TestTheInterfaceThatLogged:
    def test_everything_that_is_known_of_it(self, path):
        enricher = InventoryInterfaces(InventoryFiles([path]))
        answer = enricher.look_up(interface(account_id="123456789012", interface_id="eni-0a"))
        assert answer == {
            "aws.vpcflow.instance_id": "i-0a",
            "aws.vpcflow.interface.description": "Primary",
            "aws.vpcflow.interface.type": "interface",
            "aws.vpcflow.security_groups": ["sg-1", "sg-2"],
            "aws.vpcflow.subnet_id": "subnet-0a",
            "aws.vpcflow.vpc_id": "vpc-0a",
            "aws.vpcflow.vpc_name": "prod",
            "cloud.availability_zone": "euw1-az1",
            "cloud.image.id": "ami-1",
            "cloud.instance.id": "i-0a",
            "cloud.instance.name": "web-1",
            "cloud.machine.type": "t3.micro",
            "host.name": "web-1",
            "labels.cost_center": "4711",
            "network.name": "front",
        }

    def test_every_field_is_declared(self, path):
        enricher = InventoryInterfaces(InventoryFiles([path]))
        for it in ("eni-0a", "eni-0b"):
            assert enricher.look_up(interface(interface_id=it)).keys() <= enricher.fields.keys()

    def test_one_that_a_service_made(self, path):
        answer = InventoryInterfaces(InventoryFiles([path])).look_up(interface(interface_id="eni-0b"))
        assert answer["aws.vpcflow.interface.type"] == "application_load_balancer"
        assert answer["aws.vpcflow.interface.owner"] == "shop"
        assert "host.name" not in answer

    def test_its_instance_and_subnet_when_the_log_says_them_and_the_inventory_is_older(self, path):
        enricher = InventoryInterfaces(InventoryFiles([path]))
        answer = enricher.look_up(interface(interface_id="eni-9", instance_id="i-0a", subnet_id="subnet-0a"))
        assert answer["cloud.instance.name"] == "web-1"
        assert answer["network.name"] == "front"
        assert answer["aws.vpcflow.vpc_name"] == "prod"

    @pytest.mark.parametrize("value", [NOTHING, interface(interface_id="eni-9", account_id="unknown")])
    def test_nothing_known(self, path, value):
        assert InventoryInterfaces(InventoryFiles([path])).look_up(value) is None

    def test_an_instance_without_a_name_goes_by_its_id(self, tmp_path):
        (tmp_path / "a.csv").write_text("interface-id,instance-id\neni-1,i-1\n")
        answer = InventoryInterfaces(InventoryFiles([tmp_path / "a.csv"])).look_up(
            interface(interface_id="eni-1")
        )
        assert answer["host.name"] == "i-1"
        assert "cloud.instance.name" not in answer


def test_the_template_knows_every_field(path):
    files = InventoryFiles([path])
    declared = {*InventoryInterfaces(files, []).fields, *InventoryAddresses(files).fields}
    sides = {it.replace("side.", f"{side}.") for it in declared for side in ("source", "destination")}
    assert {it: fields()[it]["type"] for it in sides} == dict.fromkeys(sides, "keyword")


class TestLabels:
    def test_a_tag_of_the_interface_goes_before_one_of_its_vpc(self, tmp_path):
        (tmp_path / "a.json").write_text(
            '{"version": 1, "vpcs": [{"vpc-id": "vpc-1", "tags": {"Team": "network", "Env": "prod"}}], '
            '"interfaces": [{"interface-id": "eni-1", "vpc-id": "vpc-1", "tags": {"Team": "payments"}}]}'
        )
        answer = InventoryInterfaces(InventoryFiles([tmp_path / "a.json"])).look_up(
            interface(interface_id="eni-1")
        )
        assert (answer["labels.team"], answer["labels.env"]) == ("payments", "prod")

    def test_chosen_ones(self, path):
        enricher = InventoryInterfaces(InventoryFiles([path]), ["aws:x", "Absent"])
        assert {it for it in enricher.fields if it.startswith("labels")} == {"labels.aws_x", "labels.absent"}
        assert enricher.look_up(interface(interface_id="eni-0a"))["labels.aws_x"] == "y"

    def test_one_that_no_label_can_be_named_by(self, path):
        with pytest.raises(ConfigError, match=r'no label can be named by the tag "\+"'):
            InventoryInterfaces(InventoryFiles([path]), ["+"])

    def test_none(self, path):
        enricher = InventoryInterfaces(InventoryFiles([path]), [])
        assert not any(it.startswith("labels") for it in enricher.fields)

    def test_by_default_the_twenty_that_most_things_have(self, tmp_path):
        columns = [f"tag:T{n:02}" for n in range(30)]
        rows = "".join(f"eni-{n},{','.join(['x'] * (30 - n) + [''] * n)}\n" for n in range(30))
        (tmp_path / "a.csv").write_text(f"interface-id,{','.join(columns)}\n{rows}")
        fields = InventoryInterfaces(InventoryFiles([tmp_path / "a.csv"])).fields
        labels = [it for it in fields if it.startswith("labels")]
        assert labels == [f"labels.t{n:02}" for n in range(20)]

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("Team", "team"),
            ("Cost Center", "cost_center"),
            ("a.b-c/d", "a_b_c_d"),
            ("Größe", "größe"),
            ("+", ""),
        ],
    )
    def test_names(self, key, name):
        assert label(key) == name


class TestTheEndsOfAFlow:
    def test_an_instance(self, path):
        enricher = InventoryAddresses(InventoryFiles([path]))
        assert enricher.look_up("10.0.0.4") == {
            "side.cloud.account.id": "123456789012",
            "side.cloud.availability_zone": "euw1-az1",
            "side.cloud.instance.id": "i-0a",
            "side.cloud.instance.name": "web-1",
            "side.domain": "web-1",
            "side.interface.id": "eni-0a",
            "side.interface.type": "interface",
        }
        assert enricher.look_up("10.0.0.4").keys() <= enricher.fields.keys()

    def test_a_service(self, path):
        answer = InventoryAddresses(InventoryFiles([path])).look_up("10.0.0.5")
        assert (answer["side.domain"], answer["side.interface.type"]) == ("shop", "application_load_balancer")

    def test_an_address_of_a_subnet_of_ours(self, tmp_path):
        (tmp_path / "a.json").write_text(
            '{"version": 1, "subnets": [{"subnet-id": "subnet-1", "account-id": "123456789012", '
            '"availability-zone": "euw1-az1", "cidrs": ["10.0.0.0/24"]}]}'
        )
        assert InventoryAddresses(InventoryFiles([tmp_path / "a.json"])).look_up("10.0.0.77") == {
            "side.cloud.account.id": "123456789012",
            "side.cloud.availability_zone": "euw1-az1",
        }

    @pytest.mark.parametrize("address", ["8.8.8.8", "0.0.0.0", "unknown"])
    def test_what_is_not_ours(self, path, address):
        assert InventoryAddresses(InventoryFiles([path])).look_up(address) is None


class TestWhatIsSaidInTheEnd:
    def test_nothing_when_everything_was_known(self, path):
        enricher = InventoryInterfaces(InventoryFiles([path]))
        enricher.look_up(interface(interface_id="eni-0a", account_id="123456789012"))
        enricher.look_up(NOTHING)
        assert enricher.notes == ()

    def test_interfaces_of_another_account(self, path):
        enricher = InventoryInterfaces(InventoryFiles([path]))
        for number, account in enumerate(["123456789012", "222222222222", "222222222222", "unknown"]):
            enricher.look_up(interface(interface_id=f"eni-{number}", account_id=account))
        enricher.look_up(interface(interface_id="eni-0a", account_id="123456789012"))
        assert enricher.notes == (
            f"{path}: 4 of 5 interfaces that logged are not in it: 2 of account 222222222222, of which it has nothing",
        )

    def test_newer_interfaces(self, path):
        enricher = InventoryInterfaces(InventoryFiles([path]))
        enricher.look_up(interface(interface_id="eni-1", account_id="123456789012"))
        assert enricher.notes == (
            f"{path}: 1 of 1 interface that logged is not in it; pull it again if they are newer",
        )


class TestFiles:
    def test_logs_of_other_accounts_are_refused_before_they_are_read(self, path):
        files = InventoryFiles([path])
        files.must_have(["123456789012", "222222222222"])
        files.must_have([])
        with pytest.raises(ConfigError) as error:
            files.must_have(["333333333333", "222222222222"])
        assert str(error.value) == (
            f"{path}: is an inventory of account 123456789012, and the logs are of accounts 222222222222, "
            "333333333333; pull one there with `vpcflow inventory pull`, or leave it out"
        )

    def test_a_replaced_file_is_read_again(self, path, monkeypatch):
        monkeypatch.setattr("vpcflow.enrich.inventory._LOOK", -1.0)
        files = InventoryFiles([path])
        enricher = InventoryAddresses(files)
        assert enricher.look_up("10.0.0.9") is None
        assert enricher.generation == 0
        replace(path, "private-ip,name\n10.0.0.9,printer\n")
        assert enricher.generation == 1
        assert enricher.look_up("10.0.0.9") == {"side.domain": "printer"}
        assert enricher.look_up("10.0.0.4") is None

    def test_a_broken_replacement_leaves_what_was(self, path, monkeypatch, caplog):
        monkeypatch.setattr("vpcflow.enrich.inventory._LOOK", -1.0)
        enricher = InventoryAddresses(InventoryFiles([path]))
        replace(path, "private-ip\n10.0.0.999\n")
        assert [enricher.generation for _ in range(3)] == [0, 0, 0]
        assert enricher.look_up("10.0.0.4")["side.domain"] == "web-1"
        [record] = caplog.records
        assert record.getMessage().startswith(
            f'{path}, line 2: addresses "10.0.0.999" is no IP address; what'
        )


def replace(path: Path, text: str) -> None:
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.replace(path)


LAMBDA = "AWS Lambda VPC ENI-report-1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809"
TASK = "arn:aws:ecs:eu-west-1:123456789012:attachment/9812f5e5-8c97-404c-8f80-f2f28a8a2708"


@pytest.mark.parametrize(
    ("known", "expected_kind", "expected_owner"),
    [
        ({"interface_type": "natGateway", "description": "Interface for NAT Gateway nat-0a1b"}, "nat_gateway", "nat-0a1b"),
        ({"interface_type": "nat_gateway", "description": "Interface for NAT Gateway nat-0a1b"}, "nat_gateway", "nat-0a1b"),
        ({"interface_type": "interface", "description": "ELB app/web/50dc6c495c0c9188"}, "application_load_balancer", "web"),
        ({"interface_type": "network_load_balancer", "description": "ELB net/tcp/50dc6c495c0c9188"}, "network_load_balancer", "tcp"),
        ({"interface_type": "interface", "description": "ELB old-one"}, "classic_load_balancer", "old-one"),
        ({"interface_type": "vpc_endpoint", "description": "VPC Endpoint Interface vpce-0d8d"}, "vpc_endpoint", "vpce-0d8d"),
        ({"interface_type": "interface", "description": "VPC Endpoint Interface: vpce-0f00"}, "vpc_endpoint", "vpce-0f00"),
        ({"interface_type": "transit_gateway", "description": "Network Interface for Transit Gateway Attachment tgw-attach-06bf"}, "transit_gateway", "tgw-attach-06bf"),
        ({"interface_type": "interface", "description": "RDSNetworkInterface", "requester_id": "amazon-rds"}, "rds", "amazon-rds"),
        ({"interface_type": "interface", "description": "RDSNetworkInterface"}, "rds", None),
        ({"interface_type": "lambda", "description": LAMBDA}, "lambda", "report"),
        ({"interface_type": "interface", "description": "AWS Lambda VPC ENI: report"}, "lambda", "report"),
        ({"interface_type": "efs", "description": "EFS mount target for fs-56d2 (fsmt-42d0)"}, "efs", "fs-56d2"),
        ({"interface_type": "interface", "description": "EFS mount target for fs-56d2 (fsmt-42d0)"}, "efs", "fs-56d2"),
        ({"interface_type": "interface", "description": "ElastiCache sessions-001"}, "elasticache", "sessions-001"),
        ({"interface_type": "interface", "description": "Amazon EKS prod"}, "eks", "prod"),
        ({"interface_type": "interface", "description": TASK}, "ecs_task", None),
        ({"interface_type": "interface", "description": "something", "requester_id": "amazon-new"}, "new", "amazon-new"),
        ({"interface_type": "interface", "description": "mine", "requester_id": "AIDAEXAMPLE"}, "interface", None),
        ({"interface_type": "interface", "description": "ELB app/web/50dc", "instance_id": "i-1"}, "interface", None),
        ({"interface_type": "efa", "instance_id": "i-1"}, "efa", None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_whom_aws_made_an_interface_for(known, expected_kind, expected_owner):
    interface = NetworkInterface(interface_id="eni-1", **known)
    assert (kind(interface), owner(interface)) == (expected_kind, expected_owner)
