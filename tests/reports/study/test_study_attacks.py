"""What someone tries who wants the answers, another one's place, or the server."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import func, select
from starlette.requests import HTTPConnection
from support.live import served
from support.rater import DEVICE, Rater

from reports.study.folder import Study
from reports.study.guard import Addresses, Buckets
from reports.study.schema import assignments, participants, trials
from reports.study.sessions import SESSION, SESSION_AGE_S, Sessions
from reports.study.store import Store
from thbench.files import read_json, write_json

Site = tuple[str, Store]


@pytest.fixture
def site(study: Study) -> Iterator[Site]:
    with served(study) as pair:
        yield pair


@pytest.fixture(scope="module")
def shared_site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for attacks that must leave no trace."""
    folder = tmp_path_factory.mktemp("shared") / "study"
    shutil.copytree(built, folder)
    with served(Study.open(folder)) as pair:
        yield pair


def count(store: Store, column: object) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(select(func.count(column))) or 0)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "path",
    [
        "/design.json",
        "/secrets.json",
        "/settings.json",
        "/study.db",
        "/panels/000000.png",
        "/panels/",
        "/static/",
        "/static/../design.json",
        "/static/..%2fdesign.json",
        "/static/%2e%2e/%2e%2e/secrets.json",
        "/static//etc/passwd",
        "/picture/../../design.json",
        "/picture/..%2f..%2fsecrets.json",
        "/picture/%00",
        "/picture/000000.png",
        "/.git/config",
        "/server.py",
        "/static/study.css%00.js",
        "//design.json",
        "/api",
        "/api/answer/x",
    ],
)
def test_no_path_leads_to_the_answer_key(shared_site: Site, path: str) -> None:
    url, store = shared_site
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection(
        (host, int(port))
    ) as connection:  # a client library would tidy the path
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode()
        )
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 404 " in reply.split(b"\r\n", 1)[0]
    body = reply.split(b"\r\n\r\n", 1)[1]
    assert body == b"not found"
    assert store.study.design.study_id.encode() not in reply


def test_nothing_sent_names_a_method_a_row_a_video_or_a_file(site: Site) -> None:
    url, store = site
    rater = Rater(url)
    rater.finish(rater.begin())
    rater.client.get("/end")
    sent = (
        b"\n".join(
            str(response.headers.raw).encode() + response.content
            for response in rater.seen
            if response.headers.get("content-type") != "image/jpeg"
        )
        .decode()
        .lower()
    )
    design = store.study.design
    secrets = (
        {item.method for item in design.items}
        | {item.person for item in design.items}
        | {item.video for item in design.items}
        | {
            "gold",
            "panels/",
            ".png",
            "fake_position",
            "arrangement",
            "real-1",
            design.study_id,
            store.study.keys.cookie,
            store.study.keys.owner,
        }
    )
    assert len(rater.seen) > 20
    for secret in secrets - {""}:
        assert secret.lower() not in sent, secret


def test_every_response_carries_the_security_headers(site: Site) -> None:
    rater = Rater(site[0])
    state = rater.begin()
    for reply in (
        rater.client.get("/"),
        rater.client.get("/nothing"),
        rater.picture(state["trial"]["token"]),
        rater.client.get("/api/state"),
        rater.client.get("/static/study.js"),
        rater.client.get("/owner"),
        rater.client.post("/api/answer", content=b"x" * 5000),
    ):
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-frame-options"] == "DENY"
        assert not {"etag", "last-modified", "server"}.intersection(reply.headers)
    cookie = rater.seen[1].headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_behind_https_cookies_are_secure_and_https_is_remembered(study: Study) -> None:
    with served(study, "https://study.example.org") as (url, _):
        rater = Rater(url)
        form = {"ticket": rater.ticket(), "consent": "yes"}
        assert rater.client.post("/", data=form, headers={"origin": url}).status_code == 403
        reply = rater.client.post("/", data=form, headers={"origin": "https://study.example.org"})
    assert reply.status_code == 303
    assert "secure" in reply.headers["set-cookie"].lower()
    assert "max-age" in reply.headers["strict-transport-security"]


def test_other_peoples_pictures_and_unknown_ones_look_the_same(site: Site) -> None:
    first, second = Rater(site[0]), Rater(site[0])
    mine, theirs = first.begin(), second.begin()
    stranger = httpx.get(f"{site[0]}/picture/{mine['trial']['token']}")
    foreign = first.picture(theirs["trial"]["token"])
    unknown = first.picture("A" * 22)
    assert first.picture(mine["trial"]["token"]).status_code == 200
    for reply in (stranger, foreign, unknown):
        assert (reply.status_code, reply.content) == (404, b"not found")
    assert set(foreign.headers) == set(unknown.headers)


def test_only_the_current_and_the_next_picture_are_shown(site: Site) -> None:
    url, store = site
    rater = Rater(url)
    state = rater.begin()
    with store.engine.connect() as connection:
        tokens = list(connection.scalars(select(trials.c.token).order_by(trials.c.number)))
    assert [rater.picture(token).status_code for token in tokens] == [200, 200] + [404] * (
        len(tokens) - 2
    )
    rater.answer(state["trial"]["token"], 1)
    assert [rater.picture(token).status_code for token in tokens][:4] == [404, 200, 200, 404]


def test_replayed_answers_count_once_and_others_are_refused(site: Site) -> None:
    url, store = site
    rater = Rater(url)
    state = rater.begin()
    token = state["trial"]["token"]
    first = rater.answer(token, 2)
    again = rater.answer(token, 2)
    changed = rater.answer(token, 3)
    assert [reply.status_code for reply in (first, again, changed)] == [200, 200, 409]
    assert first.json() == again.json()
    assert "right" not in changed.json()
    assert count(store, trials.c.choice) == 1
    assert rater.answer(state["trial"]["next"], 1).status_code == 200
    rater.finish(rater.client.get("/api/state").json())
    assert rater.answer(token, 2).status_code == 200
    assert rater.answer(token, 1).status_code == 409


def test_trials_are_answered_in_turn(site: Site) -> None:
    rater = Rater(site[0])
    state = rater.begin()
    assert rater.answer(state["trial"]["next"], 1).status_code == 409
    assert rater.client.get("/api/state").json() == state


def test_solutions_are_told_for_practice_only(site: Site) -> None:
    rater = Rater(site[0])
    state = rater.begin()
    while state["phase"] == "trial":
        trial = state["trial"]
        state = rater.answer(trial["token"], trial["instructed"] or 1).json()
        assert ("right" in state) == trial["practice"]


def test_nobody_answers_for_someone_else(site: Site) -> None:
    url, store = site
    victim, thief = Rater(url), Rater(url)
    token = victim.begin()["trial"]["token"]
    thief.begin()
    assert thief.answer(token, 1).status_code == 404
    assert count(store, trials.c.choice) == 0


def test_forged_and_foreign_sessions_are_nobody(site: Site) -> None:
    url, store = site
    rater = Rater(url)
    rater.begin()
    with store.engine.connect() as connection:
        participant = connection.scalar(select(participants.c.id))
    real = rater.client.cookies[SESSION]
    forged = [
        participant,
        real[:-2] + "AA",
        "x",
        real.split(".")[0] + "..",
        URLSafeTimedSerializer("guess", salt="session").dumps(participant),
        URLSafeTimedSerializer(store.study.keys.cookie, salt="session another").dumps(participant),
    ]
    for cookie in forged:
        assert httpx.get(f"{url}/api/state", cookies={SESSION: str(cookie)}).status_code == 401
    assert httpx.get(f"{url}/api/state", cookies={SESSION: real}).status_code == 200


def test_a_participant_of_the_platform_takes_part_once(site: Site) -> None:
    url, store = site
    query = "?PROLIFIC_PID=5f1e&STUDY_ID=s&SESSION_ID=one"
    first = Rater(url, query)
    state = first.begin()
    same_session = Rater(url, query)
    assert same_session.consent().status_code == 303
    assert same_session.client.get("/api/state").json() == state
    for other in ("?PROLIFIC_PID=5f1e&SESSION_ID=two", "?PROLIFIC_PID=5f1e"):
        assert Rater(url, other).consent().status_code == 409
    assert count(store, participants.c.id) == 1


def test_another_id_in_the_same_browser_is_another_participant(site: Site) -> None:
    url, store = site
    rater = Rater(url, "?PROLIFIC_PID=seat1&SESSION_ID=x")
    rater.finish(rater.begin())
    rater.query = "?PROLIFIC_PID=seat2&SESSION_ID=x"
    rater.begin()
    assert count(store, participants.c.id) == 2


def test_ids_are_kept_as_hashes_apart_from_answers_and_no_address_at_all(site: Site) -> None:
    url, store = site
    rater = Rater(url, "?PROLIFIC_PID=5f1e9c0a77&SESSION_ID=77aa9c")
    rater.finish(rater.begin())
    store.engine.dispose()
    stored = b"".join(file.read_bytes() for file in store.study.path.glob("study.db*"))
    for secret in (b"5f1e9c0a77", b"77aa9c", b"127.0.0.1", b"python-httpx"):
        assert secret not in stored
    assert "identity_hash" not in assignments.c
    assert "identity_hash" not in trials.c


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b'{"trial": 1}',
        b"NaN",
        b"[" * 2000,
        json.dumps({"trial": "A" * 22, "choice": 1, "response_ms": 1, "input": "key"}).encode(),
        json.dumps(
            {
                "trial": "A" * 22,
                "choice": 1,
                "response_ms": 1,
                "input": "key",
                "blurs": 0,
                "more": 1,
            }
        ).encode(),
        json.dumps(
            {"trial": "A" * 22, "choice": 4, "response_ms": 1, "input": "key", "blurs": 0}
        ).encode(),
        json.dumps(
            {"trial": "A" * 22, "choice": 1.5, "response_ms": 1, "input": "key", "blurs": 0}
        ).encode(),
        json.dumps(
            {"trial": "A" * 22, "choice": True, "response_ms": 1, "input": "key", "blurs": 0}
        ).encode(),
        json.dumps(
            {"trial": "A" * 22, "choice": 1, "response_ms": -1, "input": "key", "blurs": 0}
        ).encode(),
        b'{"trial": "AAAAAAAAAAAAAAAAAAAAAA", "choice": 1, "response_ms": NaN, '
        b'"input": "key", "blurs": 0}',
        b'{"trial": "AAAAAAAAAAAAAAAAAAAAAA", "choice": 1, "response_ms": 1e999, '
        b'"input": "key", "blurs": 0}',
        json.dumps(
            {"trial": "' OR 1=1 --", "choice": 1, "response_ms": 1, "input": "key", "blurs": 0}
        ).encode(),
        json.dumps(
            {
                "trial": "A" * 22,
                "choice": 1,
                "response_ms": 1,
                "input": "'); DROP TABLE x",
                "blurs": 0,
            }
        ).encode(),
    ],
)
def test_malformed_answers_are_refused(shared_site: Site, body: bytes) -> None:
    url, store = shared_site
    rater = Rater(url)
    rater.begin()
    reply = rater.client.post(
        "/api/answer", content=body, headers={**rater.headers, "content-type": "application/json"}
    )
    assert reply.status_code == 400
    assert count(store, trials.c.choice) == 0


def test_only_json_is_taken_for_an_answer(site: Site) -> None:
    rater = Rater(site[0])
    token = rater.begin()["trial"]["token"]
    body = json.dumps({"trial": token, "choice": 1, "response_ms": 1, "input": "key", "blurs": 0})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        reply = rater.client.post(
            "/api/answer", content=body, headers={**rater.headers, "content-type": kind}
        )
        assert reply.status_code == 400


@pytest.mark.parametrize("size", [4097, 5_000_000])
def test_oversized_bodies_are_refused_unread(site: Site, size: int) -> None:
    rater = Rater(site[0])
    rater.begin()
    for content in (
        b"x" * size,
        iter([b"x" * 4000, b"x" * (size - 4000)]),
    ):  # with a length, and chunked
        with contextlib.suppress(httpx.WriteError):  # refused before everything was sent
            assert (
                rater.client.post("/api/answer", content=content, headers=rater.headers).status_code
                == 413
            )
    assert rater.client.get("/healthz").text == "ok"


def test_posts_of_other_sites_are_refused(site: Site) -> None:
    url, store = site
    rater = Rater(url)
    token = rater.begin()["trial"]["token"]
    body = {"trial": token, "choice": 1, "response_ms": 1, "input": "key", "blurs": 0}
    for foreign in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": url.replace("http:", "https:")},
        {"sec-fetch-site": "same-site"},
    ):
        for path, send in (
            ("/api/answer", {"json": body}),
            ("/", {"data": {"consent": "yes"}}),
            ("/withdraw", {"data": {"csrf": rater.csrf}}),
        ):
            assert (
                rater.client.post(path, headers={**rater.headers, **foreign}, **send).status_code
                == 403
            )
    own = {**rater.headers, "origin": url, "sec-fetch-site": "same-origin"}
    assert rater.client.post("/api/answer", json=body, headers=own).status_code == 200
    assert count(store, trials.c.choice) == 1


def test_posts_without_the_sessions_own_token_are_refused(site: Site) -> None:
    url, store = site
    rater, other = Rater(url), Rater(url)
    token = rater.begin()["trial"]["token"]
    other.begin()
    for csrf in ("", "x", other.csrf, "ü"):
        rater.csrf = csrf
        body = {"trial": token, "choice": 1, "response_ms": 1, "input": "key", "blurs": 0}
        headers = [(b"x-csrf-token", csrf.encode())]
        assert rater.client.post("/api/answer", json=body, headers=headers).status_code == 403
        assert rater.client.post("/api/start", json=DEVICE, headers=headers).status_code == 403
        assert rater.client.post("/withdraw", data={"csrf": csrf}).status_code == 403
    assert count(store, trials.c.choice) == 0
    assert count(store, participants.c.id) == 2


def test_sql_and_html_in_names_stay_text(site: Site) -> None:
    url, store = site
    hostile = "x');DROP TABLE participants;--"
    rater = Rater(
        url, f"?PROLIFIC_PID={hostile}&SESSION_ID=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    )
    rater.begin()
    assert count(store, participants.c.id) == 1
    for response in rater.seen:
        assert "<script>alert" not in response.text
    page = httpx.post(url, data={"ticket": '"><script>alert(1)</script>'})
    assert page.status_code == 400
    assert "<script>alert" not in page.text


def test_texts_of_the_owner_are_escaped(study: Study) -> None:
    write_json(
        study.settings_json,
        {
            **read_json(study.settings_json),
            "title": "<script>alert(1)</script>",
            "question": "</main><script>alert(2)</script>'\"",
            "consent": ["<b>bold</b>"],
        },
    )
    with served(Study.open(study.path)) as (url, _):
        rater = Rater(url)
        rater.begin()
        assert "<b>bold" not in rater.seen[0].text
        for response in rater.seen:
            assert "<script>alert" not in response.text


def test_too_long_ids_and_stale_tickets_are_refused(site: Site) -> None:
    url, store = site
    assert httpx.get(f"{url}/?PROLIFIC_PID={'x' * 101}").status_code == 400
    for ticket in ("", "forged", store.study.keys.cookie):
        assert httpx.post(url, data={"ticket": ticket, "consent": "yes"}).status_code == 400
    assert count(store, participants.c.id) == 0


def test_consent_comes_first(site: Site) -> None:
    url, store = site
    rater = Rater(url)
    assert rater.client.post("/", data={"ticket": rater.ticket()}).status_code == 400
    assert rater.client.get("/study").headers["location"] == "/"
    assert rater.client.get("/api/state").status_code == 401
    assert count(store, participants.c.id) == 0


def test_codes_are_shown_only_when_earned(site: Site) -> None:
    url, store = site
    codes = store.study.settings.codes
    rater = Rater(url)
    state = rater.begin()
    assert rater.client.get("/end").headers["location"] == "/study"
    assert all(codes.completed not in response.text for response in rater.seen)
    rater.finish(state)
    page = rater.client.get("/end").text
    assert codes.completed in page
    assert codes.screened_out not in page


def test_the_owners_page_wants_the_token(site: Site) -> None:
    url, store = site
    token = store.study.keys.owner
    assert httpx.get(f"{url}/owner").status_code == 401
    assert (
        httpx.get(f"{url}/owner", headers={"authorization": f"Bearer {token[:-1]}"}).status_code
        == 401
    )
    assert httpx.post(f"{url}/owner", data={"token": "wrong"}).status_code == 401
    page = httpx.get(f"{url}/owner", headers={"authorization": f"Bearer {token}"})
    assert page.status_code == 200
    assert "Forms done" in page.text
    client = httpx.Client(base_url=url)
    assert client.post("/owner", data={"token": token}).status_code == 303
    assert client.get("/owner").status_code == 200
    participant = Rater(url)
    participant.begin()
    stolen = {"thbench_owner": participant.client.cookies[SESSION]}
    assert httpx.get(f"{url}/owner", cookies=stolen).status_code == 401


def test_too_many_requests_are_slowed_down(study: Study) -> None:
    rates = {**read_json(study.settings_json)["rates"], "entries_per_s": 0.001, "entries_burst": 3}
    write_json(study.settings_json, {**read_json(study.settings_json), "rates": rates})
    with served(Study.open(study.path)) as (url, store):
        replies = [httpx.post(f"{url}/owner", data={"token": "guess"}) for _ in range(5)]
        assert [reply.status_code for reply in replies] == [401] * 3 + [429] * 2
        assert replies[-1].headers["retry-after"] == "2"
        assert httpx.get(f"{url}/healthz").text == "ok"
        assert count(store, participants.c.id) == 0


def test_buckets_fill_up_again() -> None:
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    assert [buckets.take("a", 2, 3) for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b", 2, 3)
    now[0] = 0.5
    assert [buckets.take("a", 2, 3) for _ in range(2)] == [True, False]
    now[0] = 1000
    assert [buckets.take("a", 2, 3) for _ in range(4)] == [True, True, True, False]


def test_unknown_methods_are_refused(site: Site) -> None:
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        assert httpx.request(method, f"{site[0]}/api/answer").status_code in (403, 405)


def test_no_cookie_beside_the_real_one_evades_the_limit_of_a_session(study: Study) -> None:
    settings = read_json(study.settings_json)
    rates = {**settings["rates"], "session_per_s": 0.001, "session_burst": 8}
    write_json(study.settings_json, {**settings, "rates": rates})

    with served(Study.open(study.path)) as (url, _):
        rater = Rater(url)
        rater.begin()
        real = rater.client.cookies[SESSION]
        disguises = [f"{SESSION}=junk{k}; {SESSION}={real}" for k in range(9)]
        disguises += [f"{SESSION}={real}{'=' * k}" for k in range(1, 4)]
        statuses = [
            httpx.get(f"{url}/api/state", headers={"cookie": disguise}).status_code
            for disguise in disguises
        ]

        assert statuses[0] == 200
        assert statuses[-4:] == [429] * 4


def test_addresses_of_one_ipv6_network_are_one_for_the_limits() -> None:
    names = Addresses()

    assert len({names.name(f"2001:db8:1:2::{k:x}") for k in range(80)}) == 1
    assert names.name("2001:db8:1:2::1") != names.name("2001:db8:1:3::1")
    assert names.name("192.0.2.1") != names.name("192.0.2.2")
    assert names.name("::ffff:192.0.2.1") == names.name("192.0.2.1")
    assert names.name("::ffff:192.0.2.1") != names.name("::ffff:192.0.2.2")
    assert names.name("fe80::1%eth0") == names.name("fe80::2%eth0")


@pytest.mark.parametrize("path", ["/study/", "/owner/", "/healthz/", "/", "/study", "/nothing"])
def test_no_response_repeats_the_host_that_was_asked_for(shared_site: Site, path: str) -> None:
    reply = httpx.get(f"{shared_site[0]}{path}", headers={"host": "evil.example"})

    assert "evil.example" not in str(reply.headers) + reply.text


def test_a_clock_that_is_set_back_voids_no_session(study: Study) -> None:
    now_s = [1_800_000_000.0]
    sessions = Sessions(study, lambda: now_s[0])
    signed_at_s = time.time()
    cookie = sessions.of_participant("somebody").encode()

    def participant_after(age_s: float) -> str | None:
        now_s[0] = signed_at_s + age_s
        headers = [(b"cookie", SESSION.encode() + b"=" + cookie)]
        return sessions.participant(HTTPConnection({"type": "http", "headers": headers}))

    for age_s in (-3600, -1.5, 0, SESSION_AGE_S - 60):
        assert participant_after(age_s) == "somebody"
    for age_s in (SESSION_AGE_S + 60, -SESSION_AGE_S - 60):
        assert participant_after(age_s) is None
