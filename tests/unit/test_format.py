"""`Format`: how a layout is named, found and kept."""

from __future__ import annotations

import pickle

import pytest

import samples
import vpcflow
from vpcflow import Format, FormatError


def test_spellings_of_one_format() -> None:
    aws = Format("${version} ${account-id} ${srcaddr}")
    assert aws == Format("version account-id srcaddr") == Format("version account_id srcaddr")
    assert aws == Format("version,account-id,srcaddr")
    assert aws.names == ("version", "account-id", "srcaddr")
    assert str(aws) == "${version} ${account-id} ${srcaddr}"
    assert (len(aws), aws.version, hash(aws)) == (3, 2, hash(Format(str(aws))))
    assert pickle.loads(pickle.dumps(aws)) == aws


def test_fixed_formats_have_awss_sizes() -> None:
    assert Format.default() == Format(samples.V2) == Format.full(2)
    sizes = {version: len(Format.full(version)) for version in (2, 3, 4, 5, 7, 8, 9, 10, 11)}
    assert sizes == {2: 14, 3: 21, 4: 25, 5: 29, 7: 39, 8: 40, 9: 41, 10: 42, 11: 54}
    assert (len(Format.transit_gateway()), Format.transit_gateway().version) == (36, 6)


def test_headers() -> None:
    assert (
        Format.from_header(samples.V2)
        == Format.from_header(samples.V2.encode() + b"\r\n")
        == Format.default()
    )
    with pytest.raises(FormatError, match="no header"):
        Format.from_header(samples.ACCEPTED)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "names no field"),
        ("srcaddr dstaddr srcaddr", "srcaddr twice"),
        ("pkt-srcaddr pkt_srcaddr", "pkt-srcaddr twice"),
        ("${srcaddr", "not a field name"),
        ("Source-IP", "not a field name"),
    ],
)
def test_mistakes_are_named(spec: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Format(spec)


def test_versions_that_do_not_exist() -> None:
    for version in (0, 1, 6, 12):
        with pytest.raises(FormatError, match=f"version {version}"):
            Format.full(version)


def test_a_given_format_that_the_header_contradicts_is_refused() -> None:
    data = samples.log(samples.V2, [samples.ACCEPTED])
    assert len(vpcflow.parse(data, format=samples.V2)) == 1
    with pytest.raises(FormatError, match="disagree"):
        vpcflow.parse(data, format=samples.V3_TCP)


def test_lines_that_fit_no_documented_layout() -> None:
    with pytest.raises(FormatError, match=r"fit none of the layouts.*describe-flow-logs"):
        vpcflow.parse(b"eni-1235b8ca123456789 10.0.0.1 443\n")
    # Right number of fields, wrong place of one: the count alone must not do.
    swapped = samples.ACCEPTED.replace("2 123456789010", "123456789010 2")
    with pytest.raises(FormatError, match="fit none"):
        vpcflow.parse(swapped.encode())


def test_fields_nobody_knows_yet_are_kept() -> None:
    batch = vpcflow.parse(
        b"srcaddr field-of-tomorrow dstaddr\n10.0.0.1 some-value 10.0.0.2\n10.0.0.1 - 10.0.0.2\n"
    )
    first, second = batch.to_ecs()
    assert first["aws"]["vpcflow"] == {"field_of_tomorrow": "some-value"}
    assert "aws" not in second


def test_two_layouts_in_one_object() -> None:
    both = samples.log(samples.V2, [samples.ACCEPTED]) + samples.log(
        samples.NAT, samples.GUIDE["NAT gateway"][1]
    )
    first, second = vpcflow.read(both)
    assert (first.format, second.format) == (Format(samples.V2), Format(samples.NAT))
    assert (len(first), len(second)) == (1, 6)
    with pytest.raises(FormatError, match=r"layout changes at byte \d+.*vpcflow.read"):
        vpcflow.parse(both)
