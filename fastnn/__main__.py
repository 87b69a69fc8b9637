"""The command ``fastnn``, also ``python -m fastnn``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import fastnn

_USAGE_ERROR = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv[:1] == ["run"]:  # everything that follows belongs to the script, interruptions included
        from fastnn._run import run

        return run(argv[1:])
    args = _parser().parse_args(argv)
    try:
        code = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("fastnn: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`fastnn demo | head`): keep the flush at exit from failing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _demo(args: argparse.Namespace) -> int:
    try:
        from fastnn import _demo

        plan = _demo.prepare(
            data=args.data,
            out=args.out,
            n_epochs=args.epochs,
            n_components=args.n_components,
            n_threads=args.threads,
            seed=args.seed,
            with_rival=not args.no_rival,
        )
    except (ImportError, OSError, ValueError) as error:
        print(f"fastnn demo: error: {error}", file=sys.stderr)
        return _USAGE_ERROR
    _demo.run(plan)
    return 0


def _config(args: argparse.Namespace) -> int:
    print(fastnn.show_config())
    return 0


def _integer(low: int, high: int | None = None):
    """An argparse type: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(
                f"must be at least {low}, got {value}"
                if value < low
                else f"must be at most {high}, got {value}"
            )
        return value

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastnn", description="Fast energy models and networks.")
    parser.add_argument("--version", action="version", version=f"fastnn {fastnn.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="train an RBM on digits, race scikit-learn, write pictures",
        description="Train a restricted Boltzmann machine on the digits that scikit-learn ships, "
        "time it against scikit-learn, and draw what it learned.",
    )
    demo.add_argument(
        "--data",
        metavar="PATH",
        help="images to learn instead: an IDX file (.gz or not), or a directory with MNIST's files",
    )
    demo.add_argument("--out", metavar="DIR", default="fastnn-demo", help="where pictures go (%(default)s)")
    demo.add_argument("--epochs", metavar="N", type=_integer(1), help="passes over the data")
    demo.add_argument("--n-components", metavar="N", type=_integer(1), help="hidden units")
    demo.add_argument("--seed", metavar="S", type=_integer(0, 2**32 - 1), default=0, help="(%(default)s)")
    demo.add_argument("--threads", metavar="N", type=_integer(1), help="for both parties")
    demo.add_argument("--no-rival", action="store_true", help="skip the race")
    demo.set_defaults(run=_demo)

    commands.add_parser("run", help="run a script with scikit-learn patched: fastnn run SCRIPT [ARGS...]")

    config = commands.add_parser("config", help="show instruction set, threads, BLAS, versions")
    config.set_defaults(run=_config)
    return parser


if __name__ == "__main__":
    sys.exit(main())
