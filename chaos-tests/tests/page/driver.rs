//! chromedriver on a port of its own, and the browsers it starts. Knows nothing
//! of seats.

use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use chaos_tests::wait_until;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use local_cluster::programs;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const START_WITHIN: Duration = Duration::from_secs(15);

/// What every browser is started with: no sandbox, because tests may run as
/// root; nothing fetched or reported in the background.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    // Two pages side by side are both in front.
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
];

/// A chromedriver.
pub(crate) struct Driver {
    url: String,
    process: Mutex<Option<Child>>,
}

/// How large a browser is and what holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Screen {
    /// A laptop's window.
    Desk,
    /// The same of somebody who prefers the dark and no motion.
    Night,
    /// A phone that is touched.
    Phone,
}

impl Driver {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Result<Self, String> {
        let path = programs::CHROMEDRIVER.find().ok_or("chromedriver is missing")?;
        let mut process = Command::new(path)
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("chromedriver does not start: {error}"))?;
        let output = process.stdout.take().ok_or("chromedriver has no output")?;
        let mut lines = BufReader::new(output).lines();
        // "ChromeDriver was started successfully on port 41234."
        let port = tokio::time::timeout(START_WITHIN, async {
            while let Ok(Some(line)) = lines.next_line().await {
                let port = line.split("successfully on port ").nth(1);
                let port = port.map(|rest| rest.trim_end_matches('.').trim().to_owned());
                if let Some(port) = port.filter(|port| port.parse::<u16>().is_ok()) {
                    return Ok(port);
                }
            }
            Err("chromedriver ended without naming its port".to_owned())
        })
        .await
        .map_err(|_| "chromedriver names no port".to_owned())??;
        // It would stop at a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { url: format!("http://127.0.0.1:{port}"), process: Mutex::new(Some(process)) })
    }

    /// Starts a browser with an empty profile.
    pub(crate) async fn browser(&self, screen: Screen, downloads: &str) -> Client {
        let mut flags: Vec<&str> = FLAGS.to_vec();
        let mut options = json!({"prefs": {
            "download.default_directory": downloads, "download.prompt_for_download": false,
            // What the page takes for its reader's habits.
            "intl.accept_languages": "en-GB",
        }});
        match screen {
            Screen::Desk => flags.push("--window-size=1280,1040"),
            Screen::Night => flags.extend([
                "--window-size=1280,1040",
                "--force-dark-mode",
                "--force-prefers-reduced-motion",
            ]),
            Screen::Phone => {
                options["mobileEmulation"] = json!({
                    "deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2, "touch": true},
                });
            }
        }
        options["args"] = json!(flags);
        let mut wanted = serde_json::Map::<String, Value>::new();
        wanted.insert("browserName".to_owned(), json!("chrome"));
        wanted.insert("goog:chromeOptions".to_owned(), options);
        // A processor that is busy elsewhere makes the first start slow.
        wait_until(START_WITHIN, || async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(wanted.clone()).connect(&self.url).await
        })
        .await
        .expect("a browser")
    }

    /// Stops it, and with it what it started and nobody closed.
    pub(crate) async fn end(&self) {
        let process = self.process.lock().expect("nobody panics holding it").take();
        if let Some(mut process) = process {
            // The only end that a child of its own is told of; SIGKILL would
            // leave its browsers behind.
            if let Some(pid) = process.id().and_then(|pid| i32::try_from(pid).ok()) {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            }
            let _ = tokio::time::timeout(Duration::from_secs(5), process.wait()).await;
        }
    }
}
