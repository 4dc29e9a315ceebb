"""--trainers: which devices, how many trainers, and what is refused."""

import os
import sys

import psutil
import pytest

from autodl_design.trainers import devices, ray_cluster
from autodl_design.trainers.devices import CPU, DevicesError, Gpu, find_devices

GIB = 2**30


@pytest.fixture
def machine(monkeypatch):
    """Makes a machine of `gpus` GPUs with `gib` of free memory each, and of `cores` CPU cores."""

    def build(gpus: int, gib: int = 80, cores: int = 64, uuids: tuple[str, ...] = ()):
        found = [Gpu(str(i), i, f"GPU-{i}ab-cd", gib * GIB) for i in range(gpus)]
        found += [Gpu(uuid, gpus, uuid, gib * GIB) for uuid in uuids]  # MIG instances of a further card
        monkeypatch.setattr(devices, "_list_gpus", lambda: found)
        monkeypatch.setattr(devices.paddle, "is_compiled_with_cuda", lambda: bool(found))
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return build


@pytest.mark.parametrize(
    "trainers, expected",
    [
        ("cpu:2", [CPU, CPU]),
        ("gpu:1,3", ["1", "3"]),
        ("gpu:01", ["1"]),
        ("gpu:1x3", ["1", "1", "1"]),
        ("gpu:1,1,1", ["1", "1", "1"]),
        ("gpu:1x2,3x3", ["1", "3", "1", "3", "3"]),
        ("gpu:GPU-2ab", ["2"]),
        ("gpu:GPU-2ab-cdx2,0", ["2", "0", "2"]),
        ("gpu:MIG-7", ["MIG-7"]),
    ],
)
def test_devices_by_name(machine, trainers, expected):
    machine(4, uuids=("MIG-6", "MIG-7"))
    assert find_devices(trainers) == expected


@pytest.mark.parametrize(
    "trainers",
    ["", "cpu", "cpu:0", "cpu:x", "cpu:99999", "tpu:1", "auto:2"]
    + ["gpu:", "gpu:1,", "gpu:1x0", "gpu:1x", "gpu:x2"],
)
def test_devices_refused(machine, trainers):
    machine(4)
    with pytest.raises(DevicesError, match=f"--trainers={trainers} is neither auto nor like"):
        find_devices(trainers)


@pytest.mark.parametrize("trainers", ["gpu:4", "gpu:0,1,7", "gpu:GPU-9", "gpu:MIG-1"])
def test_gpus_that_are_not_there(machine, trainers):
    machine(4)
    with pytest.raises(DevicesError, match="there is no GPU .*the driver has 0, 1, 2, 3"):
        find_devices(trainers)


@pytest.mark.parametrize("trainers", ["gpu:0", "gpu:1,1"])
def test_gpus_where_paddle_has_none(machine, trainers):
    machine(0)
    with pytest.raises(DevicesError, match=f"--trainers={trainers}.*built for CPUs"):
        find_devices(trainers)


@pytest.mark.parametrize(
    "visible, expected",
    [
        (None, ["1", "2", "3"]),
        ("0", ["1", "2", "3"]),  # as the original is started: for the agent alone
        ("2,3", ["3"]),  # the agent has GPU 2
        ("3", ["3"]),
        ("GPU-1ab,GPU-3ab", ["3"]),
        ("0,1,9,2", ["1"]),
    ],
)
def test_automatic_devices(machine, monkeypatch, visible, expected):
    machine(4, cores=2)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_devices("auto") == expected


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
def test_automatic_devices_where_all_gpus_are_hidden(machine, monkeypatch, visible):
    machine(4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert set(find_devices("auto")) == {CPU}


@pytest.mark.parametrize(
    "gpus, gib, cores, expected",
    [
        (1, 80, 16, ["0", "0", "0"]),
        (2, 80, 16, ["1", "1", "1"]),
        (2, 80, 4, ["1", "1"]),
        (2, 13, 16, ["1", "1"]),
        (2, 4, 16, ["1"]),
        (3, 80, 8, ["1", "2", "1", "2"]),
    ],
)
def test_automatic_trainers_a_gpu(machine, gpus, gib, cores, expected):
    machine(gpus, gib, cores)
    assert find_devices("auto") == expected


def test_automatic_devices_of_a_split_card(machine):
    machine(0, cores=2, uuids=("MIG-6", "MIG-7", "MIG-8"))
    assert find_devices("auto") == ["MIG-7", "MIG-8"]


@pytest.mark.parametrize("gib, expected", [(100, 4), (10, 2), (1, 1)])
def test_automatic_devices_without_gpus(machine, monkeypatch, gib, expected):
    machine(0, cores=4)
    memory = psutil.virtual_memory()._replace(available=gib * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert find_devices("auto") == expected * [CPU]


class Driver:
    """pynvml of a machine with a whole card and one split in three, the second of which is free."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):
        pass

    nvmlInit = staticmethod(lambda: None)
    nvmlDeviceGetCount = staticmethod(lambda: 2)
    nvmlDeviceGetHandleByIndex = staticmethod(lambda number: f"card {number}")
    nvmlDeviceGetMaxMigDeviceCount = staticmethod(lambda card: 3)
    nvmlDeviceGetUUID = staticmethod(lambda handle: f"UUID of {handle}")

    def nvmlDeviceGetMigMode(card):
        if card == "card 0":
            raise Driver.NVMLError_NotSupported
        return [1, 1]

    def nvmlDeviceGetMigDeviceHandleByIndex(card, index):
        if index == 1:
            raise Driver.NVMLError
        return f"{card}/{index}"

    def nvmlDeviceGetMemoryInfo(handle):
        if handle == "card 0":
            return type("Memory", (), {"free": 5})
        raise Driver.NVMLError_NotSupported


def test_gpus_as_the_driver_lists_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Driver)
    monkeypatch.setattr(devices.paddle, "is_compiled_with_cuda", lambda: True)
    assert [gpu[:3] for gpu in devices._list_gpus()] == [
        ("0", 0, "UUID of card 0"),
        ("UUID of card 1/0", 1, "UUID of card 1/0"),
        ("UUID of card 1/2", 1, "UUID of card 1/2"),
    ]


def test_a_driver_that_answers_no_more(monkeypatch):
    def lost(number):
        raise Driver.NVMLError("GPU is lost")

    monkeypatch.setitem(sys.modules, "pynvml", Driver)
    monkeypatch.setattr(devices.paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(Driver, "nvmlDeviceGetHandleByIndex", lost)
    with pytest.raises(DevicesError, match="GPU is lost"):
        find_devices("auto")


def test_a_cluster_without_ray(monkeypatch):
    monkeypatch.setattr(ray_cluster, "ray", None)  # as its import leaves it where there is none
    with pytest.raises(DevicesError, match="requirements/cluster.txt"):
        ray_cluster.connect("ray")


@pytest.mark.parametrize("gpu", [True, False])
def test_the_gpu_of_this_process_is_checked(monkeypatch, gpu):
    def fail():
        raise RuntimeError("the GPU does not compute: a sum gives 0 instead of 4096")

    monkeypatch.setattr(devices, "on_gpu", lambda: gpu)
    monkeypatch.setattr(devices, "check_gpu", fail)
    if gpu:
        with pytest.raises(DevicesError, match="this process.*a sum gives 0"):
            devices.check_own_gpu()
    else:
        devices.check_own_gpu()
