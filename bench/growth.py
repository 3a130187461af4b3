"""How answers, their cost and the memory grow with the number of clients and of machines that the server knows."""

import os
from pathlib import Path

import chart
import dhcp
import machines
import testbed
from testbed import Server, progress

RATES = [2_000, 5_000, 10_000, 20_000, 40_000, 60_000]
# The numbers of different clients of which the memory is measured, at this number of requests a second.
CLIENTS = [1_000, 10_000, 100_000]
CLIENT_RATE = 10_000
MACHINES = [1_000, 10_000, 100_000, 1_000_000]
PICTURES = Path(__file__).parent.parent / "target/bench"


def measure(table, binary):
    """Draws three pictures, into the directory that BENCH_PICTURES names or into target/bench."""
    pictures = Path(os.environ.get("BENCH_PICTURES", PICTURES))
    pictures.mkdir(parents=True, exist_ok=True)
    subjects = dhcp.all_subjects(binary)
    known = {count: [*testbed.proxydhcpd(binary), "-c", machines.describe(count)[0]] for count in MACHINES}
    note = testbed.machine()
    for name, title, x, y, lines in [
        ("answers", "Answers under load", "requests a second", "answers a second", answers(table, subjects)),
        ("cost", "Processor time of an answer", "machines in the configuration", "µs", cost(table, known)),
        ("memory", "Memory", "clients, or machines in the configuration", "MiB", memory(table, subjects, known)),
    ]:
        (pictures / f"growth-{name}.svg").write_text(chart.draw(title, x, y, lines, note))
    progress(f"growth: pictures in {pictures}")


def answers(table, subjects):
    table.section("Growth: answers a second, of so many requests a second")
    lines = {name: [] for name in subjects}
    for rate in RATES:
        row = table.row(f"{rate:,} requests/s", digits=0)
        for name, argv in subjects.items():
            row.add(name, dhcp.run_load(name, argv, rate, pinned=False)[1])
            lines[name].append((rate, row.samples[name][0]))
        progress(f"growth: {rate:,} requests/s")
    return lines


def cost(table, known):
    table.section(f"Growth: CPU us per reply at {dhcp.PLACED[1][1]:,}/s, with so many machines in the configuration")
    points = []
    for count, argv in known.items():
        microseconds = dhcp.run_load("proxydhcpd", argv, dhcp.PLACED[1][1], pinned=False)[0]
        table.row(f"{count:,} machines").add("proxydhcpd", microseconds)
        points.append((count, microseconds))
        progress(f"growth: {count:,} machines, {microseconds:.1f} us")
    return {"proxydhcpd": points}


def memory(table, subjects, known):
    table.section("Growth: MiB resident")
    lines = {}
    for clients in CLIENTS:
        row = table.row(f"after {clients:,} clients")
        for name in ("proxydhcpd", "dnsmasq"):
            with Server(subjects[name], "udp", 67, pinned=False) as server:
                seconds = max(1, clients // CLIENT_RATE)
                dhcp.perfdhcp(clients // seconds, seconds, pinned=False)
                row.add(name, machines.status(server, "VmRSS"))
            lines.setdefault(f"{name}, clients", []).append((clients, row.samples[name][0]))
        progress(f"growth: memory after {clients:,} clients")
    for count, argv in known.items():
        row = table.row(f"with {count:,} machines in the configuration")
        with Server(argv, "udp", 67, pinned=False) as server:
            machines.wait_for_line(server, "ready")
            row.add("proxydhcpd", machines.status(server, "VmRSS"))
        lines.setdefault("machines", []).append((count, row.samples["proxydhcpd"][0]))
    return lines
