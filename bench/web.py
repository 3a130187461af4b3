"""Speed and CPU time of large files over HTTP, compared with nginx: one download, many at once, and ranges."""

import testbed
from testbed import BOOT, SERVER, WORK, Server, progress

ROUNDS = 3
NAME = "http.img"
MEBIBYTES = 512
TIMES = 2
MANY = 500
MANY_NAME = "many.img"
MANY_MEBIBYTES = 16
RANGE = 4 << 20

NGINX = """
daemon off; master_process off; user root; pid nginx.pid; error_log error.log; worker_rlimit_nofile 4096;
events { worker_connections 2000; }
http { access_log off; sendfile on; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
       uwsgi_temp_path uwsgi; scgi_temp_path scgi; server { listen 8080; root %s; } }
"""


def measure(table, binary):
    testbed.make_file(NAME, MEBIBYTES)
    testbed.make_file(MANY_NAME, MANY_MEBIBYTES)
    configuration = WORK / "nginx.conf"
    configuration.write_text(NGINX % BOOT)
    subjects = {"nginx": ["nginx", "-p", WORK, "-c", configuration, "-e", WORK / "error.log"]}
    if binary:
        subjects["proxydhcpd"] = testbed.proxydhcpd(binary)

    ways = [
        (f"HTTP, {MEBIBYTES} MiB, {TIMES} times on one connection, by curl", curl, 1.05),
        (f"HTTP, {MANY_MEBIBYTES} MiB, {MANY} downloads at once", many, 1),
        (f"HTTP, {MEBIBYTES} MiB in ranges of {RANGE >> 20} MiB", ranges, 1.05),
    ]
    for title, way, most in ways:
        table.section(title)
        speed = table.row("MB/s", digits=0)
        cost = table.row("CPU s per GB", digits=2)
        table.ratio("  times nginx", cost, "nginx", (f"at most {most}", lambda times, most=most: times <= most))
        for turn in range(ROUNDS):
            for name, argv in subjects.items():
                rate, cpu = fetch(argv, way)
                speed.add(name, rate)
                cost.add(name, cpu)
                progress(f"{title}, round {turn + 1}: {name} {rate:.0f} MB/s, {cpu:.3f} s/GB")


def fetch(argv, way):
    with Server(argv, "tcp", 8080) as server:
        before = server.cpu()
        octets, seconds = way(argv[0])
        cpu = server.cpu() - before
    return octets / 1e6 / seconds, cpu / (octets / 1e9)


def curl(server):
    url = f"http://{SERVER}:8080/{NAME}"
    form = r"%{http_code} %{size_download} %{time_total}\n"
    done = testbed.load("curl", "--silent", "--write-out", form, *["--output", "/dev/null", url] * TIMES)
    answers = [line.split() for line in done.stdout.splitlines()]
    if [answer[:2] for answer in answers] != [["200", str(MEBIBYTES << 20)]] * TIMES:
        raise testbed.BenchError(f"{server}: curl got {done.stdout.strip() or done.returncode}")
    return TIMES * MEBIBYTES << 20, sum(float(answer[2]) for answer in answers)


def many(server):
    return download(server, MANY * MANY_MEBIBYTES << 20, MANY_NAME, MANY)


def ranges(server):
    return download(server, MEBIBYTES << 20, NAME, 1, RANGE, MEBIBYTES << 20)


def download(server, expected, *arguments):
    done = testbed.load(testbed.compile_c("download"), SERVER, 8080, *arguments)
    octets, nanoseconds = map(int, done.stdout.split() or [0, 1])
    if octets != expected:
        raise testbed.BenchError(f"{server}: {octets} of {expected} octets: {done.stderr.strip()}")
    return octets, nanoseconds / 1e9
