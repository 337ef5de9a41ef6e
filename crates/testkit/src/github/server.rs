//! The thread that serves: plain HTTP or TLS, and the mail that webhooks get.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum_server::tls_rustls::RustlsConfig;
use tokio::sync::oneshot;

use super::door::handle;
use super::mail;
use super::shared::Shared;
use super::tls::Identity;

/// A server on a thread of its own; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A listener on loopback; port 0 is any that is free.
pub(super) fn listen(port: u16) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    listener.set_nonblocking(true).expect("a listener can be made non-blocking");
    let address = listener.local_addr().expect("a bound listener has an address");
    (listener, address)
}

impl Server {
    pub(super) fn start(listener: TcpListener, shared: Shared, identity: Option<Identity>) -> Self {
        let (shutdown, ended) = oneshot::channel();
        // What blocks has threads of its own.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be started");
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, shared.clone(), identity) => {}
                    () = mail::carry(shared) => {}
                    // A dropped sender ends the server as well.
                    () = async { drop(ended.await) } => {}
                }
            });
        });
        Self { shutdown: Some(shutdown), thread: Some(thread) }
    }
}

async fn serve(listener: TcpListener, shared: Shared, identity: Option<Identity>) {
    let router = Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(shared);
    let service = router.into_make_service();
    let ended = match identity {
        None => {
            let server = axum_server::from_tcp(listener).expect("tokio takes a listener");
            server.serve(service).await
        }
        Some(Identity { certificate, key }) => {
            let config = RustlsConfig::from_pem(certificate.into_bytes(), key.into_bytes());
            let config = config.await.expect("a certificate that was just made is one");
            let server = axum_server::from_tcp_rustls(listener, config).expect("tokio takes a listener");
            server.serve(service).await
        }
    };
    ended.expect("a listener on loopback goes on");
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server thread has been printed; a second one while a test unwinds would abort it.
            drop(thread.join());
        }
    }
}
