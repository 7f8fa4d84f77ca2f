//! Injecting and healing on the real engine, each with its receipt: the one driver of all families.

use std::io;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};

use super::families;
use super::family::{EVIDENCE_TIMEOUT, Scene, Victim, VictimSeen};
use super::ledger::Ledger;
use super::resolve::Hits;
use crate::engine::clock;
use crate::engine::docker::{Docker, EngineError};
use crate::lab::names;
use crate::lab::record::LabRecord;
use crate::model::{FaultRecord, FaultTarget, HostName, Name, Receipt, ReceiptState, Verb};

/// Pause between two looks for evidence.
const EVIDENCE_EVERY: Duration = Duration::from_millis(20);

/// Why a fault could not be injected.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The engine refused to show a victim.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The intent could not be written down.
    #[error("the fault ledger cannot be written: {0}")]
    Ledger(#[from] io::Error),
    /// It cannot be done to these victims.
    #[error("`{verb}`: {why}")]
    Refused {
        /// What was to be done, as files call it.
        verb: &'static str,
        /// What is in the way, as a sentence for people.
        why: String,
    },
}

/// A fault whose victims are known and prepared; nothing has been touched yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    record: FaultRecord,
    victims: Vec<Victim>,
}

/// Injects into one lab.
#[derive(Debug)]
pub struct Injector<'a> {
    /// The engine.
    pub docker: &'a Docker,
    /// The lab.
    pub record: &'a LabRecord,
    /// Where intents go first.
    pub ledger: &'a Ledger,
}

impl Injector<'_> {
    const fn scene(&self) -> Scene<'_> {
        Scene { docker: self.docker, record: self.record }
    }

    /// The container of a member, or the sandbox of a host.
    fn container_name(&self, hit: &FaultTarget) -> String {
        let lab = self.record.spec.name.as_str();
        match hit {
            FaultTarget::Host(host) => names::sandbox(lab, host.as_str()),
            FaultTarget::Member(id) => names::container(lab, id.as_str()),
        }
    }

    async fn victim(&self, hit: &FaultTarget) -> Result<Victim, EngineError> {
        let container = self.docker.inspect(&self.container_name(hit)).await?;
        let host = match hit {
            FaultTarget::Host(host) => host.clone(),
            FaultTarget::Member(_) => {
                let told = container.host().and_then(|host| HostName::new(host).ok());
                told.unwrap_or_else(HostName::of_broker)
            }
        };
        Ok(Victim { hit: hit.clone(), host, container })
    }

    /// Injects `verb` on whom it hits; `told` hears every change of the record.
    ///
    /// From the first deed on there is no error any more: a deed that was refused is evidence that
    /// the fault did not bite, and the record comes back in any case, because it must be healed.
    ///
    /// # Errors
    /// [`InjectError`], while nothing has been touched yet.
    pub async fn inject(
        &self,
        id: &Name,
        verb: &Verb,
        hits: &Hits,
        told: &mut (dyn FnMut(&FaultRecord) + Send),
    ) -> Result<FaultRecord, InjectError> {
        let mut prepared = self.prepare(id, verb, hits).await?;
        self.intend(&mut prepared, told)?;
        Ok(self.strike(prepared, true, told).await)
    }

    /// Looks up everything an injection needs; faults that are injected as one are all prepared first.
    ///
    /// # Errors
    /// [`InjectError`] when it cannot be done.
    pub async fn prepare(&self, id: &Name, verb: &Verb, hits: &Hits) -> Result<Prepared, InjectError> {
        let mut victims = Vec::new();
        for target in &hits.targets {
            victims.push(self.victim(target).await?);
        }
        let mut record = FaultRecord {
            targets: hits.targets.clone(),
            containers: victims.iter().map(|victim| victim.container.id.clone()).collect(),
            notes: hits.notes.clone(),
            ..FaultRecord::meant(id.clone(), verb.clone(), clock::now())
        };
        families::of(verb)
            .prepare(&self.scene(), &mut record, &victims)
            .await
            .map_err(|why| InjectError::Refused { verb: verb.name(), why })?;
        Ok(Prepared { record, victims })
    }

    /// Writes down what is about to be done.
    ///
    /// # Errors
    /// When it cannot be written: then it must not be done.
    pub fn intend(
        &self,
        prepared: &mut Prepared,
        told: &mut (dyn FnMut(&FaultRecord) + Send),
    ) -> Result<(), InjectError> {
        prepared.record.intent = clock::now();
        self.ledger.write(&prepared.record)?;
        told(&prepared.record);
        Ok(())
    }

    /// Does it and brings evidence. With `real` false the deed is left out, for scenarios that see whether
    /// somebody notices; the evidence is looked for all the same.
    pub async fn strike(
        &self,
        prepared: Prepared,
        real: bool,
        told: &mut (dyn FnMut(&FaultRecord) + Send),
    ) -> FaultRecord {
        let Prepared { mut record, victims } = prepared;
        let scene = self.scene();
        let family = families::of(&record.verb);
        let refusals = if real {
            join_all(victims.iter().map(|victim| family.deed(&scene, &record, victim))).await
        } else {
            victims.iter().map(|_| Err("left out on purpose".to_owned())).collect()
        };
        record.began = Some(clock::now());
        let patience = family.patience(&record);
        let looks = victims.iter().map(|victim| wait_for(patience, || family.bit(&scene, &record, victim)));
        let seen = join_all(looks.collect::<Vec<_>>()).await;
        record.receipt = Some(receipt(&victims, &refusals, &seen));
        drop(family);
        self.keep(&record);
        told(&record);
        record
    }

    /// Writes down what has happened already: it must be healed and told even when that fails.
    fn keep(&self, record: &FaultRecord) {
        if let Err(error) = self.ledger.write(record) {
            tracing::error!(fault = %record.id, %error, "the fault ledger cannot be written");
        }
    }

    /// Undoes a fault as its verb defines it, on every victim, and brings evidence. What is refused is
    /// a refuted receipt: one victim that cannot be healed keeps no other from it.
    pub async fn heal(
        &self,
        mut record: FaultRecord,
        told: &mut (dyn FnMut(&FaultRecord) + Send),
    ) -> FaultRecord {
        record.healing = Some(clock::now());
        let parts = {
            let fault = &record;
            let victims = record.targets.iter().zip(&record.containers);
            join_all(victims.map(|(hit, id)| async move { (hit, self.heal_one(fault, hit, id).await) })).await
        };
        // the worst of all counts: refuted before anything else
        let rank = |state: ReceiptState| match state {
            ReceiptState::Refuted => 0,
            ReceiptState::Superseded => 1,
            ReceiptState::Confirmed => 2,
            ReceiptState::Nothing => 3,
        };
        let state = parts.iter().map(|(_, (state, _))| *state).min_by_key(|state| rank(*state));
        let evidence: Vec<String> =
            parts.iter().map(|(hit, (_, seen))| format!("{hit}: {}", seen.text)).collect();
        let source = sources(parts.iter().map(|(_, (_, seen))| seen));
        record.healed = Some(clock::now());
        record.heal = Some(Receipt {
            state: state.unwrap_or(ReceiptState::Nothing),
            source,
            evidence: evidence.join("; "),
        });
        self.keep(&record);
        told(&record);
        record
    }

    async fn heal_one(&self, fault: &FaultRecord, hit: &FaultTarget, id: &str) -> (ReceiptState, VictimSeen) {
        const SOURCE: &str = "engine inspect";
        if fault.verb.lasting() {
            let text = format!("`{}` leaves nothing to undo", fault.verb.name());
            return (ReceiptState::Nothing, VictimSeen::new(true, "definition of the verb", text));
        }
        let victim = match self.victim(hit).await {
            Ok(victim) => victim,
            Err(EngineError::NotFound(_)) => {
                return (
                    ReceiptState::Superseded,
                    VictimSeen::new(true, SOURCE, "the body has been removed"),
                );
            }
            Err(error) => return (ReceiptState::Refuted, VictimSeen::new(false, SOURCE, error.to_string())),
        };
        if victim.container.id != id {
            let text = format!("replaced by {:.12}", victim.container.id);
            return (ReceiptState::Superseded, VictimSeen::new(true, SOURCE, text));
        }
        let scene = self.scene();
        let family = families::of(&fault.verb);
        let refused = family.undo(&scene, fault, &victim).await.err();
        let mut seen = wait_for(EVIDENCE_TIMEOUT, || family.undone(&scene, fault, &victim)).await;
        if let Some(why) = refused {
            seen.text = format!("{} (refused: {why})", seen.text);
        }
        (if seen.proved { ReceiptState::Confirmed } else { ReceiptState::Refuted }, seen)
    }
}

/// Asks again until something is proved or patience ends.
async fn wait_for<'a>(patience: Duration, look: impl Fn() -> BoxFuture<'a, VictimSeen>) -> VictimSeen {
    let deadline = clock::now().plus(patience);
    loop {
        let seen = look().await;
        if seen.proved || clock::now() >= deadline {
            return seen;
        }
        clock::sleep(EVIDENCE_EVERY).await;
    }
}

/// Evidence for every victim; one refutation refutes the fault, and so does hitting nobody.
fn receipt(victims: &[Victim], refusals: &[Result<(), String>], seen: &[VictimSeen]) -> Receipt {
    let texts: Vec<String> = victims
        .iter()
        .zip(refusals)
        .zip(seen)
        .map(|((victim, refused), seen)| {
            let refused = refused.as_ref().err().map_or_else(String::new, |why| format!(" (refused: {why})"));
            format!("{}: {}{refused}", victim.hit, seen.text)
        })
        .collect();
    let bit = !seen.is_empty() && seen.iter().all(|seen| seen.proved);
    Receipt {
        state: if bit { ReceiptState::Confirmed } else { ReceiptState::Refuted },
        source: sources(seen.iter()),
        evidence: texts.join("; "),
    }
}

/// Where it was read, each place once.
fn sources<'a>(seen: impl Iterator<Item = &'a VictimSeen>) -> String {
    let mut sources: Vec<&str> = seen.map(|seen| seen.source).collect();
    sources.sort_unstable();
    sources.dedup();
    sources.join(", ")
}
