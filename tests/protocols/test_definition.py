"""Protocol definitions: checked on load, hashed by what they measure."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.definition import (
    definition_names,
    definition_text,
    load_definition,
    method_entry,
    parse_definition,
    parse_stored,
)
from protocols.kinds.self_reenactment import SelfReenactment
from protocols.random_models import write_random_model
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.method import MethodOptions, load_method

MINIMAL = 'name = "mine"\nkind = "self-reenactment"\nversion = 1\nsource = "here"\nT = [1]\n'


@pytest.mark.parametrize("name", definition_names())
def test_every_bundled_definition_loads_and_comes_back_from_a_run(name):
    definition = load_definition(name)
    assert definition.name == name
    assert parse_stored(definition.described()) == definition


def test_the_default_is_the_papers_protocol():
    definition = load_definition("self-reenactment")
    assert (definition.videos, definition.holdout, definition.T) == (50, 32, (1, 8, 32))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("vidoes = 3", r"unknown key 'vidoes' \(did you mean 'videos'"),
        ('videos = "3"', "videos is '3', not a whole number"),
        ("videos = true", "videos is True, not a whole number"),
        ('kind = "timming"', "choose one of"),
        ('T = ["one"]', r"T\[0\] is 'one', not a whole number"),
        ("T = [1, 1]", "different numbers"),
        ('methods = ["a", "a"]', "same label"),
        ('methods = ["real"]', "may be labelled 'real'"),
        ('methods = [{label = "x"}]', "needs spec"),
        ('methods = [{spec = "ours-ft", lable = "x"}]', "did you mean 'label'"),
        ("holdout = 0", "at least 1"),
        ('drive = "other-person"', "unknown key 'drive'"),
        ("videos = ", "is not TOML"),
    ],
)
def test_a_wrong_definition_is_one_line_that_says_what(line, message):
    name = line.partition(" ")[0]
    text = (
        "".join(other + "\n" for other in MINIMAL.splitlines() if not other.startswith(f"{name} "))
        + line
    )
    with pytest.raises(ThbenchError, match=message) as caught:
        parse_definition(text, "my.toml")
    assert "\n" not in str(caught.value)


def test_missing_keys_are_named():
    with pytest.raises(ThbenchError, match="lacks version, source"):
        parse_definition('name = "x"\nkind = "timing"\nT = [1]', "my.toml")


def test_an_unknown_protocol_names_the_nearest():
    with pytest.raises(ThbenchError, match="did you mean 'self-reenactment'"):
        load_definition("self-reenactmnt")


def test_hash_knows_what_is_measured_and_not_by_whom():
    definition = parse_definition(MINIMAL.replace("[1]", "[1, 8]"), "x")
    assert definition.sha256 == definition.with_values(T=(8,), methods=(method_entry("x"),)).sha256
    assert definition.sha256 == replace(definition, name="other", source="elsewhere").sha256
    assert definition.sha256 == definition.with_values(cluster="video").sha256
    for change in (
        {"holdout_rule": "interleaved"},
        {"T": (1, 32)},
        {"videos": 3},
        {"holdout": 8},
        {"seed": 1},
        {"version": 2},
    ):
        assert definition.with_values(**change).sha256 != definition.sha256


def test_a_run_of_before_holdout_rules_keeps_its_meaning_and_its_identity():
    described = load_definition("demo").described()
    stored = {
        key: value for key, value in described.items() if key not in ("holdout_rule", "cluster")
    }
    definition = parse_stored({**stored, "version": 1})
    assert isinstance(definition, SelfReenactment)
    assert (definition.holdout_rule, definition.cluster) == ("interleaved", "video")
    assert definition.sha256 == "313e672bdc7752524cc54225daed52698c7f86c00e44cec146a9401b7fc2c0bb"


@pytest.mark.parametrize("name", ["table1-vox1", "table1-vox2", "ablation", "self-reenactment"])
def test_the_papers_protocols_hold_out_a_part_of_the_video(name):
    definition = load_definition(name)
    assert isinstance(definition, SelfReenactment)
    assert definition.holdout_rule == "part"


@given(st.text(alphabet="abc-_", min_size=1), st.text(alphabet="/ab =", min_size=1))
def test_external_methods_are_labelled_by_their_name(name, folder):
    assert method_entry(f"external:{name}={folder}").label == name


def test_an_ablation_that_needs_another_model_never_gets_the_full_ones():
    entries = {entry.label: entry for entry in load_definition("ablation").methods}
    assert [label for label, entry in entries.items() if entry.own_checkpoint] == ["no match loss"]
    assert list(entries)[-1] == "ours-ft"


def test_the_text_of_a_definition_is_a_definition():
    for name in definition_names():
        assert parse_definition(definition_text(name), name) == load_definition(name)


def test_before_fine_tuning_is_the_same_model_used_feed_forward(tmp_path):
    write_random_model("ours", 64, tmp_path / "model.safetensors", seed=0)
    before = next(
        entry for entry in load_definition("table1-vox2").methods if "before" in entry.label
    )
    dataset = synth(64)
    video = dataset.videos[-1]
    shots, drive = dataset.read(video, [0, 30]), dataset.read(video, [60]).without_images()
    tuned_not_at_all, feed_forward = (
        load_method(
            spec,
            MethodOptions(checkpoint=tmp_path / "model.safetensors", size_px=64, settings=settings),
        )
        .adapt(shots)
        .render(drive)
        .int()
        for spec, settings in ((before.spec, before.settings), ("ours-ff", {}))
    )
    assert (tuned_not_at_all - feed_forward).abs().max() == 0
    assert feed_forward.float().std() > 10
