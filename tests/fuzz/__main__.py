"""
Look for texts that break a promise, led by the code that they reach.

Run it as ``python -m tests.fuzz``, or as ``make fuzz``. What it learns is in
``build/fuzz/<target>``, where the next run goes on; a text that breaks
something is beside it, and is run again by being named.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys

from pathlib import Path

import atheris


FOLDER = Path("build/fuzz")

# What a method of a text looks for is seen, too.
atheris.enabled_hooks.add("str")

with atheris.instrument_imports(include=["auditlog.config", "javaproperties"]):
    from tests.fuzz.targets import TARGETS


def main():
    options = _options()
    if options.only:
        _fuzz(options.target[0], options)
        return 0
    failed = [name for name in options.target if not _run(name, options)]
    print(f"broken: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def _options():
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", default=[*TARGETS])
    parser.add_argument("--seconds", type=int, default=60, help="for each")
    parser.add_argument("--again", metavar="FILE", help="run one text again")
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = {*options.target} - TARGETS.keys()
    if unknown:
        parser.error(f"no target {unknown}; there are {', '.join(TARGETS)}")
    return options


def _run(name, options):
    # libFuzzer ends its process, so each target has one of its own.
    print(f"== {name}, {options.seconds} s", flush=True)
    command = [sys.executable, "-m", "tests.fuzz", name, "--only"]
    command.append(f"--seconds={options.seconds}")
    if options.again:
        command.append(f"--again={options.again}")
    return 0 == subprocess.run(command, check=False).returncode


def _fuzz(name, options):
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    _plant(name, corpus)
    atheris.Setup(
        [
            name,
            f"-max_total_time={options.seconds}",
            f"-artifact_prefix={FOLDER}/{name}-",
            # Seconds; far more than a text of that length takes.
            "-timeout=20",
            "-max_len=4096",
            "-print_final_stats=1",
            f"-dict={_words()}",
            options.again or str(corpus),
        ],
        lambda given: TARGETS[name](_text(given)),
    )
    atheris.Fuzz()


def _plant(name, corpus):
    # Here, as the tests' own modules load services that need no tracing.
    from tests.fuzz.seeds import seeds  # noqa: PLC0415

    for text in seeds(name):
        given = text.encode("utf-8", "surrogatepass")
        (corpus / hashlib.sha1(given).hexdigest()).write_bytes(given)


def _words():
    # What nobody guesses letter by letter.
    from tests.fuzz.seeds import words  # noqa: PLC0415

    path = FOLDER / "words"
    path.write_text("".join(f'"{word}"\n' for word in words()))
    return path


def _text(given):
    # As the environment has bytes that are no UTF-8.
    return given.decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    sys.exit(main())
