"""GET /LANGUAGE/report.html and report.pdf: the verdict as a file to read, print and send on. It may load nothing and run nothing."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from luosi.web.source import Form, Unreadable, Workspace, ask
from luosi.web.words import Language, Words

MEDIA: dict[Form, str] = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:",
    "x-content-type-options": "nosniff",
}


async def report(workspace: Workspace, language: Language, request: Request) -> Response:
    """The report of ?recipe=NAME in one language; 404 with the reason where there is none."""
    form: Form = "pdf" if request.path_params["form"] == "pdf" else "html"
    recipe = request.query_params.get("recipe", "")
    try:
        content = await ask(workspace.report, recipe, language, form)
    except Unreadable as error:
        return PlainTextResponse(Words(language)("failed_to_read", why=str(error)), status_code=404)
    headers = SAFE | {"content-disposition": f'inline; filename="verdict-{language}.{form}"'}
    return Response(content, media_type=MEDIA[form], headers=headers)
