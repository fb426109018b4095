"""How graphc works, in about a hundred lines: one small function, taken through every stage.

    python examples/inside.py

Each stage is a value, each step between two stages is a plain function, and every value prints.
The example is one neuron: its loss, and how the loss changes with the weights.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc.codegen.llvm.entry import print_program
from graphc.codegen.loops.assemble import assemble
from graphc.codegen.loops.schedule import schedule_for
from graphc.codegen.target import host_target
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.passes import STANDARD, differentiate, fuse, plan_buffers
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings

Array: TypeAlias = Any  # of NumPy, or traced


def show(title: str, value: object, lines: int = 40) -> None:
    """Print a stage under its title, and its first lines if it is long."""
    text = str(value).rstrip().splitlines()
    print(f"\n=== {title}\n")
    print("\n".join(text[:lines]) + (f"\n... {len(text)} lines" if len(text) > lines else ""))


# 1. The program: ordinary Python on arrays.
def neuron(w: Array, x: Array, y: Array) -> Array:
    """The mean squared error of a neuron with tanh."""
    return gnp.mean((gnp.tanh(x @ w) - y) ** 2)


def slopes_by_differences(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient as its definition says, in float64: what we must find by other means."""
    step = 1e-5 * np.eye(len(w))
    wide = x.astype(np.float64), y.astype(np.float64)
    return np.array([(neuron(w + d, *wide) - neuron(w - d, *wide)) / 2e-5 for d in step])


def stages(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> Graph:
    """Print every stage; give the graph that has the gradient in it."""
    # 2. Trace: call the function with stand-ins for arrays that note what is done to them.
    graph = gc.make_graph(neuron)(w, x, y)
    show("traced: each line is one operation, made once however often it is written", graph)

    # 3. Differentiate: walk the graph backwards, asking each operation's row for its rule. The
    #    result is a graph again, with one more output.
    joint = differentiate(graph, wrt=[0])
    show("differentiated: the loss, and the loss's slopes along w", joint)

    # 4. Simplify, open definitions such as mean, fold constants, drop what nobody uses: the
    #    standard passes, each a function from a graph to a graph that means the same.
    optimized = joint
    for run in STANDARD:
        optimized = run(optimized)
    show(f"after {', '.join(run.__name__ for run in STANDARD)}", optimized)

    # 5. Fuse: operations that can share a loop become one kernel. Plan: every array gets a
    #    place in one block of memory, and places are used again.
    kernels = plan_buffers(fuse(optimized))
    show("fused and planned: what runs together, and where the results lie", kernels, 70)

    # 6. Lower: each kernel becomes loops over memory.
    program = assemble(kernels, schedule_for(host_target()))
    show("loops: shapes and names are gone, indices and memory are here", program, 60)

    # 7. Print: the loops as text for LLVM, vectors included. LLVM makes machine code of it.
    text = print_program(program, host_target().vector_bytes)
    show("llvm, from the first kernel on", text[text.index("define internal void @k0") :], 30)
    return joint


def main() -> None:
    """Take one function through all stages, run it, and check the result twice."""
    random = np.random.default_rng(0)
    x = random.normal(size=(20, 3)).astype(np.float32)
    w, y = random.normal(size=3).astype(np.float32), np.ones(20, np.float32)
    joint = stages(w, x, y)

    # 8. Load and call: LLVM's object code is in memory, one native call runs all kernels.
    native = compile_graph(joint, Settings().resolve())
    loss, slopes = native([w, x, y])

    # 9. Trust: the interpreter says what a graph means, and differences say what a slope is.
    by_law = interpret(joint, w, x, y)
    np.testing.assert_allclose(loss, by_law[0], rtol=1e-5)
    np.testing.assert_allclose(slopes, by_law[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes, slopes_by_differences(w, x, y), rtol=1e-3, atol=1e-5)
    print(
        f"\nloss {float(loss):.6f}, slopes {np.round(slopes, 6)}: as interpreted, and as measured"
    )

    # All of that in one line, as users write it:
    again = gc.jit(gc.value_and_grad(neuron))(w, x, y)
    np.testing.assert_array_equal(again[1], slopes)


if __name__ == "__main__":
    main()
