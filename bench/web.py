"""Speed and CPU time of a large file over HTTP, compared with nginx, without a requirement."""

import testbed
from testbed import BOOT, SERVER, WORK, Server, progress

ROUNDS = 3
MEBIBYTES = 512
TIMES = 2
NAME = "http.img"

NGINX = """
daemon off; master_process off; user root; pid nginx.pid; error_log error.log;
events {}
http { access_log off; sendfile on; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
       uwsgi_temp_path uwsgi; scgi_temp_path scgi; server { listen 8080; root %s; } }
"""


def measure(table, binary):
    testbed.make_file(NAME, MEBIBYTES)
    configuration = WORK / "nginx.conf"
    configuration.write_text(NGINX % BOOT)
    subjects = {"nginx": ["nginx", "-p", WORK, "-c", configuration, "-e", WORK / "error.log"]}
    if binary:
        subjects["proxydhcpd"] = testbed.proxydhcpd(binary)

    table.section(f"HTTP, {MEBIBYTES} MiB, {TIMES} times on one connection, by curl")
    speed = table.row("MB/s", digits=0)
    cost = table.row("CPU s per GB", digits=2)
    for turn in range(ROUNDS):
        for name, argv in subjects.items():
            rate, cpu = fetch(argv)
            speed.add(name, rate)
            cost.add(name, cpu)
            progress(f"http, round {turn + 1}: {name} {rate:.0f} MB/s, {cpu:.2f} s/GB")


def fetch(argv):
    url = f"http://{SERVER}:8080/{NAME}"
    form = r"%{http_code} %{size_download} %{time_total}\n"
    with Server(argv, "tcp", 8080) as server:
        before = server.cpu()
        done = testbed.load("curl", "--silent", "--write-out", form, *["--output", "/dev/null", url] * TIMES)
        cpu = server.cpu() - before
    answers = [line.split() for line in done.stdout.splitlines()]
    if [answer[:2] for answer in answers] != [["200", str(MEBIBYTES << 20)]] * TIMES:
        raise testbed.BenchError(f"{argv[0]}: curl got {done.stdout.strip() or done.returncode}")
    size = TIMES * MEBIBYTES << 20
    return size / 1e6 / sum(float(answer[2]) for answer in answers), cpu / (size / 1e9)
