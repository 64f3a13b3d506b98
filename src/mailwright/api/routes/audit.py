"""The audit trail."""

from mailwright.api.answers import Answer, answer
from mailwright.api.route import Call, route
from mailwright.api.routes.common import page_answer
from mailwright.model.access import Action
from mailwright.wire.admin import AuditEntryView, AuditVerdictView, audit_entry_view
from mailwright.wire.base import Nothing, Paged, PageQuery


@route("GET", "/v1/audit", needs=[Action.AUDIT_READ], query=PageQuery, answers={200: Paged[AuditEntryView]})
async def list_entries(call: Call[Nothing, PageQuery]) -> Answer:
    """List who did what"""
    page = await call.office.audit.list(cursor=call.query.cursor, limit=call.query.limit)
    return page_answer(page, audit_entry_view)


@route("GET", "/v1/audit/verify", needs=[Action.AUDIT_READ], answers={200: AuditVerdictView})
async def verify(call: Call[Nothing, Nothing]) -> Answer:
    """Check that nobody changed the trail"""
    return answer(AuditVerdictView(entries=await call.office.audit.verify()))
