"""CloudWatch Logs: ``cloudwatch:GROUP``, ``cloudwatch:PREFIX*``, ``cloudwatch:arn:aws:logs:…``.

`groups` says which log groups are meant, `calls` asks AWS, `position` knows how far a group is read, `ranges`
makes items of events, `ledger` knows which are on their way, and `source` puts it all together.
"""

from __future__ import annotations

from vpcflow.sources.cloudwatch.groups import group_region
from vpcflow.sources.cloudwatch.source import CloudWatchSource

__all__ = ["CloudWatchSource", "group_region"]
