"""Layers against torch's with torch's weights, and models as trees that train."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, random, tree
from graphc.ir.errors import ArgumentError, ShapeError
from tests.nn.comparing import Value
from tests.numpy.both_ways import real, whole

IMAGE, LINE, TIME = real(2, 4, 6, 6), real(3, 4), real(5, 2, 4)

# Constructors with one text for both libraries, and what they are called with.
LAYERS: dict[str, tuple[str, np.ndarray]] = {
    "linear": ("n.Linear(4, 3)", LINE),
    "linear without bias": ("n.Linear(4, 3, bias=False)", LINE),
    "embedding": ("n.Embedding(7, 3)", whole(2, 5, low=0, high=7).astype(np.int64)),
    "layer norm": ("n.LayerNorm(4)", LINE),
    "layer norm of images": ("n.LayerNorm((6, 6))", IMAGE),
    "group norm": ("n.GroupNorm(2, 4)", IMAGE),
    "instance norm": ("n.InstanceNorm2d(4, affine=True)", IMAGE),
    "batch norm": ("n.BatchNorm2d(4)", IMAGE),
    "batch norm of rows": ("n.BatchNorm1d(4)", LINE),
    "prelu": ("n.PReLU(4)", IMAGE),
    "sequential": (
        "n.Sequential(n.Linear(4, 5), n.GELU(), n.Sequential(n.Linear(5, 2), n.Tanh()))", LINE),
    "activations": ("n.Sequential(n.ReLU(), n.LeakyReLU(0.2), n.ELU(), n.SiLU(), n.Softplus(), "
                    "n.Sigmoid(), n.Softmax(-1), n.Identity(), n.GELU('tanh'))", LINE),
    "flatten": ("n.Flatten()", IMAGE),
    "conv1d": ("n.Conv1d(4, 3, 2, padding=1)", real(2, 4, 9)),
    "conv2d": ("n.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)", IMAGE),
    "max pool": ("n.MaxPool2d(3, 2, 1)", IMAGE),
    "avg pool": ("n.AvgPool2d(3, 2, 1)", IMAGE),
    "adaptive pool": ("n.AdaptiveAvgPool2d((3, 2))", IMAGE),
    "rnn": ("n.RNN(4, 3)", TIME),
    "gru": ("n.GRU(4, 3, 2, batch_first=True)", TIME),
    "lstm": ("n.LSTM(4, 3, 2, bias=False)", TIME),
    "rnn cell": ("n.RNNCell(4, 3, nonlinearity='relu')", LINE),
    "gru cell": ("n.GRUCell(4, 3)", LINE),
    "lstm cell": ("n.LSTMCell(4, 3)", LINE),
}  # fmt: skip


def both(text: str) -> tuple[Value, Value]:
    """A layer of ours with the weights of torch's."""
    import torch

    theirs = eval(text, {"n": torch.nn})
    ours = eval(text, {"n": nn})
    state = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k}
    assert list(ours.state_dict()) == list(state), (list(ours.state_dict()), list(state))
    return ours.load_state_dict(state), theirs


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", list(LAYERS))
def test_as_torch(name: str) -> None:
    import torch

    text, x = LAYERS[name]
    ours, theirs = both(text)
    found = gc.jit(lambda model, x: model(x))(ours, x)
    wanted = theirs(torch.tensor(x))
    flat = torch.utils._pytree.tree_flatten(wanted)[0]
    for one, two in zip(tree.leaves(found), flat, strict=True):
        np.testing.assert_allclose(one, two.detach().numpy(), rtol=1e-4, atol=1e-5)
    if not ours.parameters():
        return
    (flat[0] ** 2).sum().backward()
    grads = gc.grad(lambda model: (tree.leaves(model(x))[0] ** 2).sum())(ours)
    assert isinstance(grads, type(ours))
    for (path, one), (_, two) in zip(
        grads.named_parameters(), theirs.named_parameters(), strict=True
    ):
        np.testing.assert_allclose(one, two.grad.numpy(), rtol=1e-3, atol=1e-3, err_msg=path)


@pytest.mark.needs_torch
def test_batch_norm_statistics_come_back() -> None:
    import torch

    ours, theirs = both("n.Sequential(n.Conv2d(4, 5, 3), n.BatchNorm2d(5, momentum=0.3))")
    theirs(torch.tensor(IMAGE))

    def loss(model: Value, x: Value) -> tuple[Value, Value]:
        return (model(x) ** 2).mean(), model

    (_, moved), grads = gc.value_and_grad(loss, has_aux=True)(ours, IMAGE)
    for name, buffer in moved.named_buffers():
        np.testing.assert_allclose(buffer, theirs.get_buffer(name).numpy(), rtol=1e-4, atol=1e-5)
    assert all((buffer == 0).all() for buffer in grads.buffers())
    assert (np.asarray(ours[1].running_mean) == 0).all()
    moved.eval(), theirs.eval()
    found = gc.jit(lambda model, x: model(x))(moved, IMAGE)
    wanted = theirs(torch.tensor(IMAGE)).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    with pytest.raises(ArgumentError, match="expected it as an argument"):
        gc.jit(lambda x: ours(x))(IMAGE)  # noqa: PLW0108


@pytest.mark.needs_torch
def test_attention_as_torch() -> None:
    import torch

    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    ours = nn.MultiheadAttention(8, 2, batch_first=True).load_state_dict(theirs.state_dict())
    x, y = real(2, 5, 8), real(2, 7, 8, seed=1)
    mask = np.tril(np.ones((5, 7), bool), 2)
    inputs = [torch.tensor(each) for each in (x, y, y)]
    wanted = theirs(*inputs, attn_mask=torch.tensor(~mask), need_weights=False)[0]
    found = gc.jit(lambda model, x, y: model(x, y, y, mask))(ours, x, y)
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.needs_torch
@pytest.mark.parametrize("first", [True, False])
def test_encoder_layer_as_torch(first: bool) -> None:
    import torch

    theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, norm_first=first, batch_first=True).eval()
    ours = nn.TransformerEncoderLayer(8, 2, 16, norm_first=first, batch_first=True)
    ours.load_state_dict(theirs.state_dict()).eval()
    x = real(2, 5, 8)
    wanted = theirs(torch.tensor(x, requires_grad=True)).detach().numpy()
    found = gc.jit(lambda model, x: model(x))(ours, x)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
    trained = gc.jit(lambda model, x, key: model(x, key=key))(ours.train(), x, random.key(0))
    assert np.isfinite(trained).all() and not np.allclose(trained, found)


class Network(nn.Module):
    """A model as users write one: parts in a list, in a dict, a parameter and a number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = [nn.Linear(2, width), nn.Linear(width, width)]
        self.ends = {"out": nn.Linear(width, 1)}
        self.scale = np.ones((), np.float32)
        self.drop = nn.Dropout(0.1)
        self.slope = 0.1

    def forward(self, x: Value, key: Value = None) -> Value:
        for block in self.blocks:
            x = nn.leaky_relu(block(x), self.slope)
        return self.ends["out"](self.drop(x, key=key)) * self.scale


def test_a_model_trains() -> None:
    with nn.seeded(0):
        model = Network(16)
    names = [name for name, _ in model.named_parameters()]
    assert names == ["blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias",
                     "ends.out.weight", "ends.out.bias", "scale"]  # fmt: skip
    x = real(256, 2)
    y = (x[:, :1] * x[:, 1:]).astype(np.float32)
    optimizer = optim.adam(1e-2)
    state = optimizer.init(model)

    def loss(model: Value, key: Value) -> Value:
        return nn.mse_loss(model(x, key=key), y)

    @gc.jit
    def step(model: Value, state: Value, key: Value) -> Value:
        value, grads = gc.value_and_grad(loss)(model, key)
        updates, state = optimizer.update(grads, state, model)
        return optim.apply_updates(model, updates), state, value

    values = []
    for i in range(150):
        model, state, value = step(model, state, random.fold_in(random.key(1), i))
        values.append(float(value))
    assert type(model) is Network
    assert float(loss(model.eval(), None)) < 0.2 * values[0]


def test_structure() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.BatchNorm1d(3))
    leaves, structure = tree.flatten(model)
    assert tree.structure(tree.unflatten(structure, leaves)) == structure
    assert structure.paths[:2] == ("0.weight", "0.bias")
    numbers = tree.map(lambda leaf: 1.0, model)
    assert tree.structure(numbers) == structure
    assert len(model.parameters()) == 4 and len(model.buffers()) == 2 and len(model) == 3
    assert not model.eval()[1].training and tree.structure(model) != structure
    assert "Linear(in_features=2, out_features=3)" in repr(model)
    both = nn.ModuleList([nn.Linear(1, 1)]).append(nn.Tanh())
    assert [type(part).__name__ for part in both] == ["Linear", "Tanh"]


def test_functional_call_leaves_the_module() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = {name: np.array(value) for name, value in model.state_dict().items()}
    x = real(4, 2)

    def loss(parameters: Value) -> Value:
        return (nn.functional_call(model, parameters, x) ** 3).sum()

    grads = gc.grad(loss)(dict(model.named_parameters()))
    assert list(grads) == sorted(["0.weight", "0.bias", "1.weight", "1.bias"])
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    with pytest.raises(ArgumentError, match="functional_call: got 'weight'"):
        nn.functional_call(model, {"weight": x}, x)


def test_first_values() -> None:
    layer = nn.Linear(100, 50, key=random.key(0))
    assert abs(layer.weight).max() <= 0.1 and abs(layer.weight).std() > 0.02
    assert not np.array_equal(nn.Linear(2, 2).weight, nn.Linear(2, 2).weight)
    with nn.seeded(3):
        one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    assert not np.array_equal(one.weight, two.weight)
    init = nn.initializers
    shape = (3, 40, 60)
    for name, variance in (("glorot", 1 / 150), ("he", 2 / 120), ("lecun", 1 / 120)):
        for kind in ("uniform", "normal"):
            drawn = np.asarray(getattr(init, f"{name}_{kind}")()(random.key(1), shape))
            assert drawn.shape == shape and abs(drawn.var() / variance - 1) < 0.05
    q = np.asarray(init.orthogonal(2.0)(random.key(2), (4, 6)))
    np.testing.assert_allclose(q @ q.T, 4 * np.eye(4), atol=1e-5)
    assert math.isclose(float(init.constant(3.0)(random.key(0), (2,))[0]), 3.0)
    assert init.zeros(random.key(0), (2,)).sum() == 0 and init.ones(random.key(0), (2,)).sum() == 2
    assert abs(np.asarray(init.truncated_normal(2.0)(random.key(0), (999,)))).max() <= 4
    assert abs(float(np.std(init.normal(0.5)(random.key(0), (9999,)))) - 0.5) < 0.02
    assert 0 <= float(np.min(init.uniform(0.5)(random.key(0), (99,)))) < 0.5
    with pytest.raises(ShapeError, match="expected two axes or more"):
        init.he_normal()(random.key(0), (3,))
    with pytest.raises(ArgumentError, match="got mode 'fan'"):
        init.variance_scaling(1.0, "fan", "normal")


class Forgetful(nn.Module):
    """A module whose author forgot the base's constructor."""

    def __init__(self) -> None:
        self.weight = np.ones(2)


class Unhashable(nn.Module):
    """A module with a fixed attribute that cannot be compared."""

    def __init__(self) -> None:
        super().__init__()
        self.names = ["a"]


def test_refusals() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout())
    with pytest.raises(ArgumentError, match="Dropout: got no random key in training mode"):
        model(real(4, 2))
    with pytest.raises(ArgumentError, match=r"super\(\).__init__\(\) first"):
        Forgetful()
    with pytest.raises(ArgumentError, match=r"Unhashable\.names: got a list, which has no hash"):
        tree.flatten(Unhashable())
    with pytest.raises(ArgumentError, match="got no forward"):
        nn.Module()(1)
    state = model.state_dict()
    with pytest.raises(ArgumentError, match=r"got a state without \['0.bias'\]"):
        model.load_state_dict({"0.weight": state["0.weight"]})
    with pytest.raises(ShapeError, match=r"got 0.bias of shape \(4,\), expected \(3,\)"):
        model.load_state_dict(state | {"0.bias": np.ones(4)})
    with pytest.raises(ArgumentError, match="got 3 heads for 8 features"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(ArgumentError, match="got 3 groups of 4 to 6 channels"):
        nn.Conv2d(4, 6, 3, groups=3)
    with pytest.raises(ArgumentError, match="6x6 to 4x4"):
        nn.AdaptiveAvgPool2d(4)(IMAGE)
    with pytest.raises(ArgumentError, match="LayerNorm: got"):
        nn.LayerNorm(3)(real(2, 4))
