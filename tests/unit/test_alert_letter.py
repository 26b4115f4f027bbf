"""What a message about an alert says."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta, timezone
from html.parser import HTMLParser

import pytest
from PIL import Image

from notices import BEGIN, JANE, RULES, SCAN, notice
from vpcflow.alerts.notice import Row
from vpcflow.alerts.notify.chart import bars
from vpcflow.alerts.notify.config import Settings, read_settings
from vpcflow.alerts.notify.letter import write
from vpcflow.alerts.notify.page import page

OWNERS = Settings(owned=True)
KIBANA = Settings(owned=True, kibana="https://kibana.example.com:5601", space="network")


def test_the_whole_text():
    assert (
        write(SCAN, OWNERS).text
        == """\
One address tried 50 ports or more of one host within a minute's records. It looks for what is open there.

Found 3 in the flows of Jane Roe between 2026-11-23 10:30 and 2026-11-23 10:45 UTC. All of them, the largest first:

source.ip     destination.ip  different destination.port  since (UTC)
203.0.113.9   10.0.1.20                            1,060  2026-11-23 10:30
203.0.113.9   10.0.1.21                               60  2026-11-23 10:31
198.51.100.7  10.0.1.20                               51  2026-11-23 10:34

It may also be: a scanner of your own; FTP and other protocols that take many ports.

Rule: 50 or more different destination.port for one source.ip and destination.ip within 1 minute
Look at it: vpcflow report --dashboard threats --since 2026-11-23T10:30:00Z --until 2026-11-23T10:45:00Z
"""
    )


def test_a_rule_without_groups_and_without_other_explanations():
    rule = replace(SCAN.rule, groups=(), false_positives=())
    text = write(notice(rule=rule, rows=(Row((), 50.0, BEGIN),), count=1), OWNERS).text
    assert (
        "different destination.port  since (UTC)\n                        50  2026-11-23 10:30\n\nRule: 50"
        in text
    )
    assert "It may also be" not in text


def test_five_of_many():
    letter = write(notice(count=1203), OWNERS)
    assert letter.subject == "[medium] Port scan of one host: 1,203 (Jane Roe)"
    assert letter.found.endswith("The largest:")
    assert letter.table[-1] == "and 1,200 more"


def test_that_it_is_over():
    letter = write(notice(state="over"), OWNERS)
    assert letter.subject == "[medium] Port scan of one host: over (Jane Roe)"
    assert letter.found == (
        "It is over: nothing of it was seen any more in the flows of Jane Roe until 2026-11-23 10:45 UTC. It was:"
    )


def test_what_nobody_owns():
    letter = write(notice(owner=None), OWNERS)
    assert letter.subject == "[medium] Port scan of one host: 3 (no owner)"
    assert "in the flows that have no owner between" in letter.found


def test_without_owners_all_flows_are_meant():
    letter = write(notice(owner=None), Settings())
    assert letter.subject == "[medium] Port scan of one host: 3"
    assert "Found 3 in all flows between" in letter.found


def test_the_command_names_the_flows_and_no_password():
    settings = read_settings(None, {}, "https://me:s3cret@host:9200")
    assert " --from https://host:9200 --dashboard threats --since " in write(SCAN, settings).command
    assert " --from 'my flows' --dashboard" in write(SCAN, read_settings(None, {}, "my flows")).command
    assert " --from" not in write(SCAN, read_settings(None, {}, "vpcflow-data")).command


def test_the_link_leads_to_the_dashboard_of_the_space_with_time_and_filter():
    assert write(SCAN, KIBANA).url == (
        "https://kibana.example.com:5601/s/network/app/dashboards#/view/vpcflow-threats-network"
        "?_g=(time:(from:'2026-11-23T10:30:00Z',to:'2026-11-23T10:45:00Z'))"
        "&_a=(query:(language:kuery,query:'destination.port%20%3C%2032768%20and%20labels.owner:%20%22Jane%20Roe%22'))"
    )
    assert "not%20labels.owner" in write(notice(owner=None), KIBANA).url


@pytest.mark.parametrize(
    ("title", "said"),
    [
        (
            "Much data to one public address",
            "500,000,000 or more sum of network.bytes for one source.ip and destination.ip within 1 hour",
        ),
        (
            "Egress to a new country",
            "1 or more flows for one destination.geo.country_name, seen in the last 1 hour and not in the 30 days before",
        ),
        (
            "An interface has gone silent",
            "1 or more flows for one aws.vpcflow.interface_id in 1 day, and none in the last 2 hours",
        ),
    ],
)
def test_what_a_rule_counts_in_words(title, said):
    rule = RULES[title]
    row = Row(tuple("x" for _ in rule.groups), 1.0, BEGIN)
    assert write(notice(rule=rule, rows=(row,), count=1), OWNERS).rule == said


def test_a_change_says_when_it_was_seen_first_or_last():
    for title, column in (
        ("Egress to a new country", "first seen (UTC)"),
        ("An interface has gone silent", "last seen (UTC)"),
    ):
        row = Row(("x",), 4.0, BEGIN + timedelta(seconds=7))
        letter = write(notice(rule=RULES[title], rows=(row,), count=1), OWNERS)
        assert (letter.columns[-1], letter.rows[0][-1]) == (column, "2026-11-23 10:30:07")


def test_times_are_in_utc():
    moment = SCAN.start.astimezone(timezone(timedelta(hours=2)))
    assert "between 2026-11-23 10:30 and" in write(notice(start=moment), OWNERS).found


def test_values_are_one_printable_line_and_not_endless():
    row = Row(("a\nb\x1b[31m\u202ec", "x" * 500), 50.5, BEGIN)
    first, second, number, _ = write(notice(rows=(row,), count=1), OWNERS).rows[0]
    assert first == "a b\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}c"
    assert len(second) == 200
    assert number == "50.50"


class Reader(HTMLParser):
    """The texts of a page and its tags; a tag that isn't closed where it should be is an error."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.texts, self.tags, self._open = [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


def test_the_page_says_what_the_text_says():
    letter = write(SCAN, KIBANA)
    read = Reader(page(letter, "cid:chart"))
    for text in (letter.about, letter.found, *letter.rows[0], *letter.otherwise, letter.history):
        assert text in read.texts
    assert [attrs["href"] for tag, attrs in read.tags if tag == "a"] == [letter.url]
    assert [attrs["src"] for tag, attrs in read.tags if tag == "img"] == ["cid:chart"]


def test_the_page_fits_dark_mail_programs():
    """It says so, and no text has a colour without a background of its own."""
    text = page(write(SCAN, KIBANA), None)
    assert '<meta name="color-scheme" content="light dark">' in text
    for _, attrs in Reader(text).tags:
        style = dict(one.split(":", 1) for one in attrs.get("style", "").split(";") if one)
        assert ("color" in style) == ("background" in style)


def test_html_in_every_part_stays_text():
    evil = '"><script>alert(1)</script>'
    rule = replace(SCAN.rule, title=evil, description=evil, false_positives=(evil,))
    letter = write(
        notice(rule=rule, owner=replace(JANE, name=evil), rows=(Row((evil, evil), 50.0, BEGIN),), count=1),
        KIBANA,
    )
    read = Reader(page(letter, "cid:chart"))
    assert not [tag for tag, _ in read.tags if tag == "script"]
    assert evil in read.texts


def colours(png):
    """Of each column of the picture, how many pixels of bars there are."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = image.convert("RGBA")
    width, height = pixels.size
    data = pixels.load()
    return [
        sum(data[x, y][:3] == (0x3B, 0x82, 0xF6) and data[x, y][3] == 255 for y in range(height))
        for x in range(width)
    ]


def test_a_bar_is_as_high_as_its_number():
    columns = colours(bars([0, 50, 100] * 10))
    heights = [max(columns[n * 1120 // 30 : (n + 1) * 1120 // 30]) for n in range(30)]
    assert heights[0] == 0
    assert heights[2] == 178
    assert heights[1] == pytest.approx(89, abs=1)
    assert heights == heights[:3] * 10


def test_a_few_bars_stand_at_the_right_and_of_many_the_last_are_shown():
    few = colours(bars([5.0]))
    assert not any(few[: 1120 * 29 // 30])
    assert any(few[1120 * 29 // 30 :])
    assert bars([9.0] * 60 + [1.0] * 140) == bars([1.0] * 140)


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0]])
def test_nothing_to_draw_is_a_picture_too(values):
    assert not any(colours(bars(values)))


def test_a_small_number_beside_a_large_one_is_seen():
    assert any(colours(bars([1.0, 1e9]))[28 * 1120 // 30 : 29 * 1120 // 30])
