"""Whatever a file holds, reading it ends in a result or in one line: never in a traceback.

`make fuzz` tries many more damages than the tests do. A failure names the kind of file and the
number of the damage; `THBENCH_TEST_DAMAGES=1 THBENCH_TEST_FIRST_DAMAGE=number` makes it again.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import traceback
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import click
import pytest
from damage import copied, damage
from kinds import KINDS, REFUSED, Kind, Reader
from samples import FACES, make_material

from thbench.errors import ThbenchError

DAMAGES = int(os.environ.get("THBENCH_TEST_DAMAGES", "1"))  # of each kind of file
FIRST = int(os.environ.get("THBENCH_TEST_FIRST_DAMAGE", "0"))
LONG = 10  # damages: so many are no longer a quick test
SECONDS = 300  # a reader that takes longer hangs

pytestmark = pytest.mark.skipif(not FACES.exists(), reason="no photographs in ../shared")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sound specimens. Read-only."""
    folder = tmp_path_factory.mktemp("material")
    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        patch.setenv("THBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        make_material()
        yield folder


@pytest.mark.skipif(DAMAGES < LONG, reason="part of `make fuzz`")
def test_sound_files_are_read(material: Path, tmp_path: Path) -> None:
    sound = {reader: kind.folders for kind in KINDS for reader in kind.readers}
    refused = [
        told
        for number, (reader, folders) in enumerate(sound.items())
        if reader not in REFUSED
        and (told := _refused(reader, folders, material, tmp_path / f"sound-{number}"))
    ]
    assert not refused, "sound files are refused:\n" + "\n".join(refused)


def test_damaged_files_never_end_in_a_traceback(
    material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[str] = []
    for kind in KINDS:
        for number in range(FIRST, FIRST + DAMAGES):
            root = tmp_path / "damaged"
            found += _tracebacks(kind, number, material, root)
            shutil.rmtree(root)
    with capsys.disabled():
        n_damaged = len(KINDS) * DAMAGES
        print(f"\n{len(KINDS)} kinds of files, {n_damaged} damaged, {len(found)} tracebacks")

    assert not found, "\n".join(found)


def _refused(reader: Reader, folders: tuple[str, ...], material: Path, root: Path) -> str:
    """What a reader says of undamaged files, where it does not read them."""
    copied(material, folders, root)
    try:
        with chdir(root):
            reader()
    except (ThbenchError, click.ClickException) as error:
        return str(error)
    except SystemExit as stop:
        return f"{reader}: exit code {stop.code}" if stop.code else ""
    finally:
        shutil.rmtree(root)
    return ""


def _tracebacks(kind: Kind, number: int, material: Path, root: Path) -> Iterator[str]:
    """A line for each thing that was not foreseen; one damage, one of the kind's readers."""
    dice = random.Random(f"{kind.file} {number}")
    reader = kind.readers[number % len(kind.readers)]
    copied(material, kind.folders, root)
    file = dice.choice(sorted(root.glob(kind.file)))
    done = f"{kind.file} {number}: {damage(file, dice)}"
    try:
        with chdir(root), _time_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader()
    except ThbenchError as error:
        first, *listed = str(error).split("\n")
        if not first or not all(line.startswith("  ") for line in listed):  # a list has a line each
            yield f"{done}: not one line: {str(error)!r}"
    except (click.ClickException, SystemExit):
        pass
    except BaseException as error:
        yield f"{done}: {type(error).__name__}: {str(error)[:100]!r} at {_place(error)}"


def _place(error: BaseException) -> str:
    """The deepest line of this project in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    project = Path(__file__).parents[2]
    own = [
        frame
        for frame in frames
        if Path(frame.filename).is_relative_to(project)
        and not Path(frame.filename).is_relative_to(project / "tests")
        and "site-packages" not in frame.filename
    ]
    frame = (own or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"no answer within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
