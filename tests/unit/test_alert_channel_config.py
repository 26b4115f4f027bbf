"""[alerts.channels] in vpcflow.toml: whom alerts are told, and what is said of mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from notices import notice
from vpcflow import ConfigError
from vpcflow.alerts.notify import channels
from vpcflow.alerts.notify.config import KINDS_OF_CHANNELS, read_settings

MAIL = '[alerts.channels.mail]\ntype = "email"\nfrom = "a@example.com"\nhost = "smtp.example.com"\n'
KIBANA = """
[kibana]
url = "https://kibana.example.com:5601"

[kibana.connectors.mail]
type = "email"
from = "vpcflow@example.com"
host = "smtp.example.com"
to = ["network-team@example.com"]

[kibana.connectors.log]
type = "server-log"
"""


@pytest.fixture
def toml(tmp_path):
    def to_file(text):
        path = tmp_path / "vpcflow.toml"
        path.write_text(text)
        return path

    return to_file


def names(made):
    return [f"{type(one).__name__} {one.name}" for one in made]


def test_without_a_file_standard_output_is_told():
    assert names(channels(None, {})) == ["Stdout stdout"]


@pytest.mark.parametrize("text", ["", "[alerts]\n", "[alerts.channels]\n", "[kibana]\nspace = 'a'\n"])
def test_without_channels_standard_output_is_told(toml, text):
    assert names(channels(toml(text), {})) == ["Stdout stdout"]


def test_without_channels_kibanas_connectors_are_the_channels(toml):
    """What Kibana writes into its log goes to standard output."""
    made = channels(toml(KIBANA), {"SMTP_USERNAME": "me", "SMTP_PASSWORD": "s3cret"})
    assert names(made) == ["Email mail", "Stdout log"]
    assert made[0].recipients(notice(owner=None)) == ["network-team@example.com"]


def test_channels_go_before_kibanas_connectors(toml):
    assert names(channels(toml(KIBANA + '[alerts.channels.say]\ntype = "stdout"\n'), {})) == ["Stdout say"]


def test_kibanas_index_needs_an_elasticsearch(toml):
    path = toml('[kibana.connectors.index]\ntype = "index"\nindex = "vpcflow-alerts"\n')
    with pytest.raises(
        ConfigError, match=r"where the index vpcflow-alerts is; set ELASTICSEARCH_URL, or url"
    ):
        channels(path, {})
    assert names(channels(path, {"ELASTICSEARCH_URL": "https://host:9200"})) == ["Index index"]
    assert names(channels(path, {}, flows="https://host:9200")) == ["Index index"]


def test_a_port_that_fits(toml):
    def port(text):
        return read_settings(toml(MAIL + text), {}).connectors[0].config["port"]

    assert port("") == 587
    assert port("secure = true\n") == 465
    assert port("secure = true\nport = 2465\n") == 2465


def test_secrets_of_a_channel(toml, tmp_path):
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    environ = {"VPCFLOW_CHANNEL_MAIL_USER": "me", "SMTP_PASSWORD_FILE": str(file)}
    (mail,) = read_settings(toml(MAIL), environ).connectors
    assert mail.secrets == {"user": "me", "password": "s3cret"}
    assert "s3cret" not in repr(mail)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MAIL + 'hots = "x"\n', r"\[alerts.channels.mail\] has no hots; did you mean host\?"),
        (MAIL + "secure = 'yes'\n", r"\[alerts.channels.mail\]: secure must be true or false"),
        (MAIL + "starttls = 1\n", "starttls must be true or false"),
        (MAIL + "port = '587'\n", "port must be a number from 1 to 65535"),
        (MAIL + "to = 'a@example.com'\n", "to must be a list of addresses"),
        (MAIL + "to = ['Jane <a@example.com>']\n", "to must be a list of addresses"),
        (MAIL + "password = 'x'\n", "password is a secret and has no place in a file; set VPCFLOW_CHANNEL_MAIL_PASSW"),
        (MAIL + "ca = '/nowhere/ca.pem'\n", r"/nowhere/ca.pem: No such file or directory"),
        (MAIL.replace("a@example.com", "nobody"), "from must be an address"),
        (MAIL.replace("a@example.com", r"a@example.com\nBcc: b@example.com"), "from must be an address"),
        (MAIL.replace("a@example.com", "a@example.com, b@example.com"), "from must be an address"),
        (MAIL.replace("smtp.example", "smtp..example"), "host must be the name of a host, smtp.example.com"),
        (MAIL.replace("smtp.example.com", "smtp.example.com:587"), "host must be the name of a host"),
        (MAIL.replace("host =", "hosts ="), "has no hosts; did you mean host"),
        ('[alerts.channels.m]\ntype = "email"\nfrom = "a@example.com"\n', "host is missing"),
        ('[alerts.channels.m]\ntype = "pigeon"\n', "type 'pigeon' is none of email, index, webhook, slack, stdout"),
        ('[alerts.channels.m]\ntype = "server-log"\n', "type 'server-log' is none of"),
        ('[alerts.channels.m]\n', "type None is none of"),
        ('[alerts.channels.m]\ntype = "slack"\n', "lacks its secret webhookUrl; set VPCFLOW_CHANNEL_M_WEBHOOK_URL"),
        ('[alerts.channels.m]\ntype = "webhook"\nurl = "ftp://h"\n', "url must begin with https://"),
        ('[alerts.channels.m]\ntype = "webhook"\nurl = "https://h:x/"\n', "url must begin with https://"),
        ('[alerts.channels.m]\ntype = "webhook"\nurl = "https://h/ü"\n', "url must begin with https://"),
        ('[alerts.channels.m]\ntype = "webhook"\nurl = "https://me:pw@h"\n', "has no user and password in it"),
        ('[alerts.channels.m]\ntype = "webhook"\nurl = "https://h"\nmethod = "get"\n', "method must be post or put"),
        ('[alerts.channels.m]\ntype = "webhook"\nurl = "https://h"\nheaders = { A = 1 }\n', "headers must be a table"),
        ('[alerts.channels.m]\ntype = "webhook"\nurl = "https://h"\nheaders = { A = "b\\r\\nC: d" }\n', "headers must"),
        ('[alerts.channels.M]\ntype = "stdout"\n', "the name may have a to z"),
        ("[alerts.chanels.m]\n", r"\[alerts\] has no chanels; did you mean channels\?"),
        ("[alerts]\nchannels = 1\n", r"\[alerts\] channels are tables, \[alerts.channels.NAME\]"),
        ("[alerts.channels]\nm = 1\n", r"\[alerts\] channels are tables"),
        ("[alrts]\n", r"\[alrts\] is no table of it; did you mean alerts\?"),
        ("alerts = 1\n", r"alerts must be a table, \[alerts\]"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(toml, text, said):
    with pytest.raises(ConfigError, match=said) as error:
        channels(toml(text), {})
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_slack_url_that_is_none_is_not_shown(toml):
    with pytest.raises(ConfigError, match="VPCFLOW_CHANNEL_M_WEBHOOK_URL is no URL") as error:
        channels(toml('[alerts.channels.m]\ntype = "slack"\n'), {"VPCFLOW_CHANNEL_M_WEBHOOK_URL": "s3cret"})
    assert "s3cret" not in str(error.value)


def test_a_password_that_smtp_can_not_carry_is_not_shown(toml):
    with pytest.raises(ConfigError, match="user and password for SMTP must be ASCII") as error:
        channels(toml(MAIL), {"SMTP_USERNAME": "me", "SMTP_PASSWORD": "s3crét"})
    assert "s3cr" not in str(error.value)


def test_half_of_a_login(toml):
    with pytest.raises(ConfigError, match="lacks its secret password; set VPCFLOW_CHANNEL_MAIL_PASSWORD"):
        channels(toml(MAIL), {"SMTP_USERNAME": "me"})


def test_the_example_of_the_documentation(toml):
    page = (Path(__file__).parents[2] / "docs" / "alerts-channels.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    named = dict.fromkeys(re.findall(r"`((?:SMTP|VPCFLOW_CHANNEL)_[A-Z_]*[A-Z])`", page), "x")
    environ = named | {
        "VPCFLOW_CHANNEL_CHAT_WEBHOOK_URL": "https://hooks.slack.com/x",
        "VPCFLOW_CHANNEL_HOOK_PASSWORD": "x",
    }
    environ |= {"VPCFLOW_CHANNEL_MAIL_PASSWORD": "x"}
    made = channels(toml(example), environ)
    assert names(made) == ["Email mail", "Slack chat", "Webhook hook", "Index index", "Stdout here"]
    assert made[0].recipients(notice(owner=None)) == ["network-team@example.com"]


@pytest.mark.parametrize("kind", ["email", "slack", "webhook", "index", "stdout"])
def test_the_documentation_names_every_field(kind):
    page = (Path(__file__).parents[2] / "docs" / "alerts-channels.md").read_text()
    (row,) = re.findall(rf"^\| `{kind}` \|(.*)$", page, re.MULTILINE)
    takes = KINDS_OF_CHANNELS[kind]
    fields = row.split("|")[0]
    assert [key for key in (*takes.required, *takes.optional) if f"`{key}`" not in fields] == []


def test_the_rest_of_the_file_is_read_too(toml):
    with pytest.raises(ConfigError, match=r"\[index\] has no namespce"):
        channels(toml("[index]\nnamespce = 'a'\n" + MAIL), {})
