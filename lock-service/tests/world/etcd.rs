//! A real etcd of one or more members, and what tests do behind the service's
//! back: over etcd's JSON gateway, so that no test depends on its client.

use std::process::{Command, Stdio};

use super::{Running, free_port};

/// An etcd; its data survives `stop`.
pub(crate) struct Etcd {
    members: Vec<Member>,
    more: Vec<String>,
}

struct Member {
    data: tempfile::TempDir,
    client_port: u16,
    peer_port: u16,
    process: Option<Running>,
}

impl Etcd {
    pub(crate) fn new() -> Self {
        Self::cluster(1, &[])
    }

    /// So many members, started with these further arguments.
    pub(crate) fn cluster(members: usize, more: &[&str]) -> Self {
        let member = |_| Member {
            data: tempfile::tempdir().unwrap(),
            client_port: free_port(),
            peer_port: free_port(),
            process: None,
        };
        let more = more.iter().map(ToString::to_string).collect();
        let mut etcd = Self { members: (0..members).map(member).collect(), more };
        etcd.start();
        etcd
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.members.iter().map(|it| format!("http://127.0.0.1:{}", it.client_port)).collect()
    }

    pub(crate) fn start(&mut self) {
        let peer = |member: &Member| format!("http://127.0.0.1:{}", member.peer_port);
        let named = |(index, member)| format!("m{index}={}", peer(member));
        let all: Vec<String> = self.members.iter().enumerate().map(named).collect();
        let urls = self.urls();
        for (index, (member, url)) in self.members.iter_mut().zip(urls).enumerate() {
            let log = std::fs::File::create(member.data.path().join("log")).unwrap();
            let child = Command::new("etcd")
                .args(["--name", &format!("m{index}"), "--data-dir"])
                .arg(member.data.path().join("data"))
                .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
                .args(["--listen-peer-urls", &peer(member)])
                .args(["--initial-advertise-peer-urls", &peer(member)])
                .args(["--initial-cluster", &all.join(",")])
                .args(["--unsafe-no-fsync=true"])
                .args(&self.more)
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn();
            let child = child.expect("etcd must be on the path: apt install etcd-server");
            member.process = Some(Running(child));
        }
    }

    pub(crate) fn stop(&mut self) {
        for member in &mut self.members {
            member.process = None;
        }
    }

    /// Stops a member's process or lets it go on: `STOP` or `CONT`.
    pub(crate) fn signal(&self, member: usize, name: &str) {
        self.members[member].process.as_ref().expect("it runs").signal(name);
    }

    /// Writes a key behind the service's back; answers the revision.
    pub(crate) async fn put(&self, key: &str, value: &str) -> String {
        let answer = self.ask("kv/put", put(key, value)).await;
        answer["header"]["revision"].as_str().unwrap().to_owned()
    }

    /// Writes up to 128 keys at once behind the service's back.
    pub(crate) async fn put_all(&self, keys: Vec<(String, String)>) {
        let puts =
            keys.iter().map(|(key, value)| format!(r#"{{"requestPut":{}}}"#, put(key, value)));
        let puts: Vec<String> = puts.collect();
        self.ask("kv/txn", format!(r#"{{"success":[{}]}}"#, puts.join(","))).await;
    }

    /// The lease that a key is on.
    pub(crate) async fn lease_of(&self, key: &str) -> Option<i64> {
        let answer = self.ask("kv/range", format!(r#"{{"key":"{}"}}"#, base64(key))).await;
        answer["kvs"][0]["lease"].as_str()?.parse().ok()
    }

    /// Asks the first member for something that works.
    pub(crate) async fn ask(&self, what: &str, body: String) -> serde_json::Value {
        self.try_ask(what, body).await.unwrap()
    }

    /// Asks the first member; the error is what it said instead of an answer.
    pub(crate) async fn try_ask(
        &self,
        what: &str,
        body: String,
    ) -> Result<serde_json::Value, String> {
        let url = format!("{}/v3/{what}", self.urls()[0]);
        let sent = reqwest::Client::new().post(url).body(body).send().await;
        let sent = sent.map_err(|error| error.to_string())?;
        let (status, text) = (sent.status(), sent.text().await.unwrap_or_default());
        if !status.is_success() {
            return Err(format!("{status}: {text}"));
        }
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}

/// The request that puts a key.
pub(crate) fn put(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{}","value":"{}"}}"#, base64(key), base64(value))
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { digit as char } else { '=' });
        }
    }
    out
}
