"""fastnn behind the faces of other libraries; each module needs the library it speaks to."""

from importlib import import_module

__all__ = ["dimod", "sklearn"]


def __getattr__(name):
    # Imported when asked for: dimod may not be there.
    if name not in __all__:
        raise AttributeError(f"module 'fastnn.interop' has no attribute {name!r}")
    return import_module(f"fastnn.interop.{name}")


def __dir__():
    return sorted({*globals(), *__all__})
