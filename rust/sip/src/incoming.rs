//! Requests from others: those of known calls go to them; others are checked before anything is made for them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use rsipstack::sip::prelude::ToTypedHeader;
use rsipstack::sip::{Header, HeadersExt, Method, StatusCode};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;

use crate::Event;
use crate::account::Account;
use crate::call::{Call, allow, follow, text};
use crate::stack::{Shared, lock};
use crate::timer::{LEAST_S, Said, has_token};

/// What we understand of `Require`.
const UNDERSTOOD: [&str; 1] = ["timer"];

pub async fn serve(shared: Arc<Shared>, mut requests: TransactionReceiver) {
    while let Some(request) = requests.recv().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let _ = take(&shared, request).await; // what does not read is not answered
        });
    }
}

async fn take(shared: &Arc<Shared>, mut request: Transaction) -> rsipstack::Result<()> {
    if request.original.to_header()?.tag()?.is_some() {
        return match shared.dialogs.match_dialog(&request) {
            Some(mut dialog) => dialog.handle(&mut request).await,
            None if request.original.method == Method::Ack => Ok(()),
            None => request.reply(StatusCode::CallTransactionDoesNotExist).await,
        };
    }
    match request.original.method {
        Method::Ack => Ok(()),
        Method::Invite => invited(shared, request).await,
        Method::Options => {
            let headers = vec![allow(), Header::Accept("application/sdp".into())];
            request.reply_with(StatusCode::OK, headers, None).await
        }
        Method::Cancel => request.reply(StatusCode::CallTransactionDoesNotExist).await,
        _ => request.reply_with(StatusCode::MethodNotAllowed, vec![allow()], None).await,
    }
}

/// Why a call is not taken.
struct Refused {
    status: StatusCode,
    headers: Vec<Header>,
    why: &'static str,
}

impl Refused {
    fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, headers: Vec::new(), why }
    }
}

async fn invited(shared: &Arc<Shared>, mut request: Transaction) -> rsipstack::Result<()> {
    let source = source(&request);
    match admitted(shared, &request, source) {
        Ok(account) => begin(shared, &account, request, source).await,
        Err(refused) => {
            let (status, why) = (refused.status.code(), refused.why);
            let source = source.map(|ip| ip.to_string()).unwrap_or_default();
            shared.tell(Event::Refused { status, source, reason: why });
            request.reply_with(refused.status, refused.headers, None).await
        }
    }
}

/// The account that is called, if the call may begin.
fn admitted(shared: &Shared, request: &Transaction, source: Option<IpAddr>) -> Result<Arc<Account>, Refused> {
    let original = &request.original;
    let user = original.uri.user().unwrap_or_default();
    let account =
        lock(&shared.accounts).values().find(|one| lock(&one.contact).user() == Some(user)).cloned();
    let account = account.ok_or_else(|| Refused::new(StatusCode::NotFound, "unknown_number"))?;
    let from_here = source.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    if !lock(&shared.sources).allow(from_here, shared.limits.tries, Instant::now()) {
        return Err(Refused::new(StatusCode::ServiceUnavailable, "too_many_tries"));
    }
    if original.header_value("Max-Forwards").as_deref() == Some("0") {
        return Err(Refused::new(StatusCode::TooManyHops, "too_many_hops"));
    }
    if let Some(unknown) = unknown_extension(original) {
        let headers = vec![Header::Unsupported(unknown.into())];
        return Err(Refused { headers, ..Refused::new(StatusCode::BadExtension, "unknown_extension") });
    }
    let said = Said::of(original);
    if said.too_short() && said.supported {
        let headers = vec![Header::Other("Min-SE".into(), LEAST_S.to_string())];
        let status = StatusCode::SessionIntervalTooSmall;
        return Err(Refused { headers, ..Refused::new(status, "session_too_short") });
    }
    let calls = lock(&shared.calls);
    let of_source = calls.values().filter(|call| call.source == Some(from_here)).count();
    if calls.len() >= shared.limits.calls || of_source >= shared.limits.calls_per_source {
        return Err(Refused::new(StatusCode::BusyHere, "too_many_calls"));
    }
    Ok(account)
}

/// What a request demands that we do not know.
fn unknown_extension(request: &rsipstack::sip::Request) -> Option<String> {
    let value = request.header_value("Require")?;
    let mut wanted = value.split(',').map(str::trim).filter(|one| !one.is_empty());
    wanted.find(|one| !UNDERSTOOD.iter().any(|known| known.eq_ignore_ascii_case(one))).map(str::to_owned)
}

async fn begin(
    shared: &Arc<Shared>,
    account: &Account,
    mut request: Transaction,
    source: Option<IpAddr>,
) -> rsipstack::Result<()> {
    let (sender, states) = shared.dialogs.new_dialog_state_channel();
    let contact = lock(&account.contact).clone();
    let credential = Some(account.credential.clone());
    let mut dialog =
        shared.dialogs.get_or_create_server_invite(&request, sender, credential, Some(contact))?;
    let source = source.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    let call = Call::new(shared, shared.mint(), dialog.clone(), Some(source));
    call.agree(Said::of(&request.original).agreed(), has_token(&request.original, "Allow", "UPDATE"));
    tokio::spawn(follow(shared.clone(), call.clone(), states));
    let (from, name) = caller(&request);
    shared.tell(Event::Incoming {
        call: call.id,
        account: account.id,
        from,
        name,
        source: source.to_string(),
        offer: text(&request.original.body),
    });
    let handled = dialog.handle(&mut request).await;
    if !call.confirmed.load(SeqCst) && !dialog.state().is_terminated() {
        // The first request is over, and nothing came of it.
        let ended = tokio::time::timeout(std::time::Duration::from_secs(1), call.token.cancelled()).await;
        if ended.is_err() && !dialog.state().is_confirmed() {
            shared.dialogs.remove_dialog(&dialog.id());
            shared.finish(&call, 408, "the call did not come about");
        }
    }
    handled
}

/// Who calls: the address, and the name that it gives itself.
fn caller(request: &Transaction) -> (String, String) {
    let typed = request.original.from_header().ok().and_then(|from| from.clone().typed().ok());
    typed.map_or_else(Default::default, |from| {
        let name = from.display_name.unwrap_or_default();
        (from.uri.to_string(), name.trim_matches('"').chars().take(128).collect())
    })
}

/// The address that a request came from.
fn source(request: &Transaction) -> Option<IpAddr> {
    let via = request.original.via_header().ok()?;
    let (_, from) = SipConnection::parse_target_from_via(via).ok()?;
    IpAddr::try_from(from.host).ok()
}
