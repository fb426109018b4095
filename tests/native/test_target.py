"""What a target says, how a user names it, and where its code may run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graphc.codegen.host import host
from graphc.codegen.target import (
    Target,
    host_target,
    parse_target,
    require_runnable,
)
from graphc.ir.errors import CompileError


@pytest.mark.parametrize(
    ("text", "architecture", "vector_bytes", "registers"),
    [
        ("x86-64", "x86_64", 16, 16),
        ("x86-64-v2", "x86_64", 16, 16),
        ("x86-64-v3", "x86_64", 32, 16),
        ("x86-64-v4", "x86_64", 64, 32),
        ("aarch64", "aarch64", 16, 32),
        ("cpu=znver4", "x86_64", 64, 32),
        ("cpu=znver4,features=-avx512f", "x86_64", 32, 16),
        ("cpu=haswell", "x86_64", 32, 16),
        ("cpu=neoverse-n1", "aarch64", 16, 32),
    ],
)
def test_named_targets(text: str, architecture: str, vector_bytes: int, registers: int) -> None:
    target = parse_target(text)
    assert target.name == text
    assert target.architecture == architecture
    assert (target.vector_bytes, target.registers) == (vector_bytes, registers)
    assert ("-prefer-256-bit" in target.features) == (vector_bytes == 64)


def test_host() -> None:
    target = host_target()
    assert target == parse_target("native") == host_target()
    assert target.cpu == host().cpu
    assert target.vector_bytes in (16, 32, 64)
    assert 0 < target.l1_bytes <= target.l2_bytes
    require_runnable(target)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unknown target, got '', expected native"),
        ("x86-64-v5", "unknown target, got 'x86-64-v5', expected native"),
        ("znver4", "unknown target, got 'znver4', expected native"),
        ("native ", "unknown target"),
        ("cpu=", "unknown cpu, got ''"),
        ("cpu=zorgon", "unknown cpu, got 'zorgon', expected one of x86-64, "),
        ("cpu=znver4,+avx", "unknown target"),
        ("cpu=znver4,features=avx", "malformed feature, got 'avx', expected \\+name or -name"),
        ("cpu=znver4,features=+avx,,", "malformed feature, got ''"),
        ('cpu=znver4,features=+a"b', "malformed feature"),
        ("x86-64\0", "unknown target"),
    ],
)
def test_unknown_targets(text: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        parse_target(text)


def test_unknown_feature_where_the_names_are_known() -> None:
    if host_target().architecture != "x86_64":
        pytest.skip("needs an x86-64 processor, whose feature names LLVM lists")
    with pytest.raises(CompileError, match=r"unknown feature, got '\+zork'"):
        parse_target("cpu=znver4,features=+zork")


def test_key_tells_targets_apart() -> None:
    names = ("x86-64", "x86-64-v3", "x86-64-v4", "aarch64", "cpu=znver4", "native")
    targets = [parse_target(name) for name in names]
    # A host may well be what one of the names says, but for its caches.
    assert len({target.key() for target in targets}) == len(names)
    target = targets[0]
    assert target.key() == parse_target("x86-64").key()
    assert target.cpu in target.key()
    assert replace(target, features="+avx").key() != target.key()
    assert replace(target, l2_bytes=1).key() != target.key()
    assert replace(target, name="other").key() == target.key()


def foreign() -> Target:
    """A target of an architecture that this process does not have."""
    return parse_target("aarch64" if host_target().architecture == "x86_64" else "x86-64")


def test_foreign_code_is_not_run() -> None:
    with pytest.raises(CompileError, match=r"cannot run here, got .*, expected"):
        require_runnable(foreign())


def test_code_for_a_better_processor_is_not_run() -> None:
    if host_target().architecture != "x86_64":
        pytest.skip("needs an x86-64 processor")
    require_runnable(parse_target("x86-64"))
    missing = next(name for name, there in host().features if not there)
    with pytest.raises(CompileError, match=f"without {missing}"):
        require_runnable(parse_target(f"cpu=x86-64,features=+{missing}"))
    other = next(name for name in ("nehalem", "westmere") if name != host().cpu)
    with pytest.raises(CompileError, match="may use instructions that this processor lacks"):
        require_runnable(parse_target(f"cpu={other}"))
