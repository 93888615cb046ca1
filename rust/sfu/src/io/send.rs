//! Datagrams out: one system call per burst, and one datagram to the kernel for a run of equal ones to one peer.
//!
//! A video frame is a run of packets of the same size and a shorter last one, all to the same address. With
//! `UDP_SEGMENT` (Linux 4.18) such a run passes the network stack once. Where the kernel or the network card refuses,
//! the run is sent packet by packet, and no further run is tried on that socket.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use str0m::net::DatagramSend;

use super::address::RawAddress;

/// Packets held before the caller must flush.
const CAPACITY: usize = 256;
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

#[derive(Debug)]
struct Packet {
    destination: SocketAddr,
    contents: DatagramSend,
}

/// Packets that wait to leave through one socket.
#[derive(Debug)]
pub struct Sender {
    socket: UdpSocket,
    packets: Vec<Packet>,
    segmentation: bool,
}

/// Packets `start..end`, sent as one message.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
}

/// A control message: header and one u16, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

impl Sender {
    pub fn new(socket: UdpSocket) -> Self {
        Self { socket, packets: Vec::with_capacity(CAPACITY), segmentation: true }
    }

    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Add a packet; true if it is time to flush.
    pub fn push(&mut self, destination: SocketAddr, contents: DatagramSend) -> bool {
        self.packets.push(Packet { destination, contents });
        self.packets.len() >= CAPACITY
    }

    /// Send everything. What the socket does not take at once is dropped: late media is worth nothing.
    pub fn flush(&mut self) -> Flushed {
        let mut flushed = Flushed::default();
        let mut start = 0;
        while start < self.packets.len() {
            start = self.send(start, &mut flushed);
        }
        self.packets.clear();
        flushed
    }

    /// One system call for the packets from `start` on; returns where to go on.
    fn send(&mut self, start: usize, flushed: &mut Flushed) -> usize {
        let runs = self.runs(start);
        flushed.calls += 1;
        match send_runs(&self.socket, &self.packets, &runs) {
            Ok(sent) => {
                let end = runs[sent - 1].end;
                flushed.packets += (end - start) as u64;
                flushed.bytes +=
                    self.packets[start..end].iter().map(|p| p.contents.len() as u64).sum::<u64>();
                end
            }
            Err(error) => {
                let first = runs[0];
                if first.end - first.start > 1
                    && matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL))
                {
                    self.segmentation = false;
                    return start;
                }
                // A full socket takes nothing more; any other error concerns the first message only.
                let end =
                    if error.kind() == io::ErrorKind::WouldBlock { self.packets.len() } else { first.end };
                flushed.dropped += (end - start) as u64;
                end
            }
        }
    }

    fn runs(&self, start: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::with_capacity(self.packets.len() - start);
        let mut open = false; // whether the last run may grow
        let mut bytes = 0;
        for (index, packet) in self.packets.iter().enumerate().skip(start) {
            let length = packet.contents.len();
            if let (true, Some(run)) = (open, runs.last_mut()) {
                let first = &self.packets[run.start];
                if first.destination == packet.destination
                    && length <= first.contents.len()
                    && index - run.start < RUN_PACKETS
                    && bytes + length <= RUN_BYTES
                {
                    run.end = index + 1;
                    bytes += length;
                    open = length == first.contents.len(); // only the last segment may be shorter
                    continue;
                }
            }
            runs.push(Run { start: index, end: index + 1 });
            bytes = length;
            open = self.segmentation && length > 0;
        }
        runs
    }
}

/// How many of `runs` the kernel took (at least one), or why it did not take the first.
fn send_runs(socket: &UdpSocket, packets: &[Packet], runs: &[Run]) -> io::Result<usize> {
    let first = runs.first().map_or(0, |run| run.start);
    // The kernel only reads through these pointers, although its interface says otherwise.
    let mut parts: Vec<libc::iovec> = packets[first..]
        .iter()
        .map(|p| libc::iovec { iov_base: p.contents.as_ptr().cast_mut().cast(), iov_len: p.contents.len() })
        .collect();
    let mut addresses: Vec<(RawAddress, libc::socklen_t)> =
        runs.iter().map(|run| RawAddress::new(packets[run.start].destination)).collect();
    let mut controls: Vec<Control> =
        runs.iter().map(|run| segment_size(packets[run.start].contents.len() as u16)).collect();
    let all_parts = parts.as_mut_ptr();
    let mut messages: Vec<libc::mmsghdr> = Vec::with_capacity(runs.len());
    for ((run, address), control) in runs.iter().zip(&mut addresses).zip(&mut controls) {
        // SAFETY: plain old data, for which zero is a value.
        let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
        message.msg_hdr.msg_name = (&raw mut address.0).cast();
        message.msg_hdr.msg_namelen = address.1;
        message.msg_hdr.msg_iov = all_parts.wrapping_add(run.start - first);
        message.msg_hdr.msg_iovlen = (run.end - run.start) as _;
        if run.end - run.start > 1 {
            message.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = CONTROL as _;
        }
        messages.push(message);
    }
    // SAFETY: every message points into `packets`, `parts`, `addresses` and `controls`, which outlive the call and are
    // not touched after the pointers were taken; each run's parts are consecutive and within `parts`.
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

    fn run_lengths(sizes: &[(u16, usize)], segmentation: bool) -> Vec<usize> {
        let mut sender = Sender::new(loopback());
        sender.segmentation = segmentation;
        for (port, size) in sizes {
            sender.push(SocketAddr::from(([127, 0, 0, 1], *port)), vec![0; *size].into());
        }
        sender.runs(0).iter().map(|run| run.end - run.start).collect()
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
            sender.push(target.local_addr().unwrap(), vec![fill as u8; *size].into());
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
        sender.push("[::1]:9".parse().unwrap(), vec![1; 10].into()); // the wrong family for this socket
        sender.push(target.local_addr().unwrap(), vec![2; 10].into());
        let flushed = sender.flush();
        assert_eq!((flushed.packets, flushed.dropped), (1, 1));
        assert_eq!(target.recv(&mut [0; 64]).unwrap(), 10);
    }
}
