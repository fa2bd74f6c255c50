"""
Ways to use PostgreSQL that are wrong on purpose, to see that the tests of
ours notice.
"""

from __future__ import annotations

import attrs
import pytest

from auditlog import AuditLogPublisher, PostgresSink
from auditlog.event import uuid7
from auditlog.postgres import schema
from auditlog.postgres.batch import Batch
from auditlog.postgres.order import Order, State
from auditlog.postgres.privileges import PRIVILEGES, Privilege
from auditlog.scope import Entry
from tests.integration import test_postgres_order as order
from tests.integration import test_postgres_roles as roles
from tests.integration import test_postgres_setup as setup
from tests.integration import test_postgres_transaction as transaction
from tests.integration import test_postgres_write as write
from tests.integration import test_transaction_kills as kills
from tests.integration.test_postgres_order import sink  # noqa: F401
from tests.integration.test_postgres_roles import granted  # noqa: F401
from tests.integration.test_postgres_transaction import (  # noqa: F401
    other,
    publisher,
    stored,
    url,
)
from tests.seen_failing import against, asking, check


# The order


def waits_for_all_transactions(patch):
    """
    The horizon is that of the whole server, as by `pg_snapshot_xmin()`.
    """
    every = (
        "SELECT virtualtransaction FROM pg_locks "
        "WHERE locktype = 'transactionid' AND granted"
    )
    asking(patch, "writers", lambda _: every)


def forgets_prepared_transactions(patch):
    """
    What has no backend is taken for ended.
    """
    living = " AND pid IS NOT NULL AND granted"
    asking(patch, "writers", lambda sql: sql.replace(" AND granted", living))


def believes_the_sequence(patch):
    """
    That numbers were given already is not looked at.
    """

    def state(self, connection):
        (row,) = connection.ask(self._sql["state"])
        return State(*row)

    patch.setattr(Order, "_state", state)


# Writing


def takes_the_id_for_the_event(patch):
    """
    What has the same id is the same, whatever its body.
    """
    patch.setattr(Batch, "_compare", lambda self, records: None)


def gives_a_new_id_to_each_attempt(patch):
    """
    The id is made when the event is written.
    """
    store = PostgresSink.write

    def anew(self, records):
        store(self, [attrs.evolve(e, event_id=uuid7()) for e in records])

    patch.setattr(PostgresSink, "write", anew)


# Transactions


def commits_by_itself(patch):
    """
    `publish_in()` uses a connection of its own.
    """
    patch.setattr(
        AuditLogPublisher,
        "publish_in",
        lambda self, connection, event: self.publish(event),
    )


def commits_alone(patch):
    """
    As before, in a process that is killed.
    """
    alone = kills.WRITER.replace(
        "publisher.publish_in(connection, event)", "publisher.publish(event)"
    )
    patch.setattr(kills, "WRITER", alone)


def tells_failures_inside(patch):
    """
    A failure goes where the success would have gone.
    """

    def leave(self, exc_type, exc, traceback):
        event = self._ended() if exc is None else self._failed(exc)
        self._publisher.publish_in(self._connection, event)

    patch.setattr(Entry, "__exit__", leave)


def tells_success_outside(patch):
    """
    A success is stored before the transaction is.
    """

    def leave(self, exc_type, exc, traceback):
        event = self._ended() if exc is None else self._failed(exc)
        self._publisher.publish(event)

    patch.setattr(Entry, "__exit__", leave)


def takes_any_database_for_its_own(patch):
    """
    Where the caller's connection leads is not looked at.
    """
    prepare = PostgresSink._prepare

    def forget(self, connection):
        prepare(self, connection)
        self._database = None

    patch.setattr(PostgresSink, "_prepare", forget)


# The tables


def makes_no_triggers(patch):
    """
    Whoever has the right to may change what is stored.
    """
    create = schema.create

    def create_less(connection, name, where):
        create(connection, name, where)
        for table in ("event", "entry"):
            connection.run(f"DROP TRIGGER append_only ON {name}.{table}")
        return True

    patch.setattr(schema, "create", create_less)


def grants_too_much(patch):
    """
    A writer may take back what it wrote.
    """
    more = (*PRIVILEGES["writer"], Privilege("DELETE", "TABLE", "event"))
    patch.setitem(PRIVILEGES, "writer", more)


@pytest.mark.parametrize(
    ("test", "variant", "given"),
    [
        against(
            order.test_strangers_hold_nothing_back, waits_for_all_transactions
        ),
        against(
            order.test_two_phase_transaction_is_waited_for,
            forgets_prepared_transactions,
            when="after",
        ),
        against(
            order.test_sequence_restored_without_its_table_is_refused,
            believes_the_sequence,
        ),
        against(
            write.test_conflict_in_any_part_names_that_event_only,
            takes_the_id_for_the_event,
            place=200,
        ),
        against(
            write.test_unknown_commit_outcome,
            gives_a_new_id_to_each_attempt,
            count=1,
        ),
        against(
            transaction.test_vanishes_with_the_business_row,
            commits_by_itself,
            way=transaction.by_psycopg,
        ),
        against(
            transaction.test_scope_commits_and_vanishes_with_the_transaction,
            tells_failures_inside,
            way=transaction.by_psycopg,
        ),
        against(
            transaction.test_scope_commits_and_vanishes_with_the_transaction,
            tells_success_outside,
            way=transaction.by_psycopg,
        ),
        against(
            transaction.test_audit_log_of_another_database_refused,
            takes_any_database_for_its_own,
            way=transaction.by_psycopg,
        ),
        against(
            setup.test_tables_are_append_only,
            makes_no_triggers,
            table="audit.event",
            statement="DELETE FROM {}",
        ),
        against(
            roles.test_nobody_changes_what_is_stored,
            grants_too_much,
            part="writer",
        ),
        against(kills.test_both_or_neither, commits_alone, round_number=1),
    ],
)
def test_variant_is_noticed(request, test, variant, given):
    """
    What is promised of ours does not hold there, and its test says so.
    """
    check(request, test, variant, given)
