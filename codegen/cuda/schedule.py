"""How kernels are cut up for a GPU: many small blocks, each as wide as its threads."""

from __future__ import annotations

from graphc.codegen.loops.schedule import Schedule

# Two "vectors" of 64 floats: a contraction's tile is 128 columns wide, one per thread, and
# keeps 14 rows in each thread's registers. A row of scratch must fit shared memory.
CUDA_SCHEDULE = Schedule(
    vector_bytes=256,
    registers=32,
    l1_bytes=128 << 10,
    l2_bytes=32 << 20,
    grain=1024,
    reduction_unroll=1,
    column_vectors=2,
    scratch_bytes=40 << 10,
    pieces=1024,
    panel_bytes=0,
    turns=0,
)
