"""`vpcflow inventory pull` against moto's EC2."""

from __future__ import annotations

import http.client
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from aws import ACCOUNT, CREDENTIALS, REGION, Answer, Moto, Proxy, Seen

from unit.flowlogs import errors, vpcflow
from vpcflow.inventory import Inventory, load

OTHER = "us-west-2"
NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


def tags(kind: str, **values: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in values.items()]}]


class Cloud:
    """A VPC of a region with a subnet, an instance in it, and a load balancer's interface."""

    def __init__(self, aws: Moto, region: str = REGION) -> None:
        self.ec2 = ec2 = aws.client("ec2", region)
        self.vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=tags("vpc", Name="prod"))["Vpc"][
            "VpcId"
        ]
        self.subnet = ec2.create_subnet(
            VpcId=self.vpc,
            CidrBlock="10.9.1.0/24",
            AvailabilityZone=f"{region}a",
            TagSpecifications=tags("subnet", Name="front"),
        )["Subnet"]["SubnetId"]
        self.group = ec2.create_security_group(GroupName="web", Description="web", VpcId=self.vpc)["GroupId"]
        image = ec2.describe_images()["Images"][0]["ImageId"]
        self.image = image
        [instance] = ec2.run_instances(
            ImageId=image,
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.micro",
            SubnetId=self.subnet,
            SecurityGroupIds=[self.group],
            TagSpecifications=tags("instance", Name="web-1", Team="payments"),
        )["Instances"]
        self.instance = instance["InstanceId"]
        self.balancer = ec2.create_network_interface(
            SubnetId=self.subnet,
            PrivateIpAddress="10.9.1.200",
            Groups=[self.group],
            Description="ELB app/shop/50dc6c495c0c9188",
        )["NetworkInterface"]["NetworkInterfaceId"]


def pull(tmp_path: Path, *options: str) -> Inventory:
    vpcflow("inventory", "pull", *options, cwd=tmp_path)
    return Inventory([load(tmp_path / "inventory.json")])


def refused(tmp_path: Path, *options: str, code: int = 2) -> str:
    """What the command says when it can't. Never a secret, and no file is left."""
    done = vpcflow("inventory", "pull", "-q", *options, cwd=tmp_path, code=code)
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in done.stderr.decode()
    assert list(tmp_path.glob("*.json")) == []
    [line] = errors(done)
    return line


def operation(seen: Seen) -> str:
    found = re.search(rb"Action=(\w+)", seen.body)
    return found[1].decode() if found else ""


def test_everything_of_a_region(aws: Moto, tmp_path: Path) -> None:
    cloud = Cloud(aws)
    found = pull(tmp_path)
    assert found.accounts == {ACCOUNT}
    assert found.vpcs[cloud.vpc].tags == {"Name": "prod"}
    subnet = found.subnets[cloud.subnet]
    assert (subnet.vpc_id, subnet.cidrs, subnet.tags) == (cloud.vpc, ("10.9.1.0/24",), {"Name": "front"})
    assert re.fullmatch(r"euw1-az\d", subnet.availability_zone or "")
    instance = found.instances[cloud.instance]
    assert (instance.instance_type, instance.image_id) == ("t3.micro", cloud.image)
    assert instance.tags == {"Name": "web-1", "Team": "payments"}
    [own] = [it for it in found.interfaces if it.instance_id == cloud.instance]
    assert (own.subnet_id, own.vpc_id, own.region) == (cloud.subnet, cloud.vpc, REGION)
    assert own.availability_zone == subnet.availability_zone
    balancer = found.interface(cloud.balancer)
    assert balancer is not None
    assert balancer.addresses[0] == "10.9.1.200"
    assert balancer.description == "ELB app/shop/50dc6c495c0c9188"
    assert balancer.security_groups == (cloud.group,)
    assert found.at("10.9.1.200") is balancer


def test_a_public_address(aws: Moto, tmp_path: Path) -> None:
    cloud = Cloud(aws)
    address = cloud.ec2.allocate_address(Domain="vpc")
    cloud.ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=cloud.balancer)
    interface = pull(tmp_path).at(address["PublicIp"])
    assert interface is not None
    assert interface.interface_id == cloud.balancer  # type: ignore[union-attr]


def test_the_summary(aws: Moto, tmp_path: Path) -> None:
    Cloud(aws)
    done = vpcflow("inventory", "pull", "-o", "mine.json", cwd=tmp_path)
    asking, found = errors(done)
    assert asking == f"Asking EC2 in {REGION} …"
    assert re.fullmatch(r"2 interfaces, 1 instance, \d+ subnets, \d+ VPCs in mine\.json", found)
    assert done.stdout == b""


def test_standard_output(aws: Moto, tmp_path: Path) -> None:
    cloud = Cloud(aws)
    content = json.loads(vpcflow("inventory", "pull", "-q", "-o", "-", cwd=tmp_path).stdout)
    assert content["version"] == 1
    assert cloud.vpc in {vpc["vpc-id"] for vpc in content["vpcs"]}


def test_several_regions_in_one_file(aws: Moto, tmp_path: Path) -> None:
    here, there = Cloud(aws), Cloud(aws, OTHER)
    found = pull(tmp_path, "--region", f"{REGION},{OTHER}", "--region", REGION)
    assert {found.vpcs[here.vpc].region, found.vpcs[there.vpc].region} == {REGION, OTHER}


def test_several_accounts_in_one_file(aws: Moto, proxy: Proxy, tmp_path: Path) -> None:
    Cloud(aws)
    roles = [f"arn:aws:iam::{account}:role/reader" for account in ("111111111111", "222222222222")]
    found = pull(tmp_path, "--role-arn", roles[0], "--role-arn", roles[1], "--external-id", "vpcflow-17")
    # moto has an account's own things for whoever has taken on a role in it: here its default VPC.
    assert found.accounts == {"111111111111", "222222222222"}
    assumed = [seen for seen in proxy.seen if operation(seen) == "AssumeRole"]
    assert len(assumed) == 2
    assert all(b"ExternalId=vpcflow-17" in seen.body for seen in assumed)


class Pages:
    """Answers EC2's questions a page of so many things at a time, as EC2 does and moto mostly doesn't."""

    def __init__(self, url: str, size: int) -> None:
        self.asked: Counter[str] = Counter()
        self._to = url.removeprefix("http://")
        self._size = size

    def __call__(self, seen: Seen) -> Answer | None:
        name = operation(seen)
        if not name.startswith("Describe"):
            return None
        assert b"MaxResults=1000" in seen.body
        self.asked[name] += 1
        found = re.search(rb"&NextToken=(\d+)", seen.body)
        start = int(found[1]) if found else 0
        body = re.sub(rb"&NextToken=\d+", b"", seen.body)
        upstream = http.client.HTTPConnection(self._to, timeout=60)
        upstream.request("POST", seen.path, body, {**seen.headers, "Content-Length": str(len(body))})
        root = ElementTree.fromstring(upstream.getresponse().read())
        upstream.close()
        [things] = [child for child in root if child.tag.endswith("Set")]
        several = list(things)
        for thing in several[:start] + several[start + self._size :]:
            things.remove(thing)
        if start + self._size < len(several):
            ElementTree.SubElement(root, f"{{{NAMESPACE}}}nextToken").text = str(start + self._size)
        return Answer(200, ElementTree.tostring(root), {"Content-Type": "text/xml"})


def test_page_by_page(aws: Moto, proxy: Proxy, tmp_path: Path) -> None:
    cloud = Cloud(aws)
    made = {
        cloud.ec2.create_network_interface(SubnetId=cloud.subnet)["NetworkInterface"]["NetworkInterfaceId"]
        for _ in range(5)
    }
    for _ in range(2):
        cloud.ec2.run_instances(ImageId=cloud.image, MinCount=1, MaxCount=1, SubnetId=cloud.subnet)
    whole = pull(tmp_path)
    proxy.rule = pages = Pages(aws.url, 2)
    paged = pull(tmp_path)
    assert made < {it.interface_id for it in paged.interfaces}
    assert sorted(map(repr, paged.things)) == sorted(map(repr, whole.things))
    assert (
        pages.asked["DescribeNetworkInterfaces"] == 5
    )  # of 9: an interface an instance, the balancer's, and 5
    assert pages.asked["DescribeInstances"] == 2
    assert pages.asked["DescribeSubnets"] == 2


@pytest.mark.parametrize(
    "name", ["DescribeNetworkInterfaces", "DescribeInstances", "DescribeSubnets", "DescribeVpcs"]
)
def test_a_missing_permission_is_named(name: str, *, proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    said = "You are not authorized to perform this operation."

    def rule(seen: Seen) -> Answer | None:
        error = f"<Code>UnauthorizedOperation</Code><Message>{said}</Message>"
        answer = Answer(403, f"<Response><Errors><Error>{error}</Error></Errors></Response>".encode())
        return answer if operation(seen) == name else None

    proxy.rule = rule
    assert refused(tmp_path) == (
        f"Error: EC2 in {REGION}: access denied: the permission ec2:{name} is missing"
    )


def test_a_region_that_is_not_enabled(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    error = "<Code>AuthFailure</Code><Message>AWS was not able to validate the provided access credentials</Message>"
    proxy.rule = lambda seen: Answer(
        401, f"<Response><Errors><Error>{error}</Error></Errors></Response>".encode()
    )
    assert refused(tmp_path, "--region", "ap-east-1") == (
        "Error: EC2 in ap-east-1: AWS refuses these credentials there (AuthFailure); check them, and whether the "
        "region is enabled for the account"
    )


def test_no_region(aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert refused(tmp_path).endswith("no AWS region is set; give --region, or set AWS_REGION")


def test_no_region_of_that_name(aws: Moto, tmp_path: Path) -> None:
    assert "doesn't match a supported format" in refused(tmp_path, "--region", "no region")


def test_no_credentials(aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no AWS credentials were found" in refused(tmp_path)


def test_nobody_there(aws: Moto, tmp_path: Path) -> None:
    line = refused(tmp_path, "--endpoint-url", "http://127.0.0.1:9", code=1)
    assert "AWS can't be reached" in line


def test_a_folder_that_does_not_exist(aws: Moto, tmp_path: Path) -> None:
    assert refused(tmp_path, "-o", "nowhere/inventory.json") == (
        "Error: nowhere/inventory.json: its folder doesn't exist"
    )


def test_a_file_that_was_there_stays_when_aws_refuses(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    Cloud(aws)
    pull(tmp_path)
    before = (tmp_path / "inventory.json").read_text()
    error = "<Code>UnauthorizedOperation</Code><Message>No.</Message>"
    proxy.rule = lambda seen: Answer(
        403, f"<Response><Errors><Error>{error}</Error></Errors></Response>".encode()
    )
    vpcflow("inventory", "pull", cwd=tmp_path, code=2)
    assert (tmp_path / "inventory.json").read_text() == before
