// SPDX-License-Identifier: Apache-2.0
//! `adjoin schema`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adjoin_entity::spec::EntityType;
use adjoin_function::{Address, DialSettings, Link};
use adjoin_ingress::schema::{self, Lock};
use clap::{Args, Subcommand};
use tokio::time::{Instant, timeout_at};

use crate::dev::Child;
use crate::failure::{Exit, Failure, Outcome};
use crate::print;

/// The lock file's usual name, in the folder of the service.
pub(crate) const LOCK: &str = adjoin_ingress::LOCK_FILE;

/// How long a function that is started for its schema may take to listen.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// What SIGTERM leaves the function for.
const GRACE: Duration = Duration::from_secs(2);

/// Lock, check and export the typed API of a code-first service
///
/// A code-first service has a typed gRPC API derived from its handlers. The numbers of its fields are kept in a lock file
/// that belongs into version control, so that messages stay the same bytes when fields move. Asks the function at
/// --function, or starts it with the command behind `--`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  adjoin schema lock -- python shop.py              write adjoin.lock.json
  adjoin schema check -- python shop.py             in CI: exit code 1 when the lock file is not current
  adjoin schema export --into proto -- python shop.py   readable .proto files for other teams")]
pub(crate) enum SchemaCommand {
    /// Write the numbers of new fields into the lock file; those that it has stay
    Lock(SchemaArgs),
    /// Say whether the lock file is current; exit code 1 when it is not
    Check(SchemaArgs),
    /// Write readable .proto files
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The lock file.
    #[arg(long, value_name = "FILE", default_value = LOCK)]
    lock: PathBuf,
    /// Where the function listens.
    #[arg(long, value_name = "HOST:PORT", env = "ADJOIN_FUNCTION", default_value = "127.0.0.1:8080")]
    function: String,
    /// The command that starts the function, for the time of the question.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The folder to write to; without it, the files are printed.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    #[command(flatten)]
    schema: SchemaArgs,
}

impl SchemaCommand {
    pub(crate) async fn run(&self) -> Outcome<()> {
        match self {
            Self::Lock(args) => args.write_lock().await,
            Self::Check(args) => args.check().await,
            Self::Export(args) => args.export().await,
        }
    }
}

impl SchemaArgs {
    async fn write_lock(&self) -> Outcome<()> {
        let earlier = self.read()?;
        let types = self.types().await?;
        let locked = schema::lock(&types, earlier.as_ref().unwrap_or(&Lock::default()));
        if earlier.as_ref() == Some(&locked.lock) {
            return print::line(&format!("{} is current", self.lock.display()));
        }
        write(&self.lock, &locked.lock.text())?;
        locked.added.iter().try_for_each(|field| print::line(&format!("+ {field}")))?;
        locked.notes.iter().for_each(|note| notice(note));
        print::line(&format!("{} is written: keep it in version control", self.lock.display()))
    }

    async fn check(&self) -> Outcome<()> {
        let lock = self.read()?.ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("there is no {}", self.lock.display()))
                .help("`adjoin schema lock` writes it")
        })?;
        let missing = schema::check(&self.types().await?, &lock);
        if missing.is_empty() {
            return print::line(&format!("{} is current", self.lock.display()));
        }
        Err(Failure::new(Exit::Failed, format!("the lock file lacks {}", missing.join(", ")))
            .at("file", self.lock.display())
            .help("`adjoin schema lock` brings it up to date"))
    }

    /// The lock file, if there is one.
    fn read(&self) -> Outcome<Option<Lock>> {
        match std::fs::read_to_string(&self.lock) {
            Ok(text) => {
                let lock = Lock::parse(&text);
                Ok(Some(lock.map_err(|error| Failure::from(error).at("file", self.lock.display()))?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(Exit::Failed, format!("{} cannot be read: {error}", self.lock.display()))),
        }
    }

    /// What the function declares.
    async fn types(&self) -> Outcome<Vec<Arc<EntityType>>> {
        let address: Address = self.function.parse()?;
        if self.command.is_empty() {
            return discover(&address)
                .await
                .map_err(|failure| failure.help("start the function, or give the command that does behind `--`"));
        }
        let mut child = Child::start(&self.command, &self.function)?.guarded()?;
        let until = Instant::now() + STARTED_WITHIN;
        let types = tokio::select! {
            types = discover_by(&address, until) => types,
            status = child.ended() => {
                let status = status.map_or_else(|failure| failure.to_string(), |status| status.to_string());
                Err(Failure::new(Exit::Failed, format!("the function ended before it was asked: {status}")))
            }
        };
        child.end(GRACE).await;
        types
    }
}

impl ExportArgs {
    async fn export(&self) -> Outcome<()> {
        let lock = self.schema.read()?.unwrap_or_default();
        let types = self.schema.types().await?;
        for file in schema::export(&types, &lock) {
            match &self.into {
                None => print::line(&file.text)?,
                Some(folder) => {
                    let path = folder.join(&file.path);
                    write(&path, &file.text)?;
                    print::line(&path.display().to_string())?;
                }
            }
        }
        Ok(())
    }
}

async fn discover(address: &Address) -> Outcome<Vec<Arc<EntityType>>> {
    let mut link = Link::dial(address, &DialSettings::default()).await?;
    let spec = link.discover().await?.spec;
    spec.check()?;
    // Those of a contract have the messages of their own `.proto`: nothing is derived of them.
    Ok(spec.types.into_iter().filter(|one| one.services.is_empty()).map(Arc::new).collect())
}

/// Asks again while nothing listens yet.
async fn discover_by(address: &Address, until: Instant) -> Outcome<Vec<Arc<EntityType>>> {
    let mut every = tokio::time::interval(Duration::from_millis(50));
    let mut last = None;
    let asked = timeout_at(until, async {
        loop {
            every.tick().await;
            match discover(address).await {
                Ok(types) => return types,
                Err(failure) => last = Some(failure),
            }
        }
    });
    match asked.await {
        Ok(types) => Ok(types),
        Err(_) => Err(last.unwrap_or_else(|| Failure::unavailable(format!("no function came up at {address}")))),
    }
}

/// What deserves a word beside the result.
fn notice(text: &str) {
    use std::io::Write;
    // A closed standard error takes no words.
    let _ = writeln!(anstream::stderr().lock(), "note: {text}");
}

/// Written beside and renamed, so that nobody reads half of it.
fn write(path: &Path, text: &str) -> Outcome<()> {
    let beside = path.with_extension("new");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&beside, text))
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| Failure::new(Exit::Failed, format!("{} cannot be written: {error}", path.display())))
}
