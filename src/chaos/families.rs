//! Which family does a verb. Total: a verb that no family does is an error of the compiler.

use super::body::BodyFaults;
use super::engine::Engine;
use super::family::Family;
use super::host::Power;
use super::network::NetworkFaults;
use super::operator::Operator;
use super::process::Processes;
use super::resource::Resources;
use super::storage::Storage;
use super::storm::Storms;
use super::time::Clocks;
use super::wipe::Wiping;
use crate::model::Verb;
use crate::model::scenario::FamilyVerb;

/// The family of a verb. Compositions (`repeat`, `swizzle`) are taken apart before they come here; each of their
/// faults is done as what it is made of.
#[must_use]
pub fn of(verb: &Verb) -> Box<dyn Family + '_> {
    match verb.family() {
        FamilyVerb::Body(verb) => Box::new(BodyFaults(verb)),
        FamilyVerb::Process(verb) => Box::new(Processes(verb)),
        FamilyVerb::Power(cache) => Box::new(Power(cache)),
        FamilyVerb::Network(verb) => Box::new(NetworkFaults(verb)),
        FamilyVerb::Disk(verb) => Box::new(Storage(verb)),
        FamilyVerb::Wipe => Box::new(Wiping),
        FamilyVerb::Resource(verb) => Box::new(Resources(verb)),
        FamilyVerb::Connections { count } => Box::new(Storms { count }),
        FamilyVerb::Clock { offset } => Box::new(Clocks { offset }),
        FamilyVerb::Engine(mode) => Box::new(Engine(mode)),
        FamilyVerb::Operator(verb) => Box::new(Operator(verb)),
    }
}
