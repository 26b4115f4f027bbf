"""vpcflow.toml: what it sets, and what it says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow import ConfigError
from vpcflow.cli.index import index
from vpcflow.cli.service import config_names
from vpcflow.config import OPTIONS, TABLES, load


@pytest.fixture
def write(tmp_path: Path):
    def to_file(text: str) -> Path:
        path = tmp_path / "vpcflow.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def test_tables_only_put_options_in_order(write):
    path = write(
        """
        [index]
        sources = ["s3://flow-logs/AWSLogs/", "logs/"]
        to = "https://elasticsearch.example.com:9200"
        follow = true
        workers = 4

        [s3]
        regions = ["eu-west-1"]
        interval = "5m"
        """
    )
    assert load(path) == {
        "sources": ("s3://flow-logs/AWSLogs/", "logs/"),
        "to": "https://elasticsearch.example.com:9200",
        "follow": True,
        "workers": "4",
        "regions": ("eu-west-1",),
        "interval": "5m",
    }


def test_enrichment_has_tables_of_its_own(write):
    path = write('[enrich.inventory]\nfiles = ["a.json", "b.csv"]\ntags = []\n')
    assert load(path) == {"inventory": ("a.json", "b.csv"), "inventory_tags": ()}


def test_one_text_may_stand_for_a_list_of_one(write):
    assert load(write('[index]\nsources = "logs/"\n')) == {"sources": ("logs/",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[index]\nnamespce = 'prod'\n", r"\[index\] has no namespce; did you mean namespace\?"),
        ("[indx]\nto = 'x'\n", r"\[indx\] is no table of it; did you mean index\?"),
        ("[index]\nregions = ['eu-west-1']\n", r"\[index\] has no regions; it belongs into \[s3\]"),
        ("[index]\nto = ['a', 'b']\n", r"\[index\] to must be a single value"),
        ("[index]\nsources = [1]\n", r"\[index\] sources must be a list of texts"),
        ("index = 1\n", r"index must be a table, \[index\]"),
        ("[index\n", "is not TOML: .*line 1"),
        ("[enrich.inventry]\nfiles = 'a'\n", r"\[enrich\] has no inventry; did you mean enrich\.inventory\?"),
        ("[enrich.inventory]\nfile = 'a'\n", r"\[enrich\.inventory\] has no file; did you mean files\?"),
        ("[enrich]\ninventory = 'a'\n", r"enrich\.inventory must be a table, \[enrich\.inventory\]"),
    ],
)
def test_a_mistake_is_named_with_its_file(write, text, said):
    path = write(text)
    with pytest.raises(ConfigError, match=said) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"No such file or directory; give the path of a vpcflow\.toml"):
        load(tmp_path / "vpcflow.toml")


def test_every_key_is_an_option_of_the_command():
    names = config_names(index)
    for table, keys in TABLES.items():
        assert {OPTIONS.get((table, key), key) for key in keys} <= names.keys(), table
