//! A gateway of etcd for tests: it answers by a function of path and body.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::Uri;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;

/// Serves until the test ends; where it listens.
pub(crate) async fn gateway(answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> SocketAddr {
    let answer = Arc::new(answer);
    let router = Router::new().fallback(move |uri: Uri, Json(asked): Json<Value>| {
        let answer = Arc::clone(&answer);
        async move { Json(answer(uri.path(), &asked)) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
