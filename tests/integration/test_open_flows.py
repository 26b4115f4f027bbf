"""One call opens a store or an Elasticsearch, and both say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vpcflow
from unit.flowlogs import errors, many
from unit.flowlogs import vpcflow as run
from vpcflow.elastic.template import data_stream
from vpcflow.query.answer import answer
from vpcflow.query.flows import open_flows
from vpcflow.query.model import Query

TOP = {"group_by": ["source.ip"], "metrics": [{"count": "flows"}], "limit": 3}
EVERY = {"group_by": ["source.ip", "destination.port"], "metrics": [{"sum": "network.bytes", "as": "bytes"}]}


def test_a_store_and_elasticsearch_say_the_same(
    elasticsearch_url, es, namespace: str, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(many(2_000))
    store = tmp_path / "store"
    vpcflow.index(log, to=store)
    vpcflow.index(log, to=elasticsearch_url, namespace=namespace)
    es.indices.refresh(index=data_stream(namespace))
    for form in (TOP, EVERY):
        query = Query.parse(form)
        answers = []
        for target in (store, elasticsearch_url):
            with open_flows(target, namespace=namespace) as engine:
                answers.append(answer(query, engine).rows)
        assert answers[0] == answers[1]
        assert answers[0]


@pytest.mark.parametrize(
    "asked",
    [("query", "top-talkers"), ("report",), ("diagnose",), ("alerts", "run"), ("alerts", "backtest")],
    ids=" ".join,
)
def test_a_namespace_that_is_not_there(
    elasticsearch_url, es, namespace: str, asked: tuple[str, ...], tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(many(10))
    vpcflow.index(log, to=elasticsearch_url, namespace=namespace)
    es.indices.refresh(index=data_stream(namespace))
    where = ("--from", elasticsearch_url, "--namespace", "nobody_wrote_here")
    done = run(*asked, *where, cwd=tmp_path, code=2)
    assert done.stdout == b""
    [line] = errors(done)
    before, _, after = line.partition("; there ")
    assert before == (
        f"Error: {elasticsearch_url} has no namespace nobody_wrote_here: there is no data stream"
        " logs-aws.vpcflow-nobody_wrote_here"
    )
    named, _, told = after.partition("; to fill it: ")
    assert re.match(r"is|are", named)
    assert namespace in named or " more" in named
    assert told == f"vpcflow index SOURCE --to {elasticsearch_url} --namespace nobody_wrote_here"


def test_an_elasticsearch_with_nothing_in_it(own_elasticsearch, tmp_path: Path) -> None:
    url = own_elasticsearch().url
    said = {
        ("query", "actions"): (0, "There are no flows of that time"),
        ("report",): (2, f"there are no flows; bring some with: vpcflow index SOURCE --to {url}"),
        ("diagnose",): (0, "no record has addresses: nothing is indexed yet, "),
        ("alerts", "run"): (0, "there is no flow of the last day"),
        ("alerts", "backtest"): (0, "There are no flows from "),
        ("query", "actions", "--namespace", "prod"): (2, "; there is none yet; to fill it: "),
    }
    for asked, (code, why) in said.items():
        done = run(*asked, "--from", url, cwd=tmp_path, code=code)
        assert why in (done.stdout + done.stderr).decode(), asked


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(vpcflow.ConfigError, match="no store is there"), open_flows(tmp_path / "none"):
        pass
