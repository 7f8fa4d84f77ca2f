//! An engine in memory with the same hands, for tests of the driver and the brains. Its only
//! non-determinism is the seed: at every action it may crash before, fail after the effect, or
//! answer too late. Whoever keeps files in it is made to wait at every call, so that others come in between.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::docker::EngineError;
use super::hands::{Hands, Shelf};
use crate::engine::locked::Locked;
use crate::model::body::Body;
use crate::model::{Action, Container, ContainerStatus, Mono, Observed};

/// A small world behind the hands.
#[derive(Debug)]
pub struct FakeEngine {
    state: Locked<FakeState>,
}

#[derive(Debug)]
struct FakeState {
    seen: Observed,
    chance: ChaCha8Rng,
    trouble: f64,
    created: BTreeMap<String, u32>,
    next_id: u32,
    /// Files by container and path, whoever has which turn, and the time.
    files: BTreeMap<(String, String), Vec<u8>>,
    turns: BTreeMap<String, String>,
    now: Mono,
}

impl FakeEngine {
    /// An empty engine; each action goes wrong with probability `trouble`, chosen by `seed`.
    #[must_use]
    pub fn new(seed: u64, trouble: f64) -> Self {
        Self {
            state: Locked::new(FakeState {
                seen: Observed::default(),
                chance: ChaCha8Rng::seed_from_u64(seed),
                trouble,
                created: BTreeMap::new(),
                next_id: 0,
                files: BTreeMap::new(),
                turns: BTreeMap::new(),
                now: Mono(0),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, FakeState> {
        // a panicking test must not hide its own message behind a poisoned lock
        self.state.lock()
    }

    /// What is there now.
    #[must_use]
    pub fn seen(&self) -> Observed {
        self.state().seen.clone()
    }

    /// From now on nothing goes wrong by itself.
    pub fn calm(&self) {
        self.state().trouble = 0.0;
    }

    /// How often each container was created.
    #[must_use]
    pub fn creations(&self) -> BTreeMap<String, u32> {
        self.state().created.clone()
    }

    /// A container dies.
    pub fn die(&self, container: &str) {
        if let Some(found) = self.state().seen.containers.get_mut(container) {
            found.status = ContainerStatus::Exited;
        }
    }
}

impl FakeEngine {
    /// Lets others come in between.
    async fn others(&self) {
        let times = self.state().chance.random_range(0..4);
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }
}

impl Shelf for FakeEngine {
    async fn read_file(&self, container: &str, path: &str) -> Result<Vec<u8>, EngineError> {
        self.others().await;
        let found = self.state().files.get(&(container.to_owned(), path.to_owned())).cloned();
        found.ok_or_else(|| EngineError::NotFound(path.to_owned()))
    }

    async fn write_files(&self, body: &Body) -> Result<(), EngineError> {
        self.others().await;
        let mut state = self.state();
        for file in &body.files {
            let place = (body.container.clone(), file.path.clone());
            state.files.insert(place, file.contents.clone().into_bytes());
        }
        Ok(())
    }

    async fn take_turn(&self, _: &str, name: &str, _: Option<&str>) -> Result<Option<String>, EngineError> {
        self.others().await;
        let mut state = self.state();
        if state.turns.contains_key(name) {
            return Ok(None);
        }
        state.next_id += 1;
        let id = format!("{:012x}", state.next_id);
        state.turns.insert(name.to_owned(), id.clone());
        Ok(Some(id))
    }

    async fn turn(&self, name: &str) -> Result<Option<String>, EngineError> {
        self.others().await;
        Ok(self.state().turns.get(name).cloned())
    }

    async fn end_turn(&self, turn: &str) -> Result<(), EngineError> {
        self.others().await;
        self.state().turns.retain(|_, id| id != turn);
        Ok(())
    }

    async fn wait(&self, span: Duration) {
        {
            let mut state = self.state();
            state.now = state.now.plus(span);
        }
        tokio::task::yield_now().await;
    }

    fn now(&self) -> Mono {
        self.state().now
    }
}

impl FakeState {
    fn create(&mut self, body: &Body) -> Result<(), EngineError> {
        if self.seen.containers.contains_key(&body.container) {
            return Ok(());
        }
        let missing = body.mounts.iter().find(|mount| !self.seen.volumes.contains_key(&mount.volume));
        if let Some(mount) = missing {
            return Err(EngineError::NotFound(mount.volume.clone()));
        }
        self.next_id += 1;
        *self.created.entry(body.container.clone()).or_default() += 1;
        let container = Container {
            id: format!("{:012x}", self.next_id),
            name: body.container.clone(),
            image: body.image.as_str().to_owned(),
            status: ContainerStatus::Created,
            pid: 0,
            exit_code: 0,
            oom_killed: false,
            started_at: String::new(),
            restarts: false,
            labels: body.labels.clone(),
            address: None,
        };
        self.seen.containers.insert(body.container.clone(), container);
        Ok(())
    }

    fn start(&mut self, body: &Body) -> Result<(), EngineError> {
        match self.seen.containers.get_mut(&body.container) {
            None => Err(EngineError::NotFound(body.container.clone())),
            Some(container) => {
                container.status = ContainerStatus::Running;
                Ok(())
            }
        }
    }

    fn apply(&mut self, action: &Action) -> Result<(), EngineError> {
        match action {
            Action::EnsureNetwork { name, subnet } => {
                self.seen.networks.insert(name.clone(), subnet.to_string());
                Ok(())
            }
            Action::EnsureVolumes { volumes } => {
                for volume in volumes {
                    self.seen.volumes.entry(volume.name.clone()).or_default();
                }
                Ok(())
            }
            Action::EnsureCreated { body } => self.create(body).and_then(|()| self.start(body)),
            Action::EnsureStarted { body } => self.start(body),
        }
    }
}

impl Hands for FakeEngine {
    async fn observe(&self) -> Result<Observed, EngineError> {
        Ok(self.seen())
    }

    async fn act(&self, action: &Action) -> Result<(), EngineError> {
        let mut state = self.state();
        let trouble = state.trouble;
        if !state.chance.random_bool(trouble) {
            return state.apply(action);
        }
        match (state.chance.random_range(0..4), action) {
            (0, _) => Err(EngineError::Refused("nothing happened".to_owned())),
            (1, Action::EnsureCreated { body }) => {
                // cut short between two calls: created, never started
                state.create(body)?;
                Err(EngineError::Refused("connection reset".to_owned()))
            }
            (1 | 2, _) => {
                // the effect happened and the answer is an error
                state.apply(action)?;
                Err(EngineError::Refused("connection reset".to_owned()))
            }
            _ => {
                state.apply(action)?;
                Err(EngineError::Timeout("no answer in time".to_owned()))
            }
        }
    }

    async fn pause(&self, _: Duration) {}
}
