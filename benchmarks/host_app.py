"""
The application whose speed must not suffer: an invoice is changed and audited.

Run as ``python host_app.py SOCKET``; settings come from the environment:
``INVOICES`` is the URL of its database, and without ``AUDIT`` it audits
nothing.
"""

from __future__ import annotations

import os
import sys

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import uvicorn

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from auditlog import (
    Actor,
    AuditEvent,
    AuditLogConfig,
    AuditLogPublisher,
    RequestContext,
    Resource,
)


if TYPE_CHECKING:
    from collections.abc import AsyncIterator


CHANGE = """
UPDATE invoice SET approvals = approvals + 1, note = $2 WHERE number = $1
RETURNING number, note, approvals
"""


class Approval(BaseModel):
    """
    What the client sends.
    """

    note: str = Field(max_length=200)
    amount: float = Field(gt=0)


class Invoice(BaseModel):
    """
    What it gets.
    """

    number: int
    note: str
    approvals: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """
    Open what the requests need.
    """
    async with AsyncExitStack() as stack:
        app.state.pool = await stack.enter_async_context(
            asyncpg.create_pool(os.environ["INVOICES"], min_size=8, max_size=8)
        )
        app.state.audit = None
        if os.environ.get("AUDIT"):
            config = AuditLogConfig.from_env()
            publisher = AuditLogPublisher.from_config(config)
            app.state.audit = await stack.enter_async_context(publisher)
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/invoices/{number}/approval")
async def approve(
    number: int, approval: Approval, request: Request
) -> Invoice:
    """
    Approve an invoice.
    """
    row = await app.state.pool.fetchrow(CHANGE, number, approval.note)
    if row is None:
        raise HTTPException(404)
    if app.state.audit is not None:
        app.state.audit.enqueue(make_event(number, approval, request))
    return Invoice(**row)


def make_event(
    number: int, approval: Approval, request: Request
) -> AuditEvent:
    """
    Who did it, to what, and in which request.
    """
    return AuditEvent(
        event_type="Billing.Invoice.Approve",
        actor=Actor(id=request.headers["x-user"]),
        resource=Resource(type="invoice", id=str(number)),
        request=RequestContext(
            method=request.method,
            url=request.url.path,
            source_ip="127.0.0.1",
            user_agent=request.headers["user-agent"],
        ),
        metadata={"note": approval.note, "amount": approval.amount},
    )


if __name__ == "__main__":
    uvicorn.run(app, uds=sys.argv[1], log_level="error", access_log=False)
