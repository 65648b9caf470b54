"""A program that runs strangers' code for a job: shut in as a replica is, with one folder that it may write to.

What it says comes as lines of JSON on its standard output, what it makes lies in its folder; both are a stranger's
words, and are read as such. It has no network, sees no file but those that it is given, and dies with the worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rilaas.core import InvalidInput, ModelFailed, Unavailable, error_from_code
from rilaas.hub.worker import box_inside
from rilaas.hub.worker.work import Work
from rilaas.serve import bubblewrap
from rilaas.serve.isolation import environment_of, reachable
from rilaas.serve.spawn import spawn

_LOOK_S = 0.2
_END_S = 10.0
_SIZE_EVERY_S = 2.0
_MAX_LINE_BYTES = 64 * 2**10
_LAST_LINES = 8  # of what a box that died wrote
_MAX_ENTRIES = 50_000  # files and folders that are looked at


Heard = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Box:
    """What a program may use.

    Attributes:
        program: A name of ``box_inside.PROGRAMS``.
        place: The folder that it may write to.
        scratch: A folder in it for what is needed for a moment; made.
        visible: Files and folders that it may read besides.
        memory_bytes: Its address space [bytes].
        disk_bytes: What may lie in its folder [bytes].
        worked_s: How long it may take [s].
    """

    program: str
    place: Path
    scratch: Path
    visible: Sequence[Path]
    memory_bytes: int
    disk_bytes: int
    worked_s: float

    def run(self, work: Work, job: dict[str, Any], heard: Heard) -> None:
        """Run it to its end.

        Args:
            work: The attempt; stopping it ends the program at once.
            job: What for; JSON.
            heard: Is told each object that it prints, from the job's thread.

        Raises:
            StopWork: The attempt is to end.
            RilaasError: The program's own reason.
            ModelFailed: It died.
            Unavailable: It used too much of the disk, or took too long.
        """
        self.scratch.mkdir(parents=True, exist_ok=True)
        process = spawn(self._started)
        tail: deque[str] = deque(maxlen=_LAST_LINES)
        reader = threading.Thread(target=_keep_tail, args=(process.stderr, tail), daemon=True)
        reader.start()
        try:
            with work.ended_by(lambda: _kill(process)):
                failed = self._talk(work, process, job, heard)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_S)  # it has closed its standard output, and is about to end
        finally:
            _kill(process)
            code = process.wait()
            reader.join(1.0)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        work.check()
        if failed is not None:
            raise error_from_code(*failed)
        if code != 0:
            raise self._died(code, tail)

    def _started(self) -> subprocess.Popen[bytes]:
        kind = reachable("auto")
        environment = {**environment_of(1), "TMPDIR": str(self.scratch), "HOME": str(self.scratch)}
        roots = bubblewrap.import_roots()
        inside = [*bubblewrap.python_folders(), *roots, *self.visible]
        words = [sys.executable, "-I", "-B", str(Path(box_inside.__file__).resolve()), "--kind", kind]
        words += ["--memory-bytes", str(self.memory_bytes), "--writable", str(self.place)]
        words += ["--parent", str(os.getpid() if kind == "process" else 0), "--program", self.program]
        for root in roots:
            words += ["--path", str(root)]
        if kind == "process":
            for place in (*bubblewrap.SYSTEM_FOLDERS, *bubblewrap.SYSTEM_FILES, *inside):
                words += ["--visible", str(place)]
        else:
            words = bubblewrap.sandbox(inside, environment, [self.place]) + words
        pipe = subprocess.PIPE
        return subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)

    def _talk(
        self, work: Work, process: subprocess.Popen[bytes], job: dict[str, Any], heard: Heard
    ) -> tuple[str, str, str] | None:
        """Hand the job over and listen until the end; returns the program's own error."""
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.close()
        failed: tuple[str, str, str] | None = None
        looked_s = began_s = time.monotonic()
        for line in _lines(process):
            work.check()
            now_s = time.monotonic()
            if now_s - began_s > self.worked_s:
                raise Unavailable(
                    f"After {self.worked_s / 3600:g} hours it was not done.", "Make it smaller, or run it elsewhere."
                )
            if now_s - looked_s > _SIZE_EVERY_S:
                looked_s = now_s
                self._check_size()
            said = _read(line) if line else None
            if said is None:
                continue
            if "failed" in said:
                failed = _failure(said["failed"])
            else:
                heard(said)
        return failed

    def _check_size(self) -> None:
        if folder_bytes(self.place) > self.disk_bytes:
            raise Unavailable(
                f"It has written more than {self.disk_bytes / 1e9:.1f} GB and was ended.",
                "Use a smaller model or data set, or run it on a machine of your own.",
            )

    def _died(self, code: int, tail: Sequence[str]) -> ModelFailed:
        number = -code if code < 0 else code - 128
        by = f" (signal {signal.Signals(number).name})" if 0 < number < 64 else ""
        last = "".join(f"\n  {line}" for line in tail)
        return ModelFailed(
            f"The process that did it ended with {code}{by}.",
            f"It may use {self.memory_bytes // 2**20} MiB of memory."
            + (f" The last that it wrote:{last}" if last else " It wrote nothing."),
        )


def fetch(place: Path, name: str, target: Path, most_bytes: int) -> Path:
    """Copy a file that a box has made: a regular one, no link, not too large.

    Args:
        place: The box's folder.
        name: Of the file in it, with ``/`` between its parts.
        target: Where to; its folder is made.
        most_bytes: What is taken at most [bytes].

    Raises:
        InvalidInput: There is no such file, or it is not one that is taken.
    """
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        *folders, last = name.split("/")
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            os.close(handle)
            handle = inner
        file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
        with os.fdopen(file, "rb") as source:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise InvalidInput(f"The job made no file {name}, but something else.")
            _copy(source, target, name, most_bytes)
    except OSError as error:
        raise InvalidInput(f"The job made no file {name}: {error.strerror}.", "Its log says more.") from None
    finally:
        os.close(handle)
    return target


def _copy(source: IO[bytes], target: Path, name: str, most_bytes: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    left = most_bytes
    with target.open("xb") as copy:
        while chunk := source.read(min(2**20, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise InvalidInput(f"The job made {name} larger than {most_bytes:,} bytes, which is not taken.")
            copy.write(chunk)


def folder_bytes(folder: Path) -> int:
    """What lies in a folder [bytes]; links are not followed. Of very many files that many are counted as too much."""
    total, count = 0, 0
    for top, _, files in os.walk(folder):
        for name in files:
            count += 1
            with contextlib.suppress(OSError):
                total += os.lstat(Path(top, name)).st_size
        if count > _MAX_ENTRIES:
            return sys.maxsize
    return total


def _lines(process: subprocess.Popen[bytes]) -> Any:
    """Lines of its standard output as they come; b"" now and then while there is none."""
    assert process.stdout is not None
    poll, handle = select.poll(), process.stdout.fileno()
    poll.register(handle, select.POLLIN)
    rest = b""
    while True:
        if not poll.poll(1e3 * _LOOK_S):
            if process.poll() is not None:
                return  # a child of its own holds the pipe open
            yield b""
            continue
        chunk = os.read(handle, 2**16)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > _MAX_LINE_BYTES:
            rest = b""


def _read(line: bytes) -> dict[str, Any] | None:
    """What a line says; None where it is no object, for a stranger may have written it."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _failure(said: Any) -> tuple[str, str, str]:
    parts = said if isinstance(said, dict) else {}
    code, message, hint = (str(parts.get(key, ""))[:8000] for key in ("code", "message", "hint"))
    return code, message or "It failed and did not say why.", hint


def _keep_tail(stream: IO[bytes] | None, tail: deque[str]) -> None:
    assert stream is not None
    with stream:
        while line := stream.readline(4096):
            tail.append(line.decode("utf-8", errors="replace").rstrip())


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
