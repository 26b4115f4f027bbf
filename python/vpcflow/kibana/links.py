"""Links to the dashboards of an alert, for messages that Kibana writes and those that vpcflow writes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from vpcflow.kibana.assets import in_space

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.owners import Owner

__all__ = ["dashboard"]


def dashboard(rule: Rule, owner: Owner | None, space: str, times: tuple[str, str], *, rest: bool) -> str:
    """The path of the rule's dashboard below Kibana's own URL, filtered to what the rule looks at.

    Args:
        rule: whose dashboard and filter it is.
        owner: whose flows alone are shown.
        space: of Kibana.
        times: begin and end, ``now-15m`` or in ISO 8601.
        rest: show the flows that have no owner.
    """
    base = "" if space == "default" else f"/s/{quote(space)}"
    board = in_space(f"vpcflow-{rule.dashboard}", space)
    query = _rison(rule.kql(owner.name if owner else None, rest=rest))
    start, end = (one if one.startswith("now") else _rison(one) for one in times)
    return (
        f"{base}/app/dashboards#/view/{board}?_g=(time:(from:{start},to:{end}))"
        f"&_a=(query:(language:kuery,query:{query}))"
    )


def _rison(text: str) -> str:
    """A text in Rison, as Kibana's URLs have it, fit for a URL."""
    return quote("'" + text.replace("!", "!!").replace("'", "!'") + "'", safe="'!():*,")
