"""Report on a search, during it or after it: has it learned, the best networks, pictures, and a page.

    python report.py --log_dir=log
    python report.py --log_dir=log --serve      # the page in the browser; it follows the search
    python report.py --log_dir=log --compare=log-2,log-random   # searches side by side

Says whether the agent has learned, prints the best networks of LOG_DIR/history.jsonl beside what guessing
would have, the Pareto front of accuracy and size, and what can be done next. Models that main.py
--final_candidates trained again are shown with the mean of these runs. Searches whose settings differ in
nothing but the seed are compared as one. Writes, into LOG_DIR unless --output_dir says otherwise:
    report.html         all of it as one page that needs no other file
    search_result.png   the course of the search, and of those it is compared with
    cnn_net.png         the best architecture: the network and its two cells
A cell of more than 40 nodes or 120 edges is told in words.
"""

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()


import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from autodl_design.checked_io.files import write_whole
from autodl_design.pictures.figures import png
from autodl_design.pictures.network_picture import draw_network, size_of
from autodl_design.record.history import RecordError
from autodl_design.report_page import pictures
from autodl_design.report_page.page import LivePage, render
from autodl_design.report_page.searches import Search, grouped
from autodl_design.report_page.text import describe_best, report_lines
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags


@dataclasses.dataclass(frozen=True)
class ReportSettings(Settings):
    """The report"""

    log_dir: str = setting("log", "Directory of the search.")
    compare: str | None = setting(
        None,
        "Directories of other searches to compare with, divided by commas; once called --baseline_dir.",
        alias="baseline_dir",
    )
    output_dir: str | None = setting(None, "Where page and pictures go; by default into --log_dir.")
    serve: bool = setting(False, "Show the page at http://127.0.0.1:PORT/ instead of writing files.")
    port: int = setting(8000, "Port of --serve; 0 takes any that is free.", low=0, high=65535)


class ReportError(Exception):
    """A directory or a port that cannot be used; the text is for the user."""


def report(log_dir: Path, others: Sequence[Path], output_dir: Path) -> None:
    """others: directories of searches to compare with. Raises RecordError where one cannot be read."""
    search, *compared = map(Search, (log_dir, *others))
    groups = grouped([search, *compared])
    for line in report_lines(search, groups):
        print(line)
    for fault in (fault for one in (search, *compared) for fault in one.faults):
        print(f"left out: {fault}")
    print()
    write(output_dir / "report.html", render(search, compared).encode())
    write(output_dir / "search_result.png", png(pictures.draw_search(search, groups)))
    model = search.best.model
    network = draw_network(model.architecture, describe_best(search), size_of(search.settings))
    write(output_dir / "cnn_net.png", png(network))


def write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from error
    print(f"wrote {path}")


def serve(log_dir: Path, others: Sequence[Path], port: int) -> None:
    from autodl_design.report_page.server import bind  # Flask is not needed otherwise

    for directory in (log_dir, *others):
        if not directory.is_dir():
            raise ReportError(f"{directory} is no directory; name that of a search")
    try:
        server = bind(LivePage(log_dir, others), port)
    except OSError as error:
        raise ReportError(f"--port={port}: {os.strerror(error.errno or 0)}; name another one") from error
    print(f"http://{server.host}:{server.port}/ shows the search in {log_dir}; Ctrl-C ends it", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass  # the usual end


def main(arguments: list[str]) -> None:
    config = from_flags(ReportSettings)
    log_dir = Path(config.log_dir)
    others = [Path(name) for name in dict.fromkeys((config.compare or "").split(",")) if name]
    given = [name for name in sys.argv[1:] if name.lstrip("-").startswith(("compare", "baseline_dir"))]
    if len(given) > 1:
        raise ReportError(f"{given[0]} and {given[1]}: name all searches in one --compare=A,B")
    if given and "baseline_dir" in given[0]:
        print(f"--baseline_dir is called --compare now: --compare={config.compare}")
    if config.serve:
        serve(log_dir, others, config.port)
    else:
        report(log_dir, others, Path(config.output_dir or log_dir))


if __name__ == "__main__":
    define_flags(ReportSettings)
    command_line.start(main, (ReportSettings,), (SettingsError, RecordError, ReportError))
