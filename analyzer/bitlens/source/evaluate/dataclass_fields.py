"""`dataclass`, `NamedTuple` and `namedtuple`: fields and the `__init__` that they make."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native, PropertyValue
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Instance

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

FIELD = ClassValue("Field", [], {})
NO_DEFAULT = Instance(ClassValue("_MISSING_TYPE", [], {}))
"""`dataclasses.MISSING` of the evaluated program."""


def field(args: list[Any], kwargs: dict[str, Any]) -> Instance:
    """`dataclasses.field(…)`."""
    made = Instance(FIELD)
    made.attrs.update(
        default=NO_DEFAULT, default_factory=NO_DEFAULT, init=True, kw_only=False, metadata={}, repr=True
    )
    made.attrs.update(kwargs)
    return made


def make_dataclass(machine: Machine, cls: Any, options: dict[str, Any]) -> Any:
    """Give a class its fields and `__init__`."""
    if not isinstance(cls, ClassValue):
        return cls
    fields: dict[str, Instance] = {}
    for base in reversed(cls.mro[1:]):
        if isinstance(base, ClassValue) and base.fields:
            fields.update(base.fields)
    for name, (annotation, _, _) in cls.annotations.items():
        kind = _special_kind(annotation)
        if kind == "ClassVar":
            continue
        default = cls.ns.get(name, NO_DEFAULT)
        if isinstance(default, PropertyValue):
            default = NO_DEFAULT
        made = (
            _copy(default)
            if isinstance(default, Instance) and default.cls is FIELD
            else field([], {"default": default})
        )
        made.attrs.update(name=name, init_only=kind == "InitVar", type=UNKNOWN)
        made.attrs["kw_only"] = made.attrs["kw_only"] or options.get("kw_only", False)
        if isinstance(default, Instance) and default.cls is FIELD:
            if made.attrs["default"] is NO_DEFAULT:
                cls.ns.pop(name, None)
            else:
                cls.ns[name] = made.attrs["default"]
        fields[name] = made
    cls.fields = fields
    if options.get("init", True) is not False and "__init__" not in cls.ns:
        cls.ns["__init__"] = Native(
            "__init__", lambda args, kwargs: _init(machine, cls, args, kwargs), method=True
        )
    if options.get("init", True) is not False and cls.ns.get("__init__") is None:
        cls.ns.pop("__init__")
    cls.set("__dataclass_fields__", fields)
    return cls


def _copy(made: Instance) -> Instance:
    result = Instance(FIELD)
    result.attrs.update(made.attrs)
    return result


def _special_kind(annotation: ast.expr) -> str | None:
    """`ClassVar` or `InitVar` where the annotation is one of them."""
    text = annotation.value if isinstance(annotation, ast.Constant) else None
    if isinstance(text, str):
        return next((kind for kind in ("ClassVar", "InitVar") if text.split("[")[0].endswith(kind)), None)
    head = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    name = head.attr if isinstance(head, ast.Attribute) else getattr(head, "id", None)
    return name if name in ("ClassVar", "InitVar") else None


def _init(machine: Machine, cls: ClassValue, args: list[Any], kwargs: dict[str, Any]) -> None:
    """The generated `__init__`."""
    target, values = args[0], args[1:]
    fields = [f for f in (cls.fields or {}).values() if f.attrs["init"] is not False]
    positional = [f.attrs["name"] for f in fields if not f.attrs["kw_only"]]
    given = dict(zip(positional, values, strict=False))
    if len(values) > len(positional):
        raise machine.error("TypeError", f"{cls.name}() takes {len(positional)} positional arguments")
    names = {f.attrs["name"] for f in fields}
    for name, value in kwargs.items():
        if name not in names:
            raise machine.error("TypeError", f"{cls.name}() got an unexpected argument {name!r}")
        given[name] = value
    late = []
    for made in (cls.fields or {}).values():
        name = made.attrs["name"]
        value = given[name] if name in given else default_of(machine, made)
        if value is NO_DEFAULT:
            if made.attrs["init"] is False:
                continue
            raise machine.error("TypeError", f"{cls.name}() misses the argument {name!r}")
        if made.attrs["init_only"]:
            late.append(value)
        else:
            machine.setattr(target, name, value)
    after = target.cls.lookup("__post_init__")
    if after is not MISSING:
        machine.call(after, [target, *late], {})


def default_of(machine: Machine, made: Instance) -> Any:
    """A field's default value; NO_DEFAULT if it has none."""
    if made.attrs["default_factory"] is not NO_DEFAULT:
        return machine.call(made.attrs["default_factory"], [], {})
    return made.attrs["default"]


def named_tuple_fields(machine: Machine, cls: ClassValue) -> None:
    """Make a class that derives from `typing.NamedTuple` (or that `namedtuple` makes) a tuple with names."""
    names = list(cls.annotations)
    defaults = {name: cls.ns.pop(name) for name in names if name in cls.ns}
    tuple_class(machine, cls, names, defaults)


def tuple_class(machine: Machine, cls: ClassValue, names: list[str], defaults: dict[str, Any]) -> None:
    """Give `cls` the constructor and attributes of a tuple with the given names."""

    def make(args: list[Any], kwargs: dict[str, Any]) -> Any:
        given = {**defaults, **dict(zip(names, args[1:], strict=False)), **kwargs}
        missing = [name for name in names if name not in given]
        if missing:
            raise machine.error("TypeError", f"{cls.name}() misses the argument {missing[0]!r}")
        made = Instance(args[0])
        made.attrs.update(given)
        made.host = tuple(given[name] for name in names)
        return made

    def replaced(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return make([args[0].cls], {**{name: args[0].attrs[name] for name in names}, **kwargs})

    cls.ns["__new__"] = Native("__new__", make)
    cls.ns["__init__"] = Native("__init__", lambda args, kwargs: None, method=True)
    cls.ns["_fields"] = tuple(names)
    cls.ns["_asdict"] = Native(
        "_asdict", lambda args, kwargs: {n: args[0].attrs[n] for n in names}, method=True
    )
    cls.ns["_replace"] = Native("_replace", replaced, method=True)
    cls.host = tuple
