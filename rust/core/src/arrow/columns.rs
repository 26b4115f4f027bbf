//! One document field of all rows → one Arrow array. Texts are views into the batch's text: nothing is copied.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, PrimitiveArray, StringViewArray};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow_data::ByteView;

use crate::batch::{ABSENT, Column, Span};
use crate::ecs::{Context, Mapped, Source, Type, Value};

/// Builds the arrays of one batch.
pub(super) struct Builder<'a> {
    context: &'a Context<'a>,
    text: Buffer,
}

impl<'a> Builder<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Builder<'a> {
        Builder { context, text: Buffer::from(context.batch.text.clone()) }
    }

    pub(super) fn array(&self, field: &Mapped) -> ArrayRef {
        let batch = self.context.batch;
        match field.source {
            Source::Timestamp => {
                let values = (0..batch.len()).map(|row| self.context.timestamp(row));
                Arc::new(timestamps(values.collect(), None))
            }
            Source::Time(at) => match &batch.columns[at] {
                Column::Int(seconds) => {
                    let millis = seconds.iter().map(|&seconds| if seconds == ABSENT { 0 } else { seconds * 1000 });
                    Arc::new(timestamps(millis.collect(), nulls(seconds)))
                }
                _ => self.plain(field),
            },
            Source::Number(at) => match &batch.columns[at] {
                Column::Int(values) if field.es == Type::Port => {
                    let ports: ScalarBuffer<i32> = values.iter().map(|&value| value as i32).collect();
                    Arc::new(PrimitiveArray::<Int32Type>::new(ports, nulls(values)))
                }
                Column::Int(values) => {
                    Arc::new(PrimitiveArray::<Int64Type>::new(values.iter().copied().collect(), nulls(values)))
                }
                _ => self.plain(field),
            },
            Source::Text(at) => match &batch.columns[at] {
                Column::Text(spans) | Column::Addr { spans, .. } => Arc::new(self.views(spans)),
                Column::Int(_) => self.plain(field),
            },
            Source::EventType(_) | Source::RelatedIp(_) | Source::TcpFlags(_) => self.lists(field),
            _ => self.plain(field),
        }
    }

    /// Views of the batch's text.
    fn views(&self, spans: &[Span]) -> StringViewArray {
        let text = self.text.as_slice();
        let views = spans.iter().map(|span| {
            let bytes = span.of(text);
            if span.len <= 12 {
                let mut inline = [0u8; 16];
                inline[..4].copy_from_slice(&span.len.to_le_bytes());
                inline[4..4 + bytes.len()].copy_from_slice(bytes);
                u128::from_le_bytes(inline)
            } else {
                let prefix = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                ByteView { length: span.len, prefix, buffer_index: 0, offset: span.start }.as_u128()
            }
        });
        let views: ScalarBuffer<u128> = views.collect();
        let nulls = NullBuffer::from_iter(spans.iter().map(|span| !span.is_absent()));
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        StringViewArray::new(views, vec![self.text.clone()], nulls)
    }

    /// What is made value by value.
    fn plain(&self, field: &Mapped) -> ArrayRef {
        let rows = self.context.batch.len();
        let value = |row| self.context.value(&field.source, row);
        match field.es {
            Type::Long | Type::Port => {
                let numbers = (0..rows).map(|row| if let Value::Int(number) = value(row) { Some(number) } else { None });
                Arc::new(numbers.collect::<PrimitiveArray<Int64Type>>())
            }
            // The only moment that is no column of the format.
            Type::Date => Arc::new(timestamps(vec![self.context.batch.ingested; rows].into(), None)),
            _ => {
                let mut texts = StringViewBuilder::with_capacity(rows);
                for row in 0..rows {
                    texts.append_option(if let Value::Text(text) = value(row) { Some(text) } else { None });
                }
                Arc::new(texts.finish())
            }
        }
    }

    fn lists(&self, field: &Mapped) -> ArrayRef {
        let rows = self.context.batch.len();
        let mut lists = ListBuilder::with_capacity(StringViewBuilder::with_capacity(rows), rows);
        for row in 0..rows {
            if let Value::List(texts) = self.context.value(&field.source, row) {
                texts.iter().for_each(|text| lists.values().append_value(text));
                lists.append(true);
            } else {
                lists.append(false);
            }
        }
        Arc::new(lists.finish())
    }
}

fn timestamps(values: ScalarBuffer<i64>, nulls: Option<NullBuffer>) -> PrimitiveArray<TimestampMillisecondType> {
    PrimitiveArray::new(values, nulls).with_timezone("UTC")
}

fn nulls(values: &[i64]) -> Option<NullBuffer> {
    let nulls = NullBuffer::from_iter(values.iter().map(|&value| value != ABSENT));
    Some(nulls).filter(|nulls| nulls.null_count() > 0)
}
