//! The process table of one body, read inside it, and which of its processes is meant. Pure.
//!
//! Processes are told by parentage and by their own program, never by a word somewhere in a command
//! line: a shell that looks for `patroni` is not Patroni.

use crate::model::scenario::Process;

/// One process, numbered as the body numbers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessEntry {
    /// Number.
    pub pid: u32,
    /// Number of its parent; 0 when that is outside the body.
    pub parent: u32,
    /// State letter.
    pub state: char,
    /// When it started, in ticks since boot: together with the number it names one process for ever.
    pub started: u64,
    /// Name of the program as the kernel keeps it, 15 characters at most.
    pub program: String,
    /// Arguments; PostgreSQL writes what it does into the first.
    pub arguments: Vec<String>,
}

/// The program that prints the table: one process, whatever else the image lacks.
pub const PRINT_PROCESSES: &str = "exec head -v -c 1000 /proc/[0-9]*/stat /proc/[0-9]*/cmdline";

/// Reads what [`PRINT_PROCESSES`] printed; processes that ended meanwhile are left out.
#[must_use]
pub fn parse(printed: &str) -> Vec<ProcessEntry> {
    let mut entries: Vec<ProcessEntry> = Vec::new();
    for part in printed.split("==> /proc/").skip(1) {
        let Some((path, content)) = part.split_once(" <==\n") else { continue };
        let Some((pid, file)) = path.split_once('/') else { continue };
        let Ok(pid) = pid.parse::<u32>() else { continue };
        match file {
            "stat" => entries.extend(stat(pid, content)),
            "cmdline" => {
                if let Some(entry) = entries.iter_mut().find(|entry| entry.pid == pid) {
                    // head puts an empty line between two files
                    let content = content.strip_suffix('\n').unwrap_or(content);
                    entry.arguments = content
                        .split('\0')
                        .map(|word| word.trim().to_owned())
                        .filter(|word| !word.is_empty())
                        .collect();
                }
            }
            _ => {}
        }
    }
    entries.sort_by_key(|entry| entry.pid);
    entries
}

/// One line of `/proc/<pid>/stat`. The program's name may contain anything: it ends at the last parenthesis.
fn stat(pid: u32, line: &str) -> Option<ProcessEntry> {
    let (before, after) = line.trim_end().rsplit_once(')')?;
    let program = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    Some(ProcessEntry {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        state: fields.first()?.chars().next()?,
        started: fields.get(19)?.parse().ok()?,
        program,
        arguments: Vec::new(),
    })
}

/// The process that is meant, in a body whose Patroni has this scope; the oldest when several are.
/// `application` is the role whose client backends count.
#[must_use]
pub fn pick<'a>(
    table: &'a [ProcessEntry],
    which: Process,
    scope: &str,
    application: &str,
) -> Option<&'a ProcessEntry> {
    let meant = |entry: &&ProcessEntry| match which {
        Process::Patroni => is_patroni(table, entry),
        Process::Postmaster => is_postmaster(table, entry),
        Process::Walreceiver => {
            title(table, entry, scope).is_some_and(|title| title.split(' ').next() == Some("walreceiver"))
        }
        Process::Backend => title(table, entry, scope).is_some_and(|title| {
            let mut words = title.split(' ');
            // role, database, address(port), what it does
            let role = words.next() == Some(application);
            role && words.nth(1).is_some_and(|from| from.ends_with(')') && from.contains('('))
        }),
        Process::Etcd => runs(entry, "etcd"),
        Process::Haproxy => runs(entry, "haproxy"),
        Process::Controller => runs(entry, "pgha"),
    };
    table.iter().filter(|entry| entry.state != 'Z').filter(meant).min_by_key(|entry| entry.started)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether this program runs as the body's service: its first process, or a child of it.
fn runs(entry: &ProcessEntry, program: &str) -> bool {
    entry.program == program && (entry.pid == 1 || entry.parent == 1)
}

/// Patroni is a Python script that the body's first process started.
fn is_patroni(table: &[ProcessEntry], entry: &ProcessEntry) -> bool {
    // nixpkgs runs a Python script under this name, and calls a program that finds its libraries `patroni`
    let named = |word: &str| matches!(base(word), "patroni" | ".patroni-wrapped");
    let script = entry.arguments.iter().take(2).any(|word| named(word));
    let child = table.iter().find(|parent| parent.pid == entry.parent);
    script && (entry.pid == 1 || child.is_some_and(|parent| parent.pid == 1))
}

/// The postmaster is the `postgres` that runs on a data directory and is nobody's backend. One that
/// only replays a crashed directory (`--single`) is none.
fn is_postmaster(table: &[ProcessEntry], entry: &ProcessEntry) -> bool {
    let server = entry.program == "postgres"
        && entry.arguments.first().is_some_and(|word| base(word) == "postgres")
        && entry.arguments.iter().any(|word| word == "-D" || word.starts_with("-D"))
        && !entry.arguments.iter().any(|word| word == "--single");
    let parent = table.iter().find(|parent| parent.pid == entry.parent);
    server && parent.is_none_or(|parent| parent.program != "postgres")
}

/// What a child of the postmaster says it does, without the name of the cluster.
fn title<'a>(table: &[ProcessEntry], entry: &'a ProcessEntry, scope: &str) -> Option<&'a str> {
    let parent = table.iter().find(|parent| parent.pid == entry.parent)?;
    if entry.program != "postgres" || !is_postmaster(table, parent) {
        return None;
    }
    let title = entry.arguments.first()?.strip_prefix("postgres: ")?;
    Some(title.strip_prefix(scope).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `head` prints of these processes: number, parent, state, name, arguments.
    fn printed(processes: &[(u32, u32, char, &str, &[&str])]) -> String {
        let mut files = Vec::new();
        for (pid, parent, state, name, _) in processes {
            files.push(format!(
                "==> /proc/{pid}/stat <==\n{pid} ({name}) {state} {parent} 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 {} 1 1\n",
                1000 + pid
            ));
        }
        for (pid, .., arguments) in processes {
            let words = arguments.iter().fold(String::new(), |words, word| words + word + "\0");
            files.push(format!("==> /proc/{pid}/cmdline <==\n{words}"));
        }
        files.join("\n")
    }

    fn replica() -> Vec<ProcessEntry> {
        parse(&printed(&[
            (1, 0, 'S', "tini", &["/usr/bin/tini", "--", "/usr/bin/patroni", "/etc/pgha/patroni.json"]),
            (7, 1, 'S', "patroni", &["/usr/bin/python3", "/usr/bin/patroni", "/etc/pgha/patroni.json"]),
            (40, 1, 'S', "postgres", &["/usr/local/lib/postgresql/postgres", "-D", "/data/postgres"]),
            (45, 40, 'S', "postgres", &["postgres: demo: checkpointer "]),
            (46, 40, 'S', "postgres", &["postgres: demo: walreceiver streaming 0/5000060"]),
            (47, 40, 'S', "postgres", &["postgres: demo: postgres postgres [local] idle"]),
            (48, 40, 'S', "postgres", &["postgres: demo: pgha pgha 198.18.0.14(40222) walreceiver"]),
            (90, 0, 'R', "sh", &["sh", "-c", "grep -r patroni postgres -D walreceiver"]),
            (91, 90, 'R', "grep", &["grep", "patroni", "/usr/bin/patroni"]),
        ]))
    }

    fn picked(table: &[ProcessEntry], which: Process) -> Option<u32> {
        pick(table, which, "demo", "pgha").map(|entry| entry.pid)
    }

    #[test]
    fn each_process_is_told_by_parentage_and_program() {
        let table = replica();
        assert_eq!(picked(&table, Process::Patroni), Some(7));
        assert_eq!(picked(&table, Process::Postmaster), Some(40));
        assert_eq!(picked(&table, Process::Walreceiver), Some(46));
        assert_eq!(picked(&table, Process::Backend), Some(48));
        assert_eq!(picked(&table, Process::Etcd), None);
        assert_eq!(table[0].started, 1001);
    }

    #[test]
    fn one_that_is_not_there_is_nobody_else() {
        let mut table = replica();
        table.retain(|entry| entry.pid != 46 && entry.pid != 48);
        assert_eq!(picked(&table, Process::Walreceiver), None);
        assert_eq!(picked(&table, Process::Backend), None);
        table.retain(|entry| entry.pid != 7);
        assert_eq!(picked(&table, Process::Patroni), None);
    }

    #[test]
    fn a_service_that_is_its_bodys_first_process_is_found() {
        let table = parse(&printed(&[
            (1, 0, 'S', "etcd", &["/usr/bin/etcd", "--config-file", "/etc/pgha/etcd.json"]),
            (30, 0, 'S', "etcd", &["etcd", "--version"]),
        ]));
        assert_eq!(picked(&table, Process::Etcd), Some(1));
    }

    #[test]
    fn the_program_of_a_controller_is_found_and_a_probe_of_it_is_not() {
        let table = parse(&printed(&[
            (1, 0, 'S', "pgha", &["/usr/bin/pgha", "controller", "repair"]),
            (30, 0, 'S', "pgha", &["pgha", "--version"]),
        ]));
        assert_eq!(picked(&table, Process::Controller), Some(1));
        assert_eq!(picked(&table[1..], Process::Controller), None);
    }

    #[test]
    fn a_script_that_nixpkgs_wrapped_is_known() {
        let script = "/nix/store/abc-patroni-4.1.0/bin/.patroni-wrapped";
        let table = parse(&printed(&[
            (1, 0, 'S', "tini", &["/usr/bin/tini", "--", "/usr/bin/patroni", "/etc/pgha/patroni.json"]),
            (
                7,
                1,
                'S',
                "patroni",
                &["/nix/store/abc-python3/bin/python3.13", script, "/etc/pgha/patroni.json"],
            ),
        ]));
        assert_eq!(picked(&table, Process::Patroni), Some(7));
    }

    #[test]
    fn the_dead_and_the_garbled_are_nobody() {
        let table = parse(&printed(&[(1, 0, 'Z', "haproxy", &[])]));
        assert_eq!(picked(&table, Process::Haproxy), None);
        for text in ["", "==> /proc/", "==> /proc/x/stat <==\n", "==> /proc/1/stat <==\n1 (a", "\0\0"] {
            assert_eq!(parse(text), []);
        }
    }

    #[test]
    fn a_name_may_contain_anything() {
        let table = parse(&printed(&[(5, 1, 'T', "a) S (b", &["x"])]));
        assert_eq!((table[0].program.as_str(), table[0].state, table[0].parent), ("a) S (b", 'T', 1));
    }
}
