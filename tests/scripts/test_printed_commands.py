"""What a command tells its user to run next, run as it is printed, in a folder with blanks in its names."""

import importlib.util
import re
import shlex
import shutil

from helpers import ROOT, run

# What exports run in; make test does not install PyTorch.
FRAMEWORK = "torch" if importlib.util.find_spec("torch") else "paddle"
COMMAND = re.compile(r"python ([a-z_]+\.py[^`\n]*)")


def commands_in(text: str) -> list[str]:
    return [command.strip() for command in COMMAND.findall(text)]


def test_every_command_that_is_printed_works(searched, tmp_path):
    """On the images of the search, though the folder also has the images that flags stand for."""
    folder = shutil.copytree(searched, tmp_path / "my folder")
    shutil.copytree(folder / "my subset", folder / "cifar/pickle-cifar-10")
    (folder / "cifar/pickle-cifar-10/data_batch_0.pkl").write_bytes(b"not these")
    picture = next((folder / "my shapes/circle").iterdir())

    def run_here(command: str) -> str:
        """What it prints, on either output."""
        script, *arguments = shlex.split(command.replace("PICTURE ...", shlex.quote(str(picture))))
        ours = (ROOT / script).exists()
        result = run(ROOT / script if ours else script, *arguments, cwd=folder, timeout=300)
        assert result.returncode == 0, (command, result.stderr)
        return result.stdout

    refused = run(ROOT / "main.py", "--data_path=my subset", "--log_dir=my log", cwd=folder)
    assert refused.returncode == 1  # the search is there already
    waiting = commands_in(refused.stderr)
    waiting += [
        "main.py --resume --log_dir='my log'",
        f"export.py --architecture='my log/best.json' --to={FRAMEWORK}",
    ]
    done: list[str] = []
    while waiting:
        command = waiting.pop(0)
        longer = "--num_models" in command and any("--num_models" in other for other in done)
        if command not in done and not longer:  # a longer search prints how to search longer still
            done.append(command)
            waiting += commands_in(run_here(command))
    scripts = {command.split()[0] for command in done}
    assert {"main.py", "report.py", "retrain.py", "predict.py", "my_network.py"} <= scripts
    assert (folder / "retrained/classes.txt").read_text().split("\n") == ["circle", "it's a box", "ö", ""]
