//! One document field of all rows → one Arrow array.
//!
//! Texts are views: of up to twelve bytes they hold the text, longer ones point into the batch's own text, which is
//! shared and not copied. Fields that say the same (`source.address`, `source.ip`) share one array.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, ListArray, PrimitiveArray, StringViewArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};

use super::views::{self, Views};
use crate::batch::{ABSENT, Column, Span};
use crate::ecs::{Context, Mapped, Source, Type, Value, protocol_keyword, tcp_flag_names};

/// Builds the arrays of one batch.
pub(super) struct Builder<'a> {
    context: &'a Context<'a>,
    text: Buffer,
    /// Views of the text columns that were asked for, by position in the format.
    texts: RefCell<HashMap<usize, StringViewArray>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Builder<'a> {
        Builder { context, text: Buffer::from(context.batch.text.clone()), texts: RefCell::default() }
    }

    fn rows(&self) -> usize {
        self.context.batch.len()
    }

    pub(super) fn array(&self, field: &Mapped) -> ArrayRef {
        match field.source {
            Source::Timestamp => {
                let values = (0..self.rows()).map(|row| self.context.timestamp(row));
                Arc::new(moments(values.collect(), None))
            }
            Source::Time(at) => {
                let seconds = self.ints(at);
                let millis = seconds.iter().map(|&seconds| if seconds == ABSENT { 0 } else { seconds * 1000 });
                Arc::new(moments(millis.collect(), nulls(seconds)))
            }
            Source::Number(at) => self.numbers(at, field.es),
            Source::NumberAsText(at) => {
                self.known(self.ints(at), |number| Some(itoa::Buffer::new().format(number).into()))
            }
            Source::Transport(at) => self.known(self.ints(at), |number| protocol_keyword(number).map(Into::into)),
            Source::Text(at) => Arc::new(self.views(at)),
            Source::Region(Some(at)) if self.context.batch.origin.region.is_none() => Arc::new(self.views(at)),
            Source::Outcome(at) => self.by_action(Some(at), ["success", "failure"]),
            Source::NetworkType(at) => {
                let kinds = ["ipv4", "ipv6"].map(|kind| views::inline(kind.as_bytes()));
                let mut views = Views::new(self.rows());
                for row in 0..self.rows() {
                    views.push(self.context.address(at, row).map(|address| kinds[usize::from(address.is_ipv6())]));
                }
                Arc::new(views.finish(Vec::new()))
            }
            Source::EventType(at) => self.event_types(at),
            Source::RelatedIp(columns) => self.related(columns),
            Source::TcpFlags(at) => self.tcp_flags(at),
            Source::CommunityId { source, destination, protocol, ports } => {
                let mut ids = Vec::with_capacity(self.rows() * 30);
                let mut views = Views::new(self.rows());
                for row in 0..self.rows() {
                    let id = self.context.community_id(source, destination, protocol, ports, row);
                    views.push(id.map(|id| {
                        let offset = ids.len() as u32;
                        ids.extend_from_slice(&id);
                        views::long(&id, 0, offset)
                    }));
                }
                Arc::new(views.finish(vec![ids.into()]))
            }
            Source::Offset => {
                let offsets = (0..self.rows()).map(|row| self.context.batch.offset(row).map(u64::cast_signed));
                Arc::new(offsets.collect::<PrimitiveArray<Int64Type>>())
            }
            _ => self.plain(field),
        }
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

    fn numbers(&self, at: usize, es: Type) -> ArrayRef {
        let values = self.ints(at);
        if es == Type::Port {
            let ports: ScalarBuffer<i32> = values.iter().map(|&value| value as i32).collect();
            return Arc::new(PrimitiveArray::<Int32Type>::new(ports, nulls(values)));
        }
        Arc::new(PrimitiveArray::<Int64Type>::new(values.iter().copied().collect(), nulls(values)))
    }

    /// Texts of numbers of which few differ: each is made once as long as it repeats.
    fn known(&self, numbers: &[i64], text: impl Fn(i64) -> Option<String>) -> ArrayRef {
        let mut made: HashMap<i64, Option<u128>> = HashMap::new();
        let mut last = (ABSENT, None);
        let mut buffer = Vec::new();
        let mut views = Views::new(self.rows());
        for &number in numbers {
            if number != last.0 {
                let view = if number == ABSENT {
                    None
                } else {
                    *made
                        .entry(number)
                        .or_insert_with(|| text(number).map(|text| views::of(text.as_bytes(), &mut buffer)))
                };
                last = (number, view);
            }
            views.push(last.1);
        }
        Arc::new(views.finish(vec![buffer.into()]))
    }

    /// Views of a text column.
    fn views(&self, at: usize) -> StringViewArray {
        let mut texts = self.texts.borrow_mut();
        let array = texts.entry(at).or_insert_with(|| {
            let text = self.text.as_slice();
            let mut views = Views::new(self.rows());
            for span in self.spans(at) {
                views.push((!span.is_absent()).then(|| views::of_span(*span, text)));
            }
            views.finish(vec![self.text.clone()])
        });
        array.clone()
    }

    /// One text for ACCEPT and one for REJECT.
    fn by_action(&self, at: Option<usize>, texts: [&str; 2]) -> ArrayRef {
        let texts = texts.map(|text| views::inline(text.as_bytes()));
        let mut views = Views::new(self.rows());
        for row in 0..self.rows() {
            views.push(self.verdict(at, row).map(|verdict| texts[verdict]));
        }
        Arc::new(views.finish(Vec::new()))
    }

    /// 0 for ACCEPT, 1 for REJECT.
    fn verdict(&self, at: Option<usize>, row: usize) -> Option<usize> {
        match self.spans(at?)[row].of(&self.text) {
            b"ACCEPT" => Some(0),
            b"REJECT" => Some(1),
            _ => None,
        }
    }

    fn event_types(&self, at: Option<usize>) -> ArrayRef {
        let connection = views::inline(b"connection");
        let verdicts = ["allowed", "denied"].map(|text| views::inline(text.as_bytes()));
        let mut lists = Lists::new(self.rows(), 2);
        let mut errors = self.context.batch.error_rows.iter().map(|&(row, _)| row as usize).peekable();
        for row in 0..self.rows() {
            if errors.next_if_eq(&row).is_none() {
                lists.values.push(Some(connection));
                if let Some(verdict) = self.verdict(at, row) {
                    lists.values.push(Some(verdicts[verdict]));
                }
            }
            lists.end();
        }
        lists.finish(Vec::new())
    }

    fn related(&self, columns: [Option<usize>; 4]) -> ArrayRef {
        let views = columns.map(|at| at.map(|at| (at, self.views(at))));
        let mut lists = Lists::new(self.rows(), 2);
        for row in 0..self.rows() {
            for at in self.context.distinct_addresses(columns, row) {
                let column = views.iter().flatten().find(|(column, _)| *column == at);
                lists.values.push(column.map(|(_, array)| array.views()[row]));
            }
            lists.end();
        }
        lists.finish(vec![self.text.clone()])
    }

    fn tcp_flags(&self, at: usize) -> ArrayRef {
        let mut lists = Lists::new(self.rows(), 1);
        for &flags in self.ints(at) {
            if flags != ABSENT {
                tcp_flag_names(flags).for_each(|name| lists.values.push(Some(views::inline(name.as_bytes()))));
            }
            lists.end();
        }
        lists.finish(Vec::new())
    }

    /// What is the same in most rows or seldom there.
    fn plain(&self, field: &Mapped) -> ArrayRef {
        if field.es == Type::Date {
            // The only moment that is no column of the format.
            return Arc::new(moments(vec![self.context.batch.ingested; self.rows()].into(), None));
        }
        let mut buffer = Vec::new();
        let mut views = Views::new(self.rows());
        let mut last: (Option<String>, Option<u128>) = (None, None);
        // These have one value in every row that is no error.
        let errors = &self.context.batch.error_rows;
        let fixed = matches!(
            field.source,
            Source::Constant(_) | Source::EventKind | Source::ErrorMessage | Source::Region(None)
        ) || (field.source == Source::Original && !self.context.options.preserve_original);
        for row in 0..self.rows() {
            let same = fixed && errors.is_empty() && row > 0;
            if !same {
                let text = match self.context.value(&field.source, row) {
                    Value::Text(text) => Some(text.into_owned()),
                    _ => None,
                };
                if text != last.0 {
                    last = (text.clone(), text.map(|text| views::of(text.as_bytes(), &mut buffer)));
                }
            }
            views.push(last.1);
        }
        Arc::new(views.finish(vec![buffer.into()]))
    }
}

/// Lists of texts; an empty one is null.
struct Lists {
    values: Views,
    offsets: Vec<i32>,
}

impl Lists {
    fn new(rows: usize, each: usize) -> Lists {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Lists { values: Views::new(rows * each), offsets }
    }

    fn end(&mut self) {
        // At most four values a row, and fewer than 2^29 rows in a batch of 4 GiB.
        self.offsets.push(i32::try_from(self.values.len()).unwrap_or(i32::MAX));
    }

    fn finish(self, buffers: Vec<Buffer>) -> ArrayRef {
        let rows = self.offsets.len() - 1;
        let present = BooleanBuffer::collect_bool(rows, |row| self.offsets[row] < self.offsets[row + 1]);
        let nulls = Some(NullBuffer::new(present)).filter(|nulls| nulls.null_count() > 0);
        let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
        let offsets = OffsetBuffer::new(self.offsets.into());
        Arc::new(ListArray::new(item, offsets, Arc::new(self.values.finish(buffers)), nulls))
    }
}

fn moments(values: ScalarBuffer<i64>, nulls: Option<NullBuffer>) -> PrimitiveArray<TimestampMillisecondType> {
    PrimitiveArray::new(values, nulls).with_timezone("UTC")
}

fn nulls(values: &[i64]) -> Option<NullBuffer> {
    let present = BooleanBuffer::collect_bool(values.len(), |row| values[row] != ABSENT);
    Some(NullBuffer::new(present)).filter(|nulls| nulls.null_count() > 0)
}
