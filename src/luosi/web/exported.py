"""GET /arena/votes.csv and /arena/votes.jsonl: the log of the arena, some of it at a time."""

from __future__ import annotations

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from luosi.serve.battles import Battles
from luosi.serve.vote_log import csv_log, jsonl_log
from luosi.web.source import Unreadable, Workspace, ask

MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}


async def votes(workspace: Workspace, request: Request) -> Response:
    """The votes as CSV, or every battle with its conversation as JSONL; 404 for other forms, 500 where they cannot be read."""
    form = request.path_params["form"]
    if form not in MEDIA:
        return PlainTextResponse(f"there is no votes.{form}; ask for votes.csv or votes.jsonl", status_code=404)
    try:
        store: Battles = await ask(workspace.battles)
        lines = csv_log(await ask(store.votes)) if form == "csv" else jsonl_log(store)
    except Unreadable as error:
        return PlainTextResponse(str(error), status_code=500)
    headers = {"content-disposition": f'attachment; filename="votes.{form}"', "x-content-type-options": "nosniff"}
    return StreamingResponse(iterate_in_threadpool(lines), media_type=MEDIA[form], headers=headers)
