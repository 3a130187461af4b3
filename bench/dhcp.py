"""CPU time per reply and replies per second, under the same perfdhcp load, compared with the floor."""

import re

import testbed
from testbed import NETWORK, SERVER, SERVER6, Server, progress

ROUNDS = 5
SECONDS = 3
LOADS = [("at 10,000/s", 10_000), ("offered 60,000/s", 60_000)]
# So many that each machine sends one or two requests at 60,000/s, below the rate limit of a machine.
MACHINES = 1_000_000

# The options of an x64 UEFI machine's DISCOVER, which a relay forwards.
PXE = [
    (60, b"PXEClient:Arch:00007:UNDI:003016".hex()),
    (93, "0007"),
    (94, "010310"),
    (97, "0044332211665588779900aabbccddeeff"),
]
# The same machine's SOLICIT.
PXE6 = [
    (16, "00000157" + "0020" + b"PXEClient:Arch:00007:UNDI:003000".hex()),
    (61, "0007"),
    (62, "010300"),
]


def measure(table, binary):
    subjects = {"floor": [testbed.compile_c("floor"), SERVER]}
    if binary:
        subjects["proxydhcpd"] = testbed.proxydhcpd(binary)
    subjects["dnsmasq"] = testbed.dnsmasq(
        f"--dhcp-range={NETWORK},proxy,255.255.255.0",
        "--pxe-service=x86-64_EFI,network,snponly.efi",
        "--quiet-dhcp",
    )

    for title, rate in LOADS:
        table.section(f"DHCP, relayed PXE DISCOVERs {title}")
        cost = table.row("CPU us per reply")
        table.ratio("  times the floor", cost, "floor", ("at most 1.25", lambda times: times <= 1.25))
        speed = table.row("replies/s", digits=0)
        for turn in range(ROUNDS):
            for name, argv in subjects.items():
                microseconds, replies = run_load(name, argv, rate)
                cost.add(name, microseconds)
                speed.add(name, replies)
                progress(f"dhcp {title}, round {turn + 1}: {name} {microseconds:.1f} us, {replies:.0f}/s")
    if binary:
        measure6(table, subjects["proxydhcpd"])


def measure6(table, argv):
    """Compared with the server's own replies over IPv4 in the same rounds: no other server is a DHCPv6 proxy."""
    for title, rate in LOADS:
        table.section(f"DHCPv6, relayed PXE SOLICITs {title}")
        cost = table.row("CPU us per reply")
        table.ratio("  times DHCPv4", cost, "over IPv4")
        speed = table.row("replies/s", digits=0)
        for turn in range(ROUNDS):
            for name, load in [("over IPv4", perfdhcp), ("proxydhcpd", perfdhcp6)]:
                microseconds, replies = run_load(name, argv, rate, load)
                cost.add(name, microseconds)
                speed.add(name, replies)
                progress(f"dhcpv6 {title}, round {turn + 1}: {name} {microseconds:.1f} us, {replies:.0f}/s")


def run_load(name, argv, rate, load=None):
    load = load or perfdhcp
    with Server(argv, "udp", 67) as server:
        load(rate, 1)
        cpu, sent = server.cpu(), server.datagrams_sent()
        received = load(rate, SECONDS)
        cpu, sent = server.cpu() - cpu, server.datagrams_sent() - sent
    # The kernel counts all replies; but replies that perfdhcp does not accept prove nothing.
    if received < 0.5 * sent or received < SECONDS * 1000:
        raise testbed.BenchError(f"{name} sent {sent} datagrams, and perfdhcp received {received} replies")
    return cpu / sent * 1e6, sent / SECONDS


def perfdhcp(rate, seconds):
    """Sends requests as a relay, and returns the number of replies.

    Uses two threads, both on the load's processor: one thread does not reach the higher rate.
    """
    return run(["-4", "-l", testbed.LOAD], rate, seconds, PXE, SERVER)


def perfdhcp6(rate, seconds):
    return run(["-6", "-A1", "-l", "load0"], rate, seconds, PXE6, SERVER6)


def run(how, rate, seconds, options, server):
    options = [part for code, octets in options for part in ("-o", f"{code},{octets}")]
    load = [*how, "-i", "-r", rate, "-p", seconds, "-R", MACHINES, "-g", "multi"]
    done = testbed.load("perfdhcp", *load, *options, server)
    received = re.search(r"received packets: (\d+)", done.stdout)
    # Status 3 means missing replies, which are normal at saturation.
    if done.returncode not in (0, 3) or not received:
        raise testbed.BenchError(f"perfdhcp: {(done.stderr or done.stdout).strip()[-500:]}")
    return int(received[1])
