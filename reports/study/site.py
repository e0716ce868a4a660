"""What all handlers of a study's site share: the study, who asks, and how a page is made."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from reports.study.folder import Study
from reports.study.pages import templates
from reports.study.sessions import Sessions
from reports.study.store import Store


class Site:
    """is_secure says whether browsers see the site by HTTPS, and cookies are for that alone."""

    def __init__(self, study: Study, store: Store, sessions: Sessions, is_secure: bool) -> None:
        self.study, self.store, self.settings = study, store, study.settings
        self.sessions = sessions
        self.is_secure = is_secure
        self._templates = templates()

    def require_participant(self, request: Request) -> str:
        """The participant who asks; raises 401 for anyone else."""
        participant = self.sessions.participant(request)
        if participant is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED)
        return participant

    def page(
        self, template: str, status: int = HTTPStatus.OK, notice: str = "", **values: Any
    ) -> HTMLResponse:
        """A page with the settings of the study and the values that its template names."""
        text = self._templates.get_template(template).render(
            settings=self.settings, notice=notice, base="/static/", **values
        )
        return HTMLResponse(text, status)

    def message(
        self,
        text: str,
        status: int = HTTPStatus.OK,
        title: str = "",
        code: str = "",
        link: str = "",
        receipt: str = "",
    ) -> HTMLResponse:
        """A page that says one thing; at the end of a study with the code for the platform, a link
        that hands it over, and the participant's receipt.
        """
        title = title or self.settings.title
        return self.page(
            "end.html", status, title=title, text=text, code=code, link=link, receipt=receipt
        )

    def set_cookie(self, answer: Response, name: str, value: str, age_s: int) -> None:
        """Sets a cookie that scripts cannot read and other sites do not send."""
        answer.set_cookie(
            name, value, max_age=age_s, httponly=True, secure=self.is_secure, samesite="lax"
        )
