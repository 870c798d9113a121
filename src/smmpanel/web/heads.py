"""HEAD requests: answered as GET would be, without the body (RFC 9110, section 9.3.2)."""

from starlette.types import Message, Scope, Send


def answered_like_get(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """Return what to ask in place of a HEAD request, and a way back that is over with the head.

    What would stream without end is told so: to its handler the asker seems gone once the head is out.
    """
    is_over = False

    async def send_head(message: Message) -> None:
        nonlocal is_over
        if is_over:
            return
        if message["type"] == "http.response.body":
            is_over = True
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return {**scope, "method": "GET"}, send_head
