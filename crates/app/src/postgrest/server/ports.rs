//! Where the server listens.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ferrobase_edge::Lifecycle;
use ferrobase_edge::listener::{ConnectionLimits, Endpoint, ListenError, Listener as HttpListener};
use ferrobase_edge::metrics::Metrics;
use tokio::task::JoinHandle;

use super::Server;
use crate::postgrest::admin::{self, Admin};
use crate::postgrest::settings::Listen;

impl Server {
    /// Whether another process answers on the admin port and we may share it. Then it is opened with the API port: whoever
    /// asks there while this one loads its schema cache must hear of the process that serves.
    pub(super) async fn waits_with_admin(&self) -> bool {
        let Some(endpoint) = endpoint(&self.settings.admin, false).filter(|_| self.settings.reuse_port) else {
            return false;
        };
        matches!(HttpListener::bind(&[endpoint]).await, Err(ListenError::InUse { .. }))
    }

    pub(super) async fn open_admin(&self, admin: Admin, lifecycle: &Lifecycle) -> Result<Option<JoinHandle<()>>> {
        let Some(endpoint) = endpoint(&self.settings.admin, self.settings.reuse_port) else { return Ok(None) };
        let listener = HttpListener::bind(&[endpoint]).await.context("admin-server-port")?;
        tracing::info!("Admin server listening on {}", place(&listener, &self.settings.admin));
        let (router, lifecycle) = (admin::router(admin), lifecycle.clone());
        Ok(Some(tokio::spawn(async move {
            listener.limits(ConnectionLimits::default().within_open_files()).serve(router, lifecycle).await;
        })))
    }

    pub(super) async fn open_api(&self, lifecycle: &Lifecycle, metrics: &Metrics) -> Result<JoinHandle<()>> {
        let endpoint = endpoint(&self.settings.server, self.settings.reuse_port).context("server-port")?;
        let listener = HttpListener::bind(&[endpoint]).await.context("server-port")?;
        tracing::info!("API server listening on {}", place(&listener, &self.settings.server));
        let (app, lifecycle, metrics) = (self.app.clone(), lifecycle.clone(), metrics.http());
        let workers = Arc::clone(&self.workers);
        Ok(tokio::spawn(async move {
            let limits = ConnectionLimits::default().within_open_files();
            listener.limits(limits).metrics(metrics).workers(workers).serve(app, lifecycle).await;
        }))
    }
}

/// Whether a host means every address of this machine.
pub(in crate::postgrest) fn is_any_address(host: &str) -> bool {
    matches!(host, "*" | "*4" | "!4" | "*6" | "!6")
}

fn endpoint(listen: &Listen, shared: bool) -> Option<Endpoint> {
    if let Some(path) = &listen.socket {
        return Some(Endpoint::Unix { path: path.clone(), mode: listen.socket_mode });
    }
    let host = match listen.host.as_str() {
        "*" | "*4" | "!4" => "0.0.0.0",
        "*6" | "!6" => "::",
        host => host,
    };
    Some(Endpoint::Tcp { host: host.to_owned(), port: listen.port?, shared })
}

fn place(listener: &HttpListener, listen: &Listen) -> String {
    match (listener.addresses().first(), &listen.socket) {
        (Some(address), _) => address.to_string(),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => String::new(),
    }
}
