"""Rows over a size that is known only when the program is called, down to none at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from graphc.ir.dims import dim
from graphc.ir.errors import Error
from graphc.ir.graph import Graph
from graphc.ir.interpret import bind_sizes, concrete
from graphc.ir.node import Attrs, Op, make
from graphc.ir.types import F32, Shape, Size, TensorType, tensor
from graphc.ops.control import parameters
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests import guard
from tests.judge import disagreement
from tests.rows.cases import SAMPLED, Case, cases

BATCHES = (0, 1, 5, 40)


@dataclass(frozen=True, eq=False)
class Batched:
    """A case in which every axis of one size has the size `batch`."""

    case: Case
    graph: Graph
    of: int

    def arguments(self, batch: int) -> list[np.ndarray]:
        """Arrays for one value of `batch`, filled with the sample's elements again and again."""
        found = []
        for type_, array in zip(self.graph.input_types, self.case.arrays, strict=True):
            shape = concrete(type_, {"batch": batch})
            flat = np.resize(np.ascontiguousarray(array).reshape(-1), int(np.prod(shape)))
            found.append(flat.reshape(shape).astype(array.dtype))
        return found


def renamed(sizes: Shape, of: int) -> Shape:
    """Sizes with one of them replaced by `batch`."""
    batch = dim("batch")
    return tuple(batch if size == of else size for size in sizes)


def in_attrs(attrs: Attrs, of: int) -> Attrs:
    """Attributes in which sizes of results are replaced."""
    changed: dict[str, object] = {}
    for field in dataclasses.fields(attrs):
        value: object = getattr(attrs, field.name)
        if field.name in ("shape", "limit", "sizes") and isinstance(value, tuple):
            sizes: tuple[Size, ...] = value
            changed[field.name] = renamed(sizes, of)
        elif isinstance(value, TensorType):
            changed[field.name] = tensor(value.dtype, renamed(value.shape, of))
    return dataclasses.replace(attrs, **changed)


def batched(row: Op) -> Iterator[Batched]:
    """The row's f32 cases, each of their sizes in turn being `batch`, where that has a type."""
    for case in cases(row):
        if not case.types or case.types[0].dtype is not F32:
            continue
        for of in sorted({int(str(size)) for type_ in case.types for size in type_.shape}):
            if of < 2:
                continue
            types = tuple(tensor(t.dtype, renamed(t.shape, of)) for t in case.types)
            try:
                params = parameters(types)
                graph = Graph(params, (make(row, params, in_attrs(case.attrs, of)),))
                bind_sizes(graph, [array.shape for array in case.arrays])
            except (Error, TypeError, ZeroDivisionError):
                continue
            if graph.output_types[0].shape != case.node().tensor.shape:
                yield Batched(case, graph, of)


FOUND = {row: found for row in SAMPLED if (found := list(batched(row)))}


@pytest.mark.parametrize("row", FOUND, ids=str)
def test_one_program_for_every_batch_size(row: Op) -> None:
    for one in FOUND[row]:
        executable = compile_graph(one.graph, Settings().resolve())
        for batch in BATCHES:
            if min(concrete(one.graph.output_types[0], {"batch": batch}), default=0) < 0:
                continue  # a padding that crops more than there is
            if batch == 0 and any(getattr(one.case.attrs, "interior", ())):
                continue  # whose size as a formula is that of one element or more
            arrays = one.arguments(batch)
            try:
                got = guard.call(executable, arrays)
                fault = disagreement(one.graph, arrays, got)
            except Error as error:
                with pytest.raises(type(error)):
                    disagreement(one.graph, arrays, ())
                continue
            assert not fault, f"batch of {batch}: {fault}\n{one.graph}"
