"""Side by side: one group a problem, one case a tool; seconds, peak memory, and what they are next to lossbarcode's."""

import ctypes
import gc
import platform
import re
from collections import defaultdict
from pathlib import Path

import pytest
import torch

OURS = "lossbarcode"


def resident(which):
    """Bytes of memory that this process holds now (VmRSS) or has held at most (VmHWM)."""
    return int(re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) * 1024


@pytest.fixture
def race(benchmark):
    """``race(group, tool, samples, call, rounds)`` times a call, notes the most memory it held, and returns its answer."""

    def run(group, tool, samples, call, rounds=3):
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = resident("VmRSS")
        benchmark.group = group
        answer = benchmark.pedantic(call, rounds=rounds)
        benchmark.extra_info.update(tool=tool, samples=samples, bytes_per_sample=round((resident("VmHWM") - before) / samples, 1))
        return answer

    return run


def pytest_terminal_summary(terminalreporter, config):
    groups = defaultdict(dict)
    for bench in config._benchmarksession.benchmarks:
        if "tool" in bench.extra_info:
            groups[bench.group][bench.extra_info["tool"]] = bench
    for group, tools in groups.items():
        terminalreporter.write_line(f"\n{group}")
        for tool, bench in sorted(tools.items(), key=lambda item: item[1].stats.median):
            own, info = tools.get(OURS), bench.extra_info
            ratios = f"{bench.stats.median / own.stats.median:7.1f} times the time" if own and own is not bench else ""
            memory = f"{info['bytes_per_sample']:8.1f} bytes per sample"
            terminalreporter.write_line(f"  {tool:24} {bench.stats.median:9.3f} s  {memory}  {ratios}")


def pytest_benchmark_update_machine_info(config, machine_info):
    """Only what a reader needs to know of the machine."""
    kept = {"cpu": machine_info["cpu"].get("brand_raw"), "threads": torch.get_num_threads(), "python": platform.python_version()}
    machine_info.clear()
    machine_info.update(kept, torch=torch.__version__)


def pytest_benchmark_update_json(config, benchmarks, output_json):
    """A small file: no raw data, no commit of a working copy."""
    output_json["commit_info"] = {}
    for bench in output_json["benchmarks"]:
        bench["stats"] = {key: bench["stats"][key] for key in ("min", "median", "rounds")}
        for key in ("fullname", "options", "param", "params"):
            bench.pop(key, None)
