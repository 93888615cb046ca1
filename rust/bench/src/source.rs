//! What a publisher sends, and when: VP8 at 30 frames/s, each frame's packets back to back, and Opus.

use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::media::{Mid, Pt};
use str0m::rtp::RtpWrite;

use crate::stamp::{Clock, Kind, Stamp};
use crate::tally::Window;

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 30);
const AUDIO: Duration = Duration::from_millis(20);
const PACKET_BYTES: usize = 1100;
/// Room for headers and a stamp.
const SHORTEST: usize = 64;
const AUDIO_BYTES: usize = 120;
const FRAMES_PER_KEY: u64 = 60;

/// Where packets of one kind go.
#[derive(Clone, Copy)]
pub struct Track {
    pub mid: Mid,
    pub payload_type: Pt,
}

pub struct Source {
    stream: u16,
    frame_bytes: usize,
    begin: Option<Instant>,
    frames: u64,
    sounds: u64,
    key_at: u64,
    keys: u8,
    video: u64,
    /// Packets sent in the window.
    pub published: u64,
}

impl Source {
    pub fn new(stream: u16, video_bps: u32) -> Self {
        let frame_bytes = (video_bps as usize / 8 / 30).max(SHORTEST);
        Self {
            stream,
            frame_bytes,
            begin: None,
            frames: 0,
            sounds: 0,
            key_at: 0,
            keys: 0,
            video: 0,
            published: 0,
        }
    }

    pub fn stream(&self) -> u16 {
        self.stream
    }

    /// Start sending. Streams are shifted against each other, so that their frames do not coincide.
    pub fn begin(&mut self, now: Instant) {
        self.begin = Some(now + FRAME.mul_f64((f64::from(self.stream) * 0.618_034).fract()));
    }

    /// The next frame is to be a key frame.
    pub fn want_keyframe(&mut self) {
        self.key_at = self.frames;
    }

    pub fn due(&self) -> Option<Instant> {
        Some(self.begin? + self.next_frame().min(self.next_sound()))
    }

    fn next_frame(&self) -> Duration {
        FRAME * self.frames as u32
    }

    fn next_sound(&self) -> Duration {
        AUDIO * self.sounds as u32
    }

    /// Write the frame or the sound that is due.
    pub fn write(
        &mut self,
        now: Instant,
        clock: Clock,
        window: &Window,
        rtc: &mut Rtc,
        [audio, video]: [Track; 2],
    ) {
        let sent_ns = clock.ns(now);
        let before = self.video + self.sounds;
        if self.next_sound() <= self.next_frame() {
            let mut payload = vec![0x5a; AUDIO_BYTES];
            payload[0] = 0xfc; // RFC 6716 §3.1: CELT, fullband, 20 ms, stereo, one frame
            Stamp { stream: self.stream, kind: Kind::Audio, number: self.sounds, sent_ns }.put(&mut payload);
            let timestamp = (self.sounds * 960) as u32;
            send(rtc, audio, RtpWrite::new(audio.payload_type, self.sounds.into(), timestamp, now, payload));
            self.sounds += 1;
        } else {
            let key = self.frames >= self.key_at;
            if key {
                self.key_at = self.frames + FRAMES_PER_KEY;
                self.keys = self.keys.wrapping_add(1);
            }
            let mut left = self.frame_bytes;
            while left > 0 {
                let size = left.clamp(SHORTEST, PACKET_BYTES);
                let mut payload = self.vp8(left == self.frame_bytes, key, size);
                left = left.saturating_sub(size);
                Stamp { stream: self.stream, kind: Kind::Video, number: self.video, sent_ns }
                    .put(&mut payload);
                let timestamp = (self.frames * 3000) as u32;
                let packet = RtpWrite::new(video.payload_type, self.video.into(), timestamp, now, payload);
                send(rtc, video, packet.marker(left == 0).nackable(true));
                self.video += 1;
            }
            self.frames += 1;
        }
        if window.contains(sent_ns) {
            self.published += self.video + self.sounds - before;
        }
    }

    /// A packet of a frame: RFC 7741 descriptor with picture id, TL0PICIDX, TID and KEYIDX, and at a frame's start the
    /// header of RFC 6386 §9.1.
    fn vp8(&self, start: bool, key: bool, size: usize) -> Vec<u8> {
        let mut packet = Vec::with_capacity(size);
        packet.extend_from_slice(&[if start { 0x90 } else { 0x80 }, 0xf0]);
        packet.extend_from_slice(&(0x8000 | self.frames as u16).to_be_bytes());
        packet.extend_from_slice(&[self.frames as u8, self.keys & 0x1f]);
        if start {
            let tag = (self.frame_bytes as u32 / 2) << 5 | 1 << 4 | u32::from(!key);
            packet.extend_from_slice(&tag.to_le_bytes()[..3]);
            if key {
                packet.extend_from_slice(&[0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]); // 1280×720
            }
        }
        packet.resize(size, 0x5a);
        packet
    }
}

fn send(rtc: &mut Rtc, track: Track, packet: RtpWrite) {
    if let Some(stream) = rtc.direct_api().stream_tx_by_mid(track.mid, None) {
        stream.write_rtp(packet);
    }
}
