//! How long the disk under the lab's data takes to make a write last: the figure without which times of databases on two
//! machines cannot be compared.
//!
//! A script in the body of one instance writes blocks of 8 KiB over a small file in the volume, one after the other, and
//! times each `fdatasync`: this is how PostgreSQL writes WAL into a segment that it uses again. The file has no name while it is
//! written, so that nothing stays behind, whatever becomes of the script.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::lab::names;
use crate::lab::record::LabRecord;
use crate::model::Service;
use crate::model::body::DATA_PATH;
use crate::stats::Percentiles;

/// Two hundred writes, or as many as a second has room for; prints what each took, nanoseconds.
const SCRIPT: &str = r#"
import json, os, sys, time
path = os.path.join(sys.argv[1], ".pgha-fsync")
file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
os.unlink(path)
block = b"\0" * 8192
os.write(file, block * 64)
os.fsync(file)
took = []
end = time.monotonic() + 1
while len(took) < 200 and time.monotonic() < end:
    os.pwrite(file, block, len(took) % 64 * 8192)
    began = time.monotonic_ns()
    os.fdatasync(file)
    took.append(time.monotonic_ns() - began)
print(json.dumps(took))
"#;

/// A disk that hangs is a matter of the run, not of its beginning.
const LONGEST: Duration = Duration::from_secs(10);

/// Measures the volume of the lab's first instance, as entries of the record of the machine: none where it could not be
/// measured.
pub async fn measure(docker: &Docker, record: &LabRecord) -> BTreeMap<String, Value> {
    let Some((member, _)) = record.of(Service::Postgres).next() else { return BTreeMap::new() };
    let container = names::container(record.spec.name.as_str(), member.id.as_str());
    let command = ["python3", "-c", SCRIPT, DATA_PATH].map(str::to_owned);
    match clock::timeout(LONGEST, docker.exec(&container, &command)).await {
        Ok(Ok(output)) => read(&output.stdout),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the disk's fsync was not measured");
            BTreeMap::new()
        }
        Err(_) => BTreeMap::new(),
    }
}

/// What the script printed, as entries of the record of the machine.
fn read(printed: &str) -> BTreeMap<String, Value> {
    let took: Vec<u64> = serde_json::from_str(printed.trim()).unwrap_or_default();
    let number = took.len();
    let Some(took) = Percentiles::of_nanos(took) else { return BTreeMap::new() };
    BTreeMap::from([
        ("fsync_p50_ms".to_owned(), took.p50.into()),
        ("fsync_p99_ms".to_owned(), took.p99.into()),
        ("fsync_max_ms".to_owned(), took.max.into()),
        ("fsync_writes".to_owned(), number.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_prints_becomes_percentiles_and_nonsense_nothing() {
        let seen = read("[1000000, 1500000, 2000000]\n");
        let told: Vec<String> = seen.iter().map(|(key, value)| format!("{key} {value}")).collect();
        assert_eq!(told, ["fsync_max_ms 2.0", "fsync_p50_ms 1.5", "fsync_p99_ms 2.0", "fsync_writes 3"]);
        for nothing in ["", "[]", "python3: not found", "[-1]"] {
            assert_eq!(read(nothing), BTreeMap::new(), "{nothing}");
        }
    }
}
