"""Speed and CPU time of a TFTP transfer with the options of the two firmware families that boot most, also if the
network loses packets."""

import os

import testbed
from testbed import BOOT, SERVER, SERVER6, Server, progress

ROUNDS = 3
# 46,863 blocks of 1432 octets, fewer than the 65,535 after which block numbers wrap, which not every server supports.
MEBIBYTES = 64
NAME = "tftp.img"
# The percentage of packets that are lost, and the length of a file. Some servers need seconds for each lost packet.
LOSSES = [(1, 512 << 10), (5, 128 << 10)]
LOSSY_NAME = "lossy.img"

CLIENTS = [
    ("EDK2", "blksize 1468, windowsize 4", ["blksize", "1468", "windowsize", "4"]),
    ("iPXE", "blksize 1432, no window", ["blksize", "1432", "tsize", "0"]),
]
EDK2_IPV6 = ["blksize", "1228", "windowsize", "4"]


def measure(table, binary):
    testbed.make_file(NAME, MEBIBYTES)
    tftpd = ["in.tftpd", "--foreground", "--ipv4", "--address", f"{SERVER}:69", "--user", "root", "--secure", BOOT]
    subjects = {
        "dnsmasq": testbed.dnsmasq("--enable-tftp", f"--tftp-root={BOOT}"),
        "tftpd-hpa": tftpd,
    }
    if binary:
        subjects["proxydhcpd"] = testbed.proxydhcpd(binary)

    for client, description, options in CLIENTS:
        table.section(f"TFTP, {MEBIBYTES} MiB with the options of {client} ({description})")
        speed = table.row("MB/s")
        if client == "EDK2":
            table.ratio("  times dnsmasq", speed, "dnsmasq", ("at least 3", lambda times: times >= 3))
        cost = table.row("CPU s per GB", digits=2)
        table.ratio("  times tftpd-hpa", cost, "tftpd-hpa", ("at most 1", lambda times: times <= 1))
        for turn in range(ROUNDS):
            for name, argv in subjects.items():
                rate, cpu = fetch(argv, client, options)
                speed.add(name, rate)
                cost.add(name, cpu)
                progress(f"tftp as {client}, round {turn + 1}: {name} {rate:.1f} MB/s, {cpu:.2f} s/GB")
    # tftpd-hpa serves only IPv4 here, and is not measured over IPv6.
    subjects6 = {name: argv for name, argv in subjects.items() if name != "tftpd-hpa"}
    measure6(table, subjects6)
    for percent, size in LOSSES:
        (BOOT / LOSSY_NAME).write_bytes(os.urandom(size))
        for client, _, options in CLIENTS:
            measure_lossy(table, subjects, client, options, percent, size)
        measure_lossy(table, subjects6, "EDK2", EDK2_IPV6, percent, size, SERVER6)


def measure6(table, subjects):
    """With the options of EDK2 over IPv6."""
    table.section(f"TFTP over IPv6, {MEBIBYTES} MiB with the options of EDK2 (blksize 1228, windowsize 4)")
    speed = table.row("MB/s")
    table.ratio("  times dnsmasq", speed, "dnsmasq")
    cost = table.row("CPU s per GB", digits=2)
    table.ratio("  times dnsmasq", cost, "dnsmasq", ("at most 1", lambda times: times <= 1))
    for turn in range(ROUNDS):
        for name, argv in subjects.items():
            rate, cpu = fetch(argv, "EDK2", EDK2_IPV6, SERVER6)
            speed.add(name, rate)
            cost.add(name, cpu)
            progress(f"tftp over IPv6, round {turn + 1}: {name} {rate:.1f} MB/s, {cpu:.2f} s/GB")


def measure_lossy(table, subjects, client, options, percent, size, address=SERVER):
    """On a network that loses this percentage of the packets in both directions."""
    over = "over IPv6 " if address == SERVER6 else ""
    table.section(f"TFTP {over}as {client}, {size >> 10} KiB, {percent}% of the packets lost in each direction")
    seconds = table.row("seconds", digits=2)
    for other in set(subjects) - {"proxydhcpd"}:
        table.ratio(f"  times {other}", seconds, other, ("less than 1", lambda times: times < 1))
    for name, argv in subjects.items():
        with testbed.loss(percent):
            rate, _ = fetch(argv, client, options, address, LOSSY_NAME)
        seconds.add(name, size / 1e6 / rate)
        progress(f"tftp {over}as {client} with {percent}% loss: {name} {size / 1e6 / rate:.2f} s")


def fetch(argv, client, options, address=SERVER, name=NAME):
    program = testbed.compile_c("fetch")
    with Server(argv, "udp", 69) as server:
        before = server.cpu()
        with testbed.start_load(program, address, name, BOOT / name, client, *options) as load:
            result = load.stdout.readline()
            cpu = server.cpu() - before
            _, error = load.communicate()
    if not result:
        raise testbed.BenchError(f"{argv[0]}: {error.strip()}")
    size, nanoseconds, retries = map(int, result.split())
    if name == NAME and retries > 100:
        raise testbed.BenchError(f"{argv[0]}: {retries} blocks were lost, so that the speed is that of the timeouts")
    return size / 1e6 / (nanoseconds / 1e9), cpu / (size / 1e9)
