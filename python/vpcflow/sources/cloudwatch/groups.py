"""Which log groups a source names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vpcflow.errors import ConfigError

__all__ = ["LogGroup", "Selection", "group_region"]

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):logs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):log-group:(?P<name>.+)"
)
_NAME = re.compile(r"[A-Za-z0-9_/.#-]{1,512}")


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group.

    Attributes:
        name: as CloudWatch Logs shows it, ``/aws/vpc/flow-logs``.
        arn: without the ``:*`` at the end that some of AWS's answers have.
        linked: it lies in a linked source account, so requests must name it by its ARN.
    """

    name: str
    arn: str
    linked: bool = False

    @property
    def region(self) -> str:
        """AWS region."""
        return self.arn.split(":")[3]


@dataclass(frozen=True, slots=True)
class Selection:
    """What stands after ``cloudwatch:``.

    Attributes:
        name: name of the group, or what the names of several begin with.
        prefix: whether it is the latter.
        arn: the same as an ARN, where the user gave one.
        region, account: of that ARN.
    """

    name: str
    prefix: bool
    arn: str | None = None
    region: str | None = None
    account: str | None = None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Reads ``GROUP``, ``PREFIX*`` or an ARN, whose name may be a prefix too.

        Raises:
            ConfigError: it is none of these.
        """
        arn = _ARN.fullmatch(text.removesuffix(":*"))
        if text.startswith("arn:") and arn is None:
            raise ConfigError(
                f"cloudwatch:{text}: is not the ARN of a log group, "
                "arn:aws:logs:REGION:ACCOUNT:log-group:NAME"
            )
        name = arn["name"] if arn else text
        prefix = name.endswith("*")
        bare = name.removesuffix("*")
        if not _NAME.fullmatch(bare) and not (prefix and not bare):
            raise ConfigError(
                f"cloudwatch:{text}: is not the name of a log group: it has letters, digits and . - _ / #; "
                "a * at the end is for all that begin so"
            )
        if arn is None:
            return cls(bare, prefix)
        return cls(bare, prefix, arn[0].removesuffix("*"), arn["region"], arn["account"])

    def chooses(self, group: LogGroup) -> bool:
        """Whether the group is meant. CloudWatch Logs itself only knows how names begin."""
        mine, its = (self.name, group.name) if self.arn is None else (self.arn, group.arn)
        return its.startswith(mine) if self.prefix else its == mine


def group_region(text: str) -> str | None:
    """The region that an ARN names: requests to another one's endpoint would not find the group.

    Raises:
        ConfigError: it is neither a name, nor a prefix, nor an ARN.
    """
    return Selection.parse(text).region
