"""The cost of an idle server: time until ready, memory, size on disk."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import testbed
from testbed import WORK, Server, progress

STARTS = 15
IDLE_SECONDS = 5


def measure(table, binary):
    table.section("Start and idle")
    start = table.row("ms until ready", expect=("below 50", lambda ms: ms < 50))
    for _ in range(STARTS):
        start.add("proxydhcpd", until_ready(binary))
    progress(f"start: {start.figure('proxydhcpd')} ms")

    resident = table.row("MiB resident", expect=("below 15", lambda mib: mib < 15))
    proportional = table.row("MiB of it its share (PSS)")
    # Both are configured as for a small site.
    dnsmasq = testbed.dnsmasq(
        f"--dhcp-range={testbed.NETWORK},proxy,255.255.255.0", "--enable-tftp", f"--tftp-root={testbed.BOOT}"
    )
    for name, argv in {"proxydhcpd": testbed.proxydhcpd(binary), "dnsmasq": dnsmasq}.items():
        with Server(argv, "udp", 67) as server:
            time.sleep(IDLE_SECONDS)
            memory = server.proc("smaps_rollup")
        resident.add(name, mebibytes(memory, "Rss"))
        proportional.add(name, mebibytes(memory, "Pss"))
    size = table.row("MiB of program")
    size.add("proxydhcpd", os.stat(binary).st_size / (1 << 20))


def until_ready(binary):
    """Milliseconds from exec until READY=1, as systemd receives it. Runs directly, without the programs of `Server`."""
    path = WORK / "notify"
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(10)
        start = time.monotonic()
        process = subprocess.Popen(
            list(map(str, testbed.proxydhcpd(binary))),
            env={**os.environ, "NOTIFY_SOCKET": str(path)},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            while b"READY=1" not in notify.recv(4096).split(b"\n"):
                pass
            return (time.monotonic() - start) * 1000
        except TimeoutError:
            raise testbed.BenchError(f"{binary} did not send READY=1 within 10 s") from None
        finally:
            process.terminate()
            process.wait()


def mebibytes(smaps, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", smaps, re.M)[1]) / 1024
