"""`vpcflow diagnose` explains refused flows: the same from a Parquet store and from Elasticsearch."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnosing import APP, DB, HEADER, PARTNER, STRANGER, TARGETS, WEB, Target, flow, open_target


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return open_target(request, tmp_path)


def test_a_request_that_a_security_group_refuses(target: Target) -> None:
    target.index(
        flow(DB[0], ("10.0.2.31", 40001), (DB[1], 5432)),
        flow(APP[0], (APP[1], 40000), (DB[1], 5432), way="egress", times=3),
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), "REJECT", times=3),
    )
    found = target.found()
    assert (found["flows"], found["refused"], found["distinct_refusals"]) == (7, 3, 1)
    [refusal] = found["refusals"]
    assert refusal["most_likely"] == "group"
    assert (refusal["interface"], refusal["direction"], refusal["flows"]) == ("eni-db", "ingress", 3)
    assert (refusal["source"], refusal["protocol"], refusal["port"]) == (APP[1], "tcp", 5432)
    assert refusal["evidence"][:2] == [
        "the interface accepts it from another address: its group has a rule, but not for this one",
        "eni-app let it out: refused on the way in",
    ]
    [rule] = refusal["rules"]
    assert rule["peer"] == "10.0.2.30/32"
    assert (rule["direction"], rule["protocol"], rule["from_port"], rule["to_port"]) == (
        "ingress",
        "tcp",
        5432,
        5432,
    )
    assert rule["security_group"] is None


def test_an_answer_that_a_network_acl_refuses(target: Target) -> None:
    """AWS's own example: the ping is let in, and its answer isn't let out; then the same with HTTPS."""
    target.index(
        flow(WEB[0], PARTNER, WEB[1], protocol=1, flags=0, times=2),
        flow(WEB[0], WEB[1], PARTNER, "REJECT", way="egress", protocol=1, flags=0, times=2),
        flow(WEB[0], (PARTNER, 50000), (WEB[1], 443), flags=2, times=5),
        flow(WEB[0], (WEB[1], 443), (PARTNER, 50000), "REJECT", way="egress", flags=18, times=5),
    )
    https, ping = target.found()["refusals"]
    assert [it["most_likely"] for it in (https, ping)] == ["acl", "acl"]
    assert (https["answer"], https["port"], https["flows"]) == (True, 443, 5)
    assert https["evidence"] == [
        "the request was accepted (5 records) and its answer refused: a security group lets answers pass, a network "
        "ACL doesn't"
    ]
    assert https["rules"] == [
        {
            "network_acl": None, "rule_number": None, "direction": "egress", "protocol": "tcp", "from_port": 1024,
            "to_port": 65535, "peer": f"{PARTNER}/32",
        }
    ]  # fmt: skip
    assert (ping["protocol"], ping["rules"][0]["from_port"], ping["rules"][0]["to_port"]) == ("icmp", -1, -1)


def test_a_request_that_is_refused_on_the_way_out(target: Target) -> None:
    target.index(
        flow(APP[0], (APP[1], 40000), ("198.51.100.80", 443), way="egress"),
        flow(APP[0], (APP[1], 40001), (PARTNER, 8443), "REJECT", way="egress", times=2),
    )
    [refusal] = target.found()["refusals"]
    assert (refusal["most_likely"], refusal["direction"]) == ("group", "egress")
    assert refusal["evidence"][0] == "the interface reaches it nowhere"
    [rule] = refusal["rules"]
    assert (rule["direction"], rule["from_port"], rule["peer"]) == ("egress", 8443, f"{PARTNER}/32")


def test_how_long_it_has_gone_on_and_what_has_changed(target: Target) -> None:
    target.index(
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), minute=0, times=10),
        flow(DB[0], (APP[1], 40001), (DB[1], 5432), "REJECT", minute=60, times=180),
        flow(DB[0], (WEB[1], 40000), (DB[1], 5432), "REJECT", minute=0, times=20),
        flow(DB[0], (WEB[1], 40001), (DB[1], 5432), minute=60, times=5),
    )
    found = target.found()
    [refusal], [over] = found["refusals"], found["harmless"]
    assert refusal["most_likely"] == "changed"
    assert refusal["evidence"][0].startswith("it was accepted until ")
    assert refusal["first"] < refusal["last"]
    assert "3 h" in target.ask(form="table")
    assert (over["most_likely"], over["source"]) == ("accepted since", WEB[1])


def test_packets_that_come_after_their_connection_ended(target: Target) -> None:
    target.index(
        flow(APP[0], (APP[1], 40000), (PARTNER, 443), way="egress", times=9),
        flow(APP[0], (PARTNER, 443), (APP[1], 40000), flags=18, times=9),
        flow(APP[0], (PARTNER, 443), (APP[1], 40000), "REJECT", flags=1, minute=5),
        flow(APP[0], ("10.0.9.9", 40000), (APP[1], 8080), times=9),
        flow(APP[0], ("10.0.9.9", 40000), (APP[1], 8080), "REJECT", flags=4, minute=5),
    )
    found = target.found()
    assert found["refusals"] == []
    assert [it["most_likely"] for it in found["harmless"]] == ["late", "late"]
    assert [it["rules"] for it in found["harmless"]] == [[], []]


def test_a_connection_that_was_accepted_and_ended_has_lost_no_rule(target: Target) -> None:
    """What comes last of a connection is refused: it isn't that a rule has gone."""
    target.index(
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), times=2),
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), "REJECT", flags=1, minute=60, times=5),
        flow(WEB[0], (PARTNER, 50000), (WEB[1], 443), times=2),
        flow(WEB[0], (WEB[1], 443), (PARTNER, 50000), way="egress", flags=18, times=2),
        flow(WEB[0], (WEB[1], 443), (PARTNER, 50000), "REJECT", way="egress", flags=4, minute=3),
    )
    found = target.found()
    assert found["refusals"] == []
    assert [it["most_likely"] for it in found["harmless"]] == ["late", "late"]


def test_answers_that_a_network_acl_refuses_since_then(target: Target) -> None:
    target.index(
        flow(WEB[0], (PARTNER, 50000), (WEB[1], 443), times=30),
        flow(WEB[0], (WEB[1], 443), (PARTNER, 50000), way="egress", flags=18, times=10),
        flow(WEB[0], (WEB[1], 443), (PARTNER, 50000), "REJECT", way="egress", flags=18, minute=10, times=20),
    )
    [refusal] = target.found()["refusals"]
    assert refusal["most_likely"] == "changed"
    assert refusal["rules"][0]["direction"] == "egress"


def test_what_is_for_nobody(target: Target) -> None:
    target.index(
        flow(APP[0], (STRANGER, 443), (APP[1], 40000), "REJECT", flags=18),
        flow(APP[0], (APP[1], 5353), ("224.0.0.251", 5353), "REJECT", way="egress", protocol=17, times=2),
    )
    found = target.found()
    assert found["refusals"] == []
    assert [(it["most_likely"], it["rules"]) for it in found["harmless"]] == [("stray", []), ("stray", [])]


def test_scans_from_the_internet_are_left_alone(target: Target) -> None:
    many_ports = [flow(WEB[0], (STRANGER, 40000), (WEB[1], port), "REJECT") for port in range(1, 40)]
    target.index(
        *many_ports,
        flow(WEB[0], ("203.0.113.10", 40000), (WEB[1], 22), "REJECT", times=50),
        flow(WEB[0], ("203.0.113.11", 40000), (WEB[1], 8728), "REJECT"),
    )
    found = target.found()
    assert found["refusals"] == []
    assert [(it["source"], it["flows"], it["hosts"], it["ports"]) for it in found["scans"]] == [
        (STRANGER, 39, 1, 39)
    ]
    assert {it["source"]: it["most_likely"] for it in found["harmless"]} == {
        "203.0.113.10": "scan",
        "203.0.113.11": "scan",
    }
    for form in ("terraform", "cli"):
        lines = target.ask(form=form).splitlines()
        assert all(line.startswith("#") for line in lines if line)
        assert "0.0.0.0/0" not in "".join(lines)


def test_a_partner_whose_address_is_not_let_in_yet(target: Target) -> None:
    target.index(
        flow(WEB[0], ("198.51.100.1", 40000), (WEB[1], 8443)),
        flow(WEB[0], (PARTNER, 40000), (WEB[1], 8443), "REJECT", times=3),
    )
    [refusal] = target.found()["refusals"]
    assert refusal["evidence"][-1] == "from the internet: let it in only if you know whose address that is"
    assert refusal["rules"][0]["peer"] == f"{PARTNER}/32"


def test_what_block_public_access_refused(target: Target) -> None:
    header = f"{HEADER} reject-reason"
    blocked = flow(WEB[0], (PARTNER, 40000), (WEB[1], 443), "REJECT", times=3)
    target.index([f"{line} BPA" for line in blocked], header=header)
    found = target.found()
    assert found["refusals"] == []
    [policy] = found["policies"]
    assert (policy["reason"], policy["interface"], policy["flows"], policy["peers"]) == (
        "BPA",
        "eni-web",
        3,
        1,
    )
    assert "BPA (Block Public Access)" in target.ask(form="table")


def test_ipv6(target: Target) -> None:
    own, peer = "2001:db8:10::10", "2001:db8:10::20"
    target.index(
        flow(DB[0], (peer, 40000), (own, 5432), "REJECT", times=3),
        flow(DB[0], ("2001:db8:10::21", 40000), (own, 5432)),
    )
    [refusal] = target.found()["refusals"]
    assert refusal["rules"][0]["peer"] == f"{peer}/128"
    assert f'cidr_ipv6         = "{peer}/128"' in target.ask(form="terraform")


def test_the_largest_ones_come_first_and_the_others_are_counted(target: Target) -> None:
    target.index(
        *(flow(DB[0], (f"10.0.9.{n}", 40000), (DB[1], 5432), "REJECT", times=n) for n in range(1, 31))
    )
    found = target.found("--limit", "3")
    assert [it["flows"] for it in found["refusals"]] == [30, 29, 28]
    assert (found["distinct_refusals"], found["more_than_that"]) == (30, False)
    assert "… 27 more refusals; --limit shows more" in target.ask("--limit", "3", form="table")


def test_some_interfaces_and_some_time(target: Target) -> None:
    target.index(
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), "REJECT", times=2),
        flow(WEB[0], (APP[1], 40000), (WEB[1], 8443), "REJECT", minute=1440, times=3),
    )
    one = target.found("--interface", "eni-db")
    assert [it["interface"] for it in one["refusals"]] == ["eni-db"]
    day = target.found("--until", "2026-11-20", "--last", "24h")
    assert [it["interface"] for it in day["refusals"]] == ["eni-web"]
    both = target.found("--until", "2026-11-20", "--last", "2d")
    assert {it["interface"] for it in both["refusals"]} == {"eni-db", "eni-web"}
    first = target.found("--since", "2026-11-18", "--until", "2026-11-19T01:00")
    assert [it["interface"] for it in first["refusals"]] == ["eni-db"]


def test_a_peer_whose_requests_are_refused_while_its_answers_pass(target: Target) -> None:
    """Who may be pinged need not be let in to ping."""
    target.index(
        flow(WEB[0], WEB[1], PARTNER, way="egress", protocol=1, flags=0, times=9),
        flow(WEB[0], PARTNER, WEB[1], protocol=1, flags=0, times=9),
        flow(WEB[0], PARTNER, WEB[1], "REJECT", protocol=1, flags=0, minute=2, times=3),
    )
    [refusal] = target.found()["refusals"]
    assert refusal["most_likely"] == "group"
    assert (
        refusal["evidence"][0] == "answers to what the interface asks pass, and what the peer begins doesn't"
    )


def test_a_rule_that_comes_and_goes(target: Target) -> None:
    target.index(
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), times=9),
        flow(DB[0], (DB[1], 5432), (APP[1], 40000), way="egress", flags=18, times=9),
        flow(DB[0], (APP[1], 40001), (DB[1], 5432), "REJECT", minute=3, times=3),
        flow(WEB[0], (APP[1], 40000), (WEB[1], 53), protocol=17, flags=0, times=9),
        flow(WEB[0], (WEB[1], 53), (APP[1], 40000), way="egress", protocol=17, flags=0, times=9),
        flow(WEB[0], (APP[1], 40001), (WEB[1], 53), "REJECT", protocol=17, flags=0, minute=3, times=2),
    )
    assert [it["most_likely"] for it in target.found()["refusals"]] == ["by turns", "by turns"]


def test_logs_without_a_direction(target: Target) -> None:
    """Of a private and a public address, the private one is the interface's."""
    header = HEADER.replace(" flow-direction", "").replace(" tcp-flags", "")
    lines = flow(WEB[0], ("198.51.100.1", 40000), (WEB[1], 8443), "REJECT", times=12)
    target.index([" ".join([*line.split()[:14], line.split()[-1]]) for line in lines], header=header)
    [refusal] = target.found()["refusals"]
    assert refusal["direction"] == "ingress"


def test_an_elasticsearch_without_such_a_namespace(elasticsearch_url: str, tmp_path: Path) -> None:
    empty = Target(tmp_path, elasticsearch_url, "--namespace", "nobody")
    assert "has no namespace nobody: there is no data stream logs-aws.vpcflow-nobody" in empty.refuses()


def test_nobody_there(tmp_path: Path) -> None:
    gone = Target(tmp_path, "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 can't be reached" in gone.refuses(code=1)
