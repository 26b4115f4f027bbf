"""What rules let through, and what is proposed in their place: properties, whatever the flows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.diagnose.groups import Rules, parse
from vpcflow.diagnose.model import Acl, AclEntry, Evidence, Flow, GroupRule, Refusal, Span
from vpcflow.diagnose.network import Places, Surroundings
from vpcflow.diagnose.proposals import numbered
from vpcflow.diagnose.rules import CLIENTS, Packet, Resolver, admits, admits_any, decides, narrow
from vpcflow.diagnose.usage import NETWORKS, narrower
from vpcflow.diagnose.verdicts import judge
from vpcflow.inventory import Inventory, NetworkInterface, Parts

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SPAN = Span(20, NOW, NOW + timedelta(hours=1))
NOBODY = Resolver()

v4 = st.ip_addresses(v=4).map(str)
addresses = st.ip_addresses().map(str)
ports = st.integers(1, 65535)
protocols = st.sampled_from([1, 6, 17, 47, 50, 58])
directions = st.sampled_from(["ingress", "egress"])


def around(rules: Rules | None = None, *interfaces: NetworkInterface) -> Surroundings:
    inventory = Inventory([Parts(interfaces=list(interfaces))]) if interfaces else None
    return Surroundings(rules or Rules(), inventory, Places({}, {}))


@st.composite
def refusals(draw: st.DrawFn) -> Refusal:
    version = draw(st.sampled_from([4, 6]))
    source, destination = (str(draw(st.ip_addresses(v=version))) for _ in range(2))
    protocol = draw(protocols)
    port = draw(ports) if protocol in (6, 17) else 0
    return Refusal(
        Flow("eni-1", source, destination, protocol, port, draw(st.booleans())), SPAN, draw(directions), None
    )


def packet(refusal: Refusal) -> Packet:
    """What the rules see; of an answer any of the client's ports."""
    flow = refusal.flow
    ports = (CLIENTS if flow.answer else (flow.port, flow.port)) if flow.protocol in (6, 17) else None
    return Packet(refusal.direction, refusal.peer, flow.protocol, ports)


@given(refusals(), st.builds(Evidence, reverse=st.sampled_from([None, SPAN]), others=st.integers(0, 3)))
def test_a_proposed_rule_admits_the_flow_and_nobody_else(refusal: Refusal, evidence: Evidence) -> None:
    verdict = judge(refusal, evidence, around())
    for proposal in verdict.proposals:
        rule = proposal.rule
        if isinstance(rule, AclEntry):
            deny = AclEntry(
                32767, rule.direction, None, None, ip_network(rule.network.supernet(new_prefix=0)), False
            )
            assert decides(Acl("acl-1", None, (), (deny,)), packet(refusal))[0] is False
            assert decides(Acl("acl-1", None, (), (rule, deny)), packet(refusal))[0] is True
            assert rule.network.num_addresses == 1
        else:
            assert admits(rule, packet(refusal), NOBODY) is True
            assert rule.peer.num_addresses == 1
            assert rule.protocol is not None
            other = "198.51.100.1" if refusal.peer != "198.51.100.1" else "198.51.100.2"
            assert admits(rule, Packet(rule.direction, other, rule.protocol, rule.ports), NOBODY) is False


@given(st.sets(v4, min_size=1, max_size=40), st.integers(1, 6))
def test_narrow_networks_hold_every_address(hosts: set[str], most: int) -> None:
    networks = narrow(hosts, most)
    assert len(networks) <= most
    assert all(any(ip_address(host) in network for network in networks) for host in hosts)
    assert all(any(ip_address(host) in network for host in hosts) for network in networks)


@given(st.sets(addresses, min_size=1, max_size=20))
def test_narrow_networks_of_both_families(hosts: set[str]) -> None:
    networks = narrow(hosts, 3)
    assert all(any(ip_address(host) in network for network in networks) for host in hosts)
    assert max(sum(it.version == version for it in networks) for version in (4, 6)) <= 3


@given(
    st.sets(st.tuples(v4, st.sampled_from([6, 17]), ports), min_size=1, max_size=12),
    st.sampled_from([(None, None), (6, None), (6, (1, 65535)), (17, None)]),
    directions,
)
def test_a_narrower_rule_admits_all_the_flows_that_used_the_wide_one(used, what, direction) -> None:
    wide = GroupRule("sg-1", direction, *what, ip_network("0.0.0.0/0"), "all")
    went = {
        (peer, protocol, port)
        for peer, protocol, port in used
        if admits(wide, Packet(direction, peer, protocol, (port, port)), NOBODY)
    }
    instead = narrower(wide, went) if went else ()
    for peer, protocol, port in went if instead else ():
        assert admits_any(instead, Packet(direction, peer, protocol, (port, port)), NOBODY) is True
    hosts = {peer for peer, _, _ in went}
    services = {(protocol, port) for _, protocol, port in went}
    for rule in instead:
        assert rule.peer.prefixlen > 0 or rule.ports is not None
        assert (rule.group, rule.direction) == ("sg-1", direction)
    assert len(instead) <= max(1, len(services)) * max(NETWORKS, len(hosts))


@given(
    st.lists(st.tuples(st.integers(1, 200), ports, st.booleans()), max_size=8, unique_by=lambda it: it[0]),
    ports,
)
def test_a_network_acl_asks_its_entries_in_their_order(entries, port: int) -> None:
    """One port is what the first entry that has it says."""
    everyone = ip_network("0.0.0.0/0")
    acl = Acl(
        "acl-1",
        None,
        (),
        tuple(
            AclEntry(number, "ingress", 6, (min(first, port), max(first, port)), everyone, allow)
            for number, first, allow in sorted(entries)
        ),
    )
    allowed, entry = decides(acl, Packet("ingress", "10.0.0.1", 6, (port, port)))
    expected = acl.entries[0] if acl.entries else None
    assert (allowed, entry) == ((expected.allow, expected) if expected else (False, None))


def test_a_range_is_refused_by_any_entry_that_takes_a_part_of_it() -> None:
    everyone = ip_network("0.0.0.0/0")
    deny = AclEntry(90, "egress", 6, (50000, 50010), everyone, allow=False)
    whole = AclEntry(100, "egress", 6, (1024, 65535), everyone, allow=True)
    answer = Packet("egress", "10.0.0.1", 6, CLIENTS)
    assert decides(Acl("acl-1", None, (), (deny, whole)), answer) == (False, deny)
    assert decides(Acl("acl-1", None, (), (whole,)), answer) == (True, whole)
    part = AclEntry(100, "egress", 6, (32768, 65535), everyone, allow=True)
    assert decides(Acl("acl-1", None, (), (part,)), answer) == (False, None)


GROUPS = {
    "SecurityGroups": [
        {
            "GroupId": "sg-1",
            "GroupName": "web",
            "OwnerId": "123456789012",
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
                 "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
                {"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8010, "PrefixListIds": [{"PrefixListId": "pl-1"}]},
                {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "UserIdGroupPairs": [{"GroupId": "sg-2"}]},
                {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
                {"IpProtocol": "icmpv6", "FromPort": -1, "ToPort": -1, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
                {"IpProtocol": "50", "IpRanges": [{"CidrIp": "192.0.2.0/24"}]},
            ],
            "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        }
    ],
    "PrefixLists": [{"PrefixListId": "pl-1", "Cidrs": ["198.51.100.0/24"]}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "peer", "protocol", "port", "admitted"),
    [
        ("ingress", "203.0.113.1", 6, 443, True),
        ("ingress", "203.0.113.1", 6, 444, False),
        ("ingress", "2001:db8::1", 6, 443, True),
        ("ingress", "2001:dba::1", 6, 443, False),
        ("ingress", "198.51.100.9", 6, 8005, True),
        ("ingress", "198.51.101.9", 6, 8005, False),
        ("ingress", "10.0.0.2", 17, 53, True),  # a member of sg-2
        ("ingress", "10.0.0.3", 17, 53, False),
        ("ingress", "10.0.0.3", 1, None, None),  # a rule for echo requests, and flow logs have no types
        ("ingress", "192.0.2.1", 1, None, False),
        ("ingress", "2001:db8::1", 58, None, True),
        ("ingress", "192.0.2.1", 50, None, True),
        ("egress", "203.0.113.1", 47, None, True),
        ("egress", "2001:db8::1", 6, 443, False),
    ],
)
def test_every_kind_of_rule(direction, peer, protocol, port, admitted) -> None:
    rules = parse("groups.json", GROUPS)
    member = NetworkInterface(interface_id="eni-2", security_groups=("sg-2",), addresses=("10.0.0.2",))
    asked = Packet(direction, peer, protocol, None if port is None else (port, port))
    assert admits_any(rules.groups["sg-1"].rules, asked, around(rules, member).resolver) is admitted


def test_without_an_inventory_or_a_prefix_list_it_can_not_be_told() -> None:
    rules = parse("groups.json", {"SecurityGroups": GROUPS["SecurityGroups"]})
    resolver = around(rules).resolver
    own = rules.groups["sg-1"].rules
    assert admits_any(own, Packet("ingress", "10.0.0.2", 17, (53, 53)), resolver) is None
    assert admits_any(own, Packet("ingress", "198.51.100.9", 6, (8005, 8005)), resolver) is None


def test_entries_for_one_network_acl_get_numbers_of_their_own() -> None:
    deny = AclEntry(32767, "ingress", None, None, ip_network("0.0.0.0/0"), allow=False)
    full = AclEntry(100, "ingress", 6, (443, 443), ip_network("0.0.0.0/0"), allow=True)
    rules = Rules()
    rules.acls["acl-1"] = Acl("acl-1", None, ("subnet-1",), (full, deny))
    own = NetworkInterface(interface_id="eni-1", subnet_id="subnet-1", addresses=("10.0.0.1",))
    places = around(rules, own)
    told = [
        judge(Refusal(Flow("eni-1", f"10.1.0.{n}", "10.0.0.1", 6, 8443), SPAN, "ingress"), Evidence(), places)
        for n in (1, 2, 1)
    ]
    given = [it.rule.number for verdict in numbered(told, places) for it in verdict.proposals if it.acl]
    assert given == [110, 109, 110]
