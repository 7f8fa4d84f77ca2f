//! Late packets without netem: a helper that joins the host's namespace and reads the queue the rules
//! fill. It carries the lab's label, so `down` takes it if nobody heals.

use super::rules;
use crate::chaos::family::{Scene, Victim};
use crate::engine::docker::{EngineError, Helper};
use crate::lab::names;
use crate::model::plan::LatePlan;
use crate::model::{FaultRecord, Span};

/// Seconds the helper gets to let go of what still waits.
const HELPER_GRACE: u32 = 2;

fn name(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> String {
    names::container(scene.record.spec.name.as_str(), &format!("late-{}-{}", rules::mark(fault), victim.host))
}

/// Starts the helper. Until the rules are laid it has nothing to do.
pub(super) async fn start(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    victim: &Victim,
    delay: Span,
    jitter: Span,
) -> Result<(), String> {
    let mark = rules::mark(fault);
    let seed = u64::from_str_radix(&mark, 16).unwrap_or(1);
    let plan = LatePlan { queue: rules::queue(&mark), delay, jitter, seed, bind_only: false };
    // the client's image holds this program
    let client = names::container(scene.record.spec.name.as_str(), "client");
    let image = scene.docker.inspect(&client).await.map_err(|error| error.to_string())?.image;
    let helper = Helper {
        lab: scene.record.spec.name.to_string(),
        image,
        command: command(&plan)?,
        capabilities: vec!["NET_ADMIN"],
        network_of: Some(victim.container.id.clone()),
        ..Helper::default()
    };
    let started = scene.docker.start_helper(&name(scene, fault, victim), &helper).await;
    started.map(|_| ()).map_err(|error| error.to_string())
}

/// The program as it is called.
///
/// # Errors
/// Never: the plan is plain data.
pub fn command(plan: &LatePlan) -> Result<Vec<String>, String> {
    let plan = serde_json::to_string(plan).map_err(|error| error.to_string())?;
    Ok(["/usr/local/bin/pgha", "client", "late", "--plan", &plan].map(str::to_owned).to_vec())
}

/// Ends the helper: it lets go of what waits, then it is removed.
pub(super) async fn end(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
    let name = name(scene, fault, victim);
    match scene.docker.stop(&name, HELPER_GRACE).await {
        Ok(()) | Err(EngineError::NotFound(_)) => {}
        Err(error) => return Err(error.to_string()),
    }
    scene.docker.remove_container(&name).await.map_err(|error| error.to_string())
}

/// What the helper wrote, when it does not run: why.
pub(super) async fn broken(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Option<String> {
    let name = name(scene, fault, victim);
    match scene.docker.inspect(&name).await {
        Ok(seen) if seen.status == crate::model::ContainerStatus::Running => None,
        Ok(_) => Some(scene.docker.logs(&name, Some(5)).await.unwrap_or_else(|error| error.to_string())),
        Err(error) => Some(error.to_string()),
    }
}

/// Whether the helper is gone.
pub(super) async fn gone(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> bool {
    matches!(scene.docker.inspect(&name(scene, fault, victim)).await, Err(EngineError::NotFound(_)))
}

/// A script that prints the kernel's own view of the queues.
pub(super) const QUEUE_STATISTICS: &str = "sed 's/^/queue /' /proc/net/netfilter/nfnetlink_queue\n";

/// Packets the kernel put into our queue so far; `None` when nobody reads it.
pub(super) fn read(number: u16, printed: &str) -> Option<u64> {
    printed.lines().find_map(|line| {
        let words: Vec<&str> = line.strip_prefix("queue ")?.split_whitespace().collect();
        // number, reader, waiting, copy mode, copy range, dropped, dropped for the reader, last packet
        (words.first()?.parse::<u16>() == Ok(number)).then(|| words.get(7)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_of_our_queue_is_read() {
        let printed =
            "queue   300  12345     2 1     0     0     0       42  1\nqueue     7  12346 0 1 0 0 0 3 1\n";
        assert_eq!(read(300, printed), Some(42));
        assert_eq!(read(8, printed), None);
    }
}
