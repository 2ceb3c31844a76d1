# ruff: noqa: E501 (one row a line)
"""Lowered trees equal what `ast.parse` gives, nodes and positions."""

import ast
import random
import sys
import sysconfig
import warnings
from pathlib import Path

import pytest
from bitlens.source.lower import LoweringError, lower_text

SITE = Path(sysconfig.get_paths()["purelib"])
LIBRARY = Path(ast.__file__).parent

SNIPPETS = [
    "",
    "x = 1; y = 2;\n",
    "a = b = c, = d,\n",
    "x: int = 3\ny: str\nself.z: 'T' = a, b\nx[0]: int\n",
    "@a.b(c)\n@d\nclass C(B, *bs, metaclass=M, **kw):\n    'doc'\n    x = 1;\n",
    "def f(a, b=1, /, c: int = 2, *args: int, d, e=3, **kw) -> None: pass\n",
    "def f(*, a, b=1): return\nasync def g():\n  async with a as b, c: await d\n  async for x in y: yield x\n",
    "lambda: 0\nlambda a, /, b=1, *c, d=2, **e: (yield)\nlambda *, a: a\n",
    "(a + b) * (c)\n((a, b))\n((a))\n()\n(a,)\na,\n[*a, b]\n{*a, b}\n{**a, b: c}\n{}\n",
    "f(x for x in y)\nf((x for x in y))\nf(a, *b, c=d, **e)\n(x for x in y if z if w for v in u)\n",
    "{x: y for x, y in z}\n{x for x, in z}\n",
    "a[1]\na[1:2]\na[:, ::2, ...]\na[b,]\na[(1, 2)]\na[b:=1]\na[1:2,]\n",
    "not a and b and (c and d) or e\na < b <= c not in d is not e\n-1 ** 2\n~a @ b\n",
    "x = a if b else c\n(y := f(x))\nx += 1; x @= 2; x //= 3; x **= 4; x <<= 5\n",
    "try:\n  pass\nexcept (A, B) as e:\n  raise X from e\nexcept:\n  raise\nelse:\n  1\nfinally:\n  2\n",
    "if a:\n  pass\nelif b:\n  pass\nelif c: x\nelse:\n  y\n",
    "while a:\n  break\nelse: continue_\nfor i, in x, y:\n  continue\nelse:\n  z\n",
    "with (a as b, c as d,): pass\nwith (a, b): pass\nwith (a): pass\nwith (yield): pass\n",
    "import a.b.c as d, e\nfrom . import (f, g as h,)\nfrom ...i.j import *\nfrom .... import k\n",
    "del a, b\ndel (a, b)\ndel (a), b[0]\ndel a,\nassert x, 'y'\n",
    "def f():\n  global a, b\n  nonlocal_ = 1\n  def g():\n    nonlocal c\n  c = 1\n",
    "0x_ff, 0o17, 0b1, 1_000, 1.5e-3, 1j, 1., .5, 00\n",
    "'a' \"b\" '''c\n'''\nb'a' rb'\\n' b'\\x00\\r'\nu'x' 'y'\nr'\\d'\n'\\N{EM DASH}\\u00e9\\U0001F600\\x41\\101\\\n'\n",
    "f'a{b!r:>{c}}{{d}}' 'e' f'{f=}' f'{g = !s}' rf'\\d{h:\\d}'\nf''\nf'{x:%H:%M}{a != b}{ {1: 2}[1] }'\n",
    "é = 'ü' + naïve(ö='ß')  # comment ü\nx = 1\n",
    "match x:\n  case 1 | -2 | 1+2j | None | 'a' 'b' | a.b: pass\n  case [a, *b] | (c, d): pass\n  case e, *_: pass\n"
    "  case {'k': v, **rest}: pass\n  case P(1, x, y=2,) as q if q: pass\n  case (z): pass\n  case (1,): pass\n  case _: pass\n",
    "if x:\n\ty = \\\n\t\t1\n\x0cclass A: pass\n",
    "x = (1 +\r\n     2)\r\ny = '''a\r\nb'''\r\n",
    "print(*a, sep='')\nx = yield_, *b\nfor x in *a, b: pass\n",
    "def f():\n  return *a, b\n  x = yield from g\n  y = yield a, b\n",
]
NEW_SYNTAX = {
    (3, 11): ["a[*b]\na[*b, c]\n", "def f(*args: *Ts): pass\n", "try: pass\nexcept* A as e: pass\n"],
    (3, 12): [
        "type X = int\ntype Y[T: int, *Ts, **P] = T\n",
        "class A[T]: pass\ndef f[T: (int, str)](x: T) -> T: pass\n",
        "f'{x['a']}{'b'}'\n",
    ],
    (3, 13): ["type Y[T = int, *Ts = *tuple[int]] = T\n"],
}


class InsideInterpolated(ast.NodeTransformer):
    """Before Python 3.12 an f-string's parts have no places of their own."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.JoinedStr:
        for part in ast.walk(node):
            if part is not node and hasattr(part, "lineno"):
                part.lineno = part.end_lineno = part.col_offset = part.end_col_offset = 0  # type: ignore[attr-defined]
        return node


def dump(tree: ast.AST) -> list[str]:
    if sys.version_info < (3, 12):
        tree = InsideInterpolated().visit(tree)
    return ast.dump(tree, include_attributes=True, indent=1).splitlines()


def expected(text: str) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Invalid escapes in other people's strings.
        return dump(ast.parse(text))


def sample(pattern: str, folder: Path, count: int) -> list[Path]:
    return random.Random(5).sample(sorted(folder.glob(pattern)), count)


@pytest.mark.parametrize("text", SNIPPETS)
def test_every_kind_of_syntax(text: str) -> None:
    assert dump(lower_text(text)) == expected(text)


@pytest.mark.parametrize("text", [text for version, texts in NEW_SYNTAX.items() for text in texts])
def test_syntax_newer_than_this_python(text: str) -> None:
    """Equal where this Python knows the syntax, and no crash where it does not."""
    lowered = dump(lower_text(text))
    version = next(version for version, texts in NEW_SYNTAX.items() if text in texts)
    if sys.version_info >= version:
        assert lowered == expected(text)


@pytest.mark.parametrize(
    "path",
    [
        *sample("transformers/models/*/modeling_*.py", SITE, 12),
        *sample("torch/nn/modules/*.py", SITE, 6),
        *sample("*.py", LIBRARY, 15),
    ],
    ids=lambda path: path.name,
)
def test_real_files(path: Path) -> None:
    text = path.read_text("utf-8")
    assert dump(lower_text(text)) == expected(text)


def test_a_character_that_starts_no_token_is_an_error() -> None:
    with pytest.raises((ValueError, Exception), match=r"[Ss]yntax|unexpected"):
        lower_text("x = $\n")


def test_a_literal_without_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="character name"):
        lower_text(r"'\N{NO SUCH CHARACTER}'")


def test_tree_and_text_must_belong_together() -> None:
    import libcst
    from bitlens.source.lower import lower

    with pytest.raises(LoweringError, match="leaves"):
        lower(libcst.parse_module("a"), "a + b")
