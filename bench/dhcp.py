"""CPU time per answer and answers per second, under the same perfdhcp load, beside the floor."""

import re

import ground
from ground import NETWORK, SERVER, SERVER6, Server, say

ROUNDS = 5
SECONDS = 3
LOADS = [("at 10,000/s", 10_000), ("offered 60,000/s", 60_000)]
# Above 60,000/s for this long each machine asks once or twice: no limit per machine is reached.
MACHINES = 1_000_000

# An x64 UEFI machine's DISCOVER, as a relay passes it on.
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
    subjects = {"floor": [ground.compile_c("floor"), SERVER]}
    if binary:
        subjects["proxydhcpd"] = ground.proxydhcpd(binary)
    subjects["dnsmasq"] = ground.dnsmasq(
        f"--dhcp-range={NETWORK},proxy,255.255.255.0",
        "--pxe-service=x86-64_EFI,network,snponly.efi",
        "--quiet-dhcp",
    )

    for title, rate in LOADS:
        table.section(f"DHCP, relayed PXE DISCOVERs {title}")
        cost = table.row("CPU us per answer")
        table.ratio("  times the floor", cost, "floor", ("at most 1.25", lambda times: times <= 1.25))
        speed = table.row("answers/s", digits=0)
        for turn in range(ROUNDS):
            for name, argv in subjects.items():
                microseconds, answers = ask(name, argv, rate)
                cost.add(name, microseconds)
                speed.add(name, answers)
                say(f"dhcp {title}, round {turn + 1}: {name} {microseconds:.1f} us, {answers:.0f}/s")
    if binary:
        measure6(table, subjects["proxydhcpd"])


def measure6(table, argv):
    """Beside our own answers over IPv4 in the same rounds: no other server proxies DHCPv6."""
    for title, rate in LOADS:
        table.section(f"DHCPv6, relayed PXE SOLICITs {title}")
        cost = table.row("CPU us per answer")
        table.ratio("  times DHCPv4", cost, "over IPv4")
        speed = table.row("answers/s", digits=0)
        for turn in range(ROUNDS):
            for name, load in [("over IPv4", perfdhcp), ("proxydhcpd", perfdhcp6)]:
                microseconds, answers = ask(name, argv, rate, load)
                cost.add(name, microseconds)
                speed.add(name, answers)
                say(f"dhcpv6 {title}, round {turn + 1}: {name} {microseconds:.1f} us, {answers:.0f}/s")


def ask(name, argv, rate, load=None):
    load = load or perfdhcp
    with Server(argv, "udp", 67) as server:
        load(rate, 1)
        cpu, sent = server.cpu(), server.datagrams_sent()
        heard = load(rate, SECONDS)
        cpu, sent = server.cpu() - cpu, server.datagrams_sent() - sent
    # What the kernel counts is what was answered; but answers that perfdhcp does not take for any are worth nothing.
    if heard < 0.5 * sent or heard < SECONDS * 1000:
        raise ground.Trouble(f"{name} sent {sent} datagrams, and perfdhcp heard {heard} answers")
    return cpu / sent * 1e6, sent / SECONDS


def perfdhcp(rate, seconds):
    """Asks as a relay would and returns how many answers came back.

    With two threads, both on the load's processor: with one it cannot keep up the higher rate.
    """
    return run(["-4", "-l", ground.LOAD], rate, seconds, PXE, SERVER)


def perfdhcp6(rate, seconds):
    return run(["-6", "-A1", "-l", "load0"], rate, seconds, PXE6, SERVER6)


def run(how, rate, seconds, options, server):
    options = [part for code, octets in options for part in ("-o", f"{code},{octets}")]
    load = [*how, "-i", "-r", rate, "-p", seconds, "-R", MACHINES, "-g", "multi"]
    done = ground.load("perfdhcp", *load, *options, server)
    heard = re.search(r"received packets: (\d+)", done.stdout)
    # Status 3 is its word for answers that did not come, and at saturation some do not.
    if done.returncode not in (0, 3) or not heard:
        raise ground.Trouble(f"perfdhcp: {(done.stderr or done.stdout).strip()[-500:]}")
    return int(heard[1])
