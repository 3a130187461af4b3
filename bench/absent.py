"""Hosts that are not there: what relays and machines that answer no ARP cost those that are.

500 relayed DISCOVERs a second for absent relays on the link and 200 requests to port 4011 from absent machines, all forged,
while honest machines ask on ports 67, 4011 and 547. The server has the rights of its unit, so that the kernel's limit for
send buffers holds. All namespaces share the kernel's table of neighbours (1,024), so the absent are fewer than 400.
"""

import json
import os
import select
import socket
import struct
import threading
import time

import ground
from ground import Server, say

SERVER = "10.78.0.1"
RELAYS, MACHINES = 250, 130
RELAYED_RATE, BOOT_SERVER_RATE = 500, 200
SECONDS = 8
# Each may ask port 4011 twice a second.
HONEST = [f"10.78.1.{number}" for number in range(1, 11)]
# Not made of a hardware address, by which all that ask from there would be one machine.
NEIGHBOUR = "fe80::78:1"
EVERY = 0.05
PATIENCE = 2.0
UNIT = ["setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_bind_service", "--"]
PORTS = ["67", "4011", "547"]


def measure(table, binary):
    lay()
    table.section(f"Honest machines beside {RELAYED_RATE} absent relays and {BOOT_SERVER_RATE} absent machines a second")
    rows = {}
    for port in PORTS:
        answered = table.row(f"answered on port {port}, %", expect=("100", lambda percent: percent == 100))
        late = table.row("  99th percentile, ms", expect=("below 50", lambda milliseconds: milliseconds < 50))
        rows[port] = answered, late
    with Server([*UNIT, *ground.proxydhcpd(binary)], "udp", 67) as server:
        macs = mac_of("load0"), mac_of("boot0", "-n", "server")
        wait_until_served()
        calm = ask_for(2)
        flood = threading.Thread(target=flood_for, args=(SECONDS, *macs))
        flood.start()
        waits = ask_for(SECONDS - 1)
        flood.join()
    for port in PORTS:
        percent, late = figures(waits[port])
        before = figures(calm[port])
        rows[port][0].add("proxydhcpd", percent)
        rows[port][1].add("proxydhcpd", late)
        say(f"absent hosts, port {port}: {percent:.1f}% of {len(waits[port])}, 99th percentile {late:.1f} ms; "
            f"without them {before[0]:.1f}%, {before[1]:.1f} ms")


def lay():
    ground.command("ip", "-n", "server", "address", "add", f"{SERVER}/16", "dev", "boot0")
    for address in HONEST:
        ground.command("ip", "address", "add", f"{address}/16", "dev", "load0")
    ground.command("ip", "address", "add", f"{NEIGHBOUR}/64", "dev", "load0", "nodad")


def mac_of(name, *where):
    told = ground.command("ip", *where, "-json", "link", "show", name)
    return bytes.fromhex(json.loads(told)[0]["address"].replace(":", ""))


def figures(waits):
    """How many of a hundred were answered, and within how many milliseconds 99 of a hundred answers came."""
    answers = sorted(wait for wait in waits if wait is not None)
    if not answers:
        return 0.0, float("inf")
    return 100 * len(answers) / len(waits), 1000 * answers[int(0.99 * (len(answers) - 1))]


# The honest

class Asker:
    """Asks on one port, a new machine each time, and keeps how long each answer takes; None where none comes."""

    def __init__(self, sockets, question, number_of, to):
        self.sockets, self.question, self.number_of, self.to = sockets, question, number_of, to
        self.asked, self.waits = {}, []

    def ask(self, number):
        asker = self.sockets[number % len(self.sockets)]
        self.asked[number] = time.monotonic()
        asker.sendto(self.question(number, asker), self.to)

    def hear(self, asker):
        number = self.number_of(asker.recv(1500))
        if (since := self.asked.pop(number, None)) is not None:
            self.waits.append(time.monotonic() - since)

    def end(self):
        return self.waits + [None] * len(self.asked)


def ask_for(seconds):
    askers = {"67": broadcasts(), "4011": boot_server(), "547": solicits()}
    heard = {asker: port for port in askers.values() for asker in port.sockets}
    start = time.monotonic()
    number, end = int(start * 1000) & 0xFFFFFF, start + seconds
    due = start
    while time.monotonic() < end + PATIENCE:
        if due <= time.monotonic() < end:
            for port in askers.values():
                port.ask(number)
            number, due = number + 1, due + EVERY
        elif time.monotonic() >= end and not any(port.asked for port in askers.values()):
            break
        ready, _, _ = select.select(list(heard), [], [], 0.001)
        for asker in ready:
            heard[asker].hear(asker)
    for asker in heard:
        asker.close()
    return {name: port.end() for name, port in askers.items()}


def wait_until_served():
    for _ in range(40):
        if all(None not in waits for waits in ask_for(0.1).values()):
            # What the tries have used up of the rates comes back.
            time.sleep(4)
            return
        time.sleep(0.25)
    raise ground.Trouble("the honest machines are not served")


def udp(address, port):
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    asker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    asker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"load0")
    asker.bind((address, port))
    return asker


def xid(reply):
    return int.from_bytes(reply[4:8], "big")


def broadcasts():
    question = lambda number, _: packet(1, b"\2\0\1", number)
    return Asker([udp("", 68)], question, xid, ("255.255.255.255", 67))


def boot_server():
    question = lambda number, asker: packet(3, b"\2\0\2", number, ciaddr=asker.getsockname()[0])
    return Asker([udp(address, 4011) for address in HONEST], question, xid, (SERVER, 4011))


def solicits():
    link = socket.if_nametoindex("load0")
    asker = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    asker.bind((NEIGHBOUR, 546, 0, link))
    number_of = lambda reply: int.from_bytes(reply[1:4], "big")
    return Asker([asker], solicit, number_of, ("ff02::1:2", 547, 0, link))


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


# The absent

def flood_for(seconds, ours, theirs):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("load0", 0))
    ether = theirs + ours + b"\x08\x00"
    start = time.monotonic()
    relayed = asked = 0
    while (passed := time.monotonic() - start) < seconds:
        while relayed < passed * RELAYED_RATE:
            giaddr = f"10.78.100.{1 + relayed % RELAYS}"
            wire.send(ether + datagram(giaddr, 67, packet(1, os.urandom(3), relayed, giaddr=giaddr)))
            relayed += 1
        while asked < passed * BOOT_SERVER_RATE:
            machine = f"10.78.200.{1 + asked % MACHINES}"
            wire.send(ether + datagram(machine, 4011, packet(3, os.urandom(3), asked, ciaddr=machine)))
            asked += 1
        time.sleep(0.002)
    wire.close()


def datagram(source, port, payload):
    """To the same port of the server."""
    length = 28 + len(payload)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(SERVER))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
    return head + struct.pack("!HHHH", port, port, length - 20, 0) + payload
