"""Whether everything works on this machine's GPUs, and how fast: a table to paste, and a JSON file.

    python -m checks.gpu    # under ten minutes; exits with 2 where there is no GPU

Checks, in processes of their own:
* The reference cases of the child network on a GPU must be within the bounds of
  checks/reference.py where float32 is computed as such. The deviations in TF32, which GPUs from
  Ampere on use for convolutions, are shown beside that, without a bound.
* One model is trained twice, in two processes at once: losses and weights must be the same bits. For the
  default network, in float32 and in mixed precision, and for the quick preset's.
* A search, the agent on GPU 0 and the trainers where --trainers puts them, is killed with kill -9 and
  resumed: its history and its policy must be those of a search left alone.

Then the speed of training, of both networks, in float32 and in mixed precision, with 1, 2 and 3 trainers on
one GPU: seconds an update of one trainer, and images a second of all of them. If PyTorch for GPUs is
installed, it trains the same networks beside that (benchmarks/torch_peer.py).

Exits with 1 if a check fails.
"""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from benchmarks import child_training, harness
from benchmarks.child_training import Network, Way
from checks import ROOT, faults

SIZES = ("default", "quick")
PRECISIONS = ("float32", "mixed")
TRAINERS_A_GPU = (1, 2, 3)
UPDATES = {"default": 60, "quick": 300}  # measured of each trainer
KILLED_AFTER = 5  # models


def run_on(device: str, function: Callable, *arguments: Any, **environment: str) -> Any:
    """The function's result, computed in a process that sees this device alone."""
    with mock.patch.dict(os.environ, environment):
        with harness.start_processes(1, threads=1, device=device) as pool:
            return pool.submit(function, *arguments).result()


# --- The machine --------------------------------------------------------------------------------------


def describe_machine() -> dict[str, Any]:
    """Versions and cards; a driver that is not there has no cards."""
    from autodl_design.backend.paddle_backend import paddle
    from autodl_design.trainers.devices import import_pynvml

    pynvml = import_pynvml()
    found = {"CUDA": paddle.version.cuda(), "cuDNN": paddle.version.cudnn(), "driver": None, "cards": []}
    try:
        pynvml.nvmlInit()
        found["driver"] = pynvml.nvmlSystemGetDriverVersion()
        for number in range(pynvml.nvmlDeviceGetCount()):
            card = pynvml.nvmlDeviceGetHandleByIndex(number)
            capability = ".".join(map(str, pynvml.nvmlDeviceGetCudaComputeCapability(card)))
            found["cards"].append(f"{pynvml.nvmlDeviceGetName(card)}, compute capability {capability}")
    except pynvml.NVMLError as error:
        found["driver"] = f"{found['driver']} ({error})"
    return found


# --- Checks: what each returns is for the JSON file, with the verdict under "ok" ------------------------


def check_reference_cases(device: str) -> dict[str, Any]:
    exact = run_on(device, reference_deviations, NVIDIA_TF32_OVERRIDE="0")
    usual = run_on(device, reference_deviations)
    return {
        "ok": all(deviation["ok"] for deviation in exact),
        "largest deviation / bound, in float32": max(d["value"] / d["bound"] for d in exact if d["bound"]),
        "largest deviation / bound, as trained": max(d["value"] / d["bound"] for d in usual if d["bound"]),
        "beyond their bounds": [deviation for deviation in exact if not deviation["ok"]],
    }


def reference_deviations() -> list[dict[str, Any]]:
    from checks.reference import DEFAULT_CASES, check

    cases = json.loads(DEFAULT_CASES.read_text())
    return [
        {"case": number, **deviation._asdict(), "ok": deviation.ok}
        for number, case in enumerate(cases)
        for deviation in check(case)
    ]


def check_same_twice(device: str, networks: dict[str, Network]) -> dict[str, Any]:
    digests = {}
    for name, network in networks.items():
        with harness.start_processes(2, threads=1, device=device) as pool:
            both = [pool.submit(digest_of_training, network, updates=10) for _ in range(2)]
            digests[name] = [digest.result() for digest in both]
    return {"ok": all(first == second for first, second in digests.values()), "digests": digests}


def digest_of_training(network: Network, updates: int) -> str:
    """SHA-256 of the losses and of all that two epochs of training changed."""
    from autodl_design.search_space.child import ChildSettings
    from nn_paddle import ChildTraining

    config = ChildSettings(**network.config)
    subset = harness.noise_subset(updates * config.train_batch_size, num_validation=10)
    digest = hashlib.sha256()
    rng = np.random.default_rng(0)
    with ChildTraining(network.architecture, config, subset, rng) as trainer:
        for _ in range(2):
            digest.update(np.array(trainer.train_epoch()).tobytes())
        for name, value in sorted(trainer.state().items()):
            digest.update(name.encode() + value.tobytes())
    return digest.hexdigest()


def check_search(trainers: str, num_models: int = 16) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        data_path, whole, killed = (Path(folder, name) for name in ("data", "whole", "killed"))
        command = [sys.executable, "dataset_maker.py", "--source=digits", f"--output_dir={data_path}"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        options = [f"--data_path={data_path}", f"--trainers={trainers}", f"--num_models={num_models}"]

        def search(log_dir: Path, most: float = float("inf")) -> faults.Search:
            """Runs a search to its end, or kills it when `most` models are done."""
            search = faults.Search(log_dir, options)
            while len(search.reported) < most and search.read_until_model():
                pass
            if search.process.poll() is None and len(search.reported) >= most:
                os.killpg(search.process.pid, signal.SIGKILL)
            search.finish()
            return search

        undisturbed = search(whole)
        interrupted = search(killed, KILLED_AFTER)
        resumed = search(killed)
        same = faults.results(whole) == faults.results(killed)
        found = {
            "output": [s.lines[:1] + s.lines[-1:] for s in (undisturbed, interrupted, resumed)],
            "models": len(faults.history(whole)),
            "exit codes": [s.process.returncode for s in (undisturbed, interrupted, resumed)],
            "same history": same,
            "same policy": same and faults.weights(whole) == faults.weights(killed),
        }
    ended = found["exit codes"] == [0, -signal.SIGKILL, 0]
    return {"ok": ended and found["same policy"] and found["models"] == num_models, **found}


# --- Speed --------------------------------------------------------------------------------------------


def measure_speed(
    device: str, networks: dict[str, Network], updates: dict[str, int], with_torch: bool
) -> list[dict[str, Any]]:
    """networks: by size and precision, "default, float32". updates: by size."""
    ways = {
        f"{count} trainer{'s'[: count > 1]}": Way(child_training.train_ours, count, 1, device)
        for count in TRAINERS_A_GPU
    }
    if with_torch:
        for count in (TRAINERS_A_GPU[0], TRAINERS_A_GPU[-1]):
            ways[f"PyTorch, {count} at a time"] = Way(child_training.train_torch, count, 1, device)
    measured = []
    for name, network in networks.items():
        count = updates[name.split(",")[0]]
        for way_name, way in ways.items():
            entry = {"network": name, "training": way_name}
            try:
                rate = child_training.images_per_second(way, network, count)
            except Exception as error:  # a card too small for three, say
                entry["error"] = repr(error)
            else:
                images = way.processes * network.config["train_batch_size"]
                entry |= {"images / s": round(rate, 1), "ms an update": round(1000 * images / rate, 2)}
            print(entry, flush=True)
            measured.append(entry)
    return measured


def draw_networks(sizes: tuple[str, ...], precisions: tuple[str, ...]) -> dict[str, Network]:
    """One random architecture of each size, by size and precision: "default, float32"."""
    return {
        f"{size}, {precision}": child_training.draw_networks(size, 1, amp=precision == "mixed")[0]
        for size in sizes
        for precision in precisions
    }


@dataclasses.dataclass(frozen=True)
class GpuSettings(Settings):
    """The check of GPUs"""

    trainers: str = setting("auto", "As main.py's; checks and speed take its first GPU.")
    output: str = setting("checks/gpu.json", "Where what was found goes, as JSON.")


def main(arguments: list[str]) -> None:
    settings = from_flags(GpuSettings)
    sys.exit(check_gpus(settings.trainers, settings.output))


def check_gpus(trainers: str, output: str) -> int:
    """Returns the exit code."""
    from autodl_design.backend.programs import on_gpu
    from autodl_design.trainers.devices import CPU, DevicesError, check_own_gpu, find_devices

    if not on_gpu():
        print("checks.gpu: Paddle finds no GPU here; see README.md, GPUs", file=sys.stderr)
        return 2
    try:
        check_own_gpu()
        devices = find_devices(trainers)
    except DevicesError as error:
        print(f"checks.gpu: {error}", file=sys.stderr)
        return 1
    if CPU in devices:
        print(f"checks.gpu: --trainers={trainers} asks for no GPU", file=sys.stderr)
        return 2
    device = devices[0]
    machine = describe_machine()
    print(f"CUDA {machine['CUDA']}, cuDNN {machine['cuDNN']}, driver {machine['driver']}")
    print("\n".join(machine["cards"]), flush=True)

    networks = draw_networks(SIZES, PRECISIONS)
    twice = {name: network for name, network in networks.items() if name != "quick, mixed"}
    checks = {
        "reference cases": lambda: check_reference_cases(device),
        "the same bits twice": lambda: check_same_twice(device, twice),
        "search, killed and resumed": lambda: check_search(trainers),
    }
    found = {}
    for name, check in checks.items():
        try:
            found[name] = check()
        except Exception as error:  # the others are worth knowing all the same
            found[name] = {"ok": False, "error": repr(error)}
        print(f"{name}: {'ok' if found[name]['ok'] else 'FAILED'} {found[name]}", flush=True)
    with_torch = find_spec("torch") is not None and run_on(device, torch_sees_a_gpu)
    speed = measure_speed(device, networks, UPDATES, with_torch)

    print()
    harness.print_table(["check", "result"], [[n, "ok" if c["ok"] else "FAILED"] for n, c in found.items()])
    print()
    header = ["network", "training", "images / s", "ms an update"]
    harness.print_table(header, [[entry.get(name, "-") for name in header] for entry in speed])
    harness.save({"gpus": machine, "checks": found, "speed": speed}, output)
    return 0 if all(check["ok"] for check in found.values()) else 1


def torch_sees_a_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    define_flags(GpuSettings)
    command_line.start(main, (GpuSettings,))
