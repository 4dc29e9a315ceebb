"""Shows the report in the browser: bind(LivePage(...), port).serve_forever()

Listens on 127.0.0.1 only, and answers only where it is addressed as 127.0.0.1 or localhost, so that no
other web site can read the page through a name of its own that it lets point here (DNS rebinding). There
are two addresses, / and /refresh.js; nothing of an address becomes the name of a file.
"""

import socket

import flask
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from autodl_design.report_page.page import ENVIRONMENT, LivePage

HOST = "127.0.0.1"
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
    def show() -> flask.Response:
        response = flask.make_response(page.html())
        response.add_etag()
        response.cache_control.no_cache = True  # the browser asks whether the page is still the same
        return response.make_conditional(flask.request)

    @app.get("/refresh.js")
    def refresh() -> flask.Response:
        return flask.Response(ENVIRONMENT.get_template("refresh.js").render(), mimetype="text/javascript")

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> tuple[str, int, dict[str, str]]:
        return f"{error.code} {error.name}\n", error.code, {"Content-Type": "text/plain"}

    @app.after_request
    def secure(response: flask.Response) -> flask.Response:
        response.headers.update(HEADERS)
        return response

    return app


class _QuietHandler(WSGIRequestHandler):
    timeout = 30  # seconds that a client may take for its request

    def log(self, type: str, message: str, *arguments) -> None:
        """Nothing: a page asks every few seconds, and what is no request gets an answer."""


def bind(page: LivePage, port: int) -> BaseWSGIServer:
    """A server on the port (0: any free one), which `serve_forever` starts. Raises OSError where the port
    cannot be had."""
    # Bound here: on a port in use Werkzeug would print lines of its own and end the process.
    with socket.create_server((HOST, port)) as listener:
        return make_server(
            HOST, port, make_app(page), threaded=True, request_handler=_QuietHandler, fd=listener.fileno()
        )
