//! Every key of the store that the lab, its controllers, its operators and Patroni write for one another.

use super::id::{MemberId, Name};
use super::lab::Service;

/// Prefix of everything in etcd that the lab and its controllers write for one another.
#[must_use]
pub fn keys(lab: &Name) -> String {
    format!("/pgha/{lab}/")
}

/// Prefix of the keys by which operators ask controllers for something.
#[must_use]
pub fn asked_keys(lab: &Name) -> String {
    format!("{}asked/", keys(lab))
}

/// Key by which an operator asks for a member to be replaced; its value says who asks.
#[must_use]
pub fn asked_key(lab: &Name, member: &MemberId) -> String {
    format!("{}replace/{member}", asked_keys(lab))
}

/// Key by which an operator asks for a planned handover; its value is a [`SwitchoverWish`](super::control::SwitchoverWish).
#[must_use]
pub fn switchover_key(lab: &Name) -> String {
    format!("{}switchover", asked_keys(lab))
}

/// Key in etcd by which the replicas of one controller agree who is active.
#[must_use]
pub fn leadership_key(lab: &Name, controller: &Name) -> String {
    format!("{}controllers/{controller}/leader", keys(lab))
}

/// Key by which an operator asks for another number of bodies of a service; its value is a [`CountWish`](super::scaling::CountWish).
#[must_use]
pub fn scale_key(lab: &Name, service: Service) -> String {
    format!("{}scale/{service}", asked_keys(lab))
}

/// Prefix of the keys by which an operator asks for another size of a member.
#[must_use]
pub fn resize_keys(lab: &Name) -> String {
    format!("{}resize/", asked_keys(lab))
}

/// Key by which a controller that ended where a test told it to says so.
#[must_use]
pub fn stopped_key(lab: &Name, controller: &Name) -> String {
    format!("{}controllers/{controller}/stopped", keys(lab))
}

/// Prefix of the lab's own keys of one kind, for example `repair/parked`.
#[must_use]
pub fn keys_below(lab: &str, part: &str) -> String {
    format!("/pgha/{lab}/{part}/")
}

/// Key in which the repair controller writes something down for whoever comes after it.
#[must_use]
pub fn repair_key(lab: &str, name: &str) -> String {
    format!("/pgha/{lab}/repair/{name}")
}

/// Prefix of Patroni's keys; its scope is the name of the lab.
#[must_use]
pub fn patroni_keys(lab: &str) -> String {
    format!("/service/{lab}/")
}

/// One of Patroni's keys, for example `leader`.
#[must_use]
pub fn patroni_key(lab: &str, name: &str) -> String {
    format!("/service/{lab}/{name}")
}

/// A key that nobody writes: whoever answers a question about it has a quorum.
pub const NOBODYS_KEY: &str = "pgha/nothing";
