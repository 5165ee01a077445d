#!/usr/bin/env python3
"""A running edge with a large block list: how soon what is saved or asked for holds, and what hits wait meanwhile.

    cargo build --release --bin seawall --example scale
    benches/scale_edge.py                 ten million rules; some two minutes, 5 GB in the folder for temporary files
    benches/scale_edge.py 1000000         as many as one likes
    SEAWALL=path SCALE=path benches/scale_edge.py

Prints a Markdown table. Loopback alone; every process that it starts it ends.
"""
import http.client, http.server, json, multiprocessing, os, pathlib, signal, statistics, subprocess, sys, tempfile, threading, time

ROUNDS = 20
TARGET = pathlib.Path(os.environ.get('CARGO_TARGET_DIR', 'target')) / 'release'
SEAWALL = os.environ.get('SEAWALL', TARGET / 'seawall')
SCALE = os.environ.get('SCALE', TARGET / 'examples' / 'scale')
PATIENCE = 300  # seconds that anything may take


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.send_response(200)
        self.send_header('Cache-Control', 'max-age=86400')
        self.send_header('Content-Length', '1024')
        self.end_headers()
        self.wfile.write(b'x' * 1024)

    def log_message(self, *_):
        pass


class Client:
    """One connection to the edge, kept open."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=PATIENCE)

    def status(self, path):
        """Asks again where the answer was cut, since a rule for it came into force."""
        while True:
            try:
                self.connection.request('GET', path, headers={'Host': 'w.example'})
                answer = self.connection.getresponse()
                answer.read()
                return answer.status
            except ConnectionResetError:
                self.connection.close()


def hits(address, told):
    """Hits one behind the other, until it is ended: when each began, and what it took."""
    client = Client(address)
    while True:
        began = time.monotonic()
        client.status('/hit')
        told.put((began, time.monotonic() - began))
        time.sleep(0.002)


def until(what):
    """Seconds until `what` is so."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > PATIENCE:
            sys.exit('scale_edge: it took too long; see what the edge says')
        time.sleep(0.001)
    return time.monotonic() - began


def millis(seconds):
    return f'{statistics.median(seconds) * 1000:.1f} ms, {max(seconds) * 1000:.1f} at worst'


class Edge:
    def __init__(self, folder, origin):
        self.folder, self.process = folder, None
        (folder / 'lists').mkdir()
        self.config = folder / 'seawall.toml'
        self.config.write_text(f'''
[edge]
listen = ["127.0.0.1:0"]
[admin]
listen = "127.0.0.1:0"
[takedown]
lists = ["lists"]
[state]
dir = "state"
[[site]]
name = "w"
hosts = ["w.example"]
origin = "http://127.0.0.1:{origin}"
''')

    def start(self):
        """Seconds until it is ready."""
        began = time.monotonic()
        says = self.folder / 'says'
        with open(says, 'wb') as out, open(self.folder / 'log', 'ab') as log:
            self.process = subprocess.Popen([SEAWALL, 'run', '-c', self.config], stdout=out, stderr=log)

        def named(name):
            lines = (line.split() for line in says.read_text().splitlines())
            return [line[1].removeprefix('http://') for line in lines if line[:1] == [name] and len(line) > 1]
        until(lambda: named('edge') and named('admin'))
        self.address, self.admin = named('edge')[0], named('admin')[0]
        until(self.is_ready)
        return time.monotonic() - began

    def is_ready(self):
        client = http.client.HTTPConnection(self.admin, timeout=PATIENCE)
        client.request('GET', '/readyz')
        return client.getresponse().status == 200

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def save(self, name, write):
        """As a good editor does it."""
        new = self.folder / 'new'
        write(new)
        os.rename(new, self.folder / 'lists' / name)

    def block(self, rule):
        token = (self.folder / 'state' / 'admin.token').read_text().strip()
        client = http.client.HTTPConnection(self.admin, timeout=PATIENCE)
        began = time.monotonic()
        client.request('POST', '/api/v1/blocks', json.dumps({'rules': [rule]}), {'Authorization': f'Bearer {token}'})
        answer = client.getresponse()
        answer.read()
        assert answer.status == 201, answer.status
        return time.monotonic() - began

    def is_kept(self):
        """Whether the copy and the table of the large list, as it was saved last, are written."""
        kept = self.folder / 'state' / 'lists'
        tables = [path.stat().st_mtime for path in kept.glob('*.index')]
        saved = (self.folder / 'lists' / 'large.txt').stat().st_mtime
        return max(tables, default=0) > saved and not any(path.name.startswith('.new-') for path in kept.iterdir())

    def memory(self):
        """Resident, in MiB."""
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(status.split('VmRSS:')[1].split()[0]) >> 10


def measure(rules, folder, edge):
    row = lambda what, value: print(f'| {what} | {value} |', flush=True)
    big = lambda path: subprocess.run([SCALE, 'write', str(rules), path], check=True)
    marked = lambda mark: lambda path: (big(path), open(path, 'a').write(f'https://w.example/{mark}\n'))
    print(f'| {rules:,} rules | |\n|---|---|')
    edge.start()
    small = edge.memory()
    client = Client(edge.address)
    blocked = lambda path: lambda: client.status(path) == 451
    assert client.status('/hit') == 200
    told = multiprocessing.Queue()
    hitting = multiprocessing.Process(target=hits, args=(edge.address, told), daemon=True)
    hitting.start()
    drained = []

    def waited(since):
        while not told.empty():
            drained.append(told.get())
        took = [took for began, took in drained if began + took >= since]
        return f'{statistics.median(took) * 1000:.1f} ms, {max(took) * 1000:.1f} at worst, of {len(took)}'
    try:
        for what, mark in [('the list is saved: in force after', 'first'), ('another version of it: in force after', 'second')]:
            edge.save('large.txt', marked(mark))
            began = time.monotonic()
            row(what, f'{until(blocked("/" + mark)):.2f} s')
            row('hits meanwhile', waited(began))
        saved = []
        for n in range(ROUNDS):
            edge.save('small.txt', lambda path: path.write_text(f'https://w.example/small-{n}\n'))
            saved.append(until(blocked(f'/small-{n}')))
        row('a list of one rule is saved beside it: in force after', millis(saved))
        # While a copy of the list is synced, everything that syncs waits for the disk.
        until(edge.is_kept)
        time.sleep(5)  # what compiling took is given back
        row('resident, more than without a list', f'{edge.memory() - small} MiB')
        edits = []
        for n in range(ROUNDS):
            edits.append(edge.block(f'https://w.example/live-{n}'))
            assert blocked(f'/live-{n}')()
        row('a live block is acknowledged, and in force, after', millis(edits))
    finally:
        hitting.terminate()
    edge.stop()
    row('a restart is ready after', f'{edge.start():.2f} s')
    client = Client(edge.address)
    for path in ['/second', '/small-19', '/live-0']:
        assert client.status(path) == 451, path


def main():
    rules = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    origin = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix='seawall-scale-') as folder:
        edge = Edge(pathlib.Path(folder), origin.server_port)
        try:
            measure(rules, pathlib.Path(folder), edge)
        except BaseException:
            sys.stderr.write((pathlib.Path(folder) / 'log').read_text()[-4000:])
            raise
        finally:
            if edge.process:
                edge.process.kill()
                edge.process.wait()


if __name__ == '__main__':
    main()
