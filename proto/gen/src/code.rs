// SPDX-License-Identifier: Apache-2.0
//! Which code comes from which package, and where it goes.

use std::collections::HashMap;
use std::path::Path;

use prost::Message;
use prost_build::{Config, Module};
use prost_types::FileDescriptorSet;
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
        files.push(source(&set, package, format!("{WIRE}/{}.rs", package.module), messages())?);
        files.push(source(&set, package, format!("{folder}/{}.rs", package.module), services(package))?);
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

/// Without the shorthand that connects: it would clash with the call of that name.
fn generator() -> Builder {
    tonic_prost_build::configure().build_transport(false)
}

fn source(set: &FileDescriptorSet, package: &Package, path: String, mut config: Config) -> Result<File, String> {
    let requests = set.file.iter().filter(|file| file.package() == package.name);
    let module = Module::from_protobuf_package_name(package.name);
    let requests = requests.map(|file| (module.clone(), file.clone())).collect();
    let mut code: HashMap<Module, String> = config.generate(requests).map_err(|error| format!("{path}: {error}"))?;
    let code = code.remove(&module).ok_or_else(|| format!("{path}: {} gives no code", package.name))?;
    let head = format!(
        "// SPDX-License-Identifier: Apache-2.0\n// Written by `cargo xtask gen` from proto/{}: do not edit.\n",
        package.proto
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
                file.path.starts_with("core/wire") || !text.contains("::prost::Message"),
                "{}",
                file.path.display()
            );
            assert!(!text.contains("unsafe"), "{}", file.path.display());
        }
    }
}
