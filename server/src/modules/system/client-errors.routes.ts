import type { RouteHandlers } from '../../middleware/rest-door.ts';

/**
 * What broke in somebody's client, as a line of the log. Control characters go, so that no report looks like two lines; what it
 * says is a client's word, and nothing more.
 */
export const clientErrorsRest: RouteHandlers = {
  reportClientError: async ({ body, log }) => {
    const { message, stack, during } = body;
    log.warn(
      {
        client: { during: plain(during), message: plain(message), ...(stack !== undefined && { stack: plain(stack) }) },
      },
      'a client reported an error',
    );
    return { status: 204, body: null };
  },
};

function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
}
