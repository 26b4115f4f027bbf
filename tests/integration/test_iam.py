"""The IAM policies of docs/iam: each allows what its source asks of AWS, and nothing that it doesn't ask.

The sources run against a real moto server; what they ask is taken down from botocore's events.
"""

from __future__ import annotations

import fnmatch
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from aws import ACCOUNT, REGION, Moto

import samples
from vpcflow.aws.inventory import pull
from vpcflow.aws.security_groups import describe
from vpcflow.sources import open_source
from vpcflow.sources.base import SourceOptions

ROOT = Path(__file__).parents[2]
POLICIES = sorted((ROOT / "docs" / "iam").glob("*.json"))

KEY = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/24/{ACCOUNT}_vpcflowlogs_{REGION}_fl-0a1b_20261124T1200Z_1a2b3c4d.log"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:flow-logs"
GROUP = "/aws/vpc/flow-logs"

# Operations whose permission has another name, by AWS's service authorization reference.
NAMES = {
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "HeadObject"): "GetObject",
    ("s3", "ListObjectsV2"): "ListBucket",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
}


@dataclass(frozen=True)
class Call:
    """What a request needs: an action on a resource."""

    action: str
    resource: str


def call(service: str, operation: str, asked: dict[str, Any]) -> Call:
    return Call(
        f"{service}:{NAMES.get((service, operation), operation)}", resource(service, operation, asked)
    )


def resource(service: str, operation: str, asked: dict[str, Any]) -> str:
    """The ARN against which AWS checks a request."""
    if service == "s3":
        return f"arn:aws:s3:::{asked['Bucket']}" + (f"/{asked['Key']}" if "Key" in asked else "")
    if service == "sqs":
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{asked['QueueUrl'].rsplit('/', 1)[-1]}"
    if service == "logs":
        # Which groups there are is asked of no group in particular.
        groups = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
        return f"{groups}{asked['logGroupName']}:*" if "logGroupName" in asked else f"{groups}:log-stream:"
    if service == "sts":
        return str(asked["RoleArn"])
    if "PrefixListId" in asked:
        return f"arn:aws:ec2:{REGION}:{ACCOUNT}:prefix-list/{asked['PrefixListId']}"
    return "*"


@pytest.fixture
def calls(aws: Moto, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The requests of every client that is made from now on, in vpcflow as anywhere."""
    found: list[Call] = []
    create = botocore.session.Session.create_client

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        found.append(call(model.service_model.signing_name, model.name, params))

    def create_client(self: Any, *args: Any, **kwargs: Any) -> Any:
        client = create(self, *args, **kwargs)
        client.meta.events.register("provide-client-params.*.*", note)
        return client

    monkeypatch.setattr(botocore.session.Session, "create_client", create_client)
    return found


@pytest.fixture
def bucket(aws: Moto) -> str:
    aws.bucket("flow-logs", {KEY: samples.log(samples.V2, [samples.ACCEPTED])})
    return "s3://flow-logs/AWSLogs/"


@pytest.fixture
def queue(aws: Moto) -> str:
    """A queue that hears of the bucket's objects, and whose messages don't stay hidden for long."""
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="flow-logs", Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
    s3 = aws.bucket("flow-logs")
    s3.put_bucket_notification_configuration(
        Bucket="flow-logs",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="flow-logs", Key=KEY, Body=samples.log(samples.V2, [samples.ACCEPTED]))
    return f"sqs:{url}"


@pytest.fixture
def group(aws: Moto) -> str:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="eni-a")
    event = {"timestamp": int(time.time() * 1000), "message": samples.ACCEPTED}
    logs.put_log_events(logGroupName=GROUP, logStreamName="eni-a", logEvents=[event])
    return f"cloudwatch:{GROUP}*"


def read(text: str, tmp_path: Path, *, pause: float = 0.0, **options: Any) -> int:
    """Reads a source to its end. The bytes that came."""
    options |= {"checkpoint": tmp_path / "checkpoint.db", "target": "https://elasticsearch.example:9200"}
    source = open_source(text, SourceOptions(**options))
    nbytes = 0
    for item in source.items():
        assert not isinstance(item.data, Path)
        nbytes += len(item.data.read(1 << 20))
        item.data.close()
        time.sleep(pause)
        source.acknowledge(item)
    source.close()
    return nbytes


def statements(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / "docs" / "iam" / name).read_text())["Statement"]
    return found


def many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allows(statement: dict[str, Any], call: Call) -> bool:
    patterns = many(statement["Resource"])
    return call.action in many(statement["Action"]) and any(
        fnmatch.fnmatchcase(call.resource, pattern) for pattern in patterns
    )


def check(name: str, calls: list[Call]) -> None:
    """That a policy allows these calls, by its every action, and no others."""
    policy = statements(name)
    assert [it for it in calls if not any(allows(statement, it) for statement in policy)] == []
    granted = {action for statement in policy for action in many(statement["Action"])}
    assert granted == {it.action for it in calls}


def test_s3(bucket, calls, tmp_path):
    assert read(bucket, tmp_path)
    check("s3.json", calls)


def test_sqs(queue, calls, tmp_path):
    # So long that the message has to be held.
    assert read(queue, tmp_path, pause=1.5)
    check("sqs.json", calls)


def test_cloudwatch(group, calls, tmp_path):
    assert read(group, tmp_path)
    check("cloudwatch.json", calls)


def test_inventory(aws, calls):
    assert pull(SourceOptions()).vpcs
    check("inventory.json", calls)


def test_diagnose(aws, calls):
    ec2 = aws.client("ec2")
    offices = {"PrefixListName": "offices", "MaxEntries": 1, "AddressFamily": "IPv4"}
    prefixes = ec2.create_managed_prefix_list(**offices)["PrefixList"]["PrefixListId"]
    group = ec2.create_security_group(GroupName="db", Description="db")["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "PrefixListIds": [{"PrefixListId": prefixes}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    calls.clear()
    assert describe(SourceOptions(), groups=True, acls=True)["PrefixLists"]
    check("diagnose.json", calls)


def test_a_role_is_taken_on_with_the_user_s_own_permission_and_reads_with_its_own(bucket, calls, tmp_path):
    assert read(bucket, tmp_path, role_arn=f"arn:aws:iam::{ACCOUNT}:role/flow-logs-reader")
    check("role.json", [it for it in calls if it.action.startswith("sts:")])
    check("s3.json", [it for it in calls if not it.action.startswith("sts:")])


def test_a_policy_that_lacks_something_or_has_too_much_would_be_seen():
    needed = [
        Call("s3:ListBucket", "arn:aws:s3:::flow-logs"),
        Call("s3:GetObject", f"arn:aws:s3:::flow-logs/{KEY}"),
    ]
    check("s3.json", needed)
    for wrong in (
        needed[:1],
        [*needed, Call("s3:GetObject", "arn:aws:s3:::other/x")],
        [*needed, Call("s3:PutObject", "*")],
    ):
        with pytest.raises(AssertionError):
            check("s3.json", wrong)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
class TestSyntax:
    def test_grammar(self, path):
        policy = json.loads(path.read_text())
        assert policy.keys() == {"Version", "Statement"}
        assert policy["Version"] == "2012-10-17"
        sids = [statement["Sid"] for statement in policy["Statement"]]
        assert len(sids) == len(set(sids))
        for statement in policy["Statement"]:
            assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}
            assert re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"])
            assert statement["Effect"] == "Allow"
            actions = many(statement["Action"])
            assert actions == sorted(set(actions))
            assert "*" not in "".join(actions)
            for arn in many(statement["Resource"]):
                # Only EC2 knows no finer resource for what is asked of it.
                assert re.fullmatch(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:(\d*|aws):.+", arn) or all(
                    action.startswith("ec2:Describe") for action in actions
                )

    def test_actions_are_aws_s_own(self, path):
        renamed = {f"{service}:{name}" for (service, _), name in NAMES.items()}
        for action in (it for statement in statements(path.name) for it in many(statement["Action"])):
            service, _, operation = action.partition(":")
            known = botocore.session.Session().get_service_model(service).operation_names
            assert operation in known or action in renamed, action

    def test_it_is_shown_in_the_documentation(self, path):
        blocks = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "aws.md").read_text(), re.DOTALL)
        assert path.read_text() in blocks
