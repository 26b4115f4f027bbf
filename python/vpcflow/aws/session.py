"""Sessions and clients of boto3.

Credentials and everything else that isn't said here come from boto3's own chain: environment, ``~/.aws``,
SSO, roles of containers and instances; ``AWS_USE_FIPS_ENDPOINT``, ``AWS_CA_BUNDLE``, ``HTTPS_PROXY``,
``AWS_ENDPOINT_URL_S3`` and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vpcflow.aws.errors import explain
from vpcflow.errors import ConfigError
from vpcflow.sources.base import SourceOptions

if TYPE_CHECKING:
    from boto3.session import Session

__all__ = ["client", "session"]

# Connections that a client keeps: more workers than that are rare.
_CONNECTIONS = 64


def session(options: SourceOptions | None = None) -> Session:
    """A session with the profile, role and region of the options. Not to be used by several threads at once.

    Raises:
        ConfigError: boto3 isn't installed, or there is no such profile.
    """
    try:
        import boto3
        import botocore.session
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise ConfigError("reading from AWS needs the package boto3: pip install 'vpcflow[aws]'") from error
    options = options or SourceOptions()
    if options.external_id and not options.role_arn:
        raise ConfigError("an external id goes with a role: give --role-arn too")
    try:
        core = botocore.session.Session(profile=options.profile)
        if options.region:
            core.set_config_variable("region", options.region)
        if options.role_arn:
            _assume(core, options.role_arn, options)
        return boto3.Session(botocore_session=core)
    except BotoCoreError as error:
        raise explain(error, options.profile or "AWS") from error


def client(
    name: str,
    options: SourceOptions | None = None,
    *,
    shared: Session | None = None,
    region: str | None = None,
) -> Any:
    """A client of a service (``s3``, ``sqs``, ``logs`` …), which all threads may use.

    Throttled and failed requests are tried again, ever more slowly where it was too much.

    Args:
        name: boto3's name of the service.
        options: how to get at AWS.
        shared: the session to use, where several clients have one, so that a role is assumed once.
        region: another one than the session's.

    Raises:
        ConfigError: boto3 isn't installed, or profile, region or endpoint can't be used.
    """
    options = options or SourceOptions()
    shared = shared or session(options)
    from botocore.exceptions import BotoCoreError

    try:
        return shared.client(name, region_name=region, endpoint_url=options.endpoint_url, config=_config())
    except (BotoCoreError, ValueError) as error:
        raise explain(error, name) from error


def _config() -> Any:
    from botocore.config import Config

    from vpcflow import __version__

    return Config(
        connect_timeout=10,
        read_timeout=60,  # longer than SQS's longest poll
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "adaptive", "total_max_attempts": 6},
        tcp_keepalive=True,
        user_agent_extra=f"vpcflow/{__version__}",
    )


def _assume(core: Any, role: str, options: SourceOptions) -> None:
    """Lets a botocore session take on a role, and take it on again before its credentials expire."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    extra = {"RoleSessionName": "vpcflow"}
    if options.external_id:
        extra["ExternalId"] = options.external_id

    def create(name: str, **kwargs: Any) -> Any:
        if options.endpoint_url:
            kwargs["endpoint_url"] = options.endpoint_url
        return core.create_client(name, **kwargs)

    own = core.get_credentials()
    if own is None:
        from botocore.exceptions import NoCredentialsError

        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(create, own, role, extra_args=extra)
    # The session has no public way to be given credentials that refresh themselves.
    core._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
