"""
``auditlog export``, ``convert``, ``tail``, ``show`` and ``stats`` on files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

from datetime import UTC, datetime
from pathlib import Path

import pytest

from click.testing import CliRunner

from auditlog import CSVExporter, JSONExporter, JSONLinesReader, SpoolSink
from auditlog.cli.commands import auditlog
from auditlog.cli.day import make_day
from auditlog.cli.moments import moment
from auditlog.exporters import CSVReader, ParquetReader
from auditlog.profiles import PROFILES, profile_named
from auditlog.testing.contracts import make_record
from tests.cli_tools import bare
from tests.process_tools import DEADLINE, started


@pytest.fixture(scope="module")
def day():
    return make_day(60)


@pytest.fixture(scope="module")
def files(day, tmp_path_factory):
    """
    The same events as CSV and as JSON Lines.
    """
    folder = tmp_path_factory.mktemp("day")
    CSVExporter().export(day, folder / "day.csv")
    JSONExporter().export(day, folder / "day.jsonl.gz")
    JSONExporter().export(day, folder / "day.jsonl")
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch):
    """
    Run a command in an empty folder, and expect an exit code.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0, stdin=None, **environ):
        environ = {**bare(), "COLUMNS": "79", **environ}
        arguments = [*map(str, arguments)]
        result = CliRunner().invoke(
            auditlog, arguments, env=environ, input=stdin
        )
        assert code == result.exit_code, result.output
        return result

    return run


def process(*arguments, **options):
    """
    The command as a process of its own.
    """
    command = [sys.executable, "-m", "auditlog", *arguments]
    return started(command, **options)


# export and convert


def test_converting_there_and_back_gives_equal_events(run, files, day):
    """
    From CSV to JSON Lines, to Parquet and to CSV; the name says what it is.
    """
    run("convert", files / "day.csv", "events.jsonl.gz")
    run("convert", "events.jsonl.gz", "events.parquet")
    run("convert", "parquet:events.parquet", "again.csv")

    assert day == [r.event for r in JSONLinesReader("events.jsonl.gz")]
    assert day == [r.event for r in CSVReader("again.csv")]


@pytest.mark.parametrize("name", [*PROFILES])
def test_every_profile_is_a_format(run, files, day, name):
    """
    What a SIEM reads is written as the library writes it.
    """
    named = "jsonl" if name == "cloudevents" else name

    result = run("convert", files / "day.jsonl", "-", "--format", named)

    lines = [profile_named(name).line(event) for event in day]
    assert lines == result.stdout_bytes.splitlines()


def test_format_follows_the_name(run, files):
    """
    Without --format the suffix decides, and standard output is JSON Lines.
    """
    for name, start in (
        ("a.json", b"[\n{"),
        ("a.ndjson", b'{"specversion"'),
        ("a.csv", b"occurred_at,event_id,"),
        ("a.cef", b"CEF:0|"),
        ("a.leef", b"LEEF:2.0|"),
        ("a.csv.gz", b"\x1f\x8b"),
    ):
        run("export", files / "day.jsonl", "-o", name)
        assert Path(name).read_bytes().startswith(start)
    piped = run("export", files / "day.csv").stdout_bytes
    assert piped == (files / "day.jsonl").read_bytes()

    unknown = run("export", files / "day.csv", "-o", "a.xml", code=1)
    assert "say --format jsonl|json|csv|" in unknown.stderr
    assert not Path("a.xml").exists()


def test_table_options(run, files):
    """
    What only a table has is taken for CSV and refused for others.
    """
    options = ["--columns", "actor_id,event_type", "--delimiter", "semicolon"]
    options += ["--metadata-keys", "cluster", "--guard", "none"]

    result = run("convert", files / "day.csv", "-", "--format=csv", *options)
    refused = run("convert", files / "day.csv", "a.json", *options, code=1)

    header, *_ = result.stdout.splitlines()
    assert header == '"actor_id";event_type;metadata_cluster'
    assert "--columns" in refused.stderr
    assert "can't be said of json" in refused.stderr


def test_report(run, files):
    """
    The report goes to the standard error; as JSON it is what was asked for,
    unless the events are.
    """
    source = (files / "day.jsonl").read_bytes() + b"{}\nnonsense\n"
    Path("day.jsonl").write_bytes(source)

    told = run("export", "day.jsonl", "-o", "a.csv")
    quiet = run("export", "day.jsonl", "-o", "a.csv", "--quiet")
    asked = run("export", "day.jsonl", "-o", "a.csv", "--json")
    piped = run("export", "day.jsonl", "--json", "-n", "1")
    strict = run("export", "day.jsonl", "-o", "b.csv", "--strict", code=1)

    report = json.loads(asked.stdout)
    assert told.stdout == ""
    assert "60 events, " in told.stderr
    assert report["sha256"] in told.stderr
    assert ", first at day.jsonl:61" in told.stderr
    assert quiet.output == ""
    assert (report["rows"], sum(report["skipped"].values())) == (60, 2)
    assert "day.jsonl:62" in {e["place"] for e in report["skipped_first"]}
    assert len(piped.stdout.splitlines()) == 1
    assert json.loads(piped.stderr)["rows"] == 1
    assert "can't export day.jsonl:61" in strict.stderr
    assert not Path("b.csv").exists()


def test_parts(run, files, day):
    """
    A size makes several files, which the report names.
    """
    result = run(
        *("export", files / "day.csv", "-o", "a.jsonl.zst", "--json"),
        *("--max-file-bytes", "2k"),
    )
    told = run("export", files / "day.csv", "-o=b.csv", "--max-file-bytes=9k")
    wrong = run("export", files / "day.csv", "--max-file-bytes=2x", code=2)
    run("export", files / "day.csv", "-oc.parquet", "--max-file-bytes=9k")

    parts = json.loads(result.stdout)["parts"]
    read = [r.event for part in parts for r in JSONLinesReader(part["target"])]
    assert len(parts) > 1
    assert day == read
    assert "b-00002.csv: " in told.stderr
    assert "is no size; say 5000000 or 5M" in wrong.stderr
    tables = sorted(Path().glob("c-*.parquet"))
    assert len(tables) > 1
    assert day == [r.event for path in tables for r in ParquetReader(path)]


def test_no_overwrite(run, files):
    """
    A file that exists stays as it is, if that is asked for.
    """
    Path("a.csv").write_text("mine")

    result = run(
        *("export", files / "day.csv", "-o", "a.csv", "--no-overwrite"), code=1
    )

    assert result.stderr == (
        "can't write a.csv: it exists; leave --no-overwrite out to replace "
        "it\n"
    )
    assert Path("a.csv").read_text() == "mine"


# Which events


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (
            "--actor alice --actor bob",
            lambda e: e.actor.id in {"alice", "bob"},
        ),
        ("--type kafka.topic.*", lambda e: "Kafka.Topic" in e.event_type),
        ("--exclude-type *Browse", lambda e: "Browse" not in e.event_type),
        ("--resource topic/pay*", lambda e: e.resource.id == "payments"),
        ("--outcome denied", lambda e: e.outcome == "denied"),
        (
            "--outcome denied --outcome failure",
            lambda e: e.outcome in {"denied", "failure"},
        ),
        ("--tenant nobody", lambda e: False),
        ("--text INVALID_CONFIG", lambda e: e.code == "INVALID_CONFIG"),
        ("--since today", lambda e: False),
        ("--since yesterday --until today", lambda e: True),
        ("--until yesterday", lambda e: False),
        ("--where data.metadata.limit=500", lambda e: "limit" in e.metadata),
        ('--where data.metadata.limit="500"', lambda e: False),
        (
            "--where data.actor.id=bob --where data.actor.id=carol",
            lambda e: e.actor.id in {"bob", "carol"},
        ),
        (
            "--where data.actor.id=bob --where data.outcome=failure",
            lambda e: (e.actor.id, e.outcome) == ("bob", "failure"),
        ),
    ],
)
def test_query_options(run, files, day, options, chosen):
    """
    The options of a query choose the same events for each command.
    """
    wanted = [str(e.event_id) for e in day if chosen(e)]
    options = options.split()

    exported = run("export", files / "day.jsonl", *options)
    tailed = run("tail", files / "day.csv", "-n99", "--json", *options)
    counted = run("stats", files / "day.csv", "--json", *options)

    for found in (exported, tailed):
        lines = map(json.loads, found.stdout.splitlines())
        assert wanted == [line["id"] for line in lines]
    assert len(wanted) == json.loads(counted.stdout)["events"]


def test_limit_order_and_last(run, files, day):
    """
    The first ones, the newest first, the last ones in their order.
    """
    ids = [str(event.event_id) for event in day]

    for options, wanted in (
        ("-n 3", ids[:3]),
        ("--limit 3 --order newest", ids[:-4:-1]),
        ("--last 3", ids[-3:]),
        ("-n 0", []),
    ):
        result = run("export", files / "day.jsonl", *options.split())
        lines = map(json.loads, result.stdout.splitlines())
        assert wanted == [line["id"] for line in lines]


NOW = datetime(2026, 1, 5, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("now", "2026-01-05T11:30:00+00:00"),
        ("today", "2026-01-05T00:00:00+00:00"),
        ("yesterday", "2026-01-04T00:00:00+00:00"),
        ("90s", "2026-01-05T11:28:30+00:00"),
        ("15m", "2026-01-05T11:15:00+00:00"),
        ("2h", "2026-01-05T09:30:00+00:00"),
        ("7d", "2025-12-29T11:30:00+00:00"),
        ("1w", "2025-12-29T11:30:00+00:00"),
        ("2026-01-02", "2026-01-02T00:00:00+00:00"),
        ("2026-01-02T08:15", "2026-01-02T08:15:00+00:00"),
        ("2026-01-02 08:15:30.5Z", "2026-01-02T08:15:30.500000+00:00"),
        ("2026-01-02T08:15+01:00", "2026-01-02T08:15:00+01:00"),
        ("1767610800000", "2026-01-05T11:00:00+00:00"),
    ],
)
def test_moments(text, time):
    """
    A time is absolute or relative, and UTC unless it says otherwise.
    """
    assert time == moment(text, NOW).isoformat()


@pytest.mark.parametrize("text", ["", "soon", "3 pm", "999999w", "1e9", "-1d"])
def test_what_is_no_time_is_a_wrong_use(run, files, text):
    """
    What a time may be is said, with exit code 2.
    """
    result = run("tail", files / "day.csv", "--since", text, code=2)

    assert "is no time; say today, yesterday, now" in result.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--where=data.limit", "has no '='; say PATH=VALUE"),
        ("--where=data..limit=1", "is no path"),
        ("--outcome=succes", "'success'"),
        ("--actr=alice", "'--actor'"),
    ],
)
def test_wrong_options_are_a_wrong_use(run, files, option, said):
    """
    A mistake in an option is told with the way out, with exit code 2.
    """
    result = run("export", files / "day.csv", option, code=2)

    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_nearest_command(run):
    """
    A mistyped command is answered with the one that was meant.
    """
    assert "Did you mean 'export'?" in run("exprot", code=2).stderr


# Sources


def test_a_source_is_told_by_its_name_or_its_kind(run, files, day):
    """
    By suffix, or by kind before a colon, or - for the standard input.
    """
    shutil.copy(files / "day.csv", "table.txt")
    shutil.copy(files / "day.jsonl", "-odd.ndjson")
    data = (files / "day.jsonl").read_bytes()

    for source in ("csv:table.txt", "jsonl:-odd.ndjson", "./-odd.ndjson"):
        result = run("stats", source, "--json")
        assert len(day) == json.loads(result.stdout)["events"]
    for source in ("-", "jsonl:-"):
        result = run("stats", source, "--json", stdin=data + b"\n{}\n" + data)
        assert 2 * len(day) == json.loads(result.stdout)["events"]
        assert f", first at line {len(day) + 2}" in result.stderr
    refused = run("export", "-", "--order", "newest", code=1)
    assert "can't read standard input from its end" in refused.stderr


def test_line_without_end_is_passed_over(run, day, monkeypatch):
    """
    One line costs no more memory than its limit, and no other its place.
    """
    monkeypatch.setattr("auditlog.cli.stdin._MAX_LINE", 4096)
    long = b'{"id":"' + b"x" * 10_000 + b'"}\n'
    event = JSONExporter().dumps(day[:1]).encode()

    result = run("stats", "-", "--json", stdin=long + event + b"[]\n" + long)

    assert json.loads(result.stdout)["events"] == 1
    assert "2 passed over: longer than 16 MiB, first at line 1\n" in (
        result.stderr
    )
    assert ", first at line 3\n" in result.stderr


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("databse", "there is no source 'databse'; did you mean 'database'?"),
        ("topics:audit", "did you mean 'topic'?"),
        ("nonsense", "; a source is database, topic, spool, topic:["),
        ("known.txt", "can't tell what 'known.txt' holds by its name; say "),
        ("absent.csv", "can't read absent.csv: No such file or directory"),
        (".", "there is no spool in '.'"),
        ("database", "must be set, for instance CDK_DATABASE_URL"),
        ("topic", "no cluster is named"),
        ("topic:x/y", "known cluster IDs: none"),
        ("spool", "must be set (AUDITLOG_SPOOL_PATH)"),
        ("kafka://host:9092", "must be kafka://HOST:PORT/TOPIC"),
        ("kafka://:1/topic", "must be 'host:port,host:port'"),
        ("csv:known.txt --start 2h", "--start can be said of a topic only"),
        ("postgresql://h:x/db", "must name its hosts as host:port"),
        (None, "nothing is configured that could be read"),
    ],
)
def test_what_is_no_source(run, source, said):
    """
    A source that isn't one is told with what was meant, and exit code 1.
    """
    Path("known.txt").touch()

    result = run("tail", *(source.split() if source else []), code=1)

    assert said in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_files_need_no_settings(run, files):
    """
    Settings with mistakes keep nobody from reading a file.
    """
    wrong = {"CDK_DATABASE_URL": "c4n4ry"}

    run("stats", files / "day.csv", **wrong)
    result = run("stats", code=1, **wrong)

    assert "database.url (CDK_DATABASE_URL)" in result.stderr
    assert "c4n4ry" not in result.output


def test_spool(run):
    """
    A spool is read by its path and by the settings, also while it is held.
    """
    records = [make_record(metadata={"n": n}) for n in range(3)]
    settings = {"AUDITLOG_SPOOL_PATH": "spool"}
    with contextlib.closing(SpoolSink("spool")) as sink:
        sink.write(records)

        named = run("export", "./spool")
        meant = run("export", "spool", **settings)
        only = run("export", **settings)
        last = run("tail", "spool:spool", "--json", "-n", "1")

    bodies = [record.body for record in records]
    for result in (named, meant, only):
        assert bodies == result.stdout_bytes.splitlines()
    assert bodies[-1:] == last.stdout_bytes.splitlines()


# tail, show and stats


def test_tail(run, files, day):
    """
    The last ten, with time, outcome by sign and word, actor, type, resource.
    """
    result = run("tail", files / "day.csv")
    failed = run(
        *("tail", files / "day.csv", "--long", "-n", "1"),
        *("--outcome", "failure"),
    )
    coloured = run("tail", files / "day.csv", "--color", "always")

    lines = result.stdout.splitlines()
    last = day[-1]
    (update,) = (e for e in day if e.outcome == "failure")
    assert len(lines) == 10
    assert lines[-1].split() == [
        *f"{last.occurred_at:%Y-%m-%d %H:%M:%S}Z".split(),
        *("✓", "success", last.actor.id, last.event_type),
        f"topic/{last.resource.id}",
    ]
    assert failed.stdout.endswith(
        f"Kafka.Topic.Update           topic/payments (INVALID_CONFIG) "
        f"{update.reason} {update.request.source_ip} {update.event_id}\n"
    )
    assert " ✗ failure bob " in failed.stdout
    assert "\x1b" not in result.stdout
    assert "\x1b[32m✓ success\x1b[0m" in coloured.stdout


def test_tail_follows_no_file(run, files):
    """
    What can't be followed is told.
    """
    result = run("tail", "-f", files / "day.csv", code=1)

    assert "can't follow <CSVReader '" in result.stderr
    assert "name database or topic" in result.stderr


def test_show(run, files, day):
    """
    All that an event holds, for a person or as it is stored.
    """
    (update,) = (e for e in day if e.outcome == "failure")

    shown = run("show", update.event_id, files / "day.csv")
    stored = run("show", update.event_id, files / "day.jsonl", "--json")
    absent = run(
        "show", update.event_id, files / "day.csv", "--actor=x", code=1
    )

    lines = [line.split(maxsplit=2) for line in shown.stdout.splitlines()]
    assert lines[0] == ["✗", "failure", "Kafka.Topic.Update"]
    assert ["id", str(update.event_id)] in lines
    assert ["actor", "bob", "(user) Bob <bob@example.com>"] in lines
    assert ["change", "config.retention.ms", "604800000 → -2"] in lines
    assert ["metadata.cluster", "production"] in lines
    assert stored.stdout_bytes in (files / "day.jsonl").read_bytes()
    assert json.loads(stored.stdout)["id"] == str(update.event_id)
    assert f"no event {update.event_id} in " in absent.stderr


def test_stats(run, files, day):
    """
    Counts by what was asked for; what has no row is summed up.
    """
    told = run("stats", files / "day.csv")
    asked = run(
        *("stats", files / "day.csv", "--json", "--top", "2"),
        *("--by", "actor", "--by", "hour"),
    )

    found = json.loads(asked.stdout)
    actors, hours = found["by"]["actor"], found["by"]["hour"]
    assert told.stdout.startswith("60 events from ")
    for title in ("outcome", "event_type", "actor"):
        assert f"\n\n{title} " in told.stdout
    assert found["events"] == len(day)
    assert len(actors["groups"]) == 2
    assert sum(e["events"] for e in actors["groups"]) == (
        len(day) - actors["others"]["events"]
    )
    assert [e["value"] for e in hours["groups"]] == sorted(
        {f"{e.occurred_at:%Y-%m-%d %H:00}" for e in day}
    )
    assert (
        run("stats", files / "day.csv", "--actor=x").stdout == "No events.\n"
    )


# Ends


@pytest.mark.parametrize(
    "arguments",
    [("export",), ("tail", "-n", "99999"), ("tail", "--json", "-n", "99999")],
    ids=" ".join,
)
def test_closed_pipe_ends_quietly(arguments, day, tmp_path):
    """
    When the reader of the output leaves, the command ends as by SIGPIPE.
    """
    command, *options = arguments
    path = tmp_path / "many.jsonl"
    path.write_text(JSONExporter().dumps(day) * 50)

    with process(
        *(command, str(path), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()
        code = running.wait(DEADLINE)

    assert (code, said) == (141, "")


def test_pipe_that_is_closed_before_ends_quietly():
    """
    So does a command that prints a line, with nothing left to flush.
    """
    with process(
        *("config", "check"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        running.stdout.close()
        said = running.stderr.read()
        code = running.wait(DEADLINE)

    assert (code, said) == (141, "")


def test_interrupted_export_leaves_the_old_file(tmp_path):
    """
    Ctrl-C ends with 130, without a traceback and without half a file.
    """
    target = tmp_path / "a.csv"
    target.write_text("old")

    with process(
        *("export", "-", "-o", str(target)),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        # The pipe holds no more than 64 KiB: so it reads what is written.
        with contextlib.suppress(BrokenPipeError):
            running.stdin.write("{}\n" * 100_000)
            running.stdin.flush()
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
        code = running.wait(DEADLINE)

    assert code == 130
    assert said == f"interrupted; {target} is as it was\n"
    assert target.read_text() == "old"
    assert [target] == [*tmp_path.iterdir()]


def test_help_is_light():
    """
    No driver, no data frame and no table is imported to print the help.
    """
    code = (
        "import sys; from auditlog.cli.commands import auditlog\n"
        "try: auditlog(['export', '--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('psycopg', 'kafka', 'rich', 'pyarrow', 'pandas',\n"
        "       'msgspec', 'cattrs') if m in sys.modules])"
    )

    with started(
        [sys.executable, "-c", code], stdout=subprocess.PIPE
    ) as running:
        out, _ = running.communicate(timeout=DEADLINE)

    assert out.splitlines()[-1] == "[]"


def test_shell_completion(run):
    """
    Shells are told commands, options and files.
    """
    asked = {"_AUDITLOG_COMPLETE": "bash_complete", "COMP_CWORD": "1"}

    with process(
        stdout=subprocess.PIPE,
        env={**os.environ, **asked, "COMP_WORDS": "auditlog ex"},
    ) as running:
        out, _ = running.communicate(timeout=DEADLINE)

    assert "plain,export\n" in out
