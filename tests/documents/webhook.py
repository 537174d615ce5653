"""Has a webhook of the running service tried out, and its signature checked by the package that others use for it."""

import http.server
import json
import sys
import threading
import urllib.request

from standardwebhooks import Webhook, WebhookVerificationError

ADDRESS, TOKEN = sys.argv[1:]
CAME = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        CAME.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else b""
    request = urllib.request.Request(f"{ADDRESS}/v1/admin/{path}", data, headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


receiver = http.server.HTTPServer(("localhost", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
webhook = call("webhooks", {"url": f"http://localhost:{receiver.server_port}/", "events": ["*"]})
test = call(f"webhooks/{webhook['id']}/test")
assert test["state"] == "delivered", test
headers, body = CAME[0]
assert Webhook(webhook["secret"]).verify(body, headers)["type"] == "webhook.test"
try:
    Webhook(webhook["secret"]).verify(body + b" ", headers)
except WebhookVerificationError:
    pass
else:
    sys.exit("a message that was changed on its way passes for a good one")
call(f"webhooks/{webhook['id']}/rotate-secret", {"overlap_minutes": 60})
call(f"webhooks/{webhook['id']}/test")
headers, body = CAME[1]
assert Webhook(webhook["secret"]).verify(body, headers)
