"""Published lists: read in the form of the originals, found in a tree of files, counted where clips
are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from cli import thbench
from protocols.definition import load_definition
from protocols.lists.draw import ALL_TEST_CLIPS, draw_named, draw_next_persons, draw_pairs
from protocols.lists.readers import read_list
from protocols.split import Rules
from thbench.data.dataset import Video
from thbench.data.prepare.clip_names import parsed
from thbench.data.prepare.listing import list_source
from thbench.errors import ThbenchError
from thbench.records.encode import write_record
from thbench.records.split import ListedRecord
from thbench.runs import Run

# Of the form of vox-metadata.csv and vox_cross_id_evaluation.csv; persons and videos are made up.
FOMM = """\
video_id,start,end,bbox,fps,width,height,partition,person_id
AAAAAAAAAAA,442,635,381-3-929-751,25,1280,720,train,id10001
BBBBBBBBBBB,1093,1192,1-2-3-4,25,1280,720,test,id10280
BBBBBBBBBBB,12005,12131,1-2-3-4,25,1280,720,test,id10280
CC-CC_CCCCC,61,260,1-2-3-4,25,1280,720,test,id10281
"""
DAGAN = """\
source,driving,frame
/x/test/id10280#BBBBBBBBBBB#001093#001192.mp4/0000005.png,/x/test/id10281#CC-CC_CCCCC#000061#000260.mp4/0000003.png
/x/test/id10280#BBBBBBBBBBB#001093#001192.mp4/0000002.png,/x/test/id10281#CC-CC_CCCCC#000061#000260.mp4/0000007.png
/x/test/id10281#CC-CC_CCCCC#000061#000260.mp4/0000001.png,/x/test/id10280#BBBBBBBBBBB#001093#001192.mp4/0000099.png
"""
FIRST = "id10280/BBBBBBBBBBB#001093#001192"
SECOND = "id10280/BBBBBBBBBBB#012005#012131"
THIRD = "id10281/CC-CC_CCCCC#000061#000260"


@dataclass(frozen=True)
class Named:
    """A dataset of which only names and lengths are asked."""

    videos: list[Video]
    name: str = "copy"
    sha256: str = "0" * 64

    def frame_names(self, video: Video) -> list[str]:
        return [f"video/{frame:07d}" for frame in range(video.n_frames)]

    def frame_times_s(self, video: Video) -> None:
        return None


def copy_of(*keys: str, n_frames: int = 40) -> Named:
    parts = [key.split("/") for key in keys]
    return Named([Video(person, video, "test", n_frames) for person, video in parts])


EVENLY = Rules(drive="even", shots="first-frame")


def listed(folder: Path, form: str, text: str) -> Path:
    original = folder / f"{form}.csv"
    original.write_text(text)
    write_record(folder / f"{form}.json", read_list(form, original))
    return folder / f"{form}.json"


def test_the_test_part_of_fomms_list(tmp_path: Path) -> None:
    (tmp_path / "meta.csv").write_text(FOMM)
    found = read_list("fomm", tmp_path / "meta.csv")
    assert found.clips == [FIRST, SECOND, THIRD]
    assert (found.file, found.layout) == ("meta.csv", "vox-flat")


def test_dagans_pairs_keep_their_frames_and_order(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(DAGAN)
    found = read_list("dagan", tmp_path / "pairs.csv")
    assert found.clips == [FIRST, THIRD]
    assert [(pair.source_frame, pair.driving_frame) for pair in found.pairs] == [
        (5, 3),
        (2, 7),
        (1, 99),
    ]


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("fomm", "id,start\n1,2\n", "no column end, partition, person_id, video_id"),
        ("fomm", FOMM.replace("1093", "soon"), "line 3: start and end are numbers"),
        ("fomm", FOMM.replace("test", "train"), "names no clip"),
        ("dagan", "source,driving\na/b.png,c\n", "line 2: a/b.png does not end in"),
        ("dagan", "source,driving\nonly\n", "line 2: it has too few columns"),
        (
            "names",
            "WRA_X_000\n",
            "line 1: 'WRA_X_000' is not how clips of layout vox-flat are named",
        ),
    ],
)
def test_a_line_of_another_form_is_named(
    tmp_path: Path, form: str, text: str, message: str
) -> None:
    (tmp_path / "list").write_text(text)
    with pytest.raises(ThbenchError, match=message):
        read_list(form, tmp_path / "list")


def test_names_of_other_datasets() -> None:
    assert parsed("hdtf", "WRA_EricCantor_000") == ("WRA_EricCantor", "000")
    assert parsed("vfhq", "Clip+abcdefghi_1+P0+C2+F11-93") == ("abcdefghi_1+P0", "C2+F11-93")
    assert parsed("th1kh", "-bcde_ghi_1_0003_S1_E9_L1_T2_R3_B4") == (
        "-bcde_ghi_1",
        "0003_S1_E9_L1_T2_R3_B4",
    )
    assert parsed("celebv-hq", "abcdefghijk_12") == ("abcdefghijk", "12")
    assert parsed("hdtf", "portrait") is None


@pytest.mark.parametrize("as_folders", [False, True])
def test_a_tree_with_the_names_of_a_list_is_found_whole(tmp_path: Path, as_folders: bool) -> None:
    (tmp_path / "meta.csv").write_text(FOMM)
    clips = read_list("fomm", tmp_path / "meta.csv").clips
    for clip in clips:
        place = tmp_path / "test" / f"{clip.replace('/', '#')}.mp4"
        place.parent.mkdir(exist_ok=True)
        if as_folders:
            place.mkdir()
            (place / "0000000.png").write_bytes(b"x")
        else:
            place.write_bytes(b"x")
    (tmp_path / "test" / "holiday.mp4").write_bytes(b"x")

    listing = list_source("vox-flat", tmp_path / "test")
    assert [f"{video.person}/{video.video}" for video in listing.videos] == clips
    assert [drop.frame for drop in listing.dropped] == ["holiday.mp4"]


def test_first_frames_of_what_is_left_of_a_list(tmp_path: Path) -> None:
    names = str(listed(tmp_path, "fomm", FOMM))
    whole = draw_named(copy_of(FIRST, SECOND, THIRD), names, 525, 8, seed=0, rules=EVENLY)  # type: ignore[arg-type]
    left = draw_named(copy_of(FIRST, THIRD, "id1/other"), names, 525, 8, seed=0, rules=EVENLY)  # type: ignore[arg-type]

    assert [video.key for video in left.videos] == [FIRST, THIRD]
    assert left.listed == ListedRecord("fomm", 3, 2, left.listed.found_sha256)  # type: ignore[union-attr]
    assert str(left.listed).startswith("fomm: 2 of 3 clips (found: ")
    assert whole.listed != left.listed
    kept = [video for video in whole.videos if video.key != SECOND]
    assert kept == left.videos  # a clip's frames do not depend on which others are left

    video = left.videos[0]
    assert video.shots == [0]
    assert (video.holdout[0], video.holdout[-1], len(set(video.holdout))) == (1, 39, 8)
    assert not set(video.floor) & set(video.holdout)


def test_clips_that_are_too_short_do_not_count_as_here(tmp_path: Path) -> None:
    names = str(listed(tmp_path, "fomm", FOMM))
    with pytest.raises(ThbenchError, match="none of the 3 in "):
        draw_named(copy_of(FIRST, n_frames=8), names, 525, 8, seed=0, rules=EVENLY)  # type: ignore[arg-type]


def test_every_pair_of_a_list_has_a_head_of_its_own_frame(tmp_path: Path) -> None:
    names = str(listed(tmp_path, "dagan", DAGAN))
    split = draw_pairs(copy_of(FIRST, THIRD, n_frames=50), names, 2083, seed=0)  # type: ignore[arg-type]
    # The third pair's driving frame 99 is not there; the first two learn from one clip.
    found = [(each.key, each.source, each.shots, each.holdout) for each in split.videos]
    assert found == [(f"{FIRST}@0001", FIRST, [5], [3]), (f"{FIRST}@0002", FIRST, [2], [7])]
    assert all(each.driver_of == [THIRD] for each in split.videos)
    assert str(split.listed).startswith("dagan: 2 of 3 pairs (found: ")
    assert all(load_definition("dagan-cross").check(each) is None for each in split.videos)

    whole = draw_pairs(copy_of(FIRST, THIRD, n_frames=100), names, 2083, seed=0)  # type: ignore[arg-type]
    assert whole.videos[:2] == split.videos  # a pair does not depend on which others are left
    assert [each.key for each in whole.videos] == [
        f"{FIRST}@0001",
        f"{FIRST}@0002",
        f"{THIRD}@0003",
    ]


def test_a_listed_frame_is_found_by_its_number_where_others_were_dropped(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Dropped(Named):
        """Frames 0 and 4 of every clip showed no face."""

        def frame_names(self, video: Video) -> list[str]:
            left = [frame for frame in range(video.n_frames + 2) if frame not in (0, 4)]
            return [f"video/{frame:07d}" for frame in left]

    names = str(listed(tmp_path, "dagan", DAGAN))
    dataset = Dropped(copy_of(FIRST, THIRD, n_frames=120).videos)
    split = draw_pairs(dataset, names, 2083, seed=0)  # type: ignore[arg-type]
    first = split.videos[0]
    assert (first.shot_names, first.holdout_names) == (["video/0000005"], ["video/0000003"])
    assert (first.shots, first.holdout) == ([3], [2])


def test_each_clip_is_driven_by_the_next_person_in_the_order_of_names(tmp_path: Path) -> None:
    keys = ["a/1", "a/2", "b/1", "c/1"]
    split = draw_next_persons(copy_of(*keys, n_frames=9), ALL_TEST_CLIPS, 50, 3, seed=0)  # type: ignore[arg-type]
    pairs = {each.key: (each.driver_of or [""])[0] for each in split.videos}
    assert pairs == {"a/1": "b/1", "a/2": "b/1", "b/1": "c/1", "c/1": "a/1"}
    assert all((each.shots, each.holdout) == ([0], [0, 4, 8]) for each in split.videos)
    protocol = load_definition("vfhq-cross").with_values(holdout=3)
    assert all(protocol.check(each) is None for each in split.videos)
    assert str(split.listed).startswith("all test clips: 4 of 50 clips")

    # By a list, a clip whose driver is gone is gone too: nobody else takes the driver's place.
    three = [FIRST, THIRD, "id10282/DDDDDDDDDDD#000001#000050"]
    original = tmp_path / "names.txt"
    original.write_text("\n".join(key.replace("/", "#") for key in three))
    write_record(tmp_path / "names.json", read_list("names", original))
    left = draw_next_persons(
        copy_of(FIRST, three[2]),  # type: ignore[arg-type]
        str(tmp_path / "names.json"),
        50,
        3,
        seed=0,
    )
    assert [(each.key, (each.driver_of or [""])[0]) for each in left.videos] == [(three[2], FIRST)]
    assert str(left.listed).startswith("names: 1 of 3 clips")


def test_one_person_alone_has_no_next() -> None:
    with pytest.raises(ThbenchError, match="another person's clip after it"):
        draw_next_persons(copy_of("a/1", "a/2"), ALL_TEST_CLIPS, 50, 3, seed=0)  # type: ignore[arg-type]


def test_a_list_that_is_not_here_says_how_to_make_it() -> None:
    with pytest.raises(ThbenchError, match="thbench protocols import"):
        draw_named(copy_of(FIRST), "none.json", 5, 8, seed=0, rules=EVENLY)  # type: ignore[arg-type]


def test_from_the_published_file_to_a_table_that_tells_the_coverage(tmp_path: Path) -> None:
    run_in(tmp_path, ["protocols", "import", "fomm", "meta.csv", "-o", "mine.json"], FOMM)
    clips_on_disk(tmp_path)

    toml = (
        'name = "mine"\nkind = "self-reenactment"\nversion = 1\nsource = "here"\nT = [1]\n'
        'methods = ["copy-nearest"]\nmetrics = ["l1"]\nvideos = 525\nholdout = 4\n'
        'shot_rule = "first-frame"\ndrive_rule = "even"\nnames = "mine.json"\n'
    )
    (tmp_path / "mine.toml").write_text(toml)
    prepare = ["prepare", "vox-flat", "test", "data", "--size", "64", "--workers", "1"]
    run_in(tmp_path, [*prepare, "--landmarks", "import:landmarks", "--quiet"])
    measure = ["run-protocol", "mine.toml", "--dataset", "data", "--out", "run", "--workers", "1"]
    told = run_in(tmp_path, [*measure, "--quiet"])
    assert "mine: 2 of 3 clips (found: " in told
    table = run_in(tmp_path, ["report", "latex", "run", "--format", "markdown", "--metrics", "l1"])
    assert "mine: 2 of 3 clips" in table
    assert "The shot is the first frame" in table
    assert Run(tmp_path / "run").record().split.listed is not None


def clips_on_disk(folder: Path) -> None:
    """Two of three clips, of six frames each, with landmarks to import."""
    random = np.random.default_rng(0)
    for clip in (FIRST, THIRD):
        name = clip.replace("/", "#")
        frames = folder / "test" / f"{name}.mp4"
        frames.mkdir(parents=True)
        for frame in range(6):
            pixels = random.integers(0, 255, (64, 64, 3), np.uint8)
            cv2.imwrite(str(frames / f"{frame:07d}.png"), pixels)
            points = random.uniform(5, 58, (68, 2)).astype(np.float32)
            place = folder / "landmarks" / frames.name / f"{frame:07d}.npy"
            place.parent.mkdir(parents=True, exist_ok=True)
            np.save(place, points)


def test_pairs_of_one_clip_are_units_of_their_own_in_a_run(tmp_path: Path) -> None:
    pairs = DAGAN.replace("0000007.png", "0000004.png")
    run_in(tmp_path, ["protocols", "import", "dagan", "meta.csv", "-o", "dagan.json"], pairs)
    clips_on_disk(tmp_path)
    toml = (
        'name = "mine"\nkind = "cross-reenactment"\nversion = 1\nsource = "here"\nT = [1]\n'
        'methods = ["copy-nearest"]\nmetrics = ["nme"]\nvideos = 2083\nholdout = 1\n'
        'driven_by = "listed"\nnames = "dagan.json"\n'
    )
    (tmp_path / "mine.toml").write_text(toml)
    prepare = ["prepare", "vox-flat", "test", "data", "--size", "64", "--workers", "1"]
    run_in(tmp_path, [*prepare, "--landmarks", "import:landmarks", "--quiet"])
    measure = ["run-protocol", "mine.toml", "--dataset", "data", "--out", "run", "--workers", "1"]
    told = run_in(tmp_path, [*measure, "--quiet"])
    assert "dagan: 2 of 3 pairs (found: " in told

    run = Run(tmp_path / "run")
    shots = [run.shots_folder(video.key) for video in run.record().split.videos]
    assert len({folder.name for folder in shots}) == 2
    first, second = ((folder / "00.png").read_bytes() for folder in shots)
    assert first != second  # frames 5 and 2 of one clip
    run_in(tmp_path, ["split", "export", "run", "--out", "split.json"])
    again = [*measure[:4], "--split", "split.json", "--out", "again", "--workers", "1", "--quiet"]
    run_in(tmp_path, again)
    run_in(tmp_path, ["runs", "verify", "again"])


def run_in(folder: Path, arguments: list[str], listed: str | None = None) -> str:
    """What a command says when it is called in a folder."""
    if listed is not None:
        (folder / "meta.csv").write_text(listed)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(thbench, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
