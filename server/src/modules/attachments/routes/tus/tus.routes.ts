import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { API_PREFIX } from '@parley/protocol';
import { DataStore, ERRORS, Server, type ServerOptions, Upload } from '@tus/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { logFailure, toAppError } from '../../../../middleware/error-handler.ts';
import { uploadsRateLimiter } from '../../../../middleware/rate-limit.ts';
import { admit, type RestDoorDeps, refusalOf } from '../../../../middleware/rest-door.ts';
import type { Actor } from '../../../../utils/actor.ts';
import { newId } from '../../../../utils/ids.ts';
import type { Logger } from '../../../../utils/logger.ts';
import type { AttachmentsService } from '../../services/attachments.service.ts';

export interface TusRoutesDeps extends RestDoorDeps {
  readonly attachments: AttachmentsService;
  /** Bytes of one file. */
  readonly maxBytes: number;
  readonly logger: Logger;
}

const PATH = `${API_PREFIX}/attachments/tus`;

/** A request as its hooks get it. */
type ServerRequest = Parameters<NonNullable<ServerOptions['onUploadCreate']>>[0];

/** A call on its way through the tus server, which knows requests and nothing of people. */
interface TusCall {
  readonly actor: Actor;
  /** The upload it names; undefined where it makes one. */
  readonly id: string | undefined;
}

/**
 * Resumable uploads: tus 1.0 with creation, creation-with-upload and termination. An upload has the id of the attachment it
 * becomes, and on every verb it is its uploader's alone; to everybody else it does not exist.
 *
 * Who calls is decided here as on every other route; past that, tus answers as tus does.
 *
 * @returns ends the uploads under way, which clients take up again elsewhere.
 */
export async function registerTusRoutes(server: FastifyInstance, deps: TusRoutesDeps): Promise<() => void> {
  const { attachments, limits } = deps;
  const calls = new WeakMap<object, TusCall>();
  const underWay = new Set<IncomingMessage>();
  const tus = createTusServer(deps, calls);

  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { actor } = request;
    const { aid: id } = request.params as { aid?: string };
    try {
      if (id !== undefined) await attachments.requireUploader(actor!, id);
    } catch (error) {
      throw await refusalOf(request, error, limits);
    }
    reply.hijack();
    // What every answer carries is on the reply, which the tus server does not see.
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    reply.raw.setHeader('cache-control', 'no-store');
    calls.set(request.raw, { actor: actor!, id: id?.toLowerCase() });
    underWay.add(request.raw);
    try {
      await tus.handle(request.raw, reply.raw);
    } finally {
      underWay.delete(request.raw);
    }
  };

  await server.register(async (scope) => {
    // The bytes are left to the tus server.
    scope.addContentTypeParser('application/offset+octet-stream', (_request, _payload, done) => done(null));
    scope.route({ method: 'OPTIONS', url: PATH, onRequest: admit(deps), handler });
    scope.route({ method: 'POST', url: PATH, onRequest: admit(deps, uploadsRateLimiter), handler });
    scope.route({ method: ['HEAD', 'PATCH', 'DELETE'], url: `${PATH}/:aid`, onRequest: admit(deps), handler });
  });
  return () => {
    for (const request of underWay) request.destroy();
  };
}

function createTusServer({ attachments, maxBytes, logger }: TusRoutesDeps, calls: WeakMap<object, TusCall>): Server {
  const callOf = (request: ServerRequest): TusCall | undefined =>
    request.runtime?.node && calls.get(request.runtime.node.req);
  return new Server({
    path: PATH,
    datastore: new AttachmentStore(attachments),
    maxSize: maxBytes,
    // The server does not know under which name it is reached.
    relativeLocation: true,
    // Cross-origin rules are the HTTP server's, and are on the answer already.
    allowedOrigins: () => false,
    namingFunction: () => newId(),
    getFileIdFromRequest: (request) => callOf(request)?.id,
    onUploadCreate: async (request, upload) => {
      const { filename, name } = upload.metadata ?? {};
      await attachments.begin(callOf(request)!.actor, upload.id, filename ?? name ?? '', upload.size ?? 0);
      return {};
    },
    onUploadFinish: async (_request, upload) => {
      await attachments.finish(upload.id);
      return {};
    },
    onResponseError: (_request, error) => {
      if (!(error instanceof Error)) return undefined;
      const refused = toAppError(error);
      logFailure(logger, refused);
      return { status_code: refused.status, body: `${refused.message}\n` };
    },
  });
}

/** Uploads as the tus server sees them. */
class AttachmentStore extends DataStore {
  override readonly extensions = ['creation', 'creation-with-upload', 'termination'];
  readonly #attachments: AttachmentsService;

  constructor(attachments: AttachmentsService) {
    super();
    this.#attachments = attachments;
  }

  override async getUpload(id: string): Promise<Upload> {
    const upload = await this.#attachments.findUpload(id);
    if (!upload) throw ERRORS.FILE_NOT_FOUND;
    const { size, offset, fileName, createdAt } = upload;
    return new Upload({ id, size, offset, metadata: { filename: fileName }, creation_date: createdAt.toISOString() });
  }

  override write(bytes: Readable, id: string, offset: number): Promise<number> {
    return this.#attachments.append(id, bytes, offset);
  }

  override remove(id: string): Promise<void> {
    return this.#attachments.cancel(id);
  }
}
