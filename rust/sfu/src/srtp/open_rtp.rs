//! Opens the SRTP that we receive, in place. Rollovers are counted for each sender by itself: a sender that comes with
//! another SSRC begins at zero, and one that comes back goes on where it was (RFC 3711 §3.2.3).

use super::Profile;
use super::cipher::{self, Cipher};
use super::open::Refused;
use crate::rtp_header::RtpHeader;
use crate::window::Window;

/// Senders that are remembered; the one heard of longest ago is forgotten.
const SENDERS: usize = 8;
/// Half of what a sequence number counts.
const HALF: u64 = 1 << 15;
const ROLLOVER: u64 = 1 << 16;

#[derive(Debug)]
pub struct RtpOpener {
    profile: Profile,
    cipher: Cipher,
    /// The one heard last at the end.
    senders: Vec<Sender>,
    /// Rollovers of senders before this key: some go on counting, though the key is new.
    former: Vec<(u32, u64)>,
}

#[derive(Debug)]
struct Sender {
    ssrc: u32,
    newest: u64,
    seen: Window,
}

impl RtpOpener {
    pub(super) fn new(profile: Profile, cipher: Cipher) -> Self {
        Self { profile, cipher, senders: Vec::new(), former: Vec::new() }
    }

    /// It takes the place of another one: its senders may go on counting.
    #[must_use]
    pub fn after(mut self, former: &Self) -> Self {
        self.former = former.senders.iter().map(|sender| (sender.ssrc, sender.newest)).collect();
        self
    }

    /// Open a packet in place: its extended sequence number, and how long header and payload are together.
    pub fn open(&mut self, header: &RtpHeader, packet: &mut [u8]) -> Result<(u64, usize), Refused> {
        let end = packet
            .len()
            .checked_sub(self.profile.tag())
            .filter(|end| *end >= header.length)
            .ok_or(Refused::Forged)?;
        let at = self.senders.iter().position(|sender| sender.ssrc == header.ssrc);
        let seq = u64::from(header.seq);
        let index = if let Some(newest) = at.map(|at| self.senders[at].newest) {
            self.try_open(header, nearest(seq, newest), packet, end)?
        } else {
            self.open_first(header, packet, end)?
        };
        self.note(at, header.ssrc, index)?;
        Ok((index, end))
    }

    /// The first packet of a sender: it counts from zero, or goes on as it did under the key before.
    fn open_first(&self, header: &RtpHeader, packet: &mut [u8], end: usize) -> Result<u64, Refused> {
        let seq = u64::from(header.seq);
        let former = self.former.iter().find(|(ssrc, _)| *ssrc == header.ssrc);
        let other = former.map(|(_, newest)| nearest(seq, *newest)).filter(|other| *other != seq);
        match (self.try_open(header, seq, packet, end), other) {
            (Err(Refused::Forged), Some(other)) => self.try_open(header, other, packet, end),
            (result, _) => result,
        }
    }

    /// Check and decrypt as packet `index`. What is not authentic is left as it was.
    fn try_open(
        &self,
        header: &RtpHeader,
        index: u64,
        packet: &mut [u8],
        end: usize,
    ) -> Result<u64, Refused> {
        // No suite of SDES that is taken has another cipher.
        let Cipher::Cm { key, mac, salt } = &self.cipher else { return Err(Refused::Forged) };
        let (sealed, tag) = packet.split_at_mut(end);
        let rollovers = ((index >> 16) as u32).to_be_bytes();
        if !cipher::is_tag_of(mac, [sealed, &rollovers], tag) {
            return Err(Refused::Forged);
        }
        let text = sealed.get_mut(header.length..).ok_or(Refused::Forged)?;
        key.less_safe_encrypt(text, cipher::cm_start(salt, header.ssrc.to_be_bytes(), index))
            .map_err(|_| Refused::Forged)?;
        Ok(index)
    }

    /// Remember the number of an authentic packet, if it is new.
    fn note(&mut self, at: Option<usize>, ssrc: u32, index: u64) -> Result<(), Refused> {
        let at = at.unwrap_or_else(|| {
            if self.senders.len() == SENDERS {
                self.senders.remove(0);
            }
            self.senders.push(Sender { ssrc, newest: index, seen: Window::default() });
            self.senders.len() - 1
        });
        let sender = &mut self.senders[at];
        if !sender.seen.insert(index) {
            return Err(Refused::Replayed);
        }
        sender.newest = sender.newest.max(index);
        self.senders[at..].rotate_left(1);
        Ok(())
    }
}

/// The extended number with the 16 bits of `seq` that is nearest to `newest` (RFC 3711 §3.3.1, appendix A).
pub fn nearest(seq: u64, newest: u64) -> u64 {
    let guess = (newest & !(ROLLOVER - 1)) | seq;
    if guess + HALF < newest {
        guess + ROLLOVER
    } else if guess > newest + HALF && guess >= ROLLOVER {
        guess - ROLLOVER
    } else {
        guess
    }
}
