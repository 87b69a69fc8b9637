"""What every test may count on."""

import os
import signal

# Whoever has the benchmarks' data at hand tests with the generated ones all the same.
for name in [name for name in os.environ if name.startswith("FASTNN_BENCH_")]:
    del os.environ[name]


def pytest_configure():
    # Background jobs of a shell start with SIGINT ignored, and so would every process started here:
    # Ctrl-C tests would wait for ever.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
