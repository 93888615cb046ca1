//! The handle: a runtime of its own, the transports, and what is known of accounts and calls.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rsipstack::EndpointBuilder;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::transaction::endpoint::{EndpointInnerRef, EndpointOption};
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{TcpListenerConnection, TlsConfig, TlsListenerConnection, TransportLayer};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::call::Call;
use crate::sources::{Limits, Sources};
use crate::{Event, incoming};

/// How long a stack that is closed may take to end what it has.
const CLOSING: Duration = Duration::from_secs(5);

/// Certificates as PEM. Without `roots` no server's certificate is accepted.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    pub roots: Option<Vec<u8>>,
    pub certificate: Option<Vec<u8>>,
    pub key: Option<Vec<u8>>,
    /// Where calls over TLS are taken, if anywhere.
    pub listen: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub bind: SocketAddr,
    /// The address that others are told, if it is another.
    pub public: Option<SocketAddr>,
    pub tcp: bool,
    pub tls: Option<Tls>,
    pub limits: Limits,
    pub agent: String,
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such account or call; it may have ended just now.
    Unknown(&'static str),
    /// What was given does not read.
    Bad(String),
    /// As many calls as are allowed.
    Full,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(what) => write!(formatter, "no such {what}"),
            Self::Bad(problem) => formatter.write_str(problem),
            Self::Full => formatter.write_str("as many calls as are allowed"),
        }
    }
}

/// What the stack holds at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub accounts: usize,
    pub calls: usize,
    pub dialogs: usize,
    pub transactions: usize,
}

/// What tasks share.
pub struct Shared {
    pub endpoint: EndpointInnerRef,
    pub dialogs: Arc<DialogLayer>,
    pub token: CancellationToken,
    pub limits: Limits,
    /// Where others reach us.
    pub address: SocketAddr,
    pub accounts: Mutex<HashMap<u64, Arc<Account>>>,
    pub calls: Mutex<HashMap<u64, Arc<Call>>>,
    pub sources: Mutex<Sources>,
    next: AtomicU64,
    events: Mutex<Sender<Event>>,
}

/// A lock that is good even if a holder panicked: all that is guarded here is changed in one step.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn tell(&self, event: Event) {
        let _ = lock(&self.events).send(event); // nobody listens once the stack is closed
    }

    pub fn mint(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    pub fn account(&self, id: u64) -> Result<Arc<Account>, Refusal> {
        lock(&self.accounts).get(&id).cloned().ok_or(Refusal::Unknown("account"))
    }

    pub fn call(&self, id: u64) -> Result<Arc<Call>, Refusal> {
        lock(&self.calls).get(&id).cloned().ok_or(Refusal::Unknown("call"))
    }

    /// Ends a call for us: forgets it, and tells so if nobody did before.
    pub fn finish(&self, call: &Call, status: u16, reason: impl Into<String>) {
        if lock(&self.calls).remove(&call.id).is_some() {
            call.token.cancel();
            self.tell(Event::Ended { call: call.id, status, reason: reason.into() });
        }
    }
}

/// A SIP user agent. Dropping it closes it.
pub struct Stack {
    pub(crate) shared: Arc<Shared>,
    pub(crate) runtime: Option<Runtime>,
}

impl Stack {
    /// Opens the ports and begins to listen; `events` gets what comes about.
    pub fn start(options: &Options, events: Sender<Event>) -> Result<Self, String> {
        if options.tls.is_some() {
            // There is one for the process; whoever came first has set it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("sip")
            .enable_all()
            .build()
            .map_err(|problem| problem.to_string())?;
        let shared = runtime.block_on(open(options, events)).map_err(|problem| problem.to_string())?;
        Ok(Self { shared, runtime: Some(runtime) })
    }

    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    pub fn stats(&self) -> Stats {
        Stats {
            accounts: lock(&self.shared.accounts).len(),
            calls: lock(&self.shared.calls).len(),
            dialogs: self.shared.dialogs.len(),
            transactions: self.shared.endpoint.get_stats().running_transactions,
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }

    /// Hangs up every call and leaves every registrar, as far as they answer in time; then closes the ports.
    pub fn close(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let calls: Vec<_> = lock(&self.shared.calls).values().cloned().collect();
        let accounts: Vec<_> = lock(&self.shared.accounts).drain().map(|(_, account)| account).collect();
        runtime.block_on(async {
            let mut endings = tokio::task::JoinSet::new();
            for call in calls {
                let shared = self.shared.clone();
                endings.spawn(async move { call.hang_up(&shared, 503).await });
            }
            for account in accounts {
                endings.spawn(async move { account.leave().await });
            }
            let _ =
                tokio::time::timeout(CLOSING, async { while endings.join_next().await.is_some() {} }).await;
        });
        self.shared.token.cancel();
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.close();
    }
}

async fn open(options: &Options, events: Sender<Event>) -> rsipstack::Result<Arc<Shared>> {
    let token = CancellationToken::new();
    let layer = TransportLayer::new(token.clone());
    let udp =
        UdpConnection::create_connection(options.bind, options.public, Some(token.child_token())).await?;
    let address = udp.get_addr().get_socketaddr()?; // the public one, if there is
    let port = if options.public.is_some() { options.bind.port() } else { address.port() };
    let bound = SocketAddr::new(options.bind.ip(), port);
    layer.add_transport(udp.into());
    if options.tcp {
        // The library tells of a port that is taken in a log only.
        drop(std::net::TcpListener::bind(bound)?);
        layer.add_transport(TcpListenerConnection::new(bound, options.public).await?.into());
    }
    if let Some(tls) = &options.tls {
        let config = TlsConfig {
            cert: tls.certificate.clone(),
            key: tls.key.clone(),
            client_cert: tls.certificate.clone(),
            client_key: tls.key.clone(),
            ca_certs: tls.roots.clone(),
            sni_hostname: None,
        };
        if let Some(listen) = tls.listen {
            drop(std::net::TcpListener::bind(listen)?);
            layer.add_transport(TlsListenerConnection::new(listen, None, config.clone()).await?.into());
        }
        layer.set_tls_config(config);
    }
    let endpoint = EndpointBuilder::new()
        .with_cancel_token(token.clone())
        .with_transport_layer(layer)
        .with_user_agent(&options.agent)
        .with_option(EndpointOption { callid_suffix: Some("palaver".into()), ..EndpointOption::default() })
        .build();
    let requests = endpoint.incoming_transactions()?;
    let shared = Arc::new(Shared {
        endpoint: endpoint.inner.clone(),
        dialogs: Arc::new(DialogLayer::new(endpoint.inner.clone())),
        token,
        limits: options.limits,
        address,
        accounts: Mutex::default(),
        calls: Mutex::default(),
        sources: Mutex::default(),
        next: AtomicU64::new(1),
        events: Mutex::new(events),
    });
    tokio::spawn(async move { endpoint.serve().await });
    tokio::spawn(incoming::serve(shared.clone(), requests));
    Ok(shared)
}
