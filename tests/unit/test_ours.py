"""The enrichers of an inventory and of owners together."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow import ConfigError
from vpcflow.enrich.ours import accounts_of, enrichers
from vpcflow.owners import Match, Owner

OWNERS = [Owner(name="Jane Roe", match=Match(vpcs=("vpc-1",)))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.csv"
    path.write_text("interface-id,private-ip,account-id\neni-1,10.0.0.1,123456789012\n")
    return path


@pytest.mark.parametrize(
    ("owners", "names"),
    [
        ([], ["inventory by interface", "inventory by address"]),
        (
            OWNERS,
            ["owners by interface", "owners by address", "inventory by interface", "inventory by address"],
        ),
    ],
)
def test_owners_go_before_tags(path, owners, names):
    assert [f"{it.name} by {it.key}" for it in enrichers(path, owners=owners)] == names


def test_with_owners_their_labels_are_theirs_alone(path):
    path.write_text("interface-id,tag:Team,tag:Env\neni-1,a,b\n")
    assert "labels.team" in enrichers(path)[0].fields
    fields = enrichers(path, owners=OWNERS)[2].fields
    assert "labels.team" not in fields
    assert "labels.env" in fields


def test_nothing_is_nothing():
    assert enrichers() == []


def test_an_inventory_of_another_account(path):
    with pytest.raises(
        ConfigError, match="is an inventory of account 123456789012, and the logs are of account 2"
    ):
        enrichers([path], accounts={"222222222222"})


@pytest.mark.parametrize(
    ("sources", "accounts"),
    [
        (["s3://flows/AWSLogs/123456789012/vpcflowlogs/"], {"123456789012"}),
        (["s3://flows/AWSLogs/123456789012"], {"123456789012"}),
        (["s3://flows/AWSLogs/o-a1b2c3d4e5/123456789012/"], {"123456789012"}),
        (["s3://flows/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/"], {"123456789012"}),
        (["logs/123456789012_vpcflowlogs_eu-west-1_fl-0a_20261124T1200Z_1a.log.gz"], {"123456789012"}),
        ([Path("a/AWSLogs/111111111111/"), "AWSLogs/222222222222/"], {"111111111111", "222222222222"}),
        (["s3://flows/AWSLogs/123456789012/", "s3://others/"], set()),
        (["logs/", "-"], set()),
        (["s3://flows/AWSLogs/1234567890123/"], set()),
        ([object()], set()),
    ],
)
def test_whose_logs_sources_are(sources, accounts):
    assert accounts_of(sources) == accounts
