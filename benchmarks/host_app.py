"""
The application whose speed must not suffer: invoices are approved and audited.

A request looks up who asks, reads an invoice, changes it and commits, through
an ORM, as most applications do.

Run as ``python host_app.py SOCKET``; settings come from the environment:
``INVOICES`` is the URL of its database, and without ``AUDIT`` it audits
nothing.
"""

from __future__ import annotations

import os
import sys

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import uvicorn

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

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


class Base(DeclarativeBase):
    """
    The application's tables.
    """


class User(Base):
    """
    Who may approve.
    """

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(primary_key=True)
    may_approve: Mapped[bool]


class Invoice(Base):
    """
    What is approved.
    """

    __tablename__ = "invoices"
    number: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str]
    approvals: Mapped[int]


class Approval(BaseModel):
    """
    What the client sends.
    """

    note: str = Field(max_length=200)
    amount: float = Field(gt=0)


class Approved(BaseModel):
    """
    What it gets.
    """

    model_config = ConfigDict(from_attributes=True)
    number: int
    note: str
    approvals: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """
    Open what the requests need.
    """
    async with AsyncExitStack() as stack:
        engine = create_async_engine(os.environ["INVOICES"], pool_size=8)
        stack.push_async_callback(engine.dispose)
        app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
        app.state.audit = None
        if os.environ.get("AUDIT"):
            config = AuditLogConfig.from_env()
            publisher = AuditLogPublisher.from_config(config)
            app.state.audit = await stack.enter_async_context(publisher)
        yield


app = FastAPI(lifespan=lifespan)


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """
    A session for the request.
    """
    async with request.app.state.sessions() as made:
        yield made


Session = Annotated[AsyncSession, Depends(session)]


async def user(request: Request, session: Session) -> User:
    """
    Who asks.
    """
    query = select(User).where(User.name == request.headers["x-user"])
    found = await session.scalar(query)
    if found is None or not found.may_approve:
        raise HTTPException(403)
    return found


@app.post("/invoices/{number}/approval")
async def approve(
    number: int,
    approval: Approval,
    request: Request,
    session: Session,
    user: Annotated[User, Depends(user)],
) -> Approved:
    """
    Approve an invoice.
    """
    invoice = await session.get(Invoice, number)
    if invoice is None:
        raise HTTPException(404)
    invoice.note = approval.note
    invoice.approvals += 1
    await session.commit()
    if request.app.state.audit is not None:
        event = make_event(number, approval, request, user)
        request.app.state.audit.enqueue(event)
    return Approved.model_validate(invoice)


def make_event(
    number: int, approval: Approval, request: Request, user: User
) -> AuditEvent:
    """
    Who did it, to what, and in which request.
    """
    return AuditEvent(
        event_type="Billing.Invoice.Approve",
        actor=Actor(id=user.name),
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
