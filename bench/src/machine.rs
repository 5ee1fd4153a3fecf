//! What the figures were measured on: the machine and the versions of what
//! ran. Looks at files and asks programs for their version; measures nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use local_cluster::programs;
use serde::Serialize;

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    /// Cores this process may use.
    pub(crate) cores: usize,
    /// As the kernel names it.
    pub(crate) cpu: String,
    /// All of it, in MiB.
    pub(crate) memory_mib: u64,
    /// The kernel.
    pub(crate) kernel: String,
}

/// Looks at this machine.
pub(crate) fn look() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
        memory_mib: kib / 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

/// The versions of what runs, by name.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let mut versions = BTreeMap::from([
        ("seatlock".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("rust (at least)".to_owned(), env!("CARGO_PKG_RUST_VERSION").to_owned()),
    ]);
    for tool in [programs::ETCD, programs::MARIADB, programs::REDIS, programs::NGINX] {
        if let Some(path) = tool.find() {
            versions.insert(tool.name.to_owned(), version(&path, tool.version_arg));
        }
    }
    versions
}

/// The first line with a number that a program prints.
pub(crate) fn version(program: &Path, argument: &str) -> String {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output();
    // nginx says it on standard error.
    let said = output.map(|o| [o.stdout, o.stderr].concat()).unwrap_or_default();
    let text = String::from_utf8_lossy(&said).into_owned();
    let line = text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()));
    line.unwrap_or("unknown").trim().to_owned()
}

/// The value of the first `name : value` line.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 106\nmodel name\t: Fast CPU @ 2 GHz\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Fast CPU @ 2 GHz"));
        assert_eq!(field(text, "name"), None);
    }
}
