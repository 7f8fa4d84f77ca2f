//! What does not fit together, or into the body: sums with the numbers in the message.

use super::settings::{ProblemPlace, Settings, WrongSetting};
use crate::model::scaling::memory_step;
use crate::model::{Bytes, LabSpec};

/// What PostgreSQL takes at least for a session that does nothing: seen of PostgreSQL 17, 1.25 MiB of private memory.
const POSTGRES_SESSION: u64 = 1 << 20;
/// Shared memory of one slot for a process besides its locks: measured of PostgreSQL 17 with `shared_memory_size`.
const SLOT: u64 = 24 << 10;
/// Shared memory of one lock a slot may hold, likewise.
const LOCK_MEMORY: u64 = 384;
/// One share of `shared_buffers` that is taken besides, for the headers of buffers: 1/64, likewise.
const HEADERS: u64 = 64;
/// What a process may use of its stack at most: the engine gives 8 MiB, and PostgreSQL keeps 512 kB of them.
const STACK: u64 = (8 << 20) - (512 << 10);
/// Settings that one operation of one session may use up.
const OPERATION_SETTINGS: [&str; 5] =
    ["work_mem", "maintenance_work_mem", "autovacuum_work_mem", "temp_buffers", "logical_decoding_work_mem"];
/// Buffers that are counted in banks of 16.
const BANKS: [&str; 7] = [
    "commit_timestamp_buffers",
    "multixact_member_buffers",
    "multixact_offset_buffers",
    "notify_buffers",
    "serializable_buffers",
    "subtransaction_buffers",
    "transaction_buffers",
];

/// What does not fit.
pub(super) fn wrong(settings: &Settings, spec: &LabSpec) -> Vec<WrongSetting> {
    if settings.catalogue.is_none() {
        return Vec::new();
    }
    let mut wrong: Vec<WrongSetting> =
        [reserved(settings), stack(settings), ring(settings)].into_iter().flatten().collect();
    wrong.extend(BANKS.iter().filter_map(|name| bank(settings, name)));
    wrong.extend(
        ["min_wal_size", "max_wal_size"].iter().filter_map(|name| two_segments(settings, spec, name)),
    );
    wrong.extend(
        ["min_wal_size", "max_wal_size", "wal_keep_size"]
            .iter()
            .filter_map(|name| disk(settings, spec, name)),
    );
    wrong.extend(OPERATION_SETTINGS.iter().filter_map(|name| work(settings, spec, name)));
    wrong.extend(memory(settings, spec));
    wrong
}

/// The largest size an instance can have.
fn most(spec: &LabSpec) -> (Bytes, Bytes) {
    let postgres = &spec.postgres;
    if spec.sizes_move() {
        (postgres.memory.max, postgres.disk.max)
    } else {
        (postgres.memory.start, postgres.disk.start)
    }
}

fn reserved(settings: &Settings) -> Option<WrongSetting> {
    let names = ["superuser_reserved_connections", "reserved_connections"];
    let [for_superusers, others] = names.map(|name| settings.number_or_boot(name));
    let most = settings.number("max_connections").unwrap_or(100.0);
    if for_superusers + others < most {
        return None;
    }
    let message = format!(
        "{for_superusers} and {others} reserved connections of {most} leave none for clients: PostgreSQL would not start"
    );
    let places =
        ["max_connections", names[0], names[1]].map(|name| ProblemPlace::Value(name.to_owned())).to_vec();
    Some(WrongSetting::new(
        places,
        message,
        "superuser_reserved_connections + reserved_connections < max_connections",
    ))
}

fn stack(settings: &Settings) -> Option<WrongSetting> {
    let wanted = settings.bytes("max_stack_depth").filter(|wanted| *wanted > STACK)?;
    let message = format!(
        "`max_stack_depth` = {} is more than {}, which is what a stack of 8MiB leaves: PostgreSQL would not start",
        Bytes(wanted),
        Bytes(STACK)
    );
    Some(WrongSetting::value("max_stack_depth", message, "\"7680kB\" or less"))
}

/// PostgreSQL: `check_vacuum_buffer_usage_limit`.
fn ring(settings: &Settings) -> Option<WrongSetting> {
    let wanted = settings.bytes("vacuum_buffer_usage_limit")?;
    let message = "`vacuum_buffer_usage_limit` is 0, or 128kB and more: PostgreSQL would not start";
    (wanted != 0 && wanted < 128 << 10).then(|| {
        WrongSetting::value("vacuum_buffer_usage_limit", message, "\"256kB\" is the default of PostgreSQL 16")
    })
}

/// PostgreSQL: `check_slru_buffers`.
fn bank(settings: &Settings, name: &str) -> Option<WrongSetting> {
    let number = settings.number(name)?;
    let message = format!("`{name}` = {number} is no multiple of 16: PostgreSQL would not start");
    (number % 16.0 != 0.0).then(|| WrongSetting::value(name, message, "16, 32, 64, …"))
}

/// PostgreSQL: `"min_wal_size" must be at least twice "wal_segment_size"`.
fn two_segments(settings: &Settings, spec: &LabSpec, name: &str) -> Option<WrongSetting> {
    let (wanted, segment) = (settings.bytes(name)?, spec.postgres.wal_segment.0);
    if wanted >= 2 * segment {
        return None;
    }
    let message = format!(
        "`{name}` = {} is less than two WAL segments of {}: PostgreSQL would not start",
        Bytes(wanted),
        Bytes(segment)
    );
    let places = vec![ProblemPlace::Value(name.to_owned()), ProblemPlace::Path("postgres.wal-segment")];
    Some(WrongSetting::new(
        places,
        message,
        format!("\"{}MB\" or more, or a smaller wal-segment", Bytes(2 * segment).as_mib()),
    ))
}

/// WAL that is kept whatever comes must fit on the disk it is kept on.
fn disk(settings: &Settings, spec: &LabSpec, name: &str) -> Option<WrongSetting> {
    let (_, disk) = most(spec);
    let wanted = settings.bytes(name).filter(|wanted| *wanted > disk.0)?;
    let message =
        format!("`{name}` = {} of WAL on a disk of {disk} at most: the disk would fill first", Bytes(wanted));
    let places = vec![ProblemPlace::Value(name.to_owned()), ProblemPlace::Path("postgres.disk")];
    Some(WrongSetting::new(
        places,
        message,
        "less, or a larger disk; without it the lab derives it from the disk",
    ))
}

fn work(settings: &Settings, spec: &LabSpec, name: &str) -> Option<WrongSetting> {
    let (memory, _) = most(spec);
    let wanted = settings.bytes(name).filter(|wanted| *wanted > memory.0)?;
    let message = format!(
        "`{name}` = {} is more than the whole memory of an instance, {memory} at most: whoever used it would be killed",
        Bytes(wanted)
    );
    let places = vec![ProblemPlace::Value(name.to_owned()), ProblemPlace::Path("postgres.memory")];
    Some(WrongSetting::new(places, message, "less, or more memory"))
}

/// What shared memory is made of.
struct SharedMemory {
    buffers: u64,
    slots: u64,
    locks: u64,
    wal: u64,
}

impl SharedMemory {
    /// At least so much; PostgreSQL itself counts a little more.
    fn of(settings: &Settings, memory: Bytes) -> Self {
        let count = |name: &str| whole(settings.number_or_boot(name));
        let connections = settings.number("max_connections").map_or(100, whole);
        let buffers = settings.bytes("shared_buffers").unwrap_or(memory_step(memory).0 / 4);
        let others = [
            "max_worker_processes",
            "max_wal_senders",
            "autovacuum_max_workers",
            "max_prepared_transactions",
        ];
        Self {
            buffers,
            slots: connections + others.iter().map(|name| count(name)).sum::<u64>(),
            locks: count("max_locks_per_transaction"),
            wal: settings.bytes("wal_buffers").unwrap_or(0),
        }
    }

    fn sum(&self) -> u64 {
        let for_slots = self.slots.saturating_mul(SLOT + self.locks.saturating_mul(LOCK_MEMORY));
        (self.buffers + self.buffers / HEADERS).saturating_add(for_slots).saturating_add(self.wal)
    }

    fn words(&self) -> String {
        let besides = self.sum() - self.buffers;
        format!(
            "shared_buffers {}, {} for its headers and for {} processes",
            mib(self.buffers),
            mib(besides),
            self.slots
        )
    }
}

/// Shared memory against the least memory an instance can have, and with every session open against the most.
fn memory(settings: &Settings, spec: &LabSpec) -> Option<WrongSetting> {
    let least = if spec.sizes_move() { spec.postgres.memory.min } else { spec.postgres.memory.start };
    let places = |names: &[&str]| {
        let values = names.iter().map(|name| ProblemPlace::Value((*name).to_owned()));
        values.chain([ProblemPlace::Path("postgres.memory")]).collect::<Vec<_>>()
    };
    let shared = SharedMemory::of(settings, least);
    if shared.sum() > least.0 {
        let message = format!(
            "PostgreSQL's shared memory does not fit: {}, together {}, and an instance has {least}",
            shared.words(),
            mib(shared.sum())
        );
        let names = ["shared_buffers", "max_locks_per_transaction", "max_connections", "wal_buffers"];
        let hint =
            "a smaller number, or a larger memory; without shared_buffers it is a quarter of the memory";
        return Some(WrongSetting::new(places(&names), message, hint));
    }
    let (memory, _) = most(spec);
    let shared = SharedMemory::of(settings, memory);
    let connections = settings.number("max_connections").map_or(100, whole);
    let sessions = connections.saturating_mul(POSTGRES_SESSION);
    let sum = shared.sum().saturating_add(sessions);
    (sum > memory.0).then(|| {
        let message = format!(
            "{connections} sessions do not fit: {}, 1MiB for each session, together {}, and an instance has {memory} at most",
            shared.words(),
            mib(sum)
        );
        let room = memory.0.saturating_sub(shared.sum()) / POSTGRES_SESSION;
        let hint = format!("about {room} sessions fit, or a larger memory under [postgres]");
        WrongSetting::new(places(&["max_connections", "shared_buffers"]), message, hint)
    })
}

fn mib(bytes: u64) -> String {
    format!("{}MiB", bytes.div_ceil(1 << 20))
}

/// A number of things; a negative one is none.
fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count, far below 2^53 and no less than 0"
    )]
    let whole = number.max(0.0) as u64;
    whole
}
