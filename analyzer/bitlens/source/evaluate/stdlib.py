"""The parts of the standard library that model code leans on."""

from __future__ import annotations

import ast
import copy
import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import BoundMethod, Function, Native, Partial, PropertyValue
from bitlens.source.evaluate.dataclass_fields import FIELD, NO_DEFAULT, field, make_dataclass, tuple_class
from bitlens.source.evaluate.documents import (
    json_functions,
    omegaconf,
    syntax_functions,
    toml_functions,
    yaml_functions,
)
from bitlens.source.evaluate.einops_shapes import einops_functions
from bitlens.source.evaluate.module_methods import copied
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.paths import path_classes
from bitlens.source.evaluate.patterns import regular_expressions
from bitlens.source.evaluate.signatures import signature_tools
from bitlens.source.evaluate.text_files import glob_functions, io_classes, listing, path_functions
from bitlens.source.evaluate.torch_core import passing
from bitlens.source.evaluate.torch_transformer import clone
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Instance,
    Iter,
    ModuleInstance,
    Tensor,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_ABSTRACT = [
    "Iterable",
    "Sequence",
    "Mapping",
    "MutableMapping",
    "MutableSequence",
    "Collection",
    "Sized",
    "Container",
    "Set",
    "Hashable",
    "Callable",
    "Iterator",
    "Generator",
]


def install_stdlib(machine: Machine) -> None:
    """Register the modules."""
    for name, make in _MODULES.items():
        module = Namespace(name, None, make(machine))
        module.attributes["__file__"] = f"{name}.py"
        module.fallback = lambda member, name=name: Unknown(f"{name}.{member}")
        machine.imports.modules[name] = module
    modules = machine.imports.modules
    for parent, child in (
        ("collections", "abc"),
        ("os", "path"),
        ("importlib", "util"),
        ("importlib", "metadata"),
    ):
        modules[parent].vars[child] = modules[f"{parent}.{child}"]


def native(name: str, function: Callable[..., Any]) -> Native:
    """A native from a function of positional arguments, unknown if one of them is."""

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if any(isinstance(arg, Unknown) for arg in args):
            return UNKNOWN
        return function(*args, **kwargs)

    return Native(name, run)


def _math(machine: Machine) -> dict[str, Any]:
    names = [
        "ceil",
        "floor",
        "sqrt",
        "log",
        "log2",
        "log10",
        "exp",
        "pow",
        "isclose",
        "fabs",
        "sin",
        "cos",
        "tan",
        "atan",
        "tanh",
        "trunc",
        "isqrt",
        "gcd",
        "lcm",
        "hypot",
    ]
    table: dict[str, Any] = {name: native(name, _numeric(getattr(math, name))) for name in names}
    table["prod"] = Native("prod", lambda args, kwargs: _product(machine, args[0]))
    table["factorial"] = native("factorial", lambda value: math.factorial(min(value, 2000)))
    return {**table, "pi": math.pi, "inf": math.inf, "e": math.e, "nan": math.nan}


def _numeric(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        values = [arg.values if isinstance(arg, Tensor) else arg for arg in args]
        return function(*values) if all(isinstance(value, int | float) for value in values) else UNKNOWN

    return run


def _product(machine: Machine, items: Any) -> Any:
    total: Any = 1
    multiply = machine.binary(ast.Mult)
    for item in machine.iterate(items):
        total = multiply(total, item)
    return total


def _functools(machine: Machine) -> dict[str, Any]:
    def partial(args: list[Any], kwargs: dict[str, Any]) -> Any:
        inner = args[0]
        if isinstance(inner, Partial):
            return Partial(inner.func, [*inner.args, *args[1:]], {**inner.keywords, **kwargs})
        return Partial(inner, args[1:], kwargs)

    def wraps(args: list[Any], kwargs: dict[str, Any]) -> Any:
        wrapped = args[0]

        def apply(inner: list[Any], _: dict[str, Any]) -> Any:
            if isinstance(inner[0], Function):
                name = machine.getattr(wrapped, "__name__", None)
                inner[0].name = name if isinstance(name, str) else inner[0].name
                inner[0].attrs["__wrapped__"] = wrapped
            return inner[0]

        return Native("wraps", apply)

    def cache(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return args[0] if args and not isinstance(args[0], int | None) else Native("cache", lambda a, k: a[0])

    def reduce(args: list[Any], kwargs: dict[str, Any]) -> Any:
        items = list(machine.iterate(args[1]))
        value = args[2] if len(args) > 2 else items.pop(0)
        for item in items:
            value = machine.call(args[0], [value, item], {})
        return value

    partial_class = ClassValue(
        "partial", [], {"__new__": Native("partial", lambda args, kwargs: partial(args[1:], kwargs))}
    )
    partial_class.traits.add("partial")
    return {
        "partial": partial_class,
        "wraps": Native("wraps", wraps),
        "update_wrapper": Native("update_wrapper", lambda args, kwargs: args[0]),
        "lru_cache": Native("lru_cache", cache),
        "cache": Native("cache", cache),
        "total_ordering": Native("total_ordering", lambda args, kwargs: args[0]),
        "singledispatch": Native("singledispatch", lambda args, kwargs: args[0]),
        "reduce": Native("reduce", reduce),
        "cached_property": Native(
            "cached_property", lambda args, kwargs: PropertyValue(args[0], cached=True)
        ),
        "partialmethod": Native("partialmethod", partial),
    }


def _itertools(machine: Machine) -> dict[str, Any]:
    def over(function: Callable[..., Any], spread: bool = True) -> Callable[..., Any]:
        def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
            if any(isinstance(arg, Unknown) for arg in args):
                return UNKNOWN
            sources = [list(machine.iterate(arg)) for arg in args] if spread else args
            return Iter(_counted(machine, function(*sources, **kwargs)))

        return run

    def from_iterable(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(args[0], Unknown):
            return UNKNOWN
        return Iter(item for part in machine.iterate(args[0]) for item in machine.iterate(part))

    chain = Native("chain", over(itertools.chain))
    chain.attrs["from_iterable"] = Native("from_iterable", from_iterable)
    return {
        "chain": chain,
        "product": Native("product", over(itertools.product)),
        "zip_longest": Native("zip_longest", over(itertools.zip_longest)),
        "repeat": Native("repeat", lambda args, kwargs: Iter(_counted(machine, itertools.repeat(*args)))),
        "count": Native("count", lambda args, kwargs: Iter(_counted(machine, itertools.count(*args)))),
        "cycle": Native("cycle", over(itertools.cycle)),
        "pairwise": Native("pairwise", over(lambda items: itertools.pairwise(items))),
        "accumulate": Native("accumulate", lambda args, kwargs: Iter(_accumulated(machine, args[0]))),
        "islice": Native(
            "islice", lambda args, kwargs: Iter(itertools.islice(machine.iterate(args[0]), *args[1:]))
        ),
        "combinations": Native(
            "combinations", over(lambda items, size: itertools.combinations(items, size), False)
        ),
    }


def _counted(machine: Machine, items: Any) -> Any:
    for item in items:
        machine.tick()
        yield item


def _accumulated(machine: Machine, items: Any) -> Any:
    add, total = machine.binary(ast.Add), MISSING
    for item in machine.iterate(items):
        total = item if total is MISSING else add(total, item)
        yield total


class Deque(list):  # type: ignore[type-arg]
    """`deque`."""

    def appendleft(self, value: Any) -> None:
        """Put a value first."""
        self.insert(0, value)

    def popleft(self) -> Any:
        """Take the first value."""
        return self.pop(0)


class DefaultDict(dict):  # type: ignore[type-arg]
    """`defaultdict` whose factory belongs to the evaluated program."""

    def __init__(self, factory: Any) -> None:
        super().__init__()
        self.factory = factory


def _collections(machine: Machine) -> dict[str, Any]:
    def defaultdict(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = DefaultDict(args[0] if args else None)
        made.update(machine.call_type(dict, args[1:2], kwargs))
        return made

    def namedtuple(args: list[Any], kwargs: dict[str, Any]) -> Any:
        names = args[1] if len(args) > 1 else kwargs.get("field_names", [])
        names = names.replace(",", " ").split() if isinstance(names, str) else list(machine.iterate(names))
        defaults = list(machine.iterate(kwargs.get("defaults") or []))
        cls = ClassValue(str(args[0]), [tuple], {})
        tuple_class(
            machine, cls, names, dict(zip(names[len(names) - len(defaults) :], defaults, strict=False))
        )
        return cls

    def counter(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = DefaultDict(Native("zero", lambda a, k: 0))
        for item in machine.iterate(args[0]) if args else ():
            made[machine.key(item)] = made.get(machine.key(item), 0) + 1
        return made

    def deque(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return Deque(machine.iterate(args[0]) if args else ())

    return {
        "OrderedDict": dict,
        "UserDict": dict,
        "UserList": list,
        "defaultdict": Native("defaultdict", defaultdict),
        "namedtuple": Native("namedtuple", namedtuple),
        "Counter": Native("Counter", counter),
        "deque": Native("deque", deque),
        **_abstract(machine),
    }


def _abstract(machine: Machine) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name in _ABSTRACT:
        table[name] = ClassValue(name, [], {})
        table[name].traits.add("protocol")
    return table


def _typing(machine: Machine) -> dict[str, Any]:
    aliases = {
        "List": list,
        "Dict": dict,
        "Tuple": tuple,
        "Set": set,
        "FrozenSet": frozenset,
        "Type": type,
        "Text": str,
    }
    markers = {name: ClassValue(name, [], {}) for name in ("Generic", "Protocol")}
    named = ClassValue("NamedTuple", [], {})
    named.traits.add("namedtuple base")
    identity = Native(
        "identity", lambda args, kwargs: args[0] if args else Native("identity", lambda a, k: a[0])
    )
    return {
        **aliases,
        **markers,
        **_abstract(machine),
        "TYPE_CHECKING": False,
        "NamedTuple": named,
        "TypedDict": dict,
        "OrderedDict": dict,
        "cast": Native("cast", lambda args, kwargs: args[1]),
        "overload": identity,
        "final": identity,
        "no_type_check": identity,
        "override": identity,
        "runtime_checkable": identity,
        "deprecated": Native("deprecated", lambda args, kwargs: identity),
        "dataclass_transform": Native("dataclass_transform", lambda args, kwargs: identity),
        "get_type_hints": Native("get_type_hints", lambda args, kwargs: _hints(machine, args[0])),
    }


def _hints(machine: Machine, target: Any) -> Any:
    result: dict[str, Any] = {}
    for base in reversed(target.mro) if isinstance(target, ClassValue) else ():
        if isinstance(base, ClassValue):
            result.update(machine.classes.annotations(base))
    return result


def _dataclasses(machine: Machine) -> dict[str, Any]:
    def dataclass(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if args and args[0] is not None:
            return make_dataclass(machine, args[0], kwargs)
        return Native("dataclass", lambda inner, _: make_dataclass(machine, inner[0], kwargs))

    def fields(args: list[Any], kwargs: dict[str, Any]) -> Any:
        cls = args[0].cls if isinstance(args[0], Instance) else args[0]
        found = cls.lookup("__dataclass_fields__") if isinstance(cls, ClassValue) else MISSING
        return tuple(found.values()) if found is not MISSING else UNKNOWN

    def asdict(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return {made.attrs["name"]: machine.getattr(args[0], made.attrs["name"]) for made in fields(args, {})}

    def replace(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return machine.call(args[0].cls, [], {**asdict(args, {}), **kwargs})

    def is_dataclass(args: list[Any], kwargs: dict[str, Any]) -> Any:
        cls = args[0].cls if isinstance(args[0], Instance) else args[0]
        return isinstance(cls, ClassValue) and cls.lookup("__dataclass_fields__") is not MISSING

    table = {"dataclass": dataclass, "field": field, "fields": fields, "asdict": asdict, "replace": replace}
    natives: dict[str, Any] = {name: Native(name, function) for name, function in table.items()}
    natives["is_dataclass"] = Native("is_dataclass", is_dataclass)
    return {**natives, "MISSING": NO_DEFAULT, "Field": FIELD, "InitVar": ClassValue("InitVar", [], {})}


def _enum(machine: Machine) -> dict[str, Any]:
    base = ClassValue("Enum", [], {})
    base.traits.add("enum")
    return {
        "Enum": base,
        "IntEnum": ClassValue("IntEnum", [int, base], {}),
        "StrEnum": ClassValue("StrEnum", [str, base], {}),
        "Flag": ClassValue("Flag", [base], {}),
        "IntFlag": ClassValue("IntFlag", [int, base], {}),
        "EnumMeta": ClassValue("EnumMeta", [type], {}),
        "auto": Native("auto", lambda args, kwargs: Unknown("auto")),
        "unique": Native("unique", lambda args, kwargs: args[0]),
    }


def _copying(machine: Machine) -> dict[str, Any]:
    def deepcopy(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(args[0], ModuleInstance):
            return clone(machine, args[0])
        machine.tick()
        return copied(args[0], {})

    def shallow(args: list[Any], kwargs: dict[str, Any]) -> Any:
        value = args[0]
        if isinstance(value, ModuleInstance):
            return clone(machine, value)
        if isinstance(value, Instance):
            made = Instance(value.cls)
            made.attrs, made.host = dict(value.attrs), value.host
            return made
        return type(value)(value) if isinstance(value, list | dict | set) else value

    return {"deepcopy": Native("deepcopy", deepcopy), "copy": Native("copy", shallow)}


def _types(machine: Machine) -> dict[str, Any]:
    def namespace(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = Instance(simple)
        made.attrs.update(machine.mapping(args[0]) if args else {}, **kwargs)
        return made

    simple = ClassValue(
        "SimpleNamespace", [], {"__new__": Native("__new__", lambda a, k: namespace(a[1:], k))}
    )
    simple.ns["__init__"] = Native("__init__", lambda args, kwargs: None, method=True)
    function = ClassValue("FunctionType", [], {})
    function.traits.add("function")
    function.ns["__new__"] = Native("FunctionType", lambda args, kwargs: _function_copy(args[1:]))
    method = Native("MethodType", lambda args, kwargs: BoundMethod(args[0], args[1]))
    return {
        "SimpleNamespace": simple,
        "FunctionType": function,
        "LambdaType": function,
        "MethodType": method,
        "NoneType": type(None),
    }


def _function_copy(args: list[Any]) -> Any:
    """`FunctionType(f.__code__, …)`: `__code__` gives the function itself, so this is a copy of it."""
    return copy.copy(args[0]) if args and isinstance(args[0], Function) else UNKNOWN


def _os(machine: Machine) -> dict[str, Any]:
    environ = {"HOME": "/"}
    getenv = Native("getenv", lambda args, kwargs: args[1] if len(args) > 1 else kwargs.get("default"))
    return {
        "environ": environ,
        "getenv": getenv,
        "sep": "/",
        "PathLike": ClassValue("PathLike", [], {}),
        "name": "posix",
        "listdir": Native("listdir", lambda args, kwargs: listing(machine, args, kwargs)),
        "getcwd": Native("getcwd", lambda args, kwargs: "."),
        "fspath": Native("fspath", lambda args, kwargs: machine.files.name(args[0]) or UNKNOWN),
        "makedirs": Native("makedirs", lambda args, kwargs: None),
    }


def _sys(machine: Machine) -> dict[str, Any]:
    version = Instance(ClassValue("version_info", [tuple], {}))
    version.host = (3, 12, 0, "final", 0)
    version.attrs.update(major=3, minor=12, micro=0, releaselevel="final", serial=0)
    modules: dict[str, Any] = machine.imports.modules
    return {
        "version_info": version,
        "platform": "linux",
        "modules": modules,
        "maxsize": 2**63 - 1,
        "argv": [""],
        "path": [],
    }


def _binary(machine: Machine, kind: type[ast.operator]) -> Callable[..., Any]:
    return lambda args, kwargs: machine.binary(kind)(args[0], args[1])


def _operator(machine: Machine) -> dict[str, Any]:
    def itemgetter(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return Native(
            "itemgetter", lambda inner, _: _one_or_all([machine.getitem(inner[0], key) for key in args])
        )

    def attrgetter(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return Native("attrgetter", lambda inner, _: _dotted(machine, inner[0], args[0]))

    binary = {
        "add": ast.Add,
        "mul": ast.Mult,
        "sub": ast.Sub,
        "floordiv": ast.FloorDiv,
        "truediv": ast.Div,
        "or_": ast.BitOr,
    }
    table: dict[str, Any] = {name: Native(name, _binary(machine, kind)) for name, kind in binary.items()}
    return {
        **table,
        "itemgetter": Native("itemgetter", itemgetter),
        "attrgetter": Native("attrgetter", attrgetter),
    }


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


def _dotted(machine: Machine, value: Any, path: Any) -> Any:
    for name in path.split(".") if isinstance(path, str) else ():
        value = machine.getattr(value, name)
    return value


def _contextlib(machine: Machine) -> dict[str, Any]:
    def suppress(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = passing()
        made.attrs["suppressed"] = tuple(args)
        return made

    return {
        "contextmanager": Native("contextmanager", lambda args, kwargs: args[0]),
        "nullcontext": Native("nullcontext", lambda args, kwargs: passing()),
        "suppress": Native("suppress", suppress),
        "ExitStack": Native("ExitStack", lambda args, kwargs: passing()),
        "AbstractContextManager": ClassValue("AbstractContextManager", [], {}),
        "ContextDecorator": ClassValue("ContextDecorator", [], {}),
    }


def _abc(machine: Machine) -> dict[str, Any]:
    identity = Native("abstractmethod", lambda args, kwargs: args[0])
    wrapper = Native("abstractproperty", lambda args, kwargs: PropertyValue(args[0]))
    return {
        "ABC": ClassValue("ABC", [], {}),
        "ABCMeta": ClassValue("ABCMeta", [type], {}),
        "abstractmethod": identity,
        "abstractproperty": wrapper,
    }


def _importlib(machine: Machine) -> dict[str, Any]:
    def import_module(args: list[Any], kwargs: dict[str, Any]) -> Any:
        package = kwargs.get("package", args[1] if len(args) > 1 else None)
        return machine.imports.by_name(
            args[0], machine.frames[-1].module, package if isinstance(package, str) else None
        )

    return {"import_module": Native("import_module", import_module)}


def _importlib_util(machine: Machine) -> dict[str, Any]:
    def find_spec(args: list[Any], kwargs: dict[str, Any]) -> Any:
        name = args[0]
        return UNKNOWN if not isinstance(name, str) else (passing() if machine.imports.exists(name) else None)

    return {"find_spec": Native("find_spec", find_spec)}


def _importlib_metadata(machine: Machine) -> dict[str, Any]:
    missing = ClassValue("PackageNotFoundError", [machine.exceptions["ModuleNotFoundError"]], {})

    def version(args: list[Any], kwargs: dict[str, Any]) -> Any:
        name = args[0]
        if not isinstance(name, str):
            return UNKNOWN
        if name == "torch":
            return "2.13.0"
        if machine.imports.locate(name.replace("-", "_")) is None:
            raise machine.error("ModuleNotFoundError", name)
        return "999.0"

    return {
        "version": Native("version", version),
        "PackageNotFoundError": missing,
        "packages_distributions": Native("p", lambda a, k: {}),
    }


def _version(machine: Machine) -> dict[str, Any]:
    def parse(args: list[Any], kwargs: dict[str, Any]) -> Any:
        text = str(args[0]) if isinstance(args[0], str) else None
        if text is None:
            return UNKNOWN
        numbers = []
        for part in text.split("+")[0].split("."):
            digits = "".join(itertools.takewhile(str.isdigit, part))
            if not digits:
                break
            numbers.append(int(digits))
        return tuple(numbers)

    return {"parse": Native("parse", parse), "Version": Native("Version", parse)}


def _argparse(machine: Machine) -> dict[str, Any]:
    from bitlens.source.evaluate.argument_parser import parser_class

    return {
        "ArgumentParser": parser_class(machine),
        "Namespace": machine.imports.modules["types"].vars["SimpleNamespace"],
    }


def _logging(machine: Machine) -> dict[str, Any]:
    return {}


def _warnings(machine: Machine) -> dict[str, Any]:
    return {
        "warn": Native("warn", lambda args, kwargs: None),
        "filterwarnings": Native("filter", lambda args, kwargs: None),
    }


def _frame(machine: Machine, depth: int) -> Any:
    """A running function as `inspect.currentframe` gives it: its names and its caller."""
    if depth < 0:
        return None
    frame = machine.frames[depth]
    made = Instance(ClassValue("frame", [], {}))
    made.attrs.update(f_locals=frame.vars, f_globals=frame.module.vars, f_lineno=frame.line)
    made.cls.ns["f_back"] = PropertyValue(Native("f_back", lambda args, kwargs: _frame(machine, depth - 1)))
    return made


def _inspect(machine: Machine) -> dict[str, Any]:
    return {
        **signature_tools(machine),
        "currentframe": Native("currentframe", lambda args, kwargs: _frame(machine, len(machine.frames) - 1)),
        "getmro": Native("getmro", lambda args, kwargs: machine.getattr(args[0], "__mro__")),
        "isclass": Native("isclass", lambda args, kwargs: isinstance(args[0], ClassValue | type)),
        "isfunction": Native("isfunction", lambda args, kwargs: isinstance(args[0], Function)),
        "ismodule": Native("ismodule", lambda args, kwargs: isinstance(args[0], Namespace)),
        "ismethod": Native("ismethod", lambda args, kwargs: isinstance(args[0], BoundMethod)),
        "get_annotations": Native(
            "get_annotations", lambda args, kwargs: machine.classes.annotations(args[0])
        ),
    }


def _numbers(machine: Machine) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name in ("Number", "Real", "Integral"):
        table[name] = ClassValue(name, [], {})
        table[name].traits.add("protocol")
    return table


def _argsort(machine: Machine, items: Any) -> Any:
    values = (
        items.values
        if isinstance(items, Tensor)
        else None
        if isinstance(items, Unknown)
        else list(machine.iterate(items))
    )
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        return UNKNOWN
    order = sorted(range(len(values)), key=lambda index: values[index])
    return Tensor((len(order),), machine.dtypes["int64"], order)


def _at_least_1d(value: Any) -> Any:
    if isinstance(value, Tensor) and isinstance(value.values, int | float):
        value = value.values
    return [value] if isinstance(value, int | float) else value


def _as_array(machine: Machine, value: Any) -> Any:
    return machine.call(machine.imports.modules["torch"].vars["tensor"], [value], {})


def _quantified(machine: Machine, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`np.any(x)`, `np.all(x)` of what is known."""
    value = _at_least_1d(args[0])
    values = value.values if isinstance(value, Tensor) else value
    return (
        UNKNOWN
        if not isinstance(values, list) or kwargs
        else machine.call(machine.builtins[name], [values], {})
    )


def _numpy(machine: Machine) -> dict[str, Any]:
    torch = machine.imports.modules["torch"].vars
    shared = {
        name: torch[name] for name in ("linspace", "arange", "zeros", "ones", "float32", "float64", "int64")
    }
    shared.update(
        {
            name: native(name, _numeric(getattr(math, name)))
            for name in ("ceil", "floor", "sqrt", "log2", "log", "exp")
        }
    )
    shared["prod"] = Native("prod", lambda args, kwargs: _product(machine, _at_least_1d(args[0])))
    shared["atleast_1d"] = Native(
        "atleast_1d", lambda args, kwargs: _as_array(machine, _at_least_1d(args[0]))
    )
    for name in ("any", "all"):
        shared[name] = Native(name, functools.partial(_quantified, machine, name))
    shared["sum"] = Native("sum", lambda args, kwargs: machine.call(machine.builtins["sum"], [args[0]], {}))
    shared["cumsum"] = Native("cumsum", lambda args, kwargs: list(_accumulated(machine, args[0])))
    for name in ("array", "asarray"):
        shared[name] = torch["tensor"]
    for name in ("max", "min"):
        shared[name] = machine.builtins[name]
    shared["argsort"] = Native("argsort", lambda args, kwargs: _argsort(machine, args[0]))
    shared["round"] = machine.builtins["round"]
    shared["abs"] = machine.builtins["abs"]
    shared.update(
        {"pi": math.pi, "inf": math.inf, "ndarray": ClassValue("ndarray", [], {}), "random": UNKNOWN}
    )
    return shared


_MODULES: dict[str, Callable[[Machine], dict[str, Any]]] = {
    "math": _math,
    "functools": _functools,
    "itertools": _itertools,
    "collections": _collections,
    "collections.abc": _abstract,
    "typing": _typing,
    "typing_extensions": _typing,
    "dataclasses": _dataclasses,
    "enum": _enum,
    "copy": _copying,
    "types": _types,
    "os": _os,
    "os.path": path_functions,
    "pathlib": path_classes,
    "glob": glob_functions,
    "io": io_classes,
    "json": json_functions,
    "ast": syntax_functions,
    "yaml": yaml_functions,
    "tomllib": toml_functions,
    "toml": toml_functions,
    "omegaconf": omegaconf,
    "sys": _sys,
    "operator": _operator,
    "contextlib": _contextlib,
    "abc": _abc,
    "importlib": _importlib,
    "importlib.util": _importlib_util,
    "importlib.metadata": _importlib_metadata,
    "packaging.version": _version,
    "warnings": _warnings,
    "inspect": _inspect,
    "numbers": _numbers,
    "einops": einops_functions,
    "re": regular_expressions,
    "argparse": _argparse,
    "numpy": _numpy,
}
__all__ = ["install_stdlib", "native", "operator"]
