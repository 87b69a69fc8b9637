"""What every test may count on."""

import os
import signal

import pytest

# Whoever has the benchmarks' data at hand tests with the generated ones all the same.
for name in [name for name in os.environ if name.startswith("FASTNN_BENCH_")]:
    del os.environ[name]


def pytest_configure():
    # Background jobs of a shell start with SIGINT ignored, and so would every process started here:
    # Ctrl-C tests would wait for ever.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


MEASURE = ("ctrl_c", "and_sooner", "import_is_fast", "extra_bytes")


def pytest_collection_modifyitems(items):
    # Under AddressSanitizer code is several times slower and holds more memory.
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        for item in items:
            if any(name in item.name for name in MEASURE):
                item.add_marker(pytest.mark.skip(reason="measures time or memory, which a sanitizer changes"))
