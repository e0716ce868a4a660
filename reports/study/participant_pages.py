"""The pages that participants see, from consent to the end. Database calls run in threads."""

from __future__ import annotations

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from reports.study.pages import client_settings
from reports.study.requests import BadRequestError
from reports.study.sessions import SESSION, SESSION_AGE_S
from reports.study.site import Site
from reports.study.standing import Agreement, AlreadyTakingPartError, Phase

ID_LENGTH = 100
THANKS = "Thank you"
ENDINGS: dict[Phase, str] = {
    "completed": "That was the last one. Thank you for taking part!",
    "screened": (
        "The study has ended for you because instructions were not followed. Thank you for your "
        "time."
    ),
    "expired": (
        "You were away for a long time, so your place went to someone else. Please write to us if "
        "something went wrong."
    ),
}
NOT_TICKED = "Please tick the box if you agree, or decline."
OPEN_TOO_LONG = "This page was open for too long. Please open the link to the study again."
TAKES_PART_ALREADY = (
    "This id has already taken part, from another window or session. Please go back to where you "
    "began."
)
ALL_TAKEN = (
    "All places are taken at the moment. Thank you for your interest; places may become free again "
    "later."
)


class ParticipantPages:
    """The handlers of these pages."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.sessions, self.store, self.settings = site.sessions, site.store, site.settings

    async def welcome(self, request: Request) -> Response:
        """Consent, or on to where the participant stands."""
        agreement = self._agreement(request)
        participant = self.sessions.participant(request)
        if participant is not None and await run_in_threadpool(
            self.store.is_same, participant, agreement
        ):
            return RedirectResponse("/study", HTTPStatus.SEE_OTHER)

        return self.site.page("consent.html", ticket=self.sessions.ticket(agreement))

    async def agree(self, request: Request) -> Response:
        """Takes the consent form."""
        form = await request.form()
        ticket = str(form.get("ticket", ""))
        if form.get("consent") != "yes":
            return self.site.page(
                "consent.html", HTTPStatus.BAD_REQUEST, notice=NOT_TICKED, ticket=ticket
            )

        agreement = self.sessions.agreement(ticket)
        if agreement is None:
            return self.site.message(OPEN_TOO_LONG, HTTPStatus.BAD_REQUEST)

        try:
            participant = await run_in_threadpool(self.store.agree, agreement)
        except AlreadyTakingPartError:
            return self.site.message(TAKES_PART_ALREADY, HTTPStatus.CONFLICT)

        answer = RedirectResponse("/study", HTTPStatus.SEE_OTHER)
        cookie = self.sessions.of_participant(participant)
        self.site.set_cookie(answer, SESSION, cookie, SESSION_AGE_S)
        return answer

    async def declined(self, _: Request) -> Response:
        """For those who do not consent."""
        text = "You have not taken part, and nothing was stored."
        code = self.settings.codes.no_consent
        return self.site.message(text, title=THANKS, code=code, link=self._link(code))

    async def trials(self, request: Request) -> Response:
        """The page on which the whole study happens."""
        participant = self.sessions.participant(request)
        if participant is None:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)

        return self.site.page(
            "study.html",
            csrf=self.sessions.csrf(participant),
            script="server.js",
            client=client_settings(self.site.study),
        )

    async def end(self, request: Request) -> Response:
        """How it ended, with the code for the platform."""
        participant = self.sessions.participant(request)
        if participant is None:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)

        standing = await run_in_threadpool(self.store.standing, participant)
        if standing is None:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        if standing.phase not in ENDINGS:
            return RedirectResponse("/study", HTTPStatus.SEE_OTHER)

        receipt = await run_in_threadpool(self.store.receipt, participant)
        code = self._code(standing.phase)
        return self.site.message(
            ENDINGS[standing.phase],
            title=THANKS,
            code=code,
            link=self._link(code),
            receipt=receipt,
        )

    async def full(self, _: Request) -> Response:
        """For those who come when no form is left."""
        return self.site.message(ALL_TAKEN)

    async def ask_withdraw(self, request: Request) -> Response:
        """Asks whether all answers shall be deleted."""
        participant = self.sessions.participant(request)
        if participant is None:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)

        return self.site.page("withdraw.html", csrf=self.sessions.csrf(participant))

    async def withdraw(self, request: Request) -> Response:
        """Deletes the participant and all of their answers."""
        participant = self.sessions.participant(request)
        token = str((await request.form()).get("csrf", ""))
        if participant is None or not self.sessions.has_csrf(participant, token):
            raise HTTPException(HTTPStatus.FORBIDDEN)

        await run_in_threadpool(self.store.withdraw, participant)
        answer = self.site.message("Your answers have been deleted.")
        answer.delete_cookie(SESSION)
        return answer

    def _agreement(self, request: Request) -> Agreement:
        """Whom the platform names in the link."""
        names = (self.settings.participant_parameter, self.settings.session_parameter)
        participant, session = (request.query_params.get(name, "") for name in names)
        if max(len(participant), len(session)) > ID_LENGTH:
            raise BadRequestError("id too long")
        return Agreement(participant, session)

    def _code(self, phase: Phase) -> str:
        """The code for the platform, "" where there is none."""
        codes = self.settings.codes
        return {"completed": codes.completed, "screened": codes.screened_out}.get(phase, "")

    def _link(self, code: str) -> str:
        """Where the platform takes the code, "" where it gave no address."""
        return self.settings.codes.return_url.replace("{code}", code) if code else ""
