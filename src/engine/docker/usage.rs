//! What a running container uses, as the engine counts it and as its own file system says.

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::{InspectContainerOptions, StatsOptionsBuilder};
use futures_util::StreamExt;
use futures_util::future::join3;

use super::connection::{Docker, EngineResult};
use crate::engine::cgroup::page_cache;
use crate::engine::clock;
use crate::engine::engine_error::EngineError;
use crate::model::Bytes;
use crate::model::scaling::{DiskUsage, Usage};

/// Block size, blocks free to anybody, blocks.
const DISK: [&str; 4] = ["/usr/bin/stat", "-f", "-c", "%S %a %b"];

/// What the engine counts, whichever version of cgroups it reads: nanoseconds in both, memory under other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UsageCounters {
    cpu_ns: u64,
    throttled_ns: u64,
    memory: Bytes,
}

impl UsageCounters {
    /// `None` for a container that does not run, of which nothing is counted.
    fn of(stats: &ContainerStatsResponse) -> Option<Self> {
        let (cpu, memory) = (stats.cpu_stats.as_ref()?, stats.memory_stats.as_ref()?);
        let cache = page_cache(|name| memory.stats.as_ref()?.get(name).copied());
        Some(Self {
            cpu_ns: cpu.cpu_usage.as_ref().and_then(|usage| usage.total_usage).unwrap_or(0),
            throttled_ns: cpu.throttling_data.as_ref().and_then(|data| data.throttled_time).unwrap_or(0),
            memory: Bytes(memory.usage?.saturating_sub(cache)),
        })
    }
}

impl Docker {
    /// What a running container uses; its disk is the file system at `data`.
    ///
    /// # Errors
    /// When the container does not exist or does not run. A disk that cannot be read is only missing.
    pub async fn usage(&self, container: &str, data: &str) -> EngineResult<Usage> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let mut stats = Box::pin(self.api.stats(container, Some(options)));
        // rates are differences: what is counted belongs to the instant in which it was
        let stats = async { (stats.next().await, clock::now()) };
        let inspected = self.api.inspect_container(container, None::<InspectContainerOptions>);
        let ((stats, at), inspected, disk) = join3(stats, inspected, self.disk(container, data)).await;
        let stats =
            stats.ok_or_else(|| EngineError::Refused("the engine has no statistics".to_owned()))??;
        let held = inspected?.host_config.unwrap_or_default();
        let counted = UsageCounters::of(&stats)
            .ok_or_else(|| EngineError::Refused(format!("container {container} does not run")))?;
        let nano_cpus = held.nano_cpus.filter(|cores| *cores > 0);
        Ok(Usage {
            at,
            container: container.to_owned(),
            cpu_ns: counted.cpu_ns,
            throttled_ns: counted.throttled_ns,
            memory: counted.memory,
            cores: nano_cpus.map(|cores| cores as f64 / 1e9),
            limit: held
                .memory
                .and_then(|limit| u64::try_from(limit).ok())
                .filter(|limit| *limit > 0)
                .map(Bytes),
            disk,
        })
    }

    /// How full the file system at `path` inside a container is.
    async fn disk(&self, container: &str, path: &str) -> Option<DiskUsage> {
        let mut command = DISK.map(str::to_owned).to_vec();
        command.push(path.to_owned());
        let said = self.exec(container, &command).await.ok().filter(|said| said.code == 0)?;
        parse(&said.stdout)
    }
}

fn parse(text: &str) -> Option<DiskUsage> {
    let mut numbers = text.split_whitespace().map(|word| word.parse::<u64>().ok());
    let (block, free, all) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some(DiskUsage { free: Bytes(block.checked_mul(free)?), size: Bytes(block.checked_mul(all)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(json: &str) -> Option<UsageCounters> {
        UsageCounters::of(&serde_json::from_str(json).expect("statistics of an engine"))
    }

    #[test]
    fn both_versions_of_cgroups_are_counted_alike() {
        let cpu = r#""cpu_stats": {"cpu_usage": {"total_usage": 7000000, "usage_in_usermode": 5000000},
            "throttling_data": {"periods": 9, "throttled_periods": 3, "throttled_time": 250000}}"#;
        // version 1 counts what is below a cgroup under names of its own, version 2 under the plain ones
        let one = r#""memory_stats": {"usage": 50000, "max_usage": 60000, "limit": 99999, "stats":
            {"cache": 9, "inactive_file": 1, "total_inactive_file": 6000, "total_active_file": 4000}}"#;
        let two = r#""memory_stats": {"usage": 50000, "limit": 99999, "stats":
            {"anon": 40000, "file": 10000, "inactive_file": 6000, "active_file": 4000}}"#;
        let wanted = UsageCounters { cpu_ns: 7_000_000, throttled_ns: 250_000, memory: Bytes(40_000) };
        for memory in [one, two] {
            assert_eq!(counted(&format!("{{{cpu}, {memory}}}")), Some(wanted), "{memory}");
        }
        assert_eq!(counted(r#"{"cpu_stats": {}, "memory_stats": {}}"#), None, "it does not run");
    }

    #[test]
    fn what_a_file_system_says_of_itself() {
        let seen = DiskUsage { free: Bytes(4096 * 10), size: Bytes(4096 * 100) };
        assert_eq!(parse("4096 10 100\n"), Some(seen));
        for text in ["", "4096 10", "4096 x 100", "18446744073709551615 2 2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
