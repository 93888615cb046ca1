//! A call: its dialog, what is asked within it, and its timer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TerminatedReason, TransactionHandle};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, HeadersExt, Method, Request, Response, StatusCode, StatusCodeKind};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Event;
use crate::account::reason;
use crate::stack::{Refusal, Shared, Stack, lock};
use crate::timer::{Said, Session};

/// How long a request within a call may take.
const REQUEST: Duration = Duration::from_secs(8);
/// How long we may take to answer a change of the peer.
const DECISION: Duration = Duration::from_secs(20);
/// The longest description or message that is handed on.
const MAX_BODY: usize = 64 * 1024;

pub struct Call {
    pub id: u64,
    pub source: Option<std::net::IpAddr>,
    pub outgoing: bool,
    pub dialog: InviteDialog,
    pub token: CancellationToken,
    /// Of a call of ours: nobody wants it any more.
    pub given_up: CancellationToken,
    /// Of a call of ours: it was taken. Before that its end is told by who made it.
    pub answered: AtomicBool,
    pub confirmed: AtomicBool,
    /// Changes that the peer waits for, by their number.
    pending: Mutex<HashMap<u64, Pending>>,
    session: tokio::sync::watch::Sender<Option<Session>>,
    /// Our last description, which a refresh repeats.
    described: Mutex<String>,
    peer_updates: AtomicBool,
}

struct Pending {
    handle: TransactionHandle,
    session: Option<Session>,
}

impl Call {
    pub fn new(
        shared: &Shared,
        id: u64,
        dialog: InviteDialog,
        source: Option<std::net::IpAddr>,
    ) -> Arc<Self> {
        let call = Arc::new(Self {
            id,
            source,
            outgoing: source.is_none(),
            dialog,
            token: shared.token.child_token(),
            given_up: CancellationToken::new(),
            answered: AtomicBool::new(false),
            confirmed: AtomicBool::new(false),
            pending: Mutex::default(),
            session: tokio::sync::watch::Sender::new(None),
            described: Mutex::default(),
            peer_updates: AtomicBool::new(false),
        });
        lock(&shared.calls).insert(call.id, call.clone());
        call
    }

    /// What was agreed with the answer to the first request.
    pub fn agree(&self, session: Option<Session>, updates: bool) {
        self.peer_updates.store(updates, SeqCst);
        self.session.send_replace(session);
    }

    pub fn agreed(&self) -> Option<Session> {
        *self.session.borrow()
    }

    /// Remembers what we said last.
    pub fn describe(&self, description: &str) {
        description.clone_into(&mut lock(&self.described));
    }

    /// Ends it in the way that fits its state; `status` is the answer to a call that was not taken yet.
    pub async fn hang_up(&self, shared: &Shared, status: u16) {
        if self.outgoing && !self.answered.load(SeqCst) {
            self.given_up.cancel();
            let _ = timeout(REQUEST, self.token.cancelled()).await;
        } else if self.outgoing || self.confirmed.load(SeqCst) || self.dialog.state().waiting_ack() {
            let ending = timeout(REQUEST, self.dialog.bye()).await;
            let told = matches!(ending, Ok(Ok(())));
            let reason = if told { "ended here" } else { "ended here; the other side did not answer" };
            shared.dialogs.remove_dialog(&self.dialog.id());
            shared.finish(self, 200, reason);
        } else {
            let _ = self.dialog.reject(Some(StatusCode::from(status)), None);
            shared.dialogs.remove_dialog(&self.dialog.id());
            shared.finish(self, status, "refused here");
        }
    }
}

impl Stack {
    /// Tells the caller that it rings.
    pub fn ring(&self, call: u64) -> Result<(), Refusal> {
        let call = self.shared.call(call)?;
        call.dialog.ringing(None, None).map_err(|problem| Refusal::Bad(problem.to_string()))
    }

    /// Takes a call with our description.
    pub fn answer(&self, call: u64, description: &str) -> Result<(), Refusal> {
        let call = self.shared.call(call)?;
        if call.outgoing || call.answered.swap(true, SeqCst) {
            return Err(Refusal::Bad("the call does not wait for an answer".into()));
        }
        call.describe(description);
        let mut headers = vec![content(), allow(), Header::Supported("timer".into())];
        headers.extend(call.agreed().map(Session::headers).unwrap_or_default());
        let body = Some(description.as_bytes().to_vec());
        call.dialog.accept(Some(headers), body).map_err(|problem| Refusal::Bad(problem.to_string()))
    }

    /// Refuses a call that was not taken yet.
    pub fn reject(&self, call: u64, status: u16) -> Result<(), Refusal> {
        if !(300..700).contains(&status) {
            return Err(Refusal::Bad("a refusal has a status of 300 to 699".into()));
        }
        self.end(call, status)
    }

    /// Ends a call, whatever its state.
    pub fn hang_up(&self, call: u64) -> Result<(), Refusal> {
        self.end(call, 480)
    }

    fn end(&self, call: u64, status: u16) -> Result<(), Refusal> {
        let (call, shared) = (self.shared.call(call)?, self.shared.clone());
        self.spawn(async move { call.hang_up(&shared, status).await });
        Ok(())
    }

    /// Answers a change of the peer: with our description, or with a refusal and none.
    pub fn respond(&self, call: u64, request: u64, status: u16, description: &str) -> Result<(), Refusal> {
        let call = self.shared.call(call)?;
        let pending = lock(&call.pending).remove(&request).ok_or(Refusal::Unknown("request"))?;
        let description = description.to_owned();
        self.spawn(async move {
            if status >= 300 {
                let _ = pending.handle.reply(StatusCode::from(status)).await;
                return;
            }
            call.describe(&description);
            accept(&call, &pending.handle, pending.session, Some(description)).await;
        });
        Ok(())
    }

    /// Offers the peer another session; `Updated` tells what became of it.
    pub fn update(&self, call: u64, description: &str) -> Result<(), Refusal> {
        let (call, shared) = (self.shared.call(call)?, self.shared.clone());
        let description = description.to_owned();
        self.spawn(async move {
            let event = match reinvite(&call, &description).await {
                Ok(answer) => Event::Updated {
                    call: call.id,
                    status: answer.status_code.code(),
                    reason: reason(&answer),
                    answer: text(&answer.body),
                },
                Err(reason) => Event::Updated { call: call.id, status: 408, reason, answer: String::new() },
            };
            shared.tell(event);
        });
        Ok(())
    }

    /// Sends a message within the call, such as a digit; nothing tells whether it was understood.
    pub fn info(&self, call: u64, kind: &str, body: &str) -> Result<(), Refusal> {
        if kind.is_empty() || kind.chars().any(char::is_control) {
            return Err(Refusal::Bad("the type of a message has no control characters".into()));
        }
        let call = self.shared.call(call)?;
        let headers = vec![Header::ContentType(kind.into())];
        let body = body.as_bytes().to_vec();
        self.spawn(async move {
            let _ = timeout(REQUEST, call.dialog.info(Some(headers), Some(body))).await;
        });
        Ok(())
    }
}

async fn reinvite(call: &Call, description: &str) -> Result<Response, String> {
    let mut headers = vec![content(), allow()];
    headers.extend(call.agreed().map(Session::refreshing).unwrap_or_default());
    let body = Some(description.as_bytes().to_vec());
    let asked = call.dialog.reinvite_with_glare_retry(Some(headers), body, 3);
    match timeout(REQUEST * 2, asked).await {
        Err(_) => Err("the other side did not answer in time".into()),
        Ok(Err(problem)) => Err(problem.to_string()),
        Ok(Ok(None)) => Err("the call does not go on".into()),
        Ok(Ok(Some(answer))) => {
            if answer.status_code.kind() == StatusCodeKind::Successful {
                call.describe(description);
                call.session.send_replace(Said::of(&answer).answered());
            }
            Ok(answer)
        }
    }
}

/// Follows the dialog of a call to its end.
pub async fn follow(shared: Arc<Shared>, call: Arc<Call>, mut changes: DialogStateReceiver) {
    let timer = tokio::spawn(refresh(shared.clone(), call.clone()));
    while let Some(state) = changes.recv().await {
        match state {
            DialogState::Early(_, answer) if call.outgoing => shared.tell(Event::Progress {
                call: call.id,
                status: answer.status_code.code(),
                answer: text(&answer.body),
            }),
            DialogState::Confirmed(..) if !call.confirmed.swap(true, SeqCst) && !call.outgoing => {
                let ack = call.dialog.last_remote_ack();
                let answer = ack.map(|ack| text(&ack.body)).unwrap_or_default();
                shared.tell(Event::Confirmed { call: call.id, answer });
            }
            DialogState::Updated(_, request, handle) => updated(&shared, &call, &request, handle).await,
            DialogState::Info(_, request, handle) => informed(&shared, &call, &request, &handle).await,
            DialogState::Options(_, _, handle) => {
                let _ = handle.respond(StatusCode::OK, Some(vec![allow()]), None).await;
            }
            DialogState::Refer(_, _, handle) => {
                let _ = handle.reply(StatusCode::Decline).await;
            }
            DialogState::Notify(_, _, handle)
            | DialogState::Message(_, _, handle)
            | DialogState::Publish(_, _, handle) => {
                let _ = handle.reply(StatusCode::MethodNotAllowed).await;
            }
            DialogState::Terminated(id, why) => {
                shared.dialogs.remove_dialog(&id);
                if !call.outgoing || call.answered.load(SeqCst) {
                    let (status, reason) = ending(&why);
                    shared.finish(&call, status, reason);
                }
                break;
            }
            _ => {}
        }
    }
    timer.abort();
}

/// Whoever answers last for an ended call finds nothing, so this may run again at any time.
fn ending(why: &TerminatedReason) -> (u16, String) {
    match why {
        TerminatedReason::Timeout => (408, "the other side does not answer any more".into()),
        TerminatedReason::UacCancel => (487, "the caller gave up".into()),
        TerminatedReason::UacBye | TerminatedReason::UasBye => (200, "hung up".into()),
        TerminatedReason::UacBusy | TerminatedReason::UasBusy => (486, "busy".into()),
        TerminatedReason::UasDecline => (603, "refused".into()),
        TerminatedReason::ProxyAuthRequired => (407, "the account is not accepted".into()),
        TerminatedReason::ProxyError(status)
        | TerminatedReason::UacOther(status)
        | TerminatedReason::UasOther(status) => (status.code(), status.to_string()),
    }
}

/// The peer wants the session otherwise, or only refreshes it.
async fn updated(shared: &Arc<Shared>, call: &Arc<Call>, request: &Request, handle: TransactionHandle) {
    let said = Said::of(request);
    if said.too_short() && said.supported {
        let least = Header::Other("Min-SE".into(), crate::timer::LEAST_S.to_string());
        let _ = handle.respond(StatusCode::SessionIntervalTooSmall, Some(vec![least]), None).await;
        return;
    }
    let (offer, session) = (text(&request.body), said.agreed());
    if offer.is_empty() && request.method == Method::Update {
        accept(call, &handle, session, None).await;
        return;
    }
    let number = shared.mint();
    lock(&call.pending).insert(number, Pending { handle, session });
    shared.tell(Event::Offered { call: call.id, request: number, offer });
    let waiting = call.clone();
    tokio::spawn(async move {
        tokio::time::sleep(DECISION).await;
        let late = lock(&waiting.pending).remove(&number);
        if let Some(late) = late {
            let _ = late.handle.reply(StatusCode::ServerInternalError).await;
        }
    });
}

async fn accept(call: &Call, handle: &TransactionHandle, session: Option<Session>, body: Option<String>) {
    let mut headers = vec![allow(), Header::Supported("timer".into())];
    headers.extend(session.map(Session::headers).unwrap_or_default());
    if body.is_some() {
        headers.push(content());
    }
    call.session.send_replace(session);
    let _ = handle.respond(StatusCode::OK, Some(headers), body.map(String::into_bytes)).await;
}

async fn informed(shared: &Shared, call: &Call, request: &Request, handle: &TransactionHandle) {
    let _ = handle.reply(StatusCode::OK).await;
    let kind = request.header_value("Content-Type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    shared.tell(Event::Info { call: call.id, kind, body: text(&request.body) });
}

/// Refreshes the session, or ends a call whose peer does not.
async fn refresh(shared: Arc<Shared>, call: Arc<Call>) {
    let mut agreed = call.session.subscribe();
    loop {
        let session = *agreed.borrow_and_update();
        let Some(session) = session else {
            if agreed.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            changed = agreed.changed() => {
                if changed.is_err() { return }
                continue;
            }
            () = tokio::time::sleep(session.wait()) => {}
        }
        if !session.ours || !refreshed(&call, session).await {
            // in a task of its own: the end of the call ends this one
            let (shared, call) = (shared.clone(), call.clone());
            tokio::spawn(async move { call.hang_up(&shared, 408).await });
            return;
        }
    }
}

async fn refreshed(call: &Call, session: Session) -> bool {
    let answer = if call.peer_updates.load(SeqCst) {
        let asked = call.dialog.update(Some(session.refreshing()), None);
        match timeout(REQUEST, asked).await {
            Ok(Ok(Some(answer))) => {
                if answer.status_code.kind() == StatusCodeKind::Successful {
                    call.session.send_replace(Said::of(&answer).answered());
                }
                Some(answer)
            }
            _ => None,
        }
    } else {
        let description = lock(&call.described).clone();
        reinvite(call, &description).await.ok()
    };
    // What is refused otherwise is refused now; only a call that the peer does not know is over (section 7.3).
    answer.is_some_and(|answer| !matches!(answer.status_code.code(), 408 | 481))
}

pub fn content() -> Header {
    Header::ContentType("application/sdp".into())
}

pub fn allow() -> Header {
    Header::Allow("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE".into())
}

/// A body as text; one that is too long counts as none.
pub fn text(body: &[u8]) -> String {
    if body.len() > MAX_BODY { String::new() } else { String::from_utf8_lossy(body).trim_start().to_owned() }
}
