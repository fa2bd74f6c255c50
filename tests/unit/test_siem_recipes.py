"""
The files in examples/siem/ parse, and fit what the exporter writes.
"""

from __future__ import annotations

import configparser
import datetime as dt
import fnmatch
import importlib.util
import json
import pathlib
import re
import socket
import threading
import xml.etree.ElementTree as ET

import attrs
import duckdb
import pytest
import yaml

from auditlog import codec
from auditlog.exporters import JSONExporter
from auditlog.profiles import GELF, PROFILES, profile_named
from tests import ecs_fields
from tests.siem_tools import DENIED, EXAMPLES, FULL, MINIMAL, long_event
from tests.unit.test_profile_schemas import ASIM


RECIPES = pathlib.Path(__file__).parents[2] / "examples" / "siem"
PAGES = pathlib.Path(__file__).parents[2] / "docs" / "how-to"


def recipe(name):
    return (RECIPES / name).read_text(encoding="utf-8")


def stanzas(name):
    """
    Splunk's files are read with names as they are, and no interpolation.
    """
    parser = configparser.RawConfigParser(delimiters=["="], strict=True)
    parser.optionxform = str
    parser.read_string(recipe(name))
    return {section: dict(parser[section]) for section in parser.sections()}


def profiled_files(text):
    """
    The kinds of files that a recipe watches, such as ``ecs.jsonl``.
    """
    return {*re.findall(r"/var/lib/auditlog/export/\*\.([\w.]+)", text)}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/*.*")), ids=str)
def test_each_recipe_is_on_a_page(path):
    """
    Nothing lies about that no page explains.
    """
    pages = [p.read_text("utf-8") for p in PAGES.glob("export-for-*.md")]
    name = path.relative_to(RECIPES).as_posix()

    assert any(f"examples/siem/{name}" in page for page in pages)


def test_splunk_finds_the_time_of_stored_bytes():
    """
    What ``TIMESTAMP_FIELDS`` and ``TIME_FORMAT`` name is in each body.
    """
    stanza = stanzas("splunk/props.conf")["auditlog:json"]
    body = json.loads(codec.encode(FULL))
    form = stanza["TIME_FORMAT"].replace("%6N", "%f")

    text = body[stanza["TIMESTAMP_FIELDS"]]
    found = dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)

    assert ("JSON", "none", "UTC") == (
        stanza["INDEXED_EXTRACTIONS"],
        stanza["KV_MODE"],
        stanza["TZ"],
    )
    assert FULL.occurred_at == found
    assert codec.MAX_BODY_BYTES < int(stanza["TRUNCATE"])


def test_splunk_reads_each_kind_of_file_once():
    """
    Each file that is watched has the stanza that its lines name.
    """
    props = stanzas("splunk/props.conf")
    inputs = stanzas("splunk/inputs.conf")

    line = profile_named("splunk-hec").convert(FULL)
    kinds = {stanza["sourcetype"] for stanza in inputs.values()}
    assert kinds == {*props}
    assert line["sourcetype"] in props
    assert "HEC" == props[line["sourcetype"]]["INDEXED_EXTRACTIONS"]
    assert {"hec.jsonl", "json.jsonl"} == {
        *map("".join, profiled_files(recipe("splunk/inputs.conf")))
    }


def test_filebeat_reads_objects_as_they_are():
    """
    The lines become the root of a document, and time and message stay.
    """
    config = yaml.safe_load(recipe("elastic/filebeat.yml"))
    (source,) = config["filebeat.inputs"]
    (parser,) = source["parsers"]

    assert "filestream" == source["type"]
    assert {"target": "", "overwrite_keys": True, "add_error_key": True} == (
        parser["ndjson"]
    )
    assert 10 * 2**20 == source["message_max_bytes"]
    assert {"ecs.jsonl"} == profiled_files(source["paths"][0])
    written = profile_named("ecs").convert(FULL)
    dropped = config["processors"][0]["drop_fields"]["fields"]
    assert set() == {*dropped} & {*written}
    (pattern,) = index_template()["index_patterns"]
    assert fnmatch.fnmatch(config["output.elasticsearch"]["index"], pattern)
    pipeline = json.loads(recipe("elastic/ingest-pipeline.json"))
    assert pipeline["processors"][0]["set"] == {
        "field": "_id",
        "copy_from": "event.id",
    }


def index_template():
    return json.loads(recipe("elastic/index-template.json"))


def test_elastic_maps_what_is_free_as_flattened():
    """
    Members that applications choose don't become fields by the thousand,
    and no value, however deep or long, makes Elasticsearch refuse an event.
    """
    properties = index_template()["template"]["mappings"]["properties"]
    own = properties["auditlog"]["properties"]
    written = set()
    for event in (*EXAMPLES.values(), long_event()):
        profile = profile_named("ecs")
        line = attrs.evolve(profile, max_line_bytes=4_096).line(event)
        written |= {*profile.convert(event).get("auditlog", ())}
        written |= {*json.loads(line).get("auditlog", ())}

    assert written <= {*own}
    for name in ("metadata", "changes"):
        assert "flattened" == own[name]["type"]
        assert own[name]["depth_limit"] > 64
        assert own[name]["ignore_above"] * 4 <= 32_766
    for name, field in properties["event"]["properties"].items():
        assert ecs_fields.FIELDS[f"event.{name}"] == field["type"]


def test_sentinel_has_a_column_for_each_member():
    """
    The stream declares what the profile writes, by types that fit.
    """
    rule = json.loads(recipe("sentinel/dcr.json"))["properties"]
    (declared,) = rule["streamDeclarations"].values()
    columns = {c["name"]: c["type"] for c in declared["columns"]}
    types = {str: {"string", "datetime"}, int: {"int"}, dict: {"dynamic"}}

    assert {*columns} == {*ASIM["properties"]}
    for event in EXAMPLES.values():
        for name, value in profile_named("asim").convert(event).items():
            assert columns[name] in types[type(value)]
            assert (columns[name] == "datetime") == (
                name.endswith("Time") or name == "TimeGenerated"
            )


def test_sentinel_rule_hangs_together():
    """
    The flow takes the stream that the files give, to where it is declared.
    """
    rule = json.loads(recipe("sentinel/dcr.json"))["properties"]
    (flow,) = rule["dataFlows"]
    (files,) = rule["dataSources"]["logFiles"]
    (target,) = rule["destinations"]["logAnalytics"]

    assert [*rule["streamDeclarations"]] == flow["streams"] == files["streams"]
    assert [target["name"]] == flow["destinations"]
    assert flow["outputStream"].endswith("_CL")
    assert {"asim.jsonl"} == profiled_files(files["filePatterns"][0])


def test_wazuh_reads_flat_lines():
    """
    The agent reads files of a profile whose lines are flat and short enough.
    """
    root = ET.fromstring(recipe("wazuh/ossec.conf"))
    source = root.find("localfile")
    profile = GELF(max_line_bytes=65_535)

    assert "json" == source.findtext("log_format")
    assert {"gelf.jsonl"} == profiled_files(source.findtext("location"))
    for event in (*EXAMPLES.values(), long_event()):
        members = json.loads(profile.line(event))
        assert {*map(type, members.values())} <= {str, int, float}
        assert len(members) < 256


def test_wazuh_rules_match_what_is_written():
    """
    Each field that a rule names is written, and each outcome has a rule.
    """
    root = ET.fromstring(recipe("wazuh/auditlog_rules.xml"))
    members = profile_named("gelf").convert(DENIED)
    rules = {rule.get("id"): rule for rule in root.findall("rule")}

    fields = {f.get("name"): f.text for f in root.iter("field")}
    assert {*fields} <= {*members}
    assert members["_outcome"] in "".join(
        f.text for f in rules["100202"].iter("field")
    )
    described = " ".join(root.itertext())
    names = {*re.findall(r"\$\((\w+)\)", described)}
    names |= {same.text for same in root.iter("same_field")}
    assert names <= {*members}
    parents = {
        e.text for e in root.iter() if e.tag in {"if_sid", "if_matched_sid"}
    }
    assert parents <= {*rules}
    assert all(100_000 <= int(rule) <= 120_000 for rule in rules)


def test_logstash_pipeline_is_well_formed():
    """
    Three sections, with braces that close, for files of one profile.
    """
    text = re.sub(r"#.*", "", recipe("elastic/logstash.conf"))
    bare = re.sub(r'"[^"]*"', '""', text)

    depth = 0
    for brace in re.findall(r"[{}]", bare):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert ["input", "filter", "output"] == re.findall(
        r"^(\w+) \{", bare, re.MULTILINE
    )
    assert {"ecs.jsonl"} == profiled_files(text)
    assert "%{[event][id]}" in text
    assert "id" in profile_named("ecs").convert(MINIMAL)["event"]


def test_rsyslog_takes_the_longest_line():
    """
    The limit is above what the profiles write, with room for a header.
    """
    text = recipe("syslog/rsyslog.conf")

    size = int(re.search(r'maxMessageSize="(\d+)k"', text)[1]) * 1_024
    assert {"cef", "leef"} == profiled_files(text)
    for name in ("cef", "leef"):
        assert profile_named(name).max_line_bytes + 1_024 <= size
        assert f".{name}" == PROFILES[name].suffix
    assert {"auditlog"} == {*re.findall(r'ruleset="(\w+)"', text)}
    assert 'ruleset(name="auditlog")' in text
    assert text.count("(") == text.count(")")
    assert text.count("{") == text.count("}")


def test_security_lake_gets_all_that_was_written(tmp_path, monkeypatch):
    """
    Each event of the class is in the folder of its day, with all members.
    """
    monkeypatch.chdir(tmp_path)
    users = {"keep_body": True}
    profile = attrs.evolve(profile_named("ocsf"), **users)
    given = [*EXAMPLES.values(), long_event()]
    JSONExporter(profile=profile).export(given, "audit.ocsf.jsonl")

    with duckdb.connect() as connection:
        connection.execute(recipe("security-lake/partitions.sql"))
        rows = connection.execute(
            "SELECT eventDay::VARCHAR, to_json(t)::VARCHAR FROM read_parquet("
            "'auditlog-api-activity/region=*/accountId=*/eventDay=*/*.parquet'"
            ", hive_partitioning = true, hive_types_autocast = false) t"
        ).fetchall()

    written = [profile.convert(event) for event in given]
    expected = [m for m in written if m["class_uid"] == 6003]
    found = [filled(json.loads(text)) for _, text in rows]
    assert sorted(map(key, expected)) == sorted(map(key, found))
    assert {"20241010", "00010103"} == {day for day, _ in rows}


def filled(row):
    """
    A row without its empty columns and what the folder's name says.
    """
    for name in ("region", "accountId", "eventDay"):
        row.pop(name)
    made = without_null(row)
    if "unmapped" in made:
        made["unmapped"] = json.loads(made["unmapped"])
    return made


def without_null(value):
    if isinstance(value, dict):
        return {k: without_null(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [*map(without_null, value)]
    return value


def key(members):
    return json.dumps(members, sort_keys=True)


def test_graylog_gets_each_line_as_a_message(tmp_path):
    """
    Each line arrives whole, ended by NUL, whatever is in it.
    """
    path = tmp_path / "audit.gelf.jsonl"
    JSONExporter(profile="gelf").export(EXAMPLES.values(), path)
    spec = importlib.util.spec_from_file_location(
        "send_gelf", RECIPES / "graylog" / "send_gelf.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        received = []
        reader = threading.Thread(target=read_all, args=(server, received))
        reader.start()
        count = module.send(str(path), *server.getsockname())
        reader.join(30)

    messages = b"".join(received).split(b"\0")
    expected = [profile_named("gelf").line(e) for e in EXAMPLES.values()]
    assert len(EXAMPLES) == count
    assert [*expected, b""] == messages


def read_all(server, received):
    connection, _ = server.accept()
    with connection:
        connection.settimeout(30)
        while data := connection.recv(65_536):
            received.append(data)
