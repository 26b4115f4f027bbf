"""What flow logs say of a flow: a record for each interface on its way, direction and minute."""

from __future__ import annotations

from typing import NamedTuple

from vpcflow.demo.network import ACCOUNT, REGION, Draw, End, Interface, Network, Outside

__all__ = ["HEADER", "Recorder"]

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    " log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id"
    " sublocation-type sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
)
_SYN = 2
# tcp-flags of both directions of a connection: opened and closed within the minute, or neither.
_WHOLE, _KEPT = (3, 19), (0, 0)


class _Direction(NamedTuple):
    """One direction of a flow in one minute."""

    key: str  # srcaddr dstaddr srcport dstport protocol
    nbytes: int
    flags: int
    packets: int = 0  # by default, as many as the bytes need


class Recorder:
    """Collects the lines of each VPC's flow log."""

    def __init__(self, network: Network, draw: Draw, start: int) -> None:
        self.lines: dict[str, list[str]] = {vpc: [] for vpc in network.flow_logs}
        self.count = 0
        self._network = network
        self._draw = draw
        self._start = start  # of the day, Unix seconds

    def flow(
        self,
        minute: int,
        client: End,
        server: End,
        port: int,
        nbytes: tuple[int, int],
        *,
        protocol: int = 6,
        kept: bool = False,
        ipv6: bool = False,
    ) -> None:
        """A flow of so many bytes there and back; a kept connection is neither opened nor closed in it."""
        asker, answerer = (client.ipv6, server.ipv6) if ipv6 else (client.ipv4, server.ipv4)
        source = self._port(protocol, kept=kept)
        flags = _WHOLE if protocol == 6 and not kept else _KEPT
        request = _Direction(f"{asker} {answerer} {source} {port} {protocol}", nbytes[0], flags[0])
        response = _Direction(f"{answerer} {asker} {port} {source} {protocol}", nbytes[1], flags[1])
        there, back = f"{_service(client)} {_service(server)}", f"{_service(server)} {_service(client)}"
        if isinstance(client, Interface):
            self._add(minute, client, request, services=there, way=_egress(client, server))
            self._add(minute, client, response, services=back)
        if isinstance(server, Interface):
            self._add(minute, server, request, services=there)
            self._add(minute, server, response, services=back, way=_egress(server, client))
        elif isinstance(client, Interface) and server.service == "-" and not client.public:
            self._translate(minute, client, server, request, response)

    def refuse(self, minute: int, client: End, server: Interface, port: int, packets: int) -> None:
        """Attempts at a port that the server's security group doesn't allow; the client sees no answer."""
        key = f"{client.ipv4} {server.ipv4} {self._port(6, kept=False)} {port} 6"
        attempt = _Direction(key, packets * 44, _SYN, packets)
        if isinstance(client, Interface):
            self._add(minute, client, attempt, way=_egress(client, server))
        self._add(minute, server, attempt, action="REJECT")

    def silent(self, minute: int, interface: Interface, status: str) -> None:
        """A record that says that there is none."""
        end = self._start + minute * 60 + interface.second
        self.lines[interface.vpc].append(
            f"5 {ACCOUNT} {interface.eni} - - - - - - - {end - interface.span} {end} - {status}"
            f" {interface.where} - - - - {REGION} {interface.zone} - - - - - -"
        )
        self.count += 1

    def _translate(
        self, minute: int, client: Interface, server: Outside, request: _Direction, response: _Direction
    ) -> None:
        """The NAT gateway logs both of its sides; the packet-level addresses tell who talks to whom."""
        (nat,) = self._network.role(client.vpc, "nat")
        inside, outside = client.ipv4, server.ipv4
        source, port, protocol = (int(part) for part in request.key.split(" ")[2:])
        outer = self._port(protocol, kept=False)
        asked = request._replace(key=f"{inside} {nat.ipv4} {source} {port} {protocol}")
        sent = request._replace(key=f"{nat.ipv4} {outside} {outer} {port} {protocol}")
        returned = response._replace(key=f"{outside} {nat.ipv4} {port} {outer} {protocol}")
        answered = response._replace(key=f"{nat.ipv4} {inside} {port} {source} {protocol}")
        self._add(minute, nat, asked, packet=f"{inside} {outside}")
        self._add(minute, nat, sent, way="egress 8")
        self._add(minute, nat, returned)
        self._add(minute, nat, answered, packet=f"{outside} {inside}", way="egress 1")

    def _add(
        self,
        minute: int,
        here: Interface,
        flow: _Direction,
        *,
        action: str = "ACCEPT",
        packet: str = "",
        services: str = "- -",
        way: str = "ingress -",
    ) -> None:
        source, destination, _ = flow.key.split(" ", 2)
        packets = flow.packets or 1 + flow.nbytes // 1400 + (flow.nbytes > 200) * 3
        end = self._start + minute * 60 + here.second
        family = "IPv6" if ":" in source else "IPv4"
        self.lines[here.vpc].append(
            f"5 {ACCOUNT} {here.eni} {flow.key} {packets} {flow.nbytes} {end - here.span} {end} {action} OK"
            f" {here.where} {flow.flags} {family} {packet or f'{source} {destination}'} {REGION} {here.zone}"
            f" - - {services} {way}"
        )
        self.count += 1

    def _port(self, protocol: int, *, kept: bool) -> int:
        if protocol == 1:
            return 0
        return 32768 + self._draw.below(12 if kept else 28232)


def _service(end: End) -> str:
    return end.service if isinstance(end, Outside) else "-"


def _egress(here: Interface, there: End) -> str:
    """flow-direction and traffic-path of what leaves an interface."""
    if isinstance(there, Interface):
        return "egress 1" if here.vpc == there.vpc else "egress 4"
    if there.service == "S3":
        return "egress 7"  # through the gateway endpoint
    return "egress 8" if here.public else "egress 1"  # to the NAT gateway, which is in the same VPC
