//! An account at a registrar: it is registered, kept registered, and in the end unregistered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::registration::Registration;
use rsipstack::sip::typed::Contact;
use rsipstack::sip::{HeadersExt, Response, StatusCodeKind, Transport, Uri};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::stack::{Refusal, Shared, Stack, lock};
use crate::{Event, uri};

/// How long to wait before trying again, at first and at most.
const RETRY: (u32, u32) = (2, 120);
/// How long a registrar may take to let an account go.
const LEAVING: Duration = Duration::from_secs(3);

/// What to register where.
#[derive(Clone, Debug)]
pub struct Registering {
    pub server: String,
    pub user: String,
    pub password: String,
    pub expires_s: u32,
    /// How long the registrar may take to answer.
    pub limit: Duration,
}

pub struct Account {
    pub id: u64,
    pub credential: Credential,
    pub server: Uri,
    /// How the registrar and peers reach it; its user is a random token, which tells accounts apart.
    pub contact: Mutex<Uri>,
    pub token: CancellationToken,
    left: watch::Sender<bool>,
}

impl Account {
    /// What it is called.
    pub fn address(&self) -> Uri {
        uri::of_user(&self.server, &self.credential.username)
    }

    /// Stops keeping it registered, and waits until the registrar knows or does not answer.
    pub async fn leave(&self) {
        self.token.cancel();
        let mut left = self.left.subscribe();
        let _ = timeout(LEAVING + Duration::from_secs(1), left.wait_for(|left| *left)).await;
    }
}

impl Stack {
    /// Keeps an account registered until it is told otherwise; what comes of it are events.
    pub fn register(&self, wanted: Registering) -> Result<u64, Refusal> {
        let server = uri::parse(&wanted.server).map_err(Refusal::Bad)?;
        if wanted.user.is_empty() || uri::parse(&format!("sip:{}@a", wanted.user)).is_err() {
            return Err(Refusal::Bad("the user name is none of SIP".into()));
        }
        let shared = &self.shared;
        let contact = contact(shared, uri::transport(&server)).map_err(Refusal::Bad)?;
        let account = Arc::new(Account {
            id: shared.mint(),
            credential: Credential {
                username: wanted.user.clone(),
                password: wanted.password.clone(),
                realm: None,
                auth_username: None,
            },
            server,
            contact: Mutex::new(contact),
            token: shared.token.child_token(),
            left: watch::Sender::new(false),
        });
        lock(&shared.accounts).insert(account.id, account.clone());
        let id = account.id;
        self.spawn(keep(shared.clone(), account, wanted));
        Ok(id)
    }

    /// Lets the account go; `Unregistered` follows.
    pub fn unregister(&self, account: u64) -> Result<(), Refusal> {
        let account = lock(&self.shared.accounts).remove(&account).ok_or(Refusal::Unknown("account"))?;
        account.token.cancel();
        Ok(())
    }
}

fn contact(shared: &Shared, transport: Transport) -> Result<Uri, String> {
    let token: u64 = rand::random();
    let by = match transport {
        Transport::Udp => String::new(),
        other => format!(";transport={}", other.to_string().to_ascii_lowercase()),
    };
    uri::parse(&format!("sip:p{token:016x}@{}{by}", shared.address))
}

/// How a try ended: the granted seconds, or the refusal and what it asks to wait.
enum Tried {
    Granted(u32),
    Refused { status: u16, reason: String, wait_s: Option<u32> },
}

async fn keep(shared: Arc<Shared>, account: Arc<Account>, wanted: Registering) {
    let mut registration = Registration::new(shared.endpoint.clone(), Some(account.credential.clone()));
    registration.contact =
        Some(Contact { display_name: None, uri: lock(&account.contact).clone(), params: vec![] });
    let (mut failures, mut bound) = (0, false);
    loop {
        let tried = tokio::select! {
            () = account.token.cancelled() => break,
            tried = attempt(&mut registration, &account, &wanted) => tried,
        };
        if let Some(contact) = &registration.contact {
            *lock(&account.contact) = contact.uri.clone(); // behind a NAT the registrar tells our address
        }
        let wait_s = match tried {
            Tried::Granted(expires_s) => {
                (failures, bound) = (0, true);
                shared.tell(Event::Registered { account: account.id, expires_s });
                (expires_s / 4 * 3).max(1)
            }
            Tried::Refused { status, reason, wait_s } => {
                let retry_s = (!is_final(status)).then(|| wait_s.unwrap_or_else(|| back_off(failures)));
                failures += 1;
                shared.tell(Event::RegistrationFailed { account: account.id, status, reason, retry_s });
                let Some(retry_s) = retry_s else {
                    account.token.cancelled().await;
                    break;
                };
                retry_s
            }
        };
        tokio::select! {
            () = account.token.cancelled() => break,
            () = tokio::time::sleep(Duration::from_secs(u64::from(wait_s))) => {}
        }
    }
    if bound {
        let _ = timeout(LEAVING, registration.register(account.server.clone(), Some(0))).await;
    }
    account.left.send_replace(true);
    shared.tell(Event::Unregistered { account: account.id });
}

async fn attempt(registration: &mut Registration, account: &Account, wanted: &Registering) -> Tried {
    let refused = |status, reason: String| Tried::Refused { status, reason, wait_s: None };
    let asked = registration.register(account.server.clone(), Some(wanted.expires_s));
    match timeout(wanted.limit, asked).await {
        Err(_) => refused(408, "the SIP server did not answer in time".into()),
        Ok(Err(problem)) => refused(503, format!("the SIP server is not reached: {problem}")),
        Ok(Ok(answer)) if answer.status_code.kind() == StatusCodeKind::Successful => {
            Tried::Granted(registration.expires())
        }
        Ok(Ok(answer)) => {
            let wait_s = retry_after(&answer);
            Tried::Refused { status: answer.status_code.code(), reason: reason(&answer), wait_s }
        }
    }
}

/// Whether trying again cannot help: the account is wrong.
fn is_final(status: u16) -> bool {
    matches!(status, 401 | 403 | 404 | 407)
}

fn back_off(failures: u32) -> u32 {
    RETRY.0.saturating_mul(1 << failures.min(8)).min(RETRY.1)
}

fn retry_after(answer: &Response) -> Option<u32> {
    let value = answer.header_value("Retry-After")?;
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(|seconds: u32| seconds.clamp(1, 3600))
}

/// What the peer says of its answer, in its words.
pub fn reason(answer: &Response) -> String {
    answer.status_code.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_account_is_not_tried_again_and_others_less_and_less() {
        assert!(is_final(401) && is_final(403) && !is_final(408) && !is_final(503));
        assert_eq!([0, 1, 2, 9].map(back_off), [2, 4, 8, 120]);
    }
}
