//! Datagrams out: written where they leave from, one system call per burst, and one datagram to the kernel for a run of
//! equal ones to one peer.
//!
//! A video frame is a run of packets of the same size and a shorter last one, all to the same address. With
//! `UDP_SEGMENT` (Linux 4.18) such a run passes the network stack once. Where the kernel or the network card refuses,
//! the run is sent packet by packet, and no further run is tried on that socket.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use super::address::RawAddress;

/// Bytes held before the caller must flush.
const ARENA: usize = 512 << 10;
/// Messages held before the caller must flush; the kernel takes 1024 at once.
const MESSAGES: usize = 512;
/// Limits of the kernel for one segmented datagram (`UDP_MAX_SEGMENTS` is 64 up to Linux 6.8).
const RUN_PACKETS: usize = 64;
const RUN_BYTES: usize = 65_000;
/// Space for one control message that carries a u16.
const CONTROL: usize = 24;

/// What a flush came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    pub packets: u64,
    pub bytes: u64,
    pub dropped: u64,
    pub calls: u64,
}

/// Packets that wait to leave through one socket.
#[derive(Debug)]
pub struct Sender {
    socket: UdpSocket,
    arena: Box<[u8]>,
    used: usize,
    runs: Vec<Run>,
    scratch: Scratch,
    segmentation: bool,
}

/// Packets that lie one after the other in the arena and are sent as one message.
#[derive(Clone, Copy, Debug)]
struct Run {
    destination: SocketAddr,
    start: usize,
    end: usize,
    packets: usize,
    /// Size of all packets but the last, which may be shorter.
    segment: usize,
    /// Whether it may grow.
    open: bool,
}

/// What a system call is built from, kept to be used again.
#[derive(Default)]
struct Scratch {
    parts: Vec<libc::iovec>,
    addresses: Vec<(RawAddress, libc::socklen_t)>,
    controls: Vec<Control>,
    messages: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers in it are only followed within the call that has just written them (`send_runs`).
unsafe impl Send for Scratch {}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch")
    }
}

/// A control message: header and one u16, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

impl Sender {
    pub fn new(socket: UdpSocket) -> Self {
        let arena = vec![0; ARENA].into_boxed_slice();
        let runs = Vec::with_capacity(MESSAGES);
        Self { socket, arena, used: 0, runs, scratch: Scratch::default(), segmentation: true }
    }

    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Whether there is no room for a datagram of `length` before a flush.
    pub fn is_full(&self, length: usize) -> bool {
        self.runs.len() >= MESSAGES || self.arena.len() - self.used < length
    }

    /// Add a datagram that `write` fills in place; it returns false to add none. False: there is no room.
    pub fn push(
        &mut self,
        destination: SocketAddr,
        length: usize,
        write: &mut dyn FnMut(&mut [u8]) -> bool,
    ) -> bool {
        let start = self.used;
        let Some(space) = self.arena.get_mut(start..start + length) else { return false };
        if write(space) {
            self.used += length;
            self.join(destination, start, length);
        }
        true
    }

    /// Let a packet join the last run if it may, or begin one.
    fn join(&mut self, destination: SocketAddr, start: usize, length: usize) {
        if let Some(run) = self.runs.last_mut()
            && run.open
            && run.destination == destination
            && length <= run.segment
            && run.packets < RUN_PACKETS
            && run.end - run.start + length <= RUN_BYTES
        {
            run.end += length;
            run.packets += 1;
            run.open = length == run.segment; // only the last segment may be shorter
            return;
        }
        let open = self.segmentation && length > 0;
        self.runs.push(Run { destination, start, end: start + length, packets: 1, segment: length, open });
    }

    /// Send everything. What the socket does not take at once is dropped: late media is worth nothing.
    pub fn flush(&mut self) -> Flushed {
        let mut flushed = Flushed::default();
        let mut first = 0;
        while first < self.runs.len() {
            first = self.send(first, &mut flushed);
        }
        self.runs.clear();
        self.used = 0;
        flushed
    }

    /// One system call for the runs from `first` on; returns where to go on.
    fn send(&mut self, first: usize, flushed: &mut Flushed) -> usize {
        let runs = &self.runs[first..];
        flushed.calls += 1;
        match send_runs(&self.socket, &self.arena, runs, &mut self.scratch) {
            Ok(sent) => {
                for run in &runs[..sent] {
                    flushed.packets += run.packets as u64;
                    flushed.bytes += (run.end - run.start) as u64;
                }
                first + sent
            }
            Err(error) => {
                if runs[0].packets > 1 && matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL)) {
                    self.segmentation = false;
                    let split: Vec<Run> = runs.iter().flat_map(Run::split).collect();
                    self.runs.truncate(first);
                    self.runs.extend(split);
                    return first;
                }
                // A full socket takes nothing more; any other error concerns the first message only.
                let end = if error.kind() == io::ErrorKind::WouldBlock { self.runs.len() } else { first + 1 };
                flushed.dropped += self.runs[first..end].iter().map(|run| run.packets as u64).sum::<u64>();
                end
            }
        }
    }
}

impl Run {
    /// Its packets, one by one.
    fn split(&self) -> impl Iterator<Item = Self> + use<> {
        let run = *self;
        (0..run.packets).map(move |index| {
            let start = run.start + index * run.segment;
            let end = run.end.min(start + run.segment);
            Self { start, end, packets: 1, segment: end - start, open: false, ..run }
        })
    }
}

/// How many of `runs` the kernel took (at least one), or why it did not take the first.
fn send_runs(socket: &UdpSocket, arena: &[u8], runs: &[Run], scratch: &mut Scratch) -> io::Result<usize> {
    let Scratch { parts, addresses, controls, messages } = scratch;
    parts.clear();
    addresses.clear();
    controls.clear();
    messages.clear();
    for run in runs {
        let bytes = &arena[run.start..run.end];
        // The kernel only reads through this pointer, although its interface says otherwise.
        parts.push(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
        addresses.push(RawAddress::new(run.destination));
        controls.push(segment_size(run.segment as u16));
    }
    for (index, run) in runs.iter().enumerate() {
        // SAFETY: plain old data, for which zero is a value.
        let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
        message.msg_hdr.msg_name = (&raw mut addresses[index].0).cast();
        message.msg_hdr.msg_namelen = addresses[index].1;
        message.msg_hdr.msg_iov = &raw mut parts[index];
        message.msg_hdr.msg_iovlen = 1;
        if run.packets > 1 {
            message.msg_hdr.msg_control = (&raw mut controls[index].0).cast();
            message.msg_hdr.msg_controllen = CONTROL as _;
        }
        messages.push(message);
    }
    // SAFETY: every message points into `arena`, `parts`, `addresses` and `controls`, which outlive the call and have
    // not changed since all pointers were taken.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            messages.len() as libc::c_uint,
            libc::MSG_DONTWAIT as _,
        )
    };
    match usize::try_from(sent) {
        Ok(sent) if sent > 0 => Ok(sent),
        _ => Err(io::Error::last_os_error()),
    }
}

fn segment_size(bytes: u16) -> Control {
    let mut control = Control([0; CONTROL]);
    // SAFETY: CMSG_LEN only computes.
    let length = unsafe { libc::CMSG_LEN(size_of::<u16>() as u32) };
    let header =
        libc::cmsghdr { cmsg_len: length as _, cmsg_level: libc::SOL_UDP, cmsg_type: libc::UDP_SEGMENT };
    // SAFETY: the buffer is aligned for the header and longer than header and value together (16 + 2 bytes on 64-bit,
    // 12 + 2 on 32-bit systems); the value follows the header without a gap on Linux.
    unsafe {
        let start = control.0.as_mut_ptr();
        ptr::write(start.cast(), header);
        ptr::write_unaligned(start.add(size_of::<libc::cmsghdr>()).cast(), bytes);
    }
    control
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn loopback() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    fn push(sender: &mut Sender, destination: SocketAddr, fill: u8, size: usize) {
        assert!(sender.push(destination, size, &mut |space| {
            space.fill(fill);
            true
        }));
    }

    fn run_lengths(sizes: &[(u16, usize)], segmentation: bool) -> Vec<usize> {
        let mut sender = Sender::new(loopback());
        sender.segmentation = segmentation;
        for (port, size) in sizes {
            push(&mut sender, SocketAddr::from(([127, 0, 0, 1], *port)), 0, *size);
        }
        sender.runs.iter().map(|run| run.packets).collect()
    }

    #[test]
    fn a_frame_is_one_run_and_its_shorter_end_closes_it() {
        assert_eq!(
            run_lengths(&[(1, 1100), (1, 1100), (1, 300), (1, 300), (2, 300), (2, 400)], true),
            [3, 1, 1, 1]
        );
        assert_eq!(run_lengths(&[(1, 1100), (1, 1100)], false), [1, 1]);
        assert_eq!(run_lengths(&[(1, 1000); 70], true), [64, 6]);
        assert_eq!(run_lengths(&[(1, 2000); 40], true), [32, 8]);
    }

    #[test]
    fn segmented_runs_arrive_as_the_packets_they_were() {
        let (target, mut sender) = (loopback(), Sender::new(loopback()));
        let sizes = [900, 900, 900, 120, 50, 60];
        for (fill, size) in sizes.iter().enumerate() {
            push(&mut sender, target.local_addr().unwrap(), fill as u8, *size);
        }
        let flushed = sender.flush();
        assert_eq!((flushed.packets, flushed.dropped), (6, 0));
        assert_eq!(flushed.bytes, sizes.iter().sum::<usize>() as u64);
        let mut buffer = [0; 2048];
        for (fill, size) in sizes.iter().enumerate() {
            let length = target.recv(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], length), (&vec![fill as u8; *size][..], *size));
        }
    }

    #[test]
    fn one_refused_message_does_not_hold_up_the_others() {
        let (target, mut sender) = (loopback(), Sender::new(loopback()));
        push(&mut sender, "[::1]:9".parse().unwrap(), 1, 10); // the wrong family for this socket
        push(&mut sender, target.local_addr().unwrap(), 2, 10);
        let flushed = sender.flush();
        assert_eq!((flushed.packets, flushed.dropped), (1, 1));
        assert_eq!(target.recv(&mut [0; 64]).unwrap(), 10);
    }

    #[test]
    fn what_is_withdrawn_leaves_no_trace_and_a_full_arena_says_so() {
        let (target, mut sender) = (loopback(), Sender::new(loopback()));
        let address = target.local_addr().unwrap();
        assert!(sender.push(address, 500, &mut |_| false));
        push(&mut sender, address, 7, 30);
        assert_eq!(sender.flush(), Flushed { packets: 1, bytes: 30, dropped: 0, calls: 1 });
        while !sender.is_full(1000) {
            push(&mut sender, address, 1, 1000);
        }
        assert!(!sender.push(address, 1000, &mut |_| unreachable!()));
        sender.flush();
        assert!(!sender.is_full(1000));
    }

    #[test]
    fn a_run_that_is_refused_goes_out_packet_by_packet() {
        let mut sender = Sender::new(loopback());
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        for size in [800, 800, 800, 30] {
            push(&mut sender, address, 0, size);
        }
        let single: Vec<usize> = sender.runs[0].split().map(|run| run.end - run.start).collect();
        assert_eq!(single, [800, 800, 800, 30]);
    }
}
