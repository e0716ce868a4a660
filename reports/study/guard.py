"""What stands before every request: limits on bodies and rates, and a check of the origin.

It also sets the headers of every answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import secrets
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reports.study.sessions import Sessions
from reports.study.settings import Rates

BODY_LIMIT = 4096
BODY_TIME_S = 10
MOST_BUCKETS = 50_000
FORGOTTEN_AFTER_S = 600.0
DAY_S = 86_400
ENTRIES = ("/", "/owner")  # POSTs that make a participant or try a password
CONTENT_POLICY = (
    "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "x-robots-tag": "noindex",
    "cache-control": "no-store",
}


class Buckets:
    """Token buckets by key: each holds `burst` tokens and gains `per_s` a second. In this process
    only.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str, per_s: float, burst: float) -> bool:
        """Takes a token, or says that there is none."""
        now_s = self.clock()
        level, since_s = self.levels.get(key, (burst, now_s))
        level = min(burst, level + (now_s - since_s) * per_s)
        has_token = level >= 1

        if len(self.levels) > MOST_BUCKETS:
            self._forget_before(now_s - FORGOTTEN_AFTER_S)
        self.levels[key] = (level - 1 if has_token else level, now_s)
        return has_token

    def _forget_before(self, oldest_s: float) -> None:
        self.levels = {
            key: (level, since_s)
            for key, (level, since_s) in self.levels.items()
            if since_s > oldest_s
        }


class Addresses:
    """Names network addresses by a hash whose salt lives in memory and changes every day.

    No address is kept. A household or a rented machine has a whole /64 of IPv6, so that counts as
    one address.
    """

    def __init__(self) -> None:
        self.day, self.salt = -1, b""

    def name(self, address: str) -> str:
        """The hash that an address goes by today."""
        today = int(time.time() // DAY_S)
        if today != self.day:
            self.day, self.salt = today, secrets.token_bytes(16)

        network = _network(address).encode()
        return hashlib.blake2b(network, key=self.salt, digest_size=12).hexdigest()


def _network(address: str) -> str:
    """What counts as one address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address

    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Guard:
    """Wraps the application. public_url is its address as browsers see it, "" for the one they
    asked for.
    """

    def __init__(self, app: ASGIApp, rates: Rates, public_url: str, sessions: Sessions) -> None:
        self.app, self.rates, self.public_url = app, rates, public_url.rstrip("/")
        self.sessions = sessions
        self.buckets, self.addresses = Buckets(), Addresses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        is_secure = self._own_origin(scope).startswith("https:")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if is_secure:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        if refusal := self._refusal(scope):
            await refusal(scope, receive, send_with_headers)
            return

        body = await _whole_body(receive)
        if body is None:
            refusal = PlainTextResponse("too large or too slow", 413)
            await refusal(scope, receive, send_with_headers)
            return

        await self.app(scope, _replay(body), send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if not self._within_rates(scope):
            return PlainTextResponse("too many requests", 429, {"retry-after": "2"})
        if scope["method"] not in ("GET", "HEAD") and not self._from_here(scope, headers):
            return PlainTextResponse("from another site", 403)
        return None

    def _within_rates(self, scope: Scope) -> bool:
        rates = self.rates
        address = self.addresses.name(scope["client"][0] if scope.get("client") else "")

        wanted = [(f"address {address}", rates.address_per_s, rates.address_burst)]
        if scope["method"] == "POST" and scope["path"] in ENTRIES:
            wanted.append((f"entry {address}", rates.entries_per_s, rates.entries_burst))
        if participant := self.sessions.participant(HTTPConnection(scope)):
            wanted.append((f"session {participant}", rates.session_per_s, rates.session_burst))
        return all(self.buckets.take(key, per_s, burst) for key, per_s, burst in wanted)

    def _from_here(self, scope: Scope, headers: Headers) -> bool:
        """Browsers say where a POST comes from; a page of another site must not speak for a
        participant.
        """
        origin = headers.get("origin")
        if origin is not None and origin != self._own_origin(scope):
            return False

        return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")

    def _own_origin(self, scope: Scope) -> str:
        if self.public_url:
            parts = urlsplit(self.public_url)
            return f"{parts.scheme}://{parts.netloc}"

        return f"{scope['scheme']}://{Headers(scope=scope).get('host', '')}"


async def _whole_body(receive: Receive) -> bytes | None:
    """The body, or None when it is larger than the limit or does not come in time."""
    body = bytearray()

    try:
        async with asyncio.timeout(BODY_TIME_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > BODY_LIMIT:
                    return None
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return None


def _replay(body: bytes) -> Receive:
    """A request's messages again, once its body was read."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    return receive
