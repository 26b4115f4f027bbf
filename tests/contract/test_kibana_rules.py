"""Alert rules in Kibana: what each version takes, whom they tell, and what becomes of those that somebody edits."""

from __future__ import annotations

import json
import urllib.parse
from dataclasses import dataclass

import pytest

from kibana_stub import Kibana
from setup_command import KEY
from vpcflow.kibana import connectors
from vpcflow.kibana.client import connect
from vpcflow.kibana.setup import Wishes, apply, prepare


@dataclass(frozen=True)
class Watch:
    """An alert as a rule file makes it."""

    id: str = "ssh-refused"
    title: str = "SSH refused often"
    level: str = "medium"
    description: str = "An address outside is refused at port 22 again and again."
    false_positives: tuple[str, ...] = ("a scanner of your own",)
    tags: tuple[str, ...] = ("attack.t1110",)
    timespan: int = 3600
    groups: tuple[str, ...] = ("source.ip",)
    value: str = "flows"
    dashboard: str = "threats"
    countable: bool = True
    quiet: int = 3600

    @property
    def window(self):
        return self.timespan

    def esql(self, owner, *, rest):
        whose = (
            f' | WHERE labels.owner == "{owner}"'
            if owner
            else " | WHERE labels.owner IS NULL"
            if rest
            else ""
        )
        return (
            f"FROM logs-aws.vpcflow-*{whose} | WHERE destination.port == 22 | STATS flows = COUNT(*) BY source.ip"
            " | WHERE flows >= 10 | SORT flows DESC"
        )

    def dsl(self, owner, *, rest):
        if not self.countable:
            return None
        terms = [{"term": {"destination.port": 22}}, *([{"term": {"labels.owner": owner}}] if owner else [])]
        query = json.dumps({"query": {"bool": {"filter": terms}}})
        group = {"groupBy": "top", "termField": "source.ip", "termSize": 100}
        limit = {"threshold": [10], "thresholdComparator": ">="}
        return {"index": ["logs-aws.vpcflow-*"], "esQuery": query, **group, **limit}

    def kql(self, owner, *, rest):
        return "destination.port: 22" + (f' and labels.owner: "{owner}"' if owner else "")


@dataclass(frozen=True)
class Person:
    name: str
    email: str | None = None


SHOP, LAB = Person("shop", "shop@example.com"), Person("the lab's", "lab@example.com")
MAIL = {"type": "email", "from": "a@example.com", "host": "smtp.example.com", "to": ["net@example.com"]}


def bring(stub, *alerts, owners=(), space="default", **wishes):
    """Sets connectors and rules up, and returns what became of each rule by its name."""
    kibana = connect(stub.url, space=space, environ={"KIBANA_API_KEY": KEY})
    made = connectors.parse({"mail": MAIL}, "vpcflow.toml", {})
    wanted = Wishes(("connectors", "rules"), connectors=made, alerts=alerts, owners=owners, **wishes)
    sections = prepare(kibana, wanted)
    apply(kibana, sections)
    kibana.close()
    section = sections["rules"]
    assert not [change.error for change in section.changes if change.error]
    return {change.name: change.what for change in section.changes}, section


def stored(stub):
    return {one["name"]: one for one in stub.alerting.rules.values()}


@pytest.fixture
def trial():
    with Kibana("8.18.1", "trial", api_key=KEY, spaces=("network",)) as stub:
        yield stub


@pytest.mark.parametrize("licence", ["basic", "trial"])
@pytest.mark.parametrize("version", ["8.11.0", "8.12.2", "8.13.0", "8.18.1", "9.0.1"])
def test_every_version_takes_the_rules(version, licence):
    with Kibana(version, licence, api_key=KEY) as stub:
        first, _ = bring(stub, Watch())
        assert first == {"SSH refused often": "created"}
        again, _ = bring(stub, Watch())
        assert again == {"SSH refused often": "left"}
        (rule,) = stub.alerting.rules.values()
    assert rule["enabled"] is True
    assert rule["params"]["searchType"] == ("esQuery" if version < "8.13" else "esqlQuery")
    kinds = [action["connector_type_id"] for action in rule["actions"]]
    assert kinds == ([".server-log", ".index"] + ([".email"] if licence == "trial" else []))


def test_a_kibana_without_esql_says_what_it_cannot_have():
    with Kibana("8.12.2", api_key=KEY) as stub:
        made, section = bring(stub, Watch(countable=False))
    assert made == {}
    assert section.notes == ["rule SSH refused often: it needs ES|QL in rules, which Kibana has from 8.13 on"]


def test_runs_overlap_and_reach_back_to_what_comes_late(trial):
    bring(trial, Watch(timespan=3600), Watch(id="quick", title="Quick", timespan=60))
    slow, quick = stored(trial)["SSH refused often"], stored(trial)["Quick"]
    assert slow["schedule"]["interval"] == "10m"
    assert slow["params"]["timeWindowSize"] == 60 + 10 + 15
    assert quick["schedule"]["interval"] == "1m"
    assert quick["params"]["timeWindowSize"] == 1 + 1 + 15


def test_each_owner_gets_their_own_and_nobody_elses(trial):
    bring(trial, Watch(), owners=(SHOP, LAB))
    rules = stored(trial)
    mails = {
        name: [action["params"]["to"] for action in rule["actions"] if "to" in action["params"]]
        for name, rule in rules.items()
    }
    assert mails == {
        "SSH refused often (shop)": [["shop@example.com"]],
        "SSH refused often (the lab's)": [["lab@example.com"]],
        "SSH refused often (no owner)": [["net@example.com"]],
    }
    assert 'labels.owner == "shop"' in rules["SSH refused often (shop)"]["params"]["esqlQuery"]["esql"]
    assert "labels.owner IS NULL" in rules["SSH refused often (no owner)"]["params"]["esqlQuery"]["esql"]
    assert "owner:shop" in rules["SSH refused often (shop)"]["tags"]


def test_an_owner_without_an_address_is_told_by_the_other_connectors(trial):
    bring(trial, Watch(), owners=(Person("quiet"),))
    actions = stored(trial)["SSH refused often (quiet)"]["actions"]
    assert [action["connector_type_id"] for action in actions] == [".server-log", ".index"]


def test_chat_and_webhooks_are_told_the_same_as_mail(trial):
    secret = {"KIBANA_CONNECTOR_CHAT_WEBHOOK_URL": "https://chat.example.com/1"}
    tables = {
        "mail": MAIL,
        "chat": {"type": "slack"},
        "hook": {"type": "webhook", "url": "https://hooks.example.com/vpcflow"},
    }
    made = connectors.parse(tables, "vpcflow.toml", secret)
    kibana = connect(trial.url, environ={"KIBANA_API_KEY": KEY})
    sections = prepare(kibana, Wishes(("connectors", "rules"), connectors=made, alerts=(Watch(),), owners=()))
    apply(kibana, sections)
    kibana.close()
    told = {one["connector_type_id"]: one["params"] for one in stored(trial)["SSH refused often"]["actions"]}
    assert told.keys() == {".email", ".slack", ".webhook", ".index", ".server-log"}
    text = told[".email"]["message"]
    assert told[".slack"]["message"] == f"[medium] {{{{rule.name}}}}\n{text}"
    assert json.loads(told[".webhook"]["body"]) == {
        "title": "{{rule.name}}",
        "level": "medium",
        "text": text,
    }


def test_an_owner_that_is_gone_takes_their_rules_along(trial):
    bring(trial, Watch(), owners=(SHOP, LAB))
    made, _ = bring(trial, Watch(), owners=(SHOP,))
    assert made["SSH refused often (the lab's)"] == "removed"
    assert set(stored(trial)) == {"SSH refused often (shop)", "SSH refused often (no owner)"}


def test_without_a_file_no_owners_rule_is_taken_away(trial):
    """Who forgot --config would silence everybody."""
    bring(trial, Watch(), owners=(SHOP,))
    made, section = bring(trial, Watch(), owners=None)
    assert made == {}
    assert "give the vpcflow.toml that names the owners" in section.refused[0]
    assert len(stored(trial)) == 2


def test_the_message_says_what_how_many_where_and_links_to_it(trial):
    bring(trial, Watch(), owners=(LAB,), space="network")
    rule = stored(trial)["SSH refused often (the lab's)"]
    (mail,) = (action["params"] for action in rule["actions"] if "to" in action["params"])
    assert mail["subject"] == "[medium] {{rule.name}}"
    text = mail["message"]
    assert Watch().description in text
    assert "source.ip {{_source.source_ip}}, flows {{_source.flows}}" in text
    assert "a scanner of your own" in text
    # Dots in a name would be a path to Kibana's templates: the query gives the columns names without.
    assert rule["params"]["esqlQuery"]["esql"].endswith("| RENAME `source.ip` AS source_ip | LIMIT 5")
    link = text.splitlines()[-1]
    assert link.startswith(
        "{{kibanaBaseUrl}}/s/network/app/dashboards#/view/vpcflow-threats-network?_g=(time:(from:now-75m"
    )
    query = urllib.parse.unquote(link.partition("query:(language:kuery,query:")[2].removesuffix("))"))
    assert query == "'destination.port: 22 and labels.owner: \"the lab!'s\"'"


def test_before_esql_a_message_is_about_one_group():
    with Kibana("8.12.2", "trial", api_key=KEY) as stub:
        bring(stub, Watch())
        (rule,) = stub.alerting.rules.values()
    (mail,) = (action["params"] for action in rule["actions"] if "to" in action["params"])
    assert "source.ip {{alert.id}}, flows {{context.value}}. Some of them:" in mail["message"]
    assert "@timestamp {{_source.@timestamp}}, source.ip {{_source.source.ip}}" in mail["message"]


@pytest.mark.parametrize(("quiet", "throttle"), [(3600, "1h"), (86400, "1d"), (60, "10m")])
def test_every_action_waits_between_two_messages(trial, quiet, throttle):
    """As long as the rule's throttle says; but Kibana takes none that is shorter than the time between runs."""
    bring(trial, Watch(quiet=quiet))
    for action in stored(trial)["SSH refused often"]["actions"]:
        assert action["frequency"] == {
            "summary": False,
            "notify_when": "onThrottleInterval",
            "throttle": throttle,
        }


def test_a_rule_that_changes(trial):
    bring(trial, Watch())
    made, section = bring(trial, Watch(timespan=600))
    assert made == {"SSH refused often": "changed"}
    assert not section.changes[0].edited
    assert "params.timeWindowSize" in section.changes[0].why


def test_an_edit_is_said_and_can_be_kept(trial):
    bring(trial, Watch())
    (rule,) = trial.alerting.rules.values()
    rule["schedule"] = {"interval": "30m"}
    made, section = bring(trial, Watch(), keep_edits=True)
    assert made == {"SSH refused often": "kept"}
    assert rule["schedule"] == {"interval": "30m"}
    made, section = bring(trial, Watch())
    assert (made, section.changes[0].edited) == ({"SSH refused often": "changed"}, True)
    assert stored(trial)["SSH refused often"]["schedule"] == {"interval": "10m"}


def test_a_rule_that_was_switched_off_stays_off(trial):
    bring(trial, Watch())
    (rule,) = trial.alerting.rules.values()
    rule["enabled"] = False
    made, section = bring(trial, Watch())
    assert made == {"SSH refused often": "left"}
    assert section.changes[0].why == "switched off in Kibana"
    bring(trial, Watch(timespan=600))
    assert stored(trial)["SSH refused often"]["enabled"] is False


def test_the_same_rules_in_two_spaces(trial):
    bring(trial, Watch())
    made, _ = bring(trial, Watch(), space="network")
    assert made == {"SSH refused often": "created"}
    assert len(trial.alerting.rules) == 2
    bring(trial, space="network", remove=True)
    assert len(trial.alerting.rules) == 1


def test_removal_takes_away_no_rule_of_others(trial):
    bring(trial, Watch())
    mine = dict(next(iter(trial.alerting.rules.values())), id="mine", name="Mine", tags=["vpcflow"])
    trial.alerting.rules["mine"] = mine
    made, _ = bring(trial, remove=True)
    assert made == {"SSH refused often": "removed"}
    assert list(trial.alerting.rules) == ["mine"]
    assert trial.alerting.connectors == {}


def test_more_rules_than_a_page_has(trial):
    alerts = [Watch(id=f"rule-{number}", title=f"Rule {number}") for number in range(120)]
    bring(trial, *alerts)
    made, _ = bring(trial, *alerts)
    assert set(made.values()) == {"left"}
    made, _ = bring(trial, remove=True)
    assert len(made) == 120


def test_a_key_that_goes_takes_the_rules_along(trial):
    _, section = bring(trial, Watch())
    assert section.notes == ["the rules run with the API key that made them: when it goes, they stop"]
