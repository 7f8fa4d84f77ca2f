//! A narrow link. What leaves is shaped by the kernel's token bucket, what arrives above the rate is
//! dropped by a rule ([`super::rules`]): together both directions, and TCP finds its speed. Pure text.

use crate::model::Bytes;

/// Longest wait of a packet in the bucket's queue, milliseconds.
const LATENCY_MS: u32 = 400;
/// Smallest bucket: what fits in it leaves at full speed.
const LEAST_BUCKET: u64 = 32 * 1024;

/// Name of the queue discipline: it tells ours from another fault's. 0 and ffff are the kernel's.
fn handle(mark: &str) -> String {
    let number = u16::from_str_radix(mark.get(..4).unwrap_or_default(), 16).unwrap_or(1);
    format!("{:x}:", number.clamp(1, 0xfffe))
}

fn bucket(rate: Bytes) -> u64 {
    (rate.0 / 100).max(LEAST_BUCKET)
}

/// Puts the bucket in.
#[must_use]
pub fn lay(mark: &str, rate: Bytes) -> String {
    format!(
        "tc qdisc add dev eth0 root handle {} tbf rate {}bps burst {}b latency {LATENCY_MS}ms || exit 1\n",
        handle(mark),
        rate.0,
        bucket(rate)
    )
}

/// Puts netem in: packets that leave are late.
#[must_use]
pub fn lay_netem(mark: &str, delay_us: u128, jitter_us: u128) -> String {
    // the queue must hold what a fast link sends while the first packet waits
    format!(
        "tc qdisc add dev eth0 root handle {} netem delay {delay_us}us {jitter_us}us limit 100000 || exit 1\n",
        handle(mark)
    )
}

/// Takes it out, when it is ours.
#[must_use]
pub fn take_away(mark: &str) -> String {
    let handle = handle(mark);
    format!(
        "case \"$(tc qdisc show dev eth0 root)\" in *' {handle} root '*) tc qdisc del dev eth0 root;; esac\n"
    )
}

/// A script that prints the link's statistics.
pub const LINK_STATISTICS: &str = "tc -s qdisc show dev eth0\n";

/// A bash script that sends more at once than the bucket holds: a link on which nobody sends shows no
/// width.
#[must_use]
pub fn fill(to: std::net::Ipv4Addr, rate: Bytes) -> String {
    let datagrams = (bucket(rate) * 4 / 16_000).clamp(8, 2000);
    format!(
        "load=$(printf '%16000s' x)\nfor i in $(seq {datagrams}); do echo \"$load\" > /dev/udp/{to}/9; done 2>/dev/null\n"
    )
}

/// What our discipline did: packets sent, and how often one had to wait or was dropped.
#[must_use]
pub fn read(mark: &str, printed: &str) -> Option<(u64, u64)> {
    let ours = format!(" {} root ", handle(mark));
    let mut lines = printed.lines().skip_while(|line| !line.contains(&ours));
    lines.next()?;
    let words: Vec<&str> = lines.next()?.split(|c: char| c.is_whitespace() || "(),".contains(c)).collect();
    let after = |word: &str| {
        let at = words.iter().position(|seen| *seen == word)?;
        words.get(at + 1)?.parse().ok()
    };
    let packets = words.iter().position(|word| *word == "pkt")?.checked_sub(1)?;
    let dropped: u64 = after("dropped")?;
    let over: u64 = after("overlimits")?;
    Some((words.get(packets)?.parse().ok()?, dropped + over))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_discipline_is_read() {
        let printed = "qdisc tbf 11: root refcnt 3 rate 800Kbit burst 32Kb lat 400ms \n \
                       Sent 9000 bytes 12 pkt (dropped 3, overlimits 40 requeues 0) \n backlog 0b 0p requeues 0\n";
        assert_eq!(read("0011aabbccdd", printed), Some((12, 43)));
        assert_eq!(read("0012aabbccdd", printed), None);
        assert_eq!(read("0011aabbccdd", "qdisc noqueue 0: root refcnt 2 \n"), None);
    }

    #[test]
    fn a_bucket_is_named_and_only_that_one_is_taken_away() {
        insta::assert_snapshot!(lay("0000aabbccdd", Bytes(100_000)), @"tc qdisc add dev eth0 root handle 1: tbf rate 100000bps burst 32768b latency 400ms || exit 1");
        insta::assert_snapshot!(take_away("ffffaabbccdd"), @r#"case "$(tc qdisc show dev eth0 root)" in *' fffe: root '*) tc qdisc del dev eth0 root;; esac"#);
    }
}
