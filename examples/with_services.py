"""
Runs a command with a PostgreSQL and an Apache Kafka of its own:

    pip install "auditlog-publisher[services]"
    python with_services.py jupyter lab

Both start on free ports, empty, and are gone when the command ends. The
command finds them by the variables of the README.
"""

from __future__ import annotations

import os
import subprocess
import sys

from auditlog.testing.services import KafkaServer, PostgresServer


CLUSTER = "my-kafka-cluster"


def main(command: list[str]) -> int:
    """
    Run *command* beside both servers and give its exit code.
    """
    if not command:
        print(__doc__)
        return 2

    with PostgresServer() as postgres, KafkaServer() as kafka:
        settings = {
            "CDK_DATABASE_URL": postgres.create_database("audit"),
            "CDK_AUDITLOGPUBLISHER_CLUSTER": CLUSTER,
            "CDK_AUDITLOGPUBLISHER_TOPICNAME": "audit-events",
            "CDK_CLUSTERS_0_ID": CLUSTER,
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS": kafka.bootstrap_servers,
        }
        environment = {**os.environ, **settings}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
