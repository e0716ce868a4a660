"""`thbench study serve`: the web application of a study.

Nothing of the design is ever sent: a browser gets random tokens, one picture per trial, and the
question.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reports.study.api import Api
from reports.study.folder import Study
from reports.study.guard import Guard
from reports.study.owner_pages import OwnerPages
from reports.study.participant_pages import ParticipantPages
from reports.study.requests import BadRequestError
from reports.study.sessions import Sessions
from reports.study.site import Site
from reports.study.store import Store


def make_app(study: Study, store: Store, public_url: str = "") -> Starlette:
    """The ASGI application of a study."""
    sessions = Sessions(study)
    site = Site(study, store, sessions, is_secure=public_url.startswith("https:"))
    guard = Middleware(Guard, rates=study.settings.rates, public_url=public_url, sessions=sessions)

    app = Starlette(
        routes=_routes(ParticipantPages(site), Api(site), OwnerPages(site)),
        middleware=[guard],
        exception_handlers={
            HTTPException: _error,
            BadRequestError: _bad_request,
            Exception: _failure,
        },
    )
    app.router.redirect_slashes = False  # it would send browsers to whatever host they name
    return app


def _routes(pages: ParticipantPages, api: Api, owner: OwnerPages) -> list[Route]:
    return [
        Route("/", pages.welcome),
        Route("/", pages.agree, methods=["POST"]),
        Route("/declined", pages.declined),
        Route("/study", pages.trials),
        Route("/end", pages.end),
        Route("/full", pages.full),
        Route("/withdraw", pages.ask_withdraw),
        Route("/withdraw", pages.withdraw, methods=["POST"]),
        Route("/api/state", api.state),
        Route("/api/start", api.start, methods=["POST"]),
        Route("/api/answer", api.answer, methods=["POST"]),
        Route("/picture/{token}", api.picture),
        Route("/static/{name}", api.static),
        Route("/owner", owner.progress),
        Route("/owner", owner.log_in, methods=["POST"]),
        Route("/healthz", owner.health),
    ]


async def _error(_: Request, error: Exception) -> Response:
    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, HTTPException):
        status = error.status_code
    return PlainTextResponse(HTTPStatus(status).phrase.lower(), status)


async def _bad_request(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"bad request: {error}", HTTPStatus.BAD_REQUEST)


async def _failure(_: Request, __: Exception) -> Response:
    return PlainTextResponse(
        "something went wrong here; please try again", HTTPStatus.INTERNAL_SERVER_ERROR
    )
