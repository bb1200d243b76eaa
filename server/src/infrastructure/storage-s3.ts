import { openAsBlob } from 'node:fs';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { AwsClient } from 'aws4fetch';
import { AppError } from '../utils/app-error.ts';
import type { Storage } from './storage.ts';

/** Tries again after answers of 5xx and 429, with growing pauses. */
const RETRIES = 3;

/** The store has this long to begin its answer. */
const ANSWER_WITHIN_MS = 30_000;

/**
 * Files in a bucket of S3 or of anything that speaks as it does, addressed by path. One file is one request, which S3 takes
 * up to 5 GiB.
 */
export function createS3Storage(url: URL): Storage {
  const [bucket, ...folders] = url.pathname.split('/').filter((part) => part !== '');
  if (!url.hostname || !url.username || !url.password || bucket === undefined) {
    throw new Error('STORAGE_URL must be s3://ACCESS_KEY:SECRET@host/bucket');
  }
  const client = new AwsClient({
    accessKeyId: decodeURIComponent(url.username),
    secretAccessKey: decodeURIComponent(url.password),
    service: 's3',
    region: url.searchParams.get('region') ?? 'us-east-1',
    retries: RETRIES,
  });
  const scheme = url.searchParams.get('tls') === 'false' ? 'http' : 'https';
  const base = [`${scheme}://${url.host}`, bucket, ...folders].join('/');

  const call = async (key: string, init: RequestInit): Promise<Response> => {
    const patience = new AbortController();
    // Until the head of the answer is here; a large body may take its time.
    const timer = setTimeout(() => patience.abort(new Error('the store did not answer in time')), ANSWER_WITHIN_MS);
    try {
      const response = await client.fetch(`${base}/${key}`, { ...init, signal: patience.signal });
      if (response.ok || response.status === 404) return response;
      await response.body?.cancel();
      throw new Error(`the store answered ${response.status} to ${init.method}`);
    } catch (error) {
      throw new AppError('unavailable', { retryAfterMs: 5_000, cause: error });
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    put: async (key, path) => {
      // A blob of a file is read as it is sent, and its length is known before.
      const body = await openAsBlob(path);
      const response = await call(key, { method: 'PUT', body });
      await response.body?.cancel();
      if (!response.ok) throw new AppError('unavailable', { cause: new Error('there is no such bucket') });
    },
    open: async (key, range) => {
      const response = await call(key, {
        method: 'GET',
        ...(range && { headers: { range: `bytes=${range.start}-${range.end}` } }),
      });
      // A store that answers with more than was asked for would garble the file.
      const isPart = !range || Number(response.headers.get('content-length')) === range.end - range.start + 1;
      if (response.ok && response.body && isPart) return Readable.fromWeb(response.body as ReadableStream);
      await response.body?.cancel();
      if (response.ok) throw new AppError('unavailable', { cause: new Error('the store answered with another range') });
      return null;
    },
    remove: async (key) => {
      const response = await call(key, { method: 'DELETE' });
      await response.body?.cancel();
    },
  };
}
