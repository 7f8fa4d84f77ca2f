//! The bodies of a lab as the engine shows them, and who belongs to it by its record.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::id::{HostName, MemberId};
use crate::model::lab::{Desired, LabSpec, Member, Service};
use crate::model::sighting::BodySeen;

/// What the engine shows of the lab.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Bodies {
    /// Containers of members, by member. Two of one name are two entries: a name proves nothing.
    pub members: BTreeMap<MemberId, Vec<BodySeen>>,
    /// Sandboxes, by host.
    pub hosts: BTreeMap<HostName, BodySeen>,
    /// Who stands where by the lab's record, with or without a body; empty while nobody could read it.
    #[serde(default)]
    pub placed: Vec<Member>,
    /// Who left the lab: names that are never used again.
    #[serde(default)]
    pub retired: BTreeSet<MemberId>,
    /// How many of each there should be.
    #[serde(default)]
    pub counts: BTreeMap<Service, u32>,
    /// Who stands in the lab and shall not for much longer, because there are too many.
    #[serde(default)]
    pub leaving: BTreeSet<MemberId>,
    /// Version of the record that says so; grows with every change of who belongs to the lab.
    #[serde(default)]
    pub generation: u64,
    /// Bodies that are not what the record says, by the id of their container: in what they differ (host, image, recipe;
    /// never the size).
    #[serde(default)]
    pub drifted: BTreeMap<String, String>,
    /// Ids of containers that nobody of the record has.
    #[serde(default)]
    pub surplus: BTreeSet<String>,
}

impl Bodies {
    /// Who stands where; as `planned` while nobody could read the record.
    #[must_use]
    pub fn placed_or<'a>(&'a self, planned: &'a [Member]) -> &'a [Member] {
        if self.placed.is_empty() { planned } else { &self.placed }
    }

    /// How many members of a service there should be; as founded while nobody could read the record.
    #[must_use]
    pub fn wanted(&self, spec: &LabSpec, service: Service) -> u32 {
        let founded = || Desired::founding(spec).counts.get(&service).copied();
        self.counts.get(&service).copied().or_else(founded).unwrap_or(0)
    }

    /// Members of a service among these that do not leave.
    pub fn staying<'a>(
        &'a self,
        members: &'a [Member],
        service: Service,
    ) -> impl Iterator<Item = &'a Member> + use<'a> {
        let its = members.iter().filter(move |member| member.service == service);
        its.filter(|member| !self.leaving.contains(&member.id))
    }
}
