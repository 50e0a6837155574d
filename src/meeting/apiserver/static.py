"""The web client, as the build left it in `static/`: files, and one page for every address that the client itself
routes.
"""

from pathlib import Path
from typing import Any

from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.static import File

from meeting.daemon.errors import MeetingError, NotFound
from meeting.daemon.web import write_problem

#: Where the build puts files whose names change with their contents.
_HASHED = "assets"

_TYPES = {
    ".webmanifest": "application/manifest+json",
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".wasm": "application/wasm",
}


class NotBuilt(MeetingError):
    """The web client is not there."""

    status = 503
    problem = "not-built"
    title = "The web client has not been built. In a checkout: make web"


def content_security_policy(public_url: str) -> str:
    """What the client's page may load: all from here, but connections and pictures also from the sfu- and fsservers.

    Those are chosen meeting by meeting, so only their scheme is known. `wasm-unsafe-eval` lets WebAssembly compile and
    nothing else be evaluated; styles are inline because the component kit sets them on elements.
    """
    plain = public_url.startswith("http:")
    return "; ".join(
        (
            "default-src 'self'",
            f"connect-src 'self' wss: https:{' ws: http:' if plain else ''}",
            f"img-src 'self' blob: data: https:{' http:' if plain else ''}",
            "media-src 'self' blob:",
            "script-src 'self' 'wasm-unsafe-eval'",
            "worker-src 'self' blob:",
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class WebClient(Resource):
    """Serves the directory; an address without a dot in its last segment is a page of the client."""

    isLeaf = True

    def __init__(self, directory: Path, public_url: str) -> None:
        super().__init__()
        self._directory = directory
        self._policy = content_security_policy(public_url).encode()

    def render_GET(self, request: Any) -> Any:
        """A file, or the page."""
        try:
            parts = [part for part in b"/".join(request.postpath).decode().split("/") if part]
        except UnicodeDecodeError:
            return write_problem(request, NotFound())
        if any(part in (".", "..") or part.startswith(".") or "\0" in part or "\\" in part for part in parts):
            return write_problem(request, NotFound())
        if not parts or "." not in parts[-1]:
            return self._page(request)
        file = self._directory.joinpath(*parts)
        if not file.is_file():
            return write_problem(request, NotFound())
        caching = b"public, max-age=31536000, immutable" if parts[0] == _HASHED else b"no-cache"
        request.setHeader(b"Cache-Control", caching)
        request.setHeader(b"Content-Security-Policy", self._policy)
        return _file(file).render(request)

    def _page(self, request: IRequest) -> Any:
        page = self._directory / "index.html"
        if not page.is_file():
            return write_problem(request, NotBuilt())
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"Content-Security-Policy", self._policy)
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        content = page.read_bytes()  # small, and never the same for long: nothing to stream, nothing to revalidate
        request.setHeader(b"Content-Length", b"%d" % len(content))
        return content


def _file(path: Path) -> File:
    file = File(str(path))
    if path.suffix in _TYPES:
        file.type, file.encoding = _TYPES[path.suffix], None
    return file
