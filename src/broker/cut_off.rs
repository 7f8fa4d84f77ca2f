//! How a body is cut off in its host: the words that shut its ports there and open them again. Pure.
//!
//! Theory: a body that cannot be killed may go on later, so nothing it says then may get out, an answer to what it was
//! told before among it, and its Patroni must not keep the lease of somebody whom nobody reaches. Whoever knocks is
//! refused at once: silence would cost Patroni's election two seconds.

use crate::decide::body::{ETCD_PORT, PATRONI_PORT, POSTGRES_PORT, POSTGRES_UID};

/// Ports of an instance.
const DOORS: [u16; 2] = [POSTGRES_PORT, PATRONI_PORT];
/// Chains of our own: for what comes in, and for what goes out.
const CHAINS: [(&str, &str); 2] = [("PGHA-FENCE", "INPUT"), ("PGHA-FENCE-OUT", "OUTPUT")];

/// Shuts them; twice is once.
pub(super) fn shut() -> String {
    let [(inwards, _), (outwards, _)] = CHAINS;
    let mut script = Vec::new();
    for (chain, _) in CHAINS {
        script.push(format!("(iptables -w -N {chain} 2>/dev/null; iptables -w -F {chain})"));
    }
    // refusals go out
    script.push(format!("iptables -w -A {outwards} -p tcp --tcp-flags RST RST -j RETURN"));
    for port in DOORS {
        script.push(format!(
            "iptables -w -A {inwards} -p tcp --dport {port} -j REJECT --reject-with tcp-reset"
        ));
        script.push(format!("iptables -w -A {outwards} -p tcp --sport {port} -j DROP"));
    }
    // others on the host go on to the store; a kernel that cannot tell owners apart leaves that to the kill
    let owned = format!("-m owner --uid-owner {POSTGRES_UID} -p tcp --dport {ETCD_PORT}");
    script.push(format!(
        "(iptables -w -A {outwards} {owned} -j REJECT --reject-with tcp-reset 2>/dev/null || true)"
    ));
    for (chain, hook) in CHAINS {
        script.push(format!(
            "(iptables -w -C {hook} -j {chain} 2>/dev/null || iptables -w -I {hook} -j {chain})"
        ));
    }
    script.join(" && ")
}

/// Opens them, shut or not.
pub(super) fn open() -> String {
    let words = CHAINS.iter().flat_map(|(chain, hook)| {
        [format!("-D {hook} -j {chain}"), format!("-F {chain}"), format!("-X {chain}")]
    });
    let script: Vec<String> = words.map(|words| format!("iptables -w {words} 2>/dev/null; ")).collect();
    script.concat() + "true"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_in_or_out_but_refusals_and_others_keep_the_store() {
        insta::assert_snapshot!(shut().replace(" && ", "\n"), @r"
        (iptables -w -N PGHA-FENCE 2>/dev/null; iptables -w -F PGHA-FENCE)
        (iptables -w -N PGHA-FENCE-OUT 2>/dev/null; iptables -w -F PGHA-FENCE-OUT)
        iptables -w -A PGHA-FENCE-OUT -p tcp --tcp-flags RST RST -j RETURN
        iptables -w -A PGHA-FENCE -p tcp --dport 15432 -j REJECT --reject-with tcp-reset
        iptables -w -A PGHA-FENCE-OUT -p tcp --sport 15432 -j DROP
        iptables -w -A PGHA-FENCE -p tcp --dport 8008 -j REJECT --reject-with tcp-reset
        iptables -w -A PGHA-FENCE-OUT -p tcp --sport 8008 -j DROP
        (iptables -w -A PGHA-FENCE-OUT -m owner --uid-owner 999 -p tcp --dport 2379 -j REJECT --reject-with tcp-reset 2>/dev/null || true)
        (iptables -w -C INPUT -j PGHA-FENCE 2>/dev/null || iptables -w -I INPUT -j PGHA-FENCE)
        (iptables -w -C OUTPUT -j PGHA-FENCE-OUT 2>/dev/null || iptables -w -I OUTPUT -j PGHA-FENCE-OUT)
        ");
        insta::assert_snapshot!(open().replace("; ", "\n"), @r"
        iptables -w -D INPUT -j PGHA-FENCE 2>/dev/null
        iptables -w -F PGHA-FENCE 2>/dev/null
        iptables -w -X PGHA-FENCE 2>/dev/null
        iptables -w -D OUTPUT -j PGHA-FENCE-OUT 2>/dev/null
        iptables -w -F PGHA-FENCE-OUT 2>/dev/null
        iptables -w -X PGHA-FENCE-OUT 2>/dev/null
        true
        ");
    }
}
