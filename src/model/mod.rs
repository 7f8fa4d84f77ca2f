//! Plain data shared by every room: ids, units, the lab as declared, the lab as seen, faults and
//! their receipts. Nothing here decides, waits or talks to anything; serde and schemars only.
//!
//! Invariant: every type can be written to a run directory and read back next year.

pub mod alarm;
pub mod body;
pub mod control;
pub mod controller_status;
pub mod decision;
pub mod fault;
pub mod id;
pub mod image;
pub mod lab;
pub mod observed;
pub mod part;
pub mod plan;
pub mod run;
pub mod scaling;
pub mod scenario;
pub mod self_report;
pub mod sighting;
pub mod status;
pub mod store_keys;
pub mod suite;
pub mod suite_goal;
pub mod target;
pub mod units;

pub use body::{Body, BodyFile, Capability, Mount, Namespace, VolumeWanted};
pub use decision::{Action, Decision};
pub use fault::{FaultRecord, FaultTarget, Receipt, ReceiptState};
pub use id::{HostName, MemberId, Name};
pub use image::ImageRole;
pub use lab::{LabSpec, Member, Service, Size};
pub use observed::{Container, ContainerStatus, Observed};
pub use run::Stamp;
pub use scenario::{Expect, Load, Scenario, Step, Verb};
pub use sighting::{Sight, Sighting};
pub use target::Target;
pub use units::{Bytes, Lsn, Mono, Span, offset_ms};
