"""Connectors from vpcflow.toml: what is made of them, what a licence leaves out, and that no secret is shown."""

from __future__ import annotations

import pytest

from kibana_stub import Kibana
from setup_command import KEY, setup

TOML = """
[kibana.connectors.mail]
type = "email"
from = "vpcflow@example.com"
host = "smtp.example.com"
to = ["network@example.com"]

[kibana.connectors.chat]
type = "slack"

[kibana.connectors.hook]
type = "webhook"
url = "https://hooks.example.com/vpcflow"
"""
SECRETS = {
    "SMTP_USERNAME": "mailer",
    "SMTP_PASSWORD": "s3cret-mail",
    "KIBANA_CONNECTOR_CHAT_WEBHOOK_URL": "https://chat.example.com/s3cret-chat",
}


@pytest.fixture
def configured(tmp_path):
    """Writes a vpcflow.toml and returns the options that name it."""

    def write(text=TOML):
        path = tmp_path / "vpcflow.toml"
        path.write_text(text)
        return "--config", str(path), "--only", "connectors"

    return write


@pytest.fixture
def trial():
    with Kibana(licence="trial", api_key=KEY) as stub:
        yield stub


def test_without_a_file_there_are_the_connectors_of_every_licence(kibana):
    run = setup(kibana.url, "--only", "connectors")
    assert run.table == {("connector", "vpcflow log"): "created", ("connector", "vpcflow index"): "created"}
    stored = kibana.alerting.connectors
    assert stored["vpcflow-index"]["config"] == {
        "index": "vpcflow-alerts",
        "refresh": False,
        "executionTimeField": None,
    }


def test_each_type(trial, configured):
    run = setup(trial.url, *configured(), **SECRETS)
    assert set(run.table.values()) == {"created"}
    stored = {
        name: (one["connector_type_id"], one["config"]) for name, one in trial.alerting.connectors.items()
    }
    assert stored["vpcflow-mail"][1] | {} == {
        "from": "vpcflow@example.com",
        "host": "smtp.example.com",
        "port": 587,
        "secure": False,
        "service": "other",
        "hasAuth": True,
        "oauthTokenUrl": None,
        "clientId": None,
        "tenantId": None,
    }
    assert stored["vpcflow-chat"] == (".slack", {})
    assert stored["vpcflow-hook"][1]["url"] == "https://hooks.example.com/vpcflow"
    assert stored["vpcflow-hook"][1]["hasAuth"] is False
    assert trial.alerting.secrets["vpcflow-mail"] == {"user": "mailer", "password": "s3cret-mail"}


def test_secrets_are_sent_each_time_and_shown_never(trial, configured):
    setup(trial.url, *configured(), **SECRETS)
    changed = SECRETS | {"SMTP_PASSWORD": "n3w"}
    run = setup(trial.url, *configured(), **changed)
    assert run.table["connector", "vpcflow mail"] == "left as it is (its secrets are sent again)"
    assert trial.alerting.secrets["vpcflow-mail"]["password"] == "n3w"
    assert "s3cret" not in run.out + run.err
    assert "n3w" not in run.out + run.err


def test_a_secret_from_a_file(trial, configured, tmp_path):
    file = tmp_path / "url"
    file.write_text("https://chat.example.com/from-a-file\n")
    environ = SECRETS | {
        "KIBANA_CONNECTOR_CHAT_WEBHOOK_URL": "",
        "KIBANA_CONNECTOR_CHAT_WEBHOOK_URL_FILE": str(file),
    }
    setup(trial.url, *configured(), **environ)
    assert trial.alerting.secrets["vpcflow-chat"] == {"webhookUrl": "https://chat.example.com/from-a-file"}


def test_a_change_in_the_file(trial, configured):
    setup(trial.url, *configured(), **SECRETS)
    run = setup(trial.url, *configured(TOML.replace("smtp.", "relay.")), **SECRETS)
    assert run.table["connector", "vpcflow mail"] == "changed (config.host)"
    assert trial.alerting.connectors["vpcflow-mail"]["config"]["host"] == "relay.example.com"


def test_a_licence_without_mail(kibana, configured):
    """Basic has none: said, and what Basic has is made."""
    run = setup(kibana.url, *configured(), **SECRETS)
    assert {name for _, name in run.table} == {"vpcflow log", "vpcflow index"}
    assert "connector mail (.email): the licence has none: it takes gold" in run.out
    assert "vpcflow alerts run mails without Kibana" in run.out


def test_a_name_that_another_type_has(trial, configured):
    setup(trial.url, *configured(), **SECRETS)
    text = '[kibana.connectors.mail]\ntype = "server-log"\n'
    run = setup(trial.url, *configured(text), code=2)
    assert "connector vpcflow-mail of Kibana is of the type .email, not .server-log" in run.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[kibana.connectors.m]\ntype = "pigeon"', "type 'pigeon' is none of email, index"),
        ('[kibana.connectors.m]\ntype = "email"\nfrom = "a@b"', "host is missing"),
        (
            '[kibana.connectors.m]\ntype = "email"\nfrom = "a@b"\nhost = "h"\nport = "x"',
            "port must be a number",
        ),
        (
            '[kibana.connectors.m]\ntype = "email"\nfrom = "a@b"\nhost = "h"\nto = "me"',
            "to must be a list of addresses",
        ),
        (
            '[kibana.connectors.m]\ntype = "email"\nfrom = "a@b"\nhost = "h"\npassword = "p"',
            "password is a secret",
        ),
        ('[kibana.connectors.m]\ntype = "slack"', "set KIBANA_CONNECTOR_M_WEBHOOK_URL"),
        ('[kibana.connectors.m]\ntype = "webhook"\nurl = "hooks"', "url must begin with https://"),
        ('[kibana.connectors.m]\ntype = "index"\nindx = "a"', "has no indx; did you mean index?"),
        ('[kibana.connectors.M_]\ntype = "server-log"', "the name may have a to z"),
        ('[kibana]\nspce = "a"', "[kibana] has no spce; did you mean space?"),
        ("[kibana.connectors]\nm = 1", "connectors are tables"),
        ("[kibana]\nurl = 5", "[kibana] url must be a text"),
        ("[kibna]\n", "[kibna] is no table of it"),
        ("kibana = ", "is not TOML"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_before_anything_is_sent(kibana, configured, text, why):
    run = setup(kibana.url, *configured(text), code=2)
    assert why in run.err
    assert kibana.calls == []


def test_half_of_a_login(kibana, configured):
    text = '[kibana.connectors.m]\ntype = "webhook"\nurl = "https://h"'
    run = setup(kibana.url, *configured(text), code=2, KIBANA_CONNECTOR_M_USER="me")
    assert "lacks its secret password; set KIBANA_CONNECTOR_M_PASSWORD" in run.err


def test_url_and_space_from_the_file(kibana, tmp_path):
    kibana.spaces.add("network")
    path = tmp_path / "vpcflow.toml"
    path.write_text(f'[kibana]\nurl = "{kibana.url}"\nspace = "network"\n[index]\nsources = ["logs/"]\n')
    setup(None, "--config", str(path))
    assert {one["space"] for one in kibana.alerting.connectors.values()} == {"network"}
