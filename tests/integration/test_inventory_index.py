"""`vpcflow index` with an inventory and owners: what documents, store and view say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aws import REGION, Moto

import vpcflow as library
from unit.flowlogs import HEADER, documents, errors, text, vpcflow
from vpcflow.config import load_owners
from vpcflow.enrich.ours import enrichers

ACCOUNT = "123456789012"
CSV = f"""\
interface-id,private-ip,account-id,availability-zone,vpc-id,vpc-name,subnet-id,subnet-name,instance-id,name,instance-type,image-id,interface-type,description,requester-id,security-groups,tag:Team
eni-0a,10.0.0.4,{ACCOUNT},euw1-az1,vpc-0a,prod,subnet-0a,front,i-0a,web-1,t3.micro,ami-1,interface,Primary,,sg-1 sg-2,payments
eni-0b,10.0.0.5,{ACCOUNT},euw1-az2,vpc-0a,prod,subnet-0b,,,,,,interface,ELB app/shop/50dc6c495c0c9188,amazon-elb,sg-1,
"""
TOML = """\
[enrich.inventory]
files = "inventory.csv"

[[owners]]
name = "Jane Roe"
team = "shop"
email = "jane@example.com"
match = { cidrs = ["10.0.0.5/32", "198.51.100.0/24"] }
"""


def record(interface: str, source: str, destination: str, account: str = ACCOUNT) -> str:
    return (
        f"2 {account} {interface} {source} {destination} 20641 443 6 20 4249 1418530010 1418530070 ACCEPT OK"
    )


NODATA = f"2 {ACCOUNT} eni-0a - - - - - - - 1431280876 1431280934 - NODATA"
RECORDS = (
    record("eni-0a", "10.0.0.4", "10.0.0.5"),
    record("eni-0b", "10.0.0.4", "10.0.0.5"),
    record("eni-0a", "198.51.100.7", "10.0.0.4"),
    record("eni-9", "8.8.8.8", "10.9.9.9"),
    NODATA,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.log").write_bytes(text(HEADER, *RECORDS))
    (tmp_path / "inventory.csv").write_text(CSV)
    (tmp_path / "vpcflow.toml").write_text(TOML)
    return tmp_path


def indexed(folder: Path, *options: str) -> list[dict[str, object]]:
    vpcflow("index", "flow.log", "--to", "flows.ndjson", "-q", *options, cwd=folder)
    return documents(folder / "flows.ndjson")


def flat(document: dict, above: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in document.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


INTERFACE = {
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
    "labels.team": "payments",
    "network.name": "front",
}
WEB = {
    "cloud.account.id": ACCOUNT,
    "cloud.availability_zone": "euw1-az1",
    "cloud.instance.id": "i-0a",
    "cloud.instance.name": "web-1",
    "domain": "web-1",
    "interface.id": "eni-0a",
    "interface.type": "interface",
}
SHOP = {
    "cloud.account.id": ACCOUNT,
    "cloud.availability_zone": "euw1-az2",
    "domain": "shop",
    "interface.id": "eni-0b",
    "interface.type": "application_load_balancer",
}


def at(side: str, known: dict[str, object]) -> dict[str, object]:
    return {f"{side}.{name}": value for name, value in known.items()}


def test_documents_differ_by_what_the_inventory_knows(folder: Path) -> None:
    bare = [flat(it) for it in indexed(folder)]
    rich = [flat(it) for it in indexed(folder, "--inventory", "inventory.csv")]
    added = [
        {k: v for k, v in after.items() if before.get(k) != v}
        for before, after in zip(bare, rich, strict=True)
    ]
    for each in added:
        each.pop("event.ingested", None)
    both = at("source", WEB) | at("destination", SHOP)
    assert added[0] == INTERFACE | both
    assert added[1] == both | {
        "aws.vpcflow.interface.description": "ELB app/shop/50dc6c495c0c9188",
        "aws.vpcflow.interface.owner": "shop",
        "aws.vpcflow.interface.type": "application_load_balancer",
        "aws.vpcflow.security_groups": ["sg-1"],
        "aws.vpcflow.subnet_id": "subnet-0b",
        "aws.vpcflow.vpc_id": "vpc-0a",
        "aws.vpcflow.vpc_name": "prod",
        "cloud.availability_zone": "euw1-az2",
    }
    assert added[2] == INTERFACE | at("destination", WEB)
    assert added[3] == {}
    assert added[4] == INTERFACE
    assert all(before.keys() <= after.keys() for before, after in zip(bare, rich, strict=True))


def test_directions_need_not_be_learned(folder: Path) -> None:
    (folder / "flow.log").write_bytes(text(HEADER, RECORDS[0]))
    [alone] = indexed(folder)
    assert "direction" not in alone["network"]  # type: ignore[operator]
    [known] = indexed(folder, "--inventory", "inventory.csv")
    assert known["network"]["direction"] == "egress"  # type: ignore[index]


def test_no_object_is_there_twice(folder: Path) -> None:
    def pairs(members: list[tuple[str, object]]) -> dict[str, object]:
        assert len({name for name, _ in members}) == len(members), members
        return dict(members)

    indexed(folder, "--config", "vpcflow.toml")
    for line in (folder / "flows.ndjson").read_text().splitlines():
        json.loads(line, object_pairs_hook=pairs)


def test_what_the_log_says_goes_before_the_inventory(folder: Path) -> None:
    header = f"{HEADER} vpc-id subnet-id instance-id az-id"
    (folder / "flow.log").write_bytes(text(header, f"{RECORDS[0]} vpc-1 subnet-0a i-1 use1-az6"))
    [document] = [flat(it) for it in indexed(folder, "--inventory", "inventory.csv")]
    assert document["aws.vpcflow.vpc_id"] == "vpc-1"
    assert document["aws.vpcflow.instance_id"] == document["cloud.instance.id"] == "i-1"
    assert document["cloud.availability_zone"] == "use1-az6"
    assert document["network.name"] == "front"


def test_owners_and_inventory_of_a_configuration_file(folder: Path) -> None:
    found = [flat(it) for it in indexed(folder, "--config", "vpcflow.toml")]
    assert [(it.get("labels.owner"), it.get("labels.team")) for it in found] == [
        ("Jane Roe", "shop"),  # the destination's owner, and no tag's team
        ("Jane Roe", "shop"),  # the load balancer's interface has an address of hers
        ("Jane Roe", "shop"),
        (None, None),
        (None, None),
    ]
    assert not any("jane@example.com" in json.dumps(it) for it in found)


def test_the_store_and_its_view(folder: Path) -> None:
    vpcflow("index", "flow.log", "--to", "store", "-q", "--config", "vpcflow.toml", cwd=folder)
    columns = (
        "cloud.instance.name",
        "source.domain",
        "destination.interface.type",
        "labels.owner",
        "network.name",
    )
    sql = f"SELECT {', '.join(map(json.dumps, columns))} FROM flows ORDER BY ALL"
    done = vpcflow("query", sql, "--from", "store", "--format", "ndjson", cwd=folder)
    rows = [tuple(json.loads(line).values()) for line in done.stdout.splitlines()]
    assert sorted(rows, key=repr) == sorted(
        [
            ("web-1", "web-1", "application_load_balancer", "Jane Roe", "front"),
            (None, "web-1", "application_load_balancer", "Jane Roe", None),
            ("web-1", None, "interface", "Jane Roe", "front"),
            (None, None, None, None, None),
            ("web-1", None, None, None, "front"),
        ],
        key=repr,
    )


def test_from_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    enrich = enrichers("inventory.csv", tags=["Team"], owners=load_owners("vpcflow.toml"))
    result = library.index("flow.log", to="flows.ndjson", enrich=enrich)
    assert documents(folder / "flows.ndjson")[0]["source"]["domain"] == "web-1"  # type: ignore[index]
    assert result.notes == (
        "inventory.csv: 1 of 3 interfaces that logged are not in it; pull it again if they are newer",
    )


def test_a_replaced_file_is_in_force_with_the_next_batch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vpcflow.enrich.inventory._LOOK", -1.0)
    enrich = enrichers(folder / "inventory.csv")

    def name() -> object:
        [batch] = library.read(folder / "flow.log", enrich=enrich)
        return flat(batch.to_ecs()[0]).get("source.domain")

    assert name() == "web-1"
    (folder / "new.csv").write_text(CSV.replace("web-1", "web-2"))
    (folder / "new.csv").replace(folder / "inventory.csv")
    assert name() == "web-2"


def test_what_ec2_has_is_what_documents_say(aws: Moto, tmp_path: Path) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    name = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web-1"}]}]
    [instance] = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet, TagSpecifications=name
    )["Instances"]
    [interface] = instance["NetworkInterfaces"]
    address = interface["PrivateIpAddress"]
    (tmp_path / "flow.log").write_bytes(
        text(HEADER, record(interface["NetworkInterfaceId"], "8.8.8.8", address))
    )
    vpcflow("inventory", "pull", "--region", REGION, cwd=tmp_path)
    [document] = [flat(it) for it in indexed(tmp_path, "--inventory", "inventory.json")]
    assert (
        document["cloud.instance.id"] == document["destination.cloud.instance.id"] == instance["InstanceId"]
    )
    assert document["host.name"] == document["destination.domain"] == "web-1"
    assert (document["aws.vpcflow.vpc_id"], document["cloud.image.id"]) == (vpc, image)
    assert "source.domain" not in document


class TestRefusedAtTheStart:
    def refused(self, folder: Path, *options: str) -> str:
        done = vpcflow("index", *options, "--to", "store", cwd=folder, code=2)
        assert not (folder / "store").exists()
        [line] = errors(done)
        return line

    def test_a_broken_inventory(self, folder: Path) -> None:
        (folder / "inventory.csv").write_text("interface-id,private-ip\neni-1,10.0.0.256\n")
        assert self.refused(folder, "flow.log", "--inventory", "inventory.csv") == (
            'Error: inventory.csv, line 2: addresses "10.0.0.256" is no IP address'
        )

    def test_an_inventory_of_another_account(self, folder: Path) -> None:
        (folder / "AWSLogs" / "999999999999").mkdir(parents=True)
        line = self.refused(folder, "AWSLogs/999999999999", "--inventory", "inventory.csv")
        assert line.startswith(
            f"Error: inventory.csv: is an inventory of account {ACCOUNT}, and the logs are of account 999999999999; "
        )

    def test_a_wrong_network_of_an_owner(self, folder: Path) -> None:
        (folder / "vpcflow.toml").write_text(TOML.replace("10.0.0.5/32", "10.0.0.5/33"))
        assert self.refused(folder, "flow.log", "--config", "vpcflow.toml") == (
            'Error: vpcflow.toml, line 8: [[owners]] number 1: cidrs: "10.0.0.5/33" is no CIDR; it looks like '
            "10.20.0.0/16 or 2001:db8::/32"
        )

    def test_tags_of_an_owner_without_an_inventory(self, folder: Path) -> None:
        (folder / "vpcflow.toml").write_text('[[owners]]\nname = "a"\nmatch.tags = "Team=x"\n')
        line = self.refused(folder, "flow.log", "--config", "vpcflow.toml")
        assert line.startswith("Error: [[owners]] a: tags are known from an inventory; give --inventory FILE")


def test_the_summary_says_of_which_account_an_inventory_has_nothing(folder: Path) -> None:
    rows = [record(f"eni-{n}", "10.0.0.1", "10.0.0.2", "999999999999") for n in range(3)]
    (folder / "flow.log").write_bytes(text(HEADER, *rows, RECORDS[0]))
    done = vpcflow("index", "flow.log", "-q", "--to", "-", "--inventory", "inventory.csv", cwd=folder)
    assert errors(done) == [
        "Note: inventory.csv: 3 of 4 interfaces that logged are not in it: 3 of account 999999999999, of which it "
        "has nothing"
    ]
