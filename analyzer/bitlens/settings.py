"""Every setting, declared once: its name, meaning, default and whether a workspace may choose it.

The names are Python's here, camelCase in an editor (`bitlens.hints.minimumSize`) and kebab-case in
`[tool.bitlens]` (`hints.minimum-size`). `docs/settings.md` and the editor's settings are made from this file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bitlens.quantities import parse_size
from bitlens.schemes import DEFAULT_IDS, all_ids

Preset = Literal["full", "compact", "size", "off"]
When = Literal["onCommand", "onSave", "onOpen"]
Device = Literal["auto", "cuda", "cpu", "meta"]
Severity = Literal["error", "warning", "information", "hint", "off"]


def _setting(
    default: Any, doc: str, *, restricted: bool = False, check: Callable[[Any], str | None] | None = None
) -> Any:
    """A field: `restricted` ones choose what runs, so a workspace's own files never set them."""
    metadata = {"doc": doc, "restricted": restricted, "check": check}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def _is_size(value: str) -> str | None:
    try:
        parse_size(value or "0")
    except ValueError as error:
        return str(error)
    return None


def _are_schemes(value: tuple[str, ...]) -> str | None:
    unknown = [scheme for scheme in value if scheme not in all_ids()]
    return f"there is no scheme {unknown[0]!r}; `bitlens schemes` lists them" if unknown else None


def _is_positive(value: float) -> str | None:
    return None if value >= 0 else "it cannot be negative"


@dataclass(frozen=True)
class Hints:
    """Inlay hints at the end of a line."""

    preset: Preset = _setting(
        "full",
        "What a hint says: `full` is dtype, memory and the weight errors of the schemes; `compact` is"
        " memory and the last"
        " scheme's error; `size` is memory alone; `off` shows no hint.",
    )
    minimum_size: str = _setting(
        "0", "Lines that take less memory get no hint, e.g. `100KB`.", check=_is_size
    )
    layers: bool = _setting(True, "Hints on lines that construct a layer.")
    composites: bool = _setting(True, "Hints on lines that construct a module made of several layers.")
    models: bool = _setting(True, "Hints on expressions that build a model.")
    static: bool = _setting(True, "Hints from the source alone, where nothing was measured.")
    schemes: tuple[str, ...] = _setting(
        ("quanto.qint8", "quanto.qint4"), "Schemes named in hints, at most two.", check=_are_schemes
    )


@dataclass(frozen=True)
class Lens:
    """Code lenses, which take a line of their own."""

    enabled: bool = _setting(True, "Lenses on model classes and on expressions that build a model.")


@dataclass(frozen=True)
class Hover:
    """What a hover holds."""

    pictures: bool = _setting(True, "A histogram of the weights, for clients that can show pictures.")


@dataclass(frozen=True)
class Measure:
    """How models are built and measured. Nothing runs in an untrusted workspace."""

    when: When = _setting("onCommand", "When a file's models are measured.")
    schemes: tuple[str, ...] = _setting(DEFAULT_IDS, "Schemes that are measured.", check=_are_schemes)
    device: Device = _setting("auto", "Where models are built.")
    time_limit: float = _setting(600.0, "Seconds for one model; 0 for none.", check=_is_positive)
    memory_limit: str = _setting(
        "", "Memory for one model, e.g. `8GB`; empty for most of the machine's.", check=_is_size
    )
    allow_network: bool = _setting(
        False, "Whether measured programs may download from a model hub.", restricted=True
    )


@dataclass(frozen=True)
class Diagnostics:
    """Findings in the source."""

    enabled: bool = _setting(True, "Show findings.")
    severity: Mapping[str, Severity] = _setting({}, 'Severity by rule code, e.g. `{ BL202 = "off" }`.')
    int8_error: float = _setting(
        0.02, "Relative weight error of a layer under int8 from which a finding is made.", check=_is_positive
    )
    int4_error: float = _setting(
        0.15, "Relative weight error of a layer under int4 from which a finding is made.", check=_is_positive
    )
    budget: str = _setting(
        "", "Memory that a model may take, e.g. `8GB`; empty for no budget.", check=_is_size
    )


@dataclass(frozen=True)
class Settings:
    """All settings, resolved."""

    hints: Hints = Hints()
    lens: Lens = Lens()
    hover: Hover = Hover()
    measure: Measure = Measure()
    diagnostics: Diagnostics = Diagnostics()
    interpreter: str = _setting(
        "", "Python that builds and measures models; empty for the active environment's.", restricted=True
    )
    models: Mapping[str, str] = _setting(
        {},
        "Configuration for a model class, by the class's name, where its default is not wanted: a JSON or"
        " YAML file beside the program or above it in the project, or an expression in the program's names."
        " `# bitlens: config=…` above the class wins.",
    )


@dataclass(frozen=True)
class Declared:
    """One setting as documentation and editors need it."""

    path: tuple[str, ...]
    type: Any
    default: Any
    doc: str
    restricted: bool
    check: Callable[[Any], str | None] | None

    @property
    def editor(self) -> str:
        """`hints.minimumSize`."""
        return ".".join(_camel(part) for part in self.path)

    @property
    def toml(self) -> str:
        """`hints.minimum-size`."""
        return ".".join(part.replace("_", "-") for part in self.path)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def declared(of: type = Settings, path: tuple[str, ...] = ()) -> Iterator[Declared]:
    """Every setting, in the order of this file."""
    types = get_type_hints(of)
    for item in fields(of):
        if is_dataclass(types[item.name]):
            yield from declared(types[item.name], (*path, item.name))
        else:
            meta = item.metadata
            yield Declared(
                (*path, item.name),
                types[item.name],
                _default(item),
                meta["doc"],
                meta["restricted"],
                meta["check"],
            )


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def resolve(*layers: tuple[str, Mapping[str, Any], bool]) -> tuple[Settings, tuple[str, ...]]:
    """The settings that `layers` amount to, weakest first, and what is wrong in them.

    A layer is (what to call it, its nested values, whether it may set restricted ones). Names may be written
    in any of the three ways. A value of None is not set; a wrong one is told and left out. So is a name that
    is none, but in what an editor sends: its clients have settings of their own.
    """
    settings, wrong = Settings(), []
    for name, values, trusted in layers:
        if not trusted:
            wrong += [f"{name}: {text}" for text in _strange(values, [item.path for item in declared()])]
        for item in declared():
            value = _lookup(values, item.path)
            if value is None or (item.restricted and not trusted):
                continue
            try:
                settings = _with(settings, item.path, _checked(item, value))
            except ValueError as error:
                wrong.append(f"{name}: {item.toml}: {error}")
    return settings, tuple(wrong)


def _strange(values: Mapping[str, Any], paths: list[tuple[str, ...]], above: str = "") -> Iterator[str]:
    """What is said of names that are no setting, and of groups of settings that are no table."""
    for name, value in values.items():
        inside = [path[1:] for path in paths if name in _spellings(path[0])]
        if not inside:
            yield f"{above}{name}: there is no such setting"
        elif not inside[0]:
            continue
        elif isinstance(value, Mapping):
            yield from _strange(value, inside, f"{above}{name}.")
        else:
            yield f"{above}{name}: {value!r} is not a table"


def _spellings(part: str) -> tuple[str, str, str]:
    return part, _camel(part), part.replace("_", "-")


def _lookup(values: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        inside = isinstance(values, Mapping)
        values = next((values[name] for name in _spellings(part) if name in values), None) if inside else None
    return values


def _with(value: Any, path: tuple[str, ...], new: Any) -> Any:
    inner = _with(getattr(value, path[0]), path[1:], new) if len(path) > 1 else new
    return replace(value, **{path[0]: inner})


def _checked(item: Declared, value: Any) -> Any:
    value = _typed(item.type, value)
    complaint = item.check(value) if item.check else None
    if complaint:
        raise ValueError(complaint)
    return value


def _typed(kind: Any, value: Any) -> Any:
    """`value` as a `kind`. Raises ValueError."""
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{value!r} is none of {', '.join(get_args(kind))}")
        return value
    if origin is tuple:
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise ValueError(f"{value!r} is not a list of names")
        return tuple(value)
    if origin is not None:
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r} is not a table")
        return {str(key): _typed(get_args(kind)[1], entry) for key, entry in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} is not a {kind.__name__}")
    return value


def documentation() -> str:
    """The manual page of all settings, as Markdown; `docs/settings.md` is this text."""
    lines = [
        "# Settings",
        "",
        "In an editor: `bitlens.NAME`, e.g. `bitlens.hints.preset`. In a project: `[tool.bitlens]` of",
        "`pyproject.toml`, with dashes for capitals, e.g. `hints.minimum-size`. What the editor sets wins.",
        "Settings marked *editor only* choose what runs, so a project's own files cannot set them. Changes",
        "take effect at once.",
        "",
        "| name | values | default | meaning |",
        "| :-- | :-- | :-- | :-- |",
    ]
    for item in declared():
        doc = item.doc + (" *Editor only.*" if item.restricted else "")
        cells = (f"`{item.editor}`", _values(item.type), f"`{_shown(item.default)}`", doc)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _values(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return "list of names"
    return {bool: "true or false", float: "number", str: "text"}.get(kind, "table")


def _shown(default: Any) -> str:
    return json.dumps(list(default) if isinstance(default, tuple) else default)
