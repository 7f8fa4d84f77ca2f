//! A lab to render in tests: six hosts and a client's, three of everything that votes.

use std::net::Ipv4Addr;

use super::context::RecipeContext;
use super::secrets::Secrets;
use crate::model::{LabSpec, Member, Service};

/// A lab as `spec` would resolve it.
pub fn spec() -> LabSpec {
    serde_json::from_str(include_str!("sample.json")).expect("the sample is a lab")
}

/// Where everybody of [`spec`] stands.
pub fn members(spec: &LabSpec) -> Vec<Member> {
    [
        ("client", Service::Client, "client"),
        ("etcd-1", Service::Etcd, "h1"),
        ("etcd-2", Service::Etcd, "h2"),
        ("etcd-3", Service::Etcd, "h3"),
        ("postgres-1", Service::Postgres, "h1"),
        ("postgres-2", Service::Postgres, "h2"),
        ("postgres-3", Service::Postgres, "h3"),
        ("balancer-1", Service::Balancer, "h4"),
        ("balancer-2", Service::Balancer, "h5"),
    ]
    .map(|(id, service, host)| Member {
        id: id.parse().expect("a name"),
        service,
        host: host.parse().expect("a name"),
        size: spec.start_size(service),
    })
    .into()
}

/// Passwords a search can find.
pub fn secrets() -> Secrets {
    Secrets {
        superuser: "s3cretsuperuser".to_owned(),
        replicator: "s3cretreplicator".to_owned(),
        rewind: "s3cretrewind".to_owned(),
        application: "s3cretapplication".to_owned(),
        rest: "s3cretrest".to_owned(),
        broker: "s3cretbroker".to_owned(),
    }
}

/// The context of a lab on 198.18.250.0/24 that is about to be founded.
pub fn context<'a>(spec: &'a LabSpec, members: &'a [Member], secrets: &'a Secrets) -> RecipeContext<'a> {
    RecipeContext { spec, members, subnet: Ipv4Addr::new(198, 18, 250, 0), secrets, token: "lab-1" }
}
