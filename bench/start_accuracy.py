#!/usr/bin/env python3
"""How punctual jobs are, and what they cost while they wait, on the real program.

    bench/start_accuracy.py build/muster [--waiting 10000] [--due 500] [--quiet 30]

A hub of its own gets --waiting jobs that start in ten years. Then it is left alone for --quiet seconds
(its CPU time and memory are what waiting costs), and --due twin jobs come due, one every 50 ms. A device
that is attached over MQTT hears of each. Lateness is told twice: `device` is the moment at which the
device has the change in its hand, `record` the moment that the job's record gives for its begin.
"""
import argparse, base64, hashlib, hmac, http.client, json, os, re, shutil, signal, socket, ssl
import subprocess, sys, tempfile, threading, time, urllib.parse
from datetime import datetime, timezone

SPACING_S = 0.05
LEAD_S = 20
HOST = 'localhost'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def sas(scope, key, policy=None):
    expiry = str(int(time.time()) + 7200)
    scope = urllib.parse.quote(scope, safe='')
    signed = hmac.new(base64.b64decode(key), f'{scope}\n{expiry}'.encode(), hashlib.sha256).digest()
    token = f'SharedAccessSignature sr={scope}&sig={urllib.parse.quote(base64.b64encode(signed), safe="")}&se={expiry}'
    return token + (f'&skn={policy}' if policy else '')


class Hub:
    def __init__(self, program):
        self.dir = tempfile.mkdtemp(prefix='muster-start-')
        self.https, self.mqtt = free_port(), free_port()
        self.process = subprocess.Popen(
            [program, 'serve', '--data', self.dir, '--address', '127.0.0.1', '--https-port', str(self.https),
             '--mqtt-port', str(self.mqtt), '--log-level', 'warn'], stdout=subprocess.PIPE, text=True)
        if 'ready' not in self.process.stdout.readline():
            sys.exit('the hub did not start')
        text = subprocess.check_output([program, 'connection-string', '--data', self.dir, '--policy', 'iothubowner'], text=True)
        self.key = re.search(r'SharedAccessKey=(\S+)', text).group(1)
        self.tls = ssl.create_default_context(cafile=os.path.join(self.dir, 'ca.pem'))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.dir)

    def cpu_s(self):
        fields = open(f'/proc/{self.process.pid}/stat').read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def memory_kib(self):
        return int(re.search(r'RssAnon:\s+(\d+)', open(f'/proc/{self.process.pid}/status').read()).group(1))


class Rest:
    def __init__(self, hub):
        self.connection = http.client.HTTPSConnection(HOST, hub.https, context=hub.tls)
        self.headers = {'Authorization': sas(HOST, hub.key, 'iothubowner'), 'Content-Type': 'application/json'}

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        self.connection.request(method, f'{path}?api-version=2021-04-12', data, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f'{method} {path}: {answer.status} {text}')
        return json.loads(text)


def iso(unix):
    return datetime.fromtimestamp(unix, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')


def put_job(rest, name, start, n):
    rest.call('PUT', f'/jobs/v2/{name}', {
        'type': 'scheduleUpdateTwin', 'queryCondition': "deviceId = 'd1'", 'startTime': iso(start),
        'updateTwin': {'etag': '*', 'properties': {'desired': {'n': n}}}, 'maxExecutionTimeInSeconds': 300})


def many(hub, count, make):
    def work(first):
        rest = Rest(hub)
        for i in range(first, count, 8):
            make(rest, i)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


class Device(threading.Thread):
    """An MQTT 3.1.1 client that listens for desired properties and writes down when they come."""

    def __init__(self, hub, key):
        super().__init__(daemon=True)
        self.heard = {}
        self.sock = hub.tls.wrap_socket(socket.create_connection((HOST, hub.mqtt)), server_hostname=HOST)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        text = lambda s: len(s).to_bytes(2, 'big') + s
        user = f'{HOST}/d1/?api-version=2021-04-12'.encode()
        self.send(0x10, text(b'MQTT') + b'\x04\xc2' + (600).to_bytes(2, 'big') + text(b'd1') + text(user) +
                  text(sas(f'{HOST}/devices/d1', key).encode()))
        self.send(0x82, b'\x00\x01' + text(b'$iothub/twin/PATCH/properties/desired/#') + b'\x00')
        for want in (0x20, 0x90):
            kind, body = self.packet()
            if kind != want or body[-1] >= 0x80:
                sys.exit('the device was refused')
        self.start()

    def send(self, kind, body):
        size, out = len(body), bytes([kind])
        while True:
            out += bytes([size % 128 | (0x80 if size > 127 else 0)])
            size //= 128
            if not size:
                break
        self.sock.sendall(out + body)

    def exactly(self, size):
        data = b''
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                sys.exit('the connection of the device ended')
            data += more
        return data

    def packet(self):
        kind, size, shift = self.exactly(1)[0], 0, 0
        while True:
            byte = self.exactly(1)[0]
            size |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return kind, self.exactly(size)

    def run(self):
        while True:
            kind, body = self.packet()
            now = time.time()
            if kind & 0xf0 == 0x30:
                self.heard[json.loads(body[2 + int.from_bytes(body[:2], 'big'):])['n']] = now


def line(name, late):
    late = sorted(1000 * x for x in late)
    at = lambda q: late[min(len(late) - 1, int(q * len(late)))]
    print(f'{name:8} p50 {at(.5):7.2f} ms   p99 {at(.99):7.2f} ms   max {late[-1]:7.2f} ms   ({len(late)} jobs)')


def unix(text):
    whole, _, fraction = text.rstrip('Z').partition('.')
    return datetime.fromisoformat(whole + '+00:00').timestamp() + float('0.' + (fraction or '0'))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('program')
    parser.add_argument('--waiting', type=int, default=10000)
    parser.add_argument('--due', type=int, default=500)
    parser.add_argument('--quiet', type=int, default=30)
    args = parser.parse_args()
    hub = Hub(os.path.abspath(args.program))
    try:
        rest = Rest(hub)
        device = Device(hub, rest.call('PUT', '/devices/d1', {'deviceId': 'd1'})['authentication']['symmetricKey']['primaryKey'])
        put_job(rest, 'warm', time.time() - 1, -1)
        time.sleep(2)
        empty_kib, cpu = hub.memory_kib(), hub.cpu_s()
        time.sleep(args.quiet)
        print(f'no job waits:      {hub.cpu_s() - cpu:6.2f} s of CPU in {args.quiet} s')
        far = time.time() + 10 * 365 * 86400
        began = time.time()
        many(hub, args.waiting, lambda r, i: put_job(r, f'far-{i}', far + i, 0))
        print(f'{args.waiting} jobs made in {time.time() - began:.1f} s')
        time.sleep(3)
        full_kib, cpu = hub.memory_kib(), hub.cpu_s()
        time.sleep(args.quiet)
        print(f'{args.waiting} jobs wait:   {hub.cpu_s() - cpu:6.2f} s of CPU in {args.quiet} s')
        print(f'memory:            {1024 * (full_kib - empty_kib) / max(1, args.waiting):6.0f} bytes a job (RssAnon {empty_kib} -> {full_kib} KiB)')
        first = time.time() + LEAD_S
        starts = [round(first + i * SPACING_S, 6) for i in range(args.due)]
        many(hub, args.due, lambda r, i: put_job(r, f'due-{i}', starts[i], i))
        if time.time() > first:
            sys.exit('the machine is too slow: jobs became due before all were made')
        time.sleep(max(0, starts[-1] - time.time()) + 3)
        missing = [i for i in range(args.due) if i not in device.heard]
        if missing:
            sys.exit(f'{len(missing)} jobs never reached the device')
        line('device', [device.heard[i] - starts[i] for i in range(args.due)])
        late = []
        for i in range(args.due):
            rows = rest.call('POST', '/devices/query', {'query': f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'due-{i}'"})
            late.append(unix(rows[0]['createdDateTimeUtc']) - starts[i])
        line('record', late)
    finally:
        hub.stop()


main()
