"""CPU time per reply, replies per second and delays, under the same perfdhcp load, compared with the floor."""

import re
from statistics import median

import testbed
from testbed import NETWORK, SERVER, SERVER6, Server, progress

ROUNDS = 5
SECONDS = 3
# Each with the CPU time that a reply may take, in times of the floor.
PINNED = [("at 10,000/s", 10_000, 1.25), ("offered 60,000/s", 60_000, 1.25)]
PLACED = [("at 2,000/s", 2_000, 1.3), ("at 10,000/s", 10_000, 0.85), ("offered 60,000/s", 60_000, 0.9)]
SATURATION = PLACED[-1][1]
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


def measure_pinned(table, binary):
    measure(table, binary, "relayed PXE DISCOVERs", PINNED, perfdhcp)


def measure_relayed(table, binary):
    measure_placed(table, binary, "relayed PXE DISCOVERs", perfdhcp)


def measure_broadcast(table, binary):
    measure_placed(table, binary, "broadcast PXE DISCOVERs", broadcast)


def measure_placed(table, binary, what, load):
    rates = measure(table, binary, f"{what}, placed by the scheduler,", PLACED, load, pinned=False)
    table.section(f"DHCP, {what}, placed by the scheduler, at half of the most replies/s of each server")
    delay = table.row("delay in ms, 99.9 % are shorter", digits=2, expect=("below 3", lambda delay: delay < 3))
    subjects = all_subjects(binary)
    for turn in range(ROUNDS):
        for name, argv in subjects.items():
            with Server(argv, "udp", 67, pinned=False):
                load(rates[name] // 2, 1, pinned=False)
                delay.add(name, load(rates[name] // 2, 2, pinned=False, delay=True))
            progress(f"dhcp {what}, delay, round {turn + 1}: {name} {delay.samples[name][-1]:.2f} ms")


def measure(table, binary, what, loads, load, pinned=True):
    """Returns the median of the replies per second of each server at the last load."""
    subjects = all_subjects(binary)
    for title, rate, limit in loads:
        table.section(f"DHCP, {what} {title}")
        cost = table.row("CPU us per reply")
        meets = lambda times, limit=limit: times <= limit
        table.ratio("  times the floor", cost, "floor", (f"at most {limit}", meets))
        speed = table.row("replies/s", digits=0)
        if not pinned and rate == SATURATION:
            table.ratio("  times dnsmasq", speed, "dnsmasq", ("at least 2.5", lambda times: times >= 2.5))
        for turn in range(ROUNDS):
            for name, argv in subjects.items():
                microseconds, replies = run_load(name, argv, rate, load, pinned)
                cost.add(name, microseconds)
                speed.add(name, replies)
                progress(f"dhcp {what} {title}, round {turn + 1}: {name} {microseconds:.1f} us, {replies:.0f}/s")
    return {name: int(median(samples)) for name, samples in speed.samples.items()}


def all_subjects(binary):
    subjects = {"floor": [testbed.compile_c("floor"), SERVER]}
    if binary:
        subjects["proxydhcpd"] = testbed.proxydhcpd(binary)
    subjects["dnsmasq"] = testbed.dnsmasq(
        f"--dhcp-range={NETWORK},proxy,255.255.255.0",
        "--pxe-service=x86-64_EFI,network,snponly.efi",
        "--quiet-dhcp",
    )
    return subjects


def measure6(table, binary):
    """Compared with the server's own replies over IPv4 in the same rounds: no other server is a DHCPv6 proxy."""
    argv = testbed.proxydhcpd(binary)
    for title, rate, _ in PINNED:
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


def run_load(name, argv, rate, load=None, pinned=True):
    load = load or perfdhcp
    with Server(argv, "udp", 67, pinned=pinned) as server:
        load(rate, 1, pinned)
        cpu, sent = server.cpu(), server.datagrams_sent()
        received = load(rate, SECONDS, pinned)
        cpu, sent = server.cpu() - cpu, server.datagrams_sent() - sent
    # The kernel counts all replies; but replies that perfdhcp does not accept prove nothing.
    if received < 0.5 * sent or received < SECONDS * 1000:
        raise testbed.BenchError(f"{name} sent {sent} datagrams, and perfdhcp received {received} replies")
    return cpu / sent * 1e6, sent / SECONDS


def perfdhcp(rate, seconds, pinned=True, delay=False):
    """Sends requests as a relay, and returns the number of replies.

    Uses two threads, both on the load's processor if it is pinned: one thread does not reach the higher rate.
    """
    return run(["-4", "-l", testbed.LOAD], rate, seconds, PXE, SERVER, pinned, delay)


def broadcast(rate, seconds, pinned=True, delay=False):
    """Broadcasts the same requests."""
    return run(["-4", "-B", "-l", testbed.LOAD], rate, seconds, PXE, "255.255.255.255", pinned, delay)


def perfdhcp6(rate, seconds, pinned=True, delay=False):
    return run(["-6", "-A1", "-l", "load0"], rate, seconds, PXE6, SERVER6, pinned, delay)


def run(how, rate, seconds, options, server, pinned, delay):
    """Returns the number of replies or, with `delay`, the 99.9th percentile of their delays in milliseconds."""
    options = [part for code, octets in options for part in ("-o", f"{code},{octets}")]
    load = [*how, "-i", "-r", rate, "-p", seconds, "-R", MACHINES, "-g", "multi", *(["-x", "t"] if delay else [])]
    done = testbed.load("perfdhcp", *load, *options, server, pinned=pinned)
    received = re.search(r"received packets: (\d+)", done.stdout)
    # Status 3 means missing replies, which are normal at saturation.
    if done.returncode not in (0, 3) or not received:
        raise testbed.BenchError(f"perfdhcp: {(done.stderr or done.stdout).strip()[-500:]}")
    if not delay:
        return int(received[1])
    times = re.findall(r"sent / received: ([0-9.]+) / ([0-9.]+)", done.stdout)
    delays = sorted(float(received) - float(sent) for sent, received in times)
    return 1000 * delays[len(delays) * 999 // 1000]
