//! Which ports a cluster gets: one block, kept for its whole life, and the
//! next one when anything in it is taken. It must not know what listens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::topology::{NodeKind, Topology};

/// Ports of one cluster; a block begins at a multiple of it above the start.
const BLOCK: u16 = 100;

/// Below the range from which Linux takes ports for outgoing connections, so
/// that a client's socket never sits on a stopped node's port.
const DEFAULT_RANGE: RangeInclusive<u16> = 20_000..=31_999;

/// The ports of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePorts {
    /// Where its customers connect.
    pub main: u16,
    /// The admin port of a service or the load balancer, the peer port of an
    /// etcd member; the same as `main` for a node with only one port.
    pub second: u16,
    /// The node's own address; loopback unless it has a host of its own.
    #[serde(default = "loopback")]
    pub host: Ipv4Addr,
}

const fn loopback() -> Ipv4Addr {
    Ipv4Addr::LOCALHOST
}

impl NodePorts {
    /// On loopback.
    #[must_use]
    pub const fn local(main: u16, second: u16) -> Self {
        Self { main, second, host: Ipv4Addr::LOCALHOST }
    }

    /// Where its customers connect.
    #[must_use]
    pub const fn at_main(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, self.main)
    }

    /// Its second port.
    #[must_use]
    pub const fn at_second(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, self.second)
    }
}

/// Why there are no ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// Every block has a taken port in it.
    #[error("no {BLOCK} free ports in a row between {0} and {1}; set SEATLOCK_PORTS=FIRST-LAST")]
    AllTaken(u16, u16),
    /// The cluster has more nodes than a block has ports.
    #[error("a cluster of {0} nodes needs more ports than a block of {BLOCK} has")]
    TooManyNodes(usize),
    /// `SEATLOCK_PORTS` is not two numbers.
    #[error("SEATLOCK_PORTS={0:?} is not FIRST-LAST")]
    BadRange(String),
}

/// The range to look in: `SEATLOCK_PORTS=FIRST-LAST`, or the default.
pub(crate) fn range_from_env() -> Result<RangeInclusive<u16>, PortsError> {
    match std::env::var("SEATLOCK_PORTS") {
        Err(_) => Ok(DEFAULT_RANGE),
        Ok(text) => parse_range(&text).ok_or(PortsError::BadRange(text)),
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
    (range.start() < range.end()).then_some(range)
}

/// The ports of every node in the first block that is free and not promised
/// to another cluster.
pub(crate) fn choose(
    topology: &Topology,
    range: &RangeInclusive<u16>,
    promised: &BTreeSet<u16>,
    is_free: impl Fn(u16) -> bool,
) -> Result<BTreeMap<String, NodePorts>, PortsError> {
    let mut base = *range.start();
    loop {
        let last = base.checked_add(BLOCK - 1).filter(|last| last <= range.end());
        if last.is_none() {
            return Err(PortsError::AllTaken(*range.start(), *range.end()));
        }
        let ports = lay_out(topology, base)?;
        let usable = |port: u16| !promised.contains(&port) && is_free(port);
        if ports.values().all(|p| usable(p.main) && usable(p.second)) {
            return Ok(ports);
        }
        match base.checked_add(BLOCK) {
            Some(next) => base = next,
            None => return Err(PortsError::AllTaken(*range.start(), *range.end())),
        }
    }
}

/// The load balancer comes first, so that a block's first number is the
/// address people type.
fn lay_out(topology: &Topology, base: u16) -> Result<BTreeMap<String, NodePorts>, PortsError> {
    let too_many = || PortsError::TooManyNodes(topology.nodes.len());
    let mut ports = BTreeMap::new();
    let mut next = base;
    let mut take = || {
        let port = next;
        next = next.checked_add(1).filter(|next| next - base <= BLOCK).ok_or_else(too_many)?;
        Ok(port)
    };
    let front = topology.of_kind(NodeKind::LoadBalancer);
    let rest = topology.nodes.iter().filter(|node| node.kind != NodeKind::LoadBalancer);
    for node in front.chain(rest) {
        let main = take()?;
        let second = if has_two(node.kind) { take()? } else { main };
        let host = topology.host_of(&node.name).unwrap_or(Ipv4Addr::LOCALHOST);
        ports.insert(node.name.clone(), NodePorts { main, second, host });
    }
    Ok(ports)
}

const fn has_two(kind: NodeKind) -> bool {
    kind.is_service() || matches!(kind, NodeKind::Etcd | NodeKind::LoadBalancer)
}

/// Whether a listener could be put there now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Profile;

    #[test]
    fn every_port_is_given_once_and_the_load_balancer_is_first() {
        let topology = Topology::new("t", Profile::Ha);
        let ports = choose(&topology, &(20_000..=20_999), &BTreeSet::new(), |_| true).unwrap();
        assert_eq!(ports.len(), topology.nodes.len());
        assert_eq!(ports["load-balancer"], NodePorts::local(20_000, 20_001));
        let mut all = BTreeSet::new();
        for p in ports.values() {
            assert!(all.insert(p.main));
            assert!(p.main == p.second || all.insert(p.second));
        }
    }

    #[test]
    fn a_taken_port_moves_the_whole_block() {
        let topology = Topology::new("t", Profile::Tiny);
        let promised = BTreeSet::from([20_103]);
        let ports = choose(&topology, &(20_000..=20_999), &promised, |p| p != 20_005).unwrap();
        assert_eq!(ports["load-balancer"].main, 20_200);
    }

    #[test]
    fn a_full_range_says_so() {
        let topology = Topology::new("t", Profile::Tiny);
        let result = choose(&topology, &(65_300..=65_535), &BTreeSet::new(), |_| false);
        assert_eq!(result, Err(PortsError::AllTaken(65_300, 65_535)));
    }

    #[test]
    fn a_port_with_a_listener_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        drop(listener);
        assert!(is_free(port));
    }

    #[test]
    fn a_range_is_two_numbers() {
        assert_eq!(parse_range("20000-23999"), Some(20_000..=23_999));
        assert_eq!(parse_range("5-5"), None);
        assert_eq!(parse_range("x"), None);
    }
}
