//! What the engine does to a lab's containers, as it tells it itself.

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt};
use std::collections::HashMap;

use super::connection::{Docker, EngineResult};
use crate::engine::clock;
use crate::engine::engine_error::EngineError;
use crate::model::body::{LABEL_LAB, LABEL_MEMBER, LABEL_SERVICE};
use crate::model::sighting::EngineEvent;

impl Docker {
    /// Events of a lab's containers as they come, each with the instant at which it was heard; from the wall
    /// clock second `since` on. Programs run inside a container are no events of the lab.
    pub fn events(&self, lab: &str, since: i64) -> impl Stream<Item = EngineResult<EngineEvent>> + use<> {
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![format!("{LABEL_LAB}={lab}")]),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).since(&since.to_string()).build();
        let api = self.api.clone();
        let stream = async_stream(api, options);
        stream.filter_map(|heard| std::future::ready(heard.map_or_else(|error| Some(Err(error)), told)))
    }
}

fn async_stream(
    api: bollard::Docker,
    options: bollard::query_parameters::EventsOptions,
) -> impl Stream<Item = Result<EventMessage, EngineError>> {
    futures_util::stream::once(async move { api.events(Some(options)) })
        .flatten()
        .map(|heard| heard.map_err(EngineError::from))
}

/// The event in our words; `None` when it is none of the lab.
fn told(message: EventMessage) -> Option<EngineResult<EngineEvent>> {
    let actor = message.actor?;
    let action = message.action?;
    if action.starts_with("exec_") || action.starts_with("top") {
        return None;
    }
    let labels = actor.attributes.unwrap_or_default();
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    Some(Ok(EngineEvent {
        at: clock::now(),
        happened: message.time_nano.and_then(clock::at_wall_nanos),
        action,
        id: actor.id.unwrap_or_default(),
        member: label(LABEL_MEMBER),
        service: label(LABEL_SERVICE),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::EventActor;

    fn message(action: &str) -> EventMessage {
        let labels = [(LABEL_MEMBER, "postgres-1"), (LABEL_SERVICE, "postgres")];
        let attributes = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        EventMessage {
            action: Some(action.to_owned()),
            actor: Some(EventActor { id: Some("c1".to_owned()), attributes: Some(attributes) }),
            ..EventMessage::default()
        }
    }

    #[test]
    fn an_event_names_its_member_and_programs_inside_are_none() {
        let event = told(message("die")).expect("an event").expect("whole");
        let seen = (event.action.as_str(), event.id.as_str(), event.member.as_str(), event.service.as_str());
        assert_eq!(seen, ("die", "c1", "postgres-1", "postgres"));
        assert_eq!(event.happened, None, "nobody said");
        assert!(told(message("exec_create: cat /proc/1/status")).is_none());
        assert!(told(EventMessage::default()).is_none());
    }

    #[test]
    fn an_event_that_was_heard_late_says_when_it_happened() {
        let wall = i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("this century");
        let late = EventMessage { time_nano: Some(wall - 4_500_000_000), ..message("update") };
        let event = told(late).expect("an event").expect("whole");
        let late = event.at.since(event.happened.expect("it was said"));
        assert!(late >= std::time::Duration::from_millis(4_500), "{late:?}");
        // a wall clock that was set meanwhile says nothing of use
        let ahead = EventMessage { time_nano: Some(wall + 60_000_000_000), ..message("update") };
        assert_eq!(told(ahead).expect("an event").expect("whole").happened, None);
    }
}
