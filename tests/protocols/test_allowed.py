"""A program that only a run folder or a protocol file names is not run without a yes."""

import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import thbench
from protocols.allowed import refuse_unasked_commands
from protocols.definition import load_definition, method_entry
from protocols.run import RunOptions, run_protocol
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError

OPTIONS = ("--workers", "1", "--metrics", "l1")
TOML = """
name = "theirs"
kind = "self-reenactment"
version = 1
source = "somebody"
dataset = "synth"
T = [1]
videos = 1
holdout = 1
methods = [{spec}]
"""


@pytest.fixture
def touched(tmp_path):
    return tmp_path / "touched"


@pytest.fixture
def spec(touched, tmp_path):
    """A method whose program leaves a trace, and fails."""
    program = tmp_path / "program.py"
    program.write_text(f"open({str(touched)!r}, 'w')")
    return f"command:theirs={sys.executable} {shlex.quote(str(program))} {{out}}"


def run(*arguments: object) -> None:
    CliRunner().invoke(
        thbench, ["run-protocol", *map(str, arguments), *OPTIONS], catch_exceptions=False
    )


def begun(folder: Path, spec: str) -> Path:
    """A run folder from elsewhere: its one unit failed, so going on means to run its program."""
    definition = load_definition("self-reenactment").with_values(
        methods=(method_entry(spec),), T=(1,), videos=1, holdout=1, metrics=("l1",)
    )
    run_protocol(definition, synth(64), folder, RunOptions({}, dataset_spec="synth"))
    return folder


@pytest.mark.parametrize("how", ["--resume", "--out"])
def test_a_run_folder_runs_no_program_unasked(tmp_path, spec, touched, how):
    folder = begun(tmp_path / "run", spec)
    touched.unlink()
    others = (
        ()
        if how == "--resume"
        else ("--methods", "copy-nearest", "--T", "1", "--videos", "1", "--holdout", "1")
    )

    asked = r"run wants to run programs on this machine: theirs=.*--allow-commands"
    with pytest.raises(ThbenchError, match=asked):
        run(how, folder, *others)
    assert not touched.exists()

    run(how, folder, *others, "--allow-commands")
    assert touched.exists()


def test_a_protocol_file_runs_no_program_unasked(tmp_path, spec, touched):
    file = tmp_path / "theirs.toml"
    file.write_text(TOML.replace("{spec}", repr(spec)))
    for named in ((), ("--methods", "theirs")):  # naming its label is not naming the program
        with pytest.raises(ThbenchError, match=r"theirs\.toml wants to run programs"):
            run(file, "--out", tmp_path / "run", *named)
    assert not touched.exists()
    assert not (tmp_path / "run").exists()

    run(file, "--out", tmp_path / "run", "--methods", spec)
    assert touched.exists()


def test_the_same_spec_on_the_command_line_is_a_yes(tmp_path, spec, touched):
    folder = begun(tmp_path / "run", spec)
    touched.unlink()
    run("--resume", folder, "--methods", spec)
    assert touched.exists()


@pytest.mark.parametrize(("answer", "allowed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_at_the_terminal_is_asked(monkeypatch, capsys, answer, allowed):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: answer.strip())
    specs = ["command:x=rm -r /\x1b[2K {out}", "command:mine=prog {out}"]

    if allowed:
        refuse_unasked_commands(specs, ["command:mine=prog {out}"], "their run")
    else:
        with pytest.raises(ThbenchError, match="nothing was run"):
            refuse_unasked_commands(specs, ["command:mine=prog {out}"], "their run")

    shown = capsys.readouterr().err
    assert "x=rm -r / {out}" in shown
    assert "mine" not in shown
