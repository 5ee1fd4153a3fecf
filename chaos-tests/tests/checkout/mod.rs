//! The checkout as the tidy checks see it: packages as cargo reads their
//! manifests, files as they lie there, and what a text names, cites or links to.
//! Knows no rule.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) only_for_tests: bool,
}

/// The packages of the workspace, as cargo reads their manifests.
pub(crate) fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            folder: Path::new(&text(&package["manifest_path"]))
                .parent()
                .expect("a manifest is in a folder")
                .to_owned(),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|d| Dependency { name: text(&d["name"]), only_for_tests: d["kind"] == "dev" })
                .collect(),
        })
        .collect()
}

/// A file and what stands in it.
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn shown(&self) -> String {
        shown(&self.path)
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_owned()
}

pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Files and folders, but for hidden ones and what a build leaves.
pub(crate) fn everything_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || name.starts_with("target") && path.is_dir() {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(everything_under(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

pub(crate) fn files_with(extensions: &[&str]) -> Vec<SourceFile> {
    everything_under(&root())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)))
        .filter(|path| path.is_file())
        .filter_map(|path| Some(SourceFile { text: std::fs::read_to_string(&path).ok()?, path }))
        .collect()
}

pub(crate) fn rust_files() -> Vec<SourceFile> {
    files_with(&["rs"])
}

/// The modules directly under a service's `src/` whose files use a crate, with the file.
pub(crate) fn speakers(service: &str, krate: &str) -> Vec<(String, String)> {
    let sources = root().join(service).join("src");
    rust_files()
        .into_iter()
        .filter(|file| names_crate(&file.text, krate))
        .filter_map(|file| {
            let inner = file.path.strip_prefix(&sources).ok()?;
            let first = Path::new(inner.components().next()?.as_os_str()).file_stem()?;
            Some((first.to_string_lossy().into_owned(), file.shown()))
        })
        .collect()
}

/// Whether code, comments apart, has a path that begins with this crate.
pub(crate) fn names_crate(text: &str, krate: &str) -> bool {
    let path = format!("{krate}::");
    let inner = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .any(|code| code.match_indices(&path).any(|(at, _)| !code[..at].ends_with(inner)))
}

/// The numbers of the invariants that a text cites.
pub(crate) fn cited(text: &str) -> BTreeSet<u32> {
    text.split("INV-")
        .skip(1)
        .filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse().ok()
        })
        .collect()
}

/// Where the links of a page lead, code blocks apart.
pub(crate) fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in page.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let below =
            line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, to)| to);
        let targets = inline.chain(below).filter_map(|target| target.split_whitespace().next());
        found.extend(targets.map(|target| target.trim_matches(['<', '>']).to_owned()));
    }
    found
}
