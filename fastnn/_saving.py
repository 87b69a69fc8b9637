"""Saving: ``model.save(path)`` for every public class, ``fastnn.load(path)``.

What is saved is what would be pickled, a class's ``__getstate__``: parameters and all that fitting left.
A class becomes savable by inheriting from Savable and being public; where its state holds what belongs to
one process alone, its ``__getstate__`` leaves that out, for pickle's sake already.
"""

from __future__ import annotations

import inspect
import math
from importlib import import_module
from itertools import takewhile
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from fastnn import _archive
from fastnn.exceptions import SavedFileError

# Who watches a fit is no part of the model.
_CALLBACKS = ("_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx", "_parent_callback_ctx")
# Classes of our own that are parts of models, without parts that are no data.
_PARTS = (
    "fastnn.linear._moments.Moments",
    *(
        f"fastnn.linear.families.{name}"
        for name in ("Link", "Normal", "Bernoulli", "Poisson", "Gamma", "Tweedie", "Multinomial")
    ),
)
_SPARSE = ("csr_array", "csc_array", "csr_matrix", "csc_matrix")
_SPARSE_PARTS = ("data", "indices", "indptr")


class Savable:
    """Gives a public class `save`."""

    def save(self, path) -> None:
        """Write the model to one file, with all that it needs to go on as if it had not stopped.

        Parameters
        ----------
        path : str or os.PathLike
            By custom with the ending ``.fastnn``. An existing file is replaced at the end, in one step:
            whoever dies in the middle leaves the old one whole.

        Raises
        ------
        TypeError
            A parameter that cannot be written as data, such as a function; the error names it.
        OSError
            The file cannot be written.

        See Also
        --------
        fastnn.load : Reads the file.

        Notes
        -----
        The file is an uncompressed .npz with a header in JSON; nothing in it is executed on reading.
        Callbacks set by `set_callbacks` are not saved.

        Examples
        --------
        >>> import os, tempfile
        >>> import fastnn
        >>> model = fastnn.HopfieldNetwork().fit([[1, 1, -1, -1]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(os.path.join(folder, "memory.fastnn"))
        ...     again = fastnn.load(os.path.join(folder, "memory.fastnn"))
        >>> again.predict([[1, 1, 1, -1]])
        array([[ 1,  1, -1, -1]], dtype=int8)
        """
        writer = _Writer(type(self).__name__)
        _archive.write(path, writer.encode(self, ""), writer.arrays)


def load(path):
    """The model that `save` wrote to a file.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    model : estimator
        Of the class that was saved; parameters that came into being later have their defaults.

    Raises
    ------
    SavedFileError
        The file is cut short, damaged, not fastnn's, or of a newer format. A subclass of ValueError.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastnn
    >>> rbm = fastnn.RBM(2, n_iter=1, random_state=0).fit([[0, 1, 1], [1, 0, 0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "rbm.fastnn")
    ...     rbm.save(path)
    ...     bool((fastnn.load(path).components_ == rbm.components_).all())
    True
    """
    content, arrays = _archive.read(path)
    with _archive.damage_named(path):
        return _Reader(arrays).decode(content)


def _class_named(name: str) -> type | None:
    """The class that goes by this name in files: fastnn's public ones, scikit-learn's estimators, parts."""
    import fastnn

    module, _, own = name.rpartition(".")
    if not module:
        found = getattr(fastnn, own) if own in fastnn.__all__ else None
        return found if isinstance(found, type) and issubclass(found, Savable) else None
    if module.split(".")[0] != "sklearn" and name not in _PARTS:
        return None
    found = getattr(import_module(module), own)
    return found if name in _PARTS or (isinstance(found, type) and issubclass(found, BaseEstimator)) else None


def _name_of(kind: type) -> str | None:
    """The name of a class in files; None if it has none."""
    parts = kind.__module__.split(".")
    public = ".".join(takewhile(lambda part: not part.startswith("_"), parts))
    names = [kind.__name__, f"{kind.__module__}.{kind.__name__}"]
    if parts[0] == "sklearn":  # where it is documented, not where its code lies
        names.insert(0, f"{public}.{kind.__name__}")
    for name in names:
        try:
            if _class_named(name) is kind:
                return name
        except (ImportError, AttributeError):
            continue
    return None


class _Writer:
    """Turns values into JSON's, arrays aside. What JSON has not is a dict with the key "$"."""

    def __init__(self, owner: str):
        self.owner, self.arrays = owner, []

    def encode(self, value: Any, where: str) -> Any:
        """where: the way from the model to the value, for messages."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"$": "float", "value": repr(value)}
        if type(value) is list:
            return self._items(value, where)
        if type(value) is tuple:
            return {"$": "tuple", "items": self._items(value, where)}
        if type(value) is dict:
            items = [[self.encode(k, where), self.encode(v, f"{where}[{k!r}]")] for k, v in value.items()]
            return {"$": "dict", "items": items}
        if type(value) is np.ndarray:
            return self._array(value, where)
        if isinstance(value, np.generic) and not value.dtype.hasobject:
            return {"$": "scalar", "dtype": value.dtype.str, "hex": value.tobytes().hex()}
        if isinstance(value, np.dtype) and not value.hasobject:
            return {"$": "dtype", "value": value.str}
        if type(value) is np.random.RandomState:
            return {"$": "RandomState", "state": self.encode(value.get_state(legacy=False), where)}
        if type(value).__name__ in _SPARSE and sparse.issparse(value):
            parts = {name: self._array(getattr(value, name), where) for name in _SPARSE_PARTS}
            return {"$": "sparse", "class": type(value).__name__, "shape": list(value.shape), **parts}
        return self._object(value, where)

    def _items(self, values, where: str) -> list:
        return [self.encode(v, f"{where}[{k}]") for k, v in enumerate(values)]

    def _array(self, array: np.ndarray, where: str) -> dict:
        if array.dtype == np.object_:
            items = self._items(array.ravel().tolist(), where)
            return {"$": "objects", "shape": list(array.shape), "items": items}
        if array.dtype.hasobject:
            raise self._refusal(where, f"an array of {array.dtype}")
        # Rows that are columns of something larger stay columns: products round by the way they run.
        order = "F" if array.ndim > 1 and array.strides[0] < array.strides[-1] else "C"
        self.arrays.append(np.asarray(array, order=order))
        return {"$": "array", "number": len(self.arrays) - 1}

    def _object(self, value: Any, where: str) -> dict:
        name = _name_of(type(value))
        if name is None:
            raise self._refusal(where, _described(value))
        state = value.__getstate__() or {}  # None if there is nothing to tell
        encoded = {
            key: self.encode(part, f"{where}.{key}" if where else key)
            for key, part in state.items()
            if key not in _CALLBACKS
        }
        return {"$": "object", "class": name, "state": encoded}

    def _refusal(self, where: str, what: str) -> TypeError:
        if not where:
            return TypeError(
                f"save writes fastnn's public classes, and {self.owner} is none of them; pickle it instead"
            )
        return TypeError(
            f"{self.owner} cannot be saved: {where} is {what}, which is no data. Set it to something that "
            "can be written, or pickle the model."
        )


def _described(value: Any) -> str:
    if inspect.isroutine(value) or isinstance(value, np.ufunc):
        return f"the function {getattr(value, '__name__', value)}"
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return f"an estimator of class {kind}" if isinstance(value, BaseEstimator) else f"a {kind}"


class _Reader:
    """The inverse of _Writer; whatever it raises is a damaged file's fault."""

    def __init__(self, arrays: list[np.ndarray]):
        self.arrays = arrays

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.decode(v) for v in value]
        if isinstance(value, dict):
            return getattr(self, f"_{value['$']}_")(value)
        return value

    def _float_(self, told):
        return float(told["value"])

    def _tuple_(self, told):
        return tuple(self.decode(told["items"]))

    def _dict_(self, told):
        return {self.decode(k): self.decode(v) for k, v in told["items"]}

    def _array_(self, told):
        return self.arrays[told["number"]]

    def _objects_(self, told):
        out = np.empty(len(told["items"]), dtype=object)
        for k, item in enumerate(told["items"]):
            out[k] = self.decode(item)
        return out.reshape(told["shape"])

    def _scalar_(self, told):
        return np.frombuffer(bytes.fromhex(told["hex"]), told["dtype"])[0]

    def _dtype_(self, told):
        return np.dtype(told["value"])

    def _RandomState_(self, told):
        random_state = np.random.RandomState()
        random_state.set_state(self.decode(told["state"]))
        return random_state

    def _sparse_(self, told):
        if told["class"] not in _SPARSE:
            raise ValueError(f"no sparse class {told['class']!r}")
        parts = tuple(self.decode(told[name]) for name in _SPARSE_PARTS)
        return getattr(sparse, told["class"])(parts, shape=tuple(told["shape"]))

    def _object_(self, told):
        kind = _class_named(told["class"])
        if kind is None:
            raise SavedFileError(f"the file holds a {told['class']!r}, a class that this fastnn has not")
        made = kind.__new__(kind)
        state = {name: self.decode(part) for name, part in told["state"].items()}
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
        else:
            made.__dict__.update(state)
        for name, parameter in inspect.signature(kind).parameters.items():
            if parameter.default is not parameter.empty and not hasattr(made, name):
                setattr(made, name, parameter.default)  # came into being after the file
        return made
