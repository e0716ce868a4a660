"""A rater without a browser: speaks to the study's server as its page does."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx

DEVICE = {"width": 1280, "height": 800, "pixel_ratio": 1, "zoom": 1, "scale": 1, "touch": False}


class Rater:
    """Keeps every response it got in `seen`."""

    def __init__(self, url: str, query: str = "") -> None:
        self.seen: list[httpx.Response] = []
        self.client = httpx.Client(base_url=url, timeout=20, event_hooks={"response": [self._keep]})
        self.query = query
        self.csrf = ""

    def ticket(self) -> str:
        page = self.client.get(f"/{self.query}")
        found = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert found is not None, page.text
        return html.unescape(found[1])

    def consent(self) -> httpx.Response:
        return self.client.post("/", data={"ticket": self.ticket(), "consent": "yes"})

    def begin(self) -> dict[str, Any]:
        """Consent and instructions; returns the first state."""
        assert self.consent().status_code == 303
        self.read_csrf()
        reply = self.client.post("/api/start", json=DEVICE, headers=self.headers)
        assert reply.status_code == 200, reply.text
        state: dict[str, Any] = reply.json()
        return state

    def read_csrf(self) -> None:
        found = re.search(r'data-csrf="(\w+)"', self.client.get("/study").text)
        assert found is not None
        self.csrf = found[1]

    @property
    def headers(self) -> dict[str, str]:
        return {"x-csrf-token": self.csrf}

    def answer(self, token: str, choice: int, **changes: Any) -> httpx.Response:
        """choice is 1, 2, 3."""
        body = {
            "trial": token,
            "choice": choice,
            "response_ms": 900,
            "input": "key",
            "blurs": 0,
            **changes,
        }
        return self.client.post("/api/answer", json=body, headers=self.headers)

    def picture(self, token: str) -> httpx.Response:
        return self.client.get(f"/picture/{token}")

    def finish(self, state: dict[str, Any], choice: int = 1) -> dict[str, Any]:
        """Answers everything, following instructions; returns the last state."""
        while state["phase"] == "trial":
            self.picture(state["trial"]["token"])
            state = self.answer(
                state["trial"]["token"], state["trial"]["instructed"] or choice
            ).json()
        return state

    def _keep(self, response: httpx.Response) -> None:
        response.read()
        self.seen.append(response)
