//! The procedures of docs/operations that a machine can go through: upgrade
//! and rollback, and the rotation of secrets, each as its page says and while
//! people buy and look.
//!
//! One cluster for all of them, one procedure after the other, and after each
//! the cluster is put back to what it was.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they do")]

mod crowd;
mod database_password;
mod jwt_secret;
mod put_back;
mod redis_password;
mod upgrade;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use chaos_tests::stage::{Setting, Stage};
use libtest_mimic::{Arguments, Trial};
use local_cluster::{NodeKind, service};
use tokio::runtime::{Handle, Runtime};

/// Names a test after its function, runs it on the stage and puts the cluster
/// back, whatever became of the test.
macro_rules! trials {
    ($stage:expr, $runtime:expr, $($module:ident :: $name:ident),* $(,)?) => {
        vec![$({
            let (stage, runtime): (Arc<Stage>, Handle) = ($stage.clone(), $runtime.clone());
            Trial::test(concat!(stringify!($module), "::", stringify!($name)), move || {
                let procedure = AssertUnwindSafe(|| runtime.block_on($module::$name(&stage)));
                let ended = catch_unwind(procedure);
                runtime.block_on(put_back::as_it_was(&stage));
                if let Err(panic) = ended {
                    resume_unwind(panic);
                }
                Ok(())
            })
        },)*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let runtime = Runtime::new().expect("a runtime");
    let handle = runtime.handle().clone();
    let stage = match runtime.block_on(set()) {
        Ok(stage) => Arc::new(stage),
        Err(error) => {
            eprintln!("the cluster did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    arguments.test_threads = Some(1);
    let failed = libtest_mimic::run(&arguments, procedures(&stage, &handle)).has_failed();
    if failed {
        eprintln!("the logs of the cluster are kept in {}", stage.cluster.root().display());
    }
    match runtime.block_on(stage.cluster.down(failed)) {
        Err(error) => {
            eprintln!("the cluster did not stop: {error}");
            ExitCode::FAILURE
        }
        Ok(()) if failed => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    }
}

async fn set() -> Result<Stage, String> {
    // The other build of the upgrade: looked for before anything is started.
    for kind in NodeKind::ALL.into_iter().filter(|kind| kind.has_faulty_build()) {
        service::faulty_program(kind)?;
    }
    let setting = Setting { tag: "operations".to_owned(), ..Setting::default() };
    Stage::set(&setting).await.map_err(|error| error.to_string())
}

fn procedures(stage: &Arc<Stage>, runtime: &Handle) -> Vec<Trial> {
    trials!(
        stage,
        runtime,
        upgrade::another_build_is_rolled_out_and_back_while_people_buy,
        jwt_secret::old_tokens_end_and_holds_stay,
        database_password::two_accounts_bridge_the_change_while_people_buy,
        redis_password::two_passwords_bridge_the_change_while_people_look,
    )
}
