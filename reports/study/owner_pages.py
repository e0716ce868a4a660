"""What the owner of a study sees, and whether it runs."""

from __future__ import annotations

from http import HTTPStatus

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from reports.study.owner import progress
from reports.study.sessions import OWNER, OWNER_AGE_S
from reports.study.site import Site


class OwnerPages:
    """The handlers of these pages."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def progress(self, request: Request) -> Response:
        """Progress, in counts only: nobody should see success rates before the study is over."""
        if not self.site.sessions.is_owner(request):
            return self.site.page("login.html", HTTPStatus.UNAUTHORIZED)

        counts = await run_in_threadpool(progress, self.site.store)
        return self.site.page("owner.html", progress=counts)

    async def log_in(self, request: Request) -> Response:
        """Takes the owner's token."""
        form = await request.form()
        if not self.site.sessions.is_owners_token(str(form.get("token", ""))):
            notice = "This is not the owner's token."
            return self.site.page("login.html", HTTPStatus.UNAUTHORIZED, notice)

        answer = RedirectResponse("/owner", HTTPStatus.SEE_OTHER)
        self.site.set_cookie(answer, OWNER, self.site.sessions.of_owner(), OWNER_AGE_S)
        return answer

    async def health(self, _: Request) -> Response:
        """Whether the database answers."""
        try:
            await run_in_threadpool(self.site.store.check)
        except SQLAlchemyError:
            return PlainTextResponse("database unreachable", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok")
