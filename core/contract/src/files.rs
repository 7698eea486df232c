// SPDX-License-Identifier: Apache-2.0
//! The files of a set in an order in which each stands behind what it imports.

use std::collections::HashMap;

use adjoin_model::{Error, Result};
use prost_reflect::DescriptorPool;

use crate::scan::ScannedFile;

/// How far a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Sorts files behind their imports; files that `known` has are left out, copies are left out once.
///
/// # Errors
/// `Invalid` for an import that is missing or leads back to the file, and for two different files of one name.
pub(crate) fn sort(files: Vec<ScannedFile>, known: &DescriptorPool) -> Result<Vec<ScannedFile>> {
    let files = distinct(files, known)?;
    let by_name: HashMap<&str, usize> = files.iter().enumerate().map(|(at, file)| (file.name.as_str(), at)).collect();
    let mut marks = vec![Mark::New; files.len()];
    let mut order = Vec::with_capacity(files.len());
    for start in 0..files.len() {
        visit(start, &files, &by_name, known, &mut marks, &mut order)?;
    }
    drop(by_name);
    let mut files: Vec<Option<ScannedFile>> = files.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|at| files[at].take()).collect())
}

fn distinct(files: Vec<ScannedFile>, known: &DescriptorPool) -> Result<Vec<ScannedFile>> {
    let mut kept: Vec<ScannedFile> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for file in files {
        if known.get_file_by_name(&file.name).is_some() {
            continue;
        }
        match places.get(&file.name) {
            None => {
                places.insert(file.name.clone(), kept.len());
                kept.push(file);
            }
            Some(at) if kept[*at].raw == file.raw => {}
            Some(_) => {
                return Err(Error::invalid(format!(
                    "the descriptor set has two files named {:?}, not alike",
                    file.name
                )));
            }
        }
    }
    Ok(kept)
}

/// Walks depth first, without recursion: a chain of imports may be as long as the set.
fn visit(
    start: usize,
    files: &[ScannedFile],
    by_name: &HashMap<&str, usize>,
    known: &DescriptorPool,
    marks: &mut [Mark],
    order: &mut Vec<usize>,
) -> Result<()> {
    if marks[start] == Mark::Done {
        return Ok(());
    }
    marks[start] = Mark::Open;
    let mut path = vec![(start, 0)];
    while let Some((at, import)) = path.last_mut() {
        let Some(name) = files[*at].imports.get(*import) else {
            marks[*at] = Mark::Done;
            order.push(*at);
            path.pop();
            continue;
        };
        *import += 1;
        match by_name.get(name.as_str()) {
            None if known.get_file_by_name(name).is_some() => {}
            None => return Err(Error::invalid(format!("an import is missing: {}", chain(&path, files, name)))),
            Some(next) => match marks[*next] {
                Mark::Done => {}
                Mark::Open => {
                    return Err(Error::invalid(format!("imports go in a circle: {}", chain(&path, files, name))));
                }
                Mark::New => {
                    marks[*next] = Mark::Open;
                    path.push((*next, 0));
                }
            },
        }
    }
    Ok(())
}

/// `a.proto → b.proto → c.proto`; of a long chain its end.
fn chain(path: &[(usize, usize)], files: &[ScannedFile], last: &str) -> String {
    const SHOWN: usize = 16;
    let skipped = path.len().saturating_sub(SHOWN);
    let names = path[skipped..].iter().map(|(at, _)| files[*at].name.as_str()).chain([last]);
    let shown: Vec<&str> = (skipped > 0).then_some("…").into_iter().chain(names).collect();
    format!("{}: send the set with all imports", shown.join(" → "))
}
