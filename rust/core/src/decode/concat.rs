//! The batches of one object put together.

use crate::batch::{Batch, Column, Span};
use crate::error::{Error, Result};

/// One batch of several, which must be of one format. There is at least one.
pub(super) fn concat(batches: Vec<Batch>) -> Result<Batch> {
    let mut batches = batches.into_iter();
    let Some(mut whole) = batches.next() else { return Err(Error::Format("there is nothing to put together".into())) };
    let Some(second) = batches.next() else { return Ok(whole) };
    // The texts no longer lie in one piece: from now on each row says where it stood.
    whole.offsets = (0..whole.rows).map_while(|row| whole.offset(row)).collect();
    (whole.starts, whole.rows_in_starts) = (Vec::new(), Vec::new());
    let mut text = whole.text.to_vec();
    let mut last = (whole.text.clone(), 0);
    for batch in std::iter::once(second).chain(batches) {
        // Batches of Parquet may share one text.
        if batch.text.as_ptr_range() != last.0.as_ptr_range() {
            last = (batch.text.clone(), appended(&mut text, &batch.text)?);
        }
        append(&mut whole, last.1, batch)?;
    }
    whole.text = text.into();
    Ok(whole)
}

/// Puts a text behind another, and says where.
fn appended(text: &mut Vec<u8>, more: &[u8]) -> Result<u32> {
    let shift = u32::try_from(text.len()).ok().filter(|shift| shift.checked_add(more.len() as u32).is_some());
    let shift = shift.ok_or_else(|| Error::Format("the object is larger than 4 GiB: use vpcflow.read".into()))?;
    text.extend_from_slice(more);
    Ok(shift)
}

/// Adds a batch whose text stands so far behind.
fn append(whole: &mut Batch, shift: u32, batch: Batch) -> Result<()> {
    if batch.format != whole.format {
        let at = batch.offset(0).map_or(String::new(), |offset| format!(" at byte {offset}"));
        return Err(Error::Format(format!("the layout changes{at}; one batch has one layout: use vpcflow.read")));
    }
    let moved = |span: Span| if span.is_absent() { span } else { Span { start: span.start + shift, ..span } };

    whole.offsets.extend((0..batch.rows).map_while(|row| batch.offset(row)));
    // A batch with wrapped lines has a record for every row.
    if !whole.records.is_empty() || !batch.records.is_empty() {
        if whole.records.is_empty() {
            whole.records.clone_from(&whole.lines);
        }
        let records = if batch.records.is_empty() { &batch.lines } else { &batch.records };
        whole.records.extend(records.iter().copied().map(moved));
    }
    whole.lines.extend(batch.lines.into_iter().map(moved));
    for (column, other) in whole.columns.iter_mut().zip(batch.columns) {
        match (column, other) {
            (Column::Int(values), Column::Int(others)) => values.extend(others),
            (Column::Text(spans), Column::Text(others)) => spans.extend(others.into_iter().map(moved)),
            (Column::Addr { spans, values }, Column::Addr { spans: other_spans, values: others }) => {
                spans.extend(other_spans.into_iter().map(moved));
                values.extend(others);
            }
            _ => unreachable!("a format settles the kinds of its columns"),
        }
    }
    let (rows, errors) = (whole.rows as u32, whole.errors.len() as u32);
    whole.error_rows.extend(batch.error_rows.into_iter().map(|(row, error)| (row + rows, error + errors)));
    whole.errors.extend(batch.errors);
    whole.rows += batch.rows;
    whole.escapes |= batch.escapes;
    whole.longest = whole.longest.zip(batch.longest).map(|(one, other)| one.max(other));
    whole.nbytes += batch.nbytes;
    Ok(())
}
