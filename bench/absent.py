"""The effect of absent hosts, which do not answer ARP, on other hosts.

Per second, 500 relayed DISCOVERs come from absent relays on the link, and 200 requests to port 4011 from absent
machines, all forged, while present machines send requests to ports 67, 4011 and 547. The server has the capabilities of
its unit, so that the kernel limits its send buffers. All hosts share the kernel's table of neighbours (1,024
entries), so fewer than 400 hosts are absent.
"""

import json
import os
import select
import socket
import struct
import threading
import time

import testbed
from testbed import Server, progress

SERVER = "10.78.0.1"
RELAYS, MACHINES = 250, 130
RELAYED_RATE, BOOT_SERVER_RATE = 500, 200
SECONDS = 8
# Each may send two requests a second to port 4011.
PRESENT = [f"10.78.1.{number}" for number in range(1, 11)]
LINK, NEIGHBOUR = "absent0", "fe80::78:1"
INTERVAL = 0.05
REPLY_TIMEOUT = 2.0
UNIT = ["setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_bind_service", "--"]
PORTS = ["67", "4011", "547"]


def measure(table, binary):
    table.section(f"Present machines with {RELAYED_RATE} absent relays and {BOOT_SERVER_RATE} absent machines a second")
    rows = {}
    for port in PORTS:
        answered = table.row(f"replies on port {port}, %", expect=("100", lambda percent: percent == 100))
        latency = table.row("  99th percentile, ms", expect=("below 50", lambda milliseconds: milliseconds < 50))
        rows[port] = answered, latency
    with Server([*UNIT, *testbed.proxydhcpd(binary)], "udp", 67, testbed.ABSENT_HOST):
        macs = mac_of(LINK), mac_of("boot0", *testbed.ABSENT_HOST)
        wait_until_served()
        baseline = send_requests(2)
        flood = threading.Thread(target=flood_for, args=(SECONDS, *macs))
        flood.start()
        latencies = send_requests(SECONDS - 1)
        flood.join()
    for port in PORTS:
        percent, latency = figures(latencies[port])
        before = figures(baseline[port])
        rows[port][0].add("proxydhcpd", percent)
        rows[port][1].add("proxydhcpd", latency)
        progress(f"absent hosts, port {port}: {percent:.1f}% of {len(latencies[port])}, 99th percentile "
            f"{latency:.1f} ms; without them {before[0]:.1f}%, {before[1]:.1f} ms")


def mac_of(name, *host):
    output = testbed.command(*host, "ip", "-json", "link", "show", name)
    return bytes.fromhex(json.loads(output)[0]["address"].replace(":", ""))


def figures(latencies):
    """The percentage of requests with a reply, and the 99th percentile of the replies' latency in milliseconds."""
    replies = sorted(latency for latency in latencies if latency is not None)
    if not replies:
        return 0.0, float("inf")
    return 100 * len(replies) / len(latencies), 1000 * replies[int(0.99 * (len(replies) - 1))]


# The present machines

class Requester:
    """Sends requests to one port, each from a new machine, and records the latency of each reply; None without one."""

    def __init__(self, sockets, request, number_of, to):
        self.sockets, self.request, self.number_of, self.to = sockets, request, number_of, to
        self.pending, self.latencies = {}, []

    def send(self, number):
        sender = self.sockets[number % len(self.sockets)]
        self.pending[number] = time.monotonic()
        sender.sendto(self.request(number, sender), self.to)

    def receive(self, receiver):
        number = self.number_of(receiver.recv(1500))
        if (since := self.pending.pop(number, None)) is not None:
            self.latencies.append(time.monotonic() - since)

    def result(self):
        return self.latencies + [None] * len(self.pending)


def send_requests(seconds):
    requesters = {"67": broadcasts(), "4011": boot_server(), "547": solicits()}
    by_socket = {each: requester for requester in requesters.values() for each in requester.sockets}
    start = time.monotonic()
    number, end = int(start * 1000) & 0xFFFFFF, start + seconds
    due = start
    while time.monotonic() < end + REPLY_TIMEOUT:
        if due <= time.monotonic() < end:
            for requester in requesters.values():
                requester.send(number)
            number, due = number + 1, due + INTERVAL
        elif time.monotonic() >= end and not any(requester.pending for requester in requesters.values()):
            break
        ready, _, _ = select.select(list(by_socket), [], [], 0.001)
        for receiver in ready:
            by_socket[receiver].receive(receiver)
    for each in by_socket:
        each.close()
    return {name: requester.result() for name, requester in requesters.items()}


def wait_until_served():
    for _ in range(40):
        if all(None not in latencies for latencies in send_requests(0.1).values()):
            # Until the rate limits allow the full burst again.
            time.sleep(4)
            return
        time.sleep(0.25)
    raise testbed.BenchError("the present machines are not served")


def udp(address, port):
    result = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, LINK.encode())
    result.bind((address, port))
    return result


def xid(reply):
    return int.from_bytes(reply[4:8], "big")


def broadcasts():
    request = lambda number, _: packet(1, b"\2\0\1", number)
    return Requester([udp("", 68)], request, xid, ("255.255.255.255", 67))


def boot_server():
    request = lambda number, sender: packet(3, b"\2\0\2", number, ciaddr=sender.getsockname()[0])
    return Requester([udp(address, 4011) for address in PRESENT], request, xid, (SERVER, 4011))


def solicits():
    link = socket.if_nametoindex(LINK)
    sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sender.bind((NEIGHBOUR, 546, 0, link))
    number_of = lambda reply: int.from_bytes(reply[1:4], "big")
    return Requester([sender], solicit, number_of, ("ff02::1:2", 547, 0, link))


# Packets of x64 UEFI machines

CLASS = b"PXEClient:Arch:00007:UNDI:003000"


def packet(kind, maker, number, ciaddr="0.0.0.0", giaddr="0.0.0.0"):
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, number & 0xFFFFFFFF, 0, 0)
    addresses = socket.inet_aton(ciaddr) + bytes(8) + socket.inet_aton(giaddr)
    mac = maker + (number & 0xFFFFFF).to_bytes(3, "big")
    options = bytes([53, 1, kind, 93, 2, 0, 7, 60, len(CLASS)]) + CLASS + b"\xff"
    return (head + addresses + mac + bytes(202) + b"\x63\x82\x53\x63" + options).ljust(300, b"\0")


def solicit(number, _):
    option = lambda code, value: struct.pack("!HH", code, len(value)) + value
    duid = b"\0\3\0\1\2\0\3" + number.to_bytes(3, "big")
    vendor = struct.pack("!IH", 343, len(CLASS)) + CLASS
    body = option(1, duid) + option(8, b"\0\0") + option(61, b"\0\7") + option(16, vendor)
    return b"\1" + number.to_bytes(3, "big") + body


# The absent hosts

def flood_for(seconds, client_mac, server_mac):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((LINK, 0))
    ether = server_mac + client_mac + b"\x08\x00"
    start = time.monotonic()
    relayed = direct = 0
    while (passed := time.monotonic() - start) < seconds:
        while relayed < passed * RELAYED_RATE:
            giaddr = f"10.78.100.{1 + relayed % RELAYS}"
            wire.send(ether + datagram(giaddr, 67, packet(1, os.urandom(3), relayed, giaddr=giaddr)))
            relayed += 1
        while direct < passed * BOOT_SERVER_RATE:
            machine = f"10.78.200.{1 + direct % MACHINES}"
            wire.send(ether + datagram(machine, 4011, packet(3, os.urandom(3), direct, ciaddr=machine)))
            direct += 1
        time.sleep(0.002)
    wire.close()


def datagram(source, port, payload):
    """An IP packet to the same port of the server."""
    length = 28 + len(payload)
    addresses = socket.inet_aton(source), socket.inet_aton(SERVER)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, 0, *addresses)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
    return head + struct.pack("!HHHH", port, port, length - 20, 0) + payload
