//! Images by role, from the declared base. Tagged by the hash of what they are made from, so that a
//! second `up` builds nothing; shared by labs, so they carry a role and no lab.
//!
//! The base comes from the registry the engine can reach; where none answers it is bootstrapped
//! from Debian packages into an image of the same name. Images of the flake are built and loaded by Nix, and only
//! looked for here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use bytes::Bytes;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::LabError;
use super::news::News;
use crate::engine::clock;
use crate::engine::docker::{BuildContext, Docker, EngineError, ImageSeen};
use crate::model::body::LABEL_IMAGE;
use crate::model::lab::{ImageSource, Images as Declared};
use crate::model::part::LabPart;
use crate::model::{ImageRole, Name};

/// Image references by role.
pub type References = BTreeMap<ImageRole, String>;

/// Longest wait for a registry before the base is bootstrapped.
const REGISTRY_PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// How the classic builder's lines begin that say which step it is at.
const STEP: &str = "Step ";

const fn dockerfile(role: ImageRole) -> &'static str {
    match role {
        ImageRole::Host => include_str!("../../lab/images/host/Dockerfile"),
        ImageRole::Etcd => include_str!("../../lab/images/etcd/Dockerfile"),
        ImageRole::Postgres => include_str!("../../lab/images/postgres/Dockerfile"),
        ImageRole::Haproxy => include_str!("../../lab/images/haproxy/Dockerfile"),
        ImageRole::Pgha => include_str!("../../lab/images/pgha/Dockerfile"),
    }
}

/// The base image of a role.
fn base(declared: &Declared, role: ImageRole) -> String {
    base_of(declared.suite_of(role))
}

/// The base image of a suite.
fn base_of(suite: &Name) -> String {
    format!("debian:{suite}-slim")
}

/// The base images that a lab needs; images of the flake have none.
#[must_use]
pub fn bases(declared: &Declared) -> BTreeSet<String> {
    if declared.source == ImageSource::Nix {
        return BTreeSet::new();
    }
    ImageRole::ALL.into_iter().map(|role| base(declared, role)).collect()
}

/// The reference under which the flake's `load-images` loads a role: `lab/nix/images.nix` makes the same name.
fn of_flake(declared: &Declared, role: ImageRole) -> String {
    format!("pgha/{}:nix-{}", role.as_str(), declared.postgres)
}

/// The reference of a role: its tag is a digest of everything the image is made from, where this program makes it.
#[must_use]
pub fn reference(declared: &Declared, role: ImageRole, program: &[u8]) -> String {
    if declared.source == ImageSource::Nix {
        return of_flake(declared, role);
    }
    let mut digest = Sha256::new();
    digest.update(dockerfile(role));
    digest.update(base(declared, role));
    digest.update(declared.postgres.to_le_bytes());
    if role == ImageRole::Pgha {
        digest.update(program);
    }
    let hash = digest.finalize().iter().take(6).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    format!("pgha/{}:{}-{hash:012x}", role.as_str(), declared.suite_of(role))
}

/// Makes sure that every image is on the engine; `program` is the binary that goes into the client.
///
/// # Errors
/// [`LabError::Image`] when the base can be had neither way or a build fails.
pub async fn ensure(
    docker: &Docker,
    declared: &Declared,
    program: &Path,
    news: &(impl Fn(News) + Sync),
) -> Result<References, LabError> {
    if declared.source == ImageSource::Nix {
        return loaded(docker, declared).await;
    }
    let binary = tokio::fs::read(program).await.map_err(|error| LabError::Image {
        message: format!("cannot read {}: {error}", program.display()),
        hint: "the client image holds this very program".to_owned(),
    })?;
    let references: References =
        ImageRole::ALL.into_iter().map(|role| (role, reference(declared, role, &binary))).collect();
    let mut missing = Vec::new();
    for (role, reference) in &references {
        if docker.image_id(reference).await?.is_none() {
            missing.push((*role, reference.clone()));
        }
    }
    if missing.is_empty() {
        return Ok(references);
    }
    let suites: BTreeSet<&Name> = missing.iter().map(|(role, _)| declared.suite_of(*role)).collect();
    for suite in suites {
        ensure_base(docker, suite, news).await?;
    }
    try_join_all(missing.iter().map(|(role, reference)| {
        let binary = &binary;
        async move {
            let name = format!("image {}", role.as_str());
            news(News::Part(LabPart::at(&name, format!("building {reference}"))));
            let started = clock::now();
            let step = |line: &str| {
                if line.starts_with(STEP) {
                    news(News::Part(LabPart::still(&name, line.trim_end())));
                }
            };
            build(docker, declared, *role, reference, binary, step).await?;
            let took = clock::now().since(started).as_secs_f64();
            news(News::Part(LabPart::done(&name, format!("built in {took:.1} s"))));
            Ok::<_, LabError>(())
        }
    }))
    .await?;
    if let Some(reference) = references.get(&ImageRole::Pgha) {
        check_program(docker, reference).await?;
    }
    Ok(references)
}

/// How images of the flake come to an engine.
pub const LOAD: &str = "in a checkout of this version: `nix run .#load-images`";

/// The images of the flake that are not on the engine.
///
/// # Errors
/// When the engine does not answer.
pub async fn not_loaded(docker: &Docker, declared: &Declared) -> Result<Vec<String>, EngineError> {
    let mut missing = Vec::new();
    for role in ImageRole::ALL.into_iter().filter(|_| declared.source == ImageSource::Nix) {
        let reference = of_flake(declared, role);
        if docker.image_id(&reference).await?.is_none() {
            missing.push(reference);
        }
    }
    Ok(missing)
}

/// The images of the flake: all are there, and the program in them is of this version.
async fn loaded(docker: &Docker, declared: &Declared) -> Result<References, LabError> {
    let failed = |message: String| LabError::Image { message, hint: LOAD.to_owned() };
    let missing = not_loaded(docker, declared).await?;
    if !missing.is_empty() {
        return Err(failed(format!("not on the engine: {}", missing.join(", "))));
    }
    let references: References =
        ImageRole::ALL.into_iter().map(|role| (role, of_flake(declared, role))).collect();
    let ours = of_flake(declared, ImageRole::Pgha);
    let (_, said) =
        docker.run_once(&ours, &["/usr/local/bin/pgha".to_owned(), "--version".to_owned()]).await?;
    match other_version(&said) {
        Some(other) => Err(failed(format!("{ours} holds {other}, and this program is {VERSION}"))),
        None => Ok(references),
    }
}

/// What this program says to `--version`.
const VERSION: &str = concat!("pgha ", env!("CARGO_PKG_VERSION"));

/// What the program in an image said to `--version`, when it is not what this one says.
fn other_version(said: &str) -> Option<String> {
    let said = said.trim();
    (said != VERSION).then(|| if said.is_empty() { "no program of ours".to_owned() } else { said.to_owned() })
}

async fn build(
    docker: &Docker,
    declared: &Declared,
    role: ImageRole,
    reference: &str,
    program: &[u8],
    step: impl Fn(&str),
) -> Result<(), LabError> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, mode: u32, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        tar.append_data(&mut header, name, bytes)
    };
    let packed = add("Dockerfile", 0o644, dockerfile(role).as_bytes())
        .and_then(|()| if role == ImageRole::Pgha { add("pgha", 0o755, program) } else { Ok(()) })
        .and_then(|()| tar.into_inner());
    let archive = packed.map_err(|error| LabError::Image {
        message: format!("packing the context of {reference}: {error}"),
        hint: String::new(),
    })?;
    let arguments = BTreeMap::from([
        ("BASE".to_owned(), base(declared, role)),
        ("SUITE".to_owned(), declared.suite_of(role).to_string()),
        ("POSTGRES".to_owned(), declared.postgres.to_string()),
    ]);
    let labels = BTreeMap::from([(LABEL_IMAGE.to_owned(), role.as_str().to_owned())]);
    let context = BuildContext { archive, arguments, labels };
    let said = |line: &str| {
        tracing::debug!(image = reference, "{line}");
        step(line);
    };
    docker.build(reference, context, said).await.map_err(|error| LabError::Image {
        message: format!("building {reference}: {error}"),
        hint: format!(
            "is PostgreSQL {} packaged in suite {}, and can the engine reach a Debian mirror?",
            declared.postgres,
            declared.suite_of(role)
        ),
    })
}

/// Makes sure that the base image is on the engine: there, pulled, or bootstrapped.
async fn ensure_base(docker: &Docker, suite: &Name, news: &(impl Fn(News) + Sync)) -> Result<(), LabError> {
    let base = base_of(suite);
    if docker.image_id(&base).await?.is_some() {
        return Ok(());
    }
    let tell = |state: String| news(News::Part(LabPart::at(format!("image {base}"), state)));
    tell("asking the registry".to_owned());
    let refused = match clock::timeout(REGISTRY_PATIENCE, docker.pull(&base)).await {
        Ok(Ok(())) => {
            news(News::Part(LabPart::done(format!("image {base}"), "pulled")));
            return Ok(());
        }
        Ok(Err(error @ (EngineError::NoEngine(_) | EngineError::NoPermission(_)))) => {
            return Err(error.into());
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", REGISTRY_PATIENCE.as_secs()),
    };
    tell(format!("no registry has it ({refused}); bootstrapping it from Debian packages"));
    bootstrap(docker, suite.as_str(), &base, &tell).await?;
    news(News::Part(LabPart::done(format!("image {base}"), "bootstrapped")));
    Ok(())
}

async fn bootstrap(
    docker: &Docker,
    suite: &str,
    base: &str,
    tell: &(impl Fn(String) + Sync),
) -> Result<(), LabError> {
    match mmdebstrap(docker, suite, base, &[]).await {
        // a mirror that stopped being updated still has everything; only its promise of freshness is over
        Err(LabError::Image { message, .. }) if message.contains("expired") => {
            tell(format!("the mirror's release files have expired; taking {suite} as it is there"));
            mmdebstrap(docker, suite, base, &["--aptopt=Acquire::Check-Valid-Until \"false\""]).await
        }
        other => other,
    }
}

/// Bootstraps once, with more options.
async fn mmdebstrap(docker: &Docker, suite: &str, base: &str, options: &[&str]) -> Result<(), LabError> {
    let failed = |message: String| LabError::Image {
        message,
        hint: "install the package `mmdebstrap` (`lab/setup` does it), or let the engine reach a registry"
            .to_owned(),
    };
    let mut child = tokio::process::Command::new("mmdebstrap")
        // not quiet: what apt says goes nowhere then, and why it failed is in there
        .args(["--variant=minbase", "--include=ca-certificates"])
        .args(options)
        .args([suite, "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            failed(format!("no registry has {base}, and mmdebstrap cannot be started: {error}"))
        })?;
    let (Some(mut root), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed("mmdebstrap has no output".to_owned()));
    };
    // read both ends before importing: half a root file system must never become an image
    let mut archive = Vec::new();
    let mut text = String::new();
    let (read, _) = tokio::join!(root.read_to_end(&mut archive), errors.read_to_string(&mut text));
    read.map_err(|error| failed(format!("reading from mmdebstrap: {error}")))?;
    let status = child.wait().await.map_err(|error| failed(format!("mmdebstrap: {error}")))?;
    if !status.success() {
        let said: Vec<&str> = text.lines().filter(|line| line.starts_with("E: ")).take(6).collect();
        return Err(failed(format!("mmdebstrap {suite} failed: {}", said.join(" | "))));
    }
    let root = futures_util::stream::iter([Ok(Bytes::from(archive))]);
    docker.import(base, root).await?;
    Ok(())
}

/// Removes every image of ours that nothing needs, and says of each reference whether it went or why it was kept.
/// One that others are built on can go only after them, so it is tried again while anything goes. Gives the bytes
/// freed, shared layers counted each time.
///
/// # Errors
/// When the engine does not answer.
pub async fn prune(docker: &Docker, say: impl Fn(&str, Option<&str>)) -> Result<u64, LabError> {
    let mut images = docker.our_images().await?;
    let bytes = |images: &[ImageSeen]| images.iter().map(|image| image.size).sum::<u64>();
    let before = bytes(&images);
    loop {
        let mut kept = Vec::new();
        for image in &images {
            for reference in image.references() {
                match docker.remove_image(reference).await {
                    Ok(()) => say(reference, None),
                    Err(EngineError::Conflict(why)) => kept.push((reference, why)),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let left = docker.our_images().await?;
        if left.is_empty() || left == images {
            for (reference, why) in kept {
                say(reference, Some(&why));
            }
            return Ok(before.saturating_sub(bytes(&left)));
        }
        images = left;
    }
}

/// Runs the program once in its image: a binary linked against a newer C library than the image's
/// would otherwise fail much later and less clearly.
async fn check_program(docker: &Docker, reference: &str) -> Result<(), LabError> {
    let command = ["/usr/local/bin/pgha".to_owned(), "--version".to_owned()];
    let (code, output) = docker.run_once(reference, &command).await?;
    if code == 0 {
        return Ok(());
    }
    docker.remove_image(reference).await?;
    Err(LabError::Image {
        message: format!("this program does not run in its image: {}", output.trim()),
        hint: "build it statically: RUSTFLAGS='-C target-feature=+crt-static' cargo build --release \
               --target x86_64-unknown-linux-gnu"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_the_flake_have_names_that_the_flake_makes() {
        let declared = |source: &str| -> Declared {
            let text = format!(r#"{{ "source": "{source}", "suite": "trixie", "postgres": 17 }}"#);
            serde_json::from_str(&text).expect("images")
        };
        let nix = declared("nix");
        assert_eq!(reference(&nix, ImageRole::Postgres, b"any"), "pgha/postgres:nix-17");
        assert!(bases(&nix).is_empty(), "they are built on no image of Debian");
        let flake = include_str!("../../lab/nix/images.nix");
        for role in ImageRole::ALL {
            let stem = format!("\"pgha/{}\"", role.as_str());
            assert!(flake.contains(&stem), "lab/nix/images.nix makes no image {stem}");
        }
        assert!(flake.contains("nix-${toString major}"), "the tag");
        assert_ne!(
            reference(&declared("debian"), ImageRole::Pgha, b"one"),
            reference(&declared("debian"), ImageRole::Pgha, b"two")
        );
    }

    #[test]
    fn a_program_of_another_version_is_told() {
        assert_eq!(other_version(&format!("{VERSION}\n")), None);
        assert_eq!(other_version("pgha 0.0.1\n").as_deref(), Some("pgha 0.0.1"));
        assert_eq!(other_version("").as_deref(), Some("no program of ours"));
    }
}
