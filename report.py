"""Report on a search, during it or after it: the best networks, what it learned, pictures, and a page.

    python report.py --log_dir=log
    python report.py --log_dir=log --serve      # the page in the browser; it follows the search
    python report.py --log_dir=log --baseline_dir=log-random   # made by main.py --agent=random

Prints the ten best networks of LOG_DIR/history.jsonl, the Pareto front of accuracy and size, how the last
steps compare with the first ones and with a baseline, and how the best did where main.py --final_candidates
trained them again. Writes, into LOG_DIR unless --output_dir says otherwise:
    report.html         all of it as one page that needs no other file
    search_result.png   the accuracy of every step, smoothed, the best so far, and the networks' sizes
    cnn_net.png         the best architecture: the network and its two cells
"""

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()


import dataclasses
import os
from pathlib import Path

from autodl_design.checked_io.files import write_whole
from autodl_design.pictures.figures import png
from autodl_design.pictures.network_picture import draw_network, size_of
from autodl_design.record.best import read_final_means, the_best
from autodl_design.record.history import RecordError
from autodl_design.record.reading import num_classes, read_models, read_settings
from autodl_design.report_page import pictures
from autodl_design.report_page.page import LivePage, render
from autodl_design.report_page.text import final_lines, report_lines
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags


@dataclasses.dataclass(frozen=True)
class ReportConfig(Settings):
    """The report"""

    log_dir: str = setting("log", "Directory of the search.")
    baseline_dir: str | None = setting(None, "Directory of another search to compare with.")
    output_dir: str | None = setting(None, "Where page and pictures go; by default into --log_dir.")
    serve: bool = setting(False, "Show the page at http://127.0.0.1:PORT/ instead of writing files.")
    port: int = setting(8000, "Port of --serve; 0 takes any that is free.", low=0, high=65535)


class ReportError(Exception):
    """A directory or a port that cannot be used; the text is for the user."""


def report(log_dir: Path, baseline_dir: Path | None, output_dir: Path) -> None:
    models = read_models(log_dir)
    baseline = read_models(baseline_dir) if baseline_dir else []
    for line in (*report_lines(models, baseline), *final_lines(read_final_means(log_dir), models)):
        print(line)
    try:
        settings = read_settings(log_dir)
    except RecordError:  # named on the page
        settings = {}
    best = the_best(log_dir, models)
    assert best is not None  # since read_models found a trained one
    write(output_dir / "report.html", render(log_dir, baseline_dir).encode())
    curve = pictures.draw_search(models, baseline, num_classes(settings))
    write(output_dir / "search_result.png", png(curve))
    network = draw_network(best.model.architecture, best.describe(), size_of(settings))
    write(output_dir / "cnn_net.png", png(network))


def write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from error
    print(f"wrote {path}")


def serve(log_dir: Path, baseline_dir: Path | None, port: int) -> None:
    from autodl_design.report_page.server import bind  # Flask is not needed otherwise

    for directory in filter(None, (log_dir, baseline_dir)):
        if not directory.is_dir():
            raise ReportError(f"{directory} is no directory; name that of a search")
    try:
        server = bind(LivePage(log_dir, baseline_dir), port)
    except OSError as error:
        raise ReportError(f"--port={port}: {os.strerror(error.errno)}; name another one") from error
    print(f"http://{server.host}:{server.port}/ shows the search in {log_dir}; Ctrl-C ends it", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass  # the usual end


def main(arguments: list[str]) -> None:
    config = from_flags(ReportConfig)
    log_dir = Path(config.log_dir)
    baseline_dir = Path(config.baseline_dir) if config.baseline_dir else None
    if config.serve:
        serve(log_dir, baseline_dir, config.port)
    else:
        report(log_dir, baseline_dir, Path(config.output_dir or log_dir))


if __name__ == "__main__":
    define_flags(ReportConfig)
    command_line.start(main, (ReportConfig,), (SettingsError, RecordError, ReportError))
