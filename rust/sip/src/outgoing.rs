//! Calls that we make.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use rsipstack::dialog::dialog::DialogState;
use rsipstack::dialog::invitation::{InviteAsyncResult, InviteOption};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, HeadersExt, Method, Response, SipMessage, StatusCode, StatusCodeKind};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipAddr;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Event;
use crate::account::{Account, reason};
use crate::call::{Call, allow, follow, text};
use crate::stack::{Refusal, Shared, Stack, lock};
use crate::timer::{Said, WANTED_S, asking, has_token};
use crate::uri;

/// How long one request of giving up may take.
const GIVING_UP: Duration = Duration::from_secs(3);
/// How long a request is still of interest that nobody answers (64 times T1).
const UNANSWERED: Duration = Duration::from_secs(32);

/// Whom to call.
#[derive(Clone, Debug)]
pub struct Inviting {
    pub account: u64,
    pub peer: String,
    /// The name that the caller gives itself.
    pub name: String,
    pub offer: String,
    /// How long the peer may ring.
    pub limit: Duration,
    /// How long there may be no answer at all.
    pub first_limit: Duration,
}

impl Stack {
    /// Calls `peer` through the server of the account; what comes of it are events of the call that is returned.
    pub fn invite(&self, wanted: Inviting) -> Result<u64, Refusal> {
        let shared = &self.shared;
        let account = shared.account(wanted.account)?;
        uri::parse(&wanted.peer).map_err(Refusal::Bad)?;
        if lock(&shared.calls).len() >= shared.limits.calls {
            return Err(Refusal::Full);
        }
        let Some(runtime) = &self.runtime else { return Err(Refusal::Unknown("account")) };
        let _inside = runtime.enter();
        let id = shared.mint();
        let first = begin(shared, id, &account, &wanted, WANTED_S)?;
        runtime.spawn(conclude(shared.clone(), account, wanted, first));
        Ok(id)
    }
}

type Begun = (Arc<Call>, InviteDialog, JoinHandle<InviteAsyncResult>);

fn begin(
    shared: &Arc<Shared>,
    id: u64,
    account: &Account,
    wanted: &Inviting,
    interval_s: u32,
) -> Result<Begun, Refusal> {
    let callee = uri::parse(&wanted.peer).map_err(Refusal::Bad)?;
    let mut headers = asking(interval_s);
    headers.push(allow());
    let name: String =
        wanted.name.chars().filter(|one| !one.is_control() && !"\"\\".contains(*one)).collect();
    let option = InviteOption {
        caller_display_name: (!name.is_empty()).then_some(name),
        caller: account.address(),
        callee,
        destination: SipAddr::try_from(&account.server).ok(),
        content_type: Some("application/sdp".into()),
        offer: Some(wanted.offer.clone().into_bytes()),
        contact: lock(&account.contact).clone(),
        credential: Some(account.credential.clone()),
        headers: Some(headers),
        ..InviteOption::default()
    };
    let (sender, states) = shared.dialogs.new_dialog_state_channel();
    let (dialog, running) = shared
        .dialogs
        .do_invite_async(option, sender)
        .map_err(|problem| Refusal::Bad(problem.to_string()))?;
    let call = Call::new(shared, id, dialog.clone(), None);
    call.describe(&wanted.offer);
    tokio::spawn(follow(shared.clone(), call.clone(), states));
    Ok((call, dialog, running))
}

async fn conclude(shared: Arc<Shared>, account: Arc<Account>, wanted: Inviting, begun: Begun) {
    let (mut call, mut dialog, mut running) = begun;
    let mut outcome = rung(&call, &mut running, &wanted).await;
    if let Some(interval_s) = longer(outcome.as_ref()) {
        // The other side wants the session refreshed less often: once more, as it asks (RFC 4028, section 7.2).
        shared.dialogs.remove_dialog(&dialog.id());
        if let Ok(again) = begin(&shared, call.id, &account, &wanted, interval_s) {
            (call, dialog, running) = again;
            outcome = rung(&call, &mut running, &wanted).await;
        }
    }
    match outcome {
        Some(Ok(Ok((_, Some(answer))))) if answer.status_code.kind() == StatusCodeKind::Successful => {
            taken(&shared, &call, &dialog, &answer);
            if call.given_up.is_cancelled() {
                call.hang_up(&shared, 200).await;
            }
            return;
        }
        Some(Ok(Ok((_, Some(answer))))) => shared.finish(&call, answer.status_code.code(), reason(&answer)),
        Some(Ok(Ok((_, None)))) => shared.finish(&call, 408, "no answer"),
        Some(Ok(Err(problem))) => shared.finish(&call, 503, problem.to_string()),
        Some(Err(problem)) => shared.finish(&call, 500, problem.to_string()),
        None => {
            let (status, reason) =
                if call.given_up.is_cancelled() { (487, "ended here") } else { (408, "no answer") };
            let destination = SipAddr::try_from(&account.server).ok();
            let early = cancelled(&shared, &dialog, destination.clone()).await;
            shared.finish(&call, status, reason);
            settle(&shared, destination.filter(|_| !early), &dialog, &mut running).await;
        }
    }
    shared.dialogs.remove_dialog(&dialog.id());
}

/// Cancels a call that nobody wants any more; whether it could be. Before the first answer it cannot (RFC 3261, 9.1).
///
/// The library would send the request to the host of the callee's address, and not to where the call went.
async fn cancelled(shared: &Shared, dialog: &InviteDialog, destination: Option<SipAddr>) -> bool {
    if matches!(dialog.state(), DialogState::Trying(_) | DialogState::Early(..)) {
        let _ = timeout(GIVING_UP, cancel(shared, dialog, destination)).await;
        return true;
    }
    false
}

/// Waits for the end of a call that was given up: cancels it if it was not yet, and hangs up if it was taken.
async fn settle(
    shared: &Shared,
    late: Option<SipAddr>,
    dialog: &InviteDialog,
    running: &mut JoinHandle<InviteAsyncResult>,
) {
    let deadline = Instant::now() + UNANSWERED;
    while late.is_some() && !running.is_finished() && Instant::now() < deadline {
        if cancelled(shared, dialog, late.clone()).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if timeout_at(deadline, &mut *running).await.is_err() {
        running.abort();
    }
    if dialog.state().is_confirmed() {
        let _ = timeout(GIVING_UP, dialog.bye()).await;
    }
}

async fn cancel(
    shared: &Shared,
    dialog: &InviteDialog,
    destination: Option<SipAddr>,
) -> rsipstack::Result<()> {
    let mut request = dialog.initial_request();
    let number = request.cseq_header()?.seq()?;
    request.headers.retain(|header| !matches!(header, Header::ContentLength(_) | Header::ContentType(_)));
    request.method = Method::Cancel;
    request.cseq_header_mut()?.mut_seq(number)?.mut_method(Method::Cancel)?;
    request.body.clear();
    let key = TransactionKey::from_request(&request, TransactionRole::Client)?;
    let mut transaction = Transaction::new_client(key, request, shared.endpoint.clone(), None);
    transaction.destination = destination;
    transaction.send().await?;
    while let Some(message) = transaction.receive().await {
        if matches!(message, SipMessage::Response(answer) if answer.status_code.kind() != StatusCodeKind::Provisional)
        {
            break;
        }
    }
    Ok(())
}

type Outcome = Result<InviteAsyncResult, tokio::task::JoinError>;

/// The interval that a refusal of ours asks for.
fn longer(outcome: Option<&Outcome>) -> Option<u32> {
    match outcome {
        Some(Ok(Ok((_, Some(answer))))) if answer.status_code == StatusCode::SessionIntervalTooSmall => {
            Some(Said::of(answer).least_s).filter(|least| *least > WANTED_S)
        }
        _ => None,
    }
}

/// How the first request ended; None if it took too long.
async fn rung(
    call: &Call,
    running: &mut JoinHandle<InviteAsyncResult>,
    wanted: &Inviting,
) -> Option<Outcome> {
    let first = wanted.first_limit.min(wanted.limit);
    let ended = async {
        if let Ok(done) = timeout(first, &mut *running).await {
            return Some(done);
        }
        if matches!(call.dialog.state(), DialogState::Calling(_)) {
            return None;
        }
        timeout(wanted.limit.saturating_sub(first), running).await.ok()
    };
    tokio::select! {
        () = call.given_up.cancelled() => None,
        outcome = ended => outcome,
    }
}

fn taken(shared: &Shared, call: &Call, dialog: &InviteDialog, answer: &Response) {
    call.agree(Said::of(answer).answered(), has_token(answer, "Allow", "UPDATE"));
    shared.tell(Event::Answered { call: call.id, answer: text(&answer.body) });
    call.answered.store(true, SeqCst);
    if dialog.state().is_terminated() {
        // It ended before it counted as taken, so nobody has told.
        shared.dialogs.remove_dialog(&dialog.id());
        shared.finish(call, 200, "hung up");
    }
}
