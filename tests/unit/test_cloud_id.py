"""A deployment in Elastic Cloud is named by its Cloud ID."""

from __future__ import annotations

import base64

import pytest

from flowlogs import errors, vpcflow, write
from vpcflow import ConfigError
from vpcflow.elastic.client import public_url


def cloud_id(what: str) -> str:
    return f"my-deployment:{base64.b64encode(what.encode()).decode()}"


@pytest.mark.parametrize(
    ("inside", "url"),
    [
        ("eu-west-1.aws.found.io$e1a5c$b1b1a", "https://e1a5c.eu-west-1.aws.found.io:443"),
        ("eu-west-1.aws.found.io:9243$e1a5c$b1b1a", "https://e1a5c.eu-west-1.aws.found.io:9243"),
        ("eu-west-1.aws.found.io$e1a5c", "https://e1a5c.eu-west-1.aws.found.io:443"),
    ],
    ids=["usual", "port", "no Kibana"],
)
def test_a_cloud_id_says_where_elasticsearch_is(inside, url):
    assert public_url(f"cloud:{cloud_id(inside)}") == url


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "my-deployment",
        "my-deployment:????",
        "my-deployment:YWJj",
        "my-deployment:ZXU=",
        cloud_id("a:b$c"),
    ],
)
def test_what_is_no_cloud_id(wrong):
    with pytest.raises(ConfigError, match="is no Cloud ID; the deployment's page shows it"):
        public_url(f"cloud:{wrong}")


def test_on_the_command_line(tmp_path):
    write(tmp_path / "a.log", "version")
    nowhere = cloud_id("invalid$e1a5c$b1b1a")  # a top-level domain that is sure not to exist
    done = vpcflow("index", "a.log", "--to", f"cloud:{nowhere}", cwd=tmp_path, code=1)
    assert len(errors(done)) == 1
    assert errors(done)[0].startswith("Error: https://e1a5c.invalid:443 can't be reached")
    done = vpcflow("index", "a.log", "--to", "cloud:my-deployment", cwd=tmp_path, code=2)
    assert errors(done) == [
        "Error: cloud:my-deployment: is no Cloud ID; the deployment's page shows it, "
        "it looks like name:dXMtZWFz…"
    ]
