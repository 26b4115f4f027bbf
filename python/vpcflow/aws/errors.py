"""What AWS or boto3 refused, as one line that says what to do."""

from __future__ import annotations

import re
from typing import Any

from vpcflow.errors import ConfigError, SourceError, VpcflowError

__all__ = ["code", "explain"]

# Operations whose permission has another name. Source: service authorization reference.
_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "GetBucketLocation": "s3:GetBucketLocation",
    "ReceiveMessage": "sqs:ReceiveMessage",
    "DeleteMessage": "sqs:DeleteMessage",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "ChangeMessageVisibility": "sqs:ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "GetQueueUrl": "sqs:GetQueueUrl",
    "DescribeLogGroups": "logs:DescribeLogGroups",
    "DescribeLogStreams": "logs:DescribeLogStreams",
    "FilterLogEvents": "logs:FilterLogEvents",
    "GetLogEvents": "logs:GetLogEvents",
    "DescribeFlowLogs": "ec2:DescribeFlowLogs",
    "DescribeInstances": "ec2:DescribeInstances",
    "DescribeNetworkAcls": "ec2:DescribeNetworkAcls",
    "DescribeNetworkInterfaces": "ec2:DescribeNetworkInterfaces",
    "DescribeSecurityGroups": "ec2:DescribeSecurityGroups",
    "DescribeSubnets": "ec2:DescribeSubnets",
    "DescribeVpcs": "ec2:DescribeVpcs",
    "GetManagedPrefixListEntries": "ec2:GetManagedPrefixListEntries",
    "AssumeRole": "sts:AssumeRole",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled", "403"}
# What AWS answers: its names of the fault, whether the user has to put it right, and the words for it.
_ANSWERS: tuple[tuple[set[str], type[VpcflowError], str], ...] = (
    (
        {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"},
        ConfigError,
        "the AWS session has expired; sign in again, or renew the credentials",
    ),
    (
        {
            "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "AuthFailure",
            "UnrecognizedClientException", "InvalidToken", "InvalidSignatureException",
        },
        ConfigError,
        "AWS refuses these credentials ({code}); check the keys or the profile",
    ),
    ({"RequestTimeTooSkewed"}, ConfigError, "this machine's clock is wrong ({text}); set it"),
    ({"NoSuchBucket"}, ConfigError, "there is no such bucket; check its name, and the account"),
    (
        {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"},
        ConfigError,
        "there is no such queue; check its URL, --region and the account",
    ),
    (
        {"ResourceNotFoundException"},
        ConfigError,
        "there is no such log group; check its name, --region and the account",
    ),
    (
        {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"},
        ConfigError,
        "is in another region ({text}); give --region",
    ),
    ({"NoSuchKey", "404"}, SourceError, "is not there any more"),
    ({"PreconditionFailed", "412"}, SourceError, "was replaced while it was being read"),
    ({"InvalidObjectState"}, SourceError, "is archived; restore it, or leave it out with --since"),
    (
        {
            "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "SlowDown",
            "RequestLimitExceeded", "TooManyRequestsException", "LimitExceededException",
        },
        SourceError,
        "AWS goes on refusing requests as too many ({code}); try again later",
    ),
)  # fmt: skip
# What keeps boto3 from asking, or from getting an answer, by the class of its exception.
_TROUBLES: tuple[tuple[tuple[str, ...], type[VpcflowError], str], ...] = (
    (
        ("NoCredentialsError",),
        ConfigError,
        "no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile, or "
        "run where there is a role",
    ),
    (("PartialCredentialsError",), ConfigError, "half of the AWS credentials is missing: {text}"),
    (
        ("ProfileNotFound",),
        ConfigError,
        "there is no such AWS profile; `aws configure list-profiles` lists those that there are",
    ),
    (("NoRegionError",), ConfigError, "no AWS region is set; give --region, or set AWS_REGION"),
    (
        ("SSOError", "TokenRetrievalError", "LoginError"),
        ConfigError,
        "the AWS sign-in has expired ({text}); run `aws sso login`",
    ),
    (("SSLError",), ConfigError, "TLS failed: {text}; AWS_CA_BUNDLE names a file with an own authority"),
    (("ProxyConnectionError",), ConfigError, "the proxy can't be reached: {text}; check HTTPS_PROXY"),
    (
        ("EndpointConnectionError", "ConnectTimeoutError"),
        SourceError,
        "AWS can't be reached: {text}; check network, --region and --endpoint-url",
    ),
    (("ParamValidationError", "ValueError"), ConfigError, "{text}"),
)
_ON = re.compile(r"not authorized to perform: (?P<action>[\w:-]+)(?: on resource: \"?(?P<arn>arn:[^\s\"]+))?")


def code(error: Exception) -> str:
    """AWS's name of the fault (``NoSuchKey``); empty for what isn't an answer of AWS."""
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def explain(error: Exception, what: str, *, arn: str | None = None) -> VpcflowError:
    """The error in words.

    Args:
        error: what boto3 raised.
        what: the bucket, object, queue or group that it is about, as messages call it. Empty where whoever
            shows the error says it, as the pipeline does for what is wrong with an item.
        arn: its ARN: the permission that is missing is one on that.

    Returns:
        A ConfigError for what the user has to put right: credentials, permissions, names, regions. A
        SourceError for what may be over the next time, and for what concerns one object alone.
    """
    name, text = code(error), _text(error)
    about = f"{what}: " if what else ""
    if name in _DENIED:
        return ConfigError(f"{about}access denied: {_permission(error, arn)}")
    if name:
        found = [(kind, words) for names, kind, words in _ANSWERS if name in names]
        kind, words = found[0] if found else (SourceError, "{code}: {text}")
    else:
        classes = {ancestor.__name__ for ancestor in type(error).__mro__}
        found = [(kind, words) for names, kind, words in _TROUBLES if classes & set(names)]
        kind, words = found[0] if found else (SourceError, "{text}")
    return kind(about + words.format(code=name, text=text))


def _permission(error: Exception, arn: str | None) -> str:
    """Which permission is missing. AWS says it sometimes; else it follows from the call."""
    operation = str(getattr(error, "operation_name", ""))
    said = _ON.search(_text(error))
    action = said["action"] if said else _ACTIONS.get(operation, operation)
    # Behind the call may be another one, for a role or a key.
    same = arn is not None and action.partition(":")[0] == arn.split(":")[2]
    on = (said["arn"] if said else None) or (arn if same else None)
    return f"the permission {action}{f' on {on}' if on else ''} is missing"


def _text(error: Exception) -> str:
    """AWS's own words, or boto3's, on one line."""
    response: Any = getattr(error, "response", None) or {}
    text = response.get("Error", {}).get("Message") or str(error) or type(error).__name__
    return " ".join(text.split()).rstrip(".")
