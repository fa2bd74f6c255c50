"""
Java client properties: every form in which they are written, what they mean,
and what is refused.
"""

from __future__ import annotations

import re
import ssl

from pathlib import Path

import pytest
import trustme

from cryptography.hazmat.primitives import serialization as how

from auditlog.config import (
    AuditLogConfig,
    ClusterConfig,
    PublisherConfig,
    Secret,
)
from auditlog.config.client import ClientSettings, Password, Token
from auditlog.config.tls import tls_context
from auditlog.config.translation import _INSTEAD, _UNDERSTOOD
from auditlog.errors import ConfigError


PAGE = Path(__file__).parents[2] / "docs/reference/client-properties.md"

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required "
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required "
OAUTH = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule "
    "required "
)
HANDLER = (
    "sasl.login.callback.handler.class=org.apache.kafka.common.security"
    ".oauthbearer.secured.OAuthBearerLoginCallbackHandler\n"
)
ENDPOINT = "https://login.example.com/oauth2/v1/token?tenant=1"


def cluster(properties, **more):
    return ClusterConfig(
        id="a", bootstrap_servers="h:1", properties=properties, **more
    )


def client(properties, **more):
    return cluster(properties, **more).client()


def mistakes(properties):
    with pytest.raises(ConfigError) as caught:
        client(properties)
    return caught.value.mistakes


def sasl(jaas, mechanism="PLAIN", protocol="SASL_SSL"):
    return (
        f"security.protocol={protocol}\nsasl.mechanism={mechanism}\n"
        f"sasl.jaas.config={jaas}\n"
    )


def on_one_line(pem):
    return " ".join(pem.split("\n")).strip()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def pem(authority):
    return authority.cert_pem.bytes().decode()


@pytest.fixture(scope="module")
def own(authority):
    """
    A client's certificate and key, as PEM.
    """
    made = authority.issue_cert(common_name="alice")
    chain = "".join(each.bytes().decode() for each in made.cert_chain_pems)
    return chain, made.private_key_pem.bytes().decode()


# Forms


@pytest.mark.parametrize(
    "text",
    [
        f'{sasl("")[:-1]}{PLAIN}username="me" password="p w";',
        f"{sasl('')[:-1]}{PLAIN}username='me' password='p w';",
        f"{sasl('')[:-1]}{PLAIN}username=me password='p w' ; ",
        (
            "  security.protocol = SASL_SSL\n\tsasl.mechanism : PLAIN\r\n"
            "# a comment\n! another\n\n"
            f"sasl.jaas.config {PLAIN} \\\n"
            '    username="me" \\\r\n    password="p w";\n'
        ),
        (
            f"security.protocol=SASL_SSL\\nsasl.mechanism=PLAIN\\n"
            f'sasl.jaas.config={PLAIN}username="me" password="p w";'
        ),
        (
            f"security.protocol=SASL_SSL\\n\n      sasl.mechanism=PLAIN\\n"
            f'sasl.jaas.config={PLAIN}username="me" password="p w";\\n'
        ),
        (
            f"security.protocol=SASL_SSL\\nsasl.mechanism=PLAIN\\n"
            f"sasl.jaas.config={PLAIN}\\\\n   username='me' \\\\n"
            f"   password='p w';\\nacks=all"
        ),
        (
            "security.protocol=PLAINTEXT\nsecurity.protocol=sasl_ssl\n"
            f"{sasl('', mechanism='plain', protocol='SASL_SSL')[:-1]}{PLAIN}"
            'username="\\u006de" password="p w" serviceName="kafka";'
        ),
    ],
)
def test_every_form_says_the_same(text):
    """
    Both newlines, lines that go on, blanks, comments, both quotes.
    """
    found = client(text)

    assert found.protocol == "SASL_SSL"
    assert found.login == Password(
        mechanism="PLAIN", username="me", password=Secret("p w")
    )


@pytest.mark.parametrize(
    ("written", "password"),
    [
        (r'"a\\\\b"', r"a\b"),  # Java reads it twice: property, then JAAS
        (r'"a\\\\nb"', r"a\nb"),
        (r'"say \\"hi\\""', 'say "hi"'),
        ("'\"'", '"'),
        ('"#!=:;%@/\\u00e9é"', "#!=:;%@/éé"),
        ('" x "', " x "),
        (r'"\\101"', "A"),
    ],
)
def test_escapes_in_passwords(written, password):
    """
    A password is read as the Java client reads it.
    """
    login = client(sasl(f"{PLAIN}username=me password={written};")).login

    assert isinstance(login, Password)
    assert password == login.password.reveal()


@pytest.mark.parametrize("form", ["lines", "one line", "written out", "block"])
def test_every_form_of_pem(pem, own, form):
    """
    Certificates and keys: with real newlines, on one line, or with ``\\n``.
    """
    chain, key = own

    def write(text):
        return {
            "lines": text.strip().replace("\n", "\\n\\\n"),
            "one line": on_one_line(text),
            "written out": text.replace("\n", "\\n"),
            "block": text,
        }[form]

    found = client(
        "security.protocol=SSL\nssl.truststore.type=PEM\n"
        f"ssl.truststore.certificates={write(pem)}\n"
        f"ssl.keystore.type=PEM\nssl.keystore.key={write(key)}\n"
        f"ssl.keystore.certificate.chain={write(chain)}\n"
        "ssl.endpoint.identification.algorithm=\n"
    )

    assert found.tls is not None
    context = tls_context(found.tls)
    assert len(context.get_ca_certs()) == 1
    assert not context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_several_certificates(pem):
    """
    All certificates of a store are trusted.
    """
    other = trustme.CA().cert_pem.bytes().decode()
    for both in (pem + other, on_one_line(pem) + on_one_line(other)):
        found = client(
            f"security.protocol=SSL\nssl.truststore.certificates={both}"
        )
        assert len(tls_context(found.tls).get_ca_certs()) == 2


# Meaning


def test_nothing_said():
    """
    Without properties a cluster is spoken to as Kafka does by default.
    """
    for properties in (None, "", "\n# nothing\n"):
        assert client(properties) == ClientSettings()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_scram(mechanism):
    """
    SCRAM logs in with user and password, with TLS or without.
    """
    for protocol in ("SASL_SSL", "SASL_PLAINTEXT"):
        found = client(
            sasl(f"{SCRAM}username=u password=p;", mechanism, protocol)
        )
        assert found.login == Password(
            mechanism=mechanism, username="u", password=Secret("p")
        )
        assert (found.tls is not None) == (protocol == "SASL_SSL")


@pytest.mark.parametrize(
    ("jaas", "more"),
    [
        (f'{OAUTH}clientId="i" clientSecret="s" scope="a b";', ""),
        (
            f"{OAUTH};",
            (
                "sasl.oauthbearer.client.credentials.client.id=i\n"
                "sasl.oauthbearer.client.credentials.client.secret=s\n"
                "sasl.oauthbearer.scope=a b\n"
            ),
        ),
    ],
)
def test_oauth(jaas, more):
    """
    OAUTHBEARER asks an endpoint, for whom JAAS or properties say.
    """
    found = client(
        sasl(jaas, "OAUTHBEARER")
        + f"sasl.oauthbearer.token.endpoint.url={ENDPOINT}\n{HANDLER}{more}"
    )

    assert found.login == Token(
        endpoint=ENDPOINT,
        client_id="i",
        client_secret=Secret("s"),
        scope="a b",
    )


def test_oauth_extensions():
    """
    What is to be told beside the token comes from ``extension_`` options.
    """
    login = client(
        sasl(
            f"{OAUTH}clientId=i clientSecret=s extension_logical=lkc-1;",
            "OAUTHBEARER",
        )
        + f"sasl.oauthbearer.token.endpoint.url={ENDPOINT}"
    ).login

    assert isinstance(login, Token)
    assert login.extensions == (("logical", "lkc-1"),)


@pytest.mark.parametrize(
    "option",
    ["extension_auth=x", "extension_=x", "extension_a1=x", "extension_a='ä'"],
)
def test_extensions_that_are_none(option):
    """
    What would break the login's message is refused.
    """
    (found,) = mistakes(
        sasl(f"{OAUTH}clientId=i clientSecret=s {option};", "OAUTHBEARER")
        + f"sasl.oauthbearer.token.endpoint.url={ENDPOINT}"
    )

    assert found.startswith("sasl.jaas.config must give extensions as")


def test_misspelt_protocol_hides_no_other_mistake():
    """
    One that is nearly one with a login has its login looked at.
    """
    protocol, login = mistakes(
        "security.protocol=SASL-SSL\nsasl.mechanism=nope"
    )

    assert protocol.startswith("security.protocol must be PLAINTEXT or ")
    assert login.startswith("sasl.mechanism must be PLAIN or ")


def test_untrusted_certificate_ignored():
    """
    ``ignoreUntrustedCertificate`` takes any certificate, for any name.
    """
    found = client("security.protocol=SSL", ignore_untrusted_certificate=True)

    context = tls_context(found.tls)
    assert context.verify_mode == ssl.CERT_NONE
    assert not context.check_hostname


def test_machines_trust_by_default():
    """
    Without a store of its own a client trusts whom the machine trusts.
    """
    context = tls_context(client("security.protocol=SSL").tls)

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_versions():
    """
    The versions of TLS can be narrowed, not widened.
    """
    tls = "security.protocol=SSL\nssl.enabled.protocols="

    context = tls_context(client(f"{tls}TLSv1.3,TLSv1.2,TLSv1.1").tls)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    context = tls_context(client(f"{tls}TLSv1.3").tls)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert "ssl.enabled.protocols" in mistakes(f"{tls}TLSv1")[0]


def test_producer():
    """
    What is said of producers is kept, what is said of consumers is not.
    """
    found = client(
        "acks=-1\nlinger.ms=20\ncompression.type=ZSTD\nbatch.size=65536\n"
        "group.id=g\nauto.offset.reset=earliest\nretries=3\nclient.id=x\n"
        "schema.registry.basic.auth.user.info=a:b\nconfluent.x.y=1\n"
        "ssl.protocol=TLSv1.3\nsasl.login.refresh.window.factor=0.8\n"
    )

    assert dict(found.producer) == {
        "linger.ms": 20,
        "compression.type": "zstd",
        "batch.size": 65536,
    }


# Refused

ONE = [
    ("sasl.mechanism=AWS_MSK_IAM", "AWS_MSK_IAM; switch on SASL/SCRAM"),
    ("sasl.mechanism=GSSAPI", "use SCRAM-SHA-512"),
    ("sasl.mechanism=DIGEST", "sasl.mechanism must be PLAIN or SCRAM-SHA-256"),
    ("", "sasl.jaas.config must be set for PLAIN"),
    (f"sasl.jaas.config={PLAIN}username=a password=b", "; at the end"),
    (f"sasl.jaas.config={PLAIN}username=a;", "must give password"),
    (f'sasl.jaas.config={PLAIN}username="a;', "check the quotes"),
    (f"sasl.jaas.config={SCRAM}username=a password=b;", "PlainLoginModule"),
    ("sasl.jaas.config=x;", "'required' is missing"),
    ("sasl.jaas.config=x required a b;", "an option without a value"),
    ("sasl.jaas.config=\\uzzzz", "\\u that is no character"),
    (f"sasl.jaas.config={PLAIN}username=a password=\\ud800;", "must be UTF-8"),
    (f"sasl.jaas.config={PLAIN}username=a password=\udce4;", "must be UTF-8"),
    (f"sasl.jaas.config={PLAIN}username=a password=\\u0000;", "hold no NUL"),
]


@pytest.mark.parametrize(("line", "said"), ONE)
def test_logins_refused(line, said):
    """
    A login that can't work is refused, with what to use instead.
    """
    found = mistakes(
        f"security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n{line}"
    )

    assert any(said in each for each in found)


BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
TLS = [
    ("ssl.truststore.location=/x.jks", "ssl.truststore.type must be PEM"),
    (
        "ssl.keystore.type=PKCS12\nssl.keystore.location=/x.p12",
        "openssl pkcs12",
    ),
    ("ssl.truststore.certificates=hunter2", "must be PEM"),
    (
        f"ssl.truststore.certificates={BEGIN}ä{END}",
        "ssl.truststore.certificates must be PEM",
    ),
    ("ssl.cipher.suites=TLS_AES", "ssl.cipher.suites is not supported"),
    ("ssl.engine.factory.class=X", "Java classes can't be loaded"),
    ("ssl.endpoint.identification.algorithm=no", "must be https, or empty"),
    ("ssl.truststore.certficates=x", "did you mean ssl.truststore.certif"),
    ("acks=1", "acks must be all"),
    ("enable.idempotence=false", "enable.idempotence must be true"),
    ("linger.ms=fast", "linger.ms must be a whole number, 0 to 60000"),
    ("max.in.flight.requests.per.connection=6", "1 to 5"),
    ("compression.type=brotli", "compression.type must be none or gzip"),
    ("transactional.id=x", "published without transactions"),
    ("bootstrap.servers=h:1", "set bootstrapServers of the cluster"),
    ("lingerms=5", "did you mean linger.ms?"),
    ("linger.msec=5", "did you mean linger.ms?"),
    ("security.protcol=SSL", "did you mean security.protocol?"),
    ("hunter2", "property 2 of 2 has no name that is known"),
]


@pytest.mark.parametrize(("line", "said"), TLS)
def test_properties_refused(line, said):
    """
    What bears on safety and is not understood is refused by name, what is no
    property by its place.
    """
    found = mistakes(f"security.protocol=SSL\n{line}")

    assert any(said in each for each in found)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "sasl.oauthbearer.token.endpoint.url=ftp://x",
            "must be an https:// or http:// URL",
        ),
        ("", "token.endpoint.url must be set for OAUTHBEARER"),
        (
            "sasl.login.callback.handler.class=com.me.Handler",
            "can't be a class of Java but OAuthBearerLoginCallbackHandler",
        ),
        (
            f"sasl.oauthbearer.token.endpoint.url={ENDPOINT}",
            "must give clientSecret",
        ),
        *(
            (
                f"sasl.oauthbearer.token.endpoint.url=https://{rest}",
                "must be an https:// or http:// URL",
            )
            for rest in (
                "me@h/",
                "[x/",
                "h:x/",
                "h:0/",
                "h:99999/",
                "a..b/",
                f"{'a' * 70}/",
                "/",
                "?h",
                "h/#x",
                "h/ä",
                "a℀b/",
            )
        ),
    ],
)
def test_oauth_refused(line, said):
    """
    A token can be asked for only where, and for whom, something is said.
    """
    found = mistakes(sasl(f"{OAUTH}clientId=i;", "OAUTHBEARER") + line)

    assert any(said in each for each in found)


def test_protocol_forgotten():
    """
    A login or a trust store without ``security.protocol`` would be in clear.
    """
    (found,) = mistakes(f"sasl.jaas.config={PLAIN}username=a password=b;")

    assert "which is PLAINTEXT by default; set it to SASL_SSL" in found


def test_half_a_keystore(own):
    """
    A certificate needs its key, and the other way round.
    """
    chain, key = map(on_one_line, own)
    tls = "security.protocol=SSL\n"

    assert mistakes(f"{tls}ssl.keystore.key={key}") == (
        "ssl.keystore.certificate.chain must be set too, as the other half is",
    )
    assert mistakes(f"{tls}ssl.keystore.certificate.chain={chain}") == (
        "ssl.keystore.key must be set too, as the other half is",
    )


def tls_mistakes(properties):
    tls = client(f"security.protocol=SSL\n{properties}").tls
    with pytest.raises(ConfigError) as caught:
        tls_context(tls)
    return caught.value.mistakes


def test_files_and_keys_that_do_not_fit(tmp_path, authority, own):
    """
    A missing file, a key of another certificate, an encrypted key: each is
    said in its own words.
    """
    chain, _ = own
    other = authority.issue_cert(common_name="bob").private_key_pem.bytes()
    absent = tmp_path / "absent.pem"

    assert tls_mistakes(
        f"ssl.truststore.type=PEM\nssl.truststore.location={absent}"
    ) == ("ssl.truststore.location can't be read (No such file or directory)",)
    (wrong,) = tls_mistakes(
        f"ssl.keystore.key={on_one_line(other.decode())}\n"
        f"ssl.keystore.certificate.chain={on_one_line(chain)}"
    )
    assert wrong == "ssl.keystore.key does not belong to its certificate"
    (wrong,) = tls_mistakes(
        "ssl.truststore.certificates=-----BEGIN CERTIFICATE----- AAAA "
        "-----END CERTIFICATE-----"
    )
    assert "holds no certificate that OpenSSL can read" in wrong


def test_encrypted_key(tmp_path, own):
    """
    A key with a password is opened with it, and never asked for.
    """
    chain, key = own
    locked = how.load_pem_private_key(key.encode(), None).private_bytes(
        how.Encoding.PEM,
        how.PrivateFormat.PKCS8,
        how.BestAvailableEncryption(b"open sesame"),
    )
    store = tmp_path / "client.pem"
    store.write_text(locked.decode() + chain)
    properties = f"ssl.keystore.type=PEM\nssl.keystore.location={store}\n"

    (wrong,) = tls_mistakes(properties)
    assert "ssl.key.password does not open it" in wrong
    tls_context(
        client(
            f"security.protocol=SSL\n{properties}ssl.key.password=open sesame"
        ).tls
    )


# Where they count


def config(*clusters, **publisher):
    return AuditLogConfig(
        clusters=clusters,
        publisher=PublisherConfig(cluster="a", topic_name="t", **publisher),
    )


BAD = "security.protocol=SASL_SSL\nsasl.mechanism=AWS_MSK_IAM"


def test_only_the_cluster_that_is_used_has_to_be_understood():
    """
    A deployment's other clusters may be of any kind.
    """
    other = ClusterConfig(id="b", bootstrap_servers="h:1", properties=BAD)

    config(cluster(None), other)
    with pytest.raises(ConfigError, match=r"@ ClusterConfig\.properties"):
        config(cluster(BAD), other)
    with pytest.raises(ConfigError):
        other.client()


def test_mistakes_name_the_variable():
    """
    A mistake in properties is told with all others, and where it is.
    """
    environ = {
        "CDK_CLUSTERS_0_ID": "x",
        "CDK_CLUSTERS_1_ID": "a",
        "CDK_CLUSTERS_1_BOOTSTRAPSERVERS": "h:1",
        "CDK_CLUSTERS_1_PROPERTIES": "acks=0\\nsasl.mechanism=nope",
        "CDK_AUDITLOGPUBLISHER_CLUSTER": "a",
    }
    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_env(environ)

    found = "\n".join(caught.value.mistakes)
    assert len(caught.value.mistakes) == 3
    assert (
        "acks must be all: an event counts as stored once every replica in "
        "sync has it @ clusters[1].properties (CDK_CLUSTERS_1_PROPERTIES)"
    ) in found
    assert "topicName" in found
    assert "clusters[0].bootstrapServers" in found


def test_properties_of_a_cluster_with_other_mistakes():
    """
    They are looked at all the same: one report has all.
    """
    content = {
        "publisher": {"cluster": "a", "topicName": "t"},
        "clusters": [{"id": "a", "properties": "acks=0"}, {"name": "b"}],
    }
    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_mapping(content)

    assert [each.rsplit("@ ")[1] for each in caught.value.mistakes] == [
        "clusters[0].bootstrapServers (CDK_CLUSTERS_0_BOOTSTRAPSERVERS)",
        "clusters[1].id (CDK_CLUSTERS_1_ID)",
        "clusters[1].bootstrapServers (CDK_CLUSTERS_1_BOOTSTRAPSERVERS)",
        "clusters[0].properties (in the mapping)",
    ]


def test_publishers_own_properties_win():
    """
    Publishing may have a login of its own.
    """
    shared = sasl(f"{PLAIN}username=all password=x;") + "linger.ms=5 \\"
    own = f"sasl.jaas.config={PLAIN}username=audit password=y;"
    found = config(cluster(shared), properties=own)

    both = found.clusters[0].with_properties(found.publisher.properties)
    login = both.client().login
    assert isinstance(login, Password)
    assert login.username == "audit"
    assert both.client().producer == {"linger.ms": 5}
    with pytest.raises(ConfigError, match=r"acks.* @ PublisherConfig\.prop"):
        config(cluster(shared), properties="acks=0")


def test_secrets_hidden(own):
    """
    What properties mean shows no secret either.
    """
    chain, key = map(on_one_line, own)
    found = client(
        sasl(f"{PLAIN}username=c4n4ry password=c4n4ry;")
        + f"ssl.keystore.key={key}\nssl.key.password=c4n4ry\n"
        f"ssl.keystore.certificate.chain={chain}"
    )

    assert "c4n4ry" not in repr(found)
    body = re.sub("-----[A-Z ]+-----", "", key).strip()[:40]
    assert body not in repr(found)


def test_page_names_every_property():
    """
    The reference names what is understood and what is refused, and no more.
    """
    page = PAGE.read_text("utf-8")
    names = set(re.findall(r"`((?:sasl|ssl|security)\.[a-z.]+[a-z])`", page))

    assert all(f"`{name}" in page for name in _UNDERSTOOD | _INSTEAD.keys())
    assert names <= _UNDERSTOOD | _INSTEAD.keys() | {"ssl.protocol"}
