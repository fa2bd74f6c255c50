"""
Settings of Conduktor Console, as its documentation writes them, work here.
"""

from __future__ import annotations

import pytest

from auditlog.config import AuditLogConfig, Secret
from auditlog.config.client import Password, Token
from auditlog.errors import ConfigError


# A platform-config.yaml, sections of others and all.
PLATFORM = """
organization:
  name: "conduktor"

database:
  hosts:
   - host: 'postgresql'
     port: 5432
  name: 'conduktor'
  username: 'conduktor'
  password: 'change_me'
  connection_timeout: 30 # in seconds

monitoring:
  cortex-url: 'http://conduktor-monitoring:9009/'

sso:
  oauth2:
    - name: 'auth0'
      client-id: '<client ID>'
      openid:
        issuer: 'https://<domain>'

audit_log_publisher:
  cluster: "gateway-cluster"
  topicName: "console-auditlog"

clusters:
  - id: 'gateway-cluster'
    name: 'Confluent Prod'
    color: #FF9900
    icon: "kafka"
    ignoreUntrustedCertificate: false
    bootstrapServers: 'pkc-lq8v7.eu-central-1.aws.confluent.cloud:9092'
    properties: |
      security.protocol=SASL_SSL
      sasl.mechanism=PLAIN
      sasl.jaas.config={plain} required username="<username>" password="{p}";
    schemaRegistry:
      id: 'confluent-sr'
      url: 'https://psrc-o268o.eu-central-1.aws.confluent.cloud'
      security:
        username: 'user'
        password: 'password'
    kafkaConnects:
      - id: 'kafka-connect'
        url: 'http://localhost:8083'
        headers: X-API-Token=123,X-From=Test
  - id: 'amazon-msk-iam'
    name: 'Amazon MSK IAM'
    bootstrapServers: 'b-3-public.kafka.eu-west-1.amazonaws.com:9198'
    properties: |
      security.protocol=SASL_SSL
      sasl.mechanism=AWS_MSK_IAM
      sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;
      sasl.client.callback.handler.class=io.conduktor.aws.IAMClientCallbackHandler
      aws_access_key_id=<access-key-id>
      aws_secret_access_key=<secret-access-key>

license: "" # license key if Enterprise
""".replace("{p}", "<password>").replace(
    "{plain}", "org.apache.kafka.common.security.plain.PlainLoginModule"
)


def from_file(tmp_path, text, **environ):
    path = tmp_path / "platform-config.yaml"
    path.write_text(text, "utf-8")
    return AuditLogConfig.from_env({"CDK_IN_CONF_FILE": str(path), **environ})


def with_properties(properties, **more):
    """
    What the environment says of the cluster that is used.
    """
    found = AuditLogConfig.from_env(
        {
            "CDK_AUDITLOGPUBLISHER_CLUSTER": "my-kafka-cluster",
            "CDK_AUDITLOGPUBLISHER_TOPICNAME": "_conduktor_audit_log",
            "CDK_CLUSTERS_0_ID": "my-kafka-cluster",
            "CDK_CLUSTERS_0_NAME": "My Kafka Cluster",
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "localhost:9092,other:9092",
            "CDK_CLUSTERS_0_PROPERTIES": properties,
            **more,
        }
    )
    return found.clusters[0].client()


def test_platform_config(tmp_path):
    """
    A whole file of the product loads, a cluster of another kind beside the
    one that is used included.
    """
    found = from_file(tmp_path, PLATFORM)

    assert found.publisher.topic_name == "console-auditlog"
    assert found.publisher.topic_config.partition == 1
    assert found.database.connection_timeout == 30
    assert found.database.parameters()["host"] == "postgresql"
    assert found.cluster("gateway-cluster").client().login == Password(
        mechanism="PLAIN", username="<username>", password=Secret("<password>")
    )


def test_iam_named_where_it_is_used(tmp_path):
    """
    The cluster that is used has to be one that can be.
    """
    with pytest.raises(ConfigError) as caught:
        from_file(
            tmp_path, PLATFORM, CDK_AUDITLOGPUBLISHER_CLUSTER="amazon-msk-iam"
        )

    said = str(caught.value)
    assert "sasl.mechanism can't be AWS_MSK_IAM; switch on SASL/SCRAM" in said
    assert "clusters[1].properties" in said


def test_compose_environment():
    """
    Variables as a Compose file has them, with real newlines in a value.
    """
    login = with_properties(
        "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n"
        "sasl.jaas.config=org.apache.kafka.common.security.plain"
        '.PlainLoginModule required username="FY5NJX2SRXKTUBAD" '
        'password="pqyHt7r+2oxIvmNCea/C";'
    ).login

    assert login.password.reveal() == "pqyHt7r+2oxIvmNCea/C"


def test_converted_environment():
    """
    Variables as the product's converter writes them, with a backslash and an
    ``n``; one of its examples has blanks in front, too.
    """
    login = with_properties(
        "security.protocol=SASL_SSL\\nsasl.mechanism=SCRAM-SHA-512\\n"
        "      sasl.jaas.config=org.apache.kafka.common.security.scram"
        ".ScramLoginModule required username='u' password='p';"
    ).login

    assert (login.mechanism, login.username) == ("SCRAM-SHA-512", "u")


def test_oauth():
    """
    OAUTHBEARER over several lines, as the documentation has it.
    """
    login = with_properties(
        "security.protocol=SASL_SSL\n"
        "sasl.mechanism=OAUTHBEARER\n"
        "sasl.oauthbearer.token.endpoint.url=https://x.example/oauth/token\n"
        "sasl.login.callback.handler.class=org.apache.kafka.common.security"
        ".oauthbearer.secured.OAuthBearerLoginCallbackHandler\n"
        "sasl.jaas.config= \\\n"
        "  org.apache.kafka.common.security.oauthbearer"
        ".OAuthBearerLoginModule required \\\n"
        '  clientId="<client id>" \\\n'
        '  clientSecret="<secret>";\n'
    ).login

    assert isinstance(login, Token)
    assert login.client_id == "<client id>"


def test_switched_off():
    """
    Nothing is published where nothing of it is set.
    """
    found = AuditLogConfig.from_env(
        {
            "CDK_ORGANIZATION_NAME": "conduktor",
            "CDK_MONITORING_CORTEX-URL": "http://conduktor-monitoring:9009/",
            "CDK_SSO_OAUTH2_0_OPENID_ISSUER": "https://<domain>",
            "CDK_CLUSTERS_0_ID": "local",
            "CDK_CLUSTERS_0_NAME": "Local Kafka Cluster",
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": "localhost:9092",
            "CDK_CLUSTERS_0_SCHEMAREGISTRY_URL": "http://localhost:8081",
        }
    )

    assert found.publisher.cluster is None
    assert found.clusters[0].name == "Local Kafka Cluster"
