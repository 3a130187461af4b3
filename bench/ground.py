"""What every measurement stands on: two network namespaces joined by a veth pair, and servers whose CPU time is read.

The servers run in the namespace `server`, the load in the one that bench/run has made for itself. Between them is a
veth pair with the MTU of an Ethernet: over `lo`, with its 64 KiB, TFTP and HTTP would be measured on a network that no
machine boots from.
"""

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

# A file system of this run alone, gone with its mount namespace. What is served lies in memory.
WORK = Path("/run/bench")
BOOT = WORK / "boot"

PROCESSORS = sorted(os.sched_getaffinity(0))
SERVING = ["ip", "netns", "exec", "server", "taskset", "-c", str(PROCESSORS[0])]
LOADING = ["taskset", "-c", str(PROCESSORS[-1])]
TICKS = os.sysconf("SC_CLK_TCK")


class Trouble(Exception):
    """Why there can be no table."""


def lay():
    command("mount", "-t", "tmpfs", "-o", "mode=0755,size=1g", "tmpfs", "/run")
    BOOT.mkdir(parents=True)
    command("ip", "netns", "add", "server")
    command("ip", "link", "set", "lo", "up")
    command("ip", "link", "add", "load0", "type", "veth", "peer", "name", "boot0", "netns", "server")
    command("ip", "address", "add", f"{LOAD}/24", "dev", "load0")
    command("ip", "address", "add", "fd77::2/64", "dev", "load0", "nodad")
    command("ip", "link", "set", "load0", "up")
    command("ip", "-n", "server", "link", "set", "lo", "up")
    # Link-local addresses are otherwise on probation for the first second or two.
    settled = "echo 0 >/proc/sys/net/ipv6/conf/boot0/accept_dad"
    command("ip", "netns", "exec", "server", "sh", "-c", settled)
    command("ip", "-n", "server", "address", "add", f"{SERVER}/24", "dev", "boot0")
    command("ip", "-n", "server", "address", "add", f"{SERVER6}/64", "dev", "boot0", "nodad")
    command("ip", "-n", "server", "link", "set", "boot0", "up")
    shutil.copy("/usr/lib/ipxe/snponly.efi", BOOT)


def command(*argv):
    done = run(argv)
    if done.returncode:
        raise Trouble(f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def load(*argv):
    """Runs a client on the load's processor; the caller judges its exit status."""
    return run([*LOADING, *argv])


def start_load(*argv):
    """The same, not waited for: the caller reads its standard output and ends its standard input."""
    pipe = subprocess.PIPE
    return subprocess.Popen([*LOADING, *map(str, argv)], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def run(argv):
    try:
        return subprocess.run(list(map(str, argv)), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Trouble(f"no {argv[0]} here; bench/setup installs it") from None


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
    """What the figures were taken on; neighbours show in the load."""
    model = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    system, load = os.uname(), ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{os.cpu_count()} x {(model or [system.machine])[0]}, Linux {system.release}, load {load}; MB = 10^6 octets"


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def proxydhcpd(binary):
    """Every default: what an operator gets, logging included."""
    return [binary, "--boot-dir", BOOT]


def dnsmasq(*options):
    quiet = ["--conf-file=/dev/null", "--port=0", "--keep-in-foreground", "--user=root", "--log-facility=/dev/null"]
    return ["dnsmasq", *quiet, "--pid-file=", "--leasefile-ro", "--interface=boot0", *options]


class Server:
    """A server in its namespace and on its processor, from `with` until the end of the block."""

    def __init__(self, argv, transport, port):
        self.argv, self.transport, self.port = list(map(str, argv)), transport, port
        self.output = WORK / "output"

    def __enter__(self):
        # Each of these programs becomes the next, so that the process id is the server's in the end.
        argv = [*SERVING, *self.argv]
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
        said = self.output.read_text(errors="replace").strip()[-2000:]
        raise Trouble(f"{self.argv[0]} does not serve {self.transport} port {self.port}:\n{said}")

    def has_port(self):
        """Whether anything in its namespace has bound the port, to whatever address."""
        lines = (line for version in ("", "6") for line in self.proc(f"net/{self.transport}{version}").splitlines()[1:])
        return any(line.split()[1].endswith(f":{self.port:04X}") for line in lines)

    def proc(self, name):
        return Path(f"/proc/{self.pid}/{name}").read_text()

    def cpu(self):
        """Seconds of processor time so far, those of its children included."""
        return process_clock(self.pid) + children(self.pid)

    def datagrams_sent(self):
        """UDP datagrams that left its namespace, where nothing else sends any: what it really answered."""
        names, values = (line.split() for line in self.proc("net/snmp").splitlines() if line.startswith("Udp:"))
        return int(values[names.index("OutDatagrams")]) + self.datagrams_sent6()

    def datagrams_sent6(self):
        counters = dict(line.split() for line in self.proc("net/snmp6").splitlines())
        return int(counters["Udp6OutDatagrams"])


def process_clock(pid):
    """The kernel's CPU clock of another process, in nanoseconds where /proc/PID/stat has hundredths."""
    return time.clock_gettime((~pid << 3) | 2)


def children(pid):
    # The name is the second field and may hold anything, so count from its end: cutime and cstime, of those waited for.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[13:15])) / TICKS
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        total += process_clock(child) + children(child)
    return total
