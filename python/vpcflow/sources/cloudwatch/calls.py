"""What a source asks of AWS."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from vpcflow._core import Format
from vpcflow.aws.errors import code, explain
from vpcflow.errors import FormatError
from vpcflow.sources.cloudwatch.groups import LogGroup, Selection

__all__ = ["Calls", "StoppedError", "aws_errors"]

log = logging.getLogger(__name__)

_THROTTLED = {
    "LimitExceededException", "RequestLimitExceeded", "ServiceUnavailableException", "ThrottledException",
    "Throttling", "ThrottlingException", "TooManyRequestsException",
}  # fmt: skip
# boto3 has a short patience of its own with a service that refuses requests as too many. After that, seconds:
# the first pause, the longest, and all of them together.
_PAUSE, _LONGEST, _PATIENCE = 1.0, 30.0, 300.0
# Seconds by which this machine's clock may differ from AWS's: answers say the time late, without fractions.
_SKEW = 5.0
# Seconds for which a group's format is good: a flow log's can't be changed, but it can be made anew.
_KEPT = 3600.0


def aws_errors() -> tuple[type[Exception], ...]:
    """What boto3 raises: of a gateway's answer that isn't AWS's, too."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return BotoCoreError, ClientError, ResponseParserError


class StoppedError(Exception):
    """The run is to end."""


class Calls:
    """CloudWatch Logs of one region, and the flow logs of EC2 there.

    Args:
        logs: boto3's client of CloudWatch Logs.
        ec2: makes boto3's client of EC2, which takes a while.
        stopped: ends what waits.
    """

    def __init__(self, logs: Any, ec2: Callable[[], Any], stopped: threading.Event) -> None:
        self._logs = logs
        self._make_ec2 = ec2
        self._stopped = stopped
        self._skew = 0.0
        self._throttled = False
        self._changing = threading.Lock()
        self._formats: dict[str, tuple[float, Format | None]] = {}
        self._ec2: Any = None
        self._asks_ec2 = True

    def now(self) -> int:
        """Unix milliseconds, by AWS's clock where this machine's is wrong."""
        return int((time.time() + self._skew) * 1000)

    def groups(self, selection: Selection) -> list[LogGroup]:
        """The log groups that are meant. One that is named by its ARN may lie in a linked account."""
        from botocore.exceptions import ClientError

        known = selection.arn if not selection.prefix else None
        try:
            own = [group for group in self._describe(selection) if selection.chooses(group)]
        except ClientError as error:
            if known is None or code(error) != "AccessDeniedException":
                raise
            own = []  # the events may be allowed all the same
        if own or selection.arn is None:
            return own
        if known is not None:
            return [LogGroup(selection.name, known, linked=True)]
        account = {"includeLinkedAccounts": True, "accountIdentifiers": [selection.account]}
        return [
            LogGroup(group.name, group.arn, linked=True)
            for group in self._describe(selection, **account)
            if selection.chooses(group)
        ]

    def events(
        self, group: LogGroup, start: int, end: int, streams: tuple[str, ...], stream_prefix: str | None
    ) -> Iterator[dict[str, Any]]:
        """The events from `start` up to, but without, `end`, in the order of their time."""
        wanted: dict[str, Any] = {"startTime": max(start, 0), "endTime": end - 1}
        # Said although it is AWS's only way now: moto has the order from it.
        wanted["interleaved"] = True
        wanted |= {"logGroupIdentifier": group.arn} if group.linked else {"logGroupName": group.name}
        if streams:
            wanted["logStreamNames"] = list(streams)
        if stream_prefix:
            wanted["logStreamNamePrefix"] = stream_prefix
        while True:
            answer = self._call("filter_log_events", **wanted)
            for event in answer["events"]:
                # moto doesn't know the prefix.
                if not stream_prefix or event["logStreamName"].startswith(stream_prefix):
                    yield event
            if not answer.get("nextToken"):
                return
            wanted["nextToken"] = answer["nextToken"]

    def layout(self, group: LogGroup) -> Format | None:
        """The format of the flow logs that write to a group; None when they are unknown, or have several."""
        until, layout = self._formats.get(group.arn, (0.0, None))
        if until < time.monotonic():
            layout = self._layout(group)
            self._formats[group.arn] = (time.monotonic() + _KEPT, layout)
        return layout

    def _layout(self, group: LogGroup) -> Format | None:
        if group.linked or not self._asks_ec2:  # another account's flow logs can't be seen from here
            return None
        try:
            with self._changing:
                self._ec2 = self._ec2 or self._make_ec2()
            pages = self._ec2.get_paginator("describe_flow_logs").paginate(
                Filters=[{"Name": "log-group-name", "Values": [group.name]}]
            )
            specs = {it["LogFormat"] for page in pages for it in page["FlowLogs"] if "LogFormat" in it}
        except aws_errors() as error:
            # The layout can be told in other ways, and asking again would fail again.
            self._asks_ec2 = False
            log.info("%s; layouts are told from the records", explain(error, group.name))
            return None
        try:
            formats = {Format(spec) for spec in specs}
        except FormatError:
            return None
        return formats.pop() if len(formats) == 1 else None

    def _describe(self, selection: Selection, **more: Any) -> Iterator[LogGroup]:
        wanted = dict(more)
        if selection.name:
            wanted["logGroupNamePrefix"] = selection.name
        while True:
            answer = self._call("describe_log_groups", **wanted)
            for group in answer["logGroups"]:
                yield LogGroup(
                    group["logGroupName"], group.get("logGroupArn") or group["arn"].removesuffix(":*")
                )
            if not answer.get("nextToken"):
                return
            wanted["nextToken"] = answer["nextToken"]

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """An answer of CloudWatch Logs, however often it says that it is asked too much."""
        from botocore.exceptions import ClientError

        pause, deadline = _PAUSE, time.monotonic() + _PATIENCE
        while not self._stopped.is_set():
            try:
                answer: dict[str, Any] = getattr(self._logs, operation)(**parameters)
            except ClientError as error:
                if code(error) not in _THROTTLED or time.monotonic() > deadline:
                    raise
                self._say_throttled()
            else:
                self._look_at_clock(answer)
                return answer
            # Not all workers, nor all processes, at the same moment.
            self._stopped.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(2 * pause, _LONGEST)
        raise StoppedError

    def _say_throttled(self) -> None:
        with self._changing:
            said, self._throttled = self._throttled, True
        if not said:
            log.warning(
                "CloudWatch Logs throttles requests (FilterLogEvents has a quota an account and region); "
                "reading goes on more slowly"
            )

    def _look_at_clock(self, answer: dict[str, Any]) -> None:
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date is None:
            return
        skew = parsedate_to_datetime(date).timestamp() - time.time()
        self._skew = skew if abs(skew) > _SKEW else 0.0
