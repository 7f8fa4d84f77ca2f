//! Parameters against the lab as it comes: what is said of each, and that what is right is left alone.

use crate::spec::lab::{Layer, resolve};

/// What is said of a lab with these lines under `[postgres.parameters]`, and of nothing else.
fn said(lines: &str) -> String {
    said_of(&format!("[postgres.parameters]\n{lines}\n"))
}

fn said_of(file: &str) -> String {
    match resolve(&[Layer::built_in(), Layer::file("lab.toml", file)]) {
        Ok(_) => String::new(),
        Err(problems) => {
            // every problem has its place and says what would be right
            for problem in &problems.list {
                assert!(problem.span.is_some() && problem.hint.is_some(), "{problem}\n{file}");
                assert_eq!(problem.source_name(), "lab.toml", "{problem}\n{file}");
            }
            let line = |problem: &crate::spec::Problem| {
                format!("{problem} | {}\n", problem.hint.clone().unwrap_or_default())
            };
            problems.list.iter().map(line).collect()
        }
    }
}

/// Each is refused for this reason, and for no other.
fn refused(cases: &[(&str, &str)]) {
    for (lines, why) in cases {
        let said = said(lines);
        assert!(said.contains(why), "{lines}: {said}");
        assert_eq!(said.lines().count(), 1, "{lines}: {said}");
    }
}

#[test]
fn what_works_is_left_alone() {
    for lines in [
        "max_connections = 200",
        "shared_buffers = \"128MB\"\nwork_mem = \"4MB\"\nmaintenance_work_mem = \"64MB\"",
        "shared_buffers = \"2MB\"",
        "fsync = \"off\"\nsynchronous_commit = \"off\"\nfull_page_writes = false",
        "max_slot_wal_keep_size = -1",
        "max_wal_senders = 3\nmax_replication_slots = 4",
        "max_connections = 100\nsuperuser_reserved_connections = 0",
        "archive_mode = \"on\"\narchive_command = \"/bin/sleep 3600\"\narchive_timeout = \"30s\"",
        "shared_preload_libraries = \"pg_stat_statements, auto_explain\"\n\"pg_stat_statements.max\" = 10000",
        "\"auto_explain.log_min_duration\" = \"10s\"\n\"timescaledb.max_background_workers\" = 8",
        "wal_level = \"logical\"\nhot_standby = \"on\"\nwal_log_hints = \"on\"",
        "timezone = \"Europe/Berlin\"\nlog_timezone = \"UTC\"\nlc_messages = \"C\"",
        "statement_timeout = \"60s\"\nidle_in_transaction_session_timeout = \"10min\"",
        "log_line_prefix = \"%m [%p] \"\nlog_min_duration_statement = 500\nlog_checkpoints = true",
        "default_statistics_target = 100\nrandom_page_cost = 1.1\neffective_io_concurrency = 200",
        "huge_pages = \"try\"\njit = \"off\"\npassword_encryption = \"scram-sha-256\"",
        "max_wal_size = \"256MB\"\nmin_wal_size = \"80MB\"\nwal_keep_size = \"128MB\"",
        "restore_command = \"cp /data/archive/%f %p\"\nrecovery_min_apply_delay = \"5min\"",
    ] {
        assert_eq!(said(lines), "", "{lines}");
    }
}

#[test]
fn names_are_those_of_the_version() {
    refused(&[
        ("shared_bufers = \"128MB\"", "has no setting `shared_bufers` | did you mean `shared_buffers`?"),
        ("max_conections = 100", "did you mean `max_connections`?"),
        ("wal_keep_segments = 64", "called wal_keep_size since PostgreSQL 13"),
        ("checkpoint_segments = 32", "gone since PostgreSQL 9.5: max_wal_size"),
        ("io_method = \"worker\"", "PostgreSQL 18 has it"),
        ("pool_mode = \"transaction\"", "documentation of PostgreSQL 17"),
        ("\"pg_stat_statements.maximum\" = 5", "library `pg_stat_statements` has no setting"),
        ("\"a.b c\" = 1", "is no name of a setting"),
        ("server_version = \"17\"", "nobody sets it"),
        ("wal_segment_size = \"16MB\"", "wal-segment, under [postgres]"),
        ("pg_stat_statements.max = 10000", "in quotes: \"pg_stat_statements.max\""),
        ("max_connections = [100]", "takes one value"),
    ]);
    let forky = "[images]\nsuite = \"forky\"\npostgres = 18\n[postgres.parameters]\nio_method = \"worker\"\n";
    assert_eq!(said_of(forky), "");
}

#[test]
fn what_patroni_or_the_lab_owns_is_not_set() {
    refused(&[
        ("port = 5433", "Patroni sets it"),
        ("listen_addresses = \"*\"", "Patroni sets it"),
        ("synchronous_standby_names = \"*\"", "replication = \"sync\""),
        ("primary_conninfo = \"host=x\"", "Patroni sets it on every replica"),
        ("recovery_target_time = \"2026-01-01\"", "follows nobody"),
        ("hba_file = \"/etc/pg_hba.conf\"", "the lab writes pg_hba.conf"),
        ("data_directory = \"/var/lib/postgresql\"", "/data/postgres"),
        ("unix_socket_directories = \"/tmp\"", "/run/postgresql"),
        ("\"pgha.member\" = \"x\"", "the lab sets it"),
        ("wal_level = \"minimal\"", "no replica could follow"),
        ("hot_standby = false", "never ready"),
        ("logging_collector = true", "files that the lab does not read"),
        ("log_destination = \"csvlog\"", "stderr alone"),
        ("ssl = \"on\"", "no certificate"),
        ("huge_pages = \"on\"", "no huge pages"),
        ("password_encryption = \"md5\"", "nobody could log in"),
        ("default_transaction_read_only = \"on\"", "could not be made"),
        ("max_connections = 10", "less than Patroni takes, which would set 100"),
        ("max_replication_slots = 2", "less than Patroni takes"),
        ("max_locks_per_transaction = 10", "less than Patroni takes"),
    ]);
}

#[test]
fn libraries_files_programs_locales_and_zones_are_those_of_the_image() {
    refused(&[
        ("shared_preload_libraries = \"timescaledb\"", "library `timescaledb` is not in the image"),
        ("shared_preload_libraries = \"pg_stat_statements,pg_stat_kcache\"", "library `pg_stat_kcache`"),
        ("shared_preload_libraries = \"pg_stat_statement\"", "did you mean `pg_stat_statements`?"),
        ("session_preload_libraries = \"$libdir/plprofiler\"", "no session would begin"),
        ("local_preload_libraries = \"auto_explain\"", "no session would begin"),
        ("log_directory = \"/var/log/postgresql\"", "outside of what a body has"),
        ("ssl_cert_file = \"/etc/ssl/certs/ssl-cert-snakeoil.pem\"", "outside of what a body has"),
        ("log_directory = \"/data/../etc\"", "outside of what a body has"),
        (
            "archive_command = \"pgbackrest --stanza=main archive-push %p\"",
            "`pgbackrest` is not in the image",
        ),
        ("archive_command = \"/usr/local/bin/wal-g wal-push %p\"", "`wal-g` is not in the image"),
        ("archive_command = \"true\"\narchive_library = \"basic_archive\"", "both set"),
        ("lc_messages = \"en_US.UTF-8\"", "no such locale"),
        ("timezone = \"Europe/Berln\"", "did you mean `Europe/Berlin`?"),
        ("log_timezone = \"US/Eastern\"", "no such time zone"),
    ]);
}

#[test]
fn what_does_not_fit_is_said_with_the_sum() {
    refused(&[
        (
            "shared_buffers = \"8GB\"",
            "shared_buffers 8192MiB, 139MiB for its headers and for 221 processes, together 8331MiB, and an instance has 512MiB",
        ),
        ("max_connections = 1000", "1000 sessions do not fit: shared_buffers 128MiB"),
        ("max_connections = 262143", "for 262164 processes"),
        ("wal_buffers = \"500MB\"", "shared memory does not fit"),
        ("max_connections = 100\nsuperuser_reserved_connections = 100", "leave none for clients"),
        ("min_wal_size = \"16MB\"", "less than two WAL segments of 16MiB"),
        ("max_wal_size = \"16GB\"", "16GiB of WAL on a disk of 512MiB at most"),
        ("wal_keep_size = \"1GB\"", "the disk would fill first"),
        ("maintenance_work_mem = \"2GB\"", "2GiB is more than the whole memory of an instance, 512MiB"),
        ("max_stack_depth = \"100MB\"", "which is what a stack of 8MiB leaves"),
        ("vacuum_buffer_usage_limit = \"64kB\"", "0, or 128kB and more"),
        ("multixact_member_buffers = 17", "no multiple of 16"),
    ]);
    // more memory carries more
    let larger = "memory = \"4GiB\"\n";
    assert_eq!(said_of(&format!("[postgres]\n{larger}[postgres.parameters]\nmax_connections = 1000\n")), "");
    assert_eq!(
        said_of(&format!("[postgres]\n{larger}[postgres.parameters]\nshared_buffers = \"1GB\"\n")),
        ""
    );
}

#[test]
fn a_version_without_data_is_asked_for_what_holds_everywhere() {
    let head = "[images]\nsuite = \"sid\"\npostgres = 16\n[postgres.parameters]\n";
    assert_eq!(said_of(&format!("{head}no_such_setting = 1\n")), "");
    assert!(said_of(&format!("{head}port = 1\n")).contains("Patroni sets it"));
}
