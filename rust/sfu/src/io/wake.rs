//! eventfd and epoll.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// A descriptor that is readable from `notify` until `clear`.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are involved; the result is checked before it is owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        own(fd).map(Self)
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub fn notify(&self) {
        let one = 1_u64;
        // SAFETY: writes eight bytes from a u64. It can only fail when the counter is full, that is already readable.
        unsafe { libc::write(self.raw(), (&raw const one).cast(), size_of::<u64>()) };
    }

    pub fn clear(&self) {
        let mut count = 0_u64;
        // SAFETY: reads eight bytes into a u64. It can only fail when the counter is zero, that is already clear.
        unsafe { libc::read(self.raw(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

/// Waits for any of many descriptors to become readable, or writable where that was asked for.
#[derive(Debug)]
pub struct Poll {
    watch: Watch,
    ready: [libc::epoll_event; 64],
    /// Whether the kernel takes a timeout below a millisecond.
    precise: bool,
}

/// Says what a [`Poll`] waits for.
#[derive(Clone, Debug)]
pub struct Watch(Arc<OwnedFd>);

impl Watch {
    /// Wait for `fd` to become readable, until it is closed; it is reported as `token`.
    pub fn add(&self, fd: RawFd, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, libc::EPOLLIN)
    }

    /// Wait for `fd` to be notified, each time anew, whether or not it was cleared.
    pub fn add_edges(&self, fd: RawFd, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, libc::EPOLLIN | libc::EPOLLET)
    }

    /// Wait for a watched `fd` to become writable as well, or no more.
    pub fn writable(&self, fd: RawFd, token: usize, wanted: bool) -> io::Result<()> {
        let events = if wanted { libc::EPOLLIN | libc::EPOLLOUT } else { libc::EPOLLIN };
        self.control(libc::EPOLL_CTL_MOD, fd, token, events)
    }

    fn control(
        &self,
        operation: libc::c_int,
        fd: RawFd,
        token: usize,
        events: libc::c_int,
    ) -> io::Result<()> {
        let mut interest = libc::epoll_event { events: events as u32, u64: token as u64 };
        // SAFETY: `interest` outlives the call, which copies it.
        let result = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &raw mut interest) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

impl Poll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are involved; the result is checked before it is owned.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        let watch = Watch(Arc::new(own(fd)?));
        Ok(Self { watch, ready: [libc::epoll_event { events: 0, u64: 0 }; 64], precise: true })
    }

    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Tokens of what is ready, after at most `timeout`; never sooner. Rounded up to a millisecond, so that timers that
    /// are close together cost one wake-up, unless it is shorter than that.
    pub fn wait(&mut self, timeout: Option<Duration>) -> impl Iterator<Item = usize> {
        let count = match timeout {
            Some(short) if self.precise && short < MILLISECOND && !short.is_zero() => {
                self.wait_precisely(short)
            }
            _ => self.wait_roughly(timeout),
        };
        // An interrupted wait reports nothing; the caller comes back.
        self.ready[..usize::try_from(count).unwrap_or(0)].iter().map(|event| event.u64 as usize)
    }
}

impl Poll {
    fn wait_roughly(&mut self, timeout: Option<Duration>) -> libc::c_int {
        let timeout = timeout
            .map_or(-1, |timeout| i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        // SAFETY: `ready` is valid for as many events as its length says.
        unsafe {
            libc::epoll_wait(
                self.watch.0.as_raw_fd(),
                self.ready.as_mut_ptr(),
                self.ready.len() as libc::c_int,
                timeout,
            )
        }
    }

    /// With nanoseconds, which Linux has since 5.11.
    fn wait_precisely(&mut self, timeout: Duration) -> libc::c_int {
        let limit: [i64; 2] = [0, i64::from(timeout.subsec_nanos())]; // the kernel's own timespec, on any system
        // SAFETY: `ready` is valid for as many events as its length says, `limit` outlives the call, no signal mask is
        // given. Not by way of libc, where the call is younger than in the kernel.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.watch.0.as_raw_fd(),
                self.ready.as_mut_ptr(),
                self.ready.len() as libc::c_int,
                limit.as_ptr(),
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        } as libc::c_int;
        if count < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
            self.precise = false;
            return self.wait_roughly(Some(timeout));
        }
        count
    }
}

fn own(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
