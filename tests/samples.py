"""Flow log records that the tests share.

GUIDE: the worked examples of AWS's user guides (VPC, "Flow log record examples"), by layout.
REAL: records that AWS delivered, one entry an object; the accounts are the publishers' own stand-ins.
"""

from __future__ import annotations

V2 = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
V3_TCP = (
    "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr "
    "pkt-dstaddr protocol bytes packets start end action tcp-flags log-status"
)
V5_PATH = (
    "version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id vpc-id subnet-id "
    "instance-id interface-id region az-id sublocation-type sublocation-id action tcp-flags pkt-srcaddr pkt-dstaddr "
    "pkt-src-aws-service pkt-dst-aws-service traffic-path flow-direction log-status"
)
NAT = "instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr"
TGW_ENI = (
    "version interface-id account-id vpc-id subnet-id instance-id srcaddr dstaddr srcport dstport protocol tcp-flags "
    "type pkt-srcaddr pkt-dstaddr action log-status"
)
ENCRYPTION = "flow-direction traffic-path srcaddr dstaddr srcport dstport encryption-status"

_ENI = "eni-1235b8ca123456789"
_V3 = f"3 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-01234567890123456 {_ENI} 123456789010 IPv4"
_CLIENT, _SERVER = "52.213.180.42", "10.0.0.62"
_TGW = "123456789010 vpc-abcdefab012345678"
_V5 = f"123456789012 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-0c50d5961bcb2d47b {_ENI} ap-southeast-2 apse2-az3 - -"


def _v3(out: bool, port: int, rest: str) -> str:
    """One direction of the guide's connection to port 5001."""
    a, b = (_SERVER, _CLIENT) if out else (_CLIENT, _SERVER)
    ports = f"5001 {port}" if out else f"{port} 5001"
    return f"{_V3} {a} {b} {ports} {a} {b} 6 {rest} OK"


GUIDE: dict[str, tuple[str, list[str]]] = {
    "accepted and rejected": (
        V2,
        [
            f"2 123456789010 {_ENI} 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
            f"2 123456789010 {_ENI} 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK",
        ],
    ),
    "no data and skipped": (
        V2,
        [
            f"2 123456789010 {_ENI} - - - - - - - 1431280876 1431280934 - NODATA",
            "2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA",
        ],
    ),
    "security group and network ACL": (
        V2,
        [
            f"2 123456789010 {_ENI} 203.0.113.12 172.31.16.139 0 0 1 4 336 1432917027 1432917142 ACCEPT OK",
            f"2 123456789010 {_ENI} 172.31.16.139 203.0.113.12 0 0 1 4 336 1432917094 1432917142 REJECT OK",
        ],
    ),
    "IPv6": (
        V2,
        [
            f"2 123456789010 {_ENI} 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8:1234:a102:3304:8879:34cf:4071 "
            "34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK"
        ],
    ),
    "TCP flag sequence": (
        V3_TCP,
        [
            _v3(False, 43416, "568 8 1566848875 1566848933 ACCEPT 2"),
            _v3(True, 43416, "376 7 1566848875 1566848933 ACCEPT 18"),
            _v3(False, 43418, "100701 70 1566848875 1566848933 ACCEPT 2"),
            _v3(True, 43418, "632 12 1566848875 1566848933 ACCEPT 18"),
            _v3(True, 43418, "63388 1219 1566848933 1566849113 ACCEPT 1"),
            _v3(False, 43418, "23294588 15774 1566848933 1566849113 ACCEPT 1"),
            _v3(False, 43638, "1260 17 1566933133 1566933193 ACCEPT 3"),
            # The guide prints two blanks in this one.
            _v3(True, 43638, "967 14 1566933133 1566933193 ACCEPT 19").replace("43638 ", "43638  "),
        ],
    ),
    "NAT gateway": (
        NAT,
        [
            f"- {_ENI} 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5",
            f"- {_ENI} 10.0.0.220 203.0.113.5 10.0.0.220 203.0.113.5",
            f"- {_ENI} 203.0.113.5 10.0.0.220 203.0.113.5 10.0.0.220",
            f"- {_ENI} 10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5",
            "i-01234567890123456 eni-1111aaaa2222bbbb3 10.0.1.5 203.0.113.5 10.0.1.5 203.0.113.5",
            "i-01234567890123456 eni-1111aaaa2222bbbb3 203.0.113.5 10.0.1.5 203.0.113.5 10.0.1.5",
        ],
    ),
    "transit gateway": (
        TGW_ENI,
        [
            f"3 eni-33333333333333333 {_TGW} subnet-22222222bbbbbbbbb i-01234567890123456 10.20.33.164 10.40.2.236 "
            "39812 80 6 3 IPv4 10.20.33.164 10.40.2.236 ACCEPT OK",
            f"3 eni-33333333333333333 {_TGW} subnet-22222222bbbbbbbbb i-01234567890123456 10.40.2.236 10.20.33.164 "
            "80 39812 6 19 IPv4 10.40.2.236 10.20.33.164 ACCEPT OK",
            f"3 eni-11111111111111111 {_TGW} subnet-11111111aaaaaaaaa - 10.40.1.175 10.40.2.236 "
            "39812 80 6 3 IPv4 10.20.33.164 10.40.2.236 ACCEPT OK",
            f"3 eni-22222222222222222 {_TGW} subnet-22222222bbbbbbbbb - 10.40.2.236 10.40.2.31 "
            "80 39812 6 19 IPv4 10.40.2.236 10.20.33.164 ACCEPT OK",
        ],
    ),
    "service, path and direction": (
        V5_PATH,
        [
            f"5 52.95.128.179 10.0.0.71 80 34210 6 1616729292 1616729349 IPv4 14 15044 {_V5} "
            "ACCEPT 19 52.95.128.179 10.0.0.71 S3 - - ingress OK",
            f"5 10.0.0.71 52.95.128.179 34210 80 6 1616729292 1616729349 IPv4 7 471 {_V5} "
            "ACCEPT 3 10.0.0.71 52.95.128.179 - S3 8 egress OK",
        ],
    ),
    "encryption status": (
        ENCRYPTION,
        [
            "ingress - 10.0.133.8 10.0.128.55 43236 80 1",
            "egress 1 10.0.128.55 10.0.133.8 80 43236 1",
            "ingress - 10.0.133.8 10.0.128.55 36902 80 1",
            "egress 1 10.0.128.55 10.0.133.8 80 36902 1",
            "ingress - 10.0.130.104 10.0.128.55 55016 80 0",
            "egress 1 10.0.128.55 10.0.130.104 80 55016 0",
            "ingress - 10.0.130.104 10.0.128.55 60276 80 0",
            "egress 1 10.0.128.55 10.0.130.104 80 60276 0",
        ],
    ),
}


def _real(start: str, ends: list[str]) -> list[str]:
    return [f"{start} {end}" for end in ends]


_LONDON = "2 111111111111 eni-0a479835a7588c9ca"
REAL: dict[str, list[str]] = {
    # S3 objects of a VPC in eu-west-2, 21 February 2022
    "111111111111_vpcflowlogs_eu-west-2_fl-0dcbf7c4c2483c6b6_20220221T1955Z_7fe2e5f7.log": _real(
        _LONDON,
        [
            "79.124.62.82 172.31.39.167 58757 39045 6 1 40 1645469669 1645469724 REJECT OK",
            "172.31.39.167 188.114.116.1 44789 123 17 1 76 1645469669 1645469724 ACCEPT OK",
            "45.79.182.177 172.31.39.167 61000 465 6 1 40 1645469669 1645469724 REJECT OK",
            "188.114.116.1 172.31.39.167 123 44789 17 1 76 1645469669 1645469724 ACCEPT OK",
            "223.71.167.166 172.31.39.167 10211 10001 17 1 32 1645469669 1645469724 REJECT OK",
        ],
    ),
    "111111111111_vpcflowlogs_eu-west-2_fl-0dcbf7c4c2483c6b6_20220221T2025Z_55a7d2af.log": _real(
        _LONDON,
        [
            "92.63.196.61 172.31.39.167 41147 3148 6 1 40 1645475075 1645475129 REJECT OK",
            "45.79.134.162 172.31.39.167 61000 994 6 1 40 1645475075 1645475129 REJECT OK",
            "94.232.45.43 172.31.39.167 49968 3138 6 1 40 1645475075 1645475129 REJECT OK",
            "50.116.61.127 172.31.39.167 61000 110 6 1 40 1645475075 1645475129 REJECT OK",
            "92.63.197.14 172.31.39.167 44713 8990 6 1 40 1645475075 1645475129 REJECT OK",
        ],
    ),
    # exported from CloudWatch Logs, 7 April 2021
    "cloudwatch_v2_2021-04-07.log": _real(
        "2 416496057868 eni-0aa22b3f1bb9a1209",
        [
            "91.163.25.152 10.10.10.10 5813 80 6 6 678 1617789312 1617789366 ACCEPT OK",
            "10.10.10.10 91.163.25.152 80 12268 6 5 1059 1617789312 1617789366 ACCEPT OK",
            "162.142.125.150 10.10.10.10 30909 17780 6 1 44 1617789312 1617789366 REJECT OK",
            "91.163.25.152 10.10.10.10 2122 22 6 40 5837 1617789312 1617789486 ACCEPT OK",
            "10.10.10.10 91.163.25.152 22 2122 6 32 6582 1617789312 1617789486 ACCEPT OK",
            "45.227.254.10 10.10.10.10 10196 22 6 4 204 1617789366 1617789426 ACCEPT OK",
            "162.142.125.152 10.10.10.10 39638 2222 6 1 44 1617789366 1617789426 REJECT OK",
            "45.227.254.10 10.10.10.10 56472 22 6 12 1740 1617789366 1617789426 ACCEPT OK",
            "185.236.11.7 10.10.10.10 48787 33900 6 1 40 1617789366 1617789426 REJECT OK",
            "10.10.10.10 45.227.254.10 22 56472 6 11 1994 1617789366 1617789426 ACCEPT OK",
            "10.10.10.10 45.227.254.10 22 10196 6 3 206 1617789366 1617789426 ACCEPT OK",
        ],
    ),
    # an S3 object in Parquet, eu-west-3, 31 August 2022
    "111111111111_vpcflowlogs_eu-west-3_fl-032a163fae170ae52_20220831T1255Z_2ad4bef5.parquet": _real(
        "2 111111111111 eni-03ef80ddb18bc0997",
        [
            "64.62.197.99 172.31.17.39 58938 20547 6 1 40 1661950735 1661950746 REJECT OK",
            "172.31.17.39 78.197.123.35 4712 53198 6 13 2662 1661950735 1661950746 ACCEPT OK",
            "78.197.123.35 172.31.17.39 53198 4712 6 18 4560 1661950735 1661950746 ACCEPT OK",
            "167.94.138.130 172.31.17.39 46076 8849 6 1 44 1661950735 1661950746 REJECT OK",
            "78.197.123.35 172.31.17.39 53205 4712 6 18 4560 1661950735 1661950746 ACCEPT OK",
            "124.234.182.240 172.31.17.39 53094 2323 6 1 40 1661950735 1661950746 REJECT OK",
            "172.31.17.39 78.197.123.35 4712 53205 6 12 2610 1661950735 1661950746 ACCEPT OK",
        ],
    ),
}

ACCEPTED, REJECTED = GUIDE["accepted and rejected"][1]
NUMBERS = frozenset(
    [
        "version",
        "srcport",
        "dstport",
        "protocol",
        "packets",
        "bytes",
        "start",
        "end",
        "tcp-flags",
        "traffic-path",
        "packets-lost-no-route",
        "packets-lost-blackhole",
        "packets-lost-mtu-exceeded",
        "packets-lost-ttl-expired",
        "encryption-status",
    ]
)
LONGS = frozenset(name for name in NUMBERS if name in {"packets", "bytes", "start", "end"} or "lost" in name)


def log(names: str, records: list[str], *, header: bool = True) -> bytes:
    """An object as S3 has it."""
    return "".join(f"{line}\n" for line in ([names, *records] if header else records)).encode()


def typed(names: str, record: str) -> dict[str, int | str | None]:
    """What a record says, read the plain way: the oracle of the tests."""
    pairs = zip(names.split(), record.split(), strict=True)
    return {name: None if token == "-" else int(token) if name in NUMBERS else token for name, token in pairs}


def parquet(names: str, records: list[str], **options: object) -> bytes:
    """The records as AWS writes them in Parquet: numbers nullable, absent texts the text ``-``."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    def column(at: int, name: str) -> pa.Array:
        tokens = [record.split()[at] for record in records]
        if name not in NUMBERS:
            return pa.array(tokens, pa.string())
        numbers = [None if token == "-" else int(token) for token in tokens]
        return pa.array(numbers, pa.int64() if name in LONGS else pa.int32())

    columns = {name.replace("-", "_"): column(at, name) for at, name in enumerate(names.split())}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()
