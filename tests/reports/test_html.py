"""The HTML report as files: self-contained, escaped, honest about what is missing."""

from __future__ import annotations

import base64
import hashlib
import html
import html.parser
import re
from pathlib import Path

import pytest
from PIL import Image
from support.fake_run import SPECIAL_NAMES, make_run

from reports.html import write_report
from thbench.errors import ThbenchError


class Page(html.parser.HTMLParser):
    """Start tags, ids, text and the nesting of a page."""

    VOID = frozenset({"meta", "img", "input", "br", "hr", "link"})

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(file.read_text(encoding="utf-8"))
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, *names: str) -> list[str]:
        return [
            attributes[name] for _, attributes in self.tags for name in names if name in attributes
        ]


@pytest.fixture(scope="module")
def special(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("special")
    run = make_run(
        root / "run",
        methods=SPECIAL_NAMES,
        dataset="<b>co</b> & 50%",
        T=(1, 8),
        n_videos=2,
        failed_units=1,
        timing=True,
    )
    return write_report([run], root / "report", rows=2)


def test_every_reference_stays_in_the_folder_and_exists(special: Path) -> None:
    page = Page(special)
    references = page.values("src", "href", "data-still", "data-animation")
    assert references
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for reference in references:
        if reference.startswith("#"):
            assert reference[1:] in ids
        else:
            target = (special.parent / reference).resolve()
            assert target.is_relative_to(special.parent.resolve())
            assert target.is_file(), reference
    assert not re.search(r"https?://(?!www\.w3\.org/)", special.read_text(encoding="utf-8"))


def test_names_are_shown_as_text_and_run_nothing(special: Path) -> None:
    page = Page(special)
    for name in SPECIAL_NAMES:
        assert name in page.text
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1
    assert "b" not in tags
    assert "style" not in {name for _, attributes in page.tags for name in attributes}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_policy_allows_only_the_two_inline_blocks(special: Path) -> None:
    text = special.read_text(encoding="utf-8")
    policy = next(
        a["content"]
        for tag, a in Page(special).tags
        if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        block = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert block
        digest = base64.b64encode(hashlib.sha256(block.group(1).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_pictures_have_words_and_tables_have_headers(special: Path) -> None:
    page = Page(special)
    assert all("alt" in attributes for tag, attributes in page.tags if tag == "img")
    assert all(
        attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th"
    )
    assert [attributes for tag, attributes in page.tags if tag == "html"] == [{"lang": "en"}]
    labels = {
        attributes.get("aria-label")
        for tag, attributes in page.tags
        if attributes.get("type") == "range"
    }
    assert labels
    assert None not in labels


def test_failures_are_listed_with_their_error(special: Path) -> None:
    assert "ValueError: no face <b>found</b> & lost" in Page(special).text


def test_clips_show_truth_beside_result_and_copies_are_exact(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(8,), n_videos=1, n_holdout=3)
    index = write_report([run], tmp_path / "report")
    clip = Image.open(index.parent / "media/run0/clips/m0.webp")
    assert (clip.n_frames, clip.size) == (3, (128, 64))  # type: ignore[attr-defined]
    copied = {file.read_bytes() for file in (index.parent / "media/run0/compare").rglob("*.png")}
    assert copied <= {file.read_bytes() for file in (run / "images").rglob("*.png")}


def test_unfinished_unscored_and_pictureless_runs_have_a_page_that_says_so(tmp_path: Path) -> None:
    unfinished = make_run(tmp_path / "u", status="running", scored=False, T=(1, 8), n_videos=2)
    page = Page(write_report([unfinished], tmp_path / "report"))
    assert "unfinished run (running): 6 of 12 units" in page.text
    assert "is not scored yet" in page.text
    assert "not done" in page.text
    assert "table" not in [
        tag for tag, attributes in page.tags if attributes.get("class") == "sortable"
    ]
    bare = make_run(tmp_path / "bare", images=False, T=(1,))
    assert "the run holds no pictures" in Page(write_report([bare], tmp_path / "report")).text


def test_three_datasets_share_a_page_and_downloads(tmp_path: Path) -> None:
    runs = [
        make_run(
            tmp_path / name,
            dataset=name,
            methods=("x2face",),
            T=(1,),
            n_videos=1,
            timing=name == "synth",
        )
        for name in ("VoxCeleb1", "VoxCeleb2", "synth")
    ]
    index = write_report(runs, tmp_path / "report")
    assert [
        a.get("data-table") for tag, a in Page(index).tags if "sortable" in a.get("class", "")
    ] == ["scores"] * 3 + ["times"] * 2
    assert sorted(file.name for file in (index.parent / "tables").iterdir()) == sorted(
        f"{name}.{suffix}"
        for name in ("scores", "times")
        for suffix in ("tex", "md", "csv", "json")
    )


def test_a_report_replaces_only_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=1)
    write_report([run], tmp_path / "report")
    write_report([run], tmp_path / "report")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    with pytest.raises(ThbenchError, match="is not a report"):
        write_report([run], mine)
    assert (mine / "thesis.txt").read_text() == "precious"


def test_equal_runs_make_equal_pages(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=1)
    first, second = (write_report([run], tmp_path / name) for name in ("a", "b"))
    contents = [
        {
            file.relative_to(index.parent): file.read_bytes()
            for file in index.parent.rglob("*.*")
            if file.is_file()
        }
        for index in (first, second)
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) > 10


def test_a_film_is_copied_into_the_page_and_may_play(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    page = write_report(
        [make_run(tmp_path / "run")], tmp_path / "report", films={film: "A head & its driver."}
    )
    assert (page.parent / "media" / "film.mp4").read_bytes() == b"film"
    text = page.read_text()
    assert '<video src="media/film.mp4"' in text
    assert "A head &amp; its driver." in text
    assert "media-src 'self' file:" in html.unescape(text)
