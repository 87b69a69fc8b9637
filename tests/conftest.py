"""What every test may count on."""

import signal


def pytest_configure():
    # Background jobs of a shell start with SIGINT ignored, and so would every process started here:
    # Ctrl-C tests would wait for ever.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
