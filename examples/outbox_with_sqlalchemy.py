# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # An outbox with SQLAlchemy
#
# An invoice is approved and the audit event is lost, or the event tells of an
# approval that was rolled back: that is what happens when two systems are
# written one after the other. Here the event joins *your* transaction, so both
# commit or neither, and a relay carries it on to Kafka.
#
# **You need** `pip install "auditlog-publisher[postgres,kafka]" sqlalchemy`,
# and the settings of the README in the environment. No PostgreSQL or Kafka at
# hand? `python with_services.py jupyter lab`, beside this notebook, starts
# both.

# %%
import os

from uuid import uuid4

from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from auditlog import (
    Actor,
    AuditEvent,
    AuditLogConfig,
    AuditLogPublisher,
    EventQuery,
    KafkaReader,
    PostgresReader,
    Resource,
    context,
)


config = AuditLogConfig.from_env()
publisher = AuditLogPublisher.from_config(config)

# %% [markdown]
# ## Your application
#
# Its tables are in the database that holds the audit log.


# %%
class Base(DeclarativeBase):
    pass


class Invoice(Base):
    __tablename__ = "example_invoice"

    id: Mapped[int] = mapped_column(primary_key=True)
    approved: Mapped[bool] = mapped_column(default=False)


url = make_url(os.environ["CDK_DATABASE_URL"])
engine = create_engine(url.set(drivername="postgresql+psycopg"))
Base.metadata.drop_all(engine)
Base.metadata.create_all(engine)

with Session(engine) as session, session.begin():
    session.add_all([Invoice(id=1), Invoice(id=2)])

# %% [markdown]
# The audit log's tables are made by the first `publish()`, or beforehand by
# `auditlog db init`. Events of this run get one correlation id, so that we
# find them again.

# %%
run = str(uuid4())


def event_of(action, invoice):
    with context.bind(actor=Actor(id="alice"), correlation_id=run):
        return AuditEvent(
            event_type=f"Billing.Invoice.{action}",
            resource=Resource(type="invoice", id=str(invoice.id)),
        )


def in_table():
    events = PostgresReader(config.database).read(EventQuery(text=run))
    return [f"{r.event.event_type} {r.event.resource.id}" for r in events]


with Session(engine) as session:
    publisher.publish(event_of("Open", session.get(Invoice, 1)))

in_table()

# %% [markdown]
# ## Both
#
# `publish_in()` writes the event through the session itself, in the
# transaction that is open there.

# %%
with Session(engine) as session, session.begin():
    invoice = session.get(Invoice, 1)
    invoice.approved = True
    publisher.publish_in(session, event_of("Approve", invoice))

assert in_table() == ["Billing.Invoice.Open 1", "Billing.Invoice.Approve 1"]

# %% [markdown]
# ## Or neither
#
# Whatever rolls the transaction back takes the event with it.

# %%
try:
    with Session(engine) as session, session.begin():
        invoice = session.get(Invoice, 2)
        invoice.approved = True
        publisher.publish_in(session, event_of("Approve", invoice))
        raise RuntimeError("the bank said no")
except RuntimeError as error:
    print("rolled back:", error)

with Session(engine) as session:
    approved = [session.get(Invoice, number).approved for number in (1, 2)]

assert approved == [True, False]
assert in_table() == ["Billing.Invoice.Open 1", "Billing.Invoice.Approve 1"]

# %% [markdown]
# ## On to Kafka
#
# The relay has read what was committed, and nothing else.

# %%
publisher.wait_delivered(timeout=60)

topic = KafkaReader(
    config.cluster(config.publisher.cluster), config.publisher.topic_name
).read(EventQuery(text=run))
delivered = sorted(
    f"{record.event.event_type} {record.event.resource.id}" for record in topic
)

assert delivered == ["Billing.Invoice.Approve 1", "Billing.Invoice.Open 1"]
delivered

# %%
publisher.close()
Base.metadata.drop_all(engine)
engine.dispose()
