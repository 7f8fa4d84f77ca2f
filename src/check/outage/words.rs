//! Outages in words and as evidence. Each sentence names its endpoint and its loads.

use serde_json::{Value, json};

use super::backs::{Backs, backs_of, blamed};
use super::windows::{EndpointOutages, Outage};
use crate::check::record::RunRecord;
use crate::model::Name;
use crate::model::scenario::Endpoint;
use crate::stats;

/// The longest time clients of an endpoint were out after a fault, or in the whole run: nanoseconds, and a sentence.
pub fn told(record: &RunRecord, seen: &EndpointOutages, fault: Option<&Name>) -> (u64, String) {
    let (endpoint, whose, loads) = (seen.endpoint, after(fault), loads(record, seen.endpoint));
    let nobody = blamed(record, seen, fault).map_or(0, Outage::nanos);
    let backs = backs_of(record, seen, fault).filter(|_| seen.crowd.numbered);
    let said = match backs {
        Some(Backs { hurt, last: Some(last), first: Some(first), .. }) => format!(
            "the last of {hurt} hurt clients of `{endpoint}`{whose} was back after {} ms, the first after {} ms ({loads})",
            stats::millis(last),
            stats::millis(first)
        ),
        Some(Backs { hurt, never_back, longest, .. }) if hurt > 0 => format!(
            "{never_back} of {hurt} hurt clients of `{endpoint}`{whose} never came back, {} ms at most ({loads})",
            stats::millis(longest)
        ),
        Some(Backs { clients, .. }) if nobody == 0 => {
            format!("none of {clients} clients of `{endpoint}`{whose} was hurt ({loads})")
        }
        _ => format!("the longest outage of `{endpoint}`{whose} took {} ms ({loads})", stats::millis(nobody)),
    };
    (backs.map_or(nobody, |backs| backs.longest.max(nobody)), said)
}

/// Which fault is meant.
pub fn after(fault: Option<&Name>) -> String {
    fault.map(|fault| format!(" after `{fault}`")).unwrap_or_default()
}

/// The loads of an endpoint.
pub fn loads(record: &RunRecord, endpoint: Endpoint) -> String {
    let loads = record.scenario.loads.iter().filter(|load| load.endpoint == Some(endpoint));
    let names: Vec<String> = loads.map(|load| format!("`{}`", load.name)).collect();
    let word = if names.len() == 1 { "load" } else { "loads" };
    format!("{word} {}", names.join(", "))
}

/// One client by its load and number.
pub fn client(record: &RunRecord, worst: Option<(u32, u32)>) -> String {
    let Some((load, client)) = worst else { return "no client".to_owned() };
    let name = usize::try_from(load).ok().and_then(|load| record.scenario.loads.get(load));
    let name = name.map_or_else(|| load.to_string(), |load| load.name.to_string());
    format!("load `{name}`, client {client}")
}

/// Evidence of how clients came back.
pub fn backs(record: &RunRecord, backs: &Backs) -> Value {
    let ms = |nanos: Option<u64>| nanos.map(stats::millis);
    json!({
        "clients": backs.clients,
        "hurt": backs.hurt,
        "out_before": backs.out_before,
        "never_back": backs.never_back,
        "first_back_ms": ms(backs.first),
        "median_back_ms": ms(backs.median),
        "last_back_ms": ms(backs.last),
        "longest_ms": stats::millis(backs.longest),
        "longest_of": backs.worst.map(|_| client(record, backs.worst)),
    })
}
