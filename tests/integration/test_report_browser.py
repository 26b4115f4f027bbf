"""The report's page in a real Chromium without a network: it draws, filters, sorts, and says what DuckDB says.

Screenshots of it are in tests/integration/target/report, to be looked at.
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

import vpcflow
from unit.flowlogs import write
from vpcflow import demo
from vpcflow.cli import main
from vpcflow.query.store import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHOTS = Path(__file__).parent / "target" / "report"
DAY = date(2026, 11, 23)
#: What AWS does not make in a flow log: the name of the file.
MARKUP = "<img src=x onerror=document.body.dataset.hacked=1>.log"

NOTHING = "\N{EN DASH}"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    files = list(demo.generate(DAY, lines=20_000))
    lines = [files[0].lines[0], *(line for file in files for line in file.lines[1:])]
    bad = lines[1].replace(" 2026 ", " x ").rsplit(" ", 3)[0]
    vpcflow.index(write(folder / "day.log.gz", *lines), to=folder / "store")
    vpcflow.index(write(folder / MARKUP, lines[0], lines[1], bad), to=folder / "store")
    return folder / "store"


def make(store: Path, path: Path, *arguments: str) -> Path:
    result = CliRunner().invoke(main, ["report", "--from", str(store), "-o", str(path), *arguments])
    assert result.exit_code == 0, result.stderr
    return path


@pytest.fixture(scope="module")
def path(store, tmp_path_factory) -> Path:
    return make(
        store,
        tmp_path_factory.mktemp("page") / "report.html",
        "--since=2026-11-23",
        "--until=2026-11-24",
    )


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def show(browser, path):
    """Opens the page offline; when the test ends, nothing may have been asked for or complained of."""
    said, asked, contexts = [], [], []

    def opened(file: Path = path, **settings):
        context = browser.new_context(offline=True, **{"viewport": {"width": 1440, "height": 900}} | settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("file://")] == []


def shot(page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def panel(page, title: str, board: str = "overview"):
    return (
        page.locator(f"section#{board} article")
        .filter(has=page.locator("h3 > span", has_text=title).filter(has_text=title))
        .first
    )


def value(page, title: str, board: str = "overview") -> str:
    """The number of a metric, whole."""
    return panel(page, title, board).locator(".value").get_attribute("title")


def table(page, title: str, board: str = "overview") -> list[list[str]]:
    rows = panel(page, title, board).locator("tbody tr:not(.none)")
    return rows.evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")


def sql(store: Path, statement: str) -> list[tuple]:
    period = """"@timestamp" >= '2026-11-23' AND "@timestamp" < '2026-11-24'"""
    with connect(store) as connection:
        return connection.execute(statement.replace("{PERIOD}", period)).fetchall()


def choose(page, name: str, label: str) -> None:
    page.select_option(f"#filter-{name}", label=label)


def test_every_chart_draws(show):
    page = show()
    charts = page.locator(".chart")
    assert charts.count() >= 12
    for at in range(charts.count()):
        marks = charts.nth(at).locator("g[class*='mark-'] path[d], g[class*='mark-'] line")
        assert marks.count() > 0
        box = charts.nth(at).locator("svg").bounding_box()
        assert box["width"] > 150
        assert box["height"] > 100
    shot(page, "light")


def test_numbers_without_a_filter(show, store):
    page = show()
    ((flows,),) = sql(store, 'SELECT count("source.ip") FROM flows WHERE {PERIOD}')
    assert value(page, "Flows") == f"{flows:,}"
    assert len(table(page, "Top sources")) == 20


@pytest.mark.parametrize(
    ("chosen", "where"),
    [
        ({"action": "REJECT"}, """"event.action" = 'REJECT'"""),
        ({"direction": "egress"}, """"network.direction" = 'egress'"""),
        ({"account": "123456789010"}, """"cloud.account.id" = '123456789010'"""),
        ({"vpc": 1}, '"aws.vpcflow.vpc_id" = ?'),
        ({"interface": 3}, '"aws.vpcflow.interface_id" = ?'),
        (
            {"interface": 2, "action": "ACCEPT"},
            """"aws.vpcflow.interface_id" = ? AND "event.action" = 'ACCEPT'""",
        ),
        (
            {"from": "2026-11-23 12:00", "to": "2026-11-23 18:00", "action": "REJECT"},
            """"event.action" = 'REJECT' AND hour("@timestamp") BETWEEN 12 AND 17""",
        ),
    ],
    ids=lambda one: " ".join(map(str, one.values())) if isinstance(one, dict) else "",
)
def test_a_filter_changes_numbers_to_what_duckdb_says(show, store, chosen, where):
    page = show()
    for name, wanted in chosen.items():
        if isinstance(wanted, int):
            text = page.locator(f"#filter-{name} option").nth(wanted).text_content()
            where = where.replace("?", f"'{text}'")
            choose(page, name, text)
        else:
            choose(page, name, wanted)
    ((flows, nbytes, packets, rejected),) = sql(
        store,
        f"""SELECT count("source.ip"), coalesce(sum("network.bytes"), 0), coalesce(sum("network.packets"), 0),
            count(*) FILTER ("event.action" = 'REJECT') / nullif(count("event.action"), 0)
            FROM flows WHERE {{PERIOD}} AND {where}""",
    )
    assert value(page, "Flows") == f"{flows:,}"
    assert value(page, "Packets") == f"{packets:,}"
    assert value(page, "Bytes") == as_bytes(nbytes)
    assert value(page, "Rejected") == f"{100 * rejected:.1f} %"
    # The tables have the groups that are largest without a filter; these have the right numbers with it.
    for title, field in (
        ("Top sources", "source.ip"),
        ("Top ports", "destination.port"),
        ("Top interfaces", "aws.vpcflow.interface_id"),
    ):
        expected = sql(
            store,
            f"""WITH top AS (SELECT "{field}" AS k FROM flows WHERE {{PERIOD}} AND "{field}" IS NOT NULL
                  GROUP BY 1 ORDER BY sum("network.bytes") DESC NULLS LAST LIMIT 20)
                SELECT "{field}"::VARCHAR, coalesce(sum("network.bytes"), 0), count(*) FROM flows
                WHERE {{PERIOD}} AND {where} AND "{field}" IN (SELECT k FROM top) GROUP BY 1""",
        )
        found = table(page, title)
        assert sorted(found) == sorted([key, as_bytes(size), f"{count:,}"] for key, size, count in expected)
    # Over time: what the chart draws, as its own data have it.
    drawn = page.evaluate(
        """() => [...document.querySelectorAll("#overview article.area path[aria-roledescription='area mark']")].length"""
    )
    assert drawn >= 1


def as_bytes(number: float) -> str:
    """As the page has them: decimal units, one digit."""
    units = ["B", "kB", "MB", "GB", "TB"]
    unit = 0
    while number >= 999.95 and unit < 4:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {units[unit]}" if unit else f"{number} B"


def test_a_chart_over_time_follows_the_filter(show, store):
    """A line has a point for each piece of time, whose label a screen reader reads: the numbers are in it."""
    page = show()
    choose(page, "direction", "ingress")
    points = panel(page, "SSH and RDP, accepted and rejected", "threats").locator(
        "path[aria-roledescription='point']"
    )
    labels = points.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    found = {}
    for label in labels:
        parts = dict(part.split(": ", 1) for part in label.split("; "))
        if parts["Number"] != "0":
            found[parts["Time"], parts["Group"]] = int(parts["Number"].replace(",", ""))
    expected = sql(
        store,
        """SELECT strftime(time_bucket(INTERVAL 30 minutes, "@timestamp"), '%Y-%m-%d %H:%M'), "event.action", count(*)
           FROM flows WHERE {PERIOD} AND "destination.port" IN (22, 3389) AND "network.transport" = 'tcp'
           AND "network.direction" = 'ingress' GROUP BY ALL""",
    )
    assert expected
    assert found == {(time, action): count for time, action, count in expected}


def test_labels_of_an_axis_are_whole_numbers_within_the_chart_under_a_filter_too(show):
    page = show()
    choose(page, "action", "REJECT")
    choose(page, "direction", "egress")
    chart = panel(page, "Accepted and rejected flows").locator("svg")
    labels = chart.locator(".role-axis-label text")
    left = chart.bounding_box()["x"]
    assert labels.count() > 5
    assert all(labels.nth(at).bounding_box()["x"] >= left for at in range(labels.count()))
    numbers = [text for text in labels.all_text_contents() if ":" not in text and "Nov" not in text]
    assert "0" in numbers
    assert not any(text.startswith("0.") or text.endswith("m") for text in numbers)


def test_what_can_not_be_added_up_says_so(show):
    page = show()
    before = value(page, "Refused peers", "security-groups")
    choose(page, "direction", "egress")
    refused = panel(page, "Refused peers", "security-groups")
    assert "can't be added up" in refused.locator(".why").text_content()
    assert "whole" in refused.get_attribute("class")
    assert value(page, "Refused peers", "security-groups") == before
    assert all(row[2] == NOTHING for row in table(page, "Peers", "security-groups"))
    page.click("#reset")
    assert not refused.locator(".why").is_visible()
    assert all(row[2] != NOTHING for row in table(page, "Peers", "security-groups"))


def test_the_timeline_chooses_a_time(show, store):
    page = show()
    box = page.locator("#timeline").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.255, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.49, box["y"] + 10)
    page.mouse.up()
    ((flows,),) = sql(
        store,
        """SELECT count("source.ip") FROM flows WHERE {PERIOD} AND hour("@timestamp") BETWEEN 6 AND 11""",
    )
    assert value(page, "Flows") == f"{flows:,}"
    assert page.locator("#filter-from").evaluate("one => one.selectedOptions[0].text") == "2026-11-23 06:00"


def test_tables_sort_by_keyboard(show):
    page = show()
    flows = panel(page, "Top ports").locator("th button", has_text="Flows")
    flows.focus()
    page.keyboard.press("Enter")
    head = panel(page, "Top ports").locator("th", has_text="Flows")
    assert head.get_attribute("aria-sort") == "descending"
    numbers = [int(row[2].replace(",", "")) for row in table(page, "Top ports")]
    assert numbers == sorted(numbers, reverse=True)
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [int(row[2].replace(",", "")) for row in table(page, "Top ports")] == sorted(numbers)


def test_values_are_text(show, store, tmp_path):
    """The bad line's time is its reading: the page over all flows has it."""
    page = show(make(store, tmp_path / "all.html", "--dashboard=health"))
    rows = table(page, "Where unreadable lines come from", "health")
    assert any(MARKUP in row[0] for row in rows)
    assert page.evaluate("document.body.dataset.hacked") is None
    assert page.locator("main img").count() == 0


def test_what_is_missing_has_words(show):
    page = show()
    note = panel(page, "Transit gateway attachments", "traffic").locator(".note").text_content()
    assert "${tgw-attachment-id}" in note


def test_dark(show):
    page = show(color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    shot(page, "dark")
    page.click("#theme")
    assert page.evaluate(colour) != dark
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_a_phone(show):
    page = show(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for at in range(page.locator(".chart svg").count()):
        assert page.locator(".chart svg").nth(at).bounding_box()["width"] <= 390
    shot(page, "phone")


def test_a_small_laptop_shows_whole_tables_and_filters_in_one_row(show):
    page = show(viewport={"width": 1280, "height": 800})
    tables = page.locator("#overview .scroll")
    assert tables.count() >= 4
    assert (
        tables.evaluate_all("all => all.map(one => one.scrollWidth - one.clientWidth)")
        == [0] * tables.count()
    )
    last, button = page.locator("#filter-to").bounding_box(), page.locator("#reset").bounding_box()
    assert abs(last["y"] - button["y"]) < 20


def test_on_paper(show):
    page = show(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("#filters").is_hidden()
    SHOTS.mkdir(parents=True, exist_ok=True)
    paper = page.pdf(format="A4", path=SHOTS / "paper.pdf")
    assert paper.startswith(b"%PDF")
