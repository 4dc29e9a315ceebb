"""Requests to report.py --serve: it answers or closes the connection, says nothing and goes on."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from checks import ROOT

HOST = b"Host: 127.0.0.1\r\n"
LONG = b"a" * 100_000
LONGEST_REQUEST = 30  # seconds, as report_page/server.py promises
REQUESTS = {
    "no request": b"",
    "binary": bytes(range(256)) * 4 + b"\r\n\r\n",
    "one line": b"GET /\r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\n" + HOST,
    "long path": b"GET /" + LONG + b" HTTP/1.1\r\n" + HOST,
    "long header": b"GET / HTTP/1.1\r\nX: " + LONG + b"\r\n" + HOST,
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + HOST,
    "no host": b"GET / HTTP/1.1\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: evil\r\n" + HOST,
    "another host": b"GET / HTTP/1.1\r\nHost: evil.example\r\n",
    "host of bytes": b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n",
    "host with path": b"GET / HTTP/1.1\r\nHost: 127.0.0.1/../x\r\n",
    "parents": b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST,
    "coded parents": b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST,
    "static": b"GET /static/../search.json HTTP/1.1\r\n" + HOST,
    "other address": b"GET http://evil/ HTTP/1.1\r\n" + HOST,
    "NUL": b"GET /%00 HTTP/1.1\r\n" + HOST,
    "escapes": b"GET /\x1b[2J HTTP/1.1\r\n" + HOST,
    "wrong codes": b"GET /%zz%ff HTTP/1.1\r\n" + HOST,
    "long post": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\n0123456789",
    "negative length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n",
    "endless length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n",
    "length of text": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n",
    "chunked": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "smuggled": b"GET / HTTP/1.1\r\n" + HOST + b"\r\nGET /x HTTP/1.1\r\n" + HOST,
    "folded": b"GET / HTTP/1.1\r\n" + HOST + b" folded: x\r\n",
    "no colon": b"GET / HTTP/1.1\r\n" + HOST + b"what\r\n",
    "expect": b"GET / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n",
    "etags": b"GET / HTTP/1.1\r\n" + HOST + b"If-None-Match: " + b'"x",' * 9000 + b"\r\n",
    "date": b"GET / HTTP/1.1\r\n" + HOST + b"If-Modified-Since: Mon, 99 Foo 99999 99:99:99 GMT\r\n",
    "range": b"GET / HTTP/1.1\r\n" + HOST + b"Range: bytes=-99999999999999999999,5-1\r\n",
    "cookies": b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: " + b"a=b;" * 9000 + b"\r\n",
    "upgrade": b"GET / HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60),
    **{
        method: method.encode() + b" / HTTP/1.1\r\n" + HOST
        for method in (
            "HEAD",
            "POST",
            "PUT",
            "DELETE",
            "OPTIONS",
            "TRACE",
            "CONNECT",
            "PATCH",
            "get",
            "X" * 99,
            "\x1b[2J",
        )
    },
}


def ask(port: int, content: bytes, wait: float = 10) -> bytes:
    """All that is answered to a request whose sender closes its side. Raises TimeoutError."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), wait) as connection:
        try:
            connection.sendall(content + b"\r\n")
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except TimeoutError:
            raise
        except OSError:  # refused before it was read to its end
            pass
    return answer


def faults(base: Path) -> dict[str, str | None]:
    """By request, what was not as promised."""
    command = [sys.executable, str(ROOT / "report.py"), "--serve", "--port=0", f"--log_dir={base / 'log'}"]
    page = b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST
    found: dict[str, str | None] = {}
    with open(base / "serve.err", "w+b") as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=base) as server:
            try:
                port = int(server.stdout.readline().split()[0].rsplit(b":", 1)[1].strip(b"/"))
                slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
                opened = time.monotonic()
                for number, connection in enumerate(slow):
                    connection.sendall(b"GET / HT"[:number])
                found["50 clients that never end their request"] = fault(ask(port, page), errors)
                for name, content in REQUESTS.items():
                    try:
                        answer = ask(port, content)
                    except TimeoutError:
                        found[name] = "no answer"
                        continue
                    status = answer.split(b" ", 2)[1:2]
                    secret = b"root:" in answer or (
                        b"evil" in content and status == [b"200"] and b"two" not in name.encode()
                    )
                    found[name] = "it was let in" if secret else fault(ask(port, page), errors)
                while time.monotonic() < opened + LONGEST_REQUEST + 5:
                    found["clients that send a byte now and then"] = drip(slow, opened)
                    time.sleep(5)
                for connection in slow:
                    connection.close()
                time.sleep(1)
                found["clients that go away"] = fault(ask(port, page), errors)
            finally:
                server.terminate()
    return found


def drip(clients: list[socket.socket], opened: float) -> str | None:
    """A byte from each. A fault where one that was opened too long ago can still send."""
    served = 0
    for client in clients:
        try:
            client.sendall(b"X")
            client.settimeout(0.05)
            served += client.recv(1) != b""
        except TimeoutError:
            served += 1
        except OSError:
            pass
    age = time.monotonic() - opened
    return f"{served} still served after {age:.0f} s" if served and age > LONGEST_REQUEST + 3 else None


def fault(answer: bytes, errors) -> str | None:
    if b" 200 OK" not in answer[:20]:
        return f"the page is no longer shown: {answer[:60]!r}"
    errors.seek(0)
    said = errors.read()
    errors.seek(0)
    errors.truncate()
    return f"it says {said[:200]!r}" if said else None
