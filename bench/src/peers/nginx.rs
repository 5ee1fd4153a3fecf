//! nginx as a peer: files that it sends as they are, from the kernel's cache,
//! on connections that stay open. It runs in a folder of its own and ends with
//! the program.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use local_cluster::programs;
use nix::sys::signal;
use nix::unistd::Pid;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};

use crate::Failure;
use crate::usage::Watched;

/// How long it may take to listen.
const START: Duration = Duration::from_secs(20);

/// Everything that makes it fast for this work: no log, `sendfile`, files kept
/// open, connections that never end, a worker on every core.
const CONFIG: &str = "\
@USER@
worker_processes auto;
worker_rlimit_nofile 8192;
daemon off;
pid @DIR@/nginx.pid;
error_log @DIR@/error.log error;
events { worker_connections 4096; multi_accept on; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  reset_timedout_connection on;
  open_file_cache max=1000 inactive=3600s;
  open_file_cache_valid 3600s;
  open_file_cache_min_uses 1;
  client_body_temp_path @DIR@/tmp;
  proxy_temp_path @DIR@/tmp;
  fastcgi_temp_path @DIR@/tmp;
  uwsgi_temp_path @DIR@/tmp;
  scgi_temp_path @DIR@/tmp;
  server {
    listen @ADDRESS@ backlog=4096;
    root @DIR@/files;
    default_type application/json;
  }
}
";

/// One that runs.
pub(crate) struct Nginx {
    child: Child,
    dir: PathBuf,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Bound and not listened at: nginx may, and no outgoing connection of
    /// somebody else is given the port first.
    _port: TcpSocket,
}

impl Nginx {
    /// Starts it with files of these names and contents.
    ///
    /// # Errors
    /// When it is not installed or does not listen.
    pub(crate) async fn start(files: &[(&str, &[u8])]) -> Result<Self, Failure> {
        let program = programs::NGINX.find().ok_or(
            "nginx is missing; `./seatlock bench` installs it, or: apt-get install nginx-light",
        )?;
        let port = TcpSocket::new_v4()?;
        port.set_reuseaddr(true)?;
        port.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = port.local_addr()?;
        let dir = std::env::temp_dir().join(format!("seatlock-bench-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("files"))?;
        for (name, bytes) in files {
            std::fs::write(dir.join("files").join(name), bytes)?;
        }
        // Only whoever is root can and must say as whom the workers run.
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let config = CONFIG
            .replace("@USER@", user)
            .replace("@DIR@", &dir.display().to_string())
            .replace("@ADDRESS@", &address.to_string());
        let config_path = dir.join("nginx.conf");
        std::fs::write(&config_path, config)?;
        let child = Command::new(program)
            .arg("-p")
            .arg(&dir)
            .arg("-c")
            .arg(&config_path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut nginx = Self { child, dir, address, _port: port };
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if began.elapsed() > START || nginx.child.try_wait()?.is_some() {
                let log = std::fs::read_to_string(nginx.dir.join("error.log")).unwrap_or_default();
                return Err(format!("nginx does not listen: {log}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(nginx)
    }

    /// Its workers, as processes to watch.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        let Some(pid) = self.child.id() else { return Vec::new() };
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let workers = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
        let named = (0..).zip(workers);
        named.map(|(n, pid)| Watched { name: format!("nginx-worker-{n}"), pid }).collect()
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.tell_to_stop();
        self.child.wait().await?;
        Ok(())
    }

    /// Politely: workers outlive a master that is killed.
    fn tell_to_stop(&self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = signal::kill(Pid::from_raw(pid), signal::SIGTERM);
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.tell_to_stop();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
