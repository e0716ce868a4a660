"""What the page of a study asks for while it runs: where the participant stands, and pictures."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reports.study.requests import TOKEN, BadRequestError, parse_answer, parse_device, parse_object
from reports.study.site import Site
from reports.study.standing import Outcome, Standing, StudyFullError
from reports.study.stimuli import compose, read_panel

FOLDER = Path(__file__).parent / "static"
STATIC = {"study.css": "text/css", "study.js": "text/javascript", "server.js": "text/javascript"}
PICTURE = "image/jpeg"
STATUSES: dict[Outcome, HTTPStatus] = {
    "accepted": HTTPStatus.OK,
    "repeated": HTTPStatus.OK,
    "conflict": HTTPStatus.CONFLICT,
    "unknown": HTTPStatus.NOT_FOUND,
    "gone": HTTPStatus.GONE,
}


class Api:
    """The handlers. Every database call runs in a thread of its own."""

    def __init__(self, site: Site) -> None:
        self.site, self.store = site, site.store
        self.files = {name: (FOLDER / name).read_bytes() for name in STATIC}

    async def state(self, request: Request) -> Response:
        """Where the participant stands."""
        participant = self.site.require_participant(request)
        return JSONResponse(_state(await run_in_threadpool(self.store.standing, participant)))

    async def start(self, request: Request) -> Response:
        """Gives the participant a form."""
        participant = self._require_page(request)
        device = parse_device(await _object_of(request))

        settings = self.site.settings
        is_small = device["width"] < settings.min_viewport_px
        if is_small and settings.small_windows == "refuse":
            raise BadRequestError("window too small")

        try:
            await run_in_threadpool(self.store.start, participant, device)
        except StudyFullError:
            return JSONResponse({"phase": "full"})
        return JSONResponse(_state(await run_in_threadpool(self.store.standing, participant)))

    async def answer(self, request: Request) -> Response:
        """Takes an answer and says what comes next; practice also says what was right."""
        participant = self._require_page(request)
        token, response = parse_answer(await _object_of(request))

        answered = await run_in_threadpool(self.store.answer, participant, token, response)
        status = STATUSES[answered.outcome]
        if status == HTTPStatus.NOT_FOUND:
            raise HTTPException(status)

        state = _state(answered.standing)
        if answered.practice_solution is not None and status == HTTPStatus.OK:
            state["right"] = answered.practice_solution + 1
        return JSONResponse(state, status)

    async def picture(self, request: Request) -> Response:
        """The three panels as one JPEG; unknown, other people's and later trials all look the same:
        not there.
        """
        participant, token = self.site.sessions.participant(request), request.path_params["token"]
        data = await run_in_threadpool(self._picture, participant, token) if participant else None
        if data is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(data, media_type=PICTURE)

    async def static(self, request: Request) -> Response:
        """A script or a style sheet."""
        name = request.path_params["name"]
        if name not in self.files:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(self.files[name], media_type=STATIC[name])

    def _require_page(self, request: Request) -> str:
        """The participant who asks from a page that was sent to them; raises 401 or 403."""
        participant = self.site.require_participant(request)
        token = request.headers.get("x-csrf-token", "")
        if not self.site.sessions.has_csrf(participant, token):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        return participant

    def _picture(self, participant: str, token: str) -> bytes | None:
        panels = self.store.picture(participant, token) if TOKEN.fullmatch(token) else None
        if panels is None:
            return None

        study = self.site.study
        files = [study.panel_file(panel) for panel in panels]
        return compose([read_panel(file, study.design.panel_px) for file in files])


async def _object_of(request: Request) -> dict[str, object]:
    return parse_object(await request.body(), request.headers.get("content-type", ""))


def _state(standing: Standing | None) -> dict[str, object]:
    """What the page is told of where its participant stands; raises 401 for nobody."""
    if standing is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED)

    trial = standing.trial
    if trial is None:
        return {"phase": "start" if standing.phase == "start" else "end"}
    return {
        "phase": "trial",
        "trial": {
            "token": trial.token,
            "practice": trial.practice,
            "number": trial.number,
            "total": trial.total,
            "instructed": None if trial.instructed is None else trial.instructed + 1,
            "next": trial.next_token,
        },
    }
