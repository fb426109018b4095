"""Matrix products against NumPy's and PyTorch's: `python -m benchmarks.gemm`.

Square ones from 64 to 2048, each operand transposed or not; skinny ones; batches; and with what
follows a product in networks. Medians of interleaved calls, processor time of one thread unless
`GRAPHC_THREADS` says otherwise. `ratio` is our time over the best other's, below 1 is faster.

    python -m benchmarks.gemm --only "256 nn"
    GRAPHC_THREADS=2 python -m benchmarks.gemm --only f32,square --seconds 1
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from benchmarks.timing import Call, Comparison, compare_with_torch
from graphc import nn
from graphc.tree import Tree

SQUARE = (64, 128, 256, 512, 1024, 2048)
# Rows, contracted length, columns.
SKINNY = (
    (100, 784, 10),
    (784, 100, 10),
    (1, 784, 512),
    (128, 10, 512),
    (1024, 1024, 10),
    (1, 4096, 4096),
    (128, 784, 512),
    (2048, 256, 96),
)
BATCHED = ((32, 64, 64, 64), (32, 128, 32, 128), (32, 128, 128, 32), (512, 8, 8, 8))
FOLLOWED = ((128, 784, 512), (1024, 128, 512), (512, 512, 512))
FOLLOWING = ("bias", "relu(bias)", "residual")


@dataclass(frozen=True)
class Case:
    """One line: its name, its operands, how they lie, and what follows the product."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    transposed: str = "nn"
    after: str = ""
    dtype: str = "f32"

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        columns = self.shapes[1][-2 if self.transposed[1] == "t" else -1]
        return 2 * int(np.prod(self.shapes[0])) * columns


def cases() -> Iterator[Case]:
    """All of them."""
    for dtype in ("f32", "f64"):
        for size in SQUARE:
            for kind in ("nn", "nt", "tn", "tt"):
                name = f"{dtype} square {size} {kind}"
                yield Case(name, ((size, size), (size, size)), kind, dtype=dtype)
        for m, k, n in SKINNY:
            yield Case(f"{dtype} skinny {m}x{k}x{n}", ((m, k), (k, n)), dtype=dtype)
        for batch, m, k, n in BATCHED:
            name = f"{dtype} batch {batch} of {m}x{k}x{n}"
            yield Case(name, ((batch, m, k), (batch, k, n)), dtype=dtype)
    for m, k, n in FOLLOWED:
        for after in FOLLOWING:
            third = (m, n) if after == "residual" else (n,)
            yield Case(f"f32 {m}x{k}x{n} {after}", ((m, k), (k, n), third), after=after)


def product(case: Case, library: Tree, relu: Tree, *operands: Tree) -> Tree:
    """The product, as each library writes it."""
    a, b, *more = operands
    a = library.swapaxes(a, -1, -2) if case.transposed[0] == "t" else a
    b = library.swapaxes(b, -1, -2) if case.transposed[1] == "t" else b
    y = library.matmul(a, b)
    if more:
        y = y + more[0]
    return relu(y) if case.after.startswith("relu") else y


def calls(case: Case, torch: Tree) -> dict[str, Call]:
    """Each contender's call."""
    random = np.random.default_rng(0)
    dtype = {"f32": np.float32, "f64": np.float64}[case.dtype]
    arrays = [random.standard_normal(shape).astype(dtype) for shape in case.shapes]
    ours = gc.jit(lambda *operands: product(case, gnp, nn.relu, *operands))
    found: dict[str, Call] = {
        "graphc": lambda: ours(*arrays),
        "numpy": lambda: product(case, np, lambda y: np.maximum(y, 0), *arrays),
    }
    if torch is not None:
        tensors = [torch.from_numpy(array) for array in arrays]
        if case.after in ("bias", "relu(bias)"):
            a, b, bias = tensors
            fused = torch.addmm
            if case.after == "bias":
                found["torch"] = lambda: fused(bias, a, b)
            else:
                found["torch"] = lambda: torch.relu_(fused(bias, a, b))
        elif case.after == "residual":
            a, b, more = tensors
            found["torch"] = lambda: torch.addmm(more, a, b)
        else:
            found["torch"] = lambda: product(case, torch, torch.relu, *tensors)
    return found


def main() -> None:
    """Print the table."""
    comparisons = (Comparison(case.name, case.flops, partial(calls, case)) for case in cases())
    compare_with_torch("matrix products", __doc__ or "", comparisons)


if __name__ == "__main__":
    main()
