"""Shows the report in the browser: bind(LivePage(...), port).serve_forever()

Listens on 127.0.0.1 only, and answers only where it is addressed as 127.0.0.1 or localhost, so that no
other web site can read the page through a name of its own that it lets point here (DNS rebinding). There
are three addresses, /, /models.js and /refresh.js; nothing of an address becomes the name of a file.

A request and its answer have DEADLINE seconds. Where more than MOST_CONNECTIONS are open, the oldest are
closed, so that slow clients keep nobody out; twice as many threads are the most.
"""

import socket
import threading
import time
from contextlib import suppress

import flask
from werkzeug import Response
from werkzeug.exceptions import HTTPException
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from autodl_design.report_page.page import ENVIRONMENT, LivePage

HOST = "127.0.0.1"
DEADLINE = 30.0  # seconds
MOST_CONNECTIONS = 20
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'self'; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_app(page: LivePage) -> flask.Flask:
    app = flask.Flask(__name__, static_folder=None)
    app.config["TRUSTED_HOSTS"] = [HOST, "localhost"]

    @app.get("/")
    def show() -> Response:
        response = flask.make_response(page.html())
        response.add_etag()
        response.cache_control.no_cache = True  # the browser asks whether the page is still the same
        return response.make_conditional(flask.request)

    @app.get("/refresh.js")
    def refresh() -> flask.Response:
        return flask.Response(ENVIRONMENT.get_template("refresh.js").render(), mimetype="text/javascript")

    @app.get("/models.js")
    def models() -> flask.Response:
        return flask.Response(ENVIRONMENT.get_template("models.js").render(), mimetype="text/javascript")

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> tuple[str, int, dict[str, str]]:
        return f"{error.code} {error.name}\n", error.code or 500, {"Content-Type": "text/plain"}

    @app.after_request
    def secure(response: flask.Response) -> flask.Response:
        response.headers.update(HEADERS)
        return response

    return app


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *arguments) -> None:
        """Nothing: a page asks every few seconds, and what is no request gets an answer."""


class BoundedServer(ThreadedWSGIServer):
    """Closes connections that are older than DEADLINE, and the oldest where there are too many."""

    def __init__(self, *arguments, **options):
        self._lock = threading.Lock()
        self._opened: dict[socket.socket, float] = {}  # when; the oldest first
        self._cut_off: set[socket.socket] = set()  # whose threads have not ended yet
        super().__init__(*arguments, **options)

    # The stubs know datagrams too; here a request is a connection.
    def process_request(self, request, client_address) -> None:
        with self._lock:
            refused = len(self._opened) + len(self._cut_off) >= 2 * MOST_CONNECTIONS
            self._opened[request] = time.monotonic()
            self._cut_off_all(list(self._opened)[:-MOST_CONNECTIONS])
        if refused:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        with self._lock:
            self._opened.pop(request, None)
            self._cut_off.discard(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called by `serve_forever` twice a second."""
        latest = time.monotonic() - DEADLINE
        with self._lock:
            self._cut_off_all([request for request, opened in self._opened.items() if opened < latest])

    def _cut_off_all(self, requests: list[socket.socket]) -> None:
        """Their threads, which wait for the clients, see an end and close them."""
        for request in requests:
            del self._opened[request]
            self._cut_off.add(request)
            with suppress(OSError):  # the client has gone
                request.shutdown(socket.SHUT_RDWR)


def bind(page: LivePage, port: int) -> BoundedServer:
    """A server on the port (0: any free one), which `serve_forever` starts. Raises OSError where the port
    cannot be had."""
    # Bound here: on a port in use Werkzeug would print lines of its own and end the process.
    with socket.create_server((HOST, port)) as listener:
        return BoundedServer(HOST, port, make_app(page), handler=_QuietHandler, fd=listener.fileno())
