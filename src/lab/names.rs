//! Names of a lab's objects on the engine, and its addresses. One place, so that nothing guesses.

use std::net::Ipv4Addr;

/// The lab's network.
#[must_use]
pub fn network(lab: &str) -> String {
    format!("pgha-{lab}")
}

/// Sandbox of a host.
#[must_use]
pub fn sandbox(lab: &str, host: &str) -> String {
    format!("pgha-{lab}-host-{host}")
}

/// Container of a member.
#[must_use]
pub fn container(lab: &str, member: &str) -> String {
    format!("pgha-{lab}-{member}")
}

/// How the names of helpers that stand beside a disk begin, after the lab's: `down` thaws what they hold.
pub const DISK_HELPER: &str = "disk-";

/// The plain volume that holds the image files of the lab's disks.
#[must_use]
pub fn disks(lab: &str) -> String {
    format!("pgha-{lab}-disks")
}

/// Address of the host at position `index` (from 0).
#[must_use]
pub fn host_address(subnet: Ipv4Addr, index: usize) -> Ipv4Addr {
    let [a, b, c, _] = subnet.octets();
    Ipv4Addr::new(a, b, c, u8::try_from(11 + index).unwrap_or(u8::MAX))
}

/// The network address in a text such as `198.18.7.0/24`.
#[must_use]
pub fn network_address(subnet: &str) -> Option<Ipv4Addr> {
    subnet.split_once('/')?.0.parse().ok()
}

/// Network address and mask of a text such as `198.18.7.0/24`.
fn parse_subnet(subnet: &str) -> Option<(u32, u32)> {
    let (address, length) = subnet.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let length: u32 = length.parse().ok()?;
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
    Some((u32::from(address) & mask, mask))
}

/// The first free /24 of 198.18.0.0/15: benchmarking addresses, so they collide with nobody's network.
#[must_use]
pub fn free_subnet(taken: &[String]) -> Option<Ipv4Addr> {
    const FIRST: u32 = 0xC612_0000;
    const MASK: u32 = 0xFFFF_FF00;
    let taken: Vec<(u32, u32)> = taken.iter().filter_map(|subnet| parse_subnet(subnet)).collect();
    (0..512u32)
        .map(|n| FIRST + (n << 8))
        .find(|mine| taken.iter().all(|(theirs, mask)| (mine & mask & MASK) != (theirs & mask & MASK)))
        .map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labs_side_by_side_get_different_networks() {
        assert_eq!(free_subnet(&[]), Some(Ipv4Addr::new(198, 18, 0, 0)));
        let taken = ["198.18.1.0/24".to_owned(), "172.17.0.0/16".to_owned()];
        assert_eq!(free_subnet(&taken), Some(Ipv4Addr::new(198, 18, 0, 0)));
        let taken = ["198.18.0.0/24".to_owned(), "198.18.1.128/25".to_owned()];
        assert_eq!(free_subnet(&taken), Some(Ipv4Addr::new(198, 18, 2, 0)));
        let taken = ["198.18.0.0/16".to_owned()];
        assert_eq!(free_subnet(&taken), Some(Ipv4Addr::new(198, 19, 0, 0)));
        assert_eq!(free_subnet(&["198.18.0.0/15".to_owned()]), None);
    }

    #[test]
    fn a_hosts_address_follows_from_its_place() {
        assert_eq!(host_address(Ipv4Addr::new(198, 18, 7, 0), 0), Ipv4Addr::new(198, 18, 7, 11));
    }
}
