"""What a command tells its user to run next, run as it is printed, in a folder with blanks in its names."""

import re
import shlex
import shutil

from helpers import ROOT, run

COMMAND = re.compile(r"python ([a-z_]+\.py[^`\n]*)")


def commands_in(text: str) -> list[str]:
    return [command.strip() for command in COMMAND.findall(text)]


def test_every_command_that_is_printed_works(searched, tmp_path):
    """On the images of the search, though the folder also has the images that flags stand for."""
    folder = shutil.copytree(searched, tmp_path / "my folder")
    shutil.copytree(folder / "my subset", folder / "cifar/pickle-cifar-10")
    (folder / "cifar/pickle-cifar-10/data_batch_0.pkl").write_bytes(b"not these")
    picture = next((folder / "my shapes/circle").iterdir())

    texts = [
        run(ROOT / "main.py", "--resume", "--log_dir=my log", cwd=folder),
        run(ROOT / "main.py", "--data_path=my subset", "--log_dir=my log", cwd=folder),  # is there already
    ]
    waiting = [command for text in texts for command in commands_in(text.stdout + text.stderr)]
    done = []
    while waiting:
        command = waiting.pop(0)
        if command in done or (
            "--num_models" in command and any("--num_models" in other for other in done)
        ):
            continue  # a longer search prints the command for one that is longer still
        done.append(command)
        script, *arguments = shlex.split(command.replace("PICTURE ...", shlex.quote(str(picture))))
        result = run(ROOT / script, *arguments, cwd=folder, timeout=300)
        assert result.returncode == 0, (command, result.stderr)
        waiting += commands_in(result.stdout)
    scripts = {command.split()[0] for command in done}
    assert {"main.py", "report.py", "retrain.py", "predict.py"} <= scripts
    assert (folder / "retrained/classes.txt").read_text().split("\n") == ["circle", "it's a box", "ö", ""]
