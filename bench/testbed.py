"""Servers with a measurement of their CPU time, and the load on them.

The program `testbed` (testbed/src/main.rs) has laid the networks: a server runs on one of its hosts, and the load on the
host of bench/run.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SERVER = "10.77.0.1"
SERVER6 = "fd77::1"
LOAD = "10.77.0.2"
NETWORK = "10.77.0.0"

# In memory, in the mount namespace of this run.
WORK = Path("/run/bench")
BOOT = WORK / "boot"

PROCESSORS = sorted(os.sched_getaffinity(0))
# The hosts of the servers.
HOST, ABSENT_HOST, STORM_HOST = (
    ["nsenter", f"--net={os.environ.get(f'TESTBED_{name}')}"] for name in ("SERVER", "ABSENT", "STORM")
)
SERVING = ["taskset", "-c", str(PROCESSORS[0])]
LOADING = ["taskset", "-c", str(PROCESSORS[-1])]
TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A failure that prevents the measurement."""


def set_up():
    BOOT.mkdir(parents=True)
    shutil.copy("/usr/lib/ipxe/snponly.efi", BOOT)


def command(*argv):
    done = run(argv)
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def load(*argv, pinned=True):
    """Runs a client, on the load's processor if it is pinned; the caller checks its exit status."""
    return run([*(LOADING if pinned else []), *argv])


def start_load(*argv):
    """Starts a client without waiting: the caller reads its standard output and closes its standard input."""
    pipe = subprocess.PIPE
    return subprocess.Popen([*LOADING, *map(str, argv)], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def run(argv):
    try:
        return subprocess.run(list(map(str, argv)), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise BenchError(f"{argv[0]} is not installed; run bench/setup") from None


def compile_c(name):
    program = WORK / name
    if not program.exists():
        command("cc", "-O2", "-o", program, Path(__file__).with_name(f"{name}.c"))
    return program


def make_file(name, mebibytes):
    with open(BOOT / name, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return BOOT / name


def machine():
    """Describes this host; the load average shows other users."""
    model = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    system, load = os.uname(), ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{os.cpu_count()} x {(model or [system.machine])[0]}, Linux {system.release}, load {load}; MB = 10^6 octets"


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def proxydhcpd(binary):
    """The command with all defaults, including logging, except for a state directory that the run removes again."""
    return [binary, "--boot-dir", BOOT, "--state-dir", WORK / "state"]


def dnsmasq(*options):
    quiet = ["--conf-file=/dev/null", "--port=0", "--keep-in-foreground", "--user=root", "--log-facility=/dev/null"]
    return ["dnsmasq", *quiet, "--pid-file=", "--leasefile-ro", "--interface=boot0", *options]


LOSS = """
table inet loss {
    chain received { type filter hook prerouting priority raw; udp dport != 69 numgen random mod 100 < %s drop; }
}
"""


@contextlib.contextmanager
def loss(percent):
    """A network that loses this percentage of the UDP packets of a transfer, each by itself, in both directions."""
    # Otherwise the kernel hands over the packets of one send as one, and loses all of them or none.
    command(*HOST, "ethtool", "-K", "boot0", "tx-udp-segmentation", "off")
    rules = WORK / "loss.nft"
    rules.write_text(LOSS % percent)
    for host in ([], HOST):
        command(*host, "nft", "-f", rules)
    try:
        yield
    finally:
        for host in ([], HOST):
            command(*host, "nft", "delete", "table", "inet", "loss")
        command(*HOST, "ethtool", "-K", "boot0", "tx-udp-segmentation", "on")


class Server:
    """A server on its host, which runs during a `with` block: on its processor, unless the scheduler places it."""

    def __init__(self, argv, transport, port, host=HOST, pinned=True):
        self.argv, self.transport, self.port, self.host = list(map(str, argv)), transport, port, host
        self.placement = SERVING if pinned else []
        self.output = WORK / "output"

    def __enter__(self):
        # Each of these programs executes the next one, so that the process ID is the server's in the end.
        argv = [*self.host, *self.placement, *self.argv]
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=WORK)
        self.pid = self.process.pid
        self.await_port()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def await_port(self):
        for _ in range(500):
            if self.process.poll() is not None:
                break
            if self.has_port():
                return
            time.sleep(0.01)
        output = self.output.read_text(errors="replace").strip()[-2000:]
        raise BenchError(f"{self.argv[0]} does not serve {self.transport} port {self.port}:\n{output}")

    def has_port(self):
        """Whether a socket in the namespace is bound to the port, on any address."""
        lines = (line for version in ("", "6") for line in self.proc(f"net/{self.transport}{version}").splitlines()[1:])
        return any(line.split()[1].endswith(f":{self.port:04X}") for line in lines)

    def proc(self, name):
        return Path(f"/proc/{self.pid}/{name}").read_text()

    def cpu(self):
        """Seconds of CPU time so far, including the children's."""
        return process_clock(self.pid) + children(self.pid)

    def datagrams_sent(self):
        """UDP datagrams that left the namespace, in which only the server sends: the number of replies."""
        names, values = (line.split() for line in self.proc("net/snmp").splitlines() if line.startswith("Udp:"))
        return int(values[names.index("OutDatagrams")]) + self.datagrams_sent6()

    def datagrams_sent6(self):
        counters = dict(line.split() for line in self.proc("net/snmp6").splitlines())
        return int(counters["Udp6OutDatagrams"])


def process_clock(pid):
    """The kernel's CPU clock of another process, with nanoseconds; /proc/PID/stat has only hundredths of a second."""
    return time.clock_gettime((~pid << 3) | 2)


def children(pid):
    # The second field, the name, may contain anything, so the fields after it are counted: cutime and cstime, the time
    # of children that have ended.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[13:15])) / TICKS
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        total += process_clock(child) + children(child)
    return total
