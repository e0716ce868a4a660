"""Load on the study server: raters over loopback; some leave midway, and the server is killed.

    python benchmarks/study_load.py                          the paper's size: 4800 triplets,
                                                             480 forms of 50
    python benchmarks/study_load.py --db postgresql://...    the same on PostgreSQL

Fails unless every answer that was accepted is in the database once, as given, and every triplet has
exactly its ratings. Prints one line of JSON: throughput and latencies as the raters saw them.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx
import numpy as np
from noise_study import make_study
from sqlalchemy import create_engine, func, select

from reports.study.folder import Study
from reports.study.ratings import read_ratings
from reports.study.schema import forms, open_database, trials

HOW_ANSWERED = {"response_ms": 900, "input": "key", "blurs": 0}
DEVICE = {"width": 1280, "height": 800, "pixel_ratio": 1, "zoom": 1, "scale": 1, "touch": False}


@dataclass
class Load:
    """What the raters did and saw."""

    url: str
    dropout: float
    accepted: dict[str, int] = field(default_factory=dict)
    times_s: dict[str, list[float]] = field(default_factory=lambda: {"answer": [], "picture": []})
    failures: Counter[str] = field(default_factory=Counter)
    raters: int = 0
    left: int = 0
    bytes: int = 0


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as scratch:
        study = make_study(
            Path(scratch),
            videos=options.videos,
            methods=options.rows,
            size_px=options.size,
            triplets_per_row=options.triplets_per_row,
            trials_per_form=options.trials_per_form,
            lease_s=options.lease_s,
        )
        print(json.dumps(measure(study, options.db or study.default_database, options)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", help="database URL; SQLite in the study by default")
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--rows", type=int, default=15)
    parser.add_argument("--triplets-per-row", type=int, default=320)
    parser.add_argument("--trials-per-form", type=int, default=50)
    parser.add_argument("--size", type=int, default=256, help="pixels of a panel")
    parser.add_argument(
        "--concurrent", type=int, default=60, help="raters at the same time, without pauses"
    )
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--lease-s", type=float, default=20)
    parser.add_argument(
        "--kills", type=int, default=1, help="how often the server is killed (SIGKILL) midway"
    )
    return parser.parse_args()


def measure(study: Study, db: str, options: argparse.Namespace) -> dict[str, object]:
    port = free_port()
    server = start_server(study, db, port)
    try:
        load = Load(f"http://127.0.0.1:{port}", options.dropout)
        began = time.perf_counter()
        asyncio.run(run_raters(load, study, db, options, server, port))
        elapsed_s = time.perf_counter() - began
        server_cpu_s = cpu_s(server[-1].pid)
    finally:
        server[-1].kill()
        server[-1].wait()

    check(load, study, db)
    return {
        "database": db.split(":")[0],
        "forms": len(study.design.forms),
        "raters": load.raters,
        "left": load.left,
        "kills": len(server) - 1,
        "answers": len(load.accepted),
        "elapsed_s": round(elapsed_s, 1),
        "answers_per_s": round(len(load.accepted) / elapsed_s, 1),
        "pictures_per_s": round(len(load.times_s["picture"]) / elapsed_s, 1),
        "server_cpu_ms_per_answer": (
            round(1000 * server_cpu_s / len(load.accepted), 2) if not options.kills else None
        ),
        "answer_ms_p50_p95_p99": percentiles_ms(load.times_s["answer"]),
        "picture_ms_p50_p95_p99": percentiles_ms(load.times_s["picture"]),
        "mean_picture_kB": round(load.bytes / 1000 / max(1, len(load.times_s["picture"])), 1),
        "concurrent": options.concurrent,
        "retries": dict(load.failures),
    }


def cpu_s(pid: int) -> float:
    """The CPU time of a process so far, of all its threads, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user_ticks, system_ticks = int(fields[11]), int(fields[12])
    return (user_ticks + system_ticks) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_server(study: Study, db: str, port: int) -> list[subprocess.Popen[bytes]]:
    """The servers so far, the running one last."""
    return [launch(study, db, port)]


def launch(study: Study, db: str, port: int) -> subprocess.Popen[bytes]:
    serve = ["study", "serve", str(study.path), "--db", db, "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from cli import main; main()", *serve], stdout=subprocess.DEVNULL
    )
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).text == "ok":
                return process
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


async def run_raters(
    load: Load,
    study: Study,
    db: str,
    options: argparse.Namespace,
    servers: list[subprocess.Popen[bytes]],
    port: int,
) -> None:
    total = sum(len(form.trials) for form in study.design.forms)
    limits = httpx.Limits(
        max_connections=options.concurrent, max_keepalive_connections=options.concurrent
    )
    # The raters share connections, not cookies.
    keep_none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(
        base_url=load.url, timeout=60, limits=limits, verify=False, cookies=keep_none
    ) as client:
        workers = [
            asyncio.create_task(work(load, client, study, db)) for _ in range(options.concurrent)
        ]
        for kill in range(options.kills):
            while len(load.accepted) < total * (kill + 1) / (options.kills + 1):
                await asyncio.sleep(0.05)
            servers[-1].send_signal(signal.SIGKILL)
            servers[-1].wait()
            servers.append(await asyncio.to_thread(launch, study, db, port))
        await asyncio.gather(*workers)


async def work(load: Load, client: httpx.AsyncClient, study: Study, db: str) -> None:
    """One seat: rater after rater, until every form is done."""
    while True:
        if not await take_part(load, client):
            if await asyncio.to_thread(forms_left, db) == 0:
                return
            await asyncio.sleep(1)


def forms_left(db: str) -> int:
    engine = create_engine(db.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return int(connection.scalar(select(func.count()).where(forms.c.state != "done")) or 0)
    finally:
        engine.dispose()


async def take_part(load: Load, client: httpx.AsyncClient) -> bool:
    """One rater from consent to the end, or to where they leave; False when no form was left."""
    page = await persistently(load, client, "GET", "/")
    ticket = html.unescape(re.search(r'name="ticket" value="([^"]+)"', page.text)[1])  # type: ignore[index]
    entered = await persistently(
        load, client, "POST", "/", data={"ticket": ticket, "consent": "yes"}
    )
    headers = {"cookie": entered.headers["set-cookie"].split(";")[0]}
    page = await persistently(load, client, "GET", "/study", headers=headers)
    headers["x-csrf-token"] = re.search(r'data-csrf="(\w+)"', page.text)[1]  # type: ignore[index]
    started = await persistently(load, client, "POST", "/api/start", headers=headers, json=DEVICE)
    state = started.json()
    if state["phase"] == "full":
        return False

    load.raters += 1
    is_leaving = random.random() < load.dropout
    patience = random.randrange(1, state["trial"]["total"]) if is_leaving else 10**6
    while state["phase"] == "trial":
        trial = state["trial"]
        if trial["number"] >= patience:
            load.left += 1
            return True

        place = f"/picture/{trial['token']}"
        picture = await persistently(load, client, "GET", place, headers=headers)
        load.bytes += len(picture.content)

        choice = trial["instructed"] or random.randint(1, 3)
        answer = {"trial": trial["token"], "choice": choice, **HOW_ANSWERED}
        reply = await persistently(
            load, client, "POST", "/api/answer", headers=headers, json=answer
        )
        if reply.status_code == 200:
            load.accepted[trial["token"]] = choice - 1
        state = reply.json()
    return True


async def persistently(
    load: Load,
    client: httpx.AsyncClient,
    method: str,
    path: str,
    **options: object,
) -> httpx.Response:
    """The same request until the server answers it, as the page's script does."""
    while True:
        began = time.perf_counter()
        try:
            reply = await client.request(method, path, **options)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            load.failures[type(error).__name__] += 1
            await asyncio.sleep(0.3)
            continue
        kind = "answer" if path == "/api/answer" else path.split("/")[1]
        if kind in load.times_s:
            load.times_s[kind].append(time.perf_counter() - began)
        if reply.status_code < 500:
            return reply
        load.failures[str(reply.status_code)] += 1
        await asyncio.sleep(0.3)


def check(load: Load, study: Study, db: str) -> None:
    engine = open_database(db, study)
    with engine.connect() as connection:
        stored = {
            row.token: row.choice
            for row in connection.execute(
                select(trials.c.token, trials.c.choice).where(trials.c.choice.is_not(None))
            )
        }
    lost = [token for token, choice in load.accepted.items() if stored.get(token) != choice]
    if lost:
        raise SystemExit(f"{len(lost)} accepted answers are not in the database as given")
    ratings = read_ratings(engine, study)
    counts = Counter(ratings.loc[ratings["kind"] == "main", "item"].tolist())
    planned = [number for number, item in enumerate(study.design.items) if item.kind == "main"]
    if set(counts) != set(planned) or set(counts.values()) != {study.design.ratings}:
        raise SystemExit(
            f"ratings per triplet: {Counter(counts.values())}, all should be {study.design.ratings}"
        )
    if ratings.duplicated(["rater", "item"]).any():
        raise SystemExit("a rater rated a triplet twice")
    engine.dispose()


def percentiles_ms(times_s: list[float]) -> list[float]:
    return [round(1000 * float(value), 1) for value in np.percentile(times_s, [50, 95, 99])]


if __name__ == "__main__":
    main()
