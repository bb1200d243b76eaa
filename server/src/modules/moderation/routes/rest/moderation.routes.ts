import type { RouteHandlers } from '../../../../middleware/rest-door.ts';
import type { BlocksService } from '../../services/blocks.service.ts';
import type { ReportsService } from '../../services/reports.service.ts';

/** The REST door of blocks. They have no commands of the socket. */
export function blocksRoutes(blocks: BlocksService) {
  return {
    block: async ({ actor, params }) => {
      await blocks.block(actor, params.uid);
      return { status: 204, body: null };
    },
    unblock: async ({ actor, params }) => {
      await blocks.unblock(actor, params.uid);
      return { status: 204, body: null };
    },
    listBlocks: async ({ actor, query }) => ({ status: 200, body: await blocks.listBlocks(actor, query) }),
  } satisfies RouteHandlers;
}

/** The REST door of reports. */
export function reportsRoutes(reports: ReportsService) {
  return {
    reportMessage: async ({ actor, params, body }) => {
      const { report, created } = await reports.reportMessage(actor, params.cid, params.mid, body);
      return { status: created ? 201 : 200, body: report };
    },
    listReports: async ({ actor, query }) => ({ status: 200, body: await reports.listReports(actor, query) }),
    resolveReport: async ({ actor, params, body }) => ({
      status: 200,
      body: await reports.resolveReport(actor, params.rid, body),
    }),
  } satisfies RouteHandlers;
}
