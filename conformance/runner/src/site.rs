// SPDX-License-Identifier: Apache-2.0
//! The processes of a target, as they run now.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::case::{How, Part};
use crate::process::{Place, Process, free_port};
use crate::target::{Function, Home, Store, Target};

/// A running target. Dropping it ends everything and removes its folder.
pub(crate) struct Site {
    target: Target,
    work: tempfile::TempDir,
    version: u32,
    host: Option<Process>,
    function: Option<Process>,
    /// Where the function listens.
    function_address: String,
    /// Where the host answers.
    pub(crate) base: String,
}

impl Site {
    /// Starts the processes of a target on a fresh store.
    pub(crate) async fn start(target: &Target) -> Result<Self, String> {
        let work = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
        let function_address = match &target.function {
            Function::At(address) => address.clone(),
            Function::App(_) => format!("127.0.0.1:{}", free_port()?),
        };
        let target = target.clone();
        let (host, function, base) = (None, None, String::new());
        let mut site = Self { target, work, version: 1, host, function, function_address, base };
        site.begin(Part::Function).await?;
        site.begin(Part::Host).await?;
        Ok(site)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.work.path().join("journal")
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// From the next start on.
    pub(crate) fn set_version(&mut self, version: u32) {
        self.version = version;
    }

    /// Starts what is not there. In-process there is one process, which is the host.
    pub(crate) async fn begin(&mut self, part: Part) -> Result<(), String> {
        match (part, self.target.home) {
            (Part::Host, _) if self.host.is_some() => Ok(()),
            (Part::Function, Home::InProcess) => Ok(()),
            (Part::Function, Home::Sidecar) => self.begin_function().await,
            (Part::Host, Home::InProcess) => self.begin_in_process().await,
            (Part::Host, Home::Sidecar) => self.begin_proxy().await,
        }
    }

    async fn begin_in_process(&mut self) -> Result<(), String> {
        let Function::App(app) = &self.target.function else {
            return Err("a function that runs already has no host in its process".to_owned());
        };
        let folder = match self.target.store {
            Store::Memory => "memory".into(),
            Store::RocksDb => self.folder().into_os_string(),
        };
        let words: Vec<OsString> = vec!["open".into(), folder, "--http".into(), "127.0.0.1:0".into()];
        let mut host = app.start(words.into_iter().chain(self.variant()), &self.place())?;
        self.base = format!("http://{}", host.says("http://").await?);
        self.host = Some(host);
        Ok(())
    }

    async fn begin_function(&mut self) -> Result<(), String> {
        let Function::App(app) = &self.target.function else { return Ok(()) };
        if self.function.is_some() {
            return Ok(());
        }
        let words: Vec<OsString> = vec!["serve".into(), self.function_address.clone().into()];
        let mut function = app.start(words.into_iter().chain(self.variant()), &self.place())?;
        function.says(&self.function_address).await?;
        self.function = Some(function);
        Ok(())
    }

    async fn begin_proxy(&mut self) -> Result<(), String> {
        let mut words: Vec<OsString> =
            ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--function"].map(OsString::from).into();
        words.push(self.function_address.clone().into());
        match self.target.store {
            Store::Memory => words.push("--memory".into()),
            Store::RocksDb => words.extend(["--data".into(), self.folder().into_os_string()]),
        }
        let mut host = crate::Launch::new(&self.target.adjoin).start(words, &self.place())?;
        self.base = format!("http://{}", host.says("http://").await?);
        if self.function.is_some() || matches!(self.target.function, Function::At(_)) {
            host.says("ready").await?;
        }
        self.host = Some(host);
        Ok(())
    }

    /// The first version needs no word: an app that has no other is never given one that it does not know.
    fn variant(&self) -> Vec<OsString> {
        match self.version {
            1 => Vec::new(),
            version => vec!["--version".into(), version.to_string().into()],
        }
    }

    fn place(&self) -> Place<'_> {
        Place { logs: self.work.path(), broken: self.target.broken.as_deref() }
    }

    /// Starts what a failed case left dead, in the first version.
    pub(crate) async fn recover(&mut self) -> Result<(), String> {
        if std::mem::replace(&mut self.version, 1) != 1 {
            // Dropping a process kills it.
            (self.host, self.function) = (None, None);
        }
        self.begin(Part::Function).await?;
        self.begin(Part::Host).await
    }

    /// Ends a process. In-process the function is the host.
    pub(crate) async fn end(&mut self, part: Part, how: How) -> Result<(), String> {
        match self.part(part).take() {
            Some(process) => process.end(how).await,
            None => Err(format!("{part:?} is not there to be ended")),
        }
    }

    /// Waits until the function has ended by itself and starts it again.
    pub(crate) async fn revive(&mut self) -> Result<(), String> {
        match self.part(Part::Function).take() {
            Some(mut process) => process.ended().await?,
            None => return Err("the function is not there to be revived".to_owned()),
        }
        self.begin(Part::Function).await
    }

    fn part(&mut self, part: Part) -> &mut Option<Process> {
        match (part, self.target.home) {
            (Part::Function, Home::Sidecar) => &mut self.function,
            (Part::Function, Home::InProcess) | (Part::Host, _) => &mut self.host,
        }
    }
}
