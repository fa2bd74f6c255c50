"""
YAML, TOML and mappings: the same form, whatever is in them.
"""

from __future__ import annotations

import builtins
import sys

import pytest

from hypothesis import given
from hypothesis import strategies as st

from auditlog.config import AuditLogConfig
from auditlog.config.variables import replace_variables
from auditlog.errors import ConfigError, MissingExtraError


YAML = """\
audit_log_publisher:
  cluster: my-kafka-cluster
  topicName: _conduktor_console_audit_log
  topicConfig:
    partition: 3
    replicationFactor: -1
clusters:
  - id: my-kafka-cluster
    name: Production
    color: "#FFFFFF"
    bootstrapServers: h:9092,i:9093
    properties: |
      # nothing special
      security.protocol=PLAINTEXT
    schemaRegistry: {id: x, url: http://r, properties: "a=b"}
    kafkaConnects: [{id: connect, url: http://c}]
  - {id: other, bootstrapServers: j:9092}
database:
  url: postgresql://u:p@h/db
  connection_timeout: 30
  schema: trail
  create_schema: no
sso: {oauth2: [{name: x}]}
relay:
  run: off
codec: conduktor
"""

TOML = """\
codec = "conduktor"
relay.run = false

[audit_log_publisher]
cluster = "my-kafka-cluster"
topicName = "_conduktor_console_audit_log"
topicConfig = { partition = 3, replicationFactor = -1 }

[[clusters]]
id = "my-kafka-cluster"
name = "Production"
color = "#FFFFFF"
bootstrapServers = ["h:9092", "i:9093"]
properties = '''
# nothing special
security.protocol=PLAINTEXT
'''

[[clusters]]
id = "other"
bootstrapServers = "j:9092"

[database]
url = "postgresql://u:p@h/db"
connection-timeout = 30.0
schema = "trail"
createSchema = false

[sso]
since = 2026-01-01
"""


@pytest.fixture
def load(tmp_path):
    def load(content, name="audit.yaml", environ=None):
        path = tmp_path / name
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return AuditLogConfig.from_file(path, environ or {})

    return load


@pytest.fixture
def mistakes(load, tmp_path):
    def mistakes(content, name="audit.yaml", environ=None):
        with pytest.raises(ConfigError) as caught:
            load(content, name, environ)
        return tuple(
            mistake.replace(f"{tmp_path}/", "")
            for mistake in caught.value.mistakes
        )

    return mistakes


def test_yaml_and_toml_say_the_same(load):
    """
    Both formats have every setting.
    """
    config = load(YAML)

    assert config == load(TOML, "audit.toml")
    assert config == load(YAML, "audit.YML")
    assert config.publisher.topic_name == "_conduktor_console_audit_log"
    assert config.publisher.topic_config.partition == 3
    assert config.publisher.topic_config.replication_factor == -1
    assert config.cluster("my-kafka-cluster").bootstrap_servers == (
        "h:9092",
        "i:9093",
    )
    assert config.clusters[1].name == "other"
    assert config.database.url.reveal() == "postgresql://u:p@h/db"
    assert config.database.connection_timeout == 30
    assert not config.database.create_schema
    assert not config.relay.run
    assert config.codec == "conduktor"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("", "a.yaml"),
        ("# nothing\n", "a.yaml"),
        ("---\n", "a.yaml"),
        ("{}", "a.yaml"),
        ("clusters:\ndatabase:\naudit_log_publisher:\n", "a.yaml"),
        ("clusters: []\ndatabase: {url: ''}", "a.yaml"),
        ("", "a.toml"),
        ("[database]\n", "a.toml"),
    ],
    ids=str,
)
def test_nothing_set(load, content, name):
    """
    An empty file, and empty sections, are an empty config.
    """
    assert AuditLogConfig() == load(content, name)


def test_environment_wins(load):
    """
    A variable replaces the same setting of the file, and no other.
    """
    config = load(
        YAML,
        environ={
            "CDK_CLUSTERS_1_BOOTSTRAPSERVERS": "k:1",
            "AUDITLOG_PUBLISHER_TOPICCONFIG_PARTITION": "5",
            "CDK_CLUSTERS_2_ID": "third",
            "CDK_CLUSTERS_2_BOOTSTRAPSERVERS": "l:1",
            "CDK_DATABASE_SCHEMA": "",
        },
    )

    assert config.cluster("other").bootstrap_servers == ("k:1",)
    assert config.publisher.topic_config.partition == 5
    assert config.publisher.topic_config.replication_factor == -1
    assert config.clusters[2].id == "third"
    assert config.database.schema == "trail"


def test_environment_mends_the_file(load):
    """
    What a variable replaces need not be right in the file.
    """
    config = load(
        "audit_log_publisher: {topicConfig: {partition: 0}}",
        environ={"CDK_AUDITLOGPUBLISHER_TOPICCONFIG_PARTITION": "1"},
    )

    assert config.publisher.topic_config.partition == 1


@pytest.mark.parametrize("variable", ["CDK", "AUDITLOG"])
def test_file_named_by_the_environment(tmp_path, variable):
    """
    ``CDK_IN_CONF_FILE`` is read first, and other variables win over it.
    """
    path = tmp_path / "platform-config.yaml"
    path.write_text(YAML)

    config = AuditLogConfig.from_env(
        {f"{variable}_IN_CONF_FILE": str(path), "CDK_DATABASE_SCHEMA": "mine"}
    )

    assert config.database.schema == "mine"
    assert config.codec == "conduktor"


def test_named_file_is_absent(tmp_path):
    """
    A named file that is not there is told with its variable.
    """
    path = tmp_path / "absent.yaml"

    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_env(
            {"CDK_IN_CONF_FILE": str(path), "AUDITLOG_RELAY_RUN": "maybe"}
        )

    assert (
        (
            "can't be read (No such file or directory)"
            f" @ {path} (CDK_IN_CONF_FILE)"
        ),
        "must be true or false (got 'maybe') @ relay.run (AUDITLOG_RELAY_RUN)",
    ) == caught.value.mistakes


def test_two_files_named():
    """
    Both variables may name one file, but not two.
    """
    with pytest.raises(ConfigError, match="one setting with two values"):
        AuditLogConfig.from_env(
            {"CDK_IN_CONF_FILE": "a", "AUDITLOG_IN_CONF_FILE": "b"}
        )


@pytest.mark.parametrize(
    "key",
    [
        "audit_log_publisher",
        "auditLogPublisher",
        "audit-log-publisher",
        "AUDITLOGPUBLISHER",
        "publisher",
    ],
)
@pytest.mark.parametrize(
    "name", ["topicConfig", "topic-config", "topic_config", "topicconfig"]
)
def test_keys_fold(key, name):
    """
    A key may be written in any of the usual ways.
    """
    config = AuditLogConfig.from_mapping({key: {name: {"Partition": 2}}})

    assert config.publisher.topic_config.partition == 2


def test_text_is_read_like_the_environment():
    """
    Numbers and flags may stand in quotes.
    """
    config = AuditLogConfig.from_mapping(
        {
            "publisher": {"topicConfig": {"partition": "2"}},
            "relay": {"run": "off"},
        }
    )

    assert config.publisher.topic_config.partition == 2
    assert not config.relay.run


def test_mapping_reads_no_environment(monkeypatch):
    """
    A mapping is all there is, unless an environment is given.
    """
    monkeypatch.setenv("AUDITLOG_RELAY_RUN", "no")

    assert AuditLogConfig.from_mapping({}).relay.run
    assert not AuditLogConfig.from_env().relay.run
    assert not AuditLogConfig.from_mapping(
        {}, {"AUDITLOG_RELAY_RUN": "no"}
    ).relay.run


def test_every_mistake_at_once(mistakes):
    """
    One look finds what is wrong in the file and in the environment.
    """
    found = mistakes(
        """
audit_log_publisher:
  cluster: c
  topikName: t
  topicConfig: {partition: 0, replicas: 3}
  topic-config: {}
clusters:
  - {name: 5, bootstrapServers: [h]}
  - 7
database: postgresql://u:c4n4ry@h/db
relay: {run: maybe, every: 5}
codec: 5
""",
        environ={"AUDITLOG_RELAY": "x"},
    )

    assert found == (
        (
            "unknown setting; did you mean audit_log_publisher.topicName?"
            " @ audit_log_publisher.topikName (in audit.yaml)"
        ),
        (
            "unknown setting; did you mean"
            " audit_log_publisher.topicConfig.replicationFactor?"
            " @ audit_log_publisher.topicConfig.replicas (in audit.yaml)"
        ),
        (
            "the same setting as 'topicConfig'"
            " @ audit_log_publisher.topic-config (in audit.yaml)"
        ),
        "must be a table of settings (got int) @ clusters[1] (in audit.yaml)",
        "must be a table of settings (got str) @ database (in audit.yaml)",
        "unknown setting @ relay.every (in audit.yaml)",
        "unknown setting @ AUDITLOG_RELAY",
        "must be set @ clusters[0].id (CDK_CLUSTERS_0_ID)",
        (
            "must be text (got 5); put it in quotes"
            " @ clusters[0].name (in audit.yaml)"
        ),
        (
            "must be 'host:port,host:port' (not so: 1)"
            " @ clusters[0].bootstrapServers (in audit.yaml)"
        ),
        (
            "must be at least 1, or -1 for the broker's default (got 0)"
            " @ audit_log_publisher.topicConfig.partition (in audit.yaml)"
        ),
        (
            "must be set too, because audit_log_publisher.cluster"
            " (in audit.yaml) is"
            " @ audit_log_publisher.topicName"
            " (CDK_AUDITLOGPUBLISHER_TOPICNAME)"
        ),
        "must be true or false (got 'maybe') @ relay.run (in audit.yaml)",
        "must be 'cloudevents' or 'conduktor' (got 5) @ codec (in audit.yaml)",
    )


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("- a", "must be a table of settings (got list) @ audit.yaml"),
        ("a", "must be a table of settings (got str) @ audit.yaml"),
        ("7", "must be a table of settings (got int) @ audit.yaml"),
        (
            "clusters: {id: a}",
            "must be a list of tables (got dict) @ clusters (in audit.yaml)",
        ),
        (
            "database: {url: 5}",
            (
                "must be text (got int); put it in quotes @ database.url "
                "(in audit.yaml)"
            ),
        ),
        (
            "database: {hosts: h}",
            (
                "must be a list of tables (got str)"
                " @ database.hosts (in audit.yaml)"
            ),
        ),
    ],
    ids=str,
)
def test_wrong_structure(mistakes, content, wrong):
    """
    A value of the wrong shape is told, and not shown if it may be secret.
    """
    assert (wrong,) == mistakes(content)


def test_odd_keys():
    """
    A key that is no text is a mistake where names are ours.
    """
    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_mapping(
            {5: 1, None: 2, (): 3, "publisher": {10**5000: 1, "\n": 2}}
        )

    assert caught.value.mistakes == (
        "unknown setting @ audit_log_publisher.<int> (in the mapping)",
        r"unknown setting @ 'audit_log_publisher.\n (in the mapping)'",
    )


def test_nearly_ours_is_refused(load):
    """
    What is left alone must look like somebody else's, or be empty.
    """
    config = load("cluster: [{id: a}]\nclusters: []\nauditLogPublishers: {}")

    assert AuditLogConfig() == config
    with pytest.raises(ConfigError, match=r"mean clusters\[\]\.properties\?"):
        load("clusters: [{id: a, bootstrapServers: 'h:1', propertys: x}]")


HOSTILE = {
    "bad syntax": b"database: {url: c4n4ry",
    "bad indent": b"a: b\n  c: c4n4ry\n",
    "tab": b"a:\n\tb: c4n4ry",
    "NUL": b"a: c4n4ry\x00",
    "control": b"a: c4n4ry\x07",
    "tag": b"a: !!python/object/apply:os.system ['c4n4ry']",
    "own tag": b"a: !c4n4ry x",
    "two documents": b"a: 1\n---\nb: c4n4ry\n",
    "duplicate key": b"database: {url: c4n4ry, url: c4n4ry}",
    "duplicate in a foreign section": b"x: {c4n4ry: 1, c4n4ry: 2}",
    "circle": b"a: &a [*a]",
    "circle of mappings": b"a: &a {b: *a}",
    "unknown alias": b"a: *c4n4ry",
    "laughs": b"a0: &a0 [x]\n"
    + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9))
        for n in range(1, 12)
    ),
    "merged laughs": b"a0: &a0 {x: 1}\n"
    + b"".join(
        b"a%d: &a%d {<<: [%s]}\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9))
        for n in range(1, 12)
    ),
    "deep": b"a: " + b"[" * 100_000,
    "deep and closed": b"a: " + b"[" * 90 + b"]" * 90,
    "deep blocks": b"- " * 50_000,
    "unhashable key": b"{[1]: 2}",
    "odd int": b"a: !!int c4n4ry",
    "empty int": b"a: !!int ''",
    "odd bool": b"a: !!bool c4n4ry",
    "odd date": b"a: 2026-13-45",
    "odd timestamp": b"a: !!timestamp c4n4ry",
    "huge int": b"a: " + b"9" * 5000,
    "latin-1": b"a: c4n4ry\xe4",
    "UTF-16": "a: c4n4ry".encode("utf-16"),
    "lone surrogate": b"a: \xed\xa0\x80",
    "large": b"#" * (1024 * 1024 + 1),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml(mistakes, content):
    """
    Whatever is wrong with a file, it is told in one line that quotes none
    of it.
    """
    (mistake,) = mistakes(content)

    assert mistake.endswith(" @ audit.yaml")
    assert "c4n4ry" not in mistake


HOSTILE_TOML = {
    "bad syntax": b"database = c4n4ry",
    "unclosed": b"a = 'c4n4ry",
    "duplicate key": b"c4n4ry = 1\nc4n4ry = 2",
    "NUL": b"a = 'c4n4ry\x00'",
    "deep": b"a = " + b"[" * 100_000,
    "odd date": b"a = 2026-13-45",
    "huge int": b"a = " + b"9" * 5000,
    "latin-1": b"a = 'c4n4ry\xe4'",
    "UTF-16": "a = 'c4n4ry'".encode("utf-16"),
    "large": b"#" * (1024 * 1024 + 1),
}


@pytest.mark.parametrize("content", HOSTILE_TOML.values(), ids=HOSTILE_TOML)
def test_hostile_toml(mistakes, content):
    """
    TOML is no worse.
    """
    (mistake,) = mistakes(content, "audit.toml")

    assert mistake.endswith(" @ audit.toml")
    assert "c4n4ry" not in mistake


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a: [\nb: {", ": line 2, column 5"),
        ("a: 1\n\nb: 2\na: 3", ": line 4, column 1"),
    ],
    ids=["syntax", "duplicate"],
)
def test_place_in_yaml(mistakes, content, place):
    """
    A mistake of syntax says where it is.
    """
    (mistake,) = mistakes(content)

    assert place in mistake


WAYS_OUT = {
    "two documents": (
        b"a: 1\n---\nb: 2",
        "has several documents, of which only one can count: line 2, column 1",
    ),
    "tag": (
        b"a: !!python/object/apply:os.system [x]",
        "has a tag, where only plain values may be: line 1, column 4",
    ),
    "own tag": (
        b"a: !x y",
        "has a tag, where only plain values may be: line 1, column 4",
    ),
    "duplicate": (b"a: 1\na: 2", "has a key twice: line 2, column 1"),
    "merged into nothing": (b"<<: 5", "is not valid YAML: line 1, column 5"),
    "NUL": (b"a: b\x00", "holds a control character, as number 5"),
    "UTF-16 without a mark": (
        "a: b".encode("utf-16-le"),
        "holds a control character, as number 2",
    ),
    "UTF-16": (
        "a: b".encode("utf-16"),
        "is UTF-16 or UTF-32; save it as UTF-8",
    ),
    "UTF-16 the other way round": (
        b"\xfe\xff" + "a: b".encode("utf-16-be"),
        "is UTF-16 or UTF-32; save it as UTF-8",
    ),
    "UTF-32": (
        "a: b".encode("utf-32"),
        "is UTF-16 or UTF-32; save it as UTF-8",
    ),
    "latin-1": (
        "a: ä".encode("latin-1"),
        "is not UTF-8 at byte 3; save it as UTF-8",
    ),
    "large": (
        b"#" * (1024 * 1024 + 1),
        "is larger than 1048576 bytes; is it the right one?",
    ),
    "number": (
        b"a: " + b"9" * 5000,
        "has a number that is too long: line 1, column 4",
    ),
    "deep": (b"[" * 100_000, "is nested too deeply"),
    "many": (b"[" + b"a," * 100_000 + b"]", "has more than 100000 values"),
}


@pytest.mark.parametrize(("content", "said"), WAYS_OUT.values(), ids=WAYS_OUT)
def test_what_is_wrong_with_yaml(mistakes, content, said):
    """
    What is wrong with a file is said so that it can be mended.
    """
    assert (f"{said} @ audit.yaml",) == mistakes(content)


def test_largest_file(load):
    """
    A file of exactly one mebibyte is read.
    """
    content = "codec: conduktor\n#"

    config = load(content + "x" * (1024 * 1024 - len(content)))

    assert "conduktor" == config.codec


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends(load, ends):
    """
    Those of any system are read.
    """
    config = load(ends.join(["codec: conduktor", "relay:", "  run: off", ""]))

    assert "conduktor" == config.codec
    assert not config.relay.run


def test_folder(tmp_path):
    """
    A folder is told to be one.
    """
    path = tmp_path / "audit.yaml"
    path.mkdir()

    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_file(path, {})

    assert caught.value.mistakes == (
        f"can't be read (Is a directory) @ {path}",
    )


def test_long_name_in_toml(mistakes):
    """
    A name without end is told by its line.
    """
    assert mistakes(
        'a = """\n\n"""\nb' + ".b" * 32 + " = 1", "audit.toml"
    ) == ("has a name of more than 32 parts: line 4 @ audit.toml",)


def test_place_in_toml(mistakes):
    """
    A mistake of syntax says where it is.
    """
    assert mistakes("a = 1\nb = c", "audit.toml") == (
        "is not valid TOML: line 2, column 5 @ audit.toml",
    )


@pytest.mark.parametrize("name", ["audit.yaml", "audit.toml"])
def test_byte_order_mark(load, name):
    """
    A file that an editor on Windows wrote is read.
    """
    content = {
        "audit.yaml": "codec: conduktor",
        "audit.toml": "codec = 'conduktor'",
    }

    config = load("\ufeff" + content[name] + "\r\n", name)

    assert config.codec == "conduktor"


def test_aliases(load):
    """
    Anchors and merges of a reasonable size work.
    """
    config = load(
        """
x: &common {bootstrapServers: "h:1"}
clusters:
  - {<<: *common, id: a}
  - {<<: *common, id: b}
"""
    )

    assert tuple(each.id for each in config.clusters) == ("a", "b")
    assert config.cluster("b").bootstrap_servers == ("h:1",)


@pytest.mark.parametrize("name", ["audit.json", "audit", "yaml"])
def test_unknown_suffix(mistakes, name):
    """
    The suffix says what a file is, and only two kinds are read.
    """
    assert (f"must end in .yaml, .yml or .toml @ {name}",) == mistakes(
        "", name
    )


def test_missing_parser(load, monkeypatch):
    """
    Without PyYAML, a YAML file names the extra and TOML works on.
    """
    import_ = builtins.__import__

    def without_yaml(name, *args, **kwargs):
        if name.split(".")[0] == "yaml":
            raise ImportError(name)
        return import_(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "auditlog.config._yaml", raising=False)
    monkeypatch.delattr("auditlog.config._yaml", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_yaml)

    with pytest.raises(MissingExtraError, match=r"auditlog-publisher\[yaml\]"):
        load(YAML)
    assert load(TOML, "audit.toml").codec == "conduktor"


# Variables in files

URL = "postgresql://u:{}@h/db"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${PW}", "s3cret"),
        ("${PW:-other}", "s3cret"),
        ("${ABSENT:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${ABSENT:-}", ""),
        ("${EMPTY}", ""),
        ("a${PW}b${ABSENT:-c}", "as3cretbc"),
        ("$$", "$"),
        ("$${PW}", "${PW}"),
        ("$$${PW}", "$s3cret"),
        ("$PW$", "$PW$"),
        ("${ABSENT:-a:-b$$}", "a:-b$$"),
        ("${TRICK}", "${PW}$$"),
    ],
)
@pytest.mark.parametrize("name", ["audit.yaml", "audit.toml"])
def test_variables_in_a_file(load, name, text, expected):
    """
    As a shell has them; what they bring along is not looked at again.
    """
    environ = {"PW": "s3cret", "EMPTY": "", "TRICK": "${PW}$$"}
    value = f'"{text}"'
    content = (
        f"clusters: [{{id: a, name: {value}, bootstrapServers: 'h:1'}}]"
        if name == "audit.yaml"
        else f'[[clusters]]\nid = "a"\nname = {value}\n'
        'bootstrapServers = "h:1"'
    )

    config = load(content, name, environ)

    assert (expected or "a") == config.clusters[0].name


def test_variables_in_a_list(load):
    """
    Each of its texts.
    """
    config = load(
        "clusters: [{id: a, bootstrapServers: ['${A}', '${B:-b:2}']}]",
        environ={"A": "a:1"},
    )

    assert config.clusters[0].bootstrap_servers == ("a:1", "b:2")


def test_variables_in_a_file_before_those_of_the_environment(load):
    """
    A setting that the environment has wins.
    """
    config = load(
        "codec: '${CODEC}'",
        environ={"CODEC": "conduktor", "AUDITLOG_CODEC": "cloudevents"},
    )

    assert config.codec == "cloudevents"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("${DB_PASSWORD}", "needs DB_PASSWORD, which is not set"),
        ("${p4ss}", "needs a variable, which is not set"),
        ("${DB-PASSWORD}", "holds a ${ that begins no ${NAME}"),
        ("${p4ss", "holds a ${ that begins no ${NAME}"),
        ("${A:-${B}", "holds a ${ that begins no ${NAME}"),
        ("${}", "holds a ${ that begins no ${NAME}"),
    ],
)
def test_wrong_variables(mistakes, text, wrong):
    """
    Each is told, with nothing that may be a password.
    """
    found = mistakes(
        f"database: {{url: '{URL.format(text)}'}}", environ={"B": "b"}
    )

    assert (
        f"{wrong}; write a $ itself as $$ @ database.url (in audit.yaml)"
        == found[0]
    )
    assert "p4ss" not in str(found)


def test_mapping_has_no_variables():
    """
    It comes from a program, which replaced them or didn't mean any.
    """
    literal = {"database": {"url": URL.format("$$")}}
    config = AuditLogConfig.from_mapping(literal, {"PW": "x"})
    with pytest.raises(ConfigError) as caught:
        AuditLogConfig.from_mapping(
            {"database": {"url": URL.format("${PW}")}}, {"PW": "x"}
        )

    assert config.database.url.reveal() == URL.format("$$")
    assert caught.value.mistakes == (
        "holds ${, which only files may @ database.url (in the mapping)",
    )


@given(st.text(alphabet="${}:-AB_ x"), st.text(alphabet="${}:-AB"))
def test_any_text_with_dollars(text, value):
    """
    Comes out as it is where there is no dollar, and never raises.
    """
    replaced, wrong = replace_variables(text, {"A": value})

    if "$" not in text:
        assert (text, []) == (replaced, wrong)
    if "${" not in text.replace("$$", ""):
        assert (text.replace("$$", "$"), []) == (replaced, wrong)
