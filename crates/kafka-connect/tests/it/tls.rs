//! A worker with a certificate of an authority of its own.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::serve::Listener;
use kafka_connect::error::ConnectError;
use kafka_connect::settings::ConnectSettings;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use crate::stub::{Stub, json as say};

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // A client that does not trust us hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/tls", name].iter().collect()
}

/// A server with the certificate of `authority.pem` for 127.0.0.1.
async fn secured() -> Stub {
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key.pem")).unwrap();
    // Named, as a build of the whole workspace has several.
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config =
        config.with_safe_default_protocol_versions().unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    Stub::listening(Tls { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }, url, [say(200, &json!(["a"]))])
}

#[tokio::test]
async fn the_right_authority_is_believed() {
    let stub = secured().await;
    let client = stub.client_with(&stub.settings().ca_file(file("authority.pem")));
    assert_eq!(client.connectors().await.unwrap(), ["a"]);
}

#[tokio::test]
async fn another_authority_and_none_are_not() {
    let stub = secured().await;
    for settings in [stub.settings().ca_file(file("another_authority.pem")), stub.settings()] {
        let error = stub.client_with(&settings).connectors().await.unwrap_err();
        let expected = format!(
            "GET /connectors: the certificate of {} is not accepted; name the PEM file of its authority as `connect_ca_file`",
            stub.url
        );
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, ConnectError::Untrusted { .. }) && stub.waited().is_zero(), "it is not tried again: {error:?}");
    }
    assert_eq!(stub.lines(), Vec::<String>::new(), "nothing was said to it");
}

#[tokio::test]
async fn a_name_that_the_certificate_is_not_for_is_refused() {
    let stub = secured().await;
    let settings = ConnectSettings::new(stub.url.replace("127.0.0.1", "localhost")).ca_file(file("authority.pem"));
    let error = stub.client_with(&settings).connectors().await.unwrap_err();
    assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn files_that_are_no_certificates_are_told_before_anything_is_asked() {
    let stub = Stub::with([]).await;
    for (name, problem) in [("server.key.pem", "holds no PEM certificate"), ("nowhere.pem", "cannot be read")] {
        let error = kafka_connect::client::ConnectClient::new(&stub.settings().ca_file(file(name)), stub.clock.clone()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`connect_ca_file`") && text.contains(problem), "{text}");
    }
}
