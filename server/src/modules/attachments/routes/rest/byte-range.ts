import type { IncomingHttpHeaders } from 'node:http';
import { namesTag } from '../../../../utils/etag.ts';

/** What of a file its conditions are judged by. */
interface Version {
  readonly etag: string;
  readonly modifiedAt: Date;
}

/** Whether the caller has this very version already (RFC 9110, 13.1.2 and 13.1.3). */
export function isNotModified(headers: IncomingHttpHeaders, { etag, modifiedAt }: Version): boolean {
  const known = headers['if-none-match'];
  if (known !== undefined) return namesTag(known, etag);
  const since = Date.parse(headers['if-modified-since'] ?? '');
  return seconds(modifiedAt) <= since / 1000;
}

/**
 * The part of a file that a `Range` header asks for: undefined where the whole of it is to be sent, `unsatisfiable` where it
 * lies behind the end. Several ranges in one header are answered with the whole, as is one for another version.
 */
export function readRange(
  headers: IncomingHttpHeaders,
  file: Version & { readonly size: number },
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range?.replaceAll(' ', '') ?? '');
  if (!match || !isOfVersion(headers['if-range'], file)) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '') {
    if (last === '') return undefined;
    const length = Math.min(Number(last), file.size);
    return length === 0 ? 'unsatisfiable' : { start: file.size - length, end: file.size - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= file.size) return 'unsatisfiable';
  return { start, end: last === '' ? file.size - 1 : Math.min(Number(last), file.size - 1) };
}

function isOfVersion(condition: string | string[] | undefined, { etag, modifiedAt }: Version): boolean {
  if (condition === undefined) return true;
  if (typeof condition !== 'string') return false;
  return condition === etag || Date.parse(condition) / 1000 === seconds(modifiedAt);
}

/** Dates of HTTP have no fractions. */
function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
