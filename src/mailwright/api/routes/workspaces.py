"""Workspaces: the tenants."""

from mailwright.api.answers import Answer, nothing
from mailwright.api.route import Call, route
from mailwright.api.routes.common import (
    IF_MATCH,
    IF_NONE_MATCH,
    check_version,
    expected_version,
    page_answer,
    tagged,
)
from mailwright.model.access import Action
from mailwright.wire.admin import WorkspaceIn, WorkspaceSettingsIn, WorkspaceView, to_safe_mode, workspace_view
from mailwright.wire.base import Nothing, Paged, PageQuery

_NEEDS = [Action.WORKSPACES_MANAGE]


@route("POST", "/v1/workspaces", needs=_NEEDS, body=WorkspaceIn, answers={201: WorkspaceView})
async def create(call: Call[WorkspaceIn, Nothing]) -> Answer:
    """Create a workspace"""
    made = await call.office.workspaces.create(call.body.name, description=call.body.description)
    return tagged(call, workspace_view(made), made.version, status=201, location=f"/v1/workspaces/{made.id}")


@route("GET", "/v1/workspaces", needs=_NEEDS, query=PageQuery, answers={200: Paged[WorkspaceView]})
async def list_workspaces(call: Call[Nothing, PageQuery]) -> Answer:
    """List workspaces"""
    page = await call.office.workspaces.list(cursor=call.query.cursor, limit=call.query.limit)
    return page_answer(page, workspace_view)


@route("GET", "/v1/workspaces/{name}", needs=_NEEDS, headers=IF_NONE_MATCH, answers={200: WorkspaceView, 304: None})
async def get(call: Call[Nothing, Nothing]) -> Answer:
    """Read a workspace"""
    found = await call.office.workspaces.get(call.path["name"])
    return tagged(call, workspace_view(found), found.version)


@route(
    "PUT",
    "/v1/workspaces/{name}",
    needs=_NEEDS,
    body=WorkspaceSettingsIn,
    headers=IF_MATCH,
    answers={200: WorkspaceView},
)
async def replace(call: Call[WorkspaceSettingsIn, Nothing]) -> Answer:
    """Replace the settings of a workspace"""
    changed = await call.office.workspaces.replace(
        call.path["name"],
        description=call.body.description,
        safe_mode=to_safe_mode(call.body.safe_mode),
        version=expected_version(call),
    )
    return tagged(call, workspace_view(changed), changed.version)


@route("DELETE", "/v1/workspaces/{name}", needs=_NEEDS, headers=IF_MATCH, answers={204: None})
async def delete(call: Call[Nothing, Nothing]) -> Answer:
    """Delete a workspace with everything in it"""
    if call.header(b"if-match"):
        check_version(call, (await call.office.workspaces.get(call.path["name"])).version)
    await call.office.workspaces.delete(call.path["name"])
    return nothing()
