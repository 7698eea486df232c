// SPDX-License-Identifier: Apache-2.0
//! Where the admin commands read: a running host by its admin API, or a folder that nothing holds.

use std::path::PathBuf;
use std::sync::Arc;

use adjoin_model::EntityId;
use adjoin_storage::Store;
use clap::Args;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::failure::{Exit, Failure, Outcome};
use crate::folder;
use crate::http::{self as client, Address};
use crate::inspect::{
    self, ConsumerLine, ConsumerQuery, EffectLine, EffectQuery, EntityLine, EntityView, Letter, LetterLine, Place,
    RecordRow, ShardLine, TailQuery, VerifyReport,
};

/// Which host or folder to ask.
#[derive(Clone, Debug, Args)]
pub(crate) struct SourceArgs {
    /// The admin address of the running host to ask.
    #[arg(long, value_name = "ADDRESS", env = "ADJOIN_ADMIN", default_value = "http://127.0.0.1:9001")]
    admin: Address,
    /// Read this folder instead, when no host runs on it.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// An opened source.
pub(crate) enum Source {
    /// A running host.
    Host(Address),
    /// A folder.
    Folder(Arc<adjoin_rocksdb::RocksStore>),
}

impl SourceArgs {
    /// Opens it.
    ///
    /// # Errors
    /// NotFound without the folder; Unavailable, naming the admin address to use, when a host holds it.
    pub(crate) async fn open(&self) -> Outcome<Source> {
        match &self.data {
            Some(path) => Ok(Source::Folder(folder::open_existing(path).await?)),
            None => Ok(Source::Host(self.admin.clone())),
        }
    }
}

/// Rows as they are read.
pub(crate) enum Records {
    Host(client::Lines),
    Folder(mpsc::Receiver<adjoin_model::Result<RecordRow>>),
}

impl Records {
    /// The next row; none at the end.
    ///
    /// # Errors
    /// What the store says, or a broken connection.
    pub(crate) async fn next(&mut self) -> Outcome<Option<RecordRow>> {
        match self {
            Self::Folder(rows) => Ok(rows.recv().await.transpose()?),
            Self::Host(lines) => match lines.next().await? {
                Some(line) => row(&line).map(Some),
                None => Ok(None),
            },
        }
    }
}

/// A line holds a row, or the problem that ended the stream.
fn row(line: &[u8]) -> Outcome<RecordRow> {
    let value: Value = serde_json::from_slice(line).map_err(|error| strange(&error))?;
    if value.get("status").is_some_and(Value::is_u64) && value.get("kind").is_some() {
        return Err(client::failure(::http::StatusCode::INTERNAL_SERVER_ERROR, line));
    }
    serde_json::from_value(value).map_err(|error| strange(&error))
}

fn strange(error: &serde_json::Error) -> Failure {
    Failure::new(Exit::Failed, format!("the host's answer cannot be read: {error}"))
        .help("host and command line should be of one version: compare `adjoin --version`")
}

impl Source {
    /// Entity types with something stored or declared.
    pub(crate) async fn types(&self) -> Outcome<Vec<String>> {
        match self {
            Self::Host(address) => ask(address, Method::GET, "/admin/types").await,
            Self::Folder(store) => Ok(adjoin_storage::Entities::types(&**store).await?),
        }
    }

    /// A page of the entities of a type; the flag says whether more follow.
    pub(crate) async fn entities(
        &self,
        entity_type: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Outcome<(Vec<EntityLine>, bool)> {
        match self {
            Self::Host(address) => {
                let after = after.map_or(String::new(), |key| format!("&after={}", client::escaped(key)));
                let path = format!("/admin/entities/{}?limit={limit}{after}", client::escaped(entity_type));
                ask(address, Method::GET, &path).await
            }
            Self::Folder(store) => Ok(inspect::entities(&**store, entity_type, after, limit).await?),
        }
    }

    /// One entity.
    pub(crate) async fn view(&self, entity: &EntityId) -> Outcome<EntityView> {
        match self {
            Self::Host(address) => ask(address, Method::GET, &path_of(entity)).await,
            Self::Folder(store) => Ok(inspect::view(&**store, entity).await?),
        }
    }

    /// Deletes an entity; gives the sequence of the deletion.
    pub(crate) async fn delete(&self, entity: &EntityId) -> Outcome<u64> {
        match self {
            Self::Host(address) => ask(address, Method::DELETE, &path_of(entity)).await,
            Self::Folder(store) => Ok(inspect::delete(&**store, entity).await?),
        }
    }

    /// Purges an entity; gives the sequence that it ended at.
    pub(crate) async fn purge(&self, entity: &EntityId, force: bool) -> Outcome<u64> {
        match self {
            Self::Host(address) => {
                ask(address, Method::POST, &format!("{}/purge?force={force}", path_of(entity))).await
            }
            Self::Folder(store) => Ok(inspect::purge(&**store, entity, force).await?),
        }
    }

    /// Ends the activation of an entity; gives the sequence it stood at.
    pub(crate) async fn passivate(&self, entity: &EntityId) -> Outcome<u64> {
        match self {
            Self::Host(address) => ask(address, Method::POST, &format!("{}/passivate", path_of(entity))).await,
            Self::Folder(_) => Err(Failure::usage("nothing is active in a folder that no host has")
                .help("name the admin address of a running host with --admin")),
        }
    }

    /// Durable effects that have not ended, and whether more follow.
    pub(crate) async fn effects(&self, query: &EffectQuery) -> Outcome<(Vec<EffectLine>, bool)> {
        match self {
            Self::Host(address) => ask(address, Method::GET, &format!("/admin/effects?{}", encoded(query)?)).await,
            Self::Folder(store) => Ok(inspect::effects(&**store, query).await?),
        }
    }

    /// Has a durable effect tried again at once.
    pub(crate) async fn retry_effect(&self, place: Place) -> Outcome<()> {
        let Place { shard, position } = place;
        match self {
            Self::Host(address) => {
                ask(address, Method::POST, &format!("/admin/effects/{shard}/{position}/retry")).await
            }
            Self::Folder(_) => Err(Failure::usage("nothing runs in a folder that no host holds")
                .help("the next host that opens it tries every effect again")),
        }
    }

    /// Ends a durable effect without running it.
    pub(crate) async fn drop_effect(&self, place: Place) -> Outcome<()> {
        let Place { shard, position } = place;
        match self {
            Self::Host(address) => ask(address, Method::DELETE, &format!("/admin/effects/{shard}/{position}")).await,
            Self::Folder(store) => Ok(inspect::drop_effect(&**store, place).await?),
        }
    }

    /// How consumers of events stand, over all shards.
    pub(crate) async fn consumers(&self) -> Outcome<Vec<ConsumerLine>> {
        match self {
            Self::Host(address) => ask(address, Method::GET, "/admin/eventing").await,
            Self::Folder(store) => Ok(inspect::by_consumer(inspect::consumers(&**store).await?)),
        }
    }

    /// The same, shard by shard, and whether more follow.
    pub(crate) async fn consumer_shards(&self, query: &ConsumerQuery) -> Outcome<(Vec<ShardLine>, bool)> {
        match self {
            Self::Host(address) => {
                ask(address, Method::GET, &format!("/admin/eventing/shards?{}", encoded(query)?)).await
            }
            Self::Folder(store) => Ok(query.shards(inspect::consumers(&**store).await?)),
        }
    }

    /// Dead letters, and whether more follow.
    pub(crate) async fn letters(&self, query: &ConsumerQuery) -> Outcome<(Vec<LetterLine>, bool)> {
        match self {
            Self::Host(address) => {
                ask(address, Method::GET, &format!("/admin/eventing/letters?{}", encoded(query)?)).await
            }
            Self::Folder(store) => Ok(query.letters(inspect::consumers(&**store).await?)),
        }
    }

    /// Has a dead letter tried again at once.
    pub(crate) async fn retry_letter(&self, letter: &Letter) -> Outcome<()> {
        match self {
            Self::Host(address) => {
                ask(address, Method::POST, &letter_path("/admin/eventing/letter/retry", letter)).await
            }
            Self::Folder(_) => Err(Failure::usage("nothing runs in a folder that no host holds")
                .help("start a host with the function on it, then try again")),
        }
    }

    /// Ends a dead letter without running it.
    pub(crate) async fn drop_letter(&self, letter: &Letter) -> Outcome<()> {
        match self {
            Self::Host(address) => ask(address, Method::DELETE, &letter_path("/admin/eventing/letter", letter)).await,
            Self::Folder(store) => Ok(inspect::drop_letter(&**store, letter).await?),
        }
    }

    /// Records of the journal.
    pub(crate) async fn records(&self, query: TailQuery) -> Outcome<Records> {
        match self {
            Self::Host(address) => {
                let request = address.request(Method::GET, &format!("/admin/journal?{}", encoded(&query)?));
                Ok(Records::Host(client::Lines::of(send(address, request).await?)))
            }
            Self::Folder(store) => Ok(Records::Folder(inspect::tail(store.clone(), query))),
        }
    }

    /// Reads everything and checks it.
    pub(crate) async fn verify(&self) -> Outcome<VerifyReport> {
        match self {
            Self::Host(address) => ask(address, Method::POST, "/admin/journal/verify").await,
            Self::Folder(store) => Ok(folder::verify(store).await?),
        }
    }

    /// Lets go of a folder.
    pub(crate) async fn close(self) -> Outcome<()> {
        match self {
            Self::Host(_) => Ok(()),
            Self::Folder(store) => Ok(store.close().await?),
        }
    }
}

fn path_of(entity: &EntityId) -> String {
    format!("/admin/entities/{}/{}", client::escaped(entity.entity_type()), client::escaped(entity.key()))
}

fn encoded(query: &impl serde::Serialize) -> Outcome<String> {
    serde_urlencoded::to_string(query).map_err(|error| Failure::usage(error.to_string()))
}

fn letter_path(path: &str, Letter { consumer, place: Place { shard, position } }: &Letter) -> String {
    let (log, group) = (client::escaped(consumer.log()), client::escaped(consumer.group()));
    format!("{path}?log={log}&group={group}&shard={shard}&position={position}")
}

async fn send(
    address: &Address,
    request: ::http::request::Builder,
) -> Outcome<::http::Response<hyper::body::Incoming>> {
    let response = address.send(request, Vec::new()).await.map_err(|failure| {
        failure.help("start a host, name its admin address with --admin, or read a closed folder with --data FOLDER")
    })?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    Err(client::failure(status, &client::body(response).await?))
}

/// Asks the admin API for one JSON document.
pub(crate) async fn ask<T: DeserializeOwned>(address: &Address, method: Method, path: &str) -> Outcome<T> {
    let response = send(address, address.request(method, path)).await?;
    serde_json::from_slice(&client::body(response).await?).map_err(|error| strange(&error))
}
