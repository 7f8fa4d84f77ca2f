//! What the machine can do when a run begins: how long its disk takes to make a write last, and how long one core takes for
//! the password of one login. Without these, times of databases on two machines, or on two days, cannot be compared.
//!
//! A script in the body of one instance writes blocks of 8 KiB over a small file in the volume, one after the other, and
//! times each `fdatasync`: this is how PostgreSQL writes WAL into a segment that it uses again. The file has no name while it is
//! written, so that nothing stays behind, whatever becomes of the script. A login is the 4,096 rounds of SCRAM-SHA-256 (RFC
//! 7677), which every client pays that connects anew.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::lab::names;
use crate::lab::record::LabRecord;
use crate::model::Service;
use crate::model::body::DATA_PATH;
use crate::stats::Percentiles;

/// Two hundred writes, or as many as a second has room for, and twenty logins; prints what each took, nanoseconds.
const SCRIPT: &str = r#"
import hashlib, json, os, sys, time
path = os.path.join(sys.argv[1], ".pgha-fsync")
file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
os.unlink(path)
block = b"\0" * 8192
os.write(file, block * 64)
os.fsync(file)
took, logins = [], []
end = time.monotonic() + 1
while len(took) < 200 and time.monotonic() < end:
    os.pwrite(file, block, len(took) % 64 * 8192)
    began = time.monotonic_ns()
    os.fdatasync(file)
    took.append(time.monotonic_ns() - began)
for _ in range(20):
    began = time.monotonic_ns()
    hashlib.pbkdf2_hmac("sha256", b"password", b"0123456789abcdef", 4096)
    logins.append(time.monotonic_ns() - began)
print(json.dumps({"fsync": took, "login": logins}))
"#;

/// A disk that hangs is a matter of the run, not of its beginning.
const LONGEST: Duration = Duration::from_secs(10);

/// Measures in the body of the lab's first instance, as entries of the record of the machine: none where it could not.
pub async fn measure(docker: &Docker, record: &LabRecord) -> BTreeMap<String, Value> {
    let Some((member, _)) = record.of(Service::Postgres).next() else { return BTreeMap::new() };
    let container = names::container(record.spec.name.as_str(), member.id.as_str());
    let command = ["python3", "-c", SCRIPT, DATA_PATH].map(str::to_owned);
    match clock::timeout(LONGEST, docker.exec(&container, &command)).await {
        Ok(Ok(output)) => read(&output.stdout),
        Ok(Err(error)) => {
            tracing::warn!(%error, "disk and core were not measured");
            BTreeMap::new()
        }
        Err(_) => BTreeMap::new(),
    }
}

/// What the script prints, nanoseconds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Printed {
    fsync: Vec<u64>,
    login: Vec<u64>,
}

/// What the script printed, as entries of the record of the machine.
fn read(printed: &str) -> BTreeMap<String, Value> {
    let Printed { fsync, login } = serde_json::from_str(printed.trim()).unwrap_or_default();
    let mut entries: BTreeMap<String, Value> = BTreeMap::new();
    let mut add = |name: &str, value: Value| entries.insert(name.to_owned(), value);
    let writes = fsync.len();
    if let Some(took) = Percentiles::of_nanos(fsync) {
        add("fsync_p50_ms", took.p50.into());
        add("fsync_p99_ms", took.p99.into());
        add("fsync_max_ms", took.max.into());
        add("fsync_writes", writes.into());
    }
    if let Some(took) = Percentiles::of_nanos(login) {
        add("login_p50_ms", took.p50.into());
        add("login_max_ms", took.max.into());
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_prints_becomes_percentiles_and_nonsense_nothing() {
        let seen = read("{\"fsync\": [1000000, 1500000, 2000000], \"login\": [2000000]}\n");
        let told: Vec<String> = seen.iter().map(|(key, value)| format!("{key} {value}")).collect();
        assert_eq!(
            told,
            [
                "fsync_max_ms 2.0",
                "fsync_p50_ms 1.5",
                "fsync_p99_ms 2.0",
                "fsync_writes 3",
                "login_max_ms 2.0",
                "login_p50_ms 2.0"
            ]
        );
        for nothing in ["", "{}", "python3: not found", "{\"fsync\": [-1]}"] {
            assert_eq!(read(nothing), BTreeMap::new(), "{nothing}");
        }
    }
}
