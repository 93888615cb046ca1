//! On which threads a group has open channels. Looked at for every message, so that it only goes where somebody is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::id::GroupId;

#[derive(Debug, Default)]
pub struct Groups(Mutex<HashMap<GroupId, Vec<usize>>>);

impl Groups {
    /// `thread` has the first open channel of `group`.
    pub fn join(&self, group: GroupId, thread: usize) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = groups.entry(group).or_default();
        if !threads.contains(&thread) {
            threads.push(thread);
        }
    }

    /// `thread` has no open channel of `group` any more.
    pub fn leave(&self, group: GroupId, thread: usize) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(threads) = groups.get_mut(&group) {
            threads.retain(|other| *other != thread);
            if threads.is_empty() {
                groups.remove(&group);
            }
        }
    }

    /// Where `group` has open channels, apart from `thread`.
    pub fn elsewhere(&self, group: GroupId, thread: usize) -> Vec<usize> {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.get(&group).into_iter().flatten().copied().filter(|other| *other != thread).collect()
    }

    /// Number of groups with an open channel.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
