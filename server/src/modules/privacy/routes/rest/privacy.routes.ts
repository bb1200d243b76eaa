import { API_PREFIX, ExportPathSchema, ROUTES } from '@parley/protocol';
import type { FastifyInstance } from 'fastify';
import { parseInput } from '../../../../middleware/error-handler.ts';
import { admit, type RestDoorDeps, type RouteHandlers, refusalOf } from '../../../../middleware/rest-door.ts';
import type { ErasuresService } from '../../services/erasures.service.ts';
import type { ExportsService } from '../../services/exports.service.ts';
import type { LegalHoldsService } from '../../services/legal-holds.service.ts';
import type { RetentionService } from '../../services/retention.service.ts';

export interface PrivacyDoorServices {
  readonly exports: ExportsService;
  readonly erasures: ErasuresService;
  readonly retention: RetentionService;
  readonly holds: LegalHoldsService;
}

/** The REST door of privacy, but for the route that streams. */
export function privacyRoutes({ exports, erasures, retention, holds }: PrivacyDoorServices) {
  return {
    createExport: async ({ actor, params }) => {
      const { job, created } = await exports.createExport(actor, params.uid);
      return { status: created ? 201 : 200, body: job };
    },
    getExport: async ({ actor, params }) => ({ status: 200, body: await exports.getExport(actor, params.id) }),
    eraseUser: async ({ actor, params, body }) => {
      const { job, created } = await erasures.eraseUser(actor, params.uid, body?.reason);
      return { status: created ? 201 : 200, body: job };
    },
    getErasure: async ({ actor, params }) => ({ status: 200, body: await erasures.getErasure(actor, params.id) }),
    getRetention: async ({ actor }) => ({ status: 200, body: await retention.getRetention(actor) }),
    putRetention: async ({ actor, body }) => ({ status: 200, body: await retention.putRetention(actor, body) }),
    previewRetention: async ({ actor, query }) => ({
      status: 200,
      body: await retention.previewRetention(actor, query),
    }),
    listLegalHolds: async ({ actor, query }) => ({ status: 200, body: await holds.listLegalHolds(actor, query) }),
    createLegalHold: async ({ actor, body }) => {
      const { hold, created } = await holds.createLegalHold(actor, body);
      return { status: created ? 201 : 200, body: hold };
    },
    releaseLegalHold: async ({ actor, params }) => {
      await holds.releaseLegalHold(actor, params.id);
      return { status: 204, body: null };
    },
  } satisfies RouteHandlers;
}

/** The route that streams: a copy goes out as it is put together. */
export function registerExportRoute(server: FastifyInstance, exports: ExportsService, door: RestDoorDeps): void {
  server.route({
    method: ROUTES.getExportFile.method,
    url: API_PREFIX + ROUTES.getExportFile.path,
    onRequest: admit(door),
    handler: async (request, reply) => {
      try {
        const { id } = parseInput(ExportPathSchema, request.params);
        const { fileName, bytes } = await exports.openExport(request.actor!, id);
        return reply
          .headers({
            'cache-control': 'no-store',
            'content-disposition': `attachment; filename="${fileName}"`,
            'content-type': ROUTES.getExportFile.answerType,
            'x-content-type-options': 'nosniff',
          })
          .send(bytes);
      } catch (error) {
        throw await refusalOf(request, error, door.limits);
      }
    },
  });
}
