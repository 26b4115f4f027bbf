"""How vpcflow gets at AWS, and what it says when it doesn't."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from aws import ACCOUNT, CREDENTIALS, Answer, Moto, Proxy, Seen, denied

from unit.flowlogs import errors, many, vpcflow
from vpcflow.aws.errors import explain
from vpcflow.aws.session import client, session
from vpcflow.errors import ConfigError, SourceError
from vpcflow.sources.base import SourceOptions

BUCKET = "flow-logs"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/flow-logs-reader"


def answer(code: str, message: str, status: int = 400) -> Answer:
    return Answer(
        status,
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode(),
        {"Content-Type": "application/xml"},
    )


def refused(tmp_path: Path, *options: str, code: int = 2, bucket: str = BUCKET) -> str:
    """What the command says when it can't read a bucket. Never a secret."""
    done = vpcflow("index", f"s3://{bucket}/", "--to", "store", *options, cwd=tmp_path, code=code)
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in done.stderr.decode()
    [line] = errors(done)
    return line


def test_no_credentials(aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    said = (
        "no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile, or"
    )
    assert refused(tmp_path).startswith(f"Error: s3://{BUCKET}/: {said}")
    assert said in refused(tmp_path, "--role-arn", ROLE)


def test_half_of_the_credentials(aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "half of the AWS credentials is missing" in refused(tmp_path)


def test_no_such_bucket(aws: Moto, tmp_path: Path) -> None:
    line = refused(tmp_path, bucket="nobodys-bucket")
    assert line == "Error: s3://nobodys-bucket/: there is no such bucket; check its name, and the account"


def test_no_bucket_can_have_that_name(aws: Moto, tmp_path: Path) -> None:
    assert refused(tmp_path, bucket="white space").startswith("Error: s3://white space/: ")


def test_a_missing_permission_is_named(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET)
    proxy.rule = lambda seen: denied()
    assert refused(tmp_path) == (
        f"Error: s3://{BUCKET}/: access denied: the permission s3:ListBucket on arn:aws:s3:::{BUCKET} is missing"
    )
    proxy.rule = lambda seen: denied(
        f"User: arn:aws:iam::{ACCOUNT}:user/me is not authorized to perform: kms:Decrypt on resource: "
        f'"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234" because no identity-based policy allows it'
    )
    assert refused(tmp_path).endswith(
        f"the permission kms:Decrypt on arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234 is missing"
    )


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("ExpiredToken", 400, "the AWS session has expired; sign in again, or renew the credentials"),
        (
            "InvalidAccessKeyId",
            403,
            "AWS refuses these credentials (InvalidAccessKeyId); check the keys or the profile",
        ),
        (
            "SignatureDoesNotMatch",
            403,
            "AWS refuses these credentials (SignatureDoesNotMatch); check the keys or the profile",
        ),
        ("RequestTimeTooSkewed", 403, "this machine's clock is wrong (said by AWS); set it"),
    ],
)
def test_what_aws_refuses_is_said_in_one_line(
    code: str, status: int, said: str, *, proxy: Proxy, aws: Moto, tmp_path: Path
) -> None:
    aws.bucket(BUCKET)
    proxy.rule = lambda seen: answer(code, "said by AWS", status)
    assert refused(tmp_path) == f"Error: s3://{BUCKET}/: {said}"


def test_what_nobody_knows_is_told_in_awss_words(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    proxy.rule = lambda seen: answer("SomethingNew", "That is\n how it is.")
    assert refused(tmp_path, code=1) == f"Error: s3://{BUCKET}/: SomethingNew: That is how it is"


def test_throttling_is_waited_for(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, {"flow.log": many(2)})
    slow = iter([True] * 2)
    proxy.rule = lambda seen: (
        answer("SlowDown", "Please reduce your rate", 503) if next(slow, False) else None
    )
    vpcflow("index", f"s3://{BUCKET}/", "--to", "store", cwd=tmp_path)


def test_an_unknown_profile(aws: Moto, tmp_path: Path) -> None:
    line = refused(tmp_path, "--profile", "nope")
    assert line == (
        "Error: nope: there is no such AWS profile; `aws configure list-profiles` lists those that there are"
    )


def test_a_profile(proxy: Proxy, aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.bucket(BUCKET, {"flow.log": many(2)})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(
        "[profile logs]\nregion = ap-southeast-2\naws_access_key_id = AKIAOFTHEPROFILE\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    vpcflow("index", f"s3://{BUCKET}/", "--to", "store", "--profile", "logs", cwd=tmp_path)
    assert "AKIAOFTHEPROFILE" in proxy.seen[0].headers["Authorization"]
    assert "/ap-southeast-2/s3/" in proxy.seen[0].headers["Authorization"]


def test_a_role_is_assumed_with_its_external_id(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, {"flow.log": many(2)})
    role = ("--role-arn", ROLE, "--external-id", "vpcflow-17")
    vpcflow("index", f"s3://{BUCKET}/", "--to", "store", *role, cwd=tmp_path)
    assumed = [seen for seen in proxy.seen if b"AssumeRole" in seen.body]
    assert len(assumed) == 1
    assert b"ExternalId=vpcflow-17" in assumed[0].body
    reading = [seen for seen in proxy.seen if BUCKET in seen.path]
    assert reading
    assert all(seen.headers["X-Amz-Security-Token"] for seen in reading)
    assert CREDENTIALS["AWS_ACCESS_KEY_ID"] in assumed[0].headers["Authorization"]
    assert all(CREDENTIALS["AWS_ACCESS_KEY_ID"] not in seen.headers["Authorization"] for seen in reading)


def test_a_role_that_may_not_be_assumed(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    def rule(seen: Seen) -> Answer | None:
        if b"AssumeRole" not in seen.body:
            return None
        code = "<Type>Sender</Type><Code>AccessDenied</Code><Message>No.</Message>"
        return Answer(403, f"<ErrorResponse><Error>{code}</Error></ErrorResponse>".encode())

    proxy.rule = rule
    line = refused(tmp_path, "--role-arn", ROLE)
    assert line.endswith("access denied: the permission sts:AssumeRole is missing")


def test_an_external_id_without_a_role(aws: Moto, tmp_path: Path) -> None:
    assert "an external id goes with a role: give --role-arn too" in refused(tmp_path, "--external-id", "x")


def test_another_endpoint(aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    aws.bucket(BUCKET, {"flow.log": many(2)})
    endpoint = ("--endpoint-url", aws.url, "--region", "eu-west-1")
    vpcflow("index", f"s3://{BUCKET}/", "--to", "store", *endpoint, cwd=tmp_path)
    assert refused(tmp_path, "--endpoint-url", "no url") == "Error: s3: Invalid endpoint: no url"


def test_through_a_proxy(proxy: Proxy, aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.bucket(BUCKET, {"flow.log": many(2)})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.17")
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    vpcflow("index", f"s3://{BUCKET}/", "--to", "store", cwd=tmp_path)
    assert {seen.headers["Host"] for seen in proxy.seen} == {"192.0.2.17"}


def test_fips_endpoints(aws: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    s3 = client("s3", SourceOptions(region="us-east-1"))
    assert "fips" in s3.meta.endpoint_url
    s3.close()


def test_clients_say_who_they_are(proxy: Proxy, aws: Moto) -> None:
    s3 = client("s3")
    s3.list_buckets()
    s3.close()
    assert "vpcflow/" in proxy.seen[0].headers["User-Agent"]


def test_clients_of_one_session_assume_the_role_once(proxy: Proxy, aws: Moto) -> None:
    options = SourceOptions(role_arn=ROLE)
    shared = session(options)
    clients = [client(name, options, shared=shared) for name in ("s3", "sqs")]
    clients[0].list_buckets()
    clients[1].list_queues()
    for each in clients:
        each.close()
    assert sum(b"AssumeRole" in seen.body for seen in proxy.seen) == 1


def test_without_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match=r"pip install 'vpcflow\[aws\]'"):
        session()


def test_what_boto3_itself_finds_wrong() -> None:
    from botocore import exceptions as of

    unreachable = of.EndpointConnectionError(endpoint_url="https://s3.nowhere.amazonaws.com")
    assert isinstance(explain(unreachable, "s3://b/"), SourceError)
    assert "check network, --region and --endpoint-url" in str(explain(unreachable, "s3://b/"))
    no_region = explain(of.NoRegionError(), "sqs:queue")
    assert isinstance(no_region, ConfigError)
    assert str(no_region) == "sqs:queue: no AWS region is set; give --region, or set AWS_REGION"
    expired = of.UnauthorizedSSOTokenError()
    assert "run `aws sso login`" in str(explain(expired, "x"))
    redirect = {"Error": {"Code": "PermanentRedirect", "Message": "Use the endpoint\n of us-east-1."}}
    elsewhere = explain(of.ClientError(redirect, "ListObjectsV2"), "s3://b/")
    assert str(elsewhere) == "s3://b/: is in another region (Use the endpoint of us-east-1); give --region"
    assert str(explain(of.ReadTimeoutError(endpoint_url="https://x"), "")).startswith("Read timeout")
