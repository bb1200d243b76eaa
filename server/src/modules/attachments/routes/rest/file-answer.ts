import { create } from 'content-disposition';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../../../utils/app-error.ts';
import { isShownInPlace, UNKNOWN_TYPE } from '../../attachments.policy.ts';
import type { OpenFile } from '../../services/attachments.service.ts';
import { isNotModified, readRange } from './byte-range.ts';

/**
 * Answers with a file: whole, in part (`Range`), or not at all where the caller has it already (`If-None-Match`).
 *
 * Nothing in it can run as part of a page: its type is ours and is not guessed at, what is not known to be a picture, sound
 * or film is a download, and whatever is opened from here is in a sandbox without scripts. A cache may keep it but must
 * ask each time, and asking means being looked up again.
 */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: OpenFile,
  asDownload: boolean,
): Promise<FastifyReply> {
  const inPlace = isShownInPlace(file.mimeType) && !asDownload;
  reply.headers({
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-disposition': create(file.fileName, { type: inPlace ? 'inline' : 'attachment' }),
    'content-security-policy': "default-src 'none'; sandbox",
    // The page of another origin may show it: what lets it in is the token or the signature, never a cookie.
    'cross-origin-resource-policy': 'cross-origin',
    'content-type': file.mimeType || UNKNOWN_TYPE,
    etag: file.etag,
    'last-modified': file.modifiedAt.toUTCString(),
    'x-content-type-options': 'nosniff',
  });
  if (isNotModified(request.headers, file)) {
    reply.removeHeader('content-type');
    return reply.code(304).send();
  }

  const range = readRange(request.headers, file);
  if (range === 'unsatisfiable') return refuseRange(request, reply, file);
  if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${file.size}`);
  reply.header('content-length', range ? range.end - range.start + 1 : file.size);
  return request.method === 'HEAD' ? reply.send() : reply.send(await file.open(range));
}

/** The error body under a status that no code of the table has. */
function refuseRange(request: FastifyRequest, reply: FastifyReply, { size }: OpenFile): FastifyReply {
  const problem = new AppError('invalid_request', { detail: 'The file has no such range.' }).toProblem(request.id);
  for (const name of ['content-disposition', 'etag', 'last-modified']) reply.removeHeader(name);
  return reply
    .code(416)
    .headers({ 'content-range': `bytes */${size}`, 'cache-control': 'no-store' })
    .type('application/problem+json')
    .send(JSON.stringify({ ...problem, status: 416 }));
}
