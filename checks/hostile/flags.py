"""Values of flags that no run can use, and states of the machine that no command was made for."""

import os
from pathlib import Path

from checks.hostile.case import Case

TINY = [
    "--num_nodes=2",
    "--width=4",
    "--num_stages=2",
    "--num_cells=1",
    "--epochs=2",
    "--T_0=2",
    "--warmup=1",
    "--batch_size=2",
    "--num_models=3",
    "--trainers=cpu:1",
]
SEARCH = ["main.py", *TINY, "--data_path={base}/digits", "--log_dir={here}/log"]
REPORT = ["report.py", "--log_dir={base}/log", "--output_dir={here}/out"]
MAKE = ["dataset_maker.py", "--source=digits", "--output_dir={here}/out"]
PREDICT = ["predict.py", "--model={base}/model", "{base}/picture.png"]
RETRAIN = [
    "retrain.py",
    "--architecture={base}/log/best.json",
    "--data_path={base}/digits",
    "--epochs=2",
    "--output_dir={here}/ö",
]
SIMPLE = ["simple_main.py", "--num_models=3", "--num_nodes=2", "--batch_size=2"]
COMMANDS = {
    "dataset_maker": MAKE,
    "main": SEARCH,
    "simple_main": SIMPLE,
    "report": REPORT,
    "retrain": RETRAIN,
    "predict": PREDICT,
}

FLOATS = ("learning_rate", "bl_decay", "entropy_weight", "params_penalty", "failed_reward", "lr_max", "T_0")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def long_line(here: Path) -> None:
    (here / "flags").write_text("--flagfile=flags\n")


def fifo(here: Path) -> None:
    os.mkfifo(here / "flags")


def modules(here: Path) -> None:
    """Files of one's own that have the names of modules which the commands import."""
    for name in ("signal", "random", "types", "string", "json", "numpy", "PIL", "paddle", "psutil"):
        (here / f"{name}.py").write_text("raise SystemExit('not the module')\n")


def flag_cases() -> list[Case]:
    found = []
    for name in FLOATS:
        for value in ("nan", "inf", "-inf", "1e400", "", "x"):
            if (name, value) == ("failed_reward", ""):
                continue
            found.append(Case("flags", f"--{name}={value}", [*SEARCH, f"--{name}={value}"]))
    for text in (
        "--model_timeout=nan",
        "--model_timeout=0",
        "--start_timeout=inf",
        "--batch_size=100000000",
        "--batch_size=0",
        "--num_nodes=3000",
        "--hidden_size=1000000",
        "--input_size=10000000000",
        "--num_layers=1000",
        "--seed=-1",
        f"--num_models={10**16}",
        f"--num_models={'9' * 5000}",
        "--width=1000000000000",
        "--num_cells=1000000",
        "--log_dir=",
        "--log_dir=/dev/null",
        "--log_dir=/dev/null/x",
        "--data_path=",
        "--data_path=/dev/zero",
        "--trainers=gpu:9",
        "--trainers=gpu:0,0",
        "--trainers=",
        "--trainers=cpu:0",
        "--trainers=cpu:99999",
        "--trainers=\x1b[2J\n",
        "--cluster=\x1b[2J",
        "--preset=x",
        "--agent=\n",
        "--no_such_flag",
        "--\x1b[31m=1",
        "--advantage_power=2",
        "--num_tokens=99",
        "--final_candidates=-1",
        "--ladder=",
        "--ladder=4 \x1b[2J=1",
        "--ladder=2 width=99999999999999999999",
        "--retries=-1",
        "surplus\x1b[2J",
        "--log_dir=" + 300 * "a",
        "--chunk_size=1000000000",
        "--flagfile=flags",
        "--pdb",
        "--undefok=x",
        "--=",
        "-",
        "--ratio=0",
        "--bn_decay=nan",
        "--momentum=nan",
        "--weight_decay=inf",
    ):
        found.append(Case("flags", text[:40], [*SEARCH, text], long_line))
    for text in (
        "--log_dir=",
        "--port=-1",
        "--port=99999999",
        "--baseline_dir=none",
        "--output_dir=/dev/null/x",
        "--flagfile=flags",
    ):
        found.append(Case("flags", f"report {text}", [*REPORT, text], fifo))
    for text in (
        "--epochs=0",
        f"--epochs={10**30}",
        "--width=1000000000000",
        "--num_cells=1000000",
        "--architecture=/dev/zero",
        "--architecture=flags",
        "--architecture=none",
        "--output_dir=",
        "--input_dir=none",
        "--flagfile=flags",
    ):
        found.append(Case("flags", f"retrain {text[:40]}", [*RETRAIN, text], fifo))
    for text in ("--advantage_power=99", "--entropy_weight=nan", "--num_tokens=1", "--batch_size=100000"):
        found.append(Case("flags", f"simple {text}", [*SIMPLE, "--num_nodes=100", text]))
    for text in ("--model=", "--model=none", "--model=/dev/zero", "--model=flags", "--flagfile=flags"):
        found.append(Case("flags", f"predict {text}", [*PREDICT, text], fifo))
    wild = ["--params_penalty=1000000", "--advantage_power=99", "--batch_size=4"]
    found.append(Case("flags", "a policy that is not finite", [*SEARCH, *wild]))
    return found


def environment_cases() -> list[Case]:
    found = []

    def add(name, commands=COMMANDS, codes=(0,), **more):
        for script in commands:
            found.append(Case("states", f"{script}: {name}", COMMANDS[script], codes=codes, **more))

    add("closed standard output", shell='exec "$@" >&-')
    add("/dev/full", codes=(1,), shell='exec "$@" >/dev/full')
    add("| head", codes=(0, 141), shell='"$@" | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}')
    add("closed standard input and error", shell='exec "$@" <&- 2>&-')
    add("LC_ALL=C", environment=ASCII)
    add("no HOME", environment={"HOME": None})
    add("no TMPDIR", environment={"TMPDIR": "/none", "TEMP": None})
    add("a HOME that is not there", environment={"HOME": "/dev/null/x", "MPLCONFIGDIR": None})
    # Mounts are made in a namespace of their own, so that none outlives its case.
    mounts = 'mount --bind r r && mount -o remount,ro,bind r && cd r && exec "$@"'
    add("read-only working directory", shell=f"mkdir r; exec unshare -m bash -c '{mounts}' bash \"$@\"")
    add("deleted working directory", codes=(0, 1), shell='mkdir gone; cd gone; rmdir ../gone; exec "$@"')
    add("20 open files", codes=(0, 1), shell='ulimit -n 20; exec "$@"')
    add("modules in the working directory", prepare=modules)
    for name, value in {"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"}.items():
        add(f"{name}={value}", environment={name: value})
    for name, value in {
        "PYTHONOPTIMIZE": "2",
        "COLUMNS": "1",
        "TERM": "\x1b[2J",
        "LC_ALL": "tr_TR.UTF-8",
        "PYTHONIOENCODING": "utf-16",
    }.items():
        for script, (file, *_) in COMMANDS.items():
            environment = {name: value}
            command = [file, "--help"]
            label = f"{script} --help: {name}={value!r}"
            found.append(Case("states", label, command, codes=(0,), environment=environment))
    odd = {
        "OMP_NUM_THREADS": "x",
        "TZ": "Nowhere/../..",
        "COLUMNS": "0",
        "LINES": "x",
        "NO_COLOR": "",
        "PYTHONHASHSEED": "7",
        "CUDA_VISIBLE_DEVICES": "\x1b[2J",
    }
    add("odd variables", environment=odd)
    plain = "\"$@\" > out.txt || exit; ! grep -q $'\\x1b' out.txt"
    add("FORCE_COLOR into a file", shell=plain, environment={"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"})
    add("files of 3000 bytes", codes=(0, 1), shell='ulimit -f 3; exec "$@"')
    add("500 MB of addresses", ("dataset_maker", "report"), (0, 1), shell='ulimit -v 500000; exec "$@"')
    add(
        "SIGHUP",
        ("main", "simple_main", "retrain"),
        (0, 129, -1),
        shell='(sleep 4; kill -HUP $$) & exec "$@"',
    )
    add("SIGINT", ("main", "simple_main", "retrain"), (0, 130), shell='(sleep 4; kill -INT $$) & exec "$@"')
    stops = ("main", "simple_main", "retrain")
    add("SIGINT twice", stops, (0, 130, -2), shell='(sleep 4; kill -INT $$; kill -INT $$) & exec "$@"')
    add("SIGTERM", stops, (0, 143, -15), shell='(sleep 4; kill -TERM $$) & exec "$@"')
    add("SIGINT amid the imports", codes=(0, 130), shell='(sleep 0.4; kill -INT $$) & exec "$@"')
    add("stopped for seconds", stops, shell='(sleep 4; kill -STOP $$; sleep 3; kill -CONT $$) & exec "$@"')
    both = '"$@" & "$@"; a=$?; wait $!; b=$?; ((a < 2 && b < 2)) || exit 9; exit $((a * b))'
    add("two at once", ("dataset_maker", "main", "retrain", "report"), shell=both)
    small = 'unshare -m bash -c \'mount -t tmpfs -o size=64k x /dev/shm && exec "$@"\' bash "$@"'
    add("/dev/shm of 64 KB", ("main", "retrain", "dataset_maker"), (0, 1), shell=small)
    mounts = 'for d in ö log out; do mount -t tmpfs -o size=8k x $d; done; exec "$@"'
    full = f"mkdir -p ö log out; exec unshare -m bash -c '{mounts}' bash \"$@\""
    add("a full disk", ("main", "retrain", "report"), (1,), shell=full)
    return found
