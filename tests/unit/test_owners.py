"""[[owners]] in vpcflow.toml: whose job a flow is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcflow import ConfigError
from vpcflow.config import load, load_owners
from vpcflow.enrich import Interface
from vpcflow.enrich.inventory import InventoryFiles
from vpcflow.enrich.owners import OwnersByAddress, OwnersByInterface
from vpcflow.networks import Networks
from vpcflow.owners import Match, Owner

NOTHING = Interface(None, None, None, None, None)
TOML = """\
[index]
sources = ["logs/"]

[[owners]]
name = "Jane Roe"
team = "payments"
email = "payments@example.com"
match = { vpcs = ["vpc-0a"], cidrs = ["10.20.0.0/16", "2001:db8::/32"], tags = ["Team=payments"] }

[[owners]]
name = "Platform"
match.accounts = "123456789012"
"""


@pytest.fixture
def toml(tmp_path: Path):
    def to_file(text: str) -> Path:
        path = tmp_path / "vpcflow.toml"
        path.write_text(text)
        return path

    return to_file


def test_owners_of_a_file(toml):
    assert load_owners(toml(TOML)) == (
        Owner(
            name="Jane Roe",
            team="payments",
            email="payments@example.com",
            match=Match(
                vpcs=("vpc-0a",),
                cidrs=(ip_network("10.20.0.0/16"), ip_network("2001:db8::/32")),
                tags=("Team=payments",),
            ),
        ),
        Owner(name="Platform", match=Match(accounts=("123456789012",))),
    )


def test_they_are_no_option_of_the_command(toml):
    assert load(toml(TOML)) == {"sources": ("logs/",)}


def test_a_file_without_owners(toml):
    assert load_owners(toml("[index]\n")) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[owners]]\nname = "a"\n', ", line 1: [[owners]] number 1: a has no match; say what is theirs"),
        ('[[owners]]\nname = "a"\nmatch = {}\n', ", line 3: [[owners]] number 1: a has no match"),
        (
            '[[owners]]\nname = "a"\nmatch = { vpcs = [] }\n',
            ", line 3: [[owners]] number 1: a has an empty match",
        ),
        ('[[owners]]\nmatch.vpcs = ["vpc-1"]\n', ", line 1: [[owners]] number 1: has no name"),
        (
            '[[owners]]\nname = "a"\nmatch.vpcs = ["vpc-1"]\n[[owners]]\nname = "b"\nmatch.cidrs = [\n"10.0.0.0/8",\n'
            '"10.0.0.1/8"]\n',
            ', line 8: [[owners]] number 2: cidrs: "10.0.0.1/8" is an address in a network; the network is 10.0.0.0/8',
        ),
        (
            '[[owners]]\nname = "a"\nmatch.cidrs = ["10.0.0.0/33"]\n',
            ', line 3: [[owners]] number 1: cidrs: "10.0.0.0/33" is no CIDR; it looks like 10.20.0.0/16',
        ),
        (
            '[[owners]]\nname = "a"\nmatch.accounts = [123456789012]\n',
            ", line 3: [[owners]] number 1: accounts: 123456789012 must be a text in quotes",
        ),
        (
            '[[owners]]\nname = "a"\nmatch.accounts = ["1"]\n',
            ', line 3: [[owners]] number 1: accounts: "1" is not the twelve digits of an account',
        ),
        (
            '[[owners]]\nname = "a"\nmatch.vpcs = ["subnet-1"]\n',
            ', line 3: [[owners]] number 1: vpcs: "subnet-1" does not begin with vpc-',
        ),
        (
            '[[owners]]\nname = "a"\nmatch.tags = ["Team"]\n',
            ', line 3: [[owners]] number 1: tags: "Team" is no tag; it looks like Team=payments',
        ),
        (
            '[[owners]]\nname = "a"\nmatch.vpc = ["vpc-1"]\n',
            ", line 3: [[owners]] number 1: match has no vpc; did you mean vpcs?",
        ),
        (
            '[[owners]]\nname = "a"\nvpcs = ["vpc-1"]\n',
            ", line 3: [[owners]] number 1: there is no vpcs; it belongs into match",
        ),
        (
            '[[owners]]\nname = "a"\nmail = "a@b"\nmatch.vpcs = ["vpc-1"]\n',
            ", line 3: [[owners]] number 1: there is no mail; did you mean email?",
        ),
        (
            '[[owners]]\nname = "a"\nemail = "a at b"\nmatch.vpcs = ["vpc-1"]\n',
            ', line 3: [[owners]] number 1: email: "a at b" is no address of e-mail',
        ),
        (
            '[[owners]]\nname = ""\nmatch.vpcs = ["vpc-1"]\n',
            ", line 2: [[owners]] number 1: name must be a text",
        ),
        ('[owners]\nname = "a"\n', ": owners must be tables, [[owners]]"),
        ('owners = [{ name = "a" }]\n', ": [[owners]] number 1: a has no match"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_reason(toml, text, said):
    path = toml(text)
    for read in (load_owners, load):
        with pytest.raises(ConfigError) as error:
            read(path)
        assert str(error.value).startswith(f"{path}{said}")


PAYMENTS = {"labels.owner": "Jane Roe", "labels.team": "payments"}
PLATFORM = {"labels.owner": "Platform", "labels.team": "Platform"}


@pytest.fixture
def owners(toml):
    return load_owners(toml(TOML))


class TestTheInterfaceThatLogged:
    @pytest.fixture
    def owners(self, owners):
        return [replace(it, match=replace(it.match, tags=())) for it in owners]

    def look_up(self, owners, **known):
        return OwnersByInterface(owners).look_up(NOTHING._replace(**known))

    def test_the_first_that_matches_counts(self, owners):
        assert self.look_up(owners, account_id="123456789012", vpc_id="vpc-0a") == PAYMENTS
        assert self.look_up(owners, account_id="123456789012", vpc_id="vpc-0b") == PLATFORM
        assert self.look_up(owners[::-1], account_id="123456789012", vpc_id="vpc-0a") == PLATFORM

    def test_nobody(self, owners):
        assert self.look_up(owners, account_id="222222222222") is None
        assert self.look_up(owners) is None

    def test_subnets_and_interfaces(self):
        owners = [
            Owner(name="a", match=Match(subnets=("subnet-1",))),
            Owner(name="b", match=Match(interfaces=("eni-1",))),
        ]
        assert self.look_up(owners, subnet_id="subnet-1") == {"labels.owner": "a", "labels.team": "a"}
        assert self.look_up(owners, interface_id="eni-1") == {"labels.owner": "b", "labels.team": "b"}


class TestWithAnInventory:
    @pytest.fixture
    def files(self, tmp_path):
        (tmp_path / "a.json").write_text(
            '{"version": 1, "vpcs": [{"vpc-id": "vpc-0c", "tags": {"Team": "payments"}}], "interfaces": ['
            '{"interface-id": "eni-1", "vpc-id": "vpc-0a", "account-id": "123456789012"}, '
            '{"interface-id": "eni-2", "vpc-id": "vpc-0b", "account-id": "123456789012", "tags": {"Team": "payments"}}, '
            '{"interface-id": "eni-3", "vpc-id": "vpc-0c"}, '
            '{"interface-id": "eni-4", "account-id": "123456789012", "addresses": ["10.20.0.1"]}, '
            '{"interface-id": "eni-5", "account-id": "123456789012"}]}'
        )
        return InventoryFiles([tmp_path / "a.json"])

    @pytest.mark.parametrize(
        ("known", "answer"),
        [
            ({"interface_id": "eni-1"}, PAYMENTS),  # by its VPC, which the log need not say
            ({"interface_id": "eni-2"}, PAYMENTS),  # by its own tag
            ({"interface_id": "eni-3"}, PAYMENTS),  # by its VPC's tag
            ({"interface_id": "eni-4"}, PAYMENTS),  # by its own address, though its account would match too
            ({"interface_id": "eni-5", "account_id": "unknown"}, PLATFORM),  # by its account
            (
                {"interface_id": "eni-9", "vpc_id": "vpc-0c"},
                PAYMENTS,
            ),  # newer than the inventory, in a known VPC
            ({"interface_id": "eni-9"}, None),
        ],
    )
    def test_it_says_what_the_log_does_not(self, owners, files, known, answer):
        assert OwnersByInterface(owners, files).look_up(NOTHING._replace(**known)) == answer

    def test_tags_need_one(self, owners):
        with pytest.raises(ConfigError, match=r"\[\[owners\]\] Jane Roe: tags are known from an inventory"):
            OwnersByInterface(owners)


class TestEitherAddress:
    @pytest.mark.parametrize("address", ["10.20.1.1", "::ffff:10.20.1.1", "2001:db8::1"])
    def test_in_a_network(self, owners, address):
        assert OwnersByAddress(owners).look_up(address) == PAYMENTS

    @pytest.mark.parametrize("address", ["10.21.0.1", "0.0.0.0", "::", "unknown", "-"])
    def test_in_none(self, owners, address):
        assert OwnersByAddress(owners).look_up(address) is None

    def test_the_first_owner_counts_not_the_smallest_network(self):
        owners = [
            Owner(name="a", match=Match(cidrs=(ip_network("10.0.0.0/8"),))),
            Owner(name="b", match=Match(cidrs=(ip_network("10.1.0.0/16"),))),
        ]
        assert OwnersByAddress(owners).look_up("10.1.0.1") == {"labels.owner": "a", "labels.team": "a"}
        assert OwnersByAddress(owners[::-1]).look_up("10.1.0.1") == {"labels.owner": "b", "labels.team": "b"}


addresses = st.ip_addresses()
networks = st.builds(
    lambda address, length: ip_network((address, min(length, address.max_prefixlen)), strict=False),
    st.one_of(addresses, st.sampled_from([ip_address("10.0.0.1"), ip_address("2001:db8::1")])),
    st.integers(0, 128),
)


@settings(deadline=None)
@given(st.lists(networks), addresses)
def test_networks_hold_what_they_hold(several, address):
    table = Networks()
    for network in several:
        table.put(network, network)
    expected = sorted({it for it in several if address in it}, key=lambda it: -it.prefixlen)
    assert list(table.containing(address)) == expected
