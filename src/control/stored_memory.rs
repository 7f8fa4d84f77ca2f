//! What a repair controller writes down for the one that comes after it: one key of the store, with a version.

use serde::{Deserialize, Serialize};

use crate::decide::repair::StoredMemory;
use crate::model::Name;
use crate::model::store_keys::repair_key;

/// Version of the format.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WrittenValue<T> {
    schema: u32,
    kept: T,
}

/// Where it stands.
pub(super) fn key(lab: &Name) -> String {
    repair_key(lab.as_str(), "memory")
}

/// What is written.
pub(super) fn written(kept: &StoredMemory) -> Vec<u8> {
    // plain data: serialising it cannot fail
    serde_json::to_vec(&WrittenValue { schema: SCHEMA, kept }).unwrap_or_default()
}

/// What was written.
///
/// # Errors
/// Another version wrote it, or something else did.
pub(super) fn read(value: &[u8]) -> Result<StoredMemory, String> {
    let found: WrittenValue<serde_json::Value> = serde_json::from_slice(value)
        .map_err(|error| format!("it is not what a controller writes: {error}"))?;
    if found.schema != SCHEMA {
        return Err(format!("it has version {}, and this controller reads version {SCHEMA}", found.schema));
    }
    serde_json::from_value(found.kept).map_err(|error| format!("it cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mono;

    #[test]
    fn what_is_written_is_read_again() {
        let kept = StoredMemory { at: Mono(7), starts: vec![Mono(5)], ..StoredMemory::default() };
        assert_eq!(read(&written(&kept)), Ok(kept));
    }

    #[test]
    fn what_another_version_wrote_is_refused() {
        let newer = br#"{"schema":2,"kept":{"at":7}}"#;
        assert_eq!(read(newer), Err("it has version 2, and this controller reads version 1".to_owned()));
        assert!(read(b"torn").is_err_and(|why| why.starts_with("it is not what a controller writes")));
        assert!(read(br#"{"schema":1,"kept":{"at":"late"}}"#).is_err());
        // what an older one of this version did not know yet
        assert_eq!(
            read(br#"{"schema":1,"kept":{"at":7}}"#),
            Ok(StoredMemory { at: Mono(7), ..StoredMemory::default() })
        );
    }
}
