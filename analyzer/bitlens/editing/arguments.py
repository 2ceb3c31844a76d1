"""Changes to the arguments of one call, through libcst, so that every space and comment of the call stays."""

from __future__ import annotations

import ast
from collections.abc import Callable

import libcst as cst

from bitlens.editing.code import Code
from bitlens.editing.offers import TextEdit, smallest
from bitlens.source.slicing.scopes import Atom

_BLANK = cst.TrailingWhitespace(whitespace=cst.SimpleWhitespace(""))
Change = Callable[[cst.Call], cst.Call]


def changed(code: Code, call: ast.Call, atom: Atom, *changes: Change) -> tuple[TextEdit, ...]:
    """The edit that makes of a call of the program what `changes` make of it, one after the other."""
    start, end = code.start(call, atom), code.end(call, atom)
    source = code.text[start:end]
    tree = cst.ensure_type(
        cst.parse_expression(f"({source}\n)"), cst.Call
    )  # a call may span lines in brackets
    tree = tree.with_changes(lpar=tree.lpar[1:], rpar=tree.rpar[:-1])
    for change in changes:
        tree = change(tree)
    return smallest(code.text, start, end, cst.Module([]).code_for_node(tree))


def set_keyword(name: str, value: str) -> Change:
    """Give `name=value`: in the place of the old value, or as the last argument, laid out like the others."""

    def change(call: cst.Call) -> cst.Call:
        expression = cst.parse_expression(value)
        for position, item in enumerate(call.args):
            if item.keyword is not None and item.keyword.value == name:
                return _with(call, position, item.with_changes(value=expression))
        return _appended(call, cst.Arg(expression, cst.Name(name), _equal(call)))

    return change


def set_position(position: int, value: str) -> Change:
    """Put another value for a positional argument that is there."""
    return lambda call: _with(
        call, position, call.args[position].with_changes(value=cst.parse_expression(value))
    )


def rename_keyword(old: str, new: str) -> Change:
    """Give the same value under another name."""

    def change(call: cst.Call) -> cst.Call:
        for position, item in enumerate(call.args):
            if item.keyword is not None and item.keyword.value == old:
                return _with(call, position, item.with_changes(keyword=cst.Name(new)))
        return call

    return change


def remove_keyword(name: str) -> Change:
    """Give it no longer; comments beside it go with it."""

    def change(call: cst.Call) -> cst.Call:
        kept = [item for item in call.args if item.keyword is None or item.keyword.value != name]
        if kept and call.args[-1] is not kept[-1]:
            last = call.args[-1]
            kept[-1] = kept[-1].with_changes(comma=last.comma, whitespace_after_arg=last.whitespace_after_arg)
        return call.with_changes(args=kept)

    return change


def _with(call: cst.Call, position: int, item: cst.Arg) -> cst.Call:
    return call.with_changes(args=[*call.args[:position], item, *call.args[position + 1 :]])


def _equal(call: cst.Call) -> cst.AssignEqual:
    """Blanks around `=` as in the other keywords of the call."""
    for item in call.args:
        if isinstance(item.equal, cst.AssignEqual):
            return item.equal
    return cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def _appended(call: cst.Call, new: cst.Arg) -> cst.Call:
    if not call.args:
        return call.with_changes(args=[new])
    last = call.args[-1]
    trailing = isinstance(last.comma, cst.Comma)
    tail = last.comma.whitespace_after if isinstance(last.comma, cst.Comma) else last.whitespace_after_arg
    before = cst.Comma(whitespace_after=_separator(call, tail))
    last = last.with_changes(comma=before, whitespace_after_arg=cst.SimpleWhitespace(""))
    closing = _without_comment(tail)
    new = (
        new.with_changes(comma=cst.Comma(whitespace_after=closing))
        if trailing
        else new.with_changes(whitespace_after_arg=closing)
    )
    return call.with_changes(args=[*call.args[:-1], last, new])


def _separator(call: cst.Call, tail: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """What stands between two arguments of this call; a comment in `tail` stays behind the argument it is
    about.
    """
    commas = [item.comma.whitespace_after for item in call.args[:-1] if isinstance(item.comma, cst.Comma)]
    if commas:
        like = commas[-1]
    elif isinstance(tail, cst.ParenthesizedWhitespace):
        like = call.whitespace_before_args
    else:
        like = cst.SimpleWhitespace(" ")
    like = _without_comment(like)
    if not isinstance(tail, cst.ParenthesizedWhitespace) or tail.first_line.comment is None:
        return like
    if isinstance(like, cst.ParenthesizedWhitespace):
        return like.with_changes(first_line=tail.first_line)
    return tail


def _without_comment(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return space
    return space.with_changes(first_line=_BLANK, empty_lines=())
