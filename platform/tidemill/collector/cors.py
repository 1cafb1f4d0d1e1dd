"""What browsers want to know before a page may post to another host."""

from __future__ import annotations

from tidemill.collector.apis.api import Api
from tidemill.http.messages import Reply, Request

_PREFLIGHT_SECONDS = "86400"
_EXPOSED = ("access-control-expose-headers", "retry-after")


def with_cors(reply: Reply, request: Request, api: Api) -> Reply:
    """The reply with what lets a page of any origin read it. Write keys are public there."""
    origin = request.headers.get("origin")
    if origin is not None and api.allows_credentials:
        # Browsers that send cookies take no star for an answer. Cookies are not read here.
        headers = [("access-control-allow-origin", origin), ("vary", "origin")]
        headers.append(("access-control-allow-credentials", "true"))
    else:
        headers = [("access-control-allow-origin", "*")]
    if request.method == "OPTIONS":
        asked = request.headers.get("access-control-request-headers", "content-type")
        headers.append(("access-control-allow-methods", ", ".join((*api.methods, "OPTIONS"))))
        headers.append(("access-control-allow-headers", asked))
        headers.append(("access-control-max-age", _PREFLIGHT_SECONDS))
    else:
        headers.append(_EXPOSED)
    return reply._replace(headers=(*reply.headers, *headers))
