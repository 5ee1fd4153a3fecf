//! Hosts without containers: every node in a network namespace of its own,
//! with an address of its own, on one bridge. So a test can cut one node from
//! another, which on loopback it cannot. It must not know what a node is.
//!
//! All of it is inside a network namespace that the caller made for itself
//! (`unshare --user --map-root-user --net --mount`): nothing of the machine's
//! own network is touched, and no packet leaves that namespace.

use std::ffi::OsStr;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::topology::Topology;

/// What the bridge is called.
const BRIDGE: &str = "seatlock";

/// The first host's last number; the bridge, and with it the caller, has 1.
const FIRST: usize = 10;

/// Addresses and names of the hosts of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// The first three numbers of every address.
    pub network: [u8; 3],
    /// Where the namespaces have names.
    pub namespaces: PathBuf,
}

impl Default for Hosts {
    fn default() -> Self {
        Self { network: [10, 231, 0], namespaces: PathBuf::from("/run/netns") }
    }
}

/// Why there are no hosts.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// The caller still sees the machine's own network.
    #[error(
        "this is the machine's own network (it has {0}); hosts are made only in a namespace of \
         their own: unshare --user --map-root-user --net --mount"
    )]
    NotAlone(String),
    /// A command is missing or was refused.
    #[error("{command}: {why}")]
    Command {
        /// Which.
        command: String,
        /// What it said.
        why: String,
    },
    /// More nodes than addresses.
    #[error("there are addresses for {0} nodes only")]
    TooMany(usize),
}

impl Hosts {
    /// The address of the node at this place of the topology.
    #[must_use]
    pub fn address(&self, place: usize) -> Option<Ipv4Addr> {
        let [a, b, c] = self.network;
        let last = u8::try_from(FIRST + place).ok().filter(|last| *last < 255)?;
        Some(Ipv4Addr::new(a, b, c, last))
    }

    /// The namespace of a node.
    #[must_use]
    pub fn namespace(&self, name: &str) -> PathBuf {
        self.namespaces.join(name)
    }

    /// Makes a host for every node. They go with the caller's own namespace.
    ///
    /// # Errors
    /// See [`HostsError`].
    pub fn make(&self, topology: &Topology) -> Result<(), HostsError> {
        alone()?;
        if self.address(topology.nodes.len()).is_none() {
            return Err(HostsError::TooMany(254 - FIRST));
        }
        let [a, b, c] = self.network;
        // Names of namespaces are mounts: on a tmpfs of our own.
        run("mount", ["-t", "tmpfs", "tmpfs", "/run"])?;
        run("ip", ["link", "set", "lo", "up"])?;
        run("ip", ["link", "add", BRIDGE, "type", "bridge"])?;
        run("ip", ["addr", "add", &format!("{a}.{b}.{c}.1/24"), "dev", BRIDGE])?;
        run("ip", ["link", "set", BRIDGE, "up"])?;
        for (place, node) in topology.nodes.iter().enumerate() {
            let Some(address) = self.address(place) else { continue };
            let (name, wire) = (node.name.as_str(), format!("wire{place}"));
            run("ip", ["netns", "add", name])?;
            let pair =
                ["link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns", name];
            run("ip", pair)?;
            run("ip", ["link", "set", &wire, "master", BRIDGE, "up"])?;
            run("ip", ["-n", name, "addr", "add", &format!("{address}/24"), "dev", "eth0"])?;
            run("ip", ["-n", name, "link", "set", "eth0", "up"])?;
            run("ip", ["-n", name, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }
}

/// A namespace that was just made has only its loopback.
fn alone() -> Result<(), HostsError> {
    const DEVICES: &str = "/proc/self/net/dev";
    let text = std::fs::read_to_string(DEVICES).map_err(|error| failed(DEVICES, error))?;
    let names = text.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim);
    match names.into_iter().find(|name| *name != "lo") {
        Some(name) => Err(HostsError::NotAlone(name.to_owned())),
        None => Ok(()),
    }
}

fn failed(command: impl std::fmt::Display, error: io::Error) -> HostsError {
    HostsError::Command { command: command.to_string(), why: error.to_string() }
}

/// Runs a command to its end.
fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
    program: &str,
    arguments: I,
) -> Result<(), HostsError> {
    let mut command = Command::new(program);
    command.args(arguments);
    let said = format!("{command:?}").replace('"', "");
    let output = command.output().map_err(|error| failed(&said, error))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(HostsError::Command { command: said, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_an_address_of_its_own_up_to_the_last() {
        let hosts = Hosts::default();
        assert_eq!(hosts.address(0), Some(Ipv4Addr::new(10, 231, 0, 10)));
        assert_eq!(hosts.address(244), Some(Ipv4Addr::new(10, 231, 0, 254)));
        assert_eq!(hosts.address(245), None);
    }
}
