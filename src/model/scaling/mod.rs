//! What the scaling controller deals in: what a body uses, what it is told about growing and shrinking, what an
//! operator wants.

mod policy;
mod resource;
mod usage;
mod wishes;

pub use super::store_keys::{resize_keys, scale_key};
pub use policy::{CountRule, ScalingPolicy, ScalingRule};
pub use resource::{Resource, amount, memory_step};
pub use usage::{CORES_MARGIN, Cores, DiskUsage, Usage, Usages};
pub use wishes::{CountWish, SizeWish};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::{Bytes, Span};

    fn told(text: &str) -> Result<ScalingPolicy, String> {
        ScalingPolicy::told(&serde_json::from_str(text).expect("a table"))
    }

    #[test]
    fn what_is_not_told_is_as_published() {
        let policy =
            told(r#"{"every": "1s", "memory": {"up-window": "2s", "min-step": "64MiB"}}"#).expect("a policy");
        assert_eq!((policy.every, policy.memory.up_window), (Span::secs(1), Span::secs(2)));
        assert_eq!((policy.memory.min_step, policy.memory.max_step), (Bytes::mib(64), Bytes::gib(32)));
        assert_eq!(policy.cpu, ScalingPolicy::default().cpu);
        assert_eq!(told("{}"), Ok(ScalingPolicy::default()));
    }

    #[test]
    fn a_policy_that_is_none_says_why() {
        let why = |text: &str| told(text).expect_err("no policy");
        insta::assert_snapshot!(why(r#"{"cpu": {"min-step": 0.0}}"#), @"cpu: `min-step` must be more than nothing and no more than `max-step`");
        insta::assert_snapshot!(why(r#"{"memory": {"up-percentile": 0}}"#), @"memory: percentiles are 1 to 100");
        insta::assert_snapshot!(why(r#"{"disk": {"min-free-share": 1.0}}"#), @"disk: `min-free-share` is a share: at least 0 and below 1");
        insta::assert_snapshot!(why(r#"{"instances": {"in-share": 0.0}}"#), @"instances: `in-share` is a share: more than 0 and at most 1");
        insta::assert_snapshot!(why(r#"{"every": "0s"}"#), @"`every` is a pause: it must be longer than nothing");
        assert!(why(r#"{"ram": 1}"#).contains("unknown field `ram`"));
    }

    #[test]
    fn memory_stands_on_the_published_steps() {
        let steps = [255, 256, 511, 512, 1023, 1024, 2048, 4095, 4096, 8191, 8192, 16_383, 16_384, 30_000];
        let on = steps.map(|mib| memory_step(Bytes::mib(mib)).as_mib());
        assert_eq!(on, [255, 256, 256, 512, 512, 1024, 2048, 2048, 4096, 4096, 8192, 8192, 16_384, 24_576]);
    }
}
