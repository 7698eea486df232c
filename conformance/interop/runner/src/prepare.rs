// SPDX-License-Identifier: Apache-2.0
//! The services, built from their sources and their SDKs into a folder outside the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use prost::Message;
use prost_types::compiler::{CodeGeneratorRequest, CodeGeneratorResponse};

use crate::schema::{SERVICES, compile};

/// Where things are, and where they go.
pub(crate) struct Places {
    /// `conformance/interop` of the checkout.
    pub(crate) sources: PathBuf,
    /// What is built is kept here.
    pub(crate) cache: PathBuf,
}

impl Places {
    /// The sources of a checkout; the cache of the person who runs this.
    pub(crate) fn new(checkout: &Path) -> Self {
        let home = || std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache");
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
        Self { sources: checkout.join("conformance/interop"), cache: cache.join("adjoin/interop") }
    }
}

/// The folder of the Go SDK, as its registry gave it: it holds the option files that its users import.
///
/// # Errors
/// If `go` is missing or cannot fetch it.
pub(crate) fn go_sdk(places: &Places) -> Result<PathBuf, String> {
    let folder = places.sources.join("go");
    run(go(&folder).args(["mod", "download"]), "go")?;
    let mut list = go(&folder);
    list.args(["list", "-m", "-f", "{{.Dir}}", "github.com/cloudstateio/go-support"]);
    let output = list.output().map_err(|error| missing(&error, "go"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if said.is_empty() { Err(format!("`go list` found no SDK: {output:?}")) } else { Ok(said.into()) }
}

/// The service on the Go SDK.
///
/// # Errors
/// What did not build.
pub(crate) fn go_service(places: &Places, sdk: &Path) -> Result<PathBuf, String> {
    let folder = places.cache.join("go");
    let program = folder.join("interop");
    let inputs = inputs(&[&places.sources.join("go"), &places.sources.join("proto")])?;
    if program.exists() && unchanged(&folder, &inputs) {
        return Ok(program);
    }
    println!("building the service on the Go SDK …");
    copy(&places.sources.join("go"), &folder)?;
    generate_go(places, sdk, &folder)?;
    run(go(&folder).args(["build", "-o", "interop", "."]), "go")?;
    remember(&folder, &inputs)?;
    Ok(program)
}

/// The service on the Java SDK: what to hand `java`.
///
/// # Errors
/// What did not build.
pub(crate) fn java_service(places: &Places) -> Result<Vec<String>, String> {
    let folder = places.cache.join("java");
    let path = format!("{0}/classes:{0}/lib/*", folder.display());
    let words = ["-cp", &path, "-XX:TieredStopAtLevel=1", "dev.adjoin.interop.Service"].map(str::to_owned).to_vec();
    let version = Command::new("java").arg("-version").stderr(Stdio::null()).status();
    version.map_err(|error| missing(&error, "java"))?;
    let inputs = inputs(&[&places.sources.join("java"), &places.sources.join("proto")])?;
    if unchanged(&folder, &inputs) {
        return Ok(words);
    }
    println!("building the service on the Java SDK …");
    let target = format!("-Dinterop.target={}", folder.display());
    let mut maven = Command::new("mvn");
    maven.args(["-B", "-q", "-Dstyle.color=never", &target, "process-classes"]);
    run(maven.current_dir(places.sources.join("java")), "mvn")?;
    remember(&folder, &inputs)?;
    Ok(words)
}

/// The service on adjoin's own SDK: what to hand `python`. It runs as it stands; only its contracts are compiled.
///
/// # Errors
/// What does not compile, or cannot be written.
pub(crate) fn python_service(places: &Places, options: &[PathBuf]) -> Result<Vec<String>, String> {
    let includes = [&[places.sources.join("proto")], options].concat();
    let descriptors = places.cache.join("python/descriptors.bin");
    write(&descriptors, &compile(&SERVICES, &includes)?.encode_to_vec())?;
    let service = places.sources.join("python/service.py");
    Ok(vec!["-B".into(), service.display().to_string(), descriptors.display().to_string()])
}

fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    // Neither another toolchain nor another version than go.sum names.
    command.current_dir(folder).env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly -buildvcs=false");
    command
}

/// Go code for the services' files: by the generator of the SDK's own protobuf, which needs no protoc beside it.
fn generate_go(places: &Places, sdk: &Path, folder: &Path) -> Result<(), String> {
    let generator = folder.join("protoc-gen-go");
    run(go(folder).args(["build", "-o", "protoc-gen-go", "google.golang.org/protobuf/cmd/protoc-gen-go"]), "go")?;
    let pool = compile(&SERVICES, &[places.sources.join("proto"), sdk.join("protobuf/frontend")])?;
    let mut request = CodeGeneratorRequest {
        file_to_generate: SERVICES.map(str::to_owned).to_vec(),
        parameter: Some("module=adjoin.dev/interop".into()),
        ..Default::default()
    }
    .encode_to_vec();
    for file in pool.files() {
        // Field 15, proto_file, as bytes: decoded by prost, options that are extensions would be lost.
        let bytes = file.encode_to_vec();
        prost::encoding::bytes::encode(15, &bytes, &mut request);
    }
    let made = piped(&generator, &request)?;
    let made = CodeGeneratorResponse::decode(made.as_slice()).map_err(|error| format!("protoc-gen-go: {error}"))?;
    if let Some(said) = made.error {
        return Err(format!("protoc-gen-go: {said}"));
    }
    for file in made.file {
        write(&folder.join(file.name()), file.content().as_bytes())?;
    }
    Ok(())
}

/// Hands a program its whole input and takes its whole output.
fn piped(program: &Path, input: &[u8]) -> Result<Vec<u8>, String> {
    use std::io::Write;
    let said = |error: std::io::Error| format!("{}: {error}", program.display());
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(said)?;
    // It reads all before it writes.
    child.stdin.take().ok_or("no input")?.write_all(input).map_err(said)?;
    let output = child.wait_with_output().map_err(said)?;
    if output.status.success() { Ok(output.stdout) } else { Err(format!("{} failed", program.display())) }
}

fn run(command: &mut Command, tool: &str) -> Result<(), String> {
    let status = command.stdin(Stdio::null()).status().map_err(|error| missing(&error, tool))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

fn missing(error: &std::io::Error, tool: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("`{tool}` is missing: `cargo xtask conformance interop` installs or names it")
        }
        _ => format!("{tool}: {error}"),
    }
}

/// Every file below these folders, with its name: what is built changes only with it.
fn inputs(folders: &[&Path]) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for folder in folders {
        let mut files = Vec::new();
        collect(folder, &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(folder).unwrap_or(&file);
            all.extend_from_slice(format!("\n== {}\n", name.display()).as_bytes());
            all.extend(fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?);
        }
    }
    Ok(all)
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() { collect(&path, into)? } else { into.push(path) }
    }
    Ok(())
}

fn unchanged(folder: &Path, inputs: &[u8]) -> bool {
    fs::read(folder.join("inputs")).is_ok_and(|known| known == inputs)
}

fn remember(folder: &Path, inputs: &[u8]) -> Result<(), String> {
    write(&folder.join("inputs"), inputs)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    collect(from, &mut files)?;
    for file in files {
        let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        write(&to.join(file.strip_prefix(from).unwrap_or(&file)), &bytes)?;
    }
    Ok(())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(said)?;
    }
    fs::write(file, bytes).map_err(said)
}
