"""What can be called, and what classes hold that binds: functions, methods, partials, properties."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.hollow import filled

if TYPE_CHECKING:
    import ast

    from bitlens.source.evaluate.namespace import Namespace
    from bitlens.source.evaluate.scope import Frame
    from bitlens.source.evaluate.values import ClassValue


class Function:
    """A function of the program with what it closes over."""

    __slots__ = (
        "attrs",
        "code",
        "defaults",
        "frame_up",
        "kw_defaults",
        "module",
        "name",
        "owner",
        "qualname",
    )

    def __init__(self, code: Code, module: Namespace, up: Frame | None) -> None:
        self.code = code
        self.module = module
        self.frame_up = up
        self.name = self.qualname = code.name
        self.owner: ClassValue | None = None
        self.defaults: list[Any] = []
        self.kw_defaults: dict[str, Any] = {}
        self.attrs: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<function {self.qualname}>"


class Code:
    """A compiled function or lambda: parameters and, on the first call, a body."""

    __slots__ = (
        "_node",
        "args",
        "body",
        "compile",
        "is_async",
        "is_generator",
        "kwarg",
        "kwonly",
        "line",
        "name",
        "positional_only",
        "vararg",
    )

    def __init__(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, name: str, line: int
    ) -> None:
        arguments = node.args
        self._node = node
        self.name = name
        self.line = line
        self.args = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        self.positional_only = len(arguments.posonlyargs)
        self.kwonly = [argument.arg for argument in arguments.kwonlyargs]
        self.vararg = arguments.vararg.arg if arguments.vararg else None
        self.kwarg = arguments.kwarg.arg if arguments.kwarg else None
        self.is_generator = False
        self.is_async = False
        self.body: Callable[[Frame], Any] | None = None
        self.compile: Callable[[Code], Callable[[Frame], Any]] | None = None

    @property
    def arguments(self) -> ast.arguments:
        """The parameters as they are written."""
        return self._node.args

    @property
    def node(self) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda:
        """What the function is made from, with its body: parsed anew if it is a library's."""
        made: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda = filled(self._node)
        return made


class BoundMethod:
    """A function with its first argument."""

    __slots__ = ("func", "self_value")

    def __init__(self, func: Any, self_value: Any) -> None:
        self.func = func
        self.self_value = self_value

    def __repr__(self) -> str:
        return f"<bound {self.func!r}>"


class Native:
    """A function that the evaluator itself provides: `function(args, kwargs)`."""

    __slots__ = ("attrs", "function", "method", "name", "on_numbers")

    def __init__(
        self,
        name: str,
        function: Callable[[list[Any], dict[str, Any]], Any],
        method: bool = False,
        on_numbers: tuple[int, Callable[..., Any]] | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.method = method
        """Whether it binds like a function when found in a class."""
        self.on_numbers = on_numbers
        """Of how many numbers it computes what number, where that is all it does and takes no time."""
        self.attrs: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<native {self.name}>"


class HostMethod:
    """A method of a Python value, e.g. of a list."""

    __slots__ = ("name", "target")

    def __init__(self, target: Any, name: str) -> None:
        self.target = target
        self.name = name


class Partial:
    """`functools.partial`."""

    __slots__ = ("args", "attrs", "func", "keywords")

    def __init__(self, func: Any, args: list[Any], keywords: dict[str, Any]) -> None:
        self.func = func
        self.args = args
        self.keywords = keywords
        self.attrs: dict[str, Any] = {}


class PropertyValue:
    """`property`, also cached; `by_class` for one that is asked on the class."""

    __slots__ = ("by_class", "cached", "fget", "fset")

    def __init__(self, fget: Any, fset: Any = None, cached: bool = False) -> None:
        self.fget = fget
        self.fset = fset
        self.cached = cached
        self.by_class = False


class ClassMethod:
    """`classmethod`."""

    __slots__ = ("func",)

    def __init__(self, func: Any) -> None:
        self.func = func


class StaticMethod:
    """`staticmethod`."""

    __slots__ = ("func",)

    def __init__(self, func: Any) -> None:
        self.func = func


class Super:
    """`super()`: attribute lookup after `owner` in the order of `start`."""

    __slots__ = ("owner", "start", "target")

    def __init__(self, owner: ClassValue, target: Any, start: ClassValue) -> None:
        self.owner = owner
        self.target = target
        self.start = start
