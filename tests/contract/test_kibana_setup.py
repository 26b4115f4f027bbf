"""`vpcflow setup --kibana`: what it makes, what it leaves, what it takes away. On every Kibana there is to be had."""

from __future__ import annotations

import json

import pytest

from kibana_stub import Fault, Kibana
from setup_command import KEY, setup, words

DASHBOARDS = [
    "VPC flows, overview",
    "VPC flows, security groups",
    "VPC flows, traffic and cost",
    "VPC flows, threats",
    "VPC flows, log health",
]
OVERVIEW = "vpcflow-overview"


def test_a_second_run_leaves_all_as_it_is_and_removal_leaves_nothing(target):
    first = target.setup()
    assert [name for kind, name in first.table if kind == "dashboard"] == DASHBOARDS
    assert words(first) == {"created"}
    assert words(target.setup()) == {"left as it is"}
    removed = target.setup("--remove")
    assert removed.table.keys() == first.table.keys()
    assert words(removed) == {"removed"}
    again = target.setup("--remove")
    assert (again.table, again.out) == ({}, "Nothing of vpcflow is there\n")
    assert words(target.setup("--dry-run")) == {"would be created"}


def test_a_dry_run_changes_nothing(target):
    run = target.setup("--dry-run")
    assert words(run) == {"would be created"}
    assert "Nothing was changed" in run.out
    assert words(target.setup("--dry-run", "--only", "dashboards")) == {"would be created"}


def test_only_what_was_asked_for(target):
    run = target.setup("--only", "dashboards")
    assert {kind for kind, _ in run.table} == {"data view", "tag", "saved search", "dashboard"}
    run = target.setup("--only", "connectors")
    assert {kind for kind, _ in run.table} == {"connector"}
    assert words(target.setup("--only", "dashboards,connectors")) == {"left as it is"}


def test_links_between_dashboards_hold_in_any_space(target):
    """By reference, to ids that the space has."""
    target.setup("--only", "dashboards")
    kibana = target.look()
    name = OVERVIEW if target.space == "default" else f"{OVERVIEW}-{target.space}"
    body = {"objects": [{"type": "dashboard", "id": name}], "includeReferencesDeep": True}
    lines = kibana.call("POST", "/api/saved_objects/_export", json=body).body
    kibana.close()
    objects = {(one["type"], one["id"]): one for one in map(json.loads, lines.splitlines()) if "type" in one}
    references = objects["dashboard", name]["references"]
    targets = {one["id"] for one in references if one["type"] == "dashboard"}
    assert len(targets) == 5
    if target.space != "default":
        assert all(one["id"].endswith(f"-{target.space}") for one in references)


def test_what_somebody_edits_is_said_and_kept_with_keep_edits(target):
    """A dashboard that is saved under another title, and a rule that runs less often."""
    target.setup()
    kibana = target.look()
    name = OVERVIEW if target.space == "default" else f"{OVERVIEW}-{target.space}"
    body = {"objects": [{"type": "dashboard", "id": name}], "excludeExportDetails": True}
    board = kibana.call("POST", "/api/saved_objects/_export", json=body).body
    board = json.loads(board) if isinstance(board, str) else board
    board["attributes"]["title"] = "Ours"
    content = json.dumps(board).encode()
    kibana.call(
        "POST", "/api/saved_objects/_import", query={"overwrite": "true"}, upload=("ours.ndjson", content)
    )
    rules = kibana.call("GET", "/api/alerting/rules/_find", query={"per_page": 100}).body["data"]
    rule = next(one for one in rules if one["name"] == "Many rejects at one interface")
    sent = ("name", "tags", "schedule", "params", "actions")
    edited = {key: rule[key] for key in sent} | {"schedule": {"interval": "30m"}}
    for action in edited["actions"]:
        action.pop("connector_type_id", None)
    kibana.call("PUT", f"/api/alerting/rule/{rule['id']}", json=edited)
    kibana.close()

    kept = target.setup("--keep-edits", "--dry-run")
    assert kept.table["dashboard", DASHBOARDS[0]] == "left as it is (edited in Kibana since)"
    assert kept.table["rule", rule["name"]] == "left as it is (edited in Kibana since)"
    run = target.setup()
    for what in ("dashboard VPC flows, overview", "rule Many rejects at one interface"):
        assert f"Warning: {what} was edited in Kibana since: it is overwritten; --keep-edits" in run.err
    assert words(target.setup()) == {"left as it is"}
    target.setup("--remove")


def test_two_spaces_of_one_kibana(kibana):
    kibana.spaces.add("other")
    assert words(setup(kibana.url)) == {"created"}
    assert words(setup(kibana.url, "--space", "other")) == {"created"}
    assert words(setup(kibana.url, "--space", "other")) == {"left as it is"}
    assert words(setup(kibana.url)) == {"left as it is"}
    setup(kibana.url, "--space", "other", "--remove")
    assert kibana.objects.of("other") == {}
    assert words(setup(kibana.url)) == {"left as it is"}
    assert all(one["space"] == "default" for one in kibana.alerting.connectors.values())


# Somebody has worked on it in Kibana.


def test_an_edit_is_said_before_it_is_overwritten(kibana):
    setup(kibana.url)
    kibana.objects.edit("dashboard", OVERVIEW, title="Ours")
    shown = setup(kibana.url, "--dry-run")
    assert shown.table["dashboard", DASHBOARDS[0]] == "would be changed (edited in Kibana since)"
    run = setup(kibana.url)
    assert run.table["dashboard", DASHBOARDS[0]] == "changed (edited in Kibana since)"
    assert "Warning: dashboard VPC flows, overview was edited in Kibana since: it is overwritten" in run.err
    assert kibana.objects.of()["dashboard", OVERVIEW]["attributes"]["title"] == DASHBOARDS[0]
    assert words(setup(kibana.url)) == {"left as it is"}


def test_an_edit_can_be_kept(kibana):
    setup(kibana.url)
    kibana.objects.edit("dashboard", OVERVIEW, title="Ours")
    run = setup(kibana.url, "--keep-edits")
    assert words(run) == {"left as it is", "left as it is (edited in Kibana since)"}
    assert kibana.objects.of()["dashboard", OVERVIEW]["attributes"]["title"] == "Ours"
    removed = setup(kibana.url, "--remove", "--keep-edits")
    assert "Ours" in {name for _, name in removed.table}
    assert ("dashboard", OVERVIEW) in kibana.objects.of()
    assert ("index-pattern", "vpcflow-flows") in kibana.objects.of()  # it shows nothing without


def test_a_dashboard_that_was_there_before(kibana):
    kibana.objects._put("default", {"type": "dashboard", "id": OVERVIEW, "attributes": {"title": "Mine"}})
    run = setup(kibana.url, "--dry-run", "--only", "dashboards")
    assert run.table["dashboard", DASHBOARDS[0]] == "would be changed (there before, not by set-up)"


def test_what_people_add_to_the_data_view_stays(kibana):
    setup(kibana.url)
    view = kibana.objects.of()["index-pattern", "vpcflow-flows"]["attributes"]
    fields = json.loads(view["runtimeFieldMap"]) | {"mine": {"type": "keyword"}}
    kibana.objects.edit("index-pattern", "vpcflow-flows", runtimeFieldMap=json.dumps(fields))
    assert words(setup(kibana.url)) == {"left as it is"}
    kibana.objects.edit("index-pattern", "vpcflow-flows", name="Other", fieldFormatMap="{}")
    assert setup(kibana.url).table["data view", "logs-aws.vpcflow-*"] == "changed"
    view = kibana.objects.of()["index-pattern", "vpcflow-flows"]["attributes"]
    assert json.loads(view["runtimeFieldMap"]) == fields
    assert view["name"] == "VPC flows"


def test_notes_that_somebody_overwrote(kibana):
    """Then what was imported is not known any more: nothing is taken for untouched."""
    setup(kibana.url, "--only", "dashboards")
    kibana.objects.edit("tag", "vpcflow-tag", description="Network team's")
    run = setup(kibana.url, "--only", "dashboards", "--keep-edits")
    assert words(run, "dashboard") == {"left as it is (there before, not by set-up)"}
    assert words(setup(kibana.url, "--only", "dashboards"), "dashboard") == {
        "changed (there before, not by set-up)"
    }
    assert words(setup(kibana.url, "--only", "dashboards")) == {"left as it is"}


# What is refused.


def test_versions_too_old_and_newer(kibana):
    kibana.version = "8.10.4"
    run = setup(kibana.url, code=2)
    assert "is Kibana 8.10.4; vpcflow needs 8.11 or later" in run.err
    assert kibana.changing() == []
    kibana.version = "10.1.0"
    run = setup(kibana.url)  # nothing says yet that it would not do
    assert words(run) == {"created"}
    assert "Note: Kibana 10.1.0 is newer than what this vpcflow knows (9)" in run.out


def test_a_wrong_key(kibana):
    run = setup(kibana.url, code=2, KIBANA_API_KEY="c2VjcmV0OndyZWNr")
    assert "wants valid credentials (401)" in run.err
    assert "c2VjcmV0" not in run.out + run.err
    assert kibana.changing() == []


def test_basic_authentication_and_secrets_in_files(tmp_path):
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    login = {"KIBANA_API_KEY": "", "KIBANA_USERNAME": "operator", "KIBANA_PASSWORD_FILE": str(file)}
    with Kibana(user=("operator", "s3cret")) as stub:
        assert words(setup(stub.url, "--only", "dashboards", **login)) == {"created"}
        fallback = {
            "KIBANA_API_KEY": "",
            "ELASTICSEARCH_USERNAME": "operator",
            "ELASTICSEARCH_PASSWORD": "s3cret",
        }
        assert words(setup(stub.url, "--only", "dashboards", **fallback)) == {"left as it is"}
        wrong = setup(stub.url, code=2, **(login | {"KIBANA_PASSWORD_FILE": "/nowhere"}))
        assert "KIBANA_PASSWORD_FILE: /nowhere" in wrong.err


def test_a_role_without_rights_on_alerts():
    """The dashboards are made all the same."""
    with Kibana(api_key=KEY, forbidden=("/api/alerting", "/api/actions")) as stub:
        run = setup(stub.url, code=1)
    assert words(run, "dashboard") == {"created"}
    assert "does not let these credentials do GET /api/actions/connector_types (403)" in run.err


def test_a_role_without_rights_on_dashboards():
    with Kibana(api_key=KEY, forbidden=("/api/saved_objects/_import",)) as stub:
        run = setup(stub.url, code=1)
        assert words(run, "dashboard") == {"refused"}
        assert "POST /api/saved_objects/_import (403)" in run.err
        assert words(run, "connector") == {"created"}
        assert stub.objects.of() == {}


def test_an_import_that_fails_under_200(kibana):
    """successCount counts what was not stored: only `success` is to be believed."""
    said = {"type": "missing_references", "references": [{"type": "index-pattern", "id": "vpcflow-flows"}]}
    body = {
        "success": False,
        "successCount": 7,
        "successResults": [],
        "errors": [{"type": "dashboard", "id": OVERVIEW, "meta": {}, "error": said}],
    }
    kibana.faults.append(Fault("POST /api/saved_objects/_import", 200, body=body))
    run = setup(kibana.url, "--only", "dashboards", code=1)
    assert words(run) == {"refused"}
    assert f"dashboard {OVERVIEW}: missing_references of index-pattern vpcflow-flows" in run.err


def test_an_import_that_is_refused(kibana):
    kibana.faults.append(
        Fault("POST /api/saved_objects/_import", 422, body={"message": "a more recent version"})
    )
    run = setup(kibana.url, "--only", "dashboards", code=1)
    assert "status 422: a more recent version" in run.err


@pytest.mark.parametrize("fault", [429, 503, 502, "cut", "cut after"])
@pytest.mark.parametrize(
    "call", ["GET /api/status", "POST /api/saved_objects/_import", "PUT /api/actions/connector/"]
)
def test_trouble_that_passes(kibana, call, fault):
    setup(kibana.url)
    kibana.objects.edit("dashboard", OVERVIEW, title="Ours")
    kibana.alerting.connectors["vpcflow-log"]["name"] = "Ours"
    kibana.faults.append(Fault(call, fault, headers={"retry-after": "0"}))
    assert setup(kibana.url).table["connector", "vpcflow log"] == "changed (name)"
    assert kibana.faults == []
    assert words(setup(kibana.url)) == {"left as it is"}


def test_a_call_that_may_have_been_done_is_not_repeated(kibana):
    kibana.faults.append(Fault("POST /api/actions/connector/vpcflow-log", "cut after"))
    run = setup(kibana.url, "--only", "connectors", code=1)
    assert run.table["connector", "vpcflow log"] == "refused"
    assert "closed the connection without an answer" in run.err
    assert words(setup(kibana.url, "--only", "connectors")) == {"left as it is"}


def test_trouble_that_stays(kibana, monkeypatch):
    monkeypatch.setattr("vpcflow.kibana.client._TRIES", 1)
    kibana.faults.append(
        Fault("GET /api/status", 503, times=9, body={"message": "Kibana server is not ready yet"})
    )
    run = setup(kibana.url, code=1)
    assert "status 503: Kibana server is not ready yet" in run.err


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9 can't be reached"),
        ("ftp://host", "the URL of Kibana is not one"),
        ("http://user:pa/ss@host:5601", "the URL of Kibana is not one"),
    ],
)
def test_urls_that_lead_nowhere(url, why):
    run = setup(url, code=1 if "127" in url else 2)
    assert why in run.err
    assert "pa/ss" not in run.err


def test_something_else_that_answers(kibana):
    kibana.faults.append(Fault("GET /api/status", 200, body="<html>Welcome</html>"))
    assert "is not a Kibana" in setup(kibana.url, code=2).err
    kibana.faults.append(Fault("GET /api/status", 302, body="", headers={"location": "/login"}))
    assert "sends on to /login" in setup(kibana.url, code=2).err


def test_a_space_that_is_not_there(kibana):
    assert "has no space nowhere; make it there" in setup(kibana.url, "--space", "nowhere", code=2).err
    assert "'No Space' is no id of a space" in setup(kibana.url, "--space", "No Space", code=2).err


def test_a_certificate_of_an_own_authority(tmp_path):
    import ssl

    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    with Kibana(api_key=KEY, tls=context) as stub:
        assert words(setup(stub.url, "--only", "dashboards", "--ca", str(file))) == {"created"}
        assert words(setup(stub.url, "--only", "dashboards", KIBANA_CA=str(file))) == {"left as it is"}
        untrusted = setup(stub.url, code=2)
    assert "its certificate is not trusted" in untrusted.err
    assert "KIBANA_CA" in untrusted.err


# A rule of one's own.


@pytest.fixture
def own_rule(tmp_path, monkeypatch):
    """Puts one in the place of those that ship, made of one of them."""
    from vpcflow.kibana import assets

    shipped = (assets.folder() / "rules" / "port-scan.yml").read_text()
    (tmp_path / "rules").mkdir()
    monkeypatch.setattr(assets, "folder", lambda: tmp_path)

    def write(changed):
        path = tmp_path / "rules" / "mine.yml"
        path.write_text(changed(shipped))
        return path

    return write


@pytest.mark.parametrize(
    ("change", "line", "why"),
    [
        (("port|lt:", "prot|lt:"), 8, "there is no field destination.prot; did you mean destination.port"),
        (("port|lt:", "port|under:"), 8, "under"),
        (("gte: 50,", "gte: many,"), 27, "'many' is no valid Sigma correlation condition count"),
        (("gte: 50,", "gte: '50',"), 27, "the threshold '50' is no whole number"),
        (("[source.ip, destination.ip]", "[source.pi]"), 25, "there is no field source.pi"),
        (("dashboard: threats", "dashboard: mine"), 21, "dashboard mine is none of overview"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_before_anything_is_sent(kibana, own_rule, change, line, why):
    path = own_rule(lambda shipped: shipped.replace(*change))
    run = setup(kibana.url, code=2)
    assert f"{path}, line {line}: " in run.err
    assert why in run.err
    assert kibana.calls == []


# Wrong usage.


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--only", "roles"), "'roles' is none of templates, dashboards, connectors, rules"),
        (("--only", "templates"), "give --elasticsearch URL"),
        (("--remove", "--only", "templates"), "give --elasticsearch URL"),
    ],
)
def test_wrong_usage_of_kibana(kibana, args, why):
    assert why in setup(kibana.url, *args, code=2).err
    assert kibana.calls == []
