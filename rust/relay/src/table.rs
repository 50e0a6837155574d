//! Who has which allocations: by client, by id, by the slot of the relay socket.

use std::collections::HashMap;

use crate::allocation::Allocation;
use crate::{Client, Now};

/// A client has one allocation of each family at most (RFC 8656 §7.2, ADDITIONAL-ADDRESS-FAMILY).
const FAMILIES: usize = 2;

/// An allocation with its permissions and channels on its way from one thread to another.
#[derive(Debug)]
pub struct Moving(Allocation);

#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Option<Allocation>>,
    free: Vec<usize>,
    by_client: HashMap<Client, [Option<usize>; FAMILIES]>,
    by_id: HashMap<u64, usize>,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Puts an allocation in; gives its slot. The control side deletes a client's allocation before it makes another of that
    /// family; should it not, the old one stays served by its socket towards nobody until it expires.
    pub(crate) fn insert(&mut self, allocation: Allocation) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.by_id.insert(allocation.id, slot);
        self.by_client.entry(allocation.client).or_default()[family(&allocation)] = Some(slot);
        self.slots[slot] = Some(allocation);
        slot
    }

    pub(crate) fn remove(&mut self, slot: usize) -> Option<Allocation> {
        let allocation = self.slots.get_mut(slot)?.take()?;
        if let Some(both) = self.by_client.get_mut(&allocation.client) {
            let mine = &mut both[family(&allocation)];
            if *mine == Some(slot) {
                *mine = None;
            }
            if *both == [None; FAMILIES] {
                self.by_client.remove(&allocation.client);
            }
        }
        self.by_id.remove(&allocation.id);
        self.free.push(slot);
        Some(allocation)
    }

    /// Takes an allocation out, for another thread.
    pub(crate) fn release(&mut self, id: u64) -> Option<(usize, Moving)> {
        let slot = *self.by_id.get(&id)?;
        Some((slot, Moving(self.remove(slot)?)))
    }

    /// Puts it in again, for a client that is elsewhere now.
    pub(crate) fn adopt(&mut self, Moving(mut allocation): Moving, client: Client) -> usize {
        allocation.client = client;
        self.insert(allocation)
    }

    pub(crate) fn by_id(&mut self, id: u64) -> Option<(usize, &mut Allocation)> {
        let slot = *self.by_id.get(&id)?;
        Some((slot, self.slots[slot].as_mut()?))
    }

    /// Of a slot, while it lasts.
    pub(crate) fn at(&mut self, now: Now, slot: usize) -> Option<&mut Allocation> {
        self.slots
            .get_mut(slot)?
            .as_mut()
            .filter(|allocation| allocation.until > now)
    }

    /// Of a client, while they last.
    pub(crate) fn of_client(
        &self,
        now: Now,
        client: &Client,
    ) -> impl Iterator<Item = (usize, &Allocation)> {
        self.by_client
            .get(client)
            .into_iter()
            .flatten()
            .filter_map(move |slot| {
                let slot = (*slot)?;
                let allocation = self.slots[slot].as_ref()?;
                (allocation.until > now).then_some((slot, allocation))
            })
    }

    /// Forgets what has run out; `closed` hears the slots of allocations.
    pub(crate) fn sweep(&mut self, now: Now, mut closed: impl FnMut(usize)) {
        for slot in 0..self.slots.len() {
            match &mut self.slots[slot] {
                Some(allocation) if allocation.until > now => allocation.forget_expired(now),
                Some(_) => {
                    self.remove(slot);
                    closed(slot);
                }
                None => {}
            }
        }
    }
}

fn family(allocation: &Allocation) -> usize {
    allocation.ipv6.into()
}
