"""The laws of the house that no linter holds: light imports, a guarded surface, no unpickling, untouched weights."""

import ast
import gzip
import hashlib
import importlib
import json
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest
from sam_synthetic import official_keys

import promptseg
from promptseg.models.companions.retouch import NAME as RETOUCH
from promptseg.models.companions.retouch import RetouchNetwork
from promptseg.models.detector.weights import NAME as DETECTOR
from promptseg.models.detector.weights import DetectorNetwork
from promptseg.models.graphs import assembly
from promptseg.models.graphs.stored import graph_manifest
from promptseg.models.network import GRAPHS
from promptseg.models.registry import (
    CARDS,
    DEFAULT_MODEL,
    companions_of,
    embedded_record,
    embedded_weights_path,
    loaded,
)
from promptseg.models.seem_tiny.weights import GRAPHS as TINY_GRAPHS
from promptseg.models.seem_tiny.weights import TinyNetwork
from promptseg.models.tensors import read_shapes

SOURCE = Path(promptseg.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
UNPICKLES = SOURCE / "datasets" / "layouts" / "plain_pickle.py"
"""The one module that may import pickle."""
ENGINES = {"torch", "onnxruntime", "openvino", "fastapi", "starlette", "uvicorn", "onnx", "scipy"}


def modules_after(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_promptseg_brings_nothing_heavy():
    loaded = modules_after("import promptseg")
    assert not loaded & (ENGINES | {"numpy", "PIL", "safetensors"})


@pytest.mark.parametrize(
    "program",
    [
        "from promptseg import *",
        "import promptseg.cli.app",
        "import promptseg.segment.segmenter, promptseg.runtimes.factory",
    ],
)
def test_no_engine_is_loaded_before_it_is_used(program):
    assert not modules_after(program) & ENGINES


def test_public_surface():
    assert list(promptseg.__all__) == sorted(promptseg.__all__)
    assert set(promptseg.__all__) < set(dir(promptseg))
    for name in promptseg.__all__:
        value = getattr(promptseg, name)
        assert value.__name__ == name
        assert value.__doc__
        assert value.__module__.startswith("promptseg.")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        promptseg.nonsense  # noqa: B018


def test_type_checkers_see_the_surface_that_is_there():
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    seen = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("promptseg.")
        for alias in node.names
    }
    assert seen == set(promptseg.__all__)


def test_every_error_is_in_the_tree_that_is_drawn():
    errors = importlib.import_module("promptseg.errors")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    for kind in kinds:
        assert issubclass(kind, errors.PromptsegError)
        assert kind.__name__ in errors.__doc__
    assert issubclass(errors.PromptError, ValueError)
    assert issubclass(errors.OutputError, OSError)
    assert issubclass(errors.UnavailableError, ImportError)
    assert "promptseg[torch]" in str(errors.UnavailableError.extra("PyTorch", "torch"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_source_file(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 600
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "every module says what it is"
    forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    if path == UNPICKLES:
        forbidden.remove("pickle")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & forbidden
        if isinstance(node, ast.ImportFrom):
            assert str(node.module).partition(".")[0] not in forbidden
        if isinstance(node, ast.Call):
            _check_call(node, path)


def test_the_one_unpickler_finds_nothing():
    """Of the pickle module it takes only the Unpickler, as the base of a class that refuses whatever is named."""
    tree = ast.parse(UNPICKLES.read_text(encoding="utf-8"))
    used = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"
    }
    assert used == {"Unpickler", "UnpicklingError"}
    assert [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import)].count("import pickle") == 1
    (kind,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    assert [ast.unparse(base) for base in kind.bases] == ["pickle.Unpickler"]
    methods = {node.name: node for node in kind.body if isinstance(node, ast.FunctionDef)}
    assert set(methods) == {"find_class", "persistent_load"}
    for method in methods.values():
        said, refused = method.body
        assert isinstance(said, ast.Expr)
        assert isinstance(refused, ast.Raise)
    everywhere = [node for node in ast.walk(tree) if ast.unparse(node) == "pickle.Unpickler"]
    assert len(everywhere) == 1, "it is a base class and nothing else"


def _check_call(call, path):
    name = ast.unparse(call.func)
    assert name not in ("eval", "exec", "compile", "os.system", "__import__"), ast.unparse(call)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert given.get("shell") != "True"
    if name == "np.load":
        assert given["allow_pickle"] == "False"
    if name == "torch.load":
        assert path.name in ("convert_worker.py", "checkpoint.py")
        assert given["weights_only"] == "True"


def test_graphs_are_what_the_manifest_says():
    folder = Path(assembly.__file__).parent
    models = graph_manifest()["models"]
    others = {
        "seem-tiny": (TINY_GRAPHS, TinyNetwork.load().tensors),
        DETECTOR: ([DETECTOR], DetectorNetwork.load().tensors),
        RETOUCH: ([RETOUCH], loaded(RetouchNetwork.read, companions_of(DEFAULT_MODEL).retouch).tensors),
    }
    assert set(models) == {card.network for card in CARDS if card.family == "sam"} | set(others)
    files = set()
    for name, graphs in models.items():
        expected, known = others[name] if name in others else (GRAPHS, official_keys(name))
        assert set(graphs) == set(expected)
        for entry in graphs.values():
            content = (folder / entry["file"]).read_bytes()
            assert entry["sha256"] in {
                hashlib.sha256(content).hexdigest(),
                hashlib.sha256(gzip.decompress(content)).hexdigest(),
            }
            assert set(entry["tensors"]) <= set(known)
            files.add(entry["file"])
    assert files == {path.name for path in folder.glob("*.gz")}, "no graph is carried in vain"


def test_embedded_weights():
    path, record = embedded_weights_path(), embedded_record()
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert len(content) == record["bytes"] <= 25e6
    assert record["licence"] == "Apache-2.0"
    shapes = read_shapes(path)
    assert shapes == official_keys("mobile-sam")


def test_the_package_says_one_version():
    project = SOURCE.parents[1] / "pyproject.toml"
    assert f'version = "{promptseg.__version__}"' in project.read_text()


def test_manifest_is_plain_json():
    text = (Path(assembly.__file__).parent / "manifest.json").read_text()
    assert json.loads(text)["side"] == 1024


API = Path(__file__).parents[2] / "docs/api"


@pytest.mark.parametrize("page", sorted(API.glob("*.md")), ids=lambda path: path.stem)
def test_pages_of_the_api_name_what_is_there(page):
    """`make docs` collects them from the sources; this finds a wrong name without the builder."""
    names = [line.removeprefix("::: ") for line in page.read_text().splitlines() if line.startswith("::: ")]
    assert names
    for name in names:
        assert resolve_name(name), name
