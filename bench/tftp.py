"""Speed and CPU time of a TFTP transfer with the options of the two firmware families that boot most."""

import testbed
from testbed import BOOT, SERVER, SERVER6, Server, progress

ROUNDS = 3
# 46,863 blocks of 1432 octets, fewer than the 65,535 after which block numbers wrap, which not every server supports.
MEBIBYTES = 64
NAME = "tftp.img"

CLIENTS = [
    ("EDK2", "blksize 1468, windowsize 4", ["blksize", "1468", "windowsize", "4"]),
    ("iPXE", "blksize 1432, no window", ["blksize", "1432", "tsize", "0"]),
]


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
        if client == "iPXE":
            table.ratio("  times tftpd-hpa", cost, "tftpd-hpa", ("at most 1", lambda times: times <= 1))
        for turn in range(ROUNDS):
            for name, argv in subjects.items():
                rate, cpu = fetch(argv, options)
                speed.add(name, rate)
                cost.add(name, cpu)
                progress(f"tftp as {client}, round {turn + 1}: {name} {rate:.1f} MB/s, {cpu:.2f} s/GB")
    measure6(table, subjects)


def measure6(table, subjects):
    """With the options of EDK2 over IPv6. tftpd-hpa serves only IPv4 here, and is not measured."""
    table.section(f"TFTP over IPv6, {MEBIBYTES} MiB with the options of EDK2 (blksize 1228, windowsize 4)")
    speed = table.row("MB/s")
    table.ratio("  times dnsmasq", speed, "dnsmasq")
    cost = table.row("CPU s per GB", digits=2)
    for turn in range(ROUNDS):
        for name in ["dnsmasq", "proxydhcpd"]:
            if name in subjects:
                rate, cpu = fetch(subjects[name], ["blksize", "1228", "windowsize", "4"], SERVER6)
                speed.add(name, rate)
                cost.add(name, cpu)
                progress(f"tftp over IPv6, round {turn + 1}: {name} {rate:.1f} MB/s, {cpu:.2f} s/GB")


def fetch(argv, options, address=SERVER):
    program = testbed.compile_c("fetch")
    with Server(argv, "udp", 69) as server:
        before = server.cpu()
        with testbed.start_load(program, address, NAME, BOOT / NAME, *options) as client:
            result = client.stdout.readline()
            cpu = server.cpu() - before
            _, error = client.communicate()
    if not result:
        raise testbed.BenchError(f"{argv[0]}: {error.strip()}")
    size, nanoseconds, retries = map(int, result.split())
    if retries > 100:
        raise testbed.BenchError(f"{argv[0]}: {retries} blocks were lost, so that the speed is that of the timeouts")
    return size / 1e6 / (nanoseconds / 1e9), cpu / (size / 1e9)
