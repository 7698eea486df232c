// SPDX-License-Identifier: Apache-2.0
//! Watches the user's files: what version control ignores and what tools write is left out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ignore::WalkBuilder;
use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::failure::{Exit, Failure, Outcome};

/// A burst of changes (an editor writes, renames, touches) counts as one once this long nothing more has come.
const QUIET: Duration = Duration::from_millis(120);

/// Folders that tools fill, left out also where nothing says so.
const TOOL_FOLDERS: [&str; 6] = ["node_modules", "target", "__pycache__", "build", "dist", "venv"];

/// Changes below some folders.
pub(crate) struct Watch {
    roots: Vec<PathBuf>,
    watcher: RecommendedWatcher,
    changes: mpsc::UnboundedReceiver<Event>,
}

impl Watch {
    /// Starts watching these folders or files.
    ///
    /// # Errors
    /// NotFound for a path that does not exist; Failed when the system can watch no more.
    pub(crate) fn start(roots: &[PathBuf]) -> Outcome<Self> {
        let (sender, changes) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                // The receiver is gone when dev ends.
                let _ = sender.send(event);
            }
        })
        .map_err(|error| Failure::new(Exit::Failed, format!("files cannot be watched: {error}")))?;
        let mut watch = Self { roots: Vec::new(), watcher, changes };
        for root in roots {
            let root = root.canonicalize().map_err(|error| {
                Failure::new(Exit::NotFound, format!("{} cannot be watched: {error}", root.display()))
            })?;
            watch.add(&root)?;
            watch.roots.push(root);
        }
        Ok(watch)
    }

    /// One watch for each folder that is not ignored: a recursive one would also cost for every ignored folder.
    fn add(&mut self, path: &Path) -> Outcome<()> {
        for folder in kept(path, None).filter(|entry| entry.is_dir() || entry == path) {
            self.watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(|error| {
                Failure::new(Exit::Failed, format!("{} cannot be watched: {error}", folder.display()))
                    .help("on Linux, fs.inotify.max_user_watches bounds how many folders can be watched")
            })?;
        }
        Ok(())
    }

    /// Waits for the next burst of changes to end; says one of the changed files.
    pub(crate) async fn changed(&mut self) -> Option<PathBuf> {
        let first = loop {
            let event = self.changes.recv().await?;
            if let Some(path) = self.relevant(event) {
                break path;
            }
        };
        while let Ok(Some(event)) = timeout(QUIET, self.changes.recv()).await {
            self.relevant(event);
        }
        Some(first)
    }

    /// The changed file, unless it is one that does not count. New folders are watched from here on.
    fn relevant(&mut self, event: Event) -> Option<PathBuf> {
        let counts = match event.kind {
            EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Name(_)) => true,
            EventKind::Modify(_) | EventKind::Access(_) | EventKind::Any | EventKind::Other => false,
        };
        let path = event.paths.into_iter().find(|path| counts && !self.ignored(path))?;
        if path.is_dir() && matches!(event.kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_))) {
            // A folder that is gone again, or one too many to watch, only costs later restarts.
            let _ = self.add(&path);
        }
        Some(path)
    }

    /// A removed file cannot be walked to, so only its names can speak for it.
    fn ignored(&self, path: &Path) -> bool {
        let root = self.roots.iter().find(|root| path.starts_with(root));
        let below = root.and_then(|root| path.strip_prefix(root).ok()).unwrap_or(path);
        let named = below.components().any(|part| tool(&part.as_os_str().to_string_lossy()));
        let refused = |folder: &Path| !kept(folder, Some(1)).any(|it| it == path);
        named || (path.exists() && path.parent().is_some_and(refused))
    }
}

/// Every file and folder below `path`, down to a depth, that is not ignored.
fn kept(path: &Path, depth: Option<usize>) -> impl Iterator<Item = PathBuf> + use<> {
    WalkBuilder::new(path)
        .max_depth(depth)
        .require_git(false)
        .filter_entry(|entry| entry.depth() == 0 || !tool(&entry.file_name().to_string_lossy()))
        .build()
        .filter_map(Result::ok)
        .map(ignore::DirEntry::into_path)
}

fn tool(name: &str) -> bool {
    // Hidden: version control, environments, our own journal; `~` and `.swp` are editors'.
    name.starts_with('.') || name.ends_with('~') || name.ends_with(".pyc") || TOOL_FOLDERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    async fn soon(watch: &mut Watch) -> PathBuf {
        timeout(Duration::from_secs(20), watch.changed()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_changed_file_is_seen_and_ignored_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::write(root.join(".gitignore"), "*.log\n").unwrap();
        fs::create_dir(root.join("node_modules")).unwrap();
        let mut watch = Watch::start(std::slice::from_ref(&root)).unwrap();
        fs::write(root.join("a.log"), "x").unwrap();
        fs::write(root.join(".hidden"), "x").unwrap();
        fs::write(root.join("node_modules/x.js"), "x").unwrap();
        fs::write(root.join("shop.py"), "x").unwrap();
        assert_eq!(soon(&mut watch).await, root.join("shop.py"));
    }

    #[tokio::test]
    async fn a_folder_made_later_is_watched_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let mut watch = Watch::start(std::slice::from_ref(&root)).unwrap();
        fs::create_dir(root.join("sub")).unwrap();
        assert_eq!(soon(&mut watch).await, root.join("sub"));
        fs::write(root.join("sub/new.py"), "x").unwrap();
        assert_eq!(soon(&mut watch).await, root.join("sub/new.py"));
    }

    #[test]
    fn a_path_that_is_not_there_is_not_found() {
        assert!(Watch::start(&["no-such-folder".into()]).is_err());
    }
}
