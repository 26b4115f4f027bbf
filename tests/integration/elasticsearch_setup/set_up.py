"""A log, `vpcflow setup` on it, and what a server says of it afterwards."""

from __future__ import annotations

import os
import subprocess
import sys

from vpcflow.elastic.template import data_stream

#: A record that has every field of its layout, one of the default layout, and one that can't be read.
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    " log-status vpc-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id flow-direction traffic-path brand-new"
)
ROWS = [
    "5 123456789010 eni-1 10.0.1.5 52.95.128.179 44490 443 6 20 4249 1418530010 1418530070 ACCEPT OK vpc-1 19"
    " IPv4 10.0.0.62 52.95.128.179 eu-west-1 euw1-az1 egress 8 2024-05-01",
    "5 123456789010 eni-1 52.95.128.179 10.0.1.5 443 44490 6 30 9000 1418530010 1418530130 ACCEPT OK vpc-1 18"
    " IPv4 52.95.128.179 10.0.0.62 eu-west-1 euw1-az1 ingress - later",
    "5 123456789010 eni-2 203.0.113.7 10.0.1.9 49761 3389 6 1 40 1418530010 1418530070 REJECT OK vpc-1 2"
    " IPv4 203.0.113.7 10.0.1.9 eu-west-1 euw1-az1 ingress - later",
    "5 123456789010 eni-2 203.0.113.7 10.0.1.9 49762 22 6 1 40 1418530010 1418530070 REJECT OK vpc-1 2"
    " IPv4 203.0.113.7 10.0.1.9 eu-west-1 euw1-az1 ingress - later",
    "5 210987654321 eni-3 2001:db8::1 2001:db8:1::2 5000 53 17 2 150 1418533610 1418533670 ACCEPT OK vpc-2 0"
    " IPv6 2001:db8::1 2001:db8:1::2 eu-west-1 euw1-az2 egress 1 later",
    "5 123456789010 eni-3 - - - - - - - 1418533610 1418533670 - NODATA vpc-2 - - - - eu-west-1 euw1-az2 - - -",
]
LOG = "".join(f"{line}\n" for line in (HEADER, *ROWS)).encode()


def vpcflow_setup(url, *args, code=0, **extra):
    """Runs the command and returns its output and its errors, as lines."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ELASTICSEARCH")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "vpcflow", "setup", *args],
        env=environment | ({"ELASTICSEARCH_URL": url} if url else {}) | extra,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


def results(lines):
    """The table: what became of each object, by name."""
    rows = [line.split("  ") for line in lines if line.lstrip().startswith(("component", "index template"))]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {name: result for _, name, result in cells}


def metadata(es):
    """Everything that set-up could change."""
    state = es.cluster.state(metric="metadata")["metadata"]
    return {key: state.get(key) for key in ("component_template", "index_template", "indices")}


def simulated(es, namespace):
    """What an index of a data stream would be made of."""
    found = es.indices.simulate_index_template(name=data_stream(namespace))["template"]
    return found["settings"]["index"], found["mappings"], found.get("lifecycle", {})
