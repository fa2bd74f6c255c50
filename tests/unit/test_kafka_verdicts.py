"""
What a login, a certificate and a disk are worth.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from auditlog.config.client import TLS
from auditlog.kafka import verdicts
from auditlog.kafka.driver import BrokerDisk


@pytest.mark.parametrize(
    ("days", "state", "detail"),
    [
        (100, "ok", "our certificate is good until"),
        (20, "warning", "our certificate ends soon, on"),
        (-1, "failed", "our certificate expired on"),
    ],
)
@pytest.mark.parametrize("kind", ["text", "file"])
def test_certificate(tmp_path, kind, days, state, detail):
    """
    Told from 30 days before its end, with what to renew.
    """
    ends = datetime.now(UTC) + timedelta(days=days)
    issued = trustme.CA().issue_cert("localhost", not_after=ends)
    chain = issued.cert_chain_pems[0]
    chain.write_to_path(tmp_path / "own.pem")
    tls = (
        make_tls(certificate=chain.bytes().decode())
        if kind == "text"
        else make_tls(keystore_file=str(tmp_path / "own.pem"))
    )

    (found,) = verdicts.certificate(tls)

    assert found.state == state
    assert found.detail == f"{detail} {ends:%Y-%m-%d}"
    if state != "ok":
        wanted = {"text": "certificate.chain", "file": "keystore.location"}
        assert wanted[kind] in found.way_out


def test_no_certificate():
    """
    Not every login has one.
    """
    assert list(verdicts.certificate(make_tls())) == []


def make_tls(**given):
    return TLS(**given)


@pytest.mark.parametrize(
    ("usable", "state", "detail"),
    [
        ((50, 4), "warning", "broker 2 has 4.0 GiB free (4%)"),
        ((50, 6), "ok", "broker 2 has 6.0 GiB free (6%)"),
        ((), "skipped", "the brokers' disks can't be seen without the ACL"),
    ],
)
def test_disk(usable, state, detail):
    """
    The fullest counts.
    """
    disks = [
        BrokerDisk(
            broker=number,
            path="/data",
            usable=size * 2**30,
            total=100 * 2**30,
        )
        for number, size in enumerate(usable, 1)
    ]

    found = verdicts.disk(disks)

    assert found.state == state
    assert found.detail.startswith(detail)
    assert found.way_out is None or "/data of broker 2" in found.way_out
