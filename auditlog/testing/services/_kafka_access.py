"""
How clients come to a broker or a cluster, and what they may do there.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from auditlog.testing.services import _acls
from auditlog.testing.services._client_properties import client_properties
from auditlog.testing.services._service import HOST


if TYPE_CHECKING:
    from collections.abc import Sequence

    from kafka.admin import ACLFilter

    from auditlog.testing.services._certificates import Certificate
    from auditlog.testing.services._kafka import KafkaServer
    from auditlog.testing.services._kafka_security import KafkaSecurity


class KafkaAccess:
    """
    What one broker and a cluster offer alike.
    """

    security: KafkaSecurity | None
    timeout: float
    _owns_tokens = False

    @property
    def bootstrap_servers(self) -> str:
        """
        The address, as clients take it; of all brokers, with commas between.

        Whoever comes by it needs no credentials and may do anything.
        """
        return self.address("PLAINTEXT")

    def address(self, protocol: str) -> str:
        """
        Return the address of the listener for *protocol*.

        Args:
            protocol:
                ``PLAINTEXT``, or on a secured broker also ``SASL_SSL``,
                ``SASL_PLAINTEXT`` or ``SSL``.

        Raises:
            ValueError: If there is no such listener.
        """
        ports = [each._port_of(protocol) for each in self._brokers]
        if None in ports:
            raise ValueError(
                f"kafka has no listener for {protocol!r}; "
                + (
                    "use PLAINTEXT, SASL_SSL, SASL_PLAINTEXT or SSL"
                    if self.security
                    else "pass security=KafkaSecurity()"
                )
            )
        return ",".join(f"{HOST}:{port}" for port in ports)

    def client_properties(
        self,
        user: str,
        *,
        protocol: str = "SASL_SSL",
        mechanism: str = "SCRAM-SHA-512",
        password: str | None = None,
        certificate: Certificate | None = None,
    ) -> str:
        """
        Return what a Java client takes to be *user*, one property a line.

        The address is not in it, see :meth:`address`.

        Args:
            user: One of ``security.users``, or with *password* any name.

            protocol: That of the listener.

            mechanism:
                ``PLAIN``, ``SCRAM-SHA-256``, ``SCRAM-SHA-512`` or
                ``OAUTHBEARER``, where *protocol* begins with ``SASL``.

            password: Another one than that of the user.

            certificate:
                What to show where *protocol* is ``SSL``; by default a good
                one for *user*.

        Raises:
            ValueError:
                If there is no such user, mechanism or listener.
        """
        self.address(protocol)
        return client_properties(
            self._secured(),
            user,
            protocol=protocol,
            mechanism=mechanism,
            password=password,
            certificate=certificate,
        )

    def grant(
        self, user: str, resource: str, name: str, *operations: str
    ) -> None:
        """
        Allow *user* to do something, from when this returns, on all brokers.

        Args:
            user: Without ``User:``.

            resource:
                ``topic``, ``group``, ``cluster`` or ``transactional_id``.

            name:
                Which one; ``orders*`` is all that begin so, ``*`` is any, and
                the cluster is called ``kafka-cluster``.

            operations:
                Such as ``Read`` or ``DescribeConfigs``; ``All`` is all.

        Raises:
            ServiceError: If a broker that runs does not learn of it in time.

            ValueError: If a resource or an operation is unknown or missing.
        """
        self._secured()
        if not operations:
            raise ValueError(f"can't grant {user!r} nothing; name operations")
        acls = _acls.make_acls(user, resource, name, operations)
        _acls.grant(acls, self._reachable())
        self._await_acls(acls, present=True)

    def revoke(
        self, user: str, resource: str, name: str, *operations: str
    ) -> None:
        """
        Take back what :meth:`grant` allowed; all of it without *operations*.

        Raises:
            ServiceError: If a broker that runs does not learn of it in time.

            ValueError: If a resource or an operation is unknown.
        """
        self._secured()
        filters = _acls.make_filters(user, resource, name, operations)
        _acls.revoke(filters, self._reachable())
        self._await_acls(filters, present=False)

    @property
    @abstractmethod
    def _brokers(self) -> tuple[KafkaServer, ...]:
        """
        All brokers, also those that are away.
        """

    def _secured(self) -> KafkaSecurity:
        if self.security is None:
            raise ValueError(
                "kafka knows no users; pass security=KafkaSecurity()"
            )
        return self.security

    def _reachable(self) -> str:
        running = [each for each in self._brokers if each.running]
        return ",".join(each.bootstrap_servers for each in running)

    def _await_acls(
        self, filters: Sequence[ACLFilter], *, present: bool
    ) -> None:
        # A controller decides who may create a topic, and may lag behind.
        ports = [
            port
            for each in self._brokers
            if each.running
            for port in (each.port, each._controller_port)
        ]
        _acls.await_acls(filters, ports, present=present, timeout=self.timeout)

    def _start_tokens(self) -> None:
        if self.security and not self.security.tokens.running:
            self.security.tokens.start()
            self._owns_tokens = True

    def _stop_tokens(self) -> None:
        if self.security and self._owns_tokens:
            self.security.tokens.close()
            self._owns_tokens = False
