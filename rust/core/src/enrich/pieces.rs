//! What enrichers say, rendered once: pieces, which documents are put together from.

use std::sync::Arc;

use super::fields::{Fields, Place};
use super::{Answer, Said};
use crate::ecs::{SHORT, write_value};

/// What a part of an enricher, or several together, say of an address or an interface.
#[derive(Debug, Clone, Default)]
pub(crate) struct Piece {
    /// By the number of the side's field.
    pub(super) side: Vec<Option<Said>>,
    /// Which members of the side these are, lowest and highest by [`Fields::roots`]; the lowest is above the highest
    /// for none.
    pub(super) roots: (usize, usize),
    /// By the number of the field at the top. Empty, if it says nothing there.
    pub(super) top: Vec<Option<Said>>,
    pub(super) tags: Vec<String>,
}

impl Piece {
    /// Puts answers together: each with the places of its enricher's fields. What was said first counts.
    pub(super) fn new(fields: &Fields, answers: impl IntoIterator<Item = (usize, Answer)>) -> Piece {
        let mut piece = Piece { roots: (usize::MAX, 0), ..Piece::default() };
        for (enricher, answer) in answers {
            for (number, said) in answer {
                match fields.places[enricher][number] {
                    Place::Side(at) => {
                        piece.side.resize(fields.sides.len(), None);
                        piece.side[at].get_or_insert(said);
                        let root = fields.roots[at];
                        piece.roots = (piece.roots.0.min(root), piece.roots.1.max(root));
                    }
                    Place::Top(at) => {
                        piece.top.resize(fields.tops.len(), None);
                        piece.top[at].get_or_insert(said);
                    }
                    Place::Tags => match said {
                        Said::Text(tag) => piece.tags.push(tag),
                        Said::Texts(tags) => piece.tags.extend(tags),
                        _ => {}
                    },
                }
            }
        }
        piece
    }

    /// Whether it says something of a side.
    pub(super) fn is_of_side(&self) -> bool {
        !self.side.is_empty()
    }

    /// Whether it says something of the record, not just of a side.
    pub(super) fn is_of_record(&self) -> bool {
        !self.top.is_empty() || !self.tags.is_empty()
    }
}

/// Bits of a number that say which of a chunk's pieces it is.
const BITS: u32 = 20;
/// As many chunks there are at most.
const CHUNKS: usize = 1 << 8;

/// Where the JSON of a piece is: its chunk, where it starts there, and its length. No table has to be asked for it, which
/// would seldom be in the processor's caches. 0 is no piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Fragment(u64);

/// The longest that the JSON of a piece can be.
const LONGEST: usize = (1 << 24) - 1;

impl Fragment {
    pub(super) const NONE: Fragment = Fragment(0);

    fn new(chunk: usize, start: usize, length: usize) -> Fragment {
        Fragment((chunk as u64) << 56 | (start as u64) << 24 | length as u64)
    }

    #[inline]
    fn chunk(self) -> usize {
        (self.0 >> 56) as usize
    }

    #[inline]
    fn start(self) -> usize {
        (self.0 >> 24) as u32 as usize
    }

    #[inline]
    pub(super) fn length(self) -> usize {
        self.0 as usize & LONGEST
    }
}

/// Pieces by number. Number 0 says nothing. A copy is cheap, and has the pieces that there were when it was made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pieces {
    chunks: Vec<Arc<Chunk>>,
}

/// Pieces that were made one after the other.
#[derive(Debug, Default)]
struct Chunk {
    pieces: Vec<Piece>,
    /// The sides' fields of all of them as members of an object, with a comma behind each; and [`SHORT`] bytes more.
    json: Vec<u8>,
    /// For each piece, where its JSON begins.
    starts: Vec<u32>,
}
impl Pieces {
    pub(super) fn new() -> Pieces {
        let mut pieces = Pieces::default();
        pieces.push(&Fields::default(), Piece::default());
        pieces
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.pieces.len()).sum()
    }

    /// Whether there is no number for the pieces of another batch.
    pub(super) fn is_full(&self) -> bool {
        self.chunks.len() == CHUNKS
    }

    /// Takes a piece; gives its number, and the fragment of its JSON; None of one that is too long.
    pub(super) fn push(&mut self, fields: &Fields, piece: Piece) -> (u32, Option<Fragment>) {
        // A chunk that a batch has is not changed any more.
        let roomy = |last: &mut Chunk| last.pieces.len() < 1 << BITS && last.json.len() < 1 << 30;
        if !self.chunks.last_mut().and_then(Arc::get_mut).is_some_and(roomy) {
            self.chunks.push(Arc::new(Chunk { json: vec![0; SHORT], ..Chunk::default() }));
        }
        let at = self.chunks.len() - 1;
        let Some(chunk) = self.chunks.last_mut().and_then(Arc::get_mut) else {
            return (0, Some(Fragment::NONE));
        };
        let start = chunk.json.len() - SHORT;
        chunk.json.truncate(start);
        members(fields, &piece.side, &mut chunk.json);
        let fits = chunk.json.len() - start <= LONGEST;
        let length = if fits { chunk.json.len() - start } else { 0 };
        chunk.json.truncate(start + length);
        chunk.json.resize(start + length + SHORT, 0);
        chunk.starts.push(start as u32);
        chunk.pieces.push(piece);
        let number = (at << BITS | (chunk.pieces.len() - 1)) as u32;
        if !fits {
            return (number, None);
        }
        (number, Some(if length == 0 { Fragment::NONE } else { Fragment::new(at, start, length) }))
    }

    pub(super) fn piece(&self, number: u32) -> &Piece {
        &self.chunks[(number >> BITS) as usize].pieces[(number & ((1 << BITS) - 1)) as usize]
    }

    /// The piece whose JSON stands there.
    pub(super) fn at(&self, fragment: Fragment) -> &Piece {
        let chunk = &self.chunks[fragment.chunk()];
        // Of those that start there, all but the last have no JSON.
        &chunk.pieces[chunk.starts.partition_point(|&start| start as usize <= fragment.start()) - 1]
    }

    /// A text that has the side's members, where they begin in it, and how many bytes they are.
    #[inline]
    pub(crate) fn json(&self, fragment: Fragment) -> (&[u8], usize, usize) {
        (&self.chunks[fragment.chunk()].json, fragment.start(), fragment.length())
    }
}

#[cfg(target_arch = "x86_64")]
impl Pieces {
    /// Lets the processor fetch the JSON of a piece, which is seldom in its caches, while it does something else.
    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn fetch(&self, fragment: Fragment) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let (json, start, length) = self.json(fragment);
        for line in json[start..start + length].chunks(64) {
            // SAFETY: it is a hint: it has no effect that a program can see, and no address is wrong.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Pieces {
    #[allow(clippy::unused_self)] // as above
    pub(super) fn fetch(&self, _: Fragment) {}
}

/// Appends members of an object, a comma behind each. Fields of one inner object are next to each other.
fn members(fields: &Fields, values: &[Option<Said>], json: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let mut open: &[String] = &[];
    for member in &fields.members {
        let Some(said) = &values[member.field] else { continue };
        let shared = open.iter().zip(&member.objects).take_while(|(a, b)| a == b).count();
        close(json, open.len() - shared);
        for object in &member.objects[shared..] {
            json.extend_from_slice(object.as_bytes());
            json.push(b'{');
        }
        open = &member.objects;
        json.extend_from_slice(member.key.as_bytes());
        write_value(json, &said.value());
    }
    close(json, open.len());
}

fn close(json: &mut Vec<u8>, objects: usize) {
    for _ in 0..objects {
        json.pop();
        json.extend_from_slice(b"},");
    }
}
