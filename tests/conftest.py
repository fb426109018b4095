"""What every test shares: markers that skip with a reason, golden updates, a private cache.

A test says what it needs (`@pytest.mark.needs_nvcc`) and this file says whether it is here, so
that the closing line of a run counts what was left out and `pytest -rs` says why.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache

import hypothesis
import pytest

hypothesis.settings.register_profile("short", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("long", deadline=None, print_blob=True, max_examples=10_000)
hypothesis.settings.load_profile("short")


def lacks_program(name: str) -> str | None:
    """Why a test that runs a program cannot run, or None where it can."""
    return None if shutil.which(name) else f"needs {name} on PATH"


def lacks_library(name: str, extra: str) -> str | None:
    """Why a test that imports a library cannot run, or None where it can."""
    if importlib.util.find_spec(name):
        return None
    return f"needs {name}: pip install 'graphc[{extra}]'"


def lacks_gpu() -> str | None:
    """Why a test that launches kernels cannot run, or None where it can."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "needs an NVIDIA GPU: no libcuda.so.1"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return "needs an NVIDIA GPU: the driver does not start"
    if count.value == 0:
        return "needs an NVIDIA GPU: the driver sees none"
    return lacks_library("pycuda", "cuda")


NEEDS: dict[str, Callable[[], str | None]] = {
    "needs_cc": lambda: lacks_program("cc"),
    "needs_gpu": lacks_gpu,
    "needs_jax": lambda: lacks_library("jax", "peers"),
    "needs_nvcc": lambda: lacks_program("nvcc"),
    "needs_torch": lambda: lacks_library("torch", "peers"),
    "needs_z3": lambda: lacks_library("z3", "peers"),
}


@cache
def reason_to_skip(marker: str) -> str | None:
    """The verdict of one marker, asked once per run."""
    return NEEDS[marker]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the compiler says now into tests/golden, to be read in the diff",
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in NEEDS:
        what = marker.removeprefix("needs_")
        config.addinivalue_line("markers", f"{marker}: skipped where {what} is missing")
    config.addinivalue_line("markers", "fuzz: random programs; `make fuzz` runs 10,000 of them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in NEEDS:
            if item.get_closest_marker(marker) and (reason := reason_to_skip(marker)):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def update_golden(pytestconfig: pytest.Config) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(pytestconfig.getoption("--update-golden"))


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled code out of the home folder, and old code out of the tests."""
    before = os.environ.get("GRAPHC_CACHE_DIR")
    os.environ["GRAPHC_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["GRAPHC_CACHE_DIR"]
    else:
        os.environ["GRAPHC_CACHE_DIR"] = before


@pytest.fixture(autouse=True)
def jax_as_it_was() -> Iterator[None]:
    """No test leaves JAX with 64 bits for the next one, whose random numbers would be others."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None:
        jax.config.update("jax_enable_x64", False)
