//! What the records of one interface say about its own address.
//!
//! AWS logs, at the interface's end of each record, its primary private IPv4 address or one of its IPv6 addresses ("Flow log
//! record fields", srcaddr and dstaddr), so the address that all records share is its own.

/// The addresses that may be an interface's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Own<A> {
    /// There was no record.
    #[default]
    Unseen,
    /// Every record had these two.
    Either(A, A),
    /// Every record had it.
    One(A),
    /// No address is in every record.
    Several,
}

impl<A: Copy + Eq> Own<A> {
    pub(super) fn pair(a: A, b: A) -> Own<A> {
        if a == b { Own::One(a) } else { Own::Either(a, b) }
    }

    fn has(self, address: A) -> bool {
        match self {
            Own::Either(a, b) => address == a || address == b,
            Own::One(a) => address == a,
            Own::Unseen | Own::Several => false,
        }
    }

    /// What both allow. The order doesn't matter.
    pub(super) fn meet(self, other: Own<A>) -> Own<A> {
        match (self, other) {
            (Own::Unseen, known) | (known, Own::Unseen) => known,
            (Own::Either(a, b), _) => match (other.has(a), other.has(b)) {
                (true, true) => self,
                (true, false) => Own::One(a),
                (false, true) => Own::One(b),
                (false, false) => Own::Several,
            },
            (Own::One(a), _) if other.has(a) => self,
            _ => Own::Several,
        }
    }
}

/// One odd record in so many changes nothing.
const ODD: u64 = 8;

/// Candidates, and how many records are for and against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence<A> {
    pub(super) own: Own<A>,
    records: u32,
    odd: u32,
}

impl<A: Copy + Eq> Evidence<A> {
    /// A record with these two addresses.
    #[inline]
    pub(super) fn add(&mut self, a: A, b: A) {
        if let Own::One(own) = self.own
            && (own == a || own == b)
        {
            self.records = self.records.saturating_add(1);
            return;
        }
        self.merge(Evidence { own: Own::pair(a, b), records: 1, odd: 0 });
    }

    /// A record that says which of its addresses is the interface's.
    #[inline]
    pub(super) fn add_own(&mut self, own: A) {
        self.merge(Evidence { own: Own::One(own), records: 1, odd: 0 });
    }

    /// What other records said.
    pub(super) fn merge(&mut self, other: Evidence<A>) {
        let met = self.own.meet(other.own);
        let odd = self.odd.saturating_add(other.odd);
        *self = if met == Own::Several && self.own != Own::Several && other.own != Own::Several {
            // They contradict each other: the fewer are the odd ones.
            let (more, fewer) = if self.records >= other.records { (*self, other) } else { (other, *self) };
            Evidence { own: more.own, records: more.records, odd: odd.saturating_add(fewer.records) }
        } else {
            Evidence { own: met, records: self.records.saturating_add(other.records), odd }
        };
        if u64::from(self.odd) * ODD > u64::from(self.records) {
            self.own = Own::Several;
        }
    }
}

/// IPv6: an interface may have several addresses. They all lie in its subnet, which is a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence6 {
    pub(super) address: Evidence<u128>,
    pub(super) subnet: Evidence<u64>,
}

pub(super) fn subnet(address: u128) -> u64 {
    (address >> 64) as u64
}

impl Evidence6 {
    #[inline]
    pub(super) fn add(&mut self, a: u128, b: u128) {
        self.address.add(a, b);
        self.subnet.add(subnet(a), subnet(b));
    }

    #[inline]
    pub(super) fn add_own(&mut self, own: u128) {
        self.address.add_own(own);
        self.subnet.add_own(subnet(own));
    }

    pub(super) fn merge(&mut self, other: &Evidence6) {
        self.address.merge(other.address);
        self.subnet.merge(other.subnet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(records: &[(u8, u8)]) -> Evidence<u8> {
        let mut evidence = Evidence::default();
        records.iter().for_each(|&(a, b)| evidence.add(a, b));
        evidence
    }

    #[test]
    fn what_all_records_share_is_its_own() {
        assert_eq!(of(&[]).own, Own::Unseen);
        assert_eq!(of(&[(1, 2), (2, 1)]).own, Own::Either(1, 2));
        assert_eq!(of(&[(1, 2), (3, 1)]).own, Own::One(1));
        assert_eq!(of(&[(1, 2), (3, 1), (4, 5)]).own, Own::Several);
    }

    #[test]
    fn an_odd_record_among_many_changes_nothing() {
        let mut records = vec![(1, 2); 40];
        records.push((1, 3));
        records.extend([(7, 8), (9, 8)]);
        assert_eq!(of(&records).own, Own::One(1));
        records.extend([(7, 8); 20]);
        assert_eq!(of(&records).own, Own::Several);
    }

    proptest! {
        #[test]
        fn order_and_batches_make_no_difference(peers in prop::collection::vec(1u8.., 1..60), cut: usize, turn: u64) {
            // Records as AWS describes them: the interface's own address, 0, is at one end.
            let records: Vec<_> = peers.iter().enumerate().map(|(at, &peer)| if turn >> (at % 64) & 1 == 1 { (0, peer) } else { (peer, 0) }).collect();
            let whole = of(&records);
            let (first, second) = records.split_at(cut % records.len());
            let (mut one, mut other) = (of(first), of(second));
            let (before, after) = (one, other);
            one.merge(after);
            other.merge(before);
            prop_assert_eq!(one.records, whole.records);
            let same = peers.iter().all(|peer| *peer == peers[0]);
            for evidence in [whole, one, other] {
                match evidence.own {
                    Own::One(own) => prop_assert!(own == 0 && !same),
                    Own::Either(a, b) => prop_assert!(same && a.min(b) == 0),
                    wrong => prop_assert!(false, "{wrong:?}"),
                }
            }
        }
    }
}
