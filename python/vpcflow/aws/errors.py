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
    "AssumeRole": "sts:AssumeRole",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled", "403"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_WRONG_KEYS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException",
    "AuthFailure", "InvalidToken",
}  # fmt: skip
_SKEWED = {"RequestTimeTooSkewed", "InvalidSignatureException"}
_MISSING = {
    "NoSuchBucket": "there is no such bucket",
    "AWS.SimpleQueueService.NonExistentQueue": "there is no such queue in this region",
    "QueueDoesNotExist": "there is no such queue in this region",
    "ResourceNotFoundException": "there is no such log group or stream in this region",
}
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_THROTTLED = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestLimitExceeded",
    "SlowDown", "TooManyRequestsException", "LimitExceededException", "ServiceUnavailable",
}  # fmt: skip
_OBJECT = {
    "NoSuchKey": "is not there any more",
    "404": "is not there any more",
    "PreconditionFailed": "was replaced while it was being read",
    "InvalidObjectState": "is in an archive; restore it, or leave it out",
}
_ON = re.compile(r"not authorized to perform: (?P<action>[\w:-]+)(?: on resource: \"?(?P<arn>arn:[^\s\"]+))?")
_NO_CREDENTIALS = (
    "no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile, or run "
    "where there is a role"
)


def code(error: Exception) -> str:
    """AWS's name of the fault (``NoSuchKey``); empty for what isn't an answer of AWS."""
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def explain(error: Exception, what: str, *, arn: str | None = None) -> VpcflowError:
    """The error in words.

    Args:
        error: what boto3 raised.
        what: the bucket, object, queue or group that it is about, as messages call it.
        arn: its ARN: the permission that is missing is one on that.

    Returns:
        A ConfigError for what the user has to put right: credentials, permissions, names, regions. A SourceError
        for what may be over the next time, and for what concerns one object alone.
    """
    return _answer(error, what, arn) if code(error) else _local(error, what)


def _answer(error: Exception, what: str, arn: str | None) -> VpcflowError:
    """AWS has answered."""
    name = code(error)
    if name in _DENIED:
        return ConfigError(f"{what}: access denied: {_permission(error, arn)}")
    if name in _EXPIRED:
        return ConfigError(f"{what}: the AWS session has expired; sign in again, or renew the credentials")
    if name in _WRONG_KEYS:
        return ConfigError(
            f"{what}: AWS doesn't know these credentials ({name}); check the keys or the profile"
        )
    if name in _SKEWED:
        return ConfigError(f"{what}: AWS refused the signature ({_text(error)}); check keys and clock")
    if name in _MISSING:
        return ConfigError(f"{what}: {_MISSING[name]}; check name, --region and account")
    if name in _REGION:
        return ConfigError(f"{what}: is in another region; give --region ({_text(error)})")
    if name in _OBJECT:
        return SourceError(f"{what}: {_OBJECT[name]}")
    if name in _THROTTLED:
        return SourceError(f"{what}: AWS goes on refusing requests as too many ({name}); try again later")
    return SourceError(f"{what}: {name}: {_text(error)}")


def _permission(error: Exception, arn: str | None) -> str:
    """Which permission is missing. AWS says it sometimes; else it follows from the call."""
    operation = str(getattr(error, "operation_name", ""))
    said = _ON.search(_text(error))
    action = said["action"] if said else _ACTIONS.get(operation, operation)
    on = (said["arn"] if said else None) or arn
    return f"the permission {action}{f' on {on}' if on else ''} is missing"


def _local(error: Exception, what: str) -> VpcflowError:
    """boto3 didn't get as far as an answer."""
    from botocore import exceptions as of

    text = str(error).rstrip(".")
    if isinstance(error, of.NoCredentialsError):
        return ConfigError(f"{what}: {_NO_CREDENTIALS}")
    if isinstance(error, of.PartialCredentialsError):
        return ConfigError(f"{what}: half of the AWS credentials is missing: {text}")
    if isinstance(error, of.ProfileNotFound):
        return ConfigError(f"{text}; `aws configure list-profiles` lists those that there are")
    if isinstance(error, of.NoRegionError):
        return ConfigError(f"{what}: no AWS region is set; give --region, or set AWS_REGION")
    if isinstance(error, of.SSOError | of.TokenRetrievalError | of.UnauthorizedSSOTokenError):
        return ConfigError(f"{what}: the AWS sign-in has expired ({text}); run `aws sso login`")
    if isinstance(error, of.SSLError):
        return ConfigError(f"{what}: TLS failed ({text}); AWS_CA_BUNDLE names a file with an own authority")
    if isinstance(error, of.ProxyConnectionError):
        return ConfigError(f"{what}: the proxy can't be reached ({text}); check HTTPS_PROXY")
    if isinstance(error, of.EndpointConnectionError | of.ConnectTimeoutError):
        return SourceError(
            f"{what}: AWS can't be reached ({text}); check network, --region and --endpoint-url"
        )
    if isinstance(error, of.ParamValidationError | ValueError):
        return ConfigError(f"{what}: {' '.join(text.split())}")
    return SourceError(f"{what}: {' '.join(text.split()) or type(error).__name__}")


def _text(error: Exception) -> str:
    """AWS's own words."""
    response: Any = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Message", "")).rstrip(".") or str(error)
