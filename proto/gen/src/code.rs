// SPDX-License-Identifier: Apache-2.0
//! Which code comes from which package, and where it goes.

use std::collections::HashMap;
use std::path::Path;

use prost::Message;
use prost_build::{Config, Module};
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic_prost_build::Builder;

use crate::files::File;

const WIRE: &str = "core/wire/src/generated";

/// A package, and who takes its code.
struct Package {
    /// Below `proto/`.
    proto: &'static str,
    name: &'static str,
    /// The module of `adjoin-wire` with its messages.
    module: &'static str,
    /// The crate with its services.
    services: &'static str,
    /// Messages that the services take and give in another form than prost's.
    replaced: &'static [(&'static str, &'static str)],
}

const PACKAGES: [Package; 2] = [
    Package {
        proto: "adjoin/protocol/v1/protocol.proto",
        name: "adjoin.protocol.v1",
        module: "protocol",
        services: "core/function",
        // The frames of a batch and the types of a spec are counted and scanned before they are decoded.
        replaced: &[
            ("HostBatch", "::adjoin_wire::Batch"),
            ("FunctionBatch", "::adjoin_wire::Batch"),
            ("DiscoverResponse", "::adjoin_wire::Discovery"),
        ],
    },
    Package {
        proto: "adjoin/client/v1/entities.proto",
        name: "adjoin.client.v1",
        module: "client",
        services: "core/ingress",
        replaced: &[],
    },
];

/// A package of the Cloudstate protocol. Its messages stay in the crate that speaks it: nothing else is to know them.
struct Foreign {
    /// Below `proto/`.
    proto: &'static str,
    name: &'static str,
    /// The module, below [`CLOUDSTATE`].
    module: &'static str,
}

const CLOUDSTATE: &str = "core/function/src/generated/cloudstate";

const FOREIGN: [Foreign; 4] = [
    Foreign { proto: "cloudstate/entity.proto", name: "cloudstate", module: "entity" },
    Foreign { proto: "cloudstate/event_sourced.proto", name: "cloudstate.eventsourced", module: "eventsourced" },
    Foreign { proto: "cloudstate/value_entity.proto", name: "cloudstate.valueentity", module: "valueentity" },
    Foreign { proto: "cloudstate/action.proto", name: "cloudstate.action", module: "action" },
];

/// Everything that is generated, in memory.
///
/// # Errors
/// What is wrong with a `.proto` file, and where.
pub(crate) fn generate(root: &Path) -> Result<Vec<File>, String> {
    let protos = PACKAGES.map(|package| package.proto);
    let set = protox::compile(protos, [root.join("proto")]).map_err(|error| format!("{error:?}"))?;
    let mut files = vec![descriptors(&set)];
    for package in &PACKAGES {
        let folder = format!("{}/src/generated", package.services);
        let (proto, name) = (package.proto, package.name);
        files.push(source(&set, proto, name, format!("{WIRE}/{}.rs", package.module), messages())?);
        files.push(source(&set, proto, name, format!("{folder}/{}.rs", package.module), services(package))?);
    }
    let protos = FOREIGN.map(|package| package.proto);
    let set = protox::compile(protos, [root.join("proto")]).map_err(|error| format!("{error:?}"))?;
    for package in &FOREIGN {
        let path = format!("{CLOUDSTATE}/{}.rs", package.module);
        files.push(source(&set, package.proto, package.name, path, whole())?);
    }
    Ok(files)
}

/// All descriptors without their comments, for reflection.
fn descriptors(set: &FileDescriptorSet) -> File {
    let mut set = set.clone();
    for file in &mut set.file {
        file.source_code_info = None;
    }
    File { path: format!("{WIRE}/descriptors.bin").into(), content: set.encode_to_vec() }
}

fn messages() -> Config {
    let mut config = Config::new();
    config.bytes(["."]);
    config
}

/// Services alone: every message of the package is looked for in `adjoin-wire`.
fn services(package: &Package) -> Config {
    let mut config = Config::new();
    config.extern_path(format!(".{}", package.name), format!("::adjoin_wire::{}", package.module));
    for (message, path) in package.replaced {
        config.extern_path(format!(".{}.{message}", package.name), *path);
    }
    config.service_generator(generator().service_generator());
    config
}

/// Messages and services together. A map of modules as the packages nest is made by hand around them.
fn whole() -> Config {
    let mut config = Config::new();
    config.service_generator(generator().service_generator());
    config
}

/// Without the shorthand that connects: it would clash with the call of that name.
fn generator() -> Builder {
    tonic_prost_build::configure().build_transport(false)
}

fn source(set: &FileDescriptorSet, proto: &str, name: &str, path: String, mut config: Config) -> Result<File, String> {
    let module_of = |file: &FileDescriptorProto| Module::from_protobuf_package_name(file.package());
    // The packages of Cloudstate refer to each other: they are generated together, and the wanted one is kept.
    let together = |file: &&FileDescriptorProto| file.package() == name || name.starts_with("cloudstate");
    let requests = set.file.iter().filter(together).map(|file| (module_of(file), file.clone())).collect();
    let module = Module::from_protobuf_package_name(name);
    let mut code: HashMap<Module, String> = config.generate(requests).map_err(|error| format!("{path}: {error}"))?;
    let code = code.remove(&module).ok_or_else(|| format!("{path}: {name} gives no code"))?;
    let head = format!(
        "// SPDX-License-Identifier: Apache-2.0\n// Written by `cargo xtask gen` from proto/{proto}: do not edit.\n"
    );
    Ok(File { path: path.into(), content: (head + &code).into_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> std::path::PathBuf {
        std::env::var_os("CARGO_MANIFEST_DIR").map(std::path::PathBuf::from).expect("cargo runs tests").join("../..")
    }

    #[test]
    fn the_committed_code_is_what_the_protos_give() {
        let files = generate(&root()).expect("sound protos");
        crate::files::compare(&root(), &files).expect("up to date");
    }

    #[test]
    fn messages_need_no_tonic_and_services_bring_no_messages() {
        for file in generate(&root()).expect("sound protos") {
            let text = String::from_utf8_lossy(&file.content).into_owned();
            assert!(!(file.path.starts_with("core/wire") && text.contains("tonic::")), "{}", file.path.display());
            assert!(
                file.path.starts_with("core/wire")
                    || file.path.starts_with(CLOUDSTATE)
                    || !text.contains("::prost::Message"),
                "{}",
                file.path.display()
            );
            assert!(!text.contains("unsafe"), "{}", file.path.display());
        }
    }
}
