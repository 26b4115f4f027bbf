//! One document field of all rows → one Arrow array.
//!
//! What differs from record to record (addresses, ids of flows) is a string view, what repeats is a dictionary. Fields
//! that say the same (`source.bytes`, `network.bytes`) share one array.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, PrimitiveArray, StringArray, StringViewArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::Field;

use super::dictionary;
use super::views::{self, Views};
use crate::batch::{ABSENT, Column, Span};
use crate::direction::NAMES as DIRECTIONS;
use crate::ecs::{
    COMMUNITY_ID, CommunityIds, Constant, Context, Mapped, Source, TCP_FLAGS, Type, Value, protocol_keyword,
    service_code, service_name,
};
use crate::enrich::Said;
use crate::time;
use crate::token::same;

/// Builds the arrays of one batch.
pub(super) struct Builder<'a> {
    context: &'a Context<'a>,
    /// Views of the address columns that were asked for, by position in the format.
    addresses: RefCell<HashMap<usize, StringViewArray>>,
    /// The other columns that were made from one column of the format alone.
    made: RefCell<HashMap<(usize, Type), ArrayRef>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Builder<'a> {
        Builder { context, addresses: RefCell::default(), made: RefCell::default() }
    }

    fn rows(&self) -> usize {
        self.context.batch.len()
    }

    pub(super) fn array(&self, field: &Mapped) -> ArrayRef {
        let batch = self.context.batch;
        match field.source {
            Source::Timestamp => self.timestamps(),
            Source::Time(at) => self.once(at, field.es, || self.times(at)),
            Source::Constant(Constant::Ingested) => Arc::new(moments(vec![batch.ingested; self.rows()].into(), None)),
            Source::Number(at) => self.once(at, field.es, || self.numbers(at, field.es)),
            Source::NumberAsText(at) => self.numbers_as_texts(at),
            Source::Transport(at) => {
                let keyword = |number: &str| protocol_keyword(number.parse().ok()?);
                dictionary::renamed(&self.numbers_as_texts(at), keyword).unwrap_or_else(|| {
                    dictionary::of_numbers(self.ints(at), |number| protocol_keyword(number).map(Into::into))
                })
            }
            Source::Service { protocol, ports: (from, to) } => {
                let [protocols, from, to] = [protocol, from, to].map(|at| self.ints(at));
                let code = |row: usize| service_code(protocols[row], from[row], to[row]).into();
                let codes: Vec<i64> = (0..self.rows()).map(code).collect();
                dictionary::of_numbers(&codes, |code| service_name(code as u16).map(Into::into))
            }
            Source::Text(at) if matches!(batch.columns[at], Column::Addr { .. }) => Arc::new(self.addresses(at)),
            Source::Text(at) => self.texts(at),
            Source::Region(Some(at)) if batch.origin.region.is_none() => self.texts(at),
            Source::Direction(at) => self.directions(field, at),
            Source::Outcome(at) => dictionary::renamed(&self.texts(at), |action| match action {
                "ACCEPT" => Some("success"),
                "REJECT" => Some("failure"),
                _ => None,
            })
            .unwrap_or_else(|| {
                dictionary::of_choices(self.rows(), &["success", "failure"], |row| self.verdict(Some(at), row))
            }),
            Source::NetworkType(at) => dictionary::of_choices(self.rows(), &["ipv4", "ipv6"], |row| {
                self.context.address(at, row).map(|address| i32::from(address.is_ipv6()))
            }),
            Source::EventType(at) => self.event_types(at),
            Source::RelatedIp(columns) => self.related(columns),
            Source::TcpFlags(at) => self.tcp_flags(at),
            Source::CommunityId { .. } => self.community_ids(),
            Source::Offset => {
                let offsets = (0..self.rows()).map(|row| batch.offset(row).map(u64::cast_signed));
                Arc::new(offsets.collect::<PrimitiveArray<Int64Type>>())
            }
            Source::Side(..) | Source::Top(_) => self.added(field),
            // The same in every row that is no error.
            Source::EventKind | Source::Constant(_) | Source::Region(None) if batch.error_rows.is_empty() => {
                dictionary::of_one(self.rows(), self.text(field, 0).as_deref())
            }
            // Only errors have these, unless the originals are to be kept.
            Source::ErrorMessage if batch.error_rows.is_empty() => dictionary::of_one(self.rows(), None),
            Source::Original if batch.error_rows.is_empty() && !self.context.options.preserve_original => {
                dictionary::of_one(self.rows(), None)
            }
            Source::EventKind
            | Source::Constant(_)
            | Source::Region(_)
            | Source::Orchestrator(_)
            | Source::Tags
            | Source::ErrorMessage
            | Source::Original
            | Source::Percent(_) => dictionary::of_texts((0..self.rows()).map(|row| self.text(field, row))),
        }
    }

    /// Makes an array, or gives the one that another field had made from the same column.
    fn once(&self, at: usize, es: Type, make: impl FnOnce() -> ArrayRef) -> ArrayRef {
        self.made.borrow_mut().entry((at, es)).or_insert_with(make).clone()
    }

    fn ints(&self, at: usize) -> &[i64] {
        match &self.context.batch.columns[at] {
            Column::Int(values) => values,
            _ => &[],
        }
    }

    fn spans(&self, at: usize) -> &[Span] {
        match &self.context.batch.columns[at] {
            Column::Text(spans) | Column::Addr { spans, .. } => spans,
            Column::Int(_) => &[],
        }
    }

    fn times(&self, at: usize) -> ArrayRef {
        let seconds = self.ints(at);
        let millis = seconds.iter().map(|&seconds| if seconds == ABSENT { 0 } else { seconds * 1000 });
        Arc::new(moments(millis.collect(), nulls(seconds)))
    }

    /// `end` itself, where every record has one.
    fn timestamps(&self) -> ArrayRef {
        if let Some(at) = self.context.batch.format.position(crate::field::Field::End) {
            let ends = self.once(at, Type::Date, || self.times(at));
            if ends.null_count() == 0 {
                return ends;
            }
        }
        let values = (0..self.rows()).map(|row| self.context.timestamp(row));
        Arc::new(moments(values.collect(), None))
    }

    fn numbers(&self, at: usize, es: Type) -> ArrayRef {
        let values = self.ints(at);
        if es == Type::Port {
            let ports: ScalarBuffer<i32> = values.iter().map(|&value| value as i32).collect();
            return Arc::new(PrimitiveArray::<Int32Type>::new(ports, nulls(values)));
        }
        Arc::new(PrimitiveArray::<Int64Type>::new(values.iter().copied().collect(), nulls(values)))
    }

    fn numbers_as_texts(&self, at: usize) -> ArrayRef {
        self.once(at, Type::Keyword, || {
            let text = |number| (number != ABSENT).then(|| itoa::Buffer::new().format(number).into());
            dictionary::of_numbers(self.ints(at), text)
        })
    }

    fn texts(&self, at: usize) -> ArrayRef {
        self.once(at, Type::Keyword, || dictionary::of_spans(self.spans(at), &self.context.batch.text))
    }

    fn addresses(&self, at: usize) -> StringViewArray {
        if let Some(array) = self.addresses.borrow().get(&at) {
            return array.clone();
        }
        let text = &self.context.batch.text[..];
        // Where a packet's address is the record's own, it lies in the buffers of that column already.
        let twin = self.context.batch.format.twin(at).map(|twin| (self.spans(twin), self.addresses(twin)));
        let mut buffer = Vec::with_capacity(8 * self.rows());
        let mut views = Views::new(self.rows());
        for (row, span) in self.spans(at).iter().enumerate() {
            views.push(match &twin {
                _ if span.is_absent() => None,
                Some((spans, array)) if same(span.of(text), spans[row].of(text)) => {
                    Some(views::moved(array.views()[row], 1))
                }
                _ => Some(views::of_span(*span, text, &mut buffer)),
            });
        }
        let others = twin.map_or(Vec::new(), |(_, array)| array.data_buffers().to_vec());
        let array = views.finish([vec![buffer.into()], others].concat());
        self.addresses.borrow_mut().insert(at, array.clone());
        array
    }

    fn community_ids(&self) -> ArrayRef {
        let mut made = CommunityIds::new(self.context.batch);
        let mut text = Vec::with_capacity(self.rows() * COMMUNITY_ID);
        let mut offsets = Vec::with_capacity(self.rows() + 1);
        offsets.push(0);
        for row in 0..self.rows() {
            text.extend_from_slice(made.of(row).map_or(&[][..], |id| id));
            offsets.push(i32::try_from(text.len()).expect("fewer ids than Arrow's texts have room for"));
        }
        let nulls = present(&offsets);
        Arc::new(StringArray::new(OffsetBuffer::new(offsets.into()), text.into(), nulls))
    }

    /// 0 for ACCEPT, 1 for REJECT.
    fn verdict(&self, at: Option<usize>, row: usize) -> Option<i32> {
        match self.spans(at?)[row].of(&self.context.batch.text) {
            b"ACCEPT" => Some(0),
            b"REJECT" => Some(1),
            _ => None,
        }
    }

    /// Made from what was said, which each row has a number of.
    fn added(&self, field: &Mapped) -> ArrayRef {
        let Some(added) = &self.context.batch.added else { return dictionary::of_one(self.rows(), None) };
        let (said, numbers): (Vec<Option<&Said>>, &[u32]) = match field.source {
            Source::Side(side, number) => added.values(side, number),
            Source::Top(number) => {
                (added.wholes.iter().map(|whole| whole.top.get(number)?.as_ref()).collect(), &added.records)
            }
            _ => (Vec::new(), &[]),
        };
        let rows = numbers.iter().map(|&number| said[number as usize]);
        // A text that stands for a list of texts, too.
        let texts = |said: Option<&'a Said>| match said {
            Some(Said::Text(text)) => std::slice::from_ref(text),
            Some(Said::Texts(texts)) => texts.as_slice(),
            _ => &[],
        };
        let mut distinct = Vec::new();
        let mut known: HashMap<&str, i32> = HashMap::new();
        let mut key = |text: &'a String| {
            *known.entry(text).or_insert_with(|| {
                distinct.push(text.as_str());
                i32::try_from(distinct.len()).map_or(i32::MAX, |length| length - 1)
            })
        };
        // Texts are looked at once an answer, not once a row.
        let mut all =
            || -> Vec<Vec<i32>> { said.iter().map(|said| texts(*said).iter().map(&mut key).collect()).collect() };
        match field.es {
            Type::Long | Type::Port => {
                let number =
                    |said: Option<&Said>| if let Some(Said::Long(number)) = said { Some(*number) } else { None };
                Arc::new(rows.map(number).collect::<PrimitiveArray<Int64Type>>())
            }
            Type::Double => {
                let number =
                    |said: Option<&Said>| if let Some(Said::Double(number)) = said { Some(*number) } else { None };
                Arc::new(rows.map(number).collect::<PrimitiveArray<Float64Type>>())
            }
            Type::Date => {
                let millis =
                    |said: Option<&Said>| if let Some(Said::Text(text)) = said { time::parse(text) } else { None };
                let array = rows.map(millis).collect::<PrimitiveArray<TimestampMillisecondType>>();
                Arc::new(array.with_timezone("UTC"))
            }
            Type::Boolean => {
                let truth =
                    |said: Option<&Said>| if let Some(Said::Boolean(truth)) = said { Some(*truth) } else { None };
                Arc::new(rows.map(truth).collect::<BooleanArray>())
            }
            _ if field.list => {
                let keys = all();
                let mut lists = Lists::new(self.rows());
                let mut flat = Vec::new();
                for &number in numbers {
                    flat.extend_from_slice(&keys[number as usize]);
                    lists.end(flat.len());
                }
                lists.finish(dictionary::of_keys(flat, &distinct))
            }
            _ => {
                let keys = all();
                dictionary::of_choices(self.rows(), &distinct, |row| keys[numbers[row] as usize].first().copied())
            }
        }
    }

    fn directions(&self, field: &Mapped, logged: Option<usize>) -> ArrayRef {
        match (&self.context.batch.directions, logged) {
            (None, Some(at)) => self.texts(at),
            (Some(codes), None) => dictionary::of_choices(self.rows(), &DIRECTIONS, |row| {
                (usize::from(codes[row]) < DIRECTIONS.len()).then(|| i32::from(codes[row]))
            }),
            _ => dictionary::of_texts((0..self.rows()).map(|row| self.text(field, row))),
        }
    }

    fn event_types(&self, at: Option<usize>) -> ArrayRef {
        let mut lists = Lists::new(self.rows());
        let mut keys = Vec::with_capacity(2 * self.rows());
        let mut errors = self.context.batch.error_rows.iter().map(|&(row, _)| row as usize).peekable();
        for row in 0..self.rows() {
            if errors.next_if_eq(&row).is_none() {
                keys.push(0);
                if let Some(verdict) = self.verdict(at, row) {
                    keys.push(1 + verdict);
                }
            }
            lists.end(keys.len());
        }
        lists.finish(dictionary::of_keys(keys, &["connection", "allowed", "denied"]))
    }

    fn related(&self, columns: [Option<usize>; 4]) -> ArrayRef {
        let arrays = columns.map(|at| at.map(|at| self.addresses(at)));
        let mut lists = Lists::new(self.rows());
        let mut values = Views::new(2 * self.rows());
        // The lists' views point into the buffers of the columns, one behind the other.
        let buffers =
            arrays.iter().map(|array| array.as_ref().map_or(Vec::new(), |array| array.data_buffers().to_vec()));
        let buffers: Vec<_> = buffers.collect();
        for row in 0..self.rows() {
            for i in self.context.distinct_addresses(columns, row) {
                let before: usize = buffers[..i].iter().map(Vec::len).sum();
                values.push(arrays[i].as_ref().map(|array| views::moved(array.views()[row], before as u32)));
            }
            lists.end(values.len());
        }
        lists.finish(Arc::new(values.finish(buffers.concat())))
    }

    fn tcp_flags(&self, at: usize) -> ArrayRef {
        let mut lists = Lists::new(self.rows());
        let mut keys = Vec::with_capacity(self.rows());
        for &flags in self.ints(at) {
            if flags != ABSENT {
                keys.extend((0..6).filter(|bit| flags >> bit & 1 == 1));
            }
            lists.end(keys.len());
        }
        lists.finish(dictionary::of_keys(keys, &TCP_FLAGS))
    }

    fn text(&self, field: &Mapped, row: usize) -> Option<String> {
        match (row < self.rows()).then(|| self.context.value(&field.source, row))? {
            Value::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }
}

/// Where lists end in their values; an empty one is null.
struct Lists(Vec<i32>);

impl Lists {
    fn new(rows: usize) -> Lists {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Lists(offsets)
    }

    fn end(&mut self, values: usize) {
        // At most six values a row, and fewer than 2^28 rows in a batch of 4 GiB.
        self.0.push(i32::try_from(values).unwrap_or(i32::MAX));
    }

    fn finish(self, values: ArrayRef) -> ArrayRef {
        let offsets = self.0;
        let nulls = present(&offsets);
        let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        Arc::new(ListArray::new(item, OffsetBuffer::new(offsets.into()), values, nulls))
    }
}

/// Where something is between two offsets; `None`, if that is everywhere.
fn present(offsets: &[i32]) -> Option<NullBuffer> {
    let present = BooleanBuffer::collect_bool(offsets.len() - 1, |row| offsets[row] < offsets[row + 1]);
    Some(NullBuffer::new(present)).filter(|nulls| nulls.null_count() > 0)
}

fn moments(values: ScalarBuffer<i64>, nulls: Option<NullBuffer>) -> PrimitiveArray<TimestampMillisecondType> {
    PrimitiveArray::new(values, nulls).with_timezone("UTC")
}

fn nulls(values: &[i64]) -> Option<NullBuffer> {
    let present = BooleanBuffer::collect_bool(values.len(), |row| values[row] != ABSENT);
    Some(NullBuffer::new(present)).filter(|nulls| nulls.null_count() > 0)
}
