"""Making classes and instances: metaclasses, enums, dataclasses, named tuples."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import ClassMethod, Function, Native, PropertyValue, StaticMethod
from bitlens.source.evaluate.dataclass_fields import named_tuple_fields
from bitlens.source.evaluate.plumbing import PLUMBING_FUNCTIONS
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Instance,
    Iter,
    ModuleInstance,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

FUNCTIONS = "\0functions"
"""Key under which a class body's frame lists the functions made in it."""


class Classes:
    """Creates classes and instances for a machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.enum_members = self.enum_members

    def create(self, name: str, bases: list[Any], keywords: dict[str, Any], frame: Frame, line: int) -> Any:
        """The class that a `class` statement makes, once its body has run."""
        namespace = frame.vars
        functions = namespace.pop(FUNCTIONS, [])
        metaclass = keywords.pop("metaclass", None)
        metaclass = metaclass if metaclass is not None else self._inherited_metaclass(bases)
        if isinstance(metaclass, ClassValue) and metaclass.lookup("__new__") is not MISSING:
            made = self.machine.call(
                metaclass.lookup("__new__"), [metaclass, name, tuple(bases), namespace], dict(keywords)
            )
            cls = made if isinstance(made, ClassValue) else self.build(name, bases, namespace, frame, line)
            self._finish(cls, functions, frame, line)
        else:
            cls = self.build(name, bases, namespace, frame, line)
            self._finish(cls, functions, frame, line)
        if isinstance(metaclass, ClassValue):
            cls.metaclass = metaclass
            if metaclass.lookup("__init__") is not MISSING:
                self.machine.call(
                    metaclass.lookup("__init__"), [cls, name, tuple(bases), namespace], dict(keywords)
                )
        self._announce(cls, keywords)
        return cls

    def build(
        self, name: str, bases: list[Any], namespace: dict[str, Any], frame: Frame | None, line: int
    ) -> ClassValue:
        """A class without announcing it to its bases."""
        natives = [base.name for base in bases if isinstance(base, Native)]
        bases = [base for base in bases if base is not object and not isinstance(base, Native)]
        cls = ClassValue(name, bases, namespace, frame.module if frame is not None else None)
        cls.annotations = namespace.pop("__annotations__", {})
        cls.line = line
        if cls.host is type:
            cls.traits.add("meta")
        if "property" in natives or "cached_property" in natives:
            cls.traits.add("property")
        if "enum" in cls.traits:
            self._make_members(cls)
        if any(isinstance(base, ClassValue) and "namedtuple base" in base.traits for base in bases):
            named_tuple_fields(self.machine, cls)
        return cls

    def _finish(self, cls: ClassValue, functions: list[Function], frame: Frame, line: int) -> None:
        cls.module, cls.line = frame.module, line
        cls.qualname = str(cls.ns.pop("__qualname__", cls.name))
        for function in functions:
            function.owner = cls
        cls.changed()

    def _inherited_metaclass(self, bases: list[Any]) -> Any:
        return next(
            (b.metaclass for b in bases if isinstance(b, ClassValue) and b.metaclass is not None), None
        )

    def _announce(self, cls: ClassValue, keywords: dict[str, Any]) -> None:
        """Call `__set_name__` of the attributes and `__init_subclass__` of the bases."""
        for name, value in list(cls.ns.items()):
            if isinstance(value, Instance) and value.cls.lookup("__set_name__") is not MISSING:
                self.machine.call_method(value, "__set_name__", [cls, name], {})
        found = cls.lookup_after(cls, "__init_subclass__")
        if found is not MISSING:
            self.machine.call(found.func if isinstance(found, ClassMethod) else found, [cls], keywords)

    def annotations(self, cls: ClassValue) -> dict[str, Any]:
        """The class's own annotations, each evaluated; UNKNOWN where that fails."""
        result = {}
        for name, (_, thunk, frame) in cls.annotations.items():
            result[name] = self.annotation(thunk, frame)
        return result

    def annotation(self, thunk: Any, frame: Frame) -> Any:
        """The value of one annotation, a quoted one as its text."""
        try:
            return thunk(frame)
        except Exception as error:
            self.machine.as_raise(error) if not isinstance(error, RecursionError) else None
            return UNKNOWN

    def instantiate(self, cls: ClassValue, args: list[Any], kwargs: dict[str, Any], meta: bool = True) -> Any:
        """`cls(*args, **kwargs)`."""
        machine = self.machine
        if meta and cls.metaclass is not None:
            found = cls.metaclass.lookup("__call__")
            if found is not MISSING:
                return machine.call(found, [cls, *args], kwargs)
        machine.tick()
        if "enum" in cls.traits:
            return self._member_of(cls, args)
        if "meta" in cls.traits:
            return self.new(cls, args)
        if "property" in cls.traits and cls.lookup("__init__") is MISSING:
            made = PropertyValue(args[0] if args else kwargs.get("fget"))
            made.by_class = cls.lookup("__get__") is not MISSING
            return made
        maker = cls.lookup("__new__")
        if maker is not MISSING:
            function = maker.func if isinstance(maker, StaticMethod) else maker
            made = machine.call(function, [cls, *args], kwargs)
            if not isinstance(made, Instance) or not made.cls.derives(cls):
                return made
        else:
            made = self.new(cls, args)
        self.initialize(made, args, kwargs)
        return made

    def initialize(self, made: Instance, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Run `__init__`."""
        init = made.cls.lookup("__init__")
        if init is not MISSING:
            self.machine.call(init, [made, *args], kwargs)
        elif made.cls.host is not None:
            self.fill_host(made, args, kwargs)
        elif made.cls.derives(self.machine.exceptions["BaseException"]):
            made.attrs["args"] = tuple(args)

    def new(self, cls: Any, args: list[Any]) -> Any:
        """`object.__new__(cls)`; for a metaclass, `type.__new__(meta, name, bases, namespace)`."""
        if not isinstance(cls, ClassValue):
            return UNKNOWN
        if "meta" in cls.traits and len(args) >= 3:
            made = self.build(str(args[0]), list(args[1]), dict(args[2]), None, 0)
            made.metaclass = cls
            return made
        if cls.is_module:
            return self.new_module(cls)
        made_instance = Instance(cls)
        host = cls.host
        if host in (list, dict, set):
            made_instance.host = host()
        elif host is not None:
            made_instance.host = self.machine.call_type(host, list(args), {}) if args else _empty(host)
        if cls.derives(self.machine.exceptions["BaseException"]):
            made_instance.attrs["args"] = tuple(args)
        return made_instance

    def new_module(self, cls: ClassValue) -> ModuleInstance:
        """A module, created where the innermost frame of the program stands."""
        machine = self.machine
        machine.count_module()
        made = ModuleInstance(cls, self.site(), machine.uncertain, machine.inside_torch > 0)
        made.repeats = machine.repeating
        return made

    def site(self) -> tuple[str, int] | None:
        """File and line of the innermost frame of the program; a `__new__` belongs to the line that calls the
        class."""
        constructing = True
        for frame in reversed(self.machine.frames):
            module, function = frame.module, frame.function
            constructing = constructing and function is not None and function.name == "__new__"
            if constructing or module.file is None or module.plumbing:
                continue
            if function is None or (module.name, function.qualname) not in PLUMBING_FUNCTIONS:
                return module.file, frame.line
        return None

    def fill_host(self, target: Instance, args: list[Any], kwargs: dict[str, Any]) -> None:
        """`list.__init__`, `dict.__init__` … on an object of a derived class."""
        machine = self.machine
        if isinstance(target.host, list) and args:
            target.host[:] = list(machine.iterate(args[0]))
        elif isinstance(target.host, dict):
            made = machine.call_type(dict, list(args), dict(kwargs))
            if isinstance(made, dict):
                target.host.clear()
                target.host.update(made)
        elif isinstance(target.host, set) and args:
            target.host.update(machine.iterate(args[0]))

    # Enums

    def _make_members(self, cls: ClassValue) -> None:
        number = 0
        for name, value in list(cls.ns.items()):
            skip = isinstance(
                value, Function | ClassMethod | StaticMethod | PropertyValue | Native | ClassValue
            )
            if name.startswith("_") or skip:
                continue
            if isinstance(value, Unknown) and value.why == "auto":
                number += 1
                value = name.lower() if cls.host is str else number
            elif isinstance(value, int):
                number = value
            cls.ns[name] = self._member(cls, name, value)
        cls.changed()

    def _member(self, cls: ClassValue, name: str, value: Any) -> Instance:
        member = Instance(cls)
        init = cls.lookup("__init__")
        if init is not MISSING:
            self.machine.call(init, [member, *(value if isinstance(value, tuple) else (value,))], {})
        member.attrs.update(name=name, value=value, _name_=name, _value_=value)
        member.host = value if cls.host is not None else None
        return member

    def _enum_of(self, base: ClassValue, name: Any, members: Any) -> Any:
        """`Enum("Name", "A B")`, or a list or dict of members."""
        if isinstance(members, Unknown) or not isinstance(name, str):
            return UNKNOWN
        named = self.machine.host_value(members)
        named = named.replace(",", " ").split() if isinstance(named, str) else named
        listed = zip(self.machine.iterate(named), itertools.count(1), strict=False)
        pairs = named.items() if isinstance(named, dict) else listed
        return self.build(name, [base], dict(pairs), None, 0)

    def enum_members(self, cls: ClassValue) -> list[Any]:
        """The members in the order of their definition."""
        return [v for v in cls.ns.values() if isinstance(v, Instance) and v.cls is cls and "name" in v.attrs]

    def _member_of(self, cls: ClassValue, args: list[Any]) -> Any:
        if not args or isinstance(args[0], Unknown):
            return UNKNOWN
        if len(args) == 2 and not self.enum_members(cls):
            return self._enum_of(cls, args[0], args[1])
        for member in self.enum_members(cls):
            if member is args[0] or self.machine.truth(self.machine.equal(member.attrs["value"], args[0])):
                return member
        missing = cls.lookup("_missing_")
        if missing is not MISSING:
            return self.machine.call(self.machine.bound(missing, None, cls), [args[0]], {})
        raise self.machine.error("ValueError", f"{args[0]!r} is not a valid {cls.name}")


def _empty(host: type) -> Any:
    return host() if host in (str, int, float, tuple, bytes, frozenset) else None


__all__ = ["FUNCTIONS", "Classes", "Iter"]
