//! The sockets of a thread's pipelines. Nothing here blocks; what a socket does not take stays with the router.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use crate::id::PipelineId;
use crate::io::Watch;

/// Tokens of pipelines have this bit, which those of other sockets have not.
const TOKEN: usize = 1 << 62;

#[derive(Debug)]
struct Pipe {
    stream: UnixStream,
    token: usize,
    /// It took less than there was: it is asked to say when it takes more.
    stuck: bool,
}

/// Owned by a worker.
#[derive(Debug)]
pub struct Pipes {
    watch: Watch,
    open: HashMap<PipelineId, Pipe>,
    tokens: HashMap<usize, PipelineId>,
    next_token: usize,
    ready: Vec<PipelineId>,
}

impl Pipes {
    pub fn new(watch: Watch) -> Self {
        Self { watch, open: HashMap::new(), tokens: HashMap::new(), next_token: TOKEN, ready: Vec::new() }
    }

    pub fn open(&mut self, id: PipelineId, stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let token = self.next_token;
        self.watch.add(stream.as_raw_fd(), token)?;
        self.next_token += 1;
        self.tokens.insert(token, id);
        self.open.insert(id, Pipe { stream, token, stuck: false });
        Ok(())
    }

    pub fn close(&mut self, id: PipelineId) {
        if let Some(pipe) = self.open.remove(&id) {
            self.tokens.remove(&pipe.token);
        }
    }

    /// Whose token this is.
    pub fn pipeline(&self, token: usize) -> Option<PipelineId> {
        if token & TOKEN == 0 { None } else { self.tokens.get(&token).copied() }
    }

    /// Whether the token is one of a pipeline, of a closed one too.
    pub fn is_one(token: usize) -> bool {
        token & TOKEN != 0
    }

    /// Read once; None if there is nothing at the moment. 0 bytes: it has ended.
    pub fn read(&mut self, id: PipelineId, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        let pipe = self.open.get_mut(&id)?;
        match pipe.stream.read(buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                None
            }
            result => Some(result),
        }
    }

    /// There is something to write to it.
    pub fn mark(&mut self, id: PipelineId) {
        if !self.ready.contains(&id) {
            self.ready.push(id);
        }
    }

    pub fn take_ready(&mut self) -> Vec<PipelineId> {
        std::mem::take(&mut self.ready)
    }

    /// Write what it takes; None once it takes no more. It is then marked again when it does.
    pub fn write(&mut self, id: PipelineId, bytes: &[u8]) -> Option<io::Result<usize>> {
        let pipe = self.open.get_mut(&id)?;
        match pipe.stream.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(Ok(0)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.set_stuck(id, true);
                None
            }
            result => Some(result),
        }
    }

    /// Everything was written.
    pub fn drained(&mut self, id: PipelineId) {
        self.set_stuck(id, false);
    }

    fn set_stuck(&mut self, id: PipelineId, stuck: bool) {
        let Some(pipe) = self.open.get_mut(&id) else { return };
        if std::mem::replace(&mut pipe.stuck, stuck) != stuck {
            // If the kernel refuses, the pipe is tried again with the next frame.
            let _ = self.watch.writable(pipe.stream.as_raw_fd(), pipe.token, stuck);
        }
    }
}
