//! A primary and a streaming replica behind one server: who answers, how fresh that is, and what happens when either of
//! them goes.
//!
//! PostgreSQL processes are really frozen, killed and promoted. One pair a test, because a pair takes seconds to make.

mod failover;
mod patroni;
mod reads;

use std::path::PathBuf;
use std::time::Duration;

use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_testkit::{App, PrivateCluster};
use reqwest::Method;
use serde_json::json;

use crate::caller::{Answer, Caller, PATIENCE, eventually};
use crate::support::BINARY;

/// Where a statement runs, and rows that clients write.
const SCHEMA: &str = "
    create table entries (client int, n int, primary key (client, n));
    alter table entries enable row level security;
    create policy everything on entries using (true) with check (true);
    create function port() returns int language sql stable as 'select inet_server_port()';
    create function login() returns text language sql stable as 'select session_user::text';
    create function writing_port(n int) returns int language plpgsql volatile as
        'begin insert into entries values (-1, n); return inet_server_port(); end';
    create function quick() returns int language plpgsql volatile as
        $$ begin set local synchronous_commit = off; insert into entries values (-2, 1); return 1; end $$;
    notify ferrobase;";

/// A primary, a replica, and a server in front of both.
struct Scene {
    primary: PrivateCluster,
    replica: PrivateCluster,
    app: App,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// `database` are more keys of that section.
    async fn new(database: &str) -> Self {
        let primary = PrivateCluster::start(&[]).await.unwrap();
        let replica = primary.standby("replica", &[]).await.unwrap();
        let replicas = format!("replicas: [{{host: 127.0.0.1, port: {}}}]", replica.port());
        let (app, folder) = serve(&primary.url(), &format!("{{{replicas}, read_preference: replica{database}}}")).await;
        session(&primary.url()).await.script(SCHEMA).await.unwrap();
        let scene = Self { primary, replica, app, _folder: folder };
        let caller = scene.caller();
        let known = async || caller.get("/rpc/port").await.status == 200;
        eventually("the schema is served", PATIENCE, known).await;
        eventually("the replica answers", PATIENCE, async || scene.read_port().await == scene.replica.port()).await;
        scene
    }

    fn caller(&self) -> Caller {
        Caller::of(&self.app)
    }

    /// The port of the server that answers a read.
    async fn read_port(&self) -> u16 {
        let answer = self.caller().get("/rpc/port").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.parse().unwrap()
    }

    async fn reads_on_replica(&self) -> bool {
        self.read_port().await == self.replica.port()
    }
}

async fn session(url: &str) -> Session {
    Session::connect(&ConnectOptions::parse(url).unwrap()).await.unwrap()
}

/// `ferrobase serve` with this section `database` beside the URL.
async fn serve(url: &str, database: &str) -> (App, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("ferrobase.yaml");
    std::fs::write(&file, format!("database: {database}\n")).unwrap();
    let app = App::serve(BINARY, url).arg("--config").arg(file.to_str().unwrap()).start().await.unwrap();
    (app, folder)
}

/// Writes one row; the answer may have a token.
async fn write(caller: &Caller, client: i64, n: u64) -> Answer {
    caller.post("/entries", &json!({ "client": client, "n": n })).await
}

/// Reads with a token.
async fn read_with(caller: &Caller, path: &str, token: &str) -> Answer {
    let request = caller.request(Method::GET, path).header("x-ferrobase-freshness", token);
    caller.send(request).await.unwrap()
}

/// Long enough for anything that should happen within a second, on a machine with other things to do.
const SOON: Duration = Duration::from_secs(2);
