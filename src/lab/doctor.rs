//! What is there, and what its absence switches off. Changes nothing on the machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

pub use super::finding::{DoctorFinding, Grade};

use super::finding::finding;
use super::names::network_address;
use super::{engines, images, user};
use crate::engine::docker::{Docker, EngineError};
use crate::model::body::LABEL_IMAGE;
use crate::model::lab::ImageSource;
use crate::model::{ImageRole, LabSpec};

/// Looks at everything a lab needs. `processor`: what this program is built for, by the name that Rust has for it.
pub async fn examine(
    docker: Result<Docker, EngineError>,
    spec: &LabSpec,
    processor: &str,
) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    let docker = match docker {
        Ok(docker) => docker,
        Err(error) => {
            let hint = error.hint().unwrap_or_default();
            findings.push(finding("engine", Grade::Bad, error.to_string(), hint));
            findings.extend(another_engine());
            return findings;
        }
    };
    match docker.info().await {
        Ok(info) => {
            findings.push(finding(
                "engine",
                Grade::Good,
                format!("{} (API {}), storage {}", info.version, info.api, info.storage),
                "",
            ));
            findings.extend(engines::known_of(&info, processor));
            findings.push(finding("cgroup", Grade::Good, format!("version {}", info.cgroup), ""));
            findings.push(finding(
                "machine",
                Grade::Good,
                format!("{} cores, {} MiB, kernel {}", info.cpus, info.memory / (1024 * 1024), info.kernel),
                "",
            ));
        }
        Err(error) => findings.push(finding("engine", Grade::Bad, error.to_string(), "")),
    }
    for base in images::bases(&spec.images) {
        findings.push(base_image(&docker, &base).await);
    }
    if spec.images.source == ImageSource::Nix {
        findings.push(of_flake(&docker, spec).await);
    }
    if let Some(caveat) = spec.haproxy_caveat() {
        findings.push(finding("balancers", Grade::Less, "clients may be left hanging", caveat));
    }
    findings.extend(socket(&docker));
    findings.extend(helper(&docker).await);
    findings.push(addresses(&docker, spec).await);
    findings
}

/// A socket of another engine, where none answers at the one that was asked.
fn another_engine() -> Option<DoctorFinding> {
    let mut sockets = engines::other_sockets(user::look().uid);
    sockets.retain(|path| std::path::Path::new(path).exists());
    engines::elsewhere(&sockets).map(|words| finding("engine", Grade::Less, words, ""))
}

/// Whether a broker can be handed the engine's socket: no controller runs without one.
fn socket(docker: &Docker) -> Option<DoctorFinding> {
    let error = docker.socket().err()?;
    let note = "use an engine of this machine for labs with controllers";
    Some(finding("controllers", Grade::Less, error.to_string(), note))
}

/// Whether the images of the flake were loaded.
async fn of_flake(docker: &Docker, spec: &LabSpec) -> DoctorFinding {
    match images::not_loaded(docker, &spec.images).await {
        Ok(missing) if missing.is_empty() => {
            finding("images", Grade::Good, "those of the flake are loaded", "")
        }
        Ok(missing) => {
            let seen = format!("not loaded: {}", missing.join(", "));
            finding("images", Grade::Bad, seen, images::LOAD)
        }
        Err(error) => finding("images", Grade::Bad, error.to_string(), ""),
    }
}

async fn base_image(docker: &Docker, base: &str) -> DoctorFinding {
    match docker.image_id(base).await {
        Ok(Some(_)) => finding("base image", Grade::Good, format!("{base} is on the engine"), ""),
        Ok(None) => {
            let bootstrap = std::process::Command::new("mmdebstrap")
                .arg("--version")
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            if bootstrap {
                match user::cannot_bootstrap(&user::look()) {
                    None => {
                        let seen = format!("{base} will be pulled, or bootstrapped");
                        finding("base image", Grade::Good, seen, "")
                    }
                    Some((why, how)) => {
                        let seen =
                            format!("{base} is not on the engine, and only a registry can give it: {why}");
                        finding("base image", Grade::Less, seen, how)
                    }
                }
            } else {
                finding(
                    "base image",
                    Grade::Less,
                    format!("{base} is not on the engine, and mmdebstrap is not installed"),
                    "works when a registry answers; else install `mmdebstrap` (`lab/setup` does it)",
                )
            }
        }
        Err(error) => finding("base image", Grade::Bad, error.to_string(), ""),
    }
}

/// What only a container of ours can find out: XFS on loop devices, netem.
async fn helper(docker: &Docker) -> Vec<DoctorFinding> {
    let image = match docker.our_images().await {
        Ok(images) => images
            .into_iter()
            .find(|image| image.role == ImageRole::Host.as_str())
            .and_then(|image| image.tags.into_iter().next()),
        Err(error) => return vec![finding("helper image", Grade::Bad, error.to_string(), "")],
    };
    let Some(image) = image else {
        return vec![finding(
            "disks, netem",
            Grade::Less,
            format!("not tried: no image carries {LABEL_IMAGE}=host yet"),
            "`pgha up` builds it; then this says whether disks have a size of their own here",
        )];
    };
    let mut findings = Vec::new();
    findings.push(match docker.try_disk(&image).await {
        Ok(None) => finding("disks", Grade::Good, "XFS on loop devices works", ""),
        Ok(Some(why)) => finding(
            "disks",
            Grade::Less,
            why,
            "volumes have no size of their own: disk faults and disk scaling are switched off",
        ),
        Err(error) => finding("disks", Grade::Bad, error.to_string(), ""),
    });
    findings.push(match docker.try_throttle(&image).await {
        Ok(None) => finding("disk throttle", Grade::Good, "the cgroup of a container takes one", ""),
        Ok(Some(why)) => finding("disk throttle", Grade::Less, why, "`disk-slow` is switched off"),
        Err(error) => finding("disk throttle", Grade::Bad, error.to_string(), ""),
    });
    findings.push(match docker.try_netem(&image).await {
        Ok(None) => finding("netem", Grade::Good, "the kernel has it", ""),
        Ok(Some(why)) => finding("netem", Grade::Less, why, "delays will need a queue in user space"),
        Err(error) => finding("netem", Grade::Bad, error.to_string(), ""),
    });
    findings.push(packets(docker, &image).await);
    findings
}

/// What can be done to packets here.
async fn packets(docker: &Docker, image: &str) -> DoctorFinding {
    let able = match docker.try_network(image, None).await {
        Ok(able) => able,
        Err(error) => return finding("packets", Grade::Bad, error.to_string(), ""),
    };
    let not: Vec<String> =
        able.iter().filter_map(|(name, why)| why.as_ref().map(|why| format!("{name} ({why})"))).collect();
    if not.is_empty() {
        let all: Vec<&str> = able.keys().copied().collect();
        finding("packets", Grade::Good, format!("{} work", all.join(", ")), "")
    } else {
        finding(
            "packets",
            Grade::Less,
            format!("missing: {}", not.join(", ")),
            "filter: isolate, partition, flap, power-off; statistic: loss; hashlimit and tbf: bandwidth; \
             nfqueue: delay without netem",
        )
    }
}

/// Whether the loopback addresses can be published: nobody may listen there, unless it is the lab itself.
async fn addresses(docker: &Docker, spec: &LabSpec) -> DoctorFinding {
    let Some(base) = network_address(&spec.network.publish) else {
        return finding("addresses", Grade::Good, "nothing is published", "");
    };
    let ours = docker.observe(Some(spec.name.as_str())).await.is_ok_and(|seen| !seen.containers.is_empty());
    if ours {
        return finding("addresses", Grade::Good, format!("lab `{}` is up and holds them", spec.name), "");
    }
    let [a, b, c, _] = base.octets();
    let mut taken = Vec::new();
    for index in 0..spec.hosts.len() {
        let address = Ipv4Addr::new(a, b, c, u8::try_from(index + 1).unwrap_or(u8::MAX));
        for port in [5432, 5433] {
            if let Err(error) = TcpListener::bind(SocketAddr::from((address, port))) {
                taken.push(format!("{address}:{port} ({error})"));
            }
        }
    }
    if taken.is_empty() {
        finding("addresses", Grade::Good, format!("5432 and 5433 are free on {}", spec.network.publish), "")
    } else {
        finding(
            "addresses",
            Grade::Bad,
            format!("taken: {}", taken.join(", ")),
            "set `[network] publish` to another loopback /24, or to \"none\"",
        )
    }
}
