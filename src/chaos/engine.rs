//! The engine as controllers meet it: silent, in error, slow. The fault acts on the broker, which stands
//! between them; the machine's engine is never touched, and this program goes on using it.

use async_trait::async_trait;

use super::family::{Family, Scene, Victim, VictimSeen};
use crate::model::control::ENGINE_MODE;
use crate::model::scenario::EngineMode;
use crate::model::{BodyFile, FaultRecord};

const ENGINE_SOURCE: &str = "the broker, asked like a controller asks it";

/// What answers of the engine are done to.
#[derive(Clone, Copy, Debug)]
pub struct Engine(pub EngineMode);

#[async_trait]
impl Family for Engine {
    async fn deed(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Result<(), String> {
        tell(scene, victim, Some(self.0)).await
    }

    async fn bit(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
        let said = ask(scene, victim).await;
        let proved = match self.0 {
            EngineMode::Stall => said.starts_with("is silent"),
            EngineMode::Error => said.starts_with("errs"),
            EngineMode::Slow => {
                let ms =
                    said.strip_prefix("answers in ").and_then(|rest| rest.split(' ').next()?.parse().ok());
                ms.is_some_and(|ms: u64| ms >= 1000)
            }
        };
        VictimSeen::new(proved, ENGINE_SOURCE, said)
    }

    async fn undo(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Result<(), String> {
        tell(scene, victim, None).await
    }

    async fn undone(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
        let said = ask(scene, victim).await;
        VictimSeen::new(said.starts_with("answers in"), ENGINE_SOURCE, said)
    }
}

async fn tell(scene: &Scene<'_>, victim: &Victim, mode: Option<EngineMode>) -> Result<(), String> {
    let file = BodyFile {
        path: ENGINE_MODE.to_owned(),
        mode: 0o600,
        uid: 0,
        gid: 0,
        // one word: it can be written as JSON
        contents: serde_json::to_string(&mode).unwrap_or_default(),
    };
    scene.docker.write_file(&victim.container.id, &file).await.map_err(|error| error.to_string())
}

async fn ask(scene: &Scene<'_>, victim: &Victim) -> String {
    let command = ["/usr/local/bin/pgha", "broker", "--ask"].map(str::to_owned);
    match scene.docker.exec(&victim.container.id, &command).await {
        Ok(output) => output.stdout.trim().to_owned(),
        Err(error) => format!("cannot be asked: {error}"),
    }
}
