"""Model expressions, dtypes and conversion calls of a file."""

from __future__ import annotations

import ast
from typing import Literal

from bitlens.source.fact_types import ConversionFact, DtypeFact, ModelFact
from bitlens.source.imports import chain
from bitlens.source.knowledge import Knowledge
from bitlens.source.libraries import OTHER_ENGINES, library_of
from bitlens.source.models import Models
from bitlens.source.places import Columns
from bitlens.source.tree import children
from bitlens.source.words import words

_METHODS = {"half": "float16", "float": "float32", "double": "float64", "bfloat16": "bfloat16"}
_DTYPES = words(
    """
    float16 half float32 float float64 double bfloat16 int8 uint8 int16 short int32 int int64 long qint8
    quint8 qint32 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz complex64 complex128 bool
    quint4x2 uint4 int4
    """
)
_ALIASES = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
}
_DTYPE_KEYWORDS = words(
    """
    dtype torch_dtype param_dtype compute_dtype bnb_4bit_compute_dtype bnb_4bit_quant_storage
    mixed_precision
    """
)
_DEFAULTS = frozenset({"torch.set_default_dtype", "torch.set_default_tensor_type"})
_AUTOCASTS = frozenset(
    {"torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast", "torch.cpu.amp.autocast"}
)
Action = Literal["quantize", "freeze", "prepare", "convert", "configure", "prune", "load", "other"]


class CallFacts:
    """Walks statements and collects."""

    def __init__(self, knowledge: Knowledge, columns: Columns) -> None:
        self.knowledge = knowledge
        self.columns = columns
        self.finder = Models(knowledge)
        self.models: list[ModelFact] = []
        self.dtypes: list[DtypeFact] = []
        self.conversions: list[ConversionFact] = []
        self.offset = 0
        self.functions: list[str] = []
        self.variables: list[dict[str, str]] = [{}]
        self.in_module = False

    def statement(self, node: ast.stmt, offset: int) -> None:
        """Collect from one top-level statement."""
        self.offset = offset
        self._visit(node)

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.ClassDef):
            before, self.in_module = self.in_module, self.knowledge.is_module(node.name)
            self._children(node)
            self.in_module = before
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._function(node)
        else:
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                self._assignment(node)
            elif isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, ast.Attribute):
                self._setting(node)
            self._children(node)

    def _children(self, node: ast.AST) -> None:
        for child in children(node):
            self._visit(child)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.functions.append(node.name)
        self.variables.append({})
        self._children(node)
        self.variables.pop()
        self.functions.pop()

    @property
    def _function_name(self) -> str | None:
        return self.functions[-1] if self.functions else None

    def _known(self) -> dict[str, str]:
        return {name: made for scope in self.variables for name, made in scope.items()}

    def _assignment(self, node: ast.Assign | ast.AnnAssign) -> None:
        for target, value, use in self.finder.bound(node, self._known()):
            self.variables[-1][target] = use.class_name
            if not self.in_module:
                place = self.columns.place(value, self.offset)
                self.models.append(ModelFact(*place, use.kind, use.class_name, target, self._function_name))

    def _call(self, node: ast.Call) -> None:
        dotted = self.knowledge.meaning(node.func)
        self._model(node, dotted)
        self._dtype(node, dotted)
        library = library_of(dotted) if dotted is not None else None
        if library is not None and dotted is not None:
            place = self.columns.place(node, self.offset)
            self.conversions.append(ConversionFact(*place, library, dotted, _action(dotted), _given(node)))

    def _model(self, node: ast.Call, dotted: str | None) -> None:
        """Models that no variable gets, weights that are loaded, and engines that are no torch modules."""
        place = self.columns.place(node, self.offset)
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "load_state_dict"
            and not self.in_module
        ):
            owner = chain(node.func.value)
            name = ".".join(owner) if owner else None
            made = self._known().get(name or "", "")
            self.models.append(ModelFact(*place, "weights", made, name, self._function_name))
        elif dotted in OTHER_ENGINES and not self._is_recorded(place):
            self.models.append(ModelFact(*place, "external", str(dotted), None, self._function_name))
        elif not self.in_module and not self._is_recorded(place):
            use = self.finder.use(node, self._known())
            if use is not None and use.kind in {"pretrained", "library", "factory"}:
                self.models.append(ModelFact(*place, use.kind, use.class_name, None, self._function_name))

    def _is_recorded(self, place: tuple[int, int]) -> bool:
        return any((fact.line, fact.column) == place for fact in self.models[-8:])

    def _dtype(self, node: ast.Call, dotted: str | None) -> None:
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in _METHODS and not node.args:
                self._add_dtype(node, _METHODS[node.func.attr], "method")
            elif node.func.attr in {"to", "type"}:
                for argument in node.args:
                    name = self.dtype_name(argument)
                    if name is not None:
                        self._add_dtype(argument, name, "method")
        if dotted in _DEFAULTS and node.args:
            self._add_dtype(node, self.dtype_name(node.args[0]), "default")
        elif dotted in _AUTOCASTS:
            given = [keyword.value for keyword in node.keywords if keyword.arg == "dtype"]
            self._add_dtype(node, self.dtype_name(given[0]) if given else None, "autocast")
            return
        for keyword in node.keywords:
            if keyword.arg in _DTYPE_KEYWORDS:
                self._add_dtype(keyword.value, self.dtype_name(keyword.value), "argument")

    def _add_dtype(
        self, node: ast.expr, name: str | None, how: Literal["argument", "method", "default", "autocast"]
    ) -> None:
        self.dtypes.append(DtypeFact(*self.columns.place(node, self.offset), name, how))

    def dtype_name(self, node: ast.expr) -> str | None:
        """The dtype that an expression names (`torch.half`, `"bfloat16"`); None where it names none."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.removeprefix("torch.")
        else:
            dotted = self.knowledge.names.dotted(node) or ""
            if not dotted.startswith("torch."):
                return None
            name = dotted.removeprefix("torch.")
        return _ALIASES.get(name, name) if name in _DTYPES or name == "auto" else None

    def _setting(self, node: ast.Attribute) -> None:
        """`model.qconfig = …` configures torch's own quantization without a call."""
        if node.attr in {"qconfig", "qconfig_dict"} and isinstance(node.ctx, ast.Store):
            owner = chain(node.value)
            place = self.columns.place(node, self.offset)
            name = ".".join(owner) if owner else None
            self.conversions.append(ConversionFact(*place, "torch.ao", "qconfig", "configure", name))


def _action(dotted: str) -> Action:
    last = dotted.rsplit(".", 1)[-1]
    words: tuple[tuple[str, Action], ...] = (
        ("freeze", "freeze"),
        ("prepare", "prepare"),
        ("fuse", "prepare"),
        ("convert", "convert"),
        ("prune", "prune"),
        ("from_", "load"),
        ("requantize", "load"),
        ("quant", "quantize"),
    )
    if ".prune." in dotted:
        return "prune"
    if last[:1].isupper() or "qconfig" in last or last == "with_args":
        return "load" if last in {"LLM", "Llama"} else "configure"
    return next((action for word, action in words if word in last), "other")


def _given(node: ast.Call) -> str | None:
    values = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "model")]
    parts = chain(values[0]) if values else None
    return ".".join(parts) if parts else None
