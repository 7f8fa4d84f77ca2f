//! What a running container uses, as the engine counts it and as its own file system says.

use bollard::query_parameters::{InspectContainerOptions, StatsOptionsBuilder};
use futures_util::StreamExt;
use futures_util::future::join3;

use super::{Docker, EngineError, EngineResult};
use crate::engine::cgroup::page_cache;
use crate::engine::clock;
use crate::model::Bytes;
use crate::model::scaling::{DiskUsage, Usage};

/// Block size, blocks free to anybody, blocks.
const DISK: [&str; 4] = ["/usr/bin/stat", "-f", "-c", "%S %a %b"];

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
        let cpu = stats.cpu_stats.unwrap_or_default();
        let memory = stats.memory_stats.unwrap_or_default();
        let cache = page_cache(|name| memory.stats.as_ref()?.get(name).copied());
        let used = memory
            .usage
            .ok_or_else(|| EngineError::Refused(format!("container {container} does not run")))?;
        let nano_cpus = held.nano_cpus.filter(|cores| *cores > 0);
        Ok(Usage {
            at,
            container: container.to_owned(),
            cpu_ns: cpu.cpu_usage.and_then(|usage| usage.total_usage).unwrap_or(0),
            throttled_ns: cpu.throttling_data.and_then(|data| data.throttled_time).unwrap_or(0),
            memory: Bytes(used.saturating_sub(cache)),
            #[expect(clippy::cast_precision_loss, reason = "billionths of a few cores")]
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

    #[test]
    fn what_a_file_system_says_of_itself() {
        let seen = DiskUsage { free: Bytes(4096 * 10), size: Bytes(4096 * 100) };
        assert_eq!(parse("4096 10 100\n"), Some(seen));
        for text in ["", "4096 10", "4096 x 100", "18446744073709551615 2 2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
