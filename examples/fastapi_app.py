"""
A FastAPI application that audits what its users do.

Run it with the settings of the README in the environment:

    pip install "auditlog-publisher[postgres,kafka]" fastapi uvicorn
    uvicorn fastapi_app:app
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from auditlog import (
    Actor,
    AuditEvent,
    AuditLogConfig,
    AuditLogPublisher,
    Outcome,
    RequestContext,
    Resource,
    context,
)


if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """
    Open the audit log with the application and close it behind it.
    """
    config = AuditLogConfig.from_env()
    async with AuditLogPublisher.from_config(config) as publisher:
        app.state.audit = publisher
        yield


async def audited(request: Request) -> AsyncIterator[None]:
    """
    Say once who acts and in which request; every event takes it over.
    """
    # Whoever stands before this application has checked the name.
    actor = Actor(id=request.headers.get("x-user", "anonymous"))
    asked = RequestContext(
        method=request.method,
        url=request.url.path,
        source_ip=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
    )
    with context.bind(actor=actor, request=asked):
        yield


app = FastAPI(lifespan=lifespan, dependencies=[Depends(audited)])


def publisher_of(request: Request) -> AuditLogPublisher:
    """
    The application's publisher.
    """
    publisher: AuditLogPublisher = request.app.state.audit
    return publisher


Audit = Annotated[AuditLogPublisher, Depends(publisher_of)]


@app.post("/invoices/{number}/approval")
async def approve(number: str, audit: Audit) -> dict[str, str]:
    """
    Approve an invoice; the answer goes out once the event is stored.
    """
    event = AuditEvent(
        event_type="Billing.Invoice.Approve",
        resource=Resource(type="invoice", id=number),
    )
    await audit.publish_async(event)
    return {"audit_event": str(event.event_id)}


@app.delete("/invoices/{number}")
async def delete(number: str, audit: Audit) -> None:
    """
    Deny the deletion of an invoice; that somebody tried is audited too.
    """
    await audit.publish_async(
        AuditEvent(
            event_type="Billing.Invoice.Delete",
            resource=Resource(type="invoice", id=number),
            outcome=Outcome.DENIED,
            reason="invoices are kept for ten years",
        )
    )
    raise HTTPException(403, "invoices are kept for ten years")
