"""Thousands of machines that are switched on at the same moment, compared with dnsmasq and nginx.

The player sends what real UEFI firmware and iPXE send: DISCOVER, the request to port 4011, the loader by TFTP, DHCP of
iPXE, the script, the kernel and the initrd by HTTP, and DHCP of the system. All wait as long as firmware does.
"""

import contextlib
import json
import re
import resource

import testbed
from testbed import BOOT, STORM_HOST, WORK, Server, progress

# Machines, and the size of their initrd in MiB.
STORMS = [(10_000, 4), (500, 64)]
KERNEL_MEBIBYTES = 1
# No machine may need more.
LIMIT_SECONDS = 600
SERVER = "10.90.0.2"
KIND = "uefi-x64"
# The player assigns them: a DHCP server would be what the machines wait for.
ADDRESSES = "10.90.16.0-10.90.255.254"
# As many descriptors as this host allows, for servers and player alike.
MANY_FILES = ["prlimit", f"--nofile={resource.getrlimit(resource.RLIMIT_NOFILE)[1]}"]

SITE = """
default-profile = "system"
[profile.system]
kernel = "linux"
initrd = "initrd"
"""
SCRIPT = """#!ipxe
kernel linux initrd=initrd
initrd initrd
boot
"""
NGINX = """
daemon off; user root; pid nginx.pid; error_log error.log; worker_processes auto;
events { worker_connections 16384; }
http { access_log off; sendfile on; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
       uwsgi_temp_path uwsgi; scgi_temp_path scgi; server { listen 8080 backlog=16384; root %s; } }
"""


def measure(table, binary, player):
    testbed.make_file("linux", KERNEL_MEBIBYTES)
    (BOOT / "boot.ipxe").write_text(SCRIPT)
    (WORK / "storm.toml").write_text(SITE)
    (WORK / "storm-nginx.conf").write_text(NGINX % BOOT)
    subjects = {"dnsmasq + nginx": rivals}
    if binary:
        subjects["proxydhcpd"] = lambda: [testbed.proxydhcpd(binary) + ["-c", WORK / "storm.toml"]]
    for machines, mebibytes in STORMS:
        testbed.make_file("initrd", mebibytes)
        table.section(f"Boot storm, {machines:,} x64 UEFI machines at once, with an initrd of {mebibytes} MiB")
        failed = table.row("machines that failed", digits=0, expect=("none", lambda count: count == 0))
        figures = [table.row("s to boot, median"), table.row("s to boot, 99%"), table.row("s until all have booted")]
        cost = [table.row("CPU ms a machine", digits=2), table.row("KiB of memory a machine at most")]
        for name, commands in subjects.items():
            report, cpu, kibibytes = storm(commands(), player, machines)
            failed.add(name, report["failed"])
            boot = report["boot"]
            for row, figure in zip(figures, [boot["median"], boot["99%"], report["seconds"]]):
                row.add(name, figure)
            for row, figure in zip(cost, [cpu * 1e3, kibibytes]):
                row.add(name, figure / machines)
            progress(f"storm of {machines:,}: {name} {boot['median']:.1f} s, {report['failed']} failed")
            if report["failures"]:
                progress(json.dumps(report["failures"], indent=2)[:2000])


def rivals():
    """dnsmasq as proxyDHCP and TFTP server, with room for all transfers, and nginx for what iPXE loads."""
    script = f"http://{SERVER}:8080/boot.ipxe"
    boot = testbed.dnsmasq(
        "--dhcp-range=10.90.0.0,proxy,255.255.0.0",
        "--dhcp-match=set:ipxe,175",
        "--pxe-service=tag:!ipxe,X86-64_EFI,firmware,snponly.efi",
        f"--pxe-service=tag:ipxe,X86-64_EFI,iPXE,{script}",
        "--enable-tftp",
        f"--tftp-root={BOOT}",
        "--tftp-max=20000",
        "--quiet-dhcp",
        "--quiet-tftp",
    )
    return [boot, ["nginx", "-p", WORK, "-c", WORK / "storm-nginx.conf", "-e", WORK / "error.log"]]


def storm(commands, player, machines):
    """Runs a storm against these servers. Returns the player's report, their CPU time and their largest memory."""
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(Server([*MANY_FILES, *argv], *port, STORM_HOST))
            for argv, port in zip(commands, [("udp", 67), ("tcp", 8080)])
        ]
        before = sum(server.cpu() for server in servers)
        run = ["--assign", ADDRESSES, "--interface", "storm0", "--kind", KIND, "-n", machines, "--at-once", machines, "--limit", LIMIT_SECONDS]
        done = testbed.load(*MANY_FILES, player, *run, "--json")
        cpu = sum(server.cpu() for server in servers) - before
        memory = sum(peak(pid) for server in servers for pid in [server.pid, *descendants(server.pid)])
    if done.returncode not in (0, 1):
        raise testbed.BenchError(f"{player}: {(done.stderr or done.stdout).strip()[-500:]}")
    return json.loads(done.stdout), cpu, memory


def peak(pid):
    """The largest resident memory of a process so far, in KiB."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1])


def descendants(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        for child in map(int, children.read().split()):
            yield child
            yield from descendants(child)
