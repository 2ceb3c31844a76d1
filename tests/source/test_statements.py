"""A file as statements: split right, positions right, broken statements alone."""

import ast
import random
import sysconfig
import warnings
from pathlib import Path

import pytest
from bitlens.problems import BitlensError
from bitlens.source import statements
from bitlens.source.hollow import Waiting, filled
from bitlens.source.statements import SourceFile, parse, read
from bitlens.source.store import LoweredStore
from hypothesis import given, settings
from hypothesis import strategies as st

SITE = Path(sysconfig.get_paths()["purelib"])
FILES = random.Random(3).sample(sorted(SITE.glob("transformers/models/*/*.py")), 12)
EDITED = [path.read_text("utf-8")[:6000] for path in FILES]


def facts(source: SourceFile) -> list[tuple[str, int, int | None]]:
    """Every statement's tree with its first and last line in the file."""
    return [
        (ast.dump(node), node.lineno + statement.line - 1, (node.end_lineno or 0) + statement.line - 1)
        for statement in source.statements
        for node in statement.nodes
    ]


def fresh(text: str) -> list[tuple[str, int, int | None]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Invalid escapes in other people's strings.
        return [(ast.dump(node), node.lineno, node.end_lineno) for node in ast.parse(text).body]


def covered(source: SourceFile) -> set[int]:
    lines: set[int] = set()
    for statement in source.statements:
        lines.update(range(statement.line, statement.line + statement.text.count("\n") + 1))
    return lines


@pytest.mark.parametrize("draft", [True, False])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_statements_equal_a_whole_parse(path: Path, draft: bool) -> None:
    text = path.read_text("utf-8")
    source = parse(text, draft=draft)
    assert facts(source) == fresh(text)
    assert source.problems == ()


TRICKY = [
    "",
    "\n\n# only a comment\n",
    "\ufeffx = 1\n",
    "x = 1\r\ny = '''a\r\nb'''\r\n",
    "x = 1\ry = 2\r",
    "\tx = 1\n".replace("\t", ""),
    "\x0cx = 1\n\x0cclass A:\n\tpass\n",
    "if a:\n    b\n# comment\nelse:\n    c\ntry:\n    d\nexcept E:\n    e\nfinally:\n    f\n",
    "@a\n# between\n@b(\n1)\nclass C:\n  x = 1\n\n  # tail\ny = 1",
    "x = (1,\n2,\n)\ny = \\\n1\nz = [\n# ]\n']'\n]\n",
    "x = '''\n# not a comment '''\ny = 1\n",
    "'''doc\nclass A: pass\n'''\nx = 1\n",
    "a = 1; b = 2; c = 3\nd = 4\n",
    "for x in y:\n  pass\nelse:\n  z\nwhile 1: pass\n",
]


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_layout(text: str) -> None:
    assert facts(parse(text)) == fresh(text.removeprefix("\ufeff"))


BROKEN = [
    ("x = (1,\n", "x"),
    ("class A:\n    def f(self:\n        pass\n", "A"),
    ("x = = 2\n", "x"),
    ("x = 'open\n", "x"),
    ("def f(a, b\n    return 1\n", "f"),
    ("x = $\n", "x"),
]


@pytest.mark.parametrize(("broken", "name"), BROKEN)
@pytest.mark.parametrize("draft", [True, False])
def test_a_broken_statement_loses_only_itself(broken: str, name: str, draft: bool) -> None:
    before, after = "import a\nu = 1\n", "def g():\n    return 2\n\nclass B:\n    pass\n"
    source = parse(before + broken + after, draft=draft)
    kinds = [type(statement.node).__name__ for statement in source.statements]
    assert kinds[:2] == ["Import", "Assign"]
    assert kinds[-2:] == ["FunctionDef", "ClassDef"]
    problems = source.problems
    assert problems
    assert all(problem.code == "syntax-error" for problem in problems)
    assert all(3 <= (problem.line or 0) <= 2 + broken.count("\n") + 1 for problem in problems)


def test_a_long_table_is_read_by_the_quicker_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    table = "x = [" + ", ".join(f"({n}, 'ü')" for n in range(6_000)) + "]\n"
    expected = fresh(table)
    with monkeypatch.context() as patch:
        patch.setattr(statements, "lower", None)
        assert facts(parse(table)) == expected
    deep = table.replace("x = [", "x = [" + "(" * 100 + "1" + ")" * 100 + ", ")
    (problem,) = parse(deep).problems
    assert "too deeply" in problem.message
    (broken,) = parse(table.replace("= [", "= = [")).problems
    assert (broken.line, broken.column) == (1, 5)


def test_an_unexpected_indent_belongs_to_the_statement_above() -> None:
    source = parse("  x = 1\ny = 2\n  z = 3\nclass A: pass\n")
    assert [statement.node is None for statement in source.statements] == [True, True, False]


def test_lines_are_relative_to_the_statement_and_found_again() -> None:
    source = parse("import a\n\n\n@d\nclass A:\n    x = 1\n")
    statement = source.statements[1]
    assert (statement.line, statement.node.lineno) == (4, 2)  # type: ignore[union-attr]
    assert source.at(6) is statement
    assert source.at(3) is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_edits(data: st.DataObject) -> None:
    """Whatever the edit, nothing is raised; if the text still parses, the facts are those of a fresh
    parse."""
    text = data.draw(st.sampled_from(EDITED))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = min(len(text), start + data.draw(st.integers(0, 40)))
        text = (
            text[:start]
            + data.draw(st.text(alphabet="()[]{}'\"\\\n\t ,:=#@x1é\x0c\r", max_size=6))
            + text[stop:]
        )
    source = parse(text)
    found = facts(source)
    lines = {number for number, line in enumerate(source.text.split("\n"), 1) if line.strip()}
    comments = {
        number for number, line in enumerate(source.text.split("\n"), 1) if line.strip().startswith("#")
    }
    assert lines - comments <= covered(source)
    try:
        expected = fresh(text)
    except (SyntaxError, ValueError):
        return
    if not source.problems:
        assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "x = " + "[" * 5000 + "]" * 5000,
        "a" + "+a" * 50000,
        "-" * 50000 + "1",
        "not " * 20000 + "a",
        "".join(" " * i + "if a:\n" for i in range(2000)),
        "x = " + "'a' " * 12000,
        "if a: b\n" + "elif a: b\n" * 600,
        "a" + ".b" * 9000,
    ],
)
def test_hostile_nesting_is_a_problem_and_no_crash(text: str) -> None:
    source = parse(f"u = 1\n{text}\nclass A: pass\n")
    assert source.problems[0].line is not None
    assert type(source.statements[0].node) is ast.Assign


def test_many_short_chains_are_no_deep_one() -> None:
    source = parse("def f(a):\n" + "    if a: b\n    elif a: b\n    elif c:\n        d\n" * 200)
    assert source.problems == ()


def test_encodings(tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"))
    assert read(file).statements[0].node.value.value == "é"  # type: ignore[union-attr]
    file.write_bytes(b"x = '\xe9'\n")
    with pytest.raises(BitlensError, match="UTF-8"):
        read(file)
    with pytest.raises(BitlensError, match="cannot read"):
        read(tmp_path / "missing.py")


def test_the_store_keeps_nodes_and_survives_damage(tmp_path: Path) -> None:
    text = FILES[0].read_text("utf-8")
    store = LoweredStore(tmp_path)
    source = parse(text, store)
    expected = facts(source)
    source.save()
    (kept,) = store.directory.glob("*/*.lowered")
    again = parse(text, store)
    assert all(statement.blob for statement in again.statements)
    decoded = [ast.dump(node) for s in again.statements for node in LoweredStore.decode(s.blob or b"") or ()]
    assert decoded == [dump for dump, _, _ in expected]
    whole = kept.read_bytes()
    for damaged in (b"", whole[:50], whole[:-3], whole[:100] + b"\x00" + whole[101:]):
        kept.write_bytes(damaged)
        assert facts(parse(text, store)) == expected


@pytest.mark.parametrize("path", FILES[:3], ids=lambda path: path.name)
def test_a_library_is_read_as_a_program_is(path: Path, tmp_path: Path) -> None:
    """Python's own parser and libcst give the same statements on the same lines."""
    store = LoweredStore(tmp_path)
    source = read(path, store, library=True)
    expected = facts(read(path))
    assert facts(source) == expected
    source.save()
    again = read(path, store, library=True)
    assert again.stored
    assert facts(again) == expected


UGLY = """\
class A:
    'é'; a = 1
    def one(self): return 1
    def two(self, a=(lambda: 0),
            b=2):  # a comment
        # another
        @staticmethod
        def inner() -> "x":
            '''
  def not_a_def(self):
            '''
            yield self
        return inner; pass  # of a body that is worth it

class B:
\tasync def three(self, *, c: int = 3) -> None:
\t\treturn [await d async for d in self if "é" not in d and self.long_enough]
class C:
    def four(self):
        "Doc." \\
            "string, on two lines, which is all of the body that there is."
@decorated
def five():
    global g; g = "the last line of a file has no end of line, in this one here" """


@pytest.mark.parametrize("path", [*FILES, Path(random.__file__), None], ids=str)
def test_bodies_that_wait_are_those_of_the_text(path: Path | None, tmp_path: Path) -> None:
    """With and without the store that knows where they stand; where a class ends is not told."""
    text = UGLY if path is None else path.read_text("utf-8")
    store = LoweredStore(tmp_path)
    waiting = 0
    for _ in range(2):
        source = parse(text, store, library=True)
        for statement in source.statements:
            found = statement.hollow
            waiting += sum(isinstance(node, Waiting) for tree in found for node in ast.walk(tree))
            assert list(map(whole, found)) == list(map(whole, ast.parse(statement.text).body))
        source.save()
    assert waiting or "def " not in text
    assert path is not None or waiting == 8


def whole(tree: ast.stmt) -> str:
    """A statement with its positions and all bodies of functions."""

    class Filling(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
            return self.generic_visit(filled(node))

        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
            return self.generic_visit(filled(node))

        def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
            node.end_lineno = node.end_col_offset = 0
            return self.generic_visit(node)

    return ast.dump(Filling().visit(tree), include_attributes=True)


def test_the_store_unpickles_nothing_but_syntax() -> None:
    import pickle
    import zlib

    assert LoweredStore.decode(zlib.compress(pickle.dumps(Path("x")))) is None


def test_the_store_is_bounded(tmp_path: Path) -> None:
    store = LoweredStore(tmp_path)
    for number in range(5):
        source = parse(f"x = {number}\n", store)
        assert source.statements[0].node
        source.save()
    store.prune(bound=0)
    assert list(store.directory.glob("*/*.lowered")) == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("def f(:\n    pass\n", 1, "invalid syntax"),
        ("a = 1\nx = (1,\n", 2, "never closed"),
        ("class A\n    pass\n", 1, "expected ':'"),
        ("a = 1\nfoo bar\n", 2, "invalid syntax"),
    ],
)
def test_a_broken_statement_says_what_python_says(text: str, line: int, words: str) -> None:
    (problem,) = parse(text).problems[:1]
    assert problem.line == line
    assert words in problem.message
