"""`thbench study serve`: the web page of a study.

Nothing of the design is ever sent: a browser gets random tokens, one picture per trial, and the
question.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from reports.study.folder import Study
from reports.study.guard import Guard
from reports.study.owner import progress
from reports.study.pages import client_settings, templates
from reports.study.requests import TOKEN, BadRequestError, parse_answer, parse_device, parse_object
from reports.study.sessions import OWNER, OWNER_AGE_S, SESSION, SESSION_AGE_S, Sessions
from reports.study.stimuli import compose, read_panel
from reports.study.store import Agreement, AlreadyTakingPartError, Standing, Store, StudyFullError

ID_LENGTH = 100
STATIC = {"study.css": "text/css", "study.js": "text/javascript", "server.js": "text/javascript"}
PICTURE = "image/jpeg"


def make_app(study: Study, store: Store, public_url: str = "") -> Starlette:
    """The ASGI application of a study."""
    sessions = Sessions(study)
    site = Site(study, store, sessions, public_url)
    routes = [
        Route("/", site.welcome),
        Route("/", site.agree, methods=["POST"]),
        Route("/declined", site.declined),
        Route("/study", site.trials),
        Route("/end", site.end),
        Route("/full", site.full),
        Route("/withdraw", site.ask_withdraw),
        Route("/withdraw", site.withdraw, methods=["POST"]),
        Route("/api/state", site.state),
        Route("/api/start", site.start, methods=["POST"]),
        Route("/api/answer", site.answer, methods=["POST"]),
        Route("/picture/{token}", site.picture),
        Route("/static/{name}", site.static),
        Route("/owner", site.owner),
        Route("/owner", site.owner_login, methods=["POST"]),
        Route("/healthz", site.health),
    ]
    guard = Middleware(Guard, rates=study.settings.rates, public_url=public_url, sessions=sessions)
    app = Starlette(
        routes=routes,
        middleware=[guard],
        exception_handlers={
            HTTPException: _error,
            BadRequestError: _bad_request,
            Exception: _failure,
        },
    )

    app.router.redirect_slashes = False  # it would send browsers to whatever host they name
    return app


class Site:
    """The handlers. Every database call runs in a thread of its own."""

    def __init__(self, study: Study, store: Store, sessions: Sessions, public_url: str) -> None:
        self.study, self.store, self.settings = study, store, study.settings
        self.sessions = sessions
        self.secure = public_url.startswith("https:")
        self.pages = templates()
        self.files = {
            name: (Path(__file__).parent / "static" / name).read_bytes() for name in STATIC
        }

    async def welcome(self, request: Request) -> Response:
        """Consent, or on to where the participant stands."""
        agreement = self._agreement(request)
        participant = self.sessions.participant(request)
        if participant is not None and await run_in_threadpool(
            self.store.is_same, participant, agreement
        ):
            return RedirectResponse("/study", HTTPStatus.SEE_OTHER)
        return self._page("consent.html", ticket=self.sessions.ticket(agreement))

    async def agree(self, request: Request) -> Response:
        """Takes the consent form."""
        form = await request.form()
        if form.get("consent") != "yes":
            return self._page(
                "consent.html",
                HTTPStatus.BAD_REQUEST,
                ticket=str(form.get("ticket", "")),
                notice="Please tick the box if you agree, or decline.",
            )
        agreement = self.sessions.agreement(str(form.get("ticket", "")))
        if agreement is None:
            return self._message(
                "This page was open for too long. Please open the link to the study again.",
                HTTPStatus.BAD_REQUEST,
            )
        try:
            participant = await run_in_threadpool(self.store.agree, agreement)
        except AlreadyTakingPartError:
            return self._message(
                "This id has already taken part, from another window or session. Please go back to "
                "where you began.",
                HTTPStatus.CONFLICT,
            )
        answer = RedirectResponse("/study", HTTPStatus.SEE_OTHER)
        self._set_cookie(answer, SESSION, self.sessions.of_participant(participant), SESSION_AGE_S)
        return answer

    async def declined(self, _: Request) -> Response:
        codes = self.settings.codes
        return self._page(
            "end.html",
            title="Thank you",
            text="You have not taken part, and nothing was stored.",
            code=codes.no_consent,
            link=_link(codes.return_url, codes.no_consent),
            receipt="",
        )

    async def trials(self, request: Request) -> Response:
        """The page on which the whole study happens."""
        participant = self.sessions.participant(request)
        if participant is None:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        return self._page(
            "study.html",
            csrf=self.sessions.csrf(participant),
            script="server.js",
            client=client_settings(self.study),
        )

    async def end(self, request: Request) -> Response:
        """How it ended, with the code for the platform."""
        participant = self.sessions.participant(request)
        standing = (
            await run_in_threadpool(self.store.standing, participant) if participant else None
        )
        if participant is None or standing is None or standing.phase in ("start", "trial"):
            return RedirectResponse("/study" if standing else "/", HTTPStatus.SEE_OTHER)
        codes = self.settings.codes
        text, code = {
            "completed": ("That was the last one. Thank you for taking part!", codes.completed),
            "screened": (
                "The study has ended for you because instructions were not followed. Thank you for your time.",
                codes.screened_out,
            ),
            "expired": (
                "You were away for a long time, so your place went to someone else. Please write to us if "
                "something went wrong.",
                "",
            ),
        }[standing.phase]
        return self._page(
            "end.html",
            title="Thank you",
            text=text,
            code=code,
            link=_link(codes.return_url, code),
            receipt=await run_in_threadpool(self.store.receipt, participant),
        )

    async def full(self, _: Request) -> Response:
        return self._message(
            "All places are taken at the moment. Thank you for your interest; places may become free "
            "again later."
        )

    async def ask_withdraw(self, request: Request) -> Response:
        participant = self.sessions.participant(request)
        if participant is None:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        return self._page("withdraw.html", csrf=self.sessions.csrf(participant))

    async def withdraw(self, request: Request) -> Response:
        """Deletes the participant and all of their answers."""
        participant = self.sessions.participant(request)
        form = await request.form()
        token = str(form.get("csrf", ""))
        if participant is None or not self.sessions.has_csrf(participant, token):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        await run_in_threadpool(self.store.withdraw, participant)
        answer = self._message("Your answers have been deleted.")
        answer.delete_cookie(SESSION)
        return answer

    async def state(self, request: Request) -> Response:
        standing = await run_in_threadpool(self.store.standing, self._session(request))
        return JSONResponse(_state(standing))

    async def start(self, request: Request) -> Response:
        """Gives the participant a form."""
        participant = self._session(request, with_csrf=True)
        device = parse_device(
            parse_object(await request.body(), request.headers.get("content-type", ""))
        )
        if (
            self.settings.small_windows == "refuse"
            and device["width"] < self.settings.min_viewport_px
        ):
            raise BadRequestError("window too small")
        try:
            await run_in_threadpool(self.store.start, participant, device)
        except StudyFullError:
            return JSONResponse({"phase": "full"})
        return JSONResponse(_state(await run_in_threadpool(self.store.standing, participant)))

    async def answer(self, request: Request) -> Response:
        """Takes an answer and says what comes next; practice also says what was right."""
        participant = self._session(request, with_csrf=True)
        token, response = parse_answer(
            parse_object(await request.body(), request.headers.get("content-type", ""))
        )
        answered = await run_in_threadpool(self.store.answer, participant, token, response)
        status = {
            "accepted": HTTPStatus.OK,
            "repeated": HTTPStatus.OK,
            "conflict": HTTPStatus.CONFLICT,
            "unknown": HTTPStatus.NOT_FOUND,
            "gone": HTTPStatus.GONE,
        }[answered.outcome]
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
        participant, token = self.sessions.participant(request), request.path_params["token"]
        data = await run_in_threadpool(self._picture, participant, token) if participant else None
        if data is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(data, media_type=PICTURE)

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.files:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(self.files[name], media_type=STATIC[name])

    async def owner(self, request: Request) -> Response:
        """Progress, in counts only: nobody should look at success rates before the study is over."""
        if not self.sessions.is_owner(request):
            return self._page("login.html", HTTPStatus.UNAUTHORIZED)
        return self._page("owner.html", progress=await run_in_threadpool(progress, self.store))

    async def owner_login(self, request: Request) -> Response:
        form = await request.form()
        if not self.sessions.is_owners_token(str(form.get("token", ""))):
            return self._page(
                "login.html", HTTPStatus.UNAUTHORIZED, notice="This is not the owner's token."
            )
        answer = RedirectResponse("/owner", HTTPStatus.SEE_OTHER)
        self._set_cookie(answer, OWNER, self.sessions.of_owner(), OWNER_AGE_S)
        return answer

    async def health(self, _: Request) -> Response:
        try:
            await run_in_threadpool(self.store.check)
        except SQLAlchemyError:
            return PlainTextResponse("database unreachable", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok")

    def _picture(self, participant: str, token: str) -> bytes | None:
        panels = self.store.picture(participant, token) if TOKEN.fullmatch(token) else None
        if panels is None:
            return None
        return compose(
            [
                read_panel(self.study.panel_file(panel), self.study.design.panel_px)
                for panel in panels
            ]
        )

    def _agreement(self, request: Request) -> Agreement:
        named = [
            request.query_params.get(parameter, "")
            for parameter in (self.settings.participant_parameter, self.settings.session_parameter)
        ]
        if max(map(len, named)) > ID_LENGTH:
            raise BadRequestError("id too long")
        return Agreement(*named)

    def _session(self, request: Request, with_csrf: bool = False) -> str:
        participant = self.sessions.participant(request)
        if participant is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED)
        token = request.headers.get("x-csrf-token", "")
        if with_csrf and not self.sessions.has_csrf(participant, token):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        return participant

    def _set_cookie(self, answer: Response, name: str, value: str, age_s: int) -> None:
        answer.set_cookie(
            name, value, max_age=age_s, httponly=True, secure=self.secure, samesite="lax"
        )

    def _page(
        self, template: str, status: int = HTTPStatus.OK, notice: str = "", **values: Any
    ) -> HTMLResponse:
        text = self.pages.get_template(template).render(
            settings=self.settings, notice=notice, base="/static/", **values
        )
        return HTMLResponse(text, status)

    def _message(self, text: str, status: int = HTTPStatus.OK) -> HTMLResponse:
        return self._page(
            "end.html", status, title=self.settings.title, text=text, code="", link="", receipt=""
        )


def _state(standing: Standing | None) -> dict[str, Any]:
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


def _link(return_url: str, code: str) -> str:
    return return_url.replace("{code}", code) if return_url and code else ""


async def _error(_: Request, error: Exception) -> Response:
    status = (
        error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return PlainTextResponse(HTTPStatus(status).phrase.lower(), status)


async def _bad_request(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"bad request: {error}", HTTPStatus.BAD_REQUEST)


async def _failure(_: Request, __: Exception) -> Response:
    return PlainTextResponse(
        "something went wrong here; please try again", HTTPStatus.INTERNAL_SERVER_ERROR
    )
