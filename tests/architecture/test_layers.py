"""Who may import whom: the table of layers, read from the syntax trees of the package."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "cvrun"

GROUND = {"", "errors", "rng", "duration", "dist", "folder", "cache", "fault", "tensorfile", "yamlfile", "streams"}
GROUND |= {
    "allocator",
    "cores",
    "lock",
    "ranks",
    "cells",
    "physical",
    "stopping",
    "patience",
    "interval",
    "bootstrap",
    "warned",
}
GROUND |= {"noise_floor", "optimism"}
GROUND |= {"ledger", "opening", "sketch", "ensemble", "soup"}
PARTS = {
    "data",
    "split",
    "normalize",
    "sampler",
    "augment",
    "model",
    "loss",
    "metric",
    "optimizer",
    "scheduler",
    "early_stopping",
    "tta",
    "logger",
    "pipeline",
}
ASSEMBLY = {
    "added",
    "arithmetic",
    "images",
    "compiler",
    "precision",
    "probe",
    "options",
    "typed",
    "spec",
    "keys",
    "changes",
    "config",
    "plan",
    "prepare",
    "build",
    "environment",
    "rehearse",
    "userfile",
    "selection",
    "privacy",
    "card",
    "grouping",
    "exclusion",
    "sections",
    "audit",
    "normalized",
    "imbalance",
    "outside",
    "decision",
    "export",
    "temperature",
    "paired",
    "cutoff",
    "viewable",
    "corruption",
}
EDGE = {"cli", "command", "report", "__main__"}
GROUND_MAY_IMPORT = {"numpy", "torch", "safetensors", "yaml", "scipy"}
"""What reads the files of others: data, never code."""
LAZY = {"timm", "torchvision", "sklearn", "tensorboard", "datasets", "pyarrow", "tifffile", "scipy"}
LAZY |= {"onnx", "onnxruntime", "onnxscript"}
RUNS_CODE = {"pickle", "cPickle", "joblib", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle", "code", "codeop"}
UNSAFE_NAMES = {
    *("instantiate", "get_class", "get_method", "register_new_resolver", "register_resolver"),
    *("unsafe_load", "unsafe_load_all", "full_load", "full_load_all", "UnsafeLoader", "FullLoader"),
    *("getoutput", "getstatusoutput", "mktemp", "load_library", "unpack_archive"),
    *("add_safe_globals", "safe_globals", "load_state_dict_from_url", "PackageImporter", "read_pickle"),
}
"""Functions and classes with which a file, an address or a shell would say what is run."""
UNSAFE_CALLS = {
    "yaml.load",
    "yaml.load_all",
    "os.system",
    "os.popen",
    "torch.hub.load",
    "torch.package.PackageImporter",
}
OFF_ONLY = {"shell", "allow_pickle", "trust_remote_code", "trust_repo"}
"""Arguments that may be given as False and in no other way."""
IMAGE_LIMITS = {"MAX_IMAGE_PIXELS", "LOAD_TRUNCATED_IMAGES"}
LOADS_TENSORS = {"tensorfile"}

Tree = tuple[str, ast.Module]
"""A module's name without "cvrun." (the package itself: ""), and its syntax tree."""


def modules() -> Iterator[Tree]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        yield name, ast.parse(path.read_text())


MODULES = list(modules())
KNOWN = {name for name, _ in MODULES}


def imports(tree: ast.AST, top: bool = True) -> Iterator[tuple[str, bool]]:
    """Every module that is imported, and whether that happens when the importing module is."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole.removeprefix("cvrun.") in KNOWN else str(node.module), top
        elif not isinstance(node, ast.expr):
            yield from imports(node, top and not isinstance(node, ast.FunctionDef))


def own(tree: ast.AST) -> set[str]:
    """The modules of cvrun that are imported, without "cvrun."."""
    return {name.removeprefix("cvrun").lstrip(".") for name, _ in imports(tree) if name.partition(".")[0] == "cvrun"}


def foreign(tree: ast.AST) -> set[str]:
    return {name.partition(".")[0] for name, _ in imports(tree)} - {"cvrun"}


def is_contract(name: str, groups: set[str]) -> bool:
    """A group's `__init__`, or a module that begins with an underscore: shared, not an option."""
    group, _, rest = name.partition(".")
    return group in groups and (rest == "" or rest.startswith("_"))


def layer(name: str) -> str:
    top = name.partition(".")[0]
    layers = {"ground": GROUND, "parts": PARTS, "task": {"task"}, "trainer": {"trainer"}, "assembly": ASSEMBLY}
    return next((found for found, tops in layers.items() if top in tops), "edge" if top in EDGE else "none")


def every_module_has_a_layer(name: str, tree: ast.Module) -> list[str]:
    return [name] if layer(name) == "none" else []


def ground_stands_alone(name: str, tree: ast.Module) -> list[str]:
    if layer(name) != "ground":
        return []
    outside = {top for top in foreign(tree) if top not in sys.stdlib_module_names} - GROUND_MAY_IMPORT
    return sorted(outside | {other for other in own(tree) if layer(other) != "ground"})


def parts_know_contracts_only(name: str, tree: ast.Module) -> list[str]:
    if layer(name) != "parts":
        return []
    group = name.partition(".")[0]

    def allowed(other: str) -> bool:
        same_pipeline = group == "pipeline" and other.partition(".")[0] == "pipeline"
        return layer(other) == "ground" or is_contract(other, PARTS) or same_pipeline

    return sorted(other for other in own(tree) if not allowed(other))


def task_knows_contracts_only(name: str, tree: ast.Module) -> list[str]:
    if layer(name) != "task":
        return []
    return sorted(o for o in own(tree) if not (layer(o) == "ground" or is_contract(o, PARTS | {"task"})))


def trainer_knows_contracts_only(name: str, tree: ast.Module) -> list[str]:
    if layer(name) != "trainer":
        return []
    return sorted(o for o in own(tree) if not (layer(o) in ("ground", "trainer") or is_contract(o, PARTS | {"task"})))


def assembly_does_not_know_the_edge(name: str, tree: ast.Module) -> list[str]:
    return sorted(o for o in own(tree) if layer(o) == "edge") if layer(name) == "assembly" else []


def assembly_names_no_option(name: str, tree: ast.Module) -> list[str]:
    if layer(name) not in ("assembly", "edge"):
        return []
    groups = (PARTS | {"task"}) - {"pipeline"}
    return sorted(o for o in own(tree) if o.partition(".")[0] in groups and not is_contract(o, groups))


def report_stands_on_ground(name: str, tree: ast.Module) -> list[str]:
    if name.partition(".")[0] != "report":
        return []
    return sorted(o for o in own(tree) if layer(o) != "ground" and o.partition(".")[0] != "report")


def config_alone_knows_hydra(name: str, tree: ast.Module) -> list[str]:
    return [] if name == "config" else sorted(foreign(tree) & {"hydra", "omegaconf"})


def two_modules_import_by_name(name: str, tree: ast.Module) -> list[str]:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & {"__import__"}
    return [] if name in ("options", "cli") else sorted((foreign(tree) & {"importlib", "runpy", "imp"}) | used)


def heavy_imports_are_inside_functions(name: str, tree: ast.Module) -> list[str]:
    return sorted(module for module, top in imports(tree) if top and module.partition(".")[0] in LAZY)


def no_file_is_executed(name: str, tree: ast.Module) -> list[str]:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {func.id for func in called if isinstance(func, ast.Name)} & {"eval", "exec", "compile"}
    return sorted(names | (foreign(tree) & RUNS_CODE))


def tensors_are_loaded_as_data(name: str, tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            found += [f"line {node.lineno}: from torch import load" for alias in node.names if alias.name == "load"]
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "torch.jit.load")):
            continue
        safe = any(
            keyword.arg == "weights_only" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            for keyword in node.keywords
        )
        if name not in LOADS_TENSORS or not safe or ast.unparse(node.func) != "torch.load":
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def literally(keyword: ast.keyword, value: object) -> bool:
    return isinstance(keyword.value, ast.Constant) and repr(keyword.value.value) == repr(value)


def no_file_address_or_shell_says_what_is_run(name: str, tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            used = {alias.name for alias in node.names}
            found += sorted(f"{module}.{n}" for n in used if n in UNSAFE_NAMES or f"{module}.{n}" in UNSAFE_CALLS)
        elif isinstance(node, ast.Name | ast.Attribute):
            last = node.id if isinstance(node, ast.Name) else node.attr
            found += [last] if last in UNSAFE_NAMES or ast.unparse(node) in UNSAFE_CALLS else []
        elif isinstance(node, ast.keyword) and node.arg in OFF_ONLY and not literally(node, False):
            found.append(f"{node.arg}={ast.unparse(node.value)}")
    return found


def archives_are_filtered(name: str, tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            filtered = any(k.arg == "filter" and literally(k, "data") for k in node.keywords)
            if node.func.attr in ("extract", "extractall") and not filtered:
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def limits_of_images_stay(name: str, tree: ast.Module) -> list[str]:
    set_to = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)]
    names = {ast.unparse(node).rpartition(".")[2] for node in set_to if isinstance(node.ctx, ast.Store | ast.Del)}
    return sorted(names & IMAGE_LIMITS)


def no_place_is_open_to_others(name: str, tree: ast.Module) -> list[str]:
    """Fixed names in the system's folder for temporary files, and addresses without encryption."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if text.startswith(("/tmp", "/var/tmp", "/dev/shm/", "http://", "ftp://"))]


# Rule, module, what is wrong in it: each rule must find it.
BROKEN = [
    (every_module_has_a_layer, "utils", ""),
    (ground_stands_alone, "folder", "from cvrun.spec import Spec"),
    (ground_stands_alone, "rng", "import hydra"),
    (ground_stands_alone, "", "from cvrun.cli import main"),
    (parts_know_contracts_only, "loss.cross_entropy", "from cvrun.model.convnet import ConvNet"),
    (parts_know_contracts_only, "loss.focal", "from cvrun.loss import cross_entropy"),
    (parts_know_contracts_only, "augment.basic", "def f():\n    from cvrun.pipeline.decode import decode"),
    (parts_know_contracts_only, "pipeline.store", "import cvrun.plan"),
    (parts_know_contracts_only, "metric.accuracy", "from cvrun import task"),
    (task_knows_contracts_only, "task.classification", "from cvrun.loss.cross_entropy import Config"),
    (task_knows_contracts_only, "task.classification", "from cvrun.trainer.state import State"),
    (trainer_knows_contracts_only, "trainer.loop", "from cvrun.spec import Spec"),
    (trainer_knows_contracts_only, "trainer.loop", "from cvrun import options"),
    (trainer_knows_contracts_only, "trainer", "from cvrun.scheduler.plateau import ReduceOnPlateau"),
    (trainer_knows_contracts_only, "trainer.evaluate", "from cvrun.pipeline.loader import evaluation_batches"),
    (assembly_does_not_know_the_edge, "plan", "from cvrun.report.tables import text_table"),
    (assembly_names_no_option, "prepare", "from cvrun.scheduler import plateau"),
    (assembly_names_no_option, "command.eval", "from cvrun.tta.none import build"),
    (report_stands_on_ground, "report.runs", "from cvrun.config import load"),
    (config_alone_knows_hydra, "typed", "def f():\n    from omegaconf import DictConfig"),
    (config_alone_knows_hydra, "command.train", "import hydra.core.hydra_config"),
    (two_modules_import_by_name, "build", "import importlib"),
    (two_modules_import_by_name, "config", "from importlib import import_module"),
    (two_modules_import_by_name, "build", "__import__('os')"),
    (heavy_imports_are_inside_functions, "model.timm", "import timm"),
    (heavy_imports_are_inside_functions, "report.tables", "from sklearn.metrics import f1_score"),
    (
        heavy_imports_are_inside_functions,
        "logger.tensorboard",
        "if True:\n    import tensorboard",
    ),
    (no_file_is_executed, "model._weights", "import pickle"),
    (no_file_is_executed, "typed", "eval('1')"),
    (no_file_is_executed, "typed", "def f():\n    exec('1')"),
    (no_file_is_executed, "build", "def f():\n    import joblib"),
    (tensors_are_loaded_as_data, "build", "torch.load(f, weights_only=True)"),
    (tensors_are_loaded_as_data, "model._weights", "torch.load(f, weights_only=True)"),
    (tensors_are_loaded_as_data, "tensorfile", "torch.load(f)"),
    (tensors_are_loaded_as_data, "tensorfile", "torch.load(f, weights_only=False)"),
    (tensors_are_loaded_as_data, "tensorfile", "torch.load(f, weights_only=flag)"),
    (tensors_are_loaded_as_data, "tensorfile", "torch.jit.load(f, weights_only=True)"),
    (tensors_are_loaded_as_data, "tensorfile", "from torch import load"),
    (no_file_address_or_shell_says_what_is_run, "config", "hydra.utils.instantiate(node)"),
    (no_file_address_or_shell_says_what_is_run, "config", "from hydra.utils import instantiate as build"),
    (no_file_address_or_shell_says_what_is_run, "config", "OmegaConf.register_new_resolver('eval', f)"),
    (no_file_address_or_shell_says_what_is_run, "typed", "yaml.load(text, Loader=yaml.SafeLoader)"),
    (no_file_address_or_shell_says_what_is_run, "typed", "from yaml import load"),
    (no_file_address_or_shell_says_what_is_run, "typed", "yaml.unsafe_load(text)"),
    (no_file_address_or_shell_says_what_is_run, "typed", "Loader = yaml.FullLoader"),
    (no_file_address_or_shell_says_what_is_run, "environment", "os.system('git')"),
    (no_file_address_or_shell_says_what_is_run, "environment", "subprocess.run('git', shell=True)"),
    (no_file_address_or_shell_says_what_is_run, "environment", "subprocess.run('git', shell=flag)"),
    (no_file_address_or_shell_says_what_is_run, "environment", "subprocess.getoutput('git')"),
    (no_file_address_or_shell_says_what_is_run, "pipeline.store", "np.load(f, allow_pickle=True)"),
    (no_file_address_or_shell_says_what_is_run, "model.timm", "torch.hub.load('owner/name', 'net')"),
    (no_file_address_or_shell_says_what_is_run, "model.timm", "f(name, trust_remote_code=True)"),
    (no_file_address_or_shell_says_what_is_run, "tensorfile", "torch.serialization.add_safe_globals([C])"),
    (no_file_address_or_shell_says_what_is_run, "folder", "tempfile.mktemp()"),
    (no_file_address_or_shell_says_what_is_run, "data.folder", "shutil.unpack_archive(f)"),
    (archives_are_filtered, "data.folder", "tar.extractall(folder)"),
    (archives_are_filtered, "data.folder", "tar.extract(member, folder, filter='fully_trusted')"),
    (limits_of_images_stay, "pipeline.decode", "Image.MAX_IMAGE_PIXELS = None"),
    (limits_of_images_stay, "pipeline.decode", "ImageFile.LOAD_TRUNCATED_IMAGES = True"),
    (no_place_is_open_to_others, "folder", "Path('/tmp/cvrun.lock')"),
    (no_place_is_open_to_others, "model._download", "URL = 'http://example.org/w.pt'"),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in BROKEN))

# Rule, module, what is fine in it: no rule may be so broad that it forbids this.
SOUND = [
    (parts_know_contracts_only, "tta.d4", "from cvrun.tta import TTA\nfrom cvrun.augment._ops import flip"),
    (parts_know_contracts_only, "pipeline.loader", "from cvrun.pipeline.store import Store"),
    (
        trainer_knows_contracts_only,
        "trainer.loop",
        "from cvrun.trainer.state import State\nimport cvrun.task",
    ),
    (heavy_imports_are_inside_functions, "model.timm", "def build():\n    import timm"),
    (tensors_are_loaded_as_data, "tensorfile", "torch.load(f, map_location='cpu', weights_only=True)"),
    (no_file_address_or_shell_says_what_is_run, "typed", "yaml.safe_load(text)"),
    (no_file_address_or_shell_says_what_is_run, "environment", "subprocess.run(['git', 'log'], shell=False)"),
    (no_file_address_or_shell_says_what_is_run, "pipeline.store", "np.load(f, allow_pickle=False, mmap_mode='r')"),
    (archives_are_filtered, "data.folder", "tar.extractall(folder, filter='data')"),
    (limits_of_images_stay, "pipeline.decode", "limit = Image.MAX_IMAGE_PIXELS"),
    (ground_stands_alone, "tensorfile", "def f():\n    from safetensors.torch import load"),
    (ground_stands_alone, "rng", "import hashlib\nimport torch\nfrom cvrun.errors import ConfigError"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds_in_every_module(rule):
    found = {name or "cvrun": wrong for name, tree in MODULES if (wrong := rule(name, tree))}
    assert found == {}


@pytest.mark.parametrize(("rule", "name", "code"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_rule_finds_what_breaks_it(rule, name, code):
    assert rule(name, ast.parse(code))


@pytest.mark.parametrize(("rule", "name", "code"), SOUND, ids=lambda value: getattr(value, "__name__", None))
def test_rule_lets_sound_code_pass(rule, name, code):
    assert rule(name, ast.parse(code)) == []


def test_modules_are_found():
    assert {"config", "rng", "trainer.loop", "model.convnet", "pipeline"} <= KNOWN
    assert len(KNOWN) > 60
