"""Fetching over a local server: whole and right, or nothing at all; and the messages of what is
missing.
"""

from __future__ import annotations

import email.message
import hashlib
import http.server
import io
import json
import threading
import urllib.request
import urllib.response
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import thbench as command_line
from thbench import weights
from thbench.errors import ThbenchError
from thbench.weight_fetch import adopt, fetch
from thbench.weight_registry import WEIGHTS, WeightFile
from thbench.weights import first_weight_path, missing, verify, weight_path

CONTENT = b"weights " * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _empty_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("THBENCH_CACHE", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test output clean."""


def entry(
    monkeypatch: pytest.MonkeyPatch,
    *urls: str,
    sha256: str = SHA256,
    in_archive: bool = False,
    size_bytes: int | None = len(CONTENT),
) -> WeightFile:
    weight = WeightFile(
        "toy", "toy.pth", urls, sha256, size_bytes, "CC0", "nothing much", in_archive=in_archive
    )
    monkeypatch.setitem(WEIGHTS, "toy", weight)
    return weight


def test_fetched_file_is_whole_and_found(
    monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]
) -> None:
    folder, url = served
    (folder / "toy.pth").write_bytes(CONTENT)
    seen: list[tuple[int, int | None]] = []
    weight = entry(monkeypatch, f"{url}/toy.pth")
    path = fetch(weight, lambda done, total: seen.append((done, total)))
    assert weight_path("toy") == path
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert SHA256 in verify(weight)


def test_next_address_is_tried_when_one_fails(
    monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]
) -> None:
    folder, url = served
    (folder / "toy.pth").write_bytes(CONTENT)
    assert fetch(entry(monkeypatch, f"{url}/gone.pth", f"{url}/toy.pth")).read_bytes() == CONTENT


@pytest.mark.parametrize("sent", [CONTENT[:-1], CONTENT[:-1] + b"!"], ids=["short", "altered"])
def test_wrong_bytes_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str], sent: bytes
) -> None:
    folder, url = served
    (folder / "toy.pth").write_bytes(sent)
    weight = entry(monkeypatch, f"{url}/toy.pth")
    with pytest.raises(ThbenchError, match=r"could not be fetched .* --from FILE"):
        fetch(weight)
    assert not list(weight.path.parent.iterdir())


def test_file_inside_a_zip_is_taken_out(
    monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]
) -> None:
    folder, url = served
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        archive.writestr("pack/other.txt", "x")
        archive.writestr("pack/toy.pth", CONTENT)
    weight = entry(monkeypatch, f"{url}/pack.zip", in_archive=True)
    assert fetch(weight).read_bytes() == CONTENT
    assert [file.name for file in weight.path.parent.iterdir()] == ["toy.pth"]


def test_a_page_instead_of_a_zip_is_told(
    monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]
) -> None:
    folder, url = served
    (folder / "pack.zip").write_text("<html>moved</html>")
    with pytest.raises(ThbenchError, match="not a zip archive"):
        fetch(entry(monkeypatch, f"{url}/pack.zip", in_archive=True))


def test_missing_file_names_file_url_digest_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    entry(monkeypatch, "http://example.org/toy.pth")
    reason = missing("toy")
    assert reason is not None
    assert "\n" not in reason
    for part in ("toy.pth", "http://example.org/toy.pth", SHA256, "thbench weights fetch toy"):
        assert part in reason


def test_altered_file_is_never_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = entry(monkeypatch, "http://example.org/toy.pth")
    weight.path.parent.mkdir(parents=True)
    weight.path.write_bytes(CONTENT[::-1])
    with pytest.raises(ThbenchError, match="delete it and run"):
        weight_path("toy")


def test_file_in_torch_hub_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = entry(monkeypatch, "http://example.org/toy.pth", sha256=SHA256[:8])
    place = weights.torch_hub() / "toy.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert weight_path("toy") == place
    assert f"of which {SHA256[:8]} is published" in verify(weight)


@pytest.mark.parametrize("published", ["", SHA256[:8]], ids=["nothing", "its start"])
def test_a_digest_that_nobody_published_is_kept_from_the_first_fetch(
    monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str], published: str
) -> None:
    folder, url = served
    (folder / "toy.pth").write_bytes(CONTENT)
    weight = entry(monkeypatch, f"{url}/toy.pth", sha256=published)
    path = fetch(weight)
    assert json.loads(weights.kept_digests().read_text()) == {"toy": SHA256}
    assert f"as it was first fetched: sha256 {SHA256}" in verify(weight)

    monkeypatch.setitem(WEIGHTS, "toy", replace(weight, sha256=""))
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(ThbenchError, match=f"not {SHA256} as when it was first fetched"):
        weight_path("toy")
    path.unlink()
    (folder / "toy.pth").write_bytes(CONTENT[::-1])
    with pytest.raises(ThbenchError, match=f"not {SHA256} as when it was first fetched"):
        fetch(WEIGHTS["toy"])
    assert not path.exists()


def test_a_published_digest_is_not_kept_twice(
    monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]
) -> None:
    folder, url = served
    (folder / "toy.pth").write_bytes(CONTENT)
    fetch(entry(monkeypatch, f"{url}/toy.pth"))
    assert not weights.kept_digests().exists()


def test_an_encrypted_address_that_leads_to_an_open_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = urllib.response.addinfourl(
        io.BytesIO(CONTENT), email.message.Message(), "http://example.org/toy.pth", 200
    )
    monkeypatch.setattr(urllib.request, "urlopen", lambda request, timeout: answer)
    with pytest.raises(ThbenchError, match="not encrypted"):
        fetch(entry(monkeypatch, "https://example.org/toy.pth"))


def test_own_copy_is_adopted_only_when_it_is_the_right_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    weight = entry(monkeypatch, "http://example.org/toy.pth")
    (tmp_path / "good").write_bytes(CONTENT)
    (tmp_path / "bad").write_bytes(b"other")
    with pytest.raises(ThbenchError, match=r"is not toy\.pth"):
        adopt(weight, tmp_path / "bad")
    assert adopt(weight, tmp_path / "good").read_bytes() == CONTENT


def test_interchangeable_files(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = entry(monkeypatch, "http://example.org/toy.pth")
    with pytest.raises(ThbenchError, match="fid-inception"):
        first_weight_path("fid-inception", "toy")
    weight.path.parent.mkdir(parents=True)
    weight.path.write_bytes(CONTENT)
    assert first_weight_path("fid-inception", "toy") == weight.path


def test_registry_is_consistent() -> None:
    for name, weight in WEIGHTS.items():
        assert name == weight.name
        assert weight.urls
        assert all(url.startswith("https://") for url in weight.urls)
        assert len(weight.sha256) in (0, 8, 64)
        assert set(weight.sha256) <= set("0123456789abcdef")
        assert weight.licence
        assert weight.enables


def test_commands(monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str]) -> None:
    folder, url = served
    (folder / "toy.pth").write_bytes(CONTENT)
    entry(monkeypatch, f"{url}/toy.pth")
    run = partial(CliRunner().invoke, command_line, catch_exceptions=False)
    assert "toy: missing" in run(["weights", "list"]).stdout
    fetched = run(["weights", "fetch", "toy"]).stdout.strip()
    assert Path(fetched).read_bytes() == CONTENT
    assert f"toy: {fetched} is whole" in run(["weights", "verify"]).stdout
    with pytest.raises(ThbenchError, match="did you mean 'toy'"):
        run(["weights", "fetch", "toi"])
