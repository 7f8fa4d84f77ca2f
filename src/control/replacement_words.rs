//! What the repair controller writes down of a replacement, before it is begun and when it is done.

use super::controller_hands::ControllerHands;
use super::driver::Failed;
use super::orders::REPLACEMENTS;
use crate::engine::clock;
use crate::engine::etcd::{Compare, StoreChange};
use crate::model::control::{Replacing, Token, asked_key};
use crate::model::store_keys::repair_key;
use crate::model::{MemberId, Mono};

impl ControllerHands {
    pub(super) fn replacements_key(&self) -> String {
        repair_key(self.plan.spec.name.as_str(), REPLACEMENTS)
    }

    pub(super) fn replacing_key(&self) -> String {
        repair_key(self.plan.spec.name.as_str(), "replacing")
    }

    /// Writes down what is about to be done, and, of a replacement, when it was begun: the budget outlives this process.
    pub(super) async fn intend(&self, word: &Replacing, token: &Token) -> Result<(), Failed> {
        let key = self.replacing_key();
        // plain data: serialising it cannot fail
        let value = serde_json::to_vec(word).unwrap_or_default();
        let mut when = vec![Compare::ModRevision(key.clone(), 0)];
        let mut changes = vec![StoreChange::Put { key, value, lease: 0 }];
        if word.member != word.by {
            let key = self.replacements_key();
            let found =
                self.orders.store.get(&key).await.map_err(|error| Failed::Trouble(error.to_string()))?;
            let known =
                found.as_ref().and_then(|found| serde_json::from_slice::<Vec<Mono>>(&found.value).ok());
            let per = self.replacements.per.0;
            let now = clock::now();
            let mut begun: Vec<Mono> =
                known.unwrap_or_default().into_iter().filter(|when| now.since(*when) < per).collect();
            begun.push(now);
            when.push(Compare::ModRevision(key.clone(), found.map_or(0, |found| found.mod_revision)));
            changes.push(StoreChange::Put {
                key,
                value: serde_json::to_vec(&begun).unwrap_or_default(),
                lease: 0,
            });
        }
        self.orders.write(&when, &changes, token).await
    }

    /// Takes back what was written down, and the operator's wish where that ends with it.
    pub(super) async fn forget(
        &self,
        member: &MemberId,
        wish: Option<i64>,
        token: &Token,
    ) -> Result<(), Failed> {
        let mut changes = vec![StoreChange::Delete(self.replacing_key())];
        let mut when = Vec::new();
        if let Some(revision) = wish {
            let asked = asked_key(&self.plan.spec.name, member);
            when.push(Compare::ModRevision(asked.clone(), revision));
            changes.push(StoreChange::Delete(asked));
        }
        if !self.placed(member) {
            // what Patroni kept of a member that left goes with its lease, or now
            changes.push(StoreChange::Delete(self.patroni_key(&format!("members/{member}"))));
        }
        self.orders.write(&when, &changes, token).await
    }
}
