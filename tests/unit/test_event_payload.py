"""
An application's own classes as metadata.
"""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import uuid

from decimal import Decimal

import attrs
import pytest

from auditlog.codec import decode, encode
from auditlog.errors import InvalidEventError
from auditlog.event import (
    AuditEvent,
    EventFields,
    Resource,
    event_type,
    payload_converter,
)
from auditlog.event._payload import _CLASSES, _NAMES


INVOICE = Resource(type="invoice", id="7")


class Currency(enum.Enum):
    EUR = "eur"


@event_type("Test.Invoice.Approve")
@attrs.frozen
class InvoiceApproved:
    number: uuid.UUID
    amount: Decimal
    currency: Currency
    due: dt.date
    at: dt.datetime
    within: dt.timedelta
    origin: ipaddress.IPv4Address
    signature: bytes
    lines: list[int]
    note: str | None = None


APPROVED = InvoiceApproved(
    number=uuid.UUID(int=7),
    amount=Decimal("1.50"),
    currency=Currency.EUR,
    due=dt.date(2026, 1, 5),
    at=dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC),
    within=dt.timedelta(days=2),
    origin=ipaddress.IPv4Address("10.0.0.1"),
    signature=b"\xff",
    lines=[1, 2],
)


class Money:
    def __init__(self, text):
        self.text = text


@event_type("Test.Paid")
@attrs.frozen
class Paid:
    sum: Money


@pytest.fixture(autouse=True)
def _declarations():
    classes, names = dict(_CLASSES), dict(_NAMES)
    yield
    _CLASSES.clear()
    _CLASSES.update(classes)
    _NAMES.clear()
    _NAMES.update(names)


def test_a_payload_comes_back_typed():
    """
    What went in as an object comes out as an equal one, from bytes, too.
    """
    event = AuditEvent.of(APPROVED, resource=INVOICE, outcome="denied")

    assert event.event_type == "Test.Invoice.Approve"
    assert event.outcome == "denied"
    assert event.metadata["amount"] == "1.50"
    assert event.payload == APPROVED
    assert decode(encode(event)).payload == APPROVED
    assert event.payload_as(InvoiceApproved) == APPROVED


def test_unknown_types_read_as_mappings():
    """
    Without a declared class the payload is the metadata.
    """
    event = AuditEvent(
        event_type="Test.Other", resource=INVOICE, metadata={"a": 1}
    )

    assert event.payload == {"a": 1}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"number": "x"},
        {**AuditEvent.of(APPROVED, resource=INVOICE).metadata, "amount": []},
    ],
)
def test_metadata_that_does_not_fit_stays_readable(metadata):
    """
    An old or foreign record of a declared type is a mapping, and who insists
    on the class gets the reason.
    """
    event = AuditEvent(
        event_type="Test.Invoice.Approve", resource=INVOICE, metadata=metadata
    )

    assert metadata == event.payload
    with pytest.raises(InvalidEventError, match="InvoiceApproved"):
        event.payload_as(InvoiceApproved)


def test_text_is_not_taken_for_a_number():
    """
    Structuring is strict.
    """

    @attrs.frozen
    class Strict:
        name: str

    event = AuditEvent(
        event_type="Test.Other", resource=INVOICE, metadata={"name": 5}
    )

    with pytest.raises(InvalidEventError):
        event.payload_as(Strict)


def test_own_types_by_own_hooks():
    """
    The converter is open to types that this library does not know.
    """

    payload_converter.register_unstructure_hook(Money, lambda m: m.text)
    payload_converter.register_structure_hook(Money, lambda t, _: Money(t))

    event = AuditEvent.of(Paid(Money("5 €")), resource=INVOICE)

    assert event.metadata == {"sum": "5 €"}
    assert event.payload.sum.text == "5 €"


def test_classes_that_cattrs_cannot_take_apart():
    """
    Whatever is wrong with a class ends in the typed error.
    """

    class Local:
        pass

    @event_type("Test.Local")
    @attrs.frozen
    class Broken:
        value: Local

    with pytest.raises(InvalidEventError, match="Broken cannot be read"):
        AuditEvent.of(Broken(Local()), resource=INVOICE)


def test_classes_without_an_event_type():
    """
    An object of any other class is refused, a subclass's included.
    """

    class Sub(InvoiceApproved):
        pass

    for payload in (7, Sub(**attrs.asdict(APPROVED))):
        with pytest.raises(InvalidEventError, match="@event_type"):
            AuditEvent.of(payload, resource=INVOICE)


def test_declarations_that_contradict_each_other():
    """
    One class per event type and one event type per class.
    """

    @attrs.frozen
    class Other:
        pass

    with pytest.raises(ValueError, match="InvoiceApproved already"):
        event_type("Test.Invoice.Approve")(Other)
    with pytest.raises(ValueError, match=r"'Test\.Invoice\.Approve' already"):
        event_type("Test.Second")(InvoiceApproved)
    with pytest.raises(TypeError, match="no attrs class"):
        event_type("Test.Third")(dict)


def test_a_class_may_be_declared_again():
    """
    Running a notebook's cell twice replaces the class.
    """

    def declare():
        @event_type("Test.Again")
        @attrs.frozen
        class Again:
            number: int = 1

        return Again

    declare()
    again = declare()

    event = AuditEvent.of(again(), resource=INVOICE)

    assert again is type(event.payload)


def test_of_takes_every_field():
    """
    The typed keyword arguments are the event's fields.
    """
    fields = {field.name for field in attrs.fields(AuditEvent)}

    assert fields - {"event_type", "metadata"} == set(
        EventFields.__annotations__
    )
