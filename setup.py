"""Build matrix: every room of csrc/ compiled per real x instruction set, then the Cython loops.

The rooms become plain objects with names of their own, so no variant can take another's; they are
linked into one extension, fastnn._kernels.core, which hands out the tables.
"""

import os
import platform
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CSRC = Path("csrc")
ROOMS = sorted(p for p in CSRC.rglob("*.c") if p.name != "dispatch.c")
HEADERS = sorted(str(p) for p in [*CSRC.rglob("*.h"), *Path("fastnn/_kernels").glob("*.h")])
LOOPS = sorted(Path("fastnn/_kernels").glob("*.pyx"))

AVX2 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mpopcnt"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
ISAS = {"baseline": (16, [])}
if platform.machine() in ("x86_64", "AMD64"):
    ISAS |= {"avx2": (32, AVX2), "avx512": (64, AVX512)}

# No -ffast-math (it sets flush-to-zero for the whole process), no contraction to fused
# multiply-adds (draws must be the same everywhere), no errno (so that sqrt is an instruction).
FLAGS = ["-std=gnu11", "-O3", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"]
GCC_ONLY = ["-Werror=vector-operation-performance"]
SANITIZE = os.environ.get("FASTNN_SANITIZE", "")  # "address,undefined": see CONTRIBUTING.md
if SANITIZE:
    # Where every lane is checked, vector operations are taken apart: that is no slip of ours to report.
    FLAGS += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-g1", "-O1"]
    GCC_ONLY = []

EMPTY = "int main(void) { return 0; }"
PARALLEL = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }"
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "freethreading_compatible": True,
    "embedsignature": True,
}


class BuildError(SystemExit):
    """What is missing, in words."""


def _accepts(compiler: list[str], flags: list[str], source: str) -> bool:
    """Whether a small program compiles and links with these flags."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.c"
        path.write_text(source)
        command = [*compiler, *flags, str(path), "-o", str(path.with_suffix(""))]
        try:
            return subprocess.run(command, capture_output=True).returncode == 0
        except OSError:
            return False


class BuildMatrix(build_ext):
    """Compile the rooms, then the extensions."""

    def build_extensions(self) -> None:
        # CC may be a command with a launcher: "ccache gcc".
        compiler = list(takewhile(lambda word: not word.startswith("-"), self.compiler.compiler))
        name = " ".join(compiler)
        if not _accepts(compiler, [], EMPTY):
            raise BuildError(
                f"fastnn needs a C compiler and {name!r} does not work here. Install gcc or clang "
                "(Debian: apt install gcc), or set CC."
            )
        if not _accepts(compiler, ["-fopenmp"], PARALLEL):
            raise BuildError(
                f"fastnn needs OpenMP and {name!r} does not compile with -fopenmp. Use gcc, or "
                "install clang's OpenMP (Debian: apt install libomp-dev)."
            )
        quiet = [flag for flag in GCC_ONLY if _accepts(compiler, ["-Werror", flag], EMPTY)]
        objects = compile_rooms(compiler, FLAGS + quiet, Path(self.build_temp) / "rooms")
        translated = cythonize(
            self.extensions, compiler_directives=DIRECTIVES, build_dir="build/cython"
        )
        for extension, twin in zip(self.extensions, translated, strict=True):
            extension.sources = twin.sources
            if extension.name.endswith(".core"):
                extension.extra_objects = objects
        super().build_extensions()


def compile_rooms(compiler: list[str], flags: list[str], folder: Path) -> list[str]:
    """Every room x real x instruction set, and the table of them; returns the objects made."""
    commands, objects = [], []

    def add(source: Path, target: Path, *own: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        commands.append([*compiler, *flags, *own, "-c", str(source), "-o", str(target)])
        objects.append(str(target))

    for isa, (width, switches) in ISAS.items():
        for bits in (32, 64):
            names = [f"-DFASTNN_REAL={bits}", f"-DFASTNN_ISA={isa}", f"-DFASTNN_VEC={width}"]
            for room in ROOMS:
                target = folder / isa / str(bits) / room.relative_to(CSRC).with_suffix(".o")
                add(room, target, *switches, *names)
    have = [f"-DFASTNN_HAVE_{isa.upper()}" for isa in ISAS if isa != "baseline"]
    add(CSRC / "dispatch.c", folder / "dispatch.o", *have)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for command, code in zip(commands, pool.map(subprocess.call, commands), strict=True):
            if code:
                raise BuildError(f"could not compile: {' '.join(command)}")
    return objects


def loops() -> list[Extension]:
    """One extension per Cython file; a header rebuilds all of them, a room only `core`, which holds it."""
    flags = ["-O3", "-fopenmp", "-ffp-contract=off"]
    link = ["-fopenmp"]
    rooms = [str(p) for p in [*ROOMS, CSRC / "dispatch.c"]]
    if SANITIZE:
        flags += [f"-fsanitize={SANITIZE}", "-g"]
        link += [f"-fsanitize={SANITIZE}"]
    return [
        Extension(
            f"fastnn._kernels.{path.stem}",
            [str(path)],
            include_dirs=[str(CSRC), "fastnn/_kernels"],
            depends=HEADERS + (rooms if path.stem == "core" else []),
            extra_compile_args=flags,
            extra_link_args=link,
        )
        for path in LOOPS
    ]


if __name__ == "__main__":
    setup(ext_modules=loops(), cmdclass={"build_ext": BuildMatrix})
