"""Maps of arrays that lie in different orders: blocks of those that lie across are turned.

before: for i: for j in lanes: y[n*i + j] = x[i + m*j] + b[n*i + j]         a gather for each vector
after: blocks of i and j, in which x is copied, turned, to scratch; then the same on the copy
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from graphc.codegen.loops.domain import Axis, Domain
from graphc.codegen.loops.elements import Builder, work_type
from graphc.codegen.loops.index import ONE, Index, Var, index
from graphc.codegen.loops.language import For
from graphc.codegen.loops.rows import Output, Rows, in_pieces
from graphc.codegen.loops.schedule import Schedule
from graphc.codegen.loops.turned_blocks import Turned
from graphc.ops import movement

NARROWEST = 4  # bytes of what is computed with
HIGH, WIDE = 2, 4  # vectors of a block: along what lies across, and in lanes


def lower_turned_map(
    builder: Builder, domain: Domain, outputs: Sequence[Output], schedule: Schedule
) -> bool:
    """Write the kernel if it is a map and some arrays lie across it."""
    crossed = any(node.op is movement.transpose for node in domain.nodes)
    if domain.inner or len(domain.rows) < 2 or not crossed or not schedule.turns:
        return False
    lanes = schedule.lanes(
        max(NARROWEST, *(work_type(node.tensor.dtype).bytes for node in domain.nodes))
    )
    across = domain.rows[-1]
    for along in domain.rows[:-1]:
        begin = len(builder.block)
        blocks = _Blocks(builder, domain, along, across, outputs, schedule, lanes)
        if blocks.write():
            return True
        del builder.block[begin:]
    return False


@dataclass(frozen=True)
class _Cut:
    """Some stretches of a loop: how many, the size of each, and where the first begins."""

    count: int
    size: int
    first: int


def _cuts(size: int, most: int) -> list[_Cut]:
    """Whole stretches, and what is left of a loop."""
    rest = size % most
    cuts = (_Cut(size // most, most, 0), _Cut(1, rest, size - rest))
    return [cut for cut in cuts if cut.count and cut.size]


@dataclass
class _Blocks:
    """A map being written in blocks of two of its loops."""

    builder: Builder
    domain: Domain
    along: Axis
    across: Axis
    outputs: Sequence[Output]
    schedule: Schedule
    lanes: int
    fit: bool = True

    def write(self) -> bool:
        """All blocks; false if that does not fit."""
        sizes = [(axis.var.extent or ONE).as_int or 0 for axis in (self.along, self.across)]
        if min(sizes) < self.lanes:
            return False
        others = [
            (loop, loop.var.extent or ONE)
            for loop in self.domain.rows
            if loop not in (self.along, self.across)
        ]
        cuts = [
            _cuts(size, vectors * self.lanes)
            for size, vectors in zip(sizes, (HIGH, WIDE), strict=True)
        ]
        for high, wide in product(*cuts):
            loops = [*others, (self.along, index(high.count)), (self.across, index(wide.count))]
            write = partial(self._block, high=high, wide=wide)
            in_pieces(self.builder, loops, high.size * wide.size, self.schedule, write)
            if not self.fit:
                return False
        return True

    def _block(self, values: dict[Var, Index], high: _Cut, wide: _Cut) -> None:
        """One block."""
        builder = self.builder
        step = Var(builder.fresh("i"), index(high.size))
        lane = Var(builder.fresh("j"), index(wide.size))
        own = {
            **values,
            self.along.var: values[self.along.var] * high.size + high.first + index(step),
            self.across.var: values[self.across.var] * wide.size + wide.first + index(lane),
        }
        width = WIDE * self.lanes
        builder.values.clear()
        builder.cached.clear()
        with builder.inside() as body:
            rows = Rows(builder, self.domain, self.outputs, self.schedule, own, lane, index(width))
            rows.write()
        turned = Turned(builder, step, lane, width)
        walk = turned.block(body)
        begins = high.first == 0 and wide.first == 0
        self.fit = self.fit and turned.fits and (bool(turned.loaded) or not begins)
        turned.copy_in()
        inner = For(lane, "vector", tuple(walk), self.schedule.map_vectors)
        builder.loop(step, "serial", [inner])
        turned.copy_out()
