//! Everything that looks at one instance, side by side.

use std::sync::Arc;

use futures_util::future::join4;
use tokio::sync::Notify;

use super::disk;
use super::instance::Instance;

/// Looks for ever; `wake` is told when the held connection ends or the answer changes in kind.
pub(super) async fn watch(instance: &Arc<Instance>, wake: &Arc<Notify>) {
    join4(instance.connects(wake), instance.asks_patroni(wake), instance.beats(wake), disk::watch(instance))
        .await;
}
