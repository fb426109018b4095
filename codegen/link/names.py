"""Names of a model as C, command lines and file systems take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

# Words that a parameter of the printed functions must not be called: those of C and C++, macros
# of the headers that the printed files include, and what the functions themselves use.
KEYWORDS = (
    "alignas alignof and and_eq asm assert atomic auto bitand bitor bool break case catch char "
    "class compl complex concept const constexpr consteval constinit continue decltype default "
    "delete do double dynamic_cast else enum errno explicit export extern false float for friend "
    "goto if imaginary import inline int linux long main module mutable namespace new noexcept "
    "noreturn not not_eq nullptr operator or or_eq private protected public register requires "
    "restrict return short signed sizeof static static_assert static_cast stderr stdin stdout "
    "struct switch template this thread_local throw true try typedef typeid typename typeof "
    "union unix unsigned using virtual void volatile wchar_t while xor xor_eq "
    "arena_bytes bytes_fit code context inputs outputs quotient remainder_of reserve size_limit "
    "sizes smaller free arrays tables posix_memalign sysconf"
)
TAKEN = frozenset(KEYWORDS.split())


def identifier(name: str) -> str:
    """A name that C takes.

    >>> identifier("params.w0"), identifier("double"), identifier("3.b")
    ('params_w0', 'double_', 'v3_b')
    """
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    word = word if word[:1].isalpha() else f"v{word}"
    return f"{word}_" if word in TAKEN or word.startswith("pthread_") else word


def file_stem(name: str) -> str:
    """A name that every file system takes, and that leads to no other folder.

    >>> file_stem("w.0"), file_stem("../a b"), file_stem("")
    ('w.0', '_.._a_b', '_')
    """
    word = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[:100]
    return word if word[:1].isalnum() else f"_{word}"


def output_name(path: str) -> str:
    """What an output is called: its path in the result, after `out` where that is a number.

    >>> output_name("loss"), output_name("0.w"), output_name("")
    ('loss', 'out0.w', 'out')
    """
    return f"out{path}" if not path or path[0].isdigit() else path


def distinct(
    names: Iterable[str], made: Callable[[str], str], taken: Iterable[str] = ()
) -> tuple[str, ...]:
    """`made` of each name, with a number behind those that are there already.

    >>> distinct(("a.b", "a_b"), identifier)
    ('a_b', 'a_b_2')
    """
    known = set(taken)
    found = []
    for name in names:
        word = first = made(name)
        number = 2
        while word in known:
            word = f"{first}_{number}"
            number += 1
        known.add(word)
        found.append(word)
    return tuple(found)


def c_comment(text: str) -> str:
    """Text that stays inside a comment.

    >>> c_comment("a */ b")
    'a * / b'
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "? ?")
