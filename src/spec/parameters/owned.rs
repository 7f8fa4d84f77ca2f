//! Settings that are not a lab's to choose: Patroni writes them itself, or the lab lives by them.

use super::value::ReadValue;

/// Names nobody sets, and who does instead.
const OWNED: &[(&str, &str)] = &[
    (
        "listen_addresses",
        "Patroni sets it: an instance listens on its host's address, balancers on 5432 and 5433",
    ),
    ("port", "Patroni sets it: an instance listens on 15432, balancers on 5432 and 5433"),
    ("cluster_name", "Patroni sets it to its scope, the lab's name"),
    ("primary_conninfo", "Patroni sets it on every replica"),
    ("primary_slot_name", "Patroni sets it on every replica"),
    (
        "synchronous_standby_names",
        "Patroni sets it: replication = \"sync\" or \"quorum\", and sync-standbys, under [postgres]",
    ),
    ("recovery_target", "a replica that stops at a target follows nobody"),
    ("recovery_target_action", "a replica that stops at a target follows nobody"),
    ("recovery_target_inclusive", "a replica that stops at a target follows nobody"),
    ("recovery_target_lsn", "a replica that stops at a target follows nobody"),
    ("recovery_target_name", "a replica that stops at a target follows nobody"),
    ("recovery_target_time", "a replica that stops at a target follows nobody"),
    ("recovery_target_timeline", "Patroni sets it to \"latest\" on every replica"),
    ("recovery_target_xid", "a replica that stops at a target follows nobody"),
    ("config_file", "Patroni writes the file and names it"),
    ("data_directory", "the data is in the body's volume, /data/postgres"),
    ("hba_file", "the lab writes pg_hba.conf: its own addresses, scram-sha-256"),
    ("ident_file", "the lab writes pg_hba.conf, which maps no names"),
    ("external_pid_file", "the body's root is read-only, and Patroni keeps the number itself"),
    ("unix_socket_directories", "the lab sets it to /run/postgresql, where it asks every instance"),
    ("unix_socket_group", "the lab asks every instance over its socket, as the user postgres"),
    ("pgha.member", "the lab sets it: it says behind a balancer whom a client reached"),
    ("transaction_isolation", "it belongs to one transaction; default_transaction_isolation is the setting"),
    ("transaction_read_only", "it belongs to one transaction"),
    (
        "transaction_deferrable",
        "it belongs to one transaction; default_transaction_deferrable is the setting",
    ),
    ("role", "it belongs to one session"),
    ("session_authorization", "it belongs to one session"),
];

/// Settings of which one value keeps the lab from becoming ready or blinds it: name, the value, what it does, what helps.
const UNFIT: &[(&str, bool, &str, &str)] = &[
    ("hot_standby", false, "a replica that answers nobody is never ready", "Patroni keeps it on"),
    (
        "logging_collector",
        true,
        "what PostgreSQL says would go to files that the lab does not read",
        "take it out: logs are read from the body's stderr (`pgha logs`), and the check `log` judges them",
    ),
    ("ssl", true, "there is no certificate in the body, so PostgreSQL would not start", "take it out"),
    ("huge_pages", true, "a body has no huge pages, so PostgreSQL would not start", "huge_pages = \"try\""),
    ("bonjour", true, "PostgreSQL is built without Bonjour, so it would not start", "take it out"),
    (
        "default_transaction_read_only",
        true,
        "the lab's own role and database could not be made",
        "take it out, or set it for a role of your own",
    ),
];

/// What Patroni takes at least; below it Patroni sets its own value and says nothing (Patroni: `CMDLINE_OPTIONS`).
const PATRONI_MINIMA: &[(&str, f64, &str, &str)] = &[
    ("max_connections", 25.0, "25", "100"),
    ("max_wal_senders", 3.0, "3", "10"),
    ("wal_keep_size", 16.0, "16MB", "128MB"),
    ("max_locks_per_transaction", 32.0, "32", "64"),
    ("max_replication_slots", 4.0, "4", "10"),
    ("max_worker_processes", 2.0, "2", "8"),
];

/// Names of earlier versions, and what is said instead.
const RENAMED_SETTINGS: &[(&str, &str)] = &[
    ("checkpoint_segments", "gone since PostgreSQL 9.5: max_wal_size"),
    ("db_user_namespace", "gone since PostgreSQL 17"),
    ("default_with_oids", "gone since PostgreSQL 12"),
    ("force_parallel_mode", "called debug_parallel_query since PostgreSQL 16"),
    ("lc_collate", "fixed when the cluster is founded: C.UTF-8"),
    ("lc_ctype", "fixed when the cluster is founded: C.UTF-8"),
    ("max_fsm_pages", "gone since PostgreSQL 8.4"),
    ("old_snapshot_threshold", "gone since PostgreSQL 17"),
    ("operator_precedence_warning", "gone since PostgreSQL 14"),
    ("promote_trigger_file", "gone since PostgreSQL 16, and Patroni promotes"),
    ("replacement_sort_tuples", "gone since PostgreSQL 11"),
    ("sql_inheritance", "gone since PostgreSQL 10"),
    ("ssl_renegotiation_limit", "gone since PostgreSQL 9.5"),
    ("standby_mode", "gone since PostgreSQL 12, and Patroni decides who follows"),
    ("stats_temp_directory", "gone since PostgreSQL 15: statistics are in shared memory"),
    ("trace_recovery_messages", "gone since PostgreSQL 17"),
    ("trigger_file", "gone since PostgreSQL 12, and Patroni promotes"),
    ("unix_socket_directory", "the lab sets unix_socket_directories"),
    ("vacuum_cleanup_index_scale_factor", "gone since PostgreSQL 14"),
    ("vacuum_defer_cleanup_age", "gone since PostgreSQL 16"),
    ("wal_keep_segments", "called wal_keep_size since PostgreSQL 13, a size: \"128MB\""),
];

fn find<'a>(table: &'a [(&str, &'a str)], name: &str) -> Option<&'a str> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, why)| *why)
}

/// Who sets a name that is nobody's to set; also names that this version has not.
pub(super) fn owner(name: &str) -> Option<&'static str> {
    find(OWNED, name)
}

/// What became of a name of earlier versions.
pub(super) fn gone(name: &str) -> Option<&'static str> {
    find(RENAMED_SETTINGS, name)
}

/// Why a value that PostgreSQL would take is none for a lab, and what helps.
pub(super) fn unfit(name: &str, value: &ReadValue) -> Option<(String, String)> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    let on = match value {
        ReadValue::Truth(truth) => Some(*truth),
        ReadValue::Text(text) if text == "on" || text == "true" => Some(true),
        _ => None,
    };
    if let Some((_, _, why, hint)) = UNFIT.iter().find(|(known, bad, ..)| is(known) && on == Some(*bad)) {
        return Some((format!("`{name}`: {why}"), (*hint).to_owned()));
    }
    if let (ReadValue::Number(number), Some((_, least, shown, default))) =
        (value, PATRONI_MINIMA.iter().find(|(known, ..)| is(known)))
        && number < least
    {
        let message =
            format!("`{name}` is less than Patroni takes, which would set {default} instead and not say so");
        return Some((message, format!("{shown} or more")));
    }
    match value {
        ReadValue::Text(level) if is("wal_level") && level == "minimal" => Some((
            "`wal_level` = minimal: no replica could follow, and Patroni would set `replica` instead"
                .to_owned(),
            "\"replica\" or \"logical\"".to_owned(),
        )),
        ReadValue::Text(list) if is("log_destination") && !list.eq_ignore_ascii_case("stderr") => Some((
            "`log_destination`: the lab reads what PostgreSQL says from the body's stderr alone".to_owned(),
            "take it out".to_owned(),
        )),
        ReadValue::Text(method) if is("password_encryption") && method == "md5" => Some((
            "`password_encryption` = md5: pg_hba.conf of the lab asks for scram-sha-256, nobody could log in"
                .to_owned(),
            "take it out: \"scram-sha-256\" is the default".to_owned(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parameters::catalogue;

    #[test]
    fn every_name_of_the_tables_is_one_of_postgresql_or_of_an_earlier_one() {
        let known = |name: &str| catalogue::all().iter().any(|catalogue| catalogue.setting(name).is_some());
        let of_session = ["role", "session_authorization", "pgha.member"];
        for (name, _) in OWNED {
            assert!(known(name) || of_session.contains(name), "{name}");
        }
        let truths = UNFIT.iter().map(|(name, ..)| *name);
        for name in truths.chain(PATRONI_MINIMA.iter().map(|(name, ..)| *name)) {
            assert!(known(name), "{name}");
        }
        for (name, _) in RENAMED_SETTINGS {
            assert!(!known(name), "{name} is there still");
        }
    }
}
