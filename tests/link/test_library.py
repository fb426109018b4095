"""Shared libraries: called through ctypes and from C, by several threads, with wrong arguments."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from tests.link import models
from tests.link.building import STRICT, build, exported_symbols, needed_libraries, same_bits
from tests.link.test_executable import NESTED, PARAMS, X

pytestmark = pytest.mark.needs_cc
ENTRIES = ("looked_up", "trained", "parallel", "kinds", "computed", "clashing", "turned")

CALLER = """
#include "looked_up.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, TIMES = 50 };
static const float w[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const float b[3] = {-1, 0, 1};
static looked_up_context *shared;

static void *work(void *given)
{
    int mine = *(const int *)given;
    looked_up_context *own = mine % 2 ? looked_up_open(2) : shared;
    float x[64], h[48], rows[6], sum, first = 0;
    const int32_t i[2] = {0, 15};
    int wrong = own == NULL;
    for (int k = 0; k < 64; k++)
        x[k] = (float)k * 0.001f;
    for (int time = 0; !wrong && time < TIMES; time++) {
        wrong = looked_up_run(own, 16, x, b, w, i, h, rows, &sum);
        if (time == 0)
            first = sum;
        wrong = wrong || sum != first || memcmp(rows, h, 12) != 0;
    }
    if (own != shared)
        looked_up_close(own);
    *(int *)given = wrong;
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    int verdicts[THREADS], wrong = 0;
    shared = looked_up_open(1);
    for (int k = 0; k < THREADS; k++) {
        verdicts[k] = k;
        pthread_create(&threads[k], NULL, work, &verdicts[k]);
    }
    for (int k = 0; k < THREADS; k++) {
        pthread_join(threads[k], NULL);
        wrong |= verdicts[k];
    }
    looked_up_close(shared);
    puts(looked_up_error(wrong));
    return wrong;
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this file's libraries are."""
    return tmp_path_factory.mktemp("libraries")


def pointer(array: np.ndarray | None) -> ctypes.c_void_p:
    """What C takes for an array; NULL for none."""
    return ctypes.c_void_p(array.ctypes.data if array is not None else None)


def loaded(entry: str, folder: Path) -> ctypes.CDLL:
    """A library with the types of its functions."""
    library = ctypes.CDLL(str(build(entry, folder / f"{entry}.so", "so")))
    getattr(library, f"{entry}_open").restype = ctypes.c_void_p
    getattr(library, f"{entry}_close").argtypes = [ctypes.c_void_p]
    getattr(library, f"{entry}_close").restype = None
    getattr(library, f"{entry}_error").restype = ctypes.c_char_p
    return library


def call(library: ctypes.CDLL, context: int | None, batch: int, *arrays: np.ndarray | None) -> int:
    """Run `looked_up`."""
    given = [pointer(array) for array in arrays]
    code = library.looked_up_run(ctypes.c_void_p(context), ctypes.c_int64(batch), *given)
    assert isinstance(code, int)
    return code


def arrays_for(batch: int) -> list[np.ndarray]:
    """Inputs and outputs of `looked_up` for a batch."""
    x = np.resize(X, (batch, 4))
    inputs = [x, NESTED["params.b"], NESTED["params.layer.w"], np.zeros(2, np.int32)]
    outputs = [(batch, 3), (2, 3), ()]
    return inputs + [np.full(shape, -1, np.float32) for shape in outputs]


def test_exports_and_needs(folder: Path) -> None:
    library = build("looked_up", folder / "looked_up.so", "so")
    names = {f"looked_up_{part}" for part in ("open", "run", "close", "error")}
    assert exported_symbols(library, dynamic=True) == names
    assert needed_libraries(library) <= {"libc", "libm", "libpthread", "ld-linux-x86-64"}


def test_one_context_for_growing_batches(folder: Path) -> None:
    library = loaded("looked_up", folder)
    context = library.looked_up_open(2)
    compiled = gc.jit(models.looked_up).lower(models.ROWS, PARAMS, np.zeros(2, np.int32)).compile()
    for batch in (3, 40, 1, 200):
        arrays = arrays_for(batch)
        assert call(library, context, batch, *arrays) == 0
        expected = compiled(arrays[0], PARAMS, arrays[3])
        for name, array in zip(("h", "rows", "sum"), arrays[4:], strict=True):
            assert same_bits(array, expected[name])
    library.looked_up_close(context)


def test_wrong_arguments_are_codes(folder: Path) -> None:
    library = loaded("looked_up", folder)
    context = library.looked_up_open(1)
    arrays = arrays_for(2)
    arrays[3][:] = 2
    code = call(library, context, 2, *arrays)
    told = b"gather: got an index out of range, expected one within f32[batch,3]\n"
    assert library.looked_up_error(code).startswith(told)
    assert b"in looked_up" in library.looked_up_error(code)
    arrays[3][:] = 0
    for batch in (-1, -(2**63), 2**63 - 1, 2**60, 2**45):
        code = call(library, context, batch, *arrays)
        assert library.looked_up_error(code) == b"got a size that is negative or too large"
    for missing in range(7):
        given = [None if k == missing else array for k, array in enumerate(arrays)]
        code = call(library, context, 2, *given)
        assert library.looked_up_error(code) == b"got NULL, expected an array"
    assert call(library, None, 2, *arrays) == code
    assert call(library, context, 2, *arrays) == 0
    assert library.looked_up_error(0) == b"no error"
    assert library.looked_up_error(-5) == b"unknown code"
    library.looked_up_close(context)
    library.looked_up_close(None)


def test_donated_inputs_hold_the_outputs(folder: Path) -> None:
    library = loaded("trained", folder)
    header = (folder / "trained.h").read_text(encoding="utf-8")
    assert "params_b: f32[3], params.b in Python; donated, overwritten with out0.b" in header
    assert "out0.layer.w: f32[4,3], in the memory of params_layer_w" in header
    x = np.resize(X, (8, 4))
    expected, loss = gc.jit(models.trained)(PARAMS, x, np.float32(0.1))
    bias, weights = NESTED["params.b"].copy(), NESTED["params.layer.w"].copy()
    rate, got = np.array([0.1], np.float32), np.empty((), np.float32)
    context = library.trained_open(0)
    given = [pointer(array) for array in (bias, weights, x, rate, got)]
    assert library.trained_run(ctypes.c_void_p(context), *given) == 0
    library.trained_close(context)
    assert same_bits(bias, expected["b"])
    assert same_bits(weights, expected["layer"]["w"])
    assert same_bits(got, np.asarray(loss))


def test_four_python_threads_at_once(folder: Path) -> None:
    library = loaded("looked_up", folder)
    shared = library.looked_up_open(2)
    wrong: list[int] = []

    def work(number: int) -> None:
        arrays = arrays_for(50 + number)
        context = library.looked_up_open(2) if number % 2 else shared
        for _ in range(20):
            wrong.append(call(library, context, 50 + number, *arrays))
        if context != shared:
            library.looked_up_close(context)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    library.looked_up_close(shared)
    assert wrong == [0] * 80


def test_four_c_threads_at_once(folder: Path) -> None:
    library = build("looked_up", folder / "looked_up.so", "so")
    (folder / "caller.c").write_text(CALLER, encoding="ascii")
    command = ["cc", *STRICT, "caller.c", str(library), "-lpthread", "-o", "caller"]
    subprocess.run(command, cwd=folder, check=True)
    finished = subprocess.run(
        [str(folder / "caller")], env={}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (finished.returncode, finished.stdout) == (0, "no error\n")


@pytest.mark.parametrize("entry", ENTRIES)
def test_printed_texts_raise_no_warning(folder: Path, entry: str) -> None:
    kept = folder / f"kept-{entry}"
    build(entry, folder / f"warned-{entry}", "exe", "--keep", str(kept))
    command = ["cc", *STRICT, "-fsyntax-only", *map(str, sorted(kept.glob("*.c")))]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_header_is_c_plus_plus_too(folder: Path) -> None:
    build("computed", folder / "computed.so", "so")
    command = ["cc", "-x", "c++", "-Wall", "-Werror", "-fsyntax-only", str(folder / "computed.h")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cc1plus" in finished.stderr:
        pytest.skip("needs a C++ compiler")
    assert "double_: f32[n,n + 1]" in (folder / "computed.h").read_text(encoding="utf-8")
    assert finished.returncode == 0, finished.stderr
