//! `doctor`: what is there, what is not, and what that switches off.

use super::args::{LabArgs, Output};
use super::{CliError, Exit, settings};
use crate::engine::docker::EngineError;
use crate::lab::doctor::{DoctorFinding, Grade, examine};

/// `pgha doctor`
pub async fn doctor(args: &LabArgs, output: Output) -> Result<Exit, CliError> {
    let spec = settings::resolve(args)?.spec;
    let docker = super::engine().await;
    let engine_gone = matches!(docker, Err(EngineError::NoEngine(_) | EngineError::NoPermission(_)));
    let findings = examine(docker, &spec, std::env::consts::ARCH).await;
    match output {
        Output::Json => println!("{}", serde_json::json!({ "schema_version": 1, "findings": findings })),
        Output::Text => findings.iter().for_each(print),
    }
    let worst = findings.iter().map(|finding| finding.grade).max();
    Ok(match worst {
        _ if engine_gone => Exit::NoEngine,
        Some(Grade::Bad) => Exit::NotReady,
        _ => Exit::Done,
    })
}

fn print(finding: &DoctorFinding) {
    let mark = match finding.grade {
        Grade::Good => "ok  ",
        Grade::Less => "less",
        Grade::Bad => "BAD ",
    };
    println!("{mark}  {:14} {}", finding.what, finding.seen);
    if !finding.note.is_empty() {
        println!("      {:14} {}", "", finding.note);
    }
}
