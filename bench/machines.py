"""The cost of a thousand, a hundred thousand and a million machines in one CSV file."""

import json
import os
import re
import resource
import signal
import time
from statistics import median

import dhcp
import testbed
from testbed import WORK, Server, progress

SIZES = [1_000, 100_000, 1_000_000]
LOADS = 5
ROUNDS = 5
RATE = 10_000
TIMEOUT_SECONDS = 30
# The first address of perfdhcp's machines.
FIRST_MAC = 0x000C01020304


def measure(table, binary):
    for size in SIZES:
        is_largest = size == SIZES[-1]
        configuration, mebibytes = describe(size)
        table.section(f"{size:,} machines in one CSV of {mebibytes:.1f} MiB")
        load = table.row("s to load", digits=2, expect=("below 3", lambda s: s < 3) if is_largest else None)
        cpu = table.row("s of CPU for it", digits=2)
        for _ in range(LOADS):
            wall, processor = seconds_to_load(binary, configuration, size)
            load.add("proxydhcpd", wall)
            cpu.add("proxydhcpd", processor)
        rest = table.row("MiB resident", expect=("below 400", lambda mib: mib < 400) if is_largest else None)
        peak = table.row("MiB at most, loading")
        both = table.row("MiB at most, reloading", expect=("below 800", lambda mib: mib < 800) if is_largest else None)
        after = table.row("MiB resident after a reload")
        with Server([*testbed.proxydhcpd(binary), "-c", configuration], "udp", 67) as server:
            wait_for_line(server, "ready")
            rest.add("proxydhcpd", status(server, "VmRSS"))
            peak.add("proxydhcpd", status(server, "VmHWM"))
            reload(server)
            both.add("proxydhcpd", status(server, "VmHWM"))
            after.add("proxydhcpd", status(server, "VmRSS"))
        progress(f"{size:,} machines: {median(load.samples['proxydhcpd']):.2f} s, {rest.figure('proxydhcpd')} MiB")
    replies(table, binary, configuration)


def replies(table, binary, configuration):
    """Without machines and with a million, which all send requests. Each packet also has a UUID that is in no entry."""
    table.section(f"DHCP, relayed PXE DISCOVERs at {RATE:,}/s")
    none = table.row("CPU us per reply, no machines")
    million = table.row("CPU us per reply, a million")
    times = table.row("  times as much", digits=2, expect=("at most 1.20", lambda times: times <= 1.2))
    for turn in range(ROUNDS):
        without, _ = dhcp.run_load("proxydhcpd", testbed.proxydhcpd(binary), RATE)
        with_them, _ = dhcp.run_load("proxydhcpd", [*testbed.proxydhcpd(binary), "-c", configuration], RATE)
        for row, figure in (none, without), (million, with_them), (times, with_them / without):
            row.add("proxydhcpd", figure)
        progress(f"replies, round {turn + 1}: {without:.1f} us without machines, {with_them:.1f} us with a million")


def describe(machines):
    """Writes a CSV file with a column of each kind, and a configuration for it."""
    csv, configuration = WORK / f"machines-{machines}.csv", WORK / f"machines-{machines}.toml"
    with open(csv, "w") as file:
        file.write("name,mac,uuid,serial,profile,boot,role,rack\n")
        for number in range(machines):
            mac = (FIRST_MAC + number).to_bytes(6).hex(":")
            uuid = f"4c4c4544-{number >> 16:04x}-{number & 0xffff:04x}-8030-b2c04f503432"
            role = ("web", "db", "desk")[number % 3]
            file.write(f"pc{number:07},{mac},{uuid},SN{number * 7919:010X},menu,always,{role},r{number // 40}\n")
    configuration.write_text(f'machine-files = ["{csv}"]\n')
    return configuration, os.stat(csv).st_size / (1 << 20)


def seconds_to_load(binary, configuration, machines):
    """The wall clock time that `check` prints, and the CPU time of the whole `check`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = testbed.run([*testbed.HOST, *testbed.SERVING, binary, "check", "--json", "-b", testbed.BOOT, "-c", configuration])
    if done.returncode:
        raise testbed.BenchError(f"check: {(done.stderr or done.stdout).strip()[-500:]}")
    read = json.loads(done.stdout)["served"]["machines"]
    if read["count"] != machines:
        raise testbed.BenchError(f"{read['count']} of {machines} machines were read")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return read["seconds"], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def reload(server):
    server.process.send_signal(signal.SIGHUP)
    wait_for_line(server, "reloaded")
    # The previous plan is freed when its last user is done.
    time.sleep(1)


def wait_for_line(server, line):
    """Waits for a line in the server's log. Its ports open a moment before it is ready, also for a SIGHUP."""
    for _ in range(TIMEOUT_SECONDS * 10):
        log = server.output.read_text(errors="replace")
        if re.search(rf"INFO +{line}$", log, re.M):
            return
        time.sleep(0.1)
    raise testbed.BenchError(f"not {line} after {TIMEOUT_SECONDS} s:\n{log.strip()[-2000:]}")


def status(server, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", server.proc("status"), re.M)[1]) / 1024
