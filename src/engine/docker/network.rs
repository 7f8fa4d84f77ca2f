//! What the kernel under the engine can do to packets, found out in throw-away containers with a
//! namespace of their own. Nothing of the machine's network is touched.

use std::collections::BTreeMap;

use super::connection::{Docker, EngineResult};
use super::helper::Helper;

/// The label of helpers that belong to no lab.
const HELPERS_LAB: &str = "doctor";

/// Abilities that are asked for: a name, and the command that needs it. The chain exists by then.
const ASKED: [(&str, &str); 5] = [
    ("filter", "iptables -A PGHA-TRY -s 192.0.2.1 -p tcp --dport 9 -j DROP"),
    ("statistic", "iptables -A PGHA-TRY -m statistic --mode random --probability 0.1 -j DROP"),
    (
        "hashlimit",
        "iptables -A PGHA-TRY -m hashlimit --hashlimit-above 100000b/s --hashlimit-burst 131072b --hashlimit-name t -j DROP",
    ),
    ("tbf", "tc qdisc add dev lo root tbf rate 100000bps burst 32768b latency 400ms"),
    ("nfqueue", "iptables -t mangle -A OUTPUT -j NFQUEUE --queue-num 1 --queue-bypass"),
];

impl Docker {
    /// What packets can be done to: ability → why not, `None` when it works. Abilities: `filter`,
    /// `statistic`, `hashlimit`, `tbf`, `nfqueue`, and `queue` when `program_image` is given, which
    /// must hold this program.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn try_network(
        &self,
        helper_image: &str,
        program_image: Option<&str>,
    ) -> EngineResult<BTreeMap<&'static str, Option<String>>> {
        let mut script = vec!["iptables -N PGHA-TRY".to_owned()];
        for (name, command) in ASKED {
            script.push(format!("why=$({command} 2>&1) && echo '{name} yes' || echo {name} no $why"));
        }
        let script = script.join("\n");
        let trial = helper(helper_image, ["bash", "-c", &script].map(str::to_owned).to_vec());
        let (_, printed) = self.help(&trial).await?;
        let mut found: BTreeMap<&'static str, Option<String>> =
            ASKED.into_iter().map(|(name, _)| (name, read(name, &printed))).collect();
        if let Some(image) = program_image {
            let plan = r#"{"queue":1,"delay":"0s","jitter":"0s","seed":1,"bind-only":true}"#;
            let command = ["/usr/local/bin/pgha", "client", "late", "--plan", plan].map(str::to_owned);
            let (code, printed) = self.help(&helper(image, command.to_vec())).await?;
            found.insert("queue", (code != 0).then(|| printed.trim().to_owned()));
        }
        Ok(found)
    }
}

fn helper(image: &str, command: Vec<String>) -> Helper {
    Helper {
        lab: HELPERS_LAB.to_owned(),
        image: image.to_owned(),
        command,
        capabilities: vec!["NET_ADMIN"],
        ..Helper::default()
    }
}

/// Why an ability is not there, from what the script printed; `None` when it is.
fn read(name: &str, printed: &str) -> Option<String> {
    let said = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    match said {
        Some("yes") => None,
        Some(no) => Some(no.strip_prefix("no").unwrap_or(no).trim().to_owned()),
        None => Some(format!("could not be tried: {}", printed.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_not_there() {
        let printed = "filter yes\nstatistic no iptables: No such file\n";
        assert_eq!(read("filter", printed), None);
        assert_eq!(read("statistic", printed).as_deref(), Some("iptables: No such file"));
        assert!(read("tbf", printed).expect("a reason").starts_with("could not be tried"));
    }
}
