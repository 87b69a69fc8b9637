"""What the documentation says is so: examples run, README's code runs, parameters are described."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest

import fastnn

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fastnn.__path__, "fastnn.")
    if not module.name.startswith("fastnn._kernels") and not module.name.endswith("__main__")
)
PUBLIC = (
    "fastnn",
    "fastnn.datasets",
    "fastnn.energy",
    "fastnn.functional",
    "fastnn.information",
    "fastnn.linear",
    "fastnn.neural",
    "fastnn.plot",
)


def described():
    """(name, object) of every public function, class, and method that fastnn itself defines."""
    found = {}
    for module in map(importlib.import_module, PUBLIC):
        for name in module.__all__:
            value = getattr(module, name)
            if not callable(value):
                continue
            found[value.__qualname__] = value
            for owner in value.__mro__ if inspect.isclass(value) else ():
                if not owner.__module__.startswith("fastnn"):
                    continue
                for key, member in vars(owner).items():
                    member = member.__func__ if isinstance(member, classmethod) else member
                    if not key.startswith("_") and inspect.isfunction(member):
                        found[member.__qualname__] = member
    return sorted(found.items())


def sections(docstring):
    """{heading: text} of a numpydoc docstring; the summary is under the empty heading."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", docstring, flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))


def returns_something(function):
    """Whether some return statement of its own has a value."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    nested = {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and f is not tree
              for n in ast.walk(f)}  # fmt: skip
    own = set(ast.walk(tree)) - nested
    return any(isinstance(node, ast.Return) and node.value is not None for node in own)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    failed, _ = doctest.testmod(importlib.import_module(name), verbose=False)
    plt.close("all")
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        test.name for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples
    ]
    assert {"fastnn.energy.rbm.RBM", "fastnn.plot.filters"} <= set(found)


def test_code_in_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert len(blocks) >= 2
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "examples/README.md"])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize(("name", "value"), described())
def test_public_names_are_described(name, value):
    """A summary; each parameter by name; what is returned."""
    docstring = inspect.getdoc(value) or ""
    parts = sections(docstring)
    assert parts[""].strip(), f"{name} has no summary"
    if inspect.isclass(value) and issubclass(value, Exception):
        return
    told = parts.get("Parameters", "") + parts.get("Attributes", "")
    named = {
        word.strip().lstrip("*")
        for line in re.findall(r"^(\S[^:\n]*?)(?: :.*)?$", told, flags=re.MULTILINE)
        for word in line.split(",")
    }
    wanted = {p for p in inspect.signature(value).parameters if p not in ("self", "cls")}
    assert wanted <= named, f"{name} does not describe {sorted(wanted - named)}"
    if not inspect.isclass(value) and returns_something(value):
        assert "Returns" in parts, f"{name} does not say what it returns"


# What a user of these needs beside parameters: what may go wrong, and how a call looks.
METHODS = ("partial_fit", "transform", "inverse_transform", "reconstruct", "gibbs", "sample", "free_energy",
           "energy", "log_partition", "log_likelihood", "temper")  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_rbms_tell_their_errors_and_show_a_call(name):
    parts = sections(inspect.getdoc(getattr(fastnn.RBM, name)))
    assert {"Parameters", "Returns", "Raises", "Examples"} <= set(parts)
    assert ">>>" in parts["Examples"]
    assert re.search(r"^\S*Error$", parts["Raises"], flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["LogPartition", "Tempered", "Tempering", "Enumeration", "Moments"])
def test_results_show_how_they_are_read(name):
    parts = sections(inspect.getdoc(getattr(fastnn.energy, name)))
    assert {"Attributes", "Examples"} <= set(parts)
    assert ">>>" in parts["Examples"]
