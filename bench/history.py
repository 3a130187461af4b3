"""The cost of the history of boots: CPU time of the server per reply, and the delay of replies, with and without it."""

import re
import time
from statistics import quantiles

import dhcp
import testbed
from testbed import SERVER, WORK, Server, progress

ROUNDS = 5
SECONDS = 3
RATE = 10_000
# What the machines do within a second is written after it.
WRITE_SECONDS = 2
# Replies to ever new machines, each of which is a boot; and to machines that repeat their requests.
LOADS = [("each of a new machine", dhcp.MACHINES), ("of 1,000 machines", 1_000)]


def measure(table, binary):
    for title, machines in LOADS:
        table.section(f"History, relayed PXE DISCOVERs at {RATE:,}/s, {title}")
        without = table.row("CPU us per reply, no history")
        kept = table.row("CPU us per reply, history")
        cost = table.row("  of it for the history", expect=("at most 6", lambda us: us <= 6))
        delay_without = table.row("ms delay at most, 99 of 100, no history", digits=2)
        delay_kept = table.row("ms delay at most, 99 of 100, history", digits=2)
        for turn in range(ROUNDS):
            (cpu_without, slow_without), (cpu, slow) = (run_load(binary, machines, on) for on in (False, True))
            for row, figure in [
                (without, cpu_without),
                (kept, cpu),
                (cost, cpu - cpu_without),
                (delay_without, slow_without),
                (delay_kept, slow),
            ]:
                row.add("proxydhcpd", figure)
            progress(f"history, {title}, round {turn + 1}: {cpu_without:.1f} us without, {cpu:.1f} us with it")


def run_load(binary, machines, is_on):
    """The CPU time of the server per reply, in microseconds, and the 99th percentile of the delays in milliseconds."""
    configuration, state = WORK / "history.toml", WORK / "history"
    configuration.write_text(f'state-dir = "{state}"\n[history]\nenabled = {str(is_on).lower()}\n')
    for file in state.glob("history.sqlite*"):
        file.unlink()
    with Server([binary, "-b", testbed.BOOT, "-c", configuration], "udp", 67) as server:
        perfdhcp(1, machines)
        cpu, sent = server.cpu(), server.datagrams_sent()
        delays = perfdhcp(SECONDS, machines)
        time.sleep(WRITE_SECONDS)
        cpu, sent = server.cpu() - cpu, server.datagrams_sent() - sent
    if len(delays) < 0.5 * sent or len(delays) < SECONDS * 1000:
        raise testbed.BenchError(f"the server sent {sent} datagrams, and perfdhcp received {len(delays)} replies")
    return cpu / sent * 1e6, quantiles(delays, n=100)[98] * 1000


def perfdhcp(seconds, machines):
    """Sends requests as a relay, and returns the delay of each reply in seconds."""
    options = [part for code, octets in dhcp.PXE for part in ("-o", f"{code},{octets}")]
    how = ["-4", "-l", testbed.LOAD, "-i", "-r", RATE, "-p", seconds, "-R", machines, "-g", "multi", "-x", "t"]
    done = testbed.load("perfdhcp", *how, *options, SERVER)
    pairs = re.findall(r"^sent / received: (\d+\.\d+) / (\d+\.\d+)$", done.stdout, re.M)
    if done.returncode not in (0, 3) or not pairs:
        raise testbed.BenchError(f"perfdhcp: {(done.stderr or done.stdout).strip()[-500:]}")
    return [float(received) - float(sent) for sent, received in pairs]
