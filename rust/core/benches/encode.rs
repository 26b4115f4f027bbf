//! The stages of one thread: `cargo bench -p vpcflow-core`. The comparison with others is in benchmarks/.
#![allow(missing_docs)]

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vpcflow_core::ecs::{self, Ids};
use vpcflow_core::{Options, Source, parse};

/// Lines of the default format with many addresses and ports.
fn lines(count: u32) -> String {
    let mut text = String::from(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
    );
    for i in 0..count {
        let (a, b) = (i * 7919 % 251, i * 104_729 % 241);
        let action = if i % 7 == 0 { "REJECT" } else { "ACCEPT" };
        let _ = writeln!(
            text,
            "2 123456789010 eni-{:017x} 10.0.{}.{a} 203.0.113.{b} {} 443 6 {} {} {} {} {action} OK",
            i % 400,
            i % 16,
            1024 + i * 31 % 64_000,
            1 + i % 90,
            40 + i * 97 % 150_000,
            1_700_000_000 + i / 50,
            1_700_000_060 + i / 50,
        );
    }
    text
}

fn stages(criterion: &mut Criterion) {
    let text = bytes::Bytes::from(lines(10_000));
    let read = || parse(Source::Memory(text.clone()), Options::default()).expect("good lines");
    let batch = read();
    let options = ecs::Options::default();
    let mut out = Vec::new();

    let mut group = criterion.benchmark_group("10,000 lines of version 2");
    group.throughput(Throughput::Elements(batch.len() as u64));
    group.bench_function("parse", |bencher| bencher.iter(|| black_box(read()).len()));
    group.bench_function("ndjson", |bencher| {
        bencher.iter(|| {
            out.clear();
            batch.write_ndjson(&options, &mut out).expect("memory takes it");
            black_box(out.len())
        });
    });
    group.bench_function("bulk with digest ids", |bencher| {
        bencher.iter(|| {
            out.clear();
            batch.write_bulk(&options, Ids::Digest, &mut out).expect("memory takes it");
            black_box(out.len())
        });
    });
    group.bench_function("arrow", |bencher| {
        bencher.iter(|| black_box(vpcflow_core::arrow::record_batch(&batch)).num_rows());
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
