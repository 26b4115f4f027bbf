"""Makes the flow logs that the benchmarks read: the same bytes on every machine and every Python.

python benchmarks/generate.py --lines 1000000 --version 5 -o FILE
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from traffic import Traffic

HEADER_V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    " log-status"
)
HEADER_V5 = (
    f"{HEADER_V2} vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id"
    " sublocation-type sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
)
HEADERS = {2: HEADER_V2, 5: HEADER_V5}

DATA = Path(__file__).parent / "data"


def lines(version: int) -> Iterator[str]:
    """The header line and then records without end, without line ends."""
    yield HEADERS[version]
    traffic = Traffic(version)
    number = 0
    while True:
        yield from traffic.window(number)
        number += 1


def write(path: Path, version: int, count: int) -> None:
    """Writes the header and `count` records; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{line}\n" for line in islice(lines(version), count + 1))
    part.replace(path)


def cached(version: int, count: int) -> Path:
    """A file in benchmarks/data, made when it isn't there."""
    path = DATA / f"v{version}-{count}.log"
    if not path.exists():
        write(path, version, count)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Deterministic flow logs for the benchmarks.")
    parser.add_argument("--lines", type=int, default=1_000_000, help="records, the header not counted")
    parser.add_argument(
        "--version", type=int, choices=sorted(HEADERS), default=2, help="5 has all its fields"
    )
    parser.add_argument("-o", "--output", type=Path, help="default: a file in benchmarks/data, kept")
    arguments = parser.parse_args()
    begun = time.perf_counter()
    if arguments.output:
        path = arguments.output
        write(path, arguments.version, arguments.lines)
    else:
        path = cached(arguments.version, arguments.lines)
    size = path.stat().st_size
    seconds = time.perf_counter() - begun
    sys.stderr.write(
        f"{path}: {arguments.lines} lines, {size / arguments.lines:.1f} bytes each, {seconds:.1f} s\n"
    )


if __name__ == "__main__":
    main()
