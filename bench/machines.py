"""What it costs to know a thousand, a hundred thousand and a million machines from one CSV file."""

import json
import os
import re
import resource
import signal
import time
from statistics import median

import dhcp
import ground
from ground import WORK, Server, say

SIZES = [1_000, 100_000, 1_000_000]
LOADS = 5
ROUNDS = 5
RATE = 10_000
LONGEST_SECONDS = 30
# perfdhcp counts its machines' addresses from here.
FIRST_MAC = 0x000C01020304


def measure(table, binary):
    for size in SIZES:
        most = size == SIZES[-1]
        configuration, mebibytes = describe(size)
        table.section(f"{size:,} machines in one CSV of {mebibytes:.1f} MiB")
        load = table.row("s to load", digits=2, expect=("below 3", lambda s: s < 3) if most else None)
        cpu = table.row("s of CPU for it", digits=2)
        for _ in range(LOADS):
            wall, processor = seconds_to_load(binary, configuration, size)
            load.add("proxydhcpd", wall)
            cpu.add("proxydhcpd", processor)
        rest = table.row("MiB resident", expect=("below 400", lambda mib: mib < 400) if most else None)
        peak = table.row("MiB at most, loading")
        both = table.row("MiB at most, reloading", expect=("below 800", lambda mib: mib < 800) if most else None)
        after = table.row("MiB resident after a reload")
        with Server([*ground.proxydhcpd(binary), "-c", configuration], "udp", 67) as server:
            await_word(server, "ready")
            rest.add("proxydhcpd", status(server, "VmRSS"))
            peak.add("proxydhcpd", status(server, "VmHWM"))
            reload(server)
            both.add("proxydhcpd", status(server, "VmHWM"))
            after.add("proxydhcpd", status(server, "VmRSS"))
        say(f"{size:,} machines: {median(load.samples['proxydhcpd']):.2f} s, {rest.figure('proxydhcpd')} MiB")
    answers(table, binary, configuration)


def answers(table, binary, configuration):
    """With none and with a million, each of which asks. Every packet says a UUID as well, which nobody has."""
    table.section(f"DHCP, relayed PXE DISCOVERs at {RATE:,}/s")
    none = table.row("CPU us per answer, no machines")
    million = table.row("CPU us per answer, a million")
    times = table.row("  times as much", digits=2, expect=("at most 1.20", lambda times: times <= 1.2))
    for turn in range(ROUNDS):
        without, _ = dhcp.ask("proxydhcpd", ground.proxydhcpd(binary), RATE)
        with_them, _ = dhcp.ask("proxydhcpd", [*ground.proxydhcpd(binary), "-c", configuration], RATE)
        for row, figure in (none, without), (million, with_them), (times, with_them / without):
            row.add("proxydhcpd", figure)
        say(f"answers, round {turn + 1}: {without:.1f} us without machines, {with_them:.1f} us with a million")


def describe(machines):
    """A CSV with a column of each kind, and a configuration that names it."""
    csv, configuration = WORK / "machines.csv", WORK / "machines.toml"
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
    """By the clock, as `check` says, and of the processor for all that `check` does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = ground.run([*ground.SERVING, binary, "check", "--json", "-b", ground.BOOT, "-c", configuration])
    if done.returncode:
        raise ground.Trouble(f"check: {(done.stderr or done.stdout).strip()[-500:]}")
    read = json.loads(done.stdout)["served"]["machines"]
    if read["count"] != machines:
        raise ground.Trouble(f"{read['count']} of {machines} machines were read")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return read["seconds"], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def reload(server):
    server.process.send_signal(signal.SIGHUP)
    await_word(server, "reloaded")
    # The former plan goes when the last who looks at it is done.
    time.sleep(1)


def await_word(server, word):
    """Until the server's log says it. Its ports are open a moment before it is ready, for a SIGHUP, too."""
    for _ in range(LONGEST_SECONDS * 10):
        said = server.output.read_text(errors="replace")
        if re.search(rf"INFO +{word}$", said, re.M):
            return
        time.sleep(0.1)
    raise ground.Trouble(f"not {word} after {LONGEST_SECONDS} s:\n{said.strip()[-2000:]}")


def status(server, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", server.proc("status"), re.M)[1]) / 1024
