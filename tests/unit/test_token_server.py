"""
The token server answers as OAuth 2 wants it, and as it is told.
"""

from __future__ import annotations

import base64
import json
import socket

import httpx
import pytest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from auditlog.testing.services import TokenServer


GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def tokens():
    with TokenServer({"alice": "s3cret+%"}) as server:
        yield server


def ask(tokens, auth=("alice", "s3cret+%"), **form):
    return httpx.post(tokens.url, auth=auth, data={**GRANT, **form})


def number(text):
    return int.from_bytes(decoded(text), "big")


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(answer):
    return json.loads(decoded(answer.json()["access_token"].split(".")[1]))


@pytest.mark.parametrize(
    "credentials",
    [
        {"auth": ("alice", "s3cret+%")},
        {"auth": ("alice", "s3cret%2B%25")},
        {
            "auth": None,
            "client_id": "alice",
            "client_secret": "s3cret+%",
        },
    ],
    ids=["header", "encoded header", "form"],
)
def test_right_secret_gets_a_token(tokens, credentials):
    """
    In the header, as it is or as RFC 6749 wants it, or in the form.
    """
    answer = ask(tokens, **credentials, scope="audit")

    claims = claims_of(answer)
    assert ("alice", "kafka", tokens.issuer, "audit") == tuple(
        claims[name] for name in ("sub", "aud", "iss", "scope")
    )
    assert 3600 == answer.json()["expires_in"]
    assert claims["exp"] - claims["iat"] in {3600, 3601}


def test_token_is_proven_by_the_published_key(tokens):
    """
    Whoever has the key set can tell a true token from a forged one.
    """
    token = ask(tokens).json()["access_token"]
    (key,) = httpx.get(f"{tokens.issuer}/jwks").json()["keys"]

    text, _, signature = token.rpartition(".")

    assert tokens.jwks == json.dumps({"keys": [key]})
    public = rsa.RSAPublicNumbers(number(key["e"]), number(key["n"]))
    public.public_key().verify(
        decoded(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"auth": ("alice", "wrong")}, (401, "invalid_client")),
        ({"auth": ("eve", "s3cret+%")}, (401, "invalid_client")),
        ({"auth": None}, (401, "invalid_client")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type")),
    ],
)
def test_others_get_an_error(tokens, request_, expected):
    """
    The status and the word that OAuth 2 has for it, and it is counted.
    """
    answer = ask(tokens, **request_)

    assert expected == (answer.status_code, answer.json()["error"])
    assert 1 == tokens.requests


def test_refuses_and_shortens_as_told(tokens):
    """
    A test turns tokens off and on, and lets them end soon.
    """
    tokens.refuse("temporarily_unavailable", status=503)
    refused = ask(tokens)
    tokens.accept()
    tokens.lifetime = 2.0

    assert 503 == refused.status_code
    assert 2 == ask(tokens).json()["expires_in"]
    assert 2 == tokens.requests


def test_closed_server_comes_back_with_its_address_and_key():
    """
    An outage of the identity provider, and its end.
    """
    tokens = TokenServer({"alice": "s3cret+%"})
    with tokens:
        before = tokens.jwks
    tokens.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", tokens.port))

    with tokens:
        assert 200 == ask(tokens).status_code
        assert before == tokens.jwks
