//! The commands and their options, and which file does which.

mod backup;
mod configuration;
mod demo;
mod doctor;
mod fsck;
mod import_plan;
mod logs;
mod node;
mod output;
mod rebuild_locks;
mod replica;
mod restore;
mod roll_out;
mod status;
mod token;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use local_cluster::{ClusterError, DEFAULT_TAG, Profile, Role, StartedCluster};

/// What a command reports: an exit code, or what went wrong.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// Anything that ends a command with a message.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Seatlock on this machine: real local clusters of the seat-booking platform.
#[derive(Debug, Parser)]
#[command(name = "seatlock", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Which cluster; those with different tags live side by side.
    #[arg(long, global = true, default_value = DEFAULT_TAG)]
    tag: String,
    /// Where clusters live [default: $SEATLOCK_HOME, or .seatlock in the checkout].
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a real local cluster, or adopts the one that runs.
    Up(UpOptions),
    /// Shows every node and whether it is healthy.
    Status {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
        output: OutputFormat,
    },
    /// Kills a node; it stays down until `restart`.
    Kill {
        /// Its name, as in `status`.
        node: String,
    },
    /// Stops a node's clock: it keeps its connections and answers nothing.
    Pause {
        /// Its name, as in `status`.
        node: String,
    },
    /// Lets a paused node go on.
    Resume {
        /// Its name, as in `status`.
        node: String,
    },
    /// Starts a node (again) and returns when it is healthy.
    Restart {
        /// Its name, as in `status`.
        node: String,
    },
    /// Starts every service again, one instance at a time, in the order of an
    /// upgrade; stops at the first that does not come up, and says what was done.
    RollOut {
        /// In the order of a rollback.
        #[arg(long)]
        back: bool,
    },
    /// Makes the replica of a shard its primary, which ends for good, and leads
    /// booking-api there.
    Promote {
        /// The replica's name, as in `status`.
        node: String,
        /// Also one that may lack acknowledged bookings: `fsck --repair` must
        /// follow.
        #[arg(long)]
        force: bool,
    },
    /// Makes the replica of a shard anew from its primary, which sells
    /// meanwhile, and acknowledges alone until then.
    SeedReplica {
        /// The replica's name, as in `status`; the old primary's after `promote`.
        node: String,
    },
    /// Prints the log of a node, or the end of every log.
    Logs {
        /// Its name, as in `status`.
        node: Option<String>,
        /// Goes on printing what is added.
        #[arg(short, long)]
        follow: bool,
    },
    /// Stops the cluster and removes its data.
    Down {
        /// Leaves the data for the next `up`.
        #[arg(long)]
        keep_data: bool,
    },
    /// Prints a bearer token of the cluster, good for a day.
    Token {
        /// The user's id.
        #[arg(long)]
        user: String,
        /// customer, organiser or admin.
        #[arg(long, default_value_t = Role::Customer)]
        role: Role,
    },
    /// Buys seats on the running cluster, meets a conflict, cancels; says each
    /// step.
    Demo,
    /// Uploads a seating plan and prints its id.
    ImportPlan {
        /// A plan in the pretix format.
        file: PathBuf,
    },
    /// Says what is installed, and the line that installs what is missing.
    Doctor,
    /// Prints every key that the services' configuration files may have: kind,
    /// default, bounds, meaning (docs/CONFIGURATION.md).
    Configuration,
    /// Compares etcd, the shards and Redis, and names everything that does not
    /// fit together. Exit 0: clean; 1: not clean; 2: a store does not answer.
    Fsck(FsckOptions),
    /// Saves shards, catalogue and the sandbox's payments while the cluster
    /// runs. Exit 1: something is missing in it, and is named.
    Backup {
        /// An empty folder, or one that is not there yet.
        dir: PathBuf,
        /// How to print what was saved.
        #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
        output: OutputFormat,
    },
    /// Restores stores from a backup, and writes again from etcd what the shards
    /// lost since. Exit 2: restored; `rebuild-locks` must follow.
    Restore(RestoreOptions),
    /// Rebuilds the sold seats from the shards after etcd was restored from a
    /// backup or lost. Nothing is sold meanwhile. It may be repeated.
    RebuildLocks {
        /// How to print what was done.
        #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
        output: OutputFormat,
    },
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FsckOptions {
    /// Mends what is provably safe to mend, then looks at all of it again.
    #[arg(long)]
    repair: bool,
    /// How long what a reconciler or an outbox relay would end may last before
    /// it is called a fault.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    patience: u64,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RestoreOptions {
    /// The backup's folder.
    dir: PathBuf,
    /// Only this node's store; it may be given several times.
    #[arg(long, value_name = "NODE")]
    only: Vec<String>,
    /// Stops the services that would write meanwhile, and starts them again.
    #[arg(long)]
    stop: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UpOptions {
    /// tiny: one of everything; ha: three etcd members, two of each service
    /// [default: ha, or that of the cluster that is there].
    #[arg(long)]
    profile: Option<Profile>,
    /// Returns once everything is healthy; the cluster goes on running.
    #[arg(long)]
    detach: bool,
    /// Loads no demo shows.
    #[arg(long)]
    no_demo: bool,
    /// Starts only a part: the stores, without services.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Gives every shard a replica that has all that is acknowledged.
    #[arg(long)]
    shard_replicas: bool,
    /// The etcd to run instead of the one on the path.
    #[arg(long, value_name = "PATH")]
    etcd: Option<PathBuf>,
    /// Prints what would be started, and starts nothing new.
    #[arg(long)]
    plan: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// etcd, MariaDB and Redis.
    Stores,
}

impl Cli {
    fn attach(&self) -> Result<StartedCluster, ClusterError> {
        StartedCluster::attach(self.home.clone(), &self.tag)
    }
}

/// Runs one command.
pub(crate) async fn run(cli: Cli) -> Outcome {
    match &cli.command {
        Command::Up(options) => up::run(&cli, options).await,
        Command::Status { output } => status::run(&cli.attach()?, &cli.tag, *output).await,
        Command::Kill { node } => node::kill(&cli.attach()?, node).await,
        Command::Pause { node } => node::pause(&cli.attach()?, node).await,
        Command::Resume { node } => node::resume(&cli.attach()?, node).await,
        Command::Restart { node } => node::restart(&cli.attach()?, node).await,
        Command::RollOut { back } => roll_out::run(&cli.attach()?, *back).await,
        Command::Promote { node, force } => replica::promote(&cli.attach()?, node, *force).await,
        Command::SeedReplica { node } => replica::seed(&cli.attach()?, node).await,
        Command::Logs { node, follow } => logs::run(&cli.attach()?, node.as_deref(), *follow).await,
        Command::Down { keep_data } => {
            match cli.attach() {
                Ok(cluster) => cluster.down(*keep_data).await?,
                // Asking twice is no mistake.
                Err(ClusterError::State(local_cluster::StateError::NoCluster { .. })) => {
                    eprintln!("there is no cluster {:?}; nothing to stop", cli.tag);
                }
                Err(error) => return Err(error.into()),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Token { user, role } => token::run(&cli.attach()?, user, *role),
        Command::Demo => demo::run(&cli.attach()?).await,
        Command::ImportPlan { file } => import_plan::run(&cli.attach()?, file).await,
        Command::Doctor => doctor::run(),
        Command::Configuration => configuration::run(),
        Command::Fsck(options) => fsck::run(&cli.attach()?, options).await,
        Command::Backup { dir, output } => backup::run(&cli.attach()?, dir, *output).await,
        Command::Restore(options) => restore::run(&cli.attach()?, options).await,
        Command::RebuildLocks { output } => rebuild_locks::run(&cli.attach()?, *output).await,
    }
}
