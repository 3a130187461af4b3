"""A receiver of webhooks for tests, which behaves as the path of each call says, and writes a line of JSON for each.

Arguments: port, file with the secret, file for the lines; and for HTTPS a certificate and its key.
"""

import base64
import hashlib
import hmac
import http.server
import json
import ssl
import sys
import time

PORT, SECRET, LINES = int(sys.argv[1]), open(sys.argv[2], "rb").read().strip(), sys.argv[3]
calls = {}


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        identifier, timestamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = b".".join([identifier.encode(), timestamp.encode(), body])
        expected = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        with open(LINES, "a") as lines:
            line = {
                "path": self.path,
                "id": identifier,
                "is_recent": abs(time.time() - int(timestamp)) < 60,
                "is_signed": hmac.compare_digest(expected, self.headers["webhook-signature"]),
                "body": json.loads(body),
            }
            lines.write(json.dumps(line) + "\n")
        calls[self.path] = calls.get(self.path, 0) + 1
        if self.path == "/hang":
            time.sleep(120)
        elif self.path == "/redirect":
            self.send_response(307)
            self.send_header("location", "/target")
            self.end_headers()
        elif self.path == "/flaky" and calls[self.path] <= 2:
            self.send_response(500)
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            while self.path == "/endless":
                self.wfile.write(b"x" * 65536)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("", PORT), Receiver)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
