"""A real hub for the Python tests: start, stop, and its REST side without an SDK."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

MUSTER = os.environ.get("MUSTER") or os.path.join(os.path.dirname(__file__), "../../../build/muster")
HOST = "myhub.hub.test"
DEADLINE_S = 60
REPORT = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")


class Hub:
    def __init__(self, args=()):
        self.scratch = tempfile.mkdtemp(prefix="muster-e2e-")
        self.args = [arg.format(scratch=self.scratch) for arg in args]
        self.dir = os.path.join(self.scratch, "data")
        self.log = []
        self.start()
        self.connection_string = subprocess.check_output(
            [MUSTER, "connection-string", "--data", self.dir], text=True).strip()
        self.key = re.search("SharedAccessKey=([^;]+)", self.connection_string).group(1)

    def start(self):
        ready = threading.Event()
        self.process = subprocess.Popen(
            [MUSTER, "serve", "--data", self.dir, "--host", HOST, *self.args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        def listen(pipe):
            for line in pipe:
                self.log.append(line)
                if re.search(r"\bready\b", line, re.IGNORECASE):
                    ready.set()
            ready.set()

        self.listener = threading.Thread(target=listen, args=(self.process.stdout,), daemon=True)
        self.listener.start()
        if not ready.wait(DEADLINE_S) or self.process.poll() is not None:
            raise AssertionError("the hub did not get ready:\n" + "".join(self.log))

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(DEADLINE_S)
        self.listener.join(DEADLINE_S)
        return code

    def restart(self):
        assert self.stop() == 0, "".join(self.log)
        self.start()

    def finish(self):
        """Stop, and fail for everything that went wrong unseen."""
        try:
            assert self.process.poll() is None, "the hub died:\n" + "".join(self.log[-50:])
            assert self.stop() == 0, "".join(self.log[-50:])
            assert not REPORT.search("".join(self.log)), "".join(self.log[-200:])
        finally:
            self.process.kill()
            shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def ca(self):
        with open(os.path.join(self.dir, "ca.pem"), encoding="ascii") as file:
            return file.read()

    def token(self):
        expiry = int(time.time()) + 3600
        text = f"{HOST}\n{expiry}".encode()
        mac = hmac.new(base64.b64decode(self.key), text, hashlib.sha256).digest()
        signature = urllib.parse.quote(base64.b64encode(mac), safe="")
        return f"SharedAccessSignature sr={HOST}&sig={signature}&se={expiry}&skn=iothubowner"

    def rest(self, method, path, body=None, expect=200):
        trust = ssl.create_default_context(cadata=self.ca)
        connection = http.client.HTTPSConnection(HOST, 443, context=trust, timeout=DEADLINE_S * 2)
        headers = {"Authorization": self.token(), "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection.request(method, f"{path}?api-version=2021-04-12", text, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status == expect, f"{method} {path}: {answer.status} {content}"
        return json.loads(content) if content else None

    def send(self, device_id, text, headers):
        """A cloud-to-device message."""
        trust = ssl.create_default_context(cadata=self.ca)
        connection = http.client.HTTPSConnection(HOST, 443, context=trust, timeout=DEADLINE_S * 2)
        path = f"/devices/{device_id}/messages/devicebound?api-version=2021-04-12"
        connection.request("POST", path, text, {"Authorization": self.token(), **headers})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status == 201, f"{answer.status} {content}"

    def create(self, device_id):
        """A new device; gives its connection string."""
        made = self.rest("PUT", f"/devices/{device_id}", {})
        key = made["authentication"]["symmetricKey"]["primaryKey"]
        return f"HostName={HOST};DeviceId={device_id};SharedAccessKey={key}"

    def call(self, device_id, name, payload):
        """A direct method that waits for the device to be there."""
        return self.rest("POST", f"/twins/{device_id}/methods", {
            "methodName": name, "payload": payload,
            "responseTimeoutInSeconds": 30, "connectTimeoutInSeconds": 60})

    def desire(self, device_id, patch):
        self.rest("PATCH", f"/twins/{device_id}", {"properties": {"desired": patch}})

    def reported(self, device_id):
        return self.rest("GET", f"/twins/{device_id}")["properties"]["reported"]
