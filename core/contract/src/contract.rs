// SPDX-License-Identifier: Apache-2.0
//! A descriptor set, read.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use adjoin_model::{Error, Result};
use bytes::Bytes;
use prost_reflect::{DescriptorPool, FileDescriptor};

use crate::files;
use crate::limits::Limits;
use crate::maps;
use crate::scan::Scan;
use crate::service::Service;

/// A file of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, as imports say it.
    pub name: String,
    /// The encoded `google.protobuf.FileDescriptorProto`, as it came, options included.
    pub bytes: Bytes,
}

/// What the `.proto` files of a function say.
#[derive(Clone, Debug)]
pub struct Contract {
    pool: DescriptorPool,
    files: Vec<File>,
    services: BTreeMap<String, Service>,
}

impl Contract {
    /// Reads an encoded `google.protobuf.FileDescriptorSet`. The order of its files does not matter; files of
    /// `google.protobuf` may be missing and are taken from adjoin if they are not.
    ///
    /// # Errors
    /// `Invalid`, with the place: past a limit, an import that is missing or circular (with the chain of imports), names
    /// that do not resolve, options that cannot be read, a key field whose value has no text.
    pub fn parse(descriptor_set: &Bytes, limits: &Limits) -> Result<Self> {
        if descriptor_set.len() > limits.bytes {
            return Err(Error::invalid(format!("the descriptor set is longer than {} bytes", limits.bytes)));
        }
        let mut scan = Scan::new(limits);
        let scanned = scan.set(descriptor_set.clone())?;
        let mut pool = DescriptorPool::global();
        let mut files = Vec::new();
        for file in files::sort(scanned, &pool)? {
            add(&mut pool, &file.plain).map_err(|error| error.at("file", &file.name))?;
            files.push(File { name: file.name, bytes: file.raw });
        }
        check_maps(&pool)?;
        let holders = maps::holders(&pool);
        let services = pool.services().map(|service| Service::new(&service, &scan.found, &holders));
        let services = services.map(|service| service.map(|service| (service.name.clone(), service)));
        Ok(Self { services: services.collect::<Result<_>>()?, pool, files })
    }

    /// The service of this full name.
    #[must_use]
    pub fn service(&self, full_name: &str) -> Option<&Service> {
        self.services.get(full_name)
    }

    /// Every service, by full name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// The types of the contract. Its descriptors carry no options but the standard switches.
    #[must_use]
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The files that the set brought, each behind its imports, without those of `google.protobuf`.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The set as one who knows no file has to get it: each file behind its imports, those of `google.protobuf` too.
    #[must_use]
    pub fn whole_set(&self) -> Vec<u8> {
        let own: HashSet<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        let mut known: Vec<FileDescriptor> = Vec::new();
        for file in self.files.iter().filter_map(|file| self.pool.get_file_by_name(&file.name)) {
            file.dependencies().for_each(|import| behind_imports(&import, &own, &mut known));
        }
        let mut set = Vec::new();
        known.iter().for_each(|file| prost::encoding::bytes::encode(1, &file.encode_to_vec(), &mut set));
        // As they came: read by prost, they would have lost the options that it does not know.
        self.files.iter().for_each(|file| prost::encoding::bytes::encode(1, &file.bytes, &mut set));
        set
    }

    /// The file of this name, if the set brought it.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// Adds a file that the set did not bring. Those are adjoin's own, and their imports few.
fn behind_imports(file: &FileDescriptor, own: &HashSet<&str>, known: &mut Vec<FileDescriptor>) {
    if own.contains(file.name()) || known.contains(file) {
        return;
    }
    file.dependencies().for_each(|import| behind_imports(&import, own, known));
    known.push(file.clone());
}

/// Adds a file whose imports `pool` has. Descriptors that contradict themselves make prost-reflect panic in places; the
/// pool is of no use after that, and the error drops it.
fn add(pool: &mut DescriptorPool, file: &[u8]) -> Result<()> {
    match catch_unwind(AssertUnwindSafe(|| pool.decode_file_descriptor_proto(file))) {
        Ok(added) => added.map_err(|error| Error::invalid(error.to_string())),
        Err(_) => {
            Err(Error::invalid("the descriptors contradict themselves: a compiler of .proto files makes sound ones"))
        }
    }
}

/// Readers of a map take for granted that its entries have a key and a value.
fn check_maps(pool: &DescriptorPool) -> Result<()> {
    let whole = |number| move |entry: &prost_reflect::MessageDescriptor| entry.get_field(number).is_some();
    match pool.all_messages().find(|message| message.is_map_entry() && !(whole(1)(message) && whole(2)(message))) {
        Some(entry) => {
            Err(Error::invalid(format!("{} is no entry of a map: it has no key or value", entry.full_name())))
        }
        None => Ok(()),
    }
}
