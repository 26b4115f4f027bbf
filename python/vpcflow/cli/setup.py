"""`vpcflow setup`: everything that servers need: templates before flows come, dashboards and alerts after."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import click

from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.cli.setup_report import Report
    from vpcflow.elastic.template import Options
    from vpcflow.kibana.changes import Section
    from vpcflow.kibana.config import KibanaConfig
    from vpcflow.kibana.setup import Wishes

__all__ = ["setup"]

_TEMPLATES = "templates"
_KIBANA = ("dashboards", "connectors", "rules")
_KINDS = (_TEMPLATES, *_KIBANA)


def _kinds(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    kinds = tuple(part.strip() for part in value.split(","))
    if unknown := [kind for kind in kinds if kind not in _KINDS]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(_KINDS)}", ctx, param)
    return kinds


@click.command(short_help="Set Elasticsearch and Kibana up: templates, dashboards, alerts.")
@click.option(
    "--elasticsearch",
    "url",
    metavar="URL",
    envvar="ELASTICSEARCH_URL",
    show_envvar=True,
    help="The server, such as https://host:9200.",
)
@click.option(
    "--kibana",
    "kibana_url",
    metavar="URL",
    envvar="KIBANA_URL",
    show_envvar=True,
    help="Kibana, such as https://host:5601 or https://host/base/path.",
)
@click.option(
    "--space", metavar="ID", help="Kibana: the space to set up, by the name in its URL. [default: default]"
)
@click.option(
    "--ca",
    metavar="FILE",
    help="File with the authority's certificate (PEM), of both servers. [default: ELASTICSEARCH_CA and "
    "KIBANA_CA, or the system's]",
)
@click.option(
    "--only",
    metavar="KINDS",
    callback=_kinds,
    help="What to set up, separated by commas: templates (Elasticsearch), dashboards, connectors, rules "
    "(Kibana). [default: all that the servers given have]",
)
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    help="A vpcflow.toml: [kibana] with its connectors, [[owners]] whom alerts are for.",
)
@click.option(
    "--namespace",
    metavar="NAME",
    help="Templates for the data stream logs-aws.vpcflow-NAME alone, above those for all.",
)
@click.option("--shards", type=click.IntRange(1, 1024), metavar="N", help="Primary shards of an index.")
@click.option(
    "--retention",
    metavar="TIME",
    help="Delete flows that are older, such as 30d or 12h; forever keeps them.",
)
@click.option(
    "--index-mode",
    type=click.Choice(["auto", "logsdb", "standard"]),
    help="How indices are stored: logsdb takes little more than half the space of standard; auto takes "
    "logsdb where the server has it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--keep-edits",
    is_flag=True,
    help="Kibana: leave alone what somebody has edited there since the last run.",
)
@click.option(
    "--remove",
    is_flag=True,
    help="Take away what this command made, and nothing else: flows stay. --only and --namespace narrow it.",
)
@click.option(
    "--print-roles",
    type=click.Choice(["console", "curl"]),
    is_flag=False,
    flag_value="console",
    help="Print, and send to nobody, the requests that make a role and an API key with the least privileges: "
    "for indexing, for set-up and for reading. For Kibana's Dev Tools console, or as curl commands.",
)
def setup(
    *,
    url: str | None,
    kibana_url: str | None,
    space: str | None,
    ca: str | None,
    only: tuple[str, ...] | None,
    config_file: str | None,
    namespace: str | None,
    shards: int | None,
    retention: str | None,
    index_mode: Literal["auto", "logsdb", "standard"] | None,
    dry_run: bool,
    keep_edits: bool,
    remove: bool,
    print_roles: Literal["console", "curl"] | None,
) -> None:
    """Set Elasticsearch and Kibana up for flow logs.

    In Elasticsearch: component templates (vpcflow-ecs@mappings, vpcflow-aws@mappings, vpcflow@settings) and
    the index template vpcflow-logs, which holds for the data streams logs-aws.vpcflow-*. What you put into
    the component template vpcflow@custom comes last and is never touched. What --shards, --retention and
    --index-mode chose is remembered with the template: runs without them keep it, and so does vpcflow index.

    In Kibana 8.11 or later: five dashboards with their data view, connectors that carry alerts, and alert
    rules: for all flows, or for each of the [[owners]] of a vpcflow.toml. What the licence doesn't have is
    said and left out.

    A second run changes nothing. Credentials come from the environment: ELASTICSEARCH_API_KEY, or
    ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD; KIBANA_API_KEY, or KIBANA_USERNAME and KIBANA_PASSWORD
    (Elasticsearch's when absent); each also as NAME_FILE. Kibana runs rules with the key that made them: when
    that key goes, they stop.

    \b
    Examples:
      vpcflow setup --elasticsearch https://host:9200 --retention 90d
      vpcflow setup --elasticsearch https://host:9200 --kibana https://host:5601 --dry-run
      vpcflow setup --kibana https://host:5601 --space network --config vpcflow.toml
      vpcflow setup --kibana https://host:5601 --only dashboards --keep-edits
      vpcflow setup --kibana https://host:5601 --remove
      vpcflow setup --elasticsearch https://host:9200 --remove --dry-run
      vpcflow setup --print-roles

    Exit code: 0 when all is as asked, 1 when a server refused something, 2 when it can't work as given.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.cli.setup_report import Report
    from vpcflow.elastic.template import Options

    if print_roles:
        from vpcflow.elastic import roles

        click.echo(roles.FORMS[print_roles](roles.requests(namespace)))
        return
    config = _configuration(config_file)
    kibana_url, space = kibana_url or config.url, space or config.space
    kinds = _wanted(only, url, kibana_url)
    options = Options(namespace, shards, retention, index_mode)
    if remove and options.chosen():
        raise ConfigError("--remove takes no --shards, --retention or --index-mode; leave them out")
    parts = tuple(kind for kind in _KIBANA if kind in kinds)
    wishes = _wishes(parts, config, keep_edits=keep_edits, remove=remove) if parts else None
    report = Report(dry_run)
    both = url and kibana_url
    try:
        if _TEMPLATES in kinds and url:
            _set_up_elasticsearch(url, _authority(ca, url, both), options, report, remove=remove)
        if wishes is not None and kibana_url:
            _set_up_kibana(kibana_url, space, _authority(ca, kibana_url, both), wishes, report)
    finally:
        report.show()  # what one server has done when the other one fails
    if remove and report.empty and not report.failed:
        click.echo("Nothing of vpcflow is there")
    sys.exit(1 if report.failed else 0)


def _authority(ca: str | None, url: str, both: object) -> str | None:
    """The file is for two servers: one without TLS is then no mistake."""
    return None if both and url.startswith("http:") else ca


def _wanted(only: tuple[str, ...] | None, url: str | None, kibana_url: str | None) -> tuple[str, ...]:
    """What to set up or take away: what was asked for, or all that the servers given have."""
    if not url and not kibana_url:
        raise ConfigError(
            "no server given; give --elasticsearch URL, or set ELASTICSEARCH_URL; or --kibana URL, KIBANA_URL"
        )
    if only is None:
        return (*((_TEMPLATES,) if url else ()), *(_KIBANA if kibana_url else ()))
    if _TEMPLATES in only and not url:
        raise ConfigError("templates are Elasticsearch's; give --elasticsearch URL, or set ELASTICSEARCH_URL")
    if not kibana_url and (lacks := [kind for kind in only if kind in _KIBANA]):
        raise ConfigError(f"{lacks[0]} are Kibana's; give --kibana URL, or set KIBANA_URL")
    return only


def _configuration(path: str | None) -> KibanaConfig:
    from vpcflow.kibana.config import KibanaConfig, read

    return read(path) if path else KibanaConfig()


def _wishes(parts: tuple[str, ...], config: KibanaConfig, *, keep_edits: bool, remove: bool) -> Wishes:
    """Reads connectors and rules: what is wrong with them is said before anything is sent."""
    from vpcflow.kibana import client, connectors
    from vpcflow.kibana.assets import folder
    from vpcflow.kibana.setup import Wishes

    client.require()
    if remove:
        return Wishes(parts, keep_edits=keep_edits, remove=True)
    rules: list[Rule] = []
    if "rules" in parts:
        from vpcflow.alerts.rules import load_all

        rules = load_all(folder() / "rules")
    return Wishes(
        parts,
        connectors=connectors.parse(config.connectors, config.where),
        alerts=rules,
        owners=config.owners,
        keep_edits=keep_edits,
    )


def _set_up_elasticsearch(
    url: str, ca: str | None, options: Options, report: Report, *, remove: bool
) -> None:
    from elasticsearch import ApiError, TransportError
    from vpcflow.elastic import removal, setup
    from vpcflow.elastic.client import connect, explain, public_url

    client = connect(url, ca=ca)
    try:
        plan = removal.prepare(client, options.namespace) if remove else setup.prepare(client, options)
        if not report.dry_run:
            (removal if remove else setup).apply(client, plan)
    except (ApiError, TransportError) as error:
        raise explain(error, public_url(url)) from error
    finally:
        client.close()
    report.add_templates(plan)


def _set_up_kibana(url: str, space: str | None, ca: str | None, wishes: Wishes, report: Report) -> None:
    from vpcflow.kibana.client import connect
    from vpcflow.kibana.setup import apply, prepare

    kibana = connect(url, space=space or "default", ca=ca)
    try:
        sections = prepare(kibana, wishes)
        if not report.dry_run:
            _warn(sections)
            apply(kibana, sections)
    finally:
        kibana.close()
    for section in sections.values():
        report.add_section(section)


def _warn(sections: dict[str, Section]) -> None:
    """Says what of somebody's work is about to go, before it does."""
    for section in sections.values():
        for change in section.changes:
            if change.due and change.edited:
                click.echo(
                    f"Warning: {change.kind} {change.name} was {change.why}: it is "
                    f"{'taken away' if change.what == 'removed' else 'overwritten'}; --keep-edits keeps such",
                    err=True,
                )
