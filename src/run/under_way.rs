//! What controllers have under way, by what they say: a run settles when they have nothing.

use crate::model::control::ControllerStatus;
use crate::model::lab::{ControllerSpec, OURS, controller_of};
use crate::model::{MemberId, Sighting};

/// Words of a controller that has nothing under way: it looks, may not act, or has refused to.
const RESTS: [&str; 7] = ["watch", "hold", "refuse", "maintenance", "blind", "standby", "begin"];

/// A controller of ours that has something under way, in its own words. What it has not begun it only watches.
pub(super) fn under_way<'a>(
    declared: &[ControllerSpec],
    seen: &'a Sighting,
) -> Option<(&'a MemberId, &'a ControllerStatus)> {
    let ours = |member: &MemberId| {
        let name = controller_of(member);
        declared.iter().any(|known| known.name.as_str() == name && known.image == OURS)
    };
    seen.controllers
        .iter()
        .filter(|(member, _)| ours(member))
        .filter_map(|(member, status)| Some((member, status.seen()?)))
        .find(|(_, status)| status.active && !RESTS.contains(&status.step.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sight;

    #[test]
    fn a_controller_that_has_begun_something_is_waited_for() {
        let member: MemberId = "repair-1".parse().expect("a name");
        let declared = |image: &str| {
            let text = format!(r#"{{"name":"repair","replicas":1,"image":"{image}"}}"#);
            let controller: ControllerSpec = serde_json::from_str(&text).expect("a controller");
            [controller]
        };
        let seen = |active: bool, step: &str| {
            let status = ControllerStatus { active, step: step.to_owned(), ..ControllerStatus::default() };
            Sighting { controllers: [(member.clone(), Sight::Seen(status))].into(), ..Sighting::default() }
        };
        let waits = |image: &str, active: bool, step: &str| {
            under_way(&declared(image), &seen(active, step)).is_some()
        };
        assert!(waits(OURS, true, "retire") && waits(OURS, true, "wait"));
        assert!(!waits(OURS, true, "watch") && !waits(OURS, false, "standby"));
        assert!(!waits("another", true, "retire"), "its words are its own");
    }
}
