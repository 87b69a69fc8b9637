"""What ``import fastnn`` costs and touches, and what an installation holds."""

import ast
import importlib
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

import fastnn

# What a user of scikit-learn has imported anyway.
BASE = "import numpy, scipy.linalg.blas, sklearn.base\n"
# The aim is 0.1 s on an idle machine; a busy one, such as a CI runner, takes a multiple of that.
MOST_SECONDS = 0.3
STUBS = sorted((Path(fastnn.__file__).parent / "_kernels").glob("*.pyi"))


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_fast():
    clock = "import time\nbegan = time.perf_counter()\nimport fastnn\n"
    seconds = [float(python(f"{BASE}{clock}print(time.perf_counter() - began)")) for _ in range(5)]
    assert median(seconds) < MOST_SECONDS, seconds


def test_import_loads_nothing_that_only_some_need():
    unwanted = {"matplotlib", "torch", "sklearn.neural_network", "fastnn.plot", "pytest"}
    loaded = set(python("import sys, fastnn\nprint(*sys.modules)").split())
    assert "fastnn" in loaded
    assert not unwanted & loaded


def test_import_changes_nothing_elsewhere():
    code = """
import sys, numpy.random, scipy.linalg, sklearn.neural_network, sklearn.pipeline, joblib
import sklearn.callback, sklearn.utils.validation, threadpoolctl
names = "numpy", "scipy", "sklearn", "joblib", "threadpoolctl"
before = {
    name: (module, dict(vars(module)))
    for name, module in sys.modules.items() if name.partition(".")[0] in names and module
}
before["BernoulliRBM"] = (r := sklearn.neural_network.BernoulliRBM, dict(vars(r)))
import fastnn
print(*(
    f"{name}.{key}"
    for name, (owner, old) in before.items()
    for key, value in old.items()
    if vars(owner).get(key, None) is not value
))
"""
    assert python(code).split() == []


def test_public_names_are_there():
    assert all(hasattr(fastnn, name) for name in fastnn.__all__)
    assert (Path(fastnn.__file__).parent / "py.typed").exists()


# What users are promised, by module: a name that is only documented is a broken promise.
FUNCTIONAL = """
    softmax log_softmax sigmoid tanh relu leaky_relu softplus threshold identity sigmoid_derivative
    tanh_derivative relu_derivative leaky_relu_derivative softplus_derivative threshold_derivative
    identity_derivative cross_entropy linear_cross_entropy binary_cross_entropy squared_error
    multiclass_hinge
"""
LINEAR = """
    BayesianLinearRegression BayesianRidge GeneralizedLinearRegressor LinearSVC LogisticRegression
    MulticlassSVM PoissonRegressor
"""
NEURAL = "DBN MLPClassifier MLPRegressor"
PROMISED = {
    "fastnn": f"""
        {FUNCTIONAL} {LINEAR} {NEURAL} RBM BernoulliRBM BoltzmannMachine HopfieldNetwork IsingModel
        RBMClassifier Gaussian Potts Samples DivergenceError LikelihoodWarning SavedFileError anneal
        gibbs_sample parallel_tempering load patch_sklearn unpatch_sklearn patched show_config
        datasets energy exceptions functional information interop linear neural plot
    """,
    "fastnn.datasets": "Images digits read_idx read_images read_labelled",
    "fastnn.energy": """
        RBM BernoulliRBM BoltzmannMachine Enumeration Gaussian HopfieldNetwork IsingModel
        LogPartition Moments Potts RBMClassifier Samples Tempered Tempering anneal gibbs_sample
        parallel_tempering
    """,
    "fastnn.functional": FUNCTIONAL,
    "fastnn.information": """
        information_content entropy cross_entropy kl_divergence mutual_information joint_table
    """,
    "fastnn.interop.sklearn": "patch_sklearn patched unpatch_sklearn",
    "fastnn.linear": f"{LINEAR} is_positive_semidefinite",
    "fastnn.neural": NEURAL,
    "fastnn.plot": """
        activity basis decision_boundary energy_landscape energy_trace filters histograms history
        images network_graph predictive_band reconstructions transition_probability
    """,
}


@pytest.mark.parametrize("name", PROMISED)
def test_promised_names_are_there(name):
    module = importlib.import_module(name)
    promised = set(PROMISED[name].split())
    assert {each for each in promised if not hasattr(module, each)} == set()
    assert promised == set(module.__all__) - {"__version__"}
    assert promised <= set(dir(module))


METHODS = {
    "RBM": """
        fit partial_fit transform inverse_transform reconstruct gibbs sample free_energy energy
        score_samples log_partition log_likelihood temper diagnose from_parameters
        to_boltzmann_machine to_ising save
    """,
    "BoltzmannMachine": """
        fit partial_fit sample energy free_energy score_samples log_partition diagnose to_ising
        from_ising to_rbm save
    """,
    "HopfieldNetwork": """
        fit from_weights partial_fit forget predict recall energy is_stable overlap save
    """,
    "IsingModel": "from_qubo from_maxcut from_edges from_bqm from_file energy enumerate save",
    "MLPClassifier": "fit partial_fit predict predict_proba score from_truth_table save",
    "DBN": "fit transform sample to_classifier save",
    "BayesianLinearRegression": "fit partial_fit predict sample_posterior save",
    "MulticlassSVM": "fit predict decision_function save",
}


@pytest.mark.parametrize("name", METHODS)
def test_promised_methods_are_there(name):
    owner = getattr(fastnn, name)
    assert [each for each in METHODS[name].split() if not callable(getattr(owner, each, None))] == []


def test_modules_and_functions_need_no_import_of_their_own():
    """And to name what there is loads nothing more."""
    code = """
import sys, fastnn
before = set(sys.modules)
assert set(fastnn.__all__) <= set(dir(fastnn))
assert set(sys.modules) == before
for name in "plot interop neural datasets linear energy functional information exceptions".split():
    assert getattr(fastnn, name) is sys.modules[f"fastnn.{name}"], name
assert fastnn.interop.sklearn.patched is fastnn.patched
assert fastnn.softmax is fastnn.functional.softmax
assert fastnn.cross_entropy is fastnn.functional.cross_entropy
assert "matplotlib" not in sys.modules
try:
    fastnn.nothing
except AttributeError as error:
    print(error)
"""
    assert python(code) == "module 'fastnn' has no attribute 'nothing'\n"
    assert "dimod" in python("import fastnn.interop\nprint(dir(fastnn.interop))")
    assert (
        python("from fastnn import *\nprint(softmax([0.0, 0.0]), plot.__name__)") == "[0.5 0.5] fastnn.plot\n"
    )


def test_version_is_the_installed_one():
    try:
        installed = importlib.metadata.version("fastnn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("fastnn is built in place, not installed")
    assert installed == fastnn.__version__


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.stem)
def test_stubs_say_what_the_modules_have(stub):
    """Every Python-visible name of a Cython module has its stub, with the same parameters."""
    module = importlib.import_module(f"fastnn._kernels.{stub.stem}")
    told = {node.name: node for node in ast.parse(stub.read_text()).body if hasattr(node, "name")}
    own = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }
    assert set(told) == set(own)
    for name, value in own.items():
        if inspect.isclass(value):
            methods = {n.name: n for n in told[name].body if isinstance(n, ast.FunctionDef)}
            public = {n for n, v in vars(value).items() if n[0] != "_" and callable(v)}
            assert set(methods) - {"__init__"} == public
            for method in public:
                assert parameters(methods[method]) == ["self", *signature(getattr(value, method))]
        else:
            assert parameters(told[name]) == signature(value)


def parameters(node):
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def signature(function):
    """Names of the parameters in the signature that Cython embeds as the docstring's first line."""
    inside = function.__doc__.splitlines()[0].partition("(")[2].rpartition(")")[0]
    words = [part.partition("=")[0].split()[-1] for part in inside.split(",") if part.strip()]
    return [word for word in words if word not in ("self", "*")]


def test_every_loop_has_its_stub():
    extensions = {p.name.partition(".")[0] for p in STUBS[0].parent.glob("*.so")}
    assert {p.stem for p in STUBS} == extensions
