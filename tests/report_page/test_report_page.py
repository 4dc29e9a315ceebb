"""The page of report.py: its HTML, its server, and what Chromium, where it is installed, makes of it."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers import ROOT
from model_records import CACHED, FAILED, model, write_steps
from PIL import Image

from autodl_design.record.history import RecordError
from autodl_design.report_page import page
from autodl_design.report_page import server as server_module
from autodl_design.report_page.page import LivePage, render
from autodl_design.report_page.searches import Search
from autodl_design.report_page.server import bind, make_app

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EVIL = "<img src=x onerror=alert(1)>"


def write(directory, models, name="history.jsonl"):
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("".join(json.dumps(model.to_json()) + "\n" for model in models))
    return directory


def search(count):
    models = [
        model(mid, 0.2 + 0.001 * mid, network=str(mid), num_params=1000 + mid, tokens=[0, 1, mid % 10, 2])
        for mid in range(count)
    ]
    return [*models, model(count, 0.2, network="0", **CACHED), model(count + 1, **FAILED)]


class Page(HTMLParser):
    """Tags with their attributes, and the text that a reader sees."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.parts = [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.parts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags[-1:] and self.tags[-1][0] not in ("script", "style"):
            self.parts.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def test_page_shows_the_search_and_needs_no_other_file(tmp_path):
    write(tmp_path, search(40))
    write(tmp_path, [model(7, 0.43, run=1), model(7, 0.45, run=2)], "final_candidates.jsonl")
    (tmp_path / "search.json").write_text('{"num_nodes": 2, "num_models": 60, "batch_size": 2}')
    rows = {"mean_accuracy": 0.2, "seconds": 30.0}, {"mean_accuracy": 0.25, "seconds": 90.0}
    write_steps(tmp_path / "steps.csv", *rows)
    with open(tmp_path / "steps.csv", "a") as file:
        file.write("2,0.3")  # a row that is still being written
    shown = Page(render(Search(tmp_path), [Search(tmp_path)]))
    for part in (
        "42 models: 40 trained, 1 with the network of an earlier one, 1 failed",
        "models 42 of 62",
        "completed steps 2",
        "time left 10 min",  # ten steps, a minute each
        "time searched 2 min",
        "mean of the last step 0.250",
        "best accuracy, model 7 0.440",
        "first 5 steps 0.2045 ± 0.0010 of 10 models",
        "last 5 steps",
        "Has it learned? Yes , since step 5: the last 5 steps have a mean accuracy of 0.2",
        "Trained again from other random numbers",
        "The ten best by one run, of those that were not trained again",
        "python retrain.py --architecture=",
        "7 0.440 0.430, 0.450",  # trained again
        "num_nodes 2",
        "1 conv_1x1, 1 conv_3x3",
    ):
        assert part in shown.text
    pictures = shown.all("img")
    assert len(pictures) == 1 + 2 + 4  # side by side; cells; operations and edges of each
    assert len(shown.all("svg")) == 2  # course and sizes, whose points are links
    assert all(picture["src"].startswith("data:image/svg+xml;base64,") for picture in pictures)
    assert all(picture["alt"] for picture in pictures)
    assert not any("src" in script for script in shown.all("script")) and not shown.all("link")
    front = shown.text.split("The Pareto front")[1].split("What it has learned")[0]
    # Its ends; model 7, which further runs found the best of all, beats the larger ones.
    assert "1,000" in front and "0.440 (mean of more runs)" in front and "1,008" not in front


def test_what_files_and_directories_are_called_is_text(tmp_path):
    log_dir = write(tmp_path / EVIL.replace("/", ""), search(3))
    (log_dir / "search.json").write_text(json.dumps({EVIL: EVIL, "b": {"c": EVIL}}))
    html = render(Search(log_dir), [])
    assert "<img src=x" not in html
    assert EVIL in Page(html).text
    (log_dir / "history.jsonl").write_text("{")
    assert "<img src=x" not in LivePage(log_dir).html()


def test_smallest_searches_have_a_page(tmp_path):
    one_node = {"tokens": [1, 2], "adjvec": []}
    assert "maxpool" not in Page(render(Search(write(tmp_path, [model(0, 0.5, **one_node)])), [])).text
    with pytest.raises(RecordError, match="no model has been trained"):
        Search(write(tmp_path, [model(0, **FAILED)]))


def test_live_page_follows_the_files_and_is_made_once_for_each_state(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "LARGEST_SHARE", float("inf"))
    live = LivePage(tmp_path)
    assert f"{tmp_path}/history.jsonl: No such file" in live.html()
    write(tmp_path, search(3))
    before = live.html()
    assert "model 2" in before and live.html() is before
    write(tmp_path, search(4))
    assert "model 3" in live.html()


def test_live_page_takes_a_small_share_of_the_time(tmp_path):
    live = LivePage(write(tmp_path, search(3)))
    before = live.html()
    write(tmp_path, search(4))
    assert live.html() is before  # making it took time, so it is not made again at once


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("history.jsonl", b"\xff\n", "line 1 is damaged"),
        ("history.jsonl", b"", "no model has been trained yet"),
        ("history.jsonl", b'{"mid": 0}\n', "line 1: has no"),
        ("steps.csv", b"a,b\n1,2\n", "steps.csv: line 1 is damaged"),
        ("search.json", b"[" * 100_000, "search.json is damaged"),
        ("search.json", b"[1]", "search.json is damaged"),
        ("final_candidates.jsonl", b"{}\n", "line 1: has no"),
    ],
)
def test_a_damaged_file_is_one_line_on_the_page(tmp_path, name, content, complaint):
    write(tmp_path, search(3))
    (tmp_path / "search.json").write_text("{}")
    (tmp_path / name).write_bytes(content)
    html = LivePage(tmp_path).html()
    assert html.count('class="fault"') == 1 and complaint in Page(html).text
    assert ("The ten best" in html) == (name != "history.jsonl")  # the rest is shown as ever


def test_server_answers_three_addresses_and_its_own_names(tmp_path):
    client = make_app(LivePage(write(tmp_path, search(3)))).test_client()
    for host in ("127.0.0.1:8000", "localhost:8000", "localhost"):
        assert client.get("/", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1:8000", "localhost.", ""):
        answer = client.get("/", headers={"Host": host})
        assert answer.status_code == 400 and b"model" not in answer.data
    for path in ("/history.jsonl", "/../report.py", "/%2e%2e/report.py", "/page.html", "/static/page.html"):
        assert client.get(path, headers={"Host": "localhost"}).status_code == 404
    answer = client.get("/", headers={"Host": "localhost"})
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    headers = {"Host": "localhost", "If-None-Match": answer.headers["ETag"]}
    assert client.get("/", headers=headers).status_code == 304
    for path, part in (("/refresh.js", b"fetch"), ("/models.js", b"showModel")):
        answer = client.get(path, headers={"Host": "localhost"})
        assert part in answer.data and answer.mimetype == "text/javascript"


def test_command_serves_on_this_machine_only_until_interrupted(tmp_path):
    write(tmp_path, search(3))
    command = [sys.executable, "report.py", "--serve", "--port=0", f"--log_dir={tmp_path}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as server:
        try:
            address = server.stdout.readline().split()[0]
            assert address.startswith("http://127.0.0.1:")
            port = address.rstrip("/").rpartition(":")[2]
            other = subprocess.run([*command, f"--port={port}"], cwd=ROOT, **pipes)
            assert other.returncode == 1
            assert other.stderr == f"report.py: --port={port}: Address already in use; name another one\n"
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0 and server.stderr.read() == ""
        finally:
            server.kill()


@contextlib.contextmanager
def serving(live):
    server = bind(live, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def closed_after(connection, seconds):
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "DEADLINE", 0.5)
    with serving(LivePage(write(tmp_path, search(3)))) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\n")
            for _ in range(40):
                try:
                    slow.sendall(b"X")
                except (BrokenPipeError, ConnectionResetError):
                    break
                if closed_after(slow, 0.1):
                    break
            else:
                pytest.fail("still served after four seconds")


def test_many_slow_clients_keep_nobody_out_and_are_no_more_than_the_bound(tmp_path):
    with serving(LivePage(write(tmp_path, search(3)))) as server, contextlib.ExitStack() as stack:
        before = threading.active_count()
        for _ in range(100):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            slow.sendall(b"GET / HT")
        assert (
            closed_after(stack.enter_context(socket.create_connection(("127.0.0.1", server.port))), 0.1)
            is False
        )
        assert threading.active_count() - before <= 2 * server_module.MOST_CONNECTIONS
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=20) as page:
            assert page.status == 200


# --- In a browser -----------------------------------------------------------------------------------


def chromium(tmp_path, *arguments):
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path}/chromium", "--dump-dom", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_browser_puts_new_models_on_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "LARGEST_SHARE", float("inf"))

    class Growing(LivePage):
        """One more model at each look."""

        count = 1

        def html(self):
            write(tmp_path / "log", search(self.count))
            self.count += 1
            return super().html()

    with serving(Growing(tmp_path / "log")) as server:
        address = f"http://127.0.0.1:{server.port}/"
        shown = Page(chromium(tmp_path, f"--virtual-time-budget={4000 * page.REFRESH_SECONDS}", address))
    assert "last at" in shown.text
    assert "best accuracy, model 0" not in shown.text and "best accuracy, model" in shown.text


def in_a_window(html, width):
    """A page that shows `html` in a frame of that width, since Chromium's own window is no narrower than
    500 pixels. Its title says how wide the inner page is, and how wide it may be."""
    return f"""<!DOCTYPE html><title>not measured</title><body style="margin: 0">
<iframe width={width} height=2000 style="border: 0" srcdoc="{escape(html)}"></iframe>
<script>
const frame = document.querySelector("iframe");
onload = () => document.title =
    frame.contentDocument.documentElement.scrollWidth + " of " + frame.contentWindow.innerWidth;
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [400, 1280])
def test_page_fits_the_window_and_is_not_blank(tmp_path, width):
    html = render(Search(write(tmp_path / "log", search(40))), [])
    (tmp_path / "window.html").write_text(in_a_window(html, width))
    window = (tmp_path / "window.html").as_uri()
    needed, given = Page(chromium(tmp_path, window)).text.split()[0:3:2]
    assert int(needed) <= int(given) == width

    chromium(tmp_path, "--window-size=1300,2000", f"--screenshot={tmp_path}/shot.png", window)
    shot = Image.open(tmp_path / "shot.png").convert("L").crop((0, 0, width, 2000))
    for top in range(0, 2000, 500):  # text and curves: a share of what is seen that no empty page has
        band = np.asarray(shot.crop((0, top, width, top + 500)), int)
        assert 0.005 < np.mean(abs(band - np.median(band)) > 40) < 0.5


CLICK = """
<script>
const links = [...document.querySelectorAll("figure svg a")];
const seven = links.filter((link) => link.getAttribute("xlink:href") === "#model-7");
const box = seven[0].querySelector("use").getBoundingClientRect();
const under = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2 + 4); // beside it
under.dispatchEvent(new MouseEvent("mouseover", { bubbles: true, clientX: 10, clientY: 10 }));
under.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_click_on_a_point_shows_the_model_and_its_cells(tmp_path):
    html = render(Search(write(tmp_path / "log", search(12))), [])
    (tmp_path / "page.html").write_text(html.replace("</body>", f"{CLICK}</body>"))
    shown = Page(chromium(tmp_path, "--window-size=1280,2000", (tmp_path / "page.html").as_uri())).text
    assert (
        shown.count("model 7, of step 3: accuracy 0.207, 1,007 parameters") == 2
    )  # the hint and the panel
    cells = shown.partition("This is model 7, of step 3: accuracy 0.207, 1,007 parameters.")[2]
    # tokens 0, 1 and 7, 2; node 0 feeds node 1 in the normal cell, and nothing in the other.
    assert cells.split("The best network")[0].strip() == (
        "Normal cell 0: conv_1x1 from input 1: conv_3x3 from 0, to the output "
        "Reduction cell 0: maxpool_5x5 from input, to the output 1: conv_5x5 from input, to the output"
    )
