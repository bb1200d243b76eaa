import { PassThrough, type Readable } from 'node:stream';
import fastifyMultipart, { type Multipart } from '@fastify/multipart';
import { API_PREFIX, AttachmentPathSchema, AttachmentQuerySchema, CAPS, ROUTES } from '@parley/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseInput } from '../../../../middleware/error-handler.ts';
import { restCallsRateLimiter, uploadsRateLimiter } from '../../../../middleware/rate-limit.ts';
import { admit, type RestDoorDeps, type RouteHandlers, refusalOf } from '../../../../middleware/rest-door.ts';
import type { Actor } from '../../../../utils/actor.ts';
import { AppError, invalidField } from '../../../../utils/app-error.ts';
import type { AttachmentsService, OpenFile } from '../../services/attachments.service.ts';
import { sendFile } from './file-answer.ts';

/** The route that answers with JSON, as all others do. */
export function attachmentsRoutes(attachments: AttachmentsService): RouteHandlers {
  return {
    getAttachmentLink: async ({ actor, params }) => ({
      status: 200,
      body: await attachments.getLink(actor, params.aid),
    }),
  };
}

export interface FileRoutesDeps extends RestDoorDeps {
  readonly attachments: AttachmentsService;
  /** Bytes of one file. */
  readonly maxBytes: number;
  /** Refuses somebody whose sessions were ended since. */
  readonly refuseRevoked: (actor: Actor) => Promise<void> | void;
}

/** The routes that stream: a file comes in as a form, and goes out as it is. */
export async function registerFileRoutes(server: FastifyInstance, deps: FileRoutesDeps): Promise<void> {
  await server.register(async (scope) => {
    await scope.register(fastifyMultipart, {
      limits: {
        files: 1,
        // None is taken, and each is told by its name.
        fields: 4,
        fieldSize: 1_000,
        parts: 5,
        headerPairs: 10,
        fieldNameSize: 100,
        fileSize: deps.maxBytes,
      },
    });
    registerUpload(scope, deps);
    registerFetch(scope, ROUTES.getAttachment.path, deps, (actor, id) => deps.attachments.getFile(actor, id));
    registerFetch(scope, ROUTES.getThumbnail.path, deps, (actor, id) => deps.attachments.getThumbnail(actor, id));
  });
}

function registerUpload(scope: FastifyInstance, deps: FileRoutesDeps): void {
  const { attachments, limits, maxBytes } = deps;
  scope.route({
    method: ROUTES.uploadAttachment.method,
    url: API_PREFIX + ROUTES.uploadAttachment.path,
    onRequest: admit(deps, uploadsRateLimiter),
    handler: async (request, reply) => {
      try {
        if (!request.isMultipart()) throw new AppError('unsupported_media_type');
        // The form around the file is small.
        if (Number(request.headers['content-length'] ?? 0) > maxBytes + CAPS.bodyBytes) {
          throw new AppError('payload_too_large');
        }
        reply.code(201);
        return await takeFile(request, (name, bytes) => attachments.upload(request.actor!, name, bytes));
      } catch (error) {
        throw await refusalOf(request, asUploadError(error), limits);
      }
    },
  });
}

type Upload = Extract<Multipart, { type: 'file' }>['file'];

/** Hands the one file of a form on, and sees that nothing else is in it. */
async function takeFile<Answer>(
  request: FastifyRequest,
  take: (fileName: string, bytes: Readable) => Promise<Answer>,
): Promise<Answer> {
  let answer: { readonly value: Answer } | undefined;
  for await (const part of request.parts()) {
    if (part.type !== 'file' || part.fieldname !== 'file') {
      if (part.type === 'file') part.file.resume();
      throw invalidField(
        part.fieldname.slice(0, CAPS.query).toWellFormed().replaceAll('\0', ''),
        'Is not a field of this form.',
      );
    }
    answer = { value: await take(part.filename ?? '', boundedBytes(part.file)) };
  }
  if (!answer) throw invalidField('file', 'Is missing.');
  return answer.value;
}

/**
 * The bytes of a file, ending with an error where they are too many: the parser would cut the file off and call it whole.
 * The rest of the form is read all the same and dropped, so that the answer is not lost in a connection that is written to.
 */
function boundedBytes(file: Upload): Readable {
  const bytes = new PassThrough();
  // It may fail before anybody reads from it; whoever does later still hears of it.
  bytes.on('error', () => file.resume());
  const end = (): void => void bytes.destroy(new AppError('payload_too_large'));
  const breakOff = (): void => {
    if (file.readableEnded) return;
    bytes.destroy(file.errored ?? new AppError('invalid_request', { detail: 'The upload broke off.' }));
  };
  file.on('error', breakOff);
  file.once('close', breakOff);
  // The parser may have given it up before it came here, and says so once only.
  if (file.destroyed) breakOff();
  if (file.truncated) end();
  else file.once('limit', end);
  return file.pipe(bytes);
}

/** A form that cannot be read is the caller's mistake: the parser's own errors have no status. */
function asUploadError(error: unknown): unknown {
  const isOfParser = error instanceof Error && /multipart|boundary|Part terminated|header/i.test(error.message);
  if (error instanceof AppError || !isOfParser || 'statusCode' in error) return error;
  return new AppError('invalid_request', { detail: 'The form is not valid.', cause: error });
}

type Find = (actor: Actor, id: string) => Promise<OpenFile>;

function registerFetch(scope: FastifyInstance, path: string, deps: FileRoutesDeps, find: Find): void {
  scope.route({
    method: ['GET', 'HEAD'],
    url: API_PREFIX + path,
    onRequest: admitReader(deps),
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      try {
        const { aid } = parseInput(AttachmentPathSchema, request.params);
        const { download } = parseInput(AttachmentQuerySchema, request.query);
        return await sendFile(request, reply, await find(request.actor!, aid), download === 'true');
      } catch (error) {
        throw await refusalOf(request, error, deps.limits);
      }
    },
  });
}

/** Who asks is said by a token or, where none can be sent, by a signed address. */
function admitReader(deps: FileRoutesDeps) {
  const admitBearer = admit(deps);
  return async (request: FastifyRequest): Promise<void> => {
    const { user, expires, signature } = parseInput(AttachmentQuerySchema, request.query);
    const isSigned = user !== undefined && expires !== undefined && signature !== undefined;
    if (!isSigned || request.headers.authorization !== undefined) return admitBearer(request);
    const { aid } = parseInput(AttachmentPathSchema, request.params);
    const actor = deps.attachments.verifyLink(aid, { user, expires, signature });
    await deps.refuseRevoked(actor);
    request.actor = actor;
    await deps.limits.take(restCallsRateLimiter, actor.id);
  };
}
