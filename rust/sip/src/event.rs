//! What the stack tells: facts, in the order in which they came about.

/// Sections of a description are empty where a message had none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The registrar keeps the account for so long; told again at each refresh.
    Registered { account: u64, expires_s: u32 },
    /// It is tried again after `retry_s`; None: not any more.
    RegistrationFailed { account: u64, status: u16, reason: String, retry_s: Option<u32> },
    /// The registrar has been told to forget the account, or did not answer when told.
    Unregistered { account: u64 },
    /// Somebody calls an account; `source` is the address that the request came from.
    Incoming { call: u64, account: u64, from: String, name: String, source: String, offer: String },
    /// A provisional answer to our call.
    Progress { call: u64, status: u16, answer: String },
    /// Our call was taken.
    Answered { call: u64, answer: String },
    /// The caller acknowledged our answer; `answer` belongs to an offer that we made in it.
    Confirmed { call: u64, answer: String },
    /// The peer wants the session otherwise; `request` is answered with `Stack::respond`. An empty offer asks for ours.
    Offered { call: u64, request: u64, offer: String },
    /// How the peer took our own change; an accepted one has a status below 300.
    Updated { call: u64, status: u16, reason: String, answer: String },
    /// A message within the call, acknowledged already.
    Info { call: u64, kind: String, body: String },
    /// A call is over; told once for each call that was told of or made.
    Ended { call: u64, status: u16, reason: String },
    /// A call was refused before anything was made for it.
    Refused { status: u16, source: String, reason: &'static str },
}
