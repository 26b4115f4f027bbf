//! What is known of all interfaces, from one batch to the next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::evidence::{Evidence, Evidence6, Own, subnet};

/// Interfaces that are remembered, at about 150 bytes each. When there are more, the half that was not seen for longest
/// is forgotten, and learned again when it is seen again.
const MOST: usize = 1 << 18;

/// Where an address is one interface's only: a VPC, or else an account's region. 0: it isn't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Scope {
    pub(super) id: u64,
    pub(super) vpc: bool,
}

/// IPv6 addresses are of one interface everywhere.
const EVERYWHERE: u64 = 1;

/// What is known of one interface, or what a batch says of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Interface {
    pub(super) scope: Scope,
    pub(super) v4: Evidence<u32>,
    /// Most have none.
    pub(super) v6: Option<Box<Evidence6>>,
    /// Its own address of each family, and whether that was found by elimination.
    claims: [Option<(IpAddr, bool)>; 2],
    /// Number of the last batch that it was in.
    seen: u64,
}

impl Interface {
    pub(super) fn of(scope: Scope) -> Interface {
        Interface { scope, ..Interface::default() }
    }

    fn merge(&mut self, batch: Interface, number: u64) {
        if self.scope.id == 0 {
            self.scope = batch.scope;
        }
        self.v4.merge(batch.v4);
        match (&mut self.v6, batch.v6) {
            (Some(known), Some(more)) => known.merge(&more),
            (known @ None, more) => *known = more,
            (Some(_), None) => {}
        }
        self.seen = number;
    }

    fn scope_of(&self, family: usize) -> u64 {
        if family == V6 { EVERYWHERE } else { self.scope.id }
    }

    fn candidates(&self, family: usize) -> Own<IpAddr> {
        if family == V4 {
            address(self.v4.own, |bits| Ipv4Addr::from_bits(bits).into())
        } else {
            let own = self.v6.as_ref().map_or(Own::Unseen, |known| known.address.own);
            address(own, |bits| Ipv6Addr::from_bits(bits).into())
        }
    }
}

fn address<A>(own: Own<A>, make: impl Fn(A) -> IpAddr) -> Own<IpAddr> {
    match own {
        Own::Unseen => Own::Unseen,
        Own::Either(a, b) => Own::Either(make(a), make(b)),
        Own::One(a) => Own::One(make(a)),
        Own::Several => Own::Several,
    }
}

const V4: usize = 0;
const V6: usize = 1;

/// Which addresses are an interface's own, as far as it is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled {
    pub(super) v4: Option<u32>,
    pub(super) v6: Option<u128>,
    /// Of an interface with several IPv6 addresses.
    pub(super) subnet: Option<u64>,
    /// As told from outside.
    pub(super) told: Option<Arc<[IpAddr]>>,
}

impl Settled {
    /// Whether an address is the interface's. Both of a record may be, by the subnet: that says nothing.
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        if self.told.as_ref().is_some_and(|told| told.contains(&address)) {
            return true;
        }
        match address {
            IpAddr::V4(address) => self.v4 == Some(address.to_bits()),
            IpAddr::V6(address) => match self.v6 {
                Some(own) => own == address.to_bits(),
                None => self.subnet.is_some_and(|own| own == subnet(address.to_bits())),
            },
        }
    }
}

/// The memory behind [`super::Direction`].
#[derive(Debug, Default)]
pub(super) struct Known {
    interfaces: FxHashMap<u64, Interface>,
    /// Whose an address is; `None` when several interfaces have it.
    owners: FxHashMap<(u64, IpAddr), Option<u64>>,
    told: FxHashMap<u64, Arc<[IpAddr]>>,
    batches: u64,
}

impl Known {
    pub(super) fn tell(&mut self, interface: u64, addresses: &[IpAddr]) {
        let addresses: Arc<[IpAddr]> = addresses.iter().map(IpAddr::to_canonical).collect();
        self.told.insert(interface, addresses);
    }

    /// Takes in what a batch says of its interfaces, and says which of their addresses are their own.
    pub(super) fn settle(&mut self, batch: Vec<(u64, Interface)>) -> Vec<Settled> {
        self.batches += 1;
        let ids: Vec<u64> = batch.iter().map(|&(id, _)| id).collect();
        for (id, interface) in batch {
            self.interfaces.entry(id).or_default().merge(interface, self.batches);
        }
        for &id in &ids {
            for family in [V4, V6] {
                self.claim_by_records(id, family);
            }
        }
        // Each address that is found may settle others.
        let mut open: Vec<(u64, usize)> = ids.iter().flat_map(|&id| [(id, V4), (id, V6)]).collect();
        open.retain(|&(id, family)| matches!(self.interfaces[&id].candidates(family), Own::Either(..)));
        loop {
            let before = open.len();
            open.retain(|&(id, family)| !self.claim_by_elimination(id, family));
            if open.len() == before {
                break;
            }
        }
        let settled = ids.iter().map(|&id| self.settled(id)).collect();
        if self.interfaces.len() > MOST {
            self.forget();
        }
        settled
    }

    fn claim_by_records(&mut self, id: u64, family: usize) {
        let found = match (self.told.get(&id), self.interfaces[&id].candidates(family)) {
            (Some(told), _) if told.iter().any(|address| address.is_ipv6() == (family == V6)) => {
                told.iter().find(|address| address.is_ipv6() == (family == V6)).copied()
            }
            (_, Own::One(address)) => Some(address),
            _ => None,
        };
        self.claim(id, family, found.map(|address| (address, false)));
    }

    /// Of two candidates, one is another interface's.
    fn claim_by_elimination(&mut self, id: u64, family: usize) -> bool {
        let Own::Either(a, b) = self.interfaces[&id].candidates(family) else { return false };
        let (own, other) = match (self.is_of_another(id, family, a), self.is_of_another(id, family, b)) {
            (true, false) => (b, a),
            (false, true) => (a, b),
            _ => return false,
        };
        // VPCs of an account may use the same private addresses, so without a VPC one of them proves little against an
        // address of the Internet.
        if !self.interfaces[&id].scope.vpc && is_private(other) && !is_private(own) && own.is_ipv4() {
            return false;
        }
        self.claim(id, family, Some((own, true)));
        true
    }

    fn claim(&mut self, id: u64, family: usize, claim: Option<(IpAddr, bool)>) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let scope = interface.scope_of(family);
        let before = std::mem::replace(&mut interface.claims[family], claim);
        let Some((address, eliminated)) = claim else { return };
        if before == claim || scope == 0 {
            return;
        }
        let other = match self.owners.get(&(scope, address)) {
            Some(None) => return,
            Some(&Some(other)) if other != id => self.claim_of(other, family).filter(|claim| claim.0 == address),
            _ => None,
        };
        match other {
            // What records say goes before what was concluded.
            Some((_, false)) if eliminated => {}
            Some((_, by_elimination)) if by_elimination == eliminated => {
                self.owners.insert((scope, address), None);
            }
            _ => {
                self.owners.insert((scope, address), Some(id));
            }
        }
    }

    fn claim_of(&self, id: u64, family: usize) -> Option<(IpAddr, bool)> {
        self.interfaces.get(&id)?.claims[family]
    }

    fn is_of_another(&self, id: u64, family: usize, address: IpAddr) -> bool {
        let scope = self.interfaces[&id].scope_of(family);
        match self.owners.get(&(scope, address)) {
            Some(&Some(other)) if scope != 0 && other != id => {
                self.claim_of(other, family).is_some_and(|claim| claim.0 == address)
            }
            _ => false,
        }
    }

    fn settled(&self, id: u64) -> Settled {
        let interface = &self.interfaces[&id];
        let mut settled = Settled { told: self.told.get(&id).cloned(), ..Settled::default() };
        for claim in interface.claims {
            match claim {
                Some((IpAddr::V4(own), _)) => settled.v4 = Some(own.to_bits()),
                Some((IpAddr::V6(own), _)) => settled.v6 = Some(own.to_bits()),
                None => {}
            }
        }
        if let Some(known) = &interface.v6
            && known.address.own == Own::Several
            && let Own::One(own) = known.subnet.own
        {
            settled.subnet = Some(own);
        }
        settled
    }

    fn forget(&mut self) {
        let mut seen: Vec<u64> = self.interfaces.values().map(|interface| interface.seen).collect();
        let half = seen.len() / 2;
        let median = *seen.select_nth_unstable(half).1;
        // All may have been in one batch.
        let mut left = half;
        self.interfaces.retain(|_, interface| {
            let kept = interface.seen > median || (interface.seen == median && left > 0);
            left -= usize::from(kept && left > 0);
            kept
        });
        let interfaces = &self.interfaces;
        self.owners.retain(|_, owner| owner.is_some_and(|id| interfaces.contains_key(&id)));
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        // With the shared address space (RFC 6598), which VPCs use too.
        IpAddr::V4(address) => address.is_private() || address.to_bits() >> 22 == 0x0191,
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut known = Known::default();
        for first in (0..3 * MOST as u64).step_by(1000) {
            let batch = (first..first + 1000).map(|id| {
                let mut interface = Interface::of(Scope { id: 7, vpc: true });
                interface.v4.add_own(id as u32);
                (id, interface)
            });
            let settled = known.settle(batch.collect());
            assert_eq!(settled[0].v4, Some(first as u32));
        }
        assert!(known.interfaces.len() <= MOST + 1000 && known.owners.len() <= MOST + 1000);
    }
}
