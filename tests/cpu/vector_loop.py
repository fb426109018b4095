"""Run one vector function over arrays: the smallest native loop there is.

Shared by the tests of the vector mathematics and by its benchmark.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from graphc.codegen.llvm.math import declare

Floats = NDArray[np.floating[Any]]
LLVM_KINDS = {"f32": "float", "f64": "double"}
NUMPY_KINDS: dict[str, type[np.floating[Any]]] = {"f32": np.float32, "f64": np.float64}

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()


@dataclass(frozen=True)
class NativeLoop:
    """A compiled loop; it keeps alive the engine that owns its code."""

    engine: llvm.ExecutionEngine
    address: int
    dtype: str
    lanes: int
    arity: int

    def __call__(self, *operands: Floats) -> Floats:
        """The function at each element; lengths need not be a multiple of the lanes."""
        kind = NUMPY_KINDS[self.dtype]
        size = len(operands[0])
        padded = -(-size // self.lanes) * self.lanes
        inputs = [np.ones(padded, kind) for _ in operands]
        for full, operand in zip(inputs, operands, strict=True):
            full[:size] = operand
        result = np.empty(padded, kind)
        self.bound(inputs, result)()
        return result[:size]

    def bound(self, inputs: list[Floats], result: Floats) -> Callable[[], None]:
        """The call that fills `result`, whose length is a multiple of the lanes, without copies."""
        pointers = [array.ctypes.data for array in (*inputs, result)]
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(pointers), ctypes.c_int64)
        entry = signature(self.address)
        return lambda: entry(*pointers, len(result))


def loop_text(function: str, dtype: str, lanes: int, arity: int) -> str:
    """A module with the function and a loop that calls it over whole vectors."""
    declared = declare(function, dtype, lanes)
    scalar = LLVM_KINDS[dtype]
    kind = scalar if lanes == 1 else f"<{lanes} x {scalar}>"
    align = 4 if dtype == "f32" else 8
    names = ["x", "y"][:arity]
    pointers = ", ".join(f"ptr noalias %{name}_base" for name in names)
    loads = "\n".join(
        f"  %{name}_at = getelementptr {scalar}, ptr %{name}_base, i64 %i\n"
        f"  %{name} = load {kind}, ptr %{name}_at, align {align}"
        for name in names
    )
    arguments = ", ".join(f"{kind} %{name}" for name in names)
    return f"""
{chr(10).join(declared.intrinsics)}
{declared.text}
define void @loop({pointers}, ptr noalias %out_base, i64 %count) {{
entry:
  br label %body
body:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
{loads}
  %value = call {kind} @{declared.symbol}({arguments})
  %out_at = getelementptr {scalar}, ptr %out_base, i64 %i
  store {kind} %value, ptr %out_at, align {align}
  %next = add i64 %i, {lanes}
  %more = icmp slt i64 %next, %count
  br i1 %more, label %body, label %done
done:
  ret void
}}
"""


def host_machine() -> llvm.TargetMachine:
    """A machine for this processor that uses its widest vectors."""
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine: llvm.TargetMachine = target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=features + ",-prefer-256-bit" if features else "",
        opt=3,
        jit=True,
    )
    return machine


def optimised(text: str) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    """The module with its calls inlined, and the machine it is meant for."""
    machine = host_machine()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module, machine


def compile_loop(function: str, dtype: str, lanes: int, arity: int = 1) -> NativeLoop:
    """Compile a loop over the function for this processor."""
    module, machine = optimised(loop_text(function, dtype, lanes, arity))
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return NativeLoop(engine, engine.get_function_address("loop"), dtype, lanes, arity)


def assembly(function: str, dtype: str, lanes: int, arity: int = 1) -> str:
    """The machine code of the loop, as text."""
    module, machine = optimised(loop_text(function, dtype, lanes, arity))
    text: str = machine.emit_assembly(module)
    return text
