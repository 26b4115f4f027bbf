"""The compiled core: formats, decoding, batches and encoders. Import it through :mod:`vpcflow`."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, BinaryIO, Literal, TypeAlias, final

from typing_extensions import CapsuleType

from vpcflow.errors import ParseError

__all__ = [
    "AwsRanges",
    "Batch",
    "Chunk",
    "Direction",
    "Enrichment",
    "Format",
    "Geo",
    "Origin",
    "ParquetWriter",
    "Reader",
    "StoreCodes",
    "StoreWriter",
    "ThreatLists",
    "__version__",
    "build_profile",
    "columns",
    "explain",
    "fields",
    "gzip",
    "parse",
    "store_ranges",
    "store_values",
]

__version__: str
build_profile: str

_BytesLike: TypeAlias = bytes | bytearray | memoryview

@final
class Format:
    """The layout of a flow log: which fields, in which order.

    Args:
        spec: AWS's log-format string (``${version} ${account-id} …``) or the same names separated by spaces
            or commas, with hyphens or underscores. Names that AWS may add later are kept as text fields.

    Raises:
        FormatError: the string is empty, a name is malformed, or a name stands twice.
    """

    def __new__(cls, spec: str) -> Format: ...
    @staticmethod
    def default() -> Format:
        """AWS's default format: the 14 fields of version 2."""

    @staticmethod
    def full(version: int) -> Format:
        """Every VPC field up to a version (2, 3, 4, 5, 7, 8, 9, 10 or 11), in the order of AWS's table."""

    @staticmethod
    def transit_gateway() -> Format:
        """The 36 fields of a transit gateway flow log (version 6)."""

    @staticmethod
    def from_header(line: str | bytes) -> Format:
        """The format that a header line names. Raises FormatError when the line is no header."""

    @property
    def names(self) -> tuple[str, ...]:
        """AWS's field names in order, with hyphens."""

    @property
    def version(self) -> int | None:
        """The highest version among the known fields, as AWS would log it; None if no field is known."""

    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Format], tuple[str]]: ...
    def __str__(self) -> str:
        """AWS's log-format string."""

@final
class Origin:
    """What the carrier of the bytes knows: it fills in what the records don't say.

    Args:
        path: path or URL of the object, for ``log.file.path``.
        input_type: ``log``, ``aws-s3`` or ``aws-cloudwatch``, for ``input.type``.
        modified: Unix seconds that stand in as ``@timestamp`` where a format has neither start nor end.
        region: AWS region, for ``cloud.region`` where a record has none.
        bucket, key: where the object lies in S3.
        log_group, log_stream: where the events lie in CloudWatch Logs. They have no place in an object: the
            documents have no ``log.offset``, and digest ids are made of group, stream and text.
        ingestion_time: Unix seconds at which CloudWatch Logs got the events.
    """

    def __new__(
        cls,
        *,
        path: str | None = None,
        input_type: str = "log",
        modified: float | None = None,
        region: str | None = None,
        bucket: str | None = None,
        key: str | None = None,
        log_group: str | None = None,
        log_stream: str | None = None,
        ingestion_time: float | None = None,
    ) -> Origin: ...
    @property
    def path(self) -> str | None: ...
    @property
    def input_type(self) -> str: ...
    @property
    def modified(self) -> float | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def bucket(self) -> str | None: ...
    @property
    def key(self) -> str | None: ...
    @property
    def log_group(self) -> str | None: ...
    @property
    def log_stream(self) -> str | None: ...
    @property
    def ingestion_time(self) -> float | None: ...

@final
class Reader(Iterator[Chunk]):
    """Decodes one object into chunks of whole lines (or Parquet row groups), in order, at constant memory.

    Text, gzip (any number of members), zstd and Parquet are told apart by their first bytes. Iterating is
    cheap and sequential; parsing a chunk is the work and can be done on other threads.

    Args:
        source: path, bytes-like object, or binary file (anything with ``read(n)``; Parquet from a file that
            can't seek is read into memory).
        format: layout of the lines; None finds it from the header line, Parquet's names or AWS's layouts.
        origin: what the carrier knows; by default path and modification time of the file.
        on_error: what becomes of unreadable lines: ``index`` (a ``pipeline_error`` document in their place),
            ``skip`` (only in ``Batch.errors``) or ``raise`` (ParseError for the first).
        chunk_size: bytes of text a chunk.

    Raises:
        FormatError: from iterating, when the layout can't be told.
        DecodeError: from iterating, when the bytes can't be decoded further; what could be came before.
        OSError: the file can't be opened or read.
    """

    def __new__(
        cls,
        source: str | PathLike[str] | _BytesLike | BinaryIO,
        *,
        format: Format | None = None,
        origin: Origin | None = None,
        on_error: Literal["index", "skip", "raise"] = "index",
        chunk_size: int = ...,
    ) -> Reader: ...
    def __iter__(self) -> Reader: ...
    def __next__(self) -> Chunk: ...
    @property
    def format(self) -> Format | None:
        """The layout in force; None before the first chunk."""

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the source so far, compressed as they are there: for progress bars."""

    @property
    def encoding(self) -> Literal["text", "gzip", "zstd", "parquet"] | None:
        """How the object is encoded; None before the first chunk."""

@final
class Direction:
    """Finds ``network.direction`` where the log doesn't say it; one for all that is read together.

    As an interface sees it, ``ingress`` or ``egress``: the address that all records of an interface share is
    its own. What is learned stays for later batches. Any thread may use it.

    As the perimeter of networks sees it, ``inbound``, ``outbound``, ``internal`` or ``external``, for all
    records, whatever is logged.

    Args:
        internal_networks: CIDRs, or ``private`` (RFC 1918 and RFC 4193): the perimeter's view. None is the
            interface's.

    Raises:
        ValueError: a network that is none.
    """

    def __new__(cls, *, internal_networks: Sequence[str] | None = None) -> Direction: ...
    def tell(self, interfaces: Mapping[str, Sequence[str]]) -> None:
        """Addresses that interfaces are known to have, by interface id, the primary ones first.

        They go before what is learned. Raises ValueError for what is no address.
        """

@final
class Chunk:
    """Undecoded records of one format: the unit of work that a thread takes."""

    def parse(self, *, direction: Direction | None = None, enrichment: Enrichment | None = None) -> Batch:
        """Reads the records, once; ValueError after that. Raises ParseError with ``on_error="raise"``.

        Args:
            direction: finds their directions; without it they have those that are logged.
            enrichment: adds what it knows to them.
        """

    @property
    def nbytes(self) -> int:
        """Bytes of decompressed text (Parquet: of the row group as stored)."""

@final
class Geo:
    """Where addresses are and which network they belong to, from files.

    Args:
        files: MaxMind databases (``.mmdb``), nested as GeoIP2's or flat as ip-location-db's, of cities,
            countries or ASNs; and ``.csv`` with ASN ranges, ``start,end,number,name``. A file that
            is replaced is read again before the next batch.

    Raises:
        ConfigError: a file can't be read, is damaged, or has ranges that overlap.
    """

    def __new__(cls, files: Sequence[str | PathLike[str]]) -> Geo: ...

@final
class ThreatLists:
    """Addresses and networks that somebody warns of: into ``threat.*``, and the tag ``threat``.

    Args:
        files: lists of lines, CSV or STIX 2.1 bundles, gzip or not; ``NAME=FILE`` gives one another name
            than its file's. One that is replaced is read again before the next batch. Of several networks
            that have an address the smallest counts, then the first.

    Raises:
        ConfigError: a file can't be read, or has broken lines; the first ten are named.
    """

    def __new__(cls, files: Sequence[str | PathLike[str]]) -> ThreatLists: ...

@final
class AwsRanges:
    """Which AWS service an address belongs to, and its region: into ``source.cloud``, ``destination.cloud``.

    Args:
        file: AWS's ``ip-ranges.json``. When it is replaced it is read again before the next batch.

    Raises:
        ConfigError: it can't be read, or is something else.
    """

    def __new__(cls, file: str | PathLike[str]) -> AwsRanges: ...

@final
class Enrichment:
    """What a run knows beyond the log: its enrichers, in their order.

    Args:
        enrichers: `Geo`, and objects with `key`, `fields` and `look_up` as `vpcflow.Enricher` describes.

    Raises:
        ConfigError: one lacks something, or two don't agree on a field's type.
    """

    def __new__(cls, enrichers: Sequence[object]) -> Enrichment: ...
    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields that documents may get, and their types in Elasticsearch."""

    @property
    def notes(self) -> list[str]:
        """What went wrong so far."""

@final
class Batch:
    """Some flow records of one format, in the order of their object, with what enrichers added."""

    @property
    def format(self) -> Format: ...
    @property
    def origin(self) -> Origin: ...
    @property
    def errors(self) -> list[ParseError]:
        """The lines that could not be read, in order."""

    @property
    def lines(self) -> int:
        """Lines that were records or should have been: documents plus skipped errors."""

    @property
    def nbytes(self) -> int:
        """Bytes of decompressed text that this batch was read from."""

    def __len__(self) -> int:
        """Documents: records, and unreadable lines kept as ``pipeline_error`` documents."""

    def to_ecs(
        self, *, namespace: str = "default", preserve_original: bool = False, tags: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Nested ECS documents, the same as :meth:`to_ndjson` writes."""

    def to_ndjson(
        self,
        *,
        namespace: str = "default",
        preserve_original: bool = False,
        tags: Sequence[str] = (),
        compression: Literal["gzip", "zstd"] | None = None,
    ) -> bytes:
        """One JSON document a line. Compressed, it is a whole gzip member or zstd frame."""

    def to_bulk(
        self,
        *,
        ids: Literal["auto", "digest"] = "auto",
        namespace: str = "default",
        preserve_original: bool = False,
        tags: Sequence[str] = (),
        compression: Literal["gzip"] | None = None,
    ) -> bytes:
        """Body of an Elasticsearch ``_bulk`` request: for each record a ``create`` action and its document.

        With ``ids="digest"`` the ``_id`` is a 128-bit digest of the record and the place where it stood, so
        that the same object indexed twice gives the same documents once.
        """

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> CapsuleType:
        """Arrow C stream of one record batch; columns have dotted ECS names (``source.ip``).

        With a schema (``pyarrow.table(batch, schema=…)``) it has just that one's columns, in its types, and
        nothing else is made; a column that the batch lacks is null.

        Raises:
            FormatError: a column can't be had in the type asked for.
        """

@final
class ParquetWriter:
    """Writes batches of any formats into one Parquet file; columns that a batch lacks are null.

    The file appears under its name on :meth:`close`; before that it is a hidden temporary file beside it.

    Raises:
        OSError: from any call, when the disk doesn't take it.
    """

    def __new__(cls, path: str | PathLike[str], *, preserve_original: bool = False) -> ParquetWriter: ...
    def write(self, batch: Batch) -> None: ...
    def close(self) -> int:
        """Finishes the file, puts it in place atomically, and returns its size in bytes."""

    def abort(self) -> None:
        """Removes what was written."""

@final
class StoreWriter:
    """Writes the batches of one input into a store: ``<root>/date=YYYY-MM-DD/<identity>-<n>.parquet``.

    The parts appear together on :meth:`commit`, by atomic renames, and replace whatever parts the same
    identity had before: indexing an input twice leaves it in the store once.

    Args:
        root: folder of the store; made when it isn't there.
        identity: names the input (path, URL): the same input must give the same string.
    """

    def __new__(
        cls, root: str | PathLike[str], identity: str, *, preserve_original: bool = False
    ) -> StoreWriter: ...
    def write(self, batch: Batch) -> None: ...
    def commit(self) -> list[str]:
        """Puts the parts in place and returns their paths."""

    def abort(self) -> None:
        """Removes what was written; the store is as it was."""

@final
class StoreCodes:
    """Flows of Parquet files with numbers in place of texts, for DuckDB: several numbers share a column.

    The number of a value is 1 and its place in the list of its column's values. 0 stands for NULL and for a
    column that a file has not got. A file is opened when its rows are asked for, so what is wrong with one
    is said then, by the stream.

    Args:
        paths: of the files.
        start, end: the flows are those with ``start <= @timestamp < end``, in Unix milliseconds.
        piece: where the first piece of time begins, not after `start`, and how long each is, in milliseconds.
        shared: what each of the columns ``key0``, ``key1``, … has (BIGINT, never NULL): columns, all their
            values and the bit from which on their numbers stand. In ``key0`` the number of the piece of
            time stands from bit 0 on.
        own: columns of one number each, NULL for NULL: name, column in the files, all its values. USMALLINT
            up to 65,535 values, else UINTEGER.
        plain: columns that stay as they are: name, column in the files, and ``USMALLINT``, ``UINTEGER``,
            ``BIGINT`` or ``VARCHAR``.

    Raises:
        ConfigError: numbers don't fit into 63 bits, or a piece has no length or begins after `start`.
        ValueError: a type is another one.
    """

    def __new__(
        cls,
        paths: Sequence[str | PathLike[str]],
        *,
        start: int,
        end: int,
        piece: tuple[int, int],
        shared: Sequence[Sequence[tuple[str, Sequence[str], int]]],
        own: Sequence[tuple[str, str, Sequence[str]]],
        plain: Sequence[tuple[str, str, str]],
    ) -> StoreCodes: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> CapsuleType:
        """Arrow C stream of the columns of `shared`, `own` and `plain`, in this order. Each call makes one.

        It fails, with the file's name, where a file can't be read, a number does not fit into its type, or
        a row has a value that was not given ("a value was written meanwhile").
        """

def gzip(parts: Sequence[bytes]) -> bytes:
    """One gzip member of all parts together, made for speed."""

def parse(
    data: _BytesLike,
    *,
    format: Format | None = None,
    origin: Origin | None = None,
    on_error: Literal["index", "skip", "raise"] = "index",
    direction: Direction | None = None,
) -> Batch:
    """Reads the lines of an object in memory (decompressed or not, as Reader) into one batch.

    `direction` is as for `Chunk.parse`.

    Raises:
        FormatError: the layout can't be told, or it changes in the middle (then use ``vpcflow.read``).
        DecodeError: the bytes can't be decoded to their end.
        ParseError: a line can't be read and ``on_error="raise"``.
    """

def explain(
    line: str | bytes, *, format: Format | None = None
) -> list[tuple[str, str | None, str | None, str]]:
    """Explains a line. For each field: AWS's name, value (None for ``-``), value in words or None, meaning.

    Raises FormatError when the layout can't be told and ParseError when a field can't be read.
    """

def fields() -> list[tuple[int, str, str, str]]:
    """Every field that AWS documents: version, name, Parquet type, meaning."""

def columns() -> list[tuple[str, str, str | None]]:
    """Every field of a document: dotted name, Elasticsearch type, and the SQL that makes it.

    The SQL is DuckDB's, over the columns of the Parquet store. None: the store has the column itself (or, for
    what belongs to the data stream alone, not at all).
    """

def store_ranges(
    paths: Sequence[str | PathLike[str]], columns: Sequence[str]
) -> list[tuple[int, int] | None]:
    """The least and the greatest value of columns of whole numbers in Parquet files; None for no value.

    They are those of all rows, whenever they were. Raises DecodeError, with the file's name, where a file
    can't be read or a column has something else.
    """

def store_values(
    paths: Sequence[str | PathLike[str]], columns: Sequence[str], most: int
) -> list[list[str] | None]:
    """The different values of text columns in Parquet files, in no order and without NULL.

    They are those of all rows, whenever they were; None for a column that has more than `most`. Raises
    DecodeError, with the file's name, where a file can't be read or a column is not text.
    """
