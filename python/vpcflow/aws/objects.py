"""Objects in S3 as binary streams."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from vpcflow._core import Origin
from vpcflow.aws.errors import explain
from vpcflow.errors import SourceError, VpcflowError
from vpcflow.sources.base import Item
from vpcflow.sources.keys import parse_key

__all__ = ["S3Object", "object_item"]

_BLOCK = 256 << 10
# Bytes that may be downloaded ahead of the reader.
_AHEAD = 2 << 20
# How often in a row a download may break off without a byte.
_TRIES = 5


class S3Object:
    """An object as a binary stream, downloaded on a thread of its own, a little ahead of its reader.

    Nothing is opened before the first `read`, or `start`. A download that breaks off goes on where it was, if
    the object is still the same one. Parquet has to be read back and forth, so the object is a path too
    (``os.fspath``) when its first bytes are Parquet's: that of a temporary file.

    Args:
        client: boto3's S3 client.
        bucket, key: where it lies; the key is its own, not percent-encoded.
        version: the version to read, where the bucket has versions.
    """

    def __init__(self, client: Any, bucket: str, key: str, *, version: str | None = None) -> None:
        self.name = f"s3://{bucket}/{key}"
        self._client = client
        self._request = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        self._changed = threading.Condition()
        self._blocks: deque[bytes] = deque()
        self._held = 0
        self._thread: threading.Thread | None = None
        self._ended = False
        self._closed = threading.Event()
        self._fault: BaseException | None = None
        self._file: Path | None = None

    def start(self) -> None:
        """Begins to download."""
        with self._changed:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._fill, name="vpcflow-download", daemon=True)
                self._thread.start()

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes, at least one unless the object ends; all that is left without a size.

        Raises:
            ConfigError: access is denied, or the credentials are no good.
            SourceError: the object is gone or was replaced, or the network fails again and again.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(_BLOCK), b""))
        block = self._next()
        if len(block) > size:
            self._put_back(block[size:])
            block = block[:size]
        return block

    def readable(self) -> bool:
        return True

    def __fspath__(self) -> str:
        if self._file is None:
            first = self._next()
            self._put_back(first)
            if first[:4] != b"PAR1":
                raise TypeError(f"{self.name} is read as a stream")
            try:
                with tempfile.NamedTemporaryFile(prefix="vpcflow-", suffix=".parquet", delete=False) as file:
                    self._file = Path(file.name)
                    while block := self._next():
                        file.write(block)
            except BaseException as error:
                # Whoever takes it for a stream now must not get what is left of it.
                self._fault = error
                self.close()
                raise
        return os.fspath(self._file)

    def close(self) -> None:
        """Ends the download, and removes what it left."""
        self._closed.set()
        with self._changed:
            self._blocks.clear()
            self._held = 0
            self._changed.notify_all()
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _next(self) -> bytes:
        """The next block; an empty one at the end."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._ended or self._closed.is_set())
            if self._blocks and not self._closed.is_set():
                block = self._blocks.popleft()
                self._held -= len(block)
                self._changed.notify_all()
                return block
            if self._fault is not None:
                raise self._fault
            if self._closed.is_set():
                raise SourceError("the run ended before it was read")
            return b""

    def _put_back(self, block: bytes) -> None:
        with self._changed:
            if block:
                self._blocks.appendleft(block)
                self._held += len(block)

    def _fill(self) -> None:
        """The download's thread."""
        try:
            for block in self._download():
                with self._changed:
                    self._changed.wait_for(lambda: self._held < _AHEAD or self._closed.is_set())
                    if self._closed.is_set():
                        return
                    self._blocks.append(block)
                    self._held += len(block)
                    self._changed.notify_all()
        except Exception as error:
            self._fault = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _download(self) -> Iterator[bytes]:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

        at, end, failed = 0, None, 0
        request = dict(self._request)
        while end is None or at < end:
            try:
                answer = self._client.get_object(**request)
                with closing(answer["Body"]) as body:
                    end = at + answer["ContentLength"]
                    request["IfMatch"] = answer["ETag"]
                    while block := body.read(_BLOCK):
                        yield block
                        at, failed = at + len(block), 0
            except (HTTPClientError, IncompleteReadError) as error:
                failed += 1
                if failed > _TRIES or end is None:  # boto3 itself has tried to connect often enough
                    raise self._explained(error) from error
                if self._closed.wait(0.1 * 2**failed):
                    return
            except (ClientError, BotoCoreError) as error:
                raise self._explained(error) from error
            request["Range"] = f"bytes={at}-"

    def _explained(self, error: Exception) -> VpcflowError:
        arn = f"arn:aws:s3:::{self._request['Bucket']}/{self._request['Key']}"
        return explain(error, "", arn=arn)


def object_item(
    client: Any,
    bucket: str,
    key: str,
    *,
    size: int | None = None,
    modified: datetime | float | None = None,
    region: str | None = None,
    version: str | None = None,
) -> Item:
    """The item for an object; its `data` is an `S3Object`.

    Args:
        client: boto3's S3 client.
        bucket: where it lies.
        key: its own, not percent-encoded.
        size: bytes as stored, if known.
        modified: when it was stored, if known (Unix seconds).
        region: of the bucket, if known.
        version: of the object, where a certain one is wanted.
    """
    region = region or client.meta.region_name
    parts = parse_key(key)
    return Item(
        name=f"s3://{bucket}/{key}",
        identity=f"s3://{bucket}/{key}",
        data=cast("BinaryIO", S3Object(client, bucket, key, version=version)),
        size=size,
        origin=Origin(
            path=_url(bucket, key, region),
            input_type="aws-s3",
            modified=modified.timestamp() if isinstance(modified, datetime) else modified,
            region=parts.region if parts else region,
            bucket=bucket,
            key=key,
        ),
    )


def _url(bucket: str, key: str, region: str | None) -> str:
    """As Filebeat's aws-s3 input writes it."""
    suffix = "amazonaws.com.cn" if (region or "").startswith("cn-") else "amazonaws.com"
    return f"https://{bucket}.s3.{region or 'us-east-1'}.{suffix}/{key}"
