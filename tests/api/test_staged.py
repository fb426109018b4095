"""The stages with JAX's names: trace, lower, compile, and what each can tell."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.api.staged import STAGES
from graphc.tree import Tree

X, W = np.ones((8, 16), np.float32), np.ones((16, 4), np.float32)


def model(params: Tree, x: Tree) -> Tree:
    return gnp.tanh(x @ params["w"])


traced = gc.jit(model).trace({"w": W}, X)
compiled = traced.lower().compile()


def test_every_stage_is_text() -> None:
    lowered = traced.lower()
    texts = {stage: lowered.as_text(stage) for stage in STAGES}
    assert str(traced.graph) == texts["graph"] == lowered.as_text()
    for stage in ("graph", "optimized", "kernels"):
        assert str(gc.parse(texts[stage])).strip() == texts[stage].strip()
    assert "define" in compiled.as_text()
    assert "define" in texts["llvm"]
    assert "__global__" in texts["cuda"]
    assert "ret" in compiled.as_text("asm")
    assert texts == {stage: traced.lower().as_text(stage) for stage in STAGES}


def test_costs() -> None:
    cost = compiled.cost_analysis()
    assert cost["flops"] >= 2 * 8 * 16 * 4
    assert cost["bytes accessed"] >= X.nbytes + W.nbytes + 8 * 4 * 4
    memory = compiled.memory_analysis()
    assert memory.arguments == X.nbytes + W.nbytes
    assert memory.outputs == 8 * 4 * 4
    assert memory.aliased == 0
    assert memory.arena >= 0
    donated = gc.jit(lambda x: x + 1, donate_argnums=0).lower(X).compile().memory_analysis()
    assert (donated.outputs, donated.aliased) == (0, X.nbytes)


def test_the_stages_of_one_call() -> None:
    assert np.array_equal(compiled({"w": W}, X), gc.jit(model)({"w": W}, X))
    assert np.array_equal(gc.jit(model).lower({"w": W}, X).compile()({"w": W}, X), np.tanh(X @ W))
    assert compiled.out_tree.kind is None
    assert compiled.in_tree == traced.in_tree


def test_shapes_instead_of_arrays() -> None:
    shape = gc.ShapeDtypeStruct((8, 16), "float32")
    assert str(gc.jit(model).trace({"w": W}, shape).graph) == str(traced.graph)
    found = gc.eval_shape(model, {"w": W}, shape)
    assert (found.shape, found.dtype) == ((8, 4), np.float32)


@pytest.mark.needs_jax
def test_the_same_chain_as_in_jax() -> None:
    import jax
    import jax.numpy as jnp

    def jax_model(params: Tree, x: Tree) -> Tree:
        return jnp.tanh(x @ params["w"])

    theirs = jax.jit(jax_model).trace({"w": W}, X).lower().compile()
    assert np.allclose(theirs({"w": W}, X), compiled({"w": W}, X), rtol=1e-6)
    for name in ("as_text", "cost_analysis", "memory_analysis", "in_tree", "out_tree"):
        assert hasattr(theirs, name)
        assert hasattr(compiled, name)
    assert "flops" in theirs.cost_analysis()
    with pytest.raises(TypeError):
        theirs({"w": W}, X.astype(np.int32))
    with pytest.raises(TypeError):
        compiled({"w": W}, X.astype(np.int32))
