"""The command line itself: mistakes are told at once, and whatever happens ends in one line."""

import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import cli

HEAVY = ("torch", "pandas", "cv2", "pyarrow", "scipy", "matplotlib", "sqlalchemy", "numpy")


@pytest.mark.parametrize(
    "arguments",
    [
        "nosuch",
        "report latex",
        "report latex nowhere",
        "score nowhere",
        "runs verify nowhere",
        "adapt ours-ff --images nowhere -o head.safetensors",
        "adapt nosuch --images . -o head.safetensors",
        "drive head -o out.mp4",
        "drive nowhere --video nowhere -o out.mp4",
        "train nosuch --dataset synth",
        "run-protocol nosuch",
        "run-protocol --metrics nosuch",
        "run-protocol --split nowhere",
        "run-protocol --resume nowhere",
        "model-info nosuch",
        "mock-run nosuch",
        "protocols show nosuch",
        "prepare nosuch a b",
        "weights fetch nosuch",
    ],
)
def test_a_mistyped_name_or_path_is_told_before_anything_heavy_is_imported(arguments, tmp_path):
    script = (
        f"import sys\nsys.argv[1:] = {arguments.split()!r}\nfrom cli import main\n"
        "try:\n    main()\n"
        f"finally:\n    print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout


def test_every_command_tells_its_options_without_importing_anything_heavy(tmp_path):
    """All in one process, which is asked for `--help` of whatever is found from the root on."""
    script = f"""
import sys
import click
from cli import thbench

def paths(command, *names):
    yield names
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from paths(inner, *names, name)

asked = 0
for path in paths(thbench):
    asked += 1
    try:
        thbench.main([*path, "--help"], standalone_mode=False)
    finally:
        heavy = [name for name in {HEAVY!r} if name in sys.modules]
        assert not heavy, (path, heavy)
print("asked", asked)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: ") == int(done.stdout.split()[-1]) > 42


def test_what_nobody_foresaw_is_one_line_that_names_the_file_of_its_traceback(
    tmp_path, monkeypatch, capsys
):
    @click.command()
    def broken() -> None:
        raise KeyError("the reason\nand more")

    monkeypatch.setattr(cli, "thbench", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["thbench"])
    with pytest.raises(SystemExit) as stop:
        cli.main()

    assert stop.value.code == 1
    (kept,) = tmp_path.glob("thbench-error-*.txt")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(kept) in told
    assert "KeyError" in told
    assert "in broken" in kept.read_text(encoding="utf-8")


def test_a_command_leaves_the_signals_of_its_process_as_they_were(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("sys.argv", ["thbench", "--version"])
    cli.main()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_has_read_enough_is_no_fault(tmp_path):
    script = "from cli import main; main()"
    done = subprocess.run(
        f"{sys.executable} -c '{script}' --help | head -c 1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["data", "show", "nowhere"], 1),  # asked for rightly, but it cannot be done
        (["data", "show"], 2),
        (["data", "show", "synth", "--nosuch"], 2),
        (["data", "show", "synth"], 0),
    ],
)
def test_failed_work_ends_with_1_and_wrong_usage_with_2(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["thbench", *arguments])
    if code == 0:
        cli.main()
        return
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == code


@pytest.mark.parametrize(
    "command", ["import vincent", "import shrubb", "export-head", "protocols import names"]
)
def test_what_is_read_is_not_written_over(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").write_text("kept")
    (tmp_path / "link").symlink_to("given")
    for output in ("given", "link", "./given"):
        told = CliRunner().invoke(cli.thbench, [*command.split(), "given", "-o", output])
        assert "is what is read here" in str(told.exception)
    assert (tmp_path / "given").read_text() == "kept"
