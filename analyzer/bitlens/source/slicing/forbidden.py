"""What never enters a slice: training, data from elsewhere, questions to the user, output, other programs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from bitlens.source.knowledge import Function, Knowledge
from bitlens.source.slicing.effects import Definition, root
from bitlens.source.slicing.scopes import LOOPS, Atom
from bitlens.source.tree import children, once, walk
from bitlens.source.words import words

_ASKS = frozenset({"input", "getpass.getpass", "sys.stdin.read", "sys.stdin.readline"})
_NETWORK = re.compile(
    r"^(requests|urllib|urllib3|httpx|aiohttp|wget|gdown|kagglehub|kaggle|boto3|ftplib|socket|paramiko|wandb|mlflow"
    r"|pooch|opendatasets|google\.colab|roboflow|comet_ml|neptune|clearml)(\.|$)"
    r"|^datasets\.(load_dataset|load_dataset_builder|load_metric|Dataset)(\.|$)|^evaluate\.load$"
    r"|load_state_dict_from_url$|download_url_to_file$|^sklearn\.datasets\.fetch_|^tensorflow_datasets\."
    r"|^torchtext\.datasets\.|^torchaudio\.datasets\.|^keras\.datasets|^nltk\.download$"
)
_PROGRAMS = re.compile(
    r"^(subprocess|multiprocessing)\.|^os\.(system|popen|exec|fork|kill|spawn)|^get_ipython$"
)
_PROCESS_GROUPS = re.compile(
    r"^torch\.distributed\.(init_process_group|get_rank|get_world_size|barrier)|^deepspeed\."
)
_WRITES = re.compile(
    r"^torch\.(save|onnx\.export|jit\.save|export\.save)$|^os\.(makedirs|mkdir|remove|rename|unlink|rmdir|removedirs|chmod)$"
    r"|^shutil\.|^pickle\.dump$|^json\.dump$|^yaml\.(safe_)?dump$|^joblib\.dump$|^numpy\.save|^safetensors\.torch\.save"
    r"|^matplotlib\.|^seaborn\.|^plotly\."
)
_WRITING_METHODS = words(
    """
    save_pretrained push_to_hub write_text write_bytes mkdir unlink savefig to_csv to_json to_parquet
    to_excel save_model writelines rmdir touch extractall
    """
)
_SHOWS = re.compile(
    r"^(print|display|pprint\.|IPython\.display|rich\.print|logging\.|warnings\.|tqdm\.|torchinfo\.|torchsummary\.|time\.sleep|breakpoint$|pdb\.)"
    r"|^(exit|quit|sys\.exit|os\._exit|gc\.collect|torch\.cuda\.(empty_cache|synchronize|reset_\w+))$"
)
_LOGGING_NAMES = re.compile(
    r"^_?(logger|log|logging|writer|console|pbar|progress_bar|tb|run)$", re.IGNORECASE
)
_TRAINING_METHODS = frozenset({"backward", "manual_backward", "training_step"})
_STEPPERS = re.compile(r"opt|sched|scaler|trainer|accelerator|engine", re.IGNORECASE)
_FITTING_METHODS = words(
    "fit fit_generator train_model learn finetune optimize evaluate predict validate test"
)


def called(call: ast.Call, knowledge: Knowledge) -> str | None:
    """The dotted name of what a call calls: through imports, a local definition, or a builtin's own name."""
    dotted = knowledge.meaning(call.func)
    if dotted is None and isinstance(call.func, ast.Name):
        return call.func.id
    return dotted


def is_training_call(call: ast.Call, knowledge: Knowledge) -> bool:
    """`loss.backward()`, `optimizer.step()`, `trainer.train()`, and calls of the file's own training
    functions."""
    func = call.func
    if isinstance(func, ast.Name):
        return func.id in training_names(knowledge)
    return isinstance(func, ast.Attribute) and (_is_step(func) or func.attr in training_names(knowledge))


def _is_step(func: ast.Attribute) -> bool:
    if func.attr in _TRAINING_METHODS:
        return True
    base = root(func.value)
    last = func.value.attr if isinstance(func.value, ast.Attribute) else base.id if base else ""
    if func.attr == "step":
        return _STEPPERS.search(last) is not None
    return func.attr in {"train", "fit"} and "trainer" in last.lower()


def training_names(knowledge: Knowledge) -> frozenset[str]:
    """Functions and methods of the file that take training steps, in themselves or through others."""
    if knowledge.training is None:
        functions = dict(knowledge.functions)
        for owner in knowledge.classes.values():
            for child in owner.body:
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not child.name.startswith(
                    "__"
                ):
                    functions.setdefault(child.name, child)
        knowledge.training = _training_names(functions)
    return knowledge.training


def _training_names(functions: Mapping[str, Function]) -> frozenset[str]:
    called: dict[str, set[str]] = {}
    found: set[str] = set()
    for name, function in functions.items():
        funcs = [child.func for child in walk(function) if isinstance(child, ast.Call)]
        if any(isinstance(func, ast.Attribute) and _is_step(func) for func in funcs):
            found.add(name)
        called[name] = {func.id for func in funcs if isinstance(func, ast.Name)}
        called[name] |= {func.attr for func in funcs if isinstance(func, ast.Attribute)} - _COMMON_METHODS
    while True:
        more = {name for name, others in called.items() if name not in found and others & found}
        if not more:
            return frozenset(found - _COMMON_METHODS)
        found |= more


_COMMON_METHODS = words("train eval forward step update run to apply get items build __init__ main")
"""Names that other objects' methods have too: a call of one says nothing about the file's own."""


def trains(node: ast.AST, knowledge: Knowledge) -> bool:
    """Whether a training step stands anywhere below `node`."""
    return any(isinstance(child, ast.Call) and is_training_call(child, knowledge) for child in walk(node))


def _trains_directly(node: ast.AST, knowledge: Knowledge) -> bool:
    """As `trains`, but not inside a loop or definition of its own below `node`."""
    for child in children(node):
        if isinstance(child, (*LOOPS, *Definition)):
            continue
        if (isinstance(child, ast.Call) and is_training_call(child, knowledge)) or _trains_directly(
            child, knowledge
        ):
            return True
    return False


def in_training_loop(atom: Atom, knowledge: Knowledge) -> bool:
    """Whether a loop around the atom takes training steps, in itself or in loops below it."""
    return any(isinstance(b.header.node, LOOPS) and trains(b.header.node, knowledge) for b in atom.blocks)


def reason(atom: Atom, knowledge: Knowledge) -> str | None:
    """Why an atom may not run, as the end of a sentence that starts with the line; None if it may."""
    headers = [block.header.node for block in atom.blocks]
    if isinstance(atom.node, LOOPS):
        headers.append(atom.node)
    if any(isinstance(node, LOOPS) and _trains_directly(node, knowledge) for node in headers):
        return "belongs to the training loop"
    for call in atom.effects.calls:
        found = _call_reason(call, knowledge)
        if found is not None:
            return found
    if any(_is_argv(node, knowledge) for node in walk(atom.node) if isinstance(node, ast.Attribute)):
        return "reads the command line (sys.argv)" if not isinstance(atom.node, Definition) else None
    return None


def _is_argv(node: ast.Attribute, knowledge: Knowledge) -> bool:
    return node.attr == "argv" and knowledge.names.dotted(node) == "sys.argv"


def _call_reason(call: ast.Call, knowledge: Knowledge) -> str | None:
    name = called(call, knowledge)
    if is_training_call(call, knowledge):
        return "trains the model"
    if name is None:
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        return "writes to disk" if method in _WRITING_METHODS else None
    if name in _ASKS:
        return "asks the user"
    if _NETWORK.search(name) or _downloads(call, name):
        return "loads data that may come from the network"
    if _PROGRAMS.search(name):
        return "starts another program"
    if _PROCESS_GROUPS.search(name):
        return "needs a group of processes"
    if _WRITES.search(name) or _opens_for_writing(call, name):
        return "writes to disk"
    return None


def _downloads(call: ast.Call, name: str) -> bool:
    if not name.startswith("torchvision.datasets."):
        return False
    return any(keyword.arg == "download" and not _is_false(keyword.value) for keyword in call.keywords)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _opens_for_writing(call: ast.Call, name: str) -> bool:
    if name not in {"open", "io.open", "gzip.open"}:
        return False
    mode = (
        call.args[1]
        if len(call.args) > 1
        else next((k.value for k in call.keywords if k.arg == "mode"), None)
    )
    return (
        isinstance(mode, ast.Constant)
        and isinstance(mode.value, str)
        and any(c in mode.value for c in "wax+")
    )


def is_output(atom: Atom, knowledge: Knowledge) -> bool:
    """An expression statement that only shows, logs or writes: left out wherever it stands."""
    if not isinstance(atom.node, ast.Expr):
        return False
    value = atom.node.value
    if isinstance(value, ast.Await):
        value = value.value
    if not isinstance(value, ast.Call):
        return False
    name = called(value, knowledge)
    if name is not None and (_SHOWS.search(name) or _WRITES.search(name) or _NETWORK.search(name)):
        return True
    if not isinstance(value.func, ast.Attribute):
        return False
    base = value.func.value
    last = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
    return _LOGGING_NAMES.match(last) is not None or value.func.attr in _WRITING_METHODS | _FITTING_METHODS


def is_training_function(function: Function, knowledge: Knowledge) -> bool:
    """Whether a function takes training steps, in itself or through others."""
    return trains(function, knowledge)


_SAVES = frozenset({"torch.save", "safetensors.torch.save_file", "safetensors.torch.save_model"})
_LOADS = frozenset({"torch.load", "safetensors.torch.load_file", "safetensors.torch.load_model"})


def saved_paths(nodes: Iterable[ast.AST], knowledge: Knowledge) -> frozenset[str]:
    """The syntax of the paths to which a file saves weights."""
    calls = (call for node in nodes for call in _calls_of_more_than_one(node))
    return frozenset(ast.dump(call.args[1]) for call in calls if knowledge.meaning(call.func) in _SAVES)


@once
def _calls_of_more_than_one(node: ast.AST) -> list[ast.Call]:
    return [call for call in walk(node) if isinstance(call, ast.Call) and len(call.args) > 1]


def loads_own_file(call: ast.Call, knowledge: Knowledge, saved: frozenset[str]) -> bool:
    """Whether a call loads weights from a path to which the file saves: before training there are none."""
    if not saved or knowledge.meaning(call.func) not in _LOADS:
        return False
    return any(ast.dump(argument) in saved for argument in call.args)
