-- Files of JSONExporter(profile="ocsf") to the folders of a custom source of
-- Amazon Security Lake: Parquet, one class of events for each source, sorted
-- by time. DuckDB runs this where audit.ocsf.jsonl is; upload the folder to
-- ext/ of the bucket.
COPY (
    SELECT
        * REPLACE (unmapped::VARCHAR AS unmapped),
        'eu-central-1' AS region,
        '123456789012' AS accountId,
        strftime(epoch_ms("time"), '%Y%m%d') AS eventDay
    FROM read_json(
        'audit.ocsf.jsonl',
        format = 'newline_delimited',
        maximum_object_size = 16777216,
        -- All that the class can have, so that each file has the same columns.
        columns = {
            activity_id: 'INTEGER',
            activity_name: 'VARCHAR',
            category_uid: 'INTEGER',
            class_uid: 'INTEGER',
            class_name: 'VARCHAR',
            type_uid: 'BIGINT',
            "time": 'BIGINT',
            severity_id: 'INTEGER',
            severity: 'VARCHAR',
            status_id: 'INTEGER',
            status: 'VARCHAR',
            status_code: 'VARCHAR',
            status_detail: 'VARCHAR',
            message: 'VARCHAR',
            metadata: 'STRUCT(
                version VARCHAR, profiles VARCHAR[],
                product STRUCT(name VARCHAR, vendor_name VARCHAR, version VARCHAR),
                uid VARCHAR, event_code VARCHAR, log_provider VARCHAR,
                original_time VARCHAR, logged_time BIGINT, sequence BIGINT,
                tenant_uid VARCHAR, correlation_uid VARCHAR,
                is_truncated BOOLEAN, untruncated_size BIGINT)',
            actor: 'STRUCT(
                "user" STRUCT(uid VARCHAR, name VARCHAR, email_addr VARCHAR,
                              type_id INTEGER, type VARCHAR),
                session STRUCT(uid VARCHAR))',
            src_endpoint: 'STRUCT(ip VARCHAR, name VARCHAR)',
            http_request: 'STRUCT(
                uid VARCHAR, http_method VARCHAR, user_agent VARCHAR,
                url STRUCT(url_string VARCHAR))',
            api: 'STRUCT(operation VARCHAR, service STRUCT(name VARCHAR))',
            resources: 'STRUCT(uid VARCHAR, name VARCHAR, type VARCHAR)[]',
            trace: 'STRUCT(uid VARCHAR)',
            raw_data_hash: 'STRUCT(
                algorithm VARCHAR, algorithm_id INTEGER, value VARCHAR)',
            raw_data: 'VARCHAR',
            -- Its members differ from event to event.
            unmapped: 'JSON'
        }
    )
    WHERE class_uid = 6003
    ORDER BY "time"
) TO 'auditlog-api-activity' (
    FORMAT parquet,
    COMPRESSION zstd,
    ROW_GROUP_SIZE 100000,
    PARTITION_BY (region, accountId, eventDay),
    OVERWRITE_OR_IGNORE
);
