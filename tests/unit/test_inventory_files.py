"""Inventory files: JSON as `vpcflow inventory pull` writes it, CSV from anywhere else."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlogs import errors, vpcflow
from vpcflow import ConfigError
from vpcflow.config import load as load_config
from vpcflow.config import load_owners
from vpcflow.enrich.inventory import InventoryAddresses, InventoryFiles, InventoryInterfaces
from vpcflow.inventory import Instance, Inventory, NetworkInterface, Parts, Subnet, Vpc, load, write
from vpcflow.inventory.table import COLUMNS

ACCOUNT = "123456789012"

PARTS = Parts(
    vpcs=[Vpc(vpc_id="vpc-0a", account_id=ACCOUNT, region="eu-west-1", tags={"Name": "prod"})],
    subnets=[
        Subnet(
            subnet_id="subnet-0a",
            account_id=ACCOUNT,
            region="eu-west-1",
            availability_zone="euw1-az1",
            vpc_id="vpc-0a",
            cidrs=("10.0.0.0/24", "2001:db8::/64"),
        )
    ],
    instances=[
        Instance(instance_id="i-0a", instance_type="t3.micro", image_id="ami-1", tags={"Name": "web-1"})
    ],
    interfaces=[
        NetworkInterface(
            interface_id="eni-0a",
            vpc_id="vpc-0a",
            subnet_id="subnet-0a",
            instance_id="i-0a",
            interface_type="interface",
            security_groups=("sg-1", "sg-2"),
            addresses=("10.0.0.4", "2001:db8::4"),
            prefixes=("10.0.0.16/28",),
        )
    ],
)


@pytest.fixture
def file(tmp_path: Path):
    def to_file(text: str, name: str = "inventory.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def written(parts: Parts) -> str:
    file = io.BytesIO()
    write(parts, file)
    return file.getvalue().decode()


class TestJson:
    def test_it_is_read_as_it_was_written(self, file):
        assert load(file(written(PARTS), "inventory.json")) == PARTS

    def test_a_thing_stands_on_a_line_with_aws_s_names(self):
        assert (
            '{"interface-id": "eni-0a", "vpc-id": "vpc-0a", "subnet-id": "subnet-0a", "instance-id": "i-0a", '
            '"interface-type": "interface", "security-groups": ["sg-1", "sg-2"], '
            '"addresses": ["10.0.0.4", "2001:db8::4"], "prefixes": ["10.0.0.16/28"]}'
        ) in written(PARTS).splitlines()

    def test_the_order_in_which_things_were_found_does_not_matter(self):
        one = [Vpc(vpc_id="vpc-1"), Vpc(vpc_id="vpc-2")]
        assert written(Parts(vpcs=one)) == written(Parts(vpcs=one[::-1]))

    def test_nothing_is_an_inventory_too(self, file):
        assert load(file(written(Parts()), "inventory.json")) == Parts()

    @settings(deadline=None)
    @given(st.dictionaries(st.text(min_size=1), st.text()), st.text(min_size=1))
    def test_tags_and_names_are_any_text(self, tmp_path_factory, tags, name):
        parts = Parts(
            vpcs=[Vpc(vpc_id="vpc-0a", tags=tags)],
            interfaces=[NetworkInterface(interface_id="eni-1", description=name)],
        )
        path = tmp_path_factory.getbasetemp() / "any.json"
        path.write_text(written(parts), encoding="utf-8")
        assert load(path) == parts

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", ", line 1: is not JSON: Expecting property name"),
            ('{"vpcs": []}', ": is not an inventory: it has no version; `vpcflow inventory pull` makes one"),
            ("[1]", ": is not an inventory: it has no version"),
            ('{"version": 2}', ": is of version 2, and this vpcflow reads version 1; pull it again"),
            ('{"version": 1, "vpc": []}', ': "vpc" means nothing in an inventory; did you mean vpcs?'),
            ('{"version": 1, "vpcs": {}}', ": vpcs must be a list"),
            ('{"version": 1, "vpcs": [1]}', ": vpcs, number 1: it must be an object"),
            ('{"version": 1, "vpcs": [{}]}', ": vpcs, number 1: vpc-id is missing"),
            (
                '{"version": 1,\n"vpcs": [{"vpc-id": "vpc-1"},\n{"vpc-id": "subnet-1"}]}',
                ', line 3: vpcs, number 2: vpc-id "subnet-1" does not begin with vpc-',
            ),
            (
                '{"version": 1,\n"interfaces": [\n{"interface-id": "eni-1", "addresses": ["10.0.0.256"]}]}',
                ', line 3: interfaces, number 1: addresses "10.0.0.256" is no IP address',
            ),
            (
                '{"version": 1,\n"subnets": [\n{"subnet-id": "subnet-1", "cidrs": ["10.0.0.1/24"]}]}',
                ', line 3: subnets, number 1: cidrs "10.0.0.1/24" is no CIDR',
            ),
            (
                '{"version": 1,\n"interfaces": [\n{"interface-id": "eni-1", "instance_id": "i-1"}]}',
                ", line 3: interfaces, number 1: instance_id means nothing there; did you mean instance-id?",
            ),
            (
                '{"version": 1,\n"interfaces": [\n{"interface-id": "eni-1", "tags": {"a": 1}}]}',
                ", line 3: interfaces, number 1: tags must be an object of texts",
            ),
            (
                '{"version": 1, "interfaces": [{"interface-id": "eni-1", "account-id": 12}]}',
                ", line 1: interfaces, number 1: account-id must be a text",
            ),
            (
                '{"version": 1, "interfaces": [{"vpc-id": "vpc-1"}]}',
                ": interfaces, number 1: interface-id is missing, and there is no address either",
            ),
        ],
    )
    def test_a_mistake_is_named_with_file_line_and_reason(self, file, text, said):
        path = file(text, "inventory.json")
        with pytest.raises(ConfigError) as error:
            load(path)
        assert str(error.value).startswith(f"{path}{said}")


class TestCsv:
    def test_a_row_is_an_interface_with_what_it_belongs_to(self, file):
        found = load(
            file(
                "interface-id,private-ip,ipv6,account-id,region,availability-zone,vpc-id,vpc-name,subnet-id,subnet-name,"
                "instance-id,name,instance-type,image-id,interface-type,description,security-groups,tag:Team\n"
                f"eni-0a,10.0.0.4,2001:db8::4,{ACCOUNT},eu-west-1,euw1-az1,vpc-0a,prod,subnet-0a,front,"
                'i-0a,web-1,t3.micro,ami-1,interface,"Front, left",sg-1 sg-2,payments\n'
            )
        )
        place = {"account_id": ACCOUNT, "region": "eu-west-1"}
        assert found.vpcs == [Vpc(vpc_id="vpc-0a", **place, tags={"Name": "prod"})]
        assert found.subnets == [
            Subnet(
                subnet_id="subnet-0a",
                **place,
                availability_zone="euw1-az1",
                vpc_id="vpc-0a",
                tags={"Name": "front"},
            )
        ]
        assert found.instances == [
            Instance(
                instance_id="i-0a",
                **place,
                instance_type="t3.micro",
                image_id="ami-1",
                tags={"Name": "web-1"},
            )
        ]
        assert found.interfaces == [
            NetworkInterface(
                interface_id="eni-0a",
                **place,
                availability_zone="euw1-az1",
                vpc_id="vpc-0a",
                subnet_id="subnet-0a",
                instance_id="i-0a",
                interface_type="interface",
                description="Front, left",
                security_groups=("sg-1", "sg-2"),
                addresses=("10.0.0.4", "2001:db8::4"),
                tags={"Team": "payments"},
            )
        ]

    def test_an_address_and_a_name_are_enough(self, file):
        [interface] = load(file("private-ip,name\n10.0.0.9,printer\n")).interfaces
        assert interface == NetworkInterface(addresses=("10.0.0.9",), tags={"Name": "printer"})

    def test_rows_of_one_interface_add_up(self, file):
        text = "interface-id,private-ip,tag:Team\neni-1,10.0.0.1,a\neni-1,10.0.0.2,\neni-2,10.0.0.3,b\n"
        one, two = load(file(text)).interfaces
        assert one == NetworkInterface(
            interface_id="eni-1", addresses=("10.0.0.1", "10.0.0.2"), tags={"Team": "a"}
        )
        assert two.addresses == ("10.0.0.3",)

    def test_headings_may_be_written_otherwise_and_a_dash_is_nothing(self, file):
        [interface] = load(file("﻿Interface ID;private_ip;instance-id\neni-1;10.0.0.1;-\n\n")).interfaces
        assert interface == NetworkInterface(interface_id="eni-1", addresses=("10.0.0.1",))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                "interface-id,owner\neni-1,me\n",
                ', line 1: "owner" means nothing; there are interface-id, ',
            ),
            ("interface-id,privat-ip\n", ', line 1: "privat-ip" means nothing; did you mean private-ip?'),
            ("name\nweb\n", ", line 1: there must be a column interface-id or private-ip"),
            ("", ", line 1: there must be a column interface-id or private-ip"),
            ("private-ip,private_ip\n", ', line 1: "private-ip" is there twice'),
            ("private-ip,name\n10.0.0.1\n", ", line 2: has 1 values, and there are 2 headings"),
            ("private-ip\n10.0.0.1\n10.0.0.300\n", ', line 3: addresses "10.0.0.300" is no IP address'),
            ("interface-id\nsg-1\n", ', line 2: interface-id "sg-1" does not begin with eni-'),
            (
                "interface-id,account-id\neni-1,12345678901\n",
                ', line 2: account-id "12345678901" is not twelve digits; spreadsheets drop the zeros',
            ),
            (
                "interface-id,vpc-id\neni-1,vpc-1\neni-2,vpc-1\neni-1,vpc-2\n",
                ', line 4: vpc-id of eni-1 is "vpc-2" here, and "vpc-1" in line 2',
            ),
            (
                "interface-id,instance-id,name\neni-1,i-1,a\neni-2,i-1,b\n",
                ', line 3: tag Name of i-1 is "b" here, and "a" in line 2',
            ),
            (
                "interface-id,name\n,web\n",
                ", line 2: interface-id is missing, and there is no address either",
            ),
        ],
    )
    def test_a_mistake_is_named_with_file_line_and_reason(self, file, text, said):
        path = file(text)
        with pytest.raises(ConfigError) as error:
            load(path)
        assert str(error.value).startswith(f"{path}{said}")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"No such file or directory; `vpcflow inventory pull -o .*` makes"):
        load(tmp_path / "inventory.json")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "inventory.csv"
    path.write_bytes(b"interface-id\n\xff\xfe\n")
    with pytest.raises(ConfigError, match="is neither JSON nor CSV: byte 13 is not UTF-8"):
        load(path)


class TestFinding:
    def test_an_interface_by_id_and_by_each_of_its_addresses(self):
        inventory = Inventory([PARTS])
        [interface] = PARTS.interfaces
        assert inventory.interface("eni-0a") is interface
        assert inventory.interface("eni-0b") is None
        for address in ("10.0.0.4", "::ffff:10.0.0.4", "2001:db8::4", "2001:0db8:0::0004", "10.0.0.31"):
            assert inventory.at(address) is interface, address

    def test_the_subnet_of_an_address_that_no_interface_has(self):
        assert Inventory([PARTS]).at("10.0.0.99") is PARTS.subnets[0]

    @pytest.mark.parametrize("address", ["10.1.0.1", "0.0.0.0", "unknown", "", "fe80::1%eth0", "10.0.0.4/32"])
    def test_what_is_not_ours(self, address):
        assert Inventory([PARTS]).at(address) is None

    def test_an_address_of_two_vpcs_is_nobody_s(self):
        again = Parts(
            subnets=[Subnet(subnet_id="subnet-0b", cidrs=("10.0.0.0/24",))],
            interfaces=[NetworkInterface(interface_id="eni-0b", addresses=("10.0.0.4", "10.0.0.5"))],
        )
        inventory = Inventory([PARTS, again])
        assert inventory.at("10.0.0.4") is None
        assert inventory.at("10.0.0.5") is again.interfaces[0]
        assert inventory.at("10.0.0.99") is None
        assert inventory.shared == 1

    def test_of_two_files_the_later_one_counts(self):
        moved = Parts(interfaces=[NetworkInterface(interface_id="eni-0a", addresses=("10.0.0.7",))])
        inventory = Inventory([PARTS, moved])
        assert inventory.at("10.0.0.7") is moved.interfaces[0]
        assert inventory.at("10.0.0.4") is PARTS.subnets[0]


class TestDocumentation:
    """What docs/inventory.md shows is read as it says."""

    TEXT = (Path(__file__).parents[2] / "docs" / "inventory.md").read_text()

    def block(self, language: str) -> str:
        found = re.search(rf"```{language}\n(.*?)```", self.TEXT, re.DOTALL)
        assert found is not None
        return found[1]

    def test_json(self, file):
        parts = load(file(self.block("json"), "inventory.json"))
        assert Inventory([parts]).at("203.0.113.7") is parts.interfaces[0]
        assert parts.interfaces[0].description is None

    def test_csv(self, file):
        one, two = load(file(self.block("text"))).interfaces
        assert (one.interface_id, two.tags) == ("eni-0a1b", {"Name": "printer", "Team": "office"})

    def test_every_heading(self):
        assert [it for it in COLUMNS if f"`{it}`" not in self.TEXT] == []

    def test_configuration(self, file):
        path = file(self.block("toml"), "vpcflow.toml")
        assert load_config(path) == {
            "inventory": ("inventory.json", "datacentre.csv"),
            "inventory_tags": ("Team", "Environment"),
        }
        assert [owner.name for owner in load_owners(path)] == ["Jane Roe", "Platform"]

    def test_every_field_of_a_document(self, file):
        inventory = InventoryFiles([file("interface-id\neni-1\n")])
        fields = {*InventoryInterfaces(inventory, []).fields, *InventoryAddresses(inventory).fields}
        names = {
            it.replace("side.", "source.").replace("interface.description", "interface.name") for it in fields
        }
        assert [it for it in sorted(names) if f"`{it}`" not in self.TEXT] == []


class TestShow:
    def test_what_files_hold_and_what_tags_become(self, tmp_path):
        (tmp_path / "a.json").write_text(written(PARTS))
        (tmp_path / "b.csv").write_text(
            "interface-id,account-id,interface-type,tag:Cost Center\neni-9,210987654321,natGateway,4711\n"
        )
        shown = vpcflow("inventory", "show", "a.json", "b.csv", cwd=tmp_path).stdout.decode()
        rows = [line.split() for line in shown.splitlines()]
        assert [ACCOUNT, "eu-west-1", "0", "0", "1", "1"] in rows
        assert ["210987654321", "1", "0", "0", "0"] in rows
        assert ["1", "nat_gateway"] in rows
        assert ["1", "Cost", "Center", "labels.cost_center", "yes"] in rows

    def test_addresses_of_two_interfaces_are_counted(self, tmp_path):
        (tmp_path / "a.csv").write_text("interface-id,private-ip\neni-1,10.0.0.1\neni-2,10.0.0.1\n")
        done = vpcflow("inventory", "show", "a.csv", cwd=tmp_path)
        assert "left out, since more than one interface has them: 1 of the addresses" in done.stdout.decode()

    def test_a_mistake(self, tmp_path):
        (tmp_path / "a.csv").write_text("interface-id,private-ip\neni-1,10.0.0.256\n")
        done = vpcflow("inventory", "show", "a.csv", cwd=tmp_path, code=2)
        assert errors(done) == ['Error: a.csv, line 2: addresses "10.0.0.256" is no IP address']

    def test_nothing_in_it(self, tmp_path):
        (tmp_path / "a.json").write_text(json.dumps({"version": 1}))
        done = vpcflow("inventory", "show", "a.json", cwd=tmp_path, code=2)
        assert errors(done) == ["Error: a.json: nothing is in this inventory; pull it again, or leave it out"]
