import type { RouteHandlers } from '../../../../middleware/rest-door.ts';
import type { BlocksService } from '../../services/blocks.service.ts';
import type { HeldService } from '../../services/held.service.ts';
import type { ReportsService } from '../../services/reports.service.ts';
import type { RestrictionsService } from '../../services/restrictions.service.ts';
import type { RulesService } from '../../services/rules.service.ts';

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

/** The REST door of what people are kept from. */
export function restrictionsRoutes(restrictions: RestrictionsService) {
  return {
    listModeratedUsers: async ({ actor, query }) => ({
      status: 200,
      body: await restrictions.listPeople(actor, query),
    }),
    getRestrictions: async ({ actor, params }) => ({
      status: 200,
      body: await restrictions.getRestrictions(actor, params.uid),
    }),
    putRestrictions: async ({ actor, params, body }) => ({
      status: 200,
      body: await restrictions.putRestrictions(actor, params.uid, body),
    }),
  } satisfies RouteHandlers;
}

/** The REST door of rules for words and links. */
export function rulesRoutes(rules: RulesService) {
  return {
    listRules: async ({ actor, query }) => ({ status: 200, body: await rules.listRules(actor, query) }),
    createRule: async ({ actor, body }) => {
      const { rule, created } = await rules.createRule(actor, body);
      return { status: created ? 201 : 200, body: rule };
    },
    deleteRule: async ({ actor, params }) => {
      await rules.deleteRule(actor, params.id);
      return { status: 204, body: null };
    },
  } satisfies RouteHandlers;
}

/** The REST door of messages that wait for a decision. */
export function heldRoutes(held: HeldService) {
  return {
    listHeld: async ({ actor, query }) => ({ status: 200, body: await held.listHeld(actor, query) }),
    resolveHeld: async ({ actor, params, body }) => ({
      status: 200,
      body: await held.resolveHeld(actor, params.id, body),
    }),
  } satisfies RouteHandlers;
}
